package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/contact"
	"backchannel/internal/station"
	"backchannel/internal/web"
)

func ackCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "ack ID", Short: "Acknowledge an item: tell its sender that you have it", Args: cobra.ExactArgs(1),
		Long: `Tell the sender of a signal or letter that a person has it. This is the only thing
that does: neither arrival nor reading is told. The message has always the same
size and goes once.`,
		Example: "  backchannel ack 3f2a91c0",
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			it, err := c.Acknowledge(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return emit(cmd, it, func(w io.Writer) { fmt.Fprintf(w, "Acknowledged: %s will learn that you have it.\n", it.Name) })
		}),
	})
}

func cancelCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "cancel ID", Short: "Withdraw an item that is not wholly on its way", Args: cobra.ExactArgs(1),
		Long: `Stop sending a signal or letter. What the other station has of it is dropped there,
and its person sees that something was withdrawn. Once all of it is on its way it
can no longer be withdrawn. Your own copy stays until you erase it.`,
		Example: "  backchannel cancel 3f2a91c0",
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			it, err := c.CancelItem(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return emit(cmd, it, func(w io.Writer) { fmt.Fprintf(w, "Withdrawn: %s.\n", it.ID[:8]) })
		}),
	})
}

func searchCommand() *cobra.Command {
	var from string
	var limit int
	c := clientCommand(&cobra.Command{
		Use: "search WORD…", Short: "Find signals and letters by their words", Args: cobra.MinimumNArgs(1),
		Long: `Find signals and letters by words of their subject, text and file names, newest
first. All words must be there; the last may be the beginning of one. Accents and
capitals make no difference. If more were found than are listed, standard error says so.`,
		Example: "  backchannel search harbour sea\n  backchannel search --contact Borvia --limit 5 non-paper",
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			switch {
			case strings.TrimSpace(strings.Join(args, "")) == "":
				return usage("which words? name at least one")
			case limit < 0:
				return usage("--limit is a number from 1 on, or 0 for all")
			}
			q := station.SearchQuery{Text: strings.Join(args, " "), Contact: from}
			if limit > 0 {
				q.Limit = limit + 1 // one more tells whether there is more
			}
			hits, err := c.Search(cmd.Context(), q)
			if err != nil {
				return err
			}
			if limit > 0 && len(hits) > limit { // said also beside JSON, whose list looks whole
				hits = hits[:limit]
				fmt.Fprintf(cmd.ErrOrStderr(), "These are the newest %d of those that were found: --limit 0 lists all.\n", limit)
			}
			return emit(cmd, hits, func(w io.Writer) {
				if len(hits) == 0 {
					fmt.Fprintln(w, "Nothing found.")
				}
				for _, h := range hits {
					who := "from " + h.Name
					if h.Outgoing {
						who = "to " + h.Name
					}
					// Snippets stand on one line, their matches in brackets.
					marked := strings.NewReplacer("\uE000", "[", "\uE001", "]", "\r", " ", "\n", " ", "\t", " ").Replace(h.Snippet)
					fmt.Fprintf(w, "%s  %s  %s\n    %s\n", h.ID[:8], h.Created.Local().Format("2 Jan 2006 15:04"), who, contact.Printable(marked))
				}
			})
		}),
	})
	c.Flags().StringVar(&from, "contact", "", "only with this contact")
	c.Flags().IntVar(&limit, "limit", 50, "the newest so many; 0 for all")
	return c
}

// parseWhen reads a time as it is written here.
func parseWhen(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage("%q is not a time: write for instance \"2026-03-01 14:05\"", s)
}

const copiesProveNothing = `The other side's copy stays as it is. Nothing in the vault tells that a copy was
changed: copies prove nothing, and are not meant to.`

