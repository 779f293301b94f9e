package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"backchannel/internal/web"
)

// maxTranscript bounds what forge reads.
const maxTranscript = 32 << 20

func exportCommand() *cobra.Command {
	var format, out, self string
	var room bool
	c := clientCommand(&cobra.Command{
		Use:   "export NAME",
		Short: "Write down a conversation, or a room",
		Long: `Write down the conversation with a contact: texts, times to the minute, states, and
names, sizes and hashes of files. The formats are json, markdown, html (a page to
print) and script (a plain text that "backchannel forge" reads).

With --room NAME is a room, and everything that was said in it is written down, but
nothing of your private side, no offer that was not sent and no answer in a blind
round. The room is played again for it: no identifier, key, signature or second in
the file is one of the real room, and a second export has others. A format json can be
checked with "backchannel room read", and a script can be edited and forged.

Neither proves anything: "backchannel forge" writes the same for what never was.`,
		Example: "  backchannel export Borvia --format html -o borvia.html\n  backchannel export Borvia --format script -o draft.txt\n  backchannel export --room \"Straits talks\" --format json -o straits.room.json",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if err := transcriptFormat(cmd, &format, out); err != nil {
				return err
			}
			write := c.Export
			if room {
				write = c.ExportRoom
			}
			b, err := write(cmd.Context(), args[0], self, format)
			if err != nil {
				return err
			}
			return writeTranscript(cmd, out, b)
		}),
	})
	transcriptFlags(c, &format, &out, &self)
	c.Flags().BoolVar(&room, "room", false, "NAME is a room, by its title or the first digits of its number")
	return c
}

func transcriptFlags(c *cobra.Command, format, out, self *string) {
	c.Flags().StringVar(format, "format", "markdown", "json, markdown, html or script")
	c.Flags().StringVarP(out, "output", "o", "-", "write to this new file; - is standard output")
	c.Flags().StringVar(self, "as", "", "what to call this side in it (default: Me, or as in the room)")
}

// transcriptFormat checks the format. With --json, what goes to standard output is
// JSON, as with every command.
func transcriptFormat(cmd *cobra.Command, format *string, out string) error {
	switch formats := []string{"json", "markdown", "html", "script"}; {
	case !slices.Contains(formats, *format):
		return usage("there is no format %q: there are %s", *format, strings.Join(formats, ", "))
	case wantsJSON(cmd) && out == "-" && !cmd.Flags().Changed("format"):
		*format = "json"
	}
	return nil
}

// writeTranscript writes to a new file or to standard output.
func writeTranscript(cmd *cobra.Command, out string, b []byte) error {
	if out == "-" {
		_, err := cmd.OutOrStdout().Write(b)
		return err
	}
	if err := writeOutput(out, b); err != nil {
		return err
	}
	return emit(cmd, map[string]any{"file": out, "bytes": len(b)}, func(w io.Writer) { fmt.Fprintf(w, "Written: %s, %s\n", out, bytesInWords(int64(len(b)))) })
}

func forgeCommand() *cobra.Command {
	var f web.Forgery
	var out string
	var room bool
	c := clientCommand(&cobra.Command{
		Use:   "forge [FILE]",
		Short: "Make up a conversation or a room, written as a real one is",
		Long: `Write down a conversation that never was, with a contact or with anybody: both
sides, times and states as you like. It is the code that writes real ones, so the
bytes are the same. Because anybody can make these, a leaked one proves nothing.
No station is needed, and nothing of it is kept at one.

FILE, or standard input, is a transcript in JSON as "export --format json" writes it,
or a script:

  # a line that begins with # is a remark
  Title: The straits
  Self: Aldmark
  Other: Borvia

  Aldmark, 2026-03-01 10:00: We could talk about X.
    A line that begins with a space or a tab continues the text.

  Borvia, 2026-03-01 10:25, letter, acknowledged: Dear colleague,
  Subject: Non-paper
  File: draft.pdf, 48213

The lines at the top may be left out: Self is then "Me" and whoever else writes is
Other. After the time (UTC) may stand the kind, signal or letter, and the state:
waiting, sent, delivered or acknowledged for what Self wrote, arriving, arrived or
acknowledged for what Other wrote, or cancelled. A file has name, bytes and
perhaps a SHA-256.

--from begins with the real conversation with a contact of a station. To change what was really
said, export it as a script, edit that and forge it.

With --room FILE is the script of a whole negotiation of up to 16, in JSON: who did what
and when, by names. All of it is played by the code that real stations run, with made-up
keys: offers and what answers them, blind rounds with the answers that the script
gives, handshakes and signatures. "backchannel export --room" does no more for a real
room, and "backchannel room read" accepts both. --as says whose copy is written.
docs/negotiation.md has every verb; a small one:

` + smallScript + `

What nobody can forge is a signature under the published key of a real party.`,
		Example: "  backchannel forge draft.txt --format html -o straits.html\n  echo 'Borvia, 2026-03-01 10:25: No.' | backchannel forge --from Borvia --format json\n  backchannel forge --room straits.script.json --format json -o straits.room.json",
		Args:    cobra.MaximumNArgs(1),
	})
	conversation := func(cmd *cobra.Command, args []string, write func(web.Forgery) ([]byte, error)) error {
		text, err := forgeInput(cmd, f.From, args)
		if err != nil {
			return err
		}
		f.Text, f.Input = text, "script"
		if begin := firstByte(text); begin == '{' {
			f.Input = "json"
		}
		b, err := write(f)
		if err != nil {
			return err
		}
		return writeTranscript(cmd, out, b)
	}
	continued := withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
		return conversation(cmd, args, func(f web.Forgery) ([]byte, error) { return c.Forge(cmd.Context(), f) })
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if err := transcriptFormat(cmd, &f.Format, out); err != nil {
			return err
		}
		switch {
		case !room && f.From != "":
			return continued(cmd, args)
		case !room: // nothing is asked of a station
			return conversation(cmd, args, web.WriteForgery)
		}
		if f.From != "" {
			return usage("--from begins with a conversation: for a room, export its script and edit it")
		}
		b, err := forgeRoom(cmd, args, f.Self, f.Format)
		if err != nil {
			return err
		}
		return writeTranscript(cmd, out, b)
	}
	transcriptFlags(c, &f.Format, &out, &f.Self)
	c.Flags().StringVar(&f.From, "from", "", "begin with the real conversation with this contact")
	c.Flags().BoolVar(&room, "room", false, "FILE is the script of a room")
	return c
}

