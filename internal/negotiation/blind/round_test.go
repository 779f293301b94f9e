package blind

import (
	"fmt"
	"slices"
	"testing"
)

func yesno(bit int) Answer {
	if bit == 1 {
		return Yes()
	}
	return No()
}

// Over all answers of two to four parties the opened cell is the AND, everybody
// ends alike, nothing secret is left, and what was sent, by whom, when and of
// which size is the same for all answers.
func TestSingleIsAND(t *testing.T) {
	for n := 2; n <= 4; n++ {
		var first []string
		for a := range 1 << n {
			w := newTable(t, params(n, func(p *Params) { p.Opener = n - 1 }))
			var answers []Answer
			for i := range n {
				answers = append(answers, yesno(a>>i&1))
			}
			w.play(answers...)
			if a == 1<<n-1 {
				w.all(Match, 0)
			} else {
				w.all(NoMatch, -1)
			}
			w.erased()
			if first == nil {
				first = w.trace
			}
			if !slices.Equal(first, w.trace) {
				t.Errorf("%d parties, answers %b: the messages depend on answers:\n%q\n%q", n, a, first, w.trace)
			}
		}
	}
}

// A ladder ends at a figure that both accept if there is one, over all pairs of
// limits, and its messages are those of any other until a figure is hit.
func TestLadderMeets(t *testing.T) {
	t.Parallel()
	const m = 3
	for _, reversed := range []bool{false, true} {
		for s := -1; s < m; s++ { // seller: accepts s and above
			for b := -1; b < m; b++ { // buyer: accepts b and below
				p := params(2, ladder(m))
				answers := []Answer{Limit(s), Limit(b)}
				if s == -1 {
					answers[0] = NoFigure()
				}
				if b == -1 {
					answers[1] = NoFigure()
				}
				if reversed {
					slices.Reverse(p.Directions)
					slices.Reverse(answers)
				}
				w := newTable(t, p)
				w.reload = false
				w.play(answers...)
				w.erased()
				st := w.rounds[0].Status()
				if s >= 0 && b >= 0 && s <= b {
					if st.State != Match || st.Cell < s || st.Cell > b {
						t.Errorf("seller %d, buyer %d: %+v", s, b, st)
					}
					w.all(Match, st.Cell)
				} else {
					w.all(NoMatch, -1)
				}
			}
		}
	}
}

// A list ends at a package that both approve, with and without tiers, over all
// answers that fit the caps and each of their neighbours.
func TestListMeets(t *testing.T) {
	t.Parallel()
	for _, green := range []int{0, 1} {
		var answers [][]Level
		for c := range 4 { // cap 1 of 4
			for lv := Acceptable; lv <= Green; lv++ {
				if lv == Green && green == 0 {
					continue
				}
				a := make([]Level, 4)
				a[c] = lv
				answers = append(answers, a)
			}
		}
		answers = append(answers, make([]Level, 4))
		for i, a := range answers {
			// The same, the other tier or the next package, and nothing.
			for _, b := range [][]Level{a, answers[(i+1)%len(answers)], answers[len(answers)-1]} {
				w := newTable(t, params(2, list(4, 1, green)))
				w.reload = false
				w.play(Approve(a...), Approve(b...))
				w.erased()
				want, upper := -1, false
				for c := range a {
					if a[c] != Refused && b[c] != Refused {
						want, upper = c, a[c] == Green && b[c] == Green
					}
				}
				st := w.rounds[0].Status()
				if want < 0 {
					w.all(NoMatch, -1)
					continue
				}
				w.all(Match, st.Cell)
				if st.State == Match {
					item, isGreen := w.p.Item(st.Cell)
					if item != want || isGreen != upper {
						t.Errorf("%v and %v: item %d, upper tier %v", a, b, item, isGreen)
					}
				}
			}
		}
	}
}

// Several approvals within a larger cap: the first hit in the order that the coins
// drew, and nothing after it was opened.
func TestListStopsAtFirstHit(t *testing.T) {
	w := newTable(t, params(2, list(16, 4, 0)))
	a, b := make([]Level, 16), make([]Level, 16)
	for _, c := range []int{1, 5, 9} {
		a[c], b[c] = Acceptable, Acceptable
	}
	b[2] = Acceptable
	w.play(Approve(a...), Approve(b...))
	r := w.rounds[0]
	st := r.Status()
	w.all(Match, st.Cell)
	for _, c := range r.order[:r.pos] {
		if a[c] == Acceptable && b[c] == Acceptable {
			t.Errorf("cell %d would have been a hit before %d", c, st.Cell)
		}
	}
	opens := 0
	for _, line := range w.trace {
		var at string
		var who, step, size int
		if _, err := fmt.Sscanf(line, "%s %d: step %d, %d bytes", &at, &who, &step, &size); err == nil && Step(step) == StepOpen {
			opens++
		}
	}
	if opens != 2*(r.pos+1) {
		t.Errorf("%d shares for %d cells", opens, r.pos+1)
	}
}

