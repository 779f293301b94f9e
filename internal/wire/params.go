package wire

import (
	"fmt"
	"time"

	"backchannel/internal/suite"
)

// Phase is one window of a set-up attempt.
type Phase int

// The seven phases of an attempt, in order.
const (
	PhaseKeys Phase = iota
	PhaseJoin
	PhaseRoster
	PhaseOnions
	PhaseReceipts
	PhaseAck
	PhaseReveal
	Phases // their number
)

// String names the phase as the network file does.
func (p Phase) String() string {
	return [...]string{"keys", "join", "roster", "onions", "receipts", "ack", "reveal"}[p]
}

// Params are the parameters in the network file. All stations, relays and the
// entry of a network have the same, so every observable size and time follows
// from them.
type Params struct {
	Relays         int                   // chain length n
	Lanes          int                   // standing conversations per station; two circuits each
	Cell           int                   // bytes per circuit and round: 256, 512 or 1024
	Round          time.Duration         // time between rounds
	Epoch          time.Duration         // life of one set of circuits; a multiple of Round
	T0             time.Time             // start of epoch 0, to the millisecond, UTC
	Windows        [Phases]time.Duration // lengths of the phases of an attempt
	ClockTolerance time.Duration         // beyond it a station or relay warns its owner
	EpochCap       time.Duration         // how long circuits may run on if set-ups keep aborting
	Suite          int                   // suite.ID
}

// Preset returns the parameters named "small" or "demo" with T0 unset.
func Preset(name string) (Params, error) {
	p := Params{Relays: 3, Lanes: 4, Cell: 512, Suite: suite.ID}
	switch name {
	case "small":
		p.Round, p.Epoch = time.Second, 120*time.Second
		p.Windows = [Phases]time.Duration{8 * time.Second, 5 * time.Second, 8 * time.Second, 20 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second}
		p.ClockTolerance, p.EpochCap = time.Second, time.Hour
	case "demo":
		p.Round, p.Epoch = 100*time.Millisecond, 6*time.Second
		for i := range p.Windows {
			p.Windows[i] = 400 * time.Millisecond
		}
		p.ClockTolerance, p.EpochCap = 50*time.Millisecond, 60*time.Second
	default:
		return p, fmt.Errorf("no preset %q; there are small and demo", name)
	}
	return p, nil
}

// Limits of Check. They bound what a signed but foolish network file can ask for.
const (
	MaxRelays   = 16
	MaxLanes    = 16
	MaxStations = 1 << 20
)

// Check reports the first parameter that is out of range or inconsistent.
func (p Params) Check() error {
	ms := func(d time.Duration) bool { return d > 0 && d%time.Millisecond == 0 }
	switch {
	case p.Suite != suite.ID:
		return fmt.Errorf("suite %d is unknown to this program; it knows suite %d only", p.Suite, suite.ID)
	case p.Relays < 1 || p.Relays > MaxRelays:
		return fmt.Errorf("relays = %d is not within 1 to %d", p.Relays, MaxRelays)
	case p.Lanes < 1 || p.Lanes > MaxLanes:
		return fmt.Errorf("lanes = %d is not within 1 to %d", p.Lanes, MaxLanes)
	case p.Cell != 256 && p.Cell != 512 && p.Cell != 1024:
		return fmt.Errorf("cell = %d is not 256, 512 or 1024", p.Cell)
	case !ms(p.Round) || !ms(p.Epoch) || !ms(p.ClockTolerance) || !ms(p.EpochCap):
		return fmt.Errorf("round, epoch, clock tolerance and epoch cap must be positive whole milliseconds")
	case p.Round < 10*time.Millisecond || p.Round > time.Hour:
		return fmt.Errorf("round = %v is not within 10ms to 1h", p.Round)
	case p.Epoch > 7*24*time.Hour || p.EpochCap > 30*24*time.Hour:
		return fmt.Errorf("an epoch may last a week and an epoch cap 30 days at most")
	case p.Epoch%p.Round != 0:
		return fmt.Errorf("epoch = %v is not a multiple of round = %v", p.Epoch, p.Round)
	case p.EpochCap < p.Epoch:
		return fmt.Errorf("epoch cap = %v is shorter than an epoch of %v", p.EpochCap, p.Epoch)
	case p.T0.IsZero() || !p.T0.Equal(p.T0.Truncate(time.Millisecond)):
		return fmt.Errorf("t0 must be set, to the millisecond")
	}
	for i, w := range p.Windows {
		if !ms(w) {
			return fmt.Errorf("window %v = %v is not a positive number of whole milliseconds", Phase(i), w)
		}
	}
	if p.Attempts() < 1 {
		return fmt.Errorf("the windows add up to %v, more than an epoch of %v", p.Setup(), p.Epoch)
	}
	return nil
}

// Circuits is the number of circuits per station: two twins per lane.
func (p Params) Circuits() int { return 2 * p.Lanes }

// RecordSize is the size of one JOIN record: a tag per lane.
func (p Params) RecordSize() int { return p.Lanes * suite.TagSize }

// AckSize is the size of one station's acknowledgement: a preimage per lane.
func (p Params) AckSize() int { return p.Lanes * suite.HashSize }

// EnvelopeSize is the size of an inner envelope:
// n encapsulations ‖ id ‖ tag.
func (p Params) EnvelopeSize() int {
	return p.Relays*suite.KEMEncapsulationSize + suite.TwinID + suite.AEADOverhead
}

