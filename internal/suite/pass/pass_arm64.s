//go:build !purego

#include "textflag.h"

// Written by hand: avo has no arm64.

// The byte shuffle that puts RotWord of the last word into every column.
DATA rotWord<>+0(SB)/8, $0x0c0f0e0d0c0f0e0d
DATA rotWord<>+8(SB)/8, $0x0c0f0e0d0c0f0e0d
GLOBL rotWord<>(SB), RODATA|NOPTR, $16

// What one block adds to the counter, whose last byte alone moves.
DATA oneBlock<>+0(SB)/8, $0
DATA oneBlock<>+8(SB)/8, $0x0100000000000000
GLOBL oneBlock<>(SB), RODATA|NOPTR, $16

// PREFIX makes every word of d the exclusive or of all words of s up to it.
#define PREFIX(s, d) \
	VEXT $12, s.B16, V31.B16, V8.B16; \
	VEOR s.B16, V8.B16, V8.B16; \
	VEXT $8, V8.B16, V31.B16, V9.B16; \
	VEOR V8.B16, V9.B16, d.B16

// EVEN and ODD make round key d from the two before it. AESE with a zero key is
// SubBytes and ShiftRows, and ShiftRows moves nothing between equal columns.
#define EVEN(back, last, rcon, d) \
	PREFIX(back, V10); \
	VTBL V15.B16, [last.B16], V11.B16; \
	AESE V31.B16, V11.B16; \
	MOVD $rcon, R12; \
	VDUP R12, V9.S4; \
	VEOR V9.B16, V10.B16, V10.B16; \
	VEOR V10.B16, V11.B16, d.B16

#define ODD(back, last, d) \
	PREFIX(back, V10); \
	VDUP last.S[3], V11.S4; \
	AESE V31.B16, V11.B16; \
	VEOR V10.B16, V11.B16, d.B16

#define ROUND(k) \
	AESE k.B16, V0.B16; AESMC V0.B16, V0.B16; \
	AESE k.B16, V1.B16; AESMC V1.B16, V1.B16; \
	AESE k.B16, V2.B16; AESMC V2.B16, V2.B16; \
	AESE k.B16, V3.B16; AESMC V3.B16, V3.B16; \
	AESE k.B16, V4.B16; AESMC V4.B16, V4.B16; \
	AESE k.B16, V5.B16; AESMC V5.B16, V5.B16; \
	AESE k.B16, V6.B16; AESMC V6.B16, V6.B16; \
	AESE k.B16, V7.B16; AESMC V7.B16, V7.B16

// LAST is the last round and its two round keys for four blocks, and the
// exclusive or with 64 bytes of input.
#define LAST(a, b, c, d) \
	VLD1.P 64(R1), [V8.B16, V9.B16, V10.B16, V11.B16]; \
	AESE V29.B16, a.B16; AESE V29.B16, b.B16; \
	AESE V29.B16, c.B16; AESE V29.B16, d.B16; \
	VEOR V30.B16, V8.B16, V8.B16; VEOR V30.B16, V9.B16, V9.B16; \
	VEOR V30.B16, V10.B16, V10.B16; VEOR V30.B16, V11.B16, V11.B16; \
	VEOR a.B16, V8.B16, V8.B16; VEOR b.B16, V9.B16, V9.B16; \
	VEOR c.B16, V10.B16, V10.B16; VEOR d.B16, V11.B16, V11.B16; \
	VST1.P [V8.B16, V9.B16, V10.B16, V11.B16], 64(R9)

// func scatterNEON(dst, in, keys *byte, perm *uint32, count, n, cell int, round uint64) bool
//
// One circuit at a time; its fifteen round keys stay in V16 to V30 and eight
// blocks are in flight in V0 to V7.
TEXT ·scatterNEON(SB), NOSPLIT, $0-65
	MOVD dst+0(FP), R0
	MOVD in+8(FP), R1
	MOVD keys+16(FP), R2
	MOVD perm+24(FP), R3
	MOVD count+32(FP), R4
	MOVD n+40(FP), R5
	MOVD cell+48(FP), R6
	MOVD round+56(FP), R7
	REV  R7, R7
	VEOR V31.B16, V31.B16, V31.B16
	MOVD $rotWord<>(SB), R8
	VLD1 (R8), [V15.B16]
	MOVD $oneBlock<>(SB), R8
	VLD1 (R8), [V13.B16]

cell:
	MOVWU.P 4(R3), R9
	CMP     R5, R9
	BHS     outside
	MUL     R6, R9, R9
	ADD     R0, R9, R9

	VLD1.P 32(R2), [V16.B16, V17.B16]
	EVEN(V16, V17, 0x01, V18)
	ODD(V17, V18, V19)
	EVEN(V18, V19, 0x02, V20)
	ODD(V19, V20, V21)
	EVEN(V20, V21, 0x04, V22)
	ODD(V21, V22, V23)
	EVEN(V22, V23, 0x08, V24)
	ODD(V23, V24, V25)
	EVEN(V24, V25, 0x10, V26)
	ODD(V25, V26, V27)
	EVEN(V26, V27, 0x20, V28)
	ODD(V27, V28, V29)
	EVEN(V28, V29, 0x40, V30)

	VEOR V0.B16, V0.B16, V0.B16
	VMOV R7, V0.D[0]
	MOVD R6, R10

batch:
	VADD V13.S4, V0.S4, V1.S4
	VADD V13.S4, V1.S4, V2.S4
	VADD V13.S4, V2.S4, V3.S4
	VADD V13.S4, V3.S4, V4.S4
	VADD V13.S4, V4.S4, V5.S4
	VADD V13.S4, V5.S4, V6.S4
	VADD V13.S4, V6.S4, V7.S4
	VADD V13.S4, V7.S4, V14.S4
	ROUND(V16)
	ROUND(V17)
	ROUND(V18)
	ROUND(V19)
	ROUND(V20)
	ROUND(V21)
	ROUND(V22)
	ROUND(V23)
	ROUND(V24)
	ROUND(V25)
	ROUND(V26)
	ROUND(V27)
	ROUND(V28)
	LAST(V0, V1, V2, V3)
	LAST(V4, V5, V6, V7)
	VMOV V14.B16, V0.B16
	SUBS $128, R10
	BNE  batch

	SUBS $1, R4
	BNE  cell
	MOVD $1, R8
	MOVB R8, ret+64(FP)
	RET

outside:
	MOVB ZR, ret+64(FP)
	RET