// forgeInput reads the transcript or script. With --from and a terminal as input
// there need be none.
func forgeInput(cmd *cobra.Command, from string, args []string) ([]byte, error) {
	r := cmd.InOrStdin()
	switch {
	case len(args) == 1 && args[0] != "-":
		f, err := os.Open(args[0])
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("reading the script: there is no file %s: check its name", args[0])
		}
		if err != nil {
			return nil, fmt.Errorf("reading the script: %w", err)
		}
		defer f.Close()
		r = f
	case len(args) == 0 && terminal(r):
		if from != "" {
			return nil, nil
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "Write the conversation, such as \"Borvia, 2026-03-01 10:25: No.\"; end it with Ctrl-D.")
	}
	b, err := io.ReadAll(io.LimitReader(r, maxTranscript+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the script: %w", err)
	case len(b) > maxTranscript:
		return nil, fmt.Errorf("reading the script: it has more than %d bytes", maxTranscript)
	}
	return b, nil
}

// firstByte is the first one that is not space.
func firstByte(b []byte) byte {
	for _, c := range b {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c
		}
	}
	return 0
}

func burnCommand() *cobra.Command {
	var yes bool
	c := clientCommand(&cobra.Command{
		Use:   "burn NAME",
		Short: "Erase a contact and everything said with it",
		Long: `Erase a contact: its keys first, then texts and letters, then every page of the
vault that could hold a piece of them is written anew. It cannot be undone; meeting
again takes a new invitation. If it is interrupted, the next start completes it. Every
room in which the contact is a member goes with it, with what others said there.

The contact's lane idles from the next set-up on, and the contact sees it vanish. If
the moment must tell it nothing, first take the lane away with "backchannel lane
free", wait until it idles, and burn then.

What a disk keeps of overwritten blocks (flash memory, snapshots, backups) no
program can erase; it is encrypted under the vault's key. "backchannel panic"
erases that key.`,
		Example: "  backchannel burn Borvia --yes",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if !yes {
				return burnWarning(cmd, c, args[0])
			}
			if err := c.Burn(cmd.Context(), args[0]); err != nil {
				return err
			}
			return emit(cmd, map[string]bool{"burned": true}, func(w io.Writer) {
				fmt.Fprintln(w, "Burned: its keys, then every text; the vault was written anew.")
			})
		}),
	})
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	return c
}

// burnWarning says what a burn would take along.
func burnWarning(cmd *cobra.Command, c *web.Client, name string) error {
	k, err := c.Contact(cmd.Context(), name)
	if err != nil {
		return err
	}
	if k.Rooms > 0 {
		return usage("burning cannot be undone and takes %s with it: say --yes if you mean it", plural(int64(k.Rooms), "room"))
	}
	return usage("burning cannot be undone: say --yes if you mean it")
}

func panicCommand() *cobra.Command {
	var yes bool
	c := clientCommand(&cobra.Command{
		Use:   "panic",
		Short: "Erase everything the station knows, at once",
		Long: `Erase the vault: the file with its key first, overwritten and removed, then database
and log. No passphrase is asked for, and it works while the station is locked:
whoever may use the station's socket may do it. It cannot be undone.

Account, network file and configuration stay, and the station goes on sending the
same traffic, with idle lanes: an observer sees nothing. Contacts see their lanes
vanish. The station is then as new; "backchannel unlock --new" makes it an empty
vault.

A passphrase that was stored in the desktop's keyring opens nothing any more; remove
it there. Backups are elsewhere and stay.`,
		Example: "  backchannel panic --yes",
		Args:    cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			if !yes {
				return usage("this erases everything and cannot be undone: say --yes if you mean it")
			}
			if err := c.Panic(cmd.Context()); err != nil {
				return err
			}
			return emit(cmd, map[string]bool{"erased": true}, func(w io.Writer) {
				fmt.Fprintln(w, "Everything is erased. The traffic goes on as always.")
			})
		}),
	})
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	return c
}
