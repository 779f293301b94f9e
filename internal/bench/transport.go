package bench

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"backchannel/internal/wire"
)

// Conn is one end of a connection that carries frames, as link.Conn does.
type Conn interface {
	// ReadFrame returns the next frame, which is valid until the next call.
	ReadFrame() ([]byte, error)
	// WriteFrame sends a frame and does not keep it.
	WriteFrame(frame []byte) error
	// Close ends both directions at once.
	Close() error
}

// plainConn carries frames as length(4) ‖ frame without any protection: what
// sockets cost when nothing is encrypted. It reads into one buffer over and over.
type plainConn struct {
	c    net.Conn
	head [4]byte
	in   []byte
}

// ReadFrame implements Conn.
func (p *plainConn) ReadFrame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(p.c, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n > wire.ChunkHeaderSize+wire.ChunkSize {
		return nil, errors.New("reading a frame: it is too long")
	}
	if cap(p.in) < n {
		p.in = make([]byte, n)
	}
	p.in = p.in[:n]
	_, err := io.ReadFull(p.c, p.in)
	return p.in, err
}

// WriteFrame implements Conn: length and frame leave with one system call.
func (p *plainConn) WriteFrame(frame []byte) error {
	binary.BigEndian.PutUint32(p.head[:], uint32(len(frame)))
	b := net.Buffers{p.head[:], frame}
	_, err := b.WriteTo(p.c)
	return err
}

// Close implements Conn.
func (p *plainConn) Close() error { return p.c.Close() }

// plainPair connects two ends on this machine: network is "unix" or "tcp".
func plainPair(network string) (dialled, accepted Conn, err error) {
	address := "127.0.0.1:0"
	if network == "unix" {
		dir, tempErr := os.MkdirTemp("", "backchannel-bench-")
		if tempErr != nil {
			return nil, nil, tempErr
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		address = filepath.Join(dir, "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	type end struct {
		c   net.Conn
		err error
	}
	came := make(chan end, 1)
	go func() {
		c, err := l.Accept()
		came <- end{c, err}
	}()
	d, err := net.Dial(network, l.Addr().String())
	if err != nil {
		return nil, nil, errors.Join(err, l.Close(), (<-came).err)
	}
	a := <-came
	if a.err != nil {
		return nil, nil, errors.Join(a.err, d.Close())
	}
	return &plainConn{c: d}, &plainConn{c: a.c}, nil
}

// unixSockets tells whether this system has sockets in the file system.
func unixSockets() bool { return runtime.GOOS != "windows" }
