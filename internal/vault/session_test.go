package vault

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// letter is an item as it travels: header and content.
func letter(t testing.TB, kind contact.Kind, subject string, content []byte) (h contact.Header, whole []byte) {
	t.Helper()
	h, err := contact.NewHeader(kind, subject, "", "text/plain", start, content)
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return h, append(b, content...)
}

// cut splits an item into records of n bytes.
func cut(id wire.ItemID, class wire.Class, whole []byte, n int) (out []wire.Record) {
	for off := 0; ; off += n {
		piece := whole[off:min(off+n, len(whole))]
		last := off+n >= len(whole)
		out = append(out, wire.Record{Class: class, Last: last, Item: id, Offset: uint32(off), Data: piece})
		if last {
			return out
		}
	}
}

func records(t testing.TB, id wire.ItemID, kind contact.Kind, subject string, content []byte, n int) []wire.Record {
	_, whole := letter(t, kind, subject, content)
	return cut(id, kind.Class(), whole, n)
}

func addOutgoing(t testing.TB, v *Vault, to contact.ID, n int, kind contact.Kind, subject string, content []byte) (it Item) {
	t.Helper()
	h, _ := letter(t, kind, subject, content)
	update(t, v, func(tx *Tx) (err error) {
		it, err = tx.AddOutgoing(to, itemID(n), h, bytes.NewReader(content))
		return err
	})
	return it
}

func save(t testing.TB, v *Vault, id contact.ID, d pairwise.Delta) {
	t.Helper()
	d.Dirty = true
	if d.State == nil {
		d.State = []byte("state")
	}
	update(t, v, func(tx *Tx) error { return tx.SaveSession(id, d) })
}

func getItem(t testing.TB, v *Vault, id wire.ItemID) (it Item) {
	t.Helper()
	view(t, v, func(tx *Tx) (err error) {
		it, err = tx.Item(id)
		return err
	})
	return it
}

func getContent(t testing.TB, v *Vault, id wire.ItemID) (b []byte, err error) {
	t.Helper()
	err = v.View(func(tx *Tx) error {
		r, err := tx.ReadContent(id)
		if err != nil {
			return err
		}
		b, err = io.ReadAll(r)
		return err
	})
	return b, err
}

func TestSessionFrames(t *testing.T) {
	v := newVault(t, testOptions())
	c := someone(1)
	update(t, v, func(tx *Tx) error { return tx.PutContact(c) })
	view(t, v, func(tx *Tx) error {
		if _, _, err := tx.LoadSession(c.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("before the first save: %v", err)
		}
		return nil
	})
	if err := v.Update(func(tx *Tx) error {
		return tx.SaveSession(contact.ID{99}, pairwise.Delta{Dirty: true, State: []byte("x")})
	}); !errors.Is(err, ErrNotFound) {
		t.Errorf("of nobody: %v", err)
	}
	frame := func(seq uint32) pairwise.StoredFrame {
		return pairwise.StoredFrame{Seq: seq, Payload: fmt.Appendf(nil, "frame %d", seq)}
	}
	top := uint32(1<<32 - 2)
	save(t, v, c.ID, pairwise.Delta{State: []byte("one"), AddFrames: []pairwise.StoredFrame{frame(0), frame(1), frame(top)}})
	save(t, v, c.ID, pairwise.Delta{State: []byte("two"), AddFrames: []pairwise.StoredFrame{frame(2)}, DropFrames: []uint32{1, 77}})
	update(t, v, func(tx *Tx) error { return tx.SaveSession(c.ID, pairwise.Delta{State: []byte("ignored")}) })
	v = reopen(t, v)
	view(t, v, func(tx *Tx) error {
		state, frames, err := tx.LoadSession(c.ID)
		if string(state) != "two" {
			t.Errorf("state %q", state)
		}
		if diff := cmp.Diff([]pairwise.StoredFrame{frame(0), frame(2), frame(top)}, frames); diff != "" {
			t.Error(diff)
		}
		return err
	})
}

