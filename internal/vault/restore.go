package vault

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"backchannel/internal/pairwise"
)

// Restored tells what a backup held.
type Restored struct {
	Time     time.Time // when it was made: what came later is not in it
	Net      [32]byte  // hash of the network file then
	Contacts int
	Lost     int // of these without K_re: they must be invited anew
	Items    int
	Unsent   int // of these to be offered, perhaps again
}

// RestoreWith makes a vault at path from a backup. Its contacts wait to be met
// again. It refuses to replace a vault, and after a failure there is none.
func RestoreWith(path string, passphrase []byte, backup io.Reader, backupPassphrase []byte, opt Options) (Restored, error) {
	const doing = "restoring the backup"
	opt = opt.filled()
	lock, err := lockVault(path + lockSuffix)
	if err != nil {
		return Restored{}, explain(doing, err)
	}
	var out Restored
	err = create(path, passphrase, opt, func(c *conn) error {
		o, err := newOpener(backup, backupPassphrase)
		if err != nil {
			return err
		}
		l := &loader{c: c}
		if err := l.load(bufio.NewReader(o)); err != nil {
			return err
		}
		out = l.out
		return nil
	})
	if err := errors.Join(err, lock.Close()); err != nil {
		return Restored{}, explain(doing, err)
	}
	return out, nil
}

// loader fills a new database from a dump. It has the schema that the backup was
// made with until all rows are there, and is then migrated as any vault.
type loader struct {
	c          *conn
	tables     []*tableRule
	columns    [][]string
	rows, keys uint64
	pending    int // bytes since the last commit
	out        Restored
}

func (l *loader) load(r io.Reader) error {
	head, err := readDump(r)
	switch {
	case err != nil:
		return err
	case head.Kind != dumpHead || len(head.Net) != len(l.out.Net):
		return fmt.Errorf("%w: it begins otherwise than a backup", ErrBackup)
	case head.Version > dumpVersion || int(head.Schema) > len(migrations()):
		return ErrBackupNewer
	case head.Version < 1 || head.Schema < 1:
		return fmt.Errorf("%w: it has no version", ErrBackup)
	}
	l.out.Time, l.out.Net = time.UnixMilli(head.Time).UTC(), [32]byte(head.Net)
	if err := migrate(l.c, migrations()[:head.Schema]); err != nil {
		return err
	}
	for end := false; !end; {
		if err := l.c.transaction("BEGIN IMMEDIATE", func() (err error) {
			for l.pending = 0; !end && l.pending < 8<<20; {
				if end, err = l.next(r); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	rest := make([]byte, 4096)
	for {
		n, err := r.Read(rest)
		if len(bytes.Trim(rest[:n], "\x00")) > 0 {
			return fmt.Errorf("%w: something follows its end", ErrBackup)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if l.keys != uint64(l.out.Contacts) {
		return fmt.Errorf("%w: not every contact has a key or none", ErrBackup)
	}
	if err := migrate(l.c, migrations()); err != nil {
		return err
	}
	return l.c.exec(`INSERT INTO settings (key, value) VALUES (?, ?)`, restoredKey, binary.BigEndian.AppendUint64(nil, uint64(head.Time)))
}

// restoredKey is the setting that says from when the backup was.
const restoredKey = "restored"

// RestoredFrom tells when the backup was made from which this vault was restored,
// if it was: the beginning of what is missing here.
func (tx *Tx) RestoredFrom() (at time.Time, restored bool, err error) {
	b, err := tx.Setting(restoredKey)
	switch {
	case errors.Is(err, ErrNotFound):
		return at, false, nil
	case err != nil:
		return at, false, err
	case len(b) != 8:
		return at, false, ErrDamaged
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b))).UTC(), true, nil
}

// next takes one record.
func (l *loader) next(r io.Reader) (end bool, err error) {
	rec, err := readDump(r)
	if err != nil {
		return false, err
	}
	switch rec.Kind {
	case dumpTable:
		return false, l.table(rec)
	case dumpRow:
		return false, l.row(rec)
	case dumpKey:
		return false, l.key(rec)
	case dumpEnd:
		if rec.Rows != l.rows || rec.Keys != l.keys {
			return false, fmt.Errorf("%w: rows are missing", ErrBackup)
		}
		return true, nil
	}
	return false, fmt.Errorf("%w: an unknown record", ErrBackup)
}

// table takes only tables and columns that a backup may have.
func (l *loader) table(rec dumpRecord) error {
	t := ruleOf(rec.Name)
	if t == nil || slices.Contains(l.tables, t) || len(rec.Columns) == 0 {
		return fmt.Errorf("%w: an unknown table", ErrBackup)
	}
	for i, name := range rec.Columns {
		if !slices.ContainsFunc(t.columns, func(c columnRule) bool { return c.name == name }) || slices.Contains(rec.Columns[:i], name) {
			return fmt.Errorf("%w: an unknown column", ErrBackup)
		}
	}
	l.tables, l.columns = append(l.tables, t), append(l.columns, rec.Columns)
	return nil
}

func (l *loader) row(rec dumpRecord) error {
	if int(rec.Table) >= len(l.tables) || len(rec.Values) != len(l.columns[rec.Table]) {
		return fmt.Errorf("%w: a row of no table", ErrBackup)
	}
	t, columns := l.tables[rec.Table], l.columns[rec.Table]
	sql := "INSERT INTO " + t.name + " (" + strings.Join(columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")"
	if err := l.c.exec(sql, rec.Values...); err != nil {
		return err
	}
	l.rows++
	for _, v := range rec.Values {
		if b, ok := v.([]byte); ok {
			l.pending += len(b)
		}
	}
	l.pending += 100
	switch t.name {
	case "contacts":
		l.out.Contacts++
	case "items":
		l.out.Items++
		value := func(name string) (n int64) {
			if i := slices.Index(columns, name); i >= 0 {
				n, _ = rec.Values[i].(int64)
			}
			return n
		}
		if value("outgoing") == 1 && value("finished") == 0 {
			l.out.Unsent++
		}
	}
	return nil
}

// key makes the session with which a contact is met again.
func (l *loader) key(rec dumpRecord) error {
	role := pairwise.Role(rec.Role)
	if role != pairwise.Inviter && role != pairwise.Invitee || len(rec.Key) != 0 && len(rec.Key) != len(pairwise.Key{}) {
		return fmt.Errorf("%w: a key is none", ErrBackup)
	}
	var s *pairwise.Session
	if len(rec.Key) == 0 {
		s = pairwise.NewLost(role)
		l.out.Lost++
		if err := l.c.exec(`DELETE FROM lanes WHERE contact = ?`, rec.Contact); err != nil { // it would only idle
			return err
		}
	} else {
		s = pairwise.NewRestored(role, pairwise.Key(rec.Key))
	}
	d, _ := s.Take()
	defer s.Erase()
	l.keys++
	l.pending += len(d.State)
	return l.c.exec(`INSERT INTO sessions (contact, state) VALUES (?, ?)`, rec.Contact, d.State)
}
