package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/station"
	"backchannel/internal/web"
)

// family makes a command that only has subcommands.
func family(c *cobra.Command, sub ...*cobra.Command) *cobra.Command {
	c.RunE = unknownCommand
	c.Args = cobra.ArbitraryArgs
	c.AddCommand(sub...)
	return c
}

func roomCommand() *cobra.Command {
	return family(&cobra.Command{
		Use: "room", Short: "Rooms: where two or more negotiate",
		Long: `Rooms, in which two or more principals negotiate. Every member's station talks to
every other's; whoever takes part must be a contact of all. Nothing said in a room
proves anything to outsiders, and "backchannel forge" makes up whole rooms.`,
		Example: "  backchannel room new \"Straits talks\" --self Aldmark --with Borvia --with Cenia\n  backchannel room list",
	}, roomNewCommand(), roomListCommand(), roomShowCommand(), roomJoinCommand(), roomDeclineCommand(), roomEraseCommand(),
		roomReadCommand(), roomSayCommand(), roomCommentCommand(), roomShowToCommand(), roomTimelineCommand(), roomOwnCommand(), roomSuggestCommand(), roomStraysCommand())
}

func roomNewCommand() *cobra.Command {
	var p station.Proposal
	var with []string
	c := clientCommand(&cobra.Command{
		Use: "new TITLE", Short: "Propose a room to contacts",
		Long: `Propose a room to contacts. All are told its title and the names of all members, by
which each finds the others among its own contacts: --self is what you call
yourself to them, and --with NAME=OTHER calls the contact NAME OTHER. The room exists
once all have joined.`,
		Example: "  backchannel room new \"Straits talks\" --self Aldmark --with Borvia --with \"Cenia, ministry=Cenia\"",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			p.Title = args[0]
			for _, w := range with {
				name, other, given := strings.Cut(w, "=")
				if !given {
					other = name
				}
				p.Members = append(p.Members, station.Invitee{Contact: name, Name: other})
			}
			r, err := c.NewRoom(cmd.Context(), p)
			if err != nil {
				return err
			}
			return emit(cmd, r, func(w io.Writer) { printRooms(w, []station.RoomInfo{r}) })
		}),
	})
	c.Flags().StringVar(&p.Self, "self", "", "what to call yourself to the others (required)")
	c.Flags().StringArrayVar(&with, "with", nil, "a contact to invite, NAME or NAME=what to call it to the others (required, repeat for more)")
	c.Flags().StringVar(&p.Previous, "continues", "", "the room that this one continues with other members")
	return c
}

func roomListCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "list", Short: "List the rooms",
		Long:    `List all rooms: those that exist, those that are being made and those that came to nothing.`,
		Example: "  backchannel room list\n  backchannel room list --json",
		Args:    cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			all, err := c.Rooms(cmd.Context())
			if err != nil {
				return err
			}
			return emit(cmd, all, func(w io.Writer) { printRooms(w, all) })
		}),
	})
}

func printRooms(w io.Writer, all []station.RoomInfo) {
	if len(all) == 0 {
		fmt.Fprintln(w, "No rooms yet. Propose one: backchannel room new TITLE --self NAME --with CONTACT")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ROOM\tTITLE\tSTATE\tMEMBERS\tSAID\tNEW\tALARMS")
	for _, r := range all {
		state := r.State
		switch {
		case r.Frozen:
			state = "to read only"
		case r.State == "invited":
			state = "invited by " + r.Inviter
		case r.State == "joined" || r.State == "confirmed":
			state = "waits for others"
		case r.State == "complete":
			state = "open"
		}
		members := append([]string{}, r.Names...)
		if len(r.Members) > 0 {
			members = []string{"you"}
			for _, m := range r.Members {
				members = append(members, m.Name)
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%d\n", r.ID[:8], contact.Printable(r.Title), state, contact.Printable(strings.Join(members, ", ")), r.Said, r.Unread, r.Alarms)
	}
	_ = t.Flush() // to the terminal or a buffer
}

func roomShowCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "show ROOM", Short: "Show a room and what is on its table",
		Long: `Show a room: its members, the agenda with everyone's latest positions, packages,
offers, drafts, rounds and agreements with their states, and whatever does not fit.
What it shows counts as looked at, and is no longer new in "backchannel room list".
ROOM is its title or the first digits of its number.`,
		Example: "  backchannel room show \"Straits talks\"\n  backchannel room show 3f2a91c0 --json",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			r, err := c.Room(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := emit(cmd, r, func(w io.Writer) { printRoom(w, r) }); err != nil {
				return err
			}
			return looked(cmd, c, r)
		}),
	})
}

