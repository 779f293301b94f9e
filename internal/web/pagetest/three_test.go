package pagetest_test

import (
	"strings"
	"testing"
	"time"
)

// TestThreeBrowsers lets three principals form a room and negotiate by their pages,
// over a real network: agenda, an offer against an offer, a text, and an agreement
// to which everybody whom it concerns has consented.
func TestThreeBrowsers(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	seats := []*seat{n.seat(t, "Aldmark"), n.seat(t, "Borvia"), n.seat(t, "Cenia")}
	acquaint(t, seats[0], seats[1])
	acquaint(t, seats[0], seats[2])
	acquaint(t, seats[1], seats[2])
	var tabs []*tab
	for _, p := range seats {
		b := open(t, p.url)
		b.signIn()
		tabs = append(tabs, b)
	}
	a, b, c := tabs[0], tabs[1], tabs[2]
	const arrives = 2 * time.Minute

	// Form the room.
	a.visit("/rooms/new")
	a.fill("#title", "Straits talks")
	a.fill("#self", "Aldmark")
	a.eval("document.querySelectorAll('[name=contact]').forEach((k) => k.click())", nil)
	a.press("Invite them")
	a.sees(soon, "They are invited.")
	room := strings.SplitN(strings.TrimPrefix(a.path(), "/r/"), "/", 2)[0]
	for i, guest := range []*tab{b, c} {
		guest.sees(arrives, "Straits talks")
		guest.visit("/r/" + room)
		guest.sees(soon, "Who is who?")
		guest.choose([]string{"#seat-1", "#seat-2"}[i], "self")
		guest.press("Take part")
		guest.sees(soon, "You take part.")
	}
	for _, m := range tabs { // opens by itself
		m.sees(arrives, "Write an agenda")
	}

	// An agenda holds when everybody has confirmed it.
	a.visit("/r/" + room + "/agenda")
	a.fill("#title-0", "Status of X")
	a.fill("#options-0", "opposed\naccepted")
	a.fill("#title-1", "Fee ceiling")
	a.choose("#type-1", "range")
	for name, value := range map[string]string{"min": "0", "max": "10", "step": "0.5", "unit": "%"} {
		a.fill("[name="+name+"-1]", value)
	}
	a.press("Propose this agenda")
	a.sees(soon, "The agenda is proposed.")
	for _, m := range []*tab{b, c} {
		m.sees(arrives, "Confirm this agenda") // without loading it again
		m.press("Confirm this agenda")
		m.sees(soon, "You have confirmed the agenda.")
	}
	a.sees(arrives, "Write an offer")

	// A conditional offer, taken.
	b.sees(arrives, "Write an offer")
	a.visit("/r/" + room + "/offer")
	a.choose("[name=gives-value-0]", a.option("[name=gives-value-0]", "accepted"))
	a.fill("[name=gets-value-1]", "2.5")
	a.choose("[name=gets-by-1]", a.option("[name=gets-by-1]", "Borvia"))
	a.press("Make this offer")
	a.sees(soon, "The offer is made.")
	b.visit("/r/" + room + "/offers")
	b.sees(arrives, "2.5 %")
	b.press("Take")
	b.sees(soon, "You have asked to take it.")
	b.sees(arrives, "taken by our side")
	a.sees(arrives, "taken by Borvia")

	// An agreement, with everybody's consent to the exact words.
	a.visit("/r/" + room + "/agreement")
	a.fill("#text", "X is accepted. Fees stay at 2.5 %.")
	a.press("Propose it")
	a.sees(soon, "Nothing is agreed.")
	where := a.path()
	for _, m := range tabs {
		// Before it has come, its own page is not found.
		m.within(arrives, "the agreement", func() bool { m.visit("/r/" + room + "/agreements"); return m.has(`a[href^="` + where + `"]`) })
		m.visit(where)
		m.within(soon, "the words to consent to", func() bool { return m.has("#consent") })
		m.press("I consent to exactly this text")
		m.sees(soon, "You have consented.")
	}
	// A handshake needs no further word: the stations confirm it to each other.
	for _, m := range tabs {
		m.within(arrives, "the agreement to be agreed", func() bool {
			m.visit(where)
			return strings.HasPrefix(m.textOf("#verdict"), "Agreed")
		})
		m.accessible("an agreement")
	}
}
