package blind

import (
	"bytes"
	"time"

	"backchannel/internal/suite"
)

// Receive takes a message from another party, as the channel with it delivered
// it. What breaks the protocol is no error but ends the round in a state that
// says so; ErrMalformed and ErrNoParty change nothing.
func (r *Round) Receive(now time.Time, from MemberID, msg []byte, fresh [32]byte) (Change, error) {
	return r.apply(func() error {
		p := r.params.index(from)
		if p < 0 || p == r.self {
			return ErrNoParty
		}
		m, body, err := r.params.peek(msg)
		if err != nil {
			return err
		}
		if err := r.lapse(now); err != nil {
			return err
		}
		if r.over {
			return nil
		}
		slot := r.slotOf(m.Step, m.Cell)
		current := slot == r.slot()
		switch {
		case slot >= 0 && (current || slot < r.slot()) && r.has(slot, p):
			err = r.again(p, slot, m, body)
		case current:
			err = r.take(p, m, body)
		case r.early[p] == nil:
			r.early[p] = bytes.Clone(msg)
		case !bytes.Equal(r.early[p], msg):
			err = r.end(ViewsDiffer) // two messages ahead of us: which view is theirs is unknown
		}
		if err != nil {
			return err
		}
		return r.advance(now, fresh)
	})
}

// again is a message of a step that its sender has taken. The same bytes are a
// repetition. Others are a second key, answer, blinding or share, and nothing of
// this round can be trusted any more.
func (r *Round) again(p, slot int, m Message, body []byte) error {
	same := r.seen[slot*len(r.params.Parties)+p] == suite.Hash(suite.LabelRoundBody, body)
	switch {
	case m.View != r.views[slot]:
		return r.end(ViewsDiffer)
	case !same:
		return r.invalid(p)
	}
	return nil
}

// takeEarly takes what came before its time. Nobody can be further ahead than by
// one step, because every step needs everybody.
func (r *Round) takeEarly() error {
	for p, msg := range r.early {
		if msg == nil || r.over {
			continue
		}
		r.early[p] = nil
		m, body, err := r.params.peek(msg)
		if err != nil {
			return err
		}
		switch {
		case m.View != r.view:
			err = r.end(ViewsDiffer)
		case r.slotOf(m.Step, m.Cell) != r.slot() || r.has(r.slot(), p):
			err = r.invalid(p)
		default:
			err = r.take(p, m, body)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take checks a message of the current step and takes it in. Only under an equal
// T is its sender to blame for what is wrong with it.
func (r *Round) take(p int, m Message, body []byte) error {
	if m.View != r.view {
		return r.end(ViewsDiffer)
	}
	b, err := r.params.decodeBody(m.Step, body)
	if err != nil || !r.valid(p, b, body) {
		return r.invalid(p)
	}
	r.record(r.slot(), p, body)
	return nil
}

// invalid ends the round and names who broke the protocol.
func (r *Round) invalid(p int) error {
	r.who = p
	return r.end(Invalid)
}

// valid checks a body against everything before it and, if it holds, takes it in.
func (r *Round) valid(p int, body Body, encoded []byte) bool {
	s := r.scope(p, r.step, r.cell())
	switch b := body.(type) {
	case Commit:
		r.commits[p] = b.Hash
	case Key:
		s.view = r.views[0] // the commitment was made before any step
		if r.hashKey(p, encoded) != r.commits[p] || !verifyKey(s, b) {
			return false
		}
		r.keys[p], r.coinHash[p] = b.X.Bytes(), b.CoinHash
	case Input:
		if !verifyInput(s, r.plan, r.key0(), b) {
			return false
		}
		r.addInput(p, b)
	case Coin:
		if r.hashCoin(p, b.Coin) != r.coinHash[p] {
			return false
		}
		r.coins[p] = append([]byte{}, b.Coin[:]...)
	case Blind:
		if !verifyBlind(s, pairs(r.sums), b) {
			return false
		}
		r.addBlind(b)
	case Open:
		c := pairAt(r.blinded, r.cell())
		if !verifyOpen(s, r.point(r.keys[p]), c.u, b) {
			return false
		}
		r.addShare(b)
	case Echo:
		return b.Hit == r.hit
	}
	return true
}
