package web_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backchannel/internal/sim/localnet"
	"backchannel/internal/station"
	"backchannel/internal/suite"
	"backchannel/internal/web"
	"backchannel/internal/wire"
)

// pair is two stations on a real network that are used through their API only.
type pair struct {
	*testing.T
	a, b *web.Client // a calls b Borvia, b calls a Aldmark
	desk *desk       // b's pages
	mu   sync.Mutex
	told []station.Notice // what a's API told of itself
}

const (
	aldmark = "Aldmark"
	borvia  = "Borvia"
)

// meetingPair starts a network and lets the two get acquainted.
func meetingPair(t *testing.T) *pair {
	t.Helper()
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	p.Epoch = 4 * time.Second // an acquaintance takes several
	n, err := localnet.Start(p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var stop, closed []func()
	t.Cleanup(func() {
		cancel()
		for _, f := range stop {
			f()
		}
		wg.Wait()
		for _, f := range closed {
			f()
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	var clients []*web.Client
	var last *station.Station
	for range 2 {
		s, cfg, err := n.NewStation(shortDir(t), "", []byte(passphrase))
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("unix", cfg.Socket)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: web.NewHandler(s, "test"), ReadHeaderTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return ctx }}
		c := web.NewClient(cfg.Socket)
		wg.Go(func() { _ = srv.Serve(ln) })
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		stop = append(stop, func() {
			c.Close()
			_ = srv.Close()
		})
		closed = append(closed, func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		clients, last = append(clients, c), s
	}
	d := &pair{T: t, a: clients[0], b: clients[1], desk: &desk{t: t, s: last, clock: &clock{t: time.Now()}, browser: newBrowser(t)}}
	if d.desk.pages, err = web.NewPages(last, web.PagesConfig{Log: slog.New(slog.DiscardHandler), Now: d.desk.clock.now}); err != nil {
		t.Fatal(err)
	}
	d.desk.local = d.desk.serve(false)
	stop = append(stop, d.desk.local.Close)
	wg.Go(func() {
		_ = d.a.Follow(ctx, func() {}, func(n station.Notice) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.told = append(d.told, n)
			return nil
		})
	})
	k := must(d.a.Invite(ctx, borvia, time.Hour))(t)
	must(d.b.Accept(ctx, aldmark, k.Invitation.Text))(t)
	d.until("the two to meet", func() bool {
		k, err := d.a.Contact(ctx, borvia)
		l, err2 := d.b.Contact(ctx, aldmark)
		return err == nil && err2 == nil && k.Ready && l.Ready && k.Together && l.Together
	})
	return d
}

// must stops the test if a call failed.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (d *pair) until(what string, yes func() bool) {
	d.Helper()
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(3 * time.Minute); !yes(); <-tick.C {
		if time.Now().After(end) {
			d.Fatalf("waited in vain for %s", what)
		}
	}
}

// reaches waits until an item is in a state.
func (d *pair) reaches(c *web.Client, id string, state station.ItemState) (it station.ItemInfo) {
	d.Helper()
	d.until("an item to be "+string(state), func() bool {
		got, err := c.Item(d.Context(), id)
		it = got
		return err == nil && got.State == state
	})
	return it
}

// hears waits until a's API told of a kind of event about an item.
func (d *pair) hears(kind station.EventKind, item string) {
	d.Helper()
	d.until("the notice "+string(kind), func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return slices.ContainsFunc(d.told, func(n station.Notice) bool { return n.Kind == kind && n.Item == item })
	})
}

// refused checks that a call was refused for a reason.
func refused[T any](t *testing.T, what string, want station.Code) func(T, error) {
	return func(_ T, err error) {
		t.Helper()
		if code(err) != want {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}
}

// TestItemsBetweenStations does with signals and letters all that a person can do,
// at two real stations, through the API.
func TestItemsBetweenStations(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute of real time")
	}
	t.Parallel() // it waits for a network of its own
	began := time.Now()
	d, ctx := meetingPair(t), t.Context()
	mark := func(what string) { t.Logf("%-20s %v", what, time.Since(began).Round(time.Millisecond)) }
	mark("met")
	words(d, ctx)
	signal, letter := acknowledging(d, ctx)
	mark("acknowledged")
	withdrawing(d, ctx)
	mark("withdrawn")
	copies(d, ctx, signal, letter)
	searching(d, ctx, letter)
	mark("copies, search")
	drafts(d, ctx)
	mark("drafts")
	expiring(d, ctx)
	mark("expiry")
}

