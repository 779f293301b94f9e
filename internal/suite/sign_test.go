package suite

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
)

// Both halves are plain Ed25519 and plain ML-DSA-65 over the framed message,
// from seeds that are KDF outputs.
func TestSignatureHalves(t *testing.T) {
	seed := key(40)
	sk := NewSigningKey(seed)
	sig := sk.Sign(LabelKeysSign, []byte("a"), []byte("b"))
	msg := framed(LabelKeysSign, []byte("ab"))
	edSeed, mlSeed := KDF(LabelSeedEd25519, [][]byte{seed[:]}), KDF(LabelSeedMLDSA, [][]byte{seed[:]})
	ed := ed25519.NewKeyFromSeed(edSeed[:])
	if !bytes.Equal(sig[:64], ed25519.Sign(ed, msg)) {
		t.Error("the first half is not the Ed25519 signature")
	}
	pub, priv := mldsa65.NewKeyFromSeed(&mlSeed)
	want := make([]byte, mldsa65.SignatureSize)
	if err := mldsa65.SignTo(priv, msg, nil, false, want); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sig[64:], want) {
		t.Error("the second half is not the deterministic ML-DSA-65 signature")
	}
	if vk := sk.Public().Bytes(); !bytes.Equal(vk, append(append([]byte(nil), ed.Public().(ed25519.PublicKey)...), pub.Bytes()...)) {
		t.Error("the verification key is not Ed25519 ‖ ML-DSA-65")
	}
}

