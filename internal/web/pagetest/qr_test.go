package pagetest_test

import (
	"bytes"
	"fmt"
	"image/png"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"backchannel/internal/contact"
)

// read reads the code in a picture of a page as a camera would: it has to find it.
func read(shot []byte) (string, error) {
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		return "", err
	}
	bits, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		return "", err
	}
	got, err := qrcode.NewQRCodeReader().Decode(bits, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
	if err != nil {
		return "", err
	}
	return got.GetText(), nil
}

// TestTheCodeOfAnInvitation reads the code that the page shows, off the screen, in both
// lights and on a phone, with another library than the one that drew it. The other side
// accepts what was read.
func TestTheCodeOfAnInvitation(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	aldmark, borvia := n.seat(t, "Aldmark"), n.seat(t, "Borvia")
	b := open(t, aldmark.url)
	b.signIn()
	b.visit("/meet")
	b.fill("#invite-name", "Borvia")
	b.press("Make an invitation")
	b.sees(soon, "Give them this")
	invitation := b.value("#invitation-text")
	words := strings.Fields(b.textOf(".spelled"))
	text := ""
	for _, light := range []string{"light", "dark"} {
		for _, screen := range []struct {
			wide  int64
			scale float64
		}{{1280, 1}, {360, 1}, {360, 3}} {
			where := fmt.Sprintf("%s, %d px at %g", light, screen.wide, screen.scale)
			b.scheme(light)
			b.run(emulation.SetDeviceMetricsOverride(screen.wide, 760, screen.scale, false))
			b.within(soon, "the code", func() bool {
				var drawn bool
				b.eval("(() => { const q = document.querySelector('.qr'); q.scrollIntoView({block: 'center', behavior: 'instant'}); return q.complete && q.naturalWidth > 0 && q.getBoundingClientRect().right <= innerWidth })()", &drawn)
				return drawn
			})
			var shot []byte
			b.run(chromedp.CaptureScreenshot(&shot))
			b.shot("code " + where)
			var err error
			if text, err = read(shot); err != nil || text != strings.ToUpper(invitation) {
				t.Errorf("%s: the code reads %q, %v", where, text, err)
			}
			// Each square is as wide as the next: a camera far away counts on it.
			var wide, drawn float64
			b.eval("document.querySelector('.qr').naturalWidth", &wide)
			b.eval("document.querySelector('.qr').clientWidth - 16", &drawn)
			if squares := wide / 5; drawn/squares != 5 {
				t.Errorf("%s: a square of the code is %.2f px wide", where, drawn/squares)
			}
		}
	}
	byCode, err := contact.ParseInvitation(text)
	if err != nil {
		t.Fatal(err)
	}
	byWords, err := contact.ParseInvitation(strings.Join(words, " "))
	if err != nil {
		t.Fatal(err)
	}
	if byCode != byWords {
		t.Error("the code and the words are different invitations")
	}
	if _, err := borvia.s.Accept(t.Context(), "Aldmark", text); err != nil {
		t.Errorf("accepting what the code says: %v", err)
	}
}