// words: what was compared is confirmed and nothing else.
func words(t *pair, ctx context.Context) {
	shown := must(t.a.Words(ctx, borvia))(t)
	if other := must(t.b.Words(ctx, aldmark))(t); len(shown) != 4 || !slices.Equal(shown, other) {
		t.Fatalf("the two see %v and %v", shown, other)
	}
	old := slices.Clone(shown)
	old[3] = map[bool]string{true: "zoo", false: "abandon"}[old[3] == "abandon"]
	refused[station.ContactInfo](t.T, "words that were shown before a restore", station.CodeConflict)(t.a.Confirm(ctx, borvia, old...))
	refused[station.ContactInfo](t.T, "three words", station.CodeConflict)(t.a.Confirm(ctx, borvia, shown[:3]...))
	if k := must(t.a.Contact(ctx, borvia))(t); k.Verified {
		t.Error("verified with other words")
	}
	if k := must(t.a.Confirm(ctx, borvia, strings.ToUpper(shown[0]), shown[1]+" "+shown[2], shown[3]))(t); !k.Verified {
		t.Error("not verified with its words")
	}
	// On the page the form names the words that it shows.
	t.desk.signIn()
	id := must(t.b.Contact(ctx, aldmark))(t).ID
	form := url.Values{"token": {t.desk.token()}, "words": {strings.Join(old, " ")}}
	for range 2 {
		if p := t.desk.post("/meet/"+id+"/same", form); p.code != http.StatusConflict {
			t.Errorf("other words, or none, on the page: %d", p.code)
		}
		form.Del("words")
	}
	m := regexp.MustCompile(`name="words" value="([^"]+)"`).FindStringSubmatch(t.desk.get("/meet/" + id).body)
	if m == nil || m[1] != strings.Join(shown, " ") {
		t.Fatalf("the page's form names %q", m)
	}
	form.Set("words", m[1])
	if p := t.desk.post("/meet/"+id+"/same", form); p.code != http.StatusOK {
		t.Errorf("the words of the page: %d", p.code)
	}
	if k := must(t.b.Confirm(ctx, aldmark))(t); !k.Verified { // without naming them, again
		t.Error("not verified")
	}
}