func editCommand() *cobra.Command {
	var text, subject, when string
	c := clientCommand(&cobra.Command{
		Use: "edit ID", Short: "Change your own copy of an item, whoever wrote it", Args: cobra.ExactArgs(1),
		Long:    "Change text, subject or time of your own copy of a signal or letter. A text of -\nis read from standard input.\n\n" + copiesProveNothing,
		Example: "  backchannel edit 3f2a91c0 --text \"We never talked about X.\" --time \"2026-03-01 14:05\"",
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			var e station.Edit
			if cmd.Flags().Changed("text") {
				t, err := textOrInput(cmd, text)
				if err != nil {
					return err
				}
				e.Text = &t
			}
			if cmd.Flags().Changed("subject") {
				e.Subject = &subject
			}
			if when != "" {
				t, err := parseWhen(when)
				if err != nil {
					return err
				}
				e.Time = &t
			}
			if e == (station.Edit{}) {
				return usage("say what to change: --text, --subject or --time")
			}
			it, err := c.EditItem(cmd.Context(), args[0], e)
			if err != nil {
				return err
			}
			return emit(cmd, it, func(w io.Writer) { printItems(w, []station.ItemInfo{it}) })
		}),
	})
	c.Flags().StringVar(&text, "text", "", "the new text; - reads it from standard input")
	c.Flags().StringVar(&subject, "subject", "", "the new subject of a letter")
	c.Flags().StringVar(&when, "time", "", "the time to show, such as \"2026-03-01 14:05\"")
	return c
}

// textOrInput reads standard input for "-".
func textOrInput(cmd *cobra.Command, text string) (string, error) {
	if text != "-" {
		return text, nil
	}
	b, _, err := readInput(cmd, "-")
	return strings.TrimRight(string(b), "\r\n"), err
}

func insertCommand() *cobra.Command {
	var in station.Insert
	var when, from, subject string
	c := clientCommand(&cobra.Command{
		Use: "insert NAME TEXT…", Short: "Put an item into your own copy of a conversation", Args: cobra.MinimumNArgs(2),
		Long:    "Put a signal, or with --subject a letter, into your own copy of a conversation, as\nif it had been sent or received at that time. Nothing is sent.\n\n" + copiesProveNothing,
		Example: "  backchannel insert Borvia --from them --time \"2026-03-01 14:05\" \"No.\"",
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if when == "" {
				return usage("--time says when it was, for instance \"2026-03-01 14:05\"")
			}
			t, err := parseWhen(when)
			if err != nil {
				return err
			}
			in.Kind, in.Subject, in.Text, in.Time = "signal", subject, strings.Join(args[1:], " "), t
			if subject != "" {
				in.Kind = "letter"
			}
			switch from {
			case "me":
				in.Outgoing = true
			case "them":
			default:
				return usage("--from says whose it is: me or them")
			}
			it, err := c.InsertItem(cmd.Context(), args[0], in)
			if err != nil {
				return err
			}
			return emit(cmd, it, func(w io.Writer) { printItems(w, []station.ItemInfo{it}) })
		}),
	})
	c.Flags().StringVar(&from, "from", "", "whose it is: me or them")
	c.Flags().StringVar(&when, "time", "", "the time to show, such as \"2026-03-01 14:05\"")
	c.Flags().StringVar(&subject, "subject", "", "make it a letter with this subject")
	return c
}

func eraseCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "erase ID", Short: "Erase your own copy of an item", Args: cobra.ExactArgs(1),
		Long: `Erase your own copy of a signal or letter: content, subject, file names and what
finds it. The other side's copy stays.`,
		Example: "  backchannel erase 3f2a91c0",
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if err := c.EraseItem(cmd.Context(), args[0]); err != nil {
				return err
			}
			return emit(cmd, map[string]string{"erased": args[0]}, func(w io.Writer) { fmt.Fprintln(w, "Erased here.") })
		}),
	})
}

func expireCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "expire NAME DURATION", Short: "Let copies with a contact erase themselves", Args: cobra.ExactArgs(2),
		Long: `Erase your own copies of what you exchange with a contact so long after they were
delivered (what you sent) or read (what came in), also of what is here already. What
is not delivered or not read stays. The other side's copies are its own affair.
A duration of "never" ends it.`,
		Example: "  backchannel expire Borvia 30d\n  backchannel expire Borvia never",
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			d := time.Duration(0)
			if args[1] != "never" {
				var err error
				if d, err = parseDuration(args[1]); err != nil {
					return err
				}
			}
			k, err := c.SetExpiry(cmd.Context(), args[0], d)
			if err != nil {
				return err
			}
			return emit(cmd, k, func(w io.Writer) {
				if k.Expiry == 0 {
					fmt.Fprintf(w, "Copies with %s stay until you erase them.\n", k.Name)
					return
				}
				fmt.Fprintf(w, "Copies with %s are erased here %s after they were delivered or read.\n", k.Name, inWords(time.Duration(k.Expiry)*time.Second))
			})
		}),
	})
}

func muteCommand(muted bool) *cobra.Command {
	use, short, said := "mute NAME", "Let a contact arrive without notice", "%s arrives without notice now.\n"
	long := `Let what a contact sends arrive without a notice and without being counted in the
title of the pages. It is delivered and kept as always, and the contact does not
learn of it. "backchannel unmute" ends it.`
	if !muted {
		use, short, said = "unmute NAME", "Announce again what a contact sends", "What %s sends is announced again.\n"
		long = `Announce again what a contact sends: the end of "backchannel mute". What arrived
meanwhile is in the inbox.`
	}
	verb, _, _ := strings.Cut(use, " ")
	return clientCommand(&cobra.Command{
		Use: use, Short: short, Long: long, Example: "  backchannel " + verb + " Borvia", Args: cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			k, err := c.SetMuted(cmd.Context(), args[0], muted)
			if err != nil {
				return err
			}
			return emit(cmd, k, func(w io.Writer) { fmt.Fprintf(w, said, k.Name) })
		}),
	})
}

func draftCommand() *cobra.Command {
	var text, subject string
	var letter, clear bool
	c := clientCommand(&cobra.Command{
		Use: "draft NAME", Short: "Show or keep what you began to write to a contact", Args: cobra.ExactArgs(1),
		Long: `Show the draft to a contact, or keep one with --text (- reads standard input). It is
in the vault, and the page shows the same. --clear erases it.`,
		Example: "  backchannel draft Borvia --letter --subject \"Non-paper\" --text - < begun.md\n  backchannel draft Borvia",
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			d := station.KeptDraft{Kind: "signal", Subject: subject}
			if letter || subject != "" {
				d.Kind = "letter"
			}
			switch {
			case clear && cmd.Flags().Changed("text"):
				return usage("either keep a draft or clear it")
			case clear, cmd.Flags().Changed("text"):
				var err error
				if d.Text, err = textOrInput(cmd, text); err != nil {
					return err
				}
				if clear {
					d = station.KeptDraft{Kind: "signal"}
				}
				if err := c.KeepDraft(cmd.Context(), args[0], d); err != nil {
					return err
				}
			default:
				if letter || subject != "" {
					return usage("give the text of the draft with --text")
				}
				var err error
				if d, err = c.KeptDraft(cmd.Context(), args[0]); err != nil {
					return err
				}
			}
			return emit(cmd, d, func(w io.Writer) {
				if d.Text == "" && d.Subject == "" {
					fmt.Fprintln(w, "No draft.")
					return
				}
				if d.Subject != "" {
					fmt.Fprintln(w, contact.Printable(d.Subject))
				}
				fmt.Fprintln(w, printableText(d.Text))
			})
		}),
	})
	c.Flags().StringVar(&text, "text", "", "keep this text; - reads it from standard input")
	c.Flags().StringVar(&subject, "subject", "", "of a letter")
	c.Flags().BoolVar(&letter, "letter", false, "it is a letter")
	c.Flags().BoolVar(&clear, "clear", false, "erase the draft")
	return c
}

func renameCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "rename NAME NEW-NAME", Short: "Give a contact another name, here only", Args: cobra.ExactArgs(2),
		Long: `Give a contact another name. Names are yours alone: neither the contact nor anybody
else sees them, and everything that was exchanged stays.`,
		Example: "  backchannel rename Borvia \"The embassy\"",
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			k, err := c.Rename(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return emit(cmd, k, func(w io.Writer) { printContacts(w, []station.ContactInfo{k}) })
		}),
	})
}
