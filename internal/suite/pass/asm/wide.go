package main

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const cipherKernel = "func(dst, in, keys *byte, perm *uint32, count, n, slabs int, round uint64) bool"

// xor3 is the truth table of a three-way exclusive or for VPTERNLOG.
const xor3 = 0x96

// scatterWide is the VAES and AVX-512 kernel. A 512-bit register holds four
// 128-bit lanes, one circuit each: sixteen registers are blocks 0 to 15 of four
// cells and two more are the rolling halves of the four key schedules, so that
// nothing but cells, keys and permutation touches memory. At the end the lanes
// are transposed: block j of four circuits becomes four blocks of one circuit,
// a cache line to be xored with the input and stored.
//
// Cells longer than a slab run the schedule again for each slab: 13 more AES
// instructions beside 224, cheaper than keeping fifteen round keys.
func scatterWide(name, doc string, stream bool, store func(src, dst Op)) {
	TEXT(name, attr.NOSPLIT, cipherKernel)
	Doc(doc)
	Pragma("noescape")

	dst := Load(Param("dst"), GP64())
	in := Load(Param("in"), GP64())
	keys := Load(Param("keys"), GP64())
	perm := Load(Param("perm"), GP64())
	groups := Load(Param("count"), GP64())
	n := Load(Param("n"), GP64())
	cell, cell3 := cellSize(Load(Param("slabs"), GP64()))

	s := [slabBlocks]VecPhysical{Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15}
	if stream {
		touch(dst, perm, groups, 4)
	}
	key := [2]VecPhysical{Z16, Z17} // the round keys of the last even and the last odd round
	t := [4]VecPhysical{Z18, Z19, Z20, Z21}
	shuffle := [2]VecPhysical{Z22, Z23}
	step, start, base := Z24, Z25, Z26

	VMOVDQU64(rotWord, shuffle[0])
	VMOVDQU64(copyWord, shuffle[1])
	VMOVDQU64(slabStep, step)
	Comment("Every lane of start is the counter of a cell's first block.")
	iv := Load(Param("round"), GP64())
	BSWAPQ(iv)
	VMOVQ(iv, start.AsX())
	VSHUFI64X2(Imm(0), start, start, start)

	upper := K1
	mask := GP32()
	MOVL(U32(0xcccc), mask)
	KMOVW(mask, upper)

	Label("group")
	out := destinations(4, dst, perm, n)
	left := GP64()
	MOVQ(cell, left)
	VMOVDQA64(start, base)

	Label("slab")
	from := [4]Mem{{Base: in}, {Base: in, Index: cell, Scale: 1}, {Base: in, Index: cell, Scale: 2}, {Base: in, Index: cell3, Scale: 1}}
	VMOVDQU64(Mem{Base: keys}, t[0])
	VMOVDQU64(Mem{Base: keys, Disp: 64}, t[1])
	VSHUFI64X2(Imm(0x88), t[1], t[0], key[0])
	VSHUFI64X2(Imm(0xdd), t[1], t[0], key[1])
	VPXORQ(base, key[0], t[0])
	for j := range s {
		VPXORQ(counters.Offset(64*j), t[0], s[j])
	}
	for r := 1; r <= rounds; r++ {
		Commentf("Round %d, and the round key after it.", r)
		if r < rounds {
			old, last := key[(r+1)%2], key[r%2]
			VPSLLQ(Imm(32), old, t[0])
			VPXORQ(old, t[0], t[0])
			VPUNPCKLDQ_Z(t[0], t[0], upper, t[1])
			if r%2 == 1 {
				VPTERNLOGD_BCST(Imm(xor3), rcon.Offset(16*(r/2)), t[1], t[0])
			} else {
				VPXORQ(t[1], t[0], t[0])
			}
			VPSHUFB(shuffle[(r+1)%2], last, t[1])
			VAESENCLAST(t[0], t[1], old)
			for j := range s {
				VAESENC(last, s[j], s[j])
			}
			if r%3 == 1 && r/3 < 4 {
				for q := range slabBlocks / 4 {
					PREFETCHT0(from[r/3].Offset(64*q + prefetchAhead))
				}
			}
		} else {
			for j := range s {
				VAESENCLAST(key[r%2], s[j], s[j])
			}
		}
	}
	Comment("From lanes by circuit to lanes by block.")
	for q := 0; q < slabBlocks; q += 4 {
		a, b, c, d := s[q], s[q+1], s[q+2], s[q+3]
		VSHUFI64X2(Imm(0x44), b, a, t[0])
		VSHUFI64X2(Imm(0x44), d, c, t[1])
		VSHUFI64X2(Imm(0xee), b, a, t[2])
		VSHUFI64X2(Imm(0xee), d, c, t[3])
		VSHUFI64X2(Imm(0x88), t[1], t[0], a)
		VSHUFI64X2(Imm(0xdd), t[1], t[0], b)
		VSHUFI64X2(Imm(0x88), t[3], t[2], c)
		VSHUFI64X2(Imm(0xdd), t[3], t[2], d)
	}
	for k, o := range out {
		for q := range slabBlocks / 4 {
			VPXORQ(from[k].Offset(64*q), s[4*q+k], s[4*q+k])
			store(s[4*q+k], Mem{Base: o, Disp: 64 * q})
		}
		ADDQ(I32(slabBytes), o)
	}
	ADDQ(I32(slabBytes), in)
	VPADDD(step, base, base)
	SUBQ(I32(slabBytes), left)
	JNE(LabelRef("slab"))

	ADDQ(cell3, in)
	ADDQ(I32(4*32), keys)
	ADDQ(Imm(4*4), perm)
	DECQ(groups)
	JNE(LabelRef("group"))
	finish(true)
}

// cellSize leaves the size of a cell and three times that in registers and
// its logarithm in CX, from 1, 2 or 4 slabs.
func cellSize(slabs Register) (cell, cell3 GPVirtual) {
	cell, cell3 = GP64(), GP64()
	BSFQ(slabs, RCX)
	ADDQ(Imm(8), RCX)
	MOVQ(slabs, cell)
	SHLQ(Imm(8), cell)
	LEAQ(Mem{Base: cell, Index: cell, Scale: 2}, cell3)
	return cell, cell3
}

// destinations turns the next count entries of perm into addresses in dst.
func destinations(count int, dst, perm, n Register) []GPVirtual {
	out := make([]GPVirtual, count)
	for k := range out {
		out[k] = GP64()
		MOVL(Mem{Base: perm, Disp: 4 * k}, out[k].As32())
		CMPQ(out[k], n)
		JAE(LabelRef("outside"))
		SHLQ(CL, out[k])
		ADDQ(dst, out[k])
	}
	return out
}

// finish returns true, or false at label "outside". Stores that bypass the
// caches are ordered before whatever tells others that the cells are there.
func finish(wide bool) {
	for _, ok := range []uint64{1, 0} {
		if ok == 0 {
			Label("outside")
		}
		if wide {
			VZEROUPPER()
		}
		SFENCE()
		r := GP8()
		MOVB(U8(ok), r)
		Store(r, ReturnIndex(0))
		RET()
	}
}
