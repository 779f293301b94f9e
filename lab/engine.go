package lab

import (
	"bytes"
	"slices"

	"backchannel/internal/suite"
)

// cellsOf makes one round's array: what every station would send, with inner
// giving the innermost cells.
func (t *table) cellsOf(round uint64, inner func(s *player, circuit int, cell []byte)) []byte {
	cell := t.p.Cell
	out := make([]byte, len(t.stations)*t.p.Circuits()*cell)
	for _, s := range t.stations {
		base := t.place(s) * t.p.Circuits() * cell
		for i, c := range s.circuits {
			b := out[base+i*cell : base+(i+1)*cell]
			inner(s, i, b)
			c.Seal(round, b)
		}
	}
	return out
}

// keystreamOverlap: two cells of one circuit in consecutive rounds, and the two
// directions of one round, are laid over each other. Where key streams meet, the
// difference of the plaintexts shows, and with it that circuits belong together.
func keystreamOverlap() (Outcome, error) {
	t, err := newTable(1, 1, 2)
	if err != nil {
		return Outcome{}, err
	}
	if err := t.ready(); err != nil {
		return Outcome{}, err
	}
	zero := func(_ *player, _ int, cell []byte) { clear(cell) }
	a, b := t.cellsOf(60, zero), t.cellsOf(61, zero)
	cell := t.p.Cell
	for off := 0; off < len(a); off += cell {
		if bytes.Equal(a[off+suite.BlockSize:off+cell], b[off:off+cell-suite.BlockSize]) {
			return broken("the key stream of a round is that of the round before, one block on")
		}
	}
	forward, backward := make([]byte, cell), make([]byte, cell)
	t.stations[0].circuits[0].Seal(62, forward)
	t.stations[0].circuits[0].Open(62, backward)
	if bytes.Equal(forward, backward) {
		return broken("forward and backward cells of a round have one key stream")
	}
	if receipt := t.stations[0].circuits[0].Receipt(); bytes.Equal(receipt[:8], forward[:8]) {
		return broken("receipts and cells have one key stream")
	}
	return held("no two key streams meet")
}

// secondBatch: the entry runs one round twice through the honest relay and
// changes one cell in between: the slot that differs is where that circuit goes.
func secondBatch() (Outcome, error) {
	t, err := newTable(2, 1, 4)
	if err != nil {
		return Outcome{}, err
	}
	if err := t.ready(); err != nil {
		return Outcome{}, err
	}
	random := func(_ *player, _ int, cell []byte) { suite.Random(cell) }
	cells := t.cellsOf(60, random)
	once, err := t.forward(60, cells)
	if err != nil {
		return Outcome{}, err
	}
	cells[0] ^= 1
	again, err := t.forward(60, cells)
	if err != nil {
		return held("the honest relay refused the second array of the round")
	}
	for slot := 0; slot*t.p.Cell < len(once); slot++ {
		part := func(b []byte) []byte { return b[slot*t.p.Cell : (slot+1)*t.p.Cell] }
		if !bytes.Equal(part(once), part(again)) {
			return broken("circuit 1 leaves the honest relay in slot %d", slot+1)
		}
	}
	return held("both arrays came out the same")
}

// constantIdle: after REVEAL the last relay sees innermost cells. If those of
// idle lanes were constant, it could count who talks.
func constantIdle() (Outcome, error) {
	return idleCells()
}

// slotProbing: the entry sends a single cell of the array to the honest relay and
// waits: if anything comes out before the rest is in, its slot is known.
func slotProbing() (Outcome, error) {
	t, err := newTable(2, 1, 4)
	if err != nil {
		return Outcome{}, err
	}
	if err := t.ready(); err != nil {
		return Outcome{}, err
	}
	cells := t.cellsOf(60, func(_ *player, _ int, cell []byte) { suite.Random(cell) })
	ps, err := t.sets[0].Forward(60)
	if err != nil {
		return Outcome{}, err
	}
	defer ps.Release()
	if err := ps.Write(cells[:t.p.Cell]); err != nil {
		return Outcome{}, err
	}
	out, ok := ps.Output()
	if !ok {
		return held("nothing came out before the last byte was in")
	}
	nothing := make([]byte, t.p.Cell)
	slots := slices.Collect(func(yield func(int) bool) {
		for slot := 0; slot*t.p.Cell < len(out); slot++ {
			if !bytes.Equal(out[slot*t.p.Cell:(slot+1)*t.p.Cell], nothing) && !yield(slot) {
				return
			}
		}
	})
	if len(slots) != 1 {
		return held("the early output shows %d slots", len(slots))
	}
	return broken("circuit 1 leaves the honest relay in slot %d", slots[0]+1)
}
