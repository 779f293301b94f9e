package pagetest_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"backchannel/internal/sim/localnet"
	"backchannel/internal/station"
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
	n, err := localnet.Start(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
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
	return &world{n.File.Encode(), dir}
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
	books web.BookDesk
	said  []string
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
	pages, err := web.NewPages(s, web.PagesConfig{Version: "test", API: web.NewHandler(s, "test"), Log: log, Rooms: p.rooms, Seats: p.seats, Books: p.books})
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
	pages.Welcome(p.key, p.said...)
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
	within(t, arrives, "the stations to agree on keys", ready(a, k.ID))
	within(t, arrives, "the stations to agree on keys", ready(b, back.ID))
	for p, id := range map[*seat]string{a: k.ID, b: back.ID} {
		if _, err := p.s.Confirm(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	return k.ID, back.ID
}
