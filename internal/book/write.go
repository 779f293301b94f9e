package book

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/transcript"
)

// A Form is a way in which a room is written down.
type Form struct {
	Name      string // what it is called in commands and requests
	MediaType string
	Extension string
}

// Forms lists the ways. A script is what Forge takes; json is what Read takes.
func Forms() []Form {
	return []Form{
		{"json", "application/json", ".room.json"},
		{"markdown", "text/markdown; charset=utf-8", ".md"},
		{"html", "text/html; charset=utf-8", ".html"},
		{"script", "application/json", ".script.json"},
	}
}

// FormOf returns the form of that name.
func FormOf(name string) (Form, error) {
	for _, f := range Forms() {
		if f.Name == name {
			return f, nil
		}
	}
	return Form{}, fmt.Errorf("there is no format %q: it is json, markdown, html or script", name)
}

// Forge plays a script and writes the copy of its Self down. It is all that writes
// rooms, real ones and made-up ones.
func Forge(s *Script, form string, random io.Reader) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("forging the room: %w", err)
	}
	p, err := perform(s, random, nil)
	if err != nil {
		return nil, fmt.Errorf("forging the room: %w", err)
	}
	return p.write(form)
}

// Export writes a real room down: the script of it, played.
func Export(src Source, form string, random io.Reader) ([]byte, error) {
	_, p, err := transcribe(src, random)
	if err != nil {
		return nil, err
	}
	return p.write(form)
}

// write writes the own copy in a form. What is written was read back and found right.
func (p *play) write(form string) ([]byte, error) {
	if _, err := FormOf(form); err != nil {
		return nil, err
	}
	if form == "script" {
		return p.script.Encode()
	}
	self := p.cast[p.script.self()]
	names := map[negotiation.MemberID]string{}
	for i, a := range p.cast {
		names[a.room.Self()] = p.script.Members[i]
	}
	b, err := self.room.Export(self.rows, func(m negotiation.MemberID) string { return names[m] })
	if err != nil {
		return nil, fmt.Errorf("writing the room: %w", err)
	}
	now := p.now.Truncate(time.Minute) // seconds are made up anew each time
	read, err := Read(b, now)
	if err != nil {
		return nil, fmt.Errorf("writing the room: it was made and does not read: %w", err)
	}
	if form == "json" {
		return b, nil
	}
	r := p.record(read.Room, now)
	if form == "html" {
		return transcript.WriteRecordHTML(r)
	}
	return transcript.WriteRecordMarkdown(r)
}

// record is the script as people read it, with what became of everything.
func (p *play) record(room *negotiation.Room, now time.Time) transcript.Record {
	s := p.script
	r := transcript.Record{Title: s.Title, Self: s.Members[s.self()], People: s.Members, Remarks: s.Remarks}
	ends := endings(room, now)
	for i := range s.Lines {
		l := &s.Lines[i]
		if l.To != "" && l.To != r.Self && l.By != r.Self {
			continue // told to others alone
		}
		e := transcript.RecordEntry{By: l.By, To: l.To, Time: l.At.Time, State: ends[p.names[l.Name]]}
		if p.entry(l, &e) {
			r.Entries = append(r.Entries, e)
		}
	}
	return r
}

// endings are the states of everything that has one, in words, by statement.
func endings(room *negotiation.Room, now time.Time) map[negotiation.ID]string {
	v := room.View(now, func(negotiation.MemberID) string { return "" })
	ends := map[negotiation.ID]string{}
	if v.Agenda != nil {
		ends[v.Agenda.ID] = "holds"
	}
	for _, a := range v.Proposed {
		ends[a.ID] = "does not hold"
	}
	for _, o := range v.Offers {
		ends[o.ID] = string(o.State)
	}
	for _, x := range v.Rounds {
		ends[x.ID] = roundEnd(x)
	}
	for _, a := range v.Agreements {
		ends[a.ID] = string(a.State)
		if a.IsAgreed() {
			ends[a.ID] = "agreed, " + ends[a.ID]
		}
	}
	for _, q := range v.Communiques {
		ends[q.ID] = string(q.State)
	}
	return ends
}

// kindOf is what people call a line.
func kindOf(l *Line) string {
	switch v := l.verb(); v {
	case "communique":
		return "communiqué"
	case "round":
		return "blind round"
	default:
		return v
	}
}

func quoted(s string) string { return "“" + s + "”" }

// of names another line for people: what it is, by whom and from when.
func (p *play) of(name string) string {
	for i := range p.script.Lines {
		if l := &p.script.Lines[i]; l.Name == name && name != "" {
			return fmt.Sprintf("the %s of %s, %s UTC", kindOf(l), l.By, l.At.Format(stamp))
		}
	}
	return "something that is not here"
}

// values are what a package says, in one line.
func (p *play) values(name string) string {
	for i := range p.script.Lines {
		if l := &p.script.Lines[i]; l.Name == name && l.Package != nil {
			var list []string
			for _, k := range sorted(l.Package.Values) {
				list = append(list, k+": "+l.Package.Values[k])
			}
			return strings.Join(list, "; ")
		}
	}
	return p.of(name)
}

