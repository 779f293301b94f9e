package station

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// folderLock keeps a second process from running the same station: two copies
// would send two records for one attempt, which shows who talks.
type folderLock struct{ f *os.File }

func lockFile(path string) (*folderLock, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the station's folder: %w", err)
	}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
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
