package sim

import (
	"bytes"
	"fmt"
	"path/filepath"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/mark"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

func contains(all []Message, id wire.ItemID) bool {
	for _, m := range all {
		if m.ID == id {
			return true
		}
	}
	return false
}

// Backup has station i write a backup.
func (s *Sim) Backup(i int) ([]byte, error) {
	h := s.Stations[i]
	if h.vault == nil {
		return nil, fmt.Errorf("a backup of %s: it has no open vault", h.Name)
	}
	var out bytes.Buffer
	err := h.vault.Backup(&out, []byte(passphrase), s.net)
	return out.Bytes(), err
}

// Restore has station i die, with its machine, and begins it anew from a backup
// on another: with a new account, and without any mark. From here on Check and
// Undelivered do without the gap: what this station had accepted or received since
// the backup was made.
func (s *Sim) Restore(i int, backup []byte) error {
	h := s.Stations[i]
	if h.vault == nil {
		if err := h.reopen(s.vaultOptions()); err != nil { // only to see what is lost
			return err
		}
	}
	before, err := h.holdings()
	if err != nil {
		return err
	}
	s.Net.Crash(h.Name)
	h.closeVault()
	h.copies++
	h.path = filepath.Join(s.cfg.Dir, fmt.Sprintf("%s-%d.db", h.Name, h.copies))
	if _, err := vault.RestoreWith(h.path, []byte(passphrase), bytes.NewReader(backup), []byte(passphrase), s.vaultOptions()); err != nil {
		return err
	}
	h.account, h.mark = suite.NewAccountKey(suite.RandomKey()), mark.Memory{}
	if err := s.StartStation(i); err != nil {
		return err
	}
	after, err := h.holdings()
	if err != nil {
		return err
	}
	for pair, sent := range s.sent {
		if pair[0] != i && pair[1] != i {
			continue
		}
		for k := range sent {
			if m := &sent[k]; before[m.ID] && !after[m.ID] {
				m.gap = true
			}
		}
	}
	return nil
}

// Renew has station i die and begin anew with a new account and no mark; its vault,
// if it has one, is where it was.
func (s *Sim) Renew(i int) error {
	h := s.Stations[i]
	s.Net.Crash(h.Name)
	h.closeVault()
	h.account, h.mark = suite.NewAccountKey(suite.RandomKey()), mark.Memory{}
	return s.StartStation(i)
}

// holdings lists what a station accepted or has received as a whole.
func (h *StationHost) holdings() (map[wire.ItemID]bool, error) {
	out := map[wire.ItemID]bool{}
	err := h.vault.View(func(tx *vault.Tx) error {
		items, err := tx.Items(vault.Filter{})
		for _, it := range items {
			if it.Outgoing || !it.Finished.IsZero() {
				out[it.ID] = true
			}
		}
		return err
	})
	return out, err
}

func (h *StationHost) reopen(opt vault.Options) (err error) {
	h.vault, err = vault.OpenWith(h.path, []byte(passphrase), opt)
	return err
}

// Contact returns what station i knows of j, besides keys.
func (s *Sim) Contact(i, j int) (c contact.Contact, err error) {
	err = s.Stations[i].vault.View(func(tx *vault.Tx) error {
		c, err = tx.Contact(contactID(j))
		return err
	})
	return c, err
}

// Verify notes at station i that the words of j were compared.
func (s *Sim) Verify(i, j int) error {
	h := s.Stations[i]
	var c contact.Contact
	if err := h.vault.Update(func(tx *vault.Tx) (err error) {
		c, err = tx.ChangeContact(contactID(j), func(c *contact.Contact) { c.Verified = true })
		return err
	}); err != nil {
		return err
	}
	s.Net.Do(h.Name, func(time.Time) {
		h.Node.SetContact(c)
		h.Node.Compared(c.ID)
	})
	return nil
}

// Words returns the words that station i shows for j, and whether it says that
// one of the two was restored.
func (s *Sim) Words(i, j int) (words [4]uint16, known, restored bool) {
	return s.Stations[i].Node.WordsOf(contactID(j))
}

// Park takes the lane of j away at station i, at once; Unpark gives it one.
func (s *Sim) Park(i, j int) error {
	return s.lanes(i, func(l contact.Lanes, epoch uint64) (contact.Lanes, error) {
		return l.ReleaseAt(contactID(j), epoch, epoch+1)
	})
}

// Unpark gives j a lane at station i.
func (s *Sim) Unpark(i, j int) error {
	return s.lanes(i, func(l contact.Lanes, epoch uint64) (contact.Lanes, error) { return l.Assign(contactID(j), epoch) })
}

func (s *Sim) lanes(i int, edit func(contact.Lanes, uint64) (contact.Lanes, error)) error {
	h := s.Stations[i]
	epoch, _ := s.Params.EpochAt(s.Net.Now())
	lanes, err := edit(h.Node.Lanes(), epoch)
	if err != nil {
		return err
	}
	if err := h.vault.Update(func(tx *vault.Tx) error { return tx.PutLanes(lanes) }); err != nil {
		return err
	}
	s.Net.Do(h.Name, func(time.Time) { h.Node.SetLanes(lanes) })
	return nil
}
