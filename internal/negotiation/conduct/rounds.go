package conduct

import (
	"errors"
	"slices"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/blind"
)

// RoundParams is what package blind makes of a round that stands in a room as the
// statement id.
func RoundParams(id negotiation.ID, b *negotiation.Round) blind.Params {
	p := blind.Params{Object: id, Opener: slices.Index(b.Parties, b.Opener), Mode: blind.Mode(b.Mode), Cap: int(b.Cap),
		InputsAt: time.Unix(int64(b.InputsAt), 0).UTC(), Deadline: time.Unix(int64(b.Deadline), 0).UTC()}
	for _, m := range b.Parties {
		p.Parties = append(p.Parties, blind.MemberID(m))
	}
	p.Items = len(b.Packages)
	if b.Mode == negotiation.Ladder {
		p.Items = len(b.Figures)
	}
	if len(b.Tiers) > 0 {
		p.Green = int(b.Tiers[0])
	}
	for _, d := range b.Directions {
		p.Directions = append(p.Directions, blind.Direction(d))
	}
	return p
}

// CheckRound says what is wrong with a round that is to be proposed or joined: who
// cannot take part must not begin.
func (s *Seat) CheckRound(b *negotiation.Round) error {
	if !slices.Contains(b.Parties, s.Room.Self()) {
		return refused("this member is no party of the round")
	}
	return s.CheckProposal(b)
}

// CheckProposal says why nobody could take part in a round.
func (s *Seat) CheckProposal(b *negotiation.Round) error {
	p := RoundParams(negotiation.ID{}, b)
	if err := p.Check(s.Lanes); err != nil {
		return refused("%v", err)
	}
	return nil
}

// round finds the object of a round that the room holds.
func (s *Seat) round(id negotiation.ID) (*negotiation.Round, error) {
	if st, ok := s.Room.Statement(id); ok {
		if b, ok := st.Body.(*negotiation.Round); ok {
			return b, nil
		}
	}
	return nil, refused("there is no such round")
}

// JoinRound begins to take part in a round that this member proposed or joined in
// the same transaction. What the others sent before is taken in at once.
func (s *Seat) JoinRound(id negotiation.ID) ([]Saying, error) {
	b, err := s.round(id)
	if err != nil {
		return nil, err
	}
	if err := s.CheckRound(b); err != nil {
		return nil, err
	}
	if m, err := s.machine(KindRound, id); err != nil || m != nil {
		return nil, errors.Join(err, refused("the round was joined, declined or has ended"))
	}
	p := RoundParams(id, b)
	r, err := blind.New(p, blind.MemberID(s.Room.Self()))
	if err != nil {
		return nil, refused("%v", err)
	}
	fresh, err := s.fresh()
	if err != nil {
		return nil, err
	}
	c, err := r.Join(s.Now, fresh)
	if err != nil {
		return nil, refused("%v", err)
	}
	out := s.roundSayings(id, b, c)
	for _, st := range s.Room.Opaque(negotiation.PrefixRound) {
		m, ok := about(st, id)
		if !ok || st.From == s.Room.Self() {
			continue
		}
		c, err := s.hear(r, st.From, m)
		if err != nil {
			return nil, err
		}
		out = append(out, s.roundSayings(id, b, c)...)
	}
	return out, s.keepRound(id, r)
}

// hear gives a message to a round. What is malformed, or from no party, changes
// nothing there; it stands in the room for whoever wants to look.
func (s *Seat) hear(r *blind.Round, from negotiation.MemberID, m Message) (blind.Change, error) {
	fresh, err := s.fresh()
	if err != nil {
		return blind.Change{}, err
	}
	c, err := r.Receive(s.Now, blind.MemberID(from), m.Bytes, fresh)
	if errors.Is(err, blind.ErrMalformed) || errors.Is(err, blind.ErrNoParty) {
		return blind.Change{}, nil
	}
	return c, err
}

// AnswerRound chooses, or chooses again. Nothing is sent: the answer leaves at the
// stated time.
func (s *Seat) AnswerRound(id negotiation.ID, a blind.Answer) error {
	r, err := s.joined(id)
	if err != nil {
		return err
	}
	if _, err := r.Answer(s.Now, a); err != nil {
		return refused("%v", err)
	}
	return s.keepRound(id, r)
}

