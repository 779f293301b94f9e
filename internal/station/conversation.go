package station

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/link"
	"backchannel/internal/pairwise"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// conversation is a contact together with its session and what waits for it.
type conversation struct {
	contact contact.Contact
	session *pairwise.Session
	sources map[wire.ItemID]*source
	phase   pairwise.Phase // as last seen, to notice the end of an introduction
	trouble error          // why its lane idles although assigned
}

// meets tells whether the contact may be looked for at t: an invitation that
// nobody came for is not looked for after its expiry.
func (c *conversation) meets(t time.Time) bool {
	return !c.over() && (c.session.Phase() != pairwise.Waiting || c.contact.Expires.IsZero() || t.Before(c.contact.Expires))
}

// over tells whether the contact is never looked for again.
func (c *conversation) over() bool {
	return c.session.Phase() == pairwise.Refused || c.session.Phase() == pairwise.Lost
}

// together tells whether the contact talks in the running circuits.
func (n *Node) together(id contact.ID) bool {
	if n.current == nil {
		return false
	}
	for _, l := range n.current.lanes {
		if l.talk != nil && l.conv.contact.ID == id {
			return true
		}
	}
	return false
}

// meetingsChanged tells the watchers that contacts may have come or gone with a
// new set of circuits.
func (n *Node) meetingsChanged(now time.Time) { n.notify(Event{Time: now, Kind: EventMeetings}) }

// Loaded is what a vault holds of one contact at unlock.
type Loaded struct {
	Contact contact.Contact
	Session *pairwise.Session
	Queue   []Outgoing
}

// Outgoing is an item that waits for delivery.
type Outgoing struct {
	ID       wire.ItemID
	Class    wire.Class
	Size     uint32
	Assigned uint32 // bytes that are in frames already
	Note     bool   // a note about an item: nobody is told of it
}

// Unlock gives the node its vault and contacts. From the next attempt on their
// lanes list real tags.
func (n *Node) Unlock(v *vault.Vault, lanes contact.Lanes, all []Loaded) {
	n.vault, n.lanes = v, lanes
	for _, l := range all {
		n.Add(l)
	}
	if n.env != nil {
		n.sweep()
	}
}

// Lock forgets every contact and session and returns when the vault is no longer
// used (done runs then). The running circuits go on with what their lanes carry:
// cells of a talking lane turn into padding that nobody can tell apart.
func (n *Node) Lock(done func()) {
	n.save(func(bool) {
		n.vault = nil
		n.lanes = contact.Lanes{}
		clear(n.talks)
		n.stats.forgetOwn()
		done()
	})
}

// Add makes a contact that the vault already holds part of the schedule.
func (n *Node) Add(l Loaded) {
	c := &conversation{contact: l.Contact, session: l.Session, sources: map[wire.ItemID]*source{}, phase: l.Session.Phase()}
	n.talks[l.Contact.ID] = c
	for _, o := range l.Queue {
		n.Queue(l.Contact.ID, o)
	}
}

// Remove takes a contact out of the schedule; its lane idles from the next
// attempt on, and what runs keeps its keys until the set ends.
func (n *Node) Remove(id contact.ID) { delete(n.talks, id) }

// SetContact replaces what is known of a contact besides its session.
func (n *Node) SetContact(c contact.Contact) {
	if conv := n.talks[c.ID]; conv != nil {
		conv.contact = c
	}
}

// Vouch lets what waits for a contact go out that was met again from a backup, as long
// as its keys are those of a generation; see pairwise.Session. It reports whether they
// are.
func (n *Node) Vouch(id contact.ID, generation uint64) bool {
	conv := n.talks[id]
	if conv == nil || conv.session.Generation() != generation {
		return false
	}
	conv.session.Vouch()
	return true
}

// Lanes returns the lane table.
func (n *Node) Lanes() contact.Lanes { return n.lanes }

// SetLanes replaces the lane table; attempts that began keep the one they had.
func (n *Node) SetLanes(l contact.Lanes) { n.lanes = l }

// Queue hands an accepted item to its session. Its bytes stay in the vault and
// are read ahead piece by piece.
func (n *Node) Queue(id contact.ID, o Outgoing) { n.queue(id, o, nil) }

// queue is Queue for an item whose content may be at hand: then the next cells can
// carry it, and it need not be read first. A long one is read from the vault all the
// same.
func (n *Node) queue(id contact.ID, o Outgoing, content []byte) {
	conv := n.talks[id]
	if conv == nil {
		return
	}
	it := n.outgoing(conv, o)
	if len(content) <= readAhead {
		conv.sources[o.ID].data = content
	}
	conv.session.Queue(it, o.Assigned)
}

