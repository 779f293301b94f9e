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

	mu      sync.Mutex
	soon    [][]byte
	timed   []timedFrame
	bytes   int
	closing bool        // finish what is queued, then end
	ends    *time.Timer // closing: aborts at the deadline
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

func (c *peerConn) signal() {
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// next returns a frame that may leave now, or how long to wait for one; end tells
// that none will come.
func (c *peerConn) next() (frame []byte, wait time.Duration, end bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait = maxWait
	if len(c.timed) > 0 {
		if d := c.timed[0].at.Sub(c.clock()); d <= 0 {
			frame = c.timed[0].frame
			c.timed[0] = timedFrame{}
			c.timed = c.timed[1:]
		} else {
			wait = min(d, maxWait)
		}
	}
	if frame == nil && len(c.soon) > 0 {
		frame = c.soon[0]
		c.soon[0] = nil
		c.soon = c.soon[1:]
	}
	c.bytes -= len(frame)
	return frame, wait, c.dead || frame == nil && c.closing
}

// write is the connection's writing goroutine.
func (c *peerConn) write() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		frame, wait, end := c.next()
		switch {
		case end:
			// The other end closes when it has read everything; closing here would
			// reset the connection if it still sends, and take away what it has not
			// read yet.
			_ = c.conn.CloseWrite()
			return
		case frame != nil:
			if c.conn.WriteFrame(frame) != nil {
				c.abort()
				return
			}
			if c.spare != nil && areCells(frame) {
				c.spare.put(frame)
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-c.more:
		case <-timer.C:
		}
	}
}

// drain ends the connection after what is queued to leave soon, or at deadline.
func (c *peerConn) drain(deadline time.Time) {
	c.mu.Lock()
	c.closing, c.timed = true, nil
	if !c.dead {
		c.ends = time.AfterFunc(time.Until(deadline), c.abort)
	}
	c.mu.Unlock()
	c.signal()
}

// abort ends the connection and forgets what is queued.
func (c *peerConn) abort() {
	c.mu.Lock()
	c.dead, c.soon, c.timed, c.bytes = true, nil, nil, 0
	if c.ends != nil {
		c.ends.Stop()
	}
	c.mu.Unlock()
	c.signal()
	c.conn.Close()
}
