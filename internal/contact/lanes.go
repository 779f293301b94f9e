package contact

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"backchannel/internal/suite"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// The errors of changes to the lanes.
var (
	ErrNoIdleLane = errors.New("every lane has a contact: free one first; it becomes idle at a random time within the hour, so that the moment tells the contact nothing")
	ErrHasLane    = errors.New("the contact has a lane already: one is all that a contact can have")
	ErrNoLane     = errors.New("the contact has no lane: it is parked")
)

// Assignment is a lane that belongs to a contact.
type Assignment struct {
	Lane    int // from 0
	Contact ID
	Leaves  uint64 // first epoch without the contact; 0 while it was not freed
}

// Lanes tells which lane belongs to which contact. It is a value: a copy is
// independent. The zero value has no lanes. Lanes change by the user's choice
// only: a contact can see from when to when its own lane is assigned, so giving
// one takes effect at once and taking one away at a random epoch.
type Lanes struct {
	count int
	lanes [wire.MaxLanes]Assignment // Contact is zero where idle
}

// NewLanes returns so many idle lanes, wire.MaxLanes at most.
func NewLanes(count int) Lanes {
	if count < 0 || count > wire.MaxLanes {
		panic("contact: the number of lanes is out of range")
	}
	return Lanes{count: count}
}

// RestoreLanes rebuilds a table of count lanes from stored assignments. Those of
// lanes that the network no longer has are parked.
func RestoreLanes(count int, stored []Assignment) (Lanes, error) {
	l := NewLanes(count)
	seen := map[ID]bool{}
	for _, a := range stored {
		if a.Lane < 0 || a.Contact == (ID{}) || seen[a.Contact] && !weakened.SharedContact || a.Lane < count && l.lanes[a.Lane].Contact != (ID{}) {
			return Lanes{}, errors.New("reading the lanes: the stored table contradicts itself; restore the vault from a backup")
		}
		seen[a.Contact] = true
		if a.Lane < count {
			l.lanes[a.Lane] = a
		}
	}
	return l, nil
}

// Count is the number of lanes.
func (l Lanes) Count() int { return l.count }

func (a Assignment) holds(epoch uint64) bool {
	return a.Contact != (ID{}) && (a.Leaves == 0 || epoch < a.Leaves)
}

// All lists the assigned lanes, those on their way out included.
func (l Lanes) All() (out []Assignment) {
	for _, a := range l.lanes[:l.count] {
		if a.Contact != (ID{}) {
			out = append(out, a)
		}
	}
	return out
}

// Assigned returns the contact of each lane in an epoch, zero for an idle one.
func (l Lanes) Assigned(epoch uint64) []ID {
	out := make([]ID, l.count)
	for i, a := range l.lanes[:l.count] {
		if a.holds(epoch) {
			out[i] = a.Contact
		}
	}
	return out
}

// Idle is the number of idle lanes in an epoch.
func (l Lanes) Idle(epoch uint64) (n int) {
	for _, a := range l.lanes[:l.count] {
		if !a.holds(epoch) {
			n++
		}
	}
	return n
}

// Of returns the lane of a contact in an epoch.
func (l Lanes) Of(id ID, epoch uint64) (Assignment, bool) {
	if i := l.find(id, epoch); i >= 0 {
		return l.lanes[i], true
	}
	return Assignment{}, false
}

func (l *Lanes) find(id ID, epoch uint64) int {
	for i, a := range l.lanes[:l.count] {
		if a.Contact == id && a.holds(epoch) {
			return i
		}
	}
	return -1
}

// Advance ends the assignments that do not reach epoch.
func (l *Lanes) Advance(epoch uint64) {
	for i := range l.lanes[:l.count] {
		if !l.lanes[i].holds(epoch) {
			l.lanes[i] = Assignment{}
		}
	}
}

// Assign gives the contact an idle lane from the next set-up on. A lane that is
// on its way out stays with the contact instead.
func (l Lanes) Assign(id ID, epoch uint64) (Lanes, error) {
	if id == (ID{}) {
		panic("contact: the zero identifier names no contact")
	}
	l.Advance(epoch)
	if i := l.find(id, epoch); i >= 0 && !weakened.SharedContact {
		if l.lanes[i].Leaves == 0 {
			return l, ErrHasLane
		}
		l.lanes[i].Leaves = 0
		return l, nil
	}
	for i := range l.lanes[:l.count] {
		if l.lanes[i].Contact == (ID{}) {
			l.lanes[i] = Assignment{Lane: i, Contact: id}
			return l, nil
		}
	}
	return l, ErrNoIdleLane
}

// ReleaseWindow is the number of epochs over which the end of a lane is spread:
// those of an hour. A network whose circuits may not run for an hour (such as
// one of the preset demo) is not there to hide habits: there it is the next.
func ReleaseWindow(p wire.Params) uint64 {
	if p.EpochCap < time.Hour {
		return 1
	}
	return uint64(max(1, time.Hour/p.Epoch))
}

// Release takes the contact's lane away at an epoch drawn uniformly from the
// next ReleaseWindow. Asking again does not draw again: whoever drew until the
// draw was soon would show an intention.
func (l Lanes) Release(id ID, epoch uint64, p wire.Params) (Lanes, error) {
	return l.ReleaseAt(id, epoch, epoch+1+below(ReleaseWindow(p)))
}

// ReleaseAt is Release with the draw already made.
func (l Lanes) ReleaseAt(id ID, epoch, leaves uint64) (Lanes, error) {
	i := l.find(id, epoch)
	if i < 0 {
		return l, ErrNoLane
	}
	if leaves <= epoch {
		return l, fmt.Errorf("freeing a lane: epoch %d is not after %d", leaves, epoch)
	}
	if l.lanes[i].Leaves == 0 {
		l.lanes[i].Leaves = leaves
	}
	return l, nil
}

// Remove makes the lane of a contact that is no more idle from the next set-up
// on. Unlike Release it is at once: nothing is left that could meet.
func (l Lanes) Remove(id ID, epoch uint64) Lanes {
	l.Advance(epoch)
	for i := range l.lanes[:l.count] {
		if l.lanes[i].Contact == id {
			l.lanes[i] = Assignment{}
		}
	}
	return l
}

// below draws uniformly from 0 to n−1.
func below(n uint64) uint64 {
	rest := -n % n // of 2⁶⁴ divided by n
	for {
		var b [8]byte
		suite.Random(b[:])
		if v := binary.BigEndian.Uint64(b[:]); v <= math.MaxUint64-rest {
			return v % n
		}
	}
}