// RoundAnswer is the answer that was chosen last; false if there is none here.
func (s *Seat) RoundAnswer(id negotiation.ID) (blind.Answer, bool, error) {
	m, err := s.machine(KindRound, id)
	if err != nil || m == nil {
		return blind.Answer{}, false, err
	}
	r, err := blind.Load(m.State)
	if err != nil {
		return blind.Answer{}, false, nil //nolint:nilerr // the next tick ends it
	}
	a, ok := r.Chosen()
	return a, ok, nil
}

// DeclineRound ends a round for this member, joined or not, before its answer left.
// Nothing is sent: to the others it looks like one that lapses.
func (s *Seat) DeclineRound(id negotiation.ID) error {
	b, err := s.round(id)
	if err != nil {
		return err
	}
	if err := s.CheckRound(b); err != nil {
		return err
	}
	m, err := s.machine(KindRound, id)
	if err != nil {
		return err
	}
	if m == nil {
		return s.report(id, negotiation.RoundLapsed, negotiation.Outcome{})
	}
	r, err := blind.Load(m.State)
	if err != nil {
		return s.loseRound(id)
	}
	if _, err := r.Decline(); err != nil {
		return refused("%v", err)
	}
	return s.keepRound(id, r)
}

func (s *Seat) joined(id negotiation.ID) (*blind.Round, error) {
	if _, err := s.round(id); err != nil {
		return nil, err
	}
	m, err := s.machine(KindRound, id)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, refused("the round was not joined, or has ended")
	}
	r, err := blind.Load(m.State)
	if err != nil {
		return nil, refused("%v", err)
	}
	return r, nil
}

// RoundReceived takes a statement of a kind under round/ that the room has just
// placed. A round that this member has not joined, or that has ended, ignores it.
func (s *Seat) RoundReceived(st *negotiation.Statement) ([]Saying, error) {
	msg, err := ParseMessage(st.Raw)
	if err != nil || s.Room.Frozen() {
		return nil, nil //nolint:nilerr // the statement stays in the room as it came
	}
	b, err := s.round(msg.Of)
	if err != nil {
		return nil, nil //nolint:nilerr // it is about nothing that is here
	}
	m, err := s.machine(KindRound, msg.Of)
	if err != nil || m == nil {
		return nil, err
	}
	r, err := blind.Load(m.State)
	if err != nil {
		return nil, s.loseRound(msg.Of)
	}
	c, err := s.hear(r, st.From, msg)
	if err != nil || c.State == nil {
		return nil, err
	}
	return s.roundSayings(msg.Of, b, c), s.keepRound(msg.Of, r)
}

