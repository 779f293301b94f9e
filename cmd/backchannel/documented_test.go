package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestDocumentedOpenSSL runs, word for word, the commands by which docs/negotiation.md
// lets anybody check a communiqué with OpenSSL: on a good one, and on one of which the
// message was changed afterwards. The help text of verify shows the same command.
func TestDocumentedOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	doc, err := os.ReadFile("../../docs/negotiation.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)With OpenSSL 3:\n\n```\n(.*?)```").FindSubmatch(doc)
	if m == nil {
		t.Fatal("the documentation has no commands for OpenSSL")
	}
	commands := strings.Split(strings.TrimSpace(string(m[1])), "\n")
	last := commands[len(commands)-1]
	if len(commands) != 2 || !strings.HasPrefix(commands[0], "backchannel verify communique.json ") || !strings.HasPrefix(last, "openssl ") {
		t.Fatalf("the documented commands are %q", commands)
	}
	if help := verifyCommand().Long; !strings.Contains(help, strings.ReplaceAll(last, " out/", " ")) {
		t.Errorf("the help text does not show %q", last)
	}
	verify, err := os.ReadFile("testdata/verify.txtar")
	if err != nil {
		t.Fatal(err)
	}
	_, files, ok := strings.Cut(string(verify), "\n-- communique.json --\n")
	if !ok {
		t.Fatal("verify.txtar has no communiqué")
	}
	script := "exec " + strings.Join(commands, "\nexec ") + `
exec sh -c 'printf x >> out/message.bin'
! exec ` + last + "\n\n-- communique.json --\n" + files
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "documented.txtar"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{Dir: dir, RequireExplicitExec: true})
}
