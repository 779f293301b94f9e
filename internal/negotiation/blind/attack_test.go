package blind

import (
	"bytes"
	"crypto"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/zk/dleq"
)

// changing returns a mangle that replaces the bodies of party 1's messages of one
// step; T stays right, so that party 1 can be blamed.
func changing(step Step, change func(body []byte) []byte) func(sent) []sent {
	return func(m sent) []sent {
		if m.from == 1 && Step(m.raw[0]) == step {
			body := change(bytes.Clone(m.raw[HeaderSize:]))
			m.raw = append(bytes.Clone(m.raw[:HeaderSize]), body...)
		}
		return []sent{m}
	}
}

// blamed checks that party 0 ended the round and names party 1.
func (w *table) blamed(what string) {
	w.t.Helper()
	s := w.rounds[0].Status()
	if s.State != Invalid || s.Who != memberID(1) || !s.Over {
		w.t.Errorf("%s: %+v, want invalid and party 1 named", what, s)
	}
}

// Every field of every message is bound: whatever valid point or scalar stands in
// its place, the message is refused and its sender named.
func TestEveryFieldIsBound(t *testing.T) {
	for name, p := range map[string]Params{
		"single": params(2, func(p *Params) { p.Opener = 1 }), "ladder": params(2, ladder(2)), "tiers": params(2, list(4, 1, 1)),
	} {
		answers := []Answer{Yes(), Yes()}
		switch p.Mode {
		case Ladder:
			answers = []Answer{Limit(0), Limit(1)}
		case List:
			answers = []Answer{Approve(2, 0, 0, 0), Approve(2, 0, 0, 0)}
		}
		for _, step := range []Step{StepKey, StepInput, StepCoin, StepBlind, StepOpen} {
			for field := range p.BodySize(step) / 32 {
				if name == "tiers" && field%5 != 0 { // a sample: the fields are many and alike
					continue
				}
				w := newTable(t, p)
				w.mangle = changing(step, func(body []byte) []byte {
					b := body[32*field : 32*field+32]
					if q, err := ParsePoint(b); err == nil && isPointField(&p, step, field) {
						copy(b, encode(add(q.e, ristretto.Generator())))
					} else if s, err := ParseScalar(b); err == nil {
						copy(b, encodeScalar(s.s.Add(s.s, scalar(1))))
					} else {
						b[0] ^= 1 // a hash or a coin
					}
					return body
				})
				w.play(answers...)
				w.blamed(fmt.Sprintf("%s, step %d, field %d", name, step, field))
			}
		}
	}
}

func isPointField(p *Params, s Step, field int) bool {
	switch s {
	case StepKey:
		return field < 2
	case StepInput:
		return field < 2*p.layout().cells
	case StepBlind:
		return field < 2*p.Cells()
	}
	return s == StepOpen && field == 0
}

// Identities, non-canonical encodings and wrong sizes: refused in every place of
// every message where a point or scalar stands.
func TestEveryFieldIsDecoded(t *testing.T) {
	p := params(2, func(p *Params) { p.Opener = 1 })
	zero, ff := make([]byte, 32), bytes.Repeat([]byte{0xff}, 32)
	for _, step := range []Step{StepKey, StepInput, StepBlind, StepOpen} {
		for field := range p.BodySize(step) / 32 {
			if step == StepKey && field == 3 {
				continue // a hash may be anything
			}
			for _, bad := range [][]byte{zero, ff} {
				if !isPointField(&p, step, field) && bytes.Equal(bad, zero) {
					continue // zero is a scalar
				}
				w := newTable(t, p)
				w.mangle = changing(step, func(body []byte) []byte { copy(body[32*field:], bad); return body })
				w.play(Yes(), Yes())
				w.blamed(fmt.Sprintf("step %d, field %d", step, field))
			}
		}
	}
}

