package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"slices"

	"backchannel/internal/mix"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// onions.json holds onions with stated randomness, made by a test of internal/mix:
// the standard library encapsulates with fresh randomness only.
//
//go:embed onions.json
var onionsJSON []byte

type fixedOnion struct {
	Header, ID, Envelope, Onion, Receipt string
	Outer, Inner, Randomness             []string
	Hops                                 []fixedLayer
}

type fixedLayer struct {
	Forward       string `json:"forward"`
	Backward      string `json:"backward"`
	ReceiptMAC    string `json:"receipt_mac"`
	ReceiptStream string `json:"receipt_stream"`
}

func mixVectors() any {
	var onions []fixedOnion
	if err := json.Unmarshal(onionsJSON, &onions); err != nil {
		panic(err)
	}
	var v []vector
	for _, o := range onions {
		v = append(v, onionVectors(o)...)
	}
	last := onions[len(onions)-1] // the longest chain
	v = append(v, envelopeVectors(last)...)
	v = append(v, receiptVectors(last)...)
	v = append(v, circuitVectors(last)...)
	v = append(v, turnVector(onions))
	v = append(v, batchVectors(last)...)
	return m{"vectors": v}
}

func mixParams(relays int) wire.Params {
	p := presetParams("demo")
	p.Relays, p.Cell = relays, 256
	return p
}

func keyFrom(seed string) suite.PrivateKey {
	return must(suite.NewPrivateKey([32]byte(unhx(seed))))
}

// onionVectors peels one onion hop by hop. Every step is checked against the
// engine: a batch of one has nothing to permute.
func onionVectors(o fixedOnion) (v []vector) {
	n := len(o.Outer)
	v = append(v, vector{Op: "onion", Name: "randomness: of the inner encapsulations, then of the outer ones", In: m{
		"header": o.Header, "id": o.ID, "outer": o.Outer, "inner": o.Inner, "randomness": o.Randomness,
	}, Out: m{"onion": o.Onion, "hops": o.Hops, "receipt": o.Receipt}})
	header, onion := wire.Hash(unhx(o.Header)), unhx(o.Onion)
	for hop := range n {
		sk := keyFrom(o.Outer[hop])
		next, x, err := sk.Open(suite.LabelOuter, onion, header[:], []byte{byte(hop)})
		if err != nil {
			panic("gen: onions.json does not open")
		}
		got := fixedLayer{hx(x.Export(suite.LabelForward)), hx(x.Export(suite.LabelBackward)), hx(x.Export(suite.LabelReceiptMAC)), hx(x.Export(suite.LabelReceiptStream))}
		if got != o.Hops[hop] {
			panic("gen: onions.json holds other exports than those that come out")
		}
		if out, _ := must2(mix.OpenBatch(mixParams(n), hop, sk, header, onion, 1)); hop < n-1 && !bytes.Equal(out, next) {
			panic("gen: the engine opens an onion differently")
		}
		in := func(hop int, header wire.Hash, onion []byte) m {
			return m{"outer": o.Outer[hop], "hop": hop, "header": hx(header), "onion": hx(onion)}
		}
		v = append(v, vector{Op: "onion-open", In: in(hop, header, onion), Out: m{"next": hx(next), "layer": got}})
		if hop == 0 && n == 1 {
			other := header
			other[0] ^= 1
			for _, bad := range []struct {
				name   string
				hop    int
				header wire.Hash
				onion  []byte
			}{
				{"another header", 0, other, onion},
				{"as another hop", 1, header, onion},
				{"first bit flipped", 0, header, flip(onion, 0)},
				{"a bit of the X25519 share flipped", 0, header, flip(onion, 1100)},
				{"a bit of the envelope flipped", 0, header, flip(onion, 1120)},
				{"last bit flipped", 0, header, flip(onion, len(onion)-1)},
			} {
				_, _, err := sk.Open(suite.LabelOuter, bad.onion, bad.header[:], []byte{byte(bad.hop)})
				i := in(0, bad.header, bad.onion)
				i["hop"] = bad.hop
				v = append(v, vector{Op: "onion-open", Name: bad.name, In: i, Error: failed(err)})
			}
		}
		onion = next
	}
	if hx(onion) != o.Envelope {
		panic("gen: an onion does not end in its envelope")
	}
	return v
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

// openID opens an inner envelope from the primitives.
func openID(inner []string, header wire.Hash, envelope []byte) ([]byte, error) {
	encs := envelope[:len(inner)*suite.KEMEncapsulationSize]
	var secrets [][]byte
	for hop, seed := range inner {
		ss, err := keyFrom(seed).Decapsulate(suite.LabelInner, encs[hop*suite.KEMEncapsulationSize:(hop+1)*suite.KEMEncapsulationSize], header[:], []byte{byte(hop)})
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, ss[:])
	}
	k := suite.KDF(suite.LabelEnvelope, secrets, header[:], encs)
	return suite.OpenOnce(&k, nil, envelope[len(encs):])
}

