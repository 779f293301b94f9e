package pagetest_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// keys are pressed, nothing else: whoever uses them looks at no mouse.
func (b *tab) keys(pressed string) {
	b.t.Helper()
	b.run(chromedp.KeyEvent(pressed))
}

// stop describes what has the focus, and complains of one that is not seen.
const stop = `(() => {
	const n = document.activeElement;
	if (document.readyState !== "complete") return {name: ""};
	if (!n || n === document.body) return {name: "body"};
	const label = n.labels && n.labels.length ? n.labels[0].textContent : n.getAttribute("aria-label") || "";
	const name = (["INPUT", "TEXTAREA", "SELECT"].includes(n.tagName) ? label : n.textContent).replace(/\s+/g, " ").trim();
	const s = getComputedStyle(n), r = n.getBoundingClientRect();
	let wrong = "";
	if (n.tagName !== "MAIN" && (s.outlineStyle === "none" || parseFloat(s.outlineWidth) < 1) && s.boxShadow === "none") wrong = "shows no focus";
	else if (r.width < 1 || r.height < 1) wrong = "has no size";
	else if (r.bottom < 1 || r.top > innerHeight - 1 || r.right < 1 || r.left > innerWidth - 1) wrong = "is out of view";
	return {name, wrong, id: n.id, field: n.name || "", value: n.type === "radio" || n.type === "checkbox" ? n.value : "", html: n.outerHTML.slice(0, 120)};
})()`

type focused struct{ Name, Wrong, ID, Field, Value, HTML string }

func (b *tab) focus() (f focused) {
	b.t.Helper()
	b.eval(stop, &f)
	return f
}

// tabTo presses Tab until something has the focus, and looks at every stop on the way.
func (b *tab) tabTo(what string, is func(focused) bool) {
	b.t.Helper()
	b.within(soon, "the page", func() bool { return b.focus().Name != "" })
	for range 150 {
		b.keys(kb.Tab)
		f := b.focus()
		if f.Wrong != "" {
			b.t.Errorf("at %s, on the way to %s: %s %s", b.path(), what, f.HTML, f.Wrong)
		}
		if is(f) {
			return
		}
	}
	b.t.Fatalf("Tab never leads to %s at %s:\n%s", what, b.path(), b.text())
}

func (b *tab) tabToWords(words string) {
	b.t.Helper()
	b.tabTo(words, func(f focused) bool { return f.Name == words })
}

func (b *tab) tabToField(name string) {
	b.t.Helper()
	b.tabTo("the field "+name, func(f focused) bool { return f.Field == name })
}

// enter goes to the control with these words and presses Enter.
func (b *tab) enter(words string) {
	b.t.Helper()
	b.tabToWords(words)
	b.keys(kb.Enter)
}

