package link_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"backchannel/internal/link"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// port is an entry's or a relay's port with an echoing node behind it.
type port struct {
	addr  string
	key   ed25519.PrivateKey
	net   wire.Hash
	peers chan link.Peer
	gone  chan link.Peer
	dial  func(ctx context.Context) (link.Conn, error) // as an honest peer
}

func echo(t *testing.T, listeners ...link.Listener) (peers, gone chan link.Peer) {
	peers, gone = make(chan link.Peer, 4096), make(chan link.Peer, 4096)
	n := &scripted{
		connected:    func(_ time.Time, p link.Peer) { peers <- p },
		disconnected: func(_ time.Time, p link.Peer) { gone <- p },
	}
	n.received = func(_ time.Time, p link.Peer, f []byte) { n.env.Send(p, f) }
	drive(t, link.NewLoop(link.LoopConfig{Node: n, Listeners: listeners}))
	return peers, gone
}

func relayPort(t *testing.T, half int) *port {
	t.Helper()
	p := &port{key: suite.TLSKey(suite.RandomKey())}
	entryKey := suite.TLSKey(suite.RandomKey())
	ln, err := link.ListenTLS("127.0.0.1:0", p.key, map[link.PinnedKey]link.Peer{pinOf(entryKey): {Role: link.RoleEntry}}, half)
	if err != nil {
		t.Fatal(err)
	}
	p.addr = ln.Addr().String()
	p.peers, p.gone = echo(t, ln)
	p.dial = func(ctx context.Context) (link.Conn, error) {
		return link.DialTLS(ctx, p.addr, entryKey, pinOf(p.key), link.RoleEntry, link.Peer{Role: link.RoleRelay})
	}
	return p
}

const stationFrame = 8 << 10

func entryPort(t *testing.T, half int) *port {
	t.Helper()
	p := &port{key: suite.TLSKey(suite.RandomKey()), net: suite.Hash(suite.LabelNetwork, []byte("test"))}
	ln, err := link.ListenStations("127.0.0.1:0", p.key, p.net, stationFrame, half, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.addr = ln.Addr().String()
	p.peers, p.gone = echo(t, ln)
	p.dial = func(ctx context.Context) (link.Conn, error) {
		return link.StationDialer{
			Addresses: []string{p.addr}, Entry: pinOf(p.key), Net: p.net, Account: suite.NewAccountKey(suite.RandomKey()),
		}.Dial(ctx)
	}
	return p
}

func ports(t *testing.T, f func(t *testing.T, p *port)) {
	t.Run("relay", func(t *testing.T) { f(t, relayPort(t, 64)) })
	t.Run("entry", func(t *testing.T) { f(t, entryPort(t, 64)) })
}

// roundTrip proves that a connection works.
func roundTrip(c link.Conn, text string) error {
	if err := c.WriteFrame([]byte(text)); err != nil {
		return err
	}
	f, err := c.ReadFrame()
	if err == nil && string(f) != text {
		err = fmt.Errorf("%q came back as %q", text, f)
	}
	return err
}

// TestFloodOfSlowConnections: two thousand connections that send nothing, a little
// or half a handshake. Peers that were there keep working, and new ones get in,
// though they come from the same address.
func TestFloodOfSlowConnections(t *testing.T) {
	ports(t, func(t *testing.T, p *port) {
		before, err := p.dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer before.Close()
		if err := roundTrip(before, "first"); err != nil { // until the other end has seen its key it is one of the flood
			t.Fatal(err)
		}
		hello := clientHello(t)
		var flood []net.Conn
		defer func() {
			for _, c := range flood {
				c.Close()
			}
		}()
		for i := range 2000 {
			c, err := net.Dial("tcp", p.addr)
			if err != nil {
				t.Fatal(err)
			}
			flood = append(flood, c)
			switch i % 4 { // what is sent after it was thrown out fails, and may
			case 1:
				_, _ = c.Write([]byte{0x16})
			case 2:
				_, _ = c.Write(hello[:len(hello)/2])
			case 3:
				_, _ = c.Write(hello)
			}
			if i%200 == 199 {
				if err := roundTrip(before, strconv.Itoa(i)); err != nil {
					t.Fatalf("after %d connections the old peer fails: %v", i, err)
				}
				if err := eventually(func() error {
					c, err := p.dial(context.Background())
					if err != nil {
						return err
					}
					defer c.Close()
					return roundTrip(c, "new")
				}); err != nil {
					t.Fatalf("after %d connections nobody gets in: %v", i, err)
				}
			}
		}
	})
}

// eventually tries a few times, as a peer does.
func eventually(f func() error) (err error) {
	for range 5 {
		if err = f(); err == nil {
			return nil
		}
	}
	return err
}

// clientHello is what a client sends first.
func clientHello(t *testing.T) []byte {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	done := make(chan []byte)
	go func() {
		buf := make([]byte, 8<<10)
		n, _ := b.Read(buf)
		b.Close()
		done <- buf[:n]
	}()
	_ = tls.Client(a, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}).Handshake() // nobody answers
	return <-done
}

