package vault

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// A process is killed at random moments of a burn. The contact is then there as a
// whole or, after the next Open, gone without a trace.
func TestBurnKilled(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	runs := 16
	if testing.Short() {
		runs = 5
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	whole, amid, done, window := 0, 0, 0, 40*time.Millisecond
	for range runs {
		path := filepath.Join(t.TempDir(), "vault.db")
		v, err := CreateWith(path, passphrase, testOptions())
		if err != nil {
			t.Fatal(err)
		}
		victim(t, v, 1)
		c, traces := victim(t, v, 2)
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
		child := exec.Command(exe)
		child.Env = append(os.Environ(), crashEnv+"="+path, burnEnv+"=1")
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(out)
		if l, err := lines.ReadString('\n'); l != "begin\n" || err != nil {
			t.Fatalf("the child says %q, %v", l, err)
		}
		<-time.After(time.Duration(rng.Int64N(int64(window))))
		if err := child.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(lines) // its end is what is waited for
		_ = child.Wait()             // killed
		if v, err = OpenWith(path, passphrase, testOptions()); err != nil {
			t.Fatal(err)
		}
		var known bool
		view(t, v, func(tx *Tx) error {
			_, err := tx.Contact(c.ID)
			known = err == nil
			if errors.Is(err, ErrNotFound) {
				return nil
			}
			return err
		})
		pages := plainPages(t, path)
		switch {
		case string(rest) == "done\n":
			done++
			window = window * 3 / 4 // so that more are killed in the middle
		case known:
			window = window * 5 / 4
		}
		if known {
			whole++
			view(t, v, func(tx *Tx) error {
				_, _, err := tx.LoadSession(c.ID)
				return err
			})
		} else {
			if len(rest) == 0 {
				amid++
			}
			for _, tr := range traces {
				if tr.what != "setting" && tr.what != "identifier" && bytes.Contains(pages, tr.data) {
					t.Errorf("left after a kill: %s", tr.what)
				}
			}
		}
		if yes, err := v.Burning(); yes || err != nil {
			t.Errorf("burning after Open: %v, %v", yes, err)
		}
		if err := v.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("killed %d times before the burn took effect, %d times amid, %d times after it", whole, amid, done)
	if amid+done == 0 {
		t.Error("no burn had begun in any run")
	}
}

// Destroying leaves nothing of a vault, needs no passphrase, and does what it can
// while the vault is open.
func TestDestroy(t *testing.T) {
	v := newVault(t, testOptions())
	victim(t, v, 1)
	kept := filepath.Join(t.TempDir(), "kept")
	if err := os.WriteFile(kept, []byte("not the vault's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(kept, v.path+"-journal"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.path+keySuffix+newSuffix, []byte("half a key file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := DestroyKey(v.path); err != nil {
		t.Fatal(err)
	}
	if Exists(v.path) {
		t.Error("the key file is there")
	}
	update(t, v, func(tx *Tx) error { return tx.PutSetting("late", []byte("x")) }) // what is under way ends in order
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if _, err := OpenWith(v.path, passphrase, testOptions()); !errors.Is(err, ErrNoVault) {
		t.Errorf("opening without a key: %v", err)
	}
	for range 2 {
		if err := Destroy(v.path); err != nil {
			t.Fatal(err)
		}
	}
	left, err := filepath.Glob(v.path + "*")
	if err != nil || len(left) != 1 || left[0] != v.path+lockSuffix {
		t.Errorf("left: %v, %v", left, err)
	}
	if b, err := os.ReadFile(kept); err != nil || string(b) != "not the vault's" {
		t.Errorf("a link's target was overwritten: %q, %v", b, err)
	}
	fresh, err := CreateWith(v.path, passphrase, testOptions())
	if err != nil {
		t.Fatalf("a new vault in its place: %v", err)
	}
	if err := fresh.Close(); err != nil {
		t.Error(err)
	}
}

// What is overwritten is overwritten before the name goes.
func TestOverwrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	secret := bytes.Repeat([]byte("secret! "), 20_000)
	if err := os.WriteFile(path, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := overwrite(path, int64(len(secret))); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || len(b) != len(secret) || bytes.Contains(b, []byte("secret!")) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}
