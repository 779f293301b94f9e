package mix

import (
	"bytes"
	"testing"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// An envelope opens for exactly its keys, its header and all of its bytes.
func FuzzEnvelope(f *testing.F) {
	var inner []suite.PrivateKey
	var public []suite.PublicKey
	for i := range byte(2) {
		sk, err := suite.NewPrivateKey([32]byte{i})
		if err != nil {
			f.Fatal(err)
		}
		inner, public = append(inner, sk), append(public, sk.Public())
	}
	header, id := wire.Hash{1}, wire.TwinID{2}
	good, err := sealEnvelope(public, &header, id)
	if err != nil {
		f.Fatal(err)
	}
	// Envelopes are random, so what is fuzzed is the harm done to this process's one.
	f.Add(0, byte(0), 0, []byte{})
	f.Add(0, byte(0), 1, []byte{})
	f.Add(0, byte(0), 0, []byte{0})
	for _, at := range []int{0, 1087, 1088, 1119, 1120, 2239, 2240, 2255, 2256, 2271} {
		f.Add(at, byte(1), 0, []byte{})
		f.Add(at, byte(0x80), 0, []byte{})
	}
	f.Fuzz(func(t *testing.T, at int, mask byte, cut int, more []byte) {
		b := bytes.Clone(good)
		b[uint(at)%uint(len(b))] ^= mask
		b = append(b[:uint(len(b))-uint(cut)%uint(len(b))], more...)
		got, ok := openEnvelope(inner, &header, b)
		if ok != bytes.Equal(b, good) || ok && got != id || !ok && got != (wire.TwinID{}) {
			t.Fatalf("opened=%v", ok)
		}
		other := header
		other[31]++
		if _, ok := openEnvelope(inner, &other, b); ok {
			t.Fatal("opened under another header")
		}
		if _, ok := openEnvelope([]suite.PrivateKey{inner[1], inner[0]}, &header, b); ok {
			t.Fatal("opened with the keys in another order")
		}
	})
}
