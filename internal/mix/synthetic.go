package mix

import (
	"errors"
	"fmt"
	"math"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// NewSynthetic makes a Set of n circuits with random keys, as OpenBatch, Receipts
// and, at the last relay, Pair would leave it, without the price of opening n
// onions. It is for measurements: nobody holds the other end of its circuits, so
// what passes through it can never be read. At the last relay neighbours in the
// array are partners. An odd or negative n and a hop outside of the chain are
// refused.
func NewSynthetic(p wire.Params, hop, n int) (*Set, error) {
	switch {
	case hop < 0 || hop >= p.Relays:
		return nil, fmt.Errorf("making synthetic circuits: no hop %d in a chain of %d", hop, p.Relays)
	case n < 0 || n%2 != 0 || n > math.MaxInt32:
		return nil, errors.New("making synthetic circuits: their number must be even, for they come in pairs")
	}
	s := newSet(p, hop, wire.Hash{}, n, 1)
	suite.Random(s.forward)
	suite.Random(s.backward)
	s.receiptMAC, s.receiptStream, s.receiptsDone = nil, nil, true
	if s.last() {
		s.partner = make([]uint32, n)
		for i := range s.partner {
			s.partner[i] = uint32(i) ^ 1
		}
	}
	return s, nil
}
