package mix

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestPermutationIsABijection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 3000).Draw(t, "n")
		p := permutation(n)
		if len(p) != n {
			t.Fatalf("%d places for %d entries", len(p), n)
		}
		inv := invert(p) // panics unless p is a permutation
		for i, to := range p {
			if inv[to] != uint32(i) {
				t.Fatalf("the inverse leads from %d to %d instead of %d", to, inv[to], i)
			}
		}
	})
}

// A word is refused exactly if the low half of word·n is below 2^32 mod n: then
// every result is reached by equally many words.
func TestBelowRefusesTheBiasedWords(t *testing.T) {
	const seed = 5
	for _, n := range []uint32{1, 2, 3, 5, 6, 7, 1 << 16, 3 << 30, 1<<31 + 1, 1<<32 - 1} {
		refuse := uint32((uint64(1) << 32) % uint64(n))
		for _, w := range []uint32{0, 1, 2, 3, 1 << 30, 1<<31 - 1, 1 << 31, 1<<32 - 2, 1<<32 - 1} {
			rng := rand.New(rand.NewPCG(seed, seed))
			src := wordSource{used: wordBuffer, fill: func(b []byte) {
				binary.LittleEndian.PutUint32(b, w)
				for i := 4; i < len(b); i += 4 {
					binary.LittleEndian.PutUint32(b[i:], rng.Uint32())
				}
			}}
			got := src.below(n)
			want := uint32(uint64(w)*uint64(n)) >= refuse
			if accepted := src.used == 4; accepted != want {
				t.Errorf("n=%d: word %d accepted=%v, want %v", n, w, accepted, want)
			}
			if got >= n {
				t.Errorf("n=%d: %d is not below", n, got)
			}
		}
	}
}

// With a small word space the count per result could be enumerated; with 2^32 a
// seeded sample of all 24 permutations of 4 does: chi-square, 23 degrees of
// freedom, 99.99 % at 58.
func TestPermutationIsUniform(t *testing.T) {
	const seed, rounds = 11, 48000
	rng := rand.New(rand.NewPCG(seed, seed))
	counts := map[[4]uint32]int{}
	src := wordSource{used: wordBuffer, fill: func(b []byte) {
		for i := 0; i < len(b); i += 4 {
			binary.LittleEndian.PutUint32(b[i:], rng.Uint32())
		}
	}}
	for range rounds {
		p := shuffled(4, &src)
		counts[[4]uint32(p)]++
	}
	chi := 0.0
	const want = rounds / 24.0
	for _, c := range counts {
		chi += (float64(c) - want) * (float64(c) - want) / want
	}
	if len(counts) != 24 || chi > 58 {
		t.Errorf("seed %d: %d permutations, chi-square %.1f", seed, len(counts), chi)
	}
}
