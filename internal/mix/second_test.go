package mix_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	mathrand "math/rand/v2"
)

// A second implementation of onions, receipts and circuits, written from the
// specification on the standard library alone and in its own arithmetic. It
// shares no line with this package; interop_test.go lets both talk to each other.

type secondLayer struct{ forward, backward, mac, stream []byte }

func secondInfo(label string, rest ...[]byte) []byte {
	out := []byte{byte(len("backchannel/v1/") + len(label))}
	out = append(out, "backchannel/v1/"+label...)
	for _, r := range rest {
		out = append(out, r...)
	}
	return out
}

func secondKEM(seed []byte) hpke.PrivateKey {
	k, err := hpke.MLKEM768X25519().NewPrivateKey(seed)
	if err != nil {
		panic(err)
	}
	return k
}

func secondHMAC(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

// secondHKDF is RFC 5869 for one output block: no salt means 32 zero bytes.
func secondHKDF(secret, info []byte) []byte {
	prk := secondHMAC(make([]byte, 32), secret)
	return secondHMAC(prk, info, []byte{1})
}

// secondCTR counts blocks by hand: the IV is high(8) ‖ 0(8), so the low half is
// the number of the block.
func secondCTR(key []byte, high uint64, data []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	out := make([]byte, len(data))
	for i := 0; i < len(data); i += 16 {
		var counter, stream [16]byte
		binary.BigEndian.PutUint64(counter[:8], high)
		binary.BigEndian.PutUint64(counter[8:], uint64(i/16))
		block.Encrypt(stream[:], counter[:])
		for j := i; j < len(data) && j < i+16; j++ {
			out[j] = data[j] ^ stream[j-i]
		}
	}
	return out
}

func secondGCM(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	g, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return g
}

type secondExporter interface {
	Export(string, int) ([]byte, error)
}

func secondExport(c secondExporter) secondLayer {
	get := func(name string) []byte {
		b, err := c.Export("backchannel/v1/onion/"+name, 32)
		if err != nil {
			panic(err)
		}
		return b
	}
	return secondLayer{get("forward"), get("backward"), get("receipt-mac"), get("receipt-stream")}
}

// secondOnion builds an onion for public keys in chain order.
func secondOnion(outer, inner [][]byte, header, id []byte) (onion []byte, layers []secondLayer, receipt []byte) {
	kem := hpke.MLKEM768X25519()
	var secrets, encs []byte
	for hop, pub := range inner {
		pk, err := kem.NewPublicKey(pub)
		if err != nil {
			panic(err)
		}
		enc, s, err := hpke.NewSender(pk, hpke.HKDFSHA256(), hpke.ExportOnly(), secondInfo("onion/inner", header, []byte{byte(hop)}))
		if err != nil {
			panic(err)
		}
		ss, err := s.Export("backchannel/v1/onion/inner", 32)
		if err != nil {
			panic(err)
		}
		secrets, encs = append(secrets, ss...), append(encs, enc...)
	}
	key := secondHKDF(secrets, secondInfo("onion/envelope", header, encs))
	onion = secondGCM(key).Seal(encs, make([]byte, 12), id, nil)

	layers = make([]secondLayer, len(outer))
	for hop := len(outer) - 1; hop >= 0; hop-- {
		pk, err := kem.NewPublicKey(outer[hop])
		if err != nil {
			panic(err)
		}
		enc, s, err := hpke.NewSender(pk, hpke.HKDFSHA256(), hpke.AES256GCM(), secondInfo("onion/outer", header, []byte{byte(hop)}))
		if err != nil {
			panic(err)
		}
		ct, err := s.Seal(nil, onion)
		if err != nil {
			panic(err)
		}
		onion = append(enc, ct...)
		layers[hop] = secondExport(s)
		receipt = secondReceipt(layers[hop], header, receipt)
	}
	return onion, layers, receipt
}

func secondReceipt(l secondLayer, header, next []byte) []byte {
	tag := secondHMAC(l.mac, header, next)
	return secondCTR(l.stream, 0, append(append([]byte{}, next...), tag...))
}

func secondPeel(outerSeed, header []byte, hop int, onion []byte) (next []byte, l secondLayer, ok bool) {
	r, err := hpke.NewRecipient(onion[:1120], secondKEM(outerSeed), hpke.HKDFSHA256(), hpke.AES256GCM(), secondInfo("onion/outer", header, []byte{byte(hop)}))
	if err != nil {
		return nil, l, false
	}
	if next, err = r.Open(nil, onion[1120:]); err != nil {
		return nil, l, false
	}
	return next, secondExport(r), true
}

func secondID(innerSeeds [][]byte, header, envelope []byte) (id []byte, ok bool) {
	encs := envelope[:1120*len(innerSeeds)]
	var secrets []byte
	for hop, seed := range innerSeeds {
		r, err := hpke.NewRecipient(encs[1120*hop:1120*(hop+1)], secondKEM(seed), hpke.HKDFSHA256(), hpke.ExportOnly(), secondInfo("onion/inner", header, []byte{byte(hop)}))
		if err != nil {
			return nil, false
		}
		ss, err := r.Export("backchannel/v1/onion/inner", 32)
		if err != nil {
			return nil, false
		}
		secrets = append(secrets, ss...)
	}
	key := secondHKDF(secrets, secondInfo("onion/envelope", header, encs))
	id, err := secondGCM(key).Open(nil, make([]byte, 12), envelope[len(encs):], nil)
	return id, err == nil
}

// secondRelay keeps every circuit as an object, which is slow and clear.
type secondRelay struct {
	hop, last int
	seed      []byte
	header    []byte
	cell      int
	layers    []secondLayer
	place     []int // of input i in the output
	envelopes [][]byte
	partner   []int // -1: none
}

func secondSplit(b []byte, n int) [][]byte {
	size := len(b) / n
	out := make([][]byte, n)
	for i := range out {
		out[i] = b[i*size : (i+1)*size]
	}
	return out
}

func secondRandom(n int) []byte {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		panic(err)
	}
	return b
}

