package sim_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/link"
	"backchannel/internal/pairwise"
	"backchannel/internal/sim"
)

// acquainted returns a network whose stations 0 and 1 are verified contacts of
// each other and have sent something, and 0 and 2 as well.
func met(t *testing.T, seed uint64, rng *rand.Rand) *sim.Sim {
	t.Helper()
	s := start(t, "demo", 4, seed)
	s.Run(time.Second)
	introduce(t, s, 0, 1)
	introduce(t, s, 2, 0)
	if !s.RunUntil(s.Epochs(8), func() bool {
		return s.Phase(0, 1) == pairwise.Introduced && s.Phase(1, 0) == pairwise.Introduced && s.Phase(2, 0) == pairwise.Introduced && s.Phase(0, 2) == pairwise.Introduced
	}) {
		t.Fatal("the stations did not meet")
	}
	for _, pair := range [][2]int{{0, 1}, {1, 0}, {0, 2}, {2, 0}} {
		if err := s.Verify(pair[0], pair[1]); err != nil {
			t.Fatal(err)
		}
		send(t, s, pair[0], pair[1], contact.Letter, 3000, rng)
		send(t, s, pair[0], pair[1], contact.Signal, 100, rng)
	}
	settle(t, s, s.Epochs(10))
	return s
}

// busy has both sides of both pairs accept more than a few rounds carry.
func busy(t *testing.T, s *sim.Sim, rng *rand.Rand) {
	t.Helper()
	for _, pair := range [][2]int{{0, 1}, {1, 0}, {0, 2}, {2, 0}} {
		if s.Net.Alive(s.Stations[pair[0]].Name) {
			send(t, s, pair[0], pair[1], contact.Letter, 20_000, rng)
			send(t, s, pair[0], pair[1], contact.Signal, 300, rng)
			send(t, s, pair[0], pair[1], contact.Letter, 500, rng)
		}
	}
}

