package mix

import (
	"errors"
	"fmt"
	"sync"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// Set is one relay's state of all circuits of one attempt, in memory only. Per
// circuit it holds 72 bytes for the rounds: a key and a place per direction, each
// array in the order in which a pass reads it. Until Receipts it holds 64 more.
//
// The methods of a Set may be called from one goroutine at a time; the passes
// that it hands out are independent of each other and may be written from
// several. Erase is called when no Write is running.
type Set struct {
	params  wire.Params
	hop     int
	header  wire.Hash
	count   int
	workers int

	// Forward keys are in input order, backward keys in the order in which cells
	// come back: output order, or at the last relay, once paired, again input order,
	// the key of entry i being its partner's.
	forward, backward []byte
	perm, inverse     []uint32 // place of entry i in the output, and back; nil at the last relay

	receiptMAC, receiptStream []byte // in output order, until Receipts
	receiptsDone              bool

	envelopes []byte   // last relay, until Pair
	partner   []uint32 // last relay, after Pair; an unpaired circuit is its own
	unpaired  []uint32 // circuits that get random answers

	up, down mark // newest round of either direction
	erased   bool

	mu    sync.Mutex // guards free and taken
	free  []*Pass
	taken int // passes handed out and not released
}

func newSet(p wire.Params, hop int, header wire.Hash, n, workers int) *Set {
	keys := func() []byte { return make([]byte, n*suite.KeySize) }
	s := &Set{
		params: p, hop: hop, header: header, count: n, workers: workers,
		forward: keys(), backward: keys(), receiptMAC: keys(), receiptStream: keys(),
	}
	if !s.last() {
		s.perm = permutation(n)
		s.inverse = invert(s.perm)
	}
	return s
}

func (s *Set) last() bool { return s.hop == s.params.Relays-1 }

// put stores the keys of input entry i whose output is entry to.
func (s *Set) put(i, to int, k *hopKeys) {
	*keyAt(s.forward, i) = k.forward
	*keyAt(s.backward, to) = k.backward
	*keyAt(s.receiptMAC, to) = k.receiptMAC
	*keyAt(s.receiptStream, to) = k.receiptStream
	*k = hopKeys{}
}

// Count is the number of circuits.
func (s *Set) Count() int { return s.count }

// Receipts makes this relay's pass over the receipts, once per attempt. next is
// the whole array that came from the following relay, ReceiptSize(hop+1) bytes
// per circuit in this relay's output order, or nil at the last relay. The result
// has ReceiptSize(hop) bytes per circuit, in input order. An array of the wrong
// size is refused and does not count as the pass.
func (s *Set) Receipts(next []byte) ([]byte, error) {
	from, to := s.params.ReceiptSize(s.hop+1), s.params.ReceiptSize(s.hop)
	switch {
	case s.erased:
		return nil, errErased
	case s.receiptsDone:
		return nil, errors.New("making receipts: this attempt had its pass; there is only one")
	case len(next) != s.count*from:
		return nil, fmt.Errorf("making receipts: %d bytes instead of %d for %d circuits", len(next), s.count*from, s.count)
	}
	out := make([]byte, s.count*to)
	parallel(s.count, s.workers, func(j int) {
		i := j
		if s.inverse != nil {
			i = int(s.inverse[j])
		}
		putReceipt(out[i*to:(i+1)*to], keyAt(s.receiptMAC, j), keyAt(s.receiptStream, j), &s.header, next[j*from:(j+1)*from])
	})
	s.receiptsDone = true
	clear(s.receiptMAC)
	clear(s.receiptStream)
	s.receiptMAC, s.receiptStream = nil, nil
	return out, nil
}

// Pair is the last relay's: with the inner keys of all relays, in chain order, it
// opens the ids and pairs circuits whose ids are equal. A circuit whose id does
// not open, or is not that of exactly two circuits, gets random answers instead.
// What was paired stays in the Set; nothing tells how many were not.
func (s *Set) Pair(header wire.Hash, inner []suite.PrivateKey, workers int) error {
	switch {
	case s.erased:
		return errErased
	case !s.last():
		return errors.New("pairing circuits: only the last relay does")
	case s.envelopes == nil:
		return errors.New("pairing circuits: they were paired before")
	case header != s.header:
		return errors.New("pairing circuits: they were mixed under another header")
	case len(inner) != s.params.Relays:
		return fmt.Errorf("pairing circuits: %d inner keys for a chain of %d relays", len(inner), s.params.Relays)
	}
	for i, sk := range inner {
		if !sk.Valid() {
			return fmt.Errorf("pairing circuits: the inner key of relay %d is missing", i+1)
		}
	}
	ids, ok := make([]wire.TwinID, s.count), make([]bool, s.count)
	size := s.params.EnvelopeSize()
	parallel(s.count, workers, func(i int) {
		ids[i], ok[i] = openEnvelope(inner, &s.header, s.envelopes[i*size:(i+1)*size])
	})
	s.partner, s.unpaired = match(ids, ok)
	clear(ids)
	clear(s.envelopes)
	s.envelopes = nil

	// A turning pass reads entry i once, strips i's forward layer and adds the
	// backward layer of the circuit that the cell leaves on.
	turned := make([]byte, len(s.backward))
	for i, p := range s.partner {
		*keyAt(turned, i) = *keyAt(s.backward, int(p))
	}
	clear(s.backward)
	s.backward = turned
	return nil
}

// match gives every circuit with a valid id that exactly one other circuit has
// that circuit as its partner, and lists the rest, each its own partner.
func match(ids []wire.TwinID, ok []bool) (partner, unpaired []uint32) {
	type group struct{ first, second, n uint32 }
	groups := make(map[wire.TwinID]group, len(ids)/2)
	for i, id := range ids {
		if !ok[i] {
			continue
		}
		g := groups[id]
		switch g.n {
		case 0:
			g.first = uint32(i)
		case 1:
			g.second = uint32(i)
		}
		g.n++
		groups[id] = g
	}
	partner = make([]uint32, len(ids))
	for i, id := range ids {
		partner[i] = uint32(i)
		g := groups[id]
		switch {
		case !ok[i] || g.n != 2:
			unpaired = append(unpaired, uint32(i))
		case g.first == uint32(i):
			partner[i] = g.second
		default:
			partner[i] = g.first
		}
	}
	clear(groups)
	return partner, unpaired
}

var errErased = errors.New("using a set of circuits: it is erased")

// Erase destroys all keys, the permutation and the pairing, and gives the round
// buffers back. Every later call is an error; passes that are still out are
// released by their holders.
func (s *Set) Erase() {
	s.erased = true
	for _, b := range []*[]byte{&s.forward, &s.backward, &s.receiptMAC, &s.receiptStream, &s.envelopes} {
		clear(*b)
		*b = nil
	}
	for _, p := range []*[]uint32{&s.perm, &s.inverse, &s.partner, &s.unpaired} {
		clear(*p)
		*p = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ps := range s.free {
		ps.destroy()
	}
	s.free = nil
}
