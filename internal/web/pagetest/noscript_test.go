package pagetest_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"

	"backchannel/internal/station"
)

// TestWithoutScripts does what a principal does every day in a browser that runs
// no script: sign in, send, acknowledge, search, change a setting, lock.
func TestWithoutScripts(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	aldmark, borvia := n.seat(t, "Aldmark"), n.seat(t, "Borvia")
	idOfB, idOfA := acquaint(t, aldmark, borvia)
	within(t, arrives, "the stations to be together", func() bool {
		c, err := borvia.s.Contact(t.Context(), idOfA)
		return err == nil && c.Together
	})
	if _, err := borvia.s.Send(t.Context(), idOfA, station.Draft{Kind: "signal", MediaType: "text/plain; charset=utf-8", Content: []byte("Could you live with Thursday?")}); err != nil {
		t.Fatal(err)
	}
	items := func(p *seat, inbox bool) []station.ItemInfo {
		all, err := p.s.Items(t.Context(), station.ItemFilter{Inbox: inbox})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	within(t, arrives, "the signal to arrive", func() bool { return len(items(aldmark, true)) == 1 })

	b := open(t, aldmark.url)
	b.run(emulation.SetScriptExecutionDisabled(true))
	b.signIn()
	var ran bool
	if b.eval("typeof htmx !== 'undefined'", &ran); ran {
		t.Fatal("the page's scripts ran all the same")
	}
	b.click(".people a")
	b.sees(soon, "Could you live with Thursday?")

	b.press("Acknowledge")
	b.sees(soon, "you acknowledged")
	within(t, arrives, "the acknowledgement", func() bool {
		all := items(borvia, false)
		return len(all) > 0 && all[0].State == station.ItemAcknowledged
	})

	b.fill("#text", "Thursday is possible.")
	b.press("Send")
	b.sees(soon, "Thursday is possible.")
	within(t, arrives, "the delivery", func() bool { return len(items(borvia, true)) == 1 })
	b.visit("/c/" + idOfB) // nothing refreshes itself
	b.sees(soon, "delivered")

	b.press("Letter, with files")
	b.fill("#subject", "Non-paper")
	b.fill("#text", "Elements of a text.")
	b.press("Send the letter")
	b.sees(soon, "Non-paper")
	within(t, arrives, "the letter", func() bool { return len(items(borvia, true)) == 2 })

	b.visit("/")
	b.fill("#q", "possib")
	b.press("Search")
	b.within(soon, "what was searched", func() bool { return strings.Contains(b.textOf(".hits"), "Thursday is possible.") })

	b.visit("/settings")
	b.fill("#name", "The third floor")
	b.click("#options button.primary")
	b.sees(soon, "Kept.")
	b.visit("/settings/tokens")
	b.fill("#name", "weather bot")
	b.press("Make a token")
	b.sees(soon, "bct_")

	b.press("Lock")
	b.sees(soon, "Still keeping up your traffic")
	b.visit("/c/" + idOfB)
	b.sees(soon, "Still keeping up your traffic")
}
