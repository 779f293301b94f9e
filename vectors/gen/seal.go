package main

import (
	"crypto/sha512"
	"strings"

	"backchannel/internal/negotiation/seal"
)

// sealVectors are whole signings, and keys, messages and texts that are refused.
func sealVectors() any {
	wide := func(s string) [64]byte { return sha512.Sum512([]byte("seal vector " + s)) }
	const text = "Aldmark opens the port.\nCenia consents."
	var v []vector
	var file []byte
	for n := 2; n <= 4; n++ {
		core := seal.Core{byte(n)}
		names, ids := map[seal.ID]string{}, []seal.ID{}
		for i := range n {
			ids = append(ids, seal.ID{byte(i + 1)})
			names[ids[i]] = string(rune('A' + i))
		}
		var sessions []*seal.Session
		var secrets, nonces []string
		for i := range n {
			k, err := seal.NewKey(wide("key " + names[ids[i]]))
			check(err)
			nonce := wide("nonce " + names[ids[i]])
			secrets, nonces = append(secrets, hx(k.Secret())), append(nonces, hx(nonce[:]))
			s, _, err := seal.New(seal.Params{Core: core, Level: seal.Sealed, Text: text, Parties: ids, Self: ids[i]}, k, [16]byte{byte(i)}, &nonce)
			check(err)
			sessions = append(sessions, s)
		}
		for step := range 5 {
			if step == 4 {
				for _, s := range sessions {
					_, err := s.Approve()
					check(err)
				}
			}
			sent := make([][]byte, n)
			for i, s := range sessions {
				sent[i] = s.Sent()[step]
			}
			for i, s := range sessions {
				for j := range sessions {
					if i != j {
						_, err := s.Receive(ids[j], sent[j])
						check(err)
					}
				}
			}
		}
		var sent []string
		for _, s := range sessions {
			sent = append(sent, hx([]byte(strings.Join(asStrings(s.Sent()), ""))))
		}
		c, err := sessions[0].Communique(names)
		check(err)
		file, err = c.Encode()
		check(err)
		g := sessions[0].Group()
		key := g.Key()
		v = append(v, vector{Op: "sign-together",
			In:  m{"core": hx([32]byte(core)), "level": seal.Sealed, "text": text, "secrets": secrets, "nonces_wide": nonces},
			Out: m{"list": hx(g.List()), "key": hx([32]byte(key)), "message": hx(seal.Message(core, seal.Sealed, g, text)), "sent": sent, "signature": hx(sessions[0].Signature()), "communique": string(file)}})
	}
	refuse := func(op, name string, in m, err error) {
		if err == nil {
			panic("gen: " + op + " takes " + name)
		}
		v = append(v, vector{Op: op, Name: name, In: in, Error: failMalformed})
	}
	top := [32]byte{0xec, 31: 0x7f}
	for i := 1; i < 31; i++ {
		top[i] = 0xff
	}
	plus := top
	plus[0] = 0xee
	for _, c := range []struct {
		name string
		b    [32]byte
	}{{"identity", [32]byte{1}}, {"order 4", [32]byte{}}, {"order 2", top}, {"y = p + 1", plus}} {
		_, err := seal.ParsePublicKey(c.b[:])
		refuse("seal-key", c.name, m{"key": hx(c.b)}, err)
	}
	order := append([]byte{byte(seal.StepShare)}, make([]byte, 32)...)
	order = append(order, 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10)
	_, err := seal.ParseMessage(order)
	refuse("seal-message", "z equals the group order", m{"message": hx(order)}, err)
	bad := strings.Replace(string(file), "opens", "shuts", 1)
	if _, err := seal.Verify([]byte(bad)); err == nil {
		panic("gen: a changed text verifies")
	}
	v = append(v, vector{Op: "communique", Name: "the text was changed", In: m{"file": bad}, Error: failSignature})
	bad = strings.Replace(string(file), `"sealed"`, `"public"`, 1)
	if _, err := seal.Verify([]byte(bad)); err == nil {
		panic("gen: a changed level verifies")
	}
	v = append(v, vector{Op: "communique", Name: "the level was changed", In: m{"file": bad}, Error: failSignature})
	refuse("seal-text", "right-to-left override", m{"text": "a\u202eb"}, seal.CheckText("a\u202eb"))
	return m{"vectors": v}
}

func asStrings(bs [][]byte) (out []string) {
	for _, b := range bs {
		out = append(out, string(b))
	}
	return out
}

func check(err error) {
	if err != nil {
		panic("gen: " + err.Error())
	}
}
