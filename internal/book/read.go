package book

import (
	"errors"
	"fmt"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/conduct"
	"backchannel/internal/transcript"
)

// Book is a room that was read from a file: to be looked at and no more.
type Book struct {
	Room    *negotiation.Room
	Name    func(negotiation.MemberID) string
	Checked conduct.Checked
	Said    int // statements in it
}

// MaxFile bounds a file that Read takes, in bytes.
const MaxFile = 256 << 20

// Read reads a room that was written down, and checks everything that can be checked
// in it. now decides what has expired and lapsed. Passing says that the file is whole
// and fits together, and nothing about whether it took place: Forge makes such files.
func Read(b []byte, now time.Time) (*Book, error) {
	room, name, err := negotiation.ReadExport(b)
	if err != nil {
		return nil, fmt.Errorf("reading the room: %w", err)
	}
	v := room.View(now, name)
	for _, a := range v.Alarms {
		if a.Type != negotiation.AlarmMissing && a.Type != negotiation.AlarmWithheld { // others may have been ahead
			return nil, fmt.Errorf("reading the room: %s", a.Text)
		}
	}
	for _, x := range v.Shown {
		if _, ok := room.Statement(x.Statement.ID); !ok {
			return nil, errors.New("reading the room: a member shows what nobody has said")
		}
	}
	for _, st := range v.NotRead {
		if st.Kind == negotiation.KindShow {
			return nil, errors.New("reading the room: a member shows what is no statement of another")
		}
	}
	out := &Book{Room: room, Name: name}
	for _, st := range room.Statements() {
		if !st.Kind.Vouches() {
			out.Said++
		}
	}
	if out.Checked, err = conduct.Replay(room, now); err != nil {
		return nil, fmt.Errorf("reading the room: %w", err)
	}
	return out, nil
}

// Record is the room for people.
func (b *Book) Record(now time.Time) transcript.Record {
	t := newWriter(Source{Room: b.Room, Inviter: b.inviter(), Names: b.Name, Now: now})
	t.write()
	p := &play{script: t.script, names: map[string]negotiation.ID{}, bodies: map[negotiation.ID]negotiation.Body{}}
	for id, name := range t.names {
		p.names[name] = id
		if st, ok := b.Room.Statement(id); ok {
			p.bodies[id] = st.Body
		}
	}
	return p.record(b.Room, now)
}

// inviter is the member that has the first name of the plan.
func (b *Book) inviter() negotiation.MemberID {
	c := b.Room.Charter()
	for _, m := range c.Members {
		if b.Name(m.ID) == c.Plan.Names[0] {
			return m.ID
		}
	}
	return c.Members[0].ID
}
