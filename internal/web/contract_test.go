package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// promised is what the description says that an operation answers.
type promised struct {
	ID          string `json:"operationId"`
	RequestBody *struct {
		Content map[string]any `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Content map[string]any `json:"content"`
	} `json:"responses"`
}

// TestAnswersAreAsDescribed asks for every operation with what cannot be right, with
// what may be, with the wrong token and while the vault is locked: whatever comes is
// an answer that the description has, of a media type that it names.
func TestAnswersAreAsDescribed(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	must(d.s.Invite(ctx, "Borvia", 0))(t)
	if _, err := d.s.Send(ctx, "Borvia", station.Draft{Kind: "signal", Content: []byte("We could talk about X.")}); err != nil {
		t.Fatal(err)
	}
	send := must(d.s.NewToken(ctx, "sender", []station.Scope{station.ScopeSend}))(t)
	api := web.RequireToken(d.s, web.NewHandler(d.s, "test"))
	asOwner := web.NewHandler(d.s, "test")
	var doc struct {
		Paths map[string]map[string]promised
	}
	w := httptest.NewRecorder()
	asOwner.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	seen := map[int]int{}
	ask := func(what string, h http.Handler, method, path string, op promised, token, contentType, body string) {
		t.Helper()
		within, end := context.WithCancel(ctx)
		if op.ID == "events" {
			end() // a stream ends when nobody listens
		}
		defer end()
		r, w := httptest.NewRequestWithContext(within, method, path, strings.NewReader(body)), httptest.NewRecorder()
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		if body != "" {
			r.Header.Set("Content-Type", contentType)
		}
		h.ServeHTTP(w, r)
		seen[w.Code]++
		answer, ok := op.Responses[fmt.Sprint(w.Code)]
		kind, _, err := mime.ParseMediaType(w.Header().Get("Content-Type"))
		switch {
		case !ok:
			t.Errorf("%s, %s: %s %s answers %d, which its description does not have: %.200s", op.ID, what, method, path, w.Code, w.Body)
		case w.Body.Len() == 0 && len(answer.Content) == 0:
		case err != nil || answer.Content[kind] == nil:
			t.Errorf("%s, %s: %s %s answers %d as %q, which its description does not have", op.ID, what, method, path, w.Code, kind)
		}
	}
	everything := func(round string, h http.Handler, leave ...string) {
		t.Helper()
		for pattern, methods := range doc.Paths {
			for method, op := range methods {
				if slices.Contains(leave, op.ID) {
					continue
				}
				method := strings.ToUpper(method)
				for _, names := range [][]string{{"{contact}", "Borvia"}, {"{contact}", "nobody"}, {"{number}", "x"}} {
					path := strings.NewReplacer(append(names, "{item}", "f", "{room}", "none", "{id}", "none", "{number}", "1", "{device}", "none", "{token}", "none")...).Replace(pattern)
					ask(round, h, method, path, op, "", "", "")
					ask(round+", wrong token", api, method, path, op, "bct_none", "", "")
					ask(round+", other scope", api, method, path, op, send.Secret, "", "")
					ask(round+", no token", api, method, path, op, "", "", "")
					if op.RequestBody != nil {
						ask(round+", empty", h, method, path, op, "", "application/json", "{}")
						ask(round+", no JSON", h, method, path, op, "", "application/json", "nonsense")
						ask(round+", another type", h, method, path, op, "", "text/xml", "<nonsense/>")
						ask(round+", too much", h, method, path, op, "", "application/json", `{"name":"`+strings.Repeat("x", 2<<20)+`"}`)
					}
				}
			}
		}
	}
	everything("open", asOwner, "lock", "burn", "cancel-invitation")
	if err := d.s.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	everything("locked", asOwner, "panic")
	for _, code := range []int{200, 201, 204, 400, 401, 403, 404, 409, 413, 415, 422, 423} {
		if seen[code] == 0 {
			t.Errorf("nothing was answered with %d", code)
		}
	}
	t.Logf("answers: %v", seen)
}