// acknowledging a signal and a letter with attachments.
func acknowledging(t *pair, ctx context.Context) (signal, letter station.ItemInfo) {
	signal = must(t.a.Send(ctx, borvia, station.Draft{Kind: "signal", Content: []byte("We could talk about the harbour.")}))(t)
	table := bytes.Repeat([]byte{0, 1, 2, 0xff}, 500)
	letter = must(t.a.Send(ctx, borvia, station.Draft{Kind: "letter", Subject: "Non-paper", MediaType: "text/markdown", Content: []byte("Dear *colleague*,"), Attachments: []station.Attachment{
		{FileName: "first.txt", MediaType: "text/plain", Content: []byte("one")}, {FileName: "table.bin", Content: table},
	}}))(t)
	if letter.State != station.ItemWaiting || letter.Left == nil || len(letter.Parts) != 2 {
		t.Errorf("just written: %+v", letter)
	}
	refused[station.ItemInfo](t.T, "acknowledging one's own", station.CodeConflict)(t.a.Acknowledge(ctx, signal.ID))
	t.reaches(t.b, signal.ID, station.ItemArrived)
	got := t.reaches(t.b, letter.ID, station.ItemArrived)
	digest := suite.Digest(table)
	if got.Text != "Dear *colleague*," || got.TextType != "text/markdown" || len(got.Parts) != 2 ||
		got.Parts[1].FileName != "table.bin" || got.Parts[1].Size != 2000 || got.Parts[1].SHA256 != hex.EncodeToString(digest[:]) || got.SHA256 != letter.SHA256 {
		t.Errorf("arrived: %+v", got)
	}
	if b := must(t.b.PartContent(ctx, letter.ID, 2))(t); !bytes.Equal(b, table) {
		t.Error("the second attachment arrived differently")
	}
	if b := must(t.a.PartContent(ctx, letter.ID, 1))(t); string(b) != "one" {
		t.Error("one's own copy has another first attachment")
	}
	refused[[]byte](t.T, "an attachment that is not there", station.CodeNotFound)(t.b.PartContent(ctx, letter.ID, 3))
	refused[[]byte](t.T, "an attachment of a signal", station.CodeNotFound)(t.b.PartContent(ctx, signal.ID, 1))
	// Arriving and reading tell the sender nothing but delivery.
	if k := must(t.b.Contact(ctx, aldmark))(t); k.Unread != 2 {
		t.Errorf("%d unread", k.Unread)
	}
	must(0, t.b.MarkRead(ctx, signal.ID))(t)
	if it := t.reaches(t.a, letter.ID, station.ItemDelivered); it.Acknowledged != nil {
		t.Error("acknowledged without a person")
	}
	for range 2 { // the second time nothing is sent
		if it := must(t.b.Acknowledge(ctx, letter.ID))(t); it.Acknowledged == nil {
			t.Errorf("acknowledging: %+v", it)
		}
	}
	if it := t.reaches(t.a, letter.ID, station.ItemAcknowledged); it.Acknowledged == nil {
		t.Errorf("acknowledged: %+v", it)
	}
	t.hears(station.EventAcknowledged, letter.ID)
	if it := must(t.a.Item(ctx, signal.ID))(t); it.State != station.ItemDelivered {
		t.Errorf("the signal that was only read is %s", it.State)
	}
	// A note is no item of anybody's.
	for _, c := range []*web.Client{t.a, t.b} {
		if all := must(c.Items(ctx, station.ItemFilter{Limit: 100}))(t); len(all) != 2 {
			t.Errorf("%d items", len(all))
		}
	}
	refused[station.ItemInfo](t.T, "withdrawing what was delivered", station.CodeConflict)(t.a.CancelItem(ctx, letter.ID))
	refused[station.ItemInfo](t.T, "withdrawing what came in", station.CodeConflict)(t.b.CancelItem(ctx, letter.ID))
	return signal, letter
}

// withdrawing a letter while it is in flight.
func withdrawing(t *pair, ctx context.Context) {
	long := must(t.a.Send(ctx, borvia, station.Draft{Kind: "letter", Subject: "Too much", Content: make([]byte, 1<<20)}))(t)
	t.until("a part of the letter to arrive", func() bool {
		it, err := t.b.Item(ctx, long.ID)
		return err == nil && it.State == station.ItemArriving && it.Done > 8000
	})
	t.until("the sender to know of it", func() bool {
		it := must(t.a.Item(ctx, long.ID))(t)
		return it.State == station.ItemSending && it.Done > 0 && it.Left != nil
	})
	refused[station.ItemInfo](t.T, "acknowledging what is not here whole", station.CodeConflict)(t.b.Acknowledge(ctx, long.ID))
	if code(t.a.EraseItem(ctx, long.ID)) != station.CodeConflict {
		t.Error("what is in flight was erased")
	}
	for range 2 {
		if it := must(t.a.CancelItem(ctx, long.ID))(t); it.State != station.ItemCancelled || !it.Cancelled {
			t.Errorf("withdrawn: %+v", it)
		}
	}
	t.hears(station.EventCancelled, long.ID)
	if it := t.reaches(t.b, long.ID, station.ItemCancelled); it.Size > 0 && it.Done == it.Total {
		t.Errorf("withdrawn, there: %+v", it)
	}
	if _, err := t.b.Content(ctx, long.ID); code(err) != station.CodeConflict {
		t.Errorf("content of what was withdrawn: %v", err)
	}
	// What follows goes at once, and nothing waits any more.
	after := must(t.a.Send(ctx, borvia, station.Draft{Kind: "letter", Subject: "Instead", Content: []byte("Forget the other.")}))(t)
	t.reaches(t.b, after.ID, station.ItemArrived)
	t.reaches(t.a, after.ID, station.ItemDelivered)
	if k := must(t.a.Contact(ctx, borvia))(t); k.Waiting != 0 {
		t.Errorf("%d items wait", k.Waiting)
	}
	for _, id := range []string{long.ID, after.ID} {
		for _, c := range []*web.Client{t.a, t.b} {
			if err := c.EraseItem(ctx, id); err != nil {
				t.Errorf("erasing: %v", err)
			}
			refused[station.ItemInfo](t.T, "what was erased", station.CodeNotFound)(c.Item(ctx, id))
		}
	}
}