// The shift attack: party 1 answers −1, so that a no and its answer sum to what
// opens like two yes. Without the proof it works; the proof refuses it, and any
// other shift, however it is made.
func TestShiftAttack(t *testing.T) {
	y, p := mulGen(scalar(7)), params(2, nil)
	single := p.layout()
	no := makeInput(scope{}, single, y, []byte{1}, &secrets{})
	shifted := makeInput(scope{}, single, y, []byte{0}, &secrets{key: [32]byte{1}})
	shifted.Cells[0].V.e = sub(shifted.Cells[0].V.e, ristretto.Generator())
	sum := no.Cells[0].pair().plus(shifted.Cells[0].pair())
	if !sub(sum.v, mul(scalar(7), sum.u)).IsIdentity() {
		t.Fatal("the attack is not what it should be: −1 and a no must open like two yes")
	}
	for _, by := range []int64{-2, -1, 2, 3} {
		w := newTable(t, params(2, nil))
		w.mangle = func(m sent) []sent {
			if m.from != 1 || Step(m.raw[0]) != StepInput {
				return []sent{m}
			}
			// The strongest forger: it makes all proofs anew, for the shifted
			// ciphertext, with everything that it knows.
			attacker := w.rounds[1]
			in := shiftedInput(attacker, by)
			m.raw = Message{Step: StepInput, View: attacker.view, Body: in}.Encode()
			return []sent{m}
		}
		w.play(No(), Yes())
		w.blamed(fmt.Sprintf("shift by %d", by))
	}
}

// shiftedInput encrypts a value that is no bit and proves as well as one can: one
// branch is simulated for a challenge of its own choice, the other answered with
// the true randomness.
func shiftedInput(r *Round, value int64) Input {
	s, y := r.scope(r.self, StepInput, 0), r.key0()
	rnd := &secrets{key: [32]byte{9}}
	k := rnd.scalar()
	v := scalar(uint64(max(value, -value)))
	if value < 0 {
		v.Neg(v)
	}
	ct := pair{mulGen(k), add(mul(k, y), mulGen(v))}
	st := inputStatement(s, y, []pair{ct})
	st.count(1)
	c0, z0, alpha := rnd.scalar(), rnd.scalar(), rnd.scalar()
	st.points(add(mulGen(z0), mul(c0, ct.u)), add(mul(z0, y), mul(c0, ct.v)), mulGen(alpha), mul(alpha, y))
	st.count(0)
	c := st.challenge()
	c1 := ristretto.NewScalar()
	c1.Sub(c, c0)
	return Input{Cells: []Ciphertext{{Point{ct.u}, Point{ct.v}}}, Challenge: Scalar{c},
		Bits: []Bit{{Scalar{c0}, Scalar{z0}, Scalar{respond(alpha, c1, k)}}}}
}

// Copied ciphertexts: whoever sends another's answer as its own, to agree with it
// whatever it is, has no proof in its own name.
func TestCopiedCiphertexts(t *testing.T) {
	w := newTable(t, params(2, nil))
	var victim []byte
	w.mangle = func(m sent) []sent {
		if Step(m.raw[0]) == StepInput {
			if m.from == 0 {
				victim = m.raw
			} else {
				m.raw = victim
			}
		}
		return []sent{m}
	}
	w.play(Yes(), Yes())
	w.blamed("verbatim")

	// Copied and made to look different: U + r·G, V + r·Y, the proof copied.
	w = newTable(t, params(2, nil))
	w.mangle = func(m sent) []sent {
		if Step(m.raw[0]) == StepInput {
			if m.from == 0 {
				victim = m.raw
				return []sent{m}
			}
			msg, err := w.p.Decode(victim)
			if err != nil {
				t.Fatal(err)
			}
			in := msg.Body.(Input)
			in.Cells[0].U.e = add(in.Cells[0].U.e, mulGen(scalar(5)))
			in.Cells[0].V.e = add(in.Cells[0].V.e, mul(scalar(5), w.rounds[0].key0()))
			m.raw = Message{Step: StepInput, View: msg.View, Body: in}.Encode()
		}
		return []sent{m}
	}
	w.play(Yes(), Yes())
	w.blamed("rerandomised")
}

