package vault

import (
	"embed"
	"fmt"
	"io/fs"

	"github.com/ncruces/go-sqlite3"
)

// The schema is what the files of migrations/ make of an empty database, in the
// order of their names; the number of files is its version (user_version). A file
// that was released never changes: what comes later is a new file.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// applicationID marks the database as a vault: "bkch".
const applicationID = 0x626b6368

func migrations() []string {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql") // sorted
	if err != nil || len(names) == 0 {
		panic("vault: no migrations are embedded")
	}
	out := make([]string, len(names))
	for i, n := range names {
		b, err := migrationFiles.ReadFile(n)
		if err != nil {
			panic("vault: " + err.Error())
		}
		out[i] = string(b)
	}
	return out
}

// migrate brings the database to the version of the list, one transaction per
// step: after a failure or a crash it has the version that it reached.
func migrate(c *conn, list []string) error {
	var version, app int
	if err := c.one("PRAGMA user_version", func(s *sqlite3.Stmt) error { version = s.ColumnInt(0); return nil }); err != nil {
		return err
	}
	if err := c.one("PRAGMA application_id", func(s *sqlite3.Stmt) error { app = s.ColumnInt(0); return nil }); err != nil {
		return err
	}
	if version > 0 && app != applicationID {
		return fmt.Errorf("%w: it is not a vault", ErrDamaged)
	}
	if version > len(list) {
		return ErrNewer
	}
	for ; version < len(list); version++ {
		err := c.transaction("BEGIN IMMEDIATE", func() error {
			if err := c.c.Exec(list[version]); err != nil {
				return err
			}
			return c.c.Exec(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version+1))
		})
		if err != nil {
			return fmt.Errorf("bringing the vault to version %d: %w", version+1, err)
		}
	}
	return nil
}