// copies are changed, put in and erased, at one side only.
func copies(t *pair, ctx context.Context, signal, letter station.ItemInfo) {
	text, subject, when := "We shall never talk about the harbour.", "Paper", time.Now().Add(-48*time.Hour).Truncate(time.Second)
	it := must(t.b.EditItem(ctx, signal.ID, station.Edit{Text: &text, Time: &when}))(t)
	if it.Text != text || !it.Created.Equal(when) || it.State != station.ItemArrived || it.Outgoing {
		t.Errorf("changed: %+v", it)
	}
	refused[station.ItemInfo](t.T, "a subject for a signal", station.CodeInvalid)(t.b.EditItem(ctx, signal.ID, station.Edit{Subject: &subject}))
	later := time.Now().Add(time.Hour)
	refused[station.ItemInfo](t.T, "a time to come", station.CodeInvalid)(t.b.EditItem(ctx, signal.ID, station.Edit{Time: &later}))
	if it = must(t.b.EditItem(ctx, letter.ID, station.Edit{Subject: &subject}))(t); it.Subject != subject || len(it.Parts) != 2 || it.Acknowledged == nil {
		t.Errorf("changed: %+v", it)
	}
	if it := must(t.a.Item(ctx, signal.ID))(t); it.Text != "We could talk about the harbour." {
		t.Errorf("the other side's copy says %q", it.Text)
	}
	between := when.Add(time.Hour)
	in := must(t.b.InsertItem(ctx, aldmark, station.Insert{Outgoing: true, Kind: "signal", Text: "As you said.", Time: between}))(t)
	if in.State != station.ItemDelivered || !in.Outgoing || !in.Created.Equal(between) || in.Finished == nil {
		t.Errorf("put in: %+v", in)
	}
	long := must(t.b.InsertItem(ctx, aldmark, station.Insert{Kind: "letter", Text: strings.Repeat("long\n", 300_000), Time: between.Add(-24 * 60 * time.Hour)}))(t)
	if long.Size != 1_500_000 || t.b.EraseItem(ctx, long.ID) != nil {
		t.Errorf("a long letter put in: %+v", long)
	}
	refused[station.ItemInfo](t.T, "an empty signal", station.CodeInvalid)(t.b.InsertItem(ctx, aldmark, station.Insert{Kind: "signal", Time: between}))
	page := must(t.b.Conversation(ctx, aldmark, "", 50))(t)
	var order []string
	for _, it := range page.Items {
		order = append(order, it.ID)
	}
	if !slices.Equal(order, []string{signal.ID, in.ID, letter.ID}) || page.More {
		t.Errorf("the order is %v", order)
	}
	if page = must(t.b.Conversation(ctx, aldmark, letter.ID, 1))(t); len(page.Items) != 1 || page.Items[0].ID != in.ID || !page.More {
		t.Errorf("the page before the letter: %+v", page)
	}
	if err := t.b.EraseItem(ctx, in.ID[:12]); err != nil {
		t.Error(err)
	}
	refused[station.ItemInfo](t.T, "what was erased", station.CodeNotFound)(t.b.Item(ctx, in.ID))
	// One's own sent copy can be changed too, and its watchers hear that something was.
	must(t.a.EditItem(ctx, signal.ID, station.Edit{Text: &text}))(t)
	t.hears(station.EventChanged, signal.ID)
}

// searching finds what copies say now.
func searching(t *pair, ctx context.Context, letter station.ItemInfo) {
	find := func(c *web.Client, q station.SearchQuery) []station.Hit { return must(c.Search(ctx, q))(t) }
	if hits := find(t.a, station.SearchQuery{Text: "never har"}); len(hits) != 1 || !strings.Contains(hits[0].Snippet, "\uE000harbour\uE001") {
		t.Errorf("found %+v", hits)
	}
	if hits := find(t.a, station.SearchQuery{Text: "could"}); len(hits) != 0 {
		t.Error("what was changed is found as it was")
	}
	if hits := find(t.b, station.SearchQuery{Text: "table.bin", Contact: aldmark, Limit: 5}); len(hits) != 1 || hits[0].ID != letter.ID {
		t.Errorf("by the name of an attachment: %+v", hits)
	}
	if hits := find(t.b, station.SearchQuery{Text: "instead forget"}); len(hits) != 0 {
		t.Error("what was erased is found")
	}
	if hits := find(t.b, station.SearchQuery{Text: `"* OR NEAR(`}); len(hits) != 0 {
		t.Error("signs are read as a query")
	}
	refused[[]station.Hit](t.T, "searching at nobody", station.CodeNotFound)(t.a.Search(ctx, station.SearchQuery{Text: "x", Contact: "nobody"}))
}

