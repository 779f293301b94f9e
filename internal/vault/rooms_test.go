package vault

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/pairwise"
	"backchannel/internal/wire"
)

// roomed is a vault with two contacts, of which both are members of one room and the
// first of another.
func roomed(t *testing.T) (v *Vault, a, b contact.Contact, both, one int64) {
	t.Helper()
	v = newVault(t, testOptions())
	a, b = someone(1), someone(2)
	update(t, v, func(tx *Tx) (err error) {
		for _, c := range []contact.Contact{a, b} {
			if err := tx.PutContact(c); err != nil {
				return err
			}
		}
		if both, err = tx.AddRoom(negotiation.FormationID{1}, []byte("f1"), []contact.ID{a.ID, b.ID}); err != nil {
			return err
		}
		one, err = tx.AddRoom(negotiation.FormationID{2}, []byte("f2"), []contact.ID{a.ID})
		return err
	})
	return v, a, b, both, one
}

func TestRooms(t *testing.T) {
	v, a, b, both, one := roomed(t)
	rows := []negotiation.Row{
		{From: negotiation.MemberID{1}, At: start, ID: negotiation.ID{1}, Raw: []byte("said to all")},
		{From: negotiation.MemberID{2}, To: negotiation.MemberID{1}, At: start.Add(time.Second), ID: negotiation.ID{2}, Raw: []byte("said to one"), Erased: true},
		{From: negotiation.MemberID{2}, At: start.Add(time.Minute), Refused: "why"},
	}
	update(t, v, func(tx *Tx) error {
		return errors.Join(
			tx.PutFormation(one, []byte("f3"), []contact.ID{b.ID, a.ID}),
			tx.PutCharter(both, negotiation.ID{7}, []byte("charter")),
			tx.PutLocal(both, []byte("local"), []byte("lasting")),
			tx.PutRoomPrivate(both, []byte("limits")),
			tx.AddRoomRows(both, rows[:1]), tx.AddRoomRows(both, rows[1:]),
			tx.PutMachine(both, "round", []byte{2}, []byte("secret")),
			tx.PutMachine(both, "round", []byte{1}, []byte("state")),
			tx.PutMachine(both, "round", []byte{1}, []byte("later")),
			tx.PutMachine(both, "signing", []byte{1}, nil),
			tx.DropMachine(both, "round", []byte{2}), tx.DropMachine(both, "round", []byte{9}))
	})
	view(t, v, func(tx *Tx) error {
		all, err := tx.Rooms()
		if len(all) != 2 || all[0].Number != both || string(all[0].Charter) != "charter" || string(all[0].Local) != "local" ||
			string(all[1].Formation) != "f3" || len(all[1].Charter) != 0 {
			t.Errorf("rooms: %+v", all)
		}
		got, err2 := tx.RoomRows(both)
		if len(got) != 3 {
			t.Fatalf("%d rows", len(got))
		}
		for i, r := range got {
			w := rows[i]
			if r.From != w.From || r.To != w.To || !r.At.Equal(w.At) || r.ID != w.ID || !bytes.Equal(r.Raw, w.Raw) || r.Erased != w.Erased || r.Refused != w.Refused {
				t.Errorf("row %d: %+v, want %+v", i, r, w)
			}
		}
		machines, err3 := tx.Machines(both, "round")
		if len(machines) != 1 || string(machines[0].State) != "later" {
			t.Errorf("machines: %+v", machines)
		}
		_, err4 := tx.Machine(both, "signing", []byte{1})
		if _, err := tx.Machine(one, "signing", []byte{1}); !errors.Is(err, ErrNotFound) {
			t.Errorf("a machine of another room: %v", err)
		}
		of, err5 := tx.RoomsOf(b.ID)
		if len(of) != 2 {
			t.Errorf("rooms of a contact: %v", of)
		}
		own, err6 := tx.RoomPrivate(both)
		if string(own) != "limits" {
			t.Errorf("own side: %q", own)
		}
		return errors.Join(err, err2, err3, err4, err5, err6)
	})
	update(t, v, func(tx *Tx) error { return tx.DeleteRoom(both) })
	if err := v.Update(func(tx *Tx) error { return tx.DeleteRoom(both) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("erasing twice: %v", err)
	}
	for _, table := range []string{"room_rows", "machines"} {
		if n := count(t, v, table); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
}

func count(t *testing.T, v *Vault, table string) (n int) {
	t.Helper()
	update(t, v, func(tx *Tx) error {
		return tx.query("SELECT 1 FROM "+table, func(*sqlite3.Stmt) error { n++; return nil })
	})
	return n
}

// TestBurnTakesRooms: a contact that is burned takes every room with it that it is a
// member of, and nothing of them stays on any page.
func TestBurnTakesRooms(t *testing.T) {
	v, a, b, both, one := roomed(t)
	marks := [][]byte{[]byte("mark of a statement"), []byte("mark of a vouch key"), []byte("mark of a limit"), []byte("mark of a machine"), []byte("mark of a stray")}
	update(t, v, func(tx *Tx) error {
		_, err := tx.AddStray(Stray{Contact: b.ID, At: start, Raw: marks[4], Reason: "x"})
		return errors.Join(err,
			tx.AddRoomRows(both, []negotiation.Row{{From: negotiation.MemberID{1}, At: start, Raw: marks[0]}}),
			tx.PutLocal(both, marks[1], marks[1]), tx.PutRoomPrivate(both, marks[2]), tx.PutMachine(both, "round", nil, marks[3]),
			tx.AddRoomRows(one, []negotiation.Row{{From: negotiation.MemberID{1}, At: start, Raw: []byte("stays")}}))
	})
	if err := v.Burn(b.ID, nil); err != nil {
		t.Fatal(err)
	}
	view(t, v, func(tx *Tx) error {
		all, err := tx.Rooms()
		if len(all) != 1 || all[0].Number != one {
			t.Errorf("rooms: %+v", all)
		}
		of, err2 := tx.RoomsOf(a.ID)
		if len(of) != 1 {
			t.Errorf("rooms of the other: %v", of)
		}
		return errors.Join(err, err2)
	})
	for _, table := range []string{"machines", "strays"} {
		if n := count(t, v, table); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
	if n := count(t, v, "room_rows"); n != 1 {
		t.Errorf("%d statements are left", n)
	}
	pages := plainPages(t, v.path)
	for _, m := range marks {
		if bytes.Contains(pages, m) {
			t.Errorf("a page still has the %s", m)
		}
	}
}

// TestMessages: a message is kept until it was delivered or read, and nowhere else.
func TestMessages(t *testing.T) {
	v, a, b, _, _ := roomed(t)
	big := bytes.Repeat([]byte("0123456789"), 10_000)
	update(t, v, func(tx *Tx) error {
		one, err := tx.AddMessage(a.ID, itemID(1), []byte("first"))
		two, err2 := tx.AddMessage(a.ID, itemID(2), big)
		if one.Size != 5 || int(two.Size) != len(big) || two.Class != wire.ClassNegotiation {
			t.Errorf("%+v, %+v", one, two)
		}
		return errors.Join(err, err2)
	})
	if err := v.Update(func(tx *Tx) error { _, err := tx.AddMessage(contact.ID{9}, itemID(3), nil); return err }); !errors.Is(err, ErrNotFound) {
		t.Errorf("to nobody: %v", err)
	}
	view(t, v, func(tx *Tx) error {
		out, err := tx.Outgoing(a.ID)
		if len(out) != 2 || out[0].ID != itemID(1) {
			t.Errorf("waiting: %+v", out)
		}
		got := make([]byte, len(big)+1)
		n, err2 := tx.ReadOutgoing(itemID(2), 0, got)
		if !bytes.Equal(got[:n], big) {
			t.Error("the message is another")
		}
		shown, err3 := tx.Items(Filter{Talk: true})
		if len(shown) != 0 {
			t.Errorf("shown among letters: %+v", shown)
		}
		return errors.Join(err, err2, err3)
	})
	save(t, v, a.ID, pairwise.Delta{Dirty: true, State: []byte("s"), Delivered: []wire.ItemID{itemID(2)}, Records: cut(itemID(4), wire.ClassNegotiation, big, 1000)})
	save(t, v, b.ID, pairwise.Delta{Dirty: true, State: []byte("s"), Records: cut(itemID(5), wire.ClassNegotiation, []byte("short"), 1000)[:1]})
	view(t, v, func(tx *Tx) error {
		if _, err := tx.Item(itemID(2)); !errors.Is(err, ErrNotFound) {
			t.Errorf("a delivered message is still here: %v", err)
		}
		in, err := tx.Messages()
		if len(in) != 2 || in[0].ID != itemID(4) || in[0].Contact != a.ID || in[0].Size != len(big) || in[1].Contact != b.ID {
			t.Fatalf("arrived: %+v", in)
		}
		raw, err2 := tx.ReadMessage(itemID(4))
		if !bytes.Equal(raw, big) {
			t.Error("what arrived is another")
		}
		return errors.Join(err, err2)
	})
	update(t, v, func(tx *Tx) error {
		for range MaxStrays {
			if kept, err := tx.AddStray(Stray{Contact: a.ID, At: start, Raw: []byte("x"), Reason: "r"}); err != nil || !kept {
				t.Errorf("kept %v, %v", kept, err)
			}
		}
		kept, err := tx.AddStray(Stray{Contact: a.ID, At: start})
		other, err2 := tx.AddStray(Stray{Contact: b.ID, At: start})
		if kept || !other {
			t.Errorf("kept %v and %v", kept, other)
		}
		return errors.Join(err, err2, tx.DeleteItem(itemID(4)), tx.DeleteItem(itemID(5)))
	})
	// What was read does not come again, whatever the other side does.
	save(t, v, a.ID, pairwise.Delta{Dirty: true, State: []byte("s"), Records: cut(itemID(4), wire.ClassNegotiation, big, 1000)})
	view(t, v, func(tx *Tx) error {
		in, err := tx.Messages()
		if len(in) != 0 {
			t.Errorf("again: %+v", in)
		}
		return err
	})
	for _, again := range [][]byte{[]byte("mark of a key that is over"), []byte("mark of the next")} {
		update(t, v, func(tx *Tx) error { return errors.Join(tx.PutLocal(1, again, []byte{}), tx.PutMachine(1, "k", nil, again)) })
	}
	if bytes.Contains(plainPages(t, v.path), []byte("mark of a key that is over")) {
		t.Error("a page still has a key that was replaced")
	}
	update(t, v, func(tx *Tx) error { return tx.DeleteStrays() })
	if n := count(t, v, "strays"); n != 0 {
		t.Errorf("%d strays", n)
	}
}

// TestBackupOfRooms: a restored station has the rooms that existed, frozen, and no
// message, machine or vouch key of them.
func TestBackupOfRooms(t *testing.T) {
	v, a, _, both, _ := roomed(t)
	update(t, v, func(tx *Tx) error {
		_, err := tx.AddMessage(a.ID, itemID(1), []byte("a vouch key"))
		return errors.Join(err,
			tx.PutCharter(both, negotiation.ID{7}, []byte("charter")), tx.PutLocal(both, []byte("a vouch key"), []byte("lasting")),
			tx.PutRoomPrivate(both, []byte("limits")), tx.PutMachine(both, "round", []byte{1}, []byte("secret")),
			tx.AddRoomRows(both, []negotiation.Row{{From: negotiation.MemberID{1}, At: start, ID: negotiation.ID{1}, Raw: []byte("said")}}))
	})
	var file bytes.Buffer
	if err := v.Backup(&file, backupPassphrase, [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "restored.db")
	if _, err := RestoreWith(path, passphrase, bytes.NewReader(file.Bytes()), backupPassphrase, testOptions()); err != nil {
		t.Fatal(err)
	}
	r, err := OpenWith(path, passphrase, testOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(r.Close(), os.Remove(path)); err != nil {
			t.Error(err)
		}
	}()
	view(t, r, func(tx *Tx) error {
		all, err := tx.Rooms()
		if len(all) != 1 || string(all[0].Local) != "lasting" || string(all[0].Charter) != "charter" {
			t.Fatalf("rooms: %+v", all)
		}
		rows, err2 := tx.RoomRows(all[0].Number)
		if len(rows) != 1 || string(rows[0].Raw) != "said" {
			t.Errorf("rows: %+v", rows)
		}
		own, err3 := tx.RoomPrivate(all[0].Number)
		if string(own) != "limits" {
			t.Errorf("own side: %q", own)
		}
		of, err4 := tx.RoomsOf(a.ID)
		if len(of) != 1 {
			t.Errorf("of a member: %v", of)
		}
		out, err5 := tx.Outgoing(a.ID)
		if len(out) != 0 {
			t.Errorf("waiting: %+v", out)
		}
		return errors.Join(err, err2, err3, err4, err5)
	})
	if n := count(t, r, "machines"); n != 0 {
		t.Errorf("%d machines", n)
	}
}
