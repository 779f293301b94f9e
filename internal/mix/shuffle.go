package mix

import (
	"encoding/binary"

	"backchannel/internal/suite"
)

// permutation draws one of the n! permutations of 0 … n-1, each with the same
// probability: Fisher–Yates on system randomness.
func permutation(n int) []uint32 {
	src := wordSource{used: wordBuffer}
	p := shuffled(n, &src)
	clear(src.buf[:])
	return p
}

func shuffled(n int, src *wordSource) []uint32 {
	p := make([]uint32, n)
	for i := range p {
		p[i] = uint32(i)
	}
	for i := n - 1; i > 0; i-- {
		j := src.below(uint32(i + 1))
		p[i], p[j] = p[j], p[i]
	}
	return p
}

// wordBuffer is how many bytes a wordSource asks the system for at once.
const wordBuffer = 4096

// wordSource hands out 32-bit random words.
type wordSource struct {
	buf  [wordBuffer]byte
	used int
	fill func([]byte) // tests only; nil means system randomness
}

func (s *wordSource) next() uint32 {
	if s.used == len(s.buf) {
		if s.fill != nil {
			s.fill(s.buf[:])
		} else {
			suite.Random(s.buf[:])
		}
		s.used = 0
	}
	w := binary.LittleEndian.Uint32(s.buf[s.used:])
	s.used += 4
	return w
}

// below returns a uniform number in [0, n), n > 0, by Lemire's multiplication:
// of the 2^32 words, the 2^32 mod n that would favour some results are refused,
// so there is no bias at all.
func (s *wordSource) below(n uint32) uint32 {
	refuse := -n % n // 2^32 mod n
	for {
		m := uint64(s.next()) * uint64(n)
		if uint32(m) >= refuse {
			return uint32(m >> 32)
		}
	}
}
