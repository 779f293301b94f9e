package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// batch is how many blocks the AES-NI kernel has in flight: with two AES units
// of four cycles each, eight keep them busy.
const batch = 8

// scatterNarrow is the kernel for processors with AES-NI and no more: one
// circuit at a time, its schedule expanded once into the stack frame. It uses
// SSE instructions only, since small processors have AES-NI without AVX.
func scatterNarrow(name, doc string, store func(src, dst Op)) {
	TEXT(name, attr.NOSPLIT, cipherKernel)
	Doc(doc)
	Pragma("noescape")

	dst := Load(Param("dst"), GP64())
	in := Load(Param("in"), GP64())
	keys := Load(Param("keys"), GP64())
	perm := Load(Param("perm"), GP64())
	cells := Load(Param("count"), GP64())
	n := Load(Param("n"), GP64())
	cell, _ := cellSize(Load(Param("slabs"), GP64()))

	s := [batch]VecPhysical{X0, X1, X2, X3, X4, X5, X6, X7}
	key := [2]VecPhysical{X8, X9}
	t, u, rot := X10, X11, X12
	start, first := X13, X14
	schedule := AllocLocal(16 * (rounds + 1))

	MOVOU(rotWord, rot)
	iv := Load(Param("round"), GP64())
	BSWAPQ(iv)
	MOVQ(iv, start)

	Label("cell")
	out := destinations(1, dst, perm, n)[0]
	MOVOU(Mem{Base: keys}, key[0])
	MOVOU(Mem{Base: keys, Disp: 16}, key[1])
	MOVO(key[0], first)
	PXOR(start, first)
	MOVOU(key[1], schedule.Offset(16))
	for r := 1; r < rounds; r++ {
		old, last := key[(r+1)%2], key[r%2]
		MOVO(old, t)
		PSLLO(Imm(4), t)
		PXOR(t, old)
		MOVO(old, t)
		PSLLO(Imm(8), t)
		PXOR(t, old)
		if r%2 == 1 {
			MOVOU(rcon.Offset(16*(r/2)), u)
			PXOR(u, old)
			MOVO(last, t)
			PSHUFB(rot, t)
		} else {
			PSHUFD(Imm(0xff), last, t)
		}
		AESENCLAST(old, t)
		MOVO(t, old)
		MOVOU(old, schedule.Offset(16*(r+1)))
	}
	left, block := GP64(), GP64()
	MOVQ(cell, left)
	LEAQ(counters, block)

	Label("batch")
	for j := range s {
		MOVOU(Mem{Base: block, Disp: 64 * j}, s[j])
		PXOR(first, s[j])
	}
	for r := 1; r <= rounds; r++ {
		MOVOU(schedule.Offset(16*r), t)
		for j := range s {
			if r < rounds {
				AESENC(t, s[j])
			} else {
				AESENCLAST(t, s[j])
			}
		}
	}
	for j := range s {
		MOVOU(Mem{Base: in, Disp: 16 * j}, t)
		PXOR(t, s[j])
		store(s[j], Mem{Base: out, Disp: 16 * j})
	}
	ADDQ(I32(16*batch), in)
	ADDQ(I32(16*batch), out)
	ADDQ(I32(64*batch), block)
	SUBQ(I32(16*batch), left)
	JNE(LabelRef("batch"))

	ADDQ(Imm(32), keys)
	ADDQ(Imm(4), perm)
	DECQ(cells)
	JNE(LabelRef("cell"))
	finish(false)
}
