package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

func settingsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "settings", Short: "Show and change what the settings page has",
		Long: `Show and change the settings of a running station: its name and time-outs, the
proxy, the addresses of the pages, the command on arrival, and the passphrase.`,
		Example: "  backchannel settings show\n  backchannel settings set --lock 10m --socks5 127.0.0.1:9050",
	}
	c.AddCommand(settingsShowCommand(), settingsSetCommand(), settingsPassphraseCommand())
	return c
}

// shownSettings is what "settings show" prints; Options are nil while the vault
// that holds them is closed.
type shownSettings struct {
	Options    *station.PageOptions    `json:"options,omitempty"`
	Connection station.ConnectionState `json:"connection"`
}

func settingsShowCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "show", Short: "Show the settings",
		Long: `Show what is set. Proxy, addresses and the command on arrival are those of the
running station; what its configuration says instead for the next start stands
beside them.`,
		Example: "  backchannel settings show --json",
		Args:    cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			st, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			var out shownSettings
			if out.Connection, err = c.Connection(cmd.Context()); err != nil {
				return err
			}
			if st.Unlocked {
				o, err := c.PageOptions(cmd.Context())
				if err != nil {
					return err
				}
				out.Options = &o
			}
			return emit(cmd, out, func(w io.Writer) { printSettings(w, out) })
		}),
	})
}

func printSettings(w io.Writer, s shownSettings) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if o := s.Options; o != nil {
		fmt.Fprintf(t, "name\t%s\n", orNone(printableText(o.Name)))
		fmt.Fprintf(t, "pages lock after\t%s\n", idleOrNever(o.LockMinutes))
		fmt.Fprintf(t, "vault closes after\t%s\n", idleOrNever(o.CloseMinutes))
		fmt.Fprintf(t, "notice in the browser\t%s\n", onOrOff(o.Notify))
		fmt.Fprintf(t, "copies with new contacts\t%s\n", keptFor(o.Expiry))
	} else {
		fmt.Fprintln(t, "name and time-outs\tin the vault, which is closed")
	}
	now, next := s.Connection.Running, s.Connection.Kept
	for _, line := range [][3]string{
		{"socks5", now.SOCKS5, next.SOCKS5}, {"page", now.Page, next.Page}, {"remote", now.Remote, next.Remote},
		{"on arrival", commandLine(now.Notify), commandLine(next.Notify)},
	} {
		text := orNone(line[1])
		if line[1] != line[2] {
			text += "; from the next start: " + orNone(line[2])
		}
		fmt.Fprintf(t, "%s\t%s\n", line[0], printableText(text))
	}
	t.Flush()
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func onOrOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func idleOrNever(minutes int) string {
	if minutes == 0 {
		return "never"
	}
	return plural(int64(minutes), "idle minute")
}

func keptFor(seconds int64) string {
	if seconds == 0 {
		return "stay"
	}
	return "are erased after " + inWords(time.Duration(seconds)*time.Second)
}

// commandLine writes a command and its arguments so that one sees where each ends.
func commandLine(words []string) string {
	quoted := make([]string, len(words))
	for i, s := range words {
		if quoted[i] = s; s == "" || strings.ContainsAny(s, " \t\"'\\;") {
			quoted[i] = fmt.Sprintf("%q", s)
		}
	}
	return strings.Join(quoted, " ")
}

