package main

import (
	"bytes"
	"os"
	"path/filepath"
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
			visit(sub)
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
