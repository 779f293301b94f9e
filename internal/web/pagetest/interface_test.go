package pagetest_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestInterfaceIsReadable opens everything on the page about the interface, as
// somebody does who searches it: it stays accessible, and fits a phone.
func TestInterfaceIsReadable(t *testing.T) {
	n := startNetwork(t)
	b := open(t, n.seat(t, "Aldmark").url)
	b.signIn()
	for _, px := range []int64{1280, 360} {
		b.width(px, 760)
		b.visit("/api")
		b.fits(fmt.Sprintf("/api, %d px", px))
		var bare int
		b.eval(`[...document.querySelectorAll(".operations details")].filter(d => { d.open = true; return d.querySelectorAll("p, dd").length === 0 }).length`, &bare)
		if bare > 0 {
			t.Errorf("%d operations or shapes say nothing", bare)
		}
		b.fits(fmt.Sprintf("/api, opened, %d px", px))
		b.accessible(fmt.Sprintf("/api, opened, %d px", px))
		if dir := os.Getenv("BACKCHANNEL_SHOTS"); dir != "" {
			var shot []byte
			var open int // of all of it together a picture would be too long
			b.eval(`[...document.querySelectorAll(".operations details")].filter((d, i) => d.open = i > 25 && i < 29).length`, &open)
			b.run(chromedp.FullScreenshot(&shot, 60))
			if err := os.WriteFile(fmt.Sprintf("%s/api-%d.png", dir, px), shot, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	// A shape that is followed from an operation opens.
	b.visit("/api#s-ItemInfo")
	var seen bool
	b.eval(`document.querySelector("#s-ItemInfo").checkVisibility()`, &seen)
	if !seen {
		t.Error("a shape that an operation leads to stays closed")
	}
}
