package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command has a page with a description that is more than its short one,
// and an example that uses it; the same program writes the same pages.
func TestManual(t *testing.T) {
	pages := func() string {
		dir := filepath.Join(t.TempDir(), "man")
		if _, err := writeManual(newRoot(), dir); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dir, again := pages(), pages()
	root := newRoot()
	count := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		count++
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		page, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			return
		}
		if twice, err := os.ReadFile(filepath.Join(again, name)); err != nil || !bytes.Equal(page, twice) {
			t.Errorf("%s is not the same again (%v)", name, err)
		}
		for _, section := range []string{".SH NAME", ".SH DESCRIPTION", ".SH EXAMPLE"} {
			if !bytes.Contains(page, []byte(section)) {
				t.Errorf("%s lacks %s", name, section)
			}
		}
		if len(c.Long) <= len(c.Short) {
			t.Errorf("%s has no long description", c.CommandPath())
		}
		if !strings.Contains(c.Example, c.CommandPath()) && c != root {
			t.Errorf("%s has no example that uses it: %q", c.CommandPath(), c.Example)
		}
		for _, sub := range c.Commands() {
			if !sub.Hidden { // a part of bench, that only bench calls
				visit(sub)
			}
		}
	}
	visit(root)
	var out, errs strings.Builder
	written := filepath.Join(t.TempDir(), "man")
	if code := run(t.Context(), []string{"man", "--dir", written}, strings.NewReader(""), &out, &errs); code != exitOK || !strings.Contains(out.String(), "manual pages in") {
		t.Errorf("exit code %d: %s%s", code, out.String(), errs.String())
	}
	if all, err := filepath.Glob(filepath.Join(written, "*.1")); err != nil || len(all) < count {
		t.Errorf("%d pages of %d commands, %v", len(all), count, err)
	}
	if code := run(t.Context(), []string{"man", "--dir", filepath.Join(written, "backchannel.1")}, strings.NewReader(""), &out, &errs); code != exitFailure {
		t.Errorf("a folder that is a file: exit code %d", code)
	}
}

// TestExamplesAreAccepted: every command line in a help text has only flags that
// there are, all that are required, and as many arguments as the command takes.
func TestExamplesAreAccepted(t *testing.T) {
	word := regexp.MustCompile(`'[^']*'|"[^"]*"|[^ ]+`)
	pipes := regexp.MustCompile(` (?:\||&&) `)
	redirects := regexp.MustCompile(` \d?[<>].*`)
	count := 0
	accept := func(c *cobra.Command, example string) {
		var args []string
		for _, w := range word.FindAllString(redirects.ReplaceAllString(example, ""), -1) {
			args = append(args, strings.Trim(w, `'"`))
		}
		if len(args) == 0 || args[0] != "backchannel" {
			return // another program at the other end of a pipe
		}
		count++
		cmd, rest, err := newRoot().Find(args[1:])
		if err == nil {
			cmd.InitDefaultHelpFlag()
			err = cmd.ParseFlags(rest)
		}
		if err == nil {
			err = cmd.ValidateArgs(cmd.Flags().Args())
		}
		if err == nil {
			err = cmd.ValidateRequiredFlags()
		}
		if err != nil {
			t.Errorf("%s: the example %q: %v", c.CommandPath(), example, err)
		}
	}
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
			for line := range strings.Lines(sub.Example) {
				for _, part := range pipes.Split(line, -1) {
					accept(sub, strings.TrimSpace(part))
				}
			}
		}
	}
	visit(newRoot())
	if count < 80 {
		t.Errorf("only %d examples were found", count)
	}
}
