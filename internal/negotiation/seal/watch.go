package seal

import (
	"crypto/ed25519"
	"errors"
	"slices"

	"filippo.io/edwards25519"
)

// A Watch follows a signing from outside, from all that its parties sent, and checks
// what a party checks: keys, session, commitments, echoes, nonces, shares and the
// signature. It has no key.
type Watch struct{ s Session }

// NewWatch begins an attempt of which nothing was said. Params.Self counts for
// nothing.
func NewWatch(p Params) (*Watch, error) {
	if len(p.Parties) > 0 {
		p.Self = p.Parties[0]
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	p.Parties = slices.Clone(p.Parties)
	return &Watch{Session{k: kept{Params: p, Messages: make([][][]byte, len(p.Parties))}}}, nil
}

// Hear takes a party's message; each comes once, and those of a party in order.
func (w *Watch) Hear(from ID, b []byte) error {
	s := &w.s
	i := s.index(from)
	if i < 0 {
		return errors.New("checking a signing: the sender is no party")
	}
	m, err := ParseMessage(b)
	switch {
	case err != nil:
		return err
	case m.Step != s.sent(i)+1:
		return errors.New("checking a signing: a party says a step twice or leaves one out")
	case m.Step == StepHello && m.Core != s.k.Params.Core:
		return ErrViewsDiffer
	}
	s.k.Messages[i] = append(s.k.Messages[i], slices.Clone(b))
	return w.check()
}

// check looks at everything that can be checked by now.
func (w *Watch) check() error {
	s := &w.s
	if !s.all(StepHello, -1) {
		return nil
	}
	if s.group == nil {
		if err := s.derive(); err != nil {
			return err
		}
	}
	commits, nonces := s.all(StepCommit, -1), s.all(StepNonce, -1)
	var c *edwards25519.Scalar
	var sum *edwards25519.Point
	key := s.group.Key()
	text := Message(s.k.Params.Core, s.k.Params.Level, s.group, s.k.Params.Text)
	if nonces {
		sum = s.nonceSum()
		c = challenge(sum.Bytes(), key[:], text)
	}
	for i, id := range s.k.Params.Parties {
		for st := StepCommit; st <= s.sent(i); st++ {
			if s.wire(i, st).SID != s.sid {
				return ErrViewsDiffer
			}
		}
		if commits && s.sent(i) >= StepEcho && s.wire(i, StepEcho).Value != s.echo() {
			return ErrViewsDiffer
		}
		if s.sent(i) >= StepNonce {
			if r := s.wire(i, StepNonce).Value; s.commitment(id, r[:]) != s.wire(i, StepCommit).Commit {
				return &InvalidError{id, "showed another nonce than it committed to"}
			}
		}
		if nonces && s.sent(i) >= StepShare && !s.checkShare(i, c) {
			return &InvalidError{id, "sent a share that does not fit"}
		}
	}
	if !s.all(StepShare, -1) {
		return nil
	}
	z := edwards25519.NewScalar()
	for i := range s.k.Params.Parties {
		v := s.wire(i, StepShare).Value
		zi, err := parseScalar(v[:])
		if err != nil {
			return err
		}
		z.Add(z, zi)
	}
	s.sig = append(sum.Bytes(), z.Bytes()...)
	if !ed25519.Verify(key[:], text, s.sig) {
		return errors.New("checking a signing: the signature does not hold")
	}
	return nil
}

// Sent is the last step that a party sent; 0 if none.
func (w *Watch) Sent(who ID) Step {
	if i := w.s.index(who); i >= 0 {
		return w.s.sent(i)
	}
	return 0
}

// Reached is the last step that all parties sent.
func (w *Watch) Reached() Step {
	least := StepShare
	for i := range w.s.k.Params.Parties {
		least = min(least, w.s.sent(i))
	}
	return least
}

// Signature is R ‖ z once it is complete, else nil.
func (w *Watch) Signature() []byte { return w.s.Signature() }

// Keys are the parties' keys in the order of Params.Parties, once all are known.
func (w *Watch) Keys() []PublicKey { return w.s.Keys() }
