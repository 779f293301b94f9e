package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/wire"
)

// SaveSession writes what changed in a contact's session: its state, frames that
// wait for acknowledgement, what was received, how far items were sent and which
// were delivered. It is ErrNotFound if the contact is gone. A Delta that is not
// Dirty writes nothing. With Restart the contact is prepared for a stream that
// begins afresh, after what the one before had received and delivered.
func (tx *Tx) SaveSession(id contact.ID, d pairwise.Delta) error {
	n, err := tx.number(id)
	if err != nil || !d.Dirty {
		return err
	}
	if err := tx.exec(`INSERT INTO sessions (contact, state) VALUES (?, ?) ON CONFLICT (contact) DO UPDATE SET state = excluded.state`, n, d.State); err != nil {
		return err
	}
	for _, p := range d.Progress {
		if err := tx.exec(`UPDATE items SET done = ? WHERE id = ? AND contact = ? AND outgoing = 1`, p.Assigned, p.Item, n); err != nil {
			return err
		}
	}
	for _, item := range d.Delivered {
		if err := tx.exec(`UPDATE items SET done = size, finished = ? WHERE id = ? AND contact = ? AND outgoing = 1 AND finished = 0`, tx.now(), item, n); err != nil {
			return err
		}
		if err := tx.exec(`DELETE FROM items WHERE id = ? AND contact = ? AND outgoing = 1 AND note > 0`, item, n); err != nil {
			return err
		}
		if err := tx.messageDelivered(n, item); err != nil {
			return err
		}
	}
	if err := tx.receive(n, id, d.Records); err != nil {
		return err
	}
	if d.Restart {
		if err := tx.restart(n); err != nil {
			return err
		}
	}
	for _, seq := range d.DropFrames {
		if err := tx.exec(`DELETE FROM frames WHERE contact = ? AND seq = ?`, n, seq); err != nil {
			return err
		}
	}
	for _, f := range d.AddFrames {
		if err := tx.exec(`INSERT INTO frames (contact, seq, payload) VALUES (?, ?, ?)`, n, f.Seq, f.Payload); err != nil {
			return err
		}
	}
	return nil
}

// LoadSession returns a contact's stored session for pairwise.Load. It is
// ErrNotFound if none was saved.
func (tx *Tx) LoadSession(id contact.ID) (state []byte, frames []pairwise.StoredFrame, err error) {
	n, err := tx.number(id)
	if err != nil {
		return nil, nil, err
	}
	if err := tx.one(`SELECT state FROM sessions WHERE contact = ?`, func(s *sqlite3.Stmt) error {
		state = columnBytes(s, 0)
		return nil
	}, n); err != nil {
		return nil, nil, err
	}
	err = tx.query(`SELECT seq, payload FROM frames WHERE contact = ? ORDER BY seq`, func(s *sqlite3.Stmt) error {
		frames = append(frames, pairwise.StoredFrame{Seq: uint32(s.ColumnInt64(0)), Payload: columnBytes(s, 1)})
		return nil
	}, n)
	return state, frames, err
}

// arrival is an incoming item while its records are taken in.
type arrival struct {
	number  int64
	header  []byte
	parsed  bool
	size    int64
	done    int64
	damaged bool
	digest  []byte
	class   wire.Class
}

// receive appends records to their items. The stream hands over each item's
// records in order and once; what a misbehaving peer sends instead is kept as
// damaged or dropped, never an error: an error would stop every other contact's
// commit with it.
func (tx *Tx) receive(n int64, who contact.ID, records []wire.Record) error {
	for len(records) > 0 {
		k := 1 // records of one item that follow each other
		for k < len(records) && records[k].Item == records[0].Item && records[k].Offset > 0 {
			k++
		}
		if err := tx.receiveItem(n, who, records[:k]); err != nil {
			return err
		}
		records = records[k:]
	}
	return nil
}

