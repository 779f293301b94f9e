package link

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// inTLS is a frame as it travels in TLS, after so many records of cells.
func inTLS(length uint32, cells uint64, frame ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, length)
	return append(binary.BigEndian.AppendUint64(b, cells), frame...)
}

// FuzzReadFrame: what is read is written as the same bytes; nothing else is
// taken, and nothing after the frame is touched.
func FuzzReadFrame(f *testing.F) {
	f.Add(inTLS(1, 3, 7))
	f.Add(inTLS(1, 2, 7))
	f.Add(inTLS(0, 3))
	f.Add(inTLS(2, 3, 7))
	f.Add(inTLS(1, 3, byte(wire.TypeForward)))
	f.Add(inTLS(MaxFrame+1, 3))
	f.Add(inTLS(0xffffffff, 3, 1))
	f.Add(append(inTLS(1, 3, 7), inTLS(1, 3, 8)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		frame, err := readFrame(r, 3)
		if err != nil {
			if frame != nil {
				t.Fatal("an error and a frame")
			}
			return
		}
		again := inTLS(uint32(len(frame)), 3, frame...)
		if !bytes.HasPrefix(b, again) || r.Len() != len(b)-len(again) {
			t.Fatalf("read %x of %x", frame, b)
		}
	})
}

func TestFrameSizes(t *testing.T) {
	for _, c := range []struct {
		in   []byte
		want error
	}{
		{nil, io.ErrUnexpectedEOF}, // the end has a mark of its own
		{inTLS(0, 3)[:11], io.ErrUnexpectedEOF},
		{inTLS(0, 3), io.EOF},
		{inTLS(0, 2), errAltered},
		{inTLS(3, 3, 1, 2), io.ErrUnexpectedEOF},
		{inTLS(3, 4, 1, 2, 3), errAltered},
		{inTLS(1, 3, byte(wire.TypeForward)), errFrame},
		{inTLS(1, 3, byte(wire.TypeBackward)), errFrame},
		{inTLS(MaxFrame+1, 3), errFrame},
		{inTLS(0x80000001, 3, 9), errFrame},
	} {
		if _, err := readFrame(bytes.NewReader(c.in), 3); !errors.Is(err, c.want) {
			t.Errorf("%x: %v, want %v", c.in, err, c.want)
		}
	}
}

// pipes is a listener of in-memory connections, which a bubble's clock rules.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) dial() net.Conn {
	a, b := net.Pipe()
	p.conns <- b
	return a
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func pin(k ed25519.PrivateKey) PinnedKey { return PinnedKey(k.Public().(ed25519.PublicKey)) }

// TestHandshakeDeadline: a connection that says nothing, or too little, ends after
// its time, at both kinds of port.
func TestHandshakeDeadline(t *testing.T) {
	for _, kind := range []string{"servers", "stations"} {
		for _, says := range []string{"", "\x16\x03\x01\x02\x00\x01"} {
			t.Run(fmt.Sprintf("%s %q", kind, says), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					p := newPipes()
					var ln Listener
					var err error
					if kind == "servers" {
						ln, err = serveTLS(p, suite.TLSKey([32]byte{1}), nil, 8)
					} else {
						ln, err = serveStations(p, suite.TLSKey([32]byte{1}), wire.Hash{}, 100, 8, nil)
					}
					if err != nil {
						t.Fatal(err)
					}
					defer ln.Close()
					c, began := p.dial(), time.Now()
					if _, err := io.WriteString(c, says); err != nil {
						t.Fatal(err)
					}
					if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
						t.Errorf("heard %d bytes, %v", n, err)
					}
					if d := time.Since(began); d != handshakeTime {
						t.Errorf("ended after %v", d)
					}
				})
			})
		}
	}
}

// TestStationDeadlineCoversTheProof: TLS and the upgrade do not reset the time.
func TestStationDeadlineCoversTheProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, key := newPipes(), suite.TLSKey([32]byte{1})
		ln, err := serveStations(p, key, wire.Hash{}, 100, 8, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		began := time.Now()
		c := tls.Client(p.dial(), &tls.Config{InsecureSkipVerify: true})
		time.Sleep(4 * time.Second)
		if err := c.Handshake(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		if _, err := io.WriteString(c, "GET /v1/station HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if d := time.Since(began); d != handshakeTime {
			t.Errorf("ended after %v", d)
		}
		// The upgrade, then the challenge: 2 bytes of WebSocket and 40.
		end := bytes.Index(got, []byte("\r\n\r\n")) + 4
		if !bytes.HasPrefix(got, []byte("HTTP/1.1 101 ")) || len(got)-end != 2+wire.ChallengeSize {
			t.Errorf("heard %q, %v", got, err)
		}
	})
}