// TestOnlyTheKeyboard sets a station up, meets, writes and acknowledges with keys alone.
func TestOnlyTheKeyboard(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	borvia := n.seat(t, "Borvia")
	file := filepath.Join(n.dir, "network.toml")
	if err := os.WriteFile(file, n.file, 0o600); err != nil {
		t.Fatal(err)
	}
	p := newSeat(t, "Aldmark")
	setup, err := web.NewSetup(filepath.Join(n.dir, "first"), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.h.set(setup.Handler(p.gate()))
	b := openElsewhere(t, p.url) // only the window in front has the focus
	b.mayBreak()

	// First start. What chooses a file is the system's.
	b.visit(setup.Path())
	b.within(soon, "the field to have the focus", func() bool { return b.focus().ID == "passphrase" })
	b.keys(passphrase)
	b.tabToField("again")
	b.keys(passphrase + kb.Enter)
	b.sees(soon, "A network file says who runs the relays")
	b.tabToField("file")
	b.upload("#file", file)
	b.enter("Look at it")
	b.sees(soon, "Straits")
	b.enter("The words are the same")
	b.sees(soon, "Nothing has been written")
	b.tabToWords("I have a backup of an earlier station")
	b.keys(kb.Enter)
	b.within(soon, "what opens", func() bool { return b.has("details[open] #backup") })
	b.tabToField("backup")
	b.keys(kb.Escape)
	if f := b.focus(); b.has("details[open]") || f.Name != "I have a backup of an earlier station" {
		t.Errorf("Escape leaves the focus on %s", f.HTML)
	}
	b.enter("Make the station and start it")
	made := <-setup.Made()
	p.cfg, p.key = made.Config, setup.Key()
	p.start()
	b.sees(soon, "The last step is the first contact")

	// Meet.
	b.tabToField("name")
	b.keys("Borvia")
	b.enter("Make an invitation")
	b.sees(soon, "Give them this")
	back, err := borvia.s.Accept(t.Context(), "Aldmark", b.value("#invitation-text"))
	if err != nil {
		t.Fatal(err)
	}
	b.tabToWords("Withdraw the invitation") // which goes away when the other has come
	b.sees(arrives, "Compare these four words")
	if f := b.focus(); f.Name == "body" {
		t.Error("the page lost the focus when the stations had met")
	}
	b.enter("They say the same words")
	b.sees(soon, "Borvia is verified.")

	// Write; the field has the focus again.
	within(t, arrives, "the stations to be together", func() bool {
		c, err := borvia.s.Contact(context.Background(), back.ID)
		return err == nil && c.Together
	})
	b.tabToField("text")
	for _, words := range []string{"Could you live with Thursday?", "Or with Friday?"} {
		b.keys(words + kb.Enter)
		b.within(soon, "what was sent", func() bool { return strings.Contains(b.textOf("#log"), words) })
		b.within(soon, "the field to have the focus again", func() bool { return b.focus().ID == "text" })
	}

	// What arrives leaves the focus where it is; then it is acknowledged.
	b.tabTo("the time of an entry", func(f focused) bool { return strings.Contains(f.HTML, "class=\"time\"") })
	was := b.focus()
	if _, err := borvia.s.Send(t.Context(), back.ID, station.Draft{Kind: "signal", MediaType: "text/plain; charset=utf-8", Content: []byte("Thursday is possible.")}); err != nil {
		t.Fatal(err)
	}
	b.sees(arrives, "Thursday is possible.")
	b.within(soon, "the focus to be where it was", func() bool { return b.focus().HTML == was.HTML })
	b.tabTo("the line about the traffic", func(f focused) bool {
		return strings.Contains(f.Name, "traffic") || strings.Contains(f.Name, "cells begin")
	})
	b.eval("document.querySelector('#facts').dataset.old = 'yes'; document.body.dispatchEvent(new CustomEvent('live:traffic')); 0", nil)
	b.within(soon, "the line to be replaced", func() bool { return !b.has("#facts[data-old]") })
	b.within(soon, "the focus on the new line", func() bool { return strings.Contains(b.focus().HTML, "/others") })
	b.enter("Acknowledge")
	b.sees(soon, "you acknowledged")
}

// TestNegotiateByKeyboard makes an offer, answers in a blind round and signs, with keys
// alone.
func TestNegotiateByKeyboard(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	tb := straitsTable(t, false)
	tb.alarms, tb.strays = nil, nil
	b := openElsewhere(t, n.seatAt(t, tb, 0).url)
	b.signIn()
	at := "/r/" + roomID

	// Agree on what is negotiated, then an offer.
	b.visit(at + "/table")
	b.enter("Confirm this agenda")
	b.sees(soon, "You have confirmed the agenda.")
	b.visit(at + "/offer")
	b.tabToField("gives-value-0")
	b.keys(kb.ArrowDown + kb.ArrowDown)
	b.tabToField("gets-value-1")
	b.keys("2.5")
	b.tabToField("note")
	b.keys("Between friends.")
	b.enter("Make this offer")
	b.sees(soon, "The offer is made. It binds nobody.")
	if offers, err := json.Marshal((chair{tb, 1}).view().Offers); err != nil || !strings.Contains(string(offers), "Between friends.") {
		t.Errorf("the other side has no such offer: %v", err)
	}

	// A blind round: arrows choose, Enter keeps.
	tb.mu.Lock()
	list := tb.id("r2").String()
	tb.mu.Unlock()
	b.visit(at + "/round/" + list)
	b.tabToField("level-0")
	b.keys(kb.ArrowRight)
	if f := b.focus(); f.Field != "level-0" || f.Wrong != "" {
		t.Errorf("an arrow leads from one answer to %s", f.HTML)
	}
	b.keys(kb.Enter)
	b.sees(soon, "Your answer is kept")
	if c, chosen, err := (chair{tb, 0}).Chosen(t.Context(), roomID, list); err != nil || !chosen {
		t.Errorf("no answer is kept: %+v, %v", c, err)
	}
	b.tabToWords("Choose again")
	tb.mu.Lock()
	s := tb.rounds[list]
	s.Steps, s.Done = 4, 2
	tb.rounds[list] = s
	tb.mu.Unlock()
	b.eval("document.querySelector('#wait').dataset.old = 'yes'; document.body.dispatchEvent(new CustomEvent('live:room-"+roomID+"')); 0", nil)
	b.within(soon, "the wait to be replaced", func() bool { return !b.has("#wait[data-old]") })
	b.within(soon, "the focus not to be lost", func() bool { return b.focus().Name != "body" })

	// Sign: Space ticks, and without it nothing goes out.
	c := chair{tb, 0}
	var where string
	for _, g := range c.view().Agreements {
		if g.ID == tb.id("a1") {
			where = at + "/agreement/" + g.ID.String()
			if _, err := (chair{tb, 2}).Say(t.Context(), roomID, sayingOf("consent", map[string]any{"core": g.Core})); err != nil {
				t.Fatal(err)
			}
			tb.mu.Lock()
			tb.signs[g.ID.String()] = web.SigningSeat{MaySign: true, Document: "backchannel agreement\n\nThe strait is open to all.", LastName: "Cenia"}
			tb.mu.Unlock()
		}
	}
	b.visit(where)
	b.enter("I consent to exactly this text")
	b.sees(soon, "You have consented.")
	b.tabToField("understood")
	b.keys(" ")
	b.keys(kb.Enter)
	b.sees(soon, "Your share is out.")

	// The first stop of a page leads past the lists.
	b.visit(at)
	b.keys(kb.Tab)
	b.keys(kb.Enter)
	b.within(soon, "the content to have the focus", func() bool { return b.focus().ID == "main" })
}
