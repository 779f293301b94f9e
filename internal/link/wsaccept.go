package link

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// webProtocol is what a station and its entry name each other in the handshake.
const webProtocol = "http/1.1"

// StationListener accepts stations.
type StationListener struct {
	*acceptor
	cfg *tls.Config
	net wire.Hash
	max int
	log *slog.Logger
}

// ListenStations listens on addr with the entry's key. Frames from stations have
// at most maxFrame bytes. At most half connections that have not proved an account
// yet are there at a time, and a quarter of that from one source; when more come,
// the oldest ends.
func ListenStations(addr string, key ed25519.PrivateKey, net_ wire.Hash, maxFrame, half int, log *slog.Logger) (*StationListener, error) {
	ln, err := listen(addr)
	if err != nil {
		return nil, fmt.Errorf("listening for stations: %w", err)
	}
	return serveStations(ln, key, net_, maxFrame, half, log)
}

func serveStations(ln net.Listener, key ed25519.PrivateKey, net_ wire.Hash, maxFrame, half int, log *slog.Logger) (*StationListener, error) {
	cfg, err := tlsConfig(key, webProtocol)
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l := &StationListener{cfg: cfg, net: net_, max: maxFrame, log: log}
	l.acceptor = newAcceptor(ln, half, l.admit)
	return l, nil
}

func (l *StationListener) admit(raw net.Conn) (Conn, error) {
	c, err := l.upgrade(raw)
	if err != nil {
		l.log.Debug("link: a connection did not become a station's", "reason", reason(err))
	}
	return c, err
}

func (l *StationListener) upgrade(raw net.Conn) (Conn, error) {
	q := &quietConn{Conn: raw}
	t := tls.Server(q, l.cfg)
	if err := t.Handshake(); err != nil {
		return nil, err
	}
	q.loud.Store(true)
	head := &io.LimitedReader{R: t, N: maxHead}
	w := &upgradeWriter{c: t, br: bufio.NewReaderSize(head, readSize), head: http.Header{}}
	r, err := http.ReadRequest(w.br)
	if err == nil && r.RequestURI != StationPath {
		err = errors.New("a request for something else")
	}
	var ws *websocket.Conn
	if err == nil {
		ws, err = websocket.Accept(w, r, &websocket.AcceptOptions{
			CompressionMode: websocket.CompressionDisabled, OnPingReceived: noPong,
		})
	}
	if err != nil {
		notFound(t, raw)
		return nil, err
	}
	c := newWSConn(ws, t, Peer{Role: RoleStation}, wire.AuthSize)
	if c.peer.Account, err = l.prove(c, q); err != nil {
		c.Close()
		return nil, err
	}
	ws.SetReadLimit(int64(l.max))
	c.max = l.max
	c.low = newSocket(raw) // not before: until here one deadline covers everything
	q.Conn = c.low
	return c, nil
}

// prove has the other end sign a challenge with its account key. Until it has,
// it hears nothing but the challenge.
func (l *StationListener) prove(c *wsConn, q *quietConn) (account [32]byte, err error) {
	challenge := make([]byte, wire.ChallengeSize)
	suite.Random(challenge[:32])
	binary.BigEndian.PutUint64(challenge[32:], uint64(time.Now().UnixMilli()))
	if err := c.ws.Write(context.Background(), websocket.MessageBinary, challenge); err != nil { // the handshake's deadline holds
		return account, err
	}
	q.loud.Store(false)
	kind, auth, err := c.ws.Read(context.Background())
	if err != nil {
		return account, err
	}
	if kind != websocket.MessageBinary || len(auth) != wire.AuthSize {
		return account, errFrame
	}
	copy(account[:], auth)
	if !suite.VerifyAccount(account, auth[len(account):], suite.LabelAccount, l.net[:], challenge) {
		return account, errors.New("the account's signature does not fit")
	}
	q.loud.Store(true)
	return account, nil
}

// notFoundResponse is the one answer to whatever is not a station.
const notFoundResponse = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

// notFound sends it and waits a little for the other end to have read it.
func notFound(t *tls.Conn, raw net.Conn) {
	_ = raw.SetDeadline(time.Now().Add(time.Second)) // as do these: who is gone needs no answer
	if _, err := io.WriteString(t, notFoundResponse); err != nil {
		return
	}
	_ = t.CloseWrite()
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
	_, _ = io.CopyN(io.Discard, raw, 1<<16)
}

// Buffers of a station's connection. One frame of cells of the presets fits the
// greater and leaves as one record; reading goes past its buffer where a frame is
// longer. An entry pays for both once per station.
const (
	readSize  = 2 << 10
	writeSize = 4<<10 + 512
)

// upgradeWriter is the http.ResponseWriter of one request: it writes the answer
// that makes a connection a WebSocket, and swallows every other, for which there
// is notFound.
type upgradeWriter struct {
	c    *tls.Conn
	br   *bufio.Reader
	head http.Header
	err  error
}

// Header implements http.ResponseWriter.
func (w *upgradeWriter) Header() http.Header { return w.head }

// Write implements http.ResponseWriter.
func (w *upgradeWriter) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (w *upgradeWriter) WriteHeader(status int) {
	if status != http.StatusSwitchingProtocols {
		return
	}
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	if w.err = w.head.Write(&b); w.err != nil {
		return
	}
	b.WriteString("\r\n")
	_, w.err = w.c.Write(b.Bytes())
}

// Hijack implements http.Hijacker.
func (w *upgradeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.c, bufio.NewReadWriter(w.br, bufio.NewWriterSize(w.c, writeSize)), w.err
}
