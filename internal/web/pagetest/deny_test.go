package pagetest_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	cdp "github.com/chromedp/cdproto/browser"

	"backchannel/internal/station"
	"backchannel/internal/transcript"
)

// TestKeepAndDeny is what happens to a conversation afterwards: attachments,
// acknowledgement, drafts, search, expiry, the own copy, export, forge, burn,
// panic.
func TestKeepAndDeny(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	aldmark, borvia := n.seat(t, "Aldmark"), n.seat(t, "Borvia")
	toBorvia, toAldmark := acquaint(t, aldmark, borvia)
	a, b := openElsewhere(t, aldmark.url), open(t, borvia.url) // downloads of one browser go to one folder
	a.expect(422)
	a.signIn()
	b.signIn()
	downloads := filepath.Join(n.dir, "downloads")
	if err := os.Mkdir(downloads, 0o700); err != nil {
		t.Fatal(err)
	}
	a.run(cdp.SetDownloadBehavior(cdp.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(downloads))

	// A letter with a picture, and how long it takes before it goes.
	picture := filepath.Join(n.dir, "chart.png")
	if err := os.WriteFile(picture, drawing(t), 0o600); err != nil {
		t.Fatal(err)
	}
	a.visit("/c/" + toBorvia + "?write=letter")
	a.fill("#subject", "A chart")
	a.fill("#text", "The harbour, as we see it.")
	a.upload("#attachment", picture)
	a.sees(soon, "behind what waits already")
	a.press("Send the letter")
	a.sees(soon, "A chart")
	b.visit("/c/" + toAldmark)
	b.sees(arrives, "chart.png")
	b.within(soon, "the preview", func() bool {
		var wide int
		b.eval("(document.querySelector('.preview img') || {}).naturalWidth || 0", &wide)
		return wide == 400
	})
	b.accessible("a letter with a picture")
	b.press("Acknowledge")
	b.sees(soon, "you acknowledged it")
	a.sees(arrives, "acknowledged")

	// A draft outlives the page; nothing of it is sent.
	a.visit("/c/" + toBorvia + "?write=signal")
	a.fill("#text", "Tell nobody about the lighthouse")
	a.sees(soon, "Draft kept.")
	a.visit("/others")
	a.visit("/c/" + toBorvia)
	var draft string
	a.eval("document.querySelector('#text').value", &draft)
	if draft != "Tell nobody about the lighthouse" {
		t.Errorf("the draft is %q", draft)
	}
	a.press("Send")
	b.sees(arrives, "Tell nobody about the lighthouse")

	// Search.
	a.visit("/search")
	a.fill("#q", "lighthouse")
	a.press("Search")
	a.within(soon, "the hit", func() bool { return a.textOf("mark") == "lighthouse" })
	a.accessible("search")
	a.fill("#q", "submarine")
	a.press("Search")
	a.sees(soon, "Nothing was found")

	// The own copy.
	a.visit("/search?q=lighthouse")
	a.click(".hits a")
	a.press("Edit your copy")
	a.accessible("editing")
	a.fill("#text", "Tell everybody about the harbour")
	a.press("Change it")
	a.sees(soon, "Tell everybody about the harbour")
	if strings.Contains(a.text(), "lighthouse") {
		t.Error("the old text is still there")
	}
	a.visit("/c/" + toBorvia + "/about")
	a.press("Put something into the conversation that was never sent")
	a.fill("form[action$='/insert'] textarea", "We never met.")
	a.press("Insert")
	a.sees(soon, "Inserted into your copy")
	a.press("Mute")
	a.sees(soon, "Muted: what arrives is not announced")

	// Export and forge end in the same bytes.
	a.press("JSON")
	real := a.downloaded(downloads, ".json")
	tr, err := transcript.ParseJSON(real)
	if err != nil || len(tr.Entries) != 3 || tr.Other != "Borvia" {
		t.Fatalf("the export is %.300s, %v", real, err)
	}
	forged, _, _, err := aldmark.s.Forge(t.Context(), tr, "json")
	if err != nil || !bytes.Equal(forged, real) {
		t.Errorf("a forgery of the export has other bytes: %v", err)
	}
	a.visit("/forge")
	a.accessible("forge")
	a.fill("#self", "Aldmark")
	a.fill("#other", "Dorland")
	a.fill("textarea[name='text-0']", "Shall we tell them?")
	a.fill("textarea[name='text-1']", "Never.")
	a.press("Add an entry")
	a.within(soon, "another entry", func() bool { return a.has("textarea[name='text-2']") })
	a.fill("textarea[name='text-2']", "Then it did not happen.")
	a.press("Look at it")
	a.sees(soon, "As it will read")
	a.accessible("a forged conversation")
	a.press("Markdown")
	if made := string(a.downloaded(downloads, ".md")); !strings.Contains(made, "Then it did not happen.") || !strings.Contains(made, "Dorland") {
		t.Errorf("the forgery reads %q", made)
	}
	if all, err := aldmark.s.Contacts(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("forging made a contact: %d, %v", len(all), err)
	}

	// Self-expiry.
	a.visit("/c/" + toBorvia + "/about")
	a.eval("(() => { document.querySelector('#expiry').value = 'day'; return 0 })()", nil)
	a.click("form[action$='/expiry'] button")
	a.sees(soon, "Kept.")
	a.visit("/c/" + toBorvia)
	a.sees(soon, "erased here")

	// Burn: the wrong name burns nothing.
	a.visit("/c/" + toBorvia + "/burn")
	a.accessible("burn")
	a.fill("#name", "Cenia")
	a.press("Burn")
	a.sees(soon, "Nothing was burned")
	a.fill("#name", "Borvia")
	a.press("Burn")
	a.sees(arrives, "The contact is burned")
	if strings.Contains(a.text(), "Borvia") {
		t.Error("the contact is still there")
	}

	// Panic: the station is as new, and its traffic goes on.
	b.visit("/panic")
	b.accessible("panic")
	b.fill("#word", "erase")
	b.press("Erase everything now")
	b.sees(arrives, "There is no vault")
	b.accessible("no vault")
	b.fill("#passphrase", passphrase)
	b.fill("#again", passphrase)
	b.press("Make the vault")
	b.sees(arrives, "Nobody yet.")
	st, err := borvia.s.Status(t.Context())
	if err != nil || !st.Connected {
		t.Errorf("after a panic the station is not connected: %v", err)
	}
	if all, err := borvia.s.Items(t.Context(), station.ItemFilter{}); err != nil || len(all) != 0 {
		t.Errorf("after a panic there are %d letters, %v", len(all), err)
	}
}

// downloaded waits for a file with this ending, and takes it.
func (b *tab) downloaded(dir, ending string) (content []byte) {
	b.t.Helper()
	b.within(soon, "a download", func() bool {
		all, err := filepath.Glob(filepath.Join(dir, "*"+ending))
		if err != nil || len(all) == 0 {
			return false
		}
		content, err = os.ReadFile(all[0])
		return err == nil && len(content) > 0 && os.Remove(all[0]) == nil
	})
	return content
}

// drawing is a picture of some kilobytes.
func drawing(t *testing.T) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 400, 160))
	for x := range 400 {
		for y := range 160 {
			if (x/20+y/20)%2 == 0 {
				img.Set(x, y, color.RGBA{31, 91, 74, 255})
			} else {
				img.Set(x, y, color.RGBA{uint8(200 + x%50), uint8(190 + y%60), 220, 255})
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
