package link

import (
	"slices"
	"sync"
	"time"
)

// peerConn is the sending half of a connection: frames that leave as soon as
// possible, and frames that leave at their time. A timed frame that is due goes
// before any other, so nothing that the node sends can delay it but a frame that
// the peer is being slow to take.
type peerConn struct {
	conn  Conn
	peer  Peer
	clock func() time.Time
	limit int
	slots chan struct{} // frames that were read and that the node has not seen
	spare *buffers      // where the memory of cells goes when they left; nil: nowhere
	turns *writers      // who writes; nil: the connection's own goroutine

	mu      sync.Mutex
	soon    [][]byte
	left    int // of soon, how many have left
	timed   []timedFrame
	bytes   int
	closing bool        // finish what is queued, then end
	ends    *time.Timer // closing: aborts at the deadline
	turn    bool        // with turns: waits for one or has it
	alarm   *time.Timer // with turns: asks for one when the next timed frame is due
	dead    bool
	more    chan struct{} // something changed
}

type timedFrame struct {
	at    time.Time
	frame []byte
}

func newPeerConn(c Conn, p Peer, clock func() time.Time, limit, ahead int) *peerConn {
	return &peerConn{conn: c, peer: p, clock: clock, limit: limit, slots: make(chan struct{}, ahead), more: make(chan struct{}, 1)}
}

// queue takes a frame; false if too much waits already. A zero time means now.
func (c *peerConn) queue(at time.Time, frame []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead || c.closing {
		return true
	}
	if c.bytes+len(frame) > c.limit {
		return false
	}
	c.bytes += len(frame)
	if at.IsZero() {
		if c.left > len(c.soon)/2 { // or it would grow while it is never empty
			c.soon, c.left = slices.Delete(c.soon, 0, c.left), 0
		}
		c.soon = append(c.soon, frame)
	} else {
		i := len(c.timed)
		for i > 0 && c.timed[i-1].at.After(at) {
			i--
		}
		c.timed = slices.Insert(c.timed, i, timedFrame{at, frame})
	}
	c.signal()
	return true
}

// signal has somebody look after the connection. Its caller holds the lock.
func (c *peerConn) signal() {
	if c.turns != nil {
		if !c.turn && !c.dead {
			c.turn = true
			c.turns.add(c)
		}
		return
	}
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// next returns a frame that may leave now, or how long to wait for one; end tells
// that none will come. A negative wait means until something changes. Where it
// returns no frame, a turn is over.
func (c *peerConn) next() (frame []byte, wait time.Duration, end bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait = -1
	if len(c.timed) > 0 {
		if d := c.timed[0].at.Sub(c.clock()); d <= 0 {
			frame = c.timed[0].frame
			c.timed[0] = timedFrame{}
			c.timed = c.timed[1:]
		} else {
			wait = min(d, maxWait)
		}
	}
	if frame == nil && c.left < len(c.soon) {
		frame = c.soon[c.left]
		c.soon[c.left] = nil
		if c.left++; c.left == len(c.soon) {
			c.soon, c.left = c.soon[:0], 0
		}
	}
	c.bytes -= len(frame)
	end = c.dead || frame == nil && c.closing
	if frame == nil && !end {
		c.turn = false
		if c.turns != nil && wait >= 0 {
			c.ring(wait)
		}
	}
	return frame, wait, end
}

// ring asks for a turn after a while.
func (c *peerConn) ring(wait time.Duration) {
	if c.alarm != nil {
		c.alarm.Reset(wait)
		return
	}
	c.alarm = time.AfterFunc(wait, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.signal()
	})
}

// write is the connection's own writing goroutine.
func (c *peerConn) write() {
	var timer *time.Timer // none before the first timed frame: it would wake every connection once per maxWait
	for {
		frame, wait, end := c.next()
		if frame != nil && !end {
			if !c.send(frame) {
				return
			}
			continue
		}
		if end {
			c.finish()
			return
		}
		if wait < 0 {
			<-c.more
			continue
		}
		if timer == nil {
			timer = time.NewTimer(wait)
			defer timer.Stop()
		} else {
			timer.Reset(wait)
		}
		select {
		case <-c.more:
		case <-timer.C:
		}
	}
}

// flush is one turn of a connection without a goroutine of its own: everything
// that may leave now.
func (c *peerConn) flush() {
	for {
		switch frame, _, end := c.next(); {
		case end: // the turn is never given back: there is no other
			c.finish()
			return
		case frame == nil, !c.send(frame):
			return
		}
	}
}

// send writes one frame; false if the connection is over.
func (c *peerConn) send(frame []byte) bool {
	if c.conn.WriteFrame(frame) != nil {
		c.abort()
		return false
	}
	if c.spare != nil && reused(frame) {
		c.spare.put(frame)
	}
	return true
}

// finish tells the other end that nothing follows. It closes when it has read
// everything; closing here would reset the connection if it still sends, and take
// away what it has not read yet.
func (c *peerConn) finish() { _ = c.conn.CloseWrite() }

// drain ends the connection after what is queued to leave soon, or at deadline.
func (c *peerConn) drain(deadline time.Time) {
	c.mu.Lock()
	c.closing, c.timed = true, nil
	if !c.dead {
		c.ends = time.AfterFunc(time.Until(deadline), c.abort)
	}
	c.signal()
	c.mu.Unlock()
}

// abort ends the connection and forgets what is queued.
func (c *peerConn) abort() {
	c.mu.Lock()
	c.dead, c.soon, c.left, c.timed, c.bytes = true, nil, 0, nil, 0
	for _, t := range []*time.Timer{c.ends, c.alarm} {
		if t != nil {
			t.Stop()
		}
	}
	c.signal()
	c.mu.Unlock()
	c.conn.Close()
}