// A real session survives the vault.
func TestRealSession(t *testing.T) {
	v := newVault(t, testOptions())
	c := someone(1)
	s := pairwise.NewSession(pairwise.Inviter, [32]byte{1}, 7)
	d, token := s.Take()
	update(t, v, func(tx *Tx) error {
		return errors.Join(tx.PutContact(c), tx.SaveSession(c.ID, d))
	})
	s.Saved(token)
	v = reopen(t, v)
	view(t, v, func(tx *Tx) error {
		state, frames, err := tx.LoadSession(c.ID)
		if err != nil {
			return err
		}
		again, err := pairwise.Load(state, frames)
		if err == nil && (again.Phase() != pairwise.Waiting || again.Role() != pairwise.Inviter) {
			t.Errorf("phase %v, role %v", again.Phase(), again.Role())
		}
		return err
	})
}

func TestOutgoingStates(t *testing.T) {
	v := newVault(t, testOptions())
	c, other := someone(1), someone(2)
	addContact(t, v, c)
	addContact(t, v, other)
	it := addOutgoing(t, v, c.ID, 1, contact.Signal, "", []byte("hello"))
	addOutgoing(t, v, c.ID, 2, contact.Letter, "", nil)
	addOutgoing(t, v, other.ID, 3, contact.Letter, "", []byte("x"))
	if it.State() != StateWaiting || it.Done != 0 || !it.Read || it.Header.Size != 5 {
		t.Errorf("%+v", it)
	}
	list := func(want ...Outgoing) {
		t.Helper()
		view(t, v, func(tx *Tx) error {
			got, err := tx.Outgoing(c.ID)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			return err
		})
	}
	first := Outgoing{itemID(1), wire.ClassSignal, it.Size, 0, false}
	second := Outgoing{itemID(2), wire.ClassLetter, getItem(t, v, itemID(2)).Size, 0, false}
	list(first, second)

	save(t, v, c.ID, pairwise.Delta{Progress: []pairwise.Progress{{Item: itemID(1), Assigned: 20}}})
	if it := getItem(t, v, itemID(1)); it.State() != StateSent || it.Done != 20 || !it.Finished.IsZero() {
		t.Errorf("after progress: %+v", it)
	}
	first.Assigned = 20
	list(first, second)

	// Another contact's session has no say about it.
	save(t, v, other.ID, pairwise.Delta{Progress: []pairwise.Progress{{Item: itemID(1), Assigned: 30}}, Delivered: []wire.ItemID{itemID(1), itemID(50)}})
	list(first, second)

	save(t, v, c.ID, pairwise.Delta{Delivered: []wire.ItemID{itemID(1)}})
	got := getItem(t, v, itemID(1))
	if got.State() != StateDelivered || got.Done != got.Size || got.Finished.IsZero() {
		t.Errorf("after delivery: %+v", got)
	}
	save(t, v, c.ID, pairwise.Delta{Delivered: []wire.ItemID{itemID(1)}}) // twice changes nothing
	if again := getItem(t, v, itemID(1)); !cmp.Equal(again, got) {
		t.Errorf("delivered twice: %+v", again)
	}
	list(second)
	view(t, v, func(tx *Tx) error {
		w, err := tx.Waiting()
		if diff := cmp.Diff(map[contact.ID]int{c.ID: 1, other.ID: 1}, w); diff != "" {
			t.Error(diff)
		}
		return err
	})
	v = reopen(t, v)
	list(second)
}

