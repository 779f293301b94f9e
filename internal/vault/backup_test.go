package vault

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/wire"
)

// TestEveryColumnIsDecided compares the rules with the schema: a table or column
// about which nobody decided would silently be lost with a restore, or stand in a
// backup that should not have it.
func TestEveryColumnIsDecided(t *testing.T) {
	v := newVault(t, testOptions())
	columns := map[string][]string{}
	if err := v.writer.query(`SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid`, func(s *sqlite3.Stmt) error {
		columns[s.ColumnText(0)] = append(columns[s.ColumnText(0)], s.ColumnText(1))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for table, have := range columns {
		r := ruleOf(table)
		_, out := notInBackup[table]
		if (r != nil) == out {
			t.Errorf("table %s: put it into backupRules or into notInBackup", table)
		}
		if r == nil {
			continue
		}
		var decided []string
		for _, c := range r.columns {
			decided = append(decided, c.name)
		}
		slices.Sort(have)
		slices.Sort(decided)
		if !slices.Equal(have, decided) {
			t.Errorf("table %s has columns %v, decided are %v", table, have, decided)
		}
	}
	for _, r := range backupRules {
		if columns[r.name] == nil {
			t.Errorf("there is no table %s", r.name)
		}
	}
	for table := range notInBackup {
		if columns[table] == nil {
			t.Errorf("there is no table %s", table)
		}
	}
}

// session saves the session that a backup would find for a contact.
func putSession(t *testing.T, v *Vault, c contact.Contact, s *pairwise.Session) {
	t.Helper()
	d, token := s.Take()
	update(t, v, func(tx *Tx) error { return tx.SaveSession(c.ID, d) })
	s.Saved(token)
}

var backupPassphrase = []byte("battery staple")

// filledVault has two contacts, one of them introduced, and items of every state.
func filledVault(t *testing.T) *Vault {
	v := newVault(t, testOptions())
	a, b := someone(1), someone(2)
	a.Verified, a.Muted, a.Expires, a.Invitation = true, true, start, "secret invitation"
	a.SealKey = bytes.Repeat([]byte{7}, 32)
	b.Role = pairwise.Invitee
	for _, c := range []contact.Contact{a, b} {
		update(t, v, func(tx *Tx) error { return tx.PutContact(c) })
	}
	putSession(t, v, a, pairwise.NewRestored(a.Role, pairwise.Key{1, 2, 3}))
	putSession(t, v, b, pairwise.NewSession(b.Role, pairwise.Key{9}, 7))
	update(t, v, func(tx *Tx) error {
		lanes, err := contact.NewLanes(4).Assign(a.ID, 0)
		if err == nil {
			lanes, err = lanes.Assign(b.ID, 0)
		}
		if err != nil {
			return err
		}
		for key, value := range map[string]string{"used/00": "x", "seal-key": "s", "attempt": "y", "other": "z", "seal-keys": "w"} {
			if err := tx.PutSetting(key, []byte(value)); err != nil {
				return err
			}
		}
		return tx.PutLanes(lanes)
	})
	big := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	addOutgoing(t, v, a.ID, 1, contact.Signal, "", []byte("delivered"))
	addOutgoing(t, v, a.ID, 2, contact.Letter, "begun", big)
	addOutgoing(t, v, b.ID, 3, contact.Signal, "", []byte("waits for somebody who was never met"))
	state := pairwise.Delta{Dirty: true, State: stateOf(t, v, a)}
	state.Delivered, state.Progress = []wire.ItemID{itemID(1)}, []pairwise.Progress{{Item: itemID(2), Assigned: 5000}}
	state.AddFrames = []pairwise.StoredFrame{}
	state.Records = append(records(t, itemID(4), contact.Letter, "whole", big, 4000), records(t, itemID(5), contact.Signal, "", []byte("erased"), 100)...)
	state.Records = append(state.Records, records(t, itemID(6), contact.Letter, "in part", big, 4000)[:2]...)
	save(t, v, a.ID, state)
	update(t, v, func(tx *Tx) error {
		if err := tx.MarkRead(itemID(4)); err != nil {
			return err
		}
		return tx.DeleteItem(itemID(5))
	})
	return v
}

func stateOf(t *testing.T, v *Vault, c contact.Contact) (state []byte) {
	t.Helper()
	view(t, v, func(tx *Tx) (err error) {
		state, _, err = tx.LoadSession(c.ID)
		return err
	})
	return state
}

func makeBackup(t testing.TB, v *Vault) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := v.Backup(&out, backupPassphrase, [32]byte{7}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func restoreTo(t testing.TB, path string, backup []byte) (*Vault, Restored) {
	t.Helper()
	r, err := RestoreWith(path, passphrase, bytes.NewReader(backup), backupPassphrase, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	v, err := OpenWith(path, passphrase, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v, r
}

// TestBackup restores a backup and looks at everything that must be in it, and
// that must not.
func TestBackup(t *testing.T) {
	old := filledVault(t)
	file := makeBackup(t, old)
	v, r := restoreTo(t, filepath.Join(t.TempDir(), "new.db"), file)
	if r.Contacts != 2 || r.Lost != 1 || r.Items != 4 || r.Unsent != 2 || r.Net != [32]byte{7} || r.Time.Before(start) {
		t.Errorf("the report says %+v", r)
	}
	a, b := someone(1), someone(2)
	view(t, v, func(tx *Tx) error {
		if at, ok, err := tx.RestoredFrom(); err != nil || !ok || !at.Equal(r.Time) {
			t.Errorf("restored from %v, %v, %v", at, ok, err)
		}
		got, err := tx.Contact(a.ID)
		if err != nil {
			return err
		}
		if got.Verified || got.Invitation != "" || !got.Expires.IsZero() || !got.Muted || !bytes.Equal(got.SealKey, bytes.Repeat([]byte{7}, 32)) || got.Name != a.Name || got.Role != a.Role || !got.Created.Equal(a.Created) {
			t.Errorf("the contact is %+v", got)
		}
		lanes, err := tx.Lanes(4)
		if err != nil || len(lanes.All()) != 1 || lanes.All()[0].Contact != a.ID {
			t.Errorf("lanes %+v, %v", lanes.All(), err)
		}
		if _, err := tx.Setting("used/00"); err != nil {
			t.Error("a used invitation could be used again:", err)
		}
		if b, err := tx.Setting("seal-key"); err != nil || string(b) != "s" {
			t.Errorf("the published seal key is %q, %v", b, err)
		}
		for _, key := range []string{"attempt", "other", "seal-keys"} {
			if _, err := tx.Setting(key); !errors.Is(err, ErrNotFound) {
				t.Errorf("setting %s: %v", key, err)
			}
		}
		return nil
	})
	sessionOf := func(c contact.Contact) *pairwise.Session {
		s, err := pairwise.Load(stateOf(t, v, c), nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if k, ok := sessionOf(a).RestoreKey(); !ok || k != (pairwise.Key{1, 2, 3}) || sessionOf(a).Phase() != pairwise.Restoring {
		t.Errorf("K_re %x, phase %d", k, sessionOf(a).Phase())
	}
	if sessionOf(b).Phase() != pairwise.Lost {
		t.Error("a contact that was never met is not lost")
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	for n, want := range map[int]State{1: StateDelivered, 2: StateWaiting, 3: StateWaiting, 4: StateArrived} {
		it := getItem(t, v, itemID(n))
		before := getItem(t, old, itemID(n))
		if it.State() != want || it.Read != before.Read || !it.Created.Equal(before.Created) || it.Header != before.Header || it.SHA256 != before.SHA256 {
			t.Errorf("item %d is %+v, was %+v", n, it, before)
		}
	}
	for _, n := range []int{2, 4} {
		if got, err := getContent(t, v, itemID(n)); err != nil || !bytes.Equal(got, big) {
			t.Errorf("content of item %d: %d bytes, %v", n, len(got), err)
		}
	}
	view(t, v, func(tx *Tx) error {
		for _, n := range []int{5, 6} {
			if _, err := tx.Item(itemID(n)); !errors.Is(err, ErrNotFound) {
				t.Errorf("item %d: %v", n, err)
			}
		}
		return nil
	})
	// What was erased before the backup is offered again and stays away; what had
	// come in part begins anew; what is here is not shown twice.
	s := pairwise.Delta{Dirty: true, State: stateOf(t, v, a)}
	s.Records = slices.Concat(records(t, itemID(5), contact.Signal, "", []byte("erased"), 100), records(t, itemID(6), contact.Letter, "in part", big, 4000), records(t, itemID(4), contact.Letter, "whole", big, 4000))
	save(t, v, a.ID, s)
	view(t, v, func(tx *Tx) error {
		if _, err := tx.Item(itemID(5)); !errors.Is(err, ErrNotFound) {
			t.Error("an erased item came back")
		}
		all, err := tx.Items(Filter{Incoming: true})
		if err != nil || len(all) != 2 {
			t.Errorf("%d items came in, %v", len(all), err)
		}
		return nil
	})
	if getItem(t, v, itemID(6)).State() != StateArrived {
		t.Error("an item that had come in part did not arrive")
	}
}

// TestBackupHasNoKeys looks for keys and invitations in the plaintext.
func TestBackupHasNoKeys(t *testing.T) {
	v := filledVault(t)
	o, err := newOpener(bytes.NewReader(makeBackup(t, v)), backupPassphrase)
	if err != nil {
		t.Fatal(err)
	}
	var plain bytes.Buffer
	if _, err := plain.ReadFrom(o); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(plain.Bytes(), []byte("Borvia")) || !bytes.Contains(plain.Bytes(), append([]byte{1, 2, 3}, make([]byte, 29)...)) {
		t.Fatal("this is not the plaintext")
	}
	state := stateOf(t, v, someone(2))
	for i := 20; i+32 <= len(state); i++ { // the chains and σ of an introduction under way
		if k := state[i : i+32]; bytes.Count(k, []byte{0}) < 4 && bytes.Contains(plain.Bytes(), k) {
			t.Fatal("a key of a session is in the backup")
		}
	}
	if bytes.Contains(plain.Bytes(), []byte("secret invitation")) {
		t.Error("an invitation is in the backup")
	}
}

// TestBackupDamaged cuts, changes, reorders and mixes backups: each is refused and
// leaves nothing.
func TestBackupDamaged(t *testing.T) {
	v := filledVault(t)
	file := makeBackup(t, v)
	other := makeBackup(t, v)
	pieces := (len(file) - backupHeader) / sealedPiece
	if pieces < 8 || len(file) != backupHeader+pieces*sealedPiece || bytes.Equal(file, other) {
		t.Fatalf("%d bytes, %d pieces", len(file), pieces)
	}
	piece := func(f []byte, i int) []byte { return f[backupHeader+i*sealedPiece : backupHeader+(i+1)*sealedPiece] }
	flip := func(i int) []byte {
		c := bytes.Clone(file)
		c[i] ^= 1
		return c
	}
	for name, bad := range map[string][]byte{
		"empty":              {},
		"another file":       bytes.Repeat([]byte("x"), 300),
		"cut in the header":  file[:backupHeader-1],
		"nothing but header": file[:backupHeader],
		"cut in a piece":     file[:len(file)-1],
		"without the last":   file[:len(file)-sealedPiece],
		"one piece less":     slices.Concat(file[:backupHeader+sealedPiece], file[backupHeader+2*sealedPiece:]),
		"pieces swapped":     slices.Concat(file[:backupHeader], piece(file, 1), piece(file, 0), file[backupHeader+2*sealedPiece:]),
		"a piece twice":      slices.Concat(file[:backupHeader+2*sealedPiece], file[backupHeader+sealedPiece:]),
		"another's piece":    slices.Concat(file[:backupHeader], piece(other, 0), file[backupHeader+sealedPiece:]),
		"salt changed":       flip(backupHeader - 1),
		"parameters changed": flip(len(backupMagic) + 3),
		"first byte":         flip(backupHeader),
		"a byte in between":  flip(backupHeader + sealedPiece + 77),
		"last byte":          flip(len(file) - 1),
		"a byte too many":    append(bytes.Clone(file), 0),
		"newer":              slices.Concat([]byte("backchannel backup 2\n"), file[len(backupMagic):]),
	} {
		dir := t.TempDir()
		_, err := RestoreWith(filepath.Join(dir, "vault.db"), passphrase, bytes.NewReader(bad), backupPassphrase, testOptions())
		if !errors.Is(err, ErrBackup) && !errors.Is(err, ErrWrongPassphrase) && !errors.Is(err, ErrBackupNewer) {
			t.Errorf("%s: %v", name, err)
		}
		left, _ := os.ReadDir(dir)
		for _, f := range left {
			if !strings.HasSuffix(f.Name(), lockSuffix) {
				t.Errorf("%s: %s is left", name, f.Name())
			}
		}
	}
	if _, err := RestoreWith(filepath.Join(t.TempDir(), "v"), passphrase, bytes.NewReader(file), []byte("wrong"), testOptions()); !errors.Is(err, ErrWrongPassphrase) {
		t.Errorf("a wrong passphrase: %v", err)
	}
	if _, err := RestoreWith(v.path, passphrase, bytes.NewReader(file), backupPassphrase, testOptions()); !errors.Is(err, ErrInUse) {
		t.Errorf("over an open vault: %v", err)
	}
	if err := v.Backup(&bytes.Buffer{}, nil, [32]byte{}); err == nil {
		t.Error("an empty passphrase is taken")
	}
}

// failingWriter fails after so many bytes.
type failingWriter struct{ left int }

var errFull = errors.New("no room")

func (f *failingWriter) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestBackupWriteFails(t *testing.T) {
	v := filledVault(t)
	size := len(makeBackup(t, v))
	for left := 0; left < size; left += sealedPiece / 2 {
		if err := v.Backup(&failingWriter{left}, backupPassphrase, [32]byte{}); !errors.Is(err, errFull) {
			t.Fatalf("with room for %d: %v", left, err)
		}
	}
}

// TestRestoreOlder restores a backup of an earlier schema and refuses one of a
// later.
func TestRestoreOlder(t *testing.T) {
	write := func(rs ...dumpRecord) []byte {
		var out bytes.Buffer
		s, err := newSealer(&out, backupPassphrase, weak)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rs {
			b, err := r.append(nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	net := make([]byte, 32)
	head := dumpRecord{Kind: dumpHead, Version: 1, Schema: 1, Time: 5, Net: net}
	people := dumpRecord{Kind: dumpTable, Name: "contacts", Columns: []string{"number", "id", "name", "role", "created", "expires", "verified", "muted", "invitation"}}
	someone := dumpRecord{Kind: dumpRow, Values: []any{int64(1), make([]byte, 16), "Cenia", int64(1), int64(0), int64(0), int64(0), int64(0), ""}}
	key := dumpRecord{Kind: dumpKey, Contact: 1, Role: 1, Key: bytes.Repeat([]byte{5}, 32)}
	end := dumpRecord{Kind: dumpEnd, Rows: 1, Keys: 1}
	v, r := restoreTo(t, filepath.Join(t.TempDir(), "v"), write(head, people, someone, key, end))
	if r.Contacts != 1 || number(t, v.writer, "PRAGMA user_version") != len(migrations()) {
		t.Errorf("%+v at version %d", r, number(t, v.writer, "PRAGMA user_version"))
	}
	with := func(r dumpRecord, edit func(*dumpRecord)) dumpRecord { edit(&r); return r }
	for name, bad := range map[string][]dumpRecord{
		"nothing":              {},
		"no head":              {people, someone, key, end},
		"a newer schema":       {with(head, func(r *dumpRecord) { r.Schema = 99 }), end},
		"newer records":        {with(head, func(r *dumpRecord) { r.Version = 2 }), end},
		"no version":           {with(head, func(r *dumpRecord) { r.Version = 0 }), end},
		"a head twice":         {head, head, end},
		"no end":               {head, people, someone, key},
		"a foreign table":      {head, with(people, func(r *dumpRecord) { r.Name = "sessions" }), end},
		"a foreign column":     {head, with(people, func(r *dumpRecord) { r.Columns = []string{"number); --"} }), end},
		"a table twice":        {head, people, people, end},
		"a column twice":       {head, with(people, func(r *dumpRecord) { r.Columns = []string{"number", "number"} }), end},
		"a row of no table":    {head, someone, key, end},
		"a row too short":      {head, people, with(someone, func(r *dumpRecord) { r.Values = r.Values[1:] }), key, end},
		"a row that cannot be": {head, people, with(someone, func(r *dumpRecord) { r.Values = slices.Clone(r.Values); r.Values[3] = int64(3) }), key, end},
		"no key":               {head, people, someone, with(end, func(r *dumpRecord) { r.Keys = 0 })},
		"a key of nobody":      {head, people, someone, with(key, func(r *dumpRecord) { r.Contact = 2 }), end},
		"half a key":           {head, people, someone, with(key, func(r *dumpRecord) { r.Key = r.Key[:31] }), end},
		"no role":              {head, people, someone, with(key, func(r *dumpRecord) { r.Role = 0 }), end},
		"rows are missing":     {head, people, someone, key, with(end, func(r *dumpRecord) { r.Rows = 2 })},
		"something after it":   {head, people, someone, key, end, end},
	} {
		dir := t.TempDir()
		if _, err := RestoreWith(filepath.Join(dir, "v"), passphrase, bytes.NewReader(write(bad...)), backupPassphrase, testOptions()); err == nil {
			t.Errorf("%s is restored", name)
		}
		if _, err := os.Stat(filepath.Join(dir, "v")); err == nil {
			t.Errorf("%s leaves a vault", name)
		}
	}
}

// TestErasedGoesWithTheContact: the list of erased items is no trace of a contact
// that is gone.
func TestErasedGoesWithTheContact(t *testing.T) {
	v := filledVault(t)
	if n := number(t, v.writer, "SELECT count(*) FROM erased"); n != 1 {
		t.Fatalf("%d erased items", n)
	}
	update(t, v, func(tx *Tx) error { return tx.DeleteContact(someone(1).ID) })
	if n := number(t, v.writer, "SELECT count(*) FROM erased"); n != 0 {
		t.Errorf("%d identifiers are left of a deleted contact", n)
	}
}

// TestRestart applies a Delta with which a stream begins afresh.
func TestRestart(t *testing.T) {
	v := filledVault(t)
	a := someone(1)
	d := pairwise.Delta{Dirty: true, State: stateOf(t, v, a), AddFrames: []pairwise.StoredFrame{{Seq: 0, Payload: []byte("old")}}}
	save(t, v, a.ID, d)
	d.Restart, d.Delivered = true, nil
	d.AddFrames = []pairwise.StoredFrame{{Seq: 0, Payload: []byte("new")}}
	d.Records = records(t, itemID(8), contact.Signal, "", []byte("the last word of the old stream"), 100)
	save(t, v, a.ID, d)
	view(t, v, func(tx *Tx) error {
		_, frames, err := tx.LoadSession(a.ID)
		if err != nil || len(frames) != 1 || string(frames[0].Payload) != "new" {
			t.Errorf("frames %v, %v", frames, err)
		}
		if c, err := tx.Contact(a.ID); err != nil || c.Verified {
			t.Errorf("verified %v, %v", c.Verified, err)
		}
		if _, err := tx.Item(itemID(6)); !errors.Is(err, ErrNotFound) {
			t.Error("what had come in part is still there")
		}
		out, err := tx.Outgoing(a.ID)
		if err != nil || len(out) != 1 || out[0].ID != itemID(2) || out[0].Assigned != 0 {
			t.Errorf("to be offered again: %+v, %v", out, err)
		}
		return nil
	})
	if getItem(t, v, itemID(8)).State() != StateArrived || getItem(t, v, itemID(1)).State() != StateDelivered {
		t.Error("what the old stream had brought is lost")
	}
}

// FuzzDump reads records: what parses is encoded to the same bytes.
func FuzzDump(f *testing.F) {
	for _, r := range []dumpRecord{
		{Kind: dumpHead, Version: 1, Schema: 2, Time: 1_800_000_000_000, Net: make([]byte, 32)},
		{Kind: dumpTable, Name: "contacts", Columns: []string{"number", "id"}},
		{Kind: dumpRow, Table: 3, Values: []any{int64(-1), "text", []byte{1, 2}, int64(1 << 40)}},
		{Kind: dumpKey, Contact: 4, Role: 1, Key: make([]byte, 32)},
		{Kind: dumpEnd, Rows: 7, Keys: 1},
	} {
		b, err := r.append(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := readDump(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, err := r.append(nil)
		if err != nil || !bytes.HasPrefix(b, again) {
			t.Fatal("encoded differently")
		}
	})
}

// FuzzBackupFile opens files: whatever they say, they are refused or read to their
// end.
func FuzzBackupFile(f *testing.F) {
	var out bytes.Buffer
	s, err := newSealer(&out, backupPassphrase, weak)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := s.Write([]byte("content")); err != nil {
		f.Fatal(err)
	}
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Add(out.Bytes()[:backupHeader])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > backupHeader && (b[len(backupMagic)] != 0 || b[len(backupMagic)+4] != 0 || b[len(backupMagic)+5] != 0) {
			return // a passphrase that costs minutes is no finding
		}
		o, err := newOpener(bytes.NewReader(b), backupPassphrase)
		if err != nil {
			return
		}
		if n, err := (&bytes.Buffer{}).ReadFrom(o); err == nil && n != pieceSize {
			t.Fatalf("%d bytes", n)
		}
	})
}
