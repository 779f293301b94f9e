package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

func inviteCommand() *cobra.Command {
	var expires string
	c := clientCommand(&cobra.Command{
		Use:   "invite NAME",
		Short: "Invite somebody: make a single-use invitation",
		Long: `Make a single-use invitation and call whoever uses it NAME here.

Give it only in person or over something you trust: whoever holds it can come in
the other's place. A lane is taken for the contact at once. Compare the words
("backchannel words") before you rely on who it is.`,
		Example: "  backchannel invite Borvia --expires 2d",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			d, err := parseDuration(expires)
			if err != nil {
				return err
			}
			if d < time.Second {
				return usage("--expires is how long the invitation holds: write for instance 12h or 7d")
			}
			k, err := c.Invite(cmd.Context(), args[0], d)
			if err != nil {
				return err
			}
			return emit(cmd, k, func(w io.Writer) { printInvitation(w, k) })
		}),
	})
	c.Flags().StringVar(&expires, "expires", "7d", "how long the invitation holds")
	list := clientCommand(&cobra.Command{
		Use: "list", Short: "List invitations that nobody has used",
		Long: `List the invitations that are out, until when they hold, and their texts. Whoever has
a text can come in the place of the one that it was made for.`,
		Example: "  backchannel invite list",
		Args:    cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			all, err := c.Contacts(cmd.Context())
			if err != nil {
				return err
			}
			open := []station.ContactInfo{}
			for _, k := range all {
				if k.State == station.StateInvited || k.State == station.StateExpired {
					open = append(open, k)
				}
			}
			return emit(cmd, open, func(w io.Writer) {
				if len(open) == 0 {
					fmt.Fprintln(w, "No invitation is open.")
				}
				for i, k := range open {
					if i > 0 {
						fmt.Fprintln(w)
					}
					printInvitation(w, k)
				}
			})
		}),
	})
	cancel := clientCommand(&cobra.Command{
		Use: "cancel NAME", Short: "Cancel an invitation that nobody has used",
		Long: `Withdraw an invitation and erase its key, with whatever waited for the invited. One
that was used is a contact by now: burn that instead.`,
		Example: "  backchannel invite cancel Borvia",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if err := c.Cancel(cmd.Context(), args[0]); err != nil {
				return err
			}
			return emit(cmd, map[string]string{"cancelled": args[0]}, func(w io.Writer) {
				fmt.Fprintf(w, "The invitation for %s is cancelled and its key erased.\n", args[0])
			})
		}),
	})
	c.AddCommand(list, cancel)
	return c
}

func printInvitation(w io.Writer, k station.ContactInfo) {
	switch {
	case k.State == station.StateExpired:
		fmt.Fprintf(w, "Invitation for %s: expired. Nobody came; it may have been used.\n", k.Name)
		return
	case k.Expires != nil:
		fmt.Fprintf(w, "Invitation for %s, until %s:\n\n", k.Name, k.Expires.Local().Format("Mon 2 Jan 2006 15:04"))
	default:
		fmt.Fprintf(w, "Invitation for %s:\n\n", k.Name)
	}
	if k.Invitation == nil {
		return
	}
	fmt.Fprintf(w, "  %s\n\nor in words:\n\n", k.Invitation.Text)
	for i := 0; i < len(k.Invitation.Words); i += 8 {
		fmt.Fprintf(w, "  %s\n", strings.Join(k.Invitation.Words[i:min(i+8, len(k.Invitation.Words))], " "))
	}
	fmt.Fprintf(w, "\nGive this only in person or over something you trust. It works once.\n")
}

func acceptCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use:   "accept NAME [INVITATION…]",
		Short: "Accept an invitation",
		Long: `Accept an invitation, given as its text or its 31 words, and call the inviter
NAME here. Without an invitation on the command line it is read from standard
input, where no shell history keeps it.`,
		Example: "  backchannel accept Aldmark < invitation.txt",
		Args:    cobra.MinimumNArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			text := strings.Join(args[1:], " ")
			if text == "" || text == "-" {
				b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), 1<<16))
				if err != nil {
					return fmt.Errorf("reading the invitation: %w", err)
				}
				text = string(b)
			}
			k, err := c.Accept(cmd.Context(), args[0], text)
			if err != nil {
				return err
			}
			return emit(cmd, k, func(w io.Writer) {
				fmt.Fprintf(w, "Accepted. The stations meet in the next epoch in which both take part; then compare the words:\n  backchannel words %q\n", k.Name)
			})
		}),
	})
}

func contactsCommand() *cobra.Command {
	c := clientCommand(&cobra.Command{
		Use: "contacts", Short: "List contacts",
		Long: `List contacts: whether their words were compared, how far the acquaintance is, which
lane they have, whether they are there in this epoch, and what waits for them.`,
		Example: "  backchannel contacts\n  backchannel contacts --json",
		Args:    cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			all, err := c.Contacts(cmd.Context())
			if err != nil {
				return err
			}
			return emit(cmd, all, func(w io.Writer) { printContacts(w, all) })
		}),
	})
	rename := renameCommand() // where people look for it first
	rename.Example = "  backchannel contacts rename Borvia \"The embassy\""
	c.AddCommand(rename)
	return c
}