// pipedServers connects one server of a network to another within a bubble.
func pipedServers(t *testing.T) (client *tls.Conn, server Conn, stop func()) {
	t.Helper()
	p, key := newPipes(), suite.TLSKey([32]byte{1})
	ln, err := serveTLS(p, key, map[PinnedKey]Peer{pin(key): {Role: RoleEntry}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := tlsConfig(key, Protocol)
	if err != nil {
		t.Fatal(err)
	}
	client = tls.Client(p.dial(), cfg)
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server, func() { client.NetConn().Close(); server.Close(); ln.Close() }
}

// TestFrameDeadline: no time runs before a frame begins, and a bounded one after.
func TestFrameDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, stop := pipedServers(t)
		defer stop()
		type read struct {
			frame []byte
			err   error
		}
		reads := make(chan read)
		go func() {
			for range 2 {
				f, err := server.ReadFrame()
				reads <- read{f, err}
			}
		}()
		time.Sleep(24 * time.Hour)
		if _, err := client.Write(inTLS(2, 0, 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(frameTime - time.Second)
		if _, err := client.Write([]byte{2}); err != nil {
			t.Fatal(err)
		}
		if r := <-reads; r.err != nil || string(r.frame) != "\x01\x02" {
			t.Fatalf("a slow frame: %v, %v", r.frame, r.err)
		}
		time.Sleep(24 * time.Hour)
		if _, err := client.Write([]byte{0}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if r := <-reads; !errors.Is(r.err, os.ErrDeadlineExceeded) || time.Since(began) != frameTime {
			t.Errorf("a frame that does not end: %v after %v", r.err, time.Since(began))
		}
	})
}

// TestWriteDeadline: a peer that takes nothing ends its own connection.
func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server, stop := pipedServers(t)
		defer stop()
		began := time.Now()
		if err := server.WriteFrame([]byte("nobody reads")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != writeTime {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		for _, size := range []int{0, MaxFrame + 1} {
			if err := server.WriteFrame(make([]byte, size)); err != errFrame {
				t.Errorf("a frame of %d bytes: %v", size, err)
			}
		}
	})
}

// remote is a connection from an address.
type remote struct {
	net.Conn
	from   string
	closed bool
}

func (r *remote) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", r.from)
	if err != nil {
		panic(err)
	}
	return a
}
func (r *remote) Close() error { r.closed = true; return nil }

// TestHalfOpenBounds: the oldest goes, first of the same source.
func TestHalfOpenBounds(t *testing.T) {
	h := newHalfOpen(20) // five for each source
	enter := func(from string, i int) (*remote, *half) {
		r := &remote{from: fmt.Sprintf("%s:%d", from, 1000+i)}
		return r, h.enter(r)
	}
	victim, _ := enter("192.0.2.1", 0)
	var flood []*remote
	for i := range 100 {
		r, _ := enter("192.0.2.2", i)
		flood = append(flood, r)
	}
	if victim.closed {
		t.Error("a flood from one source ended another's connection")
	}
	for i, r := range flood {
		if r.closed != (i < 95) {
			t.Errorf("connection %d of the flood: closed is %v", i, r.closed)
		}
	}
	// One IPv6 network is one source.
	for i := range 100 {
		enter(fmt.Sprintf("[2001:db8::%x]", i+1), i)
	}
	if victim.closed || h.all.Len() != 11 {
		t.Errorf("%d are there, the victim's end is %v", h.all.Len(), victim.closed)
	}
	// Many sources: the oldest of all goes.
	for i := range 9 {
		enter(fmt.Sprintf("198.51.100.%d", i), i)
	}
	if victim.closed {
		t.Error("ended before there were too many")
	}
	_, last := enter("203.0.113.1", 0)
	if !victim.closed || h.all.Len() != 20 {
		t.Errorf("%d are there, the victim's end is %v", h.all.Len(), victim.closed)
	}
	h.leave(last)
	h.leave(last) // an evicted one leaves a second time, too
	if h.all.Len() != 19 || len(h.from) != 11 {
		t.Errorf("%d of %d sources are there", h.all.Len(), len(h.from))
	}
	h.close()
	if late, x := enter("203.0.113.2", 0); x != nil || !late.closed {
		t.Error("let in after the end")
	}
}

