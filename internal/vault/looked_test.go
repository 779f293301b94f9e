package vault

import (
	"slices"
	"testing"

	"backchannel/internal/negotiation"
)

// What of a room is new is what others said after the row up to which it was looked
// at; a look never takes back what was looked at, nor goes beyond what is here.
func TestLooked(t *testing.T) {
	v, _, _, room, _ := roomed(t)
	self, other := negotiation.MemberID{1}, negotiation.MemberID{2}
	say := func(from negotiation.MemberID, ids ...byte) {
		update(t, v, func(tx *Tx) error {
			for _, id := range ids {
				if err := tx.AddRoomRows(room, []negotiation.Row{{From: from, At: start, ID: negotiation.ID{id}}}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	look := func(at int64, changed bool) {
		t.Helper()
		update(t, v, func(tx *Tx) error {
			got, err := tx.LookedAt(room, at)
			if got != changed {
				t.Errorf("looking at row %d changed something: %v", at, got)
			}
			return err
		})
	}
	news := func(looked bool, last int64, ids ...byte) {
		t.Helper()
		view(t, v, func(tx *Tx) error {
			n, err := tx.RoomNews(room, self)
			var got []byte
			for _, id := range n.IDs {
				got = append(got, id[0])
			}
			if n.Looked != looked || n.Last != last || !slices.Equal(got, ids) {
				t.Errorf("%v of %d, looked at: %v; want %v of %d, %v", got, n.Last, n.Looked, ids, last, looked)
			}
			return err
		})
	}
	news(false, 0)
	look(0, true)
	news(true, 0)
	say(other, 1, 2)
	say(self, 3)
	say(other, 4)
	news(true, 4, 1, 2, 4)
	look(2, true)
	news(true, 4, 4)
	look(1, false)
	look(5, false)
	look(4, true)
	look(4, false)
	news(true, 4)

	// What was there before the vault could tell is nothing new.
	if err := v.writer.c.Exec("UPDATE rooms SET looked = 1"); err != nil {
		t.Fatal(err)
	}
	news(true, 4, 2, 4)
	if err := v.writer.c.Exec("ALTER TABLE rooms DROP COLUMN looked; " + migrations()[5]); err != nil {
		t.Fatal(err)
	}
	news(true, 4)
}
