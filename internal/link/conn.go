package link

import (
	"context"
	"errors"
	"net"
	"time"
)

// Conn is one authenticated connection that carries frames. Reading and writing
// may go on side by side, each from one goroutine; Close may be called from
// anywhere and does not block.
type Conn interface {
	// Peer is who the other end proved to be; its Conn field is zero.
	Peer() Peer
	// ReadFrame returns the next frame in a slice of its own.
	ReadFrame() ([]byte, error)
	// WriteFrame sends a frame. What it puts on the wire is a function of the
	// frame's size alone.
	WriteFrame(frame []byte) error
	// CloseWrite tells the other end that no frame will follow.
	CloseWrite() error
	// Close ends both directions at once, without a word.
	Close() error
}

// Listener hands out connections that are authenticated already.
type Listener interface {
	// Accept returns the next connection; net.ErrClosed after Close.
	Accept() (Conn, error)
	// Close stops listening and ends every handshake under way.
	Close() error
}

// Dialer connects to a target. It must give up after a time of its own.
type Dialer func(ctx context.Context, t Target) (Conn, error)

// Deadlines of a connection. They are generous, for a slow peer costs only
// itself, and fixed, for they must not depend on anything.
const (
	handshakeTime = 10 * time.Second // from accepting or dialling to being authenticated
	proxyTime     = 60 * time.Second // the same through a proxy that builds circuits first
	frameTime     = 60 * time.Second // from a frame's first byte to its last
	writeTime     = 60 * time.Second // for one write to be taken
	keepAlive     = 15 * time.Second // TCP keep-alive probes
)

// errFrame is the one error for a frame of a size that is not allowed.
var errFrame = errors.New("a frame of a size that is not allowed")

// bare takes names and addresses out of a network error: logs do not tell who
// connects to what.
func bare(err error) error {
	var dns *net.DNSError
	var op *net.OpError
	var addr *net.AddrError
	switch {
	case errors.As(err, &dns):
		if dns.IsTimeout {
			return errors.New("the name server does not answer")
		}
		return errors.New("the name cannot be found")
	case errors.As(err, &addr):
		return errors.New(addr.Err)
	case errors.As(err, &op) && op.Err != nil:
		return bare(op.Err)
	}
	return err
}