// Rogue keys: a key chosen after the other's, so that the sum is the attacker's.
func TestRogueKeys(t *testing.T) {
	rogue := func(r *Round, own, other []byte) []byte {
		x := sub(mulGen(scalar(3)), r.point(other)) // Y = 3·G
		b := bytes.Clone(own)
		copy(b, encode(x))
		return b
	}
	// It does not fit the commitment that had to come first.
	w := newTable(t, params(2, nil))
	w.mangle = func(m sent) []sent {
		if m.from == 1 && Step(m.raw[0]) == StepKey {
			m.raw = append(bytes.Clone(m.raw[:HeaderSize]), rogue(w.rounds[1], m.raw[HeaderSize:], encode(mulGen(w.rounds[0].x())))...)
		}
		return []sent{m}
	}
	w.play(Yes(), Yes())
	w.blamed("after the commitment")

	// Even an attacker that knew the other key in time to commit to the rogue one
	// has no proof for it: the best it has are the parts of a true one.
	w = newTable(t, params(2, nil))
	c, err := w.rounds[0].Join(w.now, w.random())
	w.did(0, c, err)
	w.queue = nil
	c, err = w.rounds[1].Join(w.now, w.random())
	w.did(1, c, err)
	w.queue = nil
	a := w.rounds[1]
	body := rogue(a, a.key, w.rounds[0].key[:PointSize])
	m := Message{Step: StepCommit, View: a.view, Body: Commit{a.hashKey(1, body)}}
	c, err = w.rounds[0].Receive(w.now, memberID(1), m.Encode(), w.random())
	w.did(0, c, err)
	m = Message{Step: StepKey, View: w.rounds[0].view, Body: raw(body)}
	c, err = w.rounds[0].Receive(w.now, memberID(1), m.Encode(), w.random())
	w.did(0, c, err)
	w.blamed("with a fitting commitment")
}

// Zero blinds: circl decodes the identity and proves and checks with it; here
// nothing of it passes, and neither do factors that cancel another's.
func TestZeroBlinds(t *testing.T) {
	if err := ristretto.NewElement().UnmarshalBinary(make([]byte, 32)); err != nil {
		t.Log("circl refuses the identity now; ParsePoint still must")
	}
	if _, err := ParsePoint(make([]byte, 32)); err == nil {
		t.Error("the identity is a point")
	}
	zero, g := ristretto.NewScalar(), ristretto.Generator()
	dp := dleq.Params{G: ristretto, H: crypto.SHA512, DST: []byte("zero")}
	if p, err := (dleq.Prover{Params: dp}).ProveWithRandomness(zero, g, ristretto.Identity(), g, ristretto.Identity(), scalar(5)); err != nil ||
		!(dleq.Verifier{Params: dp}).Verify(g, ristretto.Identity(), g, ristretto.Identity(), p) {
		t.Log("circl refuses zero factors now; the decoder still must")
	}

	w := newTable(t, params(2, nil))
	w.mangle = func(m sent) []sent {
		if m.from == 1 && Step(m.raw[0]) == StepBlind {
			b := makeBlind(w.rounds[1].scope(1, StepBlind, 0), pairs(w.rounds[1].sums), &secrets{})
			zeroed := blindWith(w.rounds[1], zero)
			b.Cells, b.Challenge, b.Responses = zeroed.Cells, zeroed.Challenge, zeroed.Responses
			m.raw = Message{Step: StepBlind, View: w.rounds[1].view, Body: b}.Encode()
		}
		return []sent{m}
	}
	w.play(Yes(), No())
	w.blamed("a factor of zero, rightly proved")

	var victim Blind
	w = newTable(t, params(2, nil))
	w.mangle = func(m sent) []sent {
		if Step(m.raw[0]) == StepBlind {
			msg, err := w.p.Decode(m.raw)
			if err != nil {
				t.Fatal(err)
			}
			if m.from == 0 {
				victim = msg.Body.(Blind)
				return []sent{m}
			}
			b := msg.Body.(Blind)
			for i, c := range victim.Cells { // W_1 = −W_0: the sum would open to yes
				b.Cells[i] = Ciphertext{Point{element().Neg(c.U.e)}, Point{element().Neg(c.V.e)}}
			}
			b.Challenge, b.Responses = victim.Challenge, victim.Responses
			m.raw = Message{Step: StepBlind, View: msg.View, Body: b}.Encode()
		}
		return []sent{m}
	}
	w.play(Yes(), No())
	w.blamed("factors that cancel")
}

