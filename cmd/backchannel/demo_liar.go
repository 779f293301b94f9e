package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/station"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// What Aldmark tells the two others at the same place of what it says to the room.
const (
	toldBorvia = "We are against a longer season for Cenia's fleets."
	toldCenia  = "We support a longer season for your fleets."
)

// nobody is where the copies look for a proxy, so that they reach no network: no
// program listens there.
const nobody = "127.0.0.1:1"

// lie has Aldmark tell Borvia and Cenia different things, and checks that both find
// out, and what they are told.
//
// No station has a means for it: whoever wants to lie has a machine of its own and
// the passphrase. So Aldmark's station is stopped and its vault copied twice. At
// either copy the usual program, without a network, says something in the room; then
// the message that one has for Cenia takes the place of the other's, and that vault
// is put back. From then on all is as always: numbers, chains and vouch tags fit, for
// Aldmark has all the keys that it needs.
func (t *demoTable) lie(ctx context.Context, n *demoNetwork) error {
	t.r.step("stopped", map[string]any{"station": t.aldmark.name},
		"Aldmark wants to tell Borvia and Cenia different things. It stops its station and works on copies of its vault.")
	if err := n.halt(filepath.Base(t.aldmark.dir)); err != nil {
		return err
	}
	if err := t.prepareLie(ctx, n); err != nil {
		return err
	}
	t.aldmark.api.Close()
	again, err := n.startStation(t.aldmark.name, t.aldmark.dir)
	if err != nil {
		return err
	}
	*t.aldmark = *again

	heard := map[*demoStation]string{t.borvia: toldBorvia, t.cenia: toldCenia}
	for _, s := range []*demoStation{t.borvia, t.cenia} {
		if err := t.seen(ctx, s, "what Aldmark says", func(v *station.RoomView) (bool, error) {
			said := t.newest(v, t.aldmark)
			return said == heard[s], nil
		}); err != nil {
			return err
		}
	}
	t.r.step("told", map[string]any{"borvia": toldBorvia, "cenia": toldCenia}, "To each it looks like a sentence that was said to the whole room.")
	t.r.text("")
	t.r.text("          to Borvia | %s", toldBorvia)
	t.r.text("          to Cenia  | %s", toldCenia)
	t.r.text("")
	for _, s := range []*demoStation{t.borvia, t.cenia} {
		if _, err := t.say(ctx, s, &negotiation.Signal{Text: "We have taken note."}); err != nil {
			return err
		}
	}
	if err := t.caught(ctx); err != nil {
		return err
	}
	return t.showLie(ctx)
}

// showLie has Borvia show Cenia what Aldmark told it, and checks that Cenia learns
// who wrote it.
func (t *demoTable) showLie(ctx context.Context) error {
	var id negotiation.ID
	if err := t.seen(ctx, t.borvia, "what it can show", func(v *station.RoomView) (bool, error) {
		i := slices.IndexFunc(v.Timeline, func(s *negotiation.Statement) bool {
			b, ok := s.Body.(*negotiation.Signal)
			return ok && b.Text == toldBorvia && slices.Contains(v.Showable, s.ID)
		})
		if i >= 0 {
			id = v.Timeline[i].ID
		}
		return i >= 0, nil
	}); err != nil {
		return err
	}
	if _, err := t.borvia.api.ShowTo(ctx, t.room, id.String(), t.cenia.name); err != nil {
		return fmt.Errorf("%s shows what it was told: %w", t.borvia.name, err)
	}
	words := ""
	if err := t.seen(ctx, t.cenia, "what Borvia was told", func(v *station.RoomView) (bool, error) {
		for _, s := range v.Shown {
			b, ok := s.Statement.Body.(*negotiation.Signal)
			if !ok || b.Text != toldBorvia || s.State != negotiation.ShownWritten || s.Statement.From != t.members[t.aldmark] {
				return false, fmt.Errorf("what was shown is %s", s.State)
			}
			words = s.Text
		}
		return words != "", nil
	}); err != nil {
		return err
	}
	t.r.step("shown", map[string]any{"statement": id.String(), "from": t.borvia.name, "to": t.cenia.name, "words": words},
		"Borvia shows Cenia the sentence that it was told, with the tag that Aldmark made for this. At Cenia stands:")
	t.r.text("")
	t.r.text("          %s", words)
	t.r.text("")
	return nil
}

