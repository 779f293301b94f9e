package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"backchannel/internal/contact"
	"backchannel/internal/station"
	"backchannel/internal/web"
)

func sendCommand() *cobra.Command {
	var file, subject string
	var attach []string
	var noWait, markdown, strip bool
	c := clientCommand(&cobra.Command{
		Use:   "send NAME [TEXT…]",
		Short: "Send a signal or a letter",
		Long: `Send a signal (a short text) or a letter of up to 10 MB: with --file a file as it
is, with --markdown a written text, with --attach a text and files together.
Without text and file the text is read from standard input; "--file -" reads the
letter from there.

--strip sends files without their names and takes out of JPEG and PNG pictures
what they say of camera, place, time and program. It refuses what it cannot strip.

The station accepts it first: from then on it is kept and delivered exactly once,
also after days offline. A letter's progress is shown until it is delivered;
interrupting the command does not interrupt the letter.`,
		Example: "  backchannel send Borvia \"We could talk about X.\"\n  backchannel send Borvia --file note.pdf --subject \"Non-paper\"\n  backchannel send Borvia --subject \"Two drafts\" --attach a.pdf --attach b.pdf \"Either will do.\"",
		Args:    cobra.MinimumNArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			d := station.Draft{Kind: "signal", Content: []byte(strings.Join(args[1:], " "))}
			switch {
			case file != "" && (len(args) > 1 || markdown || len(attach) > 0):
				return usage("--file is the whole letter: give a text with --attach FILE instead")
			case strip && file == "" && len(attach) == 0:
				return usage("--strip is for files: name one with --file or --attach")
			case markdown || len(attach) > 0:
				w, err := written(cmd, args[1:], subject, attach)
				if err != nil {
					return err
				}
				d = w
			case file != "":
				b, name, err := readInput(cmd, file)
				if err != nil {
					return err
				}
				d = station.Draft{Kind: "letter", Subject: subject, FileName: name, MediaType: mediaType(name, b), Content: b}
			case subject != "":
				return usage("only a letter has a subject: say --markdown for a written letter, or name a file with --file")
			case len(args) == 1:
				b, _, err := readInput(cmd, "-")
				if err != nil {
					return err
				}
				d.Content = []byte(strings.TrimRight(string(b), "\r\n"))
			}
			if d.Kind == "signal" && !utf8.Valid(d.Content) {
				return fmt.Errorf("the signal is not text in UTF-8: send it as a file with --file")
			}
			d.Strip = strip
			return send(cmd, c, args[0], d, !noWait && d.Kind == "letter")
		}),
	})
	c.Flags().StringVar(&file, "file", "", "send this file as a letter; - is standard input")
	c.Flags().StringVar(&subject, "subject", "", "the letter's subject")
	c.Flags().StringArrayVar(&attach, "attach", nil, "attach this file to a letter; may be repeated")
	c.Flags().BoolVar(&markdown, "markdown", false, "send the text as a letter in Markdown")
	c.Flags().BoolVar(&strip, "strip", false, "send files without names and metadata, or refuse")
	c.Flags().BoolVar(&noWait, "no-wait", false, "return once the station has accepted a letter")
	return c
}

// written makes a letter of a text, from the arguments or standard input, and files.
func written(cmd *cobra.Command, words []string, subject string, attach []string) (station.Draft, error) {
	d := station.Draft{Kind: "letter", Subject: subject, MediaType: "text/markdown; charset=utf-8", Content: []byte(strings.Join(words, " "))}
	if len(words) == 0 {
		b, _, err := readInput(cmd, "-")
		if err != nil {
			return d, err
		}
		d.Content = b
	}
	if !utf8.Valid(d.Content) {
		return d, fmt.Errorf("the text of the letter is not UTF-8: attach it as a file")
	}
	for _, path := range attach {
		if path == "-" {
			return d, usage("an attachment needs a file: standard input is for the text")
		}
		b, name, err := readInput(cmd, path)
		if err != nil {
			return d, err
		}
		d.Attachments = append(d.Attachments, station.Attachment{FileName: name, MediaType: mediaType(name, b), Content: b})
	}
	return d, nil
}

// mediaType tells what a letter is from its name, else from its first bytes.
func mediaType(name string, b []byte) string {
	if t := mime.TypeByExtension(filepath.Ext(name)); t != "" {
		return t
	}
	return http.DetectContentType(b)
}

