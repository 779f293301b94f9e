package pass

import (
	"fmt"
	"sync/atomic"
)

// path is one implementation of the pass. Its scatter gets arguments that
// check accepted and at most chunkCells of input; it returns false, possibly
// after writing some cells, if an entry of perm is not below n.
type path struct {
	name    string
	scatter func(dst, in []byte, first, cell int, keys []byte, perm []uint32, round uint64) bool
}

// current is the implementation that Scatter uses. It is swapped as a whole,
// so that Use is safe beside running passes.
var current atomic.Pointer[path]

func init() { current.Store(&available[0]) }

// Paths names the implementations that this machine can run, best first.
// "generic" is always the last.
func Paths() []string {
	names := make([]string, len(available))
	for i := range available {
		names[i] = available[i].name
	}
	return names
}

// Use selects an implementation for the whole process, for tests and
// measurements; without it the first of Paths is in use. Every implementation
// gives the same bytes.
func Use(name string) error {
	for i := range available {
		if available[i].name == name {
			current.Store(&available[i])
			return nil
		}
	}
	return fmt.Errorf("selecting the relay pass %q: this machine has only %v", name, Paths())
}
