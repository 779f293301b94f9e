package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func manCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "man",
		Short: "Write the manual pages",
		Long: `Write a manual page for this program and for each of its commands into a folder, for
"man -l" or a package. The same program writes the same pages: their date is that
of its sources.`,
		Example: "  backchannel man --dir /usr/local/share/man/man1\n  backchannel man --dir . && man -l backchannel.1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := writeManual(newRoot(), dir)
			if err != nil {
				return fmt.Errorf("writing the manual pages: %w", err)
			}
			return emit(cmd, map[string]any{"dir": dir, "pages": n}, func(w io.Writer) {
				fmt.Fprintf(w, "%s in %s.\n", plural(int64(n), "manual page"), dir)
			})
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "the folder, made if it is not there")
	_ = c.MarkFlagRequired("dir") // it exists
	return c
}

// writeManual writes one page per command and tells how many.
func writeManual(root *cobra.Command, dir string) (pages int, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	root.InitDefaultCompletionCmd()
	date := sourceDate()
	// The text has no "generated on" line.
	var count func(c *cobra.Command)
	count = func(c *cobra.Command) {
		c.DisableAutoGenTag = true
		if c.IsAvailableCommand() || c == root {
			pages++
		}
		for _, sub := range c.Commands() {
			count(sub)
		}
	}
	count(root)
	header := &doc.GenManHeader{Section: "1", Date: &date, Source: "Backchannel", Manual: "Backchannel Manual"}
	return pages, errors.Join(doc.GenManTree(root, header, dir))
}

// sourceDate is the time of the commit that the program was built from, or of a
// day before the first if the toolchain stamped none.
func sourceDate() time.Time {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return t.UTC()
			}
		}
	}
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
}
