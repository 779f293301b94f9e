package station

import (
	"cmp"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// RoomID names a room and the formation before it, at this station and in what
// members send about the formation.
type RoomID = negotiation.FormationID

// table is all rooms of an unlocked station; guarded by Station.mu. It touches
// neither clock nor network: time comes in, and what is to be sent comes out after
// the transaction that keeps it.
//
// The vault is the truth. What is here is made again from it whenever a transaction
// that touched it failed.
type table struct {
	vault   *vault.Vault
	lanes   int
	drivers []opaque

	stale   bool // memory may be ahead of the vault
	rooms   map[int64]*openRoom
	waiting map[wire.ItemID]contact.ID // messages about rooms that do not exist yet
	ticked  map[int64]time.Time        // when rooms last looked at the clock
	woken   time.Time                  // what the node was last asked for
}

// openRoom is one room, or one that is being made.
type openRoom struct {
	number    int64
	form      RoomID
	created   time.Time
	formation *negotiation.Formation
	id        negotiation.ID    // zero until the room exists
	room      *negotiation.Room // nil until it exists, and until it is needed
	wake      time.Time         // when a driver wants to be called; zero for never
	kept      []byte            // Local as the vault has it
}

// outcome is what follows a transaction.
type outcome struct {
	sent    []queued
	notices []Event
}

// queued is a message that goes to the session of a contact.
type queued struct {
	to      contact.ID
	item    Outgoing
	content []byte
}

func newTable(v *vault.Vault, lanes int, drivers []opaque) *table {
	return &table{vault: v, lanes: lanes, drivers: drivers, stale: true, ticked: map[int64]time.Time{}}
}

// load reads the list of rooms. Their statements follow when they are needed.
func (t *table) load() error {
	if !t.stale {
		return nil
	}
	rooms := map[int64]*openRoom{}
	if err := t.vault.View(func(tx *vault.Tx) error {
		all, err := tx.Rooms()
		if err != nil {
			return err
		}
		for _, k := range all {
			r := &openRoom{number: k.Number, form: k.Form, created: k.Created, kept: k.Local}
			if r.formation, err = negotiation.ParseFormation(k.Formation); err != nil {
				return errors.Join(vault.ErrDamaged, err)
			}
			if len(k.Charter) > 0 {
				c, err := negotiation.ParseCharter(k.Charter)
				if err != nil {
					return errors.Join(vault.ErrDamaged, err)
				}
				r.id = c.Room
			}
			rooms[r.number] = r
		}
		return nil
	}); err != nil {
		return err
	}
	t.rooms, t.waiting, t.stale = rooms, map[wire.ItemID]contact.ID{}, false
	return nil
}

// all lists the rooms in the order in which they were begun.
func (t *table) all() (list []*openRoom) {
	for _, r := range t.rooms {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b *openRoom) int { return cmp.Compare(a.number, b.number) })
	return list
}

// find looks for a room by what a message is addressed to.
func (t *table) find(a negotiation.Address) *openRoom {
	for _, r := range t.rooms {
		if !a.Room.IsZero() && r.id == a.Room || a.Room.IsZero() && r.form == a.Formation {
			return r
		}
	}
	return nil
}

// open makes a room that exists again from its statements.
func (r *openRoom) open(tx *vault.Tx) error {
	if r.room != nil || r.id.IsZero() {
		return nil
	}
	k, err := tx.Room(r.number)
	if err != nil {
		return err
	}
	c, err := negotiation.ParseCharter(k.Charter)
	if err != nil {
		return errors.Join(vault.ErrDamaged, err)
	}
	rows, err := tx.RoomRows(r.number)
	if err != nil {
		return err
	}
	room, err := negotiation.Restore(c, rows, k.Local, rand.Reader)
	if err != nil {
		return errors.Join(vault.ErrDamaged, err)
	}
	r.room, r.kept = room, k.Local
	return nil
}

// batch is one transaction over the table.
type batch struct {
	t       *table
	tx      *vault.Tx
	now     time.Time
	touched []*openRoom
	outcome
}

// change runs f in one transaction and returns what is to be done once it is
// durable. If f or the vault fails, nothing has changed.
func (t *table) change(now time.Time, f func(*batch) error) (outcome, error) {
	if err := t.load(); err != nil {
		return outcome{}, err
	}
	b := &batch{t: t, now: now}
	var refusal error
	err := t.vault.Update(func(tx *vault.Tx) error {
		b.tx = tx
		if refusal = f(b); refusal != nil {
			return refusal
		}
		refusal = b.keep()
		return refusal
	})
	if err == nil {
		return b.outcome, nil
	}
	t.stale = t.stale || len(b.touched) > 0
	var known *Error
	if refusal != nil && (errors.Is(refusal, negotiation.ErrRefused) || errors.As(refusal, &known)) {
		return outcome{}, refusal
	}
	return outcome{}, err
}

