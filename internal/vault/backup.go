package vault

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
)

// backupBatch is about how many bytes of items are read in one go. Between two the
// vault is free for the station; a batch is written while it is.
const backupBatch = 1 << 20

// Backup writes an encrypted backup: contacts with their K_re, lanes, items with
// their contents, rooms, the published seal key, and which invitations were used. It
// has no other key and nothing of a running conversation. It is the state of when it began, but that an item
// which is delivered or deleted meanwhile may stand in it either way. net is noted
// in it. If it fails, what was written does not open to its end.
func (v *Vault) Backup(w io.Writer, passphrase []byte, net [32]byte) error {
	if err := v.backup(w, passphrase, net); err != nil {
		return explain("making the backup", err)
	}
	return nil
}

func (v *Vault) backup(w io.Writer, passphrase []byte, net [32]byte) error {
	s, err := newSealer(w, passphrase, v.opt.KDF)
	if err != nil {
		return err
	}
	d := dumper{people: map[int64]contact.ID{}}
	if err := v.View(func(tx *Tx) error { return d.begin(tx, net) }); err != nil {
		return err
	}
	for done := false; !done; {
		if _, err := s.Write(d.out); err != nil {
			return err
		}
		d.out = d.out[:0]
		if err := v.View(func(tx *Tx) (err error) {
			done, err = d.batch(tx)
			return err
		}); err != nil {
			return err
		}
	}
	if err := d.add(dumpRecord{Kind: dumpEnd, Rows: d.rows, Keys: d.keys}); err != nil {
		return err
	}
	if _, err := s.Write(d.out); err != nil {
		return err
	}
	return s.Close()
}

// dumper makes the records of a backup.
type dumper struct {
	out        []byte // not written yet
	people     map[int64]contact.ID
	item, last int64 // items up to item are done; last is the last
	rows, keys uint64
}

func (d *dumper) add(r dumpRecord) (err error) {
	d.out, err = r.append(d.out)
	return err
}

// begin writes what is small, as of one moment.
func (d *dumper) begin(tx *Tx, net [32]byte) error {
	head := dumpRecord{Kind: dumpHead, Version: dumpVersion, Schema: uint32(len(migrations())), Time: tx.now().UnixMilli(), Net: net[:]}
	if err := d.add(head); err != nil {
		return err
	}
	for _, t := range backupRules {
		r := dumpRecord{Kind: dumpTable, Name: t.name}
		for _, c := range t.columns {
			r.Columns = append(r.Columns, c.name)
		}
		if err := d.add(r); err != nil {
			return err
		}
	}
	for i, t := range backupRules {
		if t.item == "" {
			if err := d.table(tx, i, ""); err != nil {
				return err
			}
		}
	}
	if err := tx.query(`SELECT number, id FROM contacts`, func(s *sqlite3.Stmt) (err error) {
		d.people[s.ColumnInt64(0)], err = columnID(s, 1)
		return err
	}); err != nil {
		return err
	}
	if err := d.restoreKeys(tx); err != nil {
		return err
	}
	return tx.one(`SELECT coalesce(max(number), 0) FROM items`, func(s *sqlite3.Stmt) error {
		d.last = s.ColumnInt64(0)
		return nil
	})
}

// restoreKeys writes K_re of every contact that was introduced. A session that
// cannot be read has none to give.
func (d *dumper) restoreKeys(tx *Tx) error {
	contacts, err := tx.Contacts()
	if err != nil {
		return err
	}
	for _, c := range contacts {
		n, err := tx.number(c.ID)
		if err != nil {
			return err
		}
		r := dumpRecord{Kind: dumpKey, Contact: n, Role: uint8(c.Role)}
		state, frames, err := tx.LoadSession(c.ID)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if s, err := pairwise.Load(state, frames); err == nil {
			if k, ok := s.RestoreKey(); ok {
				r.Key = k[:]
			}
			s.Erase()
		}
		if err := d.add(r); err != nil {
			return err
		}
		d.keys++
	}
	return nil
}

// batch writes the next items, each whole, and reports whether all are done.
func (d *dumper) batch(tx *Tx) (done bool, err error) {
	var numbers []int64
	seen := d.item
	if err := tx.query(`SELECT i.number, i.contact, c.id FROM items i JOIN contacts c ON c.number = i.contact
		WHERE i.number > ? AND i.number <= ? ORDER BY i.number LIMIT 500`, func(s *sqlite3.Stmt) error {
		seen = s.ColumnInt64(0)
		id, err := columnID(s, 2)
		if known, ok := d.people[s.ColumnInt64(1)]; !ok || known != id {
			return err // of a contact that came later
		}
		numbers = append(numbers, s.ColumnInt64(0))
		return err
	}, d.item, d.last); err != nil {
		return false, err
	}
	for _, n := range numbers {
		for i, t := range backupRules {
			if t.item == "" {
				continue
			}
			rows := d.rows
			if err := d.table(tx, i, t.item+" = ?", n); err != nil {
				return false, err
			}
			if t.name == "items" && rows == d.rows {
				break // it is not part of a backup, nor is what belongs to it
			}
		}
		d.item = n
		if len(d.out) >= backupBatch {
			return false, nil
		}
	}
	done, d.item = seen == d.item && len(numbers) == 0, seen
	return done, nil
}

// table writes the rows of rule number i that also fit the condition.
func (d *dumper) table(tx *Tx, i int, condition string, args ...any) error {
	t := &backupRules[i]
	var values, where []string
	for _, c := range t.columns {
		values = append(values, c.value)
	}
	for _, w := range []string{t.where, condition} {
		if w != "" {
			where = append(where, "("+w+")")
		}
	}
	sql := "SELECT " + strings.Join(values, ", ") + " FROM " + t.name
	if len(where) > 0 {
		sql += " WHERE " + strings.Join(where, " AND ")
	}
	return tx.query(sql+" ORDER BY 1, 2", func(s *sqlite3.Stmt) error {
		r := dumpRecord{Kind: dumpRow, Table: uint32(i)}
		for c := range t.columns {
			switch s.ColumnType(c) {
			case sqlite3.INTEGER:
				r.Values = append(r.Values, s.ColumnInt64(c))
			case sqlite3.TEXT:
				r.Values = append(r.Values, s.ColumnText(c))
			case sqlite3.BLOB:
				r.Values = append(r.Values, append([]byte{}, s.ColumnRawBlob(c)...))
			default:
				return fmt.Errorf("column %s of %s has a value of a type that no backup has", t.columns[c].name, t.name)
			}
		}
		d.rows++
		return d.add(r)
	}, args...)
}