// outgoing makes an item of what the vault has.
func (n *Node) outgoing(conv *conversation, o Outgoing) pairwise.Item {
	s := &source{node: n, item: o.ID, size: o.Size, note: o.Note || o.Class == wire.ClassNegotiation}
	conv.sources[o.ID] = s
	return pairwise.Item{ID: o.ID, Class: o.Class, Size: o.Size, Read: s.read}
}

// restarted follows a commit with which a contact's stream began afresh: all that
// was not delivered is offered again, and its words must be compared anew.
func (n *Node) restarted(c *conversation, waiting []vault.Outgoing) {
	c.contact.Verified = false
	var items []pairwise.Item
	for _, o := range waiting {
		items = append(items, n.outgoing(c, Outgoing(o)))
	}
	c.session.Requeue(items)
}

// Hold stops an outgoing item so that it can be withdrawn; see pairwise.Session.
// An item of a contact that is not loaded is stopped already.
func (n *Node) Hold(id contact.ID, item wire.ItemID) (begun, ok bool) {
	conv := n.talks[id]
	if conv == nil {
		return false, true
	}
	return conv.session.Hold(item)
}

// Release lets a held item go on.
func (n *Node) Release(id contact.ID, item wire.ItemID) {
	if conv := n.talks[id]; conv != nil {
		conv.session.Release(item)
	}
}

// Drop gives a held item up, once the vault says that it is withdrawn.
func (n *Node) Drop(now time.Time, id contact.ID, item wire.ItemID) {
	if conv := n.talks[id]; conv != nil {
		conv.session.Drop(item)
		delete(conv.sources, item)
	}
	n.notify(Event{Time: now, Kind: EventCancelled, Contact: id, Item: item})
}

// readAhead is how much of an outgoing item is in memory: about a minute and a
// half of two cells of 512 bytes a second.
const readAhead = 96 << 10

// source reads an outgoing item from the vault ahead of its use, so that no cell
// ever waits for the disk.
type source struct {
	node    *Node
	item    wire.ItemID
	size    uint32
	note    bool
	off     uint32
	data    []byte
	loading bool
}

// read implements pairwise.Item.Read: 0 means not ready.
func (s *source) read(off uint32, p []byte) int {
	if off < s.off || uint64(off) >= uint64(s.off)+uint64(len(s.data)) {
		s.load(off)
		return 0
	}
	have := s.data[off-s.off:]
	if len(have) < len(p) && uint64(off)+uint64(len(have)) < uint64(s.size) {
		s.load(off)
		return 0 // rather wait than cut a record short
	}
	if len(have) < readAhead/2 && uint64(s.off)+uint64(len(s.data)) < uint64(s.size) {
		s.load(off)
	}
	return copy(p, have)
}

func (s *source) load(off uint32) {
	if s.loading || s.node.vault == nil || s.node.env == nil || s.size == 0 {
		return // a node that has not started loads when the session first asks
	}
	s.loading = true
	v := s.node.vault
	buf := make([]byte, min(readAhead, int(s.size-off)))
	var got int
	var err error
	s.node.env.Go(link.LaneDisk, func() {
		err = v.View(func(tx *vault.Tx) (err error) {
			got, err = tx.ReadOutgoing(s.item, off, buf)
			return err
		})
	}, func(now time.Time) {
		if errors.Is(err, vault.ErrNotFound) {
			return // erased with its contact: nothing more of it is sent, and nothing is wrong
		}
		s.loading = false
		if s.node.vault != v {
			return // locked meanwhile
		}
		if err != nil {
			s.node.fail(now, "reading an outgoing letter from the vault", err)
			return
		}
		s.off, s.data = off, buf[:got]
	})
}

