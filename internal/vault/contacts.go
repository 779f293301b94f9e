package vault

import (
	"time"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
)

// PutContact adds a contact. One that is there already is an error: what is known
// of it is changed with ChangeContact, so that a change which comes late cannot
// bring a deleted contact back.
func (tx *Tx) PutContact(c contact.Contact) error {
	return tx.exec(`INSERT INTO contacts (id, name, role, created, expires, verified, muted, invitation, expiry, seal_key)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.ID, c.Name, int(c.Role), c.Created, c.Expires, c.Verified, c.Muted, c.Invitation, int64(c.Expiry/time.Second), bytesOf(c.SealKey))
}

// ChangeContact lets edit change what is known of a contact now, besides its
// identifier and role, and returns the result. It is ErrNotFound if the contact
// is gone. An invitation that is emptied is gone from the log when Update returns.
func (tx *Tx) ChangeContact(id contact.ID, edit func(*contact.Contact)) (contact.Contact, error) {
	c, err := tx.Contact(id)
	if err != nil {
		return c, err
	}
	had := c.Invitation != ""
	edit(&c)
	tx.wipe = tx.wipe || had && c.Invitation == ""
	return c, tx.exec(`UPDATE contacts SET name = ?, expires = ?, verified = ?, muted = ?, invitation = ?, expiry = ?, seal_key = ? WHERE id = ?`,
		c.Name, c.Expires, c.Verified, c.Muted, c.Invitation, int64(c.Expiry/time.Second), bytesOf(c.SealKey), id)
}

const contactColumns = `SELECT id, name, role, created, expires, verified, muted, invitation, expiry, seal_key FROM contacts`

func columnContact(s *sqlite3.Stmt) (c contact.Contact, err error) {
	id, err := columnID(s, 0)
	if err != nil {
		return c, err
	}
	return contact.Contact{
		ID: id, Name: s.ColumnText(1), Role: pairwise.Role(s.ColumnInt(2)),
		Created: columnTime(s, 3), Expires: columnTime(s, 4),
		Verified: s.ColumnBool(5), Muted: s.ColumnBool(6), Invitation: s.ColumnText(7),
		Expiry: time.Duration(s.ColumnInt64(8)) * time.Second, SealKey: columnBytes(s, 9),
	}, nil
}

// Contact returns one contact, or ErrNotFound.
func (tx *Tx) Contact(id contact.ID) (c contact.Contact, err error) {
	err = tx.one(contactColumns+` WHERE id = ?`, func(s *sqlite3.Stmt) (err error) {
		c, err = columnContact(s)
		return err
	}, id)
	return c, err
}

// Contacts lists all contacts in the order in which they were added.
func (tx *Tx) Contacts() (all []contact.Contact, err error) {
	err = tx.query(contactColumns+` ORDER BY number`, func(s *sqlite3.Stmt) error {
		c, err := columnContact(s)
		all = append(all, c)
		return err
	})
	return all, err
}

// DeleteContact erases a contact with its lane, keys, frames and items. What was
// in the log is gone when Update returns. It is ErrNotFound if there is none.
func (tx *Tx) DeleteContact(id contact.ID) error {
	if _, err := tx.number(id); err != nil {
		return err
	}
	tx.wipe = true
	return tx.exec(`DELETE FROM contacts WHERE id = ?`, id)
}

// number is the row of a contact.
func (tx *Tx) number(id contact.ID) (n int64, err error) {
	err = tx.one(`SELECT number FROM contacts WHERE id = ?`, func(s *sqlite3.Stmt) error {
		n = s.ColumnInt64(0)
		return nil
	}, id)
	return n, err
}

// PutLanes replaces the table of lanes. Every contact in it must be in the vault.
func (tx *Tx) PutLanes(l contact.Lanes) error {
	if err := tx.exec(`DELETE FROM lanes`); err != nil {
		return err
	}
	for _, a := range l.All() {
		n, err := tx.number(a.Contact)
		if err != nil {
			return err
		}
		if err := tx.exec(`INSERT INTO lanes (lane, contact, leaves) VALUES (?, ?, ?)`, a.Lane, n, int64(a.Leaves)); err != nil {
			return err
		}
	}
	return nil
}

// Lanes returns the table of lanes of a network with count of them, all idle
// before the first PutLanes.
func (tx *Tx) Lanes(count int) (contact.Lanes, error) {
	var stored []contact.Assignment
	if err := tx.query(`SELECT lane, id, leaves FROM lanes JOIN contacts ON number = contact ORDER BY lane`, func(s *sqlite3.Stmt) error {
		id, err := columnID(s, 1)
		stored = append(stored, contact.Assignment{Lane: s.ColumnInt(0), Contact: id, Leaves: uint64(s.ColumnInt64(2))})
		return err
	}); err != nil {
		return contact.Lanes{}, err
	}
	return contact.RestoreLanes(count, stored)
}

// Setting returns the value of a setting, or ErrNotFound.
func (tx *Tx) Setting(key string) (value []byte, err error) {
	err = tx.one(`SELECT value FROM settings WHERE key = ?`, func(s *sqlite3.Stmt) error {
		value = columnBytes(s, 0)
		return nil
	}, key)
	if value == nil && err == nil {
		value = []byte{}
	}
	return value, err
}

// PutSetting sets a setting.
func (tx *Tx) PutSetting(key string, value []byte) error {
	return tx.exec(`INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, key, value)
}

// DeleteSetting removes a setting, if it is there.
func (tx *Tx) DeleteSetting(key string) error {
	return tx.exec(`DELETE FROM settings WHERE key = ?`, key)
}

// DeleteSettings removes every setting whose key begins with prefix and whose
// value is value.
func (tx *Tx) DeleteSettings(prefix string, value []byte) error {
	return tx.exec(`DELETE FROM settings WHERE substr(key, 1, length(?1)) = ?1 AND value = ?2`, prefix, value)
}
