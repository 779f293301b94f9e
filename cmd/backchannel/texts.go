package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/web"
)

func textCommand() *cobra.Command {
	return family(&cobra.Command{
		Use: "text", Short: "One text that all members work on",
		Long: `One text that all members work on: each version says which one it is based on, and
what it changes. It binds nobody; an agreement may take it over.`,
		Example: "  backchannel text propose \"Straits talks\" --file draft.txt --title Preamble\n  backchannel text show \"Straits talks\"",
	}, textProposeCommand(), textShowCommand())
}

func textProposeCommand() *cobra.Command {
	var file, title, base, to string
	c := clientCommand(&cobra.Command{
		Use: "propose ROOM", Short: "Propose a text, or the next version of one",
		Long: `Propose a text, or with --base the next version of one: BASE is the first digits of
the version that yours changes.`,
		Example: "  backchannel text propose \"Straits talks\" --file draft.txt --title Preamble\n  backchannel text propose \"Straits talks\" --file draft2.txt --base 91c03f2a",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if file == "" {
				return usage("which text? name its file with --file; - is standard input")
			}
			t, err := openTable(cmd, c, args[0])
			if err != nil {
				return err
			}
			b, _, err := readInput(cmd, file)
			if err != nil {
				return err
			}
			d := negotiation.Draft{Rev: 1, Title: title, Text: string(b)}
			if base != "" {
				v, err := t.version(base)
				if err != nil {
					return err
				}
				d.Rev, d.Base = v.Rev+1, &v.ID
			}
			return said(cmd, c, t.ID, "draft", to, d)
		}),
	})
	c.Flags().StringVar(&file, "file", "", "a text file; - is standard input")
	c.Flags().StringVar(&title, "title", "", "its title")
	c.Flags().StringVar(&base, "base", "", "the version that it changes")
	c.Flags().StringVar(&to, "to", "", "a member who alone is told")
	return c
}

// version finds a version of a text.
func (t *shownTable) version(digits string) (v negotiation.DraftView, err error) {
	id, err := t.statement(digits)
	if err != nil {
		return v, err
	}
	i := slices.IndexFunc(t.View.Drafts, func(d negotiation.DraftView) bool { return d.ID == id })
	if i < 0 {
		return v, usage("what begins with %q is no text", digits)
	}
	return t.View.Drafts[i], nil
}

func textShowCommand() *cobra.Command {
	var changes bool
	c := clientCommand(&cobra.Command{
		Use: "show ROOM [VERSION]", Short: "Show a text, or what a version changes",
		Long: `Show the newest version of a text, or the one whose number begins with these digits;
with --changes what it changes: [-taken out-] and {+put in+}.`,
		Example: "  backchannel text show \"Straits talks\"\n  backchannel text show \"Straits talks\" 91c03f2a --changes",
		Args:    cobra.RangeArgs(1, 2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			t, err := openTable(cmd, c, args[0])
			if err != nil {
				return err
			}
			var v negotiation.DraftView
			switch {
			case len(args) == 2:
				if v, err = t.version(args[1]); err != nil {
					return err
				}
			case len(t.View.Drafts) == 0:
				return fmt.Errorf("there is no text yet: \"backchannel text propose\" begins one")
			default:
				v = t.View.Drafts[len(t.View.Drafts)-1]
				for _, d := range t.View.Drafts {
					if d.Latest {
						v = d
					}
				}
			}
			return emit(cmd, v, func(w io.Writer) { t.printText(w, v, changes) })
		}),
	})
	c.Flags().BoolVar(&changes, "changes", false, "show what the version changes")
	return c
}

func (t *shownTable) printText(w io.Writer, v negotiation.DraftView, changes bool) {
	fmt.Fprintf(w, "%s %s, version %d by %s, %s\n\n", v.ID.String()[:8], contact.Printable(v.Title), v.Rev, t.name(v.Author), moment(v.Time))
	text := v.Text
	if changes && len(v.Changes) > 0 {
		var b strings.Builder
		for _, e := range v.Changes {
			switch e.Op {
			case negotiation.Added:
				b.WriteString("{+" + e.Text + "+}")
			case negotiation.Removed:
				b.WriteString("[-" + e.Text + "-]")
			default:
				b.WriteString(e.Text)
			}
		}
		text = b.String()
	}
	fmt.Fprintln(w, indent(text))
}
