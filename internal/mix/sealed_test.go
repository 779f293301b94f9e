package mix_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/cloudflare/circl/kem/xwing"

	"backchannel/internal/wire"
)

var update = flag.Bool("update", false, "write vectors/gen/onions.json anew")

// onionsPath holds onions whose every random byte is stated. The vectors are
// generated from them, because the standard library encapsulates with fresh
// randomness only; here HPKE is put together by hand from circl's X-Wing.
const onionsPath = "../../vectors/gen/onions.json"

// fixedOnion is one onion and all that it was made of, in hexadecimal.
type fixedOnion struct {
	Header     string       `json:"header"`
	ID         string       `json:"id"`
	Outer      []string     `json:"outer"`      // seeds of the outer keys in chain order
	Inner      []string     `json:"inner"`      // seeds of the inner keys in chain order
	Randomness []string     `json:"randomness"` // 64 bytes each: of the n inner encapsulations, then of the n outer ones in chain order
	Envelope   string       `json:"envelope"`
	Onion      string       `json:"onion"`
	Hops       []fixedLayer `json:"hops"`
	Receipt    string       `json:"receipt"`
}

type fixedLayer struct {
	Forward       string `json:"forward"`
	Backward      string `json:"backward"`
	ReceiptMAC    string `json:"receipt_mac"`
	ReceiptStream string `json:"receipt_stream"`
}

// fixedHPKE is RFC 9180 base mode with stated randomness. It is a secondExporter.
type fixedHPKE struct{ id, key, nonce, exporter []byte }

func fixedSender(t testing.TB, seed [32]byte, randomness, info []byte, aead uint16) ([]byte, fixedHPKE) {
	t.Helper()
	_, pk := xwing.DeriveKeyPairPacked(seed[:])
	ss, enc, err := xwing.Encapsulate(pk, randomness)
	if err != nil {
		t.Fatal(err)
	}
	c := fixedHPKE{id: binary.BigEndian.AppendUint16([]byte("HPKE\x64\x7a\x00\x01"), aead)}
	extract := func(salt []byte, label string, ikm []byte) []byte {
		if salt == nil {
			salt = make([]byte, 32)
		}
		return secondHMAC(salt, []byte("HPKE-v1"), c.id, []byte(label), ikm)
	}
	context := append(append([]byte{0}, extract(nil, "psk_id_hash", nil)...), extract(nil, "info_hash", info)...)
	secret := extract(ss, "secret", nil)
	if aead != 0xffff {
		c.key = c.expand(secret, "key", context, 32)
		c.nonce = c.expand(secret, "base_nonce", context, 12)
	}
	c.exporter = c.expand(secret, "exp", context, 32)
	return enc, c
}

func (c fixedHPKE) expand(prk []byte, label string, info []byte, n int) []byte {
	return secondHMAC(prk, []byte{0, byte(n)}, []byte("HPKE-v1"), c.id, []byte(label), info, []byte{1})[:n]
}

// Export makes the second implementation's exports from this context.
func (c fixedHPKE) Export(context string, n int) ([]byte, error) {
	return c.expand(c.exporter, "sec", []byte(context), n), nil
}

func (c fixedHPKE) seal(t testing.TB, enc, plaintext []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(c.key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return gcm.Seal(enc, c.nonce, plaintext, nil)
}

func makeFixed(t testing.TB, n int, id wire.TwinID, salt byte) fixedOnion {
	t.Helper()
	header := sha256.Sum256([]byte("vectors/mix/header"))
	x := hex.EncodeToString
	o := fixedOnion{Header: x(header[:]), ID: x(id[:])}
	random := func(kind, hop int) []byte {
		a := sha256.Sum256([]byte{salt, byte(kind), byte(hop), 0})
		b := sha256.Sum256([]byte{salt, byte(kind), byte(hop), 1})
		r := append(a[:], b[:]...)
		o.Randomness = append(o.Randomness, x(r))
		return r
	}
	var encs, secrets []byte
	for hop := range n {
		seed := seedOf('i', hop)
		o.Inner = append(o.Inner, x(seed[:]))
		enc, c := fixedSender(t, seed, random(0, hop), secondInfo("onion/inner", header[:], []byte{byte(hop)}), 0xffff)
		ss, _ := c.Export("backchannel/v1/onion/inner", 32)
		encs, secrets = append(encs, enc...), append(secrets, ss...)
	}
	onion := secondGCM(secondHKDF(secrets, secondInfo("onion/envelope", header[:], encs))).Seal(encs, make([]byte, 12), id[:], nil)
	o.Envelope = x(onion)
	outer := make([][]byte, n)
	for hop := range n {
		outer[hop] = random(1, hop)
		seed := seedOf('o', hop)
		o.Outer = append(o.Outer, x(seed[:]))
	}
	o.Hops = make([]fixedLayer, n)
	var receipt []byte
	for hop := n - 1; hop >= 0; hop-- {
		enc, c := fixedSender(t, seedOf('o', hop), outer[hop], secondInfo("onion/outer", header[:], []byte{byte(hop)}), 2)
		onion = c.seal(t, enc, onion)
		l := secondExport(c)
		o.Hops[hop] = fixedLayer{x(l.forward), x(l.backward), x(l.mac), x(l.stream)}
		receipt = secondReceipt(l, header[:], receipt)
	}
	o.Onion, o.Receipt = x(onion), x(receipt)
	return o
}

// The onions with stated randomness are made here and opened by this package.
func TestFixedOnions(t *testing.T) {
	var all []fixedOnion
	for _, chain := range []struct {
		n   int
		ids []byte
	}{{1, []byte{0xA1, 0xA1, 0xB2}}, {3, []byte{0xA1}}} {
		n := chain.n
		c := newChain(t, n, 256)
		c.header = sha256.Sum256([]byte("vectors/mix/header"))
		var batch, want []byte
		for i, b := range chain.ids {
			o := makeFixed(t, n, id(b), byte(16*n+i))
			onion, err := hex.DecodeString(o.Onion)
			if err != nil {
				t.Fatal(err)
			}
			receipt, err := hex.DecodeString(o.Receipt)
			if err != nil {
				t.Fatal(err)
			}
			all, batch, want = append(all, o), append(batch, onion...), append(want, receipt...)
		}
		c.mix(t, 0, batch)
		if !bytes.Equal(c.receipts(t), want) {
			t.Errorf("n=%d: other receipts than the onions state", n)
		}
		c.pair(t)
	}
	b, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	if *update {
		if err := os.WriteFile(onionsPath, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(onionsPath); err != nil || !bytes.Equal(have, b) {
		t.Errorf("%s is not what this test makes (%v): run it with -update", onionsPath, err)
	}
}
