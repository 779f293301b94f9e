package web_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
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

// serve runs a real station, whose entry does not answer, with its API on a unix
// socket, and returns a client and the socket.
func serve(t *testing.T) (*web.Client, string) {
	t.Helper()
	c, socket, _ := serveStation(t)
	return c, socket
}

func serveStation(t *testing.T) (*web.Client, string, *station.Station) {
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
	dir, err := os.MkdirTemp("", "web") // short: a socket's path may have about 100 bytes
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
	ln, err := net.Listen("unix", cfg.Socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	srv := &http.Server{Handler: web.NewHandler(s, "test"), ReadHeaderTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return ctx }}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(ln) })
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	c := web.NewClient(cfg.Socket)
	t.Cleanup(func() {
		cancel()
		c.Close()
		_ = srv.Close()
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, cfg.Socket, s
}

func code(err error) station.Code {
	var e *station.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// TestAPI walks through what the commands use, in the states in which each call
// is refused and in which it is not.
func TestAPI(t *testing.T) {
	c, _ := serve(t)
	ctx := t.Context()
	if _, err := c.Contacts(ctx); code(err) != station.CodeLocked {
		t.Errorf("contacts of a locked station: %v", err)
	}
	if err := c.Unlock(ctx, "shut sesame"); code(err) != station.CodeDenied {
		t.Errorf("a wrong passphrase: %v", err)
	}
	if err := c.Unlock(ctx, "open sesame"); err != nil {
		t.Fatal(err)
	}
	if err := c.Unlock(ctx, "open sesame"); code(err) != station.CodeConflict {
		t.Errorf("unlocking twice: %v", err)
	}
	k, err := c.Invite(ctx, "Borvia / the other side", time.Hour)
	if err != nil || k.Invitation == nil || len(k.Invitation.Words) != 31 || k.Lane != 1 || k.Verified {
		t.Fatalf("inviting: %+v, %v", k, err)
	}
	if again, err := c.Contact(ctx, k.Name); err != nil || again.ID != k.ID {
		t.Errorf("a contact by a name with a slash: %+v, %v", again, err)
	}
	for _, bad := range []string{"", "  ", "two\nlines", strings.Repeat("x", 201)} {
		if _, err := c.Invite(ctx, bad, 0); code(err) != station.CodeInvalid {
			t.Errorf("a contact named %q: %v", bad, err)
		}
	}
	notices, ready := make(chan station.Notice, 16), make(chan struct{})
	follow, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- c.Follow(follow, func() { close(ready) }, func(n station.Notice) error { notices <- n; return nil })
	}()
	<-ready
	content := []byte{0, 1, 2, 255}
	it, err := c.Send(ctx, k.ID, station.Draft{Kind: "letter", Subject: "S & T?", FileName: "odd name; $(x).bin", MediaType: "application/x-test", Content: content})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Content(ctx, it.ID); err != nil || string(got) != string(content) {
		t.Errorf("the letter's own copy: %v, %v", got, err)
	}
	if it, err = c.Item(ctx, it.ID[:6]); err != nil || it.Subject != "S & T?" || it.FileName != "odd name; $(x).bin" || it.State != station.ItemWaiting {
		t.Errorf("the letter by its first digits: %+v, %v", it, err)
	}
	if _, err := c.Send(ctx, k.ID, station.Draft{Kind: "letter", Content: make([]byte, station.MaxContent+1)}); err == nil {
		t.Error("a letter that is too large was accepted")
	}
	if _, err := c.Send(ctx, k.ID, station.Draft{Kind: "signal"}); code(err) != station.CodeInvalid {
		t.Errorf("an empty signal: %v", err)
	}
	if _, err := c.Send(ctx, "nobody", station.Draft{Kind: "signal", Content: []byte("x")}); code(err) != station.CodeNotFound {
		t.Errorf("a signal to nobody: %v", err)
	}
	if _, err := c.Words(ctx, k.ID); code(err) != station.CodeConflict {
		t.Errorf("words before meeting: %v", err)
	}
	if _, err := c.Confirm(ctx, k.ID); code(err) != station.CodeConflict {
		t.Errorf("confirming before meeting: %v", err)
	}
	st, err := c.Status(ctx)
	if err != nil || st.Waiting != 1 || st.Usual || st.Connected || !st.Unlocked || st.LanesFree != 3 || len(st.Warnings) == 0 {
		t.Errorf("status: %+v, %v", st, err)
	}
	if err := c.Cancel(ctx, k.ID); err != nil {
		t.Errorf("cancelling an invitation: %v", err)
	}
	if _, err := c.Item(ctx, it.ID); code(err) != station.CodeNotFound {
		t.Errorf("a letter to somebody who is gone: %v", err)
	}
	if err := c.Lock(ctx); err != nil {
		t.Error(err)
	}
	if _, err := c.Items(ctx, station.ItemFilter{}); code(err) != station.CodeLocked {
		t.Errorf("letters of a locked station: %v", err)
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("following ended with %v", err)
	}
}

// TestOpenAPI reads the description that the station serves of itself.
func TestOpenAPI(t *testing.T) {
	_, socket := serve(t)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://station/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var doc struct {
		OpenAPI string                               `json:"openapi"`
		Paths   map[string]map[string]map[string]any `json:"paths"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %q", doc.OpenAPI)
	}
	for _, path := range []string{"/v1/status", "/v1/contacts", "/v1/contacts/{contact}/letters", "/v1/items/{item}/content", "/v1/events"} {
		for method, op := range doc.Paths[path] {
			if op["summary"] == "" || op["operationId"] == "" {
				t.Errorf("%s %s has no summary or identifier", method, path)
			}
		}
		if doc.Paths[path] == nil {
			t.Errorf("%s is not described", path)
		}
	}
	// A problem is a problem document with the station's code as its type.
	resp2, err := client.Get("http://station/v1/items/" + hex.EncodeToString([]byte("none")))
	if err != nil {
		t.Fatal(err)
	}
	defer resp2.Body.Close()
	var problem struct{ Type, Detail string }
	if err := json.NewDecoder(resp2.Body).Decode(&problem); err != nil || problem.Type != "backchannel:locked" || problem.Detail == "" {
		t.Errorf("problem document: %+v, %v", problem, err)
	}
	if ct := resp2.Header.Get("Content-Type"); ct != "application/problem+json" {
		t.Errorf("content type %q", ct)
	}
}
