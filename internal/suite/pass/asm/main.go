// Command asm writes the amd64 assembly of package pass. Run it through
// "go generate" in that package; a test there regenerates and compares.
//
// It is a module of its own, so that what a generator needs stays out of the
// main module.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

func main() {
	ConstraintExpr("amd64,!purego")
	constants()
	const (
		stream = " Its stores bypass the caches; dst must be aligned to 64 bytes."
		cached = " It leaves its output in the caches."
	)
	wide := " passes 4·count cells of slabs·256 bytes with VAES and AVX-512."
	scatterWide("scatterWideStream", "scatterWideStream"+wide+stream, true, func(r, m Op) { VMOVNTDQ(r, m) })
	scatterWide("scatterWideCached", "scatterWideCached"+wide+cached, false, func(r, m Op) { VMOVDQU64(r, m) })
	narrow := " passes count cells of slabs·256 bytes with AES-NI and SSE."
	scatterNarrow("scatterNarrowStream", "scatterNarrowStream"+narrow+stream, true, func(r, m Op) { MOVNTO(r, m) })
	scatterNarrow("scatterNarrowCached", "scatterNarrowCached"+narrow+cached, false, func(r, m Op) { MOVOU(r, m) })
	moves := " copies count cells of slabs·256 bytes to their places."
	copyScatter("copyWide", "copyWide"+moves+stream, true)
	copyScatter("copyNarrow", "copyNarrow"+moves+stream, false)
	Generate()
}
