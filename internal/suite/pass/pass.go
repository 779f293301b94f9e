// Package pass is the relay pass of suite 1: one traversal of an array of
// equal cells that adds or strips an AES-256-CTR layer on every cell, each
// under its own key, and puts every cell in its permuted place
// (docs/protocol.md, section 3, step 8; the round path in docs/architecture.md).
//
// It is the one operation whose cost grows with circuits times rounds, so it
// is built for the limit of the machine, which is memory bandwidth: cells are
// read in order and scattered with stores that bypass the caches, round keys
// are expanded anew for every cell, and a circuit costs 36 bytes of state (32
// of key, 4 of permutation) per direction.
//
// The implementations, of which a machine uses the first that it can run:
//
//	vaes     amd64 with VAES and AVX-512: four cells at a time, in registers
//	aesni    amd64 with AES-NI
//	neon     arm64 with the AES instructions
//	std      crypto/aes where that uses AES instructions; it alone allocates
//	generic  everywhere: bitsliced Go, 64 cells at a time
//
// The package trusts its caller for one rule that it cannot check: one
// (key, round) serves one array in one direction, ever. It never branches on,
// indexes by, or reports key bytes or cell bytes: every implementation runs in
// constant time with respect to them. The permutation is secret too and does
// decide addresses; whoever can watch the memory bus or the caches of a relay
// is inside the relay.
package pass

import (
	"fmt"
	"unsafe"
)

// Sizes in bytes.
const (
	KeySize      = 32                 // AES-256, one key per circuit and direction
	PermSize     = 4                  // one uint32 per circuit and direction
	CircuitState = KeySize + PermSize // 36: all that a pass reads beside the cell
	BlockSize    = 16
)

// chunkCells bounds the input of one call of an implementation. Assembly
// cannot be preempted, so a call must stay below a tenth of a millisecond; and
// the kernels ask for the destinations of a whole call at its start, which
// pays from about a hundred cells on and fills the first-level cache at a
// thousand.
const chunkCells = 512

// Scatter processes the cells [first, first+len(in)/cell) of an array of n:
// for each circuit i of them
//
//	dst[perm[i]] = in[i-first] ⊕ AES-256-CTR(keys[i], IV = round(8) ‖ 0(8))
//
// where dst[j] is the j-th cell of the whole output array and the counter is
// the IV as one big-endian number, as in crypto/cipher.NewCTR. A nil perm
// means dst[i]. Cells are 256, 512 or 1024 bytes; n is len(keys)/32; dst holds
// n cells and perm, unless nil, n entries. in is any whole number of cells, so
// an array can be processed as it arrives.
//
// The forward direction calls it with the relay's permutation. The backward
// direction is the same call: the permutation is Invert of the forward one and
// the keys stand in the input order of that direction, so that entry perm[i]
// of the backward keys belongs to the circuit with entry i of the forward
// ones. At the last relay perm[i] is the index of i's partner.
//
// dst and in must not overlap, with one exception: with a nil perm in may be
// exactly its own place in dst. Scatter panics if lengths disagree or an entry
// of perm is not below n (cells before it may have been written), and
// allocates nothing (but see the path "std"). perm is not checked to be a permutation: a cell that no
// entry names keeps its bytes. Calls on distinct cells may run in parallel.
func Scatter(dst, in []byte, first, cell int, keys []byte, perm []uint32, round uint64) {
	n := len(keys) / KeySize
	if len(keys)%KeySize != 0 {
		panic(fmt.Sprintf("pass: %d bytes are no whole number of keys", len(keys)))
	}
	m := check(dst, in, first, cell, n, perm)
	f := current.Load().scatter
	for m > 0 {
		k := min(m, chunkCells)
		if !f(dst, in[:k*cell], first, cell, keys, perm, round) {
			panic("pass: a permutation entry is not below the number of cells")
		}
		in, first, m = in[k*cell:], first+k, m-k
	}
}

// CopyScatter is Scatter without cipher: dst[perm[i]] = in[i-first]. It is the
// limit that a pass is measured against. n is len(perm); everything else is
// checked as in Scatter, and perm must not be nil.
func CopyScatter(dst, in []byte, first, cell int, perm []uint32) {
	if perm == nil {
		panic("pass: a permuting copy needs a permutation")
	}
	m := check(dst, in, first, cell, len(perm), perm)
	for m > 0 {
		k := min(m, chunkCells)
		if !copyScatter(dst, in[:k*cell], first, cell, perm) {
			panic("pass: a permutation entry is not below the number of cells")
		}
		in, first, m = in[k*cell:], first+k, m-k
	}
}

// check refuses inconsistent arguments and returns the number of cells in in.
func check(dst, in []byte, first, cell, n int, perm []uint32) int {
	if cell != 256 && cell != 512 && cell != 1024 {
		panic(fmt.Sprintf("pass: cells of %d bytes; they have 256, 512 or 1024", cell))
	}
	m := len(in) / cell
	if len(in)%cell != 0 {
		panic(fmt.Sprintf("pass: an input of %d bytes is no whole number of %d-byte cells", len(in), cell))
	}
	if first < 0 || first > n || m > n-first {
		panic(fmt.Sprintf("pass: cells %d to %d of an array of %d", first, first+m, n))
	}
	if len(dst) != n*cell {
		panic(fmt.Sprintf("pass: an output of %d bytes for %d cells of %d", len(dst), n, cell))
	}
	if perm != nil && len(perm) != n {
		panic(fmt.Sprintf("pass: a permutation of %d entries for %d cells", len(perm), n))
	}
	if m > 0 && overlap(dst, in) && (perm != nil || &dst[first*cell] != &in[0]) {
		panic("pass: input and output overlap")
	}
	return m
}

// overlap says whether two slices that are not empty share memory.
func overlap(a, b []byte) bool {
	return uintptr(unsafe.Pointer(&a[0])) <= uintptr(unsafe.Pointer(&b[len(b)-1])) &&
		uintptr(unsafe.Pointer(&b[0])) <= uintptr(unsafe.Pointer(&a[len(a)-1]))
}

// Invert returns the inverse of a permutation: out[perm[i]] = i. It panics if
// perm is not a permutation of 0 … len(perm)-1.
func Invert(perm []uint32) []uint32 {
	out := make([]uint32, len(perm))
	seen := make([]bool, len(perm))
	for i, p := range perm {
		if int(p) >= len(perm) || seen[p] {
			panic("pass: inverse of something that is no permutation")
		}
		seen[p] = true
		out[p] = uint32(i)
	}
	return out
}
