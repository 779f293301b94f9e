package lab_test

import (
	"slices"
	"testing"

	"backchannel/internal/weakened"
	"backchannel/lab"
)

// TestAttacks plays every attack against the real code, where it must fail, and,
// in a build with the tag "weakened", once more with its own rule switched off,
// where it must succeed.
func TestAttacks(t *testing.T) {
	for _, a := range lab.Attacks {
		t.Run(a.Row, func(t *testing.T) {
			o, err := a.Play()
			if err != nil {
				t.Fatalf("the attack could not be played: %v", err)
			}
			if o.Broken {
				t.Errorf("the attack succeeds on the real code: %s", o.Saw)
			}
			if !weakened.Enabled {
				return
			}
			if !weakened.Set(a.Row, true) {
				t.Fatalf("there is no switch of that name")
			}
			defer weakened.Set(a.Row, false)
			if o, err = a.Play(); err != nil {
				t.Fatalf("the attack could not be played on the weakened code: %v", err)
			}
			if !o.Broken {
				t.Errorf("the attack fails although its rule is off: %s", o.Saw)
			}
			t.Log(o.Saw)
		})
	}
}

// TestTableIsComplete compares the attacks with the rows of the table.
func TestTableIsComplete(t *testing.T) {
	var rows, attacks []string
	for _, r := range weakened.Rules {
		rows = append(rows, r.Name)
	}
	for _, a := range lab.Attacks {
		attacks = append(attacks, a.Row)
	}
	if !slices.Equal(rows, attacks) {
		t.Errorf("rows %v\nattacks %v", rows, attacks)
	}
}
