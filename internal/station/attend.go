package station

import (
	"context"
	"errors"
	"slices"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/vault"
)

// Messages of negotiations are read one by one, each in a transaction that also
// erases it, aside from the node: nothing on the wire waits for it, and a station
// that negotiates sends the same cells as one that does not.

// tickEvery is about how often rooms look at the clock.
const tickEvery = time.Minute

// next reads one message that waits, and says whether it found one.
func (t *table) next(now time.Time) (out outcome, found bool, err error) {
	if err := t.load(); err != nil {
		return out, false, err
	}
	var all []vault.Message
	if err := t.vault.View(func(tx *vault.Tx) (err error) {
		all, err = tx.Messages()
		return err
	}); err != nil {
		return out, false, err
	}
	for _, m := range all {
		if _, later := t.waiting[m.ID]; later && now.Sub(m.Arrived) < negotiation.FormationLifetime {
			continue
		}
		out, err = t.read(m, now)
		return out, true, err
	}
	return out, false, nil
}

// errWaits is within this file: the room of a message may still come about.
var errWaits = errors.New("the room does not exist yet")

// read takes one message in. One that nothing can be made of is put aside, so that
// it neither is lost nor stops those behind it.
func (t *table) read(m vault.Message, now time.Time) (outcome, error) {
	out, err := t.change(now, func(b *batch) error { return b.read(m) })
	if err == nil {
		delete(t.waiting, m.ID)
		return out, nil
	}
	reason := ""
	switch {
	case errors.Is(err, errWaits):
		n := 0
		for _, from := range t.waiting {
			if from == m.Contact {
				n++
			}
		}
		if now.Sub(m.Arrived) < negotiation.FormationLifetime && n < vault.MaxStrays {
			t.waiting[m.ID] = m.Contact
			return outcome{}, nil
		}
		reason = "there is no such room here"
	case errors.Is(err, negotiation.ErrRefused):
		reason = err.Error()
	default:
		return outcome{}, err
	}
	return t.change(now, func(b *batch) error {
		delete(t.waiting, m.ID)
		return b.stray(m, reason)
	})
}

func (b *batch) stray(m vault.Message, reason string) error {
	s := vault.Stray{Contact: m.Contact, At: m.Arrived, Reason: reason}
	if m.Size <= negotiation.MaxStatement && !m.Damaged {
		raw, err := b.tx.ReadMessage(m.ID)
		if err != nil {
			return err
		}
		s.Raw = raw
	}
	if _, err := b.tx.AddStray(s); err != nil {
		return err
	}
	return b.tx.DeleteItem(m.ID)
}

func (b *batch) read(m vault.Message) error {
	if m.Damaged || m.Size > negotiation.MaxStatement {
		return b.stray(m, "a message is longer than any can be")
	}
	raw, err := b.tx.ReadMessage(m.ID)
	if err != nil {
		return err
	}
	a, err := negotiation.AddressOf(raw)
	if err != nil {
		return err
	}
	r := b.t.find(a)
	from := negotiation.Contact(m.Contact)
	switch {
	case r == nil && a.Invites:
		f, err := negotiation.Invited(from, raw, b.now)
		if err != nil {
			return err
		}
		if r, err = b.begin(f, []contact.ID{m.Contact}); err != nil {
			return err
		}
	case r == nil:
		return errWaits
	case a.Room.IsZero():
		if err := b.form(r, func() ([]negotiation.Out, error) { return r.formation.Apply(from, raw, b.now) }); err != nil {
			return err
		}
	default:
		if err := r.open(b.tx); err != nil {
			return err
		}
		c, err := r.room.Apply(from, raw, b.now)
		if err != nil && len(c.Events) == 0 && len(c.Rows) == 0 {
			return err // of a contact that is no member: nothing has changed
		}
		if err := b.apply(r, c, false); err != nil { // what a room refuses it keeps
			return err
		}
	}
	return b.tx.DeleteItem(m.ID)
}

// begin keeps a new formation.
func (b *batch) begin(f *negotiation.Formation, members []contact.ID) (*openRoom, error) {
	number, err := b.tx.AddRoom(f.Plan.Form, f.Encode(), members)
	if err != nil {
		return nil, err
	}
	r := &openRoom{number: number, form: f.Plan.Form, created: b.now, formation: f}
	b.t.rooms[number] = r
	b.touch(r)
	b.look()
	return r, nil
}

// look has messages read that waited for a room.
func (b *batch) look() { clear(b.t.waiting) }

// form takes a step of a formation, and makes the room if it was the last.
func (b *batch) form(r *openRoom, step func() ([]negotiation.Out, error)) error {
	out, err := step()
	if err != nil {
		return err
	}
	b.touch(r)
	var members []contact.ID
	for _, p := range r.formation.Peers {
		members = append(members, contact.ID(p.Contact))
	}
	if err := b.tx.PutFormation(r.number, r.formation.Encode(), members); err != nil {
		return err
	}
	if err := b.send(out); err != nil {
		return err
	}
	return b.complete(r)
}