// Incoming items arrive in records of every size and in several commits.
func TestArrival(t *testing.T) {
	v := newVault(t, Options{KDF: weak, Now: ticking(), SyncOff: true})
	c := someone(1)
	addContact(t, v, c)
	content := bytes.Repeat([]byte("0123456789"), 1000)
	n := 0
	for _, size := range []int{1, 2, 3, 50, 117, 118, 119, 4072, 1 << 20} {
		for _, perCommit := range []int{1, 7, 1 << 20} {
			text := content
			if size < 50 {
				text = content[:200]
			}
			if size == 1 && perCommit == 1 {
				text = text[:20]
			}
			n++
			all := records(t, itemID(n), contact.Letter, "subject", text, size)
			for len(all) > 0 {
				k := min(perCommit, len(all))
				save(t, v, c.ID, pairwise.Delta{Records: all[:k]})
				it := getItem(t, v, itemID(n))
				r := all[k-1]
				if it.Done != r.Offset+uint32(len(r.Data)) || it.Damaged {
					t.Fatalf("size %d, %d a commit: %+v after offset %d", size, perCommit, it, r.Offset)
				}
				if all = all[k:]; len(all) > 0 {
					if it.State() != StateArriving || it.SHA256 != [32]byte{} {
						t.Fatalf("half: %+v", it)
					}
					if _, err := getContent(t, v, itemID(n)); !errors.Is(err, ErrIncomplete) {
						t.Fatalf("content of a half: %v", err)
					}
				}
			}
			it := getItem(t, v, itemID(n))
			if it.State() != StateArrived || it.Read || it.Header.Subject != "subject" || it.SHA256 != suite.Digest(text) || it.Done != it.Size || it.Size == 0 {
				t.Errorf("size %d: %+v", size, it)
			}
			if got, err := getContent(t, v, itemID(n)); err != nil || !bytes.Equal(got, text) {
				t.Errorf("size %d: %d bytes, %v", size, len(got), err)
			}
		}
	}
	// What arrived stays: the same again is dropped.
	before := getItem(t, v, itemID(1))
	save(t, v, c.ID, pairwise.Delta{Records: records(t, itemID(1), contact.Letter, "other", []byte("text"), 10)})
	if after := getItem(t, v, itemID(1)); !cmp.Equal(after, before) {
		t.Errorf("an item that was whole changed: %+v", after)
	}
}

// Items of different classes may be mixed; one that begins anew replaces its
// beginning.
func TestArrivalMixed(t *testing.T) {
	v := newVault(t, testOptions())
	c := someone(1)
	addContact(t, v, c)
	text := bytes.Repeat([]byte("abc"), 500)
	l := records(t, itemID(1), contact.Letter, "", text, 400)
	s := records(t, itemID(2), contact.Signal, "", []byte("quick"), 60)
	again := records(t, itemID(3), contact.Letter, "again", text, 500)
	save(t, v, c.ID, pairwise.Delta{Records: []wire.Record{l[0], l[1], s[0], l[2], s[1]}})
	if it := getItem(t, v, itemID(2)); it.State() != StateArrived || it.Damaged || it.Class != wire.ClassSignal {
		t.Errorf("the signal in between: %+v", it)
	}
	save(t, v, c.ID, pairwise.Delta{Records: l[3:]})
	if got, err := getContent(t, v, itemID(1)); err != nil || !bytes.Equal(got, text) {
		t.Errorf("the letter around: %d bytes, %v", len(got), err)
	}
	save(t, v, c.ID, pairwise.Delta{Records: again[:2]})
	save(t, v, c.ID, pairwise.Delta{Records: append(append([]wire.Record{}, again[:1]...), again...)})
	if got, err := getContent(t, v, itemID(3)); err != nil || !bytes.Equal(got, text) {
		t.Errorf("begun three times: %d bytes, %v", len(got), err)
	}
}

func TestNegotiationItems(t *testing.T) {
	v := newVault(t, testOptions())
	c := someone(1)
	addContact(t, v, c)
	whole := bytes.Repeat([]byte{1, 2, 3}, 2000)
	all := cut(itemID(1), wire.ClassNegotiation, whole, 1000)
	save(t, v, c.ID, pairwise.Delta{Records: all[:3]})
	save(t, v, c.ID, pairwise.Delta{Records: all[3:]})
	it := getItem(t, v, itemID(1))
	if it.State() != StateArrived || it.Damaged || it.Header != (contact.Header{}) || it.Size != 6000 || it.SHA256 != suite.Digest(whole) {
		t.Errorf("%+v", it)
	}
	if got, err := getContent(t, v, itemID(1)); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	save(t, v, c.ID, pairwise.Delta{Records: []wire.Record{{Class: wire.ClassNegotiation, Last: true, Item: itemID(2)}}})
	if it := getItem(t, v, itemID(2)); it.State() != StateArrived || it.Damaged {
		t.Errorf("an empty one: %+v", it)
	}
}

