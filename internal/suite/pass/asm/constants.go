package main

import (
	"encoding/binary"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// A slab is what is encrypted under one expansion of a key.
const (
	slabBytes  = 256
	slabBlocks = slabBytes / 16
	rounds     = 14 // AES-256
)

// Read-only data shared by the kernels.
var (
	rotWord  Mem // shuffle that puts RotWord of a round key's last word into every column
	copyWord Mem // shuffle that puts the last word itself into every column
	rcon     Mem // 16 bytes per constant, which stands in the first byte of every column
	counters Mem // 64 bytes per block j: j in the last byte of every lane
	slabStep Mem // the number of blocks of a slab, likewise
)

func constants() {
	rotWord = table("rotWord", 4, func(int) [16]byte {
		return [16]byte{13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12}
	})
	copyWord = table("copyWord", 4, func(int) [16]byte {
		return [16]byte{12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15}
	})
	rcon = table("rcon", rounds/2, func(i int) (b [16]byte) {
		b[0], b[4], b[8], b[12] = 1<<i, 1<<i, 1<<i, 1<<i
		return b
	})
	counters = table("counters", 4*4*slabBlocks, func(i int) [16]byte { return [16]byte{15: byte(i / 4)} })
	slabStep = table("slabStep", 4, func(int) [16]byte { return [16]byte{15: slabBlocks} })
}

// table places n entries of 16 bytes in read-only data.
func table(name string, n int, entry func(i int) [16]byte) Mem {
	m := GLOBL(name, attr.RODATA|attr.NOPTR)
	for i := range n {
		b := entry(i)
		DATA(16*i, U64(binary.LittleEndian.Uint64(b[:8])))
		DATA(16*i+8, U64(binary.LittleEndian.Uint64(b[8:])))
	}
	return m
}
