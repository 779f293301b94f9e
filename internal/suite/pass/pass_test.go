package pass

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

var sizes = []int{256, 512, 1024}

// reference is the definition of Scatter on the standard library.
func reference(dst, in []byte, first, cell int, keys []byte, perm []uint32, round uint64) {
	var iv [BlockSize]byte
	binary.BigEndian.PutUint64(iv[:], round)
	for i := first; len(in) > 0; i, in = i+1, in[cell:] {
		b, err := aes.NewCipher(keys[i*KeySize : (i+1)*KeySize])
		if err != nil {
			panic(err)
		}
		to := i
		if perm != nil {
			to = int(perm[i])
		}
		cipher.NewCTR(b, iv[:]).XORKeyStream(dst[to*cell:(to+1)*cell], in[:cell])
	}
}

// sample is a random problem of n circuits.
type sample struct {
	in, keys []byte
	perm     []uint32
}

func newSample(seed uint64, n, cell int) sample {
	var s [32]byte
	binary.LittleEndian.PutUint64(s[:], seed)
	src := rand.NewChaCha8(s)
	r := sample{in: make([]byte, n*cell), keys: make([]byte, n*KeySize), perm: make([]uint32, n)}
	src.Read(r.in)
	src.Read(r.keys)
	for i, p := range rand.New(src).Perm(n) {
		r.perm[i] = uint32(p)
	}
	return r
}

// onEveryPath runs f once with each implementation selected.
func onEveryPath(t *testing.T, f func(t *testing.T)) {
	best := Paths()[0]
	for _, p := range Paths() {
		t.Run(p, func(t *testing.T) {
			if err := Use(p); err != nil {
				t.Fatal(err)
			}
			defer Use(best)
			f(t)
		})
	}
}

func TestScatterAgainstStandardLibrary(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for _, cell := range sizes {
			for _, n := range []int{0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 257, 1500} {
				for _, round := range []uint64{0, 1, 0x0123456789abcdef, 1<<64 - 1} {
					s := newSample(uint64(n)<<8+uint64(cell), n, cell)
					for _, perm := range [][]uint32{s.perm, nil} {
						want, got := make([]byte, n*cell), make([]byte, n*cell)
						reference(want, s.in, 0, cell, s.keys, perm, round)
						Scatter(got, s.in, 0, cell, s.keys, perm, round)
						if !bytes.Equal(got, want) {
							t.Fatalf("n %d, cell %d, round %d, perm %v: differs from the standard library", n, cell, round, perm != nil)
						}
					}
				}
			}
		}
	})
}

func TestScatterInChunks(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		const n = 333
		for _, cell := range sizes {
			s := newSample(7, n, cell)
			want := make([]byte, n*cell)
			reference(want, s.in, 0, cell, s.keys, s.perm, 9)
			for _, chunk := range []int{1, 3, 16, 17, 50, n} {
				got := make([]byte, n*cell)
				for first := 0; first < n; first += chunk {
					k := min(chunk, n-first)
					Scatter(got, s.in[first*cell:(first+k)*cell], first, cell, s.keys, s.perm, 9)
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("cell %d in chunks of %d differs from the standard library", cell, chunk)
				}
			}
		}
	})
}

// TestUnaligned moves every buffer off its alignment: chunks come out of
// connections and dst may be part of something else.
func TestUnaligned(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		const n = 70
		for _, cell := range sizes {
			s := newSample(8, n, cell)
			want := make([]byte, n*cell)
			reference(want, s.in, 0, cell, s.keys, s.perm, 9)
			for _, off := range []int{1, 3, 8, 16, 63} {
				in := append(make([]byte, off), s.in...)[off:]
				keys := append(make([]byte, off), s.keys...)[off:]
				guard := bytes.Repeat([]byte{0xa5}, off+n*cell+64)
				got := guard[off : off+n*cell]
				Scatter(got, in, 0, cell, keys, s.perm, 9)
				if !bytes.Equal(got, want) {
					t.Fatalf("cell %d at offset %d differs from the standard library", cell, off)
				}
				for i, b := range guard {
					if (i < off || i >= off+n*cell) && b != 0xa5 {
						t.Fatalf("cell %d at offset %d: wrote outside the output", cell, off)
					}
				}
			}
		}
	})
}

