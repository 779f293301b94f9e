package link

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// PinnedKey is the Ed25519 key of a server's certificate, as in the network file.
type PinnedKey = [ed25519.PublicKeySize]byte

// Protocol is what servers of a network name each other in the handshake. It
// stands for the whole form of what follows, cells.go included: there is no
// other form to fall back to.
const Protocol = "backchannel/2"

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

// DialTLS connects a server in the role own to a server at addr that must have the
// key want, and proves to have key. The connection's peer is p.
func DialTLS(ctx context.Context, addr string, key ed25519.PrivateKey, want PinnedKey, own Role, p Peer) (Conn, error) {
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
	w := newRecords(raw)
	c := tls.Client(w, cfg)
	err = c.HandshakeContext(ctx)
	if err == nil {
		var s *streamConn
		if s, err = newStreamConn(c, w, p, modeOf(own, p.Role), fromDialler); err == nil {
			return s, nil
		}
	}
	reset(raw)
	return nil, &dialError{"connecting to a server of the network", err}
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
	w := newRecords(raw)
	q := &quietConn{Conn: w}
	c := tls.Server(q, l.cfg)
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	q.loud.Store(true)
	k, err := pinned([][]byte{c.ConnectionState().PeerCertificates[0].Raw})
	if err != nil {
		return nil, err
	}
	p := l.peers[k]
	return newStreamConn(c, w, p, modeOf(RoleRelay, p.Role), fromListener) // only relays listen for servers
}
