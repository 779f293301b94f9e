package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/contact"
	"backchannel/internal/station"
	"backchannel/internal/web"
)

func roundCommand() *cobra.Command {
	return family(&cobra.Command{
		Use: "round", Short: "Blind rounds: concede only against a concession",
		Long: `Blind rounds. Each party chooses in private; only what all accept is opened. Read the
words that "round show" prints before you choose: they say what an answer tells.`,
		Example: "  backchannel round propose \"Straits talks\" --mode single --package 91c03f2a\n  backchannel round choose \"Straits talks\" 5be1f00c --yes",
	}, roundProposeCommand(), roundShowCommand(), roundActCommand("join", "Take part in a blind round",
		"Take part in a blind round. No answer is chosen by it; each round counts for the quota of three a week.", (*web.Client).JoinRound),
		roundActCommand("decline", "End a blind round here",
			"End a blind round here, before the own answer has left. Nothing is sent: to the others it looks like a round that lapses.", (*web.Client).DeclineRound),
		roundChooseCommand())
}

func roundProposeCommand() *cobra.Command {
	var p station.RoundProposal
	var in, lasts string
	c := clientCommand(&cobra.Command{
		Use: "propose ROOM", Short: "Propose a blind round and take part in it",
		Long: `Propose a blind round and take part in it. single asks one package of any number of
parties, list asks 4 to 64 packages of two, ladder asks figures of one issue of two:
the one who sells wants the figure high. Answers leave after --in, whenever they were
chosen.`,
		Example: "  backchannel round propose \"Straits talks\" --mode ladder --issue 2 --figure 1 --figure 1.5 --figure 2 --party Borvia --sells --in 1h",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			wait, err := parseDuration(in)
			if err != nil {
				return err
			}
			length, err := parseDuration(lasts)
			if err != nil {
				return err
			}
			inputs := time.Now().Add(wait).Truncate(time.Second)
			deadline := inputs.Add(length)
			p.InputsAt, p.Deadline = &inputs, &deadline
			r, err := c.ProposeRound(cmd.Context(), args[0], p)
			return printRounds(cmd, []station.RoundInfo{r}, err)
		}),
	})
	f := c.Flags()
	f.StringVar(&p.Mode, "mode", "single", "single, ladder or list")
	f.StringArrayVar(&p.Packages, "package", nil, "a package to ask about (repeat for more)")
	f.Uint64Var(&p.Issue, "issue", 0, "ladder: the issue's number on the agenda")
	f.StringArrayVar(&p.Figures, "figure", nil, "ladder: a figure, ascending (repeat for more)")
	f.StringArrayVar(&p.Parties, "party", nil, "another party (repeat for more; default: all members)")
	f.BoolVar(&p.Sells, "sells", false, "ladder: want the figure high")
	f.Uint64Var(&p.Cap, "cap", 0, "list: the most that a side approves (default: a quarter)")
	f.Uint64Var(&p.Green, "green", 0, "list: two tiers, with so many in the upper one")
	f.StringVar(&in, "in", "1h", "when answers leave")
	f.StringVar(&lasts, "lasts", "24h", "how long after that there is time to open, 10 minutes at least")
	return c
}

func roundShowCommand() *cobra.Command {
	var follow bool
	c := clientCommand(&cobra.Command{
		Use: "show ROOM [ROUND]", Short: "Show the blind rounds of a room, or one of them",
		Long: `Show the blind rounds of a room with their states, or one of them with what must be read
before choosing. --follow goes on to show each step of a round until it has ended; with
--json one line for each.`,
		Example: "  backchannel round show \"Straits talks\"\n  backchannel round show \"Straits talks\" 5be1f00c --follow",
		Args:    cobra.RangeArgs(1, 2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			switch {
			case follow && len(args) < 2:
				return usage("--follow needs a round: \"round show ROOM\" lists them")
			case follow:
				return followRound(cmd, c, args[0], args[1])
			case len(args) == 2:
				r, err := c.BlindRound(cmd.Context(), args[0], args[1])
				return printRounds(cmd, []station.RoundInfo{r}, err)
			}
			all, err := c.BlindRounds(cmd.Context(), args[0])
			return printRounds(cmd, all, err)
		}),
	})
	c.Flags().BoolVar(&follow, "follow", false, "show each step until the round has ended")
	return c
}

// errOver ends the following of a round that has ended.
var errOver = errors.New("the round has ended")

// followRound shows a round at each step until it has ended.
func followRound(cmd *cobra.Command, c *web.Client, room, id string) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	shown := ""
	look := func() error {
		r, err := c.BlindRound(ctx, room, id)
		if err != nil {
			return err
		}
		over := r.Ended()
		if line := roundLine(r); line != shown {
			shown = line
			switch {
			case wantsJSON(cmd):
				err = writeLine(cmd.OutOrStdout(), r)
			case over:
				err = printRounds(cmd, []station.RoundInfo{r}, nil)
			default:
				_, err = fmt.Fprintln(cmd.OutOrStdout(), line)
			}
		}
		if err == nil && over {
			err = errOver
		}
		return err
	}
	first := make(chan error, 1)
	err := c.Follow(ctx, func() {
		if err := look(); err != nil {
			first <- err
			cancel()
		}
	}, func(n station.Notice) error {
		if n.Kind != station.EventRoom {
			return nil
		}
		return look()
	})
	select {
	case err = <-first:
	default:
	}
	if errors.Is(err, errOver) || errors.Is(cmd.Context().Err(), context.Canceled) {
		return nil
	}
	return err
}