// RoundTick does what is due by the clock and ends what cannot go on: rounds whose
// state is gone or cannot be read, those of a room that is frozen after a restore,
// and those that were withdrawn.
func (s *Seat) RoundTick() (out []Saying, err error) {
	all, err := s.Store.Machines(KindRound)
	if err != nil {
		return nil, err
	}
	have := map[negotiation.ID]bool{}
	for _, m := range all {
		have[m.ID] = true
		b, err := s.round(m.ID)
		if err != nil {
			return nil, err
		}
		r, err := blind.Load(m.State)
		if err != nil {
			if err := s.loseRound(m.ID); err != nil {
				return nil, err
			}
			continue
		}
		if s.Room.Frozen() {
			if _, err := r.Restored(); err != nil {
				return nil, err
			}
			if err := s.keepRound(m.ID, r); err != nil {
				return nil, err
			}
			continue
		}
		fresh, err := s.fresh()
		if err != nil {
			return nil, err
		}
		c, err := r.Tick(s.Now, fresh)
		if err != nil {
			return nil, err
		}
		if c.State == nil {
			continue
		}
		out = append(out, s.roundSayings(m.ID, b, c)...)
		if err := s.keepRound(m.ID, r); err != nil {
			return nil, err
		}
	}
	for _, v := range s.Room.RoundsAt(s.Now) {
		if have[v.ID] && v.State == negotiation.RoundLapsed && v.Outcome == nil {
			if err := s.endWithdrawn(v.ID); err != nil {
				return nil, err
			}
		}
		if !have[v.ID] && v.State.Live() && slices.Contains(v.Joined, s.Room.Self()) {
			if err := s.loseRound(v.ID); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// endWithdrawn ends the own part of a round that its author took back.
func (s *Seat) endWithdrawn(id negotiation.ID) error {
	r, err := s.joined(id)
	if err != nil {
		return err
	}
	if _, err := r.Decline(); err != nil {
		return nil //nolint:nilerr // it had gone further: it ends as it ends
	}
	if err := s.keepRound(id, r); err != nil {
		return err
	}
	return s.Store.Drop(KindRound, id) // everybody knows that it is over: no key of it is awaited
}

// RoundWake is when RoundTick is due though nothing came in; zero if never. It does
// not depend on answers.
func (s *Seat) RoundWake() (at time.Time, err error) {
	all, err := s.Store.Machines(KindRound)
	if err != nil {
		return at, err
	}
	for _, m := range all {
		r, err := blind.Load(m.State)
		if err != nil {
			return s.Now, nil //nolint:nilerr // the tick ends it
		}
		if w := r.Wake(s.Now); !w.IsZero() && (at.IsZero() || w.Before(at)) {
			at = w
		}
	}
	return at, nil
}

// RoundStatus is the own part of a round; false if this member has none that lasts.
func (s *Seat) RoundStatus(id negotiation.ID) (blind.Status, bool, error) {
	m, err := s.machine(KindRound, id)
	if err != nil || m == nil {
		return blind.Status{}, false, err
	}
	r, err := blind.Load(m.State)
	if err != nil {
		return blind.Status{}, false, nil //nolint:nilerr // the next tick ends it
	}
	return r.Status(), true, nil
}

func (s *Seat) roundSayings(id negotiation.ID, b *negotiation.Round, c blind.Change) (out []Saying) {
	for _, raw := range c.Send {
		k := roundKinds[blind.Step(raw[0])]
		out = append(out, s.address(k, Message{Of: id, Bytes: raw}.Encode(), b.Parties)...)
	}
	return out
}

// keepRound keeps a round, or forgets it once nothing changes any more, and reports
// where it stands.
func (s *Seat) keepRound(id negotiation.ID, r *blind.Round) error {
	st := r.Status()
	to, o := roundOutcome(st, r.Params())
	if st.State >= blind.Keyed {
		if err := s.report(id, to, o); err != nil {
			return err
		}
	}
	if st.Over {
		return s.Store.Drop(KindRound, id)
	}
	return s.Store.Put(KindRound, Machine{id, r.State()})
}

// roundOutcome is what a room is told of a round.
func roundOutcome(st blind.Status, p blind.Params) (negotiation.RoundState, negotiation.Outcome) {
	o := negotiation.Outcome{Opened: uint64(st.Opened), Cells: uint64(st.Cells), Known: st.Known}
	if st.Cell >= 0 && st.State != blind.Lapsed {
		item, green := p.Item(st.Cell)
		n := uint64(item)
		o.Item, o.Green = &n, green
	}
	if st.State == blind.NoMatch {
		o.Opened = o.Cells
	}
	if st.State == blind.Invalid {
		who := negotiation.MemberID(st.Who)
		o.Who = &who
	}
	return negotiation.RoundState(st.State.String()), o
}

// report tells the room. A round that the room has seen end otherwise stays so.
func (s *Seat) report(id negotiation.ID, to negotiation.RoundState, o negotiation.Outcome) error {
	if err := s.Room.RoundProgress(id, to, o, s.Now); err != nil && !errors.Is(err, ErrRefused) {
		return err
	}
	return nil
}

func (s *Seat) loseRound(id negotiation.ID) error {
	if err := s.report(id, negotiation.RoundLapsed, negotiation.Outcome{Lost: true}); err != nil {
		return err
	}
	return s.Store.Drop(KindRound, id)
}
