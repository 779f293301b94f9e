package link

import (
	"context"
	"errors"
	"time"
)

// Conn is one authenticated connection that carries frames. Reading and writing
// may go on side by side, each from one goroutine.
type Conn interface {
	// Peer is who the other end proved to be; its Conn field is zero.
	Peer() Peer
	// ReadFrame returns the next frame in a slice of its own.
	ReadFrame() ([]byte, error)
	// WriteFrame writes a frame; it may stay in a buffer until Flush.
	WriteFrame(frame []byte) error
	// Flush sends what is buffered.
	Flush() error
	// Close ends both directions at once.
	Close() error
}

// Listener hands out connections that are authenticated already.
type Listener interface {
	// Accept returns the next connection; net.ErrClosed after Close.
	Accept() (Conn, error)
	// Close stops listening and ends every handshake under way.
	Close() error
}

// Dialer connects to a target.
type Dialer func(ctx context.Context, t Target) (Conn, error)

// Deadlines of a connection. They are generous, for a slow peer costs only
// itself, and fixed, for they must not depend on anything.
const (
	handshakeTime = 10 * time.Second // from accepting to being authenticated
	frameTime     = 60 * time.Second // from a frame's first byte to its last
	writeTime     = 60 * time.Second // for one write to be taken
	keepAlive     = 15 * time.Second // TCP keep-alive probes
)

// errFrame is the one error for a frame of a size that is not allowed.
var errFrame = errors.New("a frame of a size that is not allowed")
