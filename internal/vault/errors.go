package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/ncruces/go-sqlite3"
)

// The errors that callers tell apart.
var (
	ErrWrongPassphrase = errors.New("the passphrase is wrong")
	ErrInUse           = errors.New("another process has this vault open: stop it first, or use that station")
	ErrExists          = errors.New("there is a vault already: choose another place")
	ErrNoVault         = errors.New("there is no vault: make one with \"backchannel station init\", or restore database and key file together from a backup")
	ErrNewer           = errors.New("the vault was written by a newer program: update this one")
	ErrDamaged         = errors.New("the vault is damaged: restore database and key file together from a backup")
	ErrDiskFull        = errors.New("the disk is full: nothing was changed; make room and try again")
	ErrDisk            = errors.New("the disk failed to keep what was written: check it and restart the station")
	ErrClosed          = errors.New("the vault is closed")
	ErrNotFound        = errors.New("not found")
	ErrBackup          = errors.New("the backup is damaged or incomplete: use another copy")
	ErrBackupNewer     = errors.New("the backup was made by a newer program: update this one")
	ErrIncomplete      = errors.New("the item has not arrived as a whole")
	ErrNameTaken       = errors.New("there is one of that name already: choose another")
)

// explain names what was being done and turns what SQLite and the operating
// system say into the errors above. Messages of SQLite name tables, never values.
func explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	var code sqlite3.ExtendedErrorCode
	errors.As(err, &code)
	kind := error(nil)
	switch {
	case errors.Is(err, ErrDiskFull), errors.Is(err, ErrDisk), errors.Is(err, ErrDamaged), errors.Is(err, ErrClosed), errors.Is(err, ErrBackup):
	case outOfRoom(err), errors.Is(err, sqlite3.FULL), code == sqlite3.IOERR_SHMSIZE:
		kind = ErrDiskFull
	case code == sqlite3.IOERR_FSYNC, code == sqlite3.IOERR_DIR_FSYNC, code == sqlite3.IOERR_WRITE:
		kind = ErrDisk
	case errors.Is(err, sqlite3.CORRUPT), errors.Is(err, sqlite3.NOTADB):
		kind = ErrDamaged
	case errors.Is(err, syscall.EROFS), errors.Is(err, sqlite3.READONLY):
		return fmt.Errorf("%s: its folder can be read but not written: make it writable: %w", doing, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: no permission to use its files: %w", doing, err)
	}
	if kind != nil {
		return fmt.Errorf("%s: %w (%w)", doing, kind, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
