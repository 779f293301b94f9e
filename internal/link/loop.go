package link

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// LoopConfig says what a Loop drives and with what.
type LoopConfig struct {
	Node      Node
	Dial      Dialer     // nil if the node never dials
	Listeners []Listener // closed by Run
	Log       *slog.Logger

	Clock      func() time.Time // default time.Now
	QueueBytes int              // bytes waiting for one peer before it is dropped; default 1 GiB: two batches of 10,000 stations
	ReadAhead  int              // frames of one peer that wait for the node; default 16
	Workers    int              // cores for LaneCompute; default all but one, or timed frames would wait for the scheduler
	Drain      time.Duration    // how long a stop may take to send what is queued; default 2 s
}

// Loop drives one Node on real connections and the real clock. One goroutine
// calls the node; every connection has a goroutine that reads and one that
// writes, and the writer keeps the times of SendAt whatever the node is doing.
type Loop struct {
	cfg   LoopConfig
	log   *slog.Logger
	inbox chan happening
	spare *buffers      // of frames of cells, for all connections with servers
	small *buffers      // of frames of cells, for all connections with stations
	turns *writers      // write for stations
	done  chan struct{} // closed when the node will not be called any more
	wg    sync.WaitGroup

	// Owned by the node's goroutine.
	ctx       context.Context
	conns     map[uint64]*peerConn
	byAccount map[[32]byte]uint64
	wakes     wakes

	ids   atomic.Uint64
	lanes [3]*lane
}

// happening is one thing that the node's goroutine has to do: a call, or the frame
// of a connection. A frame is no call because it would cost an allocation.
type happening struct {
	call  func(now time.Time)
	from  *peerConn
	frame []byte
}

// stationQueue is how many bytes may wait for one station: the record list of
// sixteen thousand stations, its documents, and minutes of cells. One that takes
// them too slowly costs itself.
const stationQueue = 4 << 20

// NewLoop returns a loop that Run starts.
func NewLoop(cfg LoopConfig) *Loop {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.QueueBytes == 0 {
		cfg.QueueBytes = 1 << 30
	}
	if cfg.ReadAhead == 0 {
		cfg.ReadAhead = 16
	}
	if cfg.Workers == 0 {
		cfg.Workers = max(1, runtime.GOMAXPROCS(0)-1)
	}
	if cfg.Dial == nil {
		cfg.Dial = func(context.Context, Target) (Conn, error) { return nil, errors.New("this node has no dialler") }
	}
	if cfg.Drain == 0 {
		cfg.Drain = 2 * time.Second
	}
	l := &Loop{
		cfg: cfg, log: cfg.Log, inbox: make(chan happening, 256), done: make(chan struct{}),
		spare: newBuffers(cfg.QueueBytes), conns: map[uint64]*peerConn{}, byAccount: map[[32]byte]uint64{},
	}
	l.small = newBuffers(0)
	l.turns = &writers{limit: runtime.GOMAXPROCS(0), run: l.wg.Go}
	l.lanes[LaneCompute], l.lanes[LaneDisk], l.lanes[LaneMark] = newLane(), newLane(), newLane()
	return l
}

// ErrStopped is returned by Do when the loop has ended.
var ErrStopped = errors.New("the node has stopped")

// Stopped is closed when the node will not be called any more.
func (l *Loop) Stopped() <-chan struct{} { return l.done }

// Do runs f in the node's goroutine and waits for it. If ctx ends or the loop
// stops first, f will not run at all. It must not be called from that goroutine.
func (l *Loop) Do(ctx context.Context, f func(now time.Time)) error {
	var claimed atomic.Bool
	ran := make(chan struct{})
	task := func(now time.Time) {
		if claimed.CompareAndSwap(false, true) {
			f(now)
			close(ran)
		}
	}
	select {
	case l.inbox <- happening{call: task}:
	case <-l.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	var err error
	select {
	case <-ran:
		return nil
	case <-l.done:
		err = ErrStopped
	case <-ctx.Done():
		err = ctx.Err()
	}
	if claimed.CompareAndSwap(false, true) {
		return err
	}
	<-ran // it had begun
	return nil
}

// post hands f to the node's goroutine; false when the loop has ended.
func (l *Loop) post(f func(now time.Time)) bool { return l.hand(happening{call: f}) }

func (l *Loop) hand(h happening) bool {
	select { // what is all but always so costs less without a second case
	case l.inbox <- h:
		return true
	default:
	}
	select {
	case l.inbox <- h:
		return true
	case <-l.done:
		return false
	}
}

// Run drives the node until ctx ends, then sends what is queued, closes every
// connection and returns nil once no goroutine of it is left.
func (l *Loop) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.ctx = ctx
	for _, ln := range l.cfg.Listeners {
		l.wg.Go(func() { l.accept(ln) })
	}
	for range l.cfg.Workers {
		l.wg.Go(l.lanes[LaneCompute].work)
	}
	l.wg.Go(l.lanes[LaneDisk].work)
	l.wg.Go(l.lanes[LaneMark].work)

	l.cfg.Node.Start(l.cfg.Clock(), loopEnv{l})
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		if now := l.cfg.Clock(); l.wakes.due(now) {
			l.cfg.Node.Woken(now)
		}
		timer.Reset(l.untilWake())
		select {
		case <-ctx.Done():
		case h := <-l.inbox:
			l.handle(l.cfg.Clock(), h)
			l.handleMore(ctx)
		case <-timer.C:
		}
	}
	close(l.done)
	for _, ln := range l.cfg.Listeners {
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			l.log.Warn("link: closing a listener", "err", err)
		}
	}
	l.lanes[LaneCompute].stop(false)
	l.lanes[LaneDisk].stop(true)
	l.lanes[LaneMark].stop(true)
	deadline := time.Now().Add(l.cfg.Drain)
	for _, c := range l.conns {
		c.drain(deadline)
	}
	l.wg.Wait()
	return nil
}

