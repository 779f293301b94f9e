package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// copyScatter is a pass without cipher, the limit that passes are measured
// against: the same reads, the same stores that bypass the caches. With so few
// instructions to a cell many are under way at once, so that only the largest
// cells gain from touch; a limit that a pass could beat would be none.
func copyScatter(name, doc string, wide bool) {
	TEXT(name, attr.NOSPLIT, "func(dst, in *byte, perm *uint32, count, n, slabs int) bool")
	Doc(doc)
	Pragma("noescape")

	dst := Load(Param("dst"), GP64())
	in := Load(Param("in"), GP64())
	perm := Load(Param("perm"), GP64())
	cells := Load(Param("count"), GP64())
	n := Load(Param("n"), GP64())
	cell, _ := cellSize(Load(Param("slabs"), GP64()))

	CMPQ(cell, I32(1024))
	JNE(LabelRef("cell"))
	touch(dst, perm, cells, 1)
	Label("cell")
	out := destinations(1, dst, perm, n)[0]
	left := GP64()
	MOVQ(cell, left)

	Label("slab")
	PREFETCHT0(Mem{Base: in, Disp: prefetchAhead})
	if wide {
		for j, r := range []VecPhysical{Z0, Z1, Z2, Z3} {
			VMOVDQU64(Mem{Base: in, Disp: 64 * j}, r)
		}
		for j, r := range []VecPhysical{Z0, Z1, Z2, Z3} {
			VMOVNTDQ(r, Mem{Base: out, Disp: 64 * j})
		}
	} else {
		for half := 0; half < slabBytes; half += 128 {
			for j, r := range []VecPhysical{X0, X1, X2, X3, X4, X5, X6, X7} {
				MOVOU(Mem{Base: in, Disp: half + 16*j}, r)
			}
			for j, r := range []VecPhysical{X0, X1, X2, X3, X4, X5, X6, X7} {
				MOVNTO(r, Mem{Base: out, Disp: half + 16*j})
			}
		}
	}
	ADDQ(I32(slabBytes), in)
	ADDQ(I32(slabBytes), out)
	SUBQ(I32(slabBytes), left)
	JNE(LabelRef("slab"))

	ADDQ(Imm(4), perm)
	DECQ(cells)
	JNE(LabelRef("cell"))
	finish(wide)
}
