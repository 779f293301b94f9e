package web_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// listen opens a stream and returns a channel that closes when the station ends it.
func (d *desk) listen(path, bearer string) <-chan struct{} {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, d.local.URL+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := (&http.Client{Jar: d.browser.Jar}).Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		d.t.Fatalf("%s: %s, %s", path, resp.Status, resp.Header.Get("Content-Type"))
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, bufio.NewReader(resp.Body)) // any end will do
	}()
	return over
}

func (d *desk) ends(what string, stream <-chan struct{}) {
	d.t.Helper()
	select {
	case <-stream:
	case <-time.After(time.Minute):
		d.t.Errorf("%s: the stream goes on", what)
	}
}

// TestStreamsEnd with the session, the device or the token that opened them.
func TestStreamsEnd(t *testing.T) {
	d := newDesk(t)
	d.signIn()
	page, events := d.listen("/live", ""), d.listen("/v1/events", "")
	d.post("/lock", url.Values{"token": {d.token()}})
	d.ends("a page after the lock", page)
	d.ends("the interface after the lock", events)

	token, err := d.s.NewToken(t.Context(), "bot", []station.Scope{station.ScopeRead})
	if err != nil {
		t.Fatal(err)
	}
	program := d.listen("/v1/events", token.Secret)
	if err := d.s.RevokeToken(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	d.ends("a program whose token was revoked", program)

	remote := d.serve(true)
	defer remote.Close()
	defer remote.CloseClientConnections()
	d.s.SetEndpoint(station.Endpoint{Remote: remote.URL})
	local := d.local
	d.local, d.browser = remote, newBrowser(t)
	pairing, err := d.s.NewPairing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.post(strings.TrimPrefix(pairing.Link, remote.URL), url.Values{"name": {"phone"}})
	d.signIn()
	phone := d.listen("/live", "")
	devices, err := d.s.Devices(t.Context())
	if err != nil || len(devices) != 1 {
		t.Fatal(devices, err)
	}
	if err := d.s.RevokeDevice(t.Context(), devices[0].ID); err != nil { // as the command does
		t.Fatal(err)
	}
	d.ends("a device that was revoked", phone)
	d.local = local
}

// TestPanicForgets whatever was of the vault, in memory too: sessions, devices, open
// links and the name.
func TestPanicForgets(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	remote := d.serve(true)
	defer remote.Close()
	d.s.SetEndpoint(station.Endpoint{Remote: remote.URL})
	if err := d.s.SetPageOptions(ctx, station.PageOptions{Name: "Borvian desk", LockMinutes: 5}); err != nil {
		t.Fatal(err)
	}
	pair := func() string {
		p, err := d.s.NewPairing(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimPrefix(p.Link, remote.URL)
	}
	d.signIn()
	local, desktop, phone := d.local, d.browser, newBrowser(t)
	d.local, d.browser = remote, phone
	d.post(pair(), url.Values{"name": {"phone"}})
	open := pair()
	if err := d.s.Panic(ctx); err != nil {
		t.Fatal(err)
	}
	if o := d.s.PageOptions(); o != station.DefaultPageOptions {
		t.Errorf("after a panic the station's memory has %+v", o)
	}
	if p := d.post("/new-vault", url.Values{"passphrase": {"seven dull words that nobody knows"}, "again": {"seven dull words that nobody knows"}}); p.code != http.StatusForbidden || d.s.HasVault() {
		t.Errorf("a device of before makes a vault: %d", p.code)
	}
	if err := d.s.NewVault(ctx, []byte(passphrase)); err != nil {
		t.Fatal(err)
	}
	if p := d.get("/unlock"); p.code != http.StatusForbidden {
		t.Errorf("a device of before: %d", p.code)
	}
	d.browser = newBrowser(t)
	if p := d.post(open, url.Values{"name": {"thief"}}); p.code != http.StatusForbidden {
		t.Errorf("a link of before: %d", p.code)
	}
	d.local, d.browser = local, desktop
	if p := d.get("/help"); p.path != "/unlock" {
		t.Error("a session of before opens the new vault")
	}
}

// TestLockedAndOpenedAtOnce: a session ends with its opening of the vault, also if
// the next one comes before anybody looks.
func TestLockedAndOpenedAtOnce(t *testing.T) {
	d := newDesk(t)
	d.signIn()
	if err := d.s.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.s.Unlock(t.Context(), []byte(passphrase)); err != nil {
		t.Fatal(err)
	}
	if p := d.get("/help"); p.path != "/unlock" {
		t.Error("a session outlived the vault")
	}
}

// TestNeverIsNever: no time-out is a choice like others.
func TestNeverIsNever(t *testing.T) {
	d := newDesk(t)
	if err := d.s.SetPageOptions(t.Context(), station.PageOptions{}); err != nil {
		t.Fatal(err)
	}
	if o := d.s.PageOptions(); o != (station.PageOptions{}) {
		t.Errorf("chosen was never, kept is %+v", o)
	}
}

// TestProgramsAreNobodysAct: what asks with a token does not keep the vault open.
func TestProgramsAreNobodysAct(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	token, err := d.s.NewToken(ctx, "bot", []station.Scope{station.ScopeRead})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.s.SetPageOptions(ctx, station.PageOptions{CloseMinutes: 60}); err != nil {
		t.Fatal(err)
	}
	socket := d.pages.Active(web.NewHandler(d.s, "test"))
	ask := func(bearer string) {
		r := httptest.NewRequest(http.MethodGet, "/v1/status", nil)
		if bearer != "" {
			r.Header.Set("Authorization", "Bearer "+bearer)
		}
		w := httptest.NewRecorder()
		if socket.ServeHTTP(w, r); w.Code != http.StatusOK {
			t.Fatalf("status: %d", w.Code)
		}
	}
	ask("")
	d.clock.turn(59 * time.Minute)
	ask(token.Secret)
	d.clock.turn(2 * time.Minute)
	waitFor(t, "the vault's time-out beside a busy program", func() bool { return !d.s.Unlocked() })
}

// TestWelcomeHoldsOnceAndSoon: the key of a first start lets its browser in without
// the passphrase, once, and not days later.
func TestWelcomeHoldsOnceAndSoon(t *testing.T) {
	d := newDesk(t)
	host := strings.TrimPrefix(d.local.URL, "http://")
	at, err := url.Parse(d.local.URL)
	if err != nil {
		t.Fatal(err)
	}
	come := func(key string) string {
		d.browser = newBrowser(t)
		d.browser.Jar.SetCookies(at, []*http.Cookie{{Name: "setup-" + host[strings.LastIndexByte(host, ':')+1:], Value: key, Path: "/"}})
		return d.get("/welcome").path
	}
	d.pages.Welcome("KEY")
	if got := come("ANOTHER"); got != "/unlock" {
		t.Errorf("another key leads to %s", got)
	}
	if got := come("KEY"); got != "/meet" {
		t.Errorf("the key leads to %s", got)
	}
	if got := come("KEY"); got != "/unlock" {
		t.Errorf("the key a second time leads to %s", got)
	}
	d.pages.Welcome("KEY")
	d.clock.turn(10 * time.Minute)
	if got := come("KEY"); got != "/unlock" {
		t.Errorf("the key after its time leads to %s", got)
	}
}

// TestBackupOnThePage comes as a file, and a part of one is none.
func TestBackupOnThePage(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	k, err := d.s.Invite(ctx, "Borvia", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("a letter "), 500_000)
	if _, err := d.s.Send(ctx, k.ID, station.Draft{Kind: "letter", Content: content}); err != nil {
		t.Fatal(err)
	}
	d.signIn()
	const words = "seven dull words that nobody knows"
	token := d.token()
	form := url.Values{"token": {token}, "passphrase": {words}, "again": {words}}
	p := d.post("/settings/backup", form)
	if p.code != http.StatusOK || !strings.HasPrefix(p.body, "backchannel backup 1\n") || len(p.body) < len(content) || !strings.HasPrefix(p.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%d, %d bytes, %v", p.code, len(p.body), p.header)
	}
	form.Set("again", "other words")
	if p := d.post("/settings/backup", form); p.code != http.StatusUnprocessableEntity || p.header.Get("Content-Disposition") != "" {
		t.Errorf("two passphrases: %d", p.code)
	}
	form.Set("again", words)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.local.URL+"/settings/backup", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := d.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadFull(resp.Body, make([]byte, 70_000)); err != nil {
		t.Fatal(err)
	}
	if err := d.s.Panic(ctx); err != nil { // the vault is gone while the browser reads
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, resp.Body); err == nil && n < int64(len(content))-70_000 {
		t.Errorf("a part of a backup of %d bytes looks whole", n)
	}
}
