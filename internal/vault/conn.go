package vault

import (
	"errors"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
)

// conn is one connection with the statements that it has compiled.
type conn struct {
	c     *sqlite3.Conn
	stmts map[string]*sqlite3.Stmt
}

func (c *conn) close() error {
	for _, s := range c.stmts {
		s.Close() // reports the error of its last step once more
	}
	clear(c.stmts)
	return c.c.Close()
}

// transaction runs fn between begin and COMMIT; after any failure nothing is left
// open.
func (c *conn) transaction(begin string, fn func() error) (err error) {
	if err := c.exec(begin); err != nil {
		return err
	}
	defer func() {
		if !c.c.GetAutocommit() {
			err = errors.Join(err, c.c.Exec("ROLLBACK"))
		}
	}()
	if err := fn(); err != nil {
		return err
	}
	return c.exec("COMMIT")
}

// exec runs a statement that returns no rows.
func (c *conn) exec(sql string, args ...any) error {
	return c.query(sql, nil, args...)
}

// query runs a statement and calls row for every row. Values that row takes from
// the statement with ColumnRawBlob are valid within the call only. Other
// statements may run within row, the same one may not.
func (c *conn) query(sql string, row func(*sqlite3.Stmt) error, args ...any) (err error) {
	s := c.stmts[sql]
	if s == nil {
		var tail string
		if s, tail, err = c.c.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT); err != nil {
			return err
		}
		if tail != "" {
			return errors.Join(errors.New("vault: one statement at a time"), s.Close())
		}
		c.stmts[sql] = s
	}
	if s.Busy() {
		return errors.New("vault: a statement runs within itself")
	}
	defer func() {
		// Reset reports the error of Step again; bound values may be secret.
		if e := errors.Join(s.Reset(), s.ClearBindings()); err == nil {
			err = e
		}
	}()
	for i, a := range args {
		if err := bind(s, i+1, a); err != nil {
			return err
		}
	}
	for s.Step() {
		if row == nil {
			continue
		}
		if err := row(s); err != nil {
			return err
		}
	}
	return s.Err()
}

// one is query for a single row; ErrNotFound if there is none.
func (c *conn) one(sql string, row func(*sqlite3.Stmt) error, args ...any) error {
	found := false
	err := c.query(sql, func(s *sqlite3.Stmt) error {
		found = true
		return row(s)
	}, args...)
	if err == nil && !found {
		return ErrNotFound
	}
	return err
}

func bind(s *sqlite3.Stmt, i int, a any) error {
	switch a := a.(type) {
	case int64:
		return s.BindInt64(i, a)
	case int:
		return s.BindInt(i, a)
	case uint32:
		return s.BindInt64(i, int64(a))
	case bool:
		return s.BindBool(i, a)
	case string:
		return s.BindText(i, a)
	case []byte:
		return s.BindBlob(i, a)
	case [16]byte: // an item's identifier
		return s.BindBlob(i, a[:])
	case contact.ID:
		return s.BindBlob(i, a[:])
	case time.Time:
		return s.BindInt64(i, millis(a))
	}
	panic(fmt.Sprintf("vault: no binding for %T", a))
}

// millis stores a time in milliseconds since 1970; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// columnTime is the inverse of millis, in UTC.
func columnTime(s *sqlite3.Stmt, col int) time.Time {
	ms := s.ColumnInt64(col)
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// columnBytes copies a blob.
func columnBytes(s *sqlite3.Stmt, col int) []byte {
	return append([]byte(nil), s.ColumnRawBlob(col)...)
}

// columnID reads a blob of 16 bytes.
func columnID(s *sqlite3.Stmt, col int) (id [16]byte, err error) {
	if copy(id[:], s.ColumnRawBlob(col)) != len(id) {
		return id, ErrDamaged
	}
	return id, nil
}

// Tx is a transaction. It is valid within Update's or View's function only.
type Tx struct {
	*conn
	now  func() time.Time
	wipe bool // the log must be emptied after the commit

	applied []Applied
}

// Now is the time by the clock that dates items.
func (tx *Tx) Now() time.Time { return tx.now() }
