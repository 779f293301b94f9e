package vault

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
	"github.com/ncruces/go-sqlite3/vfs/adiantum"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
)

// check lets SQLite look at every page and every reference.
func check(v *Vault) error {
	return v.View(func(tx *Tx) error {
		if err := tx.one("PRAGMA integrity_check", func(s *sqlite3.Stmt) error {
			if got := s.ColumnText(0); got != "ok" {
				return errors.New("integrity: " + got)
			}
			return nil
		}); err != nil {
			return err
		}
		return tx.query("PRAGMA foreign_key_check", func(s *sqlite3.Stmt) error {
			return errors.New("a row refers to nothing: " + s.ColumnText(0))
		})
	})
}

// fill adds letters until the disk is full and returns how many fitted.
func fill(t *testing.T, v *Vault, c contact.ID, from int) int {
	t.Helper()
	content := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	h, _ := letter(t, contact.Letter, "", content)
	for n := from; ; n++ {
		err := v.Update(func(tx *Tx) error {
			_, err := tx.AddOutgoing(c, itemID(n), h, bytes.NewReader(content))
			return err
		})
		if errors.Is(err, ErrDiskFull) {
			return n - from
		}
		if err != nil {
			t.Fatalf("letter %d: %v", n, err)
		}
		if n > 5000 {
			t.Fatal("the disk does not get full")
		}
	}
}

// afterFull checks that what was accepted is whole, that nothing of what was not
// is there, and that the vault works when there is room again.
func afterFull(t *testing.T, v *Vault, c contact.ID, fitted int, room func()) {
	t.Helper()
	if fitted == 0 {
		t.Fatal("not even one letter fitted")
	}
	count := func(want int) {
		t.Helper()
		view(t, v, func(tx *Tx) error {
			all, err := tx.Items(Filter{})
			if len(all) != want {
				t.Errorf("%d letters, want %d", len(all), want)
			}
			return err
		})
	}
	count(fitted)
	// Still full, again and again: the same answer and no other damage.
	for range 3 {
		big := bytes.Repeat([]byte("x"), 1<<20)
		h, _ := letter(t, contact.Letter, "", big)
		if err := v.Update(func(tx *Tx) error {
			_, err := tx.AddOutgoing(c, itemID(60000), h, bytes.NewReader(big))
			return err
		}); !errors.Is(err, ErrDiskFull) {
			t.Fatalf("still full: %v", err)
		}
	}
	count(fitted)
	room()
	save(t, v, c, pairwise.Delta{State: bytes.Repeat([]byte("s"), 3000)})
	addOutgoing(t, v, c, 60001, contact.Signal, "", []byte("after"))
	count(fitted + 1)
	if err := check(v); err != nil {
		t.Error(err)
	}
	v = reopen(t, v)
	count(fitted + 1)
	if err := check(v); err != nil {
		t.Error(err)
	}
}

