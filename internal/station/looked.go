package station

import (
	"context"

	"backchannel/internal/negotiation"
	"backchannel/internal/vault"
)

// What of a room is new is kept in the vault, so that a restart forgets nothing of
// it. Nobody else learns when a room was looked at: looking says nothing.

// news counts what the user has not looked at: what others said, not the steps that
// stations take by themselves.
func (i *RoomInfo) news(tx *vault.Tx, r *openRoom) error {
	var self negotiation.MemberID
	if r.room != nil {
		self = r.room.Self()
	}
	n, err := tx.RoomNews(r.number, self)
	if err != nil {
		return err
	}
	i.Mark = n.Last
	if r.room == nil {
		if !n.Looked && r.formation.State == negotiation.FormationInvited && r.formation.Inviter != (negotiation.Contact{}) {
			i.Unread = 1
		}
		return nil
	}
	for _, id := range n.IDs {
		if s, ok := r.room.Statement(id); ok && s.Spoken() {
			i.Unread++
		}
	}
	return nil
}

// MarkRoom notes that the user has looked at a room: at all that is here if mark is
// 0, else as far as the RoomInfo of that mark went.
func (s *Station) MarkRoom(ctx context.Context, ref string, mark int64) error {
	return s.onTable(ctx, "marking the room as looked at", func(b *batch) error {
		r, err := b.t.named(ref)
		if err != nil {
			return err
		}
		if mark <= 0 {
			n, err := b.tx.RoomNews(r.number, negotiation.MemberID{})
			if err != nil {
				return err
			}
			mark = n.Last
		}
		changed, err := b.tx.LookedAt(r.number, mark)
		if changed {
			b.notices = append(b.notices, Event{Time: b.now, Kind: EventChanged, Room: r.form})
		}
		return err
	})
}
