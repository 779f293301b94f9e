package mark

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncData waits until what was written in place is on the disk. Nothing but times
// changed of the file itself, so the file system's journal has no part in it.
func syncData(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
