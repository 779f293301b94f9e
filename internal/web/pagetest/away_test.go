package pagetest_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"backchannel/internal/station"
)

// TestStationAway takes the station away from an open page and gives it back: the
// page says so, loses nothing of what is written, shows what came meanwhile without
// being loaded again, and asks for the passphrase when the station was started anew.
func TestStationAway(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	p, other := n.seat(t, "Aldmark"), n.seat(t, "Borvia")
	borvia, aldmark := acquaint(t, p, other)
	b := open(t, p.url)
	b.mayBreak()
	b.signIn()
	b.visit("/c/" + borvia)
	b.within(soon, "the page to listen", func() bool { return b.has("#log") && b.has("#away[hidden]") })
	b.eval("window.stays = 'yes'; 0", nil)
	b.fill("#text", "Before.")
	b.sees(soon, "Draft kept.")
	const lost, shown = "This page has lost its station", "#away:not([hidden])"

	// The line breaks, for as long as it takes.
	served := p.pages.Handler(p.gate())
	var refused atomic.Int64
	p.h.set(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the station is down", http.StatusBadGateway)
		refused.Add(1)
	}))
	p.srv.CloseClientConnections()
	b.sees(soon, lost)
	if facts := b.textOf("#facts"); strings.Contains(facts, "always") || !strings.Contains(facts, "does not answer") {
		t.Errorf("a page without its station says %q of the traffic", facts)
	}
	b.accessible("a page that has lost its station")
	if _, err := other.s.Send(t.Context(), aldmark, station.Draft{Kind: "signal", MediaType: "text/plain; charset=utf-8", Content: []byte("Came meanwhile.")}); err != nil {
		t.Fatal(err)
	}
	within(t, arrives, "the signal to arrive", func() bool {
		items, err := p.s.Items(t.Context(), station.ItemFilter{Inbox: true})
		return err == nil && len(items) == 1
	})
	b.fill("#text", "Written meanwhile.")
	before := refused.Load()
	b.press("Send")
	// The page asks whether somebody is there before it sends, and does so every two
	// seconds anyway: after two answers it has had the one to this.
	b.within(soon, "the page to have asked", func() bool { return refused.Load() >= before+2 })
	var text string
	if b.eval("document.querySelector('#text').value", &text); text != "Written meanwhile." {
		t.Errorf("sending without a station left %q in the field", text)
	}
	p.h.set(served)
	b.sees(soon, "Came meanwhile.")
	b.within(soon, "the page to be as before", func() bool { return !b.has(shown) && !strings.Contains(b.textOf("#facts"), "does not answer") })
	b.within(soon, "the draft to be kept", func() bool {
		d, err := p.s.KeptDraft(t.Context(), borvia)
		return err == nil && d.Text == "Written meanwhile."
	})
	var stays string
	if b.eval("window.stays || 'no'", &stays); stays != "yes" {
		t.Error("the page was loaded again")
	}

	// Where only the stream is broken, what is sent goes out.
	b.expect(503)
	p.h.set(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/live" {
			http.Error(w, "no stream", http.StatusServiceUnavailable)
			return
		}
		served.ServeHTTP(w, r)
	}))
	p.srv.CloseClientConnections()
	b.sees(soon, lost)
	b.fill("#text", "Sent without a stream.")
	b.press("Send")
	within(t, soon, "the signal to be taken", func() bool {
		items, err := p.s.Items(t.Context(), station.ItemFilter{Contact: borvia})
		return err == nil && slices.ContainsFunc(items, func(i station.ItemInfo) bool { return i.Text == "Sent without a stream." })
	})
	p.h.set(served)
	b.sees(soon, "Sent without a stream.")
	b.within(soon, "the page to be as before", func() bool { return !b.has(shown) })

	// Started anew: sessions are over. What is not kept yet stays in view.
	p.halt()
	b.sees(soon, lost)
	b.fill("#text", "Not sent yet.")
	b.within(soon, "the page to know that it is not kept", func() bool { return b.has("form[data-unkept]") })
	p.start()
	b.sees(soon, "asks for the passphrase")
	if b.eval("document.querySelector('#text').value", &text); text != "Not sent yet." {
		t.Errorf("after the restart %q is in the field", text)
	}
	b.press("unlock.")
	b.sees(soon, "Still keeping up your traffic")

	// With nothing to lose it asks at once.
	b.signIn()
	b.visit("/others")
	p.halt()
	b.sees(soon, lost)
	p.start()
	b.sees(soon, "Still keeping up your traffic")
}