func TestBothSignaturesMustVerify(t *testing.T) {
	a, b := NewSigningKey(key(1)), NewSigningKey(key(2))
	msg := []byte("header")
	sig, foreign, other := a.Sign(LabelHeaderSign, msg), b.Sign(LabelHeaderSign, msg), a.Sign(LabelHeaderSign, []byte("other"))
	vk, err := ParseVerifyKey(a.Public().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !vk.Verify(sig[:], LabelHeaderSign, msg) || !vk.Verify(sig[:], LabelHeaderSign, []byte("hea"), []byte("der")) {
		t.Fatal("a right signature does not verify")
	}
	splice := func(ed, ml [SignatureSize]byte) []byte { return append(append([]byte(nil), ed[:64]...), ml[64:]...) }
	flip := func(at int) []byte { s := sig; s[at] ^= 1; return s[:] }
	for name, bad := range map[string][]byte{
		"Ed25519 right, ML-DSA of another key":     splice(sig, foreign),
		"ML-DSA right, Ed25519 of another key":     splice(foreign, sig),
		"Ed25519 right, ML-DSA of another message": splice(sig, other),
		"ML-DSA right, Ed25519 of another message": splice(other, sig),
		"both of another key":                      foreign[:],
		"both of another message":                  other[:],
		"a bit of Ed25519":                         flip(3),
		"a bit of ML-DSA":                          flip(64 + 1000),
		"the last bit":                             flip(SignatureSize - 1),
		"Ed25519 right, ML-DSA zero":               append(append([]byte(nil), sig[:64]...), make([]byte, 3309)...),
		"ML-DSA right, Ed25519 zero":               append(make([]byte, 64), sig[64:]...),
		"Ed25519 only":                             sig[:64],
		"ML-DSA only":                              sig[64:],
		"a byte short":                             sig[:SignatureSize-1],
		"a byte long":                              append(sig[:], 0),
		"nothing":                                  nil,
	} {
		if vk.Verify(bad, LabelHeaderSign, msg) {
			t.Errorf("%s: verifies", name)
		}
	}
	if vk.Verify(sig[:], LabelRevealSign, msg) {
		t.Error("a header's signature passes as a REVEAL's")
	}
	if (VerifyKey{}).Verify(sig[:], LabelHeaderSign, msg) || (VerifyKey{}).Valid() {
		t.Error("the zero key verifies or is valid")
	}
	// A key half each from two relays accepts neither's signature.
	mixed, err := ParseVerifyKey(append(a.Public().Bytes()[:32], b.Public().Bytes()[32:]...))
	if err != nil {
		t.Fatal(err)
	}
	if mixed.Verify(sig[:], LabelHeaderSign, msg) || mixed.Verify(foreign[:], LabelHeaderSign, msg) {
		t.Error("a spliced key accepts one half")
	}
	if !mixed.Verify(splice(sig, foreign), LabelHeaderSign, msg) {
		t.Error("the spliced key refuses its spliced signature: the halves are not independent")
	}
}

func TestVerifyKeySizes(t *testing.T) {
	b := NewSigningKey(key(1)).Public().Bytes()
	for _, n := range []int{0, 32, VerifyKeySize - 1} {
		if _, err := ParseVerifyKey(b[:n]); err == nil {
			t.Errorf("%d bytes accepted", n)
		}
	}
	if _, err := ParseVerifyKey(append(b, 0)); err == nil {
		t.Error("a byte too many accepted")
	}
}

func TestAccounts(t *testing.T) {
	k := NewAccountKey(key(5))
	sig := k.Sign(LabelAccount, []byte("challenge"))
	pub := k.Public()
	if !VerifyAccount(pub, sig[:], LabelAccount, []byte("challenge")) {
		t.Fatal("a right answer is refused")
	}
	bad := sig
	bad[0] ^= 1
	for name, ok := range map[string]bool{
		"another challenge": VerifyAccount(pub, sig[:], LabelAccount, []byte("challengf")),
		"another purpose":   VerifyAccount(pub, sig[:], LabelPossession, []byte("challenge")),
		"another account":   VerifyAccount(NewAccountKey(key(6)).Public(), sig[:], LabelAccount, []byte("challenge")),
		"a flipped bit":     VerifyAccount(pub, bad[:], LabelAccount, []byte("challenge")),
		"a cut signature":   VerifyAccount(pub, sig[:63], LabelAccount, []byte("challenge")),
		"no signature":      VerifyAccount(pub, nil, LabelAccount, []byte("challenge")),
	} {
		if ok {
			t.Errorf("%s is accepted", name)
		}
	}
	if tls := TLSKey(key(5)); !bytes.Equal(tls.Public().(ed25519.PublicKey), pub[:]) {
		t.Error("a TLS key does not grow from its seed like an account key; public records rely on it")
	}
}

// FuzzVerifyKey: what is accepted is encoded to the same bytes.
func FuzzVerifyKey(f *testing.F) {
	f.Add(NewSigningKey(key(1)).Public().Bytes())
	f.Add(make([]byte, VerifyKeySize))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		vk, err := ParseVerifyKey(b)
		if err != nil {
			return
		}
		if !bytes.Equal(vk.Bytes(), b) || !bytes.Equal(vk.ml.Bytes(), b[32:]) {
			t.Fatal("parse then encode changed the key")
		}
		vk.Verify(make([]byte, SignatureSize), LabelHeaderSign)
	})
}

// TestKeysThatAnybodySignsFor: with a key of small order a signature of a point of
// small order and a zero fits every few challenges.
func TestKeysThatAnybodySignsFor(t *testing.T) {
	naked := 0
	for _, key := range smallOrder {
		for _, sign := range []byte{0, 0x80} {
			pub := key
			pub[31] |= sign
			for _, r := range smallOrder {
				sig := append(r[:], make([]byte, 32)...)
				for i := range byte(32) {
					if ed25519.Verify(pub[:], info(LabelAccount, [][]byte{{i}}), sig) {
						naked++
					}
					if VerifyAccount(pub, sig, LabelAccount, []byte{i}) {
						t.Fatalf("key %x proves an account", pub)
					}
				}
			}
		}
	}
	if naked == 0 {
		t.Error("no such signature fits: the list is wrong")
	}
}
