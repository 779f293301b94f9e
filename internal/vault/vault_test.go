package vault

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/wire"
)

// weak makes the passphrase cheap; everything else is what a station uses.
var weak = KDF{Time: 1, Memory: 8, Threads: 1}

var passphrase = []byte("correct horse")

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ticking is a clock that advances by a second with every look.
func ticking() func() time.Time {
	t := start
	return func() time.Time { t = t.Add(time.Second); return t }
}

func testOptions() Options { return Options{KDF: weak, Now: ticking()} }

func newVault(t testing.TB, opt Options) *Vault {
	t.Helper()
	v, err := CreateWith(filepath.Join(t.TempDir(), "vault.db"), passphrase, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return v
}

func update(t testing.TB, v *Vault, fn func(*Tx) error) {
	t.Helper()
	if err := v.Update(fn); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, v *Vault, fn func(*Tx) error) {
	t.Helper()
	if err := v.View(fn); err != nil {
		t.Fatal(err)
	}
}

// reopen closes and opens.
func reopen(t testing.TB, v *Vault) *Vault {
	t.Helper()
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenWith(v.path, passphrase, v.opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Close() })
	return again
}

func someone(n byte) contact.Contact {
	return contact.Contact{ID: contact.ID{n, 1}, Name: "Borvia " + string(rune('A'+n)), Role: pairwise.Inviter, Created: start}
}

func addContact(t testing.TB, v *Vault, c contact.Contact) {
	t.Helper()
	update(t, v, func(tx *Tx) error {
		if err := tx.PutContact(c); err != nil {
			return err
		}
		return tx.SaveSession(c.ID, pairwise.Delta{State: []byte("state"), Dirty: true})
	})
}

func itemID(n int) wire.ItemID { return wire.ItemID{byte(n >> 8), byte(n), 7} }

