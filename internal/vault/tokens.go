package vault

import (
	"errors"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// Token is what the vault knows of a program's token: not its secret.
type Token struct {
	ID      [8]byte
	Name    string
	Hash    [32]byte // SHA-256 of the secret
	Scopes  string   // separated by spaces
	Created time.Time
}

// PutToken adds a token. A name that another has is ErrNameTaken.
func (tx *Tx) PutToken(t Token) error {
	err := tx.exec(`INSERT INTO tokens (id, name, hash, scopes, created) VALUES (?, ?, ?, ?, ?)`, t.ID[:], t.Name, t.Hash[:], t.Scopes, t.Created)
	if errors.Is(err, sqlite3.CONSTRAINT_UNIQUE) {
		return ErrNameTaken
	}
	return err
}

const tokenColumns = `SELECT id, name, hash, scopes, created FROM tokens`

func columnToken(s *sqlite3.Stmt) (t Token, err error) {
	if copy(t.ID[:], s.ColumnRawBlob(0)) != len(t.ID) || copy(t.Hash[:], s.ColumnRawBlob(2)) != len(t.Hash) {
		return t, ErrDamaged
	}
	t.Name, t.Scopes, t.Created = s.ColumnText(1), s.ColumnText(3), columnTime(s, 4)
	return t, nil
}

// Tokens lists all tokens, oldest first.
func (tx *Tx) Tokens() (all []Token, err error) {
	err = tx.query(tokenColumns+` ORDER BY created, name`, func(s *sqlite3.Stmt) error {
		t, err := columnToken(s)
		all = append(all, t)
		return err
	})
	return all, err
}

// TokenByHash returns the token whose secret has this hash, or ErrNotFound.
func (tx *Tx) TokenByHash(hash [32]byte) (t Token, err error) {
	err = tx.one(tokenColumns+` WHERE hash = ?`, func(s *sqlite3.Stmt) (err error) {
		t, err = columnToken(s)
		return err
	}, hash[:])
	return t, err
}

// DeleteToken erases a token; ErrNotFound if there is none.
func (tx *Tx) DeleteToken(id [8]byte) error {
	if err := tx.exec(`DELETE FROM tokens WHERE id = ?`, id[:]); err != nil {
		return err
	}
	if tx.c.Changes() == 0 {
		return ErrNotFound
	}
	return nil
}
