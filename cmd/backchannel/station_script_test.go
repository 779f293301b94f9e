package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestStationScripts runs testdata/station/*.txtar. Each has a signed network file
// network.toml, whose servers do not run, another one other.toml, and the
// passphrase "open sesame" as credential. Beside testscript's own commands they
// may use
//
//	answers SOCKET   wait until a station answers there
//	oneline FILE     FILE is one line that begins with "backchannel: "
//	seat FOLDER      give the station of the folder, which does not run, a seat in
//	                 a room; what was said there is in $said and so on (seat_test.go)
func TestStationScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/station",
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"network", "other"} {
				if err := signedNetwork(t.Context(), env.WorkDir, name); err != nil {
					return err
				}
			}
			creds := filepath.Join(env.WorkDir, "credentials")
			if err := os.Mkdir(creds, 0o700); err != nil {
				return err
			}
			env.Setenv("CREDENTIALS_DIRECTORY", creds)
			return os.WriteFile(filepath.Join(creds, credentialName), []byte("open sesame\n"), 0o600)
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"answers": func(ts *testscript.TestScript, neg bool, args []string) {
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for range 5000 { // a busy machine
					if c, err := net.Dial("unix", ts.MkAbs(args[0])); err == nil {
						c.Close()
						return
					}
					<-tick.C
				}
				ts.Fatalf("no station answers at %s", args[0])
			},
			"seat": func(ts *testscript.TestScript, neg bool, args []string) {
				statements, err := seatDown(ts.MkAbs(args[0]))
				ts.Check(err)
				for name, id := range statements {
					ts.Setenv(name, id.String()[:12])
				}
			},
			"oneline": func(ts *testscript.TestScript, neg bool, args []string) { oneErrorLine(ts, neg, args, false) },
		},
	})
}

// signedNetwork makes a network file that one relay has signed, with the commands.
func signedNetwork(ctx context.Context, dir, name string) error {
	base := filepath.Join(dir, "."+name)
	for _, args := range [][]string{
		{"relay", "keygen", "--dir", base, "--name", "relay-1", "--operator", "Aldmark", "--address", "127.0.0.1:1"},
		{"entry", "keygen", "--dir", base, "--address", "127.0.0.1:2"},
		{"network", "init", "--preset", "demo", "--name", name, "--relay", filepath.Join(base, "relay.pub.toml"), "--entry", filepath.Join(base, "entry.pub.toml"), "-o", filepath.Join(dir, name+".toml")},
		{"network", "sign", "--key", filepath.Join(base, "relay.key"), filepath.Join(dir, name+".toml")},
	} {
		var out, errs strings.Builder
		if code := run(ctx, args, strings.NewReader(""), &out, &errs); code != exitOK {
			return fmt.Errorf("%v: %s", args, errs.String())
		}
	}
	return nil
}
