package main

import (
	"bytes"
	_ "embed"
	"encoding/json"

	"backchannel/internal/suite"
)

// sealed.json holds ciphertexts of an independent HPKE, made by the tests of
// internal/suite: the standard library encapsulates with fresh randomness only.
//
//go:embed sealed.json
var sealedJSON []byte

type sealedCase struct {
	Seed, Randomness, Context, Plaintext, Sealed, Enc, Shared string
	Label                                                     suite.Label
	Exports                                                   map[suite.Label]string
}

func suiteVectors() any {
	var v []vector
	v = append(v, hashVectors()...)
	v = append(v, symmetricVectors()...)
	v = append(v, kemVectors()...)
	v = append(v, signatureVectors()...)
	v = append(v, linkVectors()...)
	return m{"suite": suite.ID, "labels": suite.Labels, "vectors": v}
}

func hashVectors() (v []vector) {
	k, a, b := pattern32("key"), pattern("a", 20), pattern("b", 40)
	for _, l := range []suite.Label{suite.LabelTag, suite.LabelNetwork} {
		v = append(v,
			vector{Op: "hash", In: m{"label": l, "parts": []string{hx(a), hx(b)}}, Out: m{"hash": hx(suite.Hash(l, a, b))}},
			vector{Op: "prf", In: m{"key": hx(k), "label": l, "parts": []string{hx(a), hx(b)}}, Out: m{"hash": hx(suite.PRF(k, l, a, b))}},
			vector{Op: "kdf", In: m{"secrets": []string{hx(k), hx(a)}, "label": l, "context": []string{hx(b)}},
				Out: m{"key": hx(suite.KDF(l, [][]byte{k[:], a}, b))}},
		)
	}
	v = append(v, vector{Op: "hash", Name: "no parts", In: m{"label": suite.LabelTag, "parts": []string{}}, Out: m{"hash": hx(suite.Hash(suite.LabelTag))}})
	return append(v, vector{Op: "mac", In: m{"key": hx(k), "parts": []string{hx(a), hx(b)}}, Out: m{"mac": hx(suite.MAC(&k, nil, a, b))}})
}

func symmetricVectors() (v []vector) {
	k, plain := pattern32("cell key"), pattern("plaintext", 100)
	sealed := suite.SealOnce(&k, nil, plain)
	v = append(v, vector{Op: "open-once", In: m{"key": hx(k), "sealed": hx(sealed)}, Out: m{"plaintext": hx(plain)}})
	for _, bad := range []struct {
		name string
		b    []byte
	}{
		{"first bit flipped", flip(sealed, 0)}, {"last bit flipped", flip(sealed, len(sealed)-1)},
		{"a byte short", sealed[:len(sealed)-1]}, {"empty", nil},
	} {
		_, err := suite.OpenOnce(&k, nil, bad.b)
		v = append(v, vector{Op: "open-once", Name: bad.name, In: m{"key": hx(k), "sealed": hx(bad.b)}, Error: failed(err)})
	}
	iv := [suite.BlockSize]byte(pattern("iv", suite.BlockSize))
	out := make([]byte, len(plain))
	suite.XORLayer(&k, &iv, out, plain)
	return append(v, vector{Op: "layer", In: m{"key": hx(k), "iv": hx(iv), "data": hx(plain)}, Out: m{"data": hx(out)}})
}

func kemVectors() (v []vector) {
	var cases []sealedCase
	if err := json.Unmarshal(sealedJSON, &cases); err != nil {
		panic(err)
	}
	for _, c := range cases {
		sk := must(suite.NewPrivateKey([32]byte(unhx(c.Seed))))
		v = append(v, vector{Op: "kem-public", In: m{"seed": c.Seed}, Out: m{"public": hx(sk.Public().Bytes())}})
		if c.Enc != "" {
			ss := must(sk.Decapsulate(c.Label, unhx(c.Enc), []byte(c.Context)))
			if hx(ss) != c.Shared {
				panic("gen: sealed.json holds another secret than the one that comes out")
			}
			in := m{"seed": c.Seed, "label": c.Label, "context": hx([]byte(c.Context)), "enc": c.Enc, "randomness": c.Randomness}
			v = append(v, vector{Op: "decapsulate", In: in, Out: m{"shared": hx(ss)}})
			_, err := sk.Decapsulate(c.Label, unhx(c.Enc)[1:])
			v = append(v, vector{Op: "decapsulate", Name: "a byte short", In: m{"seed": c.Seed, "label": c.Label, "context": hx([]byte(c.Context)), "enc": c.Enc[2:]}, Error: failed(err)})
			continue
		}
		v = append(v, openVectors(sk, c)...)
	}
	for _, bad := range []struct {
		name string
		b    []byte
	}{
		{"a byte short", make([]byte, suite.KEMPublicKeySize-1)},
		{"coefficients out of range", bytes.Repeat([]byte{0xff}, suite.KEMPublicKeySize)},
	} {
		if _, err := suite.ParsePublicKey(bad.b); err == nil {
			panic("gen: a bad public key was accepted")
		}
		v = append(v, vector{Op: "kem-public-parse", Name: bad.name, In: m{"public": hx(bad.b)}, Error: failMalformed})
	}
	return v
}

