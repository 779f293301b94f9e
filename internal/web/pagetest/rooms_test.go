package pagetest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// sit opens the pages of one member of a table in a browser.
func sit(t *testing.T, n *world, tb *table, self int) *tab {
	t.Helper()
	b := open(t, n.seatAt(t, tb, self).url)
	b.signIn()
	return b
}

// seatAt is a station whose pages show the rooms of a table.
func (n *world) seatAt(t *testing.T, tb *table, self int) *seat {
	t.Helper()
	p := newSeat(t, tb.names[self])
	cfg, err := initStation(n, tb.names[self])
	if err != nil {
		t.Fatal(err)
	}
	p.cfg = cfg
	c := chair{tb, self}
	p.rooms, p.seats, p.books = c, c, c
	p.start()
	o := p.s.PageOptions()
	o.Name = tb.names[self]
	if err := p.s.SetPageOptions(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return p
}

// shot draws what is seen, for whoever wants to look at it.
func (b *tab) shot(name string) {
	b.t.Helper()
	folder := os.Getenv("BACKCHANNEL_SHOTS")
	if folder == "" {
		return
	}
	var png []byte
	b.run(chromedp.CaptureScreenshot(&png))
	if err := os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600); err != nil {
		b.t.Error(err)
	}
}

// looks looks at a page in both lights and both widths. What axe finds depends on
// light or on width: it looks at each of them once.
func (b *tab) looks(name, path string) {
	b.t.Helper()
	b.visit(path)
	shots := os.Getenv("BACKCHANNEL_SHOTS")
	for _, light := range []string{"light", "dark"} {
		b.scheme(light)
		for _, width := range []int64{1280, 360} {
			b.width(width, 860)
			b.fits(name)
			if (light == "light") == (width == 1280) {
				b.accessible(fmt.Sprintf("%s, %s, %d px", name, light, width))
			}
			if shots != "" {
				var png []byte
				b.run(chromedp.FullScreenshot(&png, 100))
				if err := os.WriteFile(filepath.Join(shots, strings.ReplaceAll(name, " ", "-")+"-"+light+map[int64]string{1280: "", 360: "-phone"}[width]+".png"), png, 0o600); err != nil {
					b.t.Error(err)
				}
			}
		}
	}
	b.scheme("light")
	b.width(1280, 860)
}

// TestRoomPages shows every page of a negotiation in the middle of everything.
func TestRoomPages(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of looking; TestNegotiateOnPages acts on these pages")
	}
	t.Parallel()
	n := startNetwork(t)
	tb := straitsTable(t, true)
	b := sit(t, n, tb, 0)
	at := "/r/" + roomID
	b.looks("rooms", "/rooms")
	b.looks("new room", "/rooms/new")
	b.looks("forge a room", "/rooms/forge")
	b.looks("invited", "/r/f0")
	b.looks("being formed", "/r/f1")
	b.looks("did not come about", "/r/f2")
	b.looks("room", at)
	for _, view := range []string{"table", "offers", "texts", "rounds", "agreements", "timeline", "private", "about"} {
		b.looks(view, at+"/"+view)
	}
	b.looks("write a letter", at+"?write=letter")
	b.looks("agenda", at+"/agenda")
	b.looks("package", at+"/package")
	b.looks("offer", at+"/offer")
	b.looks("counter", at+"/offer?answers="+tb.id("o1").String())
	b.looks("draft", at+"/text?base="+tb.id("d2").String())
	b.looks("version", at+"/s/"+tb.id("d2").String())
	b.looks("letter", at+"/s/"+tb.id("letter").String())
	b.looks("one offer", at+"/s/"+tb.id("o1").String())
	b.looks("not understood", at+"/s/"+tb.strays[0].ID.String())
	b.looks("unclear", at+"/unclear")
	b.looks("strays", "/rooms/strays")
	b.looks("erase a room", at+"/erase")
	b.looks("a draft", at+"/offer?unsent=1")
	b.looks("seal key", "/settings/key")
	b.looks("desk with rooms", "/")
	b.looks("what can be shown", at+"/s/"+tb.id("agenda2").String())
	b.press("Show it")
	b.sees(soon, "Shown.")
	b.looks("new round", at+"/round")
	b.looks("round to join", at+"/round/"+tb.id("r1").String())
	b.looks("list", at+"/round/"+tb.id("r2").String())
	b.looks("ladder", at+"/round/"+tb.id("r3").String())
	b.looks("new agreement", at+"/agreement")
	b.looks("agreement", at+"/agreement/"+tb.id("a1").String())
	b.looks("agreed", at+"/agreement/"+tb.id("a2").String())
	b.looks("communique", at+"/communique/"+tb.id("c1").String())
}
