package vault

import (
	"io"
	"time"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
	"backchannel/internal/wire"
)

// Messages of negotiations are items of wire.ClassNegotiation: without header, shown
// to nobody as letters, and erased once they were delivered or read. What stays is
// what the room keeps (rooms.go): a message may hold keys that must not stay.

// MaxStrays is how many messages of one contact are kept for which there is no room.
const MaxStrays = 64

// Message is an incoming message that is here whole and was not read yet.
type Message struct {
	ID      wire.ItemID
	Contact contact.ID
	Arrived time.Time
	Size    int
	Damaged bool
}

// AddMessage accepts a message for a contact, behind all that waits for it.
func (tx *Tx) AddMessage(to contact.ID, id wire.ItemID, raw []byte) (Outgoing, error) {
	n, err := tx.number(to)
	if err != nil {
		return Outgoing{}, err
	}
	created := millis(tx.now())
	number, err := tx.nextWaiting(n, created)
	if err != nil {
		return Outgoing{}, err
	}
	if err := tx.exec(`INSERT INTO items (number, id, contact, outgoing, class, header, parsed, size, done, created, finished, read, damaged, digest)
		VALUES (?, ?, ?, 1, ?, x'', 1, ?, 0, ?, 0, 1, 0, x'')`, number, id, n, int(wire.ClassNegotiation), len(raw), created); err != nil {
		return Outgoing{}, err
	}
	for start := 0; start < len(raw); start += chunkSize {
		if err := tx.exec(`INSERT INTO chunks (item, start, data) VALUES (?, ?, ?)`, number, start, raw[start:min(start+chunkSize, len(raw))]); err != nil {
			return Outgoing{}, err
		}
	}
	return Outgoing{ID: id, Class: wire.ClassNegotiation, Size: uint32(len(raw))}, nil
}

// nextWaiting is the number of an item that goes behind all that waits for the
// contact in row n, also after the clock went back.
func (tx *Tx) nextWaiting(n, created int64) (int64, error) {
	before := int64(0)
	if err := tx.query(`SELECT max(number) FROM items INDEXED BY items_waiting WHERE outgoing = 1 AND finished = 0 AND contact = ?`, func(s *sqlite3.Stmt) error {
		before = s.ColumnInt64(0)
		return nil
	}, n); err != nil {
		return 0, err
	}
	return tx.nextNumber(created, before)
}

// messageDelivered erases an outgoing message.
func (tx *Tx) messageDelivered(n int64, id wire.ItemID) error {
	if err := tx.exec(`DELETE FROM items WHERE id = ? AND contact = ? AND outgoing = 1 AND class = ?`, id, n, int(wire.ClassNegotiation)); err != nil {
		return err
	}
	tx.wipe = tx.wipe || tx.c.Changes() > 0
	return nil
}

// Messages lists the incoming messages that are here whole, in the order in which
// they became so.
func (tx *Tx) Messages() (out []Message, err error) {
	err = tx.query(`SELECT i.id, c.id, i.finished, i.size, i.damaged FROM items i INDEXED BY items_messages CROSS JOIN contacts c ON c.number = i.contact
		WHERE i.outgoing = 0 AND i.class = 2 AND i.finished > 0 ORDER BY i.finished, i.number`, func(s *sqlite3.Stmt) error {
		m := Message{Arrived: columnTime(s, 2), Size: s.ColumnInt(3), Damaged: s.ColumnBool(4)}
		id, err := columnID(s, 0)
		if err != nil {
			return err
		}
		who, err := columnID(s, 1)
		m.ID, m.Contact = id, who
		out = append(out, m)
		return err
	})
	return out, err
}

// ReadMessage returns the bytes of an incoming message, or ErrNotFound.
func (tx *Tx) ReadMessage(id wire.ItemID) ([]byte, error) {
	r, err := tx.ReadContent(id)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Stray is a message for which there is no room here, or that could not be read at
// all.
type Stray struct {
	Contact contact.ID
	At      time.Time
	Raw     []byte
	Reason  string
}

// AddStray keeps a message as it came, or says false if the contact has sent too
// many such.
func (tx *Tx) AddStray(m Stray) (kept bool, err error) {
	n, err := tx.number(m.Contact)
	if err != nil {
		return false, err
	}
	if err := tx.exec(`INSERT INTO strays (contact, at, raw, reason) SELECT ?1, ?2, ?3, ?4
		WHERE (SELECT count(*) FROM strays WHERE contact = ?1) < ?5`, n, m.At, bytesOf(m.Raw), m.Reason, MaxStrays); err != nil {
		return false, err
	}
	return tx.c.Changes() > 0, nil
}

// Strays lists them, oldest first.
func (tx *Tx) Strays() (out []Stray, err error) {
	err = tx.query(`SELECT c.id, s.at, s.raw, s.reason FROM strays s CROSS JOIN contacts c ON c.number = s.contact ORDER BY s.number`, func(s *sqlite3.Stmt) error {
		id, err := columnID(s, 0)
		out = append(out, Stray{id, columnTime(s, 1), columnBytes(s, 2), s.ColumnText(3)})
		return err
	})
	return out, err
}

// DeleteStrays erases all of them.
func (tx *Tx) DeleteStrays() error {
	tx.wipe = true
	return tx.exec(`DELETE FROM strays`)
}
