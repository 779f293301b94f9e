package web_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// TestLongListsAreWhole: what has more items than an answer holds comes whole, once
// each and in order, although items arrive and go while a program reads.
func TestLongListsAreWhole(t *testing.T) {
	const messages = 2_300
	d, ctx := newDesk(t), t.Context()
	k := must(d.s.Invite(ctx, "Borvia", 24*time.Hour))(t)
	other := must(d.s.Invite(ctx, "Cenia", 24*time.Hour))(t)
	fill(t, d, []string{k.ID, other.ID}, messages) // half of them each
	if err := d.s.Unlock(ctx, []byte(passphrase)); err != nil {
		t.Fatal(err)
	}
	token := must(d.s.NewToken(ctx, "bot", []station.Scope{station.ScopeRead}))(t)
	server := httptest.NewServer(web.RequireToken(d.s, web.NewHandler(d.s, "test")))
	defer server.Close()
	c := must(web.NewTokenClient(server.URL, token.Secret))(t)
	defer c.Close()

	count := func(f station.ItemFilter) int { return len(must(c.Items(ctx, f))(t)) }
	for name, f := range map[string]struct {
		f    station.ItemFilter
		want int
	}{
		"all":             {station.ItemFilter{}, messages},
		"of a contact":    {station.ItemFilter{Contact: "Cenia"}, messages / 2},
		"what came in":    {station.ItemFilter{Inbox: true}, messages * 2 / 3},
		"the newest 1200": {station.ItemFilter{Limit: 1_200}, 1_200},
		"exactly a page":  {station.ItemFilter{Limit: 1_000}, 1_000},
	} {
		if n := count(f.f); n != f.want {
			t.Errorf("%s: %d, want %d", name, n, f.want)
		}
	}

	// While a program goes through them, one comes, and the one where its first piece
	// ended is erased.
	seen := map[string]bool{}
	var last time.Time
	for it, err := range c.EachItem(ctx, station.ItemFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[it.ID] || len(seen) > 0 && it.Created.After(last) {
			t.Fatalf("after %d items one comes again, or out of order", len(seen))
		}
		seen[it.ID], last = true, it.Created
		if len(seen) == 1_000 {
			must(d.s.InsertItem(ctx, k.ID, station.Insert{Kind: "signal", Text: "Good morning.", Time: time.Now()}))(t)
			if err := d.s.EraseItem(ctx, it.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(seen) != messages {
		t.Errorf("went through %d of %d", len(seen), messages)
	}

	n := 0
	for _, err := range c.EachOf(ctx, "Borvia") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n < messages/2 || n > messages/2+1 {
		t.Errorf("the conversation has %d", n)
	}
	if hits := must(c.Search(ctx, station.SearchQuery{Text: "harbour"}))(t); len(hits) != messages-1 || !slices.IsSortedFunc(hits, func(a, b station.Hit) int { return b.Created.Compare(a.Created) }) {
		t.Errorf("found %d, want %d, newest first", len(hits), messages-1)
	}
	if hits := must(c.Search(ctx, station.SearchQuery{Text: "harbour", Contact: "Cenia", Limit: 1_100}))(t); len(hits) != 1_100 {
		t.Errorf("found %d, want 1100", len(hits))
	}
	if hits, next, err := c.HitPage(ctx, station.SearchQuery{Text: "harbour"}); len(hits) != 50 || next == "" || err != nil {
		t.Errorf("a search without a number gives %d, %q, %v", len(hits), next, err)
	}

	// As a program in another language sees it.
	get := func(path string) (*http.Response, string) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token.Secret)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(b)
	}
	resp, _ := get("/v1/items?limit=2&inbox=true&contact=Borvia")
	next, _, ok := strings.Cut(strings.TrimPrefix(resp.Header.Get("Link"), "<"), ">")
	q, err := url.ParseQuery(strings.TrimPrefix(next, "?"))
	if !ok || err != nil || q.Get("before") == "" || q.Get("limit") != "2" || q.Get("inbox") != "true" || q.Get("contact") != "Borvia" || !strings.HasSuffix(resp.Header.Get("Link"), `; rel="next"`) {
		t.Errorf("the next piece is at %q", resp.Header.Get("Link"))
	}
	if resp, _ := get("/v1/items?unread=true&limit=1000&contact=Cenia&before=" + "p1"); resp.Header.Get("Link") != "" || resp.StatusCode != http.StatusOK {
		t.Errorf("before everything: %s, the next at %q", resp.Status, resp.Header.Get("Link"))
	}
	for _, path := range []string{"/v1/items?", "/v1/contacts/Borvia/items?", "/v1/search?text=harbour&"} {
		for _, bad := range []string{"nonsense", "p", "p0", "p-5", "pzz", "p00000001", "p8000000000000000", "ffffffffffffffffffffffffffffffff", "0"} {
			resp, body := get(path + "before=" + bad)
			if resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `"type":"backchannel:invalid"`) || len(bad) > 3 && strings.Contains(body, bad) {
				t.Errorf("%sbefore=%s: %s %s", path, bad, resp.Status, body)
			}
		}
	}
	d.signIn()
	if p := d.get("/search?q=harbour"); !strings.Contains(p.body, "before=p") {
		t.Error("the page of a search does not lead to earlier ones")
	}
}
