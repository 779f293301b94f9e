// Package linktest drives many link.Nodes on in-memory links and a virtual clock:
// a deterministic discrete-event network. The same seed gives the same schedule,
// latencies, faults and deliveries; only bytes that come from system randomness
// differ.
//
// Connections are reliable and in order like TCP; one that is lost takes what is
// under way with it. Events of one instant at different nodes run side by side,
// and what they cause is merged in a fixed order, so that two cores simulate
// faster without changing anything.
//
// It is shipped beside the seam that it fakes and is used by tests, by the
// simulation and by the lab, never by the program.
package linktest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"backchannel/internal/link"
)

// Net is a network of nodes. It is for one goroutine; its hooks are called from
// it, and never while nodes run.
type Net struct {
	// Latency is how long a frame from one node to another takes, jitter included;
	// the default is half a millisecond and up to as much again.
	Latency func(from, to string, rng *rand.Rand) time.Duration
	// Work is how long work on a lane takes; the default is a tenth of a millisecond.
	Work func(name string, lane link.Lane, rng *rand.Rand) time.Duration
	// Filter decides what becomes of a frame that leaves: what it returns is
	// delivered, in order, each after its own extra delay. Nil delivers everything.
	Filter func(at time.Time, from, to string, frame []byte) []Delivery
	// Trace sees every frame at the moment at which it leaves, before Filter.
	Trace func(at time.Time, from, to string, frame []byte)

	start time.Time
	now   int64 // nanoseconds since start
	seq   uint64
	conns uint64
	rng   *rand.Rand
	queue []event
	hosts map[string]*host
	order []*host
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

type host struct {
	net      *Net
	name     string
	node     link.Node
	o        Options
	life     uint64 // incarnation: events of an earlier one are void
	alive    bool
	conns    []*conn
	lanes    [3]int64 // when each lane is free again
	lastWake int64
	events   []event  // of the current instant
	actions  []action // what they caused
}

type conn struct {
	id    uint64
	ends  [2]*host
	last  [2]int64 // latest arrival at each end
	alive bool
}

type kind uint8

const (
	evWake kind = iota
	evArrive
	evLeave
	evConnected
	evDisconnected
	evDial
	evWork
	evDone
)

type event struct {
	at    int64
	seq   uint64
	host  *host
	life  uint64
	kind  kind
	conn  *conn
	peer  link.Peer
	frame []byte
	fn    func()
	done  func(time.Time)
	lane  link.Lane
	dial  link.Target
}

type action struct {
	kind  kind
	at    int64
	peer  link.Peer
	frame []byte
	lane  link.Lane
	work  func()
	done  func(time.Time)
	dial  link.Target
	drop  bool
}

// New makes an empty network whose true clock stands at start.
func New(seed uint64, start time.Time) *Net {
	n := &Net{start: start, rng: rand.New(rand.NewPCG(seed, 0x6c696e6b)), hosts: map[string]*host{}, cut: map[[2]string]bool{}}
	n.Latency = func(_, _ string, r *rand.Rand) time.Duration {
		return 500*time.Microsecond + time.Duration(r.Int64N(int64(500*time.Microsecond)))
	}
	n.Work = func(string, link.Lane, *rand.Rand) time.Duration { return 100 * time.Microsecond }
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
	h.lanes, h.lastWake = [3]int64{}, -1
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
}

// Cut separates two nodes until Heal: their connections break, dials fail.
func (n *Net) Cut(a, b string) {
	n.cut[pair(a, b)] = true
	for _, c := range slices.Clone(n.must(a).conns) {
		if c.other(n.must(a)).name == b {
			n.kill(c, nil)
		}
	}
}

// Heal undoes Cut.
func (n *Net) Heal(a, b string) { delete(n.cut, pair(a, b)) }

// Break ends the connections between two nodes; they may dial again.
func (n *Net) Break(a, b string) {
	for _, c := range slices.Clone(n.must(a).conns) {
		if c.other(n.must(a)).name == b {
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
	for len(n.queue) > 0 && n.queue[0].at <= end {
		n.instant()
	}
	n.now = max(n.now, end)
}

// Step processes the next instant at which anything happens; false if nothing
// ever will.
func (n *Net) Step() bool {
	if len(n.queue) == 0 {
		return false
	}
	n.instant()
	return true
}

// instant runs all events of one moment: node by node side by side, then what
// they caused, node by node in a fixed order.
func (n *Net) instant() {
	at := n.queue[0].at
	n.now = at
	n.batch = n.batch[:0]
	for len(n.queue) > 0 && n.queue[0].at == at {
		e := n.pop()
		h := e.host
		if e.life != h.life || !h.alive {
			continue
		}
		if e.kind == evLeave {
			n.leave(h, e.conn, e.frame)
			continue
		}
		if e.kind == evDial {
			n.connect(h, e.dial)
			continue
		}
		if len(h.events) == 0 {
			n.batch = append(n.batch, h)
		}
		h.events = append(h.events, e)
	}
	if len(n.batch) == 1 || runtime.GOMAXPROCS(0) == 1 {
		for _, h := range n.batch {
			h.process()
		}
	} else if len(n.batch) > 1 {
		var wg sync.WaitGroup
		workers := min(runtime.GOMAXPROCS(0), len(n.batch))
		for w := range workers {
			wg.Go(func() {
				for i := w; i < len(n.batch); i += workers {
					n.batch[i].process()
				}
			})
		}
		wg.Wait()
	}
	for _, h := range n.batch {
		n.apply(h)
	}
}

// process runs a node's events of one instant.
func (h *host) process() {
	now := h.clock()
	for i := range h.events {
		e := &h.events[i]
		switch e.kind {
		case evWake:
			if h.lastWake == e.at {
				h.lastWake = -1
			}
			h.node.Woken(now)
		case evArrive:
			if e.conn.alive {
				h.node.Received(now, e.peer, slices.Clone(e.frame))
			}
		case evConnected:
			if e.conn.alive {
				h.node.Connected(now, e.peer)
			}
		case evDisconnected:
			h.node.Disconnected(now, e.peer)
		case evWork:
			e.fn()
		case evDone:
			if e.fn != nil {
				e.fn()
			}
			e.done(now)
		}
		*e = event{}
	}
	h.events = h.events[:0]
}

// apply carries out what a node asked for.
func (n *Net) apply(h *host) {
	for i := 0; i < len(h.actions); i++ {
		a := h.actions[i]
		switch {
		case a.drop:
			if c := h.find(a.peer); c != nil {
				n.kill(c, nil)
			}
		case a.kind == evLeave:
			c := h.find(a.peer)
			if c == nil {
				continue
			}
			if a.at <= n.now {
				n.leave(h, c, a.frame)
			} else {
				n.push(event{at: a.at, host: h, kind: evLeave, conn: c, frame: a.frame})
			}
		case a.kind == evWake:
			n.push(event{at: max(a.at, n.now), host: h, kind: evWake})
		case a.kind == evDial:
			n.push(event{at: n.now + int64(time.Microsecond), host: h, kind: evDial, dial: a.dial})
		case a.kind == evWork:
			// A crash in the middle finds the work done or not done: half of it is
			// carried out when it begins, half when it ends.
			took := max(0, int64(n.Work(h.name, a.lane, n.rng)))
			end := n.now + took
			if a.lane != link.LaneCompute {
				end = max(n.now, h.lanes[a.lane]) + took
				h.lanes[a.lane] = end
			}
			if a.lane == link.LaneCompute || n.rng.IntN(2) == 0 && end == n.now+took {
				n.push(event{at: n.now, host: h, kind: evWork, fn: a.work})
				n.push(event{at: end, host: h, kind: evDone, done: a.done})
			} else {
				n.push(event{at: end, host: h, kind: evDone, fn: a.work, done: a.done})
			}
		}
	}
	clear(h.actions)
	h.actions = h.actions[:0]
}

// leave puts a frame on its way.
func (n *Net) leave(h *host, c *conn, frame []byte) {
	if !c.alive {
		return
	}
	to := c.other(h)
	if n.Trace != nil {
		n.Trace(n.Now(), h.name, to.name, frame)
	}
	if n.Filter == nil {
		n.arrive(h, to, c, frame, 0)
		return
	}
	for _, d := range n.Filter(n.Now(), h.name, to.name, frame) {
		n.arrive(h, to, c, d.Frame, d.Delay)
		if !c.alive {
			return
		}
	}
}

func (n *Net) arrive(h, to *host, c *conn, frame []byte, extra time.Duration) {
	side := c.side(to)
	at := max(n.now+int64(n.Latency(h.name, to.name, n.rng)+extra), c.last[side])
	c.last[side] = at
	n.push(event{at: at, host: to, kind: evArrive, conn: c, peer: h.peer(c), frame: frame})
}

// connect answers a dial.
func (n *Net) connect(h *host, t link.Target) {
	var to *host
	for _, o := range n.order {
		if o.alive && o.o.Identity.Role == t.Role && (t.Role != link.RoleRelay || o.o.Identity.Index == t.Index) {
			to = o
		}
	}
	if to == nil || n.cut[pair(h.name, to.name)] {
		n.push(event{at: n.now + int64(time.Millisecond), host: h, kind: evDisconnected, peer: link.Peer{Role: t.Role, Index: t.Index}})
		return
	}
	// The newer connection of a station replaces the older one.
	for _, c := range slices.Clone(h.conns) {
		if c.other(h) == to && h.o.Identity.Role == link.RoleStation {
			n.kill(c, nil)
		}
	}
	n.conns++
	c := &conn{id: n.conns, ends: [2]*host{h, to}, alive: true}
	h.conns, to.conns = append(h.conns, c), append(to.conns, c)
	at := n.now + int64(n.Latency(h.name, to.name, n.rng))
	c.last = [2]int64{at, at}
	n.push(event{at: at, host: to, kind: evConnected, conn: c, peer: h.peer(c)})
	n.push(event{at: at, host: h, kind: evConnected, conn: c, peer: to.peer(c)})
}

// kill ends a connection; both ends but gone are told.
func (n *Net) kill(c *conn, gone *host) {
	if !c.alive {
		return
	}
	c.alive = false
	for _, h := range c.ends {
		h.conns = slices.DeleteFunc(h.conns, func(o *conn) bool { return o == c })
		if h != gone && h.alive {
			n.push(event{at: n.now + int64(time.Millisecond), host: h, kind: evDisconnected, peer: c.other(h).peer(c)})
		}
	}
}

func (c *conn) other(h *host) *host {
	if c.ends[0] == h {
		return c.ends[1]
	}
	return c.ends[0]
}

func (c *conn) side(h *host) int {
	if c.ends[0] == h {
		return 0
	}
	return 1
}

func (h *host) peer(c *conn) link.Peer {
	p := h.o.Identity
	p.Conn = c.id
	return p
}

func (h *host) find(p link.Peer) *conn {
	for _, c := range h.conns {
		if c.id == p.Conn {
			return c
		}
	}
	return nil
}

func (h *host) clock() time.Time { return h.net.Now().Add(h.o.Skew) }

func (h *host) virtual(t time.Time) int64 { return int64(t.Add(-h.o.Skew).Sub(h.net.start)) }

// The methods of link.Env only note what is asked for; apply does it.

// Send implements link.Env.
func (h *host) Send(p link.Peer, frame []byte) {
	h.checkFrame(frame)
	h.actions = append(h.actions, action{kind: evLeave, peer: p, frame: frame})
}

// SendAt implements link.Env.
func (h *host) SendAt(t time.Time, p link.Peer, frame []byte) {
	h.checkFrame(frame)
	h.actions = append(h.actions, action{kind: evLeave, at: h.virtual(t), peer: p, frame: frame})
}

func (h *host) checkFrame(frame []byte) {
	if len(frame) == 0 || len(frame) > link.MaxFrame {
		panic(fmt.Sprintf("linktest: %s sends a frame of %d bytes", h.name, len(frame)))
	}
}

// WakeAt implements link.Env.
func (h *host) WakeAt(t time.Time) {
	at := h.virtual(t)
	if at == h.lastWake {
		return
	}
	h.lastWake = at
	h.actions = append(h.actions, action{kind: evWake, at: at})
}

// Go implements link.Env.
func (h *host) Go(lane link.Lane, work func(), done func(time.Time)) {
	h.actions = append(h.actions, action{kind: evWork, lane: lane, work: work, done: done})
}

// Dial implements link.Env.
func (h *host) Dial(t link.Target) { h.actions = append(h.actions, action{kind: evDial, dial: t}) }

// Drop implements link.Env.
func (h *host) Drop(p link.Peer) { h.actions = append(h.actions, action{drop: true, peer: p}) }

// The queue is a binary heap by time, then by order of arrival.

func (n *Net) push(e event) {
	n.seq++
	e.seq, e.life = n.seq, e.host.life
	n.queue = append(n.queue, e)
	for i := len(n.queue) - 1; i > 0; {
		up := (i - 1) / 2
		if !n.less(i, up) {
			break
		}
		n.queue[i], n.queue[up] = n.queue[up], n.queue[i]
		i = up
	}
}

func (n *Net) less(i, j int) bool {
	a, b := &n.queue[i], &n.queue[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (n *Net) pop() event {
	e := n.queue[0]
	last := len(n.queue) - 1
	n.queue[0] = n.queue[last]
	n.queue[last] = event{}
	n.queue = n.queue[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			break
		}
		if down+1 < last && n.less(down+1, down) {
			down++
		}
		if !n.less(down, i) {
			break
		}
		n.queue[i], n.queue[down] = n.queue[down], n.queue[i]
		i = down
	}
	return e
}
