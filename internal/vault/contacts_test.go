package vault

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
)

func TestContacts(t *testing.T) {
	v := newVault(t, testOptions())
	a := contact.Contact{
		ID: contact.ID{1, 2, 3}, Name: "Борвия 'x'\n\"", Role: pairwise.Invitee, Created: start, Expires: start.Add(time.Hour),
		Verified: true, Muted: true, Invitation: "backchannel:abc",
		SealKey: bytes.Repeat([]byte{7}, 32),
	}
	b := contact.Contact{ID: contact.ID{0, 9}, Name: "", Role: pairwise.Inviter, Created: start.Add(time.Millisecond)}
	addContact(t, v, a) // with a session
	update(t, v, func(tx *Tx) error { return tx.PutContact(b) })
	v = reopen(t, v)
	view(t, v, func(tx *Tx) error {
		all, err := tx.Contacts()
		if diff := cmp.Diff([]contact.Contact{a, b}, all); diff != "" {
			t.Error(diff)
		}
		got, err2 := tx.Contact(b.ID)
		if diff := cmp.Diff(b, got); diff != "" {
			t.Error(diff)
		}
		if _, err := tx.Contact(contact.ID{5}); !errors.Is(err, ErrNotFound) {
			t.Errorf("no such contact: %v", err)
		}
		return errors.Join(err, err2)
	})
	// Changing one keeps what belongs to it and what is not named.
	a.Name, a.Invitation = "renamed", ""
	update(t, v, func(tx *Tx) error {
		_, err := tx.ChangeContact(a.ID, func(c *contact.Contact) { c.Name, c.Invitation = "renamed", "" })
		return err
	})
	if err := v.Update(func(tx *Tx) error { return tx.PutContact(a) }); err == nil {
		t.Error("a contact was added twice")
	}
	view(t, v, func(tx *Tx) error {
		got, err := tx.Contact(a.ID)
		if diff := cmp.Diff(a, got); diff != "" {
			t.Error(diff)
		}
		if state, _, err := tx.LoadSession(a.ID); err != nil || string(state) != "state" {
			t.Errorf("its session: %q, %v", state, err)
		}
		return err
	})
}

// A change that comes after the deletion does not bring a contact back: without
// its session it would keep the whole vault from being read.
func TestChangingADeletedContact(t *testing.T) {
	v := newVault(t, testOptions())
	addContact(t, v, someone(1))
	update(t, v, func(tx *Tx) error { return tx.DeleteContact(someone(1).ID) })
	err := v.Update(func(tx *Tx) error {
		_, err := tx.ChangeContact(someone(1).ID, func(c *contact.Contact) { c.Verified = true })
		return err
	})
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("changing it: %v", err)
	}
	view(t, v, func(tx *Tx) error {
		all, err := tx.Contacts()
		if len(all) != 0 {
			t.Errorf("contacts: %v", all)
		}
		return err
	})
}

func TestLanes(t *testing.T) {
	v := newVault(t, testOptions())
	a, b := someone(1), someone(2)
	addContact(t, v, a)
	addContact(t, v, b)
	view(t, v, func(tx *Tx) error {
		l, err := tx.Lanes(4)
		if l != contact.NewLanes(4) {
			t.Errorf("before the first: %+v", l)
		}
		return err
	})
	l, err := contact.NewLanes(4).Assign(a.ID, 10)
	if err != nil {
		t.Fatal(err)
	}
	if l, err = l.Assign(b.ID, 10); err != nil {
		t.Fatal(err)
	}
	if l, err = l.ReleaseAt(a.ID, 10, 1<<40); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		update(t, v, func(tx *Tx) error { return tx.PutLanes(l) })
	}
	v = reopen(t, v)
	view(t, v, func(tx *Tx) error {
		got, err := tx.Lanes(4)
		if got != l {
			t.Errorf("%+v, want %+v", got, l)
		}
		return err
	})
	// A contact that goes leaves its lane.
	update(t, v, func(tx *Tx) error { return tx.DeleteContact(a.ID) })
	view(t, v, func(tx *Tx) error {
		got, err := tx.Lanes(4)
		if got != l.Remove(a.ID, 10) {
			t.Errorf("%+v", got)
		}
		return err
	})
	if err := v.Update(func(tx *Tx) error { return tx.PutLanes(l) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("a lane of nobody: %v", err)
	}
}

