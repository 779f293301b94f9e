package pagetest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// slow skips what needs a real network in real time, most of which is waiting: so
// such tests run beside each other, each with a network of its own.
func slow(t *testing.T) {
	t.Helper()
	alone(t)
	t.Parallel()
}

// alone is slow for what changes the browser itself.
func alone(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("a real network in real time")
	}
}

// TestFirstStart sets a station up as its principal does, takes a step back on the
// way, and ends on the page for the first contact.
func TestFirstStart(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	file := filepath.Join(n.dir, "network.toml")
	if err := os.WriteFile(file, n.file, 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(n.dir, "other.toml")
	if err := os.WriteFile(other, []byte("no network"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newSeat(t, "Aldmark")
	setup, err := web.NewSetup(filepath.Join(n.dir, "first"), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.h.set(setup.Handler(p.gate()))
	b := open(t, p.url)
	b.expect(403, 422)

	b.visit("/step/account") // without the link there is nothing
	b.sees(soon, "This link does not open the set-up")
	b.visit(setup.Path())
	b.accessible("first start, passphrase")
	b.fill("#passphrase", "monday")
	b.sees(soon, "Too weak")
	b.fill("#again", "monday")
	b.press("Next")
	// The whole sentence: the meter's own says "would be guessed" on the page before.
	b.sees(soon, "The new passphrase would be guessed")
	b.fill("#passphrase", passphrase)
	b.sees(soon, "Fair")
	b.fill("#again", passphrase)
	b.press("Next")
	b.sees(soon, "A network file says who runs the relays")
	b.upload("#file", other)
	b.press("Look at it")
	b.sees(soon, "Reading the network file")
	b.upload("#file", file)
	b.press("Look at it")
	b.sees(soon, "Straits")
	for _, who := range []string{"Aldmark", "Borvia", "Cenia"} {
		b.sees(soon, who)
	}
	b.accessible("first start, network")
	b.press("Back")
	b.sees(soon, "A passphrase was chosen before")
	b.press("Go on with that one")
	b.sees(soon, "Straits")
	b.press("The words are the same")
	b.sees(soon, "Nothing has been written")
	b.accessible("first start, account")
	if _, err := os.Stat(filepath.Join(n.dir, "first")); err == nil {
		t.Error("something was written before the last step")
	}
	b.press("Make the station and start it")
	made := <-setup.Made()
	p.cfg, p.key = made.Config, setup.Key()
	p.start()
	b.sees(soon, "The last step is the first contact")
	b.accessible("first start, contact")
	b.press("Later")
	b.sees(soon, "Your station is running.")
	b.accessible("an empty desk")

	// The key let one browser in, once.
	c := openElsewhere(t, p.url)
	c.visit("/welcome")
	c.sees(soon, "Still keeping up your traffic")
}

// TestTalk is the core of it: meet, compare, write, see it arrive, restart in the
// middle, lock and unlock.
func TestTalk(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	aldmark, borvia := n.seat(t, "Aldmark"), n.seat(t, "Borvia")
	a, b := open(t, aldmark.url), open(t, borvia.url)
	a.expect(403)
	b.expect(422)
	b.mayBreak()
	a.signIn()
	b.signIn()
	a.sees(soon, "Your station is running.")

	// Meet.
	a.visit("/meet")
	a.accessible("meet")
	a.fill("#invite-name", "Borvia")
	a.press("Make an invitation")
	a.sees(soon, "Give them this")
	a.accessible("an invitation")
	var invitation string
	a.eval("document.querySelector('#invitation-text').value", &invitation)
	words := strings.Fields(a.textOf(".spelled"))
	if len(words) != 31 {
		t.Errorf("the invitation has %d words", len(words))
	}
	b.visit("/meet")
	b.fill("#accept-name", "Aldmark")
	b.fill("#invitation", "nonsense")
	b.press("Accept")
	b.sees(soon, "Accepting the invitation")
	b.fill("#invitation", strings.Join(words, " "))
	b.press("Accept")
	b.sees(soon, "Your station looks for theirs")
	a.sees(arrives, "Compare these four words") // without loading it again
	b.sees(arrives, "Compare these four words")
	if x, y := a.textOf(".four"), b.textOf(".four"); x != y || len(strings.Fields(x)) != 4 {
		t.Errorf("the words are %q and %q", x, y)
	}
	a.accessible("words to compare")
	a.press("Different words")
	a.sees(soon, "somebody stands between")
	a.accessible("different words")
	a.press("Look at the words again")
	a.press("They say the same words")
	a.sees(soon, "Borvia is verified.")
	b.press("Compare later and write already: the contact stays marked as not verified")
	b.sees(soon, "You do not know yet that this is Aldmark")
	b.accessible("an unverified conversation")
	b.press("Compare words")
	b.press("They say the same words")
	b.sees(soon, "Aldmark is verified.")
	a.sees(arrives, "together now")

	// Write; the other's page shows it by itself.
	a.fill("#text", "Could you live with Thursday?")
	a.press("Send")
	a.sees(soon, "Could you live with Thursday?")
	b.sees(arrives, "Could you live with Thursday?")
	a.sees(arrives, "delivered")
	b.fill("#text", "Thursday is possible. Say nothing yet.")
	b.press("Send")
	a.sees(arrives, "Say nothing yet.")
	a.accessible("a conversation")

	// Restart one station while a letter is under way.
	a.press("Letter, with files")
	a.fill("#subject", "Non-paper")
	a.fill("#text", "# Elements\n\nWe would no longer oppose **X**. <script>alert(1)</script> See https://example.org/a?b=c or ![pixel](https://example.org/p.png)\n\n"+strings.Repeat("A long line of reasons. ", 1200))
	a.accessible("writing a letter")
	a.press("Send the letter")
	a.sees(soon, "Non-paper")
	a.within(arrives, "progress", func() bool { return a.has("progress") })
	borvia.halt()
	borvia.start()
	b.signIn()
	b.click(".people a")
	b.sees(arrives, "Non-paper")
	a.within(arrives, "the delivery of the letter", func() bool { return strings.Count(a.textOf("#log"), "delivered") >= 2 })
	b.within(arrives, "the whole letter", func() bool { return strings.Contains(b.text(), "Read the whole letter") })
	if b.has(".body script") || b.has(".body img") {
		t.Error("a letter brought a script or an image")
	}
	if body := b.textOf(".entry.letter .body"); !strings.Contains(body, "<script>alert(1)</script>") || !strings.Contains(body, "(https://example.org/p.png)") {
		t.Errorf("a letter is shown as %.300q", body)
	}

	// Lock: one page locks all; the other's letters still arrive.
	a.press("Lock")
	a.sees(soon, "Still keeping up your traffic")
	a.accessible("locked")
	a.visit("/settings")
	a.sees(soon, "Still keeping up your traffic")
	if text := a.text(); strings.Contains(text, "Borvia") || strings.Contains(text, "Aldmark") {
		t.Errorf("the locked page says %q", text)
	}
	b.fill("#text", "While you were away.")
	b.press("Send")
	b.within(arrives, "delivery to a locked page's station", func() bool {
		return strings.Count(b.textOf("#log"), "delivered") >= 2
	})
	a.fill("#passphrase", "wrong")
	a.press("Unlock")
	a.sees(soon, "That is not the passphrase")
	a.fill("#passphrase", passphrase)
	a.press("Unlock")
	a.sees(soon, "1")
	a.titled("(1) Backchannel")
	a.click(".people a")
	a.sees(soon, "While you were away.")

	// Close the vault: the keys go, and so does the session.
	a.visit("/settings")
	a.press("Close the vault now")
	a.sees(soon, "Still keeping up your traffic")
	if aldmark.s.Unlocked() {
		t.Error("the vault is still open")
	}
	a.fill("#passphrase", passphrase)
	a.press("Unlock")
	a.sees(soon, "Conversations")
}

// TestEveryPage looks at every page in both lights and both widths.
func TestEveryPage(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	aldmark, borvia := n.seat(t, "Aldmark"), n.seat(t, "Borvia")
	id, _ := acquaint(t, aldmark, borvia)
	k, err := aldmark.s.Invite(t.Context(), "Cenia", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	converse(t, aldmark, borvia, id)
	b := open(t, aldmark.url)
	b.signIn()
	for _, path := range pagesOf(id, k.ID) {
		for _, scheme := range []string{"light", "dark"} {
			for _, px := range []int64{1280, 360} {
				where := fmt.Sprintf("%s, %s, %d px", path, scheme, px)
				b.scheme(scheme)
				b.width(px, 760)
				b.visit(path)
				if b.has(".problem") {
					t.Errorf("%s: %s", where, b.textOf(".problem"))
				}
				b.fits(where)
				if (scheme == "light") == (px == 1280) { // each light and each width once
					b.accessible(where)
				}
			}
		}
	}
}

// TestLongWords: whoever chose a name, a subject, a file's name or a title without a
// single space, a contact among them, widens no page with it.
func TestLongWords(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	aldmark, borvia := n.seat(t, "Aldmark"), n.seat(t, "Borvia")
	id, idOfA := acquaint(t, aldmark, borvia)
	long := func(n int) string { return strings.Repeat("W", n) }
	ctx := t.Context()
	if _, err := aldmark.s.Rename(ctx, id, long(200)); err != nil {
		t.Fatal(err)
	}
	if err := aldmark.s.SetPageOptions(ctx, station.PageOptions{Name: long(60), LockMinutes: 15}); err != nil {
		t.Fatal(err)
	}
	room, err := borvia.s.NewRoom(ctx, station.Proposal{Title: long(120), Self: long(60), Members: []station.Invitee{{Contact: idOfA, Name: long(60)}}})
	if err != nil {
		t.Fatal(err)
	}
	text := "# " + long(500) + "\n\n`" + long(500) + "`\n\n| a | b |\n| --- | --- |\n| " + long(500) + " | c |\n"
	sent, err := borvia.s.Send(ctx, idOfA, station.Draft{Kind: "letter", Subject: long(900), MediaType: "text/markdown; charset=utf-8", Content: []byte(text),
		Attachments: []station.Attachment{{FileName: long(240) + ".md", MediaType: "text/markdown", Content: []byte(text)}}})
	if err != nil {
		t.Fatal(err)
	}
	within(t, arrives, "the letter and the invitation to arrive", func() bool {
		it, err := aldmark.s.Item(context.Background(), sent.ID)
		_, noRoom := aldmark.s.Room(context.Background(), room.ID)
		return err == nil && it.State == station.ItemArrived && noRoom == nil
	})
	b := open(t, aldmark.url)
	b.signIn()
	for _, path := range []string{"/", "/c/" + id, "/c/" + id + "?write=letter", "/c/" + id + "/about", "/c/" + id + "/burn", "/items/" + sent.ID, "/search?q=www",
		"/settings", "/others", "/forge", "/meet/" + id, "/meet/" + id + "/different", "/rooms", "/rooms/new", "/r/" + room.ID} {
		for _, px := range []int64{1280, 360} {
			b.width(px, 760)
			b.visit(path)
			b.fits(fmt.Sprintf("%s, %d px", path, px))
		}
	}
}

// pagesOf lists every page of a station with a contact and an open invitation.
func pagesOf(contact, invited string) []string {
	return []string{"/", "/c/" + contact, "/c/" + contact + "?write=letter", "/c/" + contact + "/about", "/meet", "/meet/" + invited,
		"/meet/" + contact, "/meet/" + contact + "/different", "/others", "/network", "/settings", "/settings/tokens", "/help", "/api", "/forge", "/search?q=thursday", "/c/" + contact + "/burn", "/panic"}
}

// converse fills a conversation.
func converse(t *testing.T, from, to *seat, id string) {
	t.Helper()
	for _, text := range []string{"We could talk about X.", "Could you live with Thursday?"} {
		if _, err := from.s.Send(t.Context(), id, station.Draft{Kind: "signal", MediaType: "text/plain; charset=utf-8", Content: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	within(t, arrives, "the signals to arrive", func() bool {
		items, err := to.s.Items(context.Background(), station.ItemFilter{Inbox: true, Unread: true})
		return err == nil && len(items) == 2
	})
}

// TestRestoreInTheBrowser makes a backup on one station's page and begins another
// station from it.
func TestRestoreInTheBrowser(t *testing.T) {
	alone(t) // downloads go where one test says
	n := startNetwork(t)
	old := n.seat(t, "Aldmark")
	if _, err := old.s.Invite(t.Context(), "Borvia", time.Hour); err != nil {
		t.Fatal(err)
	}
	downloads := filepath.Join(n.dir, "downloads")
	file := filepath.Join(n.dir, "network.toml")
	if err := os.Mkdir(downloads, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, n.file, 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, old.url)
	b.run(cdpbrowser.SetDownloadBehavior(cdpbrowser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(downloads))
	b.signIn()
	b.visit("/settings")
	b.fill("#backup-pass", "seven other words for the copy")
	b.fill("#backup-again", "seven other words for the copy")
	b.press("Make a backup")
	backup := filepath.Join(n.dir, "copy.backup")
	if err := os.WriteFile(backup, b.downloaded(downloads, ".backup"), 0o600); err != nil {
		t.Fatal(err)
	}
	old.halt()
	b.mayBreak()

	p := newSeat(t, "Aldmark")
	setup, err := web.NewSetup(filepath.Join(n.dir, "again"), nil)
	if err != nil {
		t.Fatal(err)
	}
	p.h.set(setup.Handler(p.gate()))
	c := open(t, p.url)
	c.expect(422)
	c.visit(setup.Path())
	c.fill("#passphrase", passphrase)
	c.fill("#again", passphrase)
	c.press("Next")
	c.sees(soon, "A network file says who runs the relays")
	c.upload("#file", file)
	c.press("Look at it")
	c.press("The words are the same")
	for _, pass := range []string{"not the passphrase", "seven other words for the copy"} {
		c.press("I have a backup of an earlier station")
		c.upload("#backup", backup)
		c.fill("#backup-passphrase", pass)
		c.press("Make the station and start it")
		if pass == "not the passphrase" {
			c.within(soon, "the refusal", func() bool { return c.has(".problem") })
		}
	}
	made := <-setup.Made()
	p.cfg, p.key = made.Config, setup.Key()
	p.said = made.Restored
	p.start()
	c.sees(soon, "The station is restored")
	c.sees(soon, "had not been met when the backup was made")
}
