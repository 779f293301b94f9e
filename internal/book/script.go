package book

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"backchannel/internal/negotiation"
)

// scriptFormat names the form of scripts. A change of the form changes it.
const scriptFormat = "backchannel/script/1"

// Limits of a script that is read.
const (
	MaxScript = 32 << 20 // bytes
	maxLines  = 10_000
)

// Minute is a time as scripts have it, in UTC.
type Minute struct{ time.Time }

const stamp = "2006-01-02 15:04"

// MarshalJSON is "2026-11-12 09:00".
func (m Minute) MarshalJSON() ([]byte, error) { return []byte(`"` + m.UTC().Format(stamp) + `"`), nil }

// UnmarshalJSON is the inverse of MarshalJSON.
func (m *Minute) UnmarshalJSON(b []byte) error {
	t, err := time.Parse(`"`+stamp+`"`, string(b))
	if err != nil || t.Year() < 1971 || t.Year() > 9998 {
		return fmt.Errorf("the time %s is not like %q, in UTC", b, stamp)
	}
	m.Time = t
	return nil
}

// floor is the minute that a time is in, ceil the first that is not before it.
func floor(t time.Time) Minute { return Minute{t.UTC().Truncate(time.Minute)} }
func ceil(t time.Time) Minute  { return floor(t.Add(time.Minute - time.Second)) }

// Script is a negotiation as a person writes it. Members are called by their names,
// and what was said by the names of lines.
type Script struct {
	Format    string   `json:"format"`
	Title     string   `json:"title"`
	Members   []string `json:"members"`             // the first one invited the others
	Self      string   `json:"self,omitempty"`      // whose copy is written; the first member if left out
	Continues bool     `json:"continues,omitempty"` // it goes on from an earlier room
	Proposed  Minute   `json:"proposed"`            // when the room was proposed
	Open      *Minute  `json:"open,omitempty"`      // when all had joined; a minute later if left out
	Until     *Minute  `json:"until,omitempty"`     // when it was written down; when all was said and done if left out
	Remarks   []string `json:"remarks,omitempty"`   // by whoever writes it down
	Lines     []Line   `json:"lines"`
}

// Line is one thing that a member does. It has exactly one of the verbs, from Signal
// on. Everything that stands before it has arrived, and was answered by the stations
// that answer by themselves, unless it says otherwise.
type Line struct {
	At      Minute   `json:"at"`
	By      string   `json:"by"`
	To      string   `json:"to,omitempty"`      // one member, who alone is told
	Name    string   `json:"name,omitempty"`    // for other lines to speak of it
	Unheard []string `json:"unheard,omitempty"` // lines that had not reached the member yet
	Anyway  bool     `json:"anyway,omitempty"`  // also if an honest station would not say it

	Signal     string      `json:"signal,omitempty"`
	Letter     *Letter     `json:"letter,omitempty"`
	Agenda     []Issue     `json:"agenda,omitempty"`
	Confirm    string      `json:"confirm,omitempty"` // an agenda
	Package    *Package    `json:"package,omitempty"`
	Offer      *Offer      `json:"offer,omitempty"`
	Take       string      `json:"take,omitempty"`     // an offer
	Withdraw   string      `json:"withdraw,omitempty"` // an own offer, agreement, consent or round
	Comment    *Comment    `json:"comment,omitempty"`
	Show       string      `json:"show,omitempty"` // to one member, what another said to the room
	Draft      *Draft      `json:"draft,omitempty"`
	Round      *Round      `json:"round,omitempty"`
	Join       string      `json:"join,omitempty"`   // a round
	Answer     *Answer     `json:"answer,omitempty"` // in private
	Agreement  *Agreement  `json:"agreement,omitempty"`
	Consent    string      `json:"consent,omitempty"` // an agreement
	Sign       string      `json:"sign,omitempty"`    // an agreement
	Stop       string      `json:"stop,omitempty"`    // signing it
	Communique *Communique `json:"communique,omitempty"`
	Approve    string      `json:"approve,omitempty"` // a communiqué
	Release    string      `json:"release,omitempty"` // a communiqué
	Quit       *Quit       `json:"quit,omitempty"`    // a round or signing, without a word
	Away       bool        `json:"away,omitempty"`    // the station is cut off
	Back       bool        `json:"back,omitempty"`    // and is back
	Unknown    *Unknown    `json:"unknown,omitempty"` // something that no reader understands

	of *negotiation.Statement // while a real room is written down
}

