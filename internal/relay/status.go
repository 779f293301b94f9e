package relay

import (
	"sync"
	"time"

	"backchannel/internal/wire"
)

// Figures are what happened in one epoch, as counts and times of whole arrays.
type Figures struct {
	Epoch       uint64
	Attempts    int           // set-up attempts begun
	Revealed    int           // of those, with all n REVEALs
	Aborts      int           // of those, ended without circuits
	Stations    int           // records of the last roster that was signed
	Rounds      uint64        // rounds that came back, or were turned
	LatencyMean time.Duration // from the first cell in to the last cell out, backward
	LatencyMax  time.Duration
}

// Status is what a relay's owner may know while it runs.
type Status struct {
	Epoch   uint64  // by the own clock; 0 before t0
	Serving bool    // there are circuits that carry cells
	Entry   bool    // the entry is connected
	Before  bool    // the relay before is connected; true at the first relay
	After   bool    // the relay after is connected; true at the last relay
	Last    Figures // the last whole epoch
}

// Healthy reports whether all neighbours are connected.
func (s Status) Healthy() bool { return s.Entry && s.Before && s.After }

// figures collects one epoch and publishes it when it is over.
type figures struct {
	running Figures
	sum     time.Duration
	begun   [latencies]struct {
		round uint64
		at    time.Time
	}

	mu     sync.Mutex // guards what other goroutines read
	status Status
}

// latencies is how many rounds may be under way and still be timed.
const latencies = 8

// Status returns a snapshot. It may be called from any goroutine.
func (n *Node) Status() Status {
	n.figures.mu.Lock()
	defer n.figures.mu.Unlock()
	return n.figures.status
}

// turn publishes an epoch that is over.
func (f *figures) turn(p wire.Params, now time.Time) {
	e, ok := p.EpochAt(now)
	if !ok || e == f.running.Epoch {
		return
	}
	if f.running.Rounds > 0 {
		f.running.LatencyMean = f.sum / time.Duration(f.running.Rounds)
	}
	f.mu.Lock()
	f.status.Last, f.status.Epoch = f.running, e
	f.mu.Unlock()
	f.running, f.sum = Figures{Epoch: e}, 0
}

func (f *figures) connected(n *Node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Entry = n.entry.up
	f.status.Before = n.prev.up || n.cfg.Index == 0
	f.status.After = n.next.up || n.last
}

func (f *figures) serving(yes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Serving = yes
}

func (f *figures) began(round uint64, now time.Time) {
	b := &f.begun[round%latencies]
	b.round, b.at = round, now
}

func (f *figures) ended(round uint64, now time.Time) {
	if b := f.begun[round%latencies]; b.round == round && !b.at.IsZero() {
		d := now.Sub(b.at)
		f.sum += d
		f.running.Rounds++
		f.running.LatencyMax = max(f.running.LatencyMax, d)
	}
}
