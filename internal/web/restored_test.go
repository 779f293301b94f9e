package web_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// TestRestoredContactsCanBeRead: what a backup brought back is on the pages before
// anybody was met again, with what is missing and what is uncertain.
func TestRestoredContactsCanBeRead(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	k, err := d.s.Invite(ctx, "Borvia", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.s.InsertItem(ctx, k.ID, station.Insert{Kind: "signal", Text: "a word of before", Time: time.Now().Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	if err := d.s.Backup(ctx, []byte("paper"), &backup); err != nil {
		t.Fatal(err)
	}
	network, err := os.ReadFile(d.s.Config().Network)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(shortDir(t), "r")
	if _, err := station.RestoreFolder(dir, network, &backup, []byte("paper"), []byte(passphrase), ""); err != nil {
		t.Fatal(err)
	}
	cfg, err := station.LoadConfig(filepath.Join(dir, station.ConfigName))
	if err != nil {
		t.Fatal(err)
	}
	s, err := station.Open(cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		err = s.OpenVault([]byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	live, stop := context.WithCancel(context.Background())
	go func() { ran <- s.Run(live) }()
	defer func() {
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	pages, err := web.NewPages(s, web.PagesConfig{API: web.NewHandler(s, "test")})
	if err != nil {
		t.Fatal(err)
	}
	old := d.pages
	d.pages, d.browser = pages, newBrowser(t)
	restored := d.serve(false)
	defer restored.Close()
	local := d.local
	d.local = restored
	defer func() { d.local, d.pages = local, old }()
	d.signIn()
	p := d.get("/c/" + k.ID)
	if p.path != "/c/"+k.ID || p.code != http.StatusOK {
		t.Fatalf("the conversation leads to %s with %d", p.path, p.code)
	}
	for _, want := range []string{"a word of before", "Invite them anew", "Restored from the backup of"} {
		if !strings.Contains(p.body, want) {
			t.Errorf("the conversation does not say %q", want)
		}
	}
	if p := d.get("/meet/" + k.ID); p.code != http.StatusOK || !strings.Contains(p.body, "Invite them anew") {
		t.Errorf("its meeting: %d", p.code)
	}
	if p := d.get("/"); !strings.Contains(p.body, "lost with the old station") || !strings.Contains(p.body, `href="/c/`+k.ID) {
		t.Error("the list does not lead to it")
	}
}
