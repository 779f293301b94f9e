package sim_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"backchannel/internal/contact"
)

// A station burns a contact while letters are under way both ways, in any phase
// of a set-up and with a disk of any speed. Its line stays that of a station that
// knows nobody; the other side meets it no more; a third contact loses nothing.
func TestBurnShowsNothing(t *testing.T) {
	for disk, name := range map[time.Duration]string{time.Millisecond: "quick", 300 * time.Millisecond: "slow"} {
		for moment := range 4 {
			t.Run(fmt.Sprintf("%s disk, moment %d", name, moment), func(t *testing.T) {
				s := start(t, "demo", 4, uint64(20+moment))
				const burns, burned, friend, idles = 0, 1, 2, 3
				l := watchLines(s, disk)
				s.Run(time.Second)
				introduce(t, s, burns, burned)
				introduce(t, s, burns, friend)
				if !s.RunUntil(s.Epochs(12), func() bool { return s.Together(burns, burned) && s.Together(burns, friend) }) {
					t.Fatal("they did not meet")
				}
				s.Run(s.Epochs(4))
				rng := rand.New(rand.NewPCG(6, uint64(moment)))
				for _, to := range []int{burned, friend} {
					send(t, s, burns, to, contact.Letter, 80_000, rng)
					send(t, s, to, burns, contact.Letter, 80_000, rng)
				}
				s.Run(s.Rounds(5) + time.Duration(moment)*s.Params.Epoch/4 + s.Params.Round/3)
				if n, err := s.Undelivered(); n < 4 || err != nil {
					t.Fatalf("only %d letters are under way, %v", n, err)
				}
				if err := s.Burn(burns, burned); err != nil {
					t.Fatal(err)
				}
				s.Run(s.Epochs(3))
				if s.Together(burned, burns) {
					t.Error("the burned contact is still met")
				}
				send(t, s, burned, burns, contact.Signal, 100, rng) // which waits for ever
				settled := s.RunUntil(s.Epochs(30), func() bool { n, err := s.Unacknowledged(burns); return err == nil && n == 0 })
				if !settled {
					t.Error("the friend was not served")
				}
				if err := l.differ(s.Stations[burns].Name, s.Stations[idles].Name); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
