package sim_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/link"
	"backchannel/internal/link/linktest"
	"backchannel/internal/pairwise"
	"backchannel/internal/sim"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// acts is what the person at the talking station did, beside writing.
type acts struct {
	acknowledged, begun, withdrawn, expired int // begun of those that were withdrawn
	sent                                    []sim.Message
}

// person reads and acknowledges what is there, mutes or unmutes, withdraws the
// letter of the last turn in its middle, and lets copies expire from turn 5 on.
func (a *acts) person(t *testing.T, s *sim.Sim, talks, partner, turn int, rng *rand.Rand) {
	t.Helper()
	for _, m := range s.Sent(partner, talks) {
		it, err := s.Item(talks, m.ID)
		if err != nil || it.State() != vault.StateArrived || !it.Acknowledged.IsZero() {
			continue // not here, expired, or done
		}
		if err := errors.Join(s.Read(talks, m.ID), s.Acknowledge(talks, m.ID)); err != nil {
			t.Fatal(err)
		}
		a.acknowledged++
	}
	if err := s.SetMuted(talks, partner, turn%2 == 0); err != nil {
		t.Fatal(err)
	}
	for _, m := range s.Sent(talks, partner) {
		if m.Kind != contact.Letter {
			continue
		}
		it, err := s.Item(talks, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		ok, err := s.Withdraw(talks, partner, m.ID)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			a.withdrawn++
			if it.Done > 0 {
				a.begun++
			}
		}
	}
	send(t, s, talks, partner, contact.Letter, 90_000, rng)
	if turn == 5 {
		if err := errors.Join(s.Check(false), s.SetExpiry(talks, partner, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	a.sent = s.Sent(talks, partner)
}

// count sees what is gone at the end.
func (a *acts) count(t *testing.T, s *sim.Sim, talks int) {
	t.Helper()
	for _, m := range a.sent {
		if _, err := s.Item(talks, m.ID); errors.Is(err, vault.ErrNotFound) {
			a.expired++
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// A disk that has the mark of a station durable only when its record is due is seen by
// nobody, as long as it is before the record leaves.
func TestLateMark(t *testing.T) {
	s := start(t, "demo", 4, 7)
	l := watchLines(s, time.Millisecond)
	work, keys := s.Net.Work, s.Params.Windows[wire.PhaseKeys]
	s.Net.Work = func(name string, lane link.Lane, r *rand.Rand) time.Duration {
		if lane == link.LaneMark && name == s.Stations[0].Name {
			return keys + s.Params.Windows[wire.PhaseJoin]/8
		}
		return work(name, lane, r)
	}
	s.Run(s.Epochs(12))
	if err := l.differ(s.Stations[0].Name, s.Stations[3].Name); err != nil {
		t.Error(err)
	}
}

// TestWireEquality compares everything that passes on the line of a station that
// introduces itself, sends letters and heals its keys with the line of one that
// knows nobody: byte count for byte count, tick for tick. Its person also reads,
// acknowledges, mutes, withdraws letters in flight and lets copies expire. The
// adversary garbles, withholds and delays answers, equally for both, and the vault
// of the talking station is so slow that commits miss their cells.
func TestWireEquality(t *testing.T) {
	for name, disk := range map[string]time.Duration{
		"quick disk": time.Millisecond,
		"slow disk":  300 * time.Millisecond, // commits miss three cells
		"stuck disk": 700 * time.Millisecond, // commits miss even the record: every lane lists as idle
	} {
		for _, hostile := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, hostile entry %v", name, hostile), func(t *testing.T) {
				s := start(t, "demo", 4, 5)
				const talks, partner, idles = 0, 1, 3
				l := watchLines(s, disk)
				if hostile {
					meddle := rand.New(rand.NewPCG(9, 9))
					fate := map[uint64]int{}
					s.Net.Filter = func(_ time.Time, from, _ string, frame []byte) []linktest.Delivery {
						d := linktest.Delivery{Frame: frame}
						if from != sim.Entry || wire.TypeOf(frame) != wire.TypeAnswers {
							return []linktest.Delivery{d}
						}
						_, round, _, err := s.Params.ParseCells(frame)
						if err != nil {
							t.Errorf("answers do not parse: %v", err)
						}
						if _, ok := fate[round]; !ok {
							fate[round] = meddle.IntN(4)
						}
						switch fate[round] { // the same for every station
						case 0:
							return nil
						case 1:
							d.Frame = slices.Clone(frame)
							for i := wire.CellsHeaderSize; i < len(frame); i += 100 {
								d.Frame[i] ^= 1
							}
						case 2:
							d.Delay = 150 * time.Millisecond
						}
						return []linktest.Delivery{d}
					}
				}
				s.Run(time.Second)
				introduce(t, s, talks, partner)
				s.Run(s.Epochs(4))
				rng := rand.New(rand.NewPCG(6, 6))
				var did acts
				for turn := range 10 {
					send(t, s, talks, partner, contact.Signal, 200, rng)
					send(t, s, partner, talks, contact.Letter, 5000, rng)
					did.person(t, s, talks, partner, turn, rng)
					s.Run(s.Epochs(1) + s.Rounds(7))
				}
				s.Run(time.Minute) // self-expiry runs once more
				did.count(t, s, talks)
				if name != "stuck disk" {
					if did.acknowledged == 0 || did.begun == 0 || did.expired == 0 {
						t.Errorf("too little was done: %+v", did)
					}
					if s.Phase(talks, partner) != pairwise.Introduced {
						t.Error("the talking station did not get to talk")
					}
					if n, err := s.Undelivered(); err != nil || n == 20 {
						t.Errorf("nothing was delivered: %v", err)
					}
				}
				if err := s.Checks.Err(); err != nil {
					t.Error(err)
				}
				if err := l.differ(s.Stations[talks].Name, s.Stations[idles].Name); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
