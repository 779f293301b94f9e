//go:build unix

package station

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// folderLock keeps a second process from running the same station: two copies
// would send two records for one attempt, which shows who talks.
type folderLock struct{ f *os.File }

func lockFile(path string) (*folderLock, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("locking the station's folder: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		f.Close()
		return nil, errors.New("locking the station's folder: another process runs this station already: use that one, or stop it first (two copies at once would show who talks)")
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking the station's folder: %w", err)
	}
	return &folderLock{f}, nil
}

// release ends the lock; closing the file is what ends it.
func (l *folderLock) release() { l.f.Close() }
