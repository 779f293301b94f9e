package sim_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/sim"
)

// TestAnHourOffline takes a station away from the network for an hour, with its
// machine or with its line, while principals go on writing: to it on the other
// side, and at it where only its line is away. Everything arrives once.
func TestAnHourOffline(t *testing.T) {
	if testing.Short() {
		t.Skip("two hours of protocol time")
	}
	for name, c := range map[string]struct {
		machine bool
		away    func(*sim.Sim) error
		back    func(*sim.Sim) error
	}{
		"its machine": {true, func(s *sim.Sim) error { s.CrashStation(0); return nil }, func(s *sim.Sim) error { return s.StartStation(0) }},
		"its line": {false, func(s *sim.Sim) error { s.Net.Cut(sim.Entry, s.Stations[0].Name); return nil },
			func(s *sim.Sim) error { s.Net.Heal(sim.Entry, s.Stations[0].Name); return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			const seed = 31
			s := start(t, "small", 4, seed)
			rng := rand.New(rand.NewPCG(seed, 4))
			s.Run(time.Second)
			introduce(t, s, 0, 1)
			introduce(t, s, 2, 3)
			if !s.RunUntil(s.Epochs(8), func() bool {
				return s.Phase(0, 1) == pairwise.Introduced && s.Phase(1, 0) == pairwise.Introduced && s.Phase(2, 3) == pairwise.Introduced
			}) {
				t.Fatal("the stations did not meet")
			}
			// Both ways a letter is under way when the hour begins.
			send(t, s, 0, 1, contact.Letter, 20_000, rng)
			send(t, s, 1, 0, contact.Letter, 20_000, rng)
			s.Run(s.Rounds(3))
			if err := c.away(s); err != nil {
				t.Fatal(err)
			}
			began := s.Net.Now()
			for range 6 {
				send(t, s, 1, 0, contact.Signal, 200, rng)
				send(t, s, 1, 0, contact.Letter, 2000, rng)
				send(t, s, 2, 3, contact.Letter, 2000, rng)
				if !c.machine {
					send(t, s, 0, 1, contact.Signal, 200, rng)
					send(t, s, 0, 1, contact.Letter, 2000, rng)
				}
				s.Run(10 * time.Minute)
				if s.Together(1, 0) {
					t.Error("the others carry cells to a station that is away")
				}
			}
			if away := s.Net.Now().Sub(began); away < time.Hour {
				t.Fatalf("it was away for %v only", away)
			}
			if n, err := s.Undelivered(); err != nil || n < 13 {
				t.Errorf("%d items wait after the hour, %v: was it away at all?", n, err)
			}
			if err := c.back(s); err != nil {
				t.Fatal(err)
			}
			send(t, s, 0, 1, contact.Signal, 100, rng)
			settle(t, s, s.Epochs(12))
		})
	}
}
