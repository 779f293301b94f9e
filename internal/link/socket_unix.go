//go:build unix

package link

import (
	"errors"
	"net"
	"syscall"
)

// direct is how the system's calls reach a connection; nil if it is none of the
// system's.
func direct(c net.Conn) syscall.RawConn {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// readNow reads what is there; again says that nothing is.
func readNow(fd uintptr, p []byte) (n int, again bool, err error) {
	return once(func() (int, error) { return syscall.Read(int(fd), p) })
}

// writeNow writes what there is room for; again says that there is none.
func writeNow(fd uintptr, p []byte) (n int, again bool, err error) {
	return once(func() (int, error) { return syscall.Write(int(fd), p) })
}

func once(call func() (int, error)) (n int, again bool, err error) {
	for {
		n, err = call()
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return 0, true, nil
		case err != nil:
			return 0, false, err
		}
		return n, false, nil
	}
}