func envelopeVectors(o fixedOnion) (v []vector) {
	header, envelope := wire.Hash(unhx(o.Header)), unhx(o.Envelope)
	id := must(openID(o.Inner, header, envelope))
	if hx(id) != o.ID {
		panic("gen: onions.json holds another id than the one that comes out")
	}
	v = append(v, vector{Op: "envelope-open", In: m{"inner": o.Inner, "header": o.Header, "envelope": o.Envelope}, Out: m{"id": hx(id)}})
	swapped, one := slices.Clone(o.Inner), slices.Clone(o.Inner)
	swapped[0], swapped[1] = swapped[1], swapped[0]
	one[1] = hx(pattern32("another inner seed"))
	other := header
	other[31] ^= 1
	for _, bad := range []struct {
		name     string
		inner    []string
		header   wire.Hash
		envelope []byte
	}{
		{"one inner key is another", one, header, envelope},
		{"inner keys in another order", swapped, header, envelope},
		{"another header", o.Inner, other, envelope},
		{"a bit of the second encapsulation flipped", o.Inner, header, flip(envelope, 1125)},
		{"a bit of the sealed id flipped", o.Inner, header, flip(envelope, len(envelope)-17)},
		{"last bit flipped", o.Inner, header, flip(envelope, len(envelope)-1)},
	} {
		_, err := openID(bad.inner, bad.header, bad.envelope)
		v = append(v, vector{Op: "envelope-open", Name: bad.name, In: m{"inner": bad.inner, "header": hx(bad.header), "envelope": hx(bad.envelope)}, Error: failed(err)})
	}
	return v
}

// receiptVectors go backward from the last hop; the first hop's blob is what the
// station compares. The engine makes them from the onion.
func receiptVectors(o fixedOnion) (v []vector) {
	n := len(o.Outer)
	p, header := mixParams(n), wire.Hash(unhx(o.Header))
	sets := make([]*mix.Set, n)
	batch := unhx(o.Onion)
	for hop := range n {
		batch, sets[hop] = must2(mix.OpenBatch(p, hop, keyFrom(o.Outer[hop]), header, batch, 1))
	}
	var next []byte
	for hop := n - 1; hop >= 0; hop-- {
		blob := must(sets[hop].Receipts(next))
		v = append(v, vector{Op: "receipt", In: m{
			"header": o.Header, "next": hx(next), "receipt_mac": o.Hops[hop].ReceiptMAC, "receipt_stream": o.Hops[hop].ReceiptStream,
		}, Out: m{"blob": hx(blob)}})
		next = blob
	}
	if hx(next) != o.Receipt {
		panic("gen: onions.json holds another receipt than the one that comes out")
	}
	return v
}

