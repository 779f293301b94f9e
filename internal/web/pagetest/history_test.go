package pagetest_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"backchannel/internal/station"
)

// posts counts what the browser sends to change something.
type posts struct {
	mu   sync.Mutex
	list []string
}

// count puts a counter before a station's pages. Drafts are kept as often as one types.
func (p *seat) count() *posts {
	c, next := &posts{}, p.pages.Handler(p.gate())
	p.h.set(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/draft") {
			c.mu.Lock()
			c.list = append(c.list, r.URL.Path)
			c.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	}))
	return c
}

func (c *posts) sent() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

// step goes back or forward and waits for the other page, with its scripts.
func (b *tab) step(way string) {
	b.t.Helper()
	b.eval("window.left = 'no'; setTimeout(() => history."+way+"(), 0); 0", nil)
	var there bool
	b.within(soon, "another page by going "+way, func() bool {
		b.eval("document.readyState === 'complete' && window.left === undefined", &there)
		return there
	})
}

// turn goes back or forward as the browser's buttons do, and waits for the address.
func (b *tab) turn(way, path string) {
	b.t.Helper()
	b.step(way)
	if at := b.path(); at != path {
		b.t.Fatalf("%s leads to %s, want %s", way, at, path)
	}
}

// value is what stands in a field.
func (b *tab) value(selector string) (text string) {
	b.t.Helper()
	b.loaded(selector)
	b.eval("document.querySelector(\""+selector+"\").value", &text)
	return text
}