// save commits what every session has changed, in one transaction. Only one
// commit is under way at a time; what changes meanwhile is part of the next. A
// commit that fails loses nothing: the sessions hand the same out again. then,
// if given, is told whether everything up to this call is durable.
func (n *Node) save(then func(ok bool)) {
	if then != nil {
		n.after = append(n.after, then)
	}
	if n.saving {
		n.again = n.again || then != nil
		return
	}
	type change struct {
		conv   *conversation
		delta  pairwise.Delta
		token  uint64
		forget bool // somebody came: the text of the invitation goes with this commit
		gone   bool // the contact was deleted meanwhile

		waiting []vault.Outgoing // after a restart
		applied []vault.Applied
	}
	var changes []*change
	waiting, probe := n.after, n.probe
	n.after, n.probe = nil, false
	finish := func(now time.Time, err error) {
		for _, f := range waiting {
			f(err == nil)
		}
		if n.again && !n.saving {
			n.again = false
			n.save(nil)
		}
	}
	if n.vault == nil {
		finish(time.Time{}, nil)
		return
	}
	for _, c := range n.talks {
		// The first chain could be computed from the invitation, so its text is erased
		// in the very commit that says that somebody came.
		forget := c.contact.Invitation != "" && c.session.Phase() != pairwise.Waiting
		if d, token := c.session.Take(); d.Dirty || forget {
			changes = append(changes, &change{conv: c, delta: d, token: token, forget: forget})
		}
	}
	if len(changes) == 0 && !probe {
		finish(time.Time{}, nil)
		return
	}
	n.saving = true
	v := n.vault
	var err error
	n.env.Go(link.LaneDisk, func() {
		err = v.Update(func(tx *vault.Tx) error {
			for _, c := range changes {
				err := tx.SaveSession(c.conv.contact.ID, c.delta)
				if err == nil && c.delta.Restart {
					c.waiting, err = tx.Outgoing(c.conv.contact.ID)
				}
				c.applied = tx.Applied()
				if err == nil && c.forget {
					_, err = tx.ChangeContact(c.conv.contact.ID, func(k *contact.Contact) { k.Invitation = "" })
				}
				if c.gone = errors.Is(err, vault.ErrNotFound); err != nil && !c.gone {
					return err
				}
			}
			if probe {
				return tx.PutSetting("attempt", []byte{1})
			}
			return nil
		})
	}, func(now time.Time) {
		n.saving = false
		for _, c := range changes {
			switch {
			case err != nil, c.gone: // what a deleted contact sent was not kept, so it is not acknowledged
				if c.delta.Dirty {
					c.conv.session.Failed(c.token)
				}
				if c.gone && n.talks[c.conv.contact.ID] == c.conv {
					n.Remove(c.conv.contact.ID)
				}
			default:
				if c.delta.Dirty {
					c.conv.session.Saved(c.token)
				}
				if c.delta.Restart {
					n.restarted(c.conv, c.waiting)
				}
				if c.forget {
					c.conv.contact.Invitation = ""
				}
				n.committed(now, c.conv, c.delta, c.applied)
			}
		}
		if err != nil {
			n.fail(now, "keeping what was sent and received", err)
		} else {
			n.failed = nil
		}
		finish(now, err)
	})
}

// committed tells the watchers what a commit made true.
func (n *Node) committed(now time.Time, c *conversation, d pairwise.Delta, applied []vault.Applied) {
	id := c.contact.ID
	note := func(item wire.ItemID) bool {
		return c.sources[item] != nil && c.sources[item].note || slices.ContainsFunc(applied, func(a vault.Applied) bool { return a.Note == item })
	}
	for _, r := range d.Records {
		if r.Class == wire.ClassNegotiation {
			if r.Last {
				n.nudge()
			}
			continue
		}
		if note(r.Item) {
			continue
		}
		n.notify(Event{Time: now, Kind: EventReceiving, Contact: id, Item: r.Item, Bytes: r.Offset + uint32(len(r.Data)), Last: r.Last})
	}
	for _, p := range d.Progress {
		if note(p.Item) {
			continue
		}
		n.notify(Event{Time: now, Kind: EventSending, Contact: id, Item: p.Item, Bytes: p.Assigned})
	}
	for _, item := range d.Delivered {
		if !note(item) {
			n.notify(Event{Time: now, Kind: EventDelivered, Contact: id, Item: item})
		}
		delete(c.sources, item)
	}
	for _, a := range applied {
		if a.Item == (wire.ItemID{}) {
			continue
		}
		kind := EventAcknowledged
		if a.Kind == contact.Cancellation {
			kind = EventCancelled
		}
		n.notify(Event{Time: now, Kind: kind, Contact: id, Item: a.Item})
	}
	if p := c.session.Phase(); p != c.phase {
		c.phase = p
		n.notify(Event{Time: now, Kind: EventContact, Contact: id})
	}
}

// fail keeps the last local failure for the status and its principal. The log is
// told at the beginning of the next attempt, by reportFailure: when it happened
// would depend on who talks. What it says never depends on which contact it was.
func (n *Node) fail(now time.Time, doing string, err error) {
	n.failed = fmt.Errorf("%s: %w", doing, err)
	n.notify(Event{Time: now, Kind: EventTrouble, Text: n.failed.Error()})
}

// reportFailure logs once that something began to fail, or works again. Every
// attempt writes to an open vault, so an idle station notices the same as one
// that talks.
func (n *Node) reportFailure() {
	switch {
	case n.failed != nil && !n.reported:
		n.log.Error("station: writing its files fails: see its status", "err", errors.Unwrap(n.failed))
	case n.failed == nil && n.reported:
		n.log.Info("station: writing its files works again")
	}
	n.reported = n.failed != nil
}
