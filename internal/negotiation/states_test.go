package negotiation

import (
	"slices"
	"testing"
)

// Every transition of every table, written down a second time. What is not here is
// forbidden, and tried.
func TestTransitions(t *testing.T) {
	check(t, offerNext, map[OfferState][]OfferState{
		"draft": {"open"}, "open": {"countered", "expired", "superseded", "taken", "withdrawn"},
		"countered": {"expired", "superseded", "taken", "withdrawn"}, "expired": {"superseded", "taken", "withdrawn"},
		"withdrawn": {}, "superseded": {}, "taken": {},
	}, OfferState.MayBecome)
	check(t, roundNext, map[RoundState][]RoundState{
		"proposed": {"joined", "lapsed"}, "joined": {"invalid", "keyed", "lapsed", "views differ"},
		"keyed": {"inputs in", "invalid", "lapsed", "views differ"}, "inputs in": {"invalid", "lapsed", "opening", "views differ"},
		"opening":           {"invalid", "lapsed", "match", "no match", "opening", "shown, unanswered", "views differ"},
		"shown, unanswered": {"invalid", "lapsed", "match", "no match", "views differ"}, "lapsed": {"invalid", "match", "no match", "views differ"},
		"match": {}, "no match": {}, "views differ": {}, "invalid": {},
	}, RoundState.MayBecome)
	check(t, agreementNext, map[AgreementState][]AgreementState{
		"drafting": {"consenting", "lapsed"}, "consenting": {"drafting", "lapsed", "ready"},
		"ready":             {"confirmed", "consenting", "lapsed", "nonce commitments"},
		"nonce commitments": {"lapsed", "nonces", "stalled"}, "nonces": {"lapsed", "shares", "stalled"},
		"shares": {"lapsed", "sealed", "stalled"}, "stalled": {"lapsed", "nonce commitments", "sealed"},
		"confirmed": {}, "sealed": {}, "lapsed": {},
	}, AgreementState.MayBecome)
	check(t, communiqueNext, map[CommuniqueState][]CommuniqueState{
		"drafted": {"approved by all"}, "approved by all": {"released"}, "released": {},
	}, CommuniqueState.MayBecome)
	check(t, formationNext, map[FormationState][]FormationState{
		"invited": {"declined", "joined", "lapsed"}, "joined": {"confirmed", "declined", "differs", "lapsed"},
		"confirmed": {"complete", "declined", "differs", "lapsed"},
		"complete":  {}, "declined": {}, "differs": {}, "lapsed": {},
	}, FormationState.MayBecome)
}

func check[S ~string](t *testing.T, table, want map[S][]S, may func(S, S) bool) {
	t.Helper()
	if len(table) != len(want) {
		t.Errorf("%T has %d states, want %d", table, len(table), len(want))
	}
	for from := range want {
		if _, ok := table[from]; !ok {
			t.Errorf("%T has no row %q", table, from)
		}
		for to := range want {
			if got := may(from, to); got != slices.Contains(want[from], to) {
				t.Errorf("%q → %q is %v", from, to, got)
			}
		}
		if may(from, "elsewhere") || may("elsewhere", from) {
			t.Errorf("%q knows a state that is none", from)
		}
	}
}
