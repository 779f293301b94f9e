package sim

import (
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/station"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// What a person does with what was sent and received, as Station does it.

// Sent lists what i sent j, in order; what was withdrawn is not among it.
func (s *Sim) Sent(i, j int) []Message { return s.sent[[2]int{i, j}] }

// Item returns i's copy of an item.
func (s *Sim) Item(i int, id wire.ItemID) (it vault.Item, err error) {
	err = s.Stations[i].vault.View(func(tx *vault.Tx) error {
		it, err = tx.Item(id)
		return err
	})
	return it, err
}

// Items counts the items that i's person can see.
func (s *Sim) Items(i int) (n int, err error) {
	err = s.Stations[i].vault.View(func(tx *vault.Tx) error {
		all, err := tx.Items(vault.Filter{})
		n = len(all)
		return err
	})
	return n, err
}

// Read marks an incoming item as read.
func (s *Sim) Read(i int, id wire.ItemID) error {
	return s.Stations[i].vault.Update(func(tx *vault.Tx) error { return tx.MarkRead(id) })
}

// Acknowledge acknowledges an incoming item of i's.
func (s *Sim) Acknowledge(i int, id wire.ItemID) error {
	h := s.Stations[i]
	var note vault.Item
	if err := h.vault.Update(func(tx *vault.Tx) (err error) {
		var own wire.ItemID
		suite.Random(own[:])
		note, _, err = tx.Acknowledge(id, own)
		return err
	}); err != nil || note.Size == 0 {
		return err
	}
	s.Net.Do(h.Name, func(time.Time) {
		h.Node.Queue(note.Contact, station.Outgoing{ID: note.ID, Class: note.Class, Size: note.Size, Note: true})
	})
	return nil
}

// Withdraw withdraws an item that i sent j, if that is still possible. From then on
// it must not arrive as a whole.
func (s *Sim) Withdraw(i, j int, id wire.ItemID) (ok bool, err error) {
	h := s.Stations[i]
	begun := false
	s.Net.Do(h.Name, func(time.Time) { begun, ok = h.Node.Hold(contactID(j), id) })
	if !ok {
		return false, nil
	}
	var note vault.Item
	if err := h.vault.Update(func(tx *vault.Tx) (err error) {
		var own wire.ItemID
		suite.Random(own[:])
		note, err = tx.CancelOutgoing(id, own, begun)
		return err
	}); err != nil {
		return false, err
	}
	s.Net.Do(h.Name, func(now time.Time) {
		h.Node.Drop(now, contactID(j), id)
		if note.Size > 0 {
			h.Node.Queue(note.Contact, station.Outgoing{ID: note.ID, Class: note.Class, Size: note.Size, Note: true})
		}
	})
	pair := [2]int{i, j}
	var left []Message
	for _, m := range s.sent[pair] {
		if m.ID != id {
			left = append(left, m)
		}
	}
	s.sent[pair] = left
	return true, nil
}

// SetExpiry sets after how long i's copies of what is exchanged with j are erased.
func (s *Sim) SetExpiry(i, j int, d time.Duration) error {
	return s.Stations[i].vault.Update(func(tx *vault.Tx) error {
		_, err := tx.ChangeContact(contactID(j), func(c *contact.Contact) { c.Expiry = d })
		return err
	})
}
