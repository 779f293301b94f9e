package web

import (
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"backchannel/internal/station"
)

// itemPage is one signal or letter on a page of its own, with what can be done
// with it.
type itemPage struct {
	Contact contactView
	Entry   entryView
	Whole   template.HTML
	Raw     string // for the form that edits the own copy
	Time    string
	Token   string
	Problem string
	Editing bool
}

// parts lists what can be downloaded of an item. A letter that is one file, as
// commands send it, is its own only part.
func (p *Pages) parts(it station.ItemInfo) (out []partView) {
	whole := it.Outgoing || it.Finished != nil && !it.Damaged && !it.Cancelled
	for _, a := range it.Parts {
		href := fmt.Sprintf("/items/%s/file?part=%d", it.ID, a.Number)
		out = append(out, partView{a.Number, a.FileName, a.MediaType, a.Size, a.SHA256, whole && previewable(a.MediaType, a.Size), href})
	}
	if len(out) == 0 && it.Kind == "letter" && it.Text == "" && it.Size > 0 && whole {
		href := "/items/" + it.ID + "/file?part=0"
		out = append(out, partView{0, it.FileName, it.MediaType, it.Size, it.SHA256, previewable(it.MediaType, it.Size), href})
	}
	return out
}

func (p *Pages) item(v *visit) (itemPage, bool) {
	it, err := p.s.Item(v.r.Context(), v.r.PathValue("item"))
	if err != nil {
		p.fail(v, err)
		return itemPage{}, false
	}
	k, err := p.s.Contact(v.r.Context(), it.Contact)
	if err != nil {
		p.fail(v, err)
		return itemPage{}, false
	}
	page := itemPage{Entry: p.entry(it), Token: v.session.form, Raw: it.Text, Time: it.Created.Local().Format(fieldTime)}
	page.Contact = contactView{ContactInfo: k, Line: p.stateLine(k), Met: true}
	if it.Text != "" {
		page.Whole = readable(it.Text, it.TextType)
	} else if it.Kind == "letter" && len(it.Parts) == 0 && strings.HasPrefix(it.MediaType, "text/") {
		// Longer than what a conversation carries along, and yet a text.
		if b, err := p.s.Content(v.r.Context(), it.ID); err == nil && utf8.Valid(b) {
			page.Whole = readable(string(b), it.MediaType)
		}
	}
	return page, true
}

func (p *Pages) showItem(v *visit) {
	page, ok := p.item(v)
	if !ok {
		return
	}
	page.Editing = v.r.URL.Query().Get("edit") == "yes"
	if !page.Entry.Outgoing && page.Entry.ItemInfo.State == station.ItemArrived {
		p.markRead(v.r.Context(), []entryView{page.Entry})
	}
	p.show(v, http.StatusOK, "item", page)
}

// download gives a part as a file, or draws a picture anew for a preview.
func (p *Pages) download(v *visit) {
	n, err := strconv.Atoi(v.r.URL.Query().Get("part"))
	if err != nil {
		p.notFound(v)
		return
	}
	var content []byte
	name, kind := "", ""
	if n == 0 {
		it, err := p.s.Item(v.r.Context(), v.r.PathValue("item"))
		if err == nil {
			content, err = p.s.Content(v.r.Context(), it.ID)
		}
		if err != nil {
			p.fail(v, err)
			return
		}
		name, kind = it.FileName, it.MediaType
	} else {
		b, part, err := p.s.PartContent(v.r.Context(), v.r.PathValue("item"), n)
		if err != nil {
			p.fail(v, err)
			return
		}
		content, name, kind = b, part.FileName, part.MediaType
	}
	if v.r.URL.Query().Get("preview") == "yes" {
		png, err := redraw(content, kind)
		if err != nil {
			p.notFound(v)
			return
		}
		v.w.Header().Set("Content-Type", "image/png")
		_, _ = v.w.Write(png) // the browser is gone, or it is not
		return
	}
	attach(v.w, name, "application/octet-stream")
	_, _ = v.w.Write(content)
}

// estimate says how long a letter of so many bytes would take.
func (p *Pages) estimate(v *visit) {
	n, err := strconv.ParseInt(v.r.URL.Query().Get("bytes"), 10, 64)
	if err != nil || n < 0 {
		p.notFound(v)
		return
	}
	left, err := p.s.Estimate(v.r.Context(), v.r.PathValue("contact"), n)
	if err != nil {
		v.w.WriteHeader(statusOf(err))
		_, _ = io.WriteString(v.w, p.text.sentence(err))
		return
	}
	p.showPart(v, "estimate", p.text.say("write.estimate", p.text.size(n), p.text.duration(seconds(left.Seconds)), p.text.count("time.rounds", int(left.Rounds))))
}

