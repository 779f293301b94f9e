package pairwise_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
)

// A second implementation of the key schedule, written from the specification on
// the standard library alone and in its own arithmetic: HMAC, HKDF and the
// stepping are done by hand. It shares no line with the package;
// schedule_test.go compares the two.

func secondHash(label string, rest ...[]byte) []byte {
	h := sha256.New()
	h.Write([]byte{byte(15 + len(label))}) // "backchannel/v1/" has 15
	h.Write([]byte("backchannel/v1/" + label))
	for _, r := range rest {
		h.Write(r)
	}
	return h.Sum(nil)
}

// secondHMAC is RFC 2104 for keys of at most a block.
func secondHMAC(key, message []byte) []byte {
	var in, out [64]byte
	copy(in[:], key)
	copy(out[:], key)
	for i := range in {
		in[i] ^= 0x36
		out[i] ^= 0x5c
	}
	h := sha256.Sum256(append(in[:], message...))
	h = sha256.Sum256(append(out[:], h[:]...))
	return h[:]
}

func secondLabelled(label string, rest ...[]byte) []byte {
	out := append([]byte{byte(15 + len(label))}, "backchannel/v1/"+label...)
	for _, r := range rest {
		out = append(out, r...)
	}
	return out
}

func secondPRF(key []byte, label string, rest ...[]byte) []byte {
	return secondHMAC(key, secondLabelled(label, rest...))
}

// secondKDF is RFC 5869 for one block of output: extract with 32 zero bytes,
// expand with the counter 1.
func secondKDF(label string, secret []byte, context ...[]byte) []byte {
	prk := secondHMAC(make([]byte, 32), secret)
	return secondHMAC(prk, append(secondLabelled(label, context...), 1))
}

func secondJoin(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func second32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
func second64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// secondVersion is the secrets of a version at the epoch that they start from.
type secondVersion struct {
	rv, root, heal []byte
	epoch          uint64
}

// secondMeeting is everything of one attempt.
type secondMeeting struct {
	tagI, tagR, sI, sR, id1, id2, epochKey []byte
}

func (v secondVersion) meet(epoch uint64, aid []byte) (m secondMeeting) {
	rv, root := v.rv, v.root
	for e := v.epoch; e != epoch; e++ {
		rv = secondHash("rendezvous/step", rv)
		root = secondHash("message/root-step", root)
	}
	m.sI = secondPRF(rv, "rendezvous", []byte{1}, aid)
	m.sR = secondPRF(rv, "rendezvous", []byte{2}, aid)
	m.tagI = secondHash("tag", aid, m.sI)[:16]
	m.tagR = secondHash("tag", aid, m.sR)[:16]
	m.id1 = secondPRF(rv, "rendezvous/twin1", aid)[:16]
	m.id2 = secondPRF(rv, "rendezvous/twin2", aid)[:16]
	m.epochKey = secondKDF("message/epoch-key", root, aid)
	return m
}

// cellKey walks from the first round to round; twin is 1 or 2.
func (m secondMeeting) cellKey(twin, role byte, first, round uint64) []byte {
	chain := secondKDF("message/cell-chain", m.epochKey, []byte{twin, role})
	for r := first; r < round; r++ {
		chain = secondHash("message/cell-step", chain)
	}
	return secondPRF(chain, "message/cell-key", second64(round))
}

func secondOpen(key, cell []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return gcm.Open(nil, make([]byte, 12), cell, nil)
}

func secondInvitation(sigma []byte, issue uint64) secondVersion {
	return secondVersion{secondKDF("introduction/rendezvous", sigma), secondKDF("introduction/message", sigma), nil, issue}
}

// secondRestore is a meeting by K_re, and σ of the introduction in it: the tags
// are of K_re, everything else of version 0 from σ.
func secondRestore(restore, aid []byte) (m secondMeeting, sigma []byte) {
	sigma = secondKDF("restore/sigma", restore, aid)
	m = secondInvitation(sigma, 0).meet(0, aid)
	m.sI = secondPRF(restore, "restore/rendezvous", []byte{1}, aid)
	m.sR = secondPRF(restore, "restore/rendezvous", []byte{2}, aid)
	m.tagI = secondHash("tag", aid, m.sI)[:16]
	m.tagR = secondHash("tag", aid, m.sR)[:16]
	return m, sigma
}

// secondIntroduction holds what was said, and both seeds.
type secondIntroduction struct {
	sigma, seedI, seedR, nonce []byte
	encR, encI                 []byte
	activation                 uint64
}

func secondKey(seed []byte) hpke.PrivateKey {
	k, err := hpke.MLKEM768X25519().NewPrivateKey(seed)
	if err != nil {
		panic(err)
	}
	return k
}

func secondSecret(k hpke.PrivateKey, label string, enc []byte, context ...[]byte) []byte {
	r, err := hpke.NewRecipient(enc, k, hpke.HKDFSHA256(), hpke.ExportOnly(), secondLabelled(label, context...))
	if err != nil {
		panic(err)
	}
	out, err := r.Export("backchannel/v1/"+label, 32)
	if err != nil {
		panic(err)
	}
	return out
}

type secondIntroduced struct {
	secondVersion
	commitment, restore, confirmI, confirmR []byte
	words                                   [4]uint16
}

func (in secondIntroduction) derive() (out secondIntroduced) {
	i, r := secondKey(in.seedI), secondKey(in.seedR)
	pkI, pkR := i.PublicKey().Bytes(), r.PublicKey().Bytes()
	out.commitment = secondHash("introduction/commitment", pkI, in.nonce)
	said := secondJoin(out.commitment, pkR, pkI, in.nonce)
	ssR := secondSecret(r, "introduction/kem", in.encR, []byte{2}, said)
	ssI := secondSecret(i, "introduction/kem", in.encI, []byte{1}, said, in.encR, second64(in.activation))
	out.root = secondKDF("introduction/root", secondJoin(in.sigma, ssR, ssI),
		second32(1), second64(in.activation), said, in.encR, in.encI)
	out.rv = secondKDF("introduction/rv", out.root)
	out.heal = secondKDF("introduction/heal", out.root)
	out.restore = secondKDF("restore", out.root)
	out.confirmI = secondKDF("introduction/confirm", out.root, []byte{1})
	out.confirmR = secondKDF("introduction/confirm", out.root, []byte{2})
	out.epoch = in.activation
	n := new(big.Int).SetBytes(secondHash("introduction/words", pkI, in.nonce, pkR))
	n.Rsh(n, 256-44)
	for w := 3; w >= 0; w-- {
		out.words[w] = uint16(new(big.Int).Mod(n, big.NewInt(2048)).Uint64())
		n.Div(n, big.NewInt(2048))
	}
	return out
}

// next makes version number from the version before it.
func (v secondVersion) next(number uint32, activation uint64, seed, enc []byte) secondVersion {
	k := secondKey(seed)
	pk := k.PublicKey().Bytes()
	at := secondJoin(second32(number), second64(activation))
	secret := secondJoin(v.heal, secondSecret(k, "healing/kem", enc, at, pk))
	return secondVersion{
		rv:    secondKDF("healing/rv", secret, at, pk, enc),
		root:  secondKDF("healing/root", secret, at, pk, enc),
		heal:  secondKDF("healing/heal", secret, at, pk, enc),
		epoch: activation,
	}
}