// TestBackward strips in one direction and adds in the other, as a relay does.
func TestBackward(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		const n, cell = 100, 256
		s := newSample(11, n, cell)
		there, back := make([]byte, n*cell), make([]byte, n*cell)
		Scatter(there, s.in, 0, cell, s.keys, s.perm, 3)
		keys := make([]byte, n*KeySize)
		for i, p := range s.perm {
			copy(keys[int(p)*KeySize:], s.keys[i*KeySize:(i+1)*KeySize])
		}
		Scatter(back, there, 0, cell, keys, Invert(s.perm), 3)
		if !bytes.Equal(back, s.in) {
			t.Fatal("the backward pass under the same keys does not undo the forward pass")
		}
	})
}

func TestSamePlaceWithoutPermutation(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		const n, cell = 100, 512
		s := newSample(12, n, cell)
		want := make([]byte, n*cell)
		reference(want, s.in, 0, cell, s.keys, nil, 3)
		Scatter(s.in, s.in[:40*cell], 0, cell, s.keys, nil, 3)
		Scatter(s.in, s.in[40*cell:], 40, cell, s.keys, nil, 3)
		if !bytes.Equal(s.in, want) {
			t.Fatal("a pass in place differs from the standard library")
		}
	})
}

func TestCopyScatter(t *testing.T) {
	for _, cell := range sizes {
		for _, n := range []int{0, 1, 15, 16, 17, 1500} {
			s := newSample(uint64(n), n, cell)
			want, got := make([]byte, n*cell), make([]byte, n*cell)
			for i, p := range s.perm {
				copy(want[int(p)*cell:], s.in[i*cell:(i+1)*cell])
			}
			CopyScatter(got, s.in, 0, cell, s.perm)
			if !bytes.Equal(got, want) {
				t.Fatalf("n %d, cell %d: differs from a plain copy", n, cell)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		const n, cell = 40, 256
		s := newSample(13, n, cell)
		dst := make([]byte, n*cell)
		with := func(i int, v uint32) []uint32 {
			p := append([]uint32(nil), s.perm...)
			p[i] = v
			return p
		}
		for name, f := range map[string]func(){
			"cell of another size":    func() { Scatter(dst, s.in[:320], 0, 320, s.keys, s.perm, 0) },
			"no cell":                 func() { Scatter(dst, s.in, 0, 0, s.keys, s.perm, 0) },
			"half a cell":             func() { Scatter(dst, s.in[:128], 0, cell, s.keys, s.perm, 0) },
			"half a key":              func() { Scatter(dst, s.in, 0, cell, s.keys[:n*KeySize-1], s.perm, 0) },
			"one key too few":         func() { Scatter(dst, s.in, 0, cell, s.keys[KeySize:], s.perm, 0) },
			"short output":            func() { Scatter(dst[cell:], s.in, 0, cell, s.keys, s.perm, 0) },
			"short permutation":       func() { Scatter(dst, s.in, 0, cell, s.keys, s.perm[1:], 0) },
			"first below zero":        func() { Scatter(dst, s.in, -1, cell, s.keys, s.perm, 0) },
			"beyond the array":        func() { Scatter(dst, s.in, 1, cell, s.keys, s.perm, 0) },
			"first beyond the array":  func() { Scatter(dst, nil, n+1, cell, s.keys, s.perm, 0) },
			"overlap":                 func() { Scatter(dst, dst, 0, cell, s.keys, s.perm, 0) },
			"overlap in another cell": func() { Scatter(dst, dst[:cell], 1, cell, s.keys, nil, 0) },
			"first entry too large":   func() { Scatter(dst, s.in, 0, cell, s.keys, with(0, n), 0) },
			"entry of a full group":   func() { Scatter(dst, s.in, 0, cell, s.keys, with(17, 1<<32-1), 0) },
			"entry of the remainder":  func() { Scatter(dst, s.in, 0, cell, s.keys, with(n-1, n), 0) },
			"copy entry too large":    func() { CopyScatter(dst, s.in, 0, cell, with(n-1, n)) },
			"copy without":            func() { CopyScatter(dst, s.in, 0, cell, nil) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: accepted", name)
					}
				}()
				f()
			}()
		}
	})
}

func TestInvert(t *testing.T) {
	s := newSample(14, 1000, 256)
	inv := Invert(s.perm)
	for i, p := range s.perm {
		if inv[p] != uint32(i) {
			t.Fatalf("entry %d is not inverted", i)
		}
	}
	for _, bad := range [][]uint32{{0, 0}, {1, 2}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v was inverted", bad)
				}
			}()
			Invert(bad)
		}()
	}
}