func send(cmd *cobra.Command, c *web.Client, to string, d station.Draft, wait bool) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	if !wait {
		it, err := c.Send(ctx, to, d)
		if err != nil {
			return err
		}
		return emit(cmd, it, func(w io.Writer) { printAccepted(w, it) })
	}
	// The watch stands before the letter is accepted, so that no step is missed.
	changed, watching := make(chan struct{}, 1), make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		failed <- c.Follow(ctx, func() { close(watching) }, func(station.Notice) error {
			select {
			case changed <- struct{}{}:
			default:
			}
			return nil
		})
	}()
	select {
	case <-watching:
	case err := <-failed:
		return err
	}
	it, err := c.Send(ctx, to, d)
	if err != nil {
		return err
	}
	if !wantsJSON(cmd) {
		printAccepted(cmd.ErrOrStderr(), it)
	}
	show, done := newProgress(cmd, it)
	defer done()
	for it.State != station.ItemDelivered && it.State != station.ItemAcknowledged {
		if it.Cancelled {
			return errors.New("the letter was withdrawn before it was delivered")
		}
		select {
		case <-changed:
		case <-time.After(2 * time.Second):
		case err := <-failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("stopped watching; the station keeps the letter and goes on delivering it: %w", ctx.Err())
		}
		if it, err = c.Item(ctx, it.ID); err != nil {
			return err
		}
		show(it)
	}
	done()
	return emit(cmd, it, func(w io.Writer) {
		fmt.Fprintf(w, "Delivered: %s, SHA-256 %s\n", bytesInWords(it.Size), it.SHA256)
	})
}

func printAccepted(w io.Writer, it station.ItemInfo) {
	fmt.Fprintf(w, "Accepted as %s: %s", it.ID[:8], bytesInWords(it.Size))
	if it.Left != nil {
		fmt.Fprintf(w, "; delivering it takes %s once both stations are there", takes(it.Left))
	}
	fmt.Fprintln(w, ".")
}

// newProgress returns what shows an item's progress: a bar on a terminal,
// otherwise nothing until the end.
func newProgress(cmd *cobra.Command, it station.ItemInfo) (show func(station.ItemInfo), done func()) {
	f, ok := cmd.ErrOrStderr().(*os.File)
	if wantsJSON(cmd) || !ok || !term.IsTerminal(int(f.Fd())) {
		return func(station.ItemInfo) {}, func() {}
	}
	var now atomic.Pointer[station.ItemInfo] // the bar draws in a goroutine of its own
	now.Store(&it)
	p := mpb.New(mpb.WithOutput(f), mpb.WithWidth(40))
	bar := p.AddBar(max(it.Total, 1),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return string(now.Load().State) }, decor.WC{W: 10})),
		mpb.AppendDecorators(decor.Percentage(), decor.Any(func(decor.Statistics) string { return "  " + left(now.Load().Left) })))
	finished := false
	return func(it station.ItemInfo) {
			now.Store(&it)
			bar.SetCurrent(it.Done)
		}, func() {
			if finished {
				return
			}
			finished = true
			bar.Abort(false)
			p.Wait()
		}
}

func inboxCommand() *cobra.Command {
	var unread, all bool
	var from string
	var limit int
	c := clientCommand(&cobra.Command{
		Use: "inbox", Short: "List signals and letters that came in", Args: cobra.NoArgs,
		Long: `List signals and letters that came in, oldest first, with what becomes of them; --all
lists those that went out as well. The first digits name one for other commands.
All of them are listed; --limit lists the newest so many.`,
		Example: "  backchannel inbox --unread\n  backchannel inbox --all --contact Borvia --limit 20",
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			if limit < 0 {
				return usage("--limit is a number from 1 on, or 0 for all")
			}
			items, err := c.Items(cmd.Context(), station.ItemFilter{Contact: from, Inbox: !all, Unread: unread, Limit: limit})
			if err != nil {
				return err
			}
			return emit(cmd, items, func(w io.Writer) { printItems(w, items) })
		}),
	})
	c.Flags().BoolVar(&unread, "unread", false, "only what was not read")
	c.Flags().BoolVar(&all, "all", false, "also what was sent")
	c.Flags().StringVar(&from, "contact", "", "only with this contact")
	c.Flags().IntVar(&limit, "limit", 0, "the newest so many; 0 for all")
	return c
}