// TestStampede: honest stations that all come at once all get in.
func TestStampede(t *testing.T) {
	p := entryPort(t, 512)
	var wg sync.WaitGroup
	var failed atomic.Int32
	for range 100 {
		wg.Go(func() {
			c, err := p.dial(context.Background())
			if err != nil {
				failed.Add(1)
				return
			}
			defer c.Close()
			if err := roundTrip(c, "hello"); err != nil {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := failed.Load(); n != 0 {
		t.Errorf("%d of 100 stations did not get in", n)
	}
}

// TestRandomBytes throws noise at the ports, at the beginning and behind a
// handshake that is right.
func TestRandomBytes(t *testing.T) {
	ports(t, func(t *testing.T, p *port) {
		const seed = 3
		rng := rand.New(rand.NewPCG(seed, 0))
		noise := func() []byte {
			b := make([]byte, rng.IntN(3000))
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			return b
		}
		for range 100 {
			c, err := net.Dial("tcp", p.addr)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = c.Write(noise()) // may be refused in the middle
			c.Close()
			if t, err := tls.Dial("tcp", p.addr, &tls.Config{InsecureSkipVerify: true}); err == nil {
				_, _ = t.Write(noise())
				t.Close()
			}
		}
		c, err := p.dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := roundTrip(c, "still there"); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	})
}

// TestBadFramesEndTheirConnection: a pinned server that breaks the framing.
func TestBadFramesEndTheirConnection(t *testing.T) {
	relayKey, entryKey := suite.TLSKey(suite.RandomKey()), suite.TLSKey(suite.RandomKey())
	ln, err := link.ListenTLS("127.0.0.1:0", relayKey, map[link.PinnedKey]link.Peer{pinOf(entryKey): {Role: link.RoleEntry}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	peers, gone := echo(t, ln)
	for what, bytes := range map[string][]byte{
		"nothing":      nil,
		"half a head":  {0, 0},
		"an end":       {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
		"truncated":    {0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3},
		"oversize":     append(binary.BigEndian.AppendUint32(nil, link.MaxFrame+1), 0, 0, 0, 0, 0, 0, 0, 0),
		"negative":     {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0},
		"cells in TLS": {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, byte(wire.TypeForward)},
		"wrong count":  {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 7},
	} {
		c, err := tls.Dial("tcp", ln.Addr().String(), good(t, entryKey))
		if err != nil {
			t.Fatal(err)
		}
		p := waitFor(t, peers, "the connection")
		if _, err := c.Write(bytes); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got := waitFor(t, gone, "the end after "+what); got != p {
			t.Errorf("%s ended %v, not %v", what, got, p)
		}
		c.Close()
	}
}

// TestBadStationsEndTheirConnection breaks the proof and the messages.
func TestBadStationsEndTheirConnection(t *testing.T) {
	p := entryPort(t, 64)
	ctx := context.Background()
	account := suite.NewAccountKey(suite.RandomKey())
	proof := func(challenge []byte) []byte {
		pub, sig := account.Public(), account.Sign(suite.LabelAccount, p.net[:], challenge)
		return append(pub[:], sig[:]...)
	}
	open := func() (*websocket.Conn, []byte) {
		ws, _, err := websocket.Dial(ctx, "wss://"+p.addr+link.StationPath, &websocket.DialOptions{HTTPClient: &http.Client{
			Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		}})
		if err != nil {
			t.Fatal(err)
		}
		kind, challenge, err := ws.Read(ctx)
		if err != nil || kind != websocket.MessageBinary || len(challenge) != wire.ChallengeSize {
			t.Fatalf("the challenge: %v, %x, %v", kind, challenge, err)
		}
		return ws, challenge
	}
	other := make([]byte, wire.ChallengeSize)
	for what, f := range map[string]func(ws *websocket.Conn, challenge []byte){
		"a text":    func(ws *websocket.Conn, c []byte) { _ = ws.Write(ctx, websocket.MessageText, proof(c)) },
		"too short": func(ws *websocket.Conn, c []byte) { _ = ws.Write(ctx, websocket.MessageBinary, proof(c)[:95]) },
		"too long":  func(ws *websocket.Conn, c []byte) { _ = ws.Write(ctx, websocket.MessageBinary, append(proof(c), 0)) },
		"empty":     func(ws *websocket.Conn, c []byte) { _ = ws.Write(ctx, websocket.MessageBinary, nil) },
		"replayed":  func(ws *websocket.Conn, c []byte) { _ = ws.Write(ctx, websocket.MessageBinary, proof(other)) },
		"a ping": func(ws *websocket.Conn, c []byte) {
			go func() { _ = ws.Ping(ctx) }() // nobody answers
			_ = ws.Write(ctx, websocket.MessageBinary, make([]byte, 96))
		},
		"a goodbye": func(ws *websocket.Conn, c []byte) { go ws.Close(websocket.StatusNormalClosure, "") },
		"other keys": func(ws *websocket.Conn, c []byte) {
			b := proof(c)
			b[0] ^= 1
			_ = ws.Write(ctx, websocket.MessageBinary, b)
		},
	} {
		ws, challenge := open()
		f(ws, challenge)
		_, _, err := ws.Read(ctx)
		if err == nil || websocket.CloseStatus(err) != -1 {
			t.Errorf("%s: told %v", what, err)
		}
		ws.CloseNow()
	}
	select {
	case got := <-p.peers:
		t.Fatalf("%v was let in", got)
	default:
	}
	for what, f := range map[string]func(ws *websocket.Conn){
		"a text":    func(ws *websocket.Conn) { _ = ws.Write(ctx, websocket.MessageText, []byte("hello")) },
		"empty":     func(ws *websocket.Conn) { _ = ws.Write(ctx, websocket.MessageBinary, nil) },
		"oversize":  func(ws *websocket.Conn) { _ = ws.Write(ctx, websocket.MessageBinary, make([]byte, stationFrame+1)) },
		"a goodbye": func(ws *websocket.Conn) { go ws.Close(websocket.StatusNormalClosure, "") },
	} {
		ws, challenge := open()
		if err := ws.Write(ctx, websocket.MessageBinary, proof(challenge)); err != nil {
			t.Fatal(err)
		}
		peer := waitFor(t, p.peers, "a station")
		f(ws)
		if got := waitFor(t, p.gone, "the end after "+what); got != peer {
			t.Errorf("%s ended %v, not %v", what, got, peer)
		}
		ws.CloseNow()
	}
	// What is allowed passes: a frame in pieces, a ping that has no answer.
	ws, challenge := open()
	defer ws.CloseNow()
	if err := ws.Write(ctx, websocket.MessageBinary, proof(challenge)); err != nil {
		t.Fatal(err)
	}
	w, err := ws.Writer(ctx, websocket.MessageBinary)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"in ", "three ", "pieces"} {
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, f, err := ws.Read(ctx); err != nil || string(f) != "in three pieces" {
		t.Errorf("%q, %v", f, err)
	}
}

// TestPinsWithoutTheirKeyAreNothing: whoever knows the public keys only.
func TestPinsWithoutTheirKeyAreNothing(t *testing.T) {
	relayKey, entryKey := suite.TLSKey(suite.RandomKey()), suite.TLSKey(suite.RandomKey())
	ln, err := link.ListenTLS("127.0.0.1:0", relayKey, map[link.PinnedKey]link.Peer{pinOf(entryKey): {Role: link.RoleEntry}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cert := edCertificate(t, entryKey)
	cert.PrivateKey = suite.TLSKey(suite.RandomKey())
	cfg := good(t, entryKey)
	cfg.Certificates = []tls.Certificate{cert}
	if c, err := tls.Dial("tcp", ln.Addr().String(), cfg); err == nil {
		if _, err = c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Error("a certificate without its key was accepted")
		}
		c.Close()
	}
}

// socks5 is a proxy that knows one name and refuses addresses.
func socks5(t *testing.T, name, target string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				b := make([]byte, 300)
				if _, err := io.ReadFull(c, b[:2]); err != nil || b[0] != 5 {
					t.Error("not SOCKS5")
					return
				}
				_, _ = io.ReadFull(c, b[:b[1]])
				_, _ = c.Write([]byte{5, 0})
				if _, err := io.ReadFull(c, b[:5]); err != nil || !bytes.Equal(b[:4], []byte{5, 1, 0, 3}) {
					t.Errorf("asked for %x: not by name", b[:5])
					return
				}
				n := int(b[4])
				if _, err := io.ReadFull(c, b[:n+2]); err != nil || string(b[:n]) != name {
					t.Errorf("asked for %q", b[:n])
					return
				}
				out, err := net.Dial("tcp", target)
				if err != nil {
					t.Error(err)
					return
				}
				defer out.Close()
				_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
				wg.Go(func() { _, _ = io.Copy(out, c); out.Close() })
				_, _ = io.Copy(c, out)
			})
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

// TestStationThroughAProxy: names are resolved at the far end only.
func TestStationThroughAProxy(t *testing.T) {
	p := entryPort(t, 8)
	c, err := link.StationDialer{
		Addresses: []string{"entry.invalid:443"}, Entry: pinOf(p.key), Net: p.net, Account: suite.NewAccountKey(suite.RandomKey()),
		SOCKS5: socks5(t, "entry.invalid", p.addr),
	}.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := roundTrip(c, "by name"); err != nil {
		t.Error(err)
	}
}
