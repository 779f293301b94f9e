package vault

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"backchannel/internal/suite"
)

// DestroyKey makes the vault at path unreadable for ever, whoever has it open: it
// overwrites and removes the key file, and those that a change of the passphrase
// may have left. It needs no passphrase. When it returns nil, the folder is synced
// as well. A key file that is not there is no error.
func DestroyKey(path string) error {
	const doing = "destroying the vault's key"
	var errs []error
	for _, suffix := range []string{keySuffix, keySuffix + newSuffix} {
		errs = append(errs, shred(path+suffix))
	}
	return explain(doing, errors.Join(append(errs, syncFolder(filepath.Dir(path)))...))
}

// Destroy erases the vault at path, key file first. Nobody may have it open. It
// goes on after a failure, so that as little as possible stays.
func Destroy(path string) error {
	const doing = "destroying the vault"
	errs := []error{DestroyKey(path)}
	for _, base := range []string{path, path + newSuffix} {
		for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
			errs = append(errs, shred(base+suffix))
		}
	}
	return explain(doing, errors.Join(append(errs, syncFolder(filepath.Dir(path)))...))
}

// Exists tells whether there is a vault at path, that is, its key file.
func Exists(path string) bool {
	_, err := os.Lstat(path + keySuffix)
	return err == nil
}

// shred overwrites a file with random bytes, then removes it. The bytes are on
// the disk before the name goes; where a disk or a file system puts them is its
// own affair.
func shred(path string) error {
	fi, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !fi.Mode().IsRegular():
		return os.Remove(path) // a link: what it points to is not the vault's
	}
	return errors.Join(overwrite(path, fi.Size()), os.Remove(path))
}

func overwrite(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, noise{}, size)
	return errors.Join(err, f.Sync(), f.Close())
}

type noise struct{}

func (noise) Read(p []byte) (int, error) {
	suite.Random(p)
	return len(p), nil
}
