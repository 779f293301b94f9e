package blind

import (
	"encoding/binary"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/zk/dl"
	"github.com/cloudflare/circl/zk/dleq"

	"backchannel/internal/suite"
)

// A scope is where a proof belongs. A proof of another round, sender, step, cell
// or history does not verify.
type scope struct {
	ctx    [32]byte
	sender MemberID
	step   Step
	cell   uint8
	view   [32]byte // T
}

// binding is H(label ‖ ctx ‖ sender ‖ step ‖ cell ‖ T).
func (s scope) binding() []byte {
	h := suite.Hash(suite.LabelRoundProof, s.ctx[:], s.sender[:], []byte{byte(s.step), s.cell}, s.view[:])
	return h[:]
}

// A statement collects everything that a challenge of ours hashes.
type statement struct{ b []byte }

func (s scope) begin() *statement { return &statement{s.binding()} }

func (st *statement) count(n int) { st.b = binary.BigEndian.AppendUint32(st.b, uint32(n)) }

func (st *statement) points(points ...group.Element) {
	for _, p := range points {
		st.b = append(st.b, encode(p)...)
	}
}

func (st *statement) challenge() group.Scalar {
	return hashToScalar(suite.LabelRoundChallenge, st.b)
}

// proveKey is a Schnorr proof of the secret key in the form of package dl, which
// binds base, commitment, key, sender and scope. It is made here because
// dl.Prove takes its nonce from the system and nowhere else.
func proveKey(s scope, x group.Scalar, rnd *secrets) (v Point, r Scalar) {
	nonce := rnd.scalar()
	defer wipe(nonce)
	big := mulGen(nonce)
	c := keyChallenge(s, big, mulGen(x))
	resp := ristretto.NewScalar()
	resp.Sub(nonce, ristretto.NewScalar().Mul(x, c))
	return Point{big}, Scalar{resp}
}

// keyChallenge is dl's challenge: its transcript G ‖ V ‖ X ‖ len(sender) ‖ sender
// ‖ len(scope) ‖ scope, hashed under the scope.
func keyChallenge(s scope, v, x group.Element) group.Scalar {
	other := s.binding()
	st := statement{}
	st.points(ristretto.Generator(), v, x)
	st.count(len(s.sender))
	st.b = append(st.b, s.sender[:]...)
	st.count(len(other))
	st.b = append(st.b, other...)
	return ristretto.HashToScalar(st.b, other)
}

func verifyKey(s scope, k Key) bool {
	return dl.Verify(ristretto, ristretto.Generator(), k.X.e, dl.Proof{V: k.V.e, R: k.R.s}, s.sender[:], s.binding())
}

// inputStatement hashes the bases and all ciphertexts of an input; commitments follow.
func inputStatement(s scope, y group.Element, cells []pair) *statement {
	st := s.begin()
	st.points(ristretto.Generator(), y)
	st.count(len(cells))
	for _, c := range cells {
		st.points(c.u, c.v)
	}
	return st
}

