package vault

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/suite"
)

// bare opens a database without a vault around it.
func bare(t *testing.T) *conn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	master := suite.RandomKey()
	c, err := connect(path, &master, Options{}.filled())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func number(t *testing.T, c *conn, sql string) (n int) {
	t.Helper()
	if err := c.one(sql, func(s *sqlite3.Stmt) error { n = s.ColumnInt(0); return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMigrate(t *testing.T) {
	c := bare(t)
	list := []string{"CREATE TABLE a (x INTEGER)", "INSERT INTO a VALUES (1); ALTER TABLE a ADD COLUMN y INTEGER"}
	for range 2 { // the second time there is nothing to do
		if err := migrate(c, list[:1]); err != nil {
			t.Fatal(err)
		}
	}
	if v := number(t, c, "PRAGMA user_version"); v != 1 {
		t.Errorf("version %d", v)
	}
	if err := migrate(c, list); err != nil {
		t.Fatal(err)
	}
	if v := number(t, c, "PRAGMA user_version"); v != 2 || number(t, c, "SELECT count(*) FROM a") != 1 {
		t.Errorf("version %d", v)
	}
	if err := migrate(c, list[:1]); !errors.Is(err, ErrNewer) {
		t.Errorf("an older program: %v", err)
	}
	// A step that fails in its middle leaves nothing of itself and all before it.
	list = append(list, "INSERT INTO a VALUES (2, 2)", "INSERT INTO a VALUES (3, 3); CREATE TABLE a (x)")
	if err := migrate(c, list); err == nil || !strings.Contains(err.Error(), "version 4") {
		t.Errorf("a failing step: %v", err)
	}
	if v := number(t, c, "PRAGMA user_version"); v != 3 || number(t, c, "SELECT count(*) FROM a") != 2 {
		t.Errorf("after it: version %d", v)
	}
	list[3] = "INSERT INTO a VALUES (3, 3)"
	if err := migrate(c, list); err != nil || number(t, c, "SELECT count(*) FROM a") != 3 {
		t.Errorf("mended: %v", err)
	}
}

func TestMigrateForeign(t *testing.T) {
	c := bare(t)
	if err := c.c.Exec("PRAGMA user_version = 1"); err != nil {
		t.Fatal(err)
	}
	if err := migrate(c, migrations()); !errors.Is(err, ErrDamaged) {
		t.Errorf("a database of another program: %v", err)
	}
}

func TestNewerVault(t *testing.T) {
	v := newVault(t, testOptions())
	if err := v.writer.c.Exec(fmt.Sprintf("PRAGMA user_version = %d", len(migrations())+1)); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenWith(v.path, passphrase, testOptions()); !errors.Is(err, ErrNewer) {
		t.Errorf("%v", err)
	}
}

// released are the hashes of the migrations that were released: they never
// change, for a vault that has run one would not run it again.
var released = []string{}

func TestReleasedMigrations(t *testing.T) {
	list := migrations()
	if len(released) > len(list) {
		t.Fatal("a released migration is gone")
	}
	for i, want := range released {
		if got := fmt.Sprintf("%x", suite.Digest([]byte(list[i]))); got != want {
			t.Errorf("migration %d changed: %s", i+1, got)
		}
	}
	names, err := filepath.Glob("migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range names {
		if !strings.HasPrefix(filepath.Base(n), fmt.Sprintf("%04d_", i+1)) {
			t.Errorf("%s is not number %d", n, i+1)
		}
	}
}
