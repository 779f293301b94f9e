package link

import (
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
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/net/proxy"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// StationPath is where an entry accepts stations. Anything else on its port is an
// identical 404.
const StationPath = "/v1/station"

// StationDialer connects a station to its entry.
type StationDialer struct {
	Addresses []string         // host:port, tried in order
	Entry     PinnedKey        // the entry's key in the network file
	Net       wire.Hash        // hash of the network file
	Account   suite.AccountKey // proves the account; no identity
	SOCKS5    string           // host:port of a proxy that also resolves names, or empty

	// OnServerTime is told the entry's clock and the own one at every connection.
	OnServerTime func(server, local time.Time)
}

// Dial connects, proves the account and returns a connection to the entry.
func (d StationDialer) Dial(ctx context.Context) (Conn, error) {
	var errs []error
	for _, addr := range d.Addresses {
		c, err := d.dial(ctx, addr)
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("connecting to the entry: %w", errors.Join(errs...))
}

func (d StationDialer) dial(ctx context.Context, addr string) (Conn, error) {
	cfg, err := tlsConfig(nil)
	if err != nil {
		return nil, err
	}
	cfg.VerifyPeerCertificate = verifyPin(func(k PinnedKey) bool { return k == d.Entry })
	var raw proxy.ContextDialer = &net.Dialer{KeepAlive: keepAlive}
	if d.SOCKS5 != "" {
		p, err := proxy.SOCKS5("tcp", d.SOCKS5, nil, &net.Dialer{KeepAlive: keepAlive})
		if err != nil {
			return nil, fmt.Errorf("using the proxy: %w", err)
		}
		cd, ok := p.(proxy.ContextDialer)
		if !ok {
			return nil, errors.New("using the proxy: it cannot be interrupted")
		}
		raw = cd
	}
	transport := &http.Transport{DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := raw.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		t := tls.Client(c, cfg)
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, err
		}
		return t, nil
	}}
	defer transport.CloseIdleConnections()
	ws, _, err := websocket.Dial(ctx, "wss://backchannel"+StationPath, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, err
	}
	c := newWSConn(ws, Peer{Role: RoleEntry})
	if err := d.authenticate(ctx, c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (d StationDialer) authenticate(ctx context.Context, c *wsConn) error {
	_, challenge, err := c.ws.Read(ctx)
	if err != nil {
		return err
	}
	if len(challenge) != wire.ChallengeSize {
		return errFrame
	}
	if d.OnServerTime != nil {
		d.OnServerTime(time.UnixMilli(int64(binary.BigEndian.Uint64(challenge[32:]))), time.Now())
	}
	pub, sig := d.Account.Public(), d.Account.Sign(suite.LabelAccount, d.Net[:], challenge)
	return c.ws.Write(ctx, websocket.MessageBinary, append(pub[:], sig[:]...))
}

// StationListener accepts stations.
type StationListener struct {
	ln    net.Listener
	srv   *http.Server
	net   wire.Hash
	max   int64
	halfs *halfOpen
	ready chan Conn
	done  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup
}

// ListenStations listens on addr with the entry's key. Frames from stations have
// at most maxFrame bytes. At most half connections that have not proved an account
// yet are there at a time; when more come, the oldest ends.
func ListenStations(addr string, key ed25519.PrivateKey, net_ wire.Hash, maxFrame, half int, log *slog.Logger) (*StationListener, error) {
	cfg, err := tlsConfig(key)
	if err != nil {
		return nil, err
	}
	cfg.NextProtos = []string{"http/1.1"}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for stations: %w", err)
	}
	l := &StationListener{
		ln: ln, net: net_, max: int64(maxFrame), halfs: newHalfOpen(half), ready: make(chan Conn), done: make(chan struct{}),
	}
	l.srv = &http.Server{
		Handler: http.HandlerFunc(l.upgrade), TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		ReadHeaderTimeout: handshakeTime, ReadTimeout: handshakeTime, WriteTimeout: handshakeTime, IdleTimeout: time.Second,
		MaxHeaderBytes: 8 << 10, ErrorLog: slog.NewLogLogger(discardIfNil(log).Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if t, ok := c.(*tls.Conn); ok {
				c = t.NetConn()
			}
			return context.WithValue(ctx, halfKey{}, c)
		},
	}
	l.srv.SetKeepAlivesEnabled(false)
	l.wg.Go(func() { _ = l.srv.Serve(tls.NewListener(countingListener{ln, l.halfs}, cfg)) }) // ends by Close only
	return l, nil
}

func discardIfNil(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}

type halfKey struct{}

// countingListener counts every connection as half open until it is told that the
// account was proved, or until it closes.
type countingListener struct {
	net.Listener
	halfs *halfOpen
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	h := &countedConn{Conn: c}
	h.leave = sync.OnceFunc(l.halfs.enter(c))
	return h, nil
}

type countedConn struct {
	net.Conn
	leave func()
}

func (c *countedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// Addr is the address listened on.
func (l *StationListener) Addr() net.Addr { return l.ln.Addr() }

func (l *StationListener) upgrade(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != StationPath || r.Method != http.MethodGet || r.Header.Get("Upgrade") != "websocket" {
		http.NotFound(w, r)
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
	defer cancel()
	account, err := l.prove(ctx, ws)
	if err != nil {
		_ = ws.CloseNow() // whatever was wrong looks the same
		return
	}
	if c, ok := r.Context().Value(halfKey{}).(*countedConn); ok {
		c.leave()
		_ = c.SetDeadline(time.Time{}) // the server's time limits were for the handshake
	}
	c := newWSConn(ws, Peer{Role: RoleStation, Account: account})
	ws.SetReadLimit(l.max)
	select {
	case l.ready <- c:
	case <-l.done:
		c.Close()
	}
}

// prove has the other end sign a challenge with its account key.
func (l *StationListener) prove(ctx context.Context, ws *websocket.Conn) (account [32]byte, err error) {
	ws.SetReadLimit(wire.AuthSize)
	challenge := make([]byte, wire.ChallengeSize)
	suite.Random(challenge[:32])
	binary.BigEndian.PutUint64(challenge[32:], uint64(time.Now().UnixMilli()))
	if err := ws.Write(ctx, websocket.MessageBinary, challenge); err != nil {
		return account, err
	}
	_, auth, err := ws.Read(ctx)
	if err != nil {
		return account, err
	}
	if len(auth) != wire.AuthSize {
		return account, errFrame
	}
	copy(account[:], auth)
	if !suite.VerifyAccount(account, auth[32:], suite.LabelAccount, l.net[:], challenge) {
		return account, errors.New("the account's signature does not fit")
	}
	return account, nil
}

// Accept implements Listener.
func (l *StationListener) Accept() (Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements Listener.
func (l *StationListener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		close(l.done)
		err = l.srv.Close()
		l.halfs.closeAll()
		l.wg.Wait()
	})
	return err
}

// wsConn carries frames as binary WebSocket messages, without compression.
type wsConn struct {
	ws   *websocket.Conn
	peer Peer
}

func newWSConn(ws *websocket.Conn, p Peer) *wsConn {
	ws.SetReadLimit(MaxFrame)
	return &wsConn{ws, p}
}

// Peer implements Conn.
func (c *wsConn) Peer() Peer { return c.peer }

// ReadFrame implements Conn.
func (c *wsConn) ReadFrame() ([]byte, error) {
	t, r, err := c.ws.Reader(context.Background())
	if err != nil {
		return nil, ended(err)
	}
	if t != websocket.MessageBinary {
		return nil, errFrame
	}
	frame, err := io.ReadAll(r)
	if err != nil {
		return nil, ended(err)
	}
	if len(frame) == 0 {
		return nil, errFrame
	}
	return frame, nil
}

func ended(err error) error {
	if websocket.CloseStatus(err) != -1 {
		return io.EOF
	}
	return err
}

// WriteFrame implements Conn.
func (c *wsConn) WriteFrame(frame []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTime)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageBinary, frame)
}

// Flush implements Conn; every message is sent at once.
func (c *wsConn) Flush() error { return nil }

// Close implements Conn: without a closing message, so that an end looks the same
// whatever its reason.
func (c *wsConn) Close() error { return c.ws.CloseNow() }
