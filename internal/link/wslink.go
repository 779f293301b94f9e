package link

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
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

	Clock func() time.Time // the own clock; default time.Now
	// OnServerTime is told the entry's clock and the own one at every connection,
	// before the node hears of it, in a goroutine of the dialler's.
	OnServerTime func(server, local time.Time)
}

// Dial connects, proves the account and returns a connection to the entry. Each
// address has a time of its own, so that a dead one does not use up another's.
func (d StationDialer) Dial(ctx context.Context) (Conn, error) {
	if len(d.Addresses) == 0 {
		return nil, errors.New("connecting to the entry: the network file names no address")
	}
	var errs []error
	for _, addr := range d.Addresses {
		c, err := d.dial(ctx, addr)
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, &dialError{"connecting to the entry", errors.Join(errs...)}
}

func (d StationDialer) dial(ctx context.Context, addr string) (Conn, error) {
	cfg, err := tlsConfig(nil, webProtocol)
	if err != nil {
		return nil, err
	}
	cfg.VerifyPeerCertificate = verifyPin(func(k PinnedKey) bool { return k == d.Entry })
	limit := handshakeTime
	if d.SOCKS5 != "" {
		limit = proxyTime
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	raw, err := d.reach(ctx, addr)
	if err != nil {
		return nil, err
	}
	// From here on every step waits on the connection, which ends with ctx.
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	c, err := d.enter(ctx, raw, cfg)
	if err == nil && !stop() {
		err = ctx.Err()
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

func (d StationDialer) reach(ctx context.Context, addr string) (net.Conn, error) {
	direct := &net.Dialer{KeepAlive: keepAlive}
	if d.SOCKS5 == "" {
		return direct.DialContext(ctx, "tcp", addr)
	}
	p, err := proxy.SOCKS5("tcp", d.SOCKS5, nil, direct)
	if err != nil {
		return nil, fmt.Errorf("using the proxy: %w", err)
	}
	through, ok := p.(proxy.ContextDialer)
	if !ok {
		return nil, errors.New("using the proxy: it cannot be interrupted")
	}
	return through.DialContext(ctx, "tcp", addr)
}

// enter makes a raw connection one to the entry.
func (d StationDialer) enter(ctx context.Context, raw net.Conn, cfg *tls.Config) (Conn, error) {
	t := tls.Client(raw, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	ws, _, err := websocket.Dial(ctx, "wss://backchannel"+StationPath, &websocket.DialOptions{
		HTTPClient: &http.Client{
			Transport:     oneRequest{t},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		CompressionMode: websocket.CompressionDisabled,
		OnPingReceived:  noPong,
	})
	if err != nil {
		return nil, err
	}
	c := newWSConn(ws, t, Peer{Role: RoleEntry}, MaxFrame)
	if err := d.authenticate(c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (d StationDialer) authenticate(c *wsConn) error {
	challenge, err := c.ReadFrame()
	if err != nil {
		return err
	}
	if len(challenge) != wire.ChallengeSize {
		return errFrame
	}
	if d.OnServerTime != nil {
		clock := d.Clock
		if clock == nil {
			clock = time.Now
		}
		d.OnServerTime(time.UnixMilli(int64(binary.BigEndian.Uint64(challenge[32:]))), clock())
	}
	pub, sig := d.Account.Public(), d.Account.Sign(suite.LabelAccount, d.Net[:], challenge)
	return c.WriteFrame(append(pub[:], sig[:]...))
}

// oneRequest carries the one HTTP request of a WebSocket on a connection.
type oneRequest struct{ c net.Conn }

// maxHead bounds the head of a request and of a response.
const maxHead = 8 << 10

// RoundTrip implements http.RoundTripper.
func (o oneRequest) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Write(o.c); err != nil {
		return nil, err
	}
	head := &io.LimitedReader{R: o.c, N: maxHead}
	br := bufio.NewReader(head)
	resp, err := http.ReadResponse(br, r)
	if err != nil {
		return nil, err
	}
	resp.Body = http.NoBody // nobody reads what a refusal says
	if resp.StatusCode == http.StatusSwitchingProtocols {
		head.N = math.MaxInt64 // frames have their own bound
		resp.Body = struct {
			io.Reader
			io.WriteCloser
		}{br, o.c}
	}
	return resp, nil
}

// noPong keeps pings from having an answer: nothing goes out that the schedule
// does not know.
func noPong(context.Context, []byte) bool { return false }

// wsConn carries frames as binary WebSocket messages, without compression.
type wsConn struct {
	ws   *websocket.Conn
	tls  *tls.Conn
	raw  net.Conn
	low  *socket // at the entry: keeps the deadlines; nil at a station, where each call sets its own
	peer Peer
	max  int
	last int // bytes of the last frame that was read

	spare *buffers // where the memory of frames comes from; nil: the heap
}

func newWSConn(ws *websocket.Conn, t *tls.Conn, p Peer, max int) *wsConn {
	ws.SetReadLimit(int64(max))
	return &wsConn{ws: ws, tls: t, raw: t.NetConn(), peer: p, max: max}
}

// Peer implements Conn.
func (c *wsConn) Peer() Peer { return c.peer }

// ReadFrame implements Conn. It waits for ever for a frame to begin, and a bounded
// time for it to end.
func (c *wsConn) ReadFrame() ([]byte, error) {
	if c.low == nil {
		if err := c.raw.SetReadDeadline(time.Time{}); err != nil {
			return nil, err
		}
	}
	return c.readFrame()
}

func (c *wsConn) readFrame() ([]byte, error) {
	kind, r, err := c.ws.Reader(context.Background())
	if err != nil {
		return nil, ended(err)
	}
	if kind != websocket.MessageBinary {
		return nil, errFrame
	}
	if c.low != nil {
		c.low.begin()
	} else if err := c.raw.SetReadDeadline(time.Now().Add(frameTime)); err != nil {
		return nil, err
	}
	frame, err := readMessage(r, c.room())
	if err != nil {
		return nil, ended(err)
	}
	if c.low != nil {
		if err := c.low.end(); err != nil {
			return nil, err
		}
	}
	if len(frame) == 0 || len(frame) > c.max {
		return nil, errFrame
	}
	c.last = len(frame)
	return frame, nil
}

// room is memory for a frame of as many bytes as the one before, and one more, to
// see its end without growing.
func (c *wsConn) room() []byte {
	n := max(c.last, leastMessage) + 1
	if c.spare != nil {
		if b := c.spare.fitting(n); b != nil {
			return b
		}
	}
	return make([]byte, n)
}

// readMessage reads to the end of a message into b, which it makes longer if it
// must: its memory is the frame's, for a buffer of each connection's own would be
// a quarter of what ten thousand of them cost. The library bounds the length.
func readMessage(r io.Reader, b []byte) ([]byte, error) {
	for n := 0; ; {
		k, err := r.Read(b[n:])
		switch n += k; {
		case err == io.EOF:
			return b[:n], nil
		case err != nil:
			return nil, err
		case n == len(b):
			b = append(b, make([]byte, len(b))...)
		}
	}
}

// leastMessage is room for the small messages, so that a great one after a small
// one grows a few times only.
const leastMessage = 127

func ended(err error) error {
	if websocket.CloseStatus(err) != -1 {
		return io.EOF
	}
	return err
}

// WriteFrame implements Conn.
func (c *wsConn) WriteFrame(frame []byte) error {
	if len(frame) == 0 || len(frame) > MaxFrame {
		return errFrame
	}
	if c.low == nil {
		if err := c.raw.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
			return err
		}
	}
	return c.ws.Write(context.Background(), websocket.MessageBinary, frame)
}

// CloseWrite implements Conn.
func (c *wsConn) CloseWrite() error { return c.tls.CloseWrite() }

// Close implements Conn: from below, since both WebSocket and TLS would say
// goodbye first, and wait for it.
func (c *wsConn) Close() error {
	err := c.raw.Close()
	_ = c.ws.CloseNow() // only releases what the library holds
	return err
}
