package negotiation

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"
)

// Script is a negotiation that never took place. Forge plays it with the code that
// carries real ones, so that nothing tells its result from a real room: that is why
// a room that somebody shows proves nothing.
type Script struct {
	Title   string        `json:"title"`
	Members []string      `json:"members"` // names; a line speaks of them by place, from 0
	Start   time.Time     `json:"start"`   // when the room was proposed
	Lines   []Line        `json:"lines"`
	Delay   time.Duration `json:"delay_ns,omitempty"` // of every delivery; 4 seconds if 0
}

// Line is one statement of a script. In the JSON of Body, "@name" stands for the
// statement of the line of that name, "@core:name" for the core of the agreement in
// it, and "@member:0" for a member.
type Line struct {
	Name string          `json:"name,omitempty"`
	At   time.Time       `json:"at"`
	By   int             `json:"by"`
	To   *int            `json:"to,omitempty"` // private, to one member
	Kind Kind            `json:"kind"`
	Body json.RawMessage `json:"body,omitempty"`
	Raw  []byte          `json:"raw,omitempty"` // of a kind under round/ or sign/, in place of Body
}

// Forged is one member's copy of a made-up room: what its station would have kept.
type Forged struct {
	Charter Charter
	Rows    []Row
	Local   []byte
	Names   map[MemberID]string
	Lines   map[string]ID // statements by the names of their lines
	Room    *Room
}

// Forge plays a script and returns every member's copy, in the order of
// Script.Members. Whatever real stations do by themselves (confirm a take, hand out
// vouch keys, compare) happens here too. A line that a real room would refuse is an
// error.
func Forge(s Script, random io.Reader) ([]Forged, error) {
	if s.Delay == 0 {
		s.Delay = 4 * time.Second
	}
	f := &forge{script: s, delay: s.Delay, random: random, lines: map[string]ID{}, cores: map[string]ID{}}
	if err := f.gather(); err != nil {
		return nil, err
	}
	for i, l := range s.Lines {
		if err := f.speak(l); err != nil {
			return nil, fmt.Errorf("line %d of the script: %w", i+1, err)
		}
	}
	if err := f.deliver(time.Unix(maxTime, 0)); err != nil {
		return nil, err
	}
	for i := range f.copies {
		c := &f.copies[i]
		c.Local, c.Lines, c.Names = c.Room.Local(), f.lines, map[MemberID]string{}
		for j, name := range s.Members {
			c.Names[f.copies[j].Charter.Self] = name
		}
	}
	return f.copies, nil
}

type forge struct {
	script Script
	delay  time.Duration
	random io.Reader
	copies []Forged
	now    time.Time
	flying []flight // in order of arrival
	lines  map[string]ID
	cores  map[string]ID
}

type flight struct {
	from, to int
	raw      []byte
	at       time.Time
}

// contactIn is how member i calls member j among its contacts.
func contactIn(i, j int) Contact { return Contact{byte(i) + 1, byte(j) + 1} }

// gather makes the room: invitation, member ids, confirmations.
func (f *forge) gather() error {
	n := len(f.script.Members)
	f.now = f.script.Start.Add(time.Duration((n-1)*(1+2*n)) * f.delay) // every message, one after the other
	charters, err := Gather(f.script.Title, f.script.Members, nil, f.script.Start, f.now, f.random)
	if err != nil {
		return err
	}
	for _, c := range charters {
		f.copies = append(f.copies, Forged{Charter: c, Room: NewRoom(c, f.random)})
	}
	return nil
}

// Gather plays the making of a room whose first member invites the others, and
// returns every member's charter, in the order of names. Member i calls member j the
// contact {i+1, j+1, 0, …}. previous is the room that it continues, or nil.
func Gather(title string, names []string, previous *ID, start, open time.Time, random io.Reader) ([]Charter, error) {
	n := len(names)
	if n < 2 || n > MaxMembers {
		return nil, refused("a room has 2 to %d members", MaxMembers)
	}
	formations := make([]*Formation, n)
	contacts := func(i int) (list []Contact) {
		for j := range n {
			if j != i {
				list = append(list, contactIn(i, j))
			}
		}
		return list
	}
	type message struct {
		from, to int
		raw      []byte
	}
	var queue []message
	post := func(from int, out []Out) {
		for _, o := range out {
			queue = append(queue, message{from, int(o.To[1]) - 1, o.Raw})
		}
	}
	first, out, err := NewFormation(title, contacts(0), names, previous, n-1, start, random)
	if err != nil {
		return nil, err
	}
	formations[0] = first
	for post(0, out); len(queue) > 0; queue = queue[1:] {
		m := queue[0]
		if formations[m.to] == nil {
			if formations[m.to], err = Invited(contactIn(m.to, m.from), m.raw, start); err != nil {
				return nil, err
			}
			if out, err = formations[m.to].Join(contacts(m.to), n-1, random); err != nil {
				return nil, err
			}
		} else if out, err = formations[m.to].Apply(contactIn(m.to, m.from), m.raw, start); err != nil {
			return nil, err
		}
		post(m.to, out)
	}
	var charters []Charter
	for _, m := range formations {
		c, err := m.Charter(open)
		if err != nil {
			return nil, err
		}
		charters = append(charters, c)
	}
	return charters, nil
}