// Until the first hit the messages of all answers are the same; only how many
// cells are opened, which both sides know, differs.
func TestListSchedule(t *testing.T) {
	var longest []string
	for _, a := range [][]Level{{0, 0, 0, 0, 0, 0, 0, 0}, {1, 0, 1, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 1, 1}, {0, 0, 0, 1, 0, 0, 0, 0}} {
		w := newTable(t, params(2, list(8, 2, 0)))
		w.play(Approve(a...), Approve(1, 0, 0, 0, 0, 0, 0, 1))
		if longest == nil {
			longest = w.trace
		}
		if len(w.trace) > len(longest) || !slices.Equal(longest[:len(w.trace)], w.trace) {
			t.Errorf("%v: %q, want a beginning of %q", a, w.trace, longest)
		}
	}
}

// An answer that does not fit is refused before anything is made of it.
func TestAnswersThatDoNotFit(t *testing.T) {
	for name, c := range map[string]struct {
		shape  func(*Params)
		answer Answer
	}{
		"zero":                  {nil, Answer{}},
		"other mode":            {nil, Approve(Acceptable)},
		"figure too high":       {ladder(4), Limit(4)},
		"figure too low":        {ladder(4), Limit(-2)},
		"too few":               {list(8, 2, 0), Approve(0, 0, 0)},
		"over the cap":          {list(8, 2, 0), Approve(1, 1, 1, 0, 0, 0, 0, 0)},
		"no tiers":              {list(8, 2, 0), Approve(2, 0, 0, 0, 0, 0, 0, 0)},
		"over the upper cap":    {list(8, 2, 1), Approve(2, 2, 0, 0, 0, 0, 0, 0)},
		"upper tier breaks cap": {list(8, 1, 1), Approve(2, 1, 0, 0, 0, 0, 0, 0)},
		"no such level":         {list(8, 2, 1), Approve(3, 0, 0, 0, 0, 0, 0, 0)},
	} {
		w := newTable(t, params(2, c.shape))
		w.join()
		before := w.rounds[0].State()
		if _, err := w.rounds[0].Answer(w.now, c.answer); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if !slices.Equal(before, w.rounds[0].State()) {
			t.Errorf("%s: changed the round", name)
		}
	}
}

// The answer that was chosen last can be looked at until the round ends, whatever it
// was.
func TestChosen(t *testing.T) {
	for name, c := range map[string]struct {
		shape   func(*Params)
		answers []Answer
	}{
		"single": {nil, []Answer{Yes(), No()}},
		"ladder": {ladder(4), []Answer{Limit(0), Limit(3), NoFigure()}},
		"list":   {list(12, 3, 0), []Answer{Approve(make([]Level, 12)...), Approve(1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1)}},
		"tiers":  {list(12, 3, 2), []Answer{Approve(2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2), Approve(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)}},
	} {
		w := newTable(t, params(2, c.shape))
		w.join()
		r := w.rounds[0]
		if _, ok := r.Chosen(); ok {
			t.Errorf("%s: an answer that nobody chose", name)
		}
		for _, a := range c.answers {
			if _, err := r.Answer(w.now, a); err != nil {
				t.Fatal(err)
			}
			got, ok := r.Chosen()
			if !ok || got.Figure() != a.Figure() || !slices.Equal(got.Levels(), a.Levels()) {
				t.Errorf("%s: chosen was %+v, and it says %+v", name, a, got)
			}
		}
		if _, err := r.Decline(); err != nil {
			t.Fatal(err)
		}
		if _, ok := r.Chosen(); ok {
			t.Errorf("%s: the answer outlives the round", name)
		}
	}
}

// A choice may be changed until it leaves; the last counts.
func TestAnswerTwice(t *testing.T) {
	w := newTable(t, params(2, nil))
	w.join()
	w.answer(Yes(), Yes())
	w.answer(No())
	w.at(w.p.InputsAt)
	w.all(NoMatch, -1)
}
