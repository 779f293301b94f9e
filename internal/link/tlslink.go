package link

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"time"
)

// PinnedKey is the Ed25519 key of a server's certificate, as in the network file.
type PinnedKey = [ed25519.PublicKeySize]byte

// tlsConfig is the one configuration: TLS 1.3, the hybrid key exchange and nothing
// else, no resumption, records of a size that depends on nothing but what is
// written.
func tlsConfig(key ed25519.PrivateKey) (*tls.Config, error) {
	c := &tls.Config{
		MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS13,
		CurvePreferences:            []tls.CurveID{tls.X25519MLKEM768},
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true,
		InsecureSkipVerify:          true, // names and authorities mean nothing here: verifyPin checks the key itself
	}
	if key == nil {
		return c, nil
	}
	cert, err := certificate(key)
	if err != nil {
		return nil, err
	}
	c.Certificates = []tls.Certificate{cert}
	return c, nil
}

// certificate wraps a key in a self-signed certificate that is the same every
// time: all that counts is the key.
func certificate(key ed25519.PrivateKey) (tls.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "backchannel"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

var errPin = errors.New("the other end's key is not the one in the network file")

// pinned returns the Ed25519 key of the one certificate that the peer showed.
func pinned(raw [][]byte) (k PinnedKey, err error) {
	if len(raw) != 1 {
		return k, errPin
	}
	cert, err := x509.ParseCertificate(raw[0])
	if err != nil {
		return k, errPin
	}
	pub, ok := cert.PublicKey.(ed25519.PublicKey)
	if !ok {
		return k, errPin
	}
	return PinnedKey(pub), nil
}

// verifyPin accepts a peer whose key ok accepts.
func verifyPin(ok func(PinnedKey) bool) func([][]byte, [][]*x509.Certificate) error {
	return func(raw [][]byte, _ [][]*x509.Certificate) error {
		k, err := pinned(raw)
		if err != nil || !ok(k) {
			return errPin
		}
		return nil
	}
}

// DialTLS connects to a server at addr that must have the key want, and proves to
// have key. The connection's peer is p.
func DialTLS(ctx context.Context, addr string, key ed25519.PrivateKey, want PinnedKey, p Peer) (Conn, error) {
	cfg, err := tlsConfig(key)
	if err != nil {
		return nil, err
	}
	cfg.VerifyPeerCertificate = verifyPin(func(k PinnedKey) bool { return k == want })
	d := tls.Dialer{NetDialer: &net.Dialer{KeepAlive: keepAlive}, Config: cfg}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connecting to a server of the network: %w", err)
	}
	return newStreamConn(c, p), nil
}

// TLSListener accepts the servers of a network.
type TLSListener struct {
	ln    net.Listener
	cfg   *tls.Config
	peers map[PinnedKey]Peer
	halfs *halfOpen
	ready chan Conn
	done  chan struct{}
	once  sync.Once
	wg    sync.WaitGroup
}

// ListenTLS listens on addr with key for the servers whose keys are in peers.
// Everybody else sees the connection close. At most half handshakes are under way
// at a time; when more come, the oldest ends.
func ListenTLS(addr string, key ed25519.PrivateKey, peers map[PinnedKey]Peer, half int) (*TLSListener, error) {
	cfg, err := tlsConfig(key)
	if err != nil {
		return nil, err
	}
	cfg.ClientAuth = tls.RequireAnyClientCert
	cfg.VerifyPeerCertificate = verifyPin(func(k PinnedKey) bool { _, ok := peers[k]; return ok })
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for the network's servers: %w", err)
	}
	l := &TLSListener{ln: ln, cfg: cfg, peers: peers, halfs: newHalfOpen(half), ready: make(chan Conn), done: make(chan struct{})}
	l.wg.Go(l.run)
	return l, nil
}

// Addr is the address listened on.
func (l *TLSListener) Addr() net.Addr { return l.ln.Addr() }

func (l *TLSListener) run() {
	for {
		raw, err := l.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, perhaps: do not spin
			select {
			case <-time.After(100 * time.Millisecond):
			case <-l.done:
				return
			}
			continue
		}
		leave := l.halfs.enter(raw)
		l.wg.Go(func() { l.handshake(raw, leave) })
	}
}

