// Package linktest drives many link.Nodes on in-memory links and a virtual clock:
// a deterministic discrete-event network. The same seed gives the same schedule,
// latencies, faults and deliveries; only bytes that come from system randomness
// differ.
//
// Connections are reliable and in order like TCP; one that is lost takes what is
// under way with it. Events of one instant at different nodes run side by side,
// and what they cause is merged in a fixed order, so that two cores simulate
// faster without changing anything. Latencies in whole steps (the default hooks
// use a tenth of a millisecond) make instants meet, and so let more run side by
// side.
//
// It is shipped beside the seam that it fakes and is used by tests, by the
// simulation and by the lab, never by the program. It trusts its nodes: a panic
// in one is a panic of the test.
//
// Specification: package link, whose promises about order, times and lanes it
// keeps.
package linktest

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"backchannel/internal/link"
)

// Net is a network of nodes. It is for one goroutine; its hooks are called from
// it, and never while nodes run.
type Net struct {
	// Latency is how long a frame from one node to another takes, jitter included;
	// the default is half a millisecond and up to as much again.
	Latency func(from, to string, rng *rand.Rand) time.Duration
	// Bandwidth is how many bytes a second one direction of a connection carries;
	// zero, like no hook, means any number.
	Bandwidth func(from, to string) int64
	// Work is how long work on a lane takes; the default is a tenth of a millisecond.
	Work func(name string, lane link.Lane, rng *rand.Rand) time.Duration
	// Filter decides what becomes of a frame that leaves: what it returns is
	// delivered, in order, each after its own extra delay. A nil hook delivers
	// everything, a nil result nothing.
	Filter func(at time.Time, from, to string, frame []byte) []Delivery
	// Trace sees every frame at the moment at which it leaves, before Filter. The
	// first byte is its type.
	Trace func(at time.Time, from, to string, frame []byte)
	// Workers is how many nodes may run side by side; the default is one per core.
	// It changes nothing but speed.
	Workers int

	start time.Time
	now   int64 // nanoseconds since start
	rng   *rand.Rand
	queue queue
	hosts map[string]*host
	order []*host
	conns map[uint64]*conn // those that are alive
	last  uint64           // number of the newest connection
	cut   map[[2]string]bool
	batch []*host // scratch
}

// Delivery is a frame that arrives, Delay later than the link would have it.
type Delivery struct {
	Frame []byte
	Delay time.Duration
}

// Options describe a node to the network.
type Options struct {
	Identity link.Peer     // how others see it: role, index, account
	Skew     time.Duration // its clock minus the true one
}

// Grid is the step of the default latencies and durations.
const Grid = 100 * time.Microsecond

// Times of the fake itself.
const (
	dialTime = time.Millisecond // until a failed dial or a broken connection is noticed
	tick     = time.Microsecond // least time until a node is called again
)

// New makes an empty network whose true clock stands at start.
func New(seed uint64, start time.Time) *Net {
	n := &Net{
		start: start, rng: rand.New(rand.NewPCG(seed, 0x6c696e6b)), Workers: runtime.GOMAXPROCS(0),
		hosts: map[string]*host{}, conns: map[uint64]*conn{}, cut: map[[2]string]bool{},
	}
	n.Latency = func(_, _ string, r *rand.Rand) time.Duration { return Grid * time.Duration(5+r.IntN(6)) }
	n.Work = func(string, link.Lane, *rand.Rand) time.Duration { return Grid }
	return n
}

// Now is the true time.
func (n *Net) Now() time.Time { return n.start.Add(time.Duration(n.now)) }

// Rand is the network's seeded source, for hooks and fault plans.
func (n *Net) Rand() *rand.Rand { return n.rng }

