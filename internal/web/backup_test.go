package web_test

import (
	"bytes"
	"context"
	"errors"
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
