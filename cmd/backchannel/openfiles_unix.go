//go:build unix

package main

import (
	"math"

	"golang.org/x/sys/unix"
)

// openFiles is how many files and sockets this process may have open. The runtime
// has raised the soft limit to the hard one already.
func openFiles() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 256 // the least that systems allow
	}
	return int(min(l.Cur, math.MaxInt32))
}