// Letter is a long text with files.
type Letter struct {
	Subject string                   `json:"subject,omitempty"`
	Text    string                   `json:"text"`
	Files   []negotiation.Attachment `json:"files,omitempty"`
}

// Issue is one thing to settle: a choice if it has options, a figure if it has a
// range, else words. It keeps its number if the agenda before has one of its title.
type Issue struct {
	Title     string              `json:"title"`
	Number    uint64              `json:"number,omitempty"`
	Options   []string            `json:"options,omitempty"`
	Range     *negotiation.Bounds `json:"range,omitempty"`
	Affects   []string            `json:"affects,omitempty"`   // members; all if left out
	Outsiders []string            `json:"outsiders,omitempty"` // who are not in the room
}

// Package is a set of values: an option, a figure or words by the title of each issue.
// Agenda is the latest one if left out.
type Package struct {
	Agenda string            `json:"agenda,omitempty"`
	Values map[string]string `json:"values"`
	Note   string            `json:"note,omitempty"`
}

// Offer is a conditional offer.
type Offer struct {
	Agenda   string   `json:"agenda,omitempty"`
	For      []string `json:"for,omitempty"` // who may take it; anyone who hears it if left out
	Gives    []Term   `json:"gives,omitempty"`
	Gets     []Term   `json:"gets,omitempty"`
	OnlyIf   []string `json:"only_if,omitempty"` // packages and offers
	Expires  *Minute  `json:"expires,omitempty"`
	Replaces string   `json:"replaces,omitempty"`
	Answers  string   `json:"answers,omitempty"`
	Note     string   `json:"note,omitempty"`
}

// Term is one line of an offer. What is given is given by its author unless By says
// otherwise.
type Term struct {
	By    string `json:"by,omitempty"`
	Issue string `json:"issue"`
	Value string `json:"value"`
}

// Comment is a remark on a line.
type Comment struct {
	On   string `json:"on"`
	Text string `json:"text"`
}

// Draft is a version of a text: the first with a title, each later one with its base.
type Draft struct {
	Title string `json:"title,omitempty"`
	Base  string `json:"base,omitempty"`
	Text  string `json:"text"`
}

// Round is a blind round.
type Round struct {
	Mode     string   `json:"mode"` // single, ladder or list
	Agenda   string   `json:"agenda,omitempty"`
	Packages []string `json:"packages,omitempty"`
	Issue    string   `json:"issue,omitempty"`   // ladder
	Figures  []string `json:"figures,omitempty"` // ladder, ascending
	Sells    string   `json:"sells,omitempty"`   // ladder: who wants the figure high
	Parties  []string `json:"parties,omitempty"` // all members if left out
	Opener   string   `json:"opener,omitempty"`  // its author if left out
	Cap      uint64   `json:"cap,omitempty"`     // list
	Green    uint64   `json:"green,omitempty"`   // list with tiers: the cap of the upper one
	InputsAt Minute   `json:"inputs_at"`         // when answers leave
	Deadline Minute   `json:"deadline"`
}

// Answer is what a member chooses in a round. It leaves closed, and no copy has it.
type Answer struct {
	Round   string   `json:"round"`
	Yes     bool     `json:"yes,omitempty"`     // single
	Limit   string   `json:"limit,omitempty"`   // ladder: the last figure that is acceptable; none if left out
	Approve []string `json:"approve,omitempty"` // list: packages
	Green   []string `json:"green,omitempty"`   // list with tiers: those of them in the upper one
}

// Agreement is a proposed agreement.
type Agreement struct {
	Text         string   `json:"text,omitempty"`
	Parties      []string `json:"parties,omitempty"` // all members if left out
	Level        string   `json:"level,omitempty"`   // handshake, sealed or public; handshake if left out
	Lapses       Minute   `json:"lapses"`
	Agenda       string   `json:"agenda,omitempty"`
	Packages     []string `json:"packages,omitempty"`
	SideLetterOf string   `json:"side_letter_of,omitempty"`
	Replaces     string   `json:"replaces,omitempty"`
}

// Communique is what is to be said in public about an agreement; its own text if none
// is given.
type Communique struct {
	Of   string `json:"of"`
	Text string `json:"text,omitempty"`
}

// Quit has a member fall silent in a round or signing, after it said so many messages
// of it.
type Quit struct {
	Of    string `json:"of"`
	After int    `json:"after"`
}

// Unknown is a statement of a kind from elsewhere, with a made-up body.
type Unknown struct {
	Kind  string `json:"kind"`
	Bytes int    `json:"bytes,omitempty"`
}

