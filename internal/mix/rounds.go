package mix

import (
	"errors"
	"fmt"

	"backchannel/internal/suite"
	"backchannel/internal/suite/pass"
	"backchannel/internal/weakened"
)

// maxPasses bounds the passes of one Set that are under way at a time, each of
// which owns a whole output array: one per direction, and one that was cut off
// and not yet released.
const maxPasses = 4

// mark is the newest round that one direction processed.
type mark struct {
	round uint64
	any   bool
}

// raise takes a round, once, and only upwards.
func (m *mark) raise(round uint64) bool {
	if m.any && round <= m.round && !weakened.SecondBatch {
		return false
	}
	m.round, m.any = round, true
	return true
}

// Pass is one direction of one round at one relay: cells are written as they
// arrive and processed at once, but nothing can be had before the last byte is
// in. Pass is for one goroutine; after Release it must not be touched.
type Pass struct {
	set    *Set
	round  uint64
	keys   []byte   // layer of entry i of the input
	second []byte   // turn: the layer that entry i leaves with; else nil
	perm   []uint32 // place of entry i in the output
	done   int      // cells so far
	out    []byte   // count cells
	middle []byte   // turn: cells between their two layers
}

// Forward begins the forward pass of a round: each round once, rounds only up.
func (s *Set) Forward(round uint64) (*Pass, error) {
	if s.last() {
		return nil, errors.New("beginning a forward pass: the last relay turns cells instead")
	}
	if err := s.begin(&s.up, round, "forward"); err != nil {
		return nil, err
	}
	return s.take(round, s.forward, nil, s.perm), nil
}

// Backward begins the backward pass of a round that went forward: each round
// once, rounds only up; not at the last relay.
func (s *Set) Backward(round uint64) (*Pass, error) {
	if s.last() {
		return nil, errors.New("beginning a backward pass: the last relay turns cells instead")
	}
	if !s.erased && (!s.up.any || round > s.up.round) {
		return nil, fmt.Errorf("beginning a backward pass: round %d did not go forward", round)
	}
	if err := s.begin(&s.down, round, "backward"); err != nil {
		return nil, err
	}
	return s.take(round, s.backward, nil, s.inverse), nil
}

// Turn begins the last relay's pass of a round: it strips the forward layer,
// swaps the cells of each pair and adds the backward layer. Circuits without a
// partner get fresh random answers. Each round once, rounds only up, after Pair.
func (s *Set) Turn(round uint64) (*Pass, error) {
	switch {
	case !s.last():
		return nil, errors.New("beginning a turn: only the last relay turns cells")
	case !s.erased && s.partner == nil:
		return nil, errors.New("beginning a turn: the circuits are not paired yet")
	}
	if err := s.begin(&s.up, round, "turn"); err != nil {
		return nil, err
	}
	return s.take(round, s.forward, s.backward, s.partner), nil
}

func (s *Set) begin(m *mark, round uint64, what string) error {
	if s.erased {
		return errErased
	}
	s.mu.Lock()
	full := s.taken >= maxPasses
	s.mu.Unlock()
	if full {
		return fmt.Errorf("beginning a %s pass: %d are under way; release one first", what, maxPasses)
	}
	if !m.raise(round) {
		return fmt.Errorf("beginning a %s pass: round %d is not above round %d, which was the last", what, round, m.round)
	}
	return nil
}

// middleBytes is how much of a turn lies between its two layers at a time: small
// enough to stay in a core's own cache.
const middleBytes = 64 << 10

// take reuses a released pass, so that the rounds of a set allocate nothing.
func (s *Set) take(round uint64, keys, second []byte, perm []uint32) *Pass {
	s.mu.Lock()
	var ps *Pass
	if n := len(s.free); n > 0 {
		ps, s.free = s.free[n-1], s.free[:n-1]
	}
	s.taken++
	s.mu.Unlock()
	if ps == nil {
		ps = &Pass{set: s, out: pass.Arena(s.count * s.params.Cell)}
		if second != nil {
			ps.middle = make([]byte, middleBytes)
		}
	}
	ps.round, ps.keys, ps.second, ps.perm, ps.done = round, keys, second, perm, 0
	if weakened.PartialArrays {
		clear(ps.out) // what did not arrive yet reads as zeros
	}
	return ps
}

// Write processes the next cells of the input array, a whole number of them. It
// does not keep or change chunk. More than the array holds is an error.
func (ps *Pass) Write(chunk []byte) error {
	cell, count := ps.set.params.Cell, ps.set.count
	n := len(chunk) / cell
	switch {
	case len(chunk)%cell != 0:
		return fmt.Errorf("writing cells: %d bytes are no whole number of cells of %d", len(chunk), cell)
	case n > count-ps.done:
		return fmt.Errorf("writing cells: %d after %d of %d", n, ps.done, count)
	case ps.set.erased:
		return errErased
	}
	if ps.second == nil {
		scatter(ps.out, chunk, ps.done, cell, ps.keys, ps.perm, ps.round)
		ps.done += n
	} else {
		ps.turn(chunk, cell)
	}
	if ps.second != nil && ps.done == count && n > 0 {
		for _, i := range ps.set.unpaired {
			suite.Random(ps.out[int(i)*cell : (int(i)+1)*cell])
		}
	}
	return nil
}

func (ps *Pass) turn(chunk []byte, cell int) {
	for step := middleBytes / cell * cell; len(chunk) > 0; {
		part := chunk[:min(step, len(chunk))]
		n := len(part) / cell
		middle := ps.middle[:len(part)]
		strip := ps.keys[ps.done*suite.KeySize : (ps.done+n)*suite.KeySize]
		scatter(middle, part, 0, cell, strip, nil, ps.round)
		scatter(ps.out, middle, ps.done, cell, ps.second, ps.perm, ps.round)
		ps.done += n
		chunk = chunk[len(part):]
	}
}

// Output returns the whole output array once the whole input was written, and
// nothing before: a relay that answered slot by slot could be probed slot by
// slot. The array is valid until Release; its receiver copies what it sends.
func (ps *Pass) Output() ([]byte, bool) {
	if ps.done < ps.set.count && !weakened.PartialArrays {
		return nil, false
	}
	return ps.out, true
}

// Release gives the pass and its output array back to the set, finished or not.
// A round that was begun and not finished stays used.
func (ps *Pass) Release() {
	s := ps.set
	ps.keys, ps.second, ps.perm = nil, nil, nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if s.erased {
		ps.destroy()
		return
	}
	s.free = append(s.free, ps)
}

func (ps *Pass) destroy() {
	clear(ps.middle)
	pass.Free(ps.out)
	ps.out, ps.middle = nil, nil
}