// Whatever a misbehaving peer sends, the commit goes through, nothing of another
// item changes, and what does not keep its word is damaged.
func TestHostileArrival(t *testing.T) {
	content := bytes.Repeat([]byte("x"), 3000)
	h, whole := letter(t, contact.Letter, "s", content)
	lying := h
	lying.SHA256[0] ^= 1
	lie, err := lying.Encode()
	if err != nil {
		t.Fatal(err)
	}
	long := h
	long.Size++
	longer, err := long.Encode()
	if err != nil {
		t.Fatal(err)
	}
	id := itemID(7)
	l := wire.ClassLetter
	for name, records := range map[string][]wire.Record{
		"not its digest":           cut(id, l, append(bytes.Clone(lie), content...), 500),
		"too short":                cut(id, l, append(bytes.Clone(longer), content...), 500),
		"too long":                 cut(id, l, append(bytes.Clone(whole), 1), 500),
		"much too long":            cut(id, l, append(bytes.Clone(whole), make([]byte, 20000)...), 500),
		"no header":                cut(id, l, []byte("no header at all, just text"), 5),
		"half a header":            cut(id, l, whole[:20], 5),
		"nothing":                  {{Class: l, Last: true, Item: id}},
		"a header that is no end":  cut(id, l, append([]byte{0xff, 0xff}, make([]byte, 70000)...), 4000),
		"a signal that is none":    cut(id, wire.ClassSignal, whole, 500),
		"an empty record, then on": append([]wire.Record{{Class: l, Item: id}}, cut(id, l, append(bytes.Clone(lie), content...), 500)...),
	} {
		t.Run(name, func(t *testing.T) {
			for _, perCommit := range []int{1, 3, 1000} {
				v := newVault(t, Options{KDF: weak, SyncOff: true})
				c := someone(1)
				addContact(t, v, c)
				for rest := records; len(rest) > 0; {
					k := min(perCommit, len(rest))
					save(t, v, c.ID, pairwise.Delta{Records: rest[:k]})
					rest = rest[k:]
				}
				it := getItem(t, v, id)
				if !it.Damaged || it.State() != StateArrived {
					t.Errorf("%d a commit: %+v", perCommit, it)
				}
				if _, err := getContent(t, v, id); !errors.Is(err, ErrIncomplete) {
					t.Errorf("its content: %v", err)
				}
			}
		})
	}

	t.Run("identifiers of others", func(t *testing.T) {
		v := newVault(t, testOptions())
		c, other := someone(1), someone(2)
		addContact(t, v, c)
		addContact(t, v, other)
		addOutgoing(t, v, c.ID, 1, contact.Letter, "mine", content)
		save(t, v, other.ID, pairwise.Delta{Records: cut(itemID(2), l, whole, 500)[:2]})
		var before, after []Item
		all := func(to *[]Item) func(*Tx) error {
			return func(tx *Tx) (err error) { *to, err = tx.Items(Filter{}); return err }
		}
		view(t, v, all(&before))
		save(t, v, c.ID, pairwise.Delta{Records: cut(itemID(1), l, whole, 500)})
		save(t, v, c.ID, pairwise.Delta{Records: cut(itemID(2), l, whole, 500)})
		save(t, v, c.ID, pairwise.Delta{Records: cut(itemID(3), l, whole, 500)[1:]}) // without its beginning
		save(t, v, other.ID, pairwise.Delta{Records: cut(itemID(2), wire.ClassNegotiation, whole, 500)})
		view(t, v, all(&after))
		if diff := cmp.Diff(before, after); diff != "" {
			t.Error(diff)
		}
		save(t, v, other.ID, pairwise.Delta{Records: cut(itemID(2), l, whole, 500)[2:]})
		if got, err := getContent(t, v, itemID(2)); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// Times come from the clock that was given.
func TestItemTimes(t *testing.T) {
	v := newVault(t, testOptions())
	c := someone(1)
	addContact(t, v, c)
	addOutgoing(t, v, c.ID, 1, contact.Signal, "", []byte("a"))
	if it := getItem(t, v, itemID(1)); !it.Created.Equal(start.Add(time.Second)) || !it.Header.Time.Equal(start) {
		t.Errorf("%v, %v", it.Created, it.Header.Time)
	}
	save(t, v, c.ID, pairwise.Delta{Delivered: []wire.ItemID{itemID(1)}})
	if it := getItem(t, v, itemID(1)); !it.Finished.Equal(start.Add(2 * time.Second)) {
		t.Errorf("%v", it.Finished)
	}
}