// touch notes that a room changes with this transaction.
func (b *batch) touch(r *openRoom) {
	if !slices.Contains(b.touched, r) {
		b.touched = append(b.touched, r)
		b.notices = append(b.notices, Event{Time: b.now, Kind: EventRoom, Room: r.form})
	}
}

// keep writes what rooms keep besides their statements, and asks the drivers when
// they want to be called.
func (b *batch) keep() error {
	for _, r := range b.touched {
		if r.room == nil {
			continue
		}
		for _, d := range b.t.drivers {
			if f, ok := d.(forgetful); ok {
				if err := f.forget(b.tx, r, b.now); err != nil {
					return err
				}
			}
		}
		if local := r.room.Local(); !slices.Equal(local, r.kept) {
			if err := b.tx.PutLocal(r.number, local, r.room.Lasting()); err != nil {
				return err
			}
			r.kept = local
		}
		if err := b.t.ask(b.tx, r); err != nil {
			return err
		}
	}
	return nil
}

// ask is when the drivers want to be called for a room next.
func (t *table) ask(tx *vault.Tx, r *openRoom) error {
	r.wake = time.Time{}
	if r.room == nil || r.room.Frozen() {
		return nil
	}
	for _, d := range t.drivers {
		at, err := d.wake(tx, r)
		if err != nil {
			return err
		}
		if !at.IsZero() && (r.wake.IsZero() || at.Before(r.wake)) {
			r.wake = at
		}
	}
	return nil
}

// send accepts messages of a room for delivery.
func (b *batch) send(out []negotiation.Out) error {
	for _, o := range out {
		to := contact.ID(o.To)
		var id wire.ItemID
		suite.Random(id[:])
		it, err := b.tx.AddMessage(to, id, o.Raw)
		if err != nil {
			return err
		}
		b.sent = append(b.sent, queued{to, Outgoing(it), o.Raw})
	}
	return nil
}

// apply keeps what a call of a room did, and tells the drivers of it.
func (b *batch) apply(r *openRoom, c negotiation.Change, driven bool) error {
	if len(c.Rows)+len(c.Out)+len(c.Events) > 0 {
		b.touch(r)
	}
	if err := b.tx.AddRoomRows(r.number, c.Rows); err != nil {
		return err
	}
	if err := b.send(c.Out); err != nil {
		return err
	}
	var told []*negotiation.Statement
	for _, e := range c.Events {
		switch e.Type {
		case negotiation.EventStatement, negotiation.EventOpaque:
			told = append(told, e.Statement)
		case negotiation.EventAlarm:
			b.notices = append(b.notices, Event{Time: b.now, Kind: EventAlarm, Room: r.form})
		}
	}
	for _, row := range c.Rows {
		if s, ok := r.room.Statement(row.ID); ok && row.From == r.room.Self() && !row.Erased && !driven {
			told = append(told, s)
		}
	}
	if r.room.Frozen() {
		return nil
	}
	for _, s := range told {
		for _, d := range b.t.drivers {
			says, err := d.received(b.tx, r, s, b.now)
			if err != nil {
				return err
			}
			if err := b.utter(r, says); err != nil {
				return err
			}
		}
	}
	return nil
}

// utter says what a driver wants to be said.
func (b *batch) utter(r *openRoom, says []saying) error {
	b.touch(r) // a driver may have reported progress
	for _, s := range says {
		var to negotiation.MemberID
		if s.to != nil {
			to = *s.to
		}
		c, err := r.room.SayOpaque(s.kind, s.body, to, b.now)
		if err != nil {
			return err
		}
		if err := b.apply(r, c, true); err != nil {
			return err
		}
	}
	return nil
}

// say says something that the user wants to be said.
func (b *batch) say(r *openRoom, body negotiation.Body, to negotiation.MemberID) (negotiation.ID, error) {
	c, err := r.room.Say(body, to, b.now)
	if err != nil {
		return negotiation.ID{}, err
	}
	kind := negotiation.KindOf(body)
	for _, row := range c.Rows {
		if s, ok := r.room.Statement(row.ID); ok && s.Kind == kind {
			return row.ID, b.apply(r, c, false)
		}
	}
	return negotiation.ID{}, errors.New("a room said nothing")
}
