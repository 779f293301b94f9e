package web

import (
	"context"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"backchannel/internal/station"
)

// pageSize is how many signals and letters a conversation shows at once.
const pageSize = 40

// shownText is the longest text that is shown in full; a longer one is a page of
// its own.
const shownText = 6 << 10

// entryView is one signal or letter as a conversation shows it.
type entryView struct {
	station.ItemInfo
	NewDay   bool // the first of its day
	When     time.Time
	Body     template.HTML
	Cut      bool   // there is more of it on its own page
	State    string // in words
	Shape    string // waiting, sent, delivered, acknowledged, …: a sign beside the words
	Progress bool
	Parts    []partView // hides those of the item

	CanAcknowledge, CanCancel bool
}

// partView is an attachment.
type partView struct {
	Number   int
	FileName string
	Type     string
	Size     int64
	SHA256   string
	Preview  bool
	Href     string
}

type conversationPage struct {
	Contact contactView
	Log     logPart
	Writing string // signal or letter
	Draft   station.Draft
	Text    string
	Problem string
	Token   string
	// What goes across: bytes a second, and the seconds for one and for ten million.
	RateBytes     int64
	Mega, TenMega float64
}

// logPart is the part of a conversation that refreshes itself.
type logPart struct {
	Contact contactView
	Entries []entryView
	Earlier string // address of the page before, "" for none
	Before  string
	Seen    string // digest of what is shown
	Token   string
}

// log reads a page of a conversation.
func (p *Pages) log(v *visit, c contactView, before string) (logPart, error) {
	out := logPart{Contact: c, Token: v.session.form, Before: before}
	page, err := p.s.Conversation(v.r.Context(), c.ID, before, pageSize)
	if err != nil {
		return out, err
	}
	day := ""
	digest := fnv.New64a()
	for _, it := range page.Items {
		e := p.entry(it)
		if d := e.When.Local().Format(time.DateOnly); d != day {
			e.NewDay, day = true, d
		}
		out.Entries = append(out.Entries, e)
		fmt.Fprintf(digest, "%s %s %s %d %d %v %v;", it.ID, e.State, e.Shape, it.Done, len(e.Body), it.Read, it.Damaged)
	}
	if page.More {
		out.Earlier = "/c/" + c.ID + "?before=" + page.Next
	}
	fmt.Fprintf(digest, "%v %v %v", c.Verified, out.Earlier, c.Expiry)
	out.Seen = fmt.Sprintf("%x", digest.Sum64())
	return out, nil
}

// entry describes one item.
func (p *Pages) entry(it station.ItemInfo) entryView {
	e := entryView{ItemInfo: it, When: it.Created}
	if text := it.Text; text != "" {
		if len(text) > shownText {
			text, e.Cut = cut(text, shownText), true
		}
		e.Body = readable(text, it.TextType)
	} else if it.Kind == "letter" && strings.HasPrefix(it.MediaType, "text/") && it.Finished != nil && !it.Damaged {
		e.Cut = it.Size > 0 // too long to be carried along
	}
	switch it.State {
	case station.ItemWaiting:
		e.State, e.Shape = p.text.say("item.waiting"), "waiting"
	case station.ItemSending:
		e.State, e.Shape, e.Progress = p.text.say("item.sent"), "sent", true
	case station.ItemDelivered:
		e.State, e.Shape = p.text.say("item.delivered"), "delivered"
	case station.ItemArriving:
		e.State, e.Shape, e.Progress = p.text.say("item.arriving"), "sent", true
	case station.ItemArrived:
		e.State, e.Shape = p.text.say("item.arrived"), "delivered"
	}
	switch {
	case it.State == station.ItemAcknowledged:
		e.State, e.Shape = p.text.say("item.acknowledged"), "acknowledged"
	case it.State == station.ItemCancelled, it.Cancelled:
		e.State, e.Shape, e.Progress = p.text.say("item.cancelled"), "cancelled", false
	case !it.Outgoing && it.Acknowledged != nil:
		e.State, e.Shape = p.text.say("item.youacknowledged"), "acknowledged"
	}
	e.CanAcknowledge = !it.Outgoing && it.State == station.ItemArrived && it.Acknowledged == nil && !it.Damaged && !it.Cancelled
	e.CanCancel = it.Outgoing && (it.State == station.ItemWaiting || it.State == station.ItemSending)
	if it.Damaged {
		e.State, e.Shape, e.Progress = p.text.say("item.damaged"), "damaged", false
	}
	e.Parts = p.parts(it)
	return e
}

