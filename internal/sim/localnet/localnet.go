// Package localnet runs real relays and a real entry on real sockets of the
// loopback interface, within the process, for tests that need real time: of what
// the lines show (Tap), of the pages, of the API. Stations are made as anybody
// makes them, from the network file that it signs.
//
// It is a tool of tests; no program imports it.
package localnet

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"backchannel/internal/entry"
	"backchannel/internal/link"
	"backchannel/internal/mark"
	"backchannel/internal/relay"
	"backchannel/internal/station"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// Net is a running network.
type Net struct {
	File *wire.Network // signed by every relay

	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex
	failed error
}

// maxStations bounds the connections that the entry accepts.
const maxStations = 64

// Start makes keys, signs a network file and starts all servers. The schedule
// begins a second from now.
func Start(p wire.Params) (_ *Net, err error) {
	p.T0 = time.Now().Add(time.Second).UTC().Truncate(time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	n := &Net{cancel: cancel, File: &wire.Network{Name: "Straits", Params: p, Signatures: make([][]byte, p.Relays)}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("starting a local network: %w", err), n.Close())
		}
	}()
	var sign []suite.SigningKey
	var verify []suite.VerifyKey
	var keys []ed25519.PrivateKey
	entryKey := suite.TLSKey(suite.RandomKey())
	var listeners []*link.TLSListener
	for i := range p.Relays {
		s, k := suite.NewSigningKey(suite.RandomKey()), suite.TLSKey(suite.RandomKey())
		peers := map[link.PinnedKey]link.Peer{pin(entryKey): {Role: link.RoleEntry}}
		if i > 0 {
			peers[pin(keys[i-1])] = link.Peer{Role: link.RoleRelay, Index: i - 1}
		}
		ln, err := link.ListenTLS("127.0.0.1:0", k, peers, 16)
		if err != nil {
			return n, err
		}
		sign, verify, keys, listeners = append(sign, s), append(verify, s.Public()), append(keys, k), append(listeners, ln)
		n.File.Relays = append(n.File.Relays, wire.RelayRecord{
			Name: fmt.Sprintf("relay-%d", i+1), Operator: []string{"Aldmark", "Borvia", "Cenia"}[i%3],
			Address: ln.Addr().String(), Verify: s.Public(), TLS: pin(k),
		})
	}
	stations, err := n.listen(sign, entryKey)
	if err != nil {
		return n, err
	}
	net := n.File.Net()
	dial := func(own link.Role, key ed25519.PrivateKey) link.Dialer {
		return func(ctx context.Context, to link.Target) (link.Conn, error) {
			if to.Role != link.RoleRelay {
				return nil, errors.New("only relays are dialled here")
			}
			r := n.File.Relays[to.Index]
			return link.DialTLS(ctx, r.Address, key, r.TLS, own, link.Peer{Role: to.Role, Index: to.Index})
		}
	}
	for i := range p.Relays {
		n.run(ctx, link.LoopConfig{
			Node: relay.New(relay.Config{Params: p, Net: net, Index: i, Sign: sign[i], Verify: verify, Mark: &mark.Memory{}}),
			Dial: dial(link.RoleRelay, keys[i]), Listeners: []link.Listener{listeners[i]},
		})
	}
	n.run(ctx, link.LoopConfig{
		Node: entry.New(entry.Config{Params: p, Net: net, Verify: verify}), Dial: dial(link.RoleEntry, entryKey), Listeners: []link.Listener{stations},
	})
	return n, nil
}

// listen signs the file and begins to listen for stations. The listener proves to
// them which network it serves, so it begins when the file is signed, on a port that
// was free before; should another program have taken it, on another one.
func (n *Net) listen(sign []suite.SigningKey, key ed25519.PrivateKey) (*link.StationListener, error) {
	for tries := 1; ; tries++ {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		n.File.Entry = wire.Entry{Addresses: []string{address}, TLS: pin(key)}
		for i, s := range sign {
			if err := n.File.Sign(i, s); err != nil {
				return nil, err
			}
		}
		ln, err := link.ListenStations(address, key, n.File.Net(), link.MaxFrame, maxStations, nil)
		if err == nil || tries == 20 {
			return ln, err
		}
	}
}

func pin(k ed25519.PrivateKey) link.PinnedKey {
	return link.PinnedKey(k.Public().(ed25519.PublicKey))
}

func (n *Net) run(ctx context.Context, cfg link.LoopConfig) {
	l := link.NewLoop(cfg)
	n.wg.Go(func() {
		if err := l.Run(ctx); err != nil {
			n.mu.Lock()
			n.failed = errors.Join(n.failed, err)
			n.mu.Unlock()
		}
	})
}

// Calm is the next moment at which stations that begin one after the other see and do
// the same: the middle of an attempt that they do not take part in any more, long
// before the next.
func (n *Net) Calm() time.Time {
	p := n.File.Params
	return p.PhaseStart(p.NextAttempt(time.Now()), wire.PhaseRoster).Add(p.Windows[wire.PhaseRoster] / 2)
}

// Close stops all servers and returns what went wrong in them.
func (n *Net) Close() error {
	n.cancel()
	n.wg.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.failed
}

// NewStation makes a station in dir with the given passphrase and returns it
// unlocked and ready to run. socks5 is a proxy to reach the entry through, such
// as a Tap's address, or "".
func (n *Net) NewStation(dir, socks5 string, passphrase []byte) (*station.Station, station.Config, error) {
	cfg, err := station.InitFolder(filepath.Join(dir, "station"), n.File.Encode(), socks5)
	if err != nil {
		return nil, cfg, err
	}
	if err := station.CreateVault(cfg, passphrase); err != nil {
		return nil, cfg, err
	}
	s, err := station.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, cfg, err
	}
	if err := s.OpenVault(passphrase); err != nil {
		return nil, cfg, errors.Join(err, s.Close())
	}
	return s, cfg, nil
}
