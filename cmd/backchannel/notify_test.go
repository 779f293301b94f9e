//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// TestNotify lets something arrive and looks at all that the command is told:
// arguments, environment and input. Of a muted contact it does not run at all.
func TestNotify(t *testing.T) {
	if testing.Short() {
		t.Skip("a real network in real time")
	}
	files := newServers(t)
	for _, server := range [][2]string{{"relay", "r1"}, {"relay", "r2"}, {"entry", "e"}} {
		stop := files.start(t, server[0], server[1])
		t.Cleanup(func() {
			if code, log := stop(); code != exitOK {
				t.Errorf("exit code %d: %s", code, log)
			}
		})
	}
	network, err := os.ReadFile(files.path("net.toml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := files.dir
	script, seen := filepath.Join(dir, "ring"), filepath.Join(dir, "seen")
	if err := os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\n{ echo \"arguments: $*\"; env; echo input:; cat; echo end; } >>%s\n", seen), 0o700); err != nil {
		t.Fatal(err)
	}
	open := func(name string, c station.Connection) *web.Client {
		cfg, err := station.InitFolder(filepath.Join(dir, name), network, "")
		if err == nil {
			err = station.CreateVault(cfg, []byte(stationPass))
		}
		if err == nil {
			err = cfg.SetConnection(c)
		}
		if err == nil {
			cfg, err = cfg.Kept()
		}
		if err != nil {
			t.Fatal(err)
		}
		client, _ := runningStation(t, cfg)
		return client
	}
	aldmark, borvia := open("sa", station.Connection{}), open("sb", station.Connection{Notify: []string{script, "--once"}})
	ctx := t.Context()
	k, err := aldmark.Invite(ctx, "Borvia", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	back, err := borvia.Accept(ctx, "Aldmark", k.Invitation.Text)
	if err != nil {
		t.Fatal(err)
	}
	deliver := func(from *web.Client, to, text string) string {
		t.Helper()
		it, err := from.Send(ctx, to, station.Draft{Kind: "signal", MediaType: "text/plain; charset=utf-8", Content: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, 2*time.Minute, "the delivery", func() bool {
			now, err := from.Item(ctx, it.ID)
			return err == nil && now.State == station.ItemDelivered
		})
		return it.ID
	}
	told := func() string {
		b, err := os.ReadFile(seen)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(b)
	}
	if _, err := borvia.SetMuted(ctx, back.ID, true); err != nil {
		t.Fatal(err)
	}
	deliver(aldmark, k.ID, "Say nothing yet.")
	deliver(borvia, back.ID, "Not a word.") // what arrived is long dealt with
	if _, err := borvia.SetMuted(ctx, back.ID, false); err != nil {
		t.Fatal(err)
	}
	id := deliver(aldmark, k.ID, "Could you live with Thursday?")
	eventually(t, 2*time.Minute, "the command", func() bool { return strings.HasSuffix(told(), "input:\nend\n") })
	text := told()
	if got := strings.Count(text, "arguments: --once\n"); got != 1 {
		t.Errorf("the command ran %d times: %s", got, text)
	}
	for _, secret := range []string{"Aldmark", "Thursday", "nothing yet", id, back.ID, k.ID, stationPass, "signal"} {
		if strings.Contains(text, secret) {
			t.Errorf("the command is told %q", secret)
		}
	}
	own := os.Environ()
	for line := range strings.Lines(text) {
		name, _, isVariable := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if isVariable && !slices.Contains([]string{"PWD", "OLDPWD", "_", "SHLVL"}, name) && !slices.ContainsFunc(own, func(v string) bool { return strings.HasPrefix(v, name+"=") }) {
			t.Errorf("the command's environment has %s", name)
		}
	}
}
