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
	"time"
)

// PinnedKey is the Ed25519 key of a server's certificate, as in the network file.
type PinnedKey = [ed25519.PublicKeySize]byte

// Protocol is what servers of a network name each other in the handshake.
const Protocol = "backchannel/1"

// tlsConfig is the one configuration: TLS 1.3, the hybrid key exchange and nothing
// else, no resumption, records of a size that depends on nothing but what is
// written. The other end must speak protocol; key is nil for a station.
func tlsConfig(key ed25519.PrivateKey, protocol string) (*tls.Config, error) {
	c := &tls.Config{
		NextProtos: []string{protocol},
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
	cfg, err := tlsConfig(key, Protocol)
	if err != nil {
		return nil, err
	}
	cfg.VerifyPeerCertificate = verifyPin(func(k PinnedKey) bool { return k == want })
	cfg.VerifyConnection = speaks(Protocol)
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	raw, err := (&net.Dialer{KeepAlive: keepAlive}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, &dialError{"connecting to a server of the network", err}
	}
	c := tls.Client(raw, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		reset(raw)
		return nil, &dialError{"connecting to a server of the network", err}
	}
	return newStreamConn(c, p), nil
}

// speaks refuses a peer that did not agree on a protocol: naming none is no way
// around it.
func speaks(protocol string) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if s.NegotiatedProtocol != protocol {
			return errors.New("the other end speaks another protocol")
		}
		return nil
	}
}

// TLSListener accepts the servers of a network.
type TLSListener struct {
	*acceptor
	cfg   *tls.Config
	peers map[PinnedKey]Peer
}

// ListenTLS listens on addr with key for the servers whose keys are in peers.
// Everybody else sees the connection reset. At most half handshakes are under way
// at a time, and a quarter of that from one source; when more come, the oldest
// ends.
func ListenTLS(addr string, key ed25519.PrivateKey, peers map[PinnedKey]Peer, half int) (*TLSListener, error) {
	ln, err := listen(addr)
	if err != nil {
		return nil, fmt.Errorf("listening for the network's servers: %w", err)
	}
	return serveTLS(ln, key, peers, half)
}

func serveTLS(ln net.Listener, key ed25519.PrivateKey, peers map[PinnedKey]Peer, half int) (*TLSListener, error) {
	cfg, err := tlsConfig(key, Protocol)
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	cfg.ClientAuth = tls.RequireAnyClientCert
	cfg.VerifyPeerCertificate = verifyPin(func(k PinnedKey) bool { _, ok := peers[k]; return ok })
	cfg.VerifyConnection = speaks(Protocol)
	l := &TLSListener{cfg: cfg, peers: peers}
	l.acceptor = newAcceptor(ln, half, l.admit)
	return l, nil
}

func (l *TLSListener) admit(raw net.Conn) (Conn, error) {
	q := &quietConn{Conn: raw}
	c := tls.Server(q, l.cfg)
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	q.loud.Store(true)
	k, err := pinned([][]byte{c.ConnectionState().PeerCertificates[0].Raw})
	if err != nil {
		return nil, err
	}
	return newStreamConn(c, l.peers[k]), nil
}

// streamConn carries frames as length(4) ‖ frame over TLS.
type streamConn struct {
	c    *tls.Conn
	raw  net.Conn
	peer Peer
	r    *bufio.Reader
	out  []byte // one TLS record: the length and the frame's beginning
}

// Sizes of a streamConn.
const (
	lengthSize = 4
	recordSize = 16 << 10 // what TLS puts into one record
	readBuffer = 64 << 10
)

func newStreamConn(c *tls.Conn, p Peer) *streamConn {
	return &streamConn{c: c, raw: c.NetConn(), peer: p, r: bufio.NewReaderSize(c, readBuffer), out: make([]byte, 0, recordSize)}
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
	return readFrame(s.r)
}

// readFrame reads length(4) ‖ frame.
func readFrame(r io.Reader) ([]byte, error) {
	var head [lengthSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > MaxFrame {
		return nil, errFrame
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, err
	}
	return frame, nil
}

// WriteFrame implements Conn. Every frame begins a record, so that the sizes on
// the wire do not tell which frames were waiting at the same time.
func (s *streamConn) WriteFrame(frame []byte) error {
	if len(frame) == 0 || len(frame) > MaxFrame {
		return errFrame
	}
	if err := s.c.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	first := min(len(frame), recordSize-lengthSize)
	s.out = binary.BigEndian.AppendUint32(s.out[:0], uint32(len(frame)))
	s.out = append(s.out, frame[:first]...)
	if _, err := s.c.Write(s.out); err != nil {
		return err
	}
	if first == len(frame) {
		return nil
	}
	_, err := s.c.Write(frame[first:])
	return err
}

// CloseWrite implements Conn.
func (s *streamConn) CloseWrite() error { return s.c.CloseWrite() }

// Close implements Conn: below TLS, which would say goodbye first.
func (s *streamConn) Close() error { return s.raw.Close() }
