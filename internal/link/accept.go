package link

import (
	"container/list"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// acceptor turns connections into authenticated ones, each in a goroutine that
// ends by a deadline. A connection that fails is reset, whatever the reason, so
// that the other end learns none.
type acceptor struct {
	ln    net.Listener
	halfs *halfOpen
	admit func(raw net.Conn) (Conn, error)
	ready chan Conn
	done  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup
}

func listen(addr string) (net.Listener, error) {
	return (&net.ListenConfig{KeepAlive: keepAlive}).Listen(context.Background(), "tcp", addr)
}

// newAcceptor serves ln until Close. admit authenticates; it need not close raw.
func newAcceptor(ln net.Listener, half int, admit func(raw net.Conn) (Conn, error)) *acceptor {
	a := &acceptor{ln: ln, halfs: newHalfOpen(half), admit: admit, ready: make(chan Conn), done: make(chan struct{})}
	a.wg.Go(a.run)
	return a
}

// Addr is the address listened on.
func (a *acceptor) Addr() net.Addr { return a.ln.Addr() }

func (a *acceptor) run() {
	for {
		raw, err := a.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, perhaps: do not spin
			select {
			case <-time.After(100 * time.Millisecond):
			case <-a.done:
				return
			}
			continue
		}
		if h := a.halfs.enter(raw); h != nil {
			a.wg.Go(func() { a.greet(raw, h) })
		}
	}
}

func (a *acceptor) greet(raw net.Conn, h *half) {
	defer a.halfs.leave(h)
	_ = raw.SetDeadline(time.Now().Add(handshakeTime)) // one that is gone already fails at the next step
	c, err := a.admit(raw)
	if err != nil {
		reset(raw)
		return
	}
	_ = raw.SetDeadline(time.Time{}) // the same
	select {
	case a.ready <- c:
	case <-a.done:
		c.Close()
	}
}

// Accept implements Listener.
func (a *acceptor) Accept() (Conn, error) {
	select {
	case c := <-a.ready:
		return c, nil
	case <-a.done:
		return nil, net.ErrClosed
	}
}

// Close implements Listener.
func (a *acceptor) Close() error {
	err := net.ErrClosed
	a.once.Do(func() {
		close(a.done)
		err = a.ln.Close()
		a.halfs.close()
		a.wg.Wait()
	})
	return err
}

// reset ends a connection with a TCP reset and leaves nothing behind, not even a
// socket that waits. It looks the same however much was read or written.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a connection that is gone needs no reset
	}
	c.Close()
}

// quietConn lies below TLS and swallows what TLS would tell the other end about a
// failure. Of a handshake, only handshake messages pass; of anything else,
// nothing while it is not loud.
type quietConn struct {
	net.Conn
	loud atomic.Bool
}

// Record types of TLS that open a flight of the handshake.
const (
	recordCipherChange = 20
	recordHandshake    = 22
)

// Write implements net.Conn.
func (q *quietConn) Write(p []byte) (int, error) {
	if !q.loud.Load() && (len(p) == 0 || p[0] != recordHandshake && p[0] != recordCipherChange) {
		return len(p), nil
	}
	return q.Conn.Write(p)
}

// halfOpen bounds the connections that are not authenticated yet, in all and for
// each source. When there are too many, the oldest ends: an honest one needs
// milliseconds, so those that hang are the ones that go, and a flood from one
// source ends its own.
type halfOpen struct {
	mu     sync.Mutex
	total  int
	each   int
	closed bool
	all    list.List // of *half, oldest first
	from   map[netip.Prefix]*list.List
}

type half struct {
	conn          net.Conn
	source        netip.Prefix
	inAll, inFrom *list.Element // nil when it has left
}

// leastEach keeps a small bound from shutting out neighbours behind one address.
const leastEach = 4

func newHalfOpen(total int) *halfOpen {
	return &halfOpen{total: max(1, total), each: max(leastEach, total/4), from: map[netip.Prefix]*list.List{}}
}

// enter counts a connection until leave; nil if it was refused.
func (h *halfOpen) enter(c net.Conn) *half {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		reset(c)
		return nil
	}
	x := &half{conn: c, source: sourceOf(c)}
	if mine := h.from[x.source]; mine != nil && mine.Len() >= h.each {
		h.evict(mine.Front().Value.(*half))
	}
	if h.all.Len() >= h.total {
		h.evict(h.all.Front().Value.(*half))
	}
	mine := h.from[x.source]
	if mine == nil {
		mine = list.New()
		h.from[x.source] = mine
	}
	x.inAll, x.inFrom = h.all.PushBack(x), mine.PushBack(x)
	return x
}

func (h *halfOpen) evict(x *half) {
	h.remove(x)
	reset(x.conn)
}

func (h *halfOpen) remove(x *half) {
	if x.inAll == nil {
		return
	}
	h.all.Remove(x.inAll)
	mine := h.from[x.source]
	mine.Remove(x.inFrom)
	if mine.Len() == 0 {
		delete(h.from, x.source)
	}
	x.inAll, x.inFrom = nil, nil
}

func (h *halfOpen) leave(x *half) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remove(x)
}

// close ends all and refuses those to come.
func (h *halfOpen) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for e := h.all.Front(); e != nil; e = e.Next() {
		reset(e.Value.(*half).conn)
	}
}

// sourceOf is what one party has of addresses: an IPv4 address, an IPv6 network.
func sourceOf(c net.Conn) netip.Prefix {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := ap.Addr().Unmap().WithZone(""), 32
	if addr.Is6() {
		bits = 64
	}
	p, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
