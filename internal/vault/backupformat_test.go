package vault_test

import (
	"bytes"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

var cheap = vault.Options{KDF: vault.KDF{Time: 1, Memory: 8, Threads: 1}, SyncOff: true}

// openVault makes a vault with one contact that was introduced.
func openVault(t *testing.T) (*vault.Vault, contact.ID, pairwise.Key) {
	t.Helper()
	v, err := vault.CreateWith(filepath.Join(t.TempDir(), "v"), []byte("p"), cheap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	c := contact.Contact{ID: contact.ID{1}, Name: "Borvia", Role: pairwise.Invitee}
	key := pairwise.Key(suite.RandomKey())
	d, _ := pairwise.NewRestored(c.Role, key).Take()
	if err := v.Update(func(tx *vault.Tx) error {
		if err := tx.PutContact(c); err != nil {
			return err
		}
		return tx.SaveSession(c.ID, d)
	}); err != nil {
		t.Fatal(err)
	}
	return v, c.ID, key
}

func add(v *vault.Vault, to contact.ID, n byte, content []byte) error {
	h, err := contact.NewHeader(contact.Letter, "", "", "", time.Unix(1_800_000_000, 0), content)
	if err != nil {
		return err
	}
	return v.Update(func(tx *vault.Tx) error {
		_, err := tx.AddOutgoing(to, wire.ItemID{n, 1}, h, bytes.NewReader(content))
		return err
	})
}

// TestBackupBySecondReader reads a backup without the code that wrote it.
func TestBackupBySecondReader(t *testing.T) {
	v, id, key := openVault(t)
	content := bytes.Repeat([]byte("a text of some length. "), 10_000)
	if err := add(v, id, 1, content); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := v.Backup(&file, []byte("paper"), [32]byte{4}); err != nil {
		t.Fatal(err)
	}
	var got []byte
	rows, keys := uint64(0), uint64(0)
	all := secondBackup(t, file.Bytes(), []byte("paper"))
	var tables []string
	for _, r := range all {
		switch r[1] {
		case uint64(2):
			tables = append(tables, r[6].(string))
		case uint64(3):
			rows++
			table, _ := r[8].(uint64)
			if tables[table] == "chunks" {
				got = append(got, r[9].([]any)[2].([]byte)...)
			}
		case uint64(4):
			keys++
			if k, _ := r[12].([]byte); !bytes.Equal(k, key[:]) {
				t.Error("another K_re")
			}
		}
	}
	if last := all[len(all)-1]; last[13] != rows || last[14] != keys {
		t.Errorf("%d rows, %d keys; the end says %v and %v", rows, keys, last[13], last[14])
	}
	if all[0][1] != uint64(1) || !bytes.Equal(got, content) {
		t.Errorf("content of %d bytes", len(got))
	}
}

// TestBackupOfABusyVault makes backups while items come and go: each is a vault
// with whole items.
func TestBackupOfABusyVault(t *testing.T) {
	v, id, _ := openVault(t)
	content := bytes.Repeat([]byte("x"), 200_000)
	for n := range byte(12) {
		if err := add(v, id, n, content); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for n := byte(0); ; n = (n + 1) % 12 {
			select {
			case <-stop:
				return
			default:
			}
			if err := v.Update(func(tx *vault.Tx) error { return tx.DeleteItem(wire.ItemID{n, 1}) }); err != nil {
				t.Error(err)
				return
			}
			if err := add(v, id, n, content); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 2 {
		var file bytes.Buffer
		if err := v.Backup(&file, []byte("paper"), [32]byte{}); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "r")
		r, err := vault.RestoreWith(path, []byte("p"), &file, []byte("paper"), cheap)
		if err != nil {
			t.Fatal(err)
		}
		w, err := vault.OpenWith(path, []byte("p"), cheap)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.View(func(tx *vault.Tx) error {
			items, err := tx.Items(vault.Filter{})
			if len(items) != r.Items || len(items) < 6 {
				t.Errorf("%d items, the report says %d", len(items), r.Items)
			}
			for _, it := range items {
				p := make([]byte, it.Size)
				if n, err := tx.ReadOutgoing(it.ID, 0, p); err != nil || n != len(p) {
					t.Errorf("an item of %d bytes has %d, %v", len(p), n, err)
				}
			}
			return err
		}); err != nil {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}
