package web_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"backchannel/internal/station"
)

// stuck takes so many bytes and no more.
type stuck struct{ left int }

var errStuck = errors.New("no room")

func (s *stuck) Write(p []byte) (int, error) {
	if s.left -= len(p); s.left < 0 {
		return 0, errStuck
	}
	return len(p), nil
}

func TestBackupAPI(t *testing.T) {
	c, _ := serve(t)
	ctx := t.Context()
	var file bytes.Buffer
	if err := c.Backup(ctx, "paper", &file); code(err) != station.CodeLocked || file.Len() != 0 {
		t.Errorf("a locked station: %v, %d bytes", err, file.Len())
	}
	if err := c.Unlock(ctx, "open sesame"); err != nil {
		t.Fatal(err)
	}
	if err := c.Backup(ctx, "", &file); code(err) != station.CodeInvalid || file.Len() != 0 {
		t.Errorf("an empty passphrase: %v, %d bytes", err, file.Len())
	}
	k, err := c.Invite(ctx, "Cenia", 0)
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("a letter "), 50_000)
	if _, err := c.Send(ctx, k.ID, station.Draft{Kind: "letter", Content: content}); err != nil {
		t.Fatal(err)
	}
	if err := c.Backup(ctx, "paper", &stuck{100_000}); !errors.Is(err, errStuck) {
		t.Errorf("a full disk: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.Backup(gone, "paper", &stuck{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that went away: %v", err)
	}
	if err := c.Backup(ctx, "paper", &file); err != nil {
		t.Fatal(err)
	}
	if file.Len() < len(content) || !bytes.HasPrefix(file.Bytes(), []byte("backchannel backup 1\n")) || bytes.Contains(file.Bytes(), []byte("a letter")) {
		t.Errorf("%d bytes, or not what a backup looks like", file.Len())
	}
}

// TestLostContact restores a station that had an open invitation and a letter
// waiting for it, and looks at what its pages say.
func TestLostContact(t *testing.T) {
	before := newDesk(t)
	ctx := t.Context()
	k, err := before.s.Invite(ctx, "Cenia", 0)
	if err == nil {
		_, err = before.s.Send(ctx, k.ID, station.Draft{Kind: "letter", Subject: "Elements", Content: []byte("we would not oppose")})
	}
	var file bytes.Buffer
	if err == nil {
		err = before.s.Backup(ctx, []byte("paper"), &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	network, err := os.ReadFile(before.s.Config().Network)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(before.s.Config().Folder(), "again")
	r, err := station.RestoreFolder(dir, network, &file, []byte("paper"), []byte(passphrase), "")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := station.LoadConfig(r.Config)
	if err != nil {
		t.Fatal(err)
	}
	d := newDeskOf(t, cfg)
	d.signIn()
	all, err := d.s.Contacts(ctx)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d contacts, %v", len(all), err)
	}
	for path, want := range map[string]string{
		"/": "not in the backup: invite anew", "/meet/" + all[0].ID: "it has no keys for this contact",
		"/c/" + all[0].ID: "Elements", "/c/" + all[0].ID + "/about": "Invite anew",
	} {
		if p := d.get(path); p.code != 200 || p.path != path || !strings.Contains(p.body, want) {
			t.Errorf("%s answers %d at %s without %q", path, p.code, p.path, want)
		}
	}
}