func TestUseRefusesUnknown(t *testing.T) {
	if Use("tables") == nil {
		t.Fatal("selected a path that does not exist")
	}
	if p := Paths(); p[len(p)-1] != "generic" {
		t.Fatalf("paths %v do not end with the one that every machine has", p)
	}
}

func TestArena(t *testing.T) {
	for _, n := range []int{0, 1, 4097, hugePageTest - 1, hugePageTest, hugePageTest + 1, 5 * hugePageTest} {
		b := Arena(n)
		if len(b) != n {
			t.Fatalf("an arena of %d bytes instead of %d", len(b), n)
		}
		for i := range b {
			if b[i] != 0 {
				t.Fatalf("an arena of %d bytes is not zero", n)
			}
			b[i] = 1
		}
		Free(b)
	}
}

const hugePageTest = 2 << 20

// TestNoAllocations holds for every path but the one on the standard library,
// which says so.
func TestNoAllocations(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		if current.Load().name == "std" {
			t.Skip("crypto/aes takes a key only as a new object")
		}
		for _, cell := range sizes {
			const n = 1500
			s := newSample(15, n, cell)
			out := Arena(n * cell)
			defer Free(out)
			for _, perm := range [][]uint32{s.perm, nil} {
				if a := testing.AllocsPerRun(3, func() { Scatter(out, s.in, 0, cell, s.keys, perm, 1) }); a != 0 {
					t.Fatalf("cell %d: %v allocations in a pass", cell, a)
				}
			}
			if a := testing.AllocsPerRun(3, func() { CopyScatter(out, s.in, 0, cell, s.perm) }); a != 0 {
				t.Fatalf("cell %d: %v allocations in a copy", cell, a)
			}
		}
	})
}

// TestLargeArray is over the size from which stores bypass the caches, in an
// arena, with a remainder, and in parts that run side by side.
func TestLargeArray(t *testing.T) {
	onEveryPath(t, func(t *testing.T) {
		for _, cell := range sizes {
			const n = 5003
			s := newSample(16, n, cell)
			want, got := make([]byte, n*cell), Arena(n*cell)
			defer Free(got)
			reference(want, s.in, 0, cell, s.keys, s.perm, 1<<40)
			var wg sync.WaitGroup
			for _, part := range [][2]int{{0, 1999}, {1999, 3003}, {3003, n}} {
				wg.Go(func() {
					Scatter(got, s.in[part[0]*cell:part[1]*cell], part[0], cell, s.keys, s.perm, 1<<40)
				})
			}
			wg.Wait()
			if !bytes.Equal(got, want) {
				t.Fatalf("cell %d: differs from the standard library", cell)
			}
		}
	})
}

func FuzzScatter(f *testing.F) {
	f.Add(uint64(1), uint64(0), uint16(64), uint16(0), uint8(0), true)
	f.Add(uint64(2), uint64(1<<64-1), uint16(37), uint16(5), uint8(1), true)
	f.Add(uint64(3), uint64(1<<32), uint16(130), uint16(16), uint8(2), false)
	f.Fuzz(func(t *testing.T, seed, round uint64, n, cut uint16, size uint8, permute bool) {
		cell, circuits := sizes[int(size)%len(sizes)], int(n)%300
		s := newSample(seed, circuits, cell)
		perm := s.perm
		if !permute {
			perm = nil
		}
		first := 0
		if circuits > 0 {
			first = int(cut) % circuits
		}
		want := make([]byte, circuits*cell)
		reference(want, s.in, 0, cell, s.keys, perm, round)
		best := Paths()[0]
		defer Use(best)
		for _, p := range Paths() {
			if err := Use(p); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, circuits*cell)
			Scatter(got, s.in[first*cell:], first, cell, s.keys, perm, round)
			Scatter(got, s.in[:first*cell], 0, cell, s.keys, perm, round)
			if !bytes.Equal(got, want) {
				t.Fatalf("path %s differs from the standard library", p)
			}
		}
	})
}

func ExampleScatter() {
	const n, cell = 4, 256
	in, out := Arena(n*cell), Arena(n*cell)
	defer Free(in)
	defer Free(out)
	keys := make([]byte, n*KeySize) // from the set-up of the circuits
	perm := []uint32{2, 0, 3, 1}

	Scatter(out, in[:2*cell], 0, cell, keys, perm, 7) // the first chunk to arrive
	Scatter(out, in[2*cell:], 2, cell, keys, perm, 7) // the second
	fmt.Println(Invert(perm))
	// Output: [1 3 0 2]
}