func printContacts(w io.Writer, all []station.ContactInfo) {
	if len(all) == 0 {
		fmt.Fprintln(w, "No contacts yet. Invite somebody: backchannel invite NAME")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tVERIFIED\tSTATE\tLANE\tNOW\tWAITING\tUNREAD")
	for _, k := range all {
		verified, lane, now := "unverified", "parked", "-"
		if k.Verified {
			verified = "verified"
		}
		if k.Restored {
			verified += ", restored"
		}
		if k.Held {
			verified += ", held"
		}
		if k.Lane > 0 {
			lane = fmt.Sprint(k.Lane)
		}
		if k.Leaving != nil {
			lane += " until " + k.Leaving.Local().Format("15:04:05")
		}
		if k.Together {
			now = "together"
		}
		state := string(k.State)
		if k.State == station.StateIntroduced && !k.Ready {
			state += ", keys in use soon"
		}
		if k.Muted {
			state += ", muted"
		}
		if k.Expiry > 0 {
			state += ", copies expire after " + strings.TrimPrefix(inWords(time.Duration(k.Expiry)*time.Second), "about ")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\n", k.Name, verified, state, lane, now, k.Waiting, k.Unread)
	}
	t.Flush()
}

func wordsCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "words NAME", Short: "Show the four words to compare with a contact by voice",
		Example: "  backchannel words Borvia",
		Long: `Show the four words. Both sides have the same, unless somebody came between. Read
them to each other over a call or in person, then "backchannel confirm NAME WORDS".
Until then the contact is marked unverified everywhere.`,
		Args: cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			words, err := c.Words(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return emit(cmd, map[string][]string{"words": words}, func(w io.Writer) { fmt.Fprintln(w, strings.Join(words, " ")) })
		}),
	})
}

func confirmCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "confirm NAME [WORD...]", Short: "Mark a contact verified: the words were the same",
		Long: `Mark a contact verified after both sides have read the same four words to each other
by voice or in person. Different words mean that somebody stands between: burn the
contact then.

Name the words that you compared. If the other station was restored from a backup
meanwhile, there are new ones, and the station refuses the old. Without words the
command confirms those of this moment and shows them: look whether they are yours.`,
		Example: "  backchannel confirm Borvia garden copper violin rescue\n  backchannel confirm Borvia",
		Args:    cobra.RangeArgs(1, 5),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			words := strings.Fields(strings.Join(args[1:], " "))
			if len(args) > 1 && len(words) != 4 {
				return usage("confirm takes a name and all four words, or only a name")
			}
			if len(words) == 0 {
				var err error
				if words, err = c.Words(cmd.Context(), args[0]); err != nil {
					return err
				}
			}
			k, err := c.Confirm(cmd.Context(), args[0], words...)
			if err != nil {
				return err
			}
			return emit(cmd, k, func(w io.Writer) {
				fmt.Fprintf(w, "%s is verified with the words %s.\n", k.Name, strings.Join(words, " "))
			})
		}),
	})
}

func deliverCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "deliver NAME", Short: "Send what waits for a restored contact without comparing words",
		Long: `After one of two stations was restored from a backup, what waits for the other is held
until the words were compared again ("backchannel words", "backchannel confirm"):
whoever has the backup and its passphrase could come in the contact's place.

This command sends it all the same. The contact stays unverified.`,
		Example: "  backchannel deliver Borvia",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			k, err := c.Deliver(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return emit(cmd, k, func(w io.Writer) { fmt.Fprintf(w, "What waits for %s is sent. It is unverified.\n", k.Name) })
		}),
	})
}

func laneCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "lane", Short: "Give a contact a lane, or take it away",
		Example: "  backchannel lane free Borvia\n  backchannel lane assign Cenia",
		Long: `A lane is a standing conversation. A station has a few; contacts without one are
parked: nothing is lost, nothing is carried.

A contact sees from when to when its own lane is there. So that it learns nothing
from the moment, a lane that is taken away goes at a random epoch within the next
hour. Giving an idle lane takes effect at once.`,
	}
	show := func(w io.Writer, k station.ContactInfo) {
		switch {
		case k.Leaving != nil:
			fmt.Fprintf(w, "%s keeps lane %d until %s; the time is random so that it tells nothing.\n", k.Name, k.Lane, k.Leaving.Local().Format(time.TimeOnly))
		case k.Lane > 0:
			fmt.Fprintf(w, "%s has lane %d.\n", k.Name, k.Lane)
		default:
			fmt.Fprintf(w, "%s is parked.\n", k.Name)
		}
	}
	c.AddCommand(clientCommand(&cobra.Command{
		Use: "assign NAME", Short: "Give an idle lane to a contact, at once",
		Long:    `Give an idle lane to a parked contact. From the next set-up on it is met again.`,
		Example: "  backchannel lane assign Cenia",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			k, err := c.AssignLane(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return emit(cmd, k, func(w io.Writer) { show(w, k) })
		}),
	}), clientCommand(&cobra.Command{
		Use: "free NAME", Short: "Take a contact's lane away, within the hour",
		Long: `Park a contact. Its lane becomes idle at a random time within the next hour, so that
the moment tells it nothing. What waits for it stays.`,
		Example: "  backchannel lane free Borvia",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			k, err := c.FreeLane(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return emit(cmd, k, func(w io.Writer) { show(w, k) })
		}),
	}))
	return c
}
