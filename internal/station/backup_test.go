package station

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// signedNetwork makes a network file of one relay, which nobody runs.
func signedNetwork(t *testing.T, name string) []byte {
	t.Helper()
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	p.Relays, p.T0 = 1, time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	key := suite.NewSigningKey(suite.RandomKey())
	nw := &wire.Network{
		Name: name, Params: p,
		Entry:      wire.Entry{Addresses: []string{"127.0.0.1:1"}, TLS: suite.RandomKey()},
		Relays:     []wire.RelayRecord{{Name: "relay", Operator: "Aldmark", Address: "127.0.0.1:2", Verify: key.Public(), TLS: suite.RandomKey()}},
		Signatures: make([][]byte, 1),
	}
	if err := nw.Sign(0, key); err != nil {
		t.Fatal(err)
	}
	return nw.Encode()
}

// running starts a station that ends with the test.
func running(t *testing.T, cfg Config, passphrase string) *Station {
	t.Helper()
	s, err := Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.OpenVault([]byte(passphrase)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func codeOf(err error) Code {
	var e *Error
	errors.As(err, &e)
	if e == nil {
		return ""
	}
	return e.Code
}

func TestBackupAndRestoreFolder(t *testing.T) {
	dir := t.TempDir()
	network := signedNetwork(t, "one")
	cfg, err := InitFolder(filepath.Join(dir, "old"), network, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := CreateVault(cfg, []byte("old passphrase")); err != nil {
		t.Fatal(err)
	}
	s := running(t, cfg, "old passphrase")
	ctx := t.Context()
	if _, err := s.Invite(ctx, "Borvia", 0); err != nil {
		t.Fatal(err)
	}
	it, err := s.Send(ctx, "Borvia", Draft{Kind: "letter", Subject: "kept", Content: []byte("text")})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := s.SealKey(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := s.Backup(ctx, nil, &file); codeOf(err) != CodeInvalid {
		t.Errorf("an empty passphrase: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Backup(gone, []byte("x"), &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that went away: %v", err)
	}
	if err := s.Backup(ctx, []byte("paper"), &file); err != nil {
		t.Fatal(err)
	}
	if st, err := s.Status(ctx); err != nil || st.Backup != nil {
		t.Errorf("a station that was never restored says %v, %v", st.Backup, err)
	}
	if err := s.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(ctx, []byte("paper"), &bytes.Buffer{}); codeOf(err) != CodeLocked {
		t.Errorf("a locked station: %v", err)
	}

	try := func(name string, network, backup []byte, pass string) (RestoreReport, error) {
		return RestoreFolder(filepath.Join(dir, name), network, bytes.NewReader(backup), []byte(pass), []byte("new passphrase"), "127.0.0.1:9050")
	}
	if err := os.WriteFile(filepath.Join(dir, "in the way"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := names(t, dir)
	for _, c := range []struct {
		name, dir string
		network   []byte
		backup    []byte
		pass      string
		want      error
	}{
		{"a wrong passphrase", "new", network, file.Bytes(), "scissors", vault.ErrWrongPassphrase},
		{"a backup that was cut", "new", network, file.Bytes()[:file.Len()-5], "paper", vault.ErrBackup},
		{"a network file that is none", "new", []byte("x"), file.Bytes(), "paper", nil},
		{"a folder with a station", "old", network, file.Bytes(), "paper", nil},
		{"a file in the way", "in the way", network, file.Bytes(), "paper", nil},
	} {
		r, err := try(c.dir, c.network, c.backup, c.pass)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || r != (RestoreReport{}) {
			t.Errorf("%s: %+v, %v", c.name, r, err)
		}
		if after := names(t, dir); len(after) != len(before) {
			t.Errorf("%s leaves %v", c.name, after)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "new"), 0o755); err != nil { // an empty one is no obstacle
		t.Fatal(err)
	}
	r, err := try("new", network, file.Bytes(), "paper")
	if err != nil {
		t.Fatal(err)
	}
	if r.Contacts != 1 || r.Lost != 1 || r.Items != 1 || r.Unsent != 1 || r.Moved || time.Since(r.Backup) > 10*time.Minute {
		t.Errorf("report %+v", r)
	}
	again, err := LoadConfig(r.Config)
	if err != nil {
		t.Fatal(err)
	}
	if again.SOCKS5 != "127.0.0.1:9050" {
		t.Errorf("the proxy is %q", again.SOCKS5)
	}
	oldAccount, err := cfg.LoadAccount()
	if err != nil {
		t.Fatal(err)
	}
	newAccount, err := again.LoadAccount()
	if err != nil {
		t.Fatal(err)
	}
	if oldAccount.Public() == newAccount.Public() {
		t.Error("the restored station has the account of the old one")
	}
	if _, err := os.Stat(again.Mark); err == nil {
		t.Error("the restored station has a mark")
	}
	if fi, err := os.Stat(filepath.Dir(r.Config)); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode is %v, %v", fi.Mode(), err)
	}
	n := running(t, again, "new passphrase")
	people, err := n.Contacts(ctx)
	if err != nil || len(people) != 1 || people[0].State != StateLost || !people[0].Restored || people[0].Verified || people[0].Backup == nil || !people[0].Backup.Equal(r.Backup) {
		t.Errorf("contacts %+v, %v", people, err)
	}
	if b, err := n.Content(ctx, it.ID); err != nil || string(b) != "text" {
		t.Errorf("content %q, %v", b, err)
	}
	if again, err := n.SealKey(ctx); err != nil || again != sealed {
		t.Errorf("the published seal key is %s, %v; it was %s", again, err, sealed)
	}
	if k, err := n.Invite(ctx, "Cenia", 0); err != nil {
		t.Error(err)
	} else if k, err = n.Contact(ctx, k.ID); err != nil || k.Backup != nil || k.Restored {
		t.Errorf("a contact of after the restore: %+v, %v", k, err)
	}
	if st, err := n.Status(ctx); err != nil || st.Backup == nil || !st.Backup.Equal(r.Backup) || st.Waiting != 1 {
		t.Errorf("status %+v, %v", st, err)
	}
	if r, err = try("elsewhere", signedNetwork(t, "two"), file.Bytes(), "paper"); err != nil || !r.Moved {
		t.Errorf("in another network: %+v, %v", r, err)
	}
	// A burn leaves the seal key, which belongs to no contact; a panic does not.
	if err := n.Burn(ctx, "Cenia"); err != nil {
		t.Fatal(err)
	}
	if again, err := n.SealKey(ctx); err != nil || again != sealed {
		t.Errorf("after a burn the seal key is %s, %v; it was %s", again, err, sealed)
	}
	if err := errors.Join(n.Panic(ctx), n.NewVault(ctx, []byte("new passphrase"))); err != nil {
		t.Fatal(err)
	}
	if again, err := n.SealKey(ctx); err != nil || again == sealed {
		t.Errorf("after a panic the seal key is %s, %v; it was %s", again, err, sealed)
	}
}

func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		out = append(out, e.Name())
	}
	return out
}