// OnionSize is the size of an onion as it enters relay hop (0 is the first).
// OnionSize(Relays) is EnvelopeSize: what the last relay is left with.
func (p Params) OnionSize(hop int) int {
	return p.EnvelopeSize() + (p.Relays-hop)*suite.HPKEOverhead
}

// ReceiptSize is the size of one circuit's receipts as they leave relay hop
// backward: 32 bytes for it and for each relay after it.
func (p Params) ReceiptSize(hop int) int { return (p.Relays - hop) * suite.HashSize }

// Setup is the length of one attempt: the sum of its windows.
func (p Params) Setup() (d time.Duration) {
	for _, w := range p.Windows {
		d += w
	}
	return d
}

// Attempts is how many attempts fit an epoch.
func (p Params) Attempts() int { return int(p.Epoch / p.Setup()) }

// EpochAt is floor((t − t0) / epoch); false before epoch 0.
func (p Params) EpochAt(t time.Time) (uint64, bool) {
	d := t.Sub(p.T0)
	if d < 0 {
		return 0, false
	}
	return uint64(d / p.Epoch), true
}

// EpochStart is the time at which epoch e begins.
func (p Params) EpochStart(e uint64) time.Time { return p.T0.Add(time.Duration(e) * p.Epoch) }

// RoundAt is floor((t − t0) / round); false before round 0.
func (p Params) RoundAt(t time.Time) (uint64, bool) {
	d := t.Sub(p.T0)
	if d < 0 {
		return 0, false
	}
	return uint64(d / p.Round), true
}

// RoundStart is the time at which round r begins; stations send its cells then.
func (p Params) RoundStart(r uint64) time.Time { return p.T0.Add(time.Duration(r) * p.Round) }

// RoundClose is when the entry stops collecting the cells of round r: 5/8 into
// the round.
func (p Params) RoundClose(r uint64) time.Time { return p.RoundStart(r).Add(p.Round * 5 / 8) }

// FirstRound is R, the first round of epoch e.
func (p Params) FirstRound(e uint64) uint64 { return e * p.RoundsPerEpoch() }

// RoundsPerEpoch is epoch / round.
func (p Params) RoundsPerEpoch() uint64 { return uint64(p.Epoch / p.Round) }

// LastRound is the last round in which circuits of epoch e may carry cells: the
// epoch cap after R.
func (p Params) LastRound(e uint64) uint64 {
	return p.FirstRound(e) + uint64(p.EpochCap/p.Round) - 1
}

// PhaseStart is when phase ph of an attempt begins. The circuits of epoch e are
// set up during epoch e−1, so attempts exist for epochs from 1.
func (p Params) PhaseStart(a Attempt, ph Phase) time.Time {
	t := p.EpochStart(a.Epoch - 1).Add(time.Duration(a.Number) * p.Setup())
	for i := Phase(0); i < ph; i++ {
		t = t.Add(p.Windows[i])
	}
	return t
}

// PhaseEnd is when phase ph of an attempt ends.
func (p Params) PhaseEnd(a Attempt, ph Phase) time.Time {
	return p.PhaseStart(a, ph).Add(p.Windows[ph])
}

// AttemptAt returns the attempt in progress at t; false before epoch 0 and in
// the rest of an epoch after its last attempt.
func (p Params) AttemptAt(t time.Time) (Attempt, bool) {
	e, ok := p.EpochAt(t)
	if !ok {
		return Attempt{}, false
	}
	n := int(t.Sub(p.EpochStart(e)) / p.Setup())
	return Attempt{e + 1, uint32(n)}, n < p.Attempts()
}

// NextAttempt returns the first attempt that starts at or after t.
func (p Params) NextAttempt(t time.Time) Attempt {
	e, ok := p.EpochAt(t)
	if !ok {
		return Attempt{1, 0}
	}
	for n := range p.Attempts() {
		a := Attempt{e + 1, uint32(n)}
		if !p.PhaseStart(a, PhaseKeys).Before(t) {
			return a
		}
	}
	return Attempt{e + 2, 0}
}

// A station's messages leave at these times, whatever it had to compute.

// JoinTime is when a station sends its record: a quarter into the window.
func (p Params) JoinTime(a Attempt) time.Time {
	return p.PhaseStart(a, PhaseJoin).Add(p.Windows[PhaseJoin] / 4)
}

// OnionTime is when a station sends its onion number i of 2·lanes: spread evenly
// from an eighth to a half of the window, so that an upload leaves room for cells.
func (p Params) OnionTime(a Attempt, i int) time.Time {
	w := p.Windows[PhaseOnions]
	return p.PhaseStart(a, PhaseOnions).Add(w/8 + w*3/8*time.Duration(i)/time.Duration(p.Circuits()))
}

// OnionClose is when the entry stops collecting onions: 5/8 into the window; the
// rest of it is for the relays to mix.
func (p Params) OnionClose(a Attempt) time.Time {
	return p.PhaseStart(a, PhaseOnions).Add(p.Windows[PhaseOnions] * 5 / 8)
}

// AckTime is when a station reveals its preimages: a quarter into the window.
func (p Params) AckTime(a Attempt) time.Time {
	return p.PhaseStart(a, PhaseAck).Add(p.Windows[PhaseAck] / 4)
}