func (tx *Tx) receiveItem(n int64, who contact.ID, records []wire.Record) error {
	first := records[0]
	a, err := tx.arrival(n, first)
	if a == nil || err != nil {
		return err
	}
	if first.Offset == 0 && a.done > 0 { // the sender begins again
		if err := tx.exec(`DELETE FROM chunks WHERE item = ?`, a.number); err != nil {
			return err
		}
		*a = arrival{number: a.number, class: a.class}
	}
	var content []byte
	start := a.done - int64(len(a.header))
	last := false
	for _, r := range records {
		if int64(r.Offset) != a.done {
			continue
		}
		a.done += int64(len(r.Data))
		last = r.Last
		if !a.damaged {
			content = append(content, a.split(r.Data)...)
		}
	}
	if err := a.count(content, last); err != nil {
		return err
	}
	if len(content) > 0 && !a.damaged {
		if err := tx.exec(`INSERT INTO chunks (item, start, data) VALUES (?, ?, ?)`, a.number, start, content); err != nil {
			return err
		}
	}
	finished := int64(0)
	if last {
		finished = millis(tx.now())
	}
	h, note := contact.Header{}, 0
	if a.parsed && len(a.header) > 0 && !a.damaged {
		if h, _, err = contact.ParseHeader(a.header); err != nil {
			return fmt.Errorf("%w: a stored header", ErrDamaged)
		}
		if h.Kind.Note() {
			note = int(h.Kind)
		}
	}
	if err := tx.exec(`UPDATE items SET class = ?, header = ?, parsed = ?, size = ?, done = ?, finished = ?, damaged = ?, digest = ?, note = ? WHERE number = ?`,
		int(a.class), a.header, a.parsed, a.size, a.done, finished, a.damaged, a.digest, note, a.number); err != nil {
		return err
	}
	switch {
	case !last || h.Kind == 0:
		return nil
	case note > 0:
		return tx.apply(n, who, first.Item, a.number, h.Kind)
	}
	return tx.index(a.number, n, h)
}

// arrival finds or makes the item of a record; nil if the record is to be
// dropped: the item is here already, or its identifier is another item's.
func (tx *Tx) arrival(n int64, r wire.Record) (*arrival, error) {
	var a *arrival
	err := tx.query(`SELECT number, class, header, parsed, size, done, damaged, digest, contact, outgoing, finished FROM items WHERE id = ?`, func(s *sqlite3.Stmt) error {
		a = &arrival{
			number: s.ColumnInt64(0), class: wire.Class(s.ColumnInt(1)), header: columnBytes(s, 2), parsed: s.ColumnBool(3),
			size: s.ColumnInt64(4), done: s.ColumnInt64(5), damaged: s.ColumnBool(6), digest: columnBytes(s, 7),
		}
		if s.ColumnInt64(8) != n || s.ColumnBool(9) || s.ColumnInt64(10) != 0 || a.class != r.Class {
			a.number = 0
		}
		return nil
	}, r.Item)
	switch {
	case err != nil:
		return nil, err
	case a != nil && a.number == 0:
		return nil, nil
	case a != nil:
		return a, nil
	case r.Offset != 0:
		return nil, nil
	}
	if gone, err := tx.erased(n, r.Item); gone || err != nil {
		return nil, err
	}
	created := millis(tx.now())
	number, err := tx.nextNumber(created, 0)
	if err != nil {
		return nil, err
	}
	err = tx.exec(`INSERT INTO items (number, id, contact, outgoing, class, header, parsed, size, done, created, finished, read, damaged, digest)
		VALUES (?, ?, ?, 0, ?, x'', 0, 0, 0, ?, 0, 0, 0, x'')`, number, r.Item, n, int(r.Class), created)
	return &arrival{number: number, class: r.Class}, err
}

// split takes the header off the beginning of an item and returns the content.
func (a *arrival) split(data []byte) []byte {
	if a.parsed || a.class == wire.ClassNegotiation {
		a.parsed = true
		return data
	}
	before := len(a.header)
	a.header = append(a.header, data...)
	h, size, err := contact.ParseHeader(a.header)
	switch {
	case err != nil, size > 0 && h.Kind.Class() != a.class:
		a.spoil()
		return nil
	case size == 0:
		return nil
	}
	a.header, a.parsed, a.size = a.header[:size], true, int64(size)+int64(h.Size)
	return data[size-before:]
}

// spoil keeps of a damaged item that it was there.
func (a *arrival) spoil() {
	a.damaged, a.header, a.parsed, a.size, a.digest = true, nil, false, 0, nil
}

// count adds content to the digest and, at the end, compares it and the size with
// the header.
func (a *arrival) count(content []byte, last bool) error {
	if a.damaged {
		return nil
	}
	if a.parsed && len(a.header) > 0 && a.done > a.size || a.done > contact.MaxItem {
		a.damaged = true
		return nil
	}
	h := sha256.New()
	if len(a.digest) > 0 {
		if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(a.digest); err != nil {
			return fmt.Errorf("%w: a running digest", ErrDamaged)
		}
	}
	h.Write(content)
	if !last {
		state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
		a.digest = state
		return err
	}
	a.digest = h.Sum(nil)
	if a.class == wire.ClassNegotiation {
		a.size = a.done
		return nil
	}
	want, size, err := contact.ParseHeader(a.header)
	if err != nil || size == 0 || a.done != a.size || !bytes.Equal(a.digest, want.SHA256[:]) {
		if err != nil && !errors.Is(err, contact.ErrHeader) {
			return err
		}
		a.damaged = true
	}
	return nil
}
