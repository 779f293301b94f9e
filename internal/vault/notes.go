package vault

import (
	"bytes"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// Applied is what a note of a contact changed: it acknowledged or withdrew Item.
type Applied struct {
	Contact contact.ID
	Note    wire.ItemID // the note itself
	Item    wire.ItemID // zero if it named none that it may name
	Kind    contact.Kind
}

// Applied returns what the notes that SaveSession took in have changed since it
// was last called.
func (tx *Tx) Applied() []Applied {
	out := tx.applied
	tx.applied = nil
	return out
}

// apply lets a note of the contact in row n have its effect and erases it. What it
// names must be an item of this contact and of the right direction; a note about
// anything else, or one that was applied before, changes nothing.
func (tx *Tx) apply(n int64, who contact.ID, note wire.ItemID, number int64, kind contact.Kind) error {
	var about wire.ItemID
	k, err := tx.readAt(number, 0, about[:])
	if err != nil {
		return err
	}
	if err := tx.exec(`DELETE FROM items WHERE number = ?`, number); err != nil || k != len(about) {
		return err
	}
	switch kind {
	case contact.Acknowledgement:
		err = tx.exec(`UPDATE items SET acknowledged = ? WHERE id = ? AND contact = ? AND outgoing = 1 AND note = 0 AND cancelled = 0 AND acknowledged = 0`,
			tx.now(), about, n)
	case contact.Cancellation:
		err = tx.withdrawn(n, about)
	}
	if err != nil {
		return err
	}
	a := Applied{Contact: who, Note: note, Kind: kind}
	if tx.c.Changes() > 0 {
		a.Item = about
	}
	tx.applied = append(tx.applied, a)
	return nil
}

// withdrawn drops what has arrived of an incoming item that its sender withdrew
// before it was whole. What is whole stays.
func (tx *Tx) withdrawn(n int64, id wire.ItemID) error {
	number := int64(0)
	if err := tx.query(`SELECT number FROM items WHERE id = ? AND contact = ? AND outgoing = 0 AND finished = 0 AND note = 0`, func(s *sqlite3.Stmt) error {
		number = s.ColumnInt64(0)
		return nil
	}, id, n); err != nil {
		return err
	}
	if number != 0 {
		if err := tx.exec(`DELETE FROM chunks WHERE item = ?`, number); err != nil {
			return err
		}
		tx.wipe = true
	}
	return tx.exec(`UPDATE items SET cancelled = 1, finished = ?, header = x'', parsed = 0, size = 0, done = 0, digest = x'' WHERE number = ?`, tx.now(), number)
}

// AddNote accepts a note about an item, which goes out like a signal and which
// nobody is shown; it goes when it was delivered.
func (tx *Tx) AddNote(to contact.ID, id wire.ItemID, kind contact.Kind, about wire.ItemID) (Item, error) {
	return tx.AddOutgoing(to, id, contact.NewNote(kind, about), bytes.NewReader(about[:]))
}

// Acknowledge notes that one's own person acknowledged an incoming item that is
// here whole, and accepts the note that says so to the other side. again is set if
// it was acknowledged before; then there is no second note. It is ErrIncomplete
// for any other item.
func (tx *Tx) Acknowledge(id, note wire.ItemID) (out Item, again bool, err error) {
	it, err := tx.Item(id)
	switch {
	case err != nil:
		return Item{}, false, err
	case it.Outgoing, it.Finished.IsZero(), it.Damaged, it.Cancelled:
		return Item{}, false, ErrIncomplete
	case !it.Acknowledged.IsZero():
		return Item{}, true, nil
	}
	if err := tx.exec(`UPDATE items SET acknowledged = ? WHERE id = ?`, tx.now(), id); err != nil {
		return Item{}, false, err
	}
	out, err = tx.AddNote(it.Contact, note, contact.Acknowledgement, id)
	return out, false, err
}

// CancelOutgoing notes that an outgoing item which was not delivered is withdrawn:
// it is not queued again after a restart. The session must have stopped it first.
// If a part of it may have left, the note that says so is accepted and returned.
func (tx *Tx) CancelOutgoing(id, note wire.ItemID, begun bool) (out Item, err error) {
	it, err := tx.Item(id)
	if err != nil {
		return Item{}, err
	}
	if !it.Outgoing || !it.Finished.IsZero() {
		return Item{}, ErrNotFound
	}
	if err := tx.exec(`UPDATE items SET cancelled = 1, finished = ? WHERE id = ?`, tx.now(), id); err != nil || !begun {
		return Item{}, err
	}
	return tx.AddNote(it.Contact, note, contact.Cancellation, id)
}

// nextNumber chooses the number of an item that is shown at ms: among those of the
// same millisecond the last, else a random one of it. after, if not 0, must come
// before it.
func (tx *Tx) nextNumber(ms, after int64) (int64, error) {
	first := ms << numberBits
	last := first - 1
	if err := tx.query(`SELECT number FROM items WHERE number >= ? AND number < ? ORDER BY number DESC LIMIT 1`, func(s *sqlite3.Stmt) error {
		last = s.ColumnInt64(0)
		return nil
	}, first, first+1<<numberBits); err != nil {
		return 0, err
	}
	var b [2]byte
	suite.Random(b[:])
	n := max(last, after) + 1 + int64(b[0])<<4 + int64(b[1])>>4 // below 4,096 more
	for taken := true; taken; {
		taken = false
		if err := tx.query(`SELECT 1 FROM items WHERE number = ?`, func(*sqlite3.Stmt) error { taken = true; n++; return nil }, n); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// numberBits is how many bits of a number follow the milliseconds.
const numberBits = 20

// Note tells whether an outgoing item is a note.
func (it Item) Note() bool { return it.Header.Kind.Note() }