func settingsSetCommand() *cobra.Command {
	var name, lock, closing, expiry, socks5, page, remote string
	var notice bool
	var arrival []string
	var pass passphraseFlags
	c := clientCommand(&cobra.Command{
		Use: "set", Short: "Change settings",
		Long: `Change what is named and leave the rest. Name, time-outs, the notice in the browser
and the self-expiry of new contacts hold at once; the vault must be open for them.

--socks5, --page, --remote and --on-arrival are written to the station's
configuration, all else in which stays as it is, and take effect when the station
starts again. They ask for the passphrase once more, whoever may use the socket:
a proxy leads the traffic elsewhere, and a command is run here. An empty value
means none. A token may change none of this.

--on-arrival names the command with its whole path; give the flag once more for
each of its arguments. It is run without a shell when something has arrived, and
told nothing.`,
		Example: "  backchannel settings set --name \"Aldmark\" --lock 10m --close never\n" +
			"  backchannel settings set --socks5 127.0.0.1:9050\n" +
			"  backchannel settings set --on-arrival /usr/bin/notify-send --on-arrival \"Something has arrived\"\n" +
			"  backchannel settings set --remote \"\"",
		Args: cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			given := cmd.Flags().Changed
			change, line := station.ConnectionChange{}, false
			for flag, f := range map[string]struct {
				to   **string
				from *string
			}{"socks5": {&change.SOCKS5, &socks5}, "page": {&change.Page, &page}, "remote": {&change.Remote, &remote}} {
				if given(flag) {
					*f.to, line = f.from, true
				}
			}
			if given("on-arrival") {
				if len(arrival) == 1 && arrival[0] == "" {
					arrival = []string{}
				}
				change.Notify, line = &arrival, true
			}
			options := given("name") || given("lock") || given("close") || given("notice") || given("expiry")
			if !line && !options {
				return usage("what is to be set? name at least one setting")
			}
			minutes := func(flag, text string, to *int) error {
				if !given(flag) {
					return nil
				}
				d, err := durationOrNever(text)
				if err == nil && d%time.Minute != 0 {
					err = usage("--%s counts whole minutes", flag)
				}
				*to = int(d / time.Minute)
				return err
			}
			var o station.PageOptions
			var err error
			if options {
				if o, err = c.PageOptions(cmd.Context()); err != nil {
					return err
				}
				if err := errors.Join(minutes("lock", lock, &o.LockMinutes), minutes("close", closing, &o.CloseMinutes)); err != nil {
					return err
				}
				if given("name") {
					o.Name = name
				}
				if given("notice") {
					o.Notify = notice
				}
				if given("expiry") {
					d, err := durationOrNever(expiry)
					if err != nil {
						return err
					}
					o.Expiry = int64(d / time.Second)
				}
			}
			said := ""
			if line { // first: what asks for the passphrase is what may be refused
				p, err := pass.again(cmd)
				if err != nil {
					return err
				}
				kept, err := c.ChangeConnection(cmd.Context(), string(p), change)
				if err != nil {
					return err
				}
				if said = "What is set of the connection is what the station runs with."; kept.Pending {
					said = "What is set of the connection takes effect when the station starts again."
				}
			}
			if options {
				if err := c.SetPageOptions(cmd.Context(), o); err != nil {
					if line {
						return fmt.Errorf("%w (what was set of the connection is kept)", err)
					}
					return err
				}
			}
			return emit(cmd, map[string]bool{"kept": true, "from_next_start": strings.Contains(said, "again")}, func(w io.Writer) {
				fmt.Fprintln(w, strings.TrimSpace("Kept. "+said))
			})
		}),
	})
	f := c.Flags()
	f.StringVar(&name, "name", "", "a name for the station, shown on its own pages only")
	f.StringVar(&lock, "lock", "", "lock the pages after so long without a person's act, such as 15m, or never")
	f.StringVar(&closing, "close", "", "close the vault after so long without a person's act, such as 12h, or never")
	f.BoolVar(&notice, "notice", false, "let the browser say that something has arrived; --notice=false ends it")
	f.StringVar(&expiry, "expiry", "", "with new contacts, erase own copies so long after they were delivered or read, such as 30d, or never")
	f.StringVar(&socks5, "socks5", "", "host:port of a SOCKS5 proxy to reach the entry through (Tor: 127.0.0.1:9050)")
	f.StringVar(&page, "page", "", "loopback host:port of the pages")
	f.StringVar(&remote, "remote", "", "this machine's host:port at which paired devices reach the pages")
	f.StringArrayVar(&arrival, "on-arrival", nil, "command that runs when something has arrived; again for each argument")
	f.IntVar(&pass.fd, "passphrase-fd", -1, "read the passphrase, one line, from this file descriptor")
	return c
}

func durationOrNever(text string) (time.Duration, error) {
	if text == "never" {
		return 0, nil
	}
	d, err := parseDuration(text)
	if err == nil && d == 0 {
		err = usage("%q is no time: say never, if that is meant", text)
	}
	return d, err
}

// again asks for the passphrase of a station that may well be unlocked.
func (p *passphraseFlags) again(cmd *cobra.Command) ([]byte, error) {
	b, err := p.read(cmd, "")
	if err == nil && len(b) == 0 {
		err = usage("this asks for the passphrase once more: give it on a terminal or with --passphrase-fd")
	}
	return b, err
}

func settingsPassphraseCommand() *cobra.Command {
	var pass passphraseFlags
	var newFD int
	c := clientCommand(&cobra.Command{
		Use: "passphrase", Short: "Change the vault's passphrase",
		Long: `Seal the vault's key under another passphrase. It holds at once, and from then on the
old one opens nothing here. Whoever has an old copy of the vault's key file can
still use the old passphrase on it. A passphrase in the keyring or in a credential
is not changed with it: store the new one there yourself.`,
		Example: "  backchannel settings passphrase\n  backchannel settings passphrase --passphrase-fd 3 --new-passphrase-fd 4 3<old 4<new",
		Args:    cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			old, err := pass.again(cmd)
			if err != nil {
				return err
			}
			fresh, err := freshPassphrase(cmd, newFD)
			if err != nil {
				return err
			}
			if err := c.ChangePassphrase(cmd.Context(), string(old), string(fresh)); err != nil {
				return err
			}
			return emit(cmd, map[string]bool{"changed": true}, func(w io.Writer) { fmt.Fprintln(w, "The passphrase is changed.") })
		}),
	})
	c.Flags().IntVar(&pass.fd, "passphrase-fd", -1, "read the passphrase that holds now, one line, from this file descriptor")
	c.Flags().IntVar(&newFD, "new-passphrase-fd", -1, "read the new passphrase, one line, from this file descriptor")
	return c
}

// freshPassphrase finds the passphrase that is to hold from now on. A credential is
// the old one's.
func freshPassphrase(cmd *cobra.Command, fd int) ([]byte, error) {
	if fd >= 0 {
		b, err := readLine(os.NewFile(uintptr(fd), "new passphrase"))
		if err == nil && len(b) == 0 {
			err = errEmptyPassphrase
		}
		return b, err
	}
	if !terminal(cmd.InOrStdin()) {
		return nil, usage("which new passphrase? give it on a terminal or with --new-passphrase-fd")
	}
	return promptTwice(cmd)
}
