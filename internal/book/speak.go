package book

import (
	"errors"
	"io"
	"slices"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/conduct"
)

// do has a member do what a line says.
func (p *play) do(i int, at time.Time) error {
	l := &p.script.Lines[i]
	a := p.cast[p.script.place(l.By)]
	if at.After(p.now) {
		if err := p.advance(at); err != nil {
			return err
		}
	}
	if a.away && !l.Back {
		return refused("%s is away: let it be back first", l.By)
	}
	if err := p.settle(); err != nil {
		return err
	}
	a.clock = p.later(a)
	switch {
	case l.Away, l.Back:
		a.away = l.Away
		if l.Back {
			return p.awake(a)
		}
		return nil
	case l.Show != "":
		return p.show(a, i, at)
	case l.Quit != nil:
		ids, err := p.refs([]string{l.Quit.Of})
		if err == nil {
			a.quits[ids[0]] = l.Quit.After
		}
		return err
	case l.Answer != nil:
		id, answer, err := p.answer(l.Answer)
		if err != nil {
			return err
		}
		return p.act(a, at, i, func(s *conduct.Seat) ([]conduct.Saying, error) { return nil, s.AnswerRound(id, answer) })
	case l.Sign != "", l.Stop != "":
		id, _, err := said[*negotiation.Agreement](p, "agreement", l.Sign+l.Stop)
		if err != nil {
			return err
		}
		do := a.signs.Sign
		if l.Stop != "" {
			do = a.signs.Stop
		}
		return p.act(a, at, i, func(s *conduct.Seat) ([]conduct.Saying, error) { return do(s, id) })
	}
	return p.speak(a, i, at)
}

// act is something that a seat does, and what it says.
func (p *play) act(a *actor, at time.Time, line int, do func(*conduct.Seat) ([]conduct.Saying, error)) error {
	says, err := do(p.seat(a, at))
	if err != nil {
		return err
	}
	return p.utter(a, says, at, line)
}

// speak says what a line says.
func (p *play) speak(a *actor, i int, at time.Time) error {
	l := &p.script.Lines[i]
	var to negotiation.MemberID
	if l.To != "" {
		to = p.cast[p.script.place(l.To)].room.Self()
	}
	if l.Unknown != nil {
		raw, err := p.unknown(l.Unknown.Bytes)
		if err != nil {
			return err
		}
		c, err := a.room.Put(negotiation.Kind(l.Unknown.Kind), raw, to, at)
		if err != nil {
			return err
		}
		return p.spoken(a, c, nil, i, at)
	}
	body, err := p.body(a, l)
	if err != nil {
		return err
	}
	before := p.seat(a, at)
	switch b := body.(type) {
	case *negotiation.Round:
		if slices.Contains(b.Parties, a.room.Self()) {
			err = before.CheckRound(b)
		}
	case *negotiation.Agreement:
		err = before.CheckAgreement(b)
	}
	if err != nil && !l.Anyway {
		return err
	}
	var c negotiation.Change
	if l.Anyway {
		raw, err := negotiation.EncodeBody(body)
		if err != nil {
			return err
		}
		c, err = a.room.Put(negotiation.KindOf(body), raw, to, at)
		if err != nil {
			return err
		}
	} else if c, err = a.room.Say(body, to, at); err != nil {
		return err
	}
	return p.spoken(a, c, body, i, at)
}

// spoken is what follows an own statement.
func (p *play) spoken(a *actor, c negotiation.Change, body negotiation.Body, i int, at time.Time) error {
	k := slices.IndexFunc(c.Rows, func(r negotiation.Row) bool { return r.From == a.room.Self() && !r.Erased })
	if k < 0 {
		return errors.New("a room said nothing")
	}
	id := c.Rows[k].ID
	if name := p.script.Lines[i].Name; name != "" {
		p.names[name] = id
	}
	if body != nil {
		p.bodies[id] = body
	}
	if err := p.keep(a, c, at, i); err != nil {
		return err
	}
	s := p.seat(a, at)
	var says []conduct.Saying
	var err error
	switch b := body.(type) {
	case *negotiation.Agenda:
		p.latest = id
	case *negotiation.Agreement:
		p.signs = true
	case *negotiation.Round:
		if slices.Contains(b.Parties, a.room.Self()) && s.CheckRound(b) == nil {
			says, err = s.JoinRound(id)
		}
	case *negotiation.Join:
		if r, ok := p.bodies[b.Of].(*negotiation.Round); ok && s.CheckRound(r) == nil {
			says, err = s.JoinRound(b.Of)
		}
	case *negotiation.Withdraw:
		says, err = s.RoundTick()
	}
	if err != nil && !(p.script.Lines[i].Anyway && errors.Is(err, negotiation.ErrRefused)) {
		return err
	}
	if err := p.utter(a, says, at, i); err != nil {
		return err
	}
	if st, ok := a.room.Statement(id); ok && p.signs {
		return p.follow(a, st, at, i)
	}
	return nil
}

// show has a member show another what a third said. The tag for it must be there still.
func (p *play) show(a *actor, i int, at time.Time) error {
	l := &p.script.Lines[i]
	ids, err := p.refs([]string{l.Show})
	if err != nil {
		return err
	}
	if l.To == "" {
		return refused("it does not say to whom it is shown")
	}
	to, err := p.member(l.To)
	if err != nil {
		return err
	}
	c, err := a.room.Show(ids[0], to, at)
	if err != nil {
		return err
	}
	for _, r := range c.Rows {
		if st, ok := a.room.Statement(r.ID); ok && st.Kind == negotiation.KindShow {
			p.names[l.Name] = r.ID
		}
	}
	return p.keep(a, c, at, i)
}

// unknown is a body that nobody understands: a CBOR byte string of n random bytes.
func (p *play) unknown(n int) ([]byte, error) {
	if n < 0 || n > negotiation.MaxText {
		return nil, refused("it has 0 to %d bytes", negotiation.MaxText)
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(p.random, raw); err != nil {
		return nil, err
	}
	return append([]byte{0x5a, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, raw...), nil
}