// verb is the name of the one verb of a line; "" if it has none, or several.
func (l *Line) verb() string {
	v := reflect.ValueOf(l).Elem()
	found := ""
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if slices.Contains([]string{"", "at", "by", "to", "name", "unheard", "anyway"}, name) || v.Field(i).IsZero() {
			continue
		}
		if found != "" {
			return ""
		}
		found = name
	}
	return found
}

// ParseScript reads a script. Unknown members are refused, since a misspelt one would
// silently change what is said.
func ParseScript(b []byte) (*Script, error) {
	bad := func(err error) (*Script, error) { return nil, fmt.Errorf("reading the script: %w", err) }
	if len(b) > MaxScript {
		return bad(fmt.Errorf("it has more than %d bytes", MaxScript))
	}
	if !utf8.Valid(b) {
		return bad(errors.New("it is not text in UTF-8"))
	}
	s := new(Script)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		return bad(fmt.Errorf("it is not the script of a room in JSON, such as \"backchannel forge --help\" shows: %w", err))
	}
	if _, err := d.Token(); err != io.EOF {
		return bad(errors.New("something follows the script"))
	}
	if err := s.check(); err != nil {
		return bad(err)
	}
	return s, nil
}

// check says what is wrong with a script before it is played.
func (s *Script) check() error {
	if s.Format != scriptFormat {
		return fmt.Errorf("its format is %q, and this program reads %q", s.Format, scriptFormat)
	}
	if n := len(s.Members); n < 2 || n > negotiation.MaxMembers {
		return fmt.Errorf("a room has 2 to %d members", negotiation.MaxMembers)
	}
	for i, m := range s.Members {
		if slices.Contains(s.Members[:i], m) {
			return fmt.Errorf("two members are called %q", m)
		}
	}
	switch {
	case s.Self != "" && s.place(s.Self) < 0:
		return fmt.Errorf("self is %q, who is no member", s.Self)
	case s.Proposed.IsZero():
		return errors.New("it does not say when the room was proposed")
	case s.Open != nil && s.Open.Before(s.Proposed.Time):
		return errors.New("the room is open before it was proposed")
	case len(s.Lines) > maxLines:
		return fmt.Errorf("it has more than %d lines", maxLines)
	case len(s.Remarks) > maxLines:
		return fmt.Errorf("it has more than %d remarks", maxLines)
	}
	names, made := map[string]bool{}, 0
	for i := range s.Lines {
		l := &s.Lines[i]
		bad := func(format string, args ...any) error {
			return fmt.Errorf("line %d: %s", i+1, fmt.Sprintf(format, args...))
		}
		switch {
		case l.verb() == "":
			return bad("it needs one verb, such as signal, offer or consent, and not two")
		case l.At.IsZero():
			return bad("it does not say when")
		case s.place(l.By) < 0:
			return bad("it is by %q, who is no member", l.By)
		case l.To != "" && (s.place(l.To) < 0 || l.To == l.By):
			return bad("it is for %q, who is no other member", l.To)
		case l.Name != "" && names[l.Name]:
			return bad("another line is called %q as well", l.Name)
		}
		if l.Unknown != nil {
			if made += max(0, l.Unknown.Bytes); made > MaxScript || made < 0 {
				return bad("the script makes up more than %d bytes that nobody understands", MaxScript)
			}
		}
		for _, u := range l.Unheard {
			if !names[u] {
				return bad("no line before it is called %q", u)
			}
		}
		names[l.Name] = l.Name != ""
	}
	return nil
}

// place is a member's place in Members; -1 if it is none.
func (s *Script) place(name string) int { return slices.Index(s.Members, name) }

// self is the place of the member whose copy is written.
func (s *Script) self() int { return max(0, s.place(s.Self)) }

// Encode writes the script, one line of it on a line of its own, so that a person can
// edit it. ParseScript is the inverse.
func (s *Script) Encode() ([]byte, error) {
	head := *s
	head.Lines = nil
	b, err := encodeJSON(&head, "  ")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.Write(bytes.TrimSuffix(b, []byte("null\n}\n")))
	out.WriteString("[")
	for i := range s.Lines {
		l, err := encodeJSON(&s.Lines[i], "")
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString("\n    ")
		out.Write(bytes.TrimSpace(l))
	}
	out.WriteString("\n  ]\n}\n")
	return out.Bytes(), nil
}

func encodeJSON(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("writing the script: %w", err)
	}
	return b.Bytes(), nil
}
