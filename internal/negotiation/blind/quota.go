package blind

import (
	"slices"
	"time"
)

// QuotaRounds and QuotaSpan limit how often one may ask: every round tells both
// sides something, and many would tell everything.
const (
	QuotaRounds = 3
	QuotaSpan   = 7 * 24 * time.Hour
)

// Use is one round that this station joined, for each other party of it: the
// station keeps them for QuotaSpan. A round counts however it ended, so who stops
// one after the answers are in has used up a try with us.
type Use struct {
	Contact string // the station's own name for the other party
	Issue   string // id of the agenda issue; "" for a round about none
	At      time.Time
}

// Quota says how many more rounds about an issue may be joined with all of the
// contacts at a time, and, if none, when the next may be. A week is the last seven
// days; a use in the future counts, because a clock that was set back must not
// give rounds away.
func Quota(used []Use, contacts []string, issue string, now time.Time) (left int, next time.Time) {
	left = QuotaRounds
	for _, c := range contacts {
		var at []time.Time
		for _, u := range used {
			if u.Contact == c && u.Issue == issue && u.At.Add(QuotaSpan).After(now) {
				at = append(at, u.At)
			}
		}
		left = min(left, max(0, QuotaRounds-len(at)))
		if len(at) >= QuotaRounds {
			// The next is possible when all but two of them are older than a week.
			slices.SortFunc(at, time.Time.Compare)
			if free := at[len(at)-QuotaRounds].Add(QuotaSpan); free.After(next) {
				next = free
			}
		}
	}
	return left, next
}
