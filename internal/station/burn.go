package station

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/vault"
)

// Burn erases a contact: keys first, then texts, letters and lanes, then every
// page that could hold a piece of them is written anew (vault.Burn).
//
// The lane idles from the next set-up on, and not at a random time within the
// hour as one that is freed: nothing is kept that could meet the contact until
// then. The contact sees it vanish. What the running circuits need stays in
// memory until they end, as docs/protocol.md, section 3, demands, so that nothing
// on the wire changes at the moment of the burn.
func (s *Station) Burn(ctx context.Context, ref string) error {
	const doing = "burning the contact"
	id, err := s.burnable(ctx, ref)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.opened()
	if err != nil {
		return err
	}
	var w *Withdrawn
	if err := s.do(ctx, func(now time.Time) { w = s.node.Withdraw(now, id) }); err != nil {
		return err
	}
	err = v.Burn(id, func(tx *vault.Tx) error { return tx.DeleteSettings(usedPrefix, id[:]) })
	if err != nil && !errors.Is(err, vault.ErrUnswept) {
		err = s.trouble(doing, err)
		return errors.Join(err, s.do(ctx, func(time.Time) { s.node.PutBack(w) }))
	}
	s.table.stale = true // rooms with the contact went with it
	if e := s.do(ctx, func(now time.Time) { s.node.Forget(now, w) }); e != nil {
		return e
	}
	if err != nil {
		return &Error{CodeFull, "burning the contact: make room on the disk, then lock and unlock", vault.ErrUnswept}
	}
	return nil
}

// burnable finds a contact also if its keys cannot be read, so that the node does
// not have it.
func (s *Station) burnable(ctx context.Context, ref string) (id contact.ID, err error) {
	k, err := s.find(ctx, ref)
	if err == nil {
		return k.contact.ID, nil
	}
	v, e := s.open()
	if e != nil {
		return id, e
	}
	found := false
	if e := v.View(func(tx *vault.Tx) error {
		all, err := tx.Contacts()
		for _, c := range all {
			if c.Name == ref || hex.EncodeToString(c.ID[:]) == ref {
				id, found = c.ID, true
			}
		}
		return err
	}); e != nil {
		return id, s.trouble("looking for the contact", e)
	}
	if !found {
		return id, err
	}
	return id, nil
}

// Withdrawn is a contact that was taken out of a node before its vault burns it.
type Withdrawn struct {
	id    contact.ID
	conv  *conversation // nil if its keys could not be read
	lanes contact.Lanes // as they were
}

// Withdraw takes a contact and its lane out of what the next set-up lists. What
// runs keeps its keys until it ends.
func (n *Node) Withdraw(now time.Time, id contact.ID) *Withdrawn {
	e, _ := n.p.EpochAt(now)
	w := &Withdrawn{id, n.talks[id], n.lanes}
	n.lanes = n.lanes.Remove(id, e)
	n.Remove(id)
	return w
}

// PutBack undoes Withdraw, for a vault that has not burned the contact.
func (n *Node) PutBack(w *Withdrawn) {
	n.lanes = w.lanes
	if w.conv != nil {
		n.talks[w.id] = w.conv
	}
}

// Forget erases a withdrawn contact from memory, once its vault has burned it.
func (n *Node) Forget(now time.Time, w *Withdrawn) {
	if w.conv != nil {
		n.forget(now, w.conv)
	}
}

// forget erases what memory holds of a burned contact: what was read ahead at
// once, the session as soon as no circuits and no commit under way use it.
func (n *Node) forget(now time.Time, c *conversation) {
	for _, s := range c.sources {
		clear(s.data)
		s.data = nil
	}
	if n.saving || n.uses(c) {
		n.agenda.at(now.Add(n.p.Round), func(now time.Time) { n.forget(now, c) })
		return
	}
	c.session.Erase()
	clear(c.sources)
	c.contact = contact.Contact{}
}

// uses tells whether an attempt or a set of circuits has a lane of c.
func (n *Node) uses(c *conversation) bool {
	var all [][]lane
	if n.attempt != nil {
		all = append(all, n.attempt.lanes)
	}
	for _, s := range []*circuits{n.previous, n.current, n.next} {
		if s != nil {
			all = append(all, s.lanes)
		}
	}
	for _, lanes := range all {
		for _, l := range lanes {
			if l.conv == c {
				return true
			}
		}
	}
	return false
}

// Panic erases everything that the station knows: the vault's key, then database
// and log. It needs no vault and no passphrase. Account, network file and
// high-water mark stay, so that the traffic goes on as before, with idle lanes;
// the station is then as new and waits for a vault.
//
// The key goes before anything that could wait: from then on nobody opens the
// vault, whatever happens to the rest.
func (s *Station) Panic(ctx context.Context) error {
	const doing = "erasing everything"
	errs := []error{vault.DestroyKey(s.cfg.Vault)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages.forget()
	if v := s.vault; v != nil {
		var gone []*conversation
		done := make(chan struct{})
		err := s.do(ctx, func(time.Time) {
			for _, c := range s.node.talks {
				gone = append(gone, c)
			}
			s.node.Lock(func() { close(done) })
		})
		if err == nil {
			select {
			case <-done:
			case <-s.driver.Stopped():
			}
			err = s.do(ctx, func(now time.Time) {
				for _, c := range gone {
					s.node.forget(now, c)
				}
			})
		}
		s.vault, s.table, s.damaged = nil, nil, 0
		errs = append(errs, err, v.Close())
	}
	// A vault whose key is gone keeps no key: a passphrase that was being changed
	// meanwhile would have written it anew.
	errs = append(errs, vault.Destroy(s.cfg.Vault))
	return s.trouble(doing, errors.Join(errs...))
}

// HasVault tells whether there is a vault to unlock. There is none after Panic.
func (s *Station) HasVault() bool { return vault.Exists(s.cfg.Vault) }

// NewVault makes an empty vault for a running station that has none, and unlocks
// it.
func (s *Station) NewVault(ctx context.Context, passphrase []byte) error {
	s.mu.Lock()
	open := s.vault != nil
	var err error
	if !open {
		err = CreateVault(s.cfg, passphrase)
	}
	s.mu.Unlock()
	switch {
	case open, errors.Is(err, vault.ErrExists):
		return fault(CodeConflict, "making a vault: there is one already: unlock it, or erase everything first (backchannel panic)")
	case err != nil && len(bytes.TrimSpace(passphrase)) == 0:
		return &Error{CodeInvalid, "making a vault", err}
	case err != nil:
		return s.trouble("making a vault", err)
	}
	return s.Unlock(ctx, passphrase)
}
