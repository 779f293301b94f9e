package vault

import (
	"errors"
	"slices"
	"syscall"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"
	"github.com/ncruces/go-sqlite3/vfs/adiantum"
)

// fileSystem names the file system of every connection: Adiantum over disk over
// the operating system's.
const fileSystem = "backchannel-vault"

func init() {
	vfs.Register(fileSystem, adiantum.Wrap(disk{vfs.Find("")}, nil))
}

// disk tells SQLite apart what it would call one I/O error: a disk that is full,
// which the user mends by making room, and one that fails.
type disk struct{ vfs.VFS }

// OpenFilename implements vfs.VFSFilename.
func (d disk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, flags, err := vfsutil.WrapOpenFilename(d.VFS, name, flags)
	if err != nil {
		return nil, flags, full(err)
	}
	return diskFile{f}, flags, nil
}

// noRoom are the operating system's words for it.
var noRoom = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}

func outOfRoom(err error) bool {
	return slices.ContainsFunc(noRoom, func(e error) bool { return errors.Is(err, e) })
}

func full(err error) error {
	if outOfRoom(err) {
		return vfs.SystemError(err, sqlite3.FULL)
	}
	return err
}

// diskFile passes everything on, optional abilities included.
type diskFile struct{ vfs.File }

func (f diskFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	return n, full(err)
}

func (f diskFile) Truncate(size int64) error      { return full(f.File.Truncate(size)) }
func (f diskFile) Sync(flags vfs.SyncFlag) error  { return full(f.File.Sync(flags)) }
func (f diskFile) SizeHint(size int64) error      { return full(vfsutil.WrapSizeHint(f.File, size)) }
func (f diskFile) Unwrap() vfs.File               { return f.File }
func (f diskFile) SharedMemory() vfs.SharedMemory { return vfsutil.WrapSharedMemory(f.File) }
func (f diskFile) LockState() vfs.LockLevel       { return vfsutil.WrapLockState(f.File) }
func (f diskFile) PersistWAL() bool               { return vfsutil.WrapPersistWAL(f.File) }
func (f diskFile) SetPersistWAL(keep bool)        { vfsutil.WrapSetPersistWAL(f.File, keep) }
func (f diskFile) HasMoved() (bool, error)        { return vfsutil.WrapHasMoved(f.File) }