// makeInput encrypts bits for the key y and proves every bit form and every total
// of the layout under one challenge. The time it takes does not depend on bits.
func makeInput(s scope, l *layout, y group.Element, bits []byte, rnd *secrets) Input {
	ks := make([]group.Scalar, l.cells)
	cells := make([]pair, l.cells)
	var in Input
	for i := range cells {
		ks[i] = rnd.scalar()
		b := scalar(uint64(bits[i]))
		cells[i] = pair{mulGen(ks[i]), add(mul(ks[i], y), mulGen(b))}
		in.Cells = append(in.Cells, Ciphertext{Point{cells[i].u}, Point{cells[i].v}})
	}
	defer wipe(ks...)

	// Both branches of a bit proof are made alike. Branch t claims that the
	// ciphertext encrypts t; with commitment (α·G, α·Y + c·(b−t)·G) and response
	// α − c·k it verifies for the c that it was made with, and for the true
	// branch, where b−t = 0, for every c.
	type branch struct{ alpha, c group.Scalar }
	st := inputStatement(s, y, cells)
	proofs := make([][2]branch, len(l.bits))
	st.count(len(l.bits))
	for i, f := range l.bits {
		b := scalar(uint64(f.eval(bits)))
		for t := range 2 {
			br := branch{rnd.scalar(), rnd.scalar()}
			off := ristretto.NewScalar()
			off.Sub(b, scalar(uint64(t)))
			off.Mul(off, br.c)
			st.points(mulGen(br.alpha), add(mul(br.alpha, y), mulGen(off)))
			proofs[i][t] = br
		}
	}
	sums := make([]group.Scalar, len(l.totals))
	st.count(len(l.totals))
	for i := range l.totals {
		sums[i] = rnd.scalar()
		st.points(mulGen(sums[i]), mul(sums[i], y))
	}
	c := st.challenge()
	in.Challenge = Scalar{c}

	for i, f := range l.bits {
		k, b := f.secret(ks), int(f.eval(bits)) // b is 0 or 1
		p := proofs[i]
		// c0 is branch 0's own if that one is simulated (b = 1), else what branch
		// 1's leaves of the challenge.
		c0 := ristretto.NewScalar()
		c0.Sub(c, p[1].c)
		c0.CMov(b, p[0].c)
		c1 := ristretto.NewScalar()
		c1.Sub(c, c0)
		in.Bits = append(in.Bits, Bit{Scalar{c0}, Scalar{respond(p[0].alpha, c0, k)}, Scalar{respond(p[1].alpha, c1, k)}})
		wipe(k, p[0].alpha, p[1].alpha)
	}
	for i, t := range l.totals {
		k := t.form.secret(ks)
		in.Totals = append(in.Totals, Scalar{respond(sums[i], c, k)})
		wipe(k, sums[i])
	}
	return in
}

// respond is α − c·k.
func respond(alpha, c, k group.Scalar) group.Scalar {
	z := ristretto.NewScalar()
	z.Mul(c, k)
	return z.Sub(alpha, z)
}

// secret is the form of encryption randomness.
func (f form) secret(ks []group.Scalar) group.Scalar {
	sum := ristretto.NewScalar()
	for _, t := range f {
		switch w := t.weight; {
		case w < 0:
			sum.Sub(sum, ristretto.NewScalar().Mul(scalar(uint64(-w)), ks[t.cell]))
		default:
			sum = mulAdd(scalar(uint64(w)), ks[t.cell], sum)
		}
	}
	return sum
}

func verifyInput(s scope, l *layout, y group.Element, in Input) bool {
	cells := make([]pair, len(in.Cells))
	for i, c := range in.Cells {
		cells[i] = c.pair()
	}
	// commitment is (z·G + c·u, z·Y + c·(v − t·G)).
	commitment := func(ct pair, t uint64, c, z group.Scalar) (a, b group.Element) {
		v := ct.v
		if t != 0 {
			v = sub(v, mulGen(scalar(t)))
		}
		return add(mulGen(z), mul(c, ct.u)), add(mul(z, y), mul(c, v))
	}
	c := in.Challenge.s
	st := inputStatement(s, y, cells)
	st.count(len(l.bits))
	for i, f := range l.bits {
		ct, p := f.apply(cells), in.Bits[i]
		c1 := ristretto.NewScalar()
		c1.Sub(c, p.C0.s)
		a0, b0 := commitment(ct, 0, p.C0.s, p.Z0.s)
		a1, b1 := commitment(ct, 1, c1, p.Z1.s)
		st.points(a0, b0, a1, b1)
	}
	st.count(len(l.totals))
	for i, t := range l.totals {
		a, b := commitment(t.form.apply(cells), t.value, c, in.Totals[i].s)
		st.points(a, b)
	}
	return st.challenge().IsEqual(c)
}