// newest is the text that a member last said to the room, at the station of a view.
func (t *demoTable) newest(v *station.RoomView, by *demoStation) string {
	for _, s := range slices.Backward(v.Timeline) {
		if b, ok := s.Body.(*negotiation.Signal); ok && s.From == t.members[by] && !s.Private() {
			return b.Text
		}
	}
	return ""
}

// seen waits until the room looks so at one station, whatever alarms it has.
func (t *demoTable) seen(ctx context.Context, s *demoStation, what string, yes func(v *station.RoomView) (bool, error)) error {
	return waitFor(ctx, demoTimeout, s.name+" to see "+what, func() (bool, error) {
		room, err := s.api.Room(ctx, t.room)
		if err != nil || room.View == nil {
			return false, err
		}
		return yes(room.View)
	})
}

// caught waits for the alarms of the two who were told different things. Each may
// name Aldmark as the one who did it, and nobody else; and nothing was withheld.
func (t *demoTable) caught(ctx context.Context) error {
	alarms := map[string]string{}
	for _, k := range []struct{ s, other *demoStation }{{t.borvia, t.cenia}, {t.cenia, t.borvia}} {
		var all []negotiation.Alarm
		if err := t.seen(ctx, k.s, "that it was told something else", func(v *station.RoomView) (bool, error) {
			all = v.Alarms
			return slices.ContainsFunc(all, func(a negotiation.Alarm) bool { return a.Type == negotiation.AlarmToldDifferent }), nil
		}); err != nil {
			return err
		}
		for _, a := range all {
			switch {
			case a.Type == negotiation.AlarmToldDifferent && a.About[0] == t.members[t.aldmark] && a.About[1] == t.members[k.other]:
				alarms[k.s.name] = a.Text
			case a.Type == negotiation.AlarmDiffers: // names nobody as the one who did it
			default:
				return fmt.Errorf("%s is told more than follows from it, or something else: %s", k.s.name, a.Text)
			}
		}
		if alarms[k.s.name] == "" {
			return fmt.Errorf("%s is not told who told whom something else", k.s.name)
		}
	}
	t.r.step("caught", map[string]any{"alarm": string(negotiation.AlarmToldDifferent), "by": t.aldmark.name, "at": alarms},
		"It comes out with the next thing that the two say. Their stations name Aldmark, and nobody else:")
	t.r.text("")
	for _, s := range []*demoStation{t.borvia, t.cenia} {
		t.r.text("          at %s: %s", s.name, alarms[s.name])
	}
	t.r.text("")
	return nil
}

// prepareLie leaves in Aldmark's folder a vault that has the message of one copy for
// Borvia and that of the other for Cenia.
func (t *demoTable) prepareLie(ctx context.Context, n *demoNetwork) (err error) {
	var copies [2]*demoStation
	defer func() {
		for _, c := range copies {
			if c != nil {
				c.api.Close()
				err = errors.Join(err, os.RemoveAll(c.dir)) // an old copy of a station must never run
			}
		}
	}()
	for i := range copies {
		dir := filepath.Join(n.dir, fmt.Sprintf("copy-%d", i+1))
		if err := copyStation(dir, t.aldmark.dir); err != nil {
			return err
		}
		if copies[i], err = n.startStation(t.aldmark.name, dir); err != nil {
			return err
		}
	}
	for i, text := range []string{toldBorvia, toldCenia} {
		if err := waitFor(ctx, demoTimeout, "a copy of Aldmark's station to start", func() (bool, error) {
			_, err := copies[i].api.Status(ctx)
			return err == nil, nil // its socket is not there yet; one that ended is noticed elsewhere
		}); err != nil {
			return err
		}
		if _, err := t.say(ctx, copies[i], &negotiation.Signal{Text: text}); err != nil {
			return err
		}
		if err := n.halt(filepath.Base(copies[i].dir)); err != nil {
			return err
		}
	}
	if err := exchangeIn(copies[0].dir, copies[1].dir, t.cenia.name); err != nil {
		return fmt.Errorf("putting the second message in: %w", err)
	}
	return copyVault(t.aldmark.dir, copies[0].dir)
}

