package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// TestProgramsReadTheDescription: a program that found the pages' address with a token
// reads what it may do there, as on the socket; it has no session.
func TestProgramsReadTheDescription(t *testing.T) {
	d := newDesk(t)
	token, err := d.s.NewToken(t.Context(), "bot", []station.Scope{station.ScopeRead})
	if err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]int{token.Secret: http.StatusOK, "bct_none": http.StatusForbidden} {
		r, err := http.NewRequest(http.MethodGet, d.local.URL+"/openapi.json", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+secret)
		if p := d.do(r); p.code != want || want == http.StatusOK && !strings.Contains(p.body, `"openapi":"3.1`) {
			t.Errorf("%d, want %d: %.200s", p.code, want, p.body)
		}
	}
	if p := d.get("/openapi.json"); p.path != "/unlock" {
		t.Errorf("without either it goes to %s", p.path)
	}
}

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
	// As on the socket, where the owner asks.
	api := web.NewHandler(d.s, "test")
	send := func(method, path, body string) page {
		r, w := httptest.NewRequest(method, path, strings.NewReader(body)), httptest.NewRecorder()
		r.Header.Set("Content-Type", "application/json")
		api.ServeHTTP(w, r)
		return page{code: w.Code, header: w.Header(), body: w.Body.String()}
	}
	// What does not fit its description: an error as any other, without the value.
	secret := "my passphrase" + strings.Repeat("!", 5000)
	p = send(http.MethodPut, "/v1/settings/passphrase", `{"old": "`+secret+`", "new": ""}`)
	isProblem("a passphrase that is too long", p, http.StatusUnprocessableEntity)
	if strings.Contains(p.body, "my passphrase") || !strings.Contains(p.body, "reading the request: ") || !strings.Contains(p.body, "new: expected length") || !strings.Contains(p.body, "old: expected length") {
		t.Errorf("it is answered with %.300s", p.body)
	}
	isProblem("no JSON", send(http.MethodPost, "/v1/invitations", "nonsense"), http.StatusBadRequest)
	isProblem("no number", d.get("/v1/items?limit=many"), http.StatusUnprocessableEntity)
	p = send(http.MethodPost, "/v1/invitations", `{"name": "", "expires_seconds": 0}`)
	isProblem("no name", p, http.StatusUnprocessableEntity)
	if !strings.Contains(p.body, "1 to 200 bytes of text") {
		t.Errorf("a name without letters is answered with %s", p.body)
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
