package link_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/suite"
)

// tapped counts what came since the last write: after a refusal, nothing may.
type tapped struct {
	net.Conn
	mu    sync.Mutex
	since int
}

func (c *tapped) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.since = 0
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	c.since += n
	c.mu.Unlock()
	return n, err
}

// selfSigned makes a certificate as the link does, but for any key and of as many
// links as asked for.
func selfSigned(t *testing.T, key any, public any, length int) tls.Certificate {
	t.Helper()
	tpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, public, key)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Certificate{PrivateKey: key}
	for range length {
		c.Certificate = append(c.Certificate, der)
	}
	return c
}

func edCertificate(t *testing.T, key ed25519.PrivateKey) tls.Certificate {
	return selfSigned(t, key, key.Public(), 1)
}

// good is a configuration that is accepted; each test breaks one thing in it.
func good(t *testing.T, key ed25519.PrivateKey) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}, NextProtos: []string{link.Protocol},
		InsecureSkipVerify: true, Certificates: []tls.Certificate{edCertificate(t, key)},
	}
}

type breakage struct {
	what string
	do   func(t *testing.T, c *tls.Config)
}

var breakages = []breakage{
	{"TLS 1.2", func(_ *testing.T, c *tls.Config) {
		c.MinVersion, c.MaxVersion, c.CurvePreferences = 0, tls.VersionTLS12, nil
	}},
	{"a classical key exchange", func(_ *testing.T, c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} }},
	{"another hybrid", func(_ *testing.T, c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.SecP256r1MLKEM768} }},
	{"no protocol", func(_ *testing.T, c *tls.Config) { c.NextProtos = nil }},
	{"another protocol", func(_ *testing.T, c *tls.Config) { c.NextProtos = []string{"h2"} }},
	{"another key", func(t *testing.T, c *tls.Config) {
		c.Certificates = []tls.Certificate{edCertificate(t, suite.TLSKey(suite.RandomKey()))}
	}},
	{"an ECDSA key", func(t *testing.T, c *tls.Config) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{selfSigned(t, k, k.Public(), 1)}
	}},
	{"a chain", func(t *testing.T, c *tls.Config) {
		k := c.Certificates[0].PrivateKey.(ed25519.PrivateKey)
		c.Certificates = []tls.Certificate{selfSigned(t, k, k.Public(), 2)}
	}},
}

// TestServerRefusesEverythingElse breaks one thing at a time. Whatever it is, the
// client is told nothing and sees the connection reset.
func TestServerRefusesEverythingElse(t *testing.T) {
	serverKey, clientKey := suite.TLSKey(suite.RandomKey()), suite.TLSKey(suite.RandomKey())
	ln, err := link.ListenTLS("127.0.0.1:0", serverKey, map[link.PinnedKey]link.Peer{pinOf(clientKey): {Role: link.RoleEntry}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	try := func(t *testing.T, cfg *tls.Config) (*tapped, error) {
		raw, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { raw.Close() })
		tap := &tapped{Conn: raw}
		c := tls.Client(tap, cfg)
		if err := c.Handshake(); err != nil {
			return tap, err
		}
		_, err = c.Read(make([]byte, 1)) // in TLS 1.3 the client is done before the server
		return tap, err
	}
	accepted := make(chan link.Conn, 1)
	go func() {
		c, err := ln.Accept()
		if err == nil {
			accepted <- c
		}
	}()
	go func() { (<-accepted).Close() }()
	if _, err := try(t, good(t, clientKey)); !errors.Is(err, io.EOF) {
		t.Fatalf("the good configuration: %v", err)
	}
	go func() {
		if c, err := ln.Accept(); err == nil {
			t.Errorf("%v was let in", c.Peer())
			c.Close()
		}
	}()
	cases := append([]breakage{
		{"no certificate", func(_ *testing.T, c *tls.Config) { c.Certificates = nil }},
	}, breakages...)
	for _, b := range cases {
		t.Run(b.what, func(t *testing.T) {
			cfg := good(t, clientKey)
			b.do(t, cfg)
			tap, err := try(t, cfg)
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("saw %v, not a reset", err)
			}
			if tap.since != 0 {
				t.Errorf("was told something in %d bytes", tap.since)
			}
		})
	}
}

// TestClientRefusesEverythingElse is the same from the other side.
func TestClientRefusesEverythingElse(t *testing.T) {
	serverKey, clientKey := suite.TLSKey(suite.RandomKey()), suite.TLSKey(suite.RandomKey())
	serve := func(t *testing.T, cfg *tls.Config) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			raw, err := ln.Accept()
			if err != nil {
				return
			}
			defer raw.Close()
			c := tls.Server(raw, cfg)
			if c.Handshake() == nil {
				_, _ = c.Read(make([]byte, 1))
			}
		}()
		t.Cleanup(func() { ln.Close(); <-done })
		return ln.Addr().String()
	}
	dial := func(t *testing.T, addr string) error {
		c, err := link.DialTLS(context.Background(), addr, clientKey, pinOf(serverKey), link.RoleEntry, link.Peer{})
		if err == nil {
			c.Close()
		}
		return err
	}
	if err := dial(t, serve(t, good(t, serverKey))); err != nil {
		t.Fatalf("the good configuration: %v", err)
	}
	for _, b := range breakages {
		t.Run(b.what, func(t *testing.T) {
			cfg := good(t, serverKey)
			b.do(t, cfg)
			addr := serve(t, cfg)
			err := dial(t, addr)
			if err == nil {
				t.Fatal("was accepted")
			}
			if strings.Contains(err.Error(), "127.0.0.1") {
				t.Errorf("the error tells an address: %v", err)
			}
		})
	}
}

