package vault

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
	"backchannel/internal/wire"
)

// State is how far an item got.
type State uint8

// The states of an item. The first three are those of an outgoing one.
const (
	StateWaiting      State = 1 + iota // nothing of it is in a frame yet
	StateSent                          // some or all of it is in frames
	StateDelivered                     // all of it is in the other station's vault
	StateArriving                      // part of it is here
	StateArrived                       // all of it is here
	StateAcknowledged                  // delivered, and a person there said so
	StateCancelled                     // withdrawn by its sender before it was whole
)

// Item is a signal, a letter or a message of a negotiation.
type Item struct {
	Number   int64 // ascends with the time shown
	ID       wire.ItemID
	Contact  contact.ID
	Outgoing bool
	Class    wire.Class

	// Header is what precedes the content; zero before it arrived whole, if the
	// item is damaged, and for messages of negotiations.
	Header contact.Header

	Size     uint32 // header and content in bytes; 0 while not known
	Done     uint32 // of these in frames (outgoing) or here (incoming)
	Created  time.Time
	Finished time.Time // when it was delivered or had arrived; zero before
	Read     bool

	// SHA256 is computed over the content that is here; zero while it arrives.
	SHA256 [32]byte

	// Damaged is set for what the other side sent in another form than it said.
	Damaged bool

	Acknowledged time.Time // when a person said so: theirs (outgoing) or one's own (incoming)
	Cancelled    bool      // withdrawn by its sender
	Expires      time.Time // when this copy will be erased; zero while that is not known

	// What can be read of an item that is here whole. Body is empty for one that is
	// no text, or a longer one than contact.MaxText.
	Body     string
	BodyType string // text/plain or text/markdown
	Parts    []Attachment
}

// State returns how far the item got.
func (it Item) State() State {
	switch {
	case it.Cancelled:
		return StateCancelled
	case it.Outgoing && !it.Finished.IsZero() && !it.Acknowledged.IsZero():
		return StateAcknowledged
	case it.Outgoing && !it.Finished.IsZero():
		return StateDelivered
	case it.Outgoing && it.Done > 0:
		return StateSent
	case it.Outgoing:
		return StateWaiting
	case !it.Finished.IsZero():
		return StateArrived
	}
	return StateArriving
}

// Filter chooses items. The zero value chooses all.
type Filter struct {
	Contact     contact.ID // only of this contact
	Incoming    bool       // only what came in
	Outgoing    bool       // only what goes out
	Unread      bool       // only what came in whole and was not read
	Undelivered bool       // only what goes out and was not delivered
	Talk        bool       // no messages of negotiations
	Before      int64      // only with a lower Number, for pages; 0 for all
	Limit       int        // the newest so many; 0 for all
}

// itemColumns leaves the digest of an unfinished item out: it is a state. CROSS
// makes SQLite go through items, whose order and limit are asked for, not through
// contacts.
const (
	itemColumns = `SELECT i.number, i.id, c.id, outgoing, class, header, parsed, size, done, i.created, finished, read, damaged,
	iif(finished > 0 OR outgoing = 1, digest, x''), acknowledged, cancelled,
	iif(c.expiry = 0 OR finished = 0 OR iif(outgoing, finished, seen) = 0, 0, iif(outgoing, finished, seen) + c.expiry * 1000),
	coalesce(t.body, ''), coalesce(t.body_type, ''), coalesce(t.parts, '') FROM items i`
	itemOwner = ` CROSS JOIN contacts c ON c.number = i.contact LEFT JOIN texts t ON t.item = i.number`
)

func columnItem(s *sqlite3.Stmt) (it Item, err error) {
	if it.ID, err = columnID(s, 1); err != nil {
		return it, err
	}
	id, err := columnID(s, 2)
	if err != nil {
		return it, err
	}
	it.Number, it.Contact = s.ColumnInt64(0), id
	it.Outgoing, it.Class = s.ColumnBool(3), wire.Class(s.ColumnInt(4))
	it.Size, it.Done = uint32(s.ColumnInt64(7)), uint32(s.ColumnInt64(8))
	it.Created, it.Finished = columnTime(s, 9), columnTime(s, 10)
	it.Read, it.Damaged = s.ColumnBool(11), s.ColumnBool(12)
	copy(it.SHA256[:], s.ColumnRawBlob(13))
	it.Acknowledged, it.Cancelled, it.Expires = columnTime(s, 14), s.ColumnBool(15), columnTime(s, 16)
	it.Body, it.BodyType = s.ColumnText(17), s.ColumnText(18)
	if parts := s.ColumnRawText(19); len(parts) > 0 {
		if err := json.Unmarshal(parts, &it.Parts); err != nil {
			return it, fmt.Errorf("%w: a list of attachments", ErrDamaged)
		}
	}
	if raw := s.ColumnRawBlob(5); s.ColumnBool(6) && len(raw) > 0 && !it.Damaged {
		if it.Header, _, err = contact.ParseHeader(raw); err != nil {
			return it, fmt.Errorf("%w: a stored header", ErrDamaged)
		}
	}
	return it, nil
}