// Add makes a node part of the network and starts it. A name that crashed may be
// added again.
func (n *Net) Add(name string, node link.Node, o Options) {
	h := n.hosts[name]
	switch {
	case h == nil:
		h = &host{net: n, name: name}
		n.hosts[name] = h
		n.order = append(n.order, h)
	case h.alive:
		panic("linktest: " + name + " is there already")
	}
	h.node, h.o, h.alive = node, o, true
	h.life++
	h.lanes, h.wakes, h.stalled = [3]int64{}, h.wakes[:0], 0
	node.Start(h.clock(), h)
	n.apply(h)
}

// Alive tells whether a node is there and was not crashed.
func (n *Net) Alive(name string) bool { h := n.hosts[name]; return h != nil && h.alive }

// Crash ends a node at once: its connections break, what it was doing is lost.
func (n *Net) Crash(name string) {
	h := n.must(name)
	h.alive = false
	h.life++
	for _, c := range slices.Clone(h.conns) {
		n.kill(c, h)
	}
	h.actions = h.actions[:0]
	if len(h.events) > 0 { // a hook crashes it before its turn in this instant
		for _, id := range h.events {
			n.queue.release(id)
		}
		h.events = h.events[:0]
		n.batch = slices.DeleteFunc(n.batch, func(o *host) bool { return o == h })
	}
}

// Stall makes a node deaf for a while: what happens to it waits, in order, until
// d has passed. Work aside and frames with a time go on.
func (n *Net) Stall(name string, d time.Duration) {
	h := n.must(name)
	h.stalled = max(h.stalled, n.now+int64(d))
}

// SetSkew sets a node's clock: its time is the true one plus skew from now on.
// What it asked for at a time of its clock moves along.
func (n *Net) SetSkew(name string, skew time.Duration) {
	h := n.must(name)
	shift := int64(skew - h.o.Skew)
	h.o.Skew = skew
	n.queue.reschedule(func(e *event) int64 {
		if e.host == h && (e.kind == evWake || e.kind == evLeave) {
			return max(n.now, e.at-shift)
		}
		return e.at
	})
	for i := range h.wakes {
		h.wakes[i] = max(n.now, h.wakes[i]-shift)
	}
}

// Cut separates two nodes until Heal: their connections break, dials fail.
func (n *Net) Cut(a, b string) {
	n.must(b)
	n.cut[pair(a, b)] = true
	n.Break(a, b)
}

// Heal undoes Cut.
func (n *Net) Heal(a, b string) { delete(n.cut, pair(a, b)) }

// Partition cuts every node of one side off from every other node, until
// HealAll.
func (n *Net) Partition(side ...string) {
	for _, a := range side {
		for _, b := range n.order {
			if !slices.Contains(side, b.name) {
				n.Cut(a, b.name)
			}
		}
	}
}

// HealAll undoes every Cut and Partition.
func (n *Net) HealAll() { clear(n.cut) }

// Break ends the connections between two nodes; they may dial again.
func (n *Net) Break(a, b string) {
	h := n.must(a)
	for _, c := range slices.Clone(h.conns) {
		if c.other(h).name == b {
			n.kill(c, nil)
		}
	}
}

func pair(a, b string) [2]string {
	if a > b {
		a, b = b, a
	}
	return [2]string{a, b}
}

func (n *Net) must(name string) *host {
	h := n.hosts[name]
	if h == nil {
		panic("linktest: there is no " + name)
	}
	return h
}

// Do runs f as the node's own code would run: with its clock and Env.
func (n *Net) Do(name string, f func(now time.Time)) {
	h := n.must(name)
	if !h.alive {
		panic("linktest: " + name + " crashed")
	}
	f(h.clock())
	n.apply(h)
}

// Run processes everything up to and including until.
func (n *Net) Run(until time.Time) {
	end := int64(until.Sub(n.start))
	for n.queue.len() > 0 && n.queue.next() <= end {
		n.instant()
	}
	n.now = max(n.now, end)
}

// Step processes the next instant at which anything happens; false if nothing
// ever will.
func (n *Net) Step() bool {
	if n.queue.len() == 0 {
		return false
	}
	n.instant()
	return true
}
