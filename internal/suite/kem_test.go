package suite

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/cloudflare/circl/kem/xwing"
)

var update = flag.Bool("update", false, "write vectors/gen/sealed.json anew")

// sealedPath holds ciphertexts made by the independent implementation below. The
// vectors are generated from them, because the standard library encapsulates
// with fresh randomness only.
const sealedPath = "../../vectors/gen/sealed.json"

type sealedCase struct {
	Seed       string           `json:"seed"`       // of the receiver's key
	Randomness string           `json:"randomness"` // of the encapsulation, 64 bytes
	Label      Label            `json:"label"`
	Context    string           `json:"context"`
	Plaintext  string           `json:"plaintext,omitempty"`
	Sealed     string           `json:"sealed,omitempty"` // enc ‖ ciphertext ‖ tag
	Enc        string           `json:"enc,omitempty"`    // export-only
	Shared     string           `json:"shared,omitempty"` // export-only
	Exports    map[Label]string `json:"exports,omitempty"`
}

// hpkeContext is RFC 9180 base mode, written from the RFC: circl's X-Wing, HKDF
// and AES-GCM put together by hand. It shares no code with what it checks except
// SHA-256 and AES.
type hpkeContext struct{ suiteID, key, nonce, exporter []byte }

func hpkeSender(t testing.TB, pk, randomness, info []byte, aead uint16) (enc []byte, c hpkeContext) {
	t.Helper()
	ss, enc, err := xwing.Encapsulate(pk, randomness)
	if err != nil {
		t.Fatal(err)
	}
	id := append([]byte("HPKE"), 0x64, 0x7a, 0x00, 0x01) // MLKEM768-X25519, HKDF-SHA256
	c.suiteID = binary.BigEndian.AppendUint16(id, aead)
	extract := func(salt []byte, label string, ikm []byte) []byte {
		prk, err := hkdf.Extract(sha256.New, bytes.Join([][]byte{[]byte("HPKE-v1"), c.suiteID, []byte(label), ikm}, nil), salt)
		if err != nil {
			t.Fatal(err)
		}
		return prk
	}
	context := append([]byte{0}, extract(nil, "psk_id_hash", nil)...)
	context = append(context, extract(nil, "info_hash", info)...)
	secret := extract(ss, "secret", nil)
	if aead != 0xffff {
		c.key, c.nonce = c.expand(t, secret, "key", context, 32), c.expand(t, secret, "base_nonce", context, 12)
	}
	c.exporter = c.expand(t, secret, "exp", context, 32)
	return enc, c
}

