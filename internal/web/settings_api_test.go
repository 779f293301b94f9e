package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// TestConnectionAPI changes by the interface what holds from the next start: with
// the passphrase, a part at a time, and by nobody but the principal.
func TestConnectionAPI(t *testing.T) {
	c, socket := serve(t)
	ctx := t.Context()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) *string { return &s }
	kept := func() station.Connection {
		t.Helper()
		st, err := c.Connection(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return st.Kept
	}
	before := kept()
	for name, x := range map[string]struct {
		pass   string
		change station.ConnectionChange
		want   station.Code
	}{
		"a wrong passphrase": {"shut sesame", station.ConnectionChange{SOCKS5: text("127.0.0.1:9050")}, station.CodeDenied},
		"no passphrase":      {"", station.ConnectionChange{SOCKS5: text("127.0.0.1:9050")}, station.CodeInvalid},
		"pages for all":      {passphrase, station.ConnectionChange{Page: text("0.0.0.0:80")}, station.CodeInvalid},
		"a bad proxy":        {passphrase, station.ConnectionChange{SOCKS5: text("tor")}, station.CodeInvalid},
		"no such command":    {passphrase, station.ConnectionChange{Notify: &[]string{"/nowhere/at/all"}}, station.CodeInvalid},
		"a bad second part":  {passphrase, station.ConnectionChange{SOCKS5: text("127.0.0.1:9050"), Remote: text("here")}, station.CodeInvalid},
	} {
		if _, err := c.ChangeConnection(ctx, x.pass, x.change); code(err) != x.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !kept().Same(before) {
		t.Fatal("what was refused was kept")
	}

	// While the vault is closed: the passphrase is what counts.
	st, err := c.ChangeConnection(ctx, passphrase, station.ConnectionChange{SOCKS5: text("127.0.0.1:9050"), Notify: &[]string{program, "", "two words"}})
	if err != nil || !st.Pending || st.Kept.SOCKS5 != "127.0.0.1:9050" || st.Running.SOCKS5 != "" {
		t.Fatalf("%+v, %v", st, err)
	}
	if st, err = c.ChangeConnection(ctx, passphrase, station.ConnectionChange{Remote: text("192.168.1.5:7718")}); err != nil || st.Kept.SOCKS5 != "127.0.0.1:9050" || len(st.Kept.Notify) != 3 || st.Kept.Notify[1] != "" {
		t.Errorf("another part: %+v, %v", st, err)
	}
	if st, err = c.ChangeConnection(ctx, passphrase, station.ConnectionChange{SOCKS5: text(""), Remote: text(""), Notify: &[]string{}}); err != nil || st.Pending || !st.Kept.Same(before) {
		t.Errorf("all of it back: %+v, %v", st, err)
	}

	// A program may not, whatever it may do otherwise: it would run a command here.
	if err := c.Unlock(ctx, passphrase); err != nil {
		t.Fatal(err)
	}
	token, err := c.NewToken(ctx, "bot", station.Scopes())
	if err != nil {
		t.Fatal(err)
	}
	bot := web.NewClient(socket).WithToken(token.Secret)
	defer bot.Close()
	if _, err := bot.Connection(ctx); code(err) != station.CodeDenied {
		t.Errorf("a program reads the command: %v", err)
	}
	if _, err := bot.ChangeConnection(ctx, passphrase, station.ConnectionChange{Notify: &[]string{program}}); code(err) != station.CodeDenied {
		t.Errorf("a program sets a command: %v", err)
	}
	if err := bot.ChangePassphrase(ctx, passphrase, "garden copper violin rescue"); code(err) != station.CodeDenied {
		t.Errorf("a program changes the passphrase: %v", err)
	}
	if !kept().Same(before) {
		t.Error("a program changed the configuration")
	}

	// The passphrase itself.
	if err := c.ChangePassphrase(ctx, "shut sesame", "garden copper violin rescue"); code(err) != station.CodeDenied {
		t.Errorf("with a wrong one: %v", err)
	}
	if err := c.ChangePassphrase(ctx, passphrase, "monday"); code(err) != station.CodeInvalid {
		t.Errorf("to one that would be guessed: %v", err)
	}
	if err := c.ChangePassphrase(ctx, passphrase, "garden copper violin rescue"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ChangeConnection(ctx, passphrase, station.ConnectionChange{SOCKS5: text("")}); code(err) != station.CodeDenied {
		t.Errorf("the old passphrase: %v", err)
	}
}

// TestConnectionAPIOfBrowsers: a browser's passphrase is asked for by the form, whose
// door counts wrong ones, and a paired device is not shown the command.
func TestConnectionAPIOfBrowsers(t *testing.T) {
	d := newDesk(t)
	d.signIn()
	const path = "/v1/settings/connection"
	ask := func(method, path string, body any) page {
		t.Helper()
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequest(method, d.local.URL+path, strings.NewReader(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range map[string]string{"Content-Type": "application/json", "Sec-Fetch-Site": "same-origin", "X-Form-Token": d.token()} {
			r.Header.Set(k, v)
		}
		return d.do(r)
	}
	change := map[string]any{"passphrase": passphrase, "socks5": "127.0.0.1:9050"}
	fresh := map[string]string{"old": passphrase, "new": "garden copper violin rescue"}
	refused := func(who string) {
		t.Helper()
		if p := ask(http.MethodPatch, path, change); p.code != http.StatusForbidden {
			t.Errorf("%s changes the connection: %d", who, p.code)
		}
		if p := ask(http.MethodPut, "/v1/settings/passphrase", fresh); p.code != http.StatusForbidden {
			t.Errorf("%s changes the passphrase: %d", who, p.code)
		}
	}
	if p := d.get(path); p.code != http.StatusOK || !strings.Contains(p.body, `"pending":false`) {
		t.Errorf("on the machine itself: %d: %s", p.code, p.body)
	}
	refused("a session")

	remote := d.serve(true)
	defer remote.Close()
	d.s.SetEndpoint(station.Endpoint{Remote: remote.URL})
	pairing, err := d.s.NewPairing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	local := d.local
	defer func() { d.local = local }()
	d.local, d.browser = remote, newBrowser(t)
	d.post(strings.TrimPrefix(pairing.Link, remote.URL), url.Values{"name": {"phone"}})
	d.signIn()
	if p := d.get("/v1/status"); p.code != http.StatusOK {
		t.Fatalf("a device does not get in: %d", p.code)
	}
	if p := d.get(path); p.code != http.StatusForbidden || strings.Contains(p.body, "notify") {
		t.Errorf("a device is shown the connection: %d", p.code)
	}
	refused("a device")
	if st, err := d.s.ConnectionState(t.Context()); err != nil || st.Pending {
		t.Errorf("something was changed: %+v, %v", st, err)
	}
}
