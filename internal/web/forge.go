package web

import (
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"backchannel/internal/transcript"
)

// The Forge is a writing tool: whatever is in its form is the transcript, nothing
// of it is kept. Every button sends the whole form, so that it works without a
// script, and what is written by it comes from the writer of real exports.

// maxForged bounds how many entries the form may have.
const maxForged = 400

type forgePage struct {
	Token   string
	Self    string
	Other   string
	Entries []forgedEntry
	Names   []string // of contacts
	Problem string
	Preview []previewView
}

// forgedEntry is an entry as the form has it.
type forgedEntry struct {
	N        int
	Outgoing bool
	Letter   bool
	Time     string // local, as the browser's field writes it
	Subject  string
	Text     string
	Last     bool
}

type previewView struct {
	Mine    bool
	Who     string
	Letter  bool
	When    time.Time
	Subject string
	Body    template.HTML
}

const fieldTime = "2006-01-02T15:04"

func (p *Pages) showForge(v *visit) {
	f := forgePage{Self: p.s.PageOptions().Name, Other: v.r.URL.Query().Get("with")}
	if f.Self == "" {
		f.Self = transcript.Me
	}
	f.Entries = []forgedEntry{{Outgoing: true, Time: p.cfg.Now().Add(-24 * time.Hour).Format(fieldTime)}, {Time: p.cfg.Now().Add(-23 * time.Hour).Format(fieldTime)}}
	p.forgePage(v, http.StatusOK, f)
}

func (p *Pages) forgePage(v *visit, code int, f forgePage) {
	people, _, err := p.people(v.r.Context(), "")
	if err != nil {
		p.fail(v, err)
		return
	}
	for _, k := range people {
		f.Names = append(f.Names, k.Name)
	}
	for i := range f.Entries {
		f.Entries[i].N, f.Entries[i].Last = i, i == len(f.Entries)-1
	}
	f.Token = v.session.form
	p.show(v, code, "forge", f)
}

// readForge reads the form back.
func readForge(v *visit) forgePage {
	f := forgePage{Self: v.field("self"), Other: v.field("other")}
	for i := range maxForged {
		n := strconv.Itoa(i)
		if !v.r.PostForm.Has("time-" + n) {
			break
		}
		f.Entries = append(f.Entries, forgedEntry{
			Outgoing: v.field("side-"+n) == "mine", Letter: v.field("kind-"+n) == "letter", Time: v.field("time-" + n),
			Subject: v.field("subject-" + n), Text: v.field("text-" + n),
		})
	}
	return f
}

// transcript is what the form says.
func (f forgePage) transcript() (transcript.Transcript, error) {
	t := transcript.Transcript{Self: f.Self, Other: f.Other}
	for i, e := range f.Entries {
		at, err := time.ParseInLocation(fieldTime, e.Time, time.Local)
		if err != nil {
			return t, fmt.Errorf("entry %d has no time", i+1)
		}
		kind := transcript.Signal
		if e.Letter {
			kind = transcript.Letter
		} else {
			e.Subject = ""
		}
		t.Entries = append(t.Entries, transcript.Entry{Outgoing: e.Outgoing, Kind: kind, Subject: e.Subject, Text: e.Text, Time: at})
	}
	return t.Normal(), nil
}

func (p *Pages) forge(v *visit) {
	f := readForge(v)
	do, at, _ := strings.Cut(v.field("do"), "-")
	n, err := strconv.Atoi(at)
	inside := err == nil && n >= 0 && n < len(f.Entries)
	switch {
	case do == "remove" && inside:
		f.Entries = append(f.Entries[:n], f.Entries[n+1:]...)
	case do == "add" && len(f.Entries) < maxForged:
		f.Entries = append(f.Entries, p.nextEntry(f.Entries))
	case do == "look":
		t, err := f.transcript()
		if err == nil {
			err = t.Check()
		}
		if err != nil {
			f.Problem = capital(err.Error())
			p.forgePage(v, http.StatusUnprocessableEntity, f)
			return
		}
		f.Preview = preview(t)
	case do == "write":
		p.writeForged(v, f, at)
		return
	}
	p.forgePage(v, http.StatusOK, f)
}

// nextEntry suggests an entry an hour after the last, by the other side.
func (p *Pages) nextEntry(all []forgedEntry) forgedEntry {
	if len(all) == 0 {
		return forgedEntry{Outgoing: true, Time: p.cfg.Now().Format(fieldTime)}
	}
	last := all[len(all)-1]
	next := forgedEntry{Outgoing: !last.Outgoing, Letter: last.Letter, Time: last.Time}
	if t, err := time.ParseInLocation(fieldTime, last.Time, time.Local); err == nil {
		next.Time = t.Add(time.Hour).Format(fieldTime)
	}
	return next
}

func preview(t transcript.Transcript) (out []previewView) {
	for _, e := range t.Entries {
		who := t.Other
		if e.Outgoing {
			who = t.Self
		}
		kind := "text/plain"
		if e.Kind == transcript.Letter {
			kind = "text/markdown"
		}
		out = append(out, previewView{e.Outgoing, who, e.Kind == transcript.Letter, e.Time, e.Subject, readable(e.Text, kind)})
	}
	return out
}

func (p *Pages) writeForged(v *visit, f forgePage, format string) {
	t, err := f.transcript()
	var data []byte
	var mediaType, name string
	if err == nil {
		data, mediaType, name, err = p.s.Forge(v.r.Context(), t, format)
	}
	if err != nil {
		f.Problem = p.text.sentence(err)
		p.forgePage(v, http.StatusUnprocessableEntity, f)
		return
	}
	attach(v.w, name, mediaType)
	_, _ = v.w.Write(data) // the browser is gone, or it is not
}

// export writes down the real conversation, by the same writer.
func (p *Pages) export(v *visit) {
	c, ok := p.contact(v)
	if !ok {
		return
	}
	data, mediaType, name, err := p.s.ExportAs(v.r.Context(), c.ID, p.s.PageOptions().Name, v.field("format"))
	if err != nil {
		p.fail(v, err)
		return
	}
	attach(v.w, name, mediaType)
	_, _ = v.w.Write(data)
}