// Items lists the chosen items, oldest first.
func (tx *Tx) Items(f Filter) (out []Item, err error) {
	where := []string{"note = 0"}
	var args []any
	if f.Contact != (contact.ID{}) {
		n, err := tx.number(f.Contact)
		if err != nil {
			return nil, err
		}
		where, args = append(where, "i.contact = ?"), append(args, n)
	}
	for _, w := range []struct {
		on  bool
		sql string
	}{
		{f.Incoming, "outgoing = 0"},
		{f.Outgoing, "outgoing = 1"},
		{f.Unread, "outgoing = 0 AND read = 0 AND finished > 0"},
		{f.Undelivered, "outgoing = 1 AND finished = 0"},
	} {
		if w.on {
			where = append(where, w.sql)
		}
	}
	if f.Talk {
		where, args = append(where, "class <> ?"), append(args, int(wire.ClassNegotiation))
	}
	if f.Before > 0 {
		where, args = append(where, "i.number < ?"), append(args, f.Before)
	}
	sql := itemColumns
	if f.Undelivered {
		sql += " INDEXED BY items_waiting" // always few
	}
	sql += itemOwner + " WHERE " + strings.Join(where, " AND ") + " ORDER BY i.number DESC"
	if f.Limit > 0 {
		sql, args = sql+" LIMIT ?", append(args, f.Limit)
	}
	err = tx.query(sql, func(s *sqlite3.Stmt) error {
		it, err := columnItem(s)
		out = append(out, it)
		return err
	}, args...)
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, err
}

// Item returns one item, or ErrNotFound.
func (tx *Tx) Item(id wire.ItemID) (it Item, err error) {
	err = tx.one(itemColumns+itemOwner+` WHERE i.id = ?`, func(s *sqlite3.Stmt) (err error) {
		it, err = columnItem(s)
		return err
	}, id)
	return it, err
}

// Find returns the identifiers, two at most, that begin with so many hexadecimal
// digits.
func (tx *Tx) Find(digits string) (out []wire.ItemID, err error) {
	digits = strings.ToLower(digits)
	if digits == "" || len(digits) > 32 || strings.Trim(digits, "0123456789abcdef") != "" {
		return nil, nil
	}
	low, _ := hex.DecodeString(digits + strings.Repeat("0", 32-len(digits)))
	high, _ := hex.DecodeString(digits + strings.Repeat("f", 32-len(digits)))
	err = tx.query(`SELECT id FROM items WHERE id BETWEEN ? AND ? AND note = 0 LIMIT 2`, func(s *sqlite3.Stmt) error {
		id, err := columnID(s, 0)
		out = append(out, id)
		return err
	}, low, high)
	return out, err
}

// Waiting counts the items of each contact that were not delivered yet.
func (tx *Tx) Waiting() (map[contact.ID]int, error) {
	out := map[contact.ID]int{}
	err := tx.query(`SELECT c.id, count(*) FROM items i INDEXED BY items_waiting CROSS JOIN contacts c ON c.number = i.contact
		WHERE outgoing = 1 AND finished = 0 AND note = 0 GROUP BY i.contact`, func(s *sqlite3.Stmt) error {
		id, err := columnID(s, 0)
		out[id] = s.ColumnInt(1)
		return err
	})
	return out, err
}

// MarkRead notes that an incoming item was read, here only. It is ErrNotFound if
// there is none.
func (tx *Tx) MarkRead(id wire.ItemID) error {
	if err := tx.exec(`UPDATE items SET read = 1, seen = iif(seen = 0, ?, seen) WHERE id = ? AND outgoing = 0`, tx.now(), id); err != nil {
		return err
	}
	if tx.c.Changes() == 0 {
		return ErrNotFound
	}
	return nil
}

// DeleteItem erases an item. One that a session still sends must be taken out of
// its queue first. What was in the log is gone when Update returns.
func (tx *Tx) DeleteItem(id wire.ItemID) error {
	if err := tx.exec(`DELETE FROM items WHERE id = ?`, id); err != nil {
		return err
	}
	if tx.c.Changes() == 0 {
		return ErrNotFound
	}
	tx.wipe = true
	return nil
}
