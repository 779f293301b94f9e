package sim_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/sim"
	"backchannel/internal/wire"
)

// TestALargeLetterAfterDays sends the largest letter and, in the middle of it, switches
// both machines off for days: it goes on at the chunk where it was, under keys that are
// renewed again, and arrives whole. Both sides are restarted twice more,
// one of them alone.
func TestALargeLetterAfterDays(t *testing.T) {
	if testing.Short() {
		t.Skip("a week of protocol time")
	}
	const seed = 76
	p, err := wire.Preset("small")
	if err != nil {
		t.Fatal(err)
	}
	p.Lanes, p.Cell = 1, 1024
	p.Round, p.Epoch, p.EpochCap = 10*time.Second, time.Hour, 6*time.Hour
	for i := range p.Windows {
		p.Windows[i] = time.Minute
	}
	s, err := sim.New(sim.Config{Seed: seed, Params: p, Stations: 2, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Run(time.Second)
	introduce(t, s, 0, 1)
	if !s.RunUntil(s.Epochs(8), func() bool {
		return s.Phase(0, 1) == pairwise.Introduced && s.Phase(1, 0) == pairwise.Introduced
	}) {
		t.Fatal("the stations did not meet")
	}
	send(t, s, 0, 1, contact.Letter, contact.MaxContent, rand.New(rand.NewPCG(seed, 1)))
	id := s.Sent(0, 1)[0].ID

	// until runs to a share of the letter, in steps that the receiving side shows.
	here := func() (done, size uint32) {
		t.Helper()
		it, err := s.Item(1, id)
		if err != nil {
			return 0, 0 // nothing of it has come
		}
		return it.Done, it.Size
	}
	until := func(tenths uint32) {
		t.Helper()
		for limit := s.Net.Now().Add(s.Epochs(60)); ; s.Run(s.Rounds(20)) {
			done, size := here()
			if size > 0 && uint64(done)*10 >= uint64(size)*uint64(tenths) {
				return
			}
			if s.Net.Now().After(limit) {
				t.Fatalf("%d of %d bytes have come after %v", done, size, s.Epochs(60))
			}
		}
	}
	back := func(i int) {
		t.Helper()
		if err := s.StartStation(i); err != nil {
			t.Fatal(err)
		}
	}

	sent := s.Net.Now()
	until(3)
	tenth := s.Net.Now().Sub(sent) / 3 // what a tenth of it takes
	s.CrashStation(0)
	back(0)
	until(4)
	version := s.Version(0, 1)
	before, size := here()
	left, err := s.Item(0, id)
	if err != nil {
		t.Fatal(err)
	}
	s.CrashStation(0)
	s.CrashStation(1)
	s.Run(5 * 24 * time.Hour)
	back(1)
	s.Run(3 * time.Hour) // one is there before the other
	back(0)
	began := s.Net.Now()
	if again, err := s.Item(0, id); err != nil || again.Done < left.Done || left.Done == 0 {
		t.Errorf("after days the sender begins at %d, not at %d, %v", again.Done, left.Done, err)
	}
	if now, _ := here(); now != before {
		t.Errorf("after days %d bytes are here, of %d before", now, before)
	}
	until(6)
	// From the beginning it would have taken six tenths of the time, not two.
	if took := s.Net.Now().Sub(began); took > 4*tenth {
		t.Errorf("of %d bytes, %d were here; after days two tenths more took %v, of which one took %v before", size, before, took, tenth)
	}
	s.CrashStation(1)
	s.Run(s.Epochs(3))
	back(1)
	settle(t, s, s.Epochs(60))
	if a, b := s.Version(0, 1), s.Version(1, 0); a <= version || b <= version {
		t.Errorf("the keys were of version %d before the days and are of %d and %d", version, a, b)
	}
}
