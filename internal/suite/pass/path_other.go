//go:build !(amd64 || arm64) || purego

package pass

// available lists the implementations of this machine, best first.
var available = portable

func copyScatter(dst, in []byte, first, cell int, perm []uint32) bool {
	return copyScatterGeneric(dst, in, first, cell, perm)
}
