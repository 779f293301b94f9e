package blind

import (
	"slices"
	"testing"
)

// Answers that are bits, each proved as one, and break the rule of their mode: two
// figures or none, more approvals than the cap, slack that is not what is left of it, a
// package in the upper tier that is not approved. Each would tell its maker more than a
// round may, and each is refused with its sender named. The same forger with an answer
// that keeps the rules is believed, so it is the answer that is refused.
func TestFalseAnswers(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape func(*Params)
		bits  []byte
		fine  bool
	}{
		{"one figure", ladder(4), []byte{0, 1, 0, 0, 0}, true},
		{"two figures", ladder(4), []byte{0, 1, 1, 0, 0}, false},
		{"a figure and none", ladder(4), []byte{1, 0, 0, 0, 1}, false},
		{"no slot: yes to everything", ladder(4), []byte{0, 0, 0, 0, 0}, false},
		{"two of two", list(8, 2, 0), []byte{0, 0, 1, 1, 1, 1, 1, 1, 1, 1}, true},
		{"three of two", list(8, 2, 0), []byte{0, 0, 0, 1, 1, 1, 1, 1, 1, 1}, false},
		{"yes to everything", list(8, 2, 0), []byte{0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, false},
		{"more slack than is left", list(8, 2, 0), []byte{0, 0, 1, 1, 1, 1, 1, 1, 0, 1}, false},
		{"less slack than is left", list(8, 2, 0), []byte{0, 1, 1, 1, 1, 1, 1, 1, 1, 1}, false},
		{"upper and approved", list(4, 1, 1), []byte{0, 1, 1, 1, 1, 0, 1, 1, 1, 1}, true},
		{"upper, not approved", list(4, 1, 1), []byte{1, 1, 1, 1, 0, 0, 1, 1, 1, 1}, false},
		{"upper, another approved", list(4, 1, 1), []byte{1, 0, 1, 1, 1, 0, 1, 1, 1, 1}, false},
		{"two in an upper tier of one", list(8, 2, 1), []byte{0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1}, false},
	} {
		w := newTable(t, params(2, c.shape))
		honest := []Answer{NoFigure(), NoFigure()}
		if w.p.Mode == List {
			honest = []Answer{Approve(make([]Level, w.p.Items)...), Approve(make([]Level, w.p.Items)...)}
		}
		if n := w.p.layout().cells; len(c.bits) != n {
			t.Fatalf("%s: %d bits, the mode has %d", c.name, len(c.bits), n)
		}
		w.mangle = func(m sent) []sent {
			if m.from == 1 && Step(m.raw[0]) == StepInput {
				r := w.rounds[1]
				plan := *r.plan
				plan.bits = slices.Clone(plan.bits)
				for i, f := range plan.bits {
					if v := f.eval(c.bits); v != 0 && v != 1 {
						plan.bits[i] = one(f[0].cell) // what it can prove instead
					}
				}
				in := makeInput(r.scope(1, StepInput, 0), &plan, r.key0(), c.bits, &secrets{key: [32]byte{5}})
				m.raw = Message{Step: StepInput, View: r.view, Body: in}.Encode()
			}
			return []sent{m}
		}
		w.join()
		w.answer(honest...)
		w.at(w.p.InputsAt)
		if !c.fine {
			w.blamed(c.name)
		} else if s := w.rounds[0].Status(); s.State == Invalid && s.Who == memberID(1) && w.rounds[0].step == StepInput {
			t.Errorf("%s: refused", c.name)
		}
	}
}
