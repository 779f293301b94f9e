package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// batch is how many blocks the AES-NI kernel has in flight: with two AES units
// of four cycles each, eight keep them busy.
const (
	batch      = 8
	batchBytes = 16 * batch
)

// The registers of the AES-NI kernel.
var (
	narrowState              = [batch]VecPhysical{X0, X1, X2, X3, X4, X5, X6, X7}
	narrowKey                = [2]VecPhysical{X8, X9} // the round keys of the last even and the last odd round
	narrowT, narrowU         = X10, X11
	narrowRot                = X12
	narrowStart, narrowFirst = X13, X14 // the IV, alone and under round key 0
	roundKey                 = X15
)

// scatterNarrow is the kernel for processors with AES-NI and no more. It
// encrypts one circuit at a time from a schedule in the stack frame; the
// schedule of the next circuit is expanded between the rounds of the first
// batch of blocks, since it is a chain of dependent instructions that would
// leave the AES units idle. It uses SSE instructions only: small processors
// have AES-NI without AVX.
func scatterNarrow(name, doc string, stream bool, store func(src, dst Op)) {
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

	if stream {
		touch(dst, perm, cells, 1)
	}
	schedules := AllocLocal(2 * 16 * (rounds + 1))
	now, next, following := GP64(), GP64(), GP64()
	LEAQ(schedules, now)
	LEAQ(schedules.Offset(16*(rounds+1)), next)
	MOVOU(rotWord, narrowRot)
	iv := Load(Param("round"), GP64())
	BSWAPQ(iv)
	MOVQ(iv, narrowStart)

	loadKey(keys, next)
	for r := 1; r < rounds; r++ {
		expand(r, next)
	}

	Label("cell")
	out := destinations(1, dst, perm, n)[0]
	XCHGQ(now, next)
	Comment("The last cell has no next key and expands its own again.")
	LEAQ(Mem{Base: keys, Disp: 32}, following)
	CMPQ(cells, Imm(1))
	CMOVQNE(following, keys)
	left, block := GP64(), GP64()
	MOVQ(cell, left)
	LEAQ(counters, block)
	MOVOU(Mem{Base: now}, narrowFirst)
	PXOR(narrowStart, narrowFirst)

	loadKey(keys, next)
	encrypt(in, out, block, now, store, func(r int) {
		if r < rounds {
			expand(r, next)
		}
	})
	SUBQ(I32(batchBytes), left)
	Label("batch")
	encrypt(in, out, block, now, store, func(int) {})
	SUBQ(I32(batchBytes), left)
	JNE(LabelRef("batch"))

	ADDQ(Imm(4), perm)
	DECQ(cells)
	JNE(LabelRef("cell"))
	finish(false)
}

// loadKey takes the first two round keys, which are the key.
func loadKey(keys, schedule Register) {
	for i, k := range narrowKey {
		MOVOU(Mem{Base: keys, Disp: 16 * i}, k)
		MOVOU(k, Mem{Base: schedule, Disp: 16 * i})
	}
}

// expand makes round key r+1 of the schedule.
func expand(r int, schedule Register) {
	old, last, t := narrowKey[(r+1)%2], narrowKey[r%2], narrowT
	MOVO(old, t)
	PSLLO(Imm(4), t)
	PXOR(t, old)
	MOVO(old, t)
	PSLLO(Imm(8), t)
	PXOR(t, old)
	if r%2 == 1 {
		MOVOU(rcon.Offset(16*(r/2)), narrowU)
		PXOR(narrowU, old)
		MOVO(last, t)
		PSHUFB(narrowRot, t)
	} else {
		PSHUFD(Imm(0xff), last, t)
	}
	AESENCLAST(old, t)
	MOVO(t, old)
	MOVOU(old, Mem{Base: schedule, Disp: 16 * (r + 1)})
}

// encrypt passes one batch of blocks and advances the pointers past it;
// between emits what is to run beside round r.
func encrypt(in, out, block, schedule Register, store func(src, dst Op), between func(r int)) {
	for line := 0; line < batchBytes; line += 64 {
		PREFETCHT0(Mem{Base: in, Disp: prefetchAhead + line})
	}
	for j, s := range narrowState {
		MOVOU(Mem{Base: block, Disp: 64 * j}, s)
		PXOR(narrowFirst, s)
	}
	for r := 1; r <= rounds; r++ {
		MOVOU(Mem{Base: schedule, Disp: 16 * r}, roundKey)
		for _, s := range narrowState {
			if r < rounds {
				AESENC(roundKey, s)
			} else {
				AESENCLAST(roundKey, s)
			}
		}
		between(r)
	}
	for j, s := range narrowState {
		MOVOU(Mem{Base: in, Disp: 16 * j}, roundKey)
		PXOR(roundKey, s)
		store(s, Mem{Base: out, Disp: 16 * j})
	}
	ADDQ(I32(batchBytes), in)
	ADDQ(I32(batchBytes), out)
	ADDQ(I32(64*batch), block)
}