// looked marks a room as looked at once all of it was shown.
func looked(cmd *cobra.Command, c *web.Client, r station.Room) error {
	if r.Unread == 0 {
		return nil
	}
	return c.MarkRoom(cmd.Context(), r.ID, r.Mark)
}

func roomJoinCommand() *cobra.Command {
	var with []string
	c := clientCommand(&cobra.Command{
		Use: "join ROOM", Short: "Join a room that a contact proposed",
		Long: `Join a room that a contact proposed. Name the other members among your contacts
with --with, but for the one who invited, who is known. Each of them learns that you
take part: name nobody whom the list of names does not mean.`,
		Example: "  backchannel room join \"Straits talks\" --with Cenia",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			r, err := c.Room(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			others := with
			if r.Inviter != "" {
				others = append([]string{r.Inviter}, with...)
			}
			info, err := c.JoinRoom(cmd.Context(), r.ID, others)
			if err != nil {
				return err
			}
			return emit(cmd, info, func(w io.Writer) { printRooms(w, []station.RoomInfo{info}) })
		}),
	})
	c.Flags().StringArrayVar(&with, "with", nil, "another member among your contacts (repeat for more)")
	return c
}

func roomDeclineCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "decline ROOM", Short: "Decline a room, or call off one that does not exist yet",
		Long: `Decline a room that a contact proposed, or call off one that does not exist yet.
Those who were told of your part in it are told.`,
		Example: "  backchannel room decline \"Straits talks\"",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			r, err := c.DeclineRoom(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return emit(cmd, r, func(w io.Writer) { fmt.Fprintln(w, "Declined.") })
		}),
	})
}

func roomEraseCommand() *cobra.Command {
	var yes bool
	c := clientCommand(&cobra.Command{
		Use: "erase ROOM", Short: "Erase your copy of a room",
		Long: `Erase your copy of a room with all that was said in it. The others keep theirs and
are told nothing. You can say nothing more in it.`,
		Example: "  backchannel room erase \"Straits talks\" --yes",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if !yes {
				return usage("this cannot be undone: say --yes")
			}
			if err := c.EraseRoom(cmd.Context(), args[0]); err != nil {
				return err
			}
			return emit(cmd, struct{}{}, func(w io.Writer) { fmt.Fprintln(w, "Erased here.") })
		}),
	})
	c.Flags().BoolVar(&yes, "yes", false, "erase without asking")
	return c
}

func roomSayCommand() *cobra.Command {
	var to, kind, body string
	c := clientCommand(&cobra.Command{
		Use: "say ROOM [TEXT]", Short: "Say something in a room",
		Long: `Say something in a room, or to one member of it with --to. Without --kind it is a
short text. With --kind and --body it is any statement, in the JSON that
docs/negotiation.md gives for the kind.`,
		Example: "  backchannel room say \"Straits talks\" \"Shall we begin?\"\n  backchannel room say 3f2a91c0 --kind confirm --body '{\"of\": \"…\"}'",
		Args:    cobra.RangeArgs(1, 2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			var what any = rawJSON(body)
			switch {
			case kind == "" && body == "" && len(args) == 2:
				kind, what = "signal", negotiation.Signal{Text: args[1]}
			case kind == "" || body == "" || len(args) == 2:
				return usage("give a text, or --kind and --body")
			}
			return said(cmd, c, args[0], kind, to, what)
		}),
	})
	c.Flags().StringVar(&to, "to", "", "a member who alone is told")
	c.Flags().StringVar(&kind, "kind", "", "the kind of a statement")
	c.Flags().StringVar(&body, "body", "", "its body in JSON")
	return c
}

// rawJSON is sent as it is.
type rawJSON string

// MarshalJSON is the text.
func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// said says something and tells what it is called.
func said(cmd *cobra.Command, c *web.Client, room, kind, to string, body any) error {
	s, err := c.Say(cmd.Context(), room, kind, to, body)
	if err != nil {
		return err
	}
	return emit(cmd, s, func(w io.Writer) { fmt.Fprintf(w, "Said as %s.\n", s.ID[:8]) })
}

