package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"backchannel/internal/vault"
)

// TestMain lets scripts run the program as the command "backchannel", each time
// in a process of its own. Passphrases are cheap in it: what Argon2id costs is
// tested in the vault.
func TestMain(m *testing.M) {
	vault.DefaultKDF = vault.KDF{Time: 1, Memory: 8, Threads: 1}
	testscript.Main(m, map[string]func(){
		"backchannel": main,
	})
}

// TestScripts runs testdata/*.txtar. $PORT1 to $PORT4 are loopback ports that were
// free a moment ago. Beside testscript's own commands they may use
//
//	edit FILE REGEXP TEXT   replace the first match, which must exist
//	oneline FILE            FILE is one line that begins with "backchannel: "
//	usage FILE              the same, and points to a help text
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			ports, err := freePorts(4)
			for i, p := range ports {
				env.Setenv(fmt.Sprintf("PORT%d", i+1), p[strings.LastIndexByte(p, ':')+1:])
			}
			return err
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"edit": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 3 {
					ts.Fatalf("usage: edit FILE REGEXP TEXT")
				}
				path, re, text := ts.MkAbs(args[0]), regexp.MustCompile("(?m)"+args[1]), ts.ReadFile(args[0])
				at := re.FindStringIndex(text)
				if at == nil {
					ts.Fatalf("%s does not match in %s", args[1], args[0])
				}
				with := strings.ReplaceAll(args[2], `\n`, "\n")
				ts.Check(os.WriteFile(path, []byte(text[:at[0]]+with+text[at[1]:]), 0o600))
			},
			"oneline": func(ts *testscript.TestScript, neg bool, args []string) { oneErrorLine(ts, neg, args, false) },
			"usage":   func(ts *testscript.TestScript, neg bool, args []string) { oneErrorLine(ts, neg, args, true) },
		},
	})
}

func oneErrorLine(ts *testscript.TestScript, neg bool, args []string, help bool) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: oneline FILE")
	}
	text := ts.ReadFile(args[0])
	if !strings.HasPrefix(text, "backchannel: ") || strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		ts.Fatalf("not one line of error: %q", text)
	}
	if help != strings.Contains(text, `--help")`) {
		ts.Fatalf("usage error: %v, want %v: %q", !help, help, text)
	}
}

// Every command has a short description, and its flags parse; generating every
// help text and every completion script finds clashes.
func TestEveryCommandHelps(t *testing.T) {
	root := newRoot()
	var visit func(path []string)
	visit = func(path []string) {
		var out, errs strings.Builder
		if code := run(t.Context(), append(path, "--help"), strings.NewReader(""), &out, &errs); code != exitOK || out.Len() == 0 {
			t.Errorf("%v --help: exit code %d: %s", path, code, errs.String())
		}
		c, _, err := root.Find(path)
		if err != nil {
			t.Fatal(err)
		}
		if c.Short == "" {
			t.Errorf("%v has no description", path)
		}
		for _, sub := range c.Commands() {
			visit(append(append([]string(nil), path...), sub.Name()))
		}
	}
	visit(nil)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		var out, errs strings.Builder
		if code := run(t.Context(), []string{"completion", shell}, strings.NewReader(""), &out, &errs); code != exitOK || out.Len() < 1000 {
			t.Errorf("completion %s: exit code %d, %d bytes: %s", shell, code, out.Len(), errs.String())
		}
	}
}
