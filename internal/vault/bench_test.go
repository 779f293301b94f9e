package vault

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// round is what a session hands over in a round in which both directions carry
// a letter: a state of 1.2 kB, two frames more, two fewer, 962 bytes in records.
func round(n uint32, id wire.ItemID) pairwise.Delta {
	state := make([]byte, 1200)
	suite.Random(state)
	d := pairwise.Delta{Dirty: true, State: state}
	for i := range uint32(2) {
		payload := make([]byte, 481)
		suite.Random(payload)
		d.AddFrames = append(d.AddFrames, pairwise.StoredFrame{Seq: 2*n + i, Payload: payload})
		if n >= 4 {
			d.DropFrames = append(d.DropFrames, 2*(n-4)+i)
		}
	}
	const record = 4072
	if before, now := n*962/record, (n+1)*962/record; now > before {
		d.Records = []wire.Record{{Class: wire.ClassNegotiation, Item: id, Offset: before * record, Data: make([]byte, record)}}
	}
	return d
}

// BenchmarkRound is a station's commit of one round. The floor is what the disk
// takes to write and sync as much.
func BenchmarkRound(b *testing.B) {
	for _, c := range []struct {
		name     string
		sessions int
		opt      Options
	}{
		{"1 session", 1, Options{KDF: weak}},
		{"4 sessions", 4, Options{KDF: weak}},
		{"4 sessions, sync off", 4, Options{KDF: weak, SyncOff: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			v := newVault(b, c.opt)
			for i := range c.sessions {
				addContact(b, v, someone(byte(i)))
			}
			n := uint32(0)
			for b.Loop() {
				deltas := make([]pairwise.Delta, c.sessions)
				for i := range deltas {
					deltas[i] = round(n, itemID(int(n/100000)*10+i))
				}
				if err := v.Update(func(tx *Tx) error {
					for i, d := range deltas {
						if err := tx.SaveSession(someone(byte(i)).ID, d); err != nil {
							return err
						}
					}
					return nil
				}); err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
	}
	b.Run("floor", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "f"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		page := make([]byte, 6*4120)
		n := int64(0)
		for b.Loop() {
			if _, err := f.WriteAt(page, n%256*int64(len(page))); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
			n++
		}
	})
}

// crowded is a vault with 50 contacts and 100,000 signals.
func crowded(b *testing.B) *Vault { return crowdedWith(b, 100000) }

func crowdedWith(b testing.TB, count int) *Vault {
	v := newVault(b, Options{KDF: weak, SyncOff: true})
	for i := range 50 {
		addContact(b, v, someone(byte(i)))
	}
	h, whole := letter(b, contact.Signal, "", []byte("a short signal of the usual length, more or less"))
	for n := 0; n < count; n += 1000 {
		update(b, v, func(tx *Tx) error {
			for i := n; i < n+1000; i++ {
				id := wire.ItemID{1, byte(i), byte(i >> 8), byte(i >> 16)}
				c := someone(byte(i % 50)).ID
				if i%2 == 0 {
					if _, err := tx.AddOutgoing(c, id, h, bytes.NewReader(whole[len(whole)-int(h.Size):])); err != nil {
						return err
					}
					if err := tx.SaveSession(c, pairwise.Delta{Dirty: true, State: []byte("state"), Delivered: []wire.ItemID{id}}); err != nil {
						return err
					}
				} else if err := tx.SaveSession(c, pairwise.Delta{Dirty: true, State: []byte("state"), Records: cut(id, wire.ClassSignal, whole, 4000)}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return v
}

func BenchmarkLists(b *testing.B) {
	v := crowded(b)
	for _, c := range []struct {
		name string
		fn   func(*Tx) error
	}{
		{"newest 100 of a contact", func(tx *Tx) error { _, err := tx.Items(Filter{Contact: someone(7).ID, Limit: 100}); return err }},
		{"newest 100", func(tx *Tx) error { _, err := tx.Items(Filter{Limit: 100}); return err }},
		{"undelivered", func(tx *Tx) error { _, err := tx.Items(Filter{Undelivered: true}); return err }},
		{"newest 100 unread", func(tx *Tx) error { _, err := tx.Items(Filter{Unread: true, Limit: 100}); return err }},
		{"waiting", func(tx *Tx) error { _, err := tx.Waiting(); return err }},
		{"outgoing of a contact", func(tx *Tx) error { _, err := tx.Outgoing(someone(7).ID); return err }},
		{"newest 100 to a contact", func(tx *Tx) error {
			_, err := tx.Items(Filter{Contact: someone(7).ID, Outgoing: true, Limit: 100})
			return err
		}},
		{"undelivered of a contact", func(tx *Tx) error {
			_, err := tx.Items(Filter{Contact: someone(7).ID, Undelivered: true, Limit: 100})
			return err
		}},
		{"find", func(tx *Tx) error { _, err := tx.Find("01"); return err }},
		{"item", func(tx *Tx) error { _, err := tx.Item(wire.ItemID{1, 5}); return err }},
		{"contacts", func(tx *Tx) error { _, err := tx.Contacts(); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				view(b, v, c.fn)
			}
		})
	}
}

func BenchmarkAddLargest(b *testing.B) {
	v := newVault(b, Options{KDF: weak})
	addContact(b, v, someone(1))
	content := make([]byte, contact.MaxContent)
	h, _ := letter(b, contact.Letter, "", content)
	n := 0
	for b.Loop() {
		n++
		update(b, v, func(tx *Tx) error {
			_, err := tx.AddOutgoing(someone(1).ID, itemID(n), h, bytes.NewReader(content))
			return err
		})
	}
}

// BenchmarkOpen includes Argon2id at its default cost.
func BenchmarkOpen(b *testing.B) {
	v := newVault(b, Options{})
	for b.Loop() {
		if err := v.Close(); err != nil {
			b.Fatal(err)
		}
		again, err := Open(v.path, passphrase)
		if err != nil {
			b.Fatal(err)
		}
		v = again
	}
	v.Close()
}

// An open vault keeps little memory, also after a large letter went through.
func TestMemory(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector keeps a shadow of all memory; without it the test runs")
	}
	inUse := func() (kB uint64) {
		debug.FreeOSMemory()
		b, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Skip("resident memory is read from /proc")
		}
		_, rest, _ := bytes.Cut(b, []byte("RssAnon:"))
		if _, err := fmt.Sscan(string(rest), &kB); err != nil {
			t.Fatal(err)
		}
		return kB
	}
	before := inUse()
	v := newVault(t, Options{KDF: weak})
	addContact(t, v, someone(1))
	opened := inUse()
	content := make([]byte, contact.MaxContent)
	addOutgoing(t, v, someone(1).ID, 1, contact.Letter, "", content)
	view(t, v, func(tx *Tx) error {
		r, err := tx.ReadContent(itemID(1))
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		return err
	})
	for n := range 1000 {
		update(t, v, func(tx *Tx) error {
			return tx.SaveSession(someone(1).ID, round(uint32(n), itemID(2)))
		})
	}
	after := inUse()
	t.Logf("%d kB before, %d kB open, %d kB after use", before, opened, after)
	if after > before+16<<10 {
		t.Errorf("an open vault takes %d kB", after-before)
	}
}