func roomCommentCommand() *cobra.Command {
	var to string
	c := clientCommand(&cobra.Command{
		Use: "comment ROOM STATEMENT TEXT", Short: "Comment on something that was said",
		Long: `Comment on a statement of a room: an offer, a draft, anything. STATEMENT is the first
digits of its number. A comment on what was said to one member goes to that member.`,
		Example: "  backchannel room comment \"Straits talks\" 91c03f2a \"The second point is new to us.\"",
		Args:    cobra.ExactArgs(3),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			t, err := openTable(cmd, c, args[0])
			if err != nil {
				return err
			}
			id, err := t.statement(args[1])
			if err != nil {
				return err
			}
			return said(cmd, c, t.ID, "comment", to, negotiation.Comment{On: id, Text: args[2]})
		}),
	})
	c.Flags().StringVar(&to, "to", "", "a member who alone is told")
	return c
}

func roomTimelineCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "timeline ROOM", Short: "List all that was said in a room",
		Long:    `List all that was said in a room, in the order of the authors' clocks, which may differ.`,
		Example: "  backchannel room timeline \"Straits talks\"",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			t, err := openTable(cmd, c, args[0])
			if err != nil {
				return err
			}
			if err := emit(cmd, t.View.Timeline, func(w io.Writer) { t.printTimeline(w) }); err != nil {
				return err
			}
			return looked(cmd, c, t.Room)
		}),
	})
}

func roomOwnCommand() *cobra.Command {
	var file string
	c := clientCommand(&cobra.Command{
		Use: "own ROOM", Short: "Show or keep your own limits, weights and notes",
		Long: `Show what you noted for yourself about a room, as JSON, or keep it anew as a whole
with --file. It stays in your vault and is part of nothing that is said or exported.

  {"preferences": {"1": {"weight": 70, "options": [100, 60, 0]},
                   "2": {"weight": 30, "best": "20", "limit": "5"}},
   "colours": {"…": "green"}, "notes": {"…": "text"}}

The keys are issues of the agenda, and statements. Of a choice each option has 0 to 100,
0 being unacceptable; a range has the best figure and the limit.`,
		Example: "  backchannel room own \"Straits talks\"\n  backchannel room own \"Straits talks\" --file limits.json",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if file == "" {
				p, err := c.OwnSide(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return emitJSON(cmd.OutOrStdout(), p)
			}
			b, _, err := readInput(cmd, file)
			if err != nil {
				return err
			}
			if err := c.KeepOwnSideJSON(cmd.Context(), args[0], b); err != nil {
				return err
			}
			return emit(cmd, struct{}{}, func(w io.Writer) { fmt.Fprintln(w, "Kept, here only.") })
		}),
	})
	c.Flags().StringVar(&file, "file", "", "JSON to keep; - is standard input")
	return c
}

func roomSuggestCommand() *cobra.Command {
	var deal string
	count := 5
	c := clientCommand(&cobra.Command{
		Use: "suggest ROOM", Short: "Think of packages that may suit all",
		Long: `Think of packages that are good by your own limits and weights and near to what the
others put on the table; with --deal, of changes to a package that are worse for
nobody as far as the table shows. It is computed here and told nobody.`,
		Example: "  backchannel room suggest \"Straits talks\"\n  backchannel room suggest \"Straits talks\" --deal 91c03f2a",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			t, err := openTable(cmd, c, args[0])
			if err != nil {
				return err
			}
			if deal != "" {
				id, err := t.statement(deal)
				if err != nil {
					return err
				}
				deal = id.String()
			}
			list, err := c.Suggestions(cmd.Context(), t.ID, deal, count)
			if err != nil {
				return err
			}
			return emit(cmd, list, func(w io.Writer) {
				for _, s := range list {
					fmt.Fprintf(w, "own %d, others %d: %s\n", s.Own, s.Others, t.values(s.Values))
				}
				if len(list) == 0 {
					fmt.Fprintln(w, "Nothing: there is no agenda yet, or nothing within your limits.")
				}
			})
		}),
	})
	c.Flags().StringVar(&deal, "deal", "", "a package that is agreed, more or less")
	c.Flags().IntVar(&count, "count", count, "how many, 1 to 100")
	return c
}
