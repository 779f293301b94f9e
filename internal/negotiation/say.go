package negotiation

import (
	"slices"
	"time"
)

// answerWithin is how long after its end an offer can still be taken by a take that
// was written before it: lines are slow, and clocks differ.
const answerWithin = 10 * time.Minute

// Say says something to the room, or to one member if to is not zero. It refuses
// what would come to nothing, so that nobody says what does not hold.
func (r *Room) Say(b Body, to MemberID, now time.Time) (Change, error) {
	var c Change
	now = seconds(now)
	if err := r.allowed(b, to, now); err != nil {
		return c, err
	}
	return c, r.say(b.kind(), b, to, &c, now)
}

// SayOpaque says something of a kind under round/ or sign/. raw is CBOR.
func (r *Room) SayOpaque(k Kind, raw []byte, to MemberID, now time.Time) (Change, error) {
	var c Change
	switch {
	case k.check() != nil || !k.opaque():
		return c, refused("the kind %s is not one of another package", k)
	case len(raw)+1000 > MaxStatement:
		return c, refused("a statement has at most %d bytes", MaxStatement-1000)
	}
	if err := r.audience(to); err != nil {
		return c, err
	}
	now = seconds(now)
	if err := r.ready(to, &c, now); err != nil {
		return c, err
	}
	r.put(k, raw, to, &c, now)
	r.exchange(&c, now)
	return c, nil
}

// Tick does what time makes due: vouch tags are passed on and erased. Call it when
// the room is opened and about once a minute.
func (r *Room) Tick(now time.Time) Change {
	var c Change
	r.exchange(&c, seconds(now))
	return c
}

func (r *Room) audience(to MemberID) error {
	if r.local.Frozen {
		return refused("this station was restored from a backup and says nothing more in this room: make a new one")
	}
	if !to.IsZero() && (to == r.self || r.index(to) < 0) {
		return refused("a private statement is for another member of the room")
	}
	return nil
}

// ready hands out vouch keys before a statement to the room.
func (r *Room) ready(to MemberID, c *Change, now time.Time) error {
	if !to.IsZero() {
		return nil
	}
	return r.vouch(r.told[r.self].next(), c, now)
}

func (r *Room) say(k Kind, b Body, to MemberID, c *Change, now time.Time) error {
	raw, err := EncodeBody(b)
	if err != nil {
		return err
	}
	if len(raw)+1000 > MaxStatement {
		return refused("a statement has at most %d bytes", MaxStatement-1000)
	}
	if err := r.ready(to, c, now); err != nil {
		return err
	}
	r.put(k, raw, to, c, now)
	r.exchange(c, now)
	return nil
}

// send says what this package says of itself: keys and tags.
func (r *Room) send(b Body, to MemberID, c *Change, now time.Time) {
	r.put(b.kind(), must(EncodeBody(b)), to, c, now)
}

// put appends a statement to its chain and addresses the copies.
func (r *Room) put(k Kind, raw []byte, to MemberID, c *Change, now time.Time) *Statement {
	e := &Envelope{Version: r.charter.Plan.Version, Room: r.charter.Room, From: r.self, Time: uint64(now.Unix()), Kind: k, Body: raw}
	row := Row{From: r.self, To: to, At: now}
	ch := r.chainOf(row)
	e.Seq, e.Prev = ch.next(), ch.head()
	if to.IsZero() {
		e.Vector = r.vector()
		heads := r.headsAt(e.Vector)
		e.Heads = heads[:]
	} else {
		e.Class = ClassPrivate
	}
	row.ID = e.ID()
	for _, m := range r.members {
		if m == r.self || !to.IsZero() && m != to {
			continue
		}
		if to.IsZero() {
			e.Vouch = r.tags(m, e.Seq, row.ID)
		}
		c.Out = append(c.Out, Out{r.contactOf(m), e.Encode()})
	}
	if k.secret() {
		e.Body, row.Erased = withoutSecret(k, raw), true
	}
	row.Raw = e.told()
	c.Rows = append(c.Rows, row)
	return r.place(arrived{row, e}, c)[0]
}