// Put says something in a made-up room without asking whether an honest station would
// say it: of a member that breaks the rules, or of a kind that nobody here knows. raw
// is the body. Stations never call it.
func (r *Room) Put(k Kind, raw []byte, to MemberID, now time.Time) (Change, error) {
	var c Change
	switch {
	case k.check() != nil || k.secret():
		return c, refused("the kind %q is not one that can be said", string(k))
	case len(raw)+1000 > MaxStatement:
		return c, refused("a statement has at most %d bytes", MaxStatement-1000)
	}
	if err := r.audience(to); err != nil {
		return c, err
	}
	now = seconds(now)
	if err := r.ready(to, &c, now); err != nil {
		return c, err
	}
	r.put(k, raw, to, &c, now)
	r.exchange(&c, now)
	return c, nil
}

func (f *forge) keep(i int, c Change, at time.Time) {
	f.copies[i].Rows = append(f.copies[i].Rows, c.Rows...)
	for _, o := range c.Out {
		f.flying = append(f.flying, flight{i, int(o.To[1]) - 1, o.Raw, at.Add(f.delay)})
	}
}

// deliver brings everything that arrives until then.
func (f *forge) deliver(until time.Time) error {
	for len(f.flying) > 0 && !f.flying[0].at.After(until) {
		l := f.flying[0]
		f.flying = f.flying[1:]
		c, err := f.copies[l.to].Room.Apply(contactIn(l.to, l.from), l.raw, l.at)
		if err != nil {
			return err
		}
		f.keep(l.to, c, l.at)
	}
	return nil
}

var reference = regexp.MustCompile(`"@(member:|core:)?([^"]*)"`)

func (f *forge) speak(l Line) error {
	if l.By < 0 || l.By >= len(f.copies) || l.To != nil && (*l.To < 0 || *l.To >= len(f.copies) || *l.To == l.By) {
		return refused("there is no such member")
	}
	if l.At.Before(f.now) {
		return refused("it stands before the line that precedes it, or before the room was complete at %s", f.now.UTC().Format(time.RFC3339))
	}
	f.now = l.At
	if err := f.deliver(l.At); err != nil {
		return err
	}
	room := f.copies[l.By].Room
	var to MemberID
	if l.To != nil {
		to = f.copies[*l.To].Charter.Self
	}
	var c Change
	var err error
	switch {
	case l.Kind.opaque():
		c, err = room.SayOpaque(l.Kind, l.Raw, to, l.At)
	case l.Kind == kindShow: // its body names what is shown, as that of a withdrawal
		var of Body
		if of, err = f.body(Line{Kind: KindWithdraw, Body: l.Body}); err == nil {
			c, err = room.Show(of.(*Withdraw).Of, to, l.At)
		}
	default:
		var body Body
		if body, err = f.body(l); err == nil {
			c, err = room.Say(body, to, l.At)
		}
		if a, ok := body.(*Agreement); ok && l.Name != "" {
			f.cores[l.Name] = a.Core()
		}
	}
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(c.Rows, func(r Row) bool { return r.From == room.self && !r.Erased }); i >= 0 && l.Name != "" {
		f.lines[l.Name] = c.Rows[i].ID
	}
	f.keep(l.By, c, l.At)
	return nil
}

// body puts ids in the places of references.
func (f *forge) body(l Line) (Body, error) {
	var missing string
	text := reference.ReplaceAllFunc(l.Body, func(m []byte) []byte {
		p := reference.FindSubmatch(m)
		var id fmt.Stringer
		switch name := string(p[2]); string(p[1]) {
		case "member:":
			var i int
			if _, err := fmt.Sscanf(name, "%d", &i); err != nil || i < 0 || i >= len(f.copies) {
				missing = string(m)
				return m
			}
			id = f.copies[i].Charter.Self
		case "core:":
			core, ok := f.cores[name]
			if !ok {
				missing = string(m)
			}
			id = core
		default:
			line, ok := f.lines[name]
			if !ok {
				missing = string(m)
			}
			id = line
		}
		return []byte(`"` + id.String() + `"`)
	})
	if missing != "" {
		return nil, refused("%s refers to nothing before it", missing)
	}
	return BodyFromJSON(l.Kind, text)
}
