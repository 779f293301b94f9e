//go:build !unix

package link

import (
	"errors"
	"net"
	"syscall"
)

// direct finds no way around the library's calls, which wait.
func direct(net.Conn) syscall.RawConn { return nil }

// readNow and writeNow are never called where direct finds nothing.
func readNow(uintptr, []byte) (n int, again bool, err error) { return 0, false, errors.ErrUnsupported }

func writeNow(uintptr, []byte) (n int, again bool, err error) {
	return 0, false, errors.ErrUnsupported
}
