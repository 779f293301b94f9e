package vault

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"lukechampine.com/adiantum"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
)

// plainPages decrypts database and log block by block, without SQLite: pages in
// use, the list of free pages, what stands between rows, and frames of the log
// that are no longer valid.
func plainPages(t testing.TB, path string) []byte {
	t.Helper()
	file, err := os.ReadFile(path + keySuffix)
	if err != nil {
		t.Fatal(err)
	}
	master, _, err := openMaster(file, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	key := suite.KDF(suite.LabelVault, [][]byte{master[:]})
	cipher := adiantum.New(key[:])
	var out []byte
	for _, suffix := range []string{"", "-wal", "-journal"} {
		b, err := os.ReadFile(path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(b)%4096 != 0 {
			t.Fatalf("%s has %d bytes", suffix, len(b))
		}
		for off := 0; off < len(b); off += 4096 {
			var tweak [8]byte
			binary.LittleEndian.PutUint64(tweak[:], uint64(off))
			out = append(out, cipher.Decrypt(b[off:off+4096], tweak[:])...)
		}
		if suffix == "" && !bytes.HasPrefix(out, []byte("SQLite format 3\x00")) {
			t.Fatal("the pages were not decrypted")
		}
	}
	return out
}

// A trace is something of a contact that a burn must not leave.
type trace struct {
	what string
	data []byte
}

// victim is a contact with keys, frames, items of all kinds, a lane, an
// invitation and a setting, and lists its traces: pieces of 24 bytes of its texts
// and keys.
func victim(t testing.TB, v *Vault, n byte) (contact.Contact, []trace) {
	t.Helper()
	word := func(what string) string { return fmt.Sprintf("victim-%d-%s-%x", n, what, suite.RandomKey()) }
	c := someone(n)
	c.Name, c.Invitation = word("name"), word("invitation")
	keys := make([]byte, 3000)
	suite.Random(keys)
	frame := make([]byte, 481)
	suite.Random(frame)
	addContact(t, v, c)
	traces := []trace{{"name", []byte(c.Name)}, {"invitation", []byte(c.Invitation)}, {"identifier", c.ID[:]}}
	used := word("used")
	update(t, v, func(tx *Tx) error {
		lanes, err := tx.Lanes(4)
		if err != nil {
			return err
		}
		if lanes, err = lanes.Assign(c.ID, 1); err != nil {
			return err
		}
		return errors.Join(tx.PutLanes(lanes), tx.PutSetting("used/"+used, c.ID[:]))
	})
	traces = append(traces, trace{"setting", []byte(used)})
	var long strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&long, "%s line %d. ", word("letter"), i)
	}
	text, subject := word("signal"), word("subject")
	base := int(n) << 8
	addOutgoing(t, v, c.ID, base+1, contact.Signal, "", []byte(text))
	addOutgoing(t, v, c.ID, base+2, contact.Letter, subject, []byte(long.String()))
	got := word("arrived")
	save(t, v, c.ID, pairwise.Delta{Records: records(t, itemID(base+3), contact.Letter, word("s"), []byte(strings.Repeat(got, 50)), 400)})
	half := word("half")
	save(t, v, c.ID, pairwise.Delta{Records: records(t, itemID(base+4), contact.Letter, word("h"), []byte(strings.Repeat(half, 50)), 400)[:4]})
	save(t, v, c.ID, pairwise.Delta{State: keys, AddFrames: []pairwise.StoredFrame{{Seq: 7, Payload: frame}}, Dirty: true})
	traces = append(traces, trace{"signal", []byte(text)}, trace{"subject", []byte(subject)}, trace{"arrived letter", []byte(got)}, trace{"half a letter", []byte(half)})
	for _, p := range []struct {
		what   string
		data   []byte
		stride int
	}{{"keys", keys, 24}, {"frame", frame, 24}, {"letter", []byte(long.String()), 400}} {
		for off := 0; off+24 <= len(p.data); off += p.stride {
			traces = append(traces, trace{fmt.Sprintf("%s at %d", p.what, off), p.data[off : off+24]})
		}
	}
	return c, traces
}

// search counts the traces that are not in the pages and lists those that are.
func search(pages []byte, traces []trace) (missing int, remaining []string) {
	for _, tr := range traces {
		if bytes.Contains(pages, tr.data) {
			remaining = append(remaining, tr.what)
		} else {
			missing++
		}
	}
	return missing, remaining
}

