package blind

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"backchannel/internal/suite"
)

// Lateness is how long after the deadline an opening or an echo still counts. Then
// a round that has lapsed or was shown ends for good, and its share is erased.
const Lateness = 7 * 24 * time.Hour

// MemberID names a member of a room: 16 random bytes.
type MemberID [16]byte

// OpeningWindow is how long before the deadline the last cell may begin to open,
// so that whoever answers has time to.
const OpeningWindow = 10 * time.Minute

// Params are what all parties of a round agree on before it begins. Everything in
// it enters every proof, so parties that hold different ones fail at once.
type Params struct {
	Object     [suite.HashSize]byte // id of the round object: the hash of all of it
	Parties    []MemberID           // in the object's order, each once
	Opener     int                  // index of who proposed and so opens first
	Mode       Mode
	Items      int         // m: 1, figures of a ladder, packages of a list
	Cap        int         // list: most approvals, 1 to Items/4; else 0
	Green      int         // list with tiers: most approvals of the upper tier, 1 to Cap; else 0
	Directions []Direction // ladder: one per party, one of each; else none
	InputsAt   time.Time   // when answers leave, whenever they were chosen
	Deadline   time.Time   // at least OpeningWindow after InputsAt
}

// Check says what is wrong with a round, for a station with that many lanes. A
// round that fails is refused before joining. Times are whole milliseconds.
func (p *Params) Check(lanes int) error {
	if n := len(p.Parties); n > lanes+1 {
		return fmt.Errorf("checking a blind round: %d parties, and %d lanes reach %d", n, lanes, lanes+1)
	}
	return p.check()
}

func (p *Params) check() error {
	bad := func(what string) error { return errors.New("checking a blind round: " + what) }
	n := len(p.Parties)
	seen := map[MemberID]bool{}
	for _, id := range p.Parties {
		if seen[id] {
			return bad("a party is named twice")
		}
		seen[id] = true
	}
	switch {
	case n < 2 || n > MaxParties:
		return bad("the number of parties is not 2 to 16")
	case p.Opener < 0 || p.Opener >= n:
		return bad("who opens first is no party")
	case p.Mode != Single && n != 2:
		return bad("ladders and lists are for two parties; use a single proposal for more")
	case p.Mode != List && (p.Cap != 0 || p.Green != 0):
		return bad("only a list has caps")
	case p.Mode != Ladder && len(p.Directions) != 0:
		return bad("only a ladder has directions")
	}
	switch p.Mode {
	case Single:
		if p.Items != 1 {
			return bad("a single proposal has one item")
		}
	case Ladder:
		if p.Items < 1 || p.Items > MaxLadder {
			return bad("a ladder has 1 to 32 figures")
		}
		d := p.Directions
		if len(d) != 2 || d[0] == d[1] || d[0] < Sells || d[0] > Buys || d[1] < Sells || d[1] > Buys {
			return bad("of a ladder's parties one sells and one buys")
		}
	case List:
		if p.Items < 4 || p.Items > MaxList {
			return bad("a list has 4 to 64 packages")
		}
		if p.Cap < 1 || p.Cap > p.Items/4 {
			return bad("a list's cap is at least 1 and at most a quarter of its packages")
		}
		if p.Green < 0 || p.Green > p.Cap {
			return bad("the upper tier's cap is larger than the cap")
		}
	default:
		return bad("the mode is unknown")
	}
	for _, t := range []time.Time{p.InputsAt, p.Deadline} {
		if ms := t.UnixMilli(); ms < 0 || !t.Equal(time.UnixMilli(ms)) {
			return bad("a time is not a whole number of milliseconds since 1970")
		}
	}
	if p.lastOpening().Before(p.InputsAt) {
		return bad("answers leave less than 10 minutes before the deadline; nothing could be opened")
	}
	return nil
}

// lastOpening is the last moment at which whoever opens first may do so.
func (p *Params) lastOpening() time.Time { return p.Deadline.Add(-OpeningWindow) }

func (p *Params) index(id MemberID) int {
	for i, have := range p.Parties {
		if have == id {
			return i
		}
	}
	return -1
}

// Context is ctx: the round object through its id, the member ids, and once more
// what this package makes of the object, so that a difference in reading it is a
// difference here.
//
//	H(label ‖ object 32 ‖ n 1 ‖ ids 16·n ‖ opener 1 ‖ mode 1 ‖ items 1 ‖ cap 1 ‖ green 1 ‖ directions 0 or 2 ‖ inputs_at 8 ‖ deadline 8)
func (p *Params) Context() [suite.HashSize]byte {
	b := append([]byte{}, p.Object[:]...)
	b = append(b, byte(len(p.Parties)))
	for _, id := range p.Parties {
		b = append(b, id[:]...)
	}
	b = append(b, byte(p.Opener), byte(p.Mode), byte(p.Items), byte(p.Cap), byte(p.Green))
	for _, d := range p.Directions {
		b = append(b, byte(d))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(p.InputsAt.UnixMilli()))
	b = binary.BigEndian.AppendUint64(b, uint64(p.Deadline.UnixMilli()))
	return suite.Hash(suite.LabelRoundContext, b)
}