// handleMore handles what has come meanwhile until the node has to be woken: to
// look at everything that may happen costs more than most frames.
func (l *Loop) handleMore(ctx context.Context) {
	for ctx.Err() == nil && l.untilWake() > 0 {
		select {
		case h := <-l.inbox:
			l.handle(l.cfg.Clock(), h)
		default:
			return
		}
	}
}

// handle is called by the node's goroutine alone.
func (l *Loop) handle(now time.Time, h happening) {
	if h.call != nil {
		h.call(now)
		return
	}
	<-h.from.slots
	if p := h.from.peer; l.conns[p.Conn] == h.from {
		l.cfg.Node.Received(now, p, h.frame)
	}
}

// maxWait bounds every wait on the clock, so that one that is set forward or
// back is noticed.
const maxWait = time.Second

func (l *Loop) untilWake() time.Duration {
	if len(l.wakes) == 0 {
		return maxWait
	}
	return min(max(0, l.wakes[0].Sub(l.cfg.Clock())), maxWait)
}

func (l *Loop) accept(ln Listener) {
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			l.log.Warn("link: accepting a connection", "reason", reason(err))
			select { // out of file descriptors, perhaps: do not spin
			case <-time.After(100 * time.Millisecond):
			case <-l.done:
				return
			}
			continue
		}
		l.wg.Go(func() { l.serve(c) })
	}
}

// serve carries one connection from its first frame to its end.
func (l *Loop) serve(conn Conn) {
	p := conn.Peer()
	p.Conn = l.ids.Add(1)
	limit := l.cfg.QueueBytes
	if p.Role == RoleStation {
		limit = min(limit, stationQueue)
	}
	pc := newPeerConn(conn, p, l.cfg.Clock, limit, l.cfg.ReadAhead)
	switch c := conn.(type) {
	case *streamConn:
		c.spare, pc.spare = l.spare, l.spare
	case *wsConn:
		if c.low != nil {
			pc.turns, c.low.turns = l.turns, l.turns
			c.spare, pc.spare = l.small, l.small
			l.small.admit(c.max + 1) // a frame for each: what one round leaves, the next takes
			defer l.small.admit(-c.max - 1)
		}
	}
	defer pc.abort()
	up := make(chan struct{})
	l.post(func(now time.Time) {
		if p.Role == RoleStation {
			if old, dup := l.byAccount[p.Account]; dup {
				l.gone(now, l.conns[old])
			}
			l.byAccount[p.Account] = p.Conn
		}
		l.conns[p.Conn] = pc
		if pc.turns == nil {
			l.wg.Go(pc.write)
		}
		close(up)
		l.cfg.Node.Connected(now, p)
	})
	select {
	case <-up:
	case <-l.done:
		select {
		case <-up:
		default:
			return // the loop ended before the node could hear of it
		}
	}
	l.read(pc)
	l.post(func(now time.Time) { l.gone(now, pc) })
}

// read hands a connection's frames to the node, a few at a time. Once the loop has
// ended it reads on and forgets, so that what is still queued can leave.
func (l *Loop) read(pc *peerConn) {
	for {
		frame, err := pc.conn.ReadFrame()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				l.log.Debug("link: connection ended", "peer", pc.peer.String(), "reason", reason(err))
			}
			return
		}
		select { // as in hand
		case pc.slots <- struct{}{}:
		default:
			select {
			case pc.slots <- struct{}{}:
			case <-l.done:
				continue
			}
		}
		l.hand(happening{from: pc, frame: frame})
	}
}

// gone removes a connection and tells the node, once.
func (l *Loop) gone(now time.Time, pc *peerConn) {
	id := pc.peer.Conn
	if l.conns[id] != pc {
		return
	}
	delete(l.conns, id)
	if l.byAccount[pc.peer.Account] == id {
		delete(l.byAccount, pc.peer.Account)
	}
	pc.abort()
	l.cfg.Node.Disconnected(now, pc.peer)
}

// loopEnv is what the node sees of the loop.
type loopEnv struct{ l *Loop }

func (e loopEnv) Send(p Peer, frame []byte) { e.SendAt(time.Time{}, p, frame) }

func (e loopEnv) SendAt(t time.Time, p Peer, frame []byte) {
	if len(frame) == 0 || len(frame) > MaxFrame {
		panic("link: a node sends a frame of a size that is not allowed")
	}
	if c := e.l.conns[p.Conn]; c != nil && !c.queue(t, frame) {
		e.l.log.Warn("link: a peer does not keep up and is dropped", "peer", p.String())
		e.Drop(p)
	}
}

func (e loopEnv) WakeAt(t time.Time) { e.l.wakes.add(t) }

func (e loopEnv) Go(lane Lane, work func(), done func(now time.Time)) {
	e.l.lanes[lane].add(func() {
		work()
		e.l.post(done)
	})
}

func (e loopEnv) Dial(t Target) {
	l := e.l
	l.wg.Go(func() {
		conn, err := l.cfg.Dial(l.ctx, t)
		if err != nil {
			l.log.Info("link: no connection", "peer", Peer{Role: t.Role, Index: t.Index}.String(), "reason", reason(err))
			l.post(func(now time.Time) { l.cfg.Node.Disconnected(now, Peer{Role: t.Role, Index: t.Index}) })
			return
		}
		l.serve(conn)
	})
}

// Drop closes a connection. The node is told afterwards, never within its call.
func (e loopEnv) Drop(p Peer) {
	if c := e.l.conns[p.Conn]; c != nil {
		c.conn.Close() // its reader ends and reports
	}
}