// answer does what a statement asks of this member at once: the author of an offer
// confirms a take that came in time. An offer stands open to be taken; who no longer
// wants that withdraws it.
func (r *Room) answer(s *Statement, c *Change, now time.Time) {
	t, ok := s.Body.(*Take)
	if !ok || r.local.Frozen {
		return
	}
	o := r.evaluate(now).offers[t.Of]
	if o == nil || o.Author != r.self || o.decided || o.mayTake(r, s) != nil || !o.inTime(s, now) {
		return
	}
	of := r.byID[t.Of]
	if err := r.say(KindTaken, &Taken{Of: t.Of, By: s.ID}, of.To, c, now); err != nil {
		return // randomness failed; the take stands and is answered by the next one
	}
}

// inTime is the author's rule: by its own clock the offer still stands, or the take
// was written before its end and arrived within ten minutes after.
func (o *OfferView) inTime(take *Statement, now time.Time) bool {
	if o.body.Expires == 0 {
		return true
	}
	end := unix(o.body.Expires)
	return now.Before(end) || take.Time.Before(end) && now.Before(end.Add(answerWithin))
}

// allowed says why this member may not say b now.
func (r *Room) allowed(b Body, to MemberID, now time.Time) error {
	where, known := bodies[b.kind()]
	if !known || b.kind().secret() {
		return refused("the kind %s is not said by people", b.kind())
	}
	if err := r.audience(to); err != nil {
		return err
	}
	if to.IsZero() && !where.room || !to.IsZero() && !where.private {
		return refused("the kind %s cannot be said to this audience", b.kind())
	}
	if err := b.check(); err != nil {
		return err
	}
	v := r.evaluate(now)
	probe := &Statement{From: r.self, To: to, Seq: r.chainOf(Row{From: r.self, To: to}).next(), Time: now, At: now, Kind: b.kind(), Body: b}
	switch b := b.(type) {
	case *Agenda:
		if b.Rev != v.highest+1 {
			return refused("the next revision of the agenda is %d", v.highest+1)
		}
		if (b.Base == nil) != (v.held == nil) || b.Base != nil && *b.Base != v.heldID {
			return refused("a new agenda is based on the one that holds")
		}
		return b.follows(v.held, r.self, r.members)
	case *Confirm:
		a := v.agendas[b.Of]
		switch {
		case a == nil || a.Problem != "":
			return refused("there is no such agenda to confirm")
		case slices.Contains(a.Confirmed, r.self):
			return refused("the agenda is confirmed already")
		case v.held != nil && a.Rev <= v.held.Rev:
			return refused("a later agenda holds")
		}
		later := uint64(0)
		for id, other := range v.agendas {
			switch mine := id != b.Of && slices.Contains(other.Confirmed, r.self); {
			case mine && other.Rev == a.Rev:
				return refused("another agenda with number %d was confirmed already: propose number %d", a.Rev, v.highest+1)
			case mine && other.Rev > a.Rev:
				later = max(later, other.Rev)
			}
		}
		if later > 0 {
			return refused("agenda %d, which is later, was confirmed already: propose number %d", later, v.highest+1)
		}
	case *Package:
		return r.packageProblem(b)
	case *Offer:
		return v.offerProblem(r, b, probe)
	case *Take:
		return v.take(r, b, probe, now)
	case *Taken:
		return refused("an offer is confirmed as taken when somebody takes it, not by hand")
	case *Withdraw:
		return v.withdraw(r, b, probe)
	case *Comment:
		if _, ok := r.byID[b.On]; !ok {
			return refused("there is nothing to comment on")
		}
		if s := r.byID[b.On]; s.Private() && s.To != to && s.From != to {
			return refused("a comment on what was said in private goes to the one who knows it")
		}
	case *Draft:
		return v.draftProblem(r, b, to)
	case *Round:
		return v.roundProblem(r, b, probe)
	case *Join:
		return v.join(r, b)
	case *Agreement:
		return v.agreementProblem(r, b, probe)
	case *Consent:
		return v.consent(r, b)
	case *Communique:
		return v.communiqueProblem(b)
	case *Approve:
		return v.approve(r, b)
	case *Release:
		q := v.communiques[b.Of]
		if q == nil || !q.State.MayBecome(CommuniqueReleased) {
			return refused("a communiqué is released once all have approved it")
		}
	}
	return nil
}