func (p *Pages) sendLetter(v *visit) {
	c, ok := p.contact(v)
	if !ok {
		return
	}
	d := station.Draft{
		Kind: "letter", Subject: strings.TrimSpace(v.field("subject")), MediaType: "text/markdown; charset=utf-8",
		Content: []byte(strings.ReplaceAll(v.field("text"), "\r\n", "\n")), Strip: v.field("strip") == "yes",
	}
	for _, f := range v.files("attachment") {
		r, err := f.Open()
		if err != nil {
			p.fail(v, err)
			return
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			p.fail(v, err)
			return
		}
		kind := f.Header.Get("Content-Type")
		if kind == "" {
			kind = "application/octet-stream"
		}
		d.Attachments = append(d.Attachments, station.Attachment{FileName: f.Filename, MediaType: kind, Content: b})
	}
	if len(d.Content) == 0 && len(d.Attachments) == 0 && d.Subject == "" {
		p.conversationPage(v, http.StatusUnprocessableEntity, c, p.text.say("write.empty"), &d)
		return
	}
	p.send(v, c, d)
}

// keepDraft keeps what is being written, in the vault.
func (p *Pages) keepDraft(v *visit) {
	d := station.KeptDraft{Kind: v.field("kind"), Subject: v.field("subject"), Text: v.field("text")}
	if d.Kind != "letter" {
		d.Kind = "signal"
	}
	if err := p.s.KeepDraft(v.r.Context(), v.r.PathValue("contact"), d); err != nil {
		v.w.WriteHeader(statusOf(err))
		_, _ = io.WriteString(v.w, p.text.sentence(err))
		return
	}
	p.showPart(v, "estimate", p.text.say("write.kept"))
}

// actOn does something with an item and returns to its conversation.
func (p *Pages) actOn(v *visit, f func(station.ItemInfo) error) {
	it, err := p.s.Item(v.r.Context(), v.r.PathValue("item"))
	if err == nil {
		err = f(it)
	}
	if err != nil {
		p.fail(v, err)
		return
	}
	v.redirect("/c/" + it.Contact + "#e-" + it.ID)
}

func (p *Pages) acknowledge(v *visit) {
	p.actOn(v, func(it station.ItemInfo) error {
		_, err := p.s.Acknowledge(v.r.Context(), it.ID)
		return err
	})
}

func (p *Pages) cancelItem(v *visit) {
	p.actOn(v, func(it station.ItemInfo) error {
		_, err := p.s.CancelItem(v.r.Context(), it.ID)
		return err
	})
}

func (p *Pages) eraseItem(v *visit) {
	p.actOn(v, func(it station.ItemInfo) error { return p.s.EraseItem(v.r.Context(), it.ID) })
}

// editItem changes one's own copy, whoever wrote it.
func (p *Pages) editItem(v *visit) {
	p.actOn(v, func(it station.ItemInfo) error {
		text := strings.ReplaceAll(v.field("text"), "\r\n", "\n")
		e := station.Edit{Text: &text}
		if it.Kind == "letter" {
			subject := v.field("subject")
			e.Subject = &subject
		}
		if at, err := time.ParseInLocation(fieldTime, v.field("time"), time.Local); err == nil && at.Format(fieldTime) != it.Created.Local().Format(fieldTime) {
			e.Time = &at
		}
		_, err := p.s.EditItem(v.r.Context(), it.ID, e)
		return err
	})
}

// insertItem puts something into one's own copy.
func (p *Pages) insertItem(v *visit) {
	p.act(v, "about.inserted", func(c contactView) error {
		at, err := time.ParseInLocation(fieldTime, v.field("time"), time.Local)
		if err != nil {
			return &station.Error{Code: station.CodeInvalid, Text: p.text.say("about.insert.time")}
		}
		in := station.Insert{Outgoing: v.field("side") == "mine", Kind: v.field("kind"), Subject: v.field("subject"), Text: strings.ReplaceAll(v.field("text"), "\r\n", "\n"), Time: at}
		if in.Kind != "letter" {
			in.Kind, in.Subject = "signal", ""
		}
		_, err = p.s.InsertItem(v.r.Context(), c.ID, in)
		return err
	})
}
