package vault

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

func TestItemsFilter(t *testing.T) {
	v := newVault(t, testOptions())
	a, b := someone(1), someone(2)
	addContact(t, v, a)
	addContact(t, v, b)
	addOutgoing(t, v, a.ID, 1, contact.Signal, "", []byte("out to a"))
	save(t, v, b.ID, pairwise.Delta{Records: records(t, itemID(2), contact.Letter, "", []byte("in from b"), 4000)})
	save(t, v, a.ID, pairwise.Delta{Records: records(t, itemID(3), contact.Letter, "", []byte("in from a"), 4000)})
	save(t, v, a.ID, pairwise.Delta{Records: records(t, itemID(4), contact.Letter, "", []byte("half from a"), 40)[:1]})
	addOutgoing(t, v, b.ID, 5, contact.Letter, "", []byte("out to b"))
	save(t, v, b.ID, pairwise.Delta{Delivered: []wire.ItemID{itemID(5)}})
	update(t, v, func(tx *Tx) error { return tx.MarkRead(itemID(3)) })
	var numbers []int64
	for name, c := range map[string]struct {
		f    Filter
		want []int
	}{
		"all":             {Filter{}, []int{1, 2, 3, 4, 5}},
		"a":               {Filter{Contact: a.ID}, []int{1, 3, 4}},
		"incoming":        {Filter{Incoming: true}, []int{2, 3, 4}},
		"outgoing":        {Filter{Outgoing: true}, []int{1, 5}},
		"both":            {Filter{Incoming: true, Outgoing: true}, nil},
		"unread":          {Filter{Unread: true}, []int{2}},
		"undelivered":     {Filter{Undelivered: true}, []int{1}},
		"undelivered b":   {Filter{Undelivered: true, Contact: b.ID}, nil},
		"newest two":      {Filter{Limit: 2}, []int{4, 5}},
		"newest two of a": {Filter{Limit: 2, Contact: a.ID}, []int{3, 4}},
	} {
		view(t, v, func(tx *Tx) error {
			got, err := tx.Items(c.f)
			var n []int
			for _, it := range got {
				n = append(n, int(it.ID[1]))
				if name == "all" {
					numbers = append(numbers, it.Number)
				}
			}
			if diff := cmp.Diff(c.want, n); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			return err
		})
	}
	view(t, v, func(tx *Tx) error {
		got, err := tx.Items(Filter{Before: numbers[2], Limit: 1})
		if len(got) != 1 || got[0].ID != itemID(2) {
			t.Errorf("the page before: %+v", got)
		}
		if _, err := tx.Items(Filter{Contact: contact.ID{99}}); !errors.Is(err, ErrNotFound) {
			t.Errorf("of nobody: %v", err)
		}
		if _, err := tx.Item(itemID(77)); !errors.Is(err, ErrNotFound) {
			t.Errorf("no such item: %v", err)
		}
		if _, err := tx.ReadContent(itemID(77)); !errors.Is(err, ErrNotFound) {
			t.Errorf("content of no item: %v", err)
		}
		return err
	})
	for what, fn := range map[string]func(*Tx) error{
		"reading an outgoing one": func(tx *Tx) error { return tx.MarkRead(itemID(1)) },
		"reading none":            func(tx *Tx) error { return tx.MarkRead(itemID(77)) },
		"deleting none":           func(tx *Tx) error { return tx.DeleteItem(itemID(77)) },
	} {
		if err := v.Update(fn); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	update(t, v, func(tx *Tx) error { return tx.DeleteItem(itemID(2)) })
	view(t, v, func(tx *Tx) error {
		if _, err := tx.Item(itemID(2)); !errors.Is(err, ErrNotFound) {
			t.Errorf("after deletion: %v", err)
		}
		return nil
	})
}

func TestFind(t *testing.T) {
	v := newVault(t, testOptions())
	c := someone(1)
	addContact(t, v, c)
	for _, n := range []int{0x1234, 0x1235, 0xfff0} {
		addOutgoing(t, v, c.ID, n, contact.Signal, "", []byte("x"))
	}
	for digits, want := range map[string]int{
		"": 0, "1": 2, "12": 2, "123": 2, "1234": 1, "12340": 1, "1234070": 1, "1236": 0, "f": 1, "FFF0": 1, "ffff": 0,
		"g": 0, "12 34": 0, "%": 0, "1234070000000000000000000000000": 0, "12340700000000000000000000000000": 1, "123407000000000000000000000000000": 0,
	} {
		if len(digits) == 31 {
			want = 1
		}
		view(t, v, func(tx *Tx) error {
			got, err := tx.Find(digits)
			if len(got) != want {
				t.Errorf("%q: %d found, want %d", digits, len(got), want)
			}
			return err
		})
	}
}

func TestAddOutgoingRefuses(t *testing.T) {
	v := newVault(t, testOptions())
	c := someone(1)
	addContact(t, v, c)
	content := []byte("some content")
	h, _ := letter(t, contact.Letter, "", content)
	broken := errors.New("broken pipe")
	for name, add := range map[string]func(*Tx) error{
		"nobody": func(tx *Tx) error {
			_, err := tx.AddOutgoing(contact.ID{99}, itemID(1), h, bytes.NewReader(content))
			return err
		},
		"too short": func(tx *Tx) error {
			_, err := tx.AddOutgoing(c.ID, itemID(1), h, bytes.NewReader(content[1:]))
			return err
		},
		"too long": func(tx *Tx) error {
			_, err := tx.AddOutgoing(c.ID, itemID(1), h, bytes.NewReader(append(content, 0)))
			return err
		},
		"endless": func(tx *Tx) error { _, err := tx.AddOutgoing(c.ID, itemID(1), h, endless{}); return err },
		"other bytes": func(tx *Tx) error {
			_, err := tx.AddOutgoing(c.ID, itemID(1), h, strings.NewReader("SOME CONTENT"))
			return err
		},
		"reader fails": func(tx *Tx) error { _, err := tx.AddOutgoing(c.ID, itemID(1), h, iotest.ErrReader(broken)); return err },
		"bad header": func(tx *Tx) error {
			_, err := tx.AddOutgoing(c.ID, itemID(1), contact.Header{}, bytes.NewReader(nil))
			return err
		},
	} {
		if err := v.Update(add); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	view(t, v, func(tx *Tx) error {
		if all, err := tx.Items(Filter{}); len(all) != 0 || err != nil {
			t.Errorf("something stayed: %v, %v", all, err)
		}
		return nil
	})
	addOutgoing(t, v, c.ID, 1, contact.Letter, "", content)
	if err := v.Update(func(tx *Tx) error { _, err := tx.AddOutgoing(c.ID, itemID(1), h, bytes.NewReader(content)); return err }); err == nil {
		t.Error("the same identifier twice is accepted")
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// Reading an outgoing item from anywhere gives its bytes, whatever the size.
func TestReadOutgoing(t *testing.T) {
	v := newVault(t, Options{KDF: weak, SyncOff: true})
	c := someone(1)
	addContact(t, v, c)
	whole := map[int][]byte{}
	sizes := []int{0, 1, 5, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize + 17}
	for n, size := range sizes {
		content := make([]byte, size)
		suite.Random(content)
		_, whole[n] = letter(t, contact.Letter, "subject", content)
		it := addOutgoing(t, v, c.ID, n, contact.Letter, "subject", content)
		if int(it.Size) != len(whole[n]) || it.SHA256 != suite.Digest(content) {
			t.Fatalf("%+v", it)
		}
		if got, err := getContent(t, v, itemID(n)); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("size %d: content %d bytes, %v", size, len(got), err)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(0, len(sizes)-1).Draw(r, "item")
		off := rapid.IntRange(0, len(whole[n])+10).Draw(r, "off")
		p := make([]byte, rapid.IntRange(0, 2*chunkSize).Draw(r, "length"))
		want := whole[n][min(off, len(whole[n])):]
		want = want[:min(len(want), len(p))]
		if err := v.View(func(tx *Tx) error {
			got, err := tx.ReadOutgoing(itemID(n), uint32(off), p)
			if !bytes.Equal(p[:got], want) {
				r.Errorf("%d bytes at %d: %d, want %d", len(p), off, got, len(want))
			}
			return err
		}); err != nil {
			r.Error(err)
		}
	})
	view(t, v, func(tx *Tx) error {
		if _, err := tx.ReadOutgoing(itemID(999), 0, make([]byte, 9)); !errors.Is(err, ErrNotFound) {
			t.Errorf("no such item: %v", err)
		}
		r, err := tx.ReadContent(itemID(2))
		if err != nil {
			return err
		}
		return iotest.TestReader(r, whole[2][len(whole[2])-5:])
	})
}

// The largest letter goes in, out and arrives.
func TestLargestLetter(t *testing.T) {
	v := newVault(t, Options{KDF: weak, SyncOff: true})
	c := someone(1)
	addContact(t, v, c)
	content := make([]byte, contact.MaxContent)
	suite.Random(content)
	addOutgoing(t, v, c.ID, 1, contact.Letter, "big", content)
	_, whole := letter(t, contact.Letter, "big", content)
	got := make([]byte, len(whole))
	view(t, v, func(tx *Tx) error {
		n, err := tx.ReadOutgoing(itemID(1), 0, got)
		if n != len(whole) || !bytes.Equal(got, whole) {
			t.Errorf("%d bytes out, want %d", n, len(whole))
		}
		return err
	})
	all := cut(itemID(2), wire.ClassLetter, whole, wire.MaxRecordData)
	for len(all) > 0 {
		k := min(100, len(all))
		save(t, v, c.ID, pairwise.Delta{Records: all[:k]})
		all = all[k:]
	}
	view(t, v, func(tx *Tx) error {
		r, err := tx.ReadContent(itemID(2))
		if err != nil {
			return err
		}
		b, err := io.ReadAll(r)
		if !bytes.Equal(b, content) {
			t.Error("another content arrived")
		}
		return err
	})
}