// blindWith is an honest proof for a factor of one's choice.
func blindWith(r *Round, factor group.Scalar) Blind {
	sums := pairs(r.sums)
	var out Blind
	var blinded []pair
	for _, c := range sums {
		b := pair{mul(factor, c.u), mul(factor, c.v)}
		blinded = append(blinded, b)
		out.Cells = append(out.Cells, Ciphertext{Point{b.u}, Point{b.v}})
	}
	st := blindStatement(r.scope(r.self, StepBlind, 0), sums, blinded)
	a := scalar(11)
	for _, c := range sums {
		st.points(mul(a, c.u), mul(a, c.v))
	}
	c := st.challenge()
	out.Challenge = Scalar{c}
	for range sums {
		out.Responses = append(out.Responses, Scalar{respond(a, c, factor)})
	}
	return out
}

// Mixed contexts: a message of another round is another view; with T made to fit
// it is a breach of the protocol, because every proof and hash holds ctx.
func TestMixedContexts(t *testing.T) {
	for _, step := range []Step{StepCommit, StepKey, StepInput, StepCoin, StepBlind, StepOpen} {
		for _, fit := range []bool{false, true} {
			if step == StepCommit && fit {
				continue // a commitment to anything is a commitment; its opening is refused below
			}
			other := newTable(t, params(2, func(p *Params) { p.Object[3]++; p.Opener = 1 }))
			var theirs []byte
			other.mangle = func(m sent) []sent {
				if m.from == 1 && Step(m.raw[0]) == step {
					theirs = m.raw
				}
				return []sent{m}
			}
			other.play(Yes(), Yes())
			w := newTable(t, params(2, func(p *Params) { p.Opener = 1 }))
			w.mangle = func(m sent) []sent {
				if m.from == 1 && Step(m.raw[0]) == step {
					raw := bytes.Clone(theirs)
					if fit {
						copy(raw[:HeaderSize], m.raw[:HeaderSize])
					}
					m.raw = raw
				}
				return []sent{m}
			}
			w.play(Yes(), Yes())
			if fit {
				w.blamed(fmt.Sprintf("step %d of another round", step))
			} else if s := w.rounds[0].Status(); s.State != ViewsDiffer || s.Who != (MemberID{}) {
				t.Errorf("step %d of another round: %+v", step, s)
			}
		}
	}
	// Parties that read the same object differently differ from the first message.
	w := newTable(t, params(2, nil))
	q := w.p
	q.Deadline = q.Deadline.Add(1e9)
	r, err := New(q, memberID(1))
	if err != nil {
		t.Fatal(err)
	}
	w.rounds[1] = r
	w.join()
	w.all(ViewsDiffer, -1)
	w.erased()
}

// Double opening: a second, different message of any step ends the round and
// names its sender, though both are valid; with another T nobody is named. The
// same bytes again are nothing.
func TestDoubleOpening(t *testing.T) {
	for _, step := range []Step{StepCommit, StepKey, StepInput, StepCoin, StepBlind, StepOpen} {
		w := newTable(t, params(2, list(4, 1, 0)))
		done := false
		w.mangle = func(m sent) []sent {
			if m.from != 1 || Step(m.raw[0]) != step || done {
				return []sent{m}
			}
			done = true
			second := m
			r := w.rounds[1]
			switch step {
			case StepInput:
				in := makeInput(scope{r.ctx, memberID(1), step, 0, [32]byte(m.raw[2:])}, r.plan, r.key0(), []byte{1, 1, 1, 0, 1}, &secrets{})
				second.raw = Message{Step: step, View: [32]byte(m.raw[2:]), Body: in}.Encode()
			case StepOpen:
				// Another proof for the same share: valid, and still a second one.
				cell := m.raw[1]
				x := r.x()
				o := makeOpen(scope{r.ctx, memberID(1), step, cell, [32]byte(m.raw[2:])}, x, pairs(r.blinded)[cell].u, &secrets{})
				second.raw = Message{Step: step, Cell: cell, View: [32]byte(m.raw[2:]), Body: o}.Encode()
			default:
				second.raw = bytes.Clone(m.raw)
				second.raw[HeaderSize] ^= 1
			}
			if bytes.Equal(second.raw, m.raw) {
				t.Fatalf("step %d: the second is the first", step)
			}
			return []sent{m, m, second}
		}
		w.play(Approve(0, 0, 0, 0), Approve(0, 0, 0, 0))
		w.blamed(fmt.Sprintf("step %d twice", step))

		w = newTable(t, params(2, list(4, 1, 0)))
		done = false
		w.mangle = func(m sent) []sent {
			if m.from != 1 || Step(m.raw[0]) != step || done {
				return []sent{m}
			}
			done = true
			second := m
			second.raw = bytes.Clone(m.raw)
			second.raw[9] ^= 1
			return []sent{m, second}
		}
		w.play(Approve(0, 0, 0, 0), Approve(0, 0, 0, 0))
		if s := w.rounds[0].Status(); s.State != ViewsDiffer {
			t.Errorf("step %d with two views: %+v", step, s)
		}
	}
}

