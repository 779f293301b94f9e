package pagetest_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"backchannel/internal/entry"
	"backchannel/internal/link"
	"backchannel/internal/mark"
	"backchannel/internal/relay"
	"backchannel/internal/station"
	"backchannel/internal/suite"
	"backchannel/internal/web"
	"backchannel/internal/wire"
)

const passphrase = "correct horse battery staple"

// world is three relays and an entry on loopback.
type world struct {
	file []byte
	dir  string
}

func startNetwork(t *testing.T) *world {
	t.Helper()
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	p.T0 = time.Now().Add(time.Second).UTC().Truncate(time.Millisecond)
	var sign []suite.SigningKey
	var verify []suite.VerifyKey
	var tlsKeys []ed25519.PrivateKey
	for range p.Relays {
		k := suite.NewSigningKey(suite.RandomKey())
		sign, verify, tlsKeys = append(sign, k), append(verify, k.Public()), append(tlsKeys, suite.TLSKey(suite.RandomKey()))
	}
	entryKey := suite.TLSKey(suite.RandomKey())
	pin := func(k ed25519.PrivateKey) link.PinnedKey { return link.PinnedKey(k.Public().(ed25519.PublicKey)) }

	listeners := make([]*link.TLSListener, p.Relays)
	addresses := make([]string, p.Relays)
	for i := range p.Relays {
		peers := map[link.PinnedKey]link.Peer{pin(entryKey): {Role: link.RoleEntry}}
		if i > 0 {
			peers[pin(tlsKeys[i-1])] = link.Peer{Role: link.RoleRelay, Index: i - 1}
		}
		if listeners[i], err = link.ListenTLS("127.0.0.1:0", tlsKeys[i], peers, 16); err != nil {
			t.Fatal(err)
		}
		addresses[i] = listeners[i].Addr().String()
	}
	// The entry's address is part of the file whose hash the entry is told.
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	place := probe.Addr().String()
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	nw := &wire.Network{
		Name: "Straits", Params: p, Signatures: make([][]byte, p.Relays),
		Entry: wire.Entry{Addresses: []string{place}, TLS: [32]byte(pin(entryKey))},
	}
	for i, who := range []string{"Aldmark", "Borvia", "Cenia"}[:p.Relays] {
		nw.Relays = append(nw.Relays, wire.RelayRecord{Name: strings.ToLower(who) + "-relay", Operator: who, Address: addresses[i], Verify: verify[i], TLS: [32]byte(pin(tlsKeys[i]))})
	}
	for i := range p.Relays {
		if err := nw.Sign(i, sign[i]); err != nil {
			t.Fatal(err)
		}
	}
	hash := nw.Net()

	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	run := func(cfg link.LoopConfig) {
		l := link.NewLoop(cfg)
		wg.Go(func() {
			if err := l.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	dialer := func(key ed25519.PrivateKey) link.Dialer {
		return func(ctx context.Context, to link.Target) (link.Conn, error) {
			if to.Role != link.RoleRelay {
				return nil, errors.New("only relays are dialled here")
			}
			return link.DialTLS(ctx, addresses[to.Index], key, pin(tlsKeys[to.Index]), link.Peer{Role: to.Role, Index: to.Index})
		}
	}
	for i := range p.Relays {
		run(link.LoopConfig{
			Node: relay.New(relay.Config{Params: p, Net: hash, Index: i, Sign: sign[i], Verify: verify, Mark: &mark.Memory{}}),
			Dial: dialer(tlsKeys[i]), Listeners: []link.Listener{listeners[i]},
		})
	}
	stations, err := link.ListenStations(place, entryKey, hash, link.MaxFrame, 64, nil)
	if err != nil {
		t.Fatal(err)
	}
	run(link.LoopConfig{
		Node: entry.New(entry.Config{Params: p, Net: hash, Verify: verify}), Dial: dialer(entryKey), Listeners: []link.Listener{stations},
	})
	dir, err := os.MkdirTemp("", "pages") // short: a socket's path may have about 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return &world{nw.Encode(), dir}
}

// seat is a running station with its pages on a loopback address, which stays the
// same when the station is stopped and started again.
type seat struct {
	t     *testing.T
	name  string
	cfg   station.Config
	s     *station.Station
	pages *web.Pages
	url   string
	srv   *httptest.Server
	h     swap
	key   string // of the set-up that made it
	rooms web.RoomDesk
	seats web.SeatDesk
	stop  func()
}

type swap struct {
	mu sync.RWMutex
	h  http.Handler
}

func (s *swap) set(h http.Handler) { s.mu.Lock(); defer s.mu.Unlock(); s.h = h }

func (s *swap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.RLock()
	h := s.h
	s.mu.RUnlock()
	if h == nil {
		http.Error(w, "the station is down", http.StatusBadGateway)
		return
	}
	h.ServeHTTP(w, r)
}

// seat makes a station in the network and starts it unlocked.
func (n *world) seat(t *testing.T, name string) *seat {
	t.Helper()
	cfg, err := initStation(n, name)
	if err != nil {
		t.Fatal(err)
	}
	p := newSeat(t, name)
	p.cfg = cfg
	p.start()
	return p
}

func initStation(n *world, name string) (station.Config, error) {
	cfg, err := station.InitFolder(filepath.Join(n.dir, strings.ToLower(name)), n.file, "")
	if err == nil {
		err = station.CreateVault(cfg, []byte(passphrase))
	}
	return cfg, err
}

func newSeat(t *testing.T, name string) *seat {
	p := &seat{t: t, name: name, stop: func() {}}
	p.srv = httptest.NewServer(&p.h)
	p.url = p.srv.URL
	t.Cleanup(func() { p.halt(); p.srv.Close() })
	return p
}

func (p *seat) gate() web.Gate {
	host := strings.TrimPrefix(p.url, "http://")
	return web.Gate{Hosts: []string{host}, Port: host[strings.LastIndexByte(host, ':')+1:]}
}

// start opens the station and serves its pages.
func (p *seat) start() {
	p.t.Helper()
	s, err := station.Open(p.cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		err = s.OpenVault([]byte(passphrase))
	}
	if err != nil {
		p.t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(testWriter{p.t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	pages, err := web.NewPages(s, web.PagesConfig{Version: "test", API: web.NewHandler(s, "test"), Log: log, Rooms: p.rooms, Seats: p.seats})
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			p.t.Error(err)
		}
	})
	wg.Go(func() { pages.Run(ctx) })
	p.s, p.pages = s, pages
	pages.Welcome(p.key)
	p.h.set(pages.Handler(p.gate()))
	p.stop = func() {
		p.h.set(nil)
		cancel()
		p.srv.CloseClientConnections()
		wg.Wait()
		if err := s.Close(); err != nil {
			p.t.Error(err)
		}
	}
}

// halt stops the station as a machine that is switched off in order would.
func (p *seat) halt() { p.stop(); p.stop = func() {} }

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// within waits for a condition of the network.
func within(t *testing.T, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s in vain", limit, what)
		}
		<-tick.C
	}
}

// acquaint lets two stations meet without their pages, and verifies.
func acquaint(t *testing.T, a, b *seat) (idOfB, idOfA string) {
	t.Helper()
	ctx := t.Context()
	k, err := a.s.Invite(ctx, b.name, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	back, err := b.s.Accept(ctx, a.name, k.Invitation.Text)
	if err != nil {
		t.Fatal(err)
	}
	ready := func(p *seat, id string) func() bool {
		return func() bool {
			c, err := p.s.Contact(ctx, id)
			return err == nil && c.Ready
		}
	}
	within(t, 2*time.Minute, "the stations to agree on keys", ready(a, k.ID))
	within(t, 2*time.Minute, "the stations to agree on keys", ready(b, back.ID))
	for p, id := range map[*seat]string{a: k.ID, b: back.ID} {
		if _, err := p.s.Confirm(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	return k.ID, back.ID
}