func TestFullByPages(t *testing.T) {
	opt := testOptions()
	opt.MaxPages = 400
	v := newVault(t, opt)
	c := someone(1)
	addContact(t, v, c)
	fitted := fill(t, v, c.ID, 1)
	afterFull(t, v, c.ID, fitted, func() {
		for _, conn := range []*conn{v.writer, v.reader} {
			if err := conn.one("PRAGMA max_page_count = 100000", func(*sqlite3.Stmt) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		v.opt.MaxPages = 0
	})
}

// A file system that is really full, with what that does to the log and its
// index.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, 4<<20)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := CreateWith(filepath.Join(dir, "vault.db"), passphrase, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	c := someone(1)
	addContact(t, v, c)
	fitted := fill(t, v, c.ID, 1)
	afterFull(t, v, c.ID, fitted, func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
}

// No room at all, not even for a session's state or for opening.
func TestFullToTheLastByte(t *testing.T) {
	dir := smallDisk(t, 4<<20)
	v, err := CreateWith(filepath.Join(dir, "vault.db"), passphrase, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	c := someone(1)
	addContact(t, v, c)
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for size := 1 << 16; size > 0; size /= 2 {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
	f.Close()
	full := 0
	for n := range 50 {
		err := v.Update(func(tx *Tx) error {
			return tx.SaveSession(c.ID, pairwise.Delta{Dirty: true, State: bytes.Repeat([]byte{byte(n)}, 20000)})
		})
		if err != nil && !errors.Is(err, ErrDiskFull) {
			t.Fatalf("state %d: %v", n, err)
		}
		if err != nil {
			full++
		}
	}
	if full == 0 {
		t.Error("nothing was refused")
	}
	if _, err := CreateWith(filepath.Join(dir, "second.db"), passphrase, testOptions()); !errors.Is(err, ErrDiskFull) {
		t.Errorf("making another vault: %v", err)
	}
	if err := v.ChangePassphrase(passphrase, []byte("new")); err != nil && !errors.Is(err, ErrDiskFull) {
		t.Errorf("changing the passphrase: %v", err)
	} else if err == nil {
		if err := v.ChangePassphrase([]byte("new"), passphrase); err != nil && !errors.Is(err, ErrDiskFull) {
			t.Errorf("changing it back: %v", err)
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	save(t, v, c.ID, pairwise.Delta{State: []byte("room again")})
	if err := check(v); err != nil {
		t.Error(err)
	}
	v2, err := CreateWith(filepath.Join(dir, "second.db"), passphrase, testOptions())
	if err != nil {
		t.Fatalf("making another vault after all: %v", err)
	}
	v2.Close()
}

// failing is a disk whose writes and syncs fail on demand.
type failing struct {
	disk
	write, sync error
}

type failingFile struct {
	diskFile
	of *failing
}

func (f *failing) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	file, flags, err := f.disk.OpenFilename(name, flags)
	if err != nil {
		return nil, flags, err
	}
	return failingFile{file.(diskFile), f}, flags, nil
}

func (f failingFile) WriteAt(p []byte, off int64) (int, error) {
	if f.of.write != nil {
		return 0, full(f.of.write)
	}
	return f.diskFile.WriteAt(p, off)
}

func (f failingFile) Sync(flags vfs.SyncFlag) error {
	if f.of.sync != nil {
		return full(f.of.sync)
	}
	return f.diskFile.Sync(flags)
}

// What a failing disk does to a commit, and whether the vault may go on: after a
// failed sync nobody knows what is on the disk.
func TestFailingDisk(t *testing.T) {
	for name, c := range map[string]struct {
		write, sync error
		want        error
		goesOn      bool
	}{
		"write: no space":   {write: syscall.ENOSPC, want: ErrDiskFull, goesOn: true},
		"write: quota":      {write: syscall.EDQUOT, want: ErrDiskFull, goesOn: true},
		"write: too large":  {write: &os.PathError{Err: syscall.EFBIG}, want: ErrDiskFull, goesOn: true},
		"write: I/O error":  {write: syscall.EIO, want: ErrDisk, goesOn: true},
		"sync: no space":    {sync: syscall.ENOSPC, want: ErrDiskFull, goesOn: true},
		"sync: I/O error":   {sync: syscall.EIO, want: ErrDisk, goesOn: false},
		"write: other code": {write: syscall.EROFS, want: ErrDisk, goesOn: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := &failing{disk: disk{vfs.Find("")}}
			opt := testOptions()
			opt.vfs = "failing-" + strings.NewReplacer(" ", "-", ":", "", "/", "").Replace(name)
			vfs.Register(opt.vfs, adiantum.Wrap(f, nil))
			v := newVault(t, opt)
			c1 := someone(1)
			addContact(t, v, c1)
			f.write, f.sync = c.write, c.sync
			err := v.Update(func(tx *Tx) error {
				return tx.SaveSession(c1.ID, pairwise.Delta{Dirty: true, State: []byte("lost")})
			})
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			f.write, f.sync = nil, nil
			err = v.Update(func(tx *Tx) error { return tx.PutSetting("a", []byte("b")) })
			if c.goesOn != (err == nil) || err != nil && !errors.Is(err, c.want) {
				t.Errorf("afterwards: %v", err)
			}
			v = reopen(t, v)
			view(t, v, func(tx *Tx) error {
				state, _, err := tx.LoadSession(c1.ID)
				if string(state) != "state" {
					t.Errorf("state %q", state)
				}
				return err
			})
			if err := check(v); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReadOnly: a file system that was mounted for reading only is named as such.
func TestReadOnly(t *testing.T) {
	for name, err := range map[string]error{
		"of the system": &fs.PathError{Op: "open", Path: "vault.db.lock", Err: syscall.EROFS},
		"of SQLite":     sqlite3.READONLY,
	} {
		got := explain("opening the vault", err)
		if !errors.Is(got, err) || !strings.HasPrefix(got.Error(), "opening the vault: its folder can be read but not written: make it writable") {
			t.Errorf("%s: %v", name, got)
		}
	}
}
