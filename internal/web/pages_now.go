package web

// This file bridges what the other branches bring.

import (
	"context"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"backchannel/internal/station"
)

type convPage struct {
	Items []station.ItemInfo
	More  bool
}

func (p *Pages) conversation(ctx context.Context, id, before string, limit int) (convPage, error) {
	items, err := p.s.Items(ctx, station.ItemFilter{Contact: id, Limit: limit})
	return convPage{Items: items}, err
}

func (p *Pages) textOf(ctx context.Context, it station.ItemInfo) (string, string, bool) {
	if it.Size > 64<<10 || it.State == station.ItemArriving {
		return "", "", false
	}
	if it.Kind == "letter" && !strings.HasPrefix(it.MediaType, "text/") {
		return "", "", false
	}
	b, err := p.s.Content(ctx, it.ID)
	if err != nil || !utf8.Valid(b) {
		return "", "", false
	}
	return string(b), it.MediaType, true
}

func (p *Pages) parts(it station.ItemInfo, text bool) []partView { return nil }

func (p *Pages) draft(ctx context.Context, id string) station.Draft { return station.Draft{} }

func (p *Pages) dropDraft(ctx context.Context, id string) error { return nil }

func (p *Pages) keepDraft(v *visit) { v.w.WriteHeader(http.StatusNoContent) }

func (p *Pages) estimate(v *visit) {
	n, err := strconv.ParseInt(v.r.URL.Query().Get("bytes"), 10, 64)
	if err != nil || n < 0 {
		p.notFound(v)
		return
	}
	per := p.s.Network().PerSecond
	p.showPart(v, "estimate", p.text.say("write.estimate", p.text.size(n), p.text.duration(seconds(float64(n)/per))))
}

func (p *Pages) sendLetter(v *visit) {
	c, ok := p.contact(v)
	if !ok {
		return
	}
	d := station.Draft{Kind: "letter", Subject: v.field("subject"), MediaType: "text/markdown; charset=utf-8", Content: []byte(v.field("text"))}
	for _, f := range v.files("attachment") {
		r, err := f.Open()
		if err != nil {
			p.fail(v, err)
			return
		}
		b, _ := io.ReadAll(r)
		d.Content, d.FileName, d.MediaType = b, f.Filename, "application/octet-stream"
	}
	p.send(v, c, d)
}

// itemPage is one signal or letter on a page of its own.
type itemPage struct {
	Contact contactView
	Entry   entryView
	Whole   template.HTML
	Token   string
}

func (p *Pages) showItem(v *visit) {
	it, err := p.s.Item(v.r.Context(), v.r.PathValue("item"))
	if err != nil {
		p.fail(v, err)
		return
	}
	k, err := p.s.Contact(v.r.Context(), it.Contact)
	if err != nil {
		p.fail(v, err)
		return
	}
	page := itemPage{Entry: p.entry(it, v.r.Context()), Token: v.session.form}
	page.Contact = contactView{ContactInfo: k, Line: p.stateLine(k), Met: true}
	if b, err := p.s.Content(v.r.Context(), it.ID); err == nil && utf8.Valid(b) {
		page.Whole = readable(string(b), it.MediaType)
	}
	p.show(v, http.StatusOK, "item", page)
}

func (p *Pages) download(v *visit) { p.notFound(v) }
