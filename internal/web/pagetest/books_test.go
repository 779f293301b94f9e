package pagetest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cdp "github.com/chromedp/cdproto/browser"

	"backchannel/internal/book"
)

// TestRoomsOnPaper writes a room down, edits the own copy of it, and makes one up.
func TestRoomsOnPaper(t *testing.T) {
	n := startNetwork(t)
	b := sit(t, n, straitsTable(t, true), 0)
	downloads := filepath.Join(n.dir, "paper")
	if err := os.Mkdir(downloads, 0o700); err != nil {
		t.Fatal(err)
	}
	b.run(cdp.SetDownloadBehavior(cdp.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(downloads))
	if os.Getenv("BACKCHANNEL_SHOTS") != "" {
		b.looks("about a room", "/r/"+roomID+"/about")
		b.looks("edit a room", "/rooms/forge?of="+roomID)
	}

	// A page to print, and a file that programs can check.
	b.visit("/r/" + roomID + "/about")
	b.press("page to print")
	page := string(b.downloaded(downloads, ".html"))
	for _, want := range []string{"Straits talks", "We could **no longer oppose** the status of X.", "blind round", "the copy of Aldmark"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page to print lacks %q", want)
		}
	}
	if strings.Contains(page, "<script") {
		t.Error("the page to print has a script")
	}
	b.press("JSON")
	if r, err := book.Read(b.downloaded(downloads, ".room.json"), time.Now()); err != nil || r.Said == 0 {
		t.Errorf("the export does not read: %v", err)
	}

	// The own copy, with a word changed.
	b.press("Edit your copy of this room, and write it down as it should have been")
	b.within(soon, "the script of the room", func() bool { return b.has("#script") })
	var script string
	b.eval("document.querySelector('#script').value", &script)
	if !strings.Contains(script, "Is this line good?") {
		t.Fatalf("the script is %.300s", script)
	}
	b.fill("#script", strings.Replace(script, "Is this line good?", "Do not call again.", 1))
	b.press("Markdown")
	if made := string(b.downloaded(downloads, ".md")); !strings.Contains(made, "Do not call again.") || strings.Contains(made, "line good") {
		t.Errorf("the edited room reads %.400s", made)
	}

	// One that never was; what cannot be played is said, and nothing is lost.
	b.visit("/rooms/forge")
	b.eval("document.querySelector('#script').value", &script)
	b.expect(422)
	b.fill("#script", strings.Replace(script, `"take": "offer"`, `"take": "nothing"`, 1))
	b.press("JSON")
	b.sees(soon, `no line before it is called "nothing"`)
	b.eval("document.querySelector('#script').value", &script)
	b.fill("#script", strings.Replace(script, `"take": "nothing"`, `"take": "offer"`, 1))
	b.press("JSON")
	made, err := book.Read(b.downloaded(downloads, ".room.json"), time.Now())
	if err != nil || made.Checked.Rounds != 1 || made.Checked.Confirmations != 2 {
		t.Errorf("what was made up does not read: %+v, %v", made, err)
	}
}
