package vault

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/wire"
)

// row is every column of an item and of what hangs on it, as text.
func row(t *testing.T, v *Vault, id wire.ItemID) map[string]string {
	t.Helper()
	out := map[string]string{}
	view(t, v, func(tx *Tx) error {
		for table, sql := range map[string]string{
			"items": `SELECT * FROM items WHERE id = ?`, "texts": `SELECT t.* FROM texts t JOIN items ON item = number WHERE id = ?`,
			"chunks": `SELECT c.* FROM chunks c JOIN items ON item = number WHERE id = ?`,
		} {
			n := 0
			if err := tx.query(sql, func(s *sqlite3.Stmt) error {
				for c := range s.ColumnCount() {
					out[fmt.Sprintf("%s %d %s", table, n, s.ColumnName(c))] = fmt.Sprintf("%v %q", s.ColumnType(c), s.ColumnRawBlob(c))
				}
				n++
				return nil
			}, id); err != nil {
				return err
			}
		}
		return nil
	})
	return out
}

// at fixes a vault's clock.
type clock struct{ now time.Time }

func fixed(t testing.TB) (*Vault, *clock) {
	c := &clock{start}
	return newVault(t, Options{KDF: weak, SyncOff: true, Now: func() time.Time { return c.now }}), c
}

func bodyOf(n int) []byte { return []byte(strings.Repeat(fmt.Sprintf("line %d of a text ", n), 600)) }

