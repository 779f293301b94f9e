package pass

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"
)

// contender is one thing to be timed on the same arrays as the others.
type contender struct {
	name  string
	times []time.Duration
	run   func()
}

// BenchmarkPass runs every path and its limits in turn, so that whatever else
// the machine does falls on all of them, and reports medians of thread CPU
// time: nanoseconds per cell for each, and the ratios that matter.
func BenchmarkPass(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		for _, cell := range sizes {
			b.Run(fmt.Sprintf("circuits=%d/cell=%d", n, cell), func(b *testing.B) { benchPass(b, n, cell) })
		}
	}
}

func benchPass(b *testing.B, n, cell int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	in, out, keys := Arena(n*cell), Arena(n*cell), Arena(n*KeySize)
	defer Free(in)
	defer Free(out)
	defer Free(keys)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(keys)
	random.Read(in)
	copy(out, in) // so that no pass pays for a page that was never touched
	perm := make([]uint32, n)
	for i, p := range rand.New(random).Perm(n) {
		perm[i] = uint32(p)
	}

	var all []*contender
	add := func(name string, run func()) *contender {
		c := &contender{name: name, run: run}
		all = append(all, c)
		return c
	}
	limit := add("copy", func() { CopyScatter(out, in, 0, cell, perm) })
	add("sequential", func() { copy(out, in) })
	ours := map[string]*contender{}
	cells := map[*contender]int{}
	small := min(n, 20_000) // circuits of the slow paths, which would take most of the time
	for _, p := range Paths() {
		part := in
		if p == "std" || p == "generic" {
			part = in[:small*cell]
		}
		ours[p] = add(p, func() {
			if err := Use(p); err != nil {
				b.Fatal(err)
			}
			Scatter(out, part, 0, cell, keys, perm, 5)
		})
		cells[ours[p]] = len(part) / cell
	}
	ciphers := make([]cipher.Block, min(n, 200_000))
	for i := range ciphers {
		ciphers[i], _ = aes.NewCipher(keys[i*KeySize : (i+1)*KeySize])
	}
	loop := add("stdloop", func() {
		var iv [BlockSize]byte
		binary.BigEndian.PutUint64(iv[:], 5)
		for i, c := range ciphers {
			to := int(perm[i])
			cipher.NewCTR(c, iv[:]).XORKeyStream(out[to*cell:(to+1)*cell], in[i*cell:(i+1)*cell])
		}
	})
	const inCache = 16 << 10
	one := cipher.NewCTR(ciphers[0], make([]byte, BlockSize))
	std := add("stdctr", func() {
		for range 64 {
			one.XORKeyStream(out[:inCache], in[:inCache])
		}
	})
	cells[loop], cells[std] = len(ciphers), 64*inCache/cell
	defer Use(Paths()[0])

	for _, c := range all {
		c.run()
	}
	for b.Loop() {
		for _, c := range all {
			start := threadTime()
			c.run()
			c.times = append(c.times, threadTime()-start)
		}
	}
	per := func(c *contender) float64 {
		k := cells[c]
		if k == 0 {
			k = n
		}
		slices.Sort(c.times)
		return float64(c.times[len(c.times)/2]) / float64(k)
	}
	b.ReportMetric(0, "ns/op")
	for _, c := range all {
		b.ReportMetric(per(c), c.name+"-ns/cell")
	}
	best := ours[Paths()[0]]
	b.ReportMetric(per(best)/per(limit), "best/copy")
	b.ReportMetric(per(loop)/per(best), "stdloop/best")
	if c := ours["aesni"]; c != nil {
		b.ReportMetric(per(c)/per(std), "aesni/stdctr")
	}
	if c := ours["std"]; c != nil {
		b.ReportMetric(per(c)/per(std), "std/stdctr")
	}
	b.ReportMetric(per(ours["generic"])/per(std), "generic/stdctr")
}
