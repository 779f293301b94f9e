package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestErrorsHaveOneForm: the interface answers with problem documents, the pages
// with pages.
func TestErrorsHaveOneForm(t *testing.T) {
	d := newDesk(t)
	isProblem := func(name string, p page, code int) {
		t.Helper()
		var doc struct {
			Type, Title, Detail string
			Status              int
		}
		err := json.Unmarshal([]byte(p.body), &doc)
		if p.code != code || p.header.Get("Content-Type") != "application/problem+json" || err != nil || doc.Status != code || doc.Detail == "" || !strings.HasPrefix(doc.Type, "backchannel:") {
			t.Errorf("%s: %d %s %q, %v", name, p.code, p.header.Get("Content-Type"), p.body, err)
		}
	}
	isProblem("no session", d.get("/v1/status"), http.StatusUnauthorized)
	isProblem("unlocking", d.post("/v1/unlock", url.Values{}), http.StatusForbidden)
	d.signIn()
	isProblem("nothing there", d.get("/v1/nothing"), http.StatusNotFound)
	isProblem("no such contact", d.get("/v1/contacts/nobody"), http.StatusNotFound)
	p := d.get("/v1/lock")
	isProblem("another method", p, http.StatusMethodNotAllowed)
	if got := p.header.Get("Allow"); got != "POST" {
		t.Errorf("allowed is %q", got)
	}
	for _, path := range []string{"/nowhere", "/c/nobody", "/items/none", "/settings/nothing"} {
		if p := d.get(path); p.code != http.StatusNotFound || !strings.Contains(p.body, `href="/assets/style.css"`) || !strings.Contains(p.body, "That did not work") {
			t.Errorf("%s: %d: %.200s", path, p.code, p.body)
		}
	}
	remote := d.serve(true)
	defer remote.Close()
	local := d.local
	d.local = remote
	isProblem("a device that is not paired", d.get("/v1/status"), http.StatusForbidden)
	if p := d.get("/"); p.code != http.StatusForbidden || !strings.Contains(p.body, `href="/assets/style.css"`) {
		t.Errorf("a device that is not paired: %d", p.code)
	}
	d.local = local
}