// drafts are kept, replaced and erased, and survive a lock.
func drafts(t *pair, ctx context.Context) {
	if d := must(t.a.KeptDraft(ctx, borvia))(t); d != (station.KeptDraft{Kind: "signal"}) {
		t.Errorf("nothing was begun: %+v", d)
	}
	begun := station.KeptDraft{Kind: "letter", Subject: "Perhaps", Text: "Dear"}
	must(0, t.a.KeepDraft(ctx, borvia, begun))(t)
	must(0, t.a.Lock(ctx))(t)
	refused[station.KeptDraft](t.T, "a draft of a locked station", station.CodeLocked)(t.a.KeptDraft(ctx, borvia))
	must(0, t.a.Unlock(ctx, passphrase))(t)
	if d := must(t.a.KeptDraft(ctx, borvia))(t); d != begun {
		t.Errorf("kept: %+v", d)
	}
	most := station.KeptDraft{Kind: "letter", Text: strings.Repeat("\n", 1<<20)} // two bytes each as JSON
	must(0, t.a.KeepDraft(ctx, borvia, most))(t)
	if d := must(t.a.KeptDraft(ctx, borvia))(t); d != most {
		t.Error("the longest draft is kept differently")
	}
	most.Text += "x"
	if err := t.a.KeepDraft(ctx, borvia, most); code(err) != station.CodeTooLarge {
		t.Errorf("a draft of more than a megabyte: %v", err)
	}
	must(0, t.a.KeepDraft(ctx, borvia, station.KeptDraft{}))(t)
	if d := must(t.a.KeptDraft(ctx, borvia))(t); d.Text+d.Subject != "" {
		t.Errorf("erased: %+v", d)
	}
}

// expiring erases what is over as soon as the vault is opened, and nothing else.
func expiring(t *pair, ctx context.Context) {
	refused[station.ContactInfo](t.T, "half a minute", station.CodeInvalid)(t.a.SetExpiry(ctx, borvia, 30*time.Second))
	if k := must(t.a.SetExpiry(ctx, borvia, time.Hour))(t); k.Expiry != 3600 {
		t.Errorf("expiry %d", k.Expiry)
	}
	in := func(text string, ago time.Duration) station.ItemInfo {
		return must(t.a.InsertItem(ctx, borvia, station.Insert{Outgoing: true, Kind: "signal", Text: text, Time: time.Now().Add(-ago)}))(t)
	}
	over, stays := in("a zebra is over", 2*time.Hour), in("a zebra stays", time.Minute)
	if stays.Expires == nil || !stays.Expires.Equal(stays.Finished.Add(time.Hour)) {
		if it := must(t.a.Item(ctx, stays.ID))(t); it.Expires == nil {
			t.Errorf("its time: %+v", it)
		}
	}
	must(0, t.a.Lock(ctx))(t)
	must(0, t.a.Unlock(ctx, passphrase))(t)
	t.hears(station.EventExpired, over.ID)
	refused[station.ItemInfo](t.T, "what was over", station.CodeNotFound)(t.a.Item(ctx, over.ID))
	if hits := must(t.a.Search(ctx, station.SearchQuery{Text: "zebra"}))(t); len(hits) != 1 || hits[0].ID != stays.ID {
		t.Errorf("found %+v", hits)
	}
	if k := must(t.a.SetExpiry(ctx, borvia, 0))(t); k.Expiry != 0 {
		t.Errorf("expiry %d", k.Expiry)
	}
	if it := must(t.a.Item(ctx, stays.ID))(t); it.Expires != nil {
		t.Errorf("for ever, and expires %v", it.Expires)
	}
	if k := must(t.a.SetMuted(ctx, borvia, true))(t); !k.Muted {
		t.Error("not muted")
	}
}
