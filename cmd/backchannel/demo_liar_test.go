package main

import (
	"crypto/rand"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// sayAt has a station that does not run say something in its only room.
func sayAt(t *testing.T, v *vault.Vault, text string) {
	t.Helper()
	if err := v.Update(func(tx *vault.Tx) error {
		rooms, err := tx.Rooms()
		if err != nil {
			return err
		}
		c, err := negotiation.ParseCharter(rooms[0].Charter)
		if err != nil {
			return err
		}
		rows, err := tx.RoomRows(rooms[0].Number)
		if err != nil {
			return err
		}
		r, err := negotiation.Restore(c, rows, rooms[0].Local, rand.Reader)
		if err != nil {
			return err
		}
		change, err := r.Say(&negotiation.Signal{Text: text}, negotiation.MemberID{}, time.Now())
		if err != nil {
			return err
		}
		for _, o := range change.Out {
			var id wire.ItemID
			suite.Random(id[:])
			if _, err := tx.AddMessage(contact.ID(o.To), id, o.Raw); err != nil {
				return err
			}
		}
		return errors.Join(tx.AddRoomRows(rooms[0].Number, change.Rows), tx.PutLocal(rooms[0].Number, r.Local(), r.Lasting()))
	}); err != nil {
		t.Fatal(err)
	}
}

// told is the signal that waits for a contact.
func told(t *testing.T, v *vault.Vault, name string) (e *negotiation.Envelope, text string) {
	t.Helper()
	if err := v.View(func(tx *vault.Tx) error {
		_, _, raw, err := signalFor(tx, name)
		if err != nil {
			return err
		}
		if e, err = negotiation.ParseEnvelope(raw); err != nil {
			return err
		}
		b, err := negotiation.ParseBody(e.Kind, e.Body)
		if err == nil {
			text = b.(*negotiation.Signal).Text
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return e, text
}

// TestExchangeMessage: of two copies of a vault that say different things, one gets
// what the other has for one contact, and nothing else changes.
func TestExchangeMessage(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	cheap := vault.Options{KDF: vault.KDF{Time: 1, Memory: 8, Threads: 1}}
	v, err := vault.CreateWith(vaultOf(one), []byte("open sesame"), cheap)
	if err == nil {
		err = v.Close()
	}
	if err == nil {
		_, err = seatDown(one)
	}
	if err == nil {
		err = copyVault(two, one)
	}
	if err != nil {
		t.Fatal(err)
	}
	var open [2]*vault.Vault
	for i, dir := range []string{one, two} {
		if open[i], err = vault.Open(filepath.Join(dir, "vault.db"), []byte("open sesame")); err != nil {
			t.Fatal(err)
		}
		defer open[i].Close()
	}
	if err := exchangeMessage(open[0], open[1], "Cenia"); !errors.Is(err, errNoSignal) {
		t.Errorf("nothing waits: %v", err)
	}
	sayAt(t, open[0], "First.")
	sayAt(t, open[1], "Second.")
	if err := exchangeMessage(open[0], open[1], "Dorland"); !errors.Is(err, errNoSignal) {
		t.Errorf("to a stranger: %v", err)
	}
	if err := exchangeMessage(open[0], open[1], "Cenia"); err != nil {
		t.Fatal(err)
	}
	b, toBorvia := told(t, open[0], "Borvia")
	c, toCenia := told(t, open[0], "Cenia")
	if toBorvia != "First." || toCenia != "Second." || b.Seq != c.Seq || b.Prev != c.Prev || b.From != c.From {
		t.Errorf("Borvia is told %q, Cenia %q", toBorvia, toCenia)
	}
	for _, k := range []string{"Borvia", "Cenia"} {
		if _, text := told(t, open[1], k); text != "Second." {
			t.Errorf("the other copy tells %s %q", k, text)
		}
	}
}
