package link

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
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

// reason says in a word why a connection is not there. What the operating system
// and TLS say contains addresses, which no log may have.
func reason(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, errPin):
		return "wrong key: the other end is not the one in the network file"
	case errors.Is(err, errFrame):
		return "a frame of a size that is not allowed"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused: nothing listens there"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "no file descriptor is left: raise the limit"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return "closed"
	default:
		return "other"
	}
}