// exchangeIn opens the vaults of two folders for exchangeMessage.
func exchangeIn(to, from, name string) (err error) {
	var open [2]*vault.Vault
	for i, dir := range []string{to, from} {
		if open[i], err = vault.Open(vaultOf(dir), []byte(demoPassphrase)); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, open[i].Close()) }()
	}
	return exchangeMessage(open[0], open[1], name)
}

func vaultOf(dir string) string { return filepath.Join(dir, "vault.db") }

// copyStation makes a folder with the vault of another, that reaches no network: it
// has another account, and a proxy that is not there.
func copyStation(dir, from string) error {
	network, err := os.ReadFile(filepath.Join(from, "network.toml"))
	if err != nil {
		return fmt.Errorf("copying a station: %w", err)
	}
	if _, err := station.InitFolder(dir, network, nobody); err != nil {
		return fmt.Errorf("copying a station: %w", err)
	}
	return copyVault(dir, from)
}

// copyVault puts a vault that nobody has open in the place of another. A vault that
// was closed has no log beside it.
func copyVault(dir, from string) error {
	for _, suffix := range []string{"", ".key"} {
		b, err := os.ReadFile(vaultOf(from) + suffix)
		if err == nil {
			err = os.WriteFile(vaultOf(dir)+suffix, b, 0o600)
		}
		if err != nil {
			return fmt.Errorf("copying a vault: %w", err)
		}
	}
	return nil
}

// exchangeMessage replaces what one vault is going to tell a contact in a room by
// what another one would.
func exchangeMessage(to, from *vault.Vault, name string) error {
	var other []byte
	if err := from.View(func(tx *vault.Tx) (err error) {
		_, _, other, err = signalFor(tx, name)
		return err
	}); err != nil {
		return err
	}
	return to.Update(func(tx *vault.Tx) error {
		who, id, _, err := signalFor(tx, name)
		if err != nil {
			return err
		}
		if err := tx.DeleteItem(id); err != nil {
			return err
		}
		var fresh wire.ItemID
		suite.Random(fresh[:])
		_, err = tx.AddMessage(who, fresh, other)
		return err
	})
}

var errNoSignal = errors.New("no signal to the room waits for the contact")

// signalFor finds the newest signal to a room that waits for a contact.
func signalFor(tx *vault.Tx, name string) (who contact.ID, id wire.ItemID, raw []byte, err error) {
	all, err := tx.Contacts()
	if err != nil {
		return who, id, nil, err
	}
	for _, c := range all {
		if c.Name != name {
			continue
		}
		waiting, err := tx.Outgoing(c.ID)
		if err != nil {
			return who, id, nil, err
		}
		for _, o := range slices.Backward(waiting) {
			raw := make([]byte, o.Size)
			if _, err := tx.ReadOutgoing(o.ID, 0, raw); err != nil {
				return who, id, nil, err
			}
			e, err := negotiation.ParseEnvelope(raw)
			if o.Class == wire.ClassNegotiation && err == nil && e.Kind == negotiation.KindSignal && e.Class == negotiation.ClassRoom {
				return c.ID, o.ID, raw, nil
			}
		}
	}
	return who, id, nil, errNoSignal
}
