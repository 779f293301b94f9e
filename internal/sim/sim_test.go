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

// start makes a network that ends with the test and prints its seed if it fails.
func start(t testing.TB, preset string, stations int, seed uint64) *sim.Sim {
	t.Helper()
	p, err := wire.Preset(preset)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sim.New(sim.Config{Seed: seed, Params: p, Stations: stations, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return s
}

func introduce(t testing.TB, s *sim.Sim, i, j int) {
	t.Helper()
	if err := s.Introduce(i, j); err != nil {
		t.Fatal(err)
	}
}

func send(t testing.TB, s *sim.Sim, i, j int, kind contact.Kind, size int, rng *rand.Rand) {
	t.Helper()
	data := make([]byte, size)
	for k := range data {
		data[k] = byte(rng.Uint32())
	}
	if err := s.Send(i, j, kind, data); err != nil {
		t.Fatal(err)
	}
}

// settle runs until everything that was accepted has arrived.
func settle(t testing.TB, s *sim.Sim, limit time.Duration) {
	t.Helper()
	if !s.RunUntil(limit, func() bool {
		n, err := s.Undelivered()
		if err != nil {
			t.Fatal(err)
		}
		return n == 0
	}) {
		n, _ := s.Undelivered()
		t.Errorf("after %v %d messages have not arrived", limit, n)
	}
	if err := s.Check(true); err != nil {
		t.Error(err)
	}
}

func TestTwoStationsMeetAndTalk(t *testing.T) {
	s := start(t, "demo", 3, 1)
	s.Run(time.Second)
	introduce(t, s, 0, 1)
	if !s.RunUntil(s.Epochs(6), func() bool {
		return s.Phase(0, 1) == pairwise.Introduced && s.Phase(1, 0) == pairwise.Introduced
	}) {
		t.Fatalf("the stations did not meet: phases %v and %v; %d reveals", s.Phase(0, 1), s.Phase(1, 0), s.Checks.Reveals)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for k := range 10 {
		send(t, s, 0, 1, contact.Signal, 10+k, rng)
		send(t, s, 1, 0, contact.Letter, 3000*k, rng)
	}
	settle(t, s, s.Epochs(20))
}

// TestFaults plays one kind of fault at a time, then all together, while four
// stations talk, and checks that everything arrives once and in order afterwards.
func TestFaults(t *testing.T) {
	for name, f := range map[string]sim.Faults{
		"stations crash": {StationCrash: 2},
		"relays crash":   {RelayCrash: 0.5},
		"entry crashes":  {EntryCrash: 0.5},
		"partitions":     {Partition: 1},
		"hostile entry":  {Withheld: 0.01, Repeated: 0.02, Garbled: 0.05, Late: 0.01},
		"slow disk":      {SlowDisk: 400 * time.Millisecond},
		"all at once": {
			StationCrash: 1, RelayCrash: 0.2, EntryCrash: 0.1, Partition: 0.3, Withheld: 0.002, Repeated: 0.01, Garbled: 0.02, Late: 0.002,
			SlowDisk: 150 * time.Millisecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			seed := uint64(20)
			s := start(t, "demo", 5, seed)
			rng := rand.New(rand.NewPCG(seed, 2))
			s.Run(time.Second)
			introduce(t, s, 0, 1)
			introduce(t, s, 2, 3)
			introduce(t, s, 0, 2)
			s.Run(s.Epochs(4))
			for range 8 {
				for _, pair := range [][2]int{{0, 1}, {1, 0}, {2, 3}, {3, 2}, {0, 2}} {
					if s.Net.Alive(s.Stations[pair[0]].Name) {
						send(t, s, pair[0], pair[1], contact.Kind(1+rng.IntN(2)), rng.IntN(3000), rng)
					}
				}
				if err := s.Chaos(f, s.Epochs(2)); err != nil {
					t.Fatal(err)
				}
				if err := s.Check(false); err != nil {
					t.Fatal(err)
				}
			}
			settle(t, s, s.Epochs(60))
		})
	}
}

// TestHundredStations is the size and the time that the simulation is made for:
// a hundred stations, two hours of protocol time at the preset "small".
func TestHundredStations(t *testing.T) {
	if testing.Short() {
		t.Skip("two hours of protocol time")
	}
	began := time.Now()
	const seed = 7
	s := start(t, "small", 100, seed)
	rng := rand.New(rand.NewPCG(seed, 3))
	s.Run(2 * time.Second)
	for i := 0; i < 40; i += 2 {
		introduce(t, s, i, i+1)
	}
	for i := 0; i < 20; i += 4 {
		introduce(t, s, i, i+2)
	}
	s.Run(s.Epochs(5))
	for range 10 {
		for i := 0; i < 40; i += 2 {
			if s.Phase(i, i+1) != pairwise.Introduced {
				t.Fatalf("stations %d and %d have not met", i, i+1)
			}
			send(t, s, i, i+1, contact.Signal, 100, rng)
			send(t, s, i+1, i, contact.Letter, rng.IntN(20_000), rng)
		}
		if err := s.Chaos(sim.Faults{StationCrash: 0.3, Partition: 0.1}, s.Epochs(5)); err != nil {
			t.Fatal(err)
		}
	}
	s.Run(2*time.Hour - s.Net.Now().Sub(s.Params.T0))
	settle(t, s, s.Epochs(10))
	t.Logf("%v of protocol time in %v: %d reveals", s.Net.Now().Sub(s.Params.T0), time.Since(began).Round(time.Second), s.Checks.Reveals)
}
