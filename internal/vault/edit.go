package vault

import (
	"errors"
	"io"
	"time"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
	"backchannel/internal/wire"
)

// ErrFixed is what an own copy that cannot be changed is: one under way, withdrawn
// or damaged.
var ErrFixed = errors.New("only what was delivered or has arrived as a whole can be changed")

// Change is what ChangeItem makes of an own copy; nil leaves a thing as it is.
type Change struct {
	Subject *string
	Text    *string
	Time    *time.Time // the time shown
}

// ChangeItem changes one's own copy of an item, so that nothing in the vault tells
// that it was another: header, sizes, digest, pieces, index and place in the order
// are what they would be had it been so from the beginning. The other side's copy
// stays as it is.
func (tx *Tx) ChangeItem(id wire.ItemID, c Change) (Item, error) {
	it, err := tx.Item(id)
	switch {
	case err != nil:
		return it, err
	case it.Finished.IsZero(), it.Damaged, it.Cancelled, it.Class == wire.ClassNegotiation, it.Note():
		return it, ErrFixed
	}
	content, err := io.ReadAll(&contentReader{tx: tx, item: it.Number})
	if err != nil {
		return it, err
	}
	h, by := it.Header, time.Duration(0)
	subject, mediaType := h.Subject, h.Type
	if c.Subject != nil {
		subject = *c.Subject
	}
	if c.Text != nil {
		if mediaType, content, err = contact.EditText(h, content, *c.Text); err != nil {
			return it, err
		}
	}
	at := h.Time
	if c.Time != nil {
		by = c.Time.Truncate(time.Millisecond).Sub(it.Created)
		if !at.IsZero() {
			at = at.Add(by)
		}
		if it.Outgoing {
			at = *c.Time // written and accepted in the same second
		}
	}
	next, err := contact.NewHeader(h.Kind, subject, h.Name, mediaType, at, content)
	if err != nil {
		return it, err
	}
	n, err := tx.number(it.Contact)
	if err != nil {
		return it, err
	}
	number := it.Number
	if by != 0 {
		if number, err = tx.move(it.Number, by); err != nil {
			return it, err
		}
	}
	if err := tx.fill(number, n, it.Outgoing, next, content); err != nil {
		return it, err
	}
	return tx.Item(id)
}

// move shifts every time of an item and puts it where its time belongs.
func (tx *Tx) move(number int64, by time.Duration) (int64, error) {
	var created int64
	if err := tx.one(`SELECT created FROM items WHERE number = ?`, func(s *sqlite3.Stmt) error {
		created = s.ColumnInt64(0)
		return nil
	}, number); err != nil {
		return 0, err
	}
	ms := by.Milliseconds()
	next, err := tx.nextNumber(created+ms, 0)
	if err != nil {
		return 0, err
	}
	// The pieces follow within the transaction; the index follows its text.
	if err := tx.exec(`PRAGMA defer_foreign_keys = ON`); err != nil {
		return 0, err
	}
	if err := tx.exec(`DELETE FROM texts WHERE item = ?`, number); err != nil {
		return 0, err
	}
	if err := tx.exec(`UPDATE chunks SET item = ? WHERE item = ?`, next, number); err != nil {
		return 0, err
	}
	return next, tx.exec(`UPDATE items SET number = ?1, created = created + ?2, finished = iif(finished = 0, 0, finished + ?2),
		seen = iif(seen = 0, 0, seen + ?2), acknowledged = iif(acknowledged = 0, 0, acknowledged + ?2) WHERE number = ?3`, next, ms, number)
}

// fill gives a finished item its header and content, in the pieces in which a
// station would have it.
func (tx *Tx) fill(number, owner int64, outgoing bool, h contact.Header, content []byte) error {
	header, err := h.Encode()
	if err != nil {
		return err
	}
	size := len(header) + len(content)
	if err := tx.exec(`UPDATE items SET class = ?, header = ?, parsed = 1, size = ?, done = ?, digest = ? WHERE number = ?`,
		int(h.Kind.Class()), header, size, size, h.SHA256[:], number); err != nil {
		return err
	}
	if err := tx.exec(`DELETE FROM chunks WHERE item = ?`, number); err != nil {
		return err
	}
	tx.wipe = true
	// What arrives comes record by record, the first with the header.
	piece, first := wire.MaxRecordData, wire.MaxRecordData-len(header)
	if outgoing {
		piece, first = chunkSize, chunkSize
	}
	for start := 0; start < len(content); {
		k := piece
		if start == 0 {
			k = first
		}
		k = min(k, len(content)-start)
		if err := tx.exec(`INSERT INTO chunks (item, start, data) VALUES (?, ?, ?)`, number, start, content[start:start+k]); err != nil {
			return err
		}
		start += k
	}
	return tx.index(number, owner, h)
}

// Inserted is an item that is put into a conversation as if it had been there.
type Inserted struct {
	ID       wire.ItemID
	Contact  contact.ID
	Outgoing bool
	Header   contact.Header
	Content  []byte
	Created  time.Time // the time shown
	Finished time.Time // when it was delivered or had arrived, after Created
	Seen     time.Time // when it was read, if incoming
}

