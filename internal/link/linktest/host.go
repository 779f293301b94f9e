package linktest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"backchannel/internal/link"
)

// host is a node's place in the network and its link.Env.
type host struct {
	net     *Net
	name    string
	node    link.Node
	o       Options
	life    uint64 // incarnation: events of an earlier one are void
	alive   bool
	conns   []*conn
	lanes   [3]int64 // when each lane is free again
	wakes   []int64  // planned, each once
	stalled int64    // deaf until then
	events  []int32  // of the current instant
	actions []action // what they caused
}

// conn is one connection; end 0 dialled.
type conn struct {
	id    uint64
	ends  [2]*host
	up    [2]bool  // its end was told Connected
	busy  [2]int64 // until when the line towards each end is taken
	last  [2]int64 // latest arrival at each end
	alive bool
}

type action struct {
	kind  kind
	drop  bool
	lane  link.Lane
	at    int64
	peer  link.Peer
	frame []byte
	work  func()
	done  func(time.Time)
	dial  link.Target
}

// instant runs all events of one moment: node by node side by side, then what
// they caused, node by node in a fixed order.
func (n *Net) instant() {
	at := n.queue.next()
	n.now = at
	n.batch = n.batch[:0]
	for n.queue.len() > 0 && n.queue.next() == at {
		id := n.queue.pop()
		e := &n.queue.all[id]
		h := e.host
		switch {
		case e.life != h.life || !h.alive:
		case e.kind == evLeave:
			n.leave(h, e.conn, e.frame)
		case e.kind == evDial:
			n.connect(h, e.dial)
		case h.stalled > at && e.kind != evWork:
			if i := slices.Index(h.wakes, at); i >= 0 && e.kind == evWake {
				h.wakes[i] = h.stalled
			}
			e.at = h.stalled
			n.queue.insert(id)
			continue
		default:
			if len(h.events) == 0 {
				n.batch = append(n.batch, h)
			}
			h.events = append(h.events, id)
			continue
		}
		n.queue.release(id)
	}
	n.process()
	for _, h := range n.batch {
		for _, id := range h.events {
			n.queue.release(id)
		}
		h.events = h.events[:0]
	}
	for _, h := range n.batch {
		n.apply(h)
	}
}

