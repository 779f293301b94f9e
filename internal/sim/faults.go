package sim

import (
	"math/rand/v2"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/link/linktest"
	"backchannel/internal/wire"
)

// Faults is a plan of what goes wrong, all of it drawn from the seed. Rates are
// how often something happens per epoch, on average.
type Faults struct {
	StationCrash float64       // a station dies and comes back within two epochs
	RelayCrash   float64       // a relay dies and comes back within an epoch
	EntryCrash   float64       // the entry dies and comes back within an epoch
	Partition    float64       // two neighbours lose sight of each other for up to an epoch
	Withheld     float64       // share of frames that the entry never passes on to stations
	Repeated     float64       // share of frames that the entry passes on twice
	Garbled      float64       // share of answers in which the entry changes a byte
	Late         float64       // share of frames that the entry holds back for up to a window
	SlowDisk     time.Duration // a commit takes up to this long
}

// Chaos plays the plan for d. Afterwards everything is up and honest again.
func (s *Sim) Chaos(f Faults, d time.Duration) error {
	rng := s.Net.Rand()
	end := s.Net.Now().Add(d)
	due := map[string]time.Time{} // what is down, and when it comes back
	back := map[string]func() error{}
	s.Net.Filter = s.hostileEntry(f, rng)
	work := s.Net.Work
	s.Net.Work = func(name string, lane link.Lane, r *rand.Rand) time.Duration {
		if lane == link.LaneDisk && f.SlowDisk > 0 {
			return time.Duration(r.Int64N(int64(f.SlowDisk)))
		}
		return work(name, lane, r)
	}
	perRound := s.Params.Round.Seconds() / s.Params.Epoch.Seconds()
	down := func(what string, atMost time.Duration, undo func() error) {
		due[what] = s.Net.Now().Add(time.Duration(rng.Int64N(int64(atMost))))
		back[what] = undo
	}
	for s.Net.Now().Before(end) {
		// Off the grid of the rounds, so that every step of a phase is hit.
		s.Run(s.Params.Round/2 + time.Duration(rng.Int64N(int64(s.Params.Round))))
		for what, at := range due {
			if s.Net.Now().Before(at) && s.Net.Now().Before(end) {
				continue
			}
			if err := back[what](); err != nil {
				return err
			}
			delete(due, what)
		}
		if rng.Float64() < f.StationCrash*perRound {
			i := rng.IntN(len(s.Stations))
			if name := s.Stations[i].Name; due[name].IsZero() {
				s.CrashStation(i)
				down(name, 2*s.Params.Epoch, func() error { return s.StartStation(i) })
			}
		}
		if rng.Float64() < f.RelayCrash*perRound {
			i := rng.IntN(len(s.Relays))
			if name := s.Relays[i].Name; due[name].IsZero() {
				s.Net.Crash(name)
				down(name, s.Params.Epoch, func() error { s.StartRelay(i); return nil })
			}
		}
		if rng.Float64() < f.EntryCrash*perRound && due[Entry].IsZero() {
			s.Net.Crash(Entry)
			down(Entry, s.Params.Epoch, func() error { s.StartEntry(); return nil })
		}
		if rng.Float64() < f.Partition*perRound {
			a, b := Entry, s.Stations[rng.IntN(len(s.Stations))].Name
			switch k := rng.IntN(len(s.Relays) + 2); {
			case k < len(s.Relays)-1:
				a, b = s.Relays[k].Name, s.Relays[k+1].Name
			case k < len(s.Relays):
				b = s.Relays[k].Name
			}
			if cut := a + " " + b; due[cut].IsZero() {
				s.Net.Cut(a, b)
				down(cut, s.Params.Epoch, func() error { s.Net.Heal(a, b); return nil })
			}
		}
	}
	for what := range due {
		if err := back[what](); err != nil {
			return err
		}
	}
	s.Net.Filter, s.Net.Work = nil, work
	return nil
}

// hostileEntry meddles with what passes between the entry and the stations.
func (s *Sim) hostileEntry(f Faults, rng *rand.Rand) func(time.Time, string, string, []byte) []linktest.Delivery {
	if f.Withheld+f.Repeated+f.Garbled+f.Late == 0 {
		return nil
	}
	relay := map[string]bool{}
	for _, r := range s.Relays {
		relay[r.Name] = true
	}
	return func(_ time.Time, from, to string, frame []byte) []linktest.Delivery {
		d := linktest.Delivery{Frame: frame}
		if relay[from] || relay[to] {
			return []linktest.Delivery{d}
		}
		switch x := rng.Float64(); {
		case x < f.Withheld:
			return nil
		case x < f.Withheld+f.Repeated:
			return []linktest.Delivery{d, d}
		case x < f.Withheld+f.Repeated+f.Late:
			d.Delay = time.Duration(rng.Int64N(int64(s.Params.Windows[wire.PhaseAck])))
		case x < f.Withheld+f.Repeated+f.Late+f.Garbled && wire.TypeOf(frame) == wire.TypeAnswers:
			d.Frame = append([]byte(nil), frame...)
			d.Frame[wire.CellsHeaderSize+rng.IntN(len(frame)-wire.CellsHeaderSize)] ^= 1 << rng.IntN(8)
		}
		return []linktest.Delivery{d}
	}
}
