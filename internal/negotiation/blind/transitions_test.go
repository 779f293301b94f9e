package blind

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// reached is one way into each state, for party 0 of two; it opens first unless
// the state needs it otherwise.
func reached(t *testing.T, s State) *table {
	t.Helper()
	w := newTable(t, params(2, func(p *Params) {
		if s == Lapsed {
			p.Opener = 1
		}
	}))
	join := func(i int) {
		c, err := w.rounds[i].Join(w.now, w.random())
		w.did(i, c, err)
	}
	toOpening := func() {
		w.silent[1] = false
		w.join()
		w.answer(Yes(), Yes())
		w.mangle = func(m sent) []sent { // shares of party 1 are lost
			if m.from == 1 && Step(m.raw[0]) == StepOpen {
				return nil
			}
			return []sent{m}
		}
		w.at(w.p.InputsAt)
	}
	switch s {
	case Proposed:
	case Joined:
		join(0)
	case Keyed:
		w.join()
	case InputsIn:
		w.mangle = func(m sent) []sent {
			if Step(m.raw[0]) == StepBlind {
				return nil
			}
			return []sent{m}
		}
		w.join()
		w.answer(Yes(), Yes())
		w.at(w.p.InputsAt)
	case Opening:
		toOpening()
	case Match:
		w.play(Yes(), Yes())
	case NoMatch:
		w.play(Yes(), No())
	case Shown, Lapsed:
		toOpening()
		w.at(w.p.Deadline)
	case ViewsDiffer, Invalid:
		w.join()
		w.answer(Yes(), Yes())
		w.mangle = func(m sent) []sent {
			if m.from == 1 && Step(m.raw[0]) == StepInput {
				m.raw = bytes.Clone(m.raw)
				if s == ViewsDiffer {
					m.raw[5] ^= 1
				} else {
					m.raw[HeaderSize+cellSize] ^= 1
				}
			}
			return []sent{m}
		}
		w.at(w.p.InputsAt)
	}
	if got := w.rounds[0].at; got != s {
		t.Fatalf("reached %s, want %s", got, s)
	}
	return w
}

// Every pair of states: the table says which transitions there are, and every
// other is refused and changes nothing.
func TestTransitions(t *testing.T) {
	want := map[State][]State{
		Proposed: {Joined, Lapsed, ViewsDiffer, Invalid},
		Joined:   {Keyed, Lapsed, ViewsDiffer, Invalid},
		Keyed:    {InputsIn, Lapsed, ViewsDiffer, Invalid},
		InputsIn: {Opening, Lapsed, ViewsDiffer, Invalid},
		Opening:  {Opening, Match, NoMatch, Shown, Lapsed, ViewsDiffer, Invalid},
		Shown:    {Match, NoMatch, Lapsed, ViewsDiffer, Invalid},
		Lapsed:   {Match, NoMatch, ViewsDiffer, Invalid},
	}
	for from := range states {
		for to := range states + 1 {
			allowed := false
			for _, s := range want[from] {
				allowed = allowed || s == to
			}
			r := reached(t, from).rounds[0]
			err := r.move(to)
			if (err == nil) != allowed {
				t.Errorf("%s to %s: %v", from, to, err)
			}
			if end := r.at; allowed && end != to || !allowed && end != from {
				t.Errorf("%s to %s: now %s", from, to, end)
			}
		}
	}
}

