package pagetest_test

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// screenshots is where TestScreenshots writes every page:
//
//	go test ./internal/web/pagetest -run Screenshots -screenshots ../../../docs/screenshots
var screenshots = flag.String("screenshots", "", "write a picture of every page into this folder")

// TestScreenshots draws every page at a desk's and a phone's width, in light and
// dark; those that say less about how it looks in two of the four. Together they may
// have 4 MB.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("draws the pages only when asked to by -screenshots FOLDER")
	}
	if err := os.MkdirAll(*screenshots, 0o755); err != nil {
		t.Fatal(err)
	}
	n := startNetwork(t)
	tb := straitsTable(t, false)
	tb.alarms, tb.strays, tb.news = nil, nil, 3
	aldmark, borvia, cenia := n.seatAt(t, tb, 0), n.seat(t, "Borvia"), n.seat(t, "Cenia")
	id, back := acquaint(t, aldmark, borvia)
	unverified, err := aldmark.s.Invite(t.Context(), "Cenia", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cenia.s.Accept(t.Context(), "Aldmark", unverified.Invitation.Text); err != nil {
		t.Fatal(err)
	}
	invited, err := aldmark.s.Invite(t.Context(), "Dorland", 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	story(t, aldmark, borvia, id, back)
	within(t, arrives, "the third station", func() bool {
		k, err := aldmark.s.Contact(t.Context(), unverified.ID)
		return err == nil && k.State == station.StateIntroduced
	})
	first := newSeat(t, "first")
	setup, err := web.NewSetup("/home/aldmark/.backchannel", nil)
	if err != nil {
		t.Fatal(err)
	}
	first.h.set(setup.Handler(first.gate()))

	f := open(t, first.url)
	f.visit(setup.Path())
	b := open(t, aldmark.url)
	b.visit("/unlock")
	b.draw("locked", "/unlock")
	f.draw("first-start", "/step/passphrase")
	b.signIn()
	for _, p := range []struct {
		name, path string
		each       bool // in every width and light, not only light on a desk and dark on a phone
	}{
		{"desk", "/", true}, {"conversation", "/c/" + id, true}, {"words", "/meet/" + unverified.ID, true}, {"others", "/others", true},
		{"letter", "/c/" + id + "?write=letter", false}, {"contact", "/c/" + id + "/about", false}, {"meet", "/meet", false}, {"invitation", "/meet/" + invited.ID, false},
		{"different-words", "/meet/" + unverified.ID + "/different", false}, {"network", "/network", false}, {"settings", "/settings", false},
		{"forge", "/forge?with=Borvia", false}, {"search", "/search?q=thursday", false}, {"burn", "/c/" + id + "/burn", false}, {"help", "/help", false}, {"interface", "/api", false},
	} {
		b.drawIn(p.each, p.name, p.path)
	}
	b.drawRooms(tb)
	var total int64
	files, err := filepath.Glob(filepath.Join(*screenshots, "*.png"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		fi, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		total += fi.Size()
	}
	if total > 4<<20 {
		t.Errorf("the pictures have %d bytes together", total)
	}
}

// drawRooms draws a negotiation: what it looks like in the middle, each screen of a
// blind round, and how it ends.
func (b *tab) drawRooms(tb *table) {
	b.t.Helper()
	tb.mu.Lock()
	tb.news = 0
	tb.mu.Unlock()
	at := "/r/" + roomID
	list := at + "/round/" + tb.id("r2").String()
	for _, p := range []struct {
		name, path string
		each       bool
	}{
		{"room", at, true}, {"room-offers", at + "/offers", true}, {"room-private", at + "/private", true}, {"round-choose", list, true},
		{"agreement", at + "/agreement/" + tb.id("a1").String(), true}, {"agreed", at + "/agreement/" + tb.id("a2").String(), true},
		{"rooms", "/rooms", false}, {"room-new", "/rooms/new", false}, {"room-table", at + "/table", false}, {"room-agenda", at + "/agenda", false},
		{"room-offer", at + "/offer?unsent=1", false}, {"room-text", at + "/s/" + tb.id("d2").String(), false}, {"room-about", at + "/about", false},
		{"round-new", at + "/round?mode=list", false}, {"agreement-new", at + "/agreement", false}, {"communique", at + "/communique/" + tb.id("c1").String(), false},
		{"not-understood", "/rooms/strays", false}, {"room-erase", at + "/erase", false}, {"seal-key", "/settings/key", false}, {"room-forge", "/rooms/forge", false},
	} {
		b.drawIn(p.each, p.name, p.path)
	}
	tb.mu.Lock()
	tb.rounds[tb.id("r2").String()] = web.RoundSeat{Chosen: true, Sent: true, Hit: -1, Left: 2, Steps: 4, Done: 1, Words: "The packages are opened one after the other."}
	tb.mu.Unlock()
	tb.progress(b.t, tb.id("r2"), "inputs in", "opening")
	b.visit(list)
	if said := b.textOf("#wait"); !strings.Contains(said, "Your answer has left") || strings.Contains(said, "Answers leave") {
		b.t.Errorf("a round that is being opened says %q", said)
	}
	b.draw("round-wait", list)
	tb.mu.Lock()
	tb.rounds[tb.id("r2").String()] = web.RoundSeat{Chosen: true, Sent: true, Hit: 2}
	tb.mu.Unlock()
	tb.progress(b.t, tb.id("r2"), "match")
	b.draw("round-match", list)
	for self := range tb.copies {
		c := chair{tb, self}
		for _, q := range c.view().Communiques {
			if slices.Contains(q.Approved, tb.copies[self].Charter.Self) {
				continue
			}
			if _, err := c.Say(b.t.Context(), roomID, sayingOf("approve", map[string]any{"of": tb.id("c1")})); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	if _, err := (chair{tb, 1}).Say(b.t.Context(), roomID, sayingOf("release", map[string]any{"of": tb.id("c1")})); err != nil {
		b.t.Fatal(err)
	}
	b.draw("communique-released", at+"/communique/"+tb.id("c1").String())
	b.draw("room-timeline", at+"/timeline")
}

func (b *tab) draw(name, path string) { b.t.Helper(); b.drawIn(true, name, path) }

// drawIn draws a page, in every width and light or in two that have both.
func (b *tab) drawIn(each bool, name, path string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range []struct {
			name          string
			width, height int64
		}{{"desk", 1280, 860}, {"phone", 360, 740}} {
			if !each && (scheme == "light") != (size.name == "desk") {
				continue
			}
			var shot []byte
			b.scheme(scheme)
			b.width(size.width, size.height)
			b.visit(path)
			b.within(soon, "the page", func() bool {
				var loaded bool
				b.eval("document.readyState === 'complete'", &loaded)
				return loaded
			})
			b.run(chromedp.CaptureScreenshot(&shot))
			file := filepath.Join(*screenshots, fmt.Sprintf("%s-%s-%s.png", name, size.name, scheme))
			if err := os.WriteFile(file, small(b.t, shot), 0o644); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// story is a short exchange between two stations.
func story(t *testing.T, a, b *seat, toB, toA string) {
	t.Helper()
	say := func(p *seat, to string, d station.Draft, q *seat) {
		it, err := p.s.Send(t.Context(), to, d)
		if err != nil {
			t.Fatal(err)
		}
		within(t, arrives, "delivery", func() bool {
			got, err := q.s.Item(t.Context(), it.ID)
			return err == nil && got.State == station.ItemArrived
		})
	}
	signal := func(text string) station.Draft {
		return station.Draft{Kind: "signal", MediaType: "text/plain; charset=utf-8", Content: []byte(text)}
	}
	say(a, toB, station.Draft{
		Kind: "letter", Subject: "Non-paper: the harbour and the fishing season", MediaType: "text/markdown; charset=utf-8",
		Content:     []byte("We would no longer oppose **X**, if the season could begin two weeks later. In return we would ask for Y, for one season at first.\n\n- Nothing of this is binding before both of us say so.\n- Cenia would have to be asked, by both of us, on the same day and with the same words.\n"),
		Attachments: []station.Attachment{{FileName: "chart.png", MediaType: "image/png", Content: drawing(t)}},
	}, b)
	say(b, toA, signal("We have read it. We can imagine Y for one season."), a)
	say(a, toB, signal("Could you live with Thursday? Our side needs a day to ask at home."), b)
	say(b, toA, signal("Thursday is possible. Say nothing yet."), a)
	items, err := b.s.Items(t.Context(), station.ItemFilter{Inbox: true})
	if err != nil || len(items) == 0 {
		t.Fatalf("%d letters: %v", len(items), err)
	}
	if _, err := b.s.Acknowledge(t.Context(), items[0].ID); err != nil {
		t.Fatal(err)
	}
	within(t, arrives, "the acknowledgement", func() bool {
		it, err := a.s.Item(t.Context(), items[0].ID)
		return err == nil && it.State == station.ItemAcknowledged
	})
}

// small encodes a picture anew, with 256 colours: these pages have few, and
// letters keep their edges.
func small(t *testing.T, shot []byte) []byte {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	count := map[color.RGBA]int{}
	r := img.Bounds()
	at := func(x, y int) color.RGBA {
		c, _ := color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
		return color.RGBA{c.R &^ 7, c.G &^ 7, c.B &^ 7, 255} // what the eye does not tell apart is one
	}
	exact := map[color.RGBA]color.RGBA{}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			k := at(x, y)
			if count[k]++; count[k] == 1 {
				exact[k], _ = color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int { return count[b] - count[a] })
	var palette color.Palette
	for _, k := range keys[:min(len(keys), 256)] {
		palette = append(palette, exact[k])
	}
	index := map[color.RGBA]uint8{}
	out := image.NewPaletted(r, palette)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			k := at(x, y)
			i, ok := index[k]
			if !ok {
				i = uint8(palette.Index(exact[k]))
				index[k] = i
			}
			out.SetColorIndex(x, y, i)
		}
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