// TestWakesAreOncePerTime checks the list behind WakeAt.
func TestWakesAreOncePerTime(t *testing.T) {
	var w wakes
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	for _, s := range []int64{5, 1, 3, 5, 1, 9} {
		w.add(at(s))
	}
	if len(w) != 4 || w.due(at(0)) || !w.due(at(3)) || len(w) != 2 || w.due(at(4)) || !w.due(at(100)) || len(w) != 0 {
		t.Errorf("left with %v", w)
	}
}

// TestDialGivesUp: a server that accepts and says nothing costs a dialler its time
// and no more, address by address.
func TestDialGivesUp(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for range 2 {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			if _, err := c.Read(make([]byte, 1)); err != nil { // both diallers are at it
				t.Error(err)
			}
		}
		cancel()
		_, _ = ln.Accept() // until the end
	}()
	errs := make(chan error, 2)
	go func() {
		_, err := DialTLS(ctx, ln.Addr().String(), suite.TLSKey([32]byte{1}), PinnedKey{}, RoleEntry, Peer{})
		errs <- err
	}()
	go func() {
		_, err := StationDialer{Addresses: []string{ln.Addr().String()}}.Dial(ctx)
		errs <- err
	}()
	for range 2 {
		if err := <-errs; err == nil {
			t.Error("connected to silence")
		}
	}
}

// TestReadMessage: whatever the last message had, this one is read whole and alone.
func TestReadMessage(t *testing.T) {
	for _, size := range []int{0, 1, 126, 127, 128, 129, 4117, 10_000} {
		want := bytes.Repeat([]byte{7}, size)
		for _, last := range []int{0, 1, size, size + 1, max(0, size-1), 6813} {
			for _, r := range []io.Reader{bytes.NewReader(want), iotest.OneByteReader(bytes.NewReader(want)), iotest.DataErrReader(bytes.NewReader(want))} {
				if got, err := readMessage(r, make([]byte, max(last, leastMessage)+1)); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes after %d: %d, %v", size, last, len(got), err)
				}
			}
		}
	}
	if _, err := readMessage(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(make([]byte, 9)))), make([]byte, 5)); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("an error within a message: %v", err)
	}
}

// FuzzCells: of all bytes, only the record that the other end made at this place is
// taken, in either form; nothing after it is touched and no more memory is asked
// for than a record may have.
func FuzzCells(f *testing.F) {
	key := [32]byte{1}
	frame := make([]byte, wire.ChunkHeaderSize+8)
	frame[0] = byte(wire.TypeForward)
	record := func(m mode, number uint64) []byte {
		var b bytes.Buffer
		o := cellsOut{mode: m, cipher: suite.NewLinkCipher(key), number: number, beside: 5}
		if err := o.write(&b, frame); err != nil {
			f.Fatal(err)
		}
		return b.Bytes()
	}
	for _, m := range []mode{modeOpen, modeSealed} {
		good := record(m, 3)
		f.Add(byte(m), good)
		f.Add(byte(m), append(bytes.Clone(good), 1, 2, 3))
		f.Add(byte(m), record(m, 2))
		f.Add(byte(m), good[:len(good)-1])
		f.Add(byte(m), []byte{cellsMark, 0xff, 0xff, 0xff, 0xff})
		f.Add(byte(m), []byte{cellsMark, 0, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, kind byte, in []byte) {
		m := modeOpen
		if kind%2 == 0 {
			m = modeSealed
		}
		i := cellsIn{mode: m, cipher: suite.NewLinkCipher(key), number: 3, beside: 5}
		r := bytes.NewReader(in)
		got, err := i.read(r, newBuffers(0))
		good := record(m, 3)
		if err != nil {
			if got != nil || bytes.HasPrefix(in, good) {
				t.Fatalf("%x: %v", in, err)
			}
			return
		}
		if !bytes.Equal(got, frame) || !bytes.HasPrefix(in, good) || r.Len() != len(in)-len(good) || cap(got) > maxCells+framePlus {
			t.Fatalf("read %x of %x", got, in)
		}
	})
}
