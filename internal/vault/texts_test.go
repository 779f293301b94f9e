package vault

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// scan decrypts every page of the vault, free ones included, and fails if one
// holds any of the words, in any case. Words that lie across two pages are found
// in the text of the pages that follow each other in the file only.
func scan(t testing.TB, v *Vault, words ...string) (found []string) {
	t.Helper()
	if st, err := os.Stat(v.path + "-wal"); err == nil && st.Size() > 0 {
		t.Errorf("the log has %d bytes after a deletion", st.Size())
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	file, err := v.writer.c.FileControl("main", sqlite3.FCNTL_FILE_POINTER)
	if err != nil {
		t.Fatal(err)
	}
	size, err := file.(vfs.File).Size()
	if err != nil {
		t.Fatal(err)
	}
	all := make([]byte, size)
	for off := 0; off < len(all); off += 4096 { // the file decrypts block by block
		if _, err := file.(vfs.File).ReadAt(all[off:min(off+4096, len(all))], int64(off)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.HasPrefix(all, []byte("SQLite format 3")) {
		t.Fatal("the pages are not decrypted")
	}
	all = bytes.ToLower(all)
	for _, w := range words {
		if bytes.Contains(all, []byte(strings.ToLower(w))) {
			found = append(found, w)
		}
	}
	return found
}

func TestSearch(t *testing.T) {
	v := newVault(t, testOptions())
	a, b := someone(1), someone(2)
	addContact(t, v, a)
	addContact(t, v, b)
	addOutgoing(t, v, a.ID, 1, contact.Signal, "", []byte("We could talk about the Übergang of goods, c1 and x-ray."))
	addOutgoing(t, v, b.ID, 2, contact.Letter, "Transit proposal", []byte("\x00\x01 not text"))
	save(t, v, b.ID, pairwise.Delta{Records: records(t, itemID(3), contact.Signal, "", []byte("no proposal for goods today"), 4000)})
	for text, want := range map[string][]int{
		"goods": {3, 1}, "GOODS": {3, 1}, "ubergang": {1}, "Über": {1}, "propos": {3, 2}, "propos goods": nil, "proposal good": {3},
		"": nil, " \t": nil, `"`: nil, `goods"`: {3, 1}, "goods OR": nil, "x-ray": {1}, "(goods": {3, 1}, "goods*": {3, 1}, "NEAR(goods)": nil,
		"body:goods": nil, "-goods": {3, 1}, "^goods": {3, 1}, "c1": {1}, "c2": nil, "{goods}": {3, 1}, "nothing": nil, "goods\x00": {3, 1},
		"\u0301": nil, "\U0001F600": nil, "goods \u0301": {3, 1},
	} {
		view(t, v, func(tx *Tx) error {
			hits, err := tx.Search(text, contact.ID{}, 0, 10)
			var got []int
			for _, h := range hits {
				got = append(got, int(h.ID[1]))
				if !strings.Contains(h.Snippet, MatchBegin) || !strings.Contains(h.Snippet, MatchEnd) {
					t.Errorf("%q: snippet %q", text, h.Snippet)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q: %s", text, diff)
			}
			return err
		})
	}
	view(t, v, func(tx *Tx) error {
		hits, err := tx.Search("goods", b.ID, 0, 10)
		if len(hits) != 1 || hits[0].ID != itemID(3) || hits[0].Snippet != "no proposal for \ue000goods\ue001 today" {
			t.Errorf("of one contact: %+v", hits)
		}
		return err
	})
	update(t, v, func(tx *Tx) error { return tx.DeleteContact(b.ID) })
	view(t, v, func(tx *Tx) error {
		hits, err := tx.Search("goods", contact.ID{}, 0, 10)
		if len(hits) != 1 || hits[0].ID != itemID(1) {
			t.Errorf("after one was deleted: %+v", hits)
		}
		return err
	})
}

// Whatever a person types is searched for; it is never an error.
func FuzzSearch(f *testing.F) {
	for _, s := range []string{"goods", `"a" OR b*`, "NEAR(a b, 3)", "{subject}: x", "\xff", "a\x00b", "\u0301", "'; DROP"} {
		f.Add(s)
	}
	v := newVault(f, Options{KDF: weak, SyncOff: true})
	addContact(f, v, someone(1))
	addOutgoing(f, v, someone(1).ID, 1, contact.Signal, "", []byte("some goods"))
	f.Fuzz(func(t *testing.T, s string) {
		view(t, v, func(tx *Tx) error { _, err := tx.Search(s, someone(1).ID, 0, 3); return err })
	})
}

// What is erased is in no page of the file once it was written anew, which is due
// at closing and after a day; and what stays is found.
func TestErasedIsGone(t *testing.T) {
	v := newVault(t, Options{KDF: weak, SyncOff: true})
	c := someone(1)
	addContact(t, v, c)
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	word := func(n int) string {
		x := suite.Digest([]byte(fmt.Sprint(n)))
		return fmt.Sprintf("%x", x[:6])
	}
	const count = 600
	for n := range count {
		text := word(n) + " common words of every day " + word(n+10000) + strings.Repeat(" and more", rng.IntN(30))
		if n%50 == 0 {
			text += strings.Repeat(" "+word(n+20000), 700) // goes over pages
		}
		switch {
		case n%2 == 0 && len(text) < contact.MaxSignal:
			addOutgoing(t, v, c.ID, n, contact.Signal, "", []byte(text))
			save(t, v, c.ID, pairwise.Delta{Delivered: []wire.ItemID{itemID(n)}})
		default:
			h, err := contact.NewHeader(contact.Letter, "about "+word(n+30000), word(n+40000)+".md", "text/markdown", start, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			update(t, v, func(tx *Tx) error { _, err := tx.AddOutgoing(c.ID, itemID(n), h, strings.NewReader(text)); return err })
		}
	}
	if err := v.checkpoint(sqlite3.CHECKPOINT_TRUNCATE); err != nil {
		t.Fatal(err)
	}
	if got := scan(t, v, word(4)); len(got) == 0 {
		t.Fatal("the scan finds nothing")
	}
	for round := range 8 {
		gone := map[int]bool{}
		for range 30 {
			gone[rng.IntN(count/8)*8+round] = true
		}
		var words []string
		for n := range gone {
			for k := 0; k <= 40000; k += 10000 {
				words = append(words, word(n+k))
			}
			update(t, v, func(tx *Tx) error { return tx.DeleteItem(itemID(n)) })
		}
		if err := v.Sweep(); err != nil {
			t.Fatal(err)
		}
		if found := scan(t, v, words...); len(found) > 0 {
			t.Fatalf("erased words are in the file: %v", found)
		}
	}
	view(t, v, func(tx *Tx) error {
		all, err := tx.Items(Filter{})
		for _, it := range all[:20] {
			hits, err := tx.Search(strings.Fields(it.Body)[0], contact.ID{}, 0, 5)
			if err != nil || len(hits) != 1 || hits[0].ID != it.ID {
				t.Errorf("%q is not found: %d, %v", it.Body[:12], len(hits), err)
			}
		}
		return err
	})
	if err := v.writer.c.Exec(`INSERT INTO search (search, rank) VALUES ('integrity-check', 1)`); err != nil {
		t.Error(err)
	}
}

func TestTexts(t *testing.T) {
	v := newVault(t, testOptions())
	c := someone(1)
	addContact(t, v, c)
	typ, content, err := contact.ComposeLetter("# Text\nof it", "text/markdown", []contact.Part{{Name: "Übersicht.pdf", Type: "application/pdf", Content: []byte("%PDF")}, {Content: []byte{}}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := contact.NewHeader(contact.Letter, "with parts", "", typ, start, content)
	if err != nil {
		t.Fatal(err)
	}
	update(t, v, func(tx *Tx) error { _, err := tx.AddOutgoing(c.ID, itemID(1), h, bytes.NewReader(content)); return err })
	it := getItem(t, v, itemID(1))
	if it.Body != "# Text\nof it" || it.BodyType != "text/markdown" || len(it.Parts) != 2 || it.Parts[0].Name != "Übersicht.pdf" || it.Parts[0].Size != 4 || it.Parts[1].Type != "application/octet-stream" {
		t.Errorf("%+v", it)
	}
	view(t, v, func(tx *Tx) error {
		hits, err := tx.Search("ubersicht", contact.ID{}, 0, 5)
		if len(hits) != 1 || !utf8.ValidString(hits[0].Snippet) {
			t.Errorf("a file name is not found: %+v", hits)
		}
		return err
	})
}

// A sweep is due a day after the first erasure, and closing does it.
func TestSweepDue(t *testing.T) {
	now := start
	opt := testOptions()
	opt.Now = func() time.Time { return now }
	v := newVault(t, opt)
	c := someone(1)
	addContact(t, v, c)
	due := func(want bool) {
		t.Helper()
		if got, err := v.SweepDue(); err != nil || got != want {
			t.Errorf("due: %v, %v", got, err)
		}
	}
	addOutgoing(t, v, c.ID, 1, contact.Signal, "", []byte("first"))
	addOutgoing(t, v, c.ID, 2, contact.Signal, "", []byte("second"))
	now = now.Add(48 * time.Hour)
	due(false)
	update(t, v, func(tx *Tx) error { return tx.DeleteItem(itemID(1)) })
	now = now.Add(23 * time.Hour)
	update(t, v, func(tx *Tx) error { return tx.DeleteItem(itemID(2)) })
	due(false)
	now = now.Add(time.Hour)
	due(true)
	if err := v.Sweep(); err != nil {
		t.Fatal(err)
	}
	due(false)
	addOutgoing(t, v, c.ID, 3, contact.Signal, "", []byte("third"))
	update(t, v, func(tx *Tx) error { return tx.DeleteItem(itemID(3)) })
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenWith(v.path, passphrase, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	now = now.Add(48 * time.Hour)
	if got, err := again.SweepDue(); err != nil || got {
		t.Errorf("due after closing: %v, %v", got, err)
	}
}