// process runs the nodes of the batch, side by side where there are several.
func (n *Net) process() {
	workers := min(n.Workers, len(n.batch))
	if workers <= 1 {
		for _, h := range n.batch {
			h.process()
		}
		return
	}
	var next atomic.Int32
	work := func() {
		for i := next.Add(1) - 1; int(i) < len(n.batch); i = next.Add(1) - 1 {
			n.batch[i].process()
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// process runs a node's events of one instant.
func (h *host) process() {
	now := h.clock()
	for _, id := range h.events {
		e := &h.net.queue.all[id]
		switch e.kind {
		case evWake:
			if i := slices.Index(h.wakes, e.at); i >= 0 {
				h.wakes = slices.Delete(h.wakes, i, i+1)
			}
			h.node.Woken(now)
		case evArrive:
			if e.conn.alive {
				h.node.Received(now, e.peer, slices.Clone(e.frame)) // its own to change
			}
		case evConnected:
			if e.conn.alive {
				e.conn.up[e.conn.side(h)] = true
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
	}
}

// apply carries out what a node asked for.
func (n *Net) apply(h *host) {
	for i := 0; i < len(h.actions); i++ {
		a := &h.actions[i]
		switch {
		case a.drop:
			if c := n.find(h, a.peer); c != nil {
				n.kill(c, nil)
			}
		case a.kind == evLeave:
			c := n.find(h, a.peer)
			switch {
			case c == nil:
			case a.at <= n.now:
				n.leave(h, c, a.frame)
			default:
				n.queue.plan(event{at: a.at, host: h, kind: evLeave, conn: c, frame: a.frame})
			}
		case a.kind == evWake:
			n.queue.plan(event{at: a.at, host: h, kind: evWake})
		case a.kind == evDial:
			n.queue.plan(event{at: n.now + int64(tick), host: h, kind: evDial, dial: a.dial})
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
				n.queue.plan(event{at: n.now, host: h, kind: evWork, fn: a.work})
				n.queue.plan(event{at: end, host: h, kind: evDone, done: a.done})
			} else {
				n.queue.plan(event{at: end, host: h, kind: evDone, fn: a.work, done: a.done})
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
		if !c.alive { // the hook broke it
			return
		}
		n.arrive(h, to, c, d.Frame, d.Delay)
	}
}

// arrive plans a frame's arrival: after those before it, whatever the jitter.
func (n *Net) arrive(h, to *host, c *conn, frame []byte, extra time.Duration) {
	side := c.side(to)
	gone := n.now
	if n.Bandwidth != nil {
		if b := n.Bandwidth(h.name, to.name); b > 0 {
			gone = max(gone, c.busy[side]) + int64(len(frame))*int64(time.Second)/b
			c.busy[side] = gone
		}
	}
	at := max(gone+max(0, int64(n.Latency(h.name, to.name, n.rng)+extra)), c.last[side])
	c.last[side] = at
	n.queue.plan(event{at: at, host: to, kind: evArrive, conn: c, peer: h.peer(c), frame: frame})
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
		n.dialFailed(h, link.Peer{Role: t.Role, Index: t.Index})
		return
	}
	// The newer connection of a station replaces the older one.
	for _, c := range slices.Clone(h.conns) {
		if c.other(h) == to && h.o.Identity.Role == link.RoleStation {
			n.kill(c, nil)
		}
	}
	n.last++
	c := &conn{id: n.last, ends: [2]*host{h, to}, alive: true}
	n.conns[c.id] = c
	h.conns, to.conns = append(h.conns, c), append(to.conns, c)
	at := n.now + max(0, int64(n.Latency(h.name, to.name, n.rng)))
	c.last = [2]int64{at, at}
	n.queue.plan(event{at: at, host: to, kind: evConnected, conn: c, peer: h.peer(c)})
	n.queue.plan(event{at: at, host: h, kind: evConnected, conn: c, peer: to.peer(c)})
}

func (n *Net) dialFailed(h *host, p link.Peer) {
	n.queue.plan(event{at: n.now + int64(dialTime), host: h, kind: evDisconnected, peer: link.Peer{Role: p.Role, Index: p.Index}})
}

// kill ends a connection; both ends but gone are told what they have to know.
func (n *Net) kill(c *conn, gone *host) {
	if !c.alive {
		return
	}
	c.alive = false
	delete(n.conns, c.id)
	for side, h := range c.ends {
		h.conns = slices.DeleteFunc(h.conns, func(o *conn) bool { return o == c })
		switch {
		case h == gone || !h.alive:
		case c.up[side]:
			n.queue.plan(event{at: n.now + int64(dialTime), host: h, kind: evDisconnected, peer: c.other(h).peer(c)})
		case side == 0:
			n.dialFailed(h, c.ends[1].o.Identity)
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

// peer is how the other end of c sees h.
func (h *host) peer(c *conn) link.Peer {
	p := h.o.Identity
	p.Conn = c.id
	return p
}

// find returns the connection that h knows as p, nil if it is gone.
func (n *Net) find(h *host, p link.Peer) *conn {
	if c := n.conns[p.Conn]; c != nil && (c.ends[0] == h || c.ends[1] == h) {
		return c
	}
	return nil
}

func (h *host) clock() time.Time { return h.net.Now().Add(h.o.Skew) }

func (h *host) virtual(t time.Time) int64 { return int64(t.Add(-h.o.Skew).Sub(h.net.start)) }

// The methods of link.Env only note what is asked for; apply does it.

// Send implements link.Env.
func (h *host) Send(p link.Peer, frame []byte) {
	h.checkFrame(frame)
	h.actions = append(h.actions, action{kind: evLeave, at: -1, peer: p, frame: frame})
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

// WakeAt implements link.Env. A time that is not in the future comes a little
// later, so that a node which waits for its clock does not wait for ever.
func (h *host) WakeAt(t time.Time) {
	at := max(h.virtual(t), h.net.now+int64(tick))
	if slices.Contains(h.wakes, at) {
		return
	}
	h.wakes = append(h.wakes, at)
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
