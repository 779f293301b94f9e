package transcript

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Me is what the writer of a transcript is called when no name is given.
const Me = "Me"

// Limits of a transcript that is read. What is written is as long as it is.
const (
	MaxEntries = 100_000
	MaxName    = 600  // bytes of a principal's name; what cannot be shown takes up to three times its bytes
	MaxLine    = 3000 // bytes of a title, a subject, a file's name or a media type
)

// Transcript is a conversation between two principals.
type Transcript struct {
	Title       string // may be empty
	Self, Other string // what the two are called where it was written
	Entries     []Entry
}

// Entry is one thing that was said. An object of another kind, such as an offer,
// adds its kind to the table of kinds and a field for what it is made of.
type Entry struct {
	Outgoing    bool // Self wrote it
	Kind        string
	Subject     string
	Text        string
	Time        time.Time // written in UTC to the minute: what is made up is not more exact
	State       string
	Attachments []Attachment
}

// Attachment describes a file that came with an entry. The file is not part of a
// transcript.
type Attachment struct {
	Name   string
	Size   int64  // bytes
	SHA256 string // 64 hexadecimal digits, or empty
}

// The kinds of entries.
const (
	Signal = "signal"
	Letter = "letter"
)

// kinds are the entries that exist, each with the states of one that Self wrote
// and of one that Other wrote. The first is what an entry without a state has.
var kinds = map[string]struct{ outgoing, incoming []string }{
	Signal: {[]string{"delivered", "waiting", "sent", "acknowledged", "cancelled"}, []string{"arrived", "arriving", "acknowledged", "cancelled"}},
	Letter: {[]string{"delivered", "waiting", "sent", "acknowledged", "cancelled"}, []string{"arrived", "arriving", "acknowledged", "cancelled"}},
}

// States lists the states that an entry of a kind can have, the usual one first;
// nil for a kind that does not exist.
func States(kind string, outgoing bool) []string {
	if outgoing {
		return slices.Clone(kinds[kind].outgoing)
	}
	return slices.Clone(kinds[kind].incoming)
}

// Normal returns the transcript as it will be written: times in UTC to the
// minute, entries in the order of their times (those of one minute as they are),
// lines ended by a line feed, nothing invisible in a text, a name for everybody.
// Writing a transcript or its normal form is the same.
func (t Transcript) Normal() Transcript {
	t.Title, t.Self, t.Other = line(t.Title), name(t.Self), name(t.Other)
	if t.Self == "" {
		t.Self = Me
	}
	entries := make([]Entry, len(t.Entries))
	for i, e := range t.Entries {
		e.Subject, e.Text = line(e.Subject), text(e.Text)
		e.Time = e.Time.UTC().Truncate(time.Minute)
		if e.State == "" {
			if s := States(e.Kind, e.Outgoing); s != nil {
				e.State = s[0]
			}
		}
		files := make([]Attachment, len(e.Attachments))
		for j, a := range e.Attachments {
			a.Name, a.SHA256 = line(a.Name), strings.ToLower(a.SHA256)
			files[j] = a
		}
		e.Attachments = files
		if len(files) == 0 {
			e.Attachments = nil
		}
		entries[i] = e
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	t.Entries = entries
	return t
}

// Check tells what is wrong with a transcript in its normal form, naming the
// entry, counted from 1.
func (t Transcript) Check() error {
	switch {
	case t.Self == "" || len(t.Self) > MaxName:
		return fmt.Errorf("the writer's name must have 1 to %d bytes", MaxName)
	case t.Other == "" || len(t.Other) > MaxName:
		return fmt.Errorf("the other's name must have 1 to %d bytes: say with whom the conversation is", MaxName)
	case t.Self == t.Other:
		return errors.New("both sides have the same name: give one of them another")
	case len(t.Title) > MaxLine:
		return fmt.Errorf("the title has more than %d bytes", MaxLine)
	case len(t.Entries) > MaxEntries:
		return fmt.Errorf("there are more than %d entries", MaxEntries)
	}
	for i, e := range t.Entries {
		if err := e.check(); err != nil {
			return fmt.Errorf("entry %d: %w", i+1, err)
		}
	}
	return nil
}

func (e Entry) check() error {
	states := States(e.Kind, e.Outgoing)
	switch {
	case states == nil:
		return fmt.Errorf("there is no kind %q: it is signal or letter", e.Kind)
	case !slices.Contains(states, e.State):
		return fmt.Errorf("the state %q does not fit: one of %s does", e.State, strings.Join(states, ", "))
	case e.Time.Year() < 1 || e.Time.Year() > 9999:
		return errors.New("the year must be 1 to 9999")
	case len(e.Subject) > MaxLine:
		return fmt.Errorf("the subject has more than %d bytes", MaxLine)
	case e.Kind == Signal && (e.Subject != "" || len(e.Attachments) > 0):
		return errors.New("a signal has neither subject nor files: make it a letter")
	}
	for _, a := range e.Attachments {
		raw, err := hex.DecodeString(a.SHA256)
		switch {
		case a.Name == "" || len(a.Name) > MaxLine:
			return fmt.Errorf("a file's name must have 1 to %d bytes", MaxLine)
		case a.Size < 0:
			return errors.New("a file's size is negative")
		case err != nil || len(raw) != 0 && len(raw) != 32:
			return errors.New("a file's SHA-256 is not 64 hexadecimal digits")
		}
	}
	return nil
}

// line makes one line of s, without what cannot be seen.
func line(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case hidden(r):
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")))
}

// dated is what follows a name in a script.
var dated = regexp.MustCompile(`, (\d{4}-\d\d-\d\d \d\d:\d\d)`)

// name makes one line of a principal's name that a script cannot take for a remark
// or for a name with a time.
func name(s string) string {
	s = dated.ReplaceAllString(line(s), "; $1")
	if rest, ok := strings.CutPrefix(s, "#"); ok {
		s = "\uFF03" + rest // the wide form of the same sign
	}
	return s
}

// text makes lines of s that end with a line feed each, without what cannot be
// seen, without spaces at the ends of lines and empty lines around them.
func text(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\v", "\n", "\f", "\n", "\u0085", "\n").
		Replace(strings.ToValidUTF8(s, "\uFFFD"))
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRightFunc(strings.Map(func(r rune) rune {
			switch {
			case r == '\t':
				return r
			case unicode.IsSpace(r):
				return ' '
			case hidden(r):
				return utf8.RuneError
			}
			return r
		}, l), unicode.IsSpace)
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// hidden reports controls, and format characters with which a text can look like
// another.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u200b' || r == '\u2060' || r == '\ufeff'
}