// entry fills in what a line says; false for lines that people need not read.
func (p *play) entry(l *Line, e *transcript.RecordEntry) bool {
	e.Kind = kindOf(l)
	add := func(format string, args ...any) { e.Lines = append(e.Lines, fmt.Sprintf(format, args...)) }
	about := func(list []string) {
		for _, n := range list {
			add("%s", p.of(n))
		}
	}
	switch {
	case l.Answer != nil, l.Quit != nil, l.Away, l.Back:
		return false // no copy has it
	case l.Signal != "":
		e.Text = l.Signal
	case l.Letter != nil:
		e.Subject, e.Text = l.Letter.Subject, l.Letter.Text
		for _, f := range l.Letter.Files {
			e.Files = append(e.Files, transcript.Attachment{Name: f.Name, Size: int64(len(f.Data))})
		}
	case l.Agenda != nil:
		for _, i := range l.Agenda {
			add("%s", i.words())
		}
	case l.Package != nil:
		for _, k := range sorted(l.Package.Values) {
			add("%s: %s", k, l.Package.Values[k])
		}
		e.Text = l.Package.Note
	case l.Offer != nil:
		p.offerEntry(l, e, add)
	case l.Comment != nil:
		about([]string{l.Comment.On})
		e.Text = l.Comment.Text
	case l.Show != "":
		about([]string{l.Show})
	case l.Draft != nil:
		e.Subject, e.Text = l.Draft.Title, l.Draft.Text
		if l.Draft.Base != "" {
			about([]string{l.Draft.Base})
		}
	case l.Round != nil:
		p.roundEntry(l.Round, add)
		for n, name := range l.Round.Packages {
			add("%d. %s", n+1, p.values(name))
		}
	case l.Agreement != nil:
		add("level %s", level(l.Agreement.Level))
		if len(l.Agreement.Parties) > 0 {
			add("between %s", strings.Join(l.Agreement.Parties, ", "))
		}
		add("void unless all hold it by %s UTC", l.Agreement.Lapses.Format(stamp))
		for _, name := range l.Agreement.Packages {
			add("%s", p.values(name))
		}
		e.Text = l.Agreement.Text
	case l.Communique != nil:
		about([]string{l.Communique.Of})
		if q, ok := p.bodies[p.names[l.Name]].(*negotiation.Communique); ok {
			e.Text = q.Text
		}
	case l.Unknown != nil:
		e.Kind = "not understood"
		add("%s, %d bytes", quoted(l.Unknown.Kind), l.Unknown.Bytes)
	default: // what refers to another line and says no more
		about([]string{l.Confirm + l.Take + l.Withdraw + l.Join + l.Consent + l.Sign + l.Stop + l.Approve + l.Release})
	}
	return true
}

func level(s string) string {
	if s == "" {
		return "handshake"
	}
	return s
}

func sorted(m map[string]string) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// words are an issue for people.
func (i Issue) words() string {
	s := i.Title
	switch {
	case len(i.Options) > 0:
		s += ": " + strings.Join(i.Options, ", or ")
	case i.Range != nil:
		s += fmt.Sprintf(": %s to %s in steps of %s", i.Range.Min, i.Range.Max, i.Range.Step)
		if i.Range.Unit != "" {
			s += " " + i.Range.Unit
		}
	default:
		s += ": in words"
	}
	if len(i.Affects) > 0 {
		s += "; affects " + strings.Join(i.Affects, ", ")
	}
	if len(i.Outsiders) > 0 {
		s += "; affects, and is not here: " + strings.Join(i.Outsiders, ", ")
	}
	return s
}

func (p *play) offerEntry(l *Line, e *transcript.RecordEntry, add func(string, ...any)) {
	o := l.Offer
	for _, side := range []struct {
		word  string
		terms []Term
	}{{"gives", o.Gives}, {"gets", o.Gets}} {
		for _, t := range side.terms {
			by := ""
			if t.By != "" {
				by = " (by " + t.By + ")"
			}
			add("%s%s: %s: %s", side.word, by, t.Issue, t.Value)
		}
	}
	for _, n := range o.OnlyIf {
		add("only if: %s", p.of(n))
	}
	if len(o.For) > 0 {
		add("for %s", strings.Join(o.For, ", "))
	}
	if o.Expires != nil {
		add("until %s UTC", o.Expires.Format(stamp))
	}
	if o.Answers != "" {
		add("answers %s", p.of(o.Answers))
	}
	if o.Replaces != "" {
		add("replaces %s", p.of(o.Replaces))
	}
	e.Text = o.Note
}

func (p *play) roundEntry(r *Round, add func(string, ...any)) {
	add("%s; answers leave at %s UTC", r.Mode, r.InputsAt.Format(stamp))
	if len(r.Parties) > 0 {
		add("between %s", strings.Join(r.Parties, ", "))
	}
	if r.Issue != "" {
		add("%s: %s", r.Issue, strings.Join(r.Figures, ", "))
		add("%s wants it high", r.Sells)
	}
}
