package pairwise

import (
	"backchannel/internal/suite"
)

// Decoy does for an idle lane the work that a Talk does for one that talks: it
// steps chains, seals a frame and opens one, in every round and on both twins,
// and throws the results away. What an idle lane sends is fresh random bytes, as
// docs/protocol.md, section 3, asks for. Without the work an observer close to a
// station could try to time how many of its lanes talk.
//
// Its keys are random, shared with nobody and stored nowhere.
type Decoy struct {
	talk   *Talk
	sealed [twins][]byte
}

// NewDecoy makes the Decoy of a set of circuits; firstRound is R, cell the
// network's cell size in bytes.
func NewDecoy(firstRound uint64, cell int) *Decoy {
	s := &Session{role: Inviter, phase: Introduced, established: 1, versions: []version{{number: 1}}}
	d := &Decoy{talk: s.Begin(&Meeting{Version: 1, epochKey: suite.RandomKey(), unused: true}, firstRound, cell)}
	d.talk.receive = d.talk.send // it opens what it sealed
	for i := range d.sealed {
		d.sealed[i] = make([]byte, cell)
	}
	return d
}

// Compose does what Session.Compose does with nothing to say.
func (d *Decoy) Compose(round uint64) { d.talk.s.Compose(round) }

// Cell fills dst with fresh random bytes.
func (d *Decoy) Cell(round uint64, twin int, dst []byte) {
	d.talk.Cell(round, twin, d.sealed[twin])
	suite.Random(dst)
}

// Receive ignores what came back, at the cost of opening it. It returns whether
// the round's own frame opened, for tests.
func (d *Decoy) Receive(round uint64, twin int) bool {
	return d.talk.Receive(round, twin, d.sealed[twin])
}

// Erase forgets the keys.
func (d *Decoy) Erase() {
	d.talk.Erase()
	for i := range d.sealed {
		clear(d.sealed[i])
	}
}
