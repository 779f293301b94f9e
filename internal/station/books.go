package station

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"backchannel/internal/book"
	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/vault"
)

// ExportRoom writes a room down: everything that was said in it and what came of it,
// and nothing of the private side. format is json (which "room read" checks),
// markdown, html or script; self is what to call this station's principal, as in the
// room if empty. What is written was played again, with other identifiers, keys and
// seconds: see package book.
func (s *Station) ExportRoom(ctx context.Context, ref, self, format string) (data []byte, mediaType, name string, err error) {
	const doing = "writing down the room"
	f, err := book.FormOf(format)
	if err != nil {
		return nil, "", "", &Error{CodeInvalid, doing, err}
	}
	var src book.Source
	if err := s.inView(ctx, doing, ref, func(tx *vault.Tx, r *openRoom, now time.Time) (err error) {
		src, err = r.source(tx, self, now)
		return err
	}); err != nil {
		return nil, "", "", err
	}
	if data, err = book.Export(src, f.Name, rand.Reader); err != nil {
		return nil, "", "", s.trouble(doing, err)
	}
	return data, f.MediaType, contact.SafeName(src.Room.Charter().Plan.Title) + f.Extension, nil
}

// source is a copy of the room, so that it can be written down while the station goes
// on.
func (r *openRoom) source(tx *vault.Tx, self string, now time.Time) (book.Source, error) {
	people, err := peopleOf(tx)
	if err != nil {
		return book.Source{}, err
	}
	rows, err := tx.RoomRows(r.number)
	if err != nil {
		return book.Source{}, err
	}
	k, err := tx.Room(r.number)
	if err != nil {
		return book.Source{}, err
	}
	c := r.room.Charter()
	room, err := negotiation.Restore(c, rows, k.Local, rand.Reader)
	if err != nil {
		return book.Source{}, errors.Join(vault.ErrDamaged, err)
	}
	names := people.names(r)
	if self == "" {
		self = ownName(r, names)
	}
	called := map[negotiation.MemberID]string{c.Self: self}
	inviter := c.Self
	for _, m := range c.Members {
		if m.ID == c.Self {
			continue
		}
		called[m.ID] = names(m.ID)
		if m.Contact == r.formation.Inviter {
			inviter = m.ID
		}
	}
	return book.Source{Room: room, Inviter: inviter, Names: func(m negotiation.MemberID) string { return called[m] }, Now: now}, nil
}

// ForgeRoom plays a negotiation that never took place, and writes it down as ExportRoom
// writes a real one. Nothing of it is kept.
func (s *Station) ForgeRoom(_ context.Context, script []byte, format string) (data []byte, mediaType, name string, err error) {
	const doing = "forging the room"
	f, err := book.FormOf(format)
	if err != nil {
		return nil, "", "", &Error{CodeInvalid, doing, err}
	}
	t, err := book.ParseScript(script)
	if err != nil {
		return nil, "", "", &Error{Code: CodeInvalid, Text: err.Error()}
	}
	if data, err = book.Forge(t, f.Name, rand.Reader); err != nil {
		return nil, "", "", &Error{Code: CodeInvalid, Text: err.Error()}
	}
	return data, f.MediaType, contact.SafeName(t.Title) + f.Extension, nil
}