func (c hpkeContext) expand(t testing.TB, prk []byte, label string, info []byte, n int) []byte {
	t.Helper()
	in := bytes.Join([][]byte{{byte(n >> 8), byte(n)}, []byte("HPKE-v1"), c.suiteID, []byte(label), info}, nil)
	out, err := hkdf.Expand(sha256.New, prk, string(in), n)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (c hpkeContext) export(t testing.TB, l Label) string {
	return hex.EncodeToString(c.expand(t, c.exporter, "sec", []byte(l), 32))
}

func makeSealed(t testing.TB) []sealedCase {
	var out []sealedCase
	for i, in := range []struct {
		label     Label
		context   string
		plaintext string
		exports   []Label
	}{
		{LabelOuter, "context one", "the next layer", []Label{LabelForward, LabelBackward, LabelReceiptMAC, LabelReceiptStream}},
		{LabelOuter, "", "", []Label{LabelForward}},
		{LabelInner, "context of an inner secret", "", nil},
		{LabelIntroKEM, "", "", nil},
		{LabelHealKEM, "healing", "", nil},
	} {
		seed := key(byte(60 + i))
		_, pk := xwing.DeriveKeyPairPacked(seed[:])
		randomness := sha256.Sum256([]byte{byte(i)})
		r := append(randomness[:], randomness[:]...)
		c := sealedCase{Seed: hex.EncodeToString(seed[:]), Randomness: hex.EncodeToString(r), Label: in.label, Context: in.context}
		info := framed(in.label, []byte(in.context))
		if in.exports == nil { // export-only
			enc, h := hpkeSender(t, pk, r, info, 0xffff)
			c.Enc, c.Shared = hex.EncodeToString(enc), h.export(t, in.label)
		} else {
			enc, h := hpkeSender(t, pk, r, info, 0x0002)
			block, err := aes.NewCipher(h.key)
			if err != nil {
				t.Fatal(err)
			}
			gcm, err := cipher.NewGCM(block)
			if err != nil {
				t.Fatal(err)
			}
			c.Plaintext, c.Sealed, c.Exports = in.plaintext, hex.EncodeToString(gcm.Seal(enc, h.nonce, []byte(in.plaintext), nil)), map[Label]string{}
			for _, l := range in.exports {
				c.Exports[l] = h.export(t, l)
			}
		}
		out = append(out, c)
	}
	return out
}

// The independent implementation's ciphertexts open, with the same exports.
func TestIndependentHPKE(t *testing.T) {
	cases := makeSealed(t)
	for i, c := range cases {
		raw, err := hex.DecodeString(c.Seed)
		if err != nil {
			t.Fatal(err)
		}
		sk, err := NewPrivateKey([32]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if c.Enc != "" {
			enc, err := hex.DecodeString(c.Enc)
			if err != nil {
				t.Fatal(err)
			}
			ss, err := sk.Decapsulate(c.Label, enc, []byte(c.Context))
			if err != nil || hex.EncodeToString(ss[:]) != c.Shared {
				t.Errorf("case %d: secret %x, want %s (%v)", i, ss, c.Shared, err)
			}
			continue
		}
		sealed, err := hex.DecodeString(c.Sealed)
		if err != nil {
			t.Fatal(err)
		}
		pt, x, err := sk.Open(c.Label, sealed, []byte(c.Context))
		if err != nil || string(pt) != c.Plaintext {
			t.Fatalf("case %d: %q, %v", i, pt, err)
		}
		for l, want := range c.Exports {
			if got := x.Export(l); hex.EncodeToString(got[:]) != want {
				t.Errorf("case %d: export %s = %x, want %s", i, l, got, want)
			}
		}
	}
	b, err := json.MarshalIndent(cases, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	if *update {
		if err := os.WriteFile(sealedPath, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(sealedPath); err != nil || !bytes.Equal(have, b) {
		t.Errorf("%s is not what this test makes (%v): run it with -update", sealedPath, err)
	}
}

// The KEM is X-Wing: circl's keys, encapsulations and ours are interchangeable.
func TestKEMIsXWing(t *testing.T) {
	for i := range byte(4) {
		seed := key(i * 50)
		sk, err := NewPrivateKey(seed)
		if err != nil {
			t.Fatal(err)
		}
		if _, pk := xwing.DeriveKeyPairPacked(seed[:]); !bytes.Equal(pk, sk.Public().Bytes()) {
			t.Fatalf("seed %x: another public key than X-Wing's", seed)
		}
		if sk.Seed() != seed || !sk.Valid() {
			t.Error("the key forgot its seed")
		}
		enc, ss, err := sk.Public().Encapsulate(LabelInner, []byte("c"))
		if err != nil || len(enc) != KEMEncapsulationSize {
			t.Fatal(err)
		}
		if got, err := sk.Decapsulate(LabelInner, enc, []byte("c")); err != nil || got != ss {
			t.Errorf("decapsulation: %v", err)
		}
		if got, err := sk.Decapsulate(LabelInner, enc, []byte("d")); err != nil || got == ss {
			t.Errorf("another context gives the same secret (%v)", err)
		}
		if got, err := sk.Decapsulate(LabelHealKEM, enc, []byte("c")); err != nil || got == ss {
			t.Errorf("another label gives the same secret (%v)", err)
		}
	}
}

func TestSealAndOpen(t *testing.T) {
	sk, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	pk, err := ParsePublicKey(sk.Public().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte("an onion's core")
	sealed, sent, err := pk.Seal(LabelOuter, plain, []byte("hop"), []byte{1})
	if err != nil || len(sealed) != len(plain)+HPKEOverhead {
		t.Fatalf("%d bytes, %v", len(sealed), err)
	}
	got, received, err := sk.Open(LabelOuter, sealed, []byte("hop"), []byte{1})
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%q, %v", got, err)
	}
	if sent.Export(LabelForward) != received.Export(LabelForward) || sent.Export(LabelForward) == sent.Export(LabelBackward) {
		t.Error("exports")
	}
	other, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := other.Open(LabelOuter, sealed, []byte("hop"), []byte{1}); err != ErrOpen {
		t.Errorf("another key: %v", err)
	}
	if _, _, err := sk.Open(LabelOuter, sealed, []byte("hop"), []byte{2}); err != ErrOpen {
		t.Errorf("another hop: %v", err)
	}
	if _, _, err := sk.Open(LabelInner, sealed, []byte("hop"), []byte{1}); err != ErrOpen {
		t.Errorf("another label: %v", err)
	}
	for _, at := range []int{0, 700, 1088, 1119, 1120, len(sealed) - 1} {
		bad := bytes.Clone(sealed)
		bad[at] ^= 1
		if _, _, err := sk.Open(LabelOuter, bad, []byte("hop"), []byte{1}); err != ErrOpen {
			t.Errorf("bit flipped in byte %d: %v", at, err)
		}
	}
	for _, n := range []int{0, 1, 1119, HPKEOverhead - 1, HPKEOverhead, len(sealed) - 1} {
		if _, _, err := sk.Open(LabelOuter, sealed[:n], []byte("hop"), []byte{1}); err != ErrOpen {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	for _, n := range []int{0, 1119, 1121} {
		if _, err := sk.Decapsulate(LabelInner, make([]byte, n)); err != ErrOpen {
			t.Errorf("an encapsulation of %d bytes: %v", n, err)
		}
	}
	if (PrivateKey{}).Valid() {
		t.Error("the zero key is valid")
	}
}

// FuzzPublicKey: what is accepted is encoded to the same bytes and can be used.
func FuzzPublicKey(f *testing.F) {
	for i := range byte(2) {
		sk, err := NewPrivateKey(key(i))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sk.Public().Bytes())
	}
	f.Add(make([]byte, KEMPublicKeySize))
	f.Add(bytes.Repeat([]byte{0xff}, KEMPublicKeySize))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		pk, err := ParsePublicKey(b)
		if err != nil {
			return
		}
		if !bytes.Equal(pk.Bytes(), b) {
			t.Fatal("parse then encode changed the key")
		}
		// A low-order X25519 point parses, and encapsulation then says so.
		if _, _, err := pk.Seal(LabelOuter, nil); err != nil {
			t.Logf("a key that parses but cannot be used: %v", err)
		}
	})
}
