package web_test

import (
	"net/http"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"backchannel/internal/station"
)

// TestTokensPage makes a token, sees its secret once, uses it, and revokes it.
func TestTokensPage(t *testing.T) {
	d := newDesk(t)
	d.signIn()
	if p := d.get("/settings/tokens"); !strings.Contains(p.body, "There is no token.") {
		t.Errorf("no tokens: %d", p.code)
	}
	form := url.Values{"token": {d.token()}, "name": {"weather <b>bot</b>"}, "scope": {"read"}}
	for name, bad := range map[string]url.Values{
		"no scope": {"token": form["token"], "name": {"x"}}, "another scope": {"token": form["token"], "name": {"x"}, "scope": {"burn"}}, "no name": {"token": form["token"], "scope": {"read"}},
	} {
		if p := d.post("/settings/tokens", bad); p.code != http.StatusUnprocessableEntity || !strings.Contains(p.body, "Making a token:") {
			t.Errorf("%s: %d", name, p.code)
		}
	}
	p := d.post("/settings/tokens", form)
	secret := regexp.MustCompile(`bct_[\w-]+`).FindString(p.body)
	if p.code != http.StatusOK || secret == "" || strings.Contains(p.body, "<b>bot") {
		t.Fatalf("making a token: %d: %s", p.code, p.body)
	}
	if p := d.post("/settings/tokens", form); p.code != http.StatusConflict || strings.Contains(p.body, "bct_") {
		t.Errorf("the name again: %d", p.code)
	}
	p = d.get("/settings/tokens")
	if strings.Contains(p.body, secret) || !strings.Contains(p.body, "reads · made") {
		t.Error("the list shows the secret, or not the token")
	}
	use := func() int {
		r, err := http.NewRequest(http.MethodGet, d.local.URL+"/v1/contacts", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+secret)
		return d.do(r).code
	}
	if got := use(); got != http.StatusOK {
		t.Errorf("using it: %d", got)
	}
	id := regexp.MustCompile(`action="/settings/tokens/([0-9a-f]{16})"`).FindStringSubmatch(p.body)
	if id == nil {
		t.Fatal("nothing to revoke it with")
	}
	if p := d.post("/settings/tokens/"+id[1], url.Values{}); p.code != http.StatusForbidden {
		t.Errorf("revoking without the form's token: %d", p.code)
	}
	if p := d.post("/settings/tokens/"+id[1], url.Values{"token": {d.token()}}); p.path != "/settings/tokens" || !strings.Contains(p.body, "The token is revoked") {
		t.Errorf("revoking: %d at %s", p.code, p.path)
	}
	if got := use(); got == http.StatusOK {
		t.Error("the token outlived its revocation")
	}
}

// TestConnectionForm changes what holds from the next start, with the passphrase
// and on this machine only.
func TestConnectionForm(t *testing.T) {
	d := newDesk(t)
	d.signIn()
	before := d.s.Config().Connection()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	form := func(change ...string) url.Values {
		f := url.Values{"token": {d.token()}, "passphrase": {passphrase}, "socks5": {" 127.0.0.1:9050 "}, "page": {"127.0.0.1:7719"}, "remote": {"192.168.1.5:7718"}, "notify": {program + "\r\n--quiet\r\n"}}
		for i := 0; i < len(change); i += 2 {
			f.Set(change[i], change[i+1])
		}
		return f
	}
	kept := func() station.Connection {
		c, err := d.s.Config().Kept()
		if err != nil {
			t.Fatal(err)
		}
		return c.Connection()
	}
	for name, c := range map[string]struct {
		form url.Values
		code int
		text string
	}{
		"a wrong passphrase": {form("passphrase", "sesame"), http.StatusForbidden, "That is not the passphrase"},
		"pages for all":      {form("page", "0.0.0.0:80"), http.StatusUnprocessableEntity, "page must be an address of this machine only"},
		"no pages":           {form("page", " "), http.StatusUnprocessableEntity, "Give these pages an address"},
		"a bad proxy":        {form("socks5", "tor"), http.StatusUnprocessableEntity, "socks5:"},
		"no such command":    {form("notify", "/nowhere/at/all"), http.StatusUnprocessableEntity, "no such command"},
	} {
		p := d.post("/settings/connection", c.form)
		if p.code != c.code || !strings.Contains(p.body, c.text) {
			t.Errorf("%s: %d without %q", name, p.code, c.text)
		}
		if !strings.Contains(p.body, "192.168.1.5:7718") {
			t.Errorf("%s: what was written into the form is lost", name)
		}
	}
	if !reflect.DeepEqual(kept(), before) {
		t.Fatal("what was refused was kept")
	}
	p := d.post("/settings/connection", form())
	if p.path != "/settings" || !strings.Contains(p.body, "It takes effect when the station starts again") || !strings.Contains(p.body, "What is below was changed") {
		t.Errorf("keeping: %d at %s", p.code, p.path)
	}
	want := station.Connection{SOCKS5: "127.0.0.1:9050", Page: "127.0.0.1:7719", Remote: "192.168.1.5:7718", Notify: []string{program, "--quiet"}}
	if !reflect.DeepEqual(kept(), want) || !reflect.DeepEqual(d.s.Config().Connection(), before) {
		t.Errorf("kept is %+v, running %+v", kept(), d.s.Config().Connection())
	}

	// From a paired device: seen, not changed.
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
	if p := d.get("/settings"); p.code != http.StatusOK || strings.Contains(p.body, `action="/settings/connection"`) || strings.Contains(p.body, program) {
		t.Errorf("a device is shown the form, or the command: %d", p.code)
	}
	if p := d.post("/settings/connection", form("socks5", "")); p.code != http.StatusForbidden || !reflect.DeepEqual(kept(), want) {
		t.Errorf("a device changed the connection: %d", p.code)
	}
}

func TestNewContactExpiryForm(t *testing.T) {
	d := newDesk(t)
	d.signIn()
	form := url.Values{"token": {d.token()}, "lock": {"15"}, "close": {"0"}, "expiry": {"week"}}
	if p := d.post("/settings/options", form); p.path != "/settings" || !strings.Contains(p.body, `value="week" selected`) {
		t.Errorf("choosing: %d", p.code)
	}
	k, err := d.s.Invite(t.Context(), "Borvia", time.Hour)
	if err != nil || k.Expiry != 7*24*3600 {
		t.Errorf("%+v, %v", k, err)
	}
	form.Set("expiry", "") // as set by command
	if d.post("/settings/options", form); d.s.PageOptions().Expiry != 7*24*3600 {
		t.Error("keeping the other choices changed the expiry")
	}
}