// layer is one AES-256-CTR layer of a cell: IV = round(8) ‖ 0(8).
func layer(key string, round uint64, cell []byte) []byte {
	k := [32]byte(unhx(key))
	iv := [16]byte{}
	for i := range 8 {
		iv[i] = byte(round >> (56 - 8*i))
	}
	out := make([]byte, len(cell))
	suite.XORLayer(&k, &iv, out, cell)
	return out
}

func circuitVectors(o fixedOnion) (v []vector) {
	var forward, backward []string
	for _, h := range o.Hops {
		forward, backward = append(forward, h.Forward), append(backward, h.Backward)
	}
	for _, round := range []uint64{0, 1, 1 << 40, 1<<64 - 1} {
		cell := pattern("cell", 256)
		up, down := cell, cell
		for hop := range o.Hops {
			up, down = layer(forward[hop], round, up), layer(backward[hop], round, down)
		}
		v = append(v,
			vector{Op: "cell-seal", In: m{"forward": forward, "round": round, "cell": hx(cell)}, Out: m{"cell": hx(up)}},
			vector{Op: "cell-open", In: m{"backward": backward, "round": round, "cell": hx(cell)}, Out: m{"cell": hx(down)}})
	}
	return v
}

// turnVector is a round at the only relay of a chain: two circuits with one id
// swap, the third has no partner and gets random bytes, shown as null.
func turnVector(onions []fixedOnion) vector {
	const round = 77
	p, header := mixParams(1), wire.Hash(unhx(onions[0].Header))
	var batch, cells []byte
	var in []m
	for i, o := range onions[:3] {
		cell := pattern("turn "+string(rune('a'+i)), p.Cell)
		batch, cells = append(batch, unhx(o.Onion)...), append(cells, cell...)
		in = append(in, m{"onion": o.Onion, "cell": hx(cell)})
	}
	_, s := must2(mix.OpenBatch(p, 0, keyFrom(onions[0].Outer[0]), header, batch, 1))
	if err := s.Pair(header, []suite.PrivateKey{keyFrom(onions[0].Inner[0])}, 1); err != nil {
		panic(err)
	}
	turn := must(s.Turn(round))
	if err := turn.Write(cells); err != nil {
		panic(err)
	}
	out, _ := turn.Output()
	answers := []any{hx(out[:p.Cell]), hx(out[p.Cell : 2*p.Cell]), nil}
	for i := range 2 {
		want := layer(onions[i].Hops[0].Backward, round, layer(onions[1-i].Hops[0].Forward, round, cells[(1-i)*p.Cell:(2-i)*p.Cell]))
		if answers[i] != hx(want) {
			panic("gen: a turn is not what its layers make")
		}
	}
	return vector{Op: "turn", Name: "null: random bytes", In: m{
		"outer": onions[0].Outer[0], "inner": onions[0].Inner, "header": onions[0].Header, "round": round, "circuits": in,
	}, Out: m{"cells": answers}}
}

// batchVectors are arrays that a relay refuses before it computes anything.
func batchVectors(o fixedOnion) (v []vector) {
	p, header := mixParams(len(o.Outer)), wire.Hash(unhx(o.Header))
	for _, bad := range []struct {
		name string
		hop  int
		size int
	}{
		{"a byte short", 0, p.OnionSize(0) - 1},
		{"a byte long", 0, 2*p.OnionSize(0) + 1},
		{"onions of the hop before", 1, p.OnionSize(0)},
		{"onions of the hop after", 1, p.OnionSize(2)},
	} {
		if _, _, err := mix.OpenBatch(p, bad.hop, keyFrom(o.Outer[bad.hop]), header, make([]byte, bad.size), 1); err == nil {
			panic("gen: a batch of a wrong size was accepted")
		}
		v = append(v, vector{Op: "batch-size", Name: bad.name, In: m{"relays": p.Relays, "hop": bad.hop, "bytes": bad.size}, Error: failMalformed})
	}
	return v
}
