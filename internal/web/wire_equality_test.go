package web_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"backchannel/internal/sim/localnet"
	"backchannel/internal/station"
	"backchannel/internal/vault"
	"backchannel/internal/web"
	"backchannel/internal/wire"
)

// TestUseOfTheAPINeverShowsOnTheWire drives the API of one station as hard as it
// goes, from several callers at once, and leaves another alone. What passes on
// their lines must be equal, size for size and tick for tick.
func TestUseOfTheAPINeverShowsOnTheWire(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute of real time")
	}
	cheap := vault.DefaultKDF
	vault.DefaultKDF = fullKDF // unlocking is the hardest that a caller can drive
	t.Cleanup(func() { vault.DefaultKDF = cheap })
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	n, err := localnet.Start(p)
	if err != nil {
		t.Fatal(err)
	}
	p = n.File.Params
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var taps []*localnet.Tap
	var stations []*station.Station
	var clients []*web.Client
	var servers []*http.Server
	t.Cleanup(func() {
		cancel()
		for i := range clients {
			clients[i].Close()
			_ = servers[i].Close()
		}
		wg.Wait()
		for i := range stations {
			if err := stations[i].Close(); err != nil {
				t.Error(err)
			}
			taps[i].Close()
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	passphrase := "open sesame"
	for range 3 {
		tap, err := localnet.NewTap()
		if err != nil {
			t.Fatal(err)
		}
		s, cfg, err := n.NewStation(shortDir(t), tap.Addr(), []byte(passphrase))
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("unix", cfg.Socket)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: web.NewHandler(s, "test"), ReadHeaderTimeout: time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
		wg.Go(func() { _ = srv.Serve(ln) })
		taps, stations, clients, servers = append(taps, tap), append(stations, s), append(clients, web.NewClient(cfg.Socket)), append(servers, srv)
	}
	for _, s := range stations { // at once: when a station comes is visible
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	const driven, partner, quiet = 0, 1, 2
	c := clients[driven]
	k, err := c.Invite(ctx, "the other", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clients[partner].Accept(ctx, "the other", k.Invitation.Text); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(25 * time.Second)
	var calls atomic.Int64
	var callers sync.WaitGroup
	for caller := range 4 {
		callers.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				name := fmt.Sprintf("guest %d-%d", caller, i)
				var errs []error
				note := func(err error) {
					calls.Add(1)
					var known *station.Error
					if err != nil && (!errors.As(err, &known) || known.Code == station.CodeInternal) {
						errs = append(errs, err) // refusals are part of the use
					}
				}
				_, err := c.Send(ctx, "the other", station.Draft{Kind: "signal", Content: []byte(name)})
				note(err)
				_, err = c.Send(ctx, "the other", station.Draft{Kind: "letter", Subject: name, Content: make([]byte, 20_000)})
				note(err)
				_, err = c.Invite(ctx, name, time.Hour)
				note(err)
				_, err = c.Rename(ctx, name, name+" again")
				note(err)
				note(c.Cancel(ctx, name+" again"))
				_, err = c.Status(ctx)
				note(err)
				_, err = c.Contacts(ctx)
				note(err)
				_, err = c.Items(ctx, station.ItemFilter{Limit: 100})
				note(err)
				if caller == 0 && i%5 == 4 { // which also turns the lanes to idle ones for a while
					note(c.Lock(ctx))
					note(c.Unlock(ctx, passphrase))
				}
				if err := errors.Join(errs...); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
	if calls.Load() < 200 {
		t.Errorf("the API answered %d calls only", calls.Load())
	}
	if err := localnet.Compare(taps[driven], taps[quiet], p, time.Now().Add(-p.Round)); err != nil {
		t.Errorf("driven and quiet: %v", err)
	}
	t.Logf("%d calls", calls.Load())
}

// shortDir is a temporary folder with a short name: a socket's path may have
// about 100 bytes.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "web")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
