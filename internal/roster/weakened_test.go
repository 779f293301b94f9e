//go:build weakened

package roster

import (
	"testing"

	"backchannel/internal/weakened"
)

// Every attack succeeds once its rule is broken, so TestRules does test the rule.
func TestBrokenRules(t *testing.T) {
	switches := map[string]*bool{
		"UnboundKeys":      &weakened.UnboundKeys,
		"RepairedReceipts": &weakened.RepairedReceipts,
		"DanglingVersion":  &weakened.DanglingVersion,
		"SecondRecord":     &weakened.SecondRecord,
		"SecondBatch":      &weakened.SecondBatch,
		"RepeatedTag":      &weakened.RepeatedTag,
		"RevealWithoutAck": &weakened.RevealWithoutAck,
		"LooseTags":        &weakened.LooseTags,
	}
	for _, a := range attacks {
		s, ok := switches[a.rule]
		if !ok {
			t.Fatalf("no switch for rule %s", a.rule)
		}
		*s = true
		if !a.try(t) {
			t.Errorf("the attack on rule %s fails though the rule is broken", a.rule)
		}
		*s = false
	}
}