func (l *TLSListener) handshake(raw net.Conn, leave func()) {
	defer leave()
	c := tls.Server(raw, l.cfg)
	_ = raw.SetDeadline(time.Now().Add(handshakeTime)) // a connection that is gone fails at the next step
	if err := c.Handshake(); err != nil {
		raw.Close()
		return
	}
	_ = raw.SetDeadline(time.Time{}) // the same
	k, err := pinned(rawCertificates(c))
	if err != nil {
		raw.Close()
		return
	}
	if tcp, ok := raw.(*net.TCPConn); ok {
		_ = tcp.SetKeepAlivePeriod(keepAlive) // the default will do
	}
	select {
	case l.ready <- newStreamConn(c, l.peers[k]):
	case <-l.done:
		raw.Close()
	}
}

func rawCertificates(c *tls.Conn) [][]byte {
	var out [][]byte
	for _, cert := range c.ConnectionState().PeerCertificates {
		out = append(out, cert.Raw)
	}
	return out
}

// Accept implements Listener.
func (l *TLSListener) Accept() (Conn, error) {
	select {
	case c := <-l.ready:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements Listener.
func (l *TLSListener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		close(l.done)
		err = l.ln.Close()
		l.halfs.closeAll()
		l.wg.Wait()
	})
	return err
}

// streamConn carries frames as length(4) ‖ frame on a byte stream.
type streamConn struct {
	c    net.Conn
	peer Peer
	r    *bufio.Reader
	w    *bufio.Writer
}

const streamBuffer = 64 << 10

func newStreamConn(c net.Conn, p Peer) *streamConn {
	return &streamConn{c: c, peer: p, r: bufio.NewReaderSize(c, streamBuffer), w: bufio.NewWriterSize(c, streamBuffer)}
}

// Peer implements Conn.
func (s *streamConn) Peer() Peer { return s.peer }

// ReadFrame implements Conn. It waits for ever for a frame to begin, and a bounded
// time for it to end.
func (s *streamConn) ReadFrame() ([]byte, error) {
	if err := s.c.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	if _, err := s.r.Peek(1); err != nil {
		return nil, err
	}
	if err := s.c.SetReadDeadline(time.Now().Add(frameTime)); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > MaxFrame {
		return nil, errFrame
	}
	frame := make([]byte, n)
	_, err := io.ReadFull(s.r, frame)
	return frame, err
}

// WriteFrame implements Conn.
func (s *streamConn) WriteFrame(frame []byte) error {
	if err := s.c.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	var head [4]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(frame)))
	if _, err := s.w.Write(head[:]); err != nil {
		return err
	}
	_, err := s.w.Write(frame)
	return err
}

// Flush implements Conn.
func (s *streamConn) Flush() error { return s.w.Flush() }

// Close implements Conn.
func (s *streamConn) Close() error {
	if t, ok := s.c.(*tls.Conn); ok {
		return t.NetConn().Close() // no closing alert: an end looks the same whatever its reason
	}
	return s.c.Close()
}

// halfOpen bounds the handshakes under way. When there are too many, the oldest
// ends: an honest one takes milliseconds, so those that hang are the ones that go.
type halfOpen struct {
	mu    sync.Mutex
	limit int
	next  uint64
	order []uint64
	conns map[uint64]net.Conn
}

func newHalfOpen(limit int) *halfOpen {
	return &halfOpen{limit: max(1, limit), conns: map[uint64]net.Conn{}}
}

// enter counts a connection until the function that it returns is called.
func (h *halfOpen) enter(c net.Conn) (leave func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.conns) >= h.limit {
		oldest := h.order[0]
		h.order = h.order[1:]
		if o := h.conns[oldest]; o != nil {
			delete(h.conns, oldest)
			o.Close()
		}
	}
	id := h.next
	h.next++
	h.conns[id] = c
	h.order = append(h.order, id)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.conns, id)
		for len(h.order) > 0 && h.conns[h.order[0]] == nil {
			h.order = h.order[1:]
		}
	}
}

func (h *halfOpen) closeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		c.Close()
	}
}
