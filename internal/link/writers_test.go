package link

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"backchannel/internal/wire"
)

// socketConn is a station's connection without TLS and WebSocket: what is written
// goes to its socket.
type socketConn struct {
	*socket
	closed chan struct{}
	once   sync.Once
}

func (c *socketConn) Peer() Peer                 { return Peer{Role: RoleStation} }
func (c *socketConn) ReadFrame() ([]byte, error) { <-c.closed; return nil, net.ErrClosed }
func (c *socketConn) WriteFrame(f []byte) error  { _, err := c.Write(f); return err }
func (c *socketConn) CloseWrite() error          { return nil }
func (c *socketConn) Close() error               { c.once.Do(func() { close(c.closed) }); return c.Conn.Close() }

// tcpPair is a connection on this machine with small buffers.
func tcpPair(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	ours, theirs = s.(*net.TCPConn), c.(*net.TCPConn)
	for _, set := range []func(int) error{ours.SetWriteBuffer, theirs.SetReadBuffer} {
		if err := set(4096); err != nil {
			t.Fatal(err)
		}
	}
	return ours, theirs
}

// pooled returns the sending half of a connection to c that writes in its turn.
func pooled(w *writers, c net.Conn) *peerConn {
	s := newSocket(c)
	s.turns = w
	pc := newPeerConn(&socketConn{socket: s, closed: make(chan struct{})}, Peer{Role: RoleStation}, time.Now, 1<<30, 1)
	pc.turns = w
	return pc
}

// TestSlowPeersCostThemselves: with one turn for all, peers that take nothing keep
// nobody else's frames, and get theirs whole and in order once they read.
func TestSlowPeersCostThemselves(t *testing.T) {
	var wg sync.WaitGroup
	w := &writers{limit: 1, run: wg.Go}
	const frames, size = 8, 8 << 10
	var slow []*net.TCPConn
	for range 3 {
		ours, theirs := tcpPair(t)
		pc := pooled(w, ours)
		defer pc.abort()
		for i := range frames {
			pc.queue(time.Time{}, bytes.Repeat([]byte{byte(i + 1)}, size))
		}
		slow = append(slow, theirs)
	}
	for range 3 {
		ours, theirs := tcpPair(t)
		pc := pooled(w, ours)
		defer pc.abort()
		for i := range 10 {
			pc.queue(time.Time{}, []byte{byte(i)})
			b := make([]byte, 1)
			if _, err := io.ReadFull(theirs, b); err != nil || b[0] != byte(i) {
				t.Fatalf("beside peers that take nothing: %v, %v", b, err)
			}
		}
	}
	var readers sync.WaitGroup
	for _, c := range slow {
		readers.Go(func() {
			b := make([]byte, size)
			for i := range frames {
				if _, err := io.ReadFull(c, b); err != nil || !bytes.Equal(b, bytes.Repeat([]byte{byte(i + 1)}, size)) {
					t.Errorf("frame %d of a slow peer: %v", i, err)
					return
				}
			}
		})
	}
	readers.Wait()
	wg.Wait()
	if w.active != 0 {
		t.Errorf("%d turns are taken and nobody writes", w.active)
	}
}

// TestTurnsKeepTimes: timed frames leave at their time without a goroutine that
// waits for it, before what else waits.
func TestTurnsKeepTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		w := &writers{limit: 1, run: wg.Go}
		ours, theirs := net.Pipe()
		defer theirs.Close()
		pc := pooled(w, ours)
		defer pc.abort()
		start := time.Now()
		after := []time.Duration{time.Millisecond, 3 * time.Second, 3*time.Second + time.Millisecond}
		for i, d := range after {
			pc.queue(start.Add(d), []byte{byte(i)})
		}
		pc.queue(time.Time{}, []byte{9})
		for _, want := range []struct {
			frame byte
			at    time.Duration
		}{{9, 0}, {0, after[0]}, {1, after[1]}, {2, after[2]}} {
			b := make([]byte, 1)
			if _, err := io.ReadFull(theirs, b); err != nil || b[0] != want.frame {
				t.Fatalf("frame %d, %v; want %d", b[0], err, want.frame)
			}
			if d := time.Since(start); d != want.at {
				t.Errorf("frame %d left after %v, want %v", want.frame, d, want.at)
			}
		}
		wg.Wait()
	})
}

// TestTurnsEnd: a connection that is drained sends what waits, one that is aborted
// nothing more, and neither leaves a goroutine or a turn behind.
func TestTurnsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		w := &writers{limit: 1, run: wg.Go}
		for _, abort := range []bool{false, true} {
			ours, theirs := net.Pipe()
			pc := pooled(w, ours)
			pc.queue(time.Time{}, []byte{1})
			pc.queue(time.Time{}, []byte{2})
			pc.queue(time.Now().Add(time.Hour), []byte{3})
			synctest.Wait() // the first is being written
			if abort {
				pc.abort()
			} else {
				pc.drain(time.Now().Add(time.Minute))
				time.AfterFunc(2*time.Minute, func() { theirs.Close() })
			}
			got, _ := io.ReadAll(theirs) // however it ends
			if want := map[bool]string{false: "\x01\x02", true: ""}[abort]; string(got) != want {
				t.Errorf("abort %v: %q came, want %q", abort, got, want)
			}
			wg.Wait()
			pc.abort()
		}
		if w.active != 0 || w.next != len(w.ready) {
			t.Errorf("%d turns are taken, %d wait", w.active, len(w.ready)-w.next)
		}
	})
}

