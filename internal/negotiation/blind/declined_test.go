package blind

import (
	"fmt"
	"slices"
	"testing"
)

// What is sent in a round that one party declines, at whatever moment, is what is sent
// in one in which that party joined and chose nothing: message by message, by all.
func TestDeclinedLooksUnanswered(t *testing.T) {
	for _, n := range []int{2, 3} {
		for who := range n {
			for moment := range 2 + n {
				trace := func(declines bool) ([]string, []State) {
					w := newTable(t, params(n, nil))
					step := 0
					decline := func() {
						if step++; step-1 != moment || !declines {
							return
						}
						c, err := w.rounds[who].Decline()
						w.did(who, c, err)
						if len(c.Send) > 0 || w.rounds[who].Status().State != Lapsed || len(w.rounds[who].bits) > 0 {
							t.Errorf("declining: %+v", w.rounds[who].Status())
						}
						if _, err := w.rounds[who].Answer(w.now, Yes()); err == nil {
							t.Error("a declined round was answered")
						}
					}
					c, err := w.rounds[who].Join(w.now, w.random())
					w.did(who, c, err)
					decline()
					for i := range n {
						if i != who {
							c, err := w.rounds[i].Join(w.now, w.random())
							w.did(i, c, err)
							w.deliver()
							decline()
						}
					}
					for i := range n {
						if i != who {
							c, err := w.rounds[i].Answer(w.now, Yes())
							w.did(i, c, err)
						}
					}
					decline()
					w.at(w.p.InputsAt)
					w.at(w.p.Deadline)
					w.at(w.p.Deadline.Add(Lateness))
					if r := w.rounds[who]; !r.over {
						t.Errorf("n %d, moment %d: the declined round is kept for good", n, moment)
					}
					w.erased()
					var ends []State
					for i, r := range w.rounds {
						if i != who {
							ends = append(ends, r.at)
						}
					}
					return w.trace, ends
				}
				t.Run(fmt.Sprintf("%d parties, %d declines at %d", n, who, moment), func(t *testing.T) {
					with, ends := trace(true)
					without, wantEnds := trace(false)
					if !slices.Equal(with, without) || !slices.Equal(ends, wantEnds) {
						t.Errorf("declined:\n%q\nunanswered:\n%q\nends %v, %v", with, without, ends, wantEnds)
					}
				})
			}
		}
	}
}