// The scan finds every trace before the burn (but for the few that lie across two
// pages), and none afterwards; the other contacts have lost nothing.
func TestBurn(t *testing.T) {
	v := newVault(t, testOptions())
	// A full-text index keeps words apart from rows.
	update(t, v, func(tx *Tx) error {
		for _, sql := range []string{
			`CREATE VIRTUAL TABLE words USING fts5 (body)`,
			`INSERT INTO words (words, rank) VALUES ('secure-delete', 1)`,
		} {
			if err := tx.c.Exec(sql); err != nil {
				return err
			}
		}
		return nil
	})
	friend, kept := victim(t, v, 1)
	c, traces := victim(t, v, 2)
	other, more := victim(t, v, 3)
	kept = append(kept, more...)
	update(t, v, func(tx *Tx) error {
		for i, w := range []string{"aardvarkvictimword", "zebravictimword"} {
			if err := tx.exec(`INSERT INTO words (rowid, body) VALUES (?, ?)`, i+1, w+" stays and goes"); err != nil {
				return err
			}
		}
		return nil
	})
	update(t, v, func(tx *Tx) error { return tx.exec(`DELETE FROM words WHERE rowid = 1`) })
	before := plainPages(t, v.path)
	if missing, _ := search(before, traces); missing > len(traces)/20 {
		t.Fatalf("the scan finds only %d of %d traces before the burn", len(traces)-missing, len(traces))
	}
	if err := v.Burn(c.ID, func(tx *Tx) error { return tx.DeleteSettings("used/", c.ID[:]) }); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		pages := plainPages(t, v.path)
		if _, left := search(pages, traces); len(left) > 0 {
			t.Errorf("%s: %d traces are left: %v", when, len(left), left[:min(len(left), 10)])
		}
		if bytes.Contains(pages, []byte("aardvarkvictimword")) {
			t.Errorf("%s: a deleted word is left in the index", when)
		}
		if missing, _ := search(pages, kept); missing > len(kept)/20 {
			t.Errorf("%s: the scan finds only %d of %d traces of the others", when, len(kept)-missing, len(kept))
		}
	}
	check("after the burn")
	if fi, err := os.Stat(v.path + "-wal"); err == nil && fi.Size() > 3*4096+4096 {
		t.Errorf("the log has %d bytes", fi.Size())
	}
	for what, err := range map[string]error{
		"again":  v.Burn(c.ID, nil),
		"nobody": v.Burn(contact.ID{99}, nil),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("burning %s: %v", what, err)
		}
	}
	// What comes late finds nobody.
	if err := v.Update(func(tx *Tx) error {
		return tx.SaveSession(c.ID, pairwise.Delta{State: []byte("late"), Dirty: true})
	}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a late commit: %v", err)
	}
	v = reopen(t, v)
	check("after opening it again")
	view(t, v, func(tx *Tx) error {
		all, err := tx.Contacts()
		if len(all) != 2 || all[0].ID != friend.ID || all[1].ID != other.ID {
			t.Errorf("contacts: %d", len(all))
		}
		return err
	})
	for _, id := range []contact.ID{friend.ID, other.ID} {
		if got, err := getContent(t, v, itemID(int(id[0])<<8+2)); err != nil || len(got) < 100_000 {
			t.Errorf("a letter of the others: %d bytes, %v", len(got), err)
		}
	}
	if yes, err := v.Burning(); yes || err != nil {
		t.Errorf("burning: %v, %v", yes, err)
	}
}

// Deleting a contact is not enough: this is why a burn writes the file anew. The
// same scan that finds nothing after a burn is fine enough to find what a plain
// deletion without overwriting leaves.
func TestScanFindsDeleted(t *testing.T) {
	v := newVault(t, testOptions())
	c, traces := victim(t, v, 2)
	if err := v.writer.c.Exec("PRAGMA secure_delete = OFF"); err != nil {
		t.Fatal(err)
	}
	update(t, v, func(tx *Tx) error { return errors.Join(tx.DeleteContact(c.ID), tx.DeleteSettings("used/", c.ID[:])) })
	if _, left := search(plainPages(t, v.path), traces); len(left) < len(traces)/2 {
		t.Errorf("only %d of %d traces are found after a deletion that overwrites nothing", len(left), len(traces))
	}
	if err := v.sweep(); err != nil {
		t.Fatal(err)
	}
	if _, left := search(plainPages(t, v.path), traces); len(left) > 0 {
		t.Errorf("after writing it anew: %v", left[:min(len(left), 10)])
	}
}

// Whatever step a burn is interrupted after, the next Open completes it.
func TestBurnResumes(t *testing.T) {
	for _, step := range []string{"keys", "texts", "disk full"} {
		t.Run(step, func(t *testing.T) {
			v := newVault(t, testOptions())
			victim(t, v, 1)
			c, traces := victim(t, v, 2)
			var err error
			tx := &Tx{conn: v.writer, now: v.opt.Now}
			switch step {
			case "keys", "texts":
				err = v.writer.transaction("BEGIN IMMEDIATE", func() error { return tx.kindle(c.ID, nil) })
				if step == "texts" && err == nil {
					err = v.writer.transaction("BEGIN IMMEDIATE", func() error { return tx.exec(`DELETE FROM contacts WHERE number IN (SELECT contact FROM burning)`) })
				}
			case "disk full":
				full := errors.New("no room")
				v.beforeSweep = func() error { return fmt.Errorf("%w: %w", sqlite3.FULL, full) }
				if err := v.Burn(c.ID, nil); !errors.Is(err, ErrUnswept) || !errors.Is(err, ErrDiskFull) {
					t.Fatalf("a burn without room: %v", err)
				}
				if yes, err := v.Burning(); !yes || err != nil {
					t.Errorf("burning: %v, %v", yes, err)
				}
				view(t, v, func(tx *Tx) error {
					all, err := tx.Contacts()
					if len(all) != 1 {
						t.Errorf("%d contacts are shown", len(all))
					}
					return err
				})
			}
			if err != nil {
				t.Fatal(err)
			}
			again := reopen(t, v)
			pages := plainPages(t, again.path)
			for _, tr := range traces {
				if tr.what == "setting" || tr.what == "identifier" {
					continue // they stand in a setting, which goes in the first transaction if the caller says so
				}
				if bytes.Contains(pages, tr.data) {
					t.Fatalf("left: %s %s", tr.what, hex.EncodeToString(tr.data))
				}
			}
			if yes, err := again.Burning(); yes || err != nil {
				t.Errorf("burning: %v, %v", yes, err)
			}
		})
	}
}
