package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/book"
	"backchannel/internal/contact"
	"backchannel/internal/transcript"
)

// smallScript is the script of a room that help shows.
const smallScript = `  {"format": "backchannel/script/1", "title": "Straits talks",
   "members": ["Aldmark", "Borvia"], "proposed": "2026-11-12 09:00",
   "lines": [
    {"at": "2026-11-12 10:00", "by": "Aldmark", "signal": "Is this line good?"},
    {"at": "2026-11-12 10:10", "by": "Borvia", "name": "agenda", "agenda": [
      {"title": "Status of X", "options": ["opposed", "accepted"]}]},
    {"at": "2026-11-12 10:12", "by": "Aldmark", "confirm": "agenda"},
    {"at": "2026-11-12 10:20", "by": "Borvia", "name": "deal",
     "package": {"values": {"Status of X": "accepted"}}},
    {"at": "2026-11-12 10:30", "by": "Aldmark", "name": "round", "round": {
      "mode": "single", "packages": ["deal"],
      "inputs_at": "2026-11-12 11:00", "deadline": "2026-11-13 11:00"}},
    {"at": "2026-11-12 10:30", "by": "Aldmark", "answer": {"round": "round", "yes": true}},
    {"at": "2026-11-12 10:40", "by": "Borvia", "join": "round"},
    {"at": "2026-11-12 10:40", "by": "Borvia", "answer": {"round": "round", "yes": true}},
    {"at": "2026-11-12 12:00", "by": "Borvia", "name": "treaty", "agreement": {
      "text": "So be it.", "packages": ["deal"], "lapses": "2026-11-20 12:00"}},
    {"at": "2026-11-12 12:01", "by": "Borvia", "consent": "treaty"},
    {"at": "2026-11-12 12:05", "by": "Aldmark", "consent": "treaty"}]}`

// forgeRoom plays the script of a room. It is the code of stations, and needs none.
func forgeRoom(cmd *cobra.Command, args []string, self, format string) ([]byte, error) {
	text, err := forgeInput(cmd, "", args)
	if err != nil {
		return nil, err
	}
	s, err := book.ParseScript(text)
	if err != nil {
		return nil, err
	}
	if self != "" {
		s.Self = self
	}
	return book.Forge(s, format, rand.Reader)
}

func roomReadCommand() *cobra.Command {
	return &cobra.Command{
		Use: "read FILE", Short: "Check and show a room that was written to a file, on any machine",
		Long: `Check and show a room that "backchannel export --room --format json" or "backchannel
forge --room --format json" wrote. No station is needed. Everything is checked that a
member of the room could check: identifiers, chains, every proof of a blind round,
every confirmation and signature.

That a file passes proves nothing but that it is whole: forged rooms pass as well. So
does one that was edited and forged again. It is for those who keep such files, and
for showing what they are worth.`,
		Example: "  backchannel room read straits.room.json\n  backchannel forge --room straits.script.json --format json | backchannel room read -",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := readRoomFile(cmd, args[0])
			if err != nil {
				return err
			}
			now := time.Now()
			r, err := book.Read(b, now)
			if err != nil {
				return err
			}
			record := r.Record(now)
			return emit(cmd, map[string]any{"title": record.Title, "self": record.Self, "members": record.People, "statements": r.Said, "checked": r.Checked, "proves": "nothing"},
				func(w io.Writer) { printBook(w, r, record) })
		},
	}
}

func readRoomFile(cmd *cobra.Command, name string) ([]byte, error) {
	in := cmd.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("reading the room: there is no file %s: check its name", name)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the room: %w", err)
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, book.MaxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the room: %w", err)
	case len(b) > book.MaxFile:
		return nil, fmt.Errorf("reading the room: it has more than %d bytes", book.MaxFile)
	}
	return b, nil
}

// printBook shows a room, and what was checked and what that is worth.
func printBook(w io.Writer, b *book.Book, r transcript.Record) {
	fmt.Fprintf(w, "%s\n%s; the copy of %s.\n", contact.Printable(r.Title), contact.Printable(strings.Join(r.People, ", ")), contact.Printable(r.Self))
	for _, e := range r.Entries {
		fmt.Fprintf(w, "\n%s  %s", e.Time.Format("2006-01-02 15:04"), contact.Printable(e.By))
		if e.To != "" {
			fmt.Fprintf(w, " to %s alone", contact.Printable(e.To))
		}
		fmt.Fprintf(w, ", %s", contact.Printable(e.Kind))
		if e.State != "" {
			fmt.Fprintf(w, ": %s", contact.Printable(e.State))
		}
		fmt.Fprintln(w)
		if e.Subject != "" {
			fmt.Fprintf(w, "    %s\n", contact.Printable(e.Subject))
		}
		for _, l := range e.Lines {
			fmt.Fprintf(w, "    - %s\n", contact.Printable(l))
		}
		if e.Text != "" {
			for l := range strings.SplitSeq(e.Text, "\n") {
				fmt.Fprintf(w, "    %s\n", contact.Printable(l))
			}
		}
		for _, f := range e.Files {
			fmt.Fprintf(w, "    file %s, %s\n", contact.Printable(f.Name), bytesInWords(f.Size))
		}
	}
	c := b.Checked
	fmt.Fprintf(w, "\nThe file is whole: %s in their chains; %s of %s with every proof; %s of handshakes; %s of signings, and %s that hold.\n",
		plural(int64(b.Said), "statement"), plural(int64(c.RoundMessages), "message"), plural(int64(c.Rounds), "blind round"),
		plural(int64(c.Confirmations), "confirmation"), plural(int64(c.SignMessages), "message"), plural(int64(c.Signatures), "signature"))
	fmt.Fprintln(w, "That proves nothing. Whoever wrote it down may have made it up: \"backchannel forge --room\" makes such files, and they pass the same checks.")
}
