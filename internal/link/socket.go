package link

import (
	"io"
	"net"
	"syscall"
	"time"
)

// socket lies below the TLS of a station's connection at the entry, from when the
// station is proved. An entry has tens of thousands of them and each wakes once
// per round, so what is done for every frame is kept to the one call that moves
// its bytes: a deadline is set only where that call would have to wait within a
// frame, and who writes says so before it waits (writers.go).
type socket struct {
	net.Conn
	sys syscall.RawConn // nil: every read and write may wait

	// Of the reading goroutine.
	within  bool // a frame has begun
	limited bool // its deadline is set
	in      transfer
	reading func(fd uintptr) bool

	// Of the goroutine that writes.
	turns   turns // nil: nobody else is kept from writing
	out     transfer
	writing func(fd uintptr) bool
}

// transfer is one call on its way.
type transfer struct {
	p   []byte
	n   int
	err error
}

// turns is told when a writer begins and ends to wait for its peer.
type turns interface {
	waits()
	goesOn()
}

func newSocket(c net.Conn) *socket {
	s := &socket{Conn: c, sys: direct(c)}
	s.reading, s.writing = s.readNow, s.writeNow
	return s
}

// begin says that a frame has begun: from now on its peer has frameTime, counted
// from when it is first waited for.
func (s *socket) begin() { s.within = true }

// end says that the frame is whole.
func (s *socket) end() error {
	s.within = false
	if !s.limited {
		return nil
	}
	s.limited = false
	return s.SetReadDeadline(time.Time{})
}

// limit sets the deadline of a frame that is waited for.
func (s *socket) limit() error {
	if !s.within || s.limited {
		return nil
	}
	s.limited = true
	return s.SetReadDeadline(time.Now().Add(frameTime))
}

// Read implements net.Conn.
func (s *socket) Read(p []byte) (int, error) {
	if s.sys == nil {
		if err := s.limit(); err != nil {
			return 0, err
		}
		return s.Conn.Read(p)
	}
	s.in = transfer{p: p}
	err := s.sys.Read(s.reading)
	n := s.in.n
	if err == nil {
		err = s.in.err
	}
	s.in = transfer{}
	if n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

// readNow is one try; false waits for the next.
func (s *socket) readNow(fd uintptr) bool {
	n, again, err := readNow(fd, s.in.p)
	if again {
		if err = s.limit(); err == nil {
			return false
		}
	}
	s.in.n, s.in.err = n, err
	return true
}

// Write implements net.Conn. What the socket takes at once costs one call; for
// the rest the peer has writeTime.
func (s *socket) Write(p []byte) (int, error) {
	n := 0
	if s.sys != nil {
		s.out = transfer{p: p}
		err := s.sys.Write(s.writing)
		n = s.out.n
		if err == nil {
			err = s.out.err
		}
		s.out = transfer{}
		if err != nil || n == len(p) {
			return n, err
		}
	}
	if s.turns != nil {
		s.turns.waits()
		defer s.turns.goesOn()
	}
	if err := s.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return n, err
	}
	k, err := s.Conn.Write(p[n:])
	if err != nil {
		return n + k, err
	}
	return n + k, s.SetWriteDeadline(time.Time{}) // or the next try would fail when this has passed
}

// writeNow is one try and the last.
func (s *socket) writeNow(fd uintptr) bool {
	s.out.n, _, s.out.err = writeNow(fd, s.out.p)
	return true
}