// InsertItem puts an item into one's own copy of a conversation. No column tells it
// from one that a session brought or took.
func (tx *Tx) InsertItem(in Inserted) (Item, error) {
	n, err := tx.number(in.Contact)
	if err != nil {
		return Item{}, err
	}
	number, err := tx.nextNumber(millis(in.Created), 0)
	if err != nil {
		return Item{}, err
	}
	seen := int64(0)
	if !in.Outgoing {
		seen = millis(in.Seen)
	}
	if err := tx.exec(`INSERT INTO items (number, id, contact, outgoing, class, header, parsed, size, done, created, finished, read, damaged, digest, seen)
		VALUES (?, ?, ?, ?, 0, x'', 1, 0, 0, ?, ?, ?, 0, x'', ?)`,
		number, in.ID, n, in.Outgoing, in.Created, in.Finished, in.Outgoing || seen > 0, seen); err != nil {
		return Item{}, err
	}
	if err := tx.fill(number, n, in.Outgoing, in.Header, in.Content); err != nil {
		return Item{}, err
	}
	return tx.Item(in.ID)
}

// Summary is what a list of contacts says of one.
type Summary struct {
	Waiting int       // items not yet delivered
	Unread  int       // items that are here whole and were not read
	Last    time.Time // of the newest item, zero if there is none
}

// Summaries returns the summary of every contact.
func (tx *Tx) Summaries() (map[contact.ID]Summary, error) {
	out := map[contact.ID]Summary{}
	waiting, err := tx.Waiting()
	if err != nil {
		return nil, err
	}
	err = tx.query(`SELECT id, (SELECT count(*) FROM items i INDEXED BY items_counted WHERE i.contact = c.number AND outgoing = 0 AND read = 0 AND finished > 0 AND note = 0 AND class <> ?1),
		(SELECT created FROM items i WHERE i.contact = c.number AND note = 0 AND class <> ?1 ORDER BY i.number DESC LIMIT 1) FROM contacts c`, func(s *sqlite3.Stmt) error {
		id, err := columnID(s, 0)
		out[id] = Summary{waiting[id], s.ColumnInt(1), columnTime(s, 2)}
		return err
	}, int(wire.ClassNegotiation))
	return out, err
}

// Draft is what somebody began to write to a contact.
type Draft struct{ Kind, Subject, Text string }

// PutDraft keeps a draft; an empty one erases it.
func (tx *Tx) PutDraft(to contact.ID, d Draft) error {
	n, err := tx.number(to)
	if err != nil {
		return err
	}
	tx.wipe = true // of what stood there before
	if d.Subject == "" && d.Text == "" {
		return tx.exec(`DELETE FROM drafts WHERE contact = ?`, n)
	}
	return tx.exec(`INSERT INTO drafts (contact, kind, subject, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (contact) DO UPDATE SET kind = excluded.kind, subject = excluded.subject, body = excluded.body`, n, d.Kind, d.Subject, d.Text)
}

// Draft returns a contact's draft, empty if there is none.
func (tx *Tx) Draft(to contact.ID) (d Draft, err error) {
	n, err := tx.number(to)
	if err != nil {
		return d, err
	}
	return d, tx.query(`SELECT kind, subject, body FROM drafts WHERE contact = ?`, func(s *sqlite3.Stmt) error {
		d = Draft{s.ColumnText(0), s.ColumnText(1), s.ColumnText(2)}
		return nil
	}, n)
}

// Gone is an item that a sweep erased.
type Gone struct {
	Contact contact.ID
	ID      wire.ItemID
}

// Expired lists items, limit at most, whose contact's expiry has passed at now.
// What was not delivered or not read is never among them.
func (tx *Tx) Expired(now time.Time, limit int) (out []Gone, err error) {
	type rule struct {
		n      int64
		id     contact.ID
		before int64
	}
	var rules []rule
	if err := tx.query(`SELECT number, id, expiry FROM contacts WHERE expiry > 0`, func(s *sqlite3.Stmt) error {
		id, err := columnID(s, 1)
		rules = append(rules, rule{s.ColumnInt64(0), id, millis(now) - s.ColumnInt64(2)*1000})
		return err
	}); err != nil {
		return nil, err
	}
	for _, r := range rules {
		if len(out) == limit {
			break
		}
		if err := tx.query(`SELECT id FROM items INDEXED BY items_retained WHERE contact = ? AND finished > 0 AND note = 0
			AND iif(outgoing, finished, seen) > 0 AND iif(outgoing, finished, seen) <= ? AND class <> ? LIMIT ?`, func(s *sqlite3.Stmt) error {
			id, err := columnID(s, 0)
			out = append(out, Gone{r.id, id})
			return err
		}, r.n, r.before, int(wire.ClassNegotiation), limit-len(out)); err != nil {
			return nil, err
		}
	}
	return out, nil
}