// A station never makes a second message of a step, whatever comes and however
// often it is restarted: two shares of one cell under one factor would let one
// who said no read the other's answer.
func TestNothingIsMadeTwice(t *testing.T) {
	w := newTable(t, params(2, list(8, 2, 0)))
	sentAs := map[string][]byte{}
	w.mangle = func(m sent) []sent {
		key := fmt.Sprint(m.from, m.raw[0], m.raw[1])
		if have, ok := sentAs[key]; ok && !bytes.Equal(have, m.raw) {
			t.Errorf("a second, different message: %s", key)
		}
		sentAs[key] = m.raw
		return []sent{m, m}
	}
	w.join()
	w.answer(Approve(1, 0, 0, 0, 0, 0, 0, 0), Approve(0, 1, 0, 0, 0, 0, 0, 0))
	for range 3 {
		w.at(w.p.InputsAt)
	}
	w.all(NoMatch, -1)
	if len(sentAs) != 2*(5+8) {
		t.Errorf("%d different messages, want %d", len(sentAs), 2*(5+8))
	}
}

// Differing views: one of three shows the two others different answers. All end
// without naming anybody, because no honest party can tell who lied.
func TestDifferingViews(t *testing.T) {
	for _, step := range []Step{StepCommit, StepInput, StepBlind} {
		w := newTable(t, params(3, nil))
		w.mangle = func(m sent) []sent {
			if m.from == 1 && m.to == 2 && Step(m.raw[0]) == step {
				r := w.rounds[1]
				view := [32]byte(m.raw[2:])
				switch step {
				case StepCommit:
					m.raw = Message{Step: step, View: view, Body: Commit{[32]byte{1}}}.Encode()
				case StepInput:
					in := makeInput(scope{r.ctx, memberID(1), step, 0, view}, r.plan, r.key0(), []byte{1}, &secrets{})
					m.raw = Message{Step: step, View: view, Body: in}.Encode()
				case StepBlind:
					b := makeBlind(scope{r.ctx, memberID(1), step, 0, view}, pairs(r.sums), &secrets{})
					m.raw = Message{Step: step, View: view, Body: b}.Encode()
				}
			}
			return []sent{m}
		}
		w.play(Yes(), Yes(), Yes())
		for _, i := range []int{0, 2} {
			if i == 0 && step == StepBlind {
				// The opener hears nothing more from who has seen the difference.
				w.at(w.p.Deadline)
				if s := w.rounds[0].Status(); s.State != Shown {
					t.Errorf("the opener: %+v", s)
				}
				continue
			}
			if s := w.rounds[i].Status(); s.State != ViewsDiffer || s.Who != (MemberID{}) {
				t.Errorf("step %d, party %d: %+v", step, i, s)
			}
		}
	}
	// A false echo under the same view is a breach.
	w := newTable(t, params(3, nil))
	w.mangle = changing(StepEcho, func(body []byte) []byte { return []byte{body[0] ^ 1} })
	w.play(Yes(), Yes(), Yes())
	w.blamed("a false echo")
}