func openVectors(sk suite.PrivateKey, c sealedCase) (v []vector) {
	sealed := unhx(c.Sealed)
	pt, x, err := sk.Open(c.Label, sealed, []byte(c.Context))
	if err != nil || string(pt) != c.Plaintext {
		panic("gen: sealed.json does not open")
	}
	exports := m{}
	for l, want := range c.Exports {
		if k := x.Export(l); hx(k) != want {
			panic("gen: sealed.json holds another export than the one that comes out")
		}
		exports[string(l)] = want
	}
	in := func(label suite.Label, sealed []byte, context string) m {
		return m{"seed": c.Seed, "label": label, "context": hx([]byte(context)), "sealed": hx(sealed)}
	}
	first := vector{Op: "open", In: in(c.Label, sealed, c.Context), Out: m{"plaintext": hx(pt), "exports": exports}}
	first.In["randomness"] = c.Randomness
	v = append(v, first)
	for _, bad := range []struct {
		name    string
		label   suite.Label
		sealed  []byte
		context string
	}{
		{"another context", c.Label, sealed, c.Context + "x"},
		{"another label", suite.LabelInner, sealed, c.Context},
		{"a bit of the ML-KEM ciphertext flipped", c.Label, flip(sealed, 5), c.Context},
		{"a bit of the X25519 share flipped", c.Label, flip(sealed, 1100), c.Context},
		{"a bit of the tag flipped", c.Label, flip(sealed, len(sealed)-1), c.Context},
		{"a byte short", c.Label, sealed[:len(sealed)-1], c.Context},
		{"empty", c.Label, nil, c.Context},
	} {
		_, _, err := sk.Open(bad.label, bad.sealed, []byte(bad.context))
		v = append(v, vector{Op: "open", Name: bad.name, In: in(bad.label, bad.sealed, bad.context), Error: failed(err)})
	}
	return v
}

func signatureVectors() (v []vector) {
	seed, other := pattern32("relay 1"), pattern32("relay 2")
	a, b := suite.NewSigningKey(seed), suite.NewSigningKey(other)
	msg, l := pattern("message", 50), suite.LabelHeaderSign
	sig, foreign := a.Sign(l, msg), b.Sign(l, msg)
	vk := a.Public()
	v = append(v,
		vector{Op: "signing-key", In: m{"seed": hx(seed)}, Out: m{"verify": hx(vk.Bytes())}},
		vector{Op: "sign", In: m{"seed": hx(seed), "label": l, "parts": []string{hx(msg)}}, Out: m{"signature": hx(sig[:])}},
		vector{Op: "verify", In: m{"verify": hx(vk.Bytes()), "label": l, "parts": []string{hx(msg)}, "signature": hx(sig[:])}, Out: m{"ok": true}},
	)
	for _, bad := range []struct {
		name string
		l    suite.Label
		msg  []byte
		sig  []byte
	}{
		{"only the Ed25519 half is right", l, msg, append(append([]byte(nil), sig[:64]...), foreign[64:]...)},
		{"only the ML-DSA half is right", l, msg, append(append([]byte(nil), foreign[:64]...), sig[64:]...)},
		{"another message", l, flip(msg, 0), sig[:]},
		{"another label", suite.LabelRevealSign, msg, sig[:]},
		{"a byte short", l, msg, sig[:suite.SignatureSize-1]},
	} {
		v = append(v, vector{Op: "verify", Name: bad.name,
			In:    m{"verify": hx(vk.Bytes()), "label": bad.l, "parts": []string{hx(bad.msg)}, "signature": hx(bad.sig)},
			Error: refuses(vk.Verify(bad.sig, bad.l, bad.msg))})
	}
	account := suite.NewAccountKey(pattern32("account"))
	answer := account.Sign(suite.LabelAccount, msg)
	return append(v, vector{Op: "account-sign", In: m{"seed": hx(pattern32("account")), "label": suite.LabelAccount, "parts": []string{hx(msg)}},
		Out: m{"account": hx(account.Public()), "signature": hx(answer[:])}})
}

// linkVectors are records of cells between servers: the tag of an open one and the
// whole of a sealed one, under keys as the TLS exporter gives them.
func linkVectors() (v []vector) {
	key := pattern32("link key")
	for _, c := range []struct {
		name           string
		number, beside uint64
		size           int
	}{{"the first", 0, 0, 37}, {"later", 258, 3, 100}, {"large counts", 1<<40 - 1, 1<<48 - 1, 64}} {
		frame := pattern("cells", c.size)
		v = append(v, vector{
			Op: "link-record", Name: c.name,
			In: m{"key": hx(key), "number": c.number, "beside": c.beside, "frame": hx(frame)},
			Out: m{
				"tag":    hx(suite.NewLinkCipher(key).Tag(c.number, c.beside, frame)),
				"sealed": hx(suite.NewLinkCipher(key).Seal(c.number, c.beside, nil, frame)),
			},
		})
	}
	sealed := suite.NewLinkCipher(key).Seal(5, 7, nil, pattern("cells", 50))
	for _, bad := range []struct {
		name           string
		number, beside uint64
		sealed         []byte
	}{
		{"another number", 6, 7, sealed}, {"another count beside", 5, 8, sealed}, {"the counts swapped", 7, 5, sealed},
		{"a bit flipped", 5, 7, flip(sealed, 3)}, {"a byte short", 5, 7, sealed[:len(sealed)-1]},
	} {
		_, err := suite.NewLinkCipher(key).Open(bad.number, bad.beside, append([]byte(nil), bad.sealed...))
		v = append(v, vector{
			Op: "link-open", Name: bad.name, Error: failed(err),
			In: m{"key": hx(key), "number": bad.number, "beside": bad.beside, "sealed": hx(bad.sealed)},
		})
	}
	return v
}
