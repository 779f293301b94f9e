package vault

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
	"backchannel/internal/wire"
)

// chunkSize is the size of the pieces in which outgoing content is stored.
const chunkSize = 32 << 10

// AddOutgoing accepts an item from the user: h describes content, which is read
// to its end. The identifier must be new. When Update returns, the item is the
// station's to deliver.
func (tx *Tx) AddOutgoing(to contact.ID, id wire.ItemID, h contact.Header, content io.Reader) (Item, error) {
	n, err := tx.number(to)
	if err != nil {
		return Item{}, err
	}
	header, err := h.Encode()
	if err != nil {
		return Item{}, err
	}
	size := uint32(len(header)) + h.Size
	note, created := 0, millis(tx.now())
	if h.Kind.Note() {
		note = int(h.Kind)
	}
	number, err := tx.nextWaiting(n, created)
	if err != nil {
		return Item{}, err
	}
	err = tx.exec(`INSERT INTO items (number, id, contact, outgoing, class, header, parsed, size, done, created, finished, read, damaged, digest, note)
		VALUES (?, ?, ?, 1, ?, ?, 1, ?, 0, ?, 0, 1, 0, ?, ?)`, number, id, n, int(h.Kind.Class()), header, size, created, h.SHA256[:], note)
	if err != nil {
		return Item{}, err
	}
	digest := sha256.New()
	buf := make([]byte, min(chunkSize, int(h.Size)+1))
	for start := 0; ; {
		k, err := io.ReadFull(content, buf)
		if k > 0 {
			digest.Write(buf[:k])
			if err := tx.exec(`INSERT INTO chunks (item, start, data) VALUES (?, ?, ?)`, number, start, buf[:k]); err != nil {
				return Item{}, err
			}
		}
		start += k
		switch {
		case err == nil && start <= int(h.Size):
		case err == nil, start != int(h.Size) && (err == io.EOF || err == io.ErrUnexpectedEOF):
			return Item{}, errors.New("the content has another size than its header says: it changed while it was read; try again")
		case err != io.EOF && err != io.ErrUnexpectedEOF:
			return Item{}, fmt.Errorf("reading the content: %w", err)
		case !bytes.Equal(digest.Sum(nil), h.SHA256[:]):
			return Item{}, errors.New("the content has another SHA-256 than its header says: it changed while it was read; try again")
		default:
			if err := tx.index(number, n, h); err != nil {
				return Item{}, err
			}
			return tx.Item(id)
		}
	}
}

// Outgoing is an item that was not delivered yet, as a session wants it.
type Outgoing struct {
	ID       wire.ItemID
	Class    wire.Class
	Size     uint32 // header and content
	Assigned uint32 // bytes that are in frames already
	Note     bool   // a note about an item, which nobody is shown
}

// Outgoing lists what a contact was not delivered yet, in the order in which it
// was accepted.
func (tx *Tx) Outgoing(id contact.ID) (out []Outgoing, err error) {
	n, err := tx.number(id)
	if err != nil {
		return nil, err
	}
	err = tx.query(`SELECT id, class, size, done, note FROM items INDEXED BY items_waiting WHERE contact = ? AND outgoing = 1 AND finished = 0 ORDER BY number`, func(s *sqlite3.Stmt) error {
		id, err := columnID(s, 0)
		out = append(out, Outgoing{id, wire.Class(s.ColumnInt(1)), uint32(s.ColumnInt64(2)), uint32(s.ColumnInt64(3)), s.ColumnBool(4)})
		return err
	}, n)
	return out, err
}

// ReadOutgoing copies bytes of an outgoing item, header and content, from off
// into p. It returns fewer than len(p) only at the end of the item.
func (tx *Tx) ReadOutgoing(id wire.ItemID, off uint32, p []byte) (int, error) {
	var number int64
	var header []byte
	if err := tx.one(`SELECT number, header FROM items WHERE id = ? AND outgoing = 1`, func(s *sqlite3.Stmt) error {
		number, header = s.ColumnInt64(0), columnBytes(s, 1)
		return nil
	}, id); err != nil {
		return 0, err
	}
	got := 0
	if int(off) < len(header) {
		got = copy(p, header[off:])
	}
	n, err := tx.readAt(number, int64(off)+int64(got)-int64(len(header)), p[got:])
	return got + n, err
}

// readAt copies content from off; fewer bytes than asked for are the end of what
// is there.
func (tx *Tx) readAt(item, off int64, p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	err = tx.query(`SELECT start, data FROM chunks WHERE item = ?1 AND start < ?3
		AND start >= (SELECT max(start) FROM chunks WHERE item = ?1 AND start <= ?2) ORDER BY start`, func(s *sqlite3.Stmt) error {
		start, data := s.ColumnInt64(0), s.ColumnRawBlob(1)
		if from := off + int64(n) - start; from >= 0 && from < int64(len(data)) {
			n += copy(p[n:], data[from:])
		}
		return nil
	}, item, off, off+int64(len(p)))
	return n, err
}

// ReadContent returns the content of an item that is here whole, without its
// header. The reader is valid within the transaction only. It is ErrNotFound if
// there is no such item and ErrIncomplete if it still arrives or is damaged.
func (tx *Tx) ReadContent(id wire.ItemID) (io.Reader, error) {
	var r contentReader
	if err := tx.one(`SELECT number FROM items WHERE id = ?`, func(s *sqlite3.Stmt) error {
		r = contentReader{tx: tx, item: s.ColumnInt64(0)}
		return nil
	}, id); err != nil {
		return nil, err
	}
	it, err := tx.Item(id)
	if err != nil {
		return nil, err
	}
	if it.Damaged || !it.Outgoing && (it.Finished.IsZero() || it.Cancelled) {
		return nil, ErrIncomplete
	}
	return &r, nil
}

type contentReader struct {
	tx   *Tx
	item int64
	off  int64
}

// Read implements io.Reader.
func (r *contentReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.tx.readAt(r.item, r.off, p)
	r.off += int64(n)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}