// Batched proofs whose coefficients hash only their own pair fall to a
// generalised birthday attack: with hashes of 12 bits it takes a moment. The
// shares it makes are wrong in a way that cancels. Our openings stand for one
// cell each and are refused; a batch that hashes all shares first is, too.
func TestBatchedForgery(t *testing.T) {
	const bits = 12
	x := scalar(12345)
	key := mulGen(x)
	us := []group.Element{mulGen(scalar(77)), mulGen(scalar(78))}
	coefficient := func(domain []byte, j int, d group.Element) uint64 {
		h := sha512.Sum512(append(append(append(bytes.Clone(domain), byte(j)), encode(us[j])...), encode(d)...))
		return binary.BigEndian.Uint64(h[:]) >> (64 - bits)
	}
	// D_0 = x·U_0 + a·G, D_1 = x·U_1 − b·G with d_0·a = d_1·b.
	d0, d1 := mul(x, us[0]), mul(x, us[1])
	have := map[uint64]group.Element{}
	seed := []byte("own pair only")
	var forged []group.Element
	shift0, shift1 := d0.Copy(), d1.Copy()
	minus := element().Neg(ristretto.Generator())
	for a := uint64(1); a <= 1<<13 && forged == nil; a++ {
		shift0, shift1 = add(shift0, ristretto.Generator()), add(shift1, minus)
		have[a*coefficient(seed, 0, shift0)] = shift0
		if match, ok := have[a*coefficient(seed, 1, shift1)]; ok {
			forged = []group.Element{match, shift1}
		}
	}
	if forged == nil {
		t.Fatal("no collision; the attack needs more tries")
	}
	// combined reports whether Σ d_j·D_j = x·Σ d_j·U_j, which is all that a proof
	// over the combined pair can tell.
	combined := func(domain []byte) bool {
		m, z := ristretto.Identity(), ristretto.Identity()
		for j := range us {
			c := scalar(coefficient(domain, j, forged[j]))
			m, z = add(m, mul(c, us[j])), add(z, mul(c, forged[j]))
		}
		return z.IsEqual(mul(x, m))
	}
	if !combined(seed) {
		t.Fatal("the forgery does not cancel")
	}
	all := sha512.New()
	for j := range us {
		all.Write(encode(us[j]))
		all.Write(encode(forged[j]))
	}
	if combined(all.Sum(nil)) {
		t.Error("the forgery cancels though all shares are in the domain")
	}
	// The attacker has the strongest proof of the combined statement; it proves no
	// single share here.
	for j := range us {
		s := scope{step: StepOpen, cell: uint8(j)}
		o := makeOpen(s, x, us[j], &secrets{})
		if !verifyOpen(s, key, us[j], o) {
			t.Fatal("a right share is refused")
		}
		o.D = Point{forged[j]}
		if verifyOpen(s, key, us[j], o) {
			t.Errorf("a forged share of cell %d is accepted", j)
		}
	}
	// Blinding, the one message with many proofs, has no coefficients: shifts that
	// cancel against each other in any combination are refused.
	sums := []pair{{us[0], us[1]}, {us[1], us[0]}}
	b := makeBlind(scope{}, sums, &secrets{})
	b.Cells[0].V.e = add(b.Cells[0].V.e, ristretto.Generator())
	b.Cells[1].V.e = add(b.Cells[1].V.e, minus)
	if verifyBlind(scope{}, sums, b) {
		t.Error("blinded cells that were shifted against each other are accepted")
	}
}

// Rubbish changes nothing: unknown steps, wrong sizes, strangers.
func TestRubbish(t *testing.T) {
	w := newTable(t, params(2, nil))
	w.join()
	r := w.rounds[0]
	before := r.State()
	good := Message{Step: StepInput, View: r.view, Body: makeInput(r.scope(1, StepInput, 0), r.plan, r.key0(), []byte{0}, &secrets{})}.Encode()
	for name, b := range map[string][]byte{
		"nothing": nil, "short": good[:HeaderSize-1], "header only": good[:HeaderSize], "a byte short": good[:len(good)-1],
		"a byte long": append(bytes.Clone(good), 0), "step 0": append([]byte{0}, good[1:]...), "step 8": append([]byte{8}, good[1:]...),
		"a cell": append([]byte{3, 1}, good[2:]...), "echo of two": append([]byte{7, 0}, make([]byte, 33)...),
	} {
		if c, err := r.Receive(w.now, memberID(1), b, w.random()); err != ErrMalformed || c.State != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, who := range []MemberID{memberID(0), memberID(9)} {
		if _, err := r.Receive(w.now, who, good, w.random()); err != ErrNoParty {
			t.Errorf("from no other party: %v", err)
		}
	}
	if !bytes.Equal(before, r.State()) {
		t.Error("rubbish changed the round")
	}
}