// Every event of a user and of the clock in every state: the state that follows,
// and no change at all where the event is refused.
func TestEvents(t *testing.T) {
	const refused = states
	early, late := start, start.Add(3*time.Hour)
	events := []struct {
		name string
		do   func(w *table) (Change, error)
		next [states]State
	}{
		//                                          proposed  joined   keyed    inputs in opening  match    no match shown    lapsed   differ       invalid
		{"join", func(w *table) (Change, error) { return w.rounds[0].Join(early, w.random()) },
			[states]State{Joined, refused, refused, refused, refused, refused, refused, refused, refused, refused, refused}},
		{"answer", func(w *table) (Change, error) { return w.rounds[0].Answer(early, No()) },
			[states]State{refused, Joined, Keyed, refused, refused, refused, refused, refused, refused, refused, refused}},
		{"decline", func(w *table) (Change, error) { return w.rounds[0].Decline() },
			[states]State{Lapsed, Lapsed, Lapsed, refused, refused, refused, refused, refused, refused, refused, refused}},
		{"restored", func(w *table) (Change, error) { return w.rounds[0].Restored() },
			[states]State{Lapsed, Lapsed, Lapsed, Lapsed, Lapsed, Match, NoMatch, Lapsed, Lapsed, ViewsDiffer, Invalid}},
		{"a week later", func(w *table) (Change, error) { return w.rounds[0].Tick(late.Add(Lateness), w.random()) },
			[states]State{Lapsed, Lapsed, Lapsed, Lapsed, Shown, Match, NoMatch, Shown, Lapsed, ViewsDiffer, Invalid}},
		{"deadline", func(w *table) (Change, error) { return w.rounds[0].Tick(late, w.random()) },
			[states]State{Lapsed, Lapsed, Lapsed, Lapsed, Shown, Match, NoMatch, Shown, Lapsed, ViewsDiffer, Invalid}},
		{"before the deadline", func(w *table) (Change, error) { return w.rounds[0].Tick(early, w.random()) },
			[states]State{Proposed, Joined, Keyed, InputsIn, Opening, Match, NoMatch, Shown, Lapsed, ViewsDiffer, Invalid}},
	}
	for _, e := range events {
		for from := range states {
			w := reached(t, from)
			before := w.rounds[0].State()
			c, err := e.do(w)
			want := e.next[from]
			if (err == nil) != (want != refused) {
				t.Errorf("%s while %s: %v", e.name, from, err)
			}
			if want == refused {
				want = from
				if c.State != nil || len(c.Send) > 0 || !bytes.Equal(before, w.rounds[0].State()) {
					t.Errorf("%s while %s: refused, and something changed", e.name, from)
				}
				if !errors.Is(err, ErrNotNow) {
					t.Errorf("%s while %s: %v", e.name, from, err)
				}
			}
			if got := w.rounds[0].at; got != want {
				t.Errorf("%s while %s: now %s, want %s", e.name, from, got, want)
			}
			if e.name == "restored" {
				if r := w.rounds[0]; len(r.Resend()) > 0 && r.at == Lapsed {
					t.Errorf("restored while %s: would still send", from)
				}
				for _, m := range w.rounds[1].Resend() {
					if c, err := w.rounds[0].Receive(early, memberID(1), m, w.random()); err != nil || c.State != nil {
						t.Errorf("restored while %s: still answers: %v", from, err)
					}
				}
			}
		}
	}
}

// After answers have left nobody joins or answers, and nothing leaves.
func TestTooLate(t *testing.T) {
	w := newTable(t, params(2, nil))
	if _, err := w.rounds[0].Join(w.p.InputsAt, w.random()); !errors.Is(err, ErrTooLate) {
		t.Errorf("joining: %v", err)
	}
	w.join()
	if _, err := w.rounds[0].Answer(w.p.InputsAt, Yes()); !errors.Is(err, ErrTooLate) {
		t.Errorf("answering: %v", err)
	}
	// Who chose nothing sends nothing, and the round lapses for everybody.
	w.answer(Yes())
	w.at(w.p.InputsAt)
	if s := w.rounds[0].Status(); !s.Sent || w.rounds[1].Status().Sent {
		t.Errorf("%+v, %+v", s, w.rounds[1].Status())
	}
	w.at(w.p.Deadline)
	w.all(Lapsed, -1)
	w.erased()
}

// An answer does not leave before its time, nor when no cell could be opened any more.
func TestInputsLeaveAtTheirTime(t *testing.T) {
	w := newTable(t, params(2, nil))
	w.join()
	w.answer(Yes(), No())
	w.at(w.p.InputsAt.Add(-time.Millisecond))
	w.all(Keyed, -1)
	if n := len(w.trace); n != 4 {
		t.Errorf("%d messages before the time: %q", n, w.trace)
	}
	for _, r := range w.rounds {
		if r.Wake(w.now) != w.p.InputsAt || r.Wake(w.p.InputsAt) != w.p.Deadline {
			t.Error("wakes at another time")
		}
	}
	w.at(w.p.lastOpening().Add(time.Millisecond))
	if n := len(w.trace); n != 4 {
		t.Errorf("an answer left that could not be opened: %q", w.trace)
	}
}

