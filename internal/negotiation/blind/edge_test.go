package blind

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"
)

// Keys that cancel make every ciphertext readable: the round ends. Only somebody
// who knows the other's secret can bring it about, as this test does.
func TestKeysThatCancel(t *testing.T) {
	w := newTable(t, params(2, nil))
	join := func(i int) {
		c, err := w.rounds[i].Join(w.now, w.random())
		w.did(i, c, err)
	}
	join(0)
	x := ristretto.NewScalar()
	x.Neg(w.rounds[0].x())
	join(1)
	w.queue = nil
	r := w.rounds[1]
	s := r.scope(1, StepKey, 0)
	v, z := proveKey(s, x, &secrets{})
	key := Key{Point{mulGen(x)}, v, z, [32]byte{}}
	body := key.appendTo(nil)
	give := func(step Step, b Body) {
		m := Message{Step: step, View: w.rounds[0].view, Body: b}
		c, err := w.rounds[0].Receive(w.now, memberID(1), m.Encode(), w.random())
		w.did(0, c, err)
	}
	give(StepCommit, Commit{r.hashKey(1, body)})
	give(StepKey, raw(body))
	if s := w.rounds[0].Status(); s.State != Lapsed || !s.Over {
		t.Errorf("%+v", s)
	}
}

// Answers whose randomness cancels would stand open: the round ends, and names nobody,
// though each proof holds.
func TestAnswersThatCancel(t *testing.T) {
	w := newTable(t, params(2, nil))
	w.mangle = func(m sent) []sent {
		if Step(m.raw[0]) != StepInput {
			return []sent{m}
		}
		if m.from == 1 {
			return nil
		}
		// The factor that party 0 has just used, from the randomness it was given.
		fresh := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("fresh"), w.fresh))
		rnd := w.rounds[0].secrets(fresh, StepInput, 0)
		k := rnd.scalar()
		if msg, err := w.p.Decode(m.raw); err != nil || !mulGen(k).IsEqual(msg.Body.(Input).Cells[0].U.e) {
			t.Fatal("that is not the factor")
		}
		k.Neg(k)
		r := w.rounds[1]
		scope, y := r.scope(1, StepInput, 0), r.key0()
		ct := pair{mulGen(k), mul(k, y)} // a yes
		alpha, c1, z1 := rnd.scalar(), rnd.scalar(), rnd.scalar()
		st := inputStatement(scope, y, []pair{ct})
		st.count(1)
		st.points(mulGen(alpha), mul(alpha, y), add(mulGen(z1), mul(c1, ct.u)), add(mul(z1, y), mul(c1, sub(ct.v, ristretto.Generator()))))
		st.count(0)
		c, c0 := st.challenge(), ristretto.NewScalar()
		c0.Sub(c, c1)
		in := Input{Cells: []Ciphertext{{Point{ct.u}, Point{ct.v}}}, Challenge: Scalar{c}, Bits: []Bit{{Scalar{c0}, Scalar{respond(alpha, c0, k)}, Scalar{z1}}}}
		return []sent{m, {1, 0, Message{Step: StepInput, View: r.view, Body: in}.Encode()}}
	}
	w.play(Yes(), No())
	if s := w.rounds[0].Status(); s.State != Lapsed || !s.Over {
		t.Errorf("%+v", s)
	}
	for _, m := range w.trace {
		if strings.Contains(m, "step 5") {
			t.Error("it was blinded")
		}
	}
}

// Factors that cancel would open every cell to yes: the round ends, though each
// proof holds.
func TestFactorsThatCancel(t *testing.T) {
	w := newTable(t, params(2, nil))
	w.mangle = func(m sent) []sent {
		if Step(m.raw[0]) != StepBlind {
			return []sent{m}
		}
		if m.from == 1 {
			return nil
		}
		// The factor that party 0 has just used, from the randomness it was given.
		fresh := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("fresh"), w.fresh))
		rnd := w.rounds[0].secrets(fresh, StepBlind, 0)
		factor := rnd.scalar()
		q := *w.rounds[0]
		if !mul(factor, pairAt(q.sums, 0).u).IsEqual(pairAt(q.blinded, 0).u) {
			t.Fatal("that is not the factor")
		}
		q.self = 1
		forged := Message{Step: StepBlind, View: q.view, Body: blindWith(&q, factor.Neg(factor))}
		return []sent{m, {1, 0, forged.Encode()}}
	}
	w.play(Yes(), No())
	if s := w.rounds[0].Status(); s.State != Lapsed || !s.Over {
		t.Errorf("%+v", s)
	}
	if !degenerate([]pair{{ristretto.Generator(), ristretto.Identity()}}) || degenerate([]pair{{ristretto.Generator(), ristretto.Generator()}}) {
		t.Error("degenerate cells are not seen")
	}
}

