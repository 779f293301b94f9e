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
// may go on side by side, each from one goroutine; Close may be called from
// anywhere and does not block.
type Conn interface {
	// Peer is who the other end proved to be; its Conn field is zero.
	Peer() Peer
	// ReadFrame returns the next frame in a slice of its own. Nothing is returned
	// after an error.
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

// errFrame is the one error for a frame of a size or type that is not allowed.
var errFrame = errors.New("a frame of a size that is not allowed")

// errAltered is the one error for cells that are not what the other end sent, or
// not where it sent them.
var errAltered = errors.New("what arrived is not what the other end sent: something on the way alters it")

// reason says in a word why a connection is not there. What the operating system
// and TLS say contains addresses, which no log may have.
func reason(err error) string {
	var timeout net.Error
	var dns *net.DNSError
	switch {
	case errors.Is(err, errPin):
		return "wrong key: the other end is not the one in the network file"
	case errors.Is(err, errFrame):
		return errFrame.Error()
	case errors.Is(err, errAltered):
		return errAltered.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused: nothing listens there"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "no file descriptor is left: raise the limit"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.As(err, &dns):
		return "the name cannot be found"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return "closed"
	default:
		return "other"
	}
}

// dialError is why a dial failed, in words without an address.
type dialError struct {
	doing string
	err   error
}

// Error implements error.
func (e *dialError) Error() string { return e.doing + ": " + reason(e.err) }

// Unwrap gives programs the whole cause.
func (e *dialError) Unwrap() error { return e.err }
