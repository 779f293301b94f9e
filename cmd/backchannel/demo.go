package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/station"
)

// The letter and the answer that ship with the program.
var (
	//go:embed demo/letter.md
	demoLetter []byte
	//go:embed demo/answer.md
	demoAnswer []byte
)

// demoOptions are the flags of the demo.
type demoOptions struct {
	script bool
	open   bool
	letter string
	dir    string
}

func demoCommand() *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "Try it: a whole network on this machine, and a negotiation carried through it",
		Long: `Start three relays, an entry and the stations of Aldmark, Borvia and Cenia on this
machine, each a process of its own with fresh keys; introduce the stations to each
other, compare their words, carry a signal and a letter from Aldmark to Borvia and an
answer back through the real network, and check what arrived.

Then the three negotiate in a room. Aldmark's offer at the expense of Cenia cannot
become an agreement without Cenia, who counters. A blind round finds the one package
that Aldmark and Borvia can both live with, another asks all three. They sign it, and
the communiqué, which "backchannel verify" checks, is left as communique.json. Then
Aldmark tells Borvia and Cenia different things, and both find out. In the end a
station makes up a transcript. Each step is checked; the first that fails ends the
demo. It takes two to four minutes.

After that everything stays up, with the addresses of the three stations' pages and
instructions for going on by hand, until interrupted.

The stations share nothing but sockets on the loopback interface. Everything is
kept in a temporary folder and removed at the end, or kept in --dir.`,
		Example: "  backchannel demo\n  backchannel demo --script --letter report.pdf",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd, o)
		},
	}
	c.Flags().BoolVar(&o.script, "script", false, "exit when the story is over and everything was checked")
	c.Flags().BoolVar(&o.open, "open", false, "open the three pages in the browser when all is ready")
	c.Flags().StringVar(&o.letter, "letter", "", "carry this file (at most 10 MB) instead of the letter that ships; - is standard input")
	c.Flags().StringVar(&o.dir, "dir", "", "keep every file in this new or empty folder")
	return c
}

func runDemo(cmd *cobra.Command, o demoOptions) (err error) {
	letter, name := demoLetter, "non-paper.md"
	if o.letter != "" {
		if letter, name, err = readInput(cmd, o.letter); err != nil {
			return err
		}
	}
	dir, cleanup, err := demoFolder(o.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cleanup()) }()

	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	r := newReporter(cmd)
	n, err := startDemoNetwork(ctx, dir, r)
	if err != nil {
		return err
	}
	defer n.stop()
	// Whatever child ends early ends the story, with its last words.
	played := make(chan error, 1)
	go func() { played <- playDemo(ctx, n, r, letter, name) }()
	select {
	case err = <-played:
	case err = <-n.failed:
		cancel()
		if late := <-played; late != nil && !errors.Is(late, context.Canceled) {
			err = errors.Join(err, late)
		}
	}
	if err != nil {
		return err
	}
	if o.script {
		r.step("done", nil, "Everything was delivered, negotiated and checked.")
		return nil
	}
	if err := printPages(ctx, r, n, o.open); err != nil {
		return err
	}
	printInstructions(r, n)
	select {
	case <-cmd.Context().Done():
		r.step("stopping", nil, "Stopping.")
		return nil
	case err := <-n.failed:
		return err
	}
}

// demoFolder makes the folder of a demo: a temporary one that is removed, or a
// given one that is kept. It refuses to mix with files that are there.
func demoFolder(dir string) (string, func() error, error) {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "backchannel-demo-")
		if err != nil {
			return "", nil, fmt.Errorf("making a folder for the demo: %w", err)
		}
		return tmp, func() error { return os.RemoveAll(tmp) }, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("making the folder for the demo: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", nil, fmt.Errorf("making the folder for the demo: %w", err)
	}
	if len(entries) > 0 {
		return "", nil, fmt.Errorf("making the folder for the demo: %s is not empty: give a new one", dir)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", nil, fmt.Errorf("making the folder for the demo: %w", err)
	}
	return abs, func() error { return nil }, nil
}

// printPages says where the pages of the stations are, and opens them if asked to.
func printPages(ctx context.Context, r *reporter, n *demoNetwork, open bool) error {
	r.text("")
	r.text("Each station has pages for a browser. The passphrase of all three is \"%s\".", demoPassphrase)
	r.text("")
	for _, s := range n.stations {
		at, err := s.api.Pages(ctx)
		if err != nil {
			return fmt.Errorf("asking %s for its pages: %w", s.name, err)
		}
		if at.Local == "" {
			return fmt.Errorf("%s serves no pages: look at its log in %s", s.name, filepath.Join(n.dir, "logs"))
		}
		o := station.DefaultPageOptions
		o.Name = s.name
		if err := s.api.SetPageOptions(ctx, o); err != nil {
			return fmt.Errorf("naming the pages of %s: %w", s.name, err)
		}
		r.text("  %-8s %s", s.name, at.Local)
		r.fields("page", map[string]any{"station": s.name, "url": at.Local})
		if open {
			if err := openBrowser(at.Local, openerPatience); err != nil {
				r.text("  %v", err)
			}
		}
	}
	return nil
}

func printInstructions(r *reporter, n *demoNetwork) {
	r.text("")
	r.text("The network stays up until you press Ctrl-C. From a second terminal, for instance:")
	r.text("")
	r.text("  export %s=%s", stationEnv, n.stations[1].dir)
	r.text("  %s inbox", n.exe)
	r.text("  %s send Aldmark \"We have read it.\"", n.exe)
	r.text("  %s follow --station %s", n.exe, n.stations[0].dir)
	r.text("  %s room show \"%s\"", n.exe, demoRoom)
	r.text("  %s status", n.exe)
	r.text("")
	r.text("Stations: %s, %s, %s.", n.stations[0].dir, n.stations[1].dir, n.stations[2].dir)
}

// demoTimeout bounds the wait for one step that needs no letter's length.
const demoTimeout = 3 * time.Minute