func backup(t *testing.T, s *sim.Sim, i int) []byte {
	t.Helper()
	b, err := s.Backup(i)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func restore(t *testing.T, s *sim.Sim, i int, b []byte) {
	t.Helper()
	if err := s.Restore(i, b); err != nil {
		t.Fatal(err)
	}
}

// metAgain checks that a pair which met again has the same words, is restored and
// is unverified on both sides.
func metAgain(t *testing.T, s *sim.Sim, i, j int) {
	t.Helper()
	wi, oki, ri := s.Words(i, j)
	wj, okj, rj := s.Words(j, i)
	if !oki || !okj || wi != wj || !ri || !rj {
		t.Errorf("stations %d and %d: words %v %v, restored %v %v", i, j, wi, wj, ri, rj)
	}
	for _, side := range [][2]int{{i, j}, {j, i}} {
		if c, err := s.Contact(side[0], side[1]); err != nil || c.Verified {
			t.Errorf("at station %d: verified %v, %v", side[0], c.Verified, err)
		}
	}
}

// compared lets what was held go out, on both sides.
func compared(t *testing.T, s *sim.Sim, i, j int) {
	t.Helper()
	for _, side := range [][2]int{{i, j}, {j, i}} {
		if err := s.Verify(side[0], side[1]); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRestore restores one station, both, one twice, one of an old backup, and one
// that dies again in the middle of it, while letters are under way in both
// directions. Whatever happened, everything but the gap arrives once; the witness
// of the links sees that no key meets an IV twice.
func TestRestore(t *testing.T) {
	for name, play := range map[string]func(t *testing.T, s *sim.Sim, rng *rand.Rand) (pairs [][2]int){
		"one": func(t *testing.T, s *sim.Sim, rng *rand.Rand) [][2]int {
			busy(t, s, rng)
			s.Run(s.Rounds(5))
			b := backup(t, s, 0)
			s.Run(s.Rounds(9)) // some of it is delivered, none of it in the backup
			busy(t, s, rng)
			s.Run(s.Rounds(12))
			restore(t, s, 0, b)
			return [][2]int{{0, 1}, {0, 2}}
		},
		"both": func(t *testing.T, s *sim.Sim, rng *rand.Rand) [][2]int {
			busy(t, s, rng)
			s.Run(s.Rounds(5))
			b0, b1 := backup(t, s, 0), backup(t, s, 1)
			s.Run(s.Rounds(20))
			restore(t, s, 0, b0)
			s.Run(s.Rounds(3))
			restore(t, s, 1, b1)
			return [][2]int{{0, 1}, {0, 2}}
		},
		"twice": func(t *testing.T, s *sim.Sim, rng *rand.Rand) [][2]int {
			b := backup(t, s, 1)
			busy(t, s, rng)
			s.Run(s.Rounds(30))
			restore(t, s, 1, b)
			busy(t, s, rng)
			s.Run(s.Epochs(2) + s.Rounds(7)) // in the middle of the introduction
			restore(t, s, 1, b)
			s.Run(s.Epochs(9))
			busy(t, s, rng)
			s.Run(s.Epochs(1))
			restore(t, s, 1, b)
			return [][2]int{{0, 1}}
		},
		"of a restored one": func(t *testing.T, s *sim.Sim, rng *rand.Rand) [][2]int {
			restore(t, s, 0, backup(t, s, 0))
			busy(t, s, rng)
			b := backup(t, s, 0) // before it has met anybody
			s.Run(s.Epochs(5))
			restore(t, s, 0, b)
			return [][2]int{{0, 1}, {0, 2}}
		},
		"crashes in the middle": func(t *testing.T, s *sim.Sim, rng *rand.Rand) [][2]int {
			busy(t, s, rng)
			restore(t, s, 0, backup(t, s, 0))
			for k := range 40 {
				s.Run(s.Rounds(5 + rng.IntN(15)))
				i := k % 3
				s.CrashStation(i)
				s.Run(s.Rounds(1 + rng.IntN(3)))
				if err := s.StartStation(i); err != nil {
					t.Fatal(err)
				}
			}
			return [][2]int{{0, 1}, {0, 2}}
		},
		"with faults": func(t *testing.T, s *sim.Sim, rng *rand.Rand) [][2]int {
			b := backup(t, s, 0)
			busy(t, s, rng)
			s.Run(s.Rounds(8))
			restore(t, s, 0, b)
			if err := s.Chaos(sim.Faults{StationCrash: 1, RelayCrash: 0.2, Partition: 0.3, Withheld: 0.01, Garbled: 0.05, SlowDisk: 150 * time.Millisecond}, s.Epochs(15)); err != nil {
				t.Fatal(err)
			}
			return [][2]int{{0, 1}, {0, 2}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			const seed = 31
			rng := rand.New(rand.NewPCG(seed, 4))
			s := met(t, seed, rng)
			pairs := play(t, s, rng)
			met := func() bool {
				for _, p := range pairs {
					if _, ok, again := s.Words(p[0], p[1]); !ok || !again || s.Phase(p[1], p[0]) != pairwise.Introduced || s.Phase(p[0], p[1]) != pairwise.Introduced {
						return false
					}
				}
				return true
			}
			if !s.RunUntil(s.Epochs(40), met) {
				t.Fatal("the stations did not meet again")
			}
			s.Run(s.Epochs(4))
			for _, p := range pairs {
				metAgain(t, s, p[0], p[1])
				compared(t, s, p[0], p[1])
			}
			settle(t, s, s.Epochs(60))
			busy(t, s, rng) // and on as before
			settle(t, s, s.Epochs(20))
			for i := range s.Stations {
				if i == 3 {
					continue // knows nobody and has no vault
				}
				if !s.RunUntil(s.Epochs(3), func() bool { n, err := s.Unacknowledged(i); return err == nil && n == 0 }) {
					t.Errorf("station %d still waits", i)
				}
			}
		})
	}
}

// TestRestoreParked restores a station whose contact is parked at the other side:
// they meet once it has a lane again.
func TestRestoreParked(t *testing.T) {
	const seed = 33
	rng := rand.New(rand.NewPCG(seed, 4))
	s := met(t, seed, rng)
	if err := s.Park(1, 0); err != nil {
		t.Fatal(err)
	}
	restore(t, s, 0, backup(t, s, 0))
	send(t, s, 0, 1, contact.Signal, 10, rng)
	s.Run(s.Epochs(6))
	if s.Phase(0, 1) != pairwise.Restoring || s.Phase(1, 0) != pairwise.Introduced {
		t.Fatalf("phases %v and %v", s.Phase(0, 1), s.Phase(1, 0))
	}
	if err := s.Unpark(1, 0); err != nil {
		t.Fatal(err)
	}
	if !s.RunUntil(s.Epochs(20), func() bool {
		return s.Phase(0, 1) == pairwise.Introduced && s.Phase(1, 0) == pairwise.Introduced
	}) {
		t.Fatal("the stations did not meet again")
	}
	metAgain(t, s, 0, 1)
	compared(t, s, 0, 1)
	settle(t, s, s.Epochs(20))
}

// TestRestoreOnTheWire compares the line of a restored station that meets its
// contacts again, and those of its contacts, with the line of one that knows nobody
// and came anew at the same time.
func TestRestoreOnTheWire(t *testing.T) {
	const seed, restored, peer, idle = 32, 0, 1, 3
	rng := rand.New(rand.NewPCG(seed, 4))
	s := met(t, seed, rng)
	s.Net.Latency = func(string, string, *rand.Rand) time.Duration { return 700 * time.Microsecond }
	s.Net.Work = func(string, link.Lane, *rand.Rand) time.Duration { return time.Millisecond }
	busy(t, s, rng)
	s.Run(s.Epochs(1))
	b := backup(t, s, restored)
	restore(t, s, restored, b)
	if err := s.Renew(idle); err != nil { // with a new account as well
		t.Fatal(err)
	}
	other := 2 // knows station 0, too, and is not restarted
	s.Run(s.Epochs(1))
	// New accounts take up connections at other times: compare from when all stand.
	lines := map[string][]passed{}
	trace := s.Net.Trace
	s.Net.Trace = func(at time.Time, from, to string, frame []byte) {
		trace(at, from, to, frame)
		d := at.Sub(s.Params.T0)
		if to == sim.Entry {
			lines[from] = append(lines[from], passed{d, true, len(frame)})
		} else if from == sim.Entry {
			lines[to] = append(lines[to], passed{d, false, len(frame)})
		}
	}
	s.Run(s.Epochs(14))
	if s.Phase(restored, peer) != pairwise.Introduced || s.Phase(peer, restored) != pairwise.Introduced || s.Phase(other, restored) != pairwise.Introduced {
		t.Fatal("the stations did not meet again")
	}
	metAgain(t, s, restored, peer)
	want := lines[s.Stations[idle].Name]
	if len(want) < 1000 {
		t.Fatalf("only %d frames were recorded", len(want))
	}
	for _, i := range []int{restored, peer, other} {
		got := lines[s.Stations[i].Name]
		for k := range min(len(got), len(want)) {
			if got[k] != want[k] {
				t.Fatalf("frame %d: the line of station %d shows %+v, the idle one's %+v", k, i, got[k], want[k])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d frames pass at station %d, %d at the idle one", len(got), i, len(want))
		}
	}
}