func (r *secondRelay) open(n int, batch []byte) []byte {
	r.place = mathrand.Perm(n) // tests only: a relay needs a CSPRNG
	if r.hop == r.last {
		for i := range r.place {
			r.place[i] = i
		}
	}
	out := make([][]byte, n)
	seen := map[string]bool{}
	for i, onion := range secondSplit(batch, n) {
		next, l, ok := secondPeel(r.seed, r.header, r.hop, onion)
		if !ok || seen[string(onion)] {
			next = secondRandom(len(onion) - 1136)
			l = secondLayer{secondRandom(32), secondRandom(32), secondRandom(32), secondRandom(32)}
		}
		seen[string(onion)] = true
		r.layers = append(r.layers, l)
		out[r.place[i]] = next
	}
	if r.hop == r.last {
		r.envelopes = out
		return nil
	}
	return join(out)
}

func (r *secondRelay) receipts(next []byte) []byte {
	n := len(r.layers)
	out := make([][]byte, n)
	for i := range out {
		var tail []byte
		if r.hop < r.last {
			tail = secondSplit(next, n)[r.place[i]]
		}
		out[i] = secondReceipt(r.layers[i], r.header, tail)
	}
	return join(out)
}

func (r *secondRelay) pair(innerSeeds [][]byte) {
	r.partner = make([]int, len(r.layers))
	ids := map[string][]int{}
	for i, e := range r.envelopes {
		r.partner[i] = -1
		if id, ok := secondID(innerSeeds, r.header, e); ok {
			ids[string(id)] = append(ids[string(id)], i)
		}
	}
	for _, g := range ids {
		if len(g) == 2 {
			r.partner[g[0]], r.partner[g[1]] = g[1], g[0]
		}
	}
}

func (r *secondRelay) forward(round uint64, cells []byte) []byte {
	n := len(r.layers)
	out := make([][]byte, n)
	for i, c := range secondSplit(cells, n) {
		c = secondCTR(r.layers[i].forward, round, c)
		if r.hop == r.last {
			if r.partner[i] < 0 {
				out[i] = secondRandom(r.cell)
			} else {
				p := r.partner[i]
				out[p] = secondCTR(r.layers[p].backward, round, c)
			}
			continue
		}
		out[r.place[i]] = c
	}
	return join(out)
}

func (r *secondRelay) backward(round uint64, cells []byte) []byte {
	n := len(r.layers)
	in, out := secondSplit(cells, n), make([][]byte, n)
	for i := range out {
		out[i] = secondCTR(r.layers[i].backward, round, in[r.place[i]])
	}
	return join(out)
}

func join(parts [][]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
