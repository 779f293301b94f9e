package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// prefetchAhead is how far before its use the input is asked for. The
// processor's own prefetcher stops at 4 kB pages.
const prefetchAhead = 4096

// touch asks for one line of every destination of a call, count times unit of
// them, before anything else. The lines are of no use; the address
// translations that come with them are. A store that misses them holds up the
// instructions after it, and a cipher kernel has no more than a few cells
// between its oldest and its newest instruction, so it would wait for every
// such miss in turn; here the misses of all cells overlap. A prefetch never
// faults, so entries need no check yet.
func touch(dst, perm, count Register, unit int) {
	next, left, to := GP64(), GP64(), GP64()
	MOVQ(perm, next)
	MOVQ(count, left)
	Label("touch")
	for k := range unit {
		MOVL(Mem{Base: next, Disp: 4 * k}, to.As32())
		SHLQ(CL, to)
		PREFETCHNTA(Mem{Base: dst, Index: to, Scale: 1})
	}
	ADDQ(Imm(uint64(4*unit)), next)
	DECQ(left)
	JNE(LabelRef("touch"))
}
