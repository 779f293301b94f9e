package suite

import (
	"bytes"
	"crypto/hpke"
	"crypto/mlkem"
	"testing"
)

// twoKeys grows one key pair in both implementations.
func twoKeys(t testing.TB, seed [SeedSize]byte) (std, circl PrivateKey) {
	t.Helper()
	a, err := stdPrivateKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	b, err := circlPrivateKey(seed)
	if err != nil {
		t.Fatal(err)
	}
	return PrivateKey{k: a, seed: seed}, PrivateKey{k: b, seed: seed}
}

// alike asks both everything about sealed and compares the answers.
func alike(t testing.TB, std, circl PrivateKey, sealed, context []byte) (opened bool) {
	t.Helper()
	p1, e1, err1 := std.Open(LabelOuter, sealed, context)
	p2, e2, err2 := circl.Open(LabelOuter, sealed, context)
	if err1 != err2 || !bytes.Equal(p1, p2) || (p1 == nil) != (p2 == nil) {
		t.Fatalf("%x opens to %x, %v and to %x, %v", sealed, p1, err1, p2, err2)
	}
	if err1 == nil {
		for _, l := range []Label{LabelForward, LabelBackward, LabelReceiptMAC, LabelReceiptStream} {
			if e1.Export(l) != e2.Export(l) {
				t.Fatalf("%x exports two keys under %s", sealed, l)
			}
		}
	}
	enc := sealed[:min(len(sealed), KEMEncapsulationSize)]
	s1, err3 := std.Decapsulate(LabelInner, enc, context)
	s2, err4 := circl.Decapsulate(LabelInner, enc, context)
	if err3 != err4 || s1 != s2 { // also where ML-KEM rejects: the secrets that nobody shares are one
		t.Fatalf("%x decapsulates to %x, %v and to %x, %v", enc, s1, err3, s2, err4)
	}
	return err1 == nil
}

// shares are X25519 points that make trouble, little-endian: of low order, their
// forms that are not reduced, with the top bit, on the twist, and the largest.
func shares() (out [][]byte) {
	low := [][]byte{
		make([]byte, 32), append([]byte{1}, make([]byte, 31)...),
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
			0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
		{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
			0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
		append([]byte{2}, make([]byte, 31)...), append([]byte{9}, make([]byte, 31)...),
	}
	for b := 0xe0; b <= 0xff; b++ { // around p, which ends in 0xed
		y := nearModulus(byte(b))
		low = append(low, y[:])
	}
	for _, s := range low {
		top := bytes.Clone(s)
		top[31] |= 0x80
		out = append(out, s, top)
	}
	return out
}

// TestHybridsAreAlike: right sealings, every kind of wrong ones, every share that
// makes trouble and every size.
func TestHybridsAreAlike(t *testing.T) {
	for i := range byte(8) {
		std, circl := twoKeys(t, key(i*31))
		if !bytes.Equal(std.Public().Bytes(), circl.Public().Bytes()) {
			t.Fatal("two public keys")
		}
		sealed, _, err := circl.Public().Seal(LabelOuter, bytes.Repeat([]byte{i}, 100), []byte("context"))
		if err != nil {
			t.Fatal(err)
		}
		if !alike(t, std, circl, sealed, []byte("context")) {
			t.Fatal("a right sealing does not open")
		}
		if alike(t, std, circl, sealed, []byte("another")) {
			t.Fatal("another context opens")
		}
		for _, at := range []int{0, 1, 959, 960, 1087, 1088, 1118, 1119, 1120, len(sealed) - 1} {
			for _, bit := range []byte{1, 0x80} {
				bad := bytes.Clone(sealed)
				bad[at] ^= bit
				// The top bit of a share means nothing to X25519, but the combiner hashes it.
				if alike(t, std, circl, bad, []byte("context")) {
					t.Fatalf("opens with byte %d altered", at)
				}
			}
		}
		for _, s := range shares() {
			bad := bytes.Clone(sealed)
			copy(bad[1088:], s)
			if alike(t, std, circl, bad, []byte("context")) {
				t.Fatalf("opens with share %x", s)
			}
		}
		for _, fill := range []byte{0, 0xff} {
			alike(t, std, circl, bytes.Repeat([]byte{fill}, len(sealed)), nil)
		}
		for n := range len(sealed) {
			if i > 0 {
				break
			}
			if n < 40 || n > 1080 {
				alike(t, std, circl, sealed[:n], []byte("context"))
			}
		}
	}
}

// TestHybridParts compares the halves alone, where the sizes are wrong too.
func TestHybridParts(t *testing.T) {
	std, circl := twoKeys(t, key(5))
	for _, n := range []int{0, 1, KEMEncapsulationSize - 1, KEMEncapsulationSize + 1, 5000} {
		_, err1 := hpke.NewRecipient(make([]byte, n), std.k, hpke.HKDFSHA256(), hpke.ExportOnly(), nil)
		_, err2 := hpke.NewRecipient(make([]byte, n), circl.k, hpke.HKDFSHA256(), hpke.ExportOnly(), nil)
		if err1 == nil || err2 == nil {
			t.Errorf("%d bytes are an encapsulation: %v, %v", n, err1, err2)
		}
	}
	d, err := mlkem.GenerateKey768()
	if err != nil {
		t.Fatal(err)
	}
	_, ct := d.EncapsulationKey().Encapsulate()
	if _, err := (circlDecapsulator{}).Decapsulate(ct[1:]); err == nil {
		t.Error("a short ciphertext has a secret")
	}
}

// FuzzHybrid: whatever arrives, the two give one answer. The input is put into the
// fields of a sealing that is right otherwise, so that every half is reached.
func FuzzHybrid(f *testing.F) {
	f.Add(byte(0), uint16(0), []byte(nil))
	f.Add(byte(1), uint16(1088), make([]byte, 32))
	f.Add(byte(2), uint16(0), make([]byte, 1088))
	f.Add(byte(3), uint16(0), bytes.Repeat([]byte{0xff}, 1120))
	f.Add(byte(4), uint16(1120), []byte{1, 2, 3})
	for _, s := range shares() {
		f.Add(byte(5), uint16(1088), s)
	}
	f.Fuzz(func(t *testing.T, seed byte, at uint16, in []byte) {
		std, circl := twoKeys(t, key(seed))
		sealed, _, err := std.Public().Seal(LabelOuter, []byte("plain"), nil)
		if err != nil {
			t.Fatal(err)
		}
		i := int(at) % len(sealed)
		sealed = append(sealed[:i], append(bytes.Clone(in), sealed[min(len(sealed), i+len(in)):]...)...)
		alike(t, std, circl, sealed, nil)
	})
}

// BenchmarkOpen is one layer of an onion for three relays, opened by both.
func BenchmarkOpen(b *testing.B) {
	std, circl := twoKeys(b, key(1))
	sealed, _, err := std.Public().Seal(LabelOuter, make([]byte, 5664), nil)
	if err != nil {
		b.Fatal(err)
	}
	for name, k := range map[string]PrivateKey{"std": std, "circl": circl} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, _, err := k.Open(LabelOuter, sealed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