// roundLine says in a line how far a round is.
func roundLine(r station.RoundInfo) string {
	line := r.State
	if p := r.Progress; p != nil {
		line += fmt.Sprintf(": step %d of %d", p.Step, p.Steps)
		if p.Left != nil {
			line += ", at most " + left(p.Left)
		}
	}
	return line
}

func roundActCommand(name, short, long string, do roundAct) *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: name + " ROOM ROUND", Short: short, Long: long,
		Example: "  backchannel round " + name + " \"Straits talks\" 5be1f00c",
		Args:    cobra.ExactArgs(2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			r, err := do(c, cmd.Context(), args[0], args[1])
			return printRounds(cmd, []station.RoundInfo{r}, err)
		}),
	})
}

func roundChooseCommand() *cobra.Command {
	var yes, no bool
	var choice station.RoundChoice
	var approve, green string
	c := clientCommand(&cobra.Command{
		Use: "choose ROOM ROUND", Short: "Choose the own answer of a blind round",
		Long: `Choose the own answer, or another, until answers leave. It stays in the vault and is
erased when the round ends. A shell may keep this command in its history.`,
		Example: "  backchannel round choose \"Straits talks\" 5be1f00c --yes\n  backchannel round choose \"Straits talks\" 5be1f00c --limit 1.5\n  backchannel round choose \"Straits talks\" 5be1f00c --approve 2,7",
		Args:    cobra.ExactArgs(2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if yes && no {
				return usage("--yes and --no exclude each other")
			}
			if yes || no {
				choice.Yes = &yes
			}
			if cmd.Flags().Changed("approve") {
				list, err := numbers(approve)
				if err != nil {
					return err
				}
				choice.Approve = &list
			}
			var err error
			if choice.Green, err = numbers(green); err != nil {
				return err
			}
			r, err := c.ChooseRound(cmd.Context(), args[0], args[1], choice)
			return printRounds(cmd, []station.RoundInfo{r}, err)
		}),
	})
	f := c.Flags()
	f.BoolVar(&yes, "yes", false, "single: accept")
	f.BoolVar(&no, "no", false, "single: do not accept")
	f.StringVar(&choice.Limit, "limit", "", "ladder: the last figure that is acceptable")
	f.BoolVar(&choice.None, "none", false, "ladder: accept no figure")
	f.StringVar(&approve, "approve", "", "list: numbers of the acceptable packages, with commas; empty for none")
	f.StringVar(&green, "green", "", "list with tiers: those of them in the upper tier")
	return c
}

// numbers reads numbers with commas. What is wrong with them is not repeated.
func numbers(s string) (list []int, err error) {
	list = []int{}
	for _, x := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.Atoi(x)
		if err != nil {
			return nil, usage("packages are named by their numbers, with commas between")
		}
		list = append(list, n)
	}
	return list, nil
}

func printRounds(cmd *cobra.Command, all []station.RoundInfo, err error) error {
	if err != nil {
		return err
	}
	return emit(cmd, all, func(w io.Writer) {
		if len(all) == 0 {
			fmt.Fprintln(w, "No blind rounds yet.")
		}
		for _, r := range all {
			fmt.Fprintf(w, "%s  %s  %s\n  %s\n", r.ID[:8], r.Mode, r.State, r.Text)
			if r.Progress != nil {
				fmt.Fprintf(w, "  At %s.\n", strings.TrimPrefix(roundLine(r), r.State+": "))
			}
			if r.Result != nil {
				fmt.Fprintf(w, "  %d. %s\n", r.Result.Number, contact.Printable(r.Result.Show))
			}
			if r.Who != "" {
				fmt.Fprintf(w, "  The message came from %s.\n", contact.Printable(r.Who))
			}
			fmt.Fprintf(w, "  Answers leave %s; it ends %s.\n", r.InputsAt.Local().Format("2006-01-02 15:04:05"), r.Deadline.Local().Format("2006-01-02 15:04:05"))
			if len(all) > 1 {
				continue
			}
			t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
			for _, i := range r.Items {
				fmt.Fprintf(t, "  %d.\t%s\n", i.Number, contact.Printable(i.Show))
			}
			_ = t.Flush() // to the terminal or a buffer
			if r.MayJoin || r.MayChoose {
				fmt.Fprintf(w, "  %s\n", strings.Join(r.Fairness, "\n  "))
			}
		}
	})
}

// roundAct is what a member does with a round without any more words.
type roundAct func(c *web.Client, ctx context.Context, room, id string) (station.RoundInfo, error)
