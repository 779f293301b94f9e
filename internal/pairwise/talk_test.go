package pairwise

import (
	"bytes"
	"testing"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// talking returns an introduced pair in the middle of an epoch with empty
// streams and every commit done.
func talking(t failer, seed uint64) *pair {
	p := newPair(t, seed)
	p.until(12, p.introduced)
	p.run(1, faults{})
	for range 4 {
		p.step(faults{})
	}
	return p
}

// attackTwins reports whether the two cells of one side in one round are under
// one keystream: then their difference is that of the frames.
func attackTwins(t *testing.T) bool {
	p := talking(t, 20)
	x, y := make([]byte, testCell), make([]byte, testCell)
	p.a.talk.Cell(p.round, 0, x)
	p.a.talk.Cell(p.round, 1, y)
	same := true // both frames are the same padding
	for i := range testCell - suite.AEADOverhead {
		same = same && x[i] == y[i]
	}
	return same
}

// attackRepeat reports whether a station can be made to encrypt two frames under
// the key of one round, as after a lost cell that it builds anew.
func attackRepeat(t *testing.T) bool {
	p := talking(t, 21)
	p.accept(p.a, wire.ClassSignal, 100)
	first, second := make([]byte, testCell), make([]byte, testCell)
	p.a.talk.Cell(p.round, 0, first)
	p.a.s.Compose(p.round)
	p.a.take()
	p.a.write()
	p.a.s.Saved(p.a.token)
	p.a.talk.Cell(p.round, 0, second)
	// Both open under one key and are different frames.
	key, _ := p.b.talk.receive[0].peek(p.round)
	one, err1 := suite.OpenOnce(&key, nil, first)
	two, err2 := suite.OpenOnce(&key, nil, second)
	return err1 == nil && err2 == nil && !bytes.Equal(one, two)
}

// peek derives a key without using it up.
func (c chain) peek(round uint64) (Key, bool) { return c.take(round) }

// TestCellRefuses asks for cells that must not be: nothing about them is a cell.
func TestCellRefuses(t *testing.T) {
	p := talking(t, 22)
	r := p.round
	cell, again := make([]byte, testCell), make([]byte, testCell)
	for _, c := range []struct {
		name  string
		round uint64
		twin  int
		ok    bool
	}{
		{"the round before, which was used", r - 1, 0, false},
		{"this round", r, 0, true},
		{"this round again", r, 0, false},
		{"the other twin", r, 1, true},
		{"some rounds on", r + 5, 0, true},
		{"one that was skipped", r + 3, 0, false},
		{"the first round of the circuits", p.epoch * p.per, 1, false},
		{"absurdly far", r + MaxRoundJump + 10, 0, false},
		{"the end of time", 1<<64 - 1, 0, false},
		{"the next after all that", r + 6, 0, true},
	} {
		if got := p.a.talk.Cell(c.round, c.twin, cell); got != c.ok {
			t.Errorf("%s: %v", c.name, got)
		}
		if opened := p.b.talk.Receive(c.round, c.twin, cell); opened != c.ok {
			t.Errorf("%s: opened %v", c.name, opened)
		}
		if bytes.Equal(cell, again) || bytes.Equal(cell, make([]byte, testCell)) {
			t.Errorf("%s: the cell was not filled", c.name)
		}
		copy(again, cell)
	}
}

// TestReceiveOnce gives a cell twice, garbled, of the wrong twin and from
// oneself: only the right one opens, once.
func TestReceiveOnce(t *testing.T) {
	p := talking(t, 23)
	r := p.round
	cell := make([]byte, testCell)
	p.a.talk.Cell(r, 0, cell)
	garbled := bytes.Clone(cell)
	garbled[100] ^= 1
	if p.a.talk.Receive(r, 0, bytes.Clone(cell)) {
		t.Error("a cell that is sent back opens")
	}
	if p.b.talk.Receive(r, 1, bytes.Clone(cell)) {
		t.Error("a cell of the first twin opens on the second")
	}
	if p.b.talk.Receive(r, 0, cell[:100]) {
		t.Error("a short cell opens")
	}
	if !p.b.talk.Receive(r, 0, bytes.Clone(cell)) || p.b.talk.Receive(r, 0, bytes.Clone(cell)) {
		t.Error("a cell opens other than once")
	}
	p.a.talk.Cell(r+1, 0, cell)
	copy(garbled, cell)
	garbled[0] ^= 1
	if p.b.talk.Receive(r+1, 0, garbled) {
		t.Error("a garbled cell opens")
	}
	if p.b.s.Trouble() != nil || p.a.s.Trouble() != nil {
		t.Error("what anybody on the way can do counts as the peer's misbehaviour")
	}
}

// TestBeginOnce begins a meeting twice: the second talk has no keys.
func TestBeginOnce(t *testing.T) {
	p := newPair(t, 24)
	m, err := p.a.s.Join(200, wire.Hash{})
	if err != nil {
		t.Fatal(err)
	}
	first := p.a.s.Begin(m, 10, testCell)
	second := p.a.s.Begin(m, 10, testCell)
	cell := make([]byte, testCell)
	if !first.Cell(10, 0, cell) || second.Cell(10, 0, cell) {
		t.Error("a meeting begins other than once")
	}
}

// TestOldTalk keeps the circuits of an earlier epoch beside the new ones: what
// still arrives on them is read, and a session that is erased meanwhile does not
// fall over.
func TestOldTalk(t *testing.T) {
	p := talking(t, 25)
	oldA, oldB := p.a.talk, p.b.talk
	p.run(1, faults{})
	p.accept(p.a, wire.ClassSignal, 50)
	p.a.s.Compose(p.round)
	p.a.take()
	p.a.write()
	p.a.s.Saved(p.a.token)
	p.a.writing = false
	cell := make([]byte, testCell)
	oldA.Cell(p.round, 0, cell)
	if !oldB.Receive(p.round, 0, cell) || len(p.b.s.book.pending.Records) != 1 {
		t.Error("a frame on the old circuits is lost")
	}
	p.b.s.Erase()
	p.a.talk.Cell(p.round, 1, cell)
	p.b.talk.Receive(p.round, 1, cell)
	p.b.s.Compose(p.round + 1)
	if !p.b.talk.Cell(p.round+1, 0, cell) {
		t.Error("after the session is burned its circuits send no cells")
	}
	if d, _ := p.b.s.Take(); d.Dirty && len(d.Records) > 0 {
		t.Error("an erased session receives")
	}
}
