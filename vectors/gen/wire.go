package main

import (
	"strings"
	"time"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

func wireVectors() any {
	var v []vector
	v = append(v, paramsVectors()...)
	v = append(v, documentVectors()...)
	v = append(v, frameVectors()...)
	v = append(v, streamVectors()...)
	v = append(v, networkVectors()...)
	return m{"vectors": v}
}

// presetParams are a preset's parameters with a fixed start.
func presetParams(name string) wire.Params {
	p := must(wire.Preset(name))
	p.T0 = time.UnixMilli(1767225600250).UTC()
	return p
}

func paramsVectors() (v []vector) {
	for _, name := range []string{"small", "demo"} {
		p := presetParams(name)
		sizes := m{"record": p.RecordSize(), "ack": p.AckSize(), "envelope": p.EnvelopeSize(), "payload": p.MaxPayload(), "cells_frame": p.CellsFrameSize()}
		var onions, receipts []int
		for hop := range p.Relays {
			onions, receipts = append(onions, p.OnionSize(hop)), append(receipts, p.ReceiptSize(hop))
		}
		sizes["onion"], sizes["receipt"] = onions, receipts
		v = append(v, vector{Op: "sizes", In: m{"preset": name}, Out: sizes})

		a := wire.Attempt{Epoch: 3, Number: 1}
		ms := func(t time.Time) int64 { return t.UnixMilli() }
		phases := m{}
		for ph := wire.PhaseKeys; ph < wire.Phases; ph++ {
			phases[ph.String()] = ms(p.PhaseStart(a, ph))
		}
		var onionTimes []int64
		for i := range p.Circuits() {
			onionTimes = append(onionTimes, ms(p.OnionTime(a, i)))
		}
		v = append(v, vector{Op: "schedule", Name: "times in milliseconds since 1970",
			In: m{"preset": name, "t0": ms(p.T0), "epoch": a.Epoch, "number": a.Number, "round": p.FirstRound(a.Epoch)},
			Out: m{"phase": phases, "join": ms(p.JoinTime(a)), "onions": onionTimes, "onion_close": ms(p.OnionClose(a)), "ack": ms(p.AckTime(a)),
				"end": ms(p.PhaseEnd(a, wire.PhaseReveal)), "first_round": p.FirstRound(a.Epoch), "last_round": p.LastRound(a.Epoch),
				"round_start": ms(p.RoundStart(p.FirstRound(a.Epoch))), "round_close": ms(p.RoundClose(p.FirstRound(a.Epoch)))}})
	}
	return v
}

func documentVectors() (v []vector) {
	net, a := pattern32("net"), wire.Attempt{Epoch: 513, Number: 1}
	var keys []wire.Keys
	sks := []suite.SigningKey{suite.NewSigningKey(pattern32("relay 1")), suite.NewSigningKey(pattern32("relay 2"))}
	var keysIn []m
	for i, sk := range sks {
		outer, inner := pattern32("outer "+string(rune('1'+i))), pattern32("inner "+string(rune('1'+i)))
		k := wire.Keys{Attempt: a, Relay: i, Outer: must(suite.NewPrivateKey(outer)).Public().Bytes(), Inner: must(suite.NewPrivateKey(inner)).Public().Bytes()}
		k.Sign(net, sk)
		if !k.Verify(net, sk.Public()) {
			panic("gen: KEYS do not verify")
		}
		keys = append(keys, k)
		keysIn = append(keysIn, m{"outer_seed": hx(outer), "inner_seed": hx(inner)})
	}
	enc := keys[0].Append(nil)
	v = append(v, vector{Op: "keys", In: m{"net": hx(net), "epoch": a.Epoch, "number": a.Number, "relay": 0, "signing_seed": hx(pattern32("relay 1")), "keys": keysIn[0]}, Out: m{"bytes": hx(enc)}})
	for _, n := range []int{0, wire.KeysSize - 1} {
		_, err := wire.ParseKeys(enc[:n])
		v = append(v, vector{Op: "keys-parse", Name: "cut", In: m{"bytes": hx(enc[:n])}, Error: failed(err)})
	}
	bad := flip(enc, wire.AttemptSize+1+5)
	v = append(v, vector{Op: "keys-verify", Name: "a bit of the outer key flipped", In: m{"net": hx(net), "bytes": hx(bad), "verify": hx(sks[0].Public().Bytes())},
		Error: refuses(must(wire.ParseKeys(bad)).Verify(net, sks[0].Public()))})

	aid := wire.AID(net, a, keys)
	v = append(v, vector{Op: "aid", In: m{"net": hx(net), "epoch": a.Epoch, "number": a.Number, "keys": keysIn}, Out: m{"aid": hx(aid)}})
	s := pattern32("s")
	v = append(v, vector{Op: "tag", In: m{"aid": hx(aid), "s": hx(s)}, Out: m{"tag": hx(wire.TagOf(aid, s))}})

	list := append(bytesOf(pattern32("record 1")), bytesOf(pattern32("record 2"))...) // two records of two tags
	if !wire.Sorted(list, 32) {
		list = append(list[32:], list[:32]...)
	}
	v = append(v, vector{Op: "list-hash", In: m{"epoch": a.Epoch, "number": a.Number, "records": hx(list)}, Out: m{"hash": hx(wire.ListHash(a, list))}})
	h := wire.Header{Attempt: a, AID: aid, Count: 2, List: wire.ListHash(a, list)}
	sh := wire.SignHeader(h, 1, sks[1])
	in := m{"epoch": a.Epoch, "number": a.Number, "aid": hx(aid), "count": 2, "list": hx(h.List), "relay": 1, "signing_seed": hx(pattern32("relay 2"))}
	v = append(v, vector{Op: "signed-header", In: in, Out: m{"header": hx(h.Append(nil)), "hash": hx(h.Hash()), "bytes": hx(sh.Append(nil))}})
	r := wire.SignReveal(a, 1, h.Hash(), sks[1])
	v = append(v, vector{Op: "reveal", In: m{"epoch": a.Epoch, "number": a.Number, "header": hx(h.Hash()), "relay": 1, "signing_seed": hx(pattern32("relay 2"))}, Out: m{"bytes": hx(r.Append(nil))}})
	asHeader := wire.SignedHeader{Header: h, Relay: 1, Signature: r.Signature}
	v = append(v, vector{Op: "signed-header-verify", Name: "a REVEAL's signature", In: m{"bytes": hx(asHeader.Append(nil)), "verify": hx(sks[1].Public().Bytes())},
		Error: refuses(asHeader.Verify(sks[1].Public()))})
	seed := wire.Seed{Attempt: a, Relay: 2, Seed: pattern32("inner 1")}
	return append(v, vector{Op: "seed", In: m{"epoch": a.Epoch, "number": a.Number, "relay": 2, "seed": hx(seed.Seed)}, Out: m{"bytes": hx(seed.Append(nil))}})
}

func frameVectors() (v []vector) {
	p := presetParams("demo")
	a := wire.Attempt{Epoch: 513, Number: 1}
	at := m{"epoch": a.Epoch, "number": a.Number}
	with := func(extra m) m {
		out := m{}
		for k, x := range at {
			out[k] = x
		}
		for k, x := range extra {
			out[k] = x
		}
		return out
	}
	record := pattern("record", p.RecordSize())
	v = append(v,
		vector{Op: "frame-join", In: with(m{"record": hx(record)}), Out: m{"frame": hx(wire.FrameAttempt(wire.TypeJoin, a, record))}},
		vector{Op: "frame-accepted", In: with(m{"type": wire.TypeOnion, "index": 5}), Out: m{"frame": hx(wire.FrameAccepted(a, wire.TypeOnion, 5))}},
		vector{Op: "frame-abort", In: at, Out: m{"frame": hx(wire.FrameAttempt(wire.TypeAbort, a))}},
	)
	onion := pattern("onion", p.OnionSize(0))
	v = append(v, vector{Op: "frame-onion", In: with(m{"index": 7, "onion": hx(onion)}), Out: m{"frame": hx(wire.FrameOnion(a, 7, onion))}})
	for _, bad := range []struct {
		name  string
		frame []byte
	}{{"onion 8 of 8", wire.FrameOnion(a, 8, nil)}, {"a byte short", wire.FrameOnion(a, 7, onion)[:100]}} {
		_, _, _, err := p.ParseOnion(bad.frame)
		v = append(v, vector{Op: "frame-onion-parse", Name: bad.name, In: m{"preset": "demo", "frame": hx(bad.frame)}, Error: failed(err)})
	}
	frame, cells := p.NewCells(wire.TypeCells, a, 30780)
	copy(cells, pattern("cells", len(cells)))
	v = append(v, vector{Op: "frame-cells", In: with(m{"type": wire.TypeCells, "round": 30780, "cells": hx(cells)}), Out: m{"frame": hx(frame)}})
	data := pattern("chunk", 300)
	f, d := wire.NewChunk(wire.TypeForward, a, 30780, 1024, 512, len(data))
	copy(d, data)
	v = append(v, vector{Op: "chunk", In: with(m{"type": wire.TypeForward, "round": 30780, "total": 1024, "offset": 512, "data": hx(data)}), Out: m{"frame": hx(f)}})
	for _, bad := range []struct {
		name          string
		total, offset uint64
	}{{"beyond the end", 700, 512}, {"the sum overflows", 1 << 63, 1<<64 - 10}} {
		f, _ := wire.NewChunk(wire.TypeForward, a, 0, bad.total, bad.offset, len(data))
		_, err := wire.ParseChunk(f)
		v = append(v, vector{Op: "chunk-parse", Name: bad.name, In: m{"frame": hx(f)}, Error: failed(err)})
	}
	return v
}

func streamVectors() (v []vector) {
	const size = 512 - suite.AEADOverhead
	encode := func(f wire.CellFrame) []byte {
		b := make([]byte, size)
		f.Encode(b)
		return b
	}
	data := wire.CellFrame{Kind: wire.FrameData, Seq: 7, Ack: 5, Bitmap: 0x80000001, Payload: pattern("payload", 100)}
	padding := wire.CellFrame{Kind: wire.FramePadding, Ack: 5, Bitmap: 2}
	for _, f := range []wire.CellFrame{data, padding} {
		v = append(v, vector{Op: "cell-frame", In: m{"kind": f.Kind, "seq": f.Seq, "ack": f.Ack, "bitmap": f.Bitmap, "payload": hx(f.Payload), "size": size}, Out: m{"bytes": hx(encode(f))}})
	}
	badKind, dirty, long, full := encode(data), encode(data), encode(data), encode(padding)
	badKind[0], dirty[size-1], long[13], full[4] = 2, 1, 0xff, 1
	for _, bad := range []struct {
		name string
		b    []byte
	}{{"unknown kind", badKind}, {"padding bytes that are not zero", dirty}, {"length beyond the cell", long}, {"padding with a sequence number", full}, {"cut", badKind[:10]}} {
		_, err := wire.ParseCellFrame(bad.b)
		v = append(v, vector{Op: "cell-frame-parse", Name: bad.name, In: m{"bytes": hx(bad.b)}, Error: failed(err)})
	}
	r := wire.Record{Class: wire.ClassLetter, Last: true, Item: wire.ItemID(pattern("item", 16)), Offset: 4072, Data: pattern("record data", 60)}
	b := r.Append(nil)
	v = append(v, vector{Op: "record", In: m{"class": r.Class, "last": true, "item": hx(r.Item), "offset": r.Offset, "data": hx(r.Data)}, Out: m{"bytes": hx(b)}})
	class, flags, empty := flip(b, 0), flip(b, 0), wire.Record{Class: wire.ClassSignal}.Append(nil)
	class[0], flags[0], flags[1] = 4, 3, 2
	for _, bad := range []struct {
		name string
		b    []byte
	}{{"unknown class", class}, {"unknown flags", flags}, {"empty without being the last", empty}} {
		_, _, err := wire.ParseRecord(bad.b)
		v = append(v, vector{Op: "record-parse", Name: bad.name, In: m{"bytes": hx(bad.b)}, Error: failed(err)})
	}
	return v
}

// vectorNetwork is a signed network of two relays.
func vectorNetwork() (*wire.Network, []suite.SigningKey) {
	p := presetParams("small")
	p.Relays = 2
	n := &wire.Network{Name: "vectors", Params: p, Signatures: make([][]byte, 2)}
	n.Entry = wire.Entry{Addresses: []string{"entry.example:443", "[2001:db8::1]:443"}, TLS: suite.NewAccountKey(pattern32("tls entry")).Public()}
	var sks []suite.SigningKey
	for i, name := range []string{"relay 1", "relay 2"} {
		sk := suite.NewSigningKey(pattern32(name))
		n.Relays = append(n.Relays, wire.RelayRecord{Name: name, Operator: "Party " + string(rune('A'+i)), Address: strings.ReplaceAll(name, " ", "") + ".example:7000",
			Verify: sk.Public(), TLS: suite.NewAccountKey(pattern32("tls " + name)).Public()})
		sks = append(sks, sk)
	}
	for i, sk := range sks {
		if err := n.Sign(i, sk); err != nil {
			panic(err)
		}
	}
	return n, sks
}

func networkVectors() (v []vector) {
	n, sks := vectorNetwork()
	if err := n.Verify(); err != nil {
		panic(err)
	}
	text := string(n.Encode())
	v = append(v, vector{Op: "network", In: m{"toml": text}, Out: m{"canonical": hx(n.Canonical()), "net": hx(n.Net())}})
	// The other files are the first with one passage replaced.
	edit := func(from, to string) ([]byte, m) {
		if strings.Count(text, from) != 1 {
			panic("gen: the passage to replace does not stand in the network file once: " + from)
		}
		return []byte(strings.Replace(text, from, to, 1)), m{"replace": from, "with": to}
	}
	respelt, in := edit(`epoch = "2m0s"`, `epoch = "120s" # the same`)
	again := must(wire.ParseNetwork(respelt))
	if again.Net() != n.Net() || again.Verify() != nil {
		panic("gen: another spelling is another network")
	}
	v = append(v, vector{Op: "network", Name: "another spelling", In: in, Out: m{"canonical": hx(n.Canonical()), "net": hx(n.Net())}})
	for _, c := range []struct{ name, from, to string }{
		{"unknown key", "lanes = 4", "lanes = 4\nlanse = 4"},
		{"key in another case", "lanes = 4", "Lanes = 4"},
		{"another suite", "suite = 1", "suite = 2"},
		{"a value missing", "cell = 512", ""},
		{"a local time", `t0 = "2026-01-01T00:00:00.25Z"`, `t0 = "2026-01-01T00:00:00.25"`},
		{"fewer relays than described", "relays = 2", "relays = 1"},
		{"one address twice", "relay2.example", "relay1.example"},
	} {
		bad, in := edit(c.from, c.to)
		_, err := wire.ParseNetwork(bad)
		v = append(v, vector{Op: "network", Name: c.name, In: in, Error: failed(err)})
	}
	changed, in := edit("cell = 512", "cell = 256")
	v = append(v, vector{Op: "network-verify", Name: "a value changed", In: in, Error: failed(must(wire.ParseNetwork(changed)).Verify())})
	at := strings.LastIndex(text, "signature = ")
	unsigned, in := edit(text[at:], "")
	v = append(v, vector{Op: "network-verify", Name: "relay 2 has not signed", In: in, Error: failed(must(wire.ParseNetwork(unsigned)).Verify())})

	record := string(must(wire.EncodeRelayRecord(n.Relays[0], sks[0])))
	v = append(v, vector{Op: "relay-record", In: m{"toml": record}, Out: m{"signed": hx(n.Relays[0].Append(nil))}})
	_, err := wire.ParseRelayRecord([]byte(strings.Replace(record, "Party A", "Party B", 1)))
	v = append(v, vector{Op: "relay-record", Name: "another operator", In: m{"replace": "Party A", "with": "Party B"}, Error: failed(err)})
	entry := string(must(wire.EncodeEntryRecord(n.Entry.Addresses, pattern32("tls entry"))))
	v = append(v, vector{Op: "entry-record", In: m{"toml": entry}, Out: m{"signed": hx(n.Entry.Append(nil))}})
	return v
}
