package vault

import (
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
)

// ErrUnswept is the error of a burn whose contact is gone, with keys and texts,
// while pages that may hold pieces of them could not be written anew yet.
var ErrUnswept = errors.New("the contact's keys and texts are erased, but not every page that may hold a piece of them could be written anew; that is tried again at every unlock")

// Burn erases a contact such that no page of database, log and list of free pages
// holds a piece of its keys or texts any more.
//
// The keys go first, in a transaction of their own that also notes the contact's
// number: whatever is interrupted after it, Open completes. Then go texts, frames,
// items and lanes, then the file is written anew without the traces that moving
// rows leave behind, and the log is cut to nothing.
//
// forget, if not nil, runs within the first transaction, for settings that belong
// to the contact. Nobody reads or writes the vault meanwhile. An error that is not
// ErrUnswept means that nothing was changed; ErrNotFound that there is no contact.
func (v *Vault) Burn(id contact.ID, forget func(*Tx) error) error {
	const doing = "burning the contact"
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.writer == nil:
		return fmt.Errorf("%s: %w", doing, ErrClosed)
	case v.failed != nil:
		return v.failed
	}
	tx := &Tx{conn: v.writer, now: v.opt.Now}
	if err := v.writer.transaction("BEGIN IMMEDIATE", func() error { return tx.kindle(id, forget) }); err != nil {
		return explain(doing, err)
	}
	v.wipe = true
	v.tidy()
	if err := v.burnOn(); err != nil {
		return fmt.Errorf("%s: %w: %w", doing, ErrUnswept, explain("writing the vault anew", err))
	}
	return nil
}

// kindle erases a contact's keys and takes its name and identifier from it, so
// that nothing that comes late finds it.
func (tx *Tx) kindle(id contact.ID, forget func(*Tx) error) error {
	n, err := tx.number(id)
	if err != nil {
		return err
	}
	if err := tx.exec(`INSERT INTO burning (contact) VALUES (?)`, n); err != nil {
		return err
	}
	for _, sql := range []string{
		`DELETE FROM sessions WHERE contact = ?`,
		`DELETE FROM lanes WHERE contact = ?`,
		`UPDATE contacts SET id = randomblob(16), name = '', invitation = '' WHERE number = ?`,
	} {
		if err := tx.exec(sql, n); err != nil {
			return err
		}
	}
	if forget != nil {
		return forget(tx)
	}
	return nil
}

// Burning tells whether a burn is not complete.
func (v *Vault) Burning() (yes bool, err error) {
	err = v.View(func(tx *Tx) error {
		return tx.one(`SELECT EXISTS (SELECT 1 FROM burning)`, func(s *sqlite3.Stmt) error { yes = s.ColumnBool(0); return nil })
	})
	return yes, err
}

// resume completes, at Open, the burns that were interrupted. A vault whose burned
// contacts cannot be deleted is not opened: they would be shown. One that only
// lacks the room to be written anew is.
func (v *Vault) resume() error {
	err := v.burnOn()
	if err == nil {
		return nil
	}
	var left int
	if e := v.writer.one(`SELECT count(*) FROM contacts WHERE number IN (SELECT contact FROM burning)`, func(s *sqlite3.Stmt) error {
		left = s.ColumnInt(0)
		return nil
	}); e != nil || left > 0 {
		return errors.Join(err, e)
	}
	return nil
}

// burnOn completes every burn that has begun. The lock is held, or nobody else
// has the vault yet.
func (v *Vault) burnOn() error {
	var rest int
	if err := v.writer.one(`SELECT count(*) FROM burning`, func(s *sqlite3.Stmt) error { rest = s.ColumnInt(0); return nil }); err != nil || rest == 0 {
		return err
	}
	if err := v.writer.transaction("BEGIN IMMEDIATE", func() error {
		return v.writer.exec(`DELETE FROM contacts WHERE number IN (SELECT contact FROM burning)`)
	}); err != nil {
		return err
	}
	if err := v.checkpoint(sqlite3.CHECKPOINT_TRUNCATE); err != nil {
		return err
	}
	if err := v.sweep(); err != nil {
		return err
	}
	return v.writer.transaction("BEGIN IMMEDIATE", func() error { return v.writer.exec(`DELETE FROM burning`) })
}

// sweep writes every page anew. secure_delete overwrites what is deleted, but a
// row that was moved from one page to another leaves a copy in the room between
// the rows of the first, where no deletion finds it.
//
// The copy that this needs for a while is a temporary file, since a vault may be
// larger than the memory; the file system of the vault encrypts it under a key
// that nobody ever learns.
func (v *Vault) sweep() (err error) {
	c := v.writer.c
	if v.beforeSweep != nil {
		if err := v.beforeSweep(); err != nil {
			return err
		}
	}
	if err := v.mergeIndexes(); err != nil {
		return err
	}
	if err := c.Exec("PRAGMA temp_store = FILE"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Exec("PRAGMA temp_store = MEMORY")) }()
	if err := c.Exec("VACUUM"); err != nil {
		return err
	}
	if err := v.checkpoint(sqlite3.CHECKPOINT_TRUNCATE); err != nil {
		return err
	}
	v.wipe, v.pages = false, 0
	for _, k := range []*conn{v.writer, v.reader} { // pages in memory
		if k != nil {
			if err := k.c.Exec("PRAGMA shrink_memory"); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergeIndexes makes full-text indexes forget the words of what was deleted: they
// keep words apart from the rows that held them.
func (v *Vault) mergeIndexes() error {
	var names []string
	if err := v.writer.query(`SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%USING fts5%'`, func(s *sqlite3.Stmt) error {
		names = append(names, s.ColumnText(0))
		return nil
	}); err != nil {
		return err
	}
	for _, n := range names {
		q := sqlite3.QuoteIdentifier(n)
		if err := v.writer.c.Exec(fmt.Sprintf(`INSERT INTO %s (%s) VALUES ('optimize')`, q, q)); err != nil {
			return err
		}
	}
	return nil
}
