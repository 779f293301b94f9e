//go:build arm64 && !purego

package pass

import "golang.org/x/sys/cpu"

// available lists the implementations of this machine, best first.
var available = func() []path {
	if cpu.ARM64.HasAES {
		return append([]path{{"neon", scatterCrypto}}, portable...)
	}
	return portable
}()

// scatterNEON passes count cells with the AES instructions of ARMv8. It
// returns false, after the cells before it, at an entry of perm not below n.
//
//go:noescape
func scatterNEON(dst, in, keys *byte, perm *uint32, count, n, cell int, round uint64) bool

func scatterCrypto(dst, in []byte, first, cell int, keys []byte, perm []uint32, round uint64) bool {
	to, from := places(dst, first, cell, perm)
	return scatterNEON(to, &in[0], &keys[first*KeySize], from, len(in)/cell, len(keys)/KeySize, cell, round)
}

func copyScatter(dst, in []byte, first, cell int, perm []uint32) bool {
	return copyScatterGeneric(dst, in, first, cell, perm)
}