func TestOpenAndClose(t *testing.T) {
	v := newVault(t, testOptions())
	update(t, v, func(tx *Tx) error { return tx.PutSetting("colour", []byte("grey")) })
	v = reopen(t, v)
	view(t, v, func(tx *Tx) error {
		got, err := tx.Setting("colour")
		if string(got) != "grey" {
			t.Errorf("setting: %q", got)
		}
		return err
	})
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	for what, err := range map[string]error{
		"update":     v.Update(func(*Tx) error { t.Error("ran"); return nil }),
		"view":       v.View(func(*Tx) error { t.Error("ran"); return nil }),
		"passphrase": v.ChangePassphrase(passphrase, []byte("x")),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if _, err := os.Stat(v.path + suffix); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after Close there is %s (%v)", suffix, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	v := newVault(t, testOptions())
	if _, err := OpenWith(v.path, passphrase, testOptions()); !errors.Is(err, ErrInUse) {
		t.Errorf("opening twice: %v", err)
	}
	if _, err := CreateWith(v.path, passphrase, testOptions()); !errors.Is(err, ErrInUse) {
		t.Errorf("creating over an open one: %v", err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateWith(v.path, passphrase, testOptions()); !errors.Is(err, ErrExists) {
		t.Errorf("creating over one: %v", err)
	}
	before, err := os.ReadFile(v.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{"", "correct horsf", "Correct horse", "correct horse "} {
		if _, err := OpenWith(v.path, []byte(wrong), testOptions()); !errors.Is(err, ErrWrongPassphrase) {
			t.Errorf("passphrase %q: %v", wrong, err)
		}
	}
	if after, err := os.ReadFile(v.path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a wrong passphrase touched the database (%v)", err)
	}
	if _, err := OpenWith(filepath.Join(t.TempDir(), "none"), passphrase, testOptions()); !errors.Is(err, ErrNoVault) {
		t.Errorf("opening none: %v", err)
	}
	if _, err := CreateWith(filepath.Join(t.TempDir(), "v"), nil, testOptions()); err == nil {
		t.Error("an empty passphrase is accepted")
	}
	if _, err := CreateWith(filepath.Join(t.TempDir(), "no", "folder"), passphrase, testOptions()); err == nil {
		t.Error("a folder that does not exist is accepted")
	}
	// The lock of a failed opening is released.
	again, err := OpenWith(v.path, passphrase, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// Every byte of the key file matters.
func TestKeyFile(t *testing.T) {
	v := newVault(t, testOptions())
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(v.path + keySuffix)
	if err != nil || len(key) != keyFileSize {
		t.Fatalf("%d bytes, %v", len(key), err)
	}
	for i := range key {
		bad := bytes.Clone(key)
		bad[i] ^= 0x40
		if i >= len(keyMagic) && i < len(keyMagic)+8 {
			bad[i] = key[i] ^ 1 // stay within what a test can compute
		}
		if _, _, err := openMaster(bad, passphrase); !errors.Is(err, ErrWrongPassphrase) && !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for n := range key {
		if _, _, err := openMaster(key[:n], passphrase); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	huge := bytes.Clone(key)
	huge[len(keyMagic)+4] = 0xff // 4 TiB of memory
	if _, _, err := openMaster(huge, passphrase); !errors.Is(err, ErrDamaged) {
		t.Errorf("a key file that asks for all memory: %v", err)
	}
	// A key file of another vault has the right passphrase and the wrong key.
	other := newVault(t, testOptions())
	foreign, err := os.ReadFile(other.path + keySuffix)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.path+keySuffix, foreign, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenWith(v.path, passphrase, testOptions()); !errors.Is(err, ErrDamaged) {
		t.Errorf("another vault's key file: %v", err)
	}
}

func TestChangePassphrase(t *testing.T) {
	v := newVault(t, testOptions())
	update(t, v, func(tx *Tx) error { return tx.PutSetting("a", []byte("b")) })
	fresh := []byte("battery staple")
	if err := v.ChangePassphrase([]byte("wrong"), fresh); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("with a wrong old one: %v", err)
	}
	if err := v.ChangePassphrase(passphrase, nil); err == nil {
		t.Error("an empty passphrase is accepted")
	}
	if err := v.ChangePassphrase(passphrase, fresh); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenWith(v.path, passphrase, testOptions()); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("the old passphrase: %v", err)
	}
	v, err := OpenWith(v.path, fresh, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	view(t, v, func(tx *Tx) error { _, err := tx.Setting("a"); return err })
}

// A creation that was cut off at any point is made up for, and never leaves
// something that looks like a vault and is none.
func TestInterruptedCreation(t *testing.T) {
	made := newVault(t, testOptions())
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	copyTo := func(from, to string) {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("before the key file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "v")
		copyTo(made.path, path+newSuffix)
		if err := os.WriteFile(path+keySuffix+".new", []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenWith(path, passphrase, testOptions()); !errors.Is(err, ErrNoVault) {
			t.Errorf("opening: %v", err)
		}
		v, err := CreateWith(path, passphrase, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		v.Close()
	})
	t.Run("before the renaming", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "v")
		copyTo(made.path, path+newSuffix)
		copyTo(made.path+keySuffix, path+keySuffix)
		if _, err := CreateWith(path, passphrase, testOptions()); !errors.Is(err, ErrExists) {
			t.Errorf("creating: %v", err)
		}
		v, err := OpenWith(path, passphrase, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		v.Close()
	})
	t.Run("database lost", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "v")
		copyTo(made.path+keySuffix, path+keySuffix)
		if _, err := OpenWith(path, passphrase, testOptions()); !errors.Is(err, ErrNoVault) {
			t.Errorf("opening: %v", err)
		}
	})
}

func TestDamagedDatabase(t *testing.T) {
	v := newVault(t, testOptions())
	addContact(t, v, someone(1))
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(v.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"first page":  append(bytes.Repeat([]byte{7}, 4096), whole[4096:]...),
		"wrong start": append([]byte{whole[0] ^ 1}, whole[1:]...),
	} {
		if err := os.WriteFile(v.path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenWith(v.path, passphrase, testOptions()); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An error or a panic in the function leaves nothing behind, and the next
// transaction works.
func TestRollback(t *testing.T) {
	v := newVault(t, testOptions())
	put := func(tx *Tx) {
		if err := tx.PutSetting("k", []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	boom := errors.New("boom")
	if err := v.Update(func(tx *Tx) error { put(tx); return boom }); !errors.Is(err, boom) {
		t.Errorf("error: %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = v.Update(func(tx *Tx) error { put(tx); panic("boom") })
	}()
	if err := v.Update(func(tx *Tx) error { put(tx); return tx.exec("SELECT nonsense") }); err == nil {
		t.Error("wrong SQL passes")
	}
	view(t, v, func(tx *Tx) error {
		if _, err := tx.Setting("k"); !errors.Is(err, ErrNotFound) {
			t.Errorf("something remained: %v", err)
		}
		return nil
	})
	if err := v.View(func(tx *Tx) error { return tx.PutSetting("k", nil) }); err == nil || !errors.Is(err, sqlite3.READONLY) {
		t.Errorf("writing in a View: %v", err)
	}
	update(t, v, func(tx *Tx) error { put(tx); return nil })
}

// A View sees one state: an Update that comes meanwhile waits for its end, and the
// next View sees what it wrote. The log begins again when it is long.
func TestReadersAndTheWriterTakeTurns(t *testing.T) {
	v := newVault(t, testOptions())
	update(t, v, func(tx *Tx) error { return tx.PutSetting("n", []byte("1")) })
	began, wrote := make(chan struct{}), make(chan error, 1)
	view(t, v, func(tx *Tx) error {
		before, err := tx.Setting("n")
		if err != nil {
			return err
		}
		go func() {
			close(began)
			wrote <- v.Update(func(tx *Tx) error { return tx.PutSetting("n", []byte("2")) })
		}()
		<-began
		after, err := tx.Setting("n")
		if !bytes.Equal(before, after) {
			t.Error("a View saw a later commit")
		}
		return err
	})
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	for i := range 60 { // past the point where the log begins again
		update(t, v, func(tx *Tx) error { return tx.PutSetting("n", bytes.Repeat([]byte{byte(i)}, 40000)) })
	}
	view(t, v, func(tx *Tx) error {
		if got, err := tx.Setting("n"); err != nil || len(got) != 40000 || got[0] != 59 {
			t.Errorf("the next View: %d bytes, %v", len(got), err)
		}
		return nil
	})
	if v.pages > logPages+50 {
		t.Errorf("the log did not begin again: %d pages", v.pages)
	}
}

// Nobody else may read the files, and nothing in them is in clear.
func TestFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	v := newVault(t, testOptions())
	addContact(t, v, contact.Contact{ID: contact.ID{1}, Name: "a very particular name", Role: pairwise.Inviter, Created: start})
	files, err := filepath.Glob(v.path + "*")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 5 {
		t.Errorf("files: %v", files)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(f), info.Mode())
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, clear := range []string{"particular", "SQLite format", "contacts"} {
			if bytes.Contains(b, []byte(clear)) {
				t.Errorf("%s contains %q in clear", filepath.Base(f), clear)
			}
		}
	}
}

// A path with every character that a URI could stumble over.
func TestOddPaths(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%41&e=f'ü\"")
	if runtime.GOOS == "windows" {
		dir = filepath.Join(t.TempDir(), "a b#d%41&e=f'ü")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	v, err := CreateWith(filepath.Join(dir, "vault?.db"), passphrase, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := os.Stat(filepath.Join(dir, "vault?.db")); err != nil {
		t.Error(err)
	}
}

// Errors must not show what is secret.
func TestErrorsAreDiscreet(t *testing.T) {
	v := newVault(t, testOptions())
	addContact(t, v, someone(1))
	err := v.Update(func(tx *Tx) error {
		c := someone(1)
		c.Role = 9
		return tx.PutContact(c)
	})
	if err == nil || strings.Contains(err.Error(), "Borvia") {
		t.Errorf("%v", err)
	}
}

// The defaults are those that the documentation names.
func TestDefaultKDF(t *testing.T) {
	if testing.Short() {
		t.Skip("64 MiB of Argon2id")
	}
	path := filepath.Join(t.TempDir(), "v")
	v, err := CreateWith(path, passphrase, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	v.opt.KDF = Options{}.filled().KDF
	if err := v.ChangePassphrase(passphrase, []byte("strong")); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path + keySuffix)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte(keyMagic), 0, 0, 0, 3, 0, 1, 0, 0, 4) // 3 passes, 64 MiB, 4 threads
	if !bytes.HasPrefix(b, want) {
		t.Errorf("the key file begins %x, want %x", b[:len(want)], want)
	}
}

// Many callers at once, and a Close in the middle of them.
func TestConcurrentUse(t *testing.T) {
	v := newVault(t, Options{KDF: weak, SyncOff: true})
	for i := range byte(4) {
		addContact(t, v, someone(i))
	}
	var wg sync.WaitGroup
	done := make([]int, 8)
	for i := range done {
		wg.Go(func() {
			for n := 0; ; n++ {
				id := someone(byte(i % 4)).ID
				var err error
				if i < 4 {
					err = v.Update(func(tx *Tx) error {
						return tx.SaveSession(id, pairwise.Delta{Dirty: true, State: []byte{byte(n)}})
					})
				} else {
					err = v.View(func(tx *Tx) error {
						if _, err := tx.Contacts(); err != nil {
							return err
						}
						_, _, err := tx.LoadSession(id)
						return err
					})
				}
				if errors.Is(err, ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				if done[i] = n; i == 0 && n == 50 {
					if err := v.Close(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	t.Log(done)
}
