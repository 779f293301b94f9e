package transcript

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A script is a transcript as a text to write and edit by hand:
//
//	# a line that begins with # is a remark
//	Title: The straits
//	Self: Aldmark
//	Other: Borvia
//
//	Aldmark, 2026-03-01 10:00: We could talk about X.
//	  A line that begins with a space or a tab continues the text.
//
//	Borvia, 2026-03-01 10:25, letter, acknowledged: Dear colleague,
//	Subject: Non-paper
//	File: draft.pdf, 48213, 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0bd822cd15d6c15b0f00a08
//	  it may be that we drop our opposition to X.
//
// The three lines at the top may be left out: Self is then "Me", and the one who
// is not Self is Other. After the time may stand the kind (signal unless there is
// a subject or a file) and the state (delivered or arrived). Times are in UTC.
// The size of a file may be followed by its SHA-256. Of a continued line the
// first two spaces or the first tab are not part of the text, and an empty line
// belongs to it if a continued line follows.

// stamp is how times are written in scripts and for people, in UTC.
const stamp = "2006-01-02 15:04"

var (
	head  = regexp.MustCompile(`^(.+?), (\d{4}-\d\d-\d\d \d\d:\d\d)((?:, *[a-z]+)*):(?: (.*))?$`)
	field = regexp.MustCompile(`^(Title|Self|Other|Subject|File): (.+)$`)
)

// WriteScript writes the transcript as a script.
func WriteScript(t Transcript) ([]byte, error) {
	t, err := ready(t)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if t.Title != "" {
		fmt.Fprintf(&b, "Title: %s\n", t.Title)
	}
	fmt.Fprintf(&b, "Self: %s\nOther: %s\n", t.Self, t.Other)
	for _, e := range t.Entries {
		from := t.Other
		if e.Outgoing {
			from = t.Self
		}
		first, rest, more := strings.Cut(e.Text, "\n")
		if strings.HasPrefix(first, " ") || strings.HasPrefix(first, "\t") {
			first, rest, more = "", e.Text, true // its indent would be lost behind the colon
		}
		fmt.Fprintf(&b, "\n%s, %s, %s, %s:", from, e.Time.Format(stamp), e.Kind, e.State)
		if first != "" {
			fmt.Fprintf(&b, " %s", first)
		}
		b.WriteByte('\n')
		if e.Subject != "" {
			fmt.Fprintf(&b, "Subject: %s\n", e.Subject)
		}
		for _, a := range e.Attachments {
			fmt.Fprintf(&b, "File: %s, %d", a.Name, a.Size)
			if a.SHA256 != "" {
				fmt.Fprintf(&b, ", %s", a.SHA256)
			}
			b.WriteByte('\n')
		}
		if more {
			for l := range strings.SplitSeq(rest, "\n") {
				if l != "" {
					l = "  " + l
				}
				fmt.Fprintln(&b, l)
			}
		}
	}
	return b.Bytes(), nil
}

// ParseScript reads a script. An error names the line. The result is in its
// normal form.
func ParseScript(b []byte) (Transcript, error) { return ParseScriptOf(b, "", "") }

// ParseScriptOf is ParseScript for a conversation of which one knows who self and
// other are; the script need not say it.
func ParseScriptOf(b []byte, self, other string) (Transcript, error) {
	if !utf8.Valid(b) {
		return Transcript{}, errors.New("reading the script: it is not text in UTF-8")
	}
	p := parser{t: Transcript{Self: self, Other: other}}
	for i, l := range strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n") {
		p.number = i + 1
		if err := p.line(strings.TrimPrefix(l, "\ufeff")); err != nil {
			return Transcript{}, fmt.Errorf("reading the script: line %d: %w", i+1, err)
		}
	}
	t, err := p.finish()
	if err != nil {
		return Transcript{}, fmt.Errorf("reading the script: %w", err)
	}
	return t, nil
}

// parser keeps what a script said so far.
type parser struct {
	t      Transcript
	number int      // of the line, from 1
	from   []string // who wrote each entry
	at     []int    // the line on which each begins
	lines  []string // of the text of the last entry
	seen   map[string]bool
}

func (p *parser) line(l string) error {
	blank := strings.TrimSpace(l) == ""
	switch {
	case blank && len(p.from) == 0, strings.HasPrefix(l, "#"):
		return nil
	case blank:
		p.lines = append(p.lines, "")
		return nil
	case l[0] == ' ' || l[0] == '\t':
		if len(p.from) == 0 {
			return errors.New("this line continues a text, and there is none yet: begin with NAME, 2026-03-01 10:00: text")
		}
		if cut, ok := strings.CutPrefix(l, "\t"); ok {
			l = cut
		} else {
			l = strings.TrimPrefix(strings.TrimPrefix(l, " "), " ")
		}
		p.lines = append(p.lines, l)
		return nil
	}
	if m := head.FindStringSubmatch(l); m != nil {
		return p.entry(m[1], m[2], m[3], m[4])
	}
	if m := field.FindStringSubmatch(l); m != nil {
		return p.field(m[1], m[2])
	}
	return errors.New("it is neither NAME, 2026-03-01 10:00: text nor, indented, more of a text: if it belongs to the text, begin it with two spaces")
}