// Once the own answer has left, a round is not declined any more: who then stops has
// stopped.
func TestNoDecliningAfterTheAnswer(t *testing.T) {
	w := newTable(t, params(2, nil))
	w.join()
	w.answer(Yes()) // the other chooses nothing
	w.at(w.p.InputsAt)
	if s := w.rounds[0].Status(); s.State != Keyed || !s.Sent {
		t.Fatalf("%+v", s)
	}
	before := w.rounds[0].State()
	if _, err := w.rounds[0].Decline(); !errors.Is(err, ErrNotNow) || !bytes.Equal(before, w.rounds[0].State()) {
		t.Errorf("declined after the answer had left: %v", err)
	}
	if _, err := w.rounds[1].Decline(); err != nil {
		t.Errorf("declined before it: %v", err)
	}
}

// Randomness that repeats, as after a copy of a machine, gives other factors for another
// answer, key or history: the same factor under two answers would show both.
func TestHedgedSecrets(t *testing.T) {
	w := newTable(t, params(2, nil))
	w.join()
	w.answer(Yes(), Yes())
	fresh := [32]byte{1}
	drawn := map[[32]byte]string{}
	for name, change := range map[string]func(r *Round) (Step, int){
		"as it is":        func(*Round) (Step, int) { return StepInput, 0 },
		"another answer":  func(r *Round) (Step, int) { r.bits = []byte{1}; return StepInput, 0 },
		"another key":     func(r *Round) (Step, int) { r.secret[0] ^= 1; return StepInput, 0 },
		"another history": func(r *Round) (Step, int) { r.view[0] ^= 1; return StepInput, 0 },
		"another round":   func(r *Round) (Step, int) { r.ctx[0] ^= 1; return StepInput, 0 },
		"another party":   func(r *Round) (Step, int) { r.self = 1; return StepInput, 0 },
		"another step":    func(*Round) (Step, int) { return StepBlind, 0 },
		"another cell":    func(*Round) (Step, int) { return StepInput, 1 },
	} {
		r := *w.rounds[0]
		step, cell := change(&r)
		rnd := r.secrets(fresh, step, cell)
		b := rnd.bytes()
		if other, twice := drawn[b]; twice {
			t.Errorf("%s: the same as %s", name, other)
		}
		drawn[b] = name
	}
}

// The key is erased with the last share that needs it, also if the share has to wait.
func TestKeyGoesWithTheLastShare(t *testing.T) {
	for _, cells := range []int{1, 4} {
		shape := func(*Params) {}
		answers := []Answer{Yes(), No()}
		if cells > 1 {
			shape = list(cells, 1, 0)
			answers = []Answer{Approve(make([]Level, cells)...), Approve(make([]Level, cells)...)}
		}
		w := newTable(t, params(2, shape))
		opened := 0
		w.mangle = func(m sent) []sent {
			if Step(m.raw[0]) == StepOpen && m.from == 0 {
				if opened++; opened == cells {
					return nil // the last cell stays closed
				}
			}
			return []sent{m}
		}
		w.play(answers...)
		for i, r := range w.rounds {
			if r.at != Opening || r.pos != cells-1 || r.secret != [32]byte{} {
				t.Errorf("%d cells: party %d is %s at %d and has its key", cells, i, r.at, r.pos)
			}
			if (i == 0) != (len(r.share) == 0) {
				t.Errorf("%d cells: party %d keeps a share of %d bytes", cells, i, len(r.share))
			}
		}
	}
}

