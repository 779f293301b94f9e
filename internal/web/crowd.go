package web

import (
	"container/list"
	"context"
	"net"
	"net/netip"
	"sync"
)

// Bounds say how many connections a listener for browsers holds at once. Whoever
// has not shown yet that it belongs here is a stranger; a request of a paired
// device, or of a session, makes its connection that guest's.
type Bounds struct {
	Strangers int // all of them
	Address   int // strangers from one address, or one /64 of IPv6; 0: as many as Strangers
	Guest     int // connections of one guest
}

// The bounds of the two listeners. A browser opens six connections to one host, or
// one that carries all; several of them look at one station.
var (
	LocalBounds  = Bounds{Strangers: 64, Guest: 128} // all sessions on this machine are one guest
	RemoteBounds = Bounds{Strangers: 32, Address: 16, Guest: 12}
)

// A Crowd is a listener that holds no more connections than its bounds: where there
// are too many, the oldest gives way to the newest. So whoever opens connections
// and leaves them open displaces what it opened itself, a guest that comes meanwhile
// has the time of all strangers to say who it is, and no guest is displaced by a
// stranger. What the station needs beside it, files and the socket of the commands,
// is never used up. It keeps addresses in memory only, and as long as connections.
type Crowd struct {
	net.Listener
	bounds Bounds

	mu     sync.Mutex
	held   *list.List            // strangers, oldest first; values are *crowded
	places map[netip.Prefix]int  // strangers by where they come from
	guests map[string]*list.List // by guest, oldest first
}

// NewCrowd bounds a listener. TLS belongs on top of it.
func NewCrowd(ln net.Listener, b Bounds) *Crowd {
	if b.Address == 0 {
		b.Address = b.Strangers
	}
	return &Crowd{Listener: ln, bounds: b, held: list.New(), places: map[netip.Prefix]int{}, guests: map[string]*list.List{}}
}

// crowded is a connection of a crowd.
type crowded struct {
	net.Conn
	of    *Crowd
	place netip.Prefix
	owner string // of the program at the other end, if it is on this machine and known

	// Under of.mu:
	in    *list.List // where it is held, nil once it is not
	at    *list.Element
	guest string
}

// Accept returns the next connection, for which an older one may be closed.
func (c *Crowd) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	x := &crowded{Conn: conn, of: c, place: placeOf(conn.RemoteAddr()), owner: ownerOf(conn)}
	if old := c.admit(x); old != nil {
		_ = old.Close() // its reader notices
	}
	return x, nil
}

// placeOf is an address, or the part of one that names a network of IPv6, within
// which anybody has as many addresses as he likes.
func placeOf(a net.Addr) netip.Prefix {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := t.AddrPort().Addr().Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// admit holds a stranger and returns the one that gives way to it, if one must.
func (c *Crowd) admit(x *crowded) (old *crowded) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.places[x.place] >= c.bounds.Address:
		for e := c.held.Front(); e != nil; e = e.Next() {
			if o := e.Value.(*crowded); o.place == x.place {
				old = o
				break
			}
		}
	case c.held.Len() >= c.bounds.Strangers:
		old = c.held.Front().Value.(*crowded)
	}
	if old != nil {
		c.drop(old)
	}
	x.in, x.at = c.held, c.held.PushBack(x)
	c.places[x.place]++
	return old
}

// drop forgets a connection.
func (c *Crowd) drop(x *crowded) {
	if x.in == nil {
		return
	}
	x.in.Remove(x.at)
	switch {
	case x.in == c.held:
		if c.places[x.place]--; c.places[x.place] == 0 {
			delete(c.places, x.place)
		}
	case x.in.Len() == 0:
		delete(c.guests, x.guest)
	}
	x.in, x.at = nil, nil
}

// invite makes a connection a guest's.
func (c *Crowd) invite(x *crowded, guest string) (old *crowded) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x.in == nil || x.guest == guest {
		return nil // it is being closed, or known
	}
	c.drop(x)
	all := c.guests[guest]
	if all == nil {
		all = list.New()
		c.guests[guest] = all
	}
	if all.Len() >= c.bounds.Guest {
		old = all.Front().Value.(*crowded)
		all.Remove(old.at)
		old.in, old.at = nil, nil
	}
	x.guest, x.in, x.at = guest, all, all.PushBack(x)
	return old
}

// Held is how many connections there are, of strangers and of guests.
func (c *Crowd) Held() (strangers, guests int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.guests {
		guests += g.Len()
	}
	return c.held.Len(), guests
}

// Close closes a connection and makes room.
func (x *crowded) Close() error {
	x.of.mu.Lock()
	x.of.drop(x)
	x.of.mu.Unlock()
	return x.Conn.Close()
}

type crowdKey struct{}

// Context is the ConnContext of a server on this listener: handlers find the
// connection by it.
func (c *Crowd) Context(ctx context.Context, conn net.Conn) context.Context {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok { // of TLS
		conn = secure.NetConn()
	}
	if x, ok := conn.(*crowded); ok {
		return context.WithValue(ctx, crowdKey{}, x)
	}
	return ctx
}

// recognise makes the connection of a request that of a guest.
func recognise(ctx context.Context, guest string) {
	x, ok := ctx.Value(crowdKey{}).(*crowded)
	if !ok {
		return // no crowd: a test, or the station's own socket
	}
	if old := x.of.invite(x, guest); old != nil {
		_ = old.Close()
	}
}

// ownerFor names the user of this machine whose program sends a request, "" if it
// comes from elsewhere or that is not known.
func ownerFor(ctx context.Context) string {
	if x, ok := ctx.Value(crowdKey{}).(*crowded); ok {
		return x.owner
	}
	return ""
}
