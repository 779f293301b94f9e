package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"backchannel/internal/station"
	"backchannel/internal/suite"
	"backchannel/internal/web"
	"backchannel/internal/wire"
)

// realStation runs a station whose entry does not answer, with its API on a
// loopback address that wants a token.
func realStation(t *testing.T) (owner *web.Client, address string) {
	t.Helper()
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	p.Relays, p.T0 = 1, time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	key := suite.NewSigningKey(suite.RandomKey())
	nw := &wire.Network{
		Name: "test", Params: p,
		Entry:      wire.Entry{Addresses: []string{"127.0.0.1:1"}, TLS: suite.RandomKey()},
		Relays:     []wire.RelayRecord{{Name: "relay", Operator: "Aldmark", Address: "127.0.0.1:2", Verify: key.Public(), TLS: suite.RandomKey()}},
		Signatures: make([][]byte, 1),
	}
	if err := nw.Sign(0, key); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "bot") // short: a socket's path may have about 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	cfg, err := station.InitFolder(filepath.Join(dir, "s"), nw.Encode(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := station.CreateVault(cfg, []byte("open sesame")); err != nil {
		t.Fatal(err)
	}
	s, err := station.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.OpenVault([]byte("open sesame")); err != nil {
		t.Fatal(err)
	}
	private, err := net.Listen("unix", cfg.Socket)
	if err != nil {
		t.Fatal(err)
	}
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	api := web.NewHandler(s, "test")
	serve := func(h http.Handler) *http.Server {
		return &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return ctx }}
	}
	owned, limited := serve(api), serve(web.RequireToken(s, api))
	var wg sync.WaitGroup
	wg.Go(func() { _ = owned.Serve(private) })
	wg.Go(func() { _ = limited.Serve(open) })
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	owner = web.NewClient(cfg.Socket)
	t.Cleanup(func() {
		cancel()
		owner.Close()
		_ = owned.Close()
		_ = limited.Close()
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return owner, "http://" + open.Addr().String()
}

// The bot follows a real station with a real token, hands its count over, and
// ends when the token is not enough or the context ends.
func TestBot(t *testing.T) {
	owner, address := realStation(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tok, err := owner.NewToken(ctx, "bot", []station.Scope{station.ScopeRead, station.ScopeSend})
	if err != nil {
		t.Fatal(err)
	}
	c, err := web.NewTokenClient(address, tok.Secret)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	counts := make(chan int, 8)
	ready := make(chan struct{})
	b := &bot{
		client: c, text: "I am away.", now: time.Now, answered: map[string]time.Time{}, ready: func() { close(ready) },
		count: func(_ context.Context, n int) error { counts <- n; return nil },
	}
	done := make(chan error, 1)
	go func() { done <- b.work(ctx) }()
	<-ready
	if n := <-counts; n != 0 {
		t.Errorf("%d unread items", n)
	}
	// What it does when something arrives, with what a real station says of items.
	k, err := owner.Invite(ctx, "Borvia", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	it, err := owner.Send(ctx, k.ID, station.Draft{Kind: "signal", Content: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	other := &bot{client: c, text: "I am away.", now: time.Now, answered: map[string]time.Time{}}
	if err := errors.Join(other.answer(ctx, it.ID), other.answer(ctx, strings.Repeat("0", 32)), other.recount(ctx)); err != nil || len(other.answered) != 0 {
		t.Errorf("an own item and one that is gone: %v, %v", err, other.answered)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the bot ended with %v", err)
	}

	file := filepath.Join(t.TempDir(), "token")
	reader, err := owner.NewToken(t.Context(), "none", []station.Scope{station.ScopeSend})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(reader.Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{}, {"--nonsense"}, {"--station", address, "--token-file", file},
		{"--station", address, "--token-file", file + "x", "--answer", "x"},
		{"--station", address, "--token-file", file, "--answer", "x"}, // it may not read
		{"--station", "http://192.0.2.1", "--token-file", file, "--answer", "x"},
		{"--station", filepath.Join(t.TempDir(), "none"), "--token-file", file, "--answer", "x"},
	} {
		var errs strings.Builder
		if err := run(t.Context(), args, &errs); err == nil {
			t.Errorf("%v ends without an error", args)
		}
	}
}

func TestWants(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	b := &bot{now: func() time.Time { return now }, started: now.Add(-time.Hour), answered: map[string]time.Time{"lately": now.Add(-pause + 1), "long ago": now.Add(-pause)}}
	good := station.ItemInfo{Contact: "c", Kind: "signal", Verified: true, State: station.ItemArrived, Created: now}
	for name, c := range map[string]struct {
		edit func(*station.ItemInfo)
		want bool
	}{
		"a signal":         {func(*station.ItemInfo) {}, true},
		"from long ago's":  {func(it *station.ItemInfo) { it.Contact = "long ago" }, true},
		"a letter":         {func(it *station.ItemInfo) { it.Kind = "letter" }, false},
		"an own one":       {func(it *station.ItemInfo) { it.Outgoing = true }, false},
		"unverified":       {func(it *station.ItemInfo) { it.Verified = false }, false},
		"damaged":          {func(it *station.ItemInfo) { it.Damaged = true }, false},
		"not whole":        {func(it *station.ItemInfo) { it.State = station.ItemArriving }, false},
		"before the start": {func(it *station.ItemInfo) { it.Created = now.Add(-time.Hour - 1) }, false},
		"answered lately":  {func(it *station.ItemInfo) { it.Contact = "lately" }, false},
	} {
		it := good
		c.edit(&it)
		if got := b.wants(it); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
