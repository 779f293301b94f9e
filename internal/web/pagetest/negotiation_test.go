package pagetest_test

import (
	"fmt"
	"strings"
	"testing"

	"backchannel/internal/web"
)

// choose sets a select, a check box or a radio button, as a hand would.
func (b *tab) choose(selector, value string) {
	b.t.Helper()
	var done bool
	b.eval(fmt.Sprintf(`(() => {
		const f = document.querySelector(%q);
		if (!f) return false;
		if (f.type === "checkbox" || f.type === "radio") { if (!f.checked) f.click(); return f.checked; }
		f.value = %q; f.dispatchEvent(new Event("input", {bubbles: true})); f.dispatchEvent(new Event("change", {bubbles: true}));
		return f.value === %q;
	})()`, selector, value, value), &done)
	if !done {
		b.t.Fatalf("%s cannot be set to %q at %s", selector, value, b.path())
	}
}

// option is the value of the option with these words.
func (b *tab) option(selector, words string) string {
	b.t.Helper()
	var value string
	b.eval(fmt.Sprintf(`([...document.querySelectorAll(%q + " option")].find((o) => o.textContent === %q) || {value: ""}).value`, selector, words), &value)
	if value == "" {
		b.t.Fatalf("%s has no option %q at %s", selector, words, b.path())
	}
	return value
}