// The opener does not open in the last ten minutes; others do not open first.
func TestNoFirstOpeningNearTheDeadline(t *testing.T) {
	w := newTable(t, params(2, nil))
	w.join()
	w.answer(Yes(), Yes())
	held := []sent{}
	w.mangle = func(m sent) []sent {
		if Step(m.raw[0]) == StepBlind {
			held = append(held, m)
			return nil
		}
		return []sent{m}
	}
	w.at(w.p.InputsAt)
	w.now = w.p.lastOpening().Add(time.Millisecond)
	w.queue, w.mangle = held, nil
	w.deliver()
	w.all(Opening, 0)
	w.at(w.p.Deadline)
	w.all(Lapsed, 0)
	for _, line := range w.trace {
		if bytes.Contains([]byte(line), []byte("step 6")) {
			t.Errorf("opened: %s", line)
		}
	}
}

// The second of two answers a valid opening whatever the clock says, and before it
// shows the result; for the first, a late share turns "shown" into the result.
func TestLateOpeningsCount(t *testing.T) {
	for _, c := range []struct {
		answers     []Answer
		first, want State
		cell        int
	}{
		{[]Answer{Yes(), Yes()}, Shown, Match, 0},
		{[]Answer{Yes(), No()}, Shown, NoMatch, -1},
		{[]Answer{No(), Yes()}, Lapsed, NoMatch, -1},
		{[]Answer{No(), No()}, Lapsed, NoMatch, -1},
	} {
		w := newTable(t, params(2, nil))
		w.join()
		w.answer(c.answers...)
		var held []sent
		w.mangle = func(m sent) []sent {
			if Step(m.raw[0]) == StepOpen {
				held = append(held, m)
				return nil
			}
			return []sent{m}
		}
		w.at(w.p.InputsAt)
		w.all(Opening, 0)
		sentBefore := len(w.trace)
		w.at(w.p.Deadline)
		if len(w.trace) != sentBefore {
			t.Error("the end of the time is visible")
		}
		if a, b := w.rounds[0].at, w.rounds[1].at; a != c.first || b != Lapsed {
			t.Errorf("after the deadline: %s and %s, want %s and %s", a, b, c.first, Lapsed)
		}
		for i, r := range w.rounds {
			if r.secret != [32]byte{} || len(r.bits) > 0 {
				t.Errorf("party %d keeps secrets", i)
			}
		}
		w.at(w.p.Deadline.Add(48 * time.Hour))
		w.queue, w.mangle = held, nil
		w.deliver()
		w.all(c.want, c.cell)
		w.erased()
	}
}

// Who was away from before the cells were blinded until after the deadline still
// answers an opening that was made in time; and never opens first itself.
func TestAwayOverTheDeadline(t *testing.T) {
	for _, c := range []struct {
		p      Params
		mine   Answer
		theirs Answer
		want   State
		cell   int
	}{
		{params(2, nil), Yes(), Yes(), Match, 0},
		{params(2, nil), Yes(), No(), NoMatch, -1},
		{params(2, list(4, 1, 0)), Approve(0, 0, 0, 0), Approve(0, 0, 0, 0), Lapsed, -2},
	} {
		w := newTable(t, c.p)
		w.join()
		w.answer(c.mine, c.theirs)
		var held []sent
		w.mangle = func(m sent) []sent {
			if m.from == 0 && Step(m.raw[0]) >= StepBlind { // nothing reaches party 1
				held = append(held, m)
				return nil
			}
			return []sent{m}
		}
		w.at(w.p.InputsAt)
		w.at(w.p.Deadline)
		if s := w.rounds[1].Status(); s.State != Lapsed || s.Over || len(w.rounds[1].bits) > 0 {
			t.Errorf("away: %+v", s)
		}
		w.mangle, w.queue = nil, held
		w.deliver()
		for i, r := range w.rounds {
			s := r.Status()
			if s.State != c.want || c.cell > -2 && s.Cell != c.cell || !s.Over {
				t.Errorf("party %d: %+v, want %s", i, s, c.want)
			}
		}
		w.erased()
	}

	// The opener, away in the same way, opens nothing when it is back.
	w := newTable(t, params(2, nil))
	w.join()
	w.answer(Yes(), Yes())
	var held []sent
	w.mangle = func(m sent) []sent {
		if m.from == 1 && Step(m.raw[0]) >= StepBlind {
			held = append(held, m)
			return nil
		}
		return []sent{m}
	}
	w.at(w.p.InputsAt)
	w.at(w.p.Deadline)
	before := len(w.trace)
	w.mangle, w.queue = nil, held
	w.deliver()
	w.all(Lapsed, 0)
	if len(w.trace) != before {
		t.Errorf("opened after the deadline: %q", w.trace[before:])
	}
	for _, r := range w.rounds {
		if r.Wake(w.now) != w.p.Deadline.Add(Lateness) {
			t.Error("does not wake up to end for good")
		}
	}
	w.at(w.p.Deadline.Add(Lateness - time.Millisecond))
	if w.rounds[0].over {
		t.Error("ends for good too early")
	}
	w.at(w.p.Deadline.Add(Lateness))
	for i, r := range w.rounds {
		if !r.over || !r.Wake(w.now).IsZero() {
			t.Errorf("party %d still waits", i)
		}
	}
	w.erased()
}

