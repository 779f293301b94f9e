package blind

import (
	"testing"
)

// A made-up round passes every check of a real reader: another Round in the place
// of any party takes all that was said by the others, up to where its own words
// would have to be its own.
func TestForge(t *testing.T) {
	w := newTable(t, params(3, nil))
	said, status, err := Forge(w.p, []Answer{Yes(), Yes(), Yes()}, w.random)
	if err != nil || status.State != Match || !status.Over {
		t.Fatalf("%+v, %v", status, err)
	}
	if len(said) != 3*(5+1+1) {
		t.Errorf("%d messages", len(said))
	}
	for _, m := range said {
		if _, err := w.p.Decode(m.Bytes); err != nil {
			t.Errorf("step %d: %v", m.Bytes[0], err)
		}
		if m.Time.After(w.p.InputsAt) || Step(m.Bytes[0]) >= StepInput && m.Time.Before(w.p.InputsAt) {
			t.Errorf("step %d is said at %v", m.Bytes[0], m.Time)
		}
	}
	for _, bad := range [][]Answer{{Yes()}, {Yes(), Limit(1), No()}} {
		if _, _, err := Forge(w.p, bad, w.random); err == nil {
			t.Error("a round with answers that do not fit is made up")
		}
	}
	p := w.p
	p.Mode = 9
	if _, _, err := Forge(p, []Answer{Yes(), Yes(), Yes()}, w.random); err == nil {
		t.Error("an impossible round is made up")
	}
}