// TestNegotiateOnPages acts on every page of a room: an agenda, an offer that is
// read aloud, a counter, a take, a text, private limits, rounds, consent, signing
// and words for the public.
func TestNegotiateOnPages(t *testing.T) {
	n := startNetwork(t)
	tb := straitsTable(t, false)
	tb.alarms, tb.strays = nil, nil
	a, b := sit(t, n, tb, 0), sit(t, n, tb, 1)
	a.expect(409, 422)
	b.expect(409, 422)
	at := "/r/" + roomID

	// The agenda: nothing is lost when a line is added, and it holds when all say so.
	a.visit(at + "/table")
	a.press("Confirm this agenda")
	a.sees(soon, "You have confirmed the agenda.")
	b.visit(at + "/table")
	b.press("Confirm this agenda")
	b.sees(soon, "You have confirmed the agenda.")
	a.visit(at + "/agenda")
	a.press("Add an issue")
	a.fill("#title-4", "Rescue")
	a.press("Add an issue")
	a.within(soon, "another issue", func() bool { return a.has("#title-5") })
	var title string
	a.eval("document.querySelector('#title-4').value", &title)
	if title != "Rescue" {
		t.Errorf("adding a line lost what was typed: %q", title)
	}

	// An offer: read aloud, then made.
	a.visit(at + "/offer")
	a.press("Read it aloud first")
	a.sees(soon, "The offer is empty")
	a.choose("[name=gives-value-0]", a.option("[name=gives-value-0]", "accepted"))
	a.fill("[name=gets-value-1]", "2.5")
	a.choose("[name=gets-by-1]", a.option("[name=gets-by-1]", "Borvia"))
	a.choose("[name=only-if]", "")
	a.fill("#note", "Between friends.")
	a.press("Read it aloud first")
	for _, words := range []string{"On “Status of X”, Aldmark gives: accepted.", "In return:", "On “Fee ceiling”, Borvia gives 2.5 % of the toll.", "Only if Offer 1 is taken.", "It stands until", "Not binding"} {
		if !strings.Contains(a.textOf("#aloud"), words) {
			a.sees(soon, words)
		}
	}
	a.accessible("an offer read aloud")
	a.press("Make this offer")
	a.sees(soon, "The offer is made. It binds nobody.")

	// A draft is nobody else's, and is erased when it is not wanted.
	a.sees(soon, "Only if Thursday goes well.")
	b.visit(at + "/offers")
	if strings.Contains(b.text(), "Thursday") {
		t.Error("the other side sees a draft")
	}
	a.click(".kept form[action$='/drop'] button")
	a.sees(soon, "The draft is erased.")

	// The other side counters it, then takes it.
	b.visit(at + "/offers")
	b.sees(soon, "Between friends.")
	var counter string
	b.eval(`[...document.querySelectorAll(".card")].find((c) => c.innerText.includes("Between friends.")).querySelector("a.button").getAttribute("href")`, &counter)
	b.visit(counter)
	b.sees(soon, "Counter an offer")
	b.fill("[name=gives-value-1]", "11")
	b.eval("document.querySelector('.contract').noValidate = true", nil)
	b.press("Make this offer")
	b.sees(soon, "goes from 0 to 10") // refused, and nothing lost
	var kept string
	b.eval("document.querySelector('[name=gives-value-1]').value", &kept)
	if kept != "11" {
		t.Errorf("a refused offer lost its figure: %q", kept)
	}
	b.fill("[name=gives-value-1]", "3")
	b.press("Make this offer")
	b.sees(soon, "The offer is made. It binds nobody.")
	a.visit(at + "/offers")
	a.sees(soon, "open, and countered")
	a.eval(`[...document.querySelectorAll(".card")].find((c) => c.innerText.startsWith("Offer 7")).querySelector("form button").click()`, nil)
	a.sees(soon, "You have asked to take it.")
	a.sees(soon, "taken by Aldmark")
	a.eval(`[...document.querySelectorAll(".card")].find((c) => c.innerText.startsWith("Offer 6")).querySelector("form button").click()`, nil)
	a.sees(soon, "Withdrawn.")

	// A text goes on, with what changed.
	a.visit(at + "/text?base=" + tb.id("d2").String())
	a.fill("#text", "The parties accept the status of X. Fees stay below 3 % of the toll, for ten years.")
	a.press("Send this version")
	a.sees(soon, "What changed")
	a.fill("#text", "Now it is short.")
	a.press("Remark")
	a.sees(soon, "Now it is short.")

	// The private side: suggestions come from it, and nothing of it is said.
	said := len(tb.copies[1].Rows)
	a.visit(at + "/private")
	a.fill("[name=weight-1]", "80")
	a.fill("[name=score-1-1]", "100")
	a.fill("[name=score-1-2]", "40")
	a.fill("[name=best-2]", "1")
	a.press("Keep for myself")
	a.sees(soon, "fill in both")
	a.visit(at + "/private")
	a.fill("[name=weight-1]", "80")
	a.fill("[name=score-1-1]", "100")
	a.fill("[name=score-1-2]", "40")
	a.fill("[name=best-2]", "1")
	a.fill("[name=limit-2]", "4")
	a.press("Keep for myself")
	a.sees(soon, "Packages that may suit everybody")
	a.accessible("the private side")
	a.visit(at + "/s/" + tb.id("p3").String())
	a.choose("[name=colour][value=green]", "")
	a.fill("#note", "Our floor.")
	a.eval("document.querySelector('#own button').click()", nil)
	a.sees(soon, "Kept, for yourself alone.")
	if got := len(tb.copies[1].Rows); got != said {
		t.Errorf("the private side made %d statements", got-said)
	}
	b.visit(at + "/s/" + tb.id("p3").String())
	if strings.Contains(b.text(), "Our floor.") {
		t.Error("a private note is on the other side's page")
	}

	// Rounds: the cap, the wait that names nobody, the result.
	list := at + "/round/" + tb.id("r2").String()
	a.visit(list)
	a.sees(soon, "You may approve 1 package.")
	a.choose("[name=level-0][value='1']", "")
	a.choose("[name=level-2][value='1']", "")
	a.press("Keep my answer")
	a.sees(soon, "You may approve 1 at most; you marked 2.")
	a.choose("[name=level-0][value='0']", "")
	a.press("Keep my answer")
	a.sees(soon, "Your answer is kept")
	a.accessible("waiting in a round")
	if text := a.textOf(".calm"); strings.Contains(text, "has not answered") || strings.Contains(text, "Package") {
		t.Errorf("waiting shows too much:\n%s", text)
	}
	a.press("Choose again")
	a.sees(soon, "Before you answer")
	single := at + "/round/" + tb.id("r1").String()
	b.visit(single)
	b.press("Take part")
	b.sees(soon, "Would you accept this package")
	b.press("Keep my answer")
	b.sees(soon, "Choose yes or no.")
	b.choose("[name=answer][value=yes]", "")
	b.press("Keep my answer")
	b.sees(soon, "Your answer is kept")
	tb.progress(t, tb.id("r2"), "inputs in", "opening", "match")
	tb.mu.Lock()
	tb.rounds[tb.id("r2").String()] = web.RoundSeat{Chosen: true, Hit: 2}
	tb.mu.Unlock()
	a.visit(list)
	a.sees(soon, "A match is not an agreement.")
	a.sees(soon, "Package 3")
	a.accessible("a match")
	a.press("Propose an agreement")
	a.sees(soon, "The text")
	var ticked bool
	a.eval(fmt.Sprintf(`document.querySelector("[name=package][value='%s']") !== null`, tb.id("p3")), &ticked)
	if ticked { // the package is of the agenda before: it cannot be named under the new one
		t.Error("a package of an agenda that no longer holds is offered for an agreement")
	}

	// Consent to the words in view, then the share.
	a.fill("#text", "The strait is open to all.")
	a.choose("[name=level][value=public]", "")
	a.press("Propose it")
	a.sees(soon, "Not agreed")
	where := a.path()
	a.press("I consent to exactly this text")
	a.sees(soon, "You have consented.")
	b.visit(where)
	b.press("I consent to exactly this text")
	b.sees(soon, "Take back my consent")
	c := chair{tb, 2}
	for _, g := range c.view().Agreements {
		if strings.HasSuffix(where, g.ID.String()) {
			if _, err := c.Say(t.Context(), roomID, sayingOf("consent", map[string]any{"core": g.Core})); err != nil {
				t.Fatal(err)
			}
			tb.mu.Lock()
			tb.signs[g.ID.String()] = web.SigningSeat{MaySign: true, Document: "backchannel agreement\n\nThe strait is open to all.", LastName: "Cenia", Keys: []web.SignerKey{
				{Member: g.Needed[1].Member.String(), Shown: strings.Repeat("5866", 16), Noted: true, Other: true},
				{Member: g.Needed[2].Member.String(), Shown: strings.Repeat("3b6a", 16)},
			}}
			tb.mu.Unlock()
		}
	}
	a.visit(where)
	a.sees(soon, "Sending your share ends deniability")
	a.sees(soon, "Not agreed")
	a.sees(soon, "came with another key than the one that is noted here")
	a.sees(soon, "shows this key, and none is noted here to compare it with")
	a.accessible("before signing")
	a.eval("document.querySelector('#sign').form.noValidate = true", nil)
	a.press("Send my share of the signature")
	a.sees(soon, "Tick that you have understood it first.")
	a.choose("[name=understood]", "")
	a.press("Send my share of the signature")
	a.sees(soon, "Your share is out.")

	// The title is typed to erase the room.
	b.visit(at + "/erase")
	b.fill("#title", "Fisheries")
	b.press("Erase the room")
	b.sees(soon, "That is not the title. Nothing was erased.")

	// Words for the public.
	public := at + "/communique/" + tb.id("c1").String()
	a.visit(public)
	a.press("Approve these words")
	a.sees(soon, "You have approved the communiqué.")
	if _, err := c.Say(t.Context(), roomID, sayingOf("approve", map[string]any{"of": tb.id("c1")})); err != nil {
		t.Fatal(err)
	}
	b.visit(public)
	b.press("Release it")
	b.sees(soon, "The communiqué is released.")
	b.within(soon, "a page without a stamp", func() bool { return !b.has(".stamp") })
	b.accessible("a released communiqué")
}
