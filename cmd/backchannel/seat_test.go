package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"path/filepath"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/pairwise"
	"backchannel/internal/vault"
)

// seatDown gives a station that does not run the seat of Aldmark in a room that never
// was: forged, with the code that carries real ones. Borvia and Cenia are contacts
// whom nobody can reach, so that what Aldmark says waits. It returns statements of
// the room by name.
func seatDown(dir string) (statements map[string]negotiation.ID, err error) {
	now := time.Now().Truncate(time.Second)
	at := now.Add(-2 * time.Hour)
	to := 0
	script := negotiation.Script{Title: "Straits talks", Members: []string{"Aldmark", "Borvia", "Cenia"}, Start: now.Add(-3 * time.Hour)}
	for _, l := range []negotiation.Line{
		{Name: "agenda", By: 0, Kind: negotiation.KindAgenda, Body: json.RawMessage(`{"rev": 1, "issues": [{"id": 1, "title": "Toll", "type": "choice", "options": ["none", "half", "full"]}]}`)},
		{By: 1, Kind: negotiation.KindConfirm, Body: json.RawMessage(`{"of": "@agenda"}`)},
		{By: 2, Kind: negotiation.KindConfirm, Body: json.RawMessage(`{"of": "@agenda"}`)},
		{Name: "package", By: 1, Kind: negotiation.KindPackage, Body: json.RawMessage(`{"agenda": "@agenda", "values": {"1": {"option": 1}}}`)},
		{Name: "own", By: 0, Kind: negotiation.KindSignal, Body: json.RawMessage(`{"text": "We shall think about it."}`)},
		{Name: "said", By: 1, Kind: negotiation.KindSignal, Body: json.RawMessage(`{"text": "We could live with half."}`)},
		{By: 2, To: &to, Kind: "show", Body: json.RawMessage(`{"of": "@said"}`)},
	} {
		at = at.Add(time.Minute)
		l.At = at
		script.Lines = append(script.Lines, l)
	}
	forged, err := negotiation.Forge(script, rand.Reader)
	if err != nil {
		return nil, err
	}
	f := forged[0]
	form := negotiation.Formation{State: negotiation.FormationComplete, Plan: f.Charter.Plan, Self: f.Charter.Self, Began: script.Start}
	v, err := vault.Open(filepath.Join(dir, "vault.db"), []byte("open sesame"))
	if err != nil {
		return nil, err
	}
	err = v.Update(func(tx *vault.Tx) error {
		var members []contact.ID
		for _, m := range f.Charter.Members {
			if m.ID == f.Charter.Self {
				continue
			}
			form.Peers = append(form.Peers, negotiation.Peer{Contact: m.Contact, ID: m.ID, Confirmed: f.Charter.Room})
			k := contact.Contact{ID: contact.ID(m.Contact), Name: f.Names[m.ID], Role: pairwise.Inviter, Created: now}
			if err := tx.PutContact(k); err != nil {
				return err
			}
			members = append(members, k.ID)
		}
		number, err := tx.AddRoom(form.Plan.Form, form.Encode(), members)
		if err != nil {
			return err
		}
		return errors.Join(tx.PutCharter(number, f.Charter.Room, f.Charter.Encode()), tx.AddRoomRows(number, f.Rows), tx.PutLocal(number, f.Local, f.Room.Lasting()))
	})
	return f.Lines, errors.Join(err, v.Close())
}
