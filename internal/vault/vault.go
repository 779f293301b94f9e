package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/suite"
)

const (
	keySuffix  = ".key"
	lockSuffix = ".lock"
	newSuffix  = ".new" // a database that is being made

	// logPages is how many pages the write-ahead log may grow to before its content
	// goes into the database and it begins again: 1 MiB. Until then, and until they
	// are overwritten, old values of stepped chains are in it.
	logPages = 256
)

// Options are what a program may choose. The zero value is what a station uses.
type Options struct {
	// KDF are the parameters for a new key file; zero means DefaultKDF.
	KDF KDF

	// Now is the clock that dates items; nil means time.Now.
	Now func() time.Time

	// SyncOff lets commits return before they are on the disk. A crash of the
	// machine then loses acknowledged letters and may destroy the file. It exists
	// for simulations, whose machine never crashes, and no configuration reaches it.
	SyncOff bool

	// MaxPages bounds the database to so many pages of 4,096 bytes, as if the disk
	// were full beyond; 0 does not.
	MaxPages int

	vfs string // fileSystem, but for tests that let the disk fail
}

func (o Options) filled() Options {
	if o.KDF == (KDF{}) {
		o.KDF = DefaultKDF
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.vfs == "" {
		o.vfs = fileSystem
	}
	return o
}

// Vault is an open vault. Its methods may be called from anywhere.
type Vault struct {
	path string
	opt  Options
	lock *os.File

	// mu guards all that follows. Reader and writer take turns: with both at work
	// the reader saw pages of two commits at once (docs/decisions/0007). They stay
	// two connections so that what reads cannot write.
	mu     sync.Mutex
	writer *conn
	pages  int   // in the log after the last commit
	wipe   bool  // something was deleted of which the log still holds copies
	failed error // a sync that failed: nothing is known of what is on the disk
	reader *conn

	beforeSweep func() error // of tests, which let the disk be full at this moment
}

// Create makes an empty vault at path and opens it. It refuses to replace one.
func Create(path string, passphrase []byte) (*Vault, error) {
	return CreateWith(path, passphrase, Options{})
}

// Open opens the vault at path. A wrong passphrase is noticed before anything
// else is touched.
func Open(path string, passphrase []byte) (*Vault, error) {
	return OpenWith(path, passphrase, Options{})
}

// CreateWith is Create with options.
func CreateWith(path string, passphrase []byte, opt Options) (*Vault, error) {
	const doing = "making the vault"
	opt = opt.filled()
	lock, err := lockVault(path + lockSuffix)
	if err != nil {
		return nil, explain(doing, err)
	}
	if err := create(path, passphrase, opt, func(c *conn) error { return migrate(c, migrations()) }); err != nil {
		return nil, errors.Join(explain(doing, err), lock.Close())
	}
	return open(doing, path, passphrase, opt, lock)
}

// create makes the files and lets fill make the database's content. The database comes first, under another name and with a
// key that nobody has yet; the key file makes it a vault; the renaming, which
// Open makes up for if it is missing, completes it.
func create(path string, passphrase []byte, opt Options, fill func(*conn) error) error {
	for _, p := range []string{path, path + keySuffix} {
		if _, err := os.Lstat(p); err == nil {
			return ErrExists
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	master := suite.RandomKey()
	defer clear(master[:])
	sealed, err := sealMaster(&master, passphrase, opt.KDF)
	if err != nil {
		return err
	}
	draft := path + newSuffix
	if err := removeDatabase(draft); err != nil {
		return err
	}
	f, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	c, err := connect(draft, &master, opt)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(c), c.close()); err != nil {
		return errors.Join(err, removeDatabase(draft))
	}
	if err := replaceFile(path+keySuffix, sealed); err != nil {
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// removeDatabase removes a database and what SQLite puts beside it.
func removeDatabase(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// OpenWith is Open with options.
func OpenWith(path string, passphrase []byte, opt Options) (*Vault, error) {
	const doing = "opening the vault"
	if _, err := os.Stat(path + keySuffix); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", doing, ErrNoVault)
	}
	lock, err := lockVault(path + lockSuffix)
	if err != nil {
		return nil, explain(doing, err)
	}
	return open(doing, path, passphrase, opt.filled(), lock)
}

// open opens the files under lock, which it owns from now on.
func open(doing, path string, passphrase []byte, opt Options, lock *os.File) (*Vault, error) {
	v := &Vault{path: path, opt: opt, lock: lock}
	if err := v.open(passphrase); err != nil {
		return nil, errors.Join(explain(doing, err), v.Close())
	}
	return v, nil
}

func (v *Vault) open(passphrase []byte) error {
	file, err := os.ReadFile(v.path + keySuffix)
	if err != nil {
		return err
	}
	master, _, err := openMaster(file, passphrase)
	if err != nil {
		return err
	}
	defer clear(master[:])
	if _, err := os.Lstat(v.path); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(v.path+newSuffix, v.path); err != nil {
			return ErrNoVault
		}
		if err := syncFolder(filepath.Dir(v.path)); err != nil {
			return err
		}
	}
	if v.writer, err = connect(v.path, &master, v.opt); err != nil {
		return err
	}
	v.writer.c.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error {
		v.pages = pages
		return nil
	})
	if err := migrate(v.writer, migrations()); err != nil {
		return err
	}
	if err := v.resume(); err != nil {
		return err
	}
	if err := indexOld(v.writer, v.opt.Now); err != nil {
		return err
	}
	if v.reader, err = connect(v.path, &master, v.opt); err != nil {
		return err
	}
	if err := v.reader.c.Exec("PRAGMA query_only = ON"); err != nil {
		return err
	}
	// SQLite makes this file with the process's mask; it holds page numbers only.
	if err := os.Chmod(v.path+"-shm", 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// connect opens one connection with the page key of master.
func connect(path string, master *[suite.KeySize]byte, opt Options) (*conn, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	slashed := filepath.ToSlash(abs)
	if slashed[0] != '/' {
		slashed = "/" + slashed
	}
	// modeof gives the log the permissions of the database. SQLite does not read
	// "+" as a space.
	mode := strings.ReplaceAll(url.QueryEscape(abs), "+", "%20")
	u := url.URL{Scheme: "file", Path: slashed, RawQuery: "vfs=" + opt.vfs + "&modeof=" + mode}
	c, err := sqlite3.OpenFlags(u.String(), sqlite3.OPEN_READWRITE|sqlite3.OPEN_URI)
	if err != nil {
		return nil, err
	}
	key := suite.KDF(suite.LabelVault, [][]byte{master[:]})
	defer clear(key[:])
	out := &conn{c: c, stmts: map[string]*sqlite3.Stmt{}}
	sync := "FULL"
	if opt.SyncOff {
		sync = "OFF"
	}
	pragmas := []string{
		fmt.Sprintf("hexkey = '%x'", key),
		"cache_size = -1024",  // KiB, of each of the two connections
		"temp_store = MEMORY", // nothing is spilled into files of other names
		"journal_mode = WAL",
		"wal_autocheckpoint = 0", // Update does it, where it can wait for readers
		"synchronous = " + sync,
		"secure_delete = ON",
		"foreign_keys = ON",
		"trusted_schema = OFF",
		"cell_size_check = ON",
	}
	if opt.MaxPages > 0 {
		pragmas = append(pragmas, fmt.Sprintf("max_page_count = %d", opt.MaxPages))
	}
	for i, p := range pragmas {
		if err := c.Exec("PRAGMA " + p); err != nil {
			if i == 0 {
				err = ErrDamaged // and not a word about the key
			}
			return nil, errors.Join(err, out.close())
		}
	}
	if err := c.BusyTimeout(10 * time.Second); err != nil {
		return nil, errors.Join(err, out.close())
	}
	return out, nil
}

// Close empties the log into the database and closes the vault. It waits for
// what is under way; afterwards everything fails with ErrClosed. Closing a closed
// vault does nothing.
func (v *Vault) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var errs []error
	if v.reader != nil {
		errs = append(errs, v.reader.close())
	}
	if v.writer != nil {
		errs = append(errs, v.checkpoint(sqlite3.CHECKPOINT_TRUNCATE), v.writer.close())
	}
	v.reader, v.writer = nil, nil
	if v.lock != nil {
		errs = append(errs, v.lock.Close())
		v.lock = nil
	}
	return explain("closing the vault", errors.Join(errs...))
}

// Update runs fn in one transaction and makes it durable. If fn fails or panics,
// nothing remains. fn must not call the vault itself, and tx ends with it.
func (v *Vault) Update(fn func(*Tx) error) error {
	const doing = "writing to the vault"
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.writer == nil:
		return fmt.Errorf("%s: %w", doing, ErrClosed)
	case v.failed != nil:
		return v.failed
	}
	tx := &Tx{conn: v.writer, now: v.opt.Now}
	if err := v.writer.transaction("BEGIN IMMEDIATE", func() error { return fn(tx) }); err != nil {
		var code sqlite3.ExtendedErrorCode
		errors.As(err, &code)
		if err = explain(doing, err); code == sqlite3.IOERR_FSYNC && errors.Is(err, ErrDisk) {
			v.failed = err // a later sync may succeed without having written the same pages
		}
		return err
	}
	v.wipe = v.wipe || tx.wipe
	v.tidy()
	return nil
}

// View runs fn on a state of the vault that does not change meanwhile. fn must
// not write, must not call the vault itself, and tx ends with it.
func (v *Vault) View(fn func(*Tx) error) error {
	const doing = "reading from the vault"
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.reader == nil {
		return fmt.Errorf("%s: %w", doing, ErrClosed)
	}
	tx := &Tx{conn: v.reader, now: v.opt.Now}
	return explain(doing, v.reader.transaction("BEGIN", func() error { return fn(tx) }))
}

// tidy empties the log when it is long or holds what was deleted. It never makes
// a commit fail: what it could not do is tried after the next.
func (v *Vault) tidy() {
	mode := sqlite3.CHECKPOINT_RESTART // begin again in the same place: a file that grows costs more to sync
	switch {
	case v.wipe, v.pages > 4*logPages:
		mode = sqlite3.CHECKPOINT_TRUNCATE
	case v.pages < logPages:
		return
	}
	if v.checkpoint(mode) == nil {
		v.wipe, v.pages = false, 0
	}
}

// checkpoint moves the log into the database and makes it begin again, or cuts it
// to nothing. The lock is held.
func (v *Vault) checkpoint(mode sqlite3.CheckpointMode) error {
	_, _, err := v.writer.c.WALCheckpoint("main", mode)
	return err
}
