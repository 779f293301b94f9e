package blind

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"backchannel/internal/suite"
)

// A Watch follows a round from outside, from all that its parties said: the same
// code checks every proof, commitment and opening as in a Round, and no secret takes
// part. What a party's station would refuse is an error.
type Watch struct{ r *Round }

// NewWatch begins before anybody has said anything.
func NewWatch(p Params) (*Watch, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	r := newRound(p, outside)
	r.at = Joined // nothing is decided here
	return &Watch{r}, nil
}

// Hear takes a message, in an order in which one of the parties had them: what a
// party says comes once, and no step before those that it follows. at is when its
// sender said it.
func (w *Watch) Hear(from MemberID, at time.Time, msg []byte) error {
	r := w.r
	p := r.params.index(from)
	if p < 0 {
		return ErrNoParty
	}
	m, body, err := r.params.peek(msg)
	if err != nil {
		return err
	}
	slot := r.slotOf(m.Step, m.Cell)
	switch {
	case r.over:
		return errors.New("checking a blind round: a party goes on after its end")
	case m.Step >= StepInput && at.Before(r.params.InputsAt), m.Step == StepInput && at.After(r.params.lastOpening()):
		return errors.New("checking a blind round: an answer leaves at another time than the round says")
	case slot == r.slot() && !r.has(slot, p):
		err = r.take(p, m, body)
	case slot >= 0 && slot <= r.slot():
		return errors.New("checking a blind round: a party says the same step twice")
	case r.early[p] != nil:
		return errors.New("checking a blind round: a party is ahead of the others by more than a step")
	default:
		r.early[p] = slices.Clone(msg)
	}
	if err == nil {
		err = r.advance(at, [32]byte{})
	}
	if err != nil {
		return err
	}
	if r.at == ViewsDiffer || r.at == Invalid {
		return fmt.Errorf("checking a blind round: %s at step %d", r.at, r.step)
	}
	return nil
}

// Status says how far the round came.
func (w *Watch) Status() Status { return w.r.Status() }

// outside is the place of one who is no party.
const outside = -1

// newRound is a round before anything was said, seen from a place.
func newRound(p Params, self int) *Round {
	r := &Round{params: p}
	n := len(p.Parties)
	r.self, r.step = self, StepCommit
	r.plan, r.ctx = p.layout(), p.Context()
	r.view = suite.Hash(suite.LabelRoundView, r.ctx[:])
	r.views = make([][32]byte, r.slots())
	r.seen = make([][32]byte, r.slots()*n)
	r.early, r.commits, r.coinHash = make([][]byte, n), make([][32]byte, n), make([][32]byte, n)
	r.keys, r.coins = make([][]byte, n), make([][]byte, n)
	r.views[0] = r.view
	return r
}

// Params are the round's.
func (w *Watch) Params() Params { return w.r.params }