// TestBackAndForward walks through the browser's history: what it shows is the
// station's present answer, nothing is sent a second time, a field is as the station
// keeps it and not as the browser remembers it, and after the lock there is nothing.
func TestBackAndForward(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	tb := straitsTable(t, false)
	tb.alarms, tb.strays = nil, nil
	p, other := n.seatAt(t, tb, 0), n.seat(t, "Borvia")
	toB, _ := acquaint(t, p, other)
	sent := p.count()
	b := open(t, p.url)
	b.mayBreak()
	b.signIn()
	talk, room := "/c/"+toB, "/r/"+roomID

	// What was sent is not in the field again, and going back sends nothing.
	b.visit("/others")
	b.visit(talk)
	b.fill("#text", "The lighthouse on Thursday.")
	b.press("Send")
	b.within(soon, "the signal", func() bool { return strings.Contains(b.textOf("#log"), "lighthouse") })
	for _, way := range []string{"back", "forward"} {
		b.step(way)
		if b.path() == talk {
			if text := b.value("#text"); text != "" {
				t.Errorf("going %s, what was sent stands in the field again: %q", way, text)
			}
		}
	}

	// Drafts are the station's, not the browser's: what was kept last is shown.
	b.visit(talk)
	b.fill("#text", "First words")
	b.sees(soon, "Draft kept.")
	b.visit("/search")
	b.fill("#q", "lighthouse")
	b.press("Search")
	b.sees(soon, "The lighthouse on Thursday.")
	found := b.path()
	if strings.Contains(found, "lighthouse") {
		t.Errorf("what is searched goes into the browser's history: %s", found)
	}
	if err := p.s.KeepDraft(t.Context(), toB, station.KeptDraft{Kind: "signal", Text: "Other words"}); err != nil {
		t.Fatal(err)
	}
	b.turn("back", "/search")
	b.turn("back", talk)
	if text := b.value("#text"); text != "Other words" {
		t.Errorf("the draft after going back is %q", text)
	}
	b.turn("forward", "/search")
	b.turn("forward", found)
	b.sees(soon, "The lighthouse on Thursday.")
	b.fill("#q", "submarine")
	b.press("Search")
	b.sees(soon, "Nothing was found")
	b.turn("back", found)
	b.sees(soon, "The lighthouse on Thursday.")
	if text := b.value("#q"); text != "lighthouse" {
		t.Errorf("the results for lighthouse stand below %q", text)
	}

	// Settings: a change that was not kept is not shown as if it were.
	b.visit("/settings")
	b.fill("#name", "Kept name")
	b.click("#options button.primary")
	b.sees(soon, "Kept.")
	b.visit("/help")
	b.step("back")
	if text := b.value("#name"); text != "Kept name" {
		t.Errorf("the settings show the name %q", text)
	}

	// A room's tabs, its agenda and the steps of a round.
	for _, path := range []string{room, room + "/table", room + "/offers", room + "/rounds"} {
		b.visit(path)
	}
	for _, path := range []string{room + "/offers", room + "/table"} {
		b.turn("back", path)
		var current string
		b.eval("(document.querySelector('.tabs [aria-current=page]') || {getAttribute: () => ''}).getAttribute('href')", &current)
		if current != path {
			t.Errorf("at %s the tab of %q is marked", path, current)
		}
	}
	var agenda string
	b.eval("document.querySelector(\"form[action$='/confirm']\").getAttribute('action')", &agenda)
	agenda = strings.TrimSuffix(agenda, "/confirm")
	b.press("Confirm this agenda")
	b.sees(soon, "You have confirmed the agenda.")
	b.turn("back", room+"/table")
	if b.has("form[action$='/confirm']") || strings.Contains(b.text(), "You have confirmed the agenda.") {
		t.Error("going back shows the agenda as it was before it was confirmed")
	}
	list := room + "/round/" + tb.id("r2").String()
	b.visit(list)
	b.choose("[name=level-0][value='1']", "")
	b.press("Keep my answer")
	b.sees(soon, "Your answer is kept")
	b.visit(room)
	b.turn("back", list)
	b.sees(soon, "Your answer is kept")
	b.press("Choose again")
	b.sees(soon, "Before you answer")
	b.choose("[name=level-0][value='0']", "")
	b.choose("[name=level-2][value='1']", "")
	b.visit(room)
	b.turn("back", list+"?again=yes")
	var marked bool
	if b.eval("document.querySelector(\"[name=level-0][value='1']\").checked && !document.querySelector(\"[name=level-2][value='1']\").checked", &marked); !marked {
		t.Error("an answer that was not kept is marked as if it were")
	}
	round := list + "/choose"
	want := []string{"/unlock", talk + "/signal", "/search", "/search", "/settings/options", agenda + "/confirm", round}
	if got := sent.sent(); !slices.Equal(got, want) {
		t.Errorf("the browser sent %q, want %q", got, want)
	}

	// The browser's own stores hold nothing.
	var stored string
	if b.eval("JSON.stringify([Object.keys(localStorage), Object.keys(sessionStorage), document.cookie])", &stored); stored != `[[],[],""]` {
		t.Errorf("the browser stores %s", stored)
	}
	b.eval("(async () => JSON.stringify([(await caches.keys()).length, (await indexedDB.databases()).length, (await navigator.serviceWorker.getRegistrations()).length]))().then((s) => { window.kept = s }); 0", nil)
	b.within(soon, "the stores", func() bool { b.eval("window.kept || ''", &stored); return stored != "" })
	if stored != "[0,0,0]" {
		t.Errorf("the browser stores %s", stored)
	}

	// After the lock, by this page or by another window, Back and Forward show nothing.
	secret := func(way string) {
		t.Helper()
		for range 4 {
			b.step(way)
			b.sees(soon, "Still keeping up your traffic")
			if text := b.text(); strings.Contains(text, "lighthouse") || strings.Contains(text, "Borvia") || strings.Contains(text, "Straits") {
				t.Fatalf("going %s after the lock shows:\n%s", way, text)
			}
		}
	}
	b.visit(talk)
	b.visit("/others")
	b.press("Lock")
	b.sees(soon, "Still keeping up your traffic")
	secret("back")
	secret("forward")
	b.signIn()
	b.visit(talk)
	b.visit("/others")
	c := open(t, p.url)
	c.visit("/")
	c.press("Lock")
	c.sees(soon, "Still keeping up your traffic")
	b.sees(soon, "Still keeping up your traffic")
	secret("back")

	// A page that the browser keeps whole is empty from the moment it is left.
	b.signIn()
	b.visit(talk)
	b.sees(soon, "lighthouse")
	b.eval("window.dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true})); 0", nil)
	var shown bool
	if b.eval("document.body.checkVisibility()", &shown); shown {
		t.Error("a page that was left still shows itself")
	}
}
