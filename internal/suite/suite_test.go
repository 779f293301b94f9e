package suite

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func key(b byte) (k [32]byte) {
	for i := range k {
		k[i] = b + byte(i)
	}
	return k
}

func framed(l Label, parts ...[]byte) []byte {
	return append(append([]byte{byte(len(l))}, l...), bytes.Join(parts, nil)...)
}

// The constructions, spelt out once more with the standard library.
func TestConstructions(t *testing.T) {
	k, a, b := key(7), []byte("first"), []byte("second")
	if got, want := Hash(LabelTag, a, b), sha256.Sum256(framed(LabelTag, a, b)); got != want {
		t.Errorf("Hash: %x", got)
	}
	if got, want := Digest(a), sha256.Sum256(a); got != want {
		t.Errorf("Digest: %x", got)
	}
	m := hmac.New(sha256.New, k[:])
	m.Write(framed(LabelTwin1, a, b))
	if got := PRF(k, LabelTwin1, a, b); !bytes.Equal(got[:], m.Sum(nil)) {
		t.Errorf("PRF: %x", got)
	}
	m = hmac.New(sha256.New, k[:])
	m.Write([]byte("firstsecond"))
	if got := MAC(&k, []byte("before"), a, b); !bytes.Equal(got, m.Sum([]byte("before"))) {
		t.Errorf("MAC: %x", got)
	}
	want, err := hkdf.Key(sha256.New, append(append([]byte(nil), k[:]...), a...), nil, string(framed(LabelEnvelope, b)), 32)
	if err != nil {
		t.Fatal(err)
	}
	if got := KDF(LabelEnvelope, [][]byte{k[:], a}, b); !bytes.Equal(got[:], want) {
		t.Errorf("KDF: %x", got)
	}
	block, err := aes.NewCipher(k[:])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	if got := SealOnce(&k, nil, a); !bytes.Equal(got, gcm.Seal(nil, make([]byte, 12), a, nil)) {
		t.Errorf("SealOnce: %x", got)
	}
	iv := [16]byte{1, 2, 3}
	plain := bytes.Repeat([]byte("cell"), 100)
	stream := make([]byte, len(plain))
	cipher.NewCTR(block, iv[:]).XORKeyStream(stream, plain)
	layer := make([]byte, len(plain))
	XORLayer(&k, &iv, layer, plain)
	if !bytes.Equal(layer, stream) {
		t.Errorf("XORLayer: %x", layer)
	}
	XORLayer(&k, &iv, layer, layer)
	if !bytes.Equal(layer, plain) {
		t.Error("a layer does not strip in place")
	}
}

// Published values: FIPS 180-4 "abc", RFC 5869 is covered by the standard
// library; this one pins the framing of labels for ever.
func TestPinnedValues(t *testing.T) {
	if got := Digest([]byte("abc")); hex.EncodeToString(got[:]) != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("SHA-256: %x", got)
	}
	if got := Hash(LabelNetwork); hex.EncodeToString(got[:]) != "e97fb8a9be01b98ab4381c2c43283a25905dc4f1706cb0ccaf2c9e5b054e7295" {
		t.Errorf("Hash(network) = %x", got)
	}
}

// The inputs of a hash are framed by the label alone: callers frame parts.
func TestPartsAreJoined(t *testing.T) {
	if Hash(LabelTag, []byte("ab"), []byte("c")) != Hash(LabelTag, []byte("a"), []byte("bc")) {
		t.Error("Hash frames its parts; the documentation says it does not")
	}
	if Hash(LabelTag, []byte("x")) == Hash(LabelRoster, []byte("x")) {
		t.Error("labels do not separate")
	}
}

func TestOpenOnceRefuses(t *testing.T) {
	k := key(1)
	ct := SealOnce(&k, nil, []byte("frame"))
	if pt, err := OpenOnce(&k, nil, ct); err != nil || string(pt) != "frame" {
		t.Fatalf("%q, %v", pt, err)
	}
	for i := range ct {
		bad := bytes.Clone(ct)
		bad[i] ^= 0x10
		if _, err := OpenOnce(&k, nil, bad); err != ErrOpen {
			t.Fatalf("bit flipped in byte %d: %v", i, err)
		}
	}
	for n := range ct {
		if _, err := OpenOnce(&k, nil, ct[:n]); err != ErrOpen {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	other := key(2)
	if _, err := OpenOnce(&other, nil, ct); err != ErrOpen {
		t.Errorf("another key: %v", err)
	}
}

func TestEqual(t *testing.T) {
	if !Equal([]byte("a"), []byte("a")) || Equal([]byte("a"), []byte("b")) || Equal([]byte("a"), []byte("ab")) || !Equal(nil, nil) {
		t.Error("Equal")
	}
}

func TestRandomKeysDiffer(t *testing.T) {
	if a, b := RandomKey(), RandomKey(); a == b || a == [32]byte{} {
		t.Error("two random keys are equal or zero")
	}
}

func TestSizes(t *testing.T) {
	if KEMPublicKeySize != 1216 || KEMEncapsulationSize != 1120 || HPKEOverhead != KEMEncapsulationSize+AEADOverhead || SignatureSize != 3373 || VerifyKeySize != 1984 {
		t.Error("a size is not that of the protocol page, section 2")
	}
}
