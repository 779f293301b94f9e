package station

import (
	"context"
	"strings"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/vault"
)

// Stray is a message of a negotiation of which nothing could be made: one for which
// there is no room here, or one that its room refused. It is kept as it came.
type Stray struct {
	Name   string    `json:"name" doc:"of the contact that sent it"`
	Time   time.Time `json:"time" doc:"when it arrived"`
	Reason string    `json:"reason" doc:"why nothing could be made of it"`
	Size   int       `json:"size" doc:"bytes that were kept"`
	Raw    []byte    `json:"raw,omitempty" doc:"as it came"`
}

// Strays lists the messages of negotiations that belong to no room here, oldest
// first. Of each contact 64 are kept at most.
func (s *Station) Strays(ctx context.Context) (out []Stray, err error) {
	out = []Stray{}
	err = s.look(ctx, "listing what belongs to no room", func(tx *vault.Tx, _ time.Time) error {
		people, err := peopleOf(tx)
		if err != nil {
			return err
		}
		all, err := tx.Strays()
		for _, m := range all {
			out = append(out, strayOf(people.known[m.Contact].Name, m.At, m.Reason, m.Raw))
		}
		return err
	})
	return out, err
}

func strayOf(name string, at time.Time, reason string, raw []byte) Stray {
	return Stray{Name: name, Time: at, Reason: strings.TrimPrefix(reason, negotiation.ErrRefused.Error()+": "), Size: len(raw), Raw: raw}
}

// EraseStrays erases all of them.
func (s *Station) EraseStrays(ctx context.Context) error {
	return s.onTable(ctx, "erasing what belongs to no room", func(b *batch) error {
		b.notices = append(b.notices, Event{Time: b.now, Kind: EventChanged})
		return b.tx.DeleteStrays()
	})
}

// RefusedIn lists the messages that a room refused, in order of arrival, as far as
// they were kept: RoomView.Refused counts all.
func (s *Station) RefusedIn(ctx context.Context, ref string) (out []Stray, err error) {
	out = []Stray{}
	err = s.inView(ctx, "listing what the room refused", ref, func(tx *vault.Tx, r *openRoom, _ time.Time) error {
		people, err := peopleOf(tx)
		if err != nil {
			return err
		}
		rows, err := tx.RoomRows(r.number)
		for _, row := range rows {
			if row.Refused != "" {
				out = append(out, strayOf(people.names(r)(row.From), row.At, row.Refused, row.Raw))
			}
		}
		return err
	})
	return out, err
}