// What is put in or changed has in every column what a real item has: the same but
// for the identifier and the random part of the number.
func TestCopiesLeaveNoTrace(t *testing.T) {
	for _, outgoing := range []bool{true, false} {
		for name, content := range map[string][]byte{"signal": []byte("short"), "letter": bodyOf(1)} {
			t.Run(fmt.Sprintf("%s, outgoing %v", name, outgoing), func(t *testing.T) {
				v, c := fixed(t)
				k := someone(1)
				addContact(t, v, k)
				kind := contact.Letter
				subject := "About"
				if name == "signal" {
					kind, subject = contact.Signal, ""
				}
				h := func(at time.Time, content []byte, subject string) contact.Header {
					h, err := contact.NewHeader(kind, subject, "", "text/markdown; charset=utf-8", at, content)
					if err != nil {
						t.Fatal(err)
					}
					return h
				}
				// A real one, at noon.
				took := 7 * time.Second
				real := func(id wire.ItemID, at time.Time, h contact.Header, content []byte) {
					c.now = at
					if outgoing {
						update(t, v, func(tx *Tx) error {
							_, err := tx.AddOutgoing(k.ID, id, h, strings.NewReader(string(content)))
							return err
						})
						c.now = at.Add(took)
						save(t, v, k.ID, pairwise.Delta{Dirty: true, State: []byte("state"), Delivered: []wire.ItemID{id}})
						return
					}
					header, err := h.Encode()
					if err != nil {
						t.Fatal(err)
					}
					all := cut(id, kind.Class(), append(header, content...), wire.MaxRecordData)
					for i, r := range all {
						if i == len(all)-1 && i > 0 {
							c.now = at.Add(took)
						}
						save(t, v, k.ID, pairwise.Delta{Dirty: true, State: []byte("state"), Records: []wire.Record{r}})
					}
					c.now = at.Add(time.Minute)
					update(t, v, func(tx *Tx) error { return tx.MarkRead(id) })
				}
				real(itemID(1), start, h(start, content, subject), content)
				finished := getItem(t, v, itemID(1)).Finished

				update(t, v, func(tx *Tx) error {
					_, err := tx.InsertItem(Inserted{ID: itemID(2), Contact: k.ID, Outgoing: outgoing, Header: h(start, content, subject), Content: content,
						Created: start, Finished: finished, Seen: start.Add(time.Minute)})
					return err
				})

				// Another text an hour later, changed into this one.
				other := append([]byte("another text, "), content...)
				at := start.Add(time.Hour)
				real(itemID(3), at, h(at, other, subject+subject), other)
				text := string(content)
				update(t, v, func(tx *Tx) error {
					_, err := tx.ChangeItem(itemID(3), Change{Subject: &subject, Text: &text, Time: &start})
					return err
				})

				want := row(t, v, itemID(1))
				for _, id := range []wire.ItemID{itemID(2), itemID(3)} {
					got := row(t, v, id)
					for key := range want {
						if strings.HasSuffix(key, " number") || strings.HasSuffix(key, " item") || key == "items 0 id" {
							delete(got, key)
						}
					}
					expect := map[string]string{}
					for key, x := range want {
						if _, ok := got[key]; ok || !(strings.HasSuffix(key, " number") || strings.HasSuffix(key, " item") || key == "items 0 id") {
							expect[key] = x
						}
					}
					if diff := cmp.Diff(expect, got); diff != "" {
						t.Errorf("item %x: %s", id[:2], diff)
					}
				}
				// The order is that of the times.
				view(t, v, func(tx *Tx) error {
					all, err := tx.Items(Filter{})
					for i, it := range all {
						if it.Number>>numberBits != it.Created.UnixMilli() || i > 0 && it.Created.Before(all[i-1].Created) {
							t.Errorf("number %d at %v", it.Number, it.Created)
						}
					}
					return err
				})
				update(t, v, func(tx *Tx) error { return tx.DeleteItem(itemID(3)) })
				if err := v.writer.c.Exec(`INSERT INTO search (search, rank) VALUES ('integrity-check', 1)`); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestChangeRefuses(t *testing.T) {
	v, _ := fixed(t)
	k := someone(1)
	addContact(t, v, k)
	addOutgoing(t, v, k.ID, 1, contact.Signal, "", []byte("not delivered"))
	save(t, v, k.ID, pairwise.Delta{Records: records(t, itemID(2), contact.Letter, "", []byte("half"), 20)[:1]})
	text, long := "x", strings.Repeat("x", contact.MaxSignal+1)
	for name, c := range map[string]struct {
		id   int
		c    Change
		want error
	}{"not delivered": {1, Change{Text: &text}, ErrFixed}, "half": {2, Change{Text: &text}, ErrFixed}, "none": {3, Change{}, ErrNotFound}} {
		if err := v.Update(func(tx *Tx) error { _, err := tx.ChangeItem(itemID(c.id), c.c); return err }); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	save(t, v, k.ID, pairwise.Delta{Dirty: true, State: []byte("s"), Delivered: []wire.ItemID{itemID(1)}})
	if err := v.Update(func(tx *Tx) error { _, err := tx.ChangeItem(itemID(1), Change{Text: &long}); return err }); !errors.Is(err, contact.ErrTooLarge) {
		t.Errorf("too long: %v", err)
	}
	if it := getItem(t, v, itemID(1)); it.Body != "not delivered" {
		t.Errorf("%+v", it)
	}
}

// Notes change what they may, once, and are never seen.
func TestNotes(t *testing.T) {
	v, _ := fixed(t)
	a, b := someone(1), someone(2)
	addContact(t, v, a)
	addContact(t, v, b)
	addOutgoing(t, v, a.ID, 1, contact.Signal, "", []byte("to a"))
	save(t, v, a.ID, pairwise.Delta{Dirty: true, State: []byte("s"), Delivered: []wire.ItemID{itemID(1)}})
	save(t, v, a.ID, pairwise.Delta{Records: records(t, itemID(2), contact.Letter, "s", []byte("from a, the first half of it"), 40)[:1]})
	save(t, v, a.ID, pairwise.Delta{Records: records(t, itemID(3), contact.Signal, "", []byte("whole"), 4000)})
	note := func(from contact.ID, n int, kind contact.Kind, about wire.ItemID) []Applied {
		header, err := contact.NewNote(kind, about).Encode()
		if err != nil {
			t.Fatal(err)
		}
		var got []Applied
		update(t, v, func(tx *Tx) error {
			err := tx.SaveSession(from, pairwise.Delta{Dirty: true, State: []byte("s"), Records: cut(itemID(n), wire.ClassSignal, append(header, about[:]...), 4000)})
			got = tx.Applied()
			return err
		})
		return got
	}
	before := func(id int) map[string]string { return row(t, v, itemID(id)) }
	n := 60 // a note that comes again has no effect
	for name, c := range map[string]struct {
		from  contact.ID
		kind  contact.Kind
		about int
	}{
		"another contact's item": {b.ID, contact.Acknowledgement, 1}, "one's own": {a.ID, contact.Acknowledgement, 3}, "unknown": {a.ID, contact.Acknowledgement, 99},
		"withdrawing ours": {a.ID, contact.Cancellation, 1}, "withdrawing what is whole": {a.ID, contact.Cancellation, 3}, "withdrawing another's": {b.ID, contact.Cancellation, 2},
		"withdrawing nothing": {a.ID, contact.Cancellation, 99},
	} {
		was := []map[string]string{before(1), before(2), before(3)}
		n++
		got := note(c.from, n, c.kind, itemID(c.about))
		if len(got) != 1 || got[0].Item != (wire.ItemID{}) || got[0].Note != itemID(n) {
			t.Errorf("%s: %+v", name, got)
		}
		if diff := cmp.Diff(was, []map[string]string{before(1), before(2), before(3)}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got := note(a.ID, 51, contact.Acknowledgement, itemID(1)); len(got) != 1 || got[0].Item != itemID(1) || getItem(t, v, itemID(1)).State() != StateAcknowledged {
		t.Errorf("acknowledged: %+v", got)
	}
	if got := note(a.ID, 52, contact.Acknowledgement, itemID(1)); len(got) != 1 || got[0].Item != (wire.ItemID{}) {
		t.Errorf("acknowledged again: %+v", got)
	}
	if got := note(a.ID, 53, contact.Cancellation, itemID(2)); len(got) != 1 || got[0].Item != itemID(2) {
		t.Errorf("withdrawn: %+v", got)
	}
	it := getItem(t, v, itemID(2))
	if _, err := getContent(t, v, itemID(2)); it.State() != StateCancelled || !errors.Is(err, ErrIncomplete) {
		t.Errorf("withdrawn: %+v, %v", it, err)
	}
	save(t, v, a.ID, pairwise.Delta{Records: records(t, itemID(2), contact.Letter, "s", []byte("from a, the first half of it"), 40)}) // it comes all the same
	if again := getItem(t, v, itemID(2)); again.State() != StateCancelled {
		t.Errorf("what was withdrawn came back: %+v", again)
	}

	// One's own.
	var out Item
	for i, again := range []bool{false, true} {
		update(t, v, func(tx *Tx) error {
			n, was, err := tx.Acknowledge(itemID(3), itemID(60+i))
			if was != again {
				t.Errorf("again: %v", was)
			}
			if !was {
				out = n
			}
			return err
		})
	}
	for _, id := range []int{1, 2} {
		if err := v.Update(func(tx *Tx) error { _, _, err := tx.Acknowledge(itemID(id), itemID(70)); return err }); !errors.Is(err, ErrIncomplete) {
			t.Errorf("acknowledging %d: %v", id, err)
		}
	}
	if !out.Note() {
		t.Errorf("the note: %+v", out)
	}
	view(t, v, func(tx *Tx) error {
		all, err := tx.Items(Filter{})
		if len(all) != 3 {
			t.Errorf("%d items are seen", len(all))
		}
		waiting, err2 := tx.Waiting()
		if len(waiting) != 0 {
			t.Errorf("a note waits in sight: %v", waiting)
		}
		queue, err3 := tx.Outgoing(a.ID)
		if len(queue) != 1 || !queue[0].Note {
			t.Errorf("the queue: %+v", queue)
		}
		return errors.Join(err, err2, err3)
	})
	save(t, v, a.ID, pairwise.Delta{Dirty: true, State: []byte("s"), Delivered: []wire.ItemID{out.ID}})
	view(t, v, func(tx *Tx) error {
		if _, err := tx.Item(out.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("a delivered note stays: %v", err)
		}
		return nil
	})
}

func TestCancelOutgoing(t *testing.T) {
	v, _ := fixed(t)
	k := someone(1)
	addContact(t, v, k)
	addOutgoing(t, v, k.ID, 1, contact.Letter, "", []byte("never begun"))
	addOutgoing(t, v, k.ID, 2, contact.Letter, "", []byte("begun"))
	update(t, v, func(tx *Tx) error {
		if n, err := tx.CancelOutgoing(itemID(1), itemID(11), false); n.Size != 0 || err != nil {
			t.Errorf("a note about what nobody knows: %+v, %v", n, err)
		}
		n, err := tx.CancelOutgoing(itemID(2), itemID(12), true)
		if n.Header.Kind != contact.Cancellation {
			t.Errorf("%+v", n)
		}
		if _, err := tx.CancelOutgoing(itemID(2), itemID(13), true); !errors.Is(err, ErrNotFound) {
			t.Errorf("twice: %v", err)
		}
		return err
	})
	view(t, v, func(tx *Tx) error {
		queue, err := tx.Outgoing(k.ID)
		if len(queue) != 1 || queue[0].ID != itemID(12) {
			t.Errorf("the queue: %+v", queue)
		}
		return err
	})
	if b, err := getContent(t, v, itemID(2)); string(b) != "begun" || err != nil {
		t.Errorf("the own copy: %q, %v", b, err)
	}
}

func TestExpiry(t *testing.T) {
	v, c := fixed(t)
	a, b := someone(1), someone(2)
	addContact(t, v, a)
	addContact(t, v, b)
	for i, k := range []contact.Contact{a, b} {
		addOutgoing(t, v, k.ID, 10*i, contact.Signal, "", []byte("delivered"))
		addOutgoing(t, v, k.ID, 10*i+1, contact.Signal, "", []byte("not delivered"))
		for n := 2; n < 4; n++ {
			save(t, v, k.ID, pairwise.Delta{Records: records(t, itemID(10*i+n), contact.Signal, "", []byte("came in"), 4000)})
		}
		c.now = c.now.Add(time.Minute)
		save(t, v, k.ID, pairwise.Delta{Dirty: true, State: []byte("s"), Delivered: []wire.ItemID{itemID(10 * i)}})
		c.now = c.now.Add(time.Minute)
		update(t, v, func(tx *Tx) error { return tx.MarkRead(itemID(10*i + 2)) })
	}
	update(t, v, func(tx *Tx) error {
		_, err := tx.ChangeContact(a.ID, func(k *contact.Contact) { k.Expiry = time.Hour })
		return err
	})
	if it := getItem(t, v, itemID(2)); !it.Expires.Equal(start.Add(2*time.Minute+time.Hour)) || !getItem(t, v, itemID(3)).Expires.IsZero() || !getItem(t, v, itemID(12)).Expires.IsZero() {
		t.Errorf("expires %v", it.Expires)
	}
	for at, want := range map[time.Duration][]int{
		time.Hour: nil, time.Hour + time.Minute - 1: nil, time.Hour + time.Minute: {0}, time.Hour + 2*time.Minute: {0, 2}, 10000 * time.Hour: {0, 2},
	} {
		view(t, v, func(tx *Tx) error {
			gone, err := tx.Expired(start.Add(at), 10)
			var got []int
			for _, g := range gone {
				got = append(got, int(g.ID[1]))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("after %v: %s", at, diff)
			}
			return err
		})
	}
	view(t, v, func(tx *Tx) error {
		if gone, err := tx.Expired(start.Add(10000*time.Hour), 1); len(gone) != 1 || err != nil {
			t.Errorf("bounded: %v, %v", gone, err)
		}
		return nil
	})
}

func TestDraftsAndSummaries(t *testing.T) {
	v, c := fixed(t)
	a, b := someone(1), someone(2)
	addContact(t, v, a)
	addContact(t, v, b)
	addOutgoing(t, v, a.ID, 1, contact.Signal, "", []byte("x"))
	c.now = c.now.Add(time.Minute)
	save(t, v, a.ID, pairwise.Delta{Records: records(t, itemID(2), contact.Signal, "", []byte("x"), 4000)})
	update(t, v, func(tx *Tx) error {
		_, _, err := tx.Acknowledge(itemID(2), itemID(3))
		return errors.Join(err, tx.PutDraft(a.ID, Draft{"letter", "S", "zyxwvutsrq begun"}))
	})
	view(t, v, func(tx *Tx) error {
		got, err := tx.Summaries()
		if diff := cmp.Diff(map[contact.ID]Summary{a.ID: {1, 1, c.now, 0}, b.ID: {}}, got); diff != "" {
			t.Error(diff)
		}
		d, err2 := tx.Draft(a.ID)
		if d != (Draft{"letter", "S", "zyxwvutsrq begun"}) {
			t.Errorf("%+v", d)
		}
		return errors.Join(err, err2)
	})
	update(t, v, func(tx *Tx) error { return tx.PutDraft(a.ID, Draft{Kind: "letter"}) })
	if found := scan(t, v, "zyxwvutsrq"); len(found) > 0 {
		t.Error("an erased draft is in the file")
	}
}

// A vault of the first version keeps everything, in order, and finds it.
func TestMigrateContent(t *testing.T) {
	c := bare(t)
	if err := migrate(c, migrations()[:1]); err != nil {
		t.Fatal(err)
	}
	id := someone(1).ID
	content := []byte("old words")
	h, err := contact.NewHeader(contact.Signal, "", "", "", start, content)
	if err != nil {
		t.Fatal(err)
	}
	header, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.exec(`INSERT INTO contacts VALUES (1, ?, 'A', 1, 1, 0, 0, 0, '')`, id); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if err := c.exec(`INSERT INTO items VALUES (?, ?, 1, 0, 1, ?, 1, 100, 100, ?, ?, 1, 0, ?)`, n+1, itemID(n), header, start, start.Add(time.Second), h.SHA256[:]); err != nil {
			t.Fatal(err)
		}
		if err := c.exec(`INSERT INTO chunks VALUES (?, 0, ?)`, n+1, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(migrate(c, migrations()), indexOld(c, time.Now), indexOld(c, time.Now)); err != nil {
		t.Fatal(err)
	}
	tx := &Tx{conn: c, now: time.Now}
	hits, err := tx.Search("words", contact.ID{}, 0, 10)
	if len(hits) != 3 || err != nil {
		t.Fatalf("%d found, %v", len(hits), err)
	}
	for i, hit := range hits {
		if hit.ID != itemID(2-i) || hit.Number>>numberBits != start.UnixMilli() || hit.Body != "old words" {
			t.Errorf("%+v", hit)
		}
		r, err := tx.ReadContent(hit.ID)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 20)
		if n, _ := r.Read(b); string(b[:n]) != "old words" {
			t.Errorf("%q", b[:n])
		}
	}
}

// BenchmarkPages is what a page asks the vault for, with 50 contacts and 100,000
// signals.
func BenchmarkPages(b *testing.B) {
	v := crowded(b)
	for _, c := range pageCalls {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				view(b, v, c.fn)
			}
		})
	}
}

var pageCalls = []struct {
	name string
	fn   func(*Tx) error
}{
	{"summaries", func(tx *Tx) error { _, err := tx.Summaries(); return err }},
	{"newest 50 of a contact", func(tx *Tx) error {
		_, err := tx.Items(Filter{Contact: someone(7).ID, Talk: true, Limit: 50})
		return err
	}},
	{"search a common word", func(tx *Tx) error { _, err := tx.Search("usual", contact.ID{}, 0, 50); return err }},
	{"search a beginning", func(tx *Tx) error { _, err := tx.Search("signal of the usu", contact.ID{}, 0, 50); return err }},
	{"search a letter", func(tx *Tx) error { _, err := tx.Search("s", contact.ID{}, 0, 50); return err }},
	{"search one contact", func(tx *Tx) error { _, err := tx.Search("usual len", someone(7).ID, 0, 50); return err }},
	{"search nothing", func(tx *Tx) error { _, err := tx.Search("zebra", contact.ID{}, 0, 50); return err }},
	{"expired", func(tx *Tx) error { _, err := tx.Expired(time.Now(), 100); return err }},
}

// No call behind a page depends on how much is in the vault: its time with ten
// times as much stays within a few times of what it is with a little.
func TestPagesStayFast(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("fills two vaults")
	}
	took := func(v *Vault, fn func(*Tx) error) time.Duration {
		best := time.Hour
		for range 7 {
			began := time.Now()
			view(t, v, fn)
			best = min(best, time.Since(began))
		}
		return best
	}
	small, large := crowdedWith(t, 1000), crowdedWith(t, 10000)
	for _, c := range pageCalls {
		a, b := took(small, c.fn), took(large, c.fn)
		t.Logf("%s: %v, %v", c.name, a, b)
		if b > 8*a+5*time.Millisecond {
			t.Errorf("%s: %v with 1,000 items, %v with 10,000", c.name, a, b)
		}
	}
}