// cut shortens a text at a line or a word.
func cut(text string, n int) string {
	text = text[:n]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	if i := strings.LastIndexAny(text, "\n "); i > n/2 {
		text = text[:i]
	}
	return text + " …"
}

func (p *Pages) showConversation(v *visit) {
	c, ok := p.contact(v)
	if !ok {
		return
	}
	if !c.Met && !c.Restored { // of one to be met again there is much to read
		v.redirect("/meet/" + c.ID)
		return
	}
	p.conversationPage(v, http.StatusOK, c, "", nil)
}

// conversationPage shows a conversation; problem and draft are what a refused
// sending leaves.
func (p *Pages) conversationPage(v *visit, code int, c contactView, problem string, draft *station.Draft) {
	ctx := v.r.Context()
	q := v.r.URL.Query()
	log, err := p.log(v, c, q.Get("before"))
	if err != nil {
		p.fail(v, err)
		return
	}
	page := conversationPage{
		Contact: c, Log: log, Writing: "signal", Problem: problem, Token: v.session.form,
	}
	rate := p.s.Network().PerSecond
	page.RateBytes, page.Mega, page.TenMega = int64(rate), 1e6/rate, 1e7/rate
	if draft != nil {
		page.Draft, page.Text = *draft, string(draft.Content)
		page.Writing = draft.Kind
	} else {
		kept, err := p.s.KeptDraft(ctx, c.ID)
		if err != nil {
			p.fail(v, err)
			return
		}
		page.Draft.Subject, page.Text = kept.Subject, kept.Text
		if kept.Kind == "letter" {
			page.Writing = "letter"
		}
	}
	switch q.Get("write") {
	case "letter":
		page.Writing = "letter"
	case "signal":
		page.Writing = "signal"
	}
	p.markRead(ctx, log.Entries)
	p.show(v, code, "conversation", page)
}

// markRead notes that what is on the page was seen. Nobody else learns it.
func (p *Pages) markRead(ctx context.Context, entries []entryView) {
	for _, e := range entries {
		if e.Outgoing || e.Read || e.State == "" || e.ItemInfo.State != station.ItemArrived {
			continue
		}
		if err := p.s.MarkRead(ctx, e.ID); err != nil {
			p.cfg.Log.Warn("pages: marking as read failed", "error", err)
			return
		}
	}
}

func (p *Pages) partConversation(v *visit) {
	c, ok := p.contact(v)
	if !ok {
		return
	}
	q := v.r.URL.Query()
	log, err := p.log(v, c, q.Get("before"))
	if err != nil {
		p.fail(v, err)
		return
	}
	if q.Get("seen") == log.Seen {
		v.w.WriteHeader(http.StatusNoContent) // nothing to swap
		return
	}
	if q.Get("shown") == "yes" {
		p.markRead(v.r.Context(), log.Entries)
	}
	p.showPart(v, "log", log)
}

// sent answers a sending: with the refreshed page.
func (p *Pages) sent(v *visit, c contactView) {
	v.redirect("/c/" + url.PathEscape(c.ID) + "#newest")
}

func (p *Pages) sendSignal(v *visit) {
	c, ok := p.contact(v)
	if !ok {
		return
	}
	text := strings.ReplaceAll(v.field("text"), "\r\n", "\n")
	d := station.Draft{Kind: "signal", MediaType: "text/plain; charset=utf-8", Content: []byte(strings.TrimSpace(text))}
	p.send(v, c, d)
}

func (p *Pages) send(v *visit, c contactView, d station.Draft) {
	if _, err := p.s.Send(v.r.Context(), c.ID, d); err != nil {
		p.conversationPage(v, statusOf(err), c, p.text.sentence(err), &d)
		return
	}
	if err := p.s.KeepDraft(v.r.Context(), c.ID, station.KeptDraft{}); err != nil {
		p.cfg.Log.Warn("pages: erasing a draft failed", "error", err)
	}
	p.sent(v, c)
}
