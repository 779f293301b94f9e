//go:build unix

package main

import (
	"net"

	"golang.org/x/sys/unix"
)

// listenMasked makes a socket that is its owner's alone from the first moment.
func listenMasked(path string) (net.Listener, error) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	return net.Listen("unix", path)
}
