package pairwise

import (
	"backchannel/internal/suite"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// twins is the number of circuits of a lane.
const twins = 2

// Talk is the cells of one meeting that became circuits. Its keys live in memory
// only: after a restart there is no Talk until a new attempt.
type Talk struct {
	s        *Session
	version  uint32
	cell     int
	send     [twins]chain
	receive  [twins]chain
	heard    bool
	scratch  []byte // one frame to send
	received []byte // one frame opened
	erased   bool

	// A talk serves the stream of its generation only; cells of another are padding
	// that says nothing, and what is received in them has no effect.
	generation uint64
	again      bool // a meeting by K_re, which begins a generation if the peer sends data
	sigma      Key
	epoch      uint64
}

// chain steps once per round; a value serves one round and is gone.
type chain struct {
	value Key
	round uint64 // to which value belongs

	// repeat is what Reencryption takes: the key of the round before.
	repeat Key
}

// take returns the key of a round that was not used before.
func (c *chain) take(round uint64) (key Key, ok bool) {
	if weakened.Reencryption && round+1 == c.round && c.repeat != (Key{}) {
		return c.repeat, true
	}
	if round < c.round || round-c.round > MaxRoundJump {
		return key, false
	}
	for ; c.round < round; c.round++ {
		c.value = StepCell(&c.value)
	}
	key = CellKey(&c.value, round)
	c.value = StepCell(&c.value)
	c.round++
	if weakened.Reencryption {
		c.repeat = key
	}
	return key, true
}

// Begin makes the Talk of a meeting whose attempt was revealed and whose lane
// talks. firstRound is R; cell is the network's cell size in bytes. A meeting
// begins once: a second call returns a Talk that is already erased.
func (s *Session) Begin(m *Meeting, firstRound uint64, cell int) *Talk {
	t := &Talk{s: s, version: m.Version, cell: cell, erased: !m.unused, generation: m.generation}
	if !m.unused {
		return t
	}
	for i := range t.send {
		t.send[i] = chain{value: CellChain(&m.epochKey, i, s.role), round: firstRound}
		t.receive[i] = chain{value: CellChain(&m.epochKey, i, s.role.other()), round: firstRound}
	}
	clear(m.epochKey[:])
	m.unused = false
	s.cell = cell
	if m.generation == s.generation {
		s.lowered = loweredTo{}
	}
	if m.Version == RestoreVersion {
		t.version, t.generation = 0, noGeneration
		t.again, t.sigma, t.epoch = true, m.sigma, m.epoch
		clear(m.sigma[:])
	}
	t.scratch = make([]byte, cell-suite.AEADOverhead)
	t.received = make([]byte, 0, cell)
	return t
}

// Cell builds the innermost cell of (round, twin), twin 0 or 1, into dst, which
// has the size of a cell: the frame chosen by Compose for this round if it is
// durable, else padding. Either acknowledges what is durable. Rounds only go up
// and skipped ones are stepped over; a second call for a round, or one for a
// lower round, is refused: dst becomes random bytes, so that no key is ever used
// twice, and the result is false. Resending cached bytes is the caller's part.
func (t *Talk) Cell(round uint64, twin int, dst []byte) bool {
	if len(dst) != t.cell {
		panic("pairwise: a cell of the wrong size")
	}
	if t.erased {
		suite.Random(dst)
		return false
	}
	key, ok := t.send[twin].take(round)
	if !ok {
		suite.Random(dst)
		return false
	}
	if t.s.calling { // not before these circuits are in use: those before may still do
		t.restart(Inviter)
	}
	f := wire.CellFrame{Kind: wire.FramePadding}
	if t.generation == t.s.generation {
		if out := t.s.chosen(t.version, round, twin); out != nil {
			f.Kind, f.Seq, f.Payload = wire.FrameData, out.seq, out.payload
		}
		f.Ack, f.Bitmap = t.s.book.durable.ack, t.s.book.durable.bitmap
	}
	f.Encode(t.scratch)
	suite.SealOnce(&key, dst[:0], t.scratch)
	clear(key[:])
	return true
}

// restart begins the generation of a meeting by K_re, if it has not begun.
func (t *Talk) restart(part Role) {
	if !t.again || !t.s.keyed() {
		return
	}
	t.s.restart(&t.sigma, t.epoch, part)
	t.generation, t.again = t.s.generation, false
	clear(t.sigma[:])
}

// Receive takes the cell that came back on (round, twin). It returns false if
// the cell did not open, which must have no visible consequence, or if the round
// was used before.
func (t *Talk) Receive(round uint64, twin int, cell []byte) bool {
	if t.erased || len(cell) != t.cell {
		return false
	}
	key, ok := t.receive[twin].take(round)
	if !ok {
		return false
	}
	plain, err := suite.OpenOnce(&key, t.received[:0], cell)
	clear(key[:])
	if err != nil {
		return false
	}
	defer clear(plain)
	f, err := wire.ParseCellFrame(plain)
	if err == nil && f.Kind == wire.FrameData {
		t.restart(Invitee)
	}
	if t.generation != t.s.generation {
		return true
	}
	t.s.heard(t.version, !t.heard)
	t.heard = true
	if err != nil {
		t.s.misbehave()
		return true
	}
	t.s.acknowledged(f.Ack, f.Bitmap)
	if f.Kind == wire.FrameData {
		t.s.accept(f.Seq, f.Payload)
	}
	return true
}

// Erase forgets the keys when the circuits end. The session goes on.
func (t *Talk) Erase() {
	t.send, t.receive = [twins]chain{}, [twins]chain{}
	clear(t.scratch)
	clear(t.received[:cap(t.received)])
	clear(t.sigma[:])
	t.erased = true
}
