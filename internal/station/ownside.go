package station

import (
	"context"
	"errors"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/vault"
)

// OwnSide is what a user notes for itself about a room: limits, weights, colours,
// notes, a tally of walk-aways. It stays in the vault.
type OwnSide = negotiation.Private

// Suggestion is a package that a station thinks of by itself.
type Suggestion = negotiation.Suggestion

// OwnSide returns what the user noted about a room.
func (s *Station) OwnSide(ctx context.Context, ref string) (out OwnSide, err error) {
	err = s.look(ctx, "reading your notes on the room", func(tx *vault.Tx, _ time.Time) error {
		r, err := s.table.named(ref)
		if err != nil {
			return err
		}
		p, err := ownSide(tx, r)
		if err == nil {
			out = *p
		}
		return err
	})
	return out, err
}

func ownSide(tx *vault.Tx, r *openRoom) (*OwnSide, error) {
	b, err := tx.RoomPrivate(r.number)
	if err != nil || len(b) == 0 {
		return new(OwnSide), err
	}
	p, err := negotiation.ParsePrivate(b)
	if err != nil {
		return nil, errors.Join(vault.ErrDamaged, err)
	}
	return p, nil
}

// KeepOwnSide replaces it as a whole.
func (s *Station) KeepOwnSide(ctx context.Context, ref string, p OwnSide) error {
	const doing = "keeping your notes on the room"
	if err := p.Check(); err != nil {
		return &Error{CodeInvalid, doing, err}
	}
	return s.onTable(ctx, doing, func(b *batch) error {
		r, err := b.t.named(ref)
		if err != nil {
			return err
		}
		return b.tx.PutRoomPrivate(r.number, p.Encode())
	})
}

// Suggest thinks of up to count packages that are good for the user by its own
// limits and weights and near to what the others have put on the table. With a deal,
// the id of a package, only such as are no worse for anybody as far as the table
// shows. Nothing of it leaves the station.
func (s *Station) Suggest(ctx context.Context, ref, deal string, count int) (out []Suggestion, err error) {
	const doing = "looking for packages"
	if count < 1 || count > 100 {
		return nil, fault(CodeInvalid, "%s: ask for 1 to 100", doing)
	}
	err = s.look(ctx, doing, func(tx *vault.Tx, now time.Time) error {
		r, err := s.table.named(ref)
		if err == nil {
			err = r.open(tx)
		}
		if err != nil {
			return err
		}
		if r.room == nil {
			return fault(CodeConflict, "%s: the room does not exist yet: it is %s", doing, r.formation.State)
		}
		p, err := ownSide(tx, r)
		if err != nil {
			return err
		}
		if deal == "" {
			out = r.room.Suggest(now, p, count)
			return nil
		}
		var id negotiation.ID
		if err := id.UnmarshalText([]byte(deal)); err != nil {
			return &Error{CodeInvalid, doing, err}
		}
		st, ok := r.room.Statement(id)
		if !ok {
			return fault(CodeNotFound, "%s: there is no such package in the room", doing)
		}
		b, ok := st.Body.(*negotiation.Package)
		if !ok {
			return fault(CodeInvalid, "%s: what was named is no package", doing)
		}
		out = r.room.Improve(now, p, b.Values, count)
		return nil
	})
	return out, err
}
