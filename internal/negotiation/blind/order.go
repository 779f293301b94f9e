package blind

import (
	"encoding/binary"

	"backchannel/internal/suite"
)

// order is the order in which cells open: a shuffle from the hash of all coins,
// which nobody could foresee before everybody's inputs were in. A list with tiers
// opens its upper tier first, because a hit there is the better one.
func order(ctx [32]byte, coins [][]byte, p *Params) []byte {
	parts := [][]byte{ctx[:]}
	parts = append(parts, coins...)
	src := words{seed: suite.Hash(suite.LabelRoundOrder, parts...)}
	n := p.Cells()
	if p.Mode == List && p.Green > 0 {
		return append(src.shuffle(0, n/2), src.shuffle(n/2, n)...)
	}
	return src.shuffle(0, n)
}

// words is a stream of 32-bit words from a seed: word i is the first four bytes of
// PRF(seed, label ‖ i).
type words struct {
	seed [32]byte
	next uint32
}

func (w *words) word() uint32 {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], w.next)
	w.next++
	h := suite.PRF(w.seed, suite.LabelRoundOrder, n[:])
	return binary.BigEndian.Uint32(h[:])
}

// below is uniform in [0, n): words that would favour some results are refused.
func (w *words) below(n uint32) uint32 {
	limit := -n % n // 2^32 mod n
	for {
		if x := w.word(); x >= limit {
			return x % n
		}
	}
}

// shuffle is Fisher–Yates over from … to−1, from the end.
func (w *words) shuffle(from, to int) (out []byte) {
	for c := from; c < to; c++ {
		out = append(out, byte(c))
	}
	for i := len(out) - 1; i > 0; i-- {
		j := w.below(uint32(i + 1))
		out[i], out[j] = out[j], out[i]
	}
	return out
}