// blindStatement hashes all sums and all blinded cells; commitments follow. Every
// proof of the message stands under this one hash, so no part of it can be
// adjusted to another: there are no coefficients that hash only their own pair.
func blindStatement(s scope, sums, blinded []pair) *statement {
	st := s.begin()
	st.points(ristretto.Generator())
	st.count(len(sums))
	for i := range sums {
		st.points(sums[i].u, sums[i].v, blinded[i].u, blinded[i].v)
	}
	return st
}

// makeBlind multiplies each sum with a fresh factor and proves that both halves
// got the same.
func makeBlind(s scope, sums []pair, rnd *secrets) Blind {
	factors, nonces := make([]group.Scalar, len(sums)), make([]group.Scalar, len(sums))
	blinded := make([]pair, len(sums))
	var out Blind
	for i, c := range sums {
		factors[i], nonces[i] = rnd.scalar(), rnd.scalar()
		blinded[i] = pair{mul(factors[i], c.u), mul(factors[i], c.v)}
		out.Cells = append(out.Cells, Ciphertext{Point{blinded[i].u}, Point{blinded[i].v}})
	}
	st := blindStatement(s, sums, blinded)
	for i, c := range sums {
		st.points(mul(nonces[i], c.u), mul(nonces[i], c.v))
	}
	c := st.challenge()
	out.Challenge = Scalar{c}
	for i := range sums {
		out.Responses = append(out.Responses, Scalar{respond(nonces[i], c, factors[i])})
	}
	wipe(factors...)
	wipe(nonces...)
	return out
}

func verifyBlind(s scope, sums []pair, b Blind) bool {
	blinded := make([]pair, len(b.Cells))
	for i, w := range b.Cells {
		blinded[i] = w.pair()
	}
	st := blindStatement(s, sums, blinded)
	c := b.Challenge.s
	for i, sum := range sums {
		z := b.Responses[i].s
		st.points(add(mul(z, sum.u), mul(c, blinded[i].u)), add(mul(z, sum.v), mul(c, blinded[i].v)))
	}
	return st.challenge().IsEqual(c)
}

// openParams are circl's, with the scope and once more every base and point in
// the domain separation: its own coefficient hashes only one pair, and its
// challenge only the combined ones.
func openParams(s scope, x, u, d group.Element) dleq.Params {
	st := s.begin()
	st.points(ristretto.Generator(), x, u, d)
	h := suite.Hash(suite.LabelRoundOpen, st.b)
	return dleq.Params{G: ristretto, H: suite.WideHash, DST: h[:]}
}

// makeOpen is x·u with the proof that it is under the key X = x·G. The variant of
// circl's that binds the base G is used, not the one of RFC 9497.
func makeOpen(s scope, x group.Scalar, u group.Element, rnd *secrets) Open {
	key, d := mulGen(x), mul(x, u) // the key anew, so that no mix-up of state can prove a falsehood
	nonce := rnd.scalar()
	defer wipe(nonce)
	p, err := dleq.Prover{Params: openParams(s, key, u, d)}.ProveWithRandomness(x, ristretto.Generator(), key, u, d, nonce)
	if err != nil {
		panic("blind: a share of one cell has no proof: " + err.Error()) // only for empty batches
	}
	b, err := p.MarshalBinary()
	if err != nil {
		panic("blind: a proof does not encode: " + err.Error()) // two scalars always do
	}
	r := reader{b: b}
	return Open{Point{d}, r.scalar(), r.scalar()}
}

func verifyOpen(s scope, x, u group.Element, o Open) bool {
	var p dleq.Proof
	if err := p.UnmarshalBinary(ristretto, append(o.C.Bytes(), o.Z.Bytes()...)); err != nil {
		return false
	}
	return dleq.Verifier{Params: openParams(s, x, u, o.D.e)}.Verify(ristretto.Generator(), x, u, o.D.e, &p)
}