func TestSettings(t *testing.T) {
	v := newVault(t, testOptions())
	view(t, v, func(tx *Tx) error {
		if got, err := tx.Setting("a"); got != nil || !errors.Is(err, ErrNotFound) {
			t.Errorf("%q, %v", got, err)
		}
		return nil
	})
	for _, value := range [][]byte{{1, 0, 2}, {}, nil, bytes.Repeat([]byte{9}, 100000)} {
		update(t, v, func(tx *Tx) error { return tx.PutSetting("a", value) })
		view(t, v, func(tx *Tx) error {
			if got, err := tx.Setting("a"); got == nil || !bytes.Equal(got, value) {
				t.Errorf("%d bytes, want %d: %v", len(got), len(value), err)
			}
			return nil
		})
	}
	update(t, v, func(tx *Tx) error { return tx.DeleteSetting("a") })
	view(t, v, func(tx *Tx) error {
		if _, err := tx.Setting("a"); !errors.Is(err, ErrNotFound) {
			t.Errorf("after deletion: %v", err)
		}
		return nil
	})
}

// decrypted returns every page of the database and of its log as whoever has the
// passphrase sees it: free pages, unused space and old frames included.
func decrypted(t *testing.T, v *Vault) []byte {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []byte
	for _, suffix := range []string{"", "-wal"} {
		raw, err := os.ReadFile(v.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, unseal(t, v, suffix, raw)...)
	}
	return all
}

// After a contact was deleted, neither its keys nor its texts are in any page of
// database or log, free space included. The same search finds them before.
func TestDeletedIsGone(t *testing.T) {
	v := newVault(t, testOptions())
	gone, kept := someone(1), someone(2)
	gone.Name = "NAME-OF-THE-GONE"
	marks := []string{"NAME-OF-THE-GONE", "STATE-OF-THE-GONE", "OLD-STATE-OF-GONE", "FRAME-OF-THE-GONE", "CONTENT-OF-THE-GONE", "SUBJECT-OF-THE-GONE", "RECEIVED-FROM-GONE"}
	addContact(t, v, kept)
	addContact(t, v, gone)
	long := bytes.Repeat([]byte("CONTENT-OF-THE-GONE "), 5000)
	update(t, v, func(tx *Tx) error {
		return tx.SaveSession(gone.ID, pairwise.Delta{Dirty: true, State: []byte("OLD-STATE-OF-GONE")})
	})
	update(t, v, func(tx *Tx) error {
		return tx.SaveSession(gone.ID, pairwise.Delta{
			Dirty: true, State: bytes.Repeat([]byte("STATE-OF-THE-GONE"), 100),
			AddFrames: []pairwise.StoredFrame{{Seq: 1, Payload: []byte("FRAME-OF-THE-GONE")}},
			Records:   records(t, itemID(900), contact.Letter, "", []byte("RECEIVED-FROM-GONE"), 4000),
		})
	})
	addOutgoing(t, v, gone.ID, 1, contact.Letter, "SUBJECT-OF-THE-GONE", long)
	addOutgoing(t, v, kept.ID, 2, contact.Letter, "", []byte("CONTENT-THAT-STAYS"))
	before := decrypted(t, v)
	for _, m := range append(marks, "CONTENT-THAT-STAYS") {
		if !bytes.Contains(before, []byte(m)) {
			t.Errorf("the search does not find %q where it is", m)
		}
	}
	update(t, v, func(tx *Tx) error { return tx.DeleteContact(gone.ID) })
	after := decrypted(t, v)
	for _, m := range marks {
		if bytes.Contains(after, []byte(m)) {
			t.Errorf("%q is still there", m)
		}
	}
	if !bytes.Contains(after, []byte("CONTENT-THAT-STAYS")) {
		t.Error("another contact's letter is gone too")
	}
	if err := v.Update(func(tx *Tx) error { return tx.DeleteContact(gone.ID) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleting twice: %v", err)
	}
	view(t, v, func(tx *Tx) error {
		for _, table := range []string{"sessions", "items", "contacts"} {
			if err := tx.one("SELECT count(*) FROM "+table, func(s *sqlite3.Stmt) error {
				if n := s.ColumnInt(0); n != 1 {
					t.Errorf("%s: %d rows", table, n)
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
}