// shortened keeps a line of a list one line: a sender chooses subjects and names of
// files.
func shortened(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func printItems(w io.Writer, items []station.ItemInfo) {
	if len(items) == 0 {
		fmt.Fprintln(w, "Nothing here.")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tWHEN\tCONTACT\tKIND\tSIZE\tSTATE\tABOUT")
	for _, it := range items {
		who := "from " + it.Name
		if it.Outgoing {
			who = "to " + it.Name
		}
		if !it.Verified {
			who += " (unverified)"
		}
		state := string(it.State)
		switch {
		case it.State == station.ItemArriving, it.State == station.ItemSending, it.State == station.ItemWaiting:
			if it.Total > 0 {
				state += fmt.Sprintf(" %d%%", it.Done*100/it.Total)
			}
		case it.Cancelled:
			state = "withdrawn"
		case !it.Outgoing && it.Acknowledged != nil:
			state = "acknowledged"
		case !it.Outgoing && !it.Read:
			state = "unread"
		case !it.Outgoing:
			state = "read"
		}
		about := it.Subject
		if about == "" {
			about = it.FileName
		}
		if n := len(it.Parts); n > 0 {
			about = strings.TrimSpace(about + " +" + plural(int64(n), "file"))
		}
		if it.Expires != nil {
			state += ", until " + it.Expires.Local().Format("2 Jan 15:04")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", it.ID[:8], it.Created.Local().Format("2 Jan 15:04:05"), who, it.Kind, bytesInWords(it.Size), state, shortened(contact.Printable(about)))
	}
	t.Flush()
}

func readCommand() *cobra.Command {
	var out string
	var part int
	c := clientCommand(&cobra.Command{
		Use:   "read ID",
		Short: "Read a signal or letter",
		Long: `Print a signal or letter, or write its exact bytes to a file with --output. What
is not text is not printed to a terminal. A letter with attachments shows its text
and lists them; --part N takes one of them. Reading marks it as read here; the
other side does not learn of it: only "backchannel ack" says so.`,
		Example: "  backchannel read 3f2a91c0\n  backchannel read 3f2a91c0 -o note.pdf",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			it, err := c.Item(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			b, err := contentOf(cmd.Context(), c, &it, part, out)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			f, isFile := w.(*os.File)
			terminal := isFile && term.IsTerminal(int(f.Fd()))
			switch {
			case out == "-" || out == "" && !wantsJSON(cmd) && !terminal:
				_, err = w.Write(b)
			case out != "":
				err = writeOutput(out, b)
			case wantsJSON(cmd):
				v := struct {
					station.ItemInfo
					Text    *string `json:"text,omitempty"`
					Content []byte  `json:"content,omitempty"`
				}{ItemInfo: it}
				if s := string(b); utf8.ValidString(s) {
					v.Text = &s
				} else {
					v.Content = b
				}
				err = emitJSON(w, v)
			case !isText(b):
				return fmt.Errorf("this letter is not text (%s, %s): write it to a file with --output FILE", contact.Printable(it.MediaType), bytesInWords(it.Size))
			default:
				printHead(w, it)
				_, err = fmt.Fprintln(w, printableText(string(b)))
				printParts(w, it)
			}
			if err != nil {
				return err
			}
			return c.MarkRead(cmd.Context(), it.ID)
		}),
	})
	c.Flags().IntVar(&part, "part", 0, "take this attachment of the letter, from 1")
	c.Flags().StringVarP(&out, "output", "o", "", "write the exact bytes to this new file; - is standard output")
	return c
}

// contentOf is what of a letter is asked for: an attachment, or all of it, which for
// one with attachments is its text unless it goes to a file.
func contentOf(ctx context.Context, c *web.Client, it *station.ItemInfo, part int, out string) ([]byte, error) {
	if part != 0 {
		if part < 1 || part > len(it.Parts) {
			return nil, usage("this letter has %s: --part counts them from 1", plural(int64(len(it.Parts)), "attachment"))
		}
		it.MediaType, it.Size = it.Parts[part-1].MediaType, it.Parts[part-1].Size
		b, err := c.PartContent(ctx, it.ID, part)
		it.Parts = nil
		return b, err
	}
	if len(it.Parts) > 0 && out == "" && it.TextType != "" && it.Text != "" {
		return []byte(it.Text), nil
	}
	return c.Content(ctx, it.ID)
}

// printParts lists attachments below the text of a letter.
func printParts(w io.Writer, it station.ItemInfo) {
	for _, p := range it.Parts {
		fmt.Fprintf(w, "\nAttachment %d: %s, %s, %s, SHA-256 %s\n", p.Number, contact.Printable(p.FileName), contact.Printable(p.MediaType), bytesInWords(p.Size), p.SHA256)
	}
	if len(it.Parts) > 0 {
		fmt.Fprintf(w, "\n  backchannel read %s --part N -o FILE\n", it.ID[:8])
	}
}

// writeOutput never overwrites, and leaves no part of a file.
func writeOutput(path string, b []byte) error {
	const doing = "writing the file"
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s: %s exists: choose another name", doing, path)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", doing, errors.Join(err, os.Remove(path)))
	}
	return nil
}

func printHead(w io.Writer, it station.ItemInfo) {
	who := "From " + it.Name
	if it.Outgoing {
		who = "To " + it.Name
	}
	if !it.Verified {
		who += " (unverified)"
	}
	fmt.Fprintf(w, "%s, %s\n", who, it.Created.Local().Format("Mon 2 Jan 2006 15:04:05"))
	if it.Subject != "" {
		fmt.Fprintln(w, contact.Printable(it.Subject))
	}
	fmt.Fprintln(w)
}

