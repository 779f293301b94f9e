package entry

import (
	"log/slog"
	"sync"
	"time"
)

// Figures are what happened in one epoch, as counts and times of whole arrays.
type Figures struct {
	Epoch       uint64
	Attempts    int           // set-up attempts begun
	Revealed    int           // of those, with all n REVEALs
	Aborts      int           // of those, ended without circuits
	Stations    int           // size of the last roster
	Silent      int           // rostered stations that did not acknowledge, all attempts together
	Connected   int           // stations, at the end of the epoch
	Rounds      uint64        // rounds that came back
	LatencyMean time.Duration // from the close of a round to its last answer
	LatencyMax  time.Duration
}

// Status is what an entry's owner may know while it runs.
type Status struct {
	Epoch   uint64  // by the own clock; 0 before t0
	Serving bool    // there are circuits that carry cells
	Relays  []bool  // which relays are connected
	Last    Figures // the last whole epoch
}

// Healthy reports whether all relays are connected.
func (s Status) Healthy() bool {
	for _, up := range s.Relays {
		if !up {
			return false
		}
	}
	return true
}

// figures collects one epoch and publishes it when it is over.
type figures struct {
	running Figures
	sum     time.Duration

	mu     sync.Mutex // guards what other goroutines read
	status Status
}

// Status returns a snapshot. It may be called from any goroutine.
func (n *Node) Status() Status {
	n.figures.mu.Lock()
	defer n.figures.mu.Unlock()
	s := n.figures.status
	s.Relays = append([]bool(nil), s.Relays...)
	return s
}

// turn publishes an epoch that is over.
func (f *figures) turn(n *Node, now time.Time) {
	e, ok := n.p.EpochAt(now)
	if !ok || e == f.running.Epoch {
		return
	}
	if f.running.Rounds > 0 {
		f.running.LatencyMean = f.sum / time.Duration(f.running.Rounds)
	}
	f.running.Connected = len(n.stations)
	f.mu.Lock()
	f.status.Last, f.status.Epoch = f.running, e
	f.mu.Unlock()
	n.log.Info("an epoch ended", slog.Uint64("epoch", f.running.Epoch), slog.Uint64("rounds", f.running.Rounds))
	f.running, f.sum = Figures{Epoch: e}, 0
}

func (f *figures) relays(n *Node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Relays = f.status.Relays[:0]
	for i := range n.relays {
		f.status.Relays = append(f.status.Relays, n.relays[i].up)
	}
}

func (f *figures) serving(yes bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Serving = yes
}

func (f *figures) ended(took time.Duration) {
	f.sum += took
	f.running.Rounds++
	f.running.LatencyMax = max(f.running.LatencyMax, took)
}