// entry begins an entry.
func (p *parser) entry(who, when, words, rest string) error {
	at, err := time.Parse(stamp, when)
	if err != nil {
		return fmt.Errorf("there is no such time as %s", when)
	}
	p.endText()
	e := Entry{Time: at}
	for w := range strings.SplitSeq(strings.TrimPrefix(words, ","), ",") {
		switch w = strings.TrimSpace(w); {
		case w == "":
		case kinds[w].outgoing != nil && e.Kind == "":
			e.Kind = w
		case e.State == "" && known(w):
			e.State = w
		default:
			return fmt.Errorf("%q is neither a kind nor a state, or is one too many", w)
		}
	}
	p.t.Entries = append(p.t.Entries, e)
	p.from, p.at = append(p.from, name(who)), append(p.at, p.number)
	p.lines, p.seen = []string{rest}, map[string]bool{}
	return nil
}

// known tells whether any entry can have the state.
func known(state string) bool {
	for _, k := range kinds {
		if slices.Contains(k.outgoing, state) || slices.Contains(k.incoming, state) {
			return true
		}
	}
	return false
}

// field reads a line at the top, or one of an entry.
func (p *parser) field(field, value string) error {
	top := len(p.from) == 0
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	if p.seen[field] && field != "File" {
		return fmt.Errorf("%s stands there twice", field)
	}
	p.seen[field] = true
	switch {
	case top && field == "Title":
		p.t.Title = value
	case top && field == "Self":
		p.t.Self = name(value)
	case top && field == "Other":
		p.t.Other = name(value)
	case top:
		return fmt.Errorf("%s belongs to an entry, and there is none yet", field)
	case field == "Subject":
		p.t.Entries[len(p.from)-1].Subject = value
	case field == "File":
		a, err := attachment(value)
		if err != nil {
			return err
		}
		e := &p.t.Entries[len(p.from)-1]
		e.Attachments = append(e.Attachments, a)
	default:
		return fmt.Errorf("%s belongs to the top, before the first entry", field)
	}
	return nil
}

var (
	digits = regexp.MustCompile(`^\d{1,18}$`)
	hash   = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)
)

// attachment reads NAME, SIZE or NAME, SIZE, SHA-256; a name may have commas.
func attachment(s string) (a Attachment, err error) {
	parts := strings.Split(s, ", ")
	if n := len(parts); n > 2 && hash.MatchString(parts[n-1]) && digits.MatchString(parts[n-2]) {
		a.SHA256, parts = parts[n-1], parts[:n-1]
	}
	n := len(parts)
	if n < 2 || !digits.MatchString(parts[n-1]) {
		return a, errors.New("a file is written as File: NAME, BYTES or File: NAME, BYTES, SHA-256")
	}
	a.Size, err = strconv.ParseInt(parts[n-1], 10, 64)
	a.Name = strings.Join(parts[:n-1], ", ")
	return a, err
}

func (p *parser) endText() {
	if n := len(p.from); n > 0 {
		p.t.Entries[n-1].Text = strings.Join(p.lines, "\n")
	}
}

// finish says who is who and checks the whole.
func (p *parser) finish() (Transcript, error) {
	p.endText()
	if p.t.Self == "" {
		p.t.Self = Me
	}
	for i, from := range p.from {
		if p.t.Other == "" && from != p.t.Self {
			p.t.Other = from
		}
		if from != p.t.Self && from != p.t.Other {
			return Transcript{}, fmt.Errorf("line %d: %s writes, and the conversation is between %s and %s: is the name misspelt? Self and Other at the top say who is who", p.at[i], from, p.t.Self, p.t.Other)
		}
		e := &p.t.Entries[i]
		e.Outgoing = from == p.t.Self
		if e.Kind == "" {
			e.Kind = Signal
			if e.Subject != "" || len(e.Attachments) > 0 {
				e.Kind = Letter
			}
		}
	}
	for i, e := range p.t.Entries { // while the lines are known
		one := Transcript{Self: "a", Other: "b", Entries: []Entry{e}}.Normal()
		if err := one.Entries[0].check(); err != nil {
			return Transcript{}, fmt.Errorf("line %d: %w", p.at[i], err)
		}
	}
	t := p.t.Normal()
	return t, t.Check()
}