func isText(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' {
			return false
		}
	}
	return true
}

// printableText is contact.Printable for texts of several lines.
func printableText(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range lines {
		parts := strings.Split(l, "\t")
		for j, p := range parts {
			parts[j] = contact.Printable(p)
		}
		lines[i] = strings.Join(parts, "\t")
	}
	return strings.Join(lines, "\n")
}

func followCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use:   "follow",
		Short: "Show what happens, live",
		Long: `Show what happens at the station until interrupted: arrivals, deliveries, contacts,
epochs, what others say in rooms, and alarms. With --json one event per line.`,
		Example: "  backchannel follow\n  backchannel follow --json",
		Args:    cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			w := cmd.OutOrStdout()
			names, rooms := map[string]string{}, map[string]int{}
			looked := func() { // what is new in rooms by now is no news
				if all, err := c.Rooms(cmd.Context()); err == nil {
					for _, r := range all {
						rooms[r.ID] = r.Unread
					}
				}
			}
			err := c.Follow(cmd.Context(), looked, func(n station.Notice) error {
				switch {
				case wantsJSON(cmd):
					return writeLine(w, n)
				case n.Room != "":
					return printRoomNotice(cmd.Context(), w, c, rooms, n)
				}
				return printNotice(cmd.Context(), w, c, names, n)
			})
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		}),
	})
}

// printRoomNotice prints that others said something in a room, of which unread knows
// how much was known before, or that what they said does not fit.
func printRoomNotice(ctx context.Context, w io.Writer, c *web.Client, unread map[string]int, n station.Notice) error {
	all, err := c.Rooms(ctx)
	i := slices.IndexFunc(all, func(r station.RoomInfo) bool { return r.ID == n.Room })
	if err != nil || i < 0 {
		return nil //nolint:nilerr // gone meanwhile: nothing to tell
	}
	text, before := "", unread[n.Room]
	unread[n.Room] = all[i].Unread
	switch {
	case n.Kind == station.EventAlarm:
		text = "what its members were told does not fit"
	case all[i].Unread > before:
		text = fmt.Sprintf("%d new", all[i].Unread)
	default:
		return nil
	}
	_, err = fmt.Fprintf(w, "%s  room %s: %s  (backchannel room show %s)\n", n.Time.Local().Format(time.TimeOnly), contact.Printable(all[i].Title), text, all[i].ID[:8])
	return err
}

func printNotice(ctx context.Context, w io.Writer, c *web.Client, names map[string]string, n station.Notice) error {
	name := func() string {
		if names[n.Contact] == "" {
			if k, err := c.Contact(ctx, n.Contact); err == nil {
				names[n.Contact] = k.Name
			}
		}
		return names[n.Contact]
	}
	text := ""
	switch n.Kind {
	case station.EventConnected:
		text = "connected to the entry"
	case station.EventDisconnected:
		text = "lost the entry; trying again on the schedule"
	case station.EventEpoch:
		text = fmt.Sprintf("circuits for epoch %d are ready; %s take part", n.Epoch, plural(int64(n.Stations), "station"))
	case station.EventContact:
		k, err := c.Contact(ctx, n.Contact)
		if err != nil {
			return nil //nolint:nilerr // gone meanwhile: nothing to tell
		}
		delete(names, n.Contact)
		text = fmt.Sprintf("%s: %s", k.Name, k.State)
	case station.EventDelivered:
		text = fmt.Sprintf("%s to %s is delivered", n.Item[:8], name())
	case station.EventReceiving:
		if !n.Last {
			return nil
		}
		it, err := c.Item(ctx, n.Item)
		if err != nil {
			return nil //nolint:nilerr // gone meanwhile: nothing to tell
		}
		if k, err := c.Contact(ctx, n.Contact); err == nil && k.Muted {
			return nil
		}
		text = fmt.Sprintf("%s from %s: %s, %s  (backchannel read %s)", it.Kind, name(), bytesInWords(it.Size), contact.Printable(it.Subject+it.FileName), it.ID[:8])
	case station.EventAcknowledged:
		text = fmt.Sprintf("%s acknowledges %s", name(), n.Item[:8])
	case station.EventCancelled:
		text = fmt.Sprintf("%s with %s is withdrawn by its sender", n.Item[:8], name())
	case station.EventExpired:
		text = fmt.Sprintf("%s with %s has expired and is erased here", n.Item[:8], name())
	case station.EventTrouble:
		text = "trouble: " + n.Text
	default:
		return nil
	}
	_, err := fmt.Fprintf(w, "%s  %s\n", n.Time.Local().Format(time.TimeOnly), text)
	return err
}