// complete makes the room of a formation that has become complete.
func (b *batch) complete(r *openRoom) error {
	if r.formation.State != negotiation.FormationComplete || !r.id.IsZero() {
		return nil
	}
	c, err := r.formation.Charter(b.now)
	if err != nil {
		return err
	}
	if err := b.tx.PutCharter(r.number, c.Room, c.Encode()); err != nil {
		return err
	}
	r.id = c.Room
	b.look()
	return r.open(b.tx)
}

// tick does what time makes due in one room: the room's own business, the end of a
// formation, and what drivers asked for. Drivers are also called after unlocking.
func (t *table) tick(r *openRoom, now time.Time) (outcome, error) {
	last := t.ticked[r.number]
	t.ticked[r.number] = now // also if it fails: others must not wait for it
	return t.change(now, func(b *batch) error {
		if r.id.IsZero() {
			before := r.formation.State
			if r.formation.Tick(now); r.formation.State == before {
				return nil
			}
			return b.form(r, func() ([]negotiation.Out, error) { return nil, nil })
		}
		if err := r.open(b.tx); err != nil {
			return err
		}
		c := r.room.Tick(now)
		if !slices.Equal(r.room.Local(), r.kept) {
			b.touch(r)
		}
		if err := b.apply(r, c, true); err != nil {
			return err
		}
		due := last.IsZero() || !r.wake.IsZero() && !now.Before(r.wake)
		if r.room.Frozen() || !due {
			return nil
		}
		for _, d := range t.drivers {
			says, err := d.tick(b.tx, r, now)
			if err != nil {
				return err
			}
			if err := b.utter(r, says); err != nil {
				return err
			}
		}
		return nil
	})
}

// due is a room that a tick is due for, or when one will be; zero if nobody asked
// for a time. All rooms are due after unlocking and about once a minute.
func (t *table) due(now time.Time) (r *openRoom, next time.Time) {
	for _, r := range t.all() {
		last := t.ticked[r.number]
		switch {
		case r.id.IsZero() && r.formation.State.Final():
		case last.IsZero(), now.Sub(last) >= tickEvery, now.Before(last), !r.wake.IsZero() && !now.Before(r.wake) && last.Before(r.wake):
			return r, time.Time{}
		case r.wake.After(now) && (next.IsZero() || r.wake.Before(next)):
			next = r.wake
		}
	}
	return nil, next
}

// sit gives an unlocked station its table.
func (s *Station) sit(v *vault.Vault) {
	s.vault, s.table = v, newTable(v, s.nw.Params.Lanes, drivers(s.nw.Params.Lanes))
	s.nudge()
}

// nudge has the table looked at. It never waits.
func (s *Station) nudge() {
	select {
	case s.nudged <- struct{}{}:
	default:
	}
}

// attend looks after the table until stop is closed. The lock is let go between any
// two transactions, so that people do not wait for what arrives.
func (s *Station) attend(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-s.nudged:
		}
		for s.turn() {
			select {
			case <-stop:
				return
			default:
			}
		}
	}
}

// turn does one thing that waits, and says whether there may be another.
func (s *Station) turn() bool {
	ctx := context.Background()
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table
	var now time.Time
	if t == nil || s.do(ctx, func(at time.Time) { now = at }) != nil {
		return false
	}
	out, more, err := t.next(now)
	if err == nil && !more {
		r, next := t.due(now)
		if r == nil {
			// The loop has stopped if this fails, and nobody needs to be told.
			_ = s.wakeAt(next)
			return false
		}
		more = true
		out, err = t.tick(r, now)
	}
	if err != nil {
		// It is tried again with the next nudge, a minute from now at the latest.
		_ = s.do(ctx, func(now time.Time) { s.node.fail(now, "reading messages of negotiations", err) })
		return false
	}
	return s.follow(ctx, out) == nil && more
}

// wakeAt has the table looked at again at a time, if a driver asked for one.
func (s *Station) wakeAt(next time.Time) error {
	if next.IsZero() || next.Equal(s.table.woken) {
		return nil
	}
	s.table.woken = next
	return s.do(context.Background(), func(time.Time) {
		s.node.agenda.at(next, func(time.Time) { s.node.nudge() })
	})
}

// follow queues what a transaction accepted and tells the watchers.
func (s *Station) follow(ctx context.Context, out outcome) error {
	if len(out.sent)+len(out.notices) == 0 {
		return nil
	}
	return s.do(ctx, func(time.Time) {
		for _, q := range out.sent {
			s.node.queue(q.to, q.item, q.content)
		}
		for _, e := range out.notices {
			s.node.notify(e)
		}
	})
}