// TestStationRefusesAnotherEntry: the same for the dialler of stations, and for an
// entry that redirects, refuses or never ends its answer.
func TestStationRefusesAnotherEntry(t *testing.T) {
	entryKey := suite.TLSKey(suite.RandomKey())
	answer := func(t *testing.T, key ed25519.PrivateKey, text string) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		cfg := good(t, key)
		cfg.NextProtos = []string{"http/1.1"}
		done := make(chan struct{})
		go func() {
			defer close(done)
			raw, err := ln.Accept()
			if err != nil {
				return
			}
			defer raw.Close()
			c := tls.Server(raw, cfg)
			_ = c.Handshake()
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.Copy(c, strings.NewReader(text))
		}()
		defer func() { ln.Close(); <-done }()
		c, err := link.StationDialer{
			Addresses: []string{ln.Addr().String()}, Entry: pinOf(entryKey), Account: suite.NewAccountKey(suite.RandomKey()),
		}.Dial(context.Background())
		if err == nil {
			c.Close()
			t.Error("was accepted")
		}
	}
	upgrade := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n"
	answer(t, suite.TLSKey(suite.RandomKey()), upgrade)
	answer(t, entryKey, upgrade)
	answer(t, entryKey, "HTTP/1.1 302 Found\r\nLocation: https://backchannel/v1/station\r\nContent-Length: 0\r\n\r\n")
	answer(t, entryKey, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	answer(t, entryKey, "HTTP/1.1 101 Switching Protocols\r\nX: "+strings.Repeat("y", 1<<20))
	answer(t, entryKey, "\x00\x01")
}

// TestAnythingButAStationGetsTheSame404 compares the bytes.
func TestAnythingButAStationGetsTheSame404(t *testing.T) {
	entryKey := suite.TLSKey(suite.RandomKey())
	ln, err := link.ListenStations("127.0.0.1:0", entryKey, [32]byte{}, 1<<16, 8, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ws := "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	var first []byte
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/station HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /v1/station?x HTTP/1.1\r\n" + ws + "\r\n",
		"GET /v1/stations HTTP/1.1\r\n" + ws + "\r\n",
		"GET https://x/v1/station HTTP/1.1\r\n" + ws + "\r\n",
		"POST /v1/station HTTP/1.1\r\n" + ws + "\r\n",
		"GET /v1/station HTTP/1.0\r\n" + ws + "\r\n",
		"GET /v1/station HTTP/1.1\r\n" + strings.Replace(ws, "13", "12", 1) + "\r\n",
		"GET /v1/station HTTP/1.1\r\n" + strings.Replace(ws, "AAAA=", "A=", 1) + "\r\n",
		"GET /v1/station HTTP/1.1\r\nOrigin: https://elsewhere\r\n" + ws + "\r\n",
		"GET /v1/station HTTP/1.1\r\nX: " + strings.Repeat("y", 20<<10) + "\r\n" + ws + "\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"not HTTP\r\n\r\n",
		"\x00\x01\x02\r\n\r\n",
	} {
		c, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(c) // its end may be a reset if the request was not read to the end
		c.Close()
		if first == nil {
			first = got
		}
		if !bytes.HasPrefix(got, []byte("HTTP/1.1 404 ")) || !bytes.Equal(got, first) {
			t.Errorf("%.40q is answered with %q", request, got)
		}
	}
	// Plain HTTP on the port looks like any failed handshake.
	raw, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := io.WriteString(raw, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(raw); len(got) != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("plain HTTP is answered with %q, %v", got, err)
	}
}

// TestRefusedDialTellsNoAddress: errors end up in logs.
func TestRefusedDialTellsNoAddress(t *testing.T) {
	key := suite.TLSKey(suite.RandomKey())
	_, one := link.DialTLS(context.Background(), "127.0.0.1:1", key, link.PinnedKey{}, link.RoleEntry, link.Peer{})
	_, two := link.StationDialer{Addresses: []string{"127.0.0.1:1", "[::1]:1", "nowhere.invalid:1", "bad"}}.Dial(context.Background())
	_, three := link.StationDialer{}.Dial(context.Background())
	for _, err := range []error{one, two, three} {
		if err == nil {
			t.Fatal("connected")
		}
		if s := err.Error(); strings.ContainsAny(s, "0123456789") || strings.Contains(s, "nowhere") || strings.Contains(s, "\n") {
			t.Errorf("the error tells too much: %q", s)
		}
	}
	if !errors.Is(one, syscall.ECONNREFUSED) {
		t.Error("the cause is lost")
	}
}
