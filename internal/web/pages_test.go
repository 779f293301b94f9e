package web_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"backchannel/internal/station"
	"backchannel/internal/suite"
	"backchannel/internal/web"
	"backchannel/internal/wire"
)

const passphrase = "open sesame"

// clock is a clock that a test turns.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }

func (c *clock) turn(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.t = c.t.Add(d) }

// desk is a running, unlocked station, whose entry does not answer, with its pages.
type desk struct {
	t       *testing.T
	s       *station.Station
	pages   *web.Pages
	local   *httptest.Server
	clock   *clock
	browser *http.Client
}

func newDesk(t *testing.T) *desk {
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
	dir, err := os.MkdirTemp("", "web")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	cfg, err := station.InitFolder(filepath.Join(dir, "s"), nw.Encode(), "")
	if err == nil {
		err = station.CreateVault(cfg, []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return newDeskOf(t, cfg)
}

// newDeskOf starts the station of a folder.
func newDeskOf(t *testing.T, cfg station.Config) *desk {
	t.Helper()
	s, err := station.Open(cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		err = s.OpenVault([]byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, s: s, clock: &clock{t: time.Now()}}
	log := slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelError}))
	if d.pages, err = web.NewPages(s, web.PagesConfig{API: web.NewHandler(s, "test"), Log: log, Now: d.clock.now}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() { d.pages.Run(ctx) })
	d.local = d.serve(false)
	t.Cleanup(func() {
		cancel()
		d.local.CloseClientConnections()
		wg.Wait()
		d.local.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	d.browser = newBrowser(t)
	return d
}

// testLog fails a test on whatever is logged: a template that failed.
type testLog struct{ t *testing.T }

func (l testLog) Write(b []byte) (int, error) { l.t.Error(string(b)); return len(b), nil }

func (d *desk) serve(remote bool) *httptest.Server {
	var h http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	host := strings.TrimPrefix(srv.URL, "http://")
	h = d.pages.Handler(web.Gate{Hosts: []string{host}, Port: host[strings.LastIndexByte(host, ':')+1:], Remote: remote})
	return srv
}

func newBrowser(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 2 * time.Minute}
}

type page struct {
	code   int
	header http.Header
	body   string
	path   string
}

func (d *desk) do(r *http.Request) page {
	d.t.Helper()
	resp, err := d.browser.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return page{resp.StatusCode, resp.Header, string(b), resp.Request.URL.Path}
}

func (d *desk) get(path string) page {
	d.t.Helper()
	r, err := http.NewRequest(http.MethodGet, d.local.URL+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return d.do(r)
}

func (d *desk) post(path string, form url.Values) page {
	d.t.Helper()
	r, err := http.NewRequest(http.MethodPost, d.local.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return d.do(r)
}

func (d *desk) signIn() page {
	d.t.Helper()
	return d.post("/unlock", url.Values{"passphrase": {passphrase}})
}

var tokenField = regexp.MustCompile(`name="token" value="([^"]+)"`)

// token is the form token of a page.
func (d *desk) token() string {
	d.t.Helper()
	m := tokenField.FindStringSubmatch(d.get("/meet").body)
	if m == nil {
		d.t.Fatal("the page has no form token")
	}
	return m[1]
}

// everyPage are addresses that answer with a page or a part to somebody who is
// signed in.
func everyPage(id string) []string {
	return []string{"/", "/rooms", "/rooms/new", "/part/rooms", "/part/people", "/part/facts", "/meet", "/meet/" + id, "/meet/" + id + "/part", "/meet/" + id + "/different", "/meet/" + id + "/qr.png",
		"/meet/" + id + "/file", "/c/" + id + "/about", "/c/" + id + "/part", "/c/" + id + "/estimate?bytes=100", "/others", "/others/part", "/network", "/settings", "/settings/tokens",
		"/help", "/api", "/openapi.json", "/v1/status"}
}

// TestSaidOnce: what was just done is said on the next page, once. A part that
// refreshes itself meanwhile, of the page that is left or of another window, does not
// take it away.
func TestSaidOnce(t *testing.T) {
	d := newDesk(t)
	d.signIn()
	form := url.Values{"token": {d.token()}, "name": {"The third floor"}, "lock": {"15"}, "close": {"0"}}
	d.browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if p := d.post("/settings/options", form); p.code != http.StatusSeeOther {
		t.Fatalf("keeping a setting: %d", p.code)
	}
	for _, path := range []string{"/", "/part/people", "/part/facts"} {
		r, err := http.NewRequest(http.MethodGet, d.local.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("HX-Request", "true")
		r.Header.Set("X-Refresh", "yes")
		if p := d.do(r); p.code != http.StatusOK || strings.Contains(p.body, "Kept.") {
			t.Errorf("a part at %s: %d", path, p.code)
		}
	}
	const said = `<p class="said">Kept.</p>`
	if !strings.Contains(d.get("/settings").body, said) {
		t.Error("the page does not say what was done")
	}
	if strings.Contains(d.get("/settings").body, said) {
		t.Error("it is said twice")
	}
}

// TestLockedShowsNothing asks for everything without a session.
func TestLockedShowsNothing(t *testing.T) {
	d := newDesk(t)
	k, err := d.s.Invite(t.Context(), "Borvia", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(everyPage(k.ID), "/live", "/nowhere") {
		p := d.get(path)
		if path == "/v1/status" {
			if p.code != http.StatusUnauthorized {
				t.Errorf("%s without a session: %d", path, p.code)
			}
			continue
		}
		if p.path != "/unlock" || !strings.Contains(p.body, "Still keeping up your traffic") {
			t.Errorf("%s without a session leads to %s", path, p.path)
		}
		for _, secret := range []string{"Borvia", k.ID, "relay", "station"} {
			if strings.Contains(p.body, secret) {
				t.Errorf("%s without a session shows %q", path, secret)
			}
		}
	}
	stream, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.local.URL+"/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	stream.Header.Set("Accept", "text/event-stream")
	if r, err := d.browser.Do(stream); err != nil || r.StatusCode != http.StatusNoContent {
		t.Errorf("a stream without a session: %v, %v", r, err)
	} else if err := r.Body.Close(); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/meet/invite", "/lock", "/close", "/settings/pair", "/v1/lock", "/v1/unlock"} {
		if p := d.post(path, url.Values{"name": {"Cenia"}, "token": {"x"}}); p.path != "/unlock" && p.code != http.StatusUnauthorized && p.code != http.StatusForbidden {
			t.Errorf("posting to %s without a session: %d at %s", path, p.code, p.path)
		}
	}
	if all, err := d.s.Contacts(t.Context()); err != nil || len(all) != 1 || !d.s.Unlocked() {
		t.Errorf("something was done without a session: %d contacts, %v", len(all), err)
	}
}

// TestEveryPageAnswers renders every page and looks at its headers.
func TestEveryPageAnswers(t *testing.T) {
	d := newDesk(t)
	k, err := d.s.Invite(t.Context(), `<b>Borvia</b> & "sons"`, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if p := d.signIn(); p.path != "/" || p.code != http.StatusOK {
		t.Fatalf("signing in leads to %s with %d", p.path, p.code)
	}
	for _, path := range everyPage(k.ID) {
		p := d.get(path)
		if p.code != http.StatusOK {
			t.Errorf("%s: %d: %.300s", path, p.code, p.body)
		}
		csp := p.header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s has the policy %q", path, csp)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"} {
			if got := p.header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if strings.Contains(p.body, "<b>Borvia") {
			t.Errorf("%s shows a name as HTML", path)
		}
		if bad := regexp.MustCompile(`(?i)<script>|<style|\son\w+=|style="|javascript:|https?://[^w"<]`).FindString(p.body); bad != "" && strings.HasPrefix(p.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s contains %q", path, bad)
		}
		if text := !strings.HasPrefix(p.header.Get("Content-Type"), "image/"); text && strings.Contains(p.body, "%!") || regexp.MustCompile(`\[[a-z]+\.[a-z.]+\]`).MatchString(p.body) {
			t.Errorf("%s shows a text that is not filled in", path)
		}
		if title := regexp.MustCompile(`<title>([^<]*)`).FindStringSubmatch(p.body); title != nil && strings.Contains(title[1], "Borvia") {
			t.Errorf("%s leaves the name of a contact in the browser's history: %q", path, title[1])
		}
	}
	if p := d.get("/nowhere"); p.code != http.StatusNotFound {
		t.Errorf("an address that is not there: %d", p.code)
	}
	if p := d.get("/assets/style.css"); p.code != http.StatusOK || p.header.Get("Cache-Control") != "no-store" {
		t.Errorf("a browser may keep on its disk that these pages were used: %d, %v", p.code, p.header)
	}
	if p := d.get("/assets/../pages.go"); p.code == http.StatusOK {
		t.Error("an asset outside of the folder was served")
	}
}

// TestOtherSites is what another site's page could try.
func TestOtherSites(t *testing.T) {
	d := newDesk(t)
	d.signIn()
	token := d.token()
	host := strings.TrimPrefix(d.local.URL, "http://")
	ask := func(method, path, host string, header map[string]string, form url.Values) int {
		r, err := http.NewRequest(method, d.local.URL+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for k, v := range header {
			r.Header.Set(k, v)
		}
		return d.do(r).code
	}
	for name, c := range map[string]struct {
		method, path, host string
		header             map[string]string
		form               url.Values
		want               int
	}{
		"a name that was made to point here":     {"GET", "/settings", "attacker.example", nil, nil, 421},
		"that name with the right port":          {"GET", "/settings", "attacker.example" + host[strings.LastIndexByte(host, ':'):], nil, nil, 421},
		"this machine by another port":           {"GET", "/settings", "127.0.0.1:80", nil, nil, 421},
		"a form of another site":                 {"POST", "/lock", host, map[string]string{"Sec-Fetch-Site": "cross-site"}, url.Values{"token": {token}}, 403},
		"a form of another port of this machine": {"POST", "/lock", host, map[string]string{"Sec-Fetch-Site": "same-site"}, url.Values{"token": {token}}, 403},
		"an old browser's form of another site":  {"POST", "/lock", host, map[string]string{"Origin": "https://attacker.example"}, url.Values{"token": {token}}, 403},
		"a sandboxed frame's form":               {"POST", "/lock", host, map[string]string{"Origin": "null"}, url.Values{"token": {token}}, 403},
		"an image on another site":               {"GET", "/meet/x/qr.png", host, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, nil, 403},
		"a frame on another site":                {"GET", "/settings", host, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, nil, 403},
		"a form without the token":               {"POST", "/lock", host, map[string]string{"Sec-Fetch-Site": "same-origin"}, url.Values{}, 403},
		"a form with another token":              {"POST", "/lock", host, map[string]string{"Sec-Fetch-Site": "same-origin"}, url.Values{"token": {"AAAA"}}, 403},
		"the token in the address":               {"POST", "/lock?token=" + token, host, map[string]string{"Sec-Fetch-Site": "same-origin"}, url.Values{}, 403},
		"the interface without the token":        {"POST", "/v1/lock", host, map[string]string{"Sec-Fetch-Site": "same-origin"}, url.Values{}, 401},
		"unlocking through the interface":        {"POST", "/v1/unlock", host, map[string]string{"Sec-Fetch-Site": "same-origin", "X-Form-Token": token}, url.Values{}, 403},
		"signing in from another site":           {"POST", "/unlock", host, map[string]string{"Sec-Fetch-Site": "cross-site"}, url.Values{"passphrase": {passphrase}}, 403},
		"a link that was followed":               {"GET", "/settings", host, map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, nil, 200},
		"an address that was typed":              {"GET", "/settings", host, map[string]string{"Sec-Fetch-Site": "none"}, nil, 200},
		"the interface with the token":           {"GET", "/v1/status", host, map[string]string{"Sec-Fetch-Site": "same-origin"}, nil, 200},
	} {
		if got := ask(c.method, c.path, c.host, c.header, c.form); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	// The interface refuses in its own form; a foreign name is not told what runs here.
	for _, c := range []struct {
		host, site string
		told       bool
	}{{host, "cross-site", true}, {"attacker.example", "same-origin", false}} {
		r, err := http.NewRequest(http.MethodPost, d.local.URL+"/v1/lock", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		r.Header.Set("Sec-Fetch-Site", c.site)
		if p := d.do(r); strings.Contains(p.body, "backchannel") != c.told || strings.HasPrefix(p.body, "{") != c.told {
			t.Errorf("the interface asked from %s: %s", c.site, p.body)
		}
	}
	if d.get("/").path != "/" {
		t.Error("one of them ended the session")
	}
}

// TestWrongPassphrases makes the door slower and slower, whatever is tried next.
func TestWrongPassphrases(t *testing.T) {
	d := newDesk(t)
	try := func(pass string) int { return d.post("/unlock", url.Values{"passphrase": {pass}}).code }
	for i := range 3 {
		if got := try(fmt.Sprint("wrong ", i)); got != http.StatusForbidden {
			t.Fatalf("wrong passphrase %d: %d", i, got)
		}
	}
	waits := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}
	for _, wait := range waits {
		if got := try(passphrase); got != http.StatusTooManyRequests {
			t.Errorf("the right passphrase at once: %d", got)
		}
		d.clock.turn(wait - time.Millisecond)
		if got := try("wrong"); got != http.StatusTooManyRequests {
			t.Errorf("just before %v are over: %d", wait, got)
		}
		d.clock.turn(time.Millisecond)
		if got := try("wrong"); got != http.StatusForbidden {
			t.Errorf("after %v: %d", wait, got)
		}
	}
	d.clock.turn(5 * time.Minute)
	if p := d.signIn(); p.path != "/" {
		t.Errorf("the right passphrase after the wait: %d at %s", p.code, p.path)
	}
	d.post("/lock", url.Values{"token": {d.token()}})
	if got := try("wrong"); got != http.StatusForbidden {
		t.Errorf("a right passphrase forgives: %d", got)
	}
}

// TestSessionEnds by the button, by its time-out, by closing the vault in any way.
func TestSessionEnds(t *testing.T) {
	d := newDesk(t)
	in := func() bool { return d.get("/help").path == "/help" }
	d.signIn()
	first := d.browser
	d.browser = newBrowser(t)
	d.signIn()
	p := d.post("/lock", url.Values{"token": {d.token()}})
	if p.path != "/unlock" || in() {
		t.Error("the button did not lock")
	}
	if d.browser = first; in() {
		t.Error("the button locked only one of two browsers")
	}
	if !d.s.Unlocked() {
		t.Error("locking the pages closed the vault")
	}

	d.signIn()
	d.clock.turn(14 * time.Minute)
	if !in() {
		t.Error("locked before its time")
	}
	d.clock.turn(14 * time.Minute)
	refresh, err := http.NewRequest(http.MethodGet, d.local.URL+"/part/facts", nil)
	if err != nil {
		t.Fatal(err)
	}
	refresh.Header.Set("X-Refresh", "yes")
	if d.do(refresh).code != http.StatusOK {
		t.Error("a page could not refresh itself")
	}
	d.clock.turn(90 * time.Second) // refreshing is no act of the principal
	waitFor(t, "the time-out", func() bool { return !in() })

	d.signIn()
	if err := d.s.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if in() {
		t.Error("the pages outlived the vault")
	}
	d.signIn()
	if !d.s.Unlocked() || !in() {
		t.Error("signing in did not open the vault")
	}
	d.post("/close", url.Values{"token": {d.token()}})
	if d.s.Unlocked() || in() {
		t.Error("the vault was not closed")
	}

	d.signIn()
	o := station.PageOptions{LockMinutes: 0, CloseMinutes: 60}
	if err := d.s.SetPageOptions(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	d.clock.turn(59 * time.Minute)
	if !in() {
		t.Error("closed before its time")
	}
	d.clock.turn(61 * time.Minute)
	waitFor(t, "the vault's time-out", func() bool { return !d.s.Unlocked() })
}

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !cond(); <-tick.C {
		if time.Now().After(end) {
			t.Errorf("waited for %s in vain", what)
			return
		}
	}
}