// TestFramesHaveADeadlineOnlyWithin: a peer that is waited for between frames has
// all the time, one that is waited for within a frame frameTime.
func TestFramesHaveADeadlineOnlyWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		s := newSocket(ours)
		start := time.Now()
		time.AfterFunc(10*frameTime, func() { _, _ = theirs.Write([]byte{1, 2}) }) // the test reads them
		b := make([]byte, 1)
		if _, err := s.Read(b); err != nil || time.Since(start) != 10*frameTime {
			t.Fatalf("between frames: %v after %v", err, time.Since(start))
		}
		s.begin()
		if _, err := s.Read(b); err != nil {
			t.Fatal(err)
		}
		if err := s.end(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(2*frameTime, func() { _, _ = theirs.Write([]byte{3}) })
		if _, err := s.Read(b); err != nil {
			t.Fatalf("after a frame: %v", err)
		}
		s.begin()
		start = time.Now()
		if _, err := s.Read(b); err == nil || time.Since(start) != frameTime {
			t.Errorf("within a frame: %v after %v, want an end after %v", err, time.Since(start), frameTime)
		}
	})
}

// TestSocketSetsDeadlinesWhenItWaits is the same on a socket of the system, where
// bytes that are there already cost no deadline.
func TestSocketSetsDeadlinesWhenItWaits(t *testing.T) {
	ours, theirs := tcpPair(t)
	s := newSocket(ours)
	if s.sys == nil {
		t.Skip("this system's sockets are reached through the library alone")
	}
	read := func(want byte) {
		t.Helper()
		b := make([]byte, 1)
		if n, err := s.Read(b); n != 1 || err != nil || b[0] != want {
			t.Fatalf("read %d, %v, %v; want %d", n, b, err, want)
		}
	}
	if _, err := theirs.Write([]byte{1, 2}); err != nil {
		t.Fatal(err)
	}
	read(1)
	s.begin()
	read(2) // it came with the first
	if s.limited {
		t.Error("a deadline for what was there")
	}
	there := true
	s.in = transfer{p: make([]byte, 1)}
	if err := s.sys.Read(func(fd uintptr) bool { there = s.readNow(fd); return true }); err != nil || there {
		t.Fatalf("read what was not written: %v", err)
	}
	if !s.limited {
		t.Error("no deadline for what is waited for")
	}
	if err := s.end(); err != nil || s.limited {
		t.Errorf("the deadline stays: %v", err)
	}
	theirs.Close()
	if n, err := s.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the end: %d, %v", n, err)
	}
	ours.Close()
	if _, err := s.Read(make([]byte, 1)); reason(err) != "closed" {
		t.Errorf("reading what is closed: %v", err)
	}
	if _, err := s.Write([]byte{1}); reason(err) != "closed" {
		t.Errorf("writing to what is closed: %v", err)
	}
}

// TestKeptFrames: what is kept for stations is given out where it fits, never more
// than they pay for, and what fits nowhere does not stay in the way.
func TestKeptFrames(t *testing.T) {
	b := newBuffers(0)
	b.put(make([]byte, 100))
	if b.fitting(100) != nil {
		t.Error("kept without room")
	}
	b.admit(250)
	for range 3 {
		b.put(make([]byte, 100))
	}
	if b.bytes != 200 {
		t.Errorf("%d bytes are kept, want 200", b.bytes)
	}
	if f := b.fitting(81); len(f) != 81 || b.bytes != 100 {
		t.Errorf("%d bytes, %d are kept", len(f), b.bytes)
	}
	if b.fitting(79) != nil || b.bytes != 0 {
		t.Error("too great a one was given out or stayed")
	}
	b.put(make([]byte, 100))
	if b.fitting(101) != nil || b.bytes != 0 {
		t.Error("too small a one was given out or stayed")
	}
	c := &wsConn{last: 199, spare: b}
	mine := c.room()
	b.put(mine[:199])
	if got := c.room(); &got[0] != &mine[0] || len(got) != 200 {
		t.Error("a frame's memory does not come back for the next")
	}
	b.put(make([]byte, 100))
	b.put(make([]byte, 100))
	b.admit(-150)
	if b.bytes != 100 {
		t.Errorf("%d bytes are kept, want 100", b.bytes)
	}
}

// TestReusedFrames: memory is used again for what goes to one peer and is forgotten
// there: cells, and nothing else.
func TestReusedFrames(t *testing.T) {
	for typ := range 256 {
		want := typ == int(wire.TypeForward) || typ == int(wire.TypeBackward) || typ == int(wire.TypeAnswers)
		if reused([]byte{byte(typ)}) != want {
			t.Errorf("type %#x: %v", typ, !want)
		}
	}
}
