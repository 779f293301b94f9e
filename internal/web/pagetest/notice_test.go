package pagetest_test

import (
	"context"
	"fmt"
	"testing"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"backchannel/internal/station"
)

// recorded notes what a page shows as notifications, and lets a test say that nobody
// looks at the page.
const recorded = `(() => {
	window.made = [];
	const Real = window.Notification;
	window.Notification = class extends Real { constructor(...what) { super(...what); window.made.push(JSON.stringify(what)); } };
	window.away = false;
	Object.defineProperty(document, "hidden", { get: () => window.away });
})()`

// watched opens a page that records, and which nobody looks at.
func (b *tab) watched(path string) {
	b.t.Helper()
	b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(recorded).Do(ctx)
		return err
	}))
	b.visit(path)
	b.unwatch()
}

func (b *tab) unwatch() {
	b.t.Helper()
	b.within(soon, "the page to listen", func() bool { return b.has("#away[hidden]") && b.has("#people") })
	b.eval("window.away = true; 0", nil)
}

// permit answers what the browser asks about notifications.
func (b *tab) permit(how cdpbrowser.PermissionSetting) {
	b.t.Helper()
	b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		return cdpbrowser.SetPermission(&cdpbrowser.PermissionDescriptor{Name: "notifications"}, how).WithOrigin(b.base).
			Do(cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Browser))
	}))
}

// made is how many notifications these pages have made, and the last of them.
func made(all ...*tab) (n int, last string) {
	for _, b := range all {
		var list []string
		if b.eval("window.made || []", &list); len(list) > 0 {
			n, last = n+len(list), list[len(list)-1]
		}
	}
	return n, last
}

// TestNotifications: off by default; when asked for, one notification for an arrival in
// however many windows, without a word of from whom or what; none of a muted contact,
// none for who looks at the page; and what the browser forbids is said.
func TestNotifications(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	aldmark, borvia := n.seat(t, "Aldmark"), n.seat(t, "Borvia")
	toB, toA := acquaint(t, aldmark, borvia)
	b := openElsewhere(t, aldmark.url) // permissions are the browser's
	b.signIn()
	b.watched("/")
	c := newTab(t, b.ctx, aldmark.url)
	c.watched("/others")
	all := []*tab{b, c}
	sent := 0
	arrive := func(words string) {
		t.Helper()
		if _, err := borvia.s.Send(t.Context(), toA, station.Draft{Kind: "signal", MediaType: "text/plain; charset=utf-8", Content: []byte(words)}); err != nil {
			t.Fatal(err)
		}
		sent++
		within(t, arrives, "the signal to arrive", func() bool {
			items, err := aldmark.s.Items(context.Background(), station.ItemFilter{Inbox: true})
			return err == nil && len(items) == sent
		})
	}
	// settled waits until both windows were told of the arrival, and as long as the one
	// that shows it waits for others.
	settled := func(title string) {
		t.Helper()
		for _, x := range all {
			x.titled(title)
			x.eval("window.over = false; setTimeout(() => { window.over = true }, 5500); 0", nil)
		}
		for _, x := range all {
			x.within(soon, "the notice", func() bool {
				var over bool
				x.eval("window.over", &over)
				return over
			})
		}
	}
	unread := func() string { return fmt.Sprintf("(%d) Backchannel", sent) }
	// counted lets something arrive and counts the notifications. On a busy machine one
	// window may be told seconds after the other, for once: then it is tried again.
	counted := func(what, words string, want int, before func()) (last string) {
		t.Helper()
		got := 0
		for range 3 {
			before()
			was, _ := made(all...)
			arrive(words)
			settled(unread())
			if got, last = made(all...); got-was == want {
				return last
			}
		}
		t.Errorf("%s: %d notifications, want %d", what, got, want)
		return last
	}
	anew := func() {
		b.visit("/")
		b.unwatch()
		c.visit("/others")
		c.unwatch()
	}

	// Permitted by the browser, and off in the settings, as it is at first.
	b.permit(cdpbrowser.PermissionSettingGranted)
	counted("off by default", "The lighthouse at noon", 0, anew)

	// Denied: the page says so, and how to undo it.
	b.permit(cdpbrowser.PermissionSettingDenied)
	b.visit("/settings")
	b.choose("[name=notify]", "")
	b.sees(soon, "This browser forbids notifications of this page: allow them in its settings for this address.")
	b.accessible("notifications that the browser forbids")
	b.shot("notifications-denied")
	b.click("#options button.primary")
	b.sees(soon, "Kept.")
	b.sees(soon, "This browser forbids notifications")
	counted("denied", "And at midnight", 0, anew)

	// Granted: one for both windows.
	b.permit(cdpbrowser.PermissionSettingGranted)
	b.visit("/settings")
	b.sees(soon, "This browser shows notifications.")
	if last := counted("granted", "On Thursday then", 1, anew); last != `["Backchannel",{"body":"Something has arrived.","tag":"backchannel","silent":true}]` {
		t.Errorf("the notification is %s", last)
	}

	// Not again for having loaded the page anew.
	for _, x := range all {
		x.visit("/help")
		x.unwatch()
	}
	settled(unread())
	if n, _ := made(all...); n != 0 {
		t.Errorf("after a reload: %d notifications", n)
	}

	// Whoever looks at one of the windows needs none in the other.
	counted("while somebody looks", "Seen", 0, func() { c.eval("window.away = false; 0", nil) })
	c.unwatch()

	// Muted: neither counted nor announced.
	if _, err := aldmark.s.SetMuted(t.Context(), toB, true); err != nil {
		t.Fatal(err)
	}
	was, _ := made(all...)
	arrive("Silence")
	settled("Backchannel")
	if n, _ := made(all...); n != was {
		t.Errorf("muted: %d notifications", n-was)
	}
}
