package link

import (
	"container/heap"
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

	mu      sync.Mutex
	soon    [][]byte
	timed   []timedFrame
	bytes   int
	closing bool // finish what is queued, then end
	dead    bool
	more    chan struct{} // something changed
}

type timedFrame struct {
	at    time.Time
	frame []byte
}

func newPeerConn(c Conn, p Peer, clock func() time.Time, limit int) *peerConn {
	return &peerConn{conn: c, peer: p, clock: clock, limit: limit, more: make(chan struct{}, 1)}
}

// queue takes a frame; false if too much waits already.
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
		c.timed = append(c.timed, timedFrame{at, frame})
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

// next returns a frame that may leave now, or how long to wait for one.
// flush tells that the frame, and what was written before it, must not wait in a
// buffer.
func (c *peerConn) next() (frame []byte, wait time.Duration, flush, end bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait = maxWait
	if len(c.timed) > 0 {
		if d := c.timed[0].at.Sub(c.clock()); d <= 0 {
			frame = c.timed[0].frame
			c.timed[0] = timedFrame{}
			c.timed = c.timed[1:]
			flush = true
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
	return frame, wait, flush || len(c.soon) == 0, c.dead || frame == nil && c.closing
}

// write is the connection's writing goroutine.
func (c *peerConn) write() {
	defer c.conn.Close()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		frame, wait, flush, end := c.next()
		if end {
			return
		}
		if frame != nil {
			if c.conn.WriteFrame(frame) != nil || flush && c.conn.Flush() != nil {
				c.abort()
				return
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
	c.mu.Unlock()
	c.signal()
	time.AfterFunc(time.Until(deadline), func() { c.conn.Close() })
}

// abort ends the connection and forgets what is queued.
func (c *peerConn) abort() {
	c.mu.Lock()
	c.dead, c.soon, c.timed, c.bytes = true, nil, nil, 0
	c.mu.Unlock()
	c.signal()
	c.conn.Close()
}

// lane runs work in the background, in order per goroutine that serves it.
type lane struct {
	mu    sync.Mutex
	ready *sync.Cond
	queue []func()
	ended bool
}

func newLane() *lane {
	l := &lane{}
	l.ready = sync.NewCond(&l.mu)
	return l
}

func (l *lane) add(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, f)
	l.ready.Signal()
}

// stop lets the work that waits finish: a commit that a node asked for is made.
func (l *lane) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.ready.Broadcast()
}

func (l *lane) work() {
	for {
		l.mu.Lock()
		for len(l.queue) == 0 && !l.ended {
			l.ready.Wait()
		}
		if len(l.queue) == 0 {
			l.mu.Unlock()
			return
		}
		f := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		l.mu.Unlock()
		f()
	}
}

// wakeHeap holds the times at which a node wants to be woken.
type wakeHeap []time.Time

func (h wakeHeap) Len() int           { return len(h) }
func (h wakeHeap) Less(i, j int) bool { return h[i].Before(h[j]) }
func (h wakeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *wakeHeap) Push(x any) { *h = append(*h, x.(time.Time)) }

// Pop implements heap.Interface.
func (h *wakeHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	*h = old[:len(old)-1]
	return t
}

func (h *wakeHeap) push(t time.Time) { heap.Push(h, t) }

// due removes every time that has come and reports whether there was one.
func (h *wakeHeap) due(now time.Time) bool {
	any := false
	for len(*h) > 0 && !(*h)[0].After(now) {
		heap.Pop(h)
		any = true
	}
	return any
}