// What comes before its time is judged when its time has come.
func TestEarlyMessages(t *testing.T) {
	for name, c := range map[string]struct {
		early func(r *Round, raw []byte) [][]byte
		want  State
	}{
		"right": {func(_ *Round, raw []byte) [][]byte { return [][]byte{raw, raw} }, Keyed},
		"another T": {func(_ *Round, raw []byte) [][]byte {
			b := bytes.Clone(raw)
			b[2] ^= 1
			return [][]byte{b}
		}, ViewsDiffer},
		"two of them": {func(_ *Round, raw []byte) [][]byte {
			b := bytes.Clone(raw)
			b[HeaderSize] ^= 1
			return [][]byte{raw, b}
		}, ViewsDiffer},
		"a step too far": {func(r *Round, raw []byte) [][]byte {
			b := Message{Step: StepCoin, View: [32]byte(raw[2:HeaderSize]), Body: Coin{}}
			return [][]byte{b.Encode()}
		}, Invalid},
		"a step too far under another T": {func(r *Round, raw []byte) [][]byte {
			b := Message{Step: StepCoin, View: [32]byte{1}, Body: Coin{}}
			return [][]byte{b.Encode()}
		}, ViewsDiffer},
	} {
		w := newTable(t, params(3, nil))
		var held []sent // from party 0 to party 1
		w.mangle = func(m sent) []sent {
			if m.from == 0 && m.to == 1 {
				held = append(held, m)
				return nil
			}
			if m.from == 2 && m.to == 1 && Step(m.raw[0]) == StepKey {
				var out []sent
				for _, b := range c.early(w.rounds[1], m.raw) {
					out = append(out, sent{2, 1, b})
				}
				return out
			}
			return []sent{m}
		}
		w.join()
		if got := w.rounds[1].at; got != Joined && c.want != ViewsDiffer {
			t.Errorf("%s: %s before its time", name, got)
		}
		w.mangle, w.queue = nil, held
		w.deliver()
		s := w.rounds[1].Status()
		if s.State != c.want || s.State == Invalid && s.Who != memberID(2) {
			t.Errorf("%s: %+v, want %s", name, s, c.want)
		}
	}
}

// Of a list that was shown, a late share settles its cell: a match, or nothing.
func TestLateShareOfAList(t *testing.T) {
	drawn := 0 // the cell that is opened first; coins do not depend on answers
	for i, theirs := range []Level{Refused, Refused, Acceptable} {
		w := newTable(t, params(2, list(4, 1, 0)))
		w.join()
		mine, other := make([]Level, 4), make([]Level, 4)
		mine[drawn], other[drawn] = Acceptable, theirs
		w.answer(Approve(mine...), Approve(other...))
		var held []sent
		w.mangle = func(m sent) []sent {
			if Step(m.raw[0]) == StepOpen && m.from == 1 {
				held = append(held, m)
				return nil
			}
			return []sent{m}
		}
		w.at(w.p.InputsAt)
		if i == 0 {
			drawn = int(w.rounds[0].order[0])
			continue
		}
		w.at(w.p.Deadline)
		if s := w.rounds[0].Status(); s.State != Shown || s.Cell != drawn || s.Text() != TextShown {
			t.Errorf("%+v", s)
		}
		w.mangle, w.queue = nil, held
		w.deliver()
		want := Match
		if theirs == Refused {
			want = Lapsed
		}
		if s := w.rounds[0].Status(); s.State != want || !s.Over {
			t.Errorf("%+v, want %s", s, want)
		}
		if !w.rounds[0].Wake(w.now).IsZero() {
			t.Error("an ended round wakes up")
		}
	}
}

// Among more than two, late shares of a round that was shown make a match only
// with everybody's echo.
func TestLateSharesOfMany(t *testing.T) {
	w := newTable(t, params(3, nil))
	w.join()
	w.answer(Yes(), Yes(), Yes())
	var shares, echoes []sent
	w.mangle = func(m sent) []sent {
		switch s := Step(m.raw[0]); {
		case s == StepOpen && m.from != 0:
			shares = append(shares, m)
			return nil
		case s == StepEcho && m.from == 2:
			echoes = append(echoes, m)
			return nil
		}
		return []sent{m}
	}
	w.at(w.p.InputsAt)
	w.at(w.p.Deadline)
	w.all(Shown, 0)
	w.queue = shares
	w.deliver()
	for i := range 2 {
		if s := w.rounds[i].Status(); s.State != Lapsed || !s.Known {
			t.Errorf("party %d: %+v", i, s)
		}
	}
	w.at(w.p.Deadline.Add(time.Hour))
	w.mangle, w.queue = nil, echoes
	w.deliver()
	w.all(Match, 0)
	w.erased()
	if s := w.rounds[0].Status(); s.Known {
		t.Errorf("%+v", s)
	}
}

// A round that lapsed waiting for something late ends for good on a restored station.
func TestRestoredAfterLapse(t *testing.T) {
	w := reached(t, Lapsed)
	c, err := w.rounds[0].Restored()
	w.did(0, c, err)
	if s := w.rounds[0].Status(); !s.Over || len(w.rounds[0].Resend()) > 0 {
		t.Errorf("%+v", s)
	}
	w.rounds = w.rounds[:1]
	w.erased()
}
