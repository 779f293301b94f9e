//go:build amd64 && !purego

package pass

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

//go:generate sh -c "cd asm && go run . -out ../pass_amd64.s -stubs ../stubs_amd64.go -pkg pass"

// What the kernels use, and what the system has agreed to save and restore.
var (
	hasAESNI = cpu.X86.HasAES && cpu.X86.HasSSE41 && cpu.X86.HasSSSE3
	hasWide  = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW
	hasVAES  = hasAESNI && hasWide && cpu.X86.HasAVX512VAES
)

// available lists the implementations of this machine, best first.
var available = func() (p []path) {
	if hasVAES {
		p = append(p, path{"vaes", scatterVAES})
	}
	if hasAESNI {
		p = append(p, path{"aesni", scatterAESNI})
	}
	return append(p, portable...)
}()

// cacheLine is the alignment that stores past the caches need, and the reason
// why cells are multiples of it.
const cacheLine = 64

// streamFrom is the size of an output array from which its stores bypass the
// caches. A smaller one stays in them, and whoever sends it finds it there:
// pass and reading back together are cheaper up to about 8 MB on a core of 2024.
const streamFrom = 4 << 20

func streams(dst []byte) bool {
	return len(dst) >= streamFrom && uintptr(unsafe.Pointer(&dst[0]))%cacheLine == 0
}

// scatterVAES passes four cells at a time, and the last one to three of a
// chunk with AES-NI.
func scatterVAES(dst, in []byte, first, cell int, keys []byte, perm []uint32, round uint64) bool {
	m := len(in) / cell
	done := m &^ 3
	if done > 0 {
		f := scatterWideCached
		if streams(dst) {
			f = scatterWideStream
		}
		to, from := places(dst, first, cell, perm)
		if !f(to, &in[0], &keys[first*KeySize], from, done/4, len(keys)/KeySize, cell/slab, round) {
			return false
		}
	}
	return done == m || scatterAESNI(dst, in[done*cell:], first+done, cell, keys, perm, round)
}

func scatterAESNI(dst, in []byte, first, cell int, keys []byte, perm []uint32, round uint64) bool {
	f := scatterNarrowCached
	if streams(dst) {
		f = scatterNarrowStream
	}
	to, from := places(dst, first, cell, perm)
	return f(to, &in[0], &keys[first*KeySize], from, len(in)/cell, len(keys)/KeySize, cell/slab, round)
}

// slab is the unit in which the kernels count the length of a cell.
const slab = 256

func copyScatter(dst, in []byte, first, cell int, perm []uint32) bool {
	switch {
	case uintptr(unsafe.Pointer(&dst[0]))%cacheLine != 0:
		return copyScatterGeneric(dst, in, first, cell, perm)
	case hasWide:
		return copyWide(&dst[0], &in[0], &perm[first], len(in)/cell, len(perm), cell/slab)
	default:
		return copyNarrow(&dst[0], &in[0], &perm[first], len(in)/cell, len(perm), cell/slab)
	}
}