// In a list a late share settles its own cell and no other.
func TestLateOpeningOfAList(t *testing.T) {
	w := newTable(t, params(2, list(4, 1, 0)))
	w.join()
	w.answer(Approve(0, 0, 0, 0), Approve(0, 0, 0, 0))
	var held []sent
	w.mangle = func(m sent) []sent {
		if Step(m.raw[0]) == StepOpen && m.from == 1 {
			held = append(held, m)
			return nil
		}
		return []sent{m}
	}
	w.at(w.p.InputsAt)
	w.at(w.p.Deadline)
	w.mangle, w.queue = nil, held
	w.deliver()
	if s := w.rounds[0].Status(); s.State != Lapsed || !s.Over {
		t.Errorf("%+v", s)
	}
	if s := w.rounds[1].Status(); s.State != Lapsed {
		t.Errorf("%+v", s)
	}
	w.at(w.p.Deadline.Add(time.Hour))
	if len(w.queue) != 0 {
		t.Error("a lapsed list opens another cell")
	}
}

// Among more than two a match needs everybody's echo; without them it is known to
// some, and a late echo still counts.
func TestManyMustEcho(t *testing.T) {
	w := newTable(t, params(3, nil))
	w.join()
	w.answer(Yes(), Yes(), Yes())
	var held []sent
	w.mangle = func(m sent) []sent {
		if Step(m.raw[0]) == StepEcho && m.from == 2 {
			held = append(held, m)
			return nil
		}
		return []sent{m}
	}
	w.at(w.p.InputsAt)
	for i, want := range []State{Opening, Opening, Match} {
		if got := w.rounds[i].at; got != want {
			t.Errorf("party %d: %s, want %s", i, got, want)
		}
	}
	w.at(w.p.Deadline)
	for i := range 2 {
		if s := w.rounds[i].Status(); s.State != Lapsed || !s.Known || s.Text() != TextKnown {
			t.Errorf("party %d: %+v", i, s)
		}
	}
	w.mangle, w.queue = nil, held
	w.deliver()
	w.all(Match, 0)
	w.erased()
}

// Among more than two a share that never comes leaves "shown" where the own yes
// was opened, and "lapsed" where the answer was no.
func TestManyUnanswered(t *testing.T) {
	w := newTable(t, params(3, nil))
	w.join()
	w.answer(Yes(), No(), Yes())
	w.mangle = func(m sent) []sent {
		if Step(m.raw[0]) == StepOpen && m.from == 2 {
			return nil
		}
		return []sent{m}
	}
	w.at(w.p.InputsAt)
	w.at(w.p.Deadline)
	for i, want := range []State{Shown, Lapsed, NoMatch} {
		if s := w.rounds[i].Status(); s.State != want || s.Known {
			t.Errorf("party %d: %+v, want %s", i, s, want)
		}
	}
}

// A station that crashed between keeping and sending sends again byte for byte,
// and the others take it once.
func TestResend(t *testing.T) {
	w := newTable(t, params(3, func(p *Params) { p.Opener = 1 }))
	lost := false
	w.mangle = func(m sent) []sent {
		if m.from == 0 { // all that party 0 sends is lost, and sent again below
			lost = true
			return nil
		}
		return []sent{m, m} // everybody else's comes twice
	}
	again := func() {
		for lost {
			lost = false
			for _, raw := range w.rounds[0].Resend() {
				w.queue = append(w.queue, sent{0, 1, raw}, sent{0, 2, raw})
			}
			w.deliver()
		}
	}
	w.join()
	again()
	w.answer(Yes(), Yes(), Yes())
	w.at(w.p.InputsAt)
	again()
	w.all(Match, 0)
}
