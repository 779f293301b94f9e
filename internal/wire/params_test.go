package wire

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func at(p Params, offset time.Duration) time.Time { return p.T0.Add(offset) }

func scheduled(t testing.TB, preset string) Params {
	p := params(t, preset)
	p.T0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	return p
}

// The table of the protocol page, section 2.
func TestPresets(t *testing.T) {
	s, d := scheduled(t, "small"), scheduled(t, "demo")
	if s.Setup() != 56*time.Second || s.Attempts() != 2 || s.RoundsPerEpoch() != 120 || s.Circuits() != 8 {
		t.Errorf("small: %v, %d attempts, %d rounds", s.Setup(), s.Attempts(), s.RoundsPerEpoch())
	}
	if d.Setup() != 2800*time.Millisecond || d.Attempts() != 2 || d.RoundsPerEpoch() != 60 {
		t.Errorf("demo: %v, %d attempts, %d rounds", d.Setup(), d.Attempts(), d.RoundsPerEpoch())
	}
	if _, err := Preset("large"); err == nil {
		t.Error("there is a preset large")
	}
}

func TestCheckRefuses(t *testing.T) {
	for name, change := range map[string]func(p *Params){
		"suite 0":           func(p *Params) { p.Suite = 0 },
		"suite 2":           func(p *Params) { p.Suite = 2 },
		"no relay":          func(p *Params) { p.Relays = 0 },
		"17 relays":         func(p *Params) { p.Relays = 17 },
		"no lane":           func(p *Params) { p.Lanes = 0 },
		"17 lanes":          func(p *Params) { p.Lanes = 17 },
		"cell 0":            func(p *Params) { p.Cell = 0 },
		"cell 2048":         func(p *Params) { p.Cell = 2048 },
		"cell 500":          func(p *Params) { p.Cell = 500 },
		"round 0":           func(p *Params) { p.Round = 0 },
		"round 9ms":         func(p *Params) { p.Round = 9 * time.Millisecond },
		"round 2h":          func(p *Params) { p.Round, p.Epoch = 2*time.Hour, 2*time.Hour },
		"round 1.5ms off":   func(p *Params) { p.Round = time.Second + 500*time.Microsecond },
		"epoch not whole":   func(p *Params) { p.Epoch += 500 * time.Millisecond },
		"epoch 8 days":      func(p *Params) { p.Epoch = 8 * 24 * time.Hour },
		"epoch negative":    func(p *Params) { p.Epoch = -p.Epoch },
		"cap below epoch":   func(p *Params) { p.EpochCap = p.Epoch - time.Millisecond },
		"cap 31 days":       func(p *Params) { p.EpochCap = 31 * 24 * time.Hour },
		"tolerance 0":       func(p *Params) { p.ClockTolerance = 0 },
		"no t0":             func(p *Params) { p.T0 = time.Time{} },
		"t0 in nanoseconds": func(p *Params) { p.T0 = p.T0.Add(time.Nanosecond) },
		"window 0":          func(p *Params) { p.Windows[PhaseAck] = 0 },
		"window negative":   func(p *Params) { p.Windows[PhaseAck] = -time.Second },
		"windows too long":  func(p *Params) { p.Windows[PhaseOnions] = p.Epoch },
	} {
		p := scheduled(t, "small")
		change(&p)
		if err := p.Check(); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScheduleByHand(t *testing.T) {
	p := scheduled(t, "small")
	for _, c := range []struct {
		offset  time.Duration
		epoch   uint64
		round   uint64
		attempt Attempt
		running bool
		next    Attempt
	}{
		{0, 0, 0, Attempt{1, 0}, true, Attempt{1, 0}},
		{time.Millisecond, 0, 0, Attempt{1, 0}, true, Attempt{1, 1}},
		{55999 * time.Millisecond, 0, 55, Attempt{1, 0}, true, Attempt{1, 1}},
		{56 * time.Second, 0, 56, Attempt{1, 1}, true, Attempt{1, 1}},
		{57 * time.Second, 0, 57, Attempt{1, 1}, true, Attempt{2, 0}},
		{112 * time.Second, 0, 112, Attempt{1, 2}, false, Attempt{2, 0}},
		{120 * time.Second, 1, 120, Attempt{2, 0}, true, Attempt{2, 0}},
		{1000 * time.Hour, 30000, 3600000, Attempt{30001, 0}, true, Attempt{30001, 0}},
	} {
		now := at(p, c.offset)
		if e, ok := p.EpochAt(now); !ok || e != c.epoch {
			t.Errorf("%v: epoch %d, %v", c.offset, e, ok)
		}
		if r, ok := p.RoundAt(now); !ok || r != c.round {
			t.Errorf("%v: round %d, %v", c.offset, r, ok)
		}
		if a, ok := p.AttemptAt(now); ok != c.running || ok && a != c.attempt {
			t.Errorf("%v: attempt %v, %v", c.offset, a, ok)
		}
		if a := p.NextAttempt(now); a != c.next {
			t.Errorf("%v: next attempt %v, want %v", c.offset, a, c.next)
		}
	}
	before := at(p, -time.Nanosecond)
	if _, ok := p.EpochAt(before); ok {
		t.Error("there is an epoch before epoch 0")
	}
	if _, ok := p.RoundAt(before); ok {
		t.Error("there is a round before round 0")
	}
	if _, ok := p.AttemptAt(before); ok {
		t.Error("there is an attempt before epoch 0")
	}
	if a := p.NextAttempt(before); a != (Attempt{1, 0}) {
		t.Errorf("the first attempt is %v", a)
	}
	if p.FirstRound(3) != 360 || p.LastRound(3) != 360+3600-1 {
		t.Errorf("rounds of epoch 3: %d to %d", p.FirstRound(3), p.LastRound(3))
	}
	if p.RoundClose(2) != at(p, 2625*time.Millisecond) {
		t.Errorf("round 2 closes at %v", p.RoundClose(2))
	}
}

// Within any legal schedule: the times of an attempt lie in their windows and in
// order, epochs and rounds begin where the one before ends, and the attempts
// follow each other.
func TestScheduleProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Params{Relays: 3, Lanes: rapid.IntRange(1, 16).Draw(t, "lanes"), Cell: 512, Suite: 1, ClockTolerance: time.Millisecond}
		p.T0 = time.UnixMilli(rapid.Int64Range(946684800000, 4102444800000).Draw(t, "t0"))
		ms := func(name string, lo, hi int64) time.Duration {
			return time.Duration(rapid.Int64Range(lo, hi).Draw(t, name)) * time.Millisecond
		}
		p.Round = ms("round", 10, 5000)
		for i := range p.Windows {
			p.Windows[i] = ms("window", 1, 60000)
		}
		p.Epoch = (p.Setup()/p.Round + time.Duration(rapid.IntRange(1, 100).Draw(t, "slack"))) * p.Round
		p.EpochCap = p.Epoch * 3
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
		e := rapid.Uint64Range(1, 1<<20).Draw(t, "epoch")
		n := rapid.IntRange(0, p.Attempts()-1).Draw(t, "attempt")
		a := Attempt{e, uint32(n)}
		if start := p.PhaseStart(a, PhaseKeys); start.Before(p.EpochStart(e-1)) || p.PhaseEnd(a, PhaseReveal).After(p.EpochStart(e)) {
			t.Fatalf("%v is not set up in the epoch before", a)
		}
		for ph := PhaseKeys; ph < PhaseReveal; ph++ {
			if !p.PhaseEnd(a, ph).Equal(p.PhaseStart(a, ph+1)) {
				t.Fatalf("a gap after %v", ph)
			}
		}
		within := func(x time.Time, ph Phase) {
			if x.Before(p.PhaseStart(a, ph)) || !x.Before(p.PhaseEnd(a, ph)) {
				t.Fatalf("%v is outside of window %v", x.Sub(p.T0), ph)
			}
		}
		within(p.JoinTime(a), PhaseJoin)
		within(p.AckTime(a), PhaseAck)
		last := time.Time{}
		for i := range p.Circuits() {
			x := p.OnionTime(a, i)
			within(x, PhaseOnions)
			if x.Before(last) || x.After(p.OnionClose(a)) {
				t.Fatalf("onion %d leaves at %v", i, x.Sub(p.T0))
			}
			last = x
		}
		within(p.OnionClose(a), PhaseOnions)
		middle := p.PhaseStart(a, PhaseKeys).Add(p.Setup() / 2)
		if got, ok := p.AttemptAt(middle); !ok || got != a {
			t.Fatalf("in the middle of %v it is %v, %v", a, got, ok)
		}
		if got := p.NextAttempt(p.PhaseStart(a, PhaseKeys)); got != a {
			t.Fatalf("at the start of %v the next is %v", a, got)
		}
		next := p.NextAttempt(p.PhaseStart(a, PhaseKeys).Add(1))
		if !a.Before(next) || next.Before(a) || p.PhaseStart(next, PhaseKeys).Before(p.PhaseEnd(a, PhaseReveal)) {
			t.Fatalf("%v follows %v", next, a)
		}
		r := rapid.Uint64Range(0, 1<<30).Draw(t, "round number")
		if got, ok := p.RoundAt(p.RoundStart(r)); !ok || got != r {
			t.Fatalf("round %d begins in round %d", r, got)
		}
		if got, ok := p.RoundAt(p.RoundStart(r + 1).Add(-1)); !ok || got != r {
			t.Fatalf("round %d ends in round %d", r, got)
		}
		if x := p.RoundClose(r); !x.After(p.RoundStart(r)) || !x.Before(p.RoundStart(r+1)) {
			t.Fatalf("round %d closes outside of it", r)
		}
		if !p.RoundStart(p.FirstRound(e)).Equal(p.EpochStart(e)) {
			t.Fatalf("R of epoch %d is not its start", e)
		}
	})
}
