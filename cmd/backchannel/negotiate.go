package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/negotiation"
	"backchannel/internal/web"
)

func agendaCommand() *cobra.Command {
	return family(&cobra.Command{
		Use: "agenda", Short: "The agenda of a room",
		Long: `The agenda of a room: what is to be settled, what values it can take, and whom it
concerns. A revision holds once every member has confirmed it.`,
		Example: "  backchannel agenda propose \"Straits talks\" --issue \"Toll=none|half|full\"\n  backchannel agenda confirm \"Straits talks\"",
	}, agendaProposeCommand(), agendaConfirmCommand())
}

func agendaProposeCommand() *cobra.Command {
	var issues, affects, outsiders []string
	var fresh bool
	c := clientCommand(&cobra.Command{
		Use: "propose ROOM", Short: "Propose an agenda, or the next revision of it",
		Long: `Propose an agenda, or add issues to the one that holds. An issue is a title and what
it can be settled at: options (TITLE=a|b|c), figures (TITLE=min..max/step unit) or words
(TITLE=words). It concerns all members unless --affects says whom; --outsider names
somebody concerned who is not in the room: nothing about the issue can be agreed then.`,
		Example: "  backchannel agenda propose \"Straits talks\" --issue \"Toll=none|half|full\" --issue \"Term=1..30/1 years\" --affects \"Term=Borvia,Cenia\"",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			t, err := openTable(cmd, c, args[0])
			if err != nil {
				return err
			}
			a, err := t.nextAgenda(issues, affects, outsiders, fresh)
			if err != nil {
				return err
			}
			return said(cmd, c, t.ID, "agenda", "", a)
		}),
	})
	c.Flags().StringArrayVar(&issues, "issue", nil, "an issue to add (repeat for more)")
	c.Flags().StringArrayVar(&affects, "affects", nil, "TITLE=member,member: whom an issue concerns")
	c.Flags().StringArrayVar(&outsiders, "outsider", nil, "TITLE=name: somebody concerned who is not in the room")
	c.Flags().BoolVar(&fresh, "fresh", false, "begin with no issues instead of those of the agenda that holds")
	return c
}

// nextAgenda is the next revision, with what the flags add.
func (t *shownTable) nextAgenda(issues, affects, outsiders []string, fresh bool) (*negotiation.Agenda, error) {
	a := &negotiation.Agenda{Rev: 1}
	last := uint64(0)
	for _, p := range t.View.Proposed {
		a.Rev = max(a.Rev, p.Rev+1)
		for _, i := range p.Issues {
			last = max(last, i.ID) // a number is not used for two things
		}
	}
	if held := t.View.Agenda; held != nil {
		a.Rev, a.Base = max(a.Rev, held.Rev+1), &held.ID
		for _, i := range held.Issues {
			last = max(last, i.ID)
		}
		if !fresh {
			a.Issues = slices.Clone(held.Issues)
		}
	}
	for _, text := range issues {
		i, err := parseIssue(text)
		if err != nil {
			return nil, err
		}
		last++
		i.ID = last
		a.Issues = append(a.Issues, i)
	}
	find := func(text string) (*negotiation.Issue, string, error) {
		title, rest, ok := strings.Cut(text, "=")
		n := slices.IndexFunc(a.Issues, func(i negotiation.Issue) bool { return i.Title == title })
		if !ok || n < 0 {
			return nil, "", usage("%q names no issue: write TITLE=name", text)
		}
		return &a.Issues[n], rest, nil
	}
	for _, text := range affects {
		i, names, err := find(text)
		if err != nil {
			return nil, err
		}
		i.Affects = nil
		for name := range strings.SplitSeq(names, ",") {
			m, err := t.member(strings.TrimSpace(name))
			if err != nil {
				return nil, err
			}
			i.Affects = append(i.Affects, m)
		}
	}
	for _, text := range outsiders {
		i, name, err := find(text)
		if err != nil {
			return nil, err
		}
		i.Outsiders = append(slices.Clone(i.Outsiders), name)
	}
	return a, nil
}

// parseIssue reads TITLE=a|b|c, TITLE=min..max/step unit or TITLE=words.
func parseIssue(text string) (i negotiation.Issue, err error) {
	title, what, ok := strings.Cut(text, "=")
	i.Title = strings.TrimSpace(title)
	if !ok || i.Title == "" || what == "" {
		return i, usage("%q is no issue: write TITLE=a|b|c, TITLE=min..max/step unit or TITLE=words", text)
	}
	low, rest, figures := strings.Cut(what, "..")
	switch {
	case strings.Contains(what, "|"):
		i.Type = negotiation.Choice
		for o := range strings.SplitSeq(what, "|") {
			i.Options = append(i.Options, strings.TrimSpace(o))
		}
	case figures:
		i.Type = negotiation.Range
		bounds, unit, _ := strings.Cut(rest, " ")
		high, step, stepped := strings.Cut(bounds, "/")
		if !stepped {
			step = "1"
		}
		b := &negotiation.Bounds{Unit: strings.TrimSpace(unit)}
		for _, f := range []struct {
			to   *negotiation.Decimal
			text string
		}{{&b.Min, low}, {&b.Max, high}, {&b.Step, step}} {
			if *f.to, err = negotiation.ParseDecimal(strings.TrimSpace(f.text)); err != nil {
				return i, usage("%q: %v", text, err)
			}
		}
		i.Range = b
	case what == "words":
		i.Type = negotiation.Text
	default:
		return i, usage("%q has one option only: write TITLE=a|b|c, TITLE=min..max/step unit or TITLE=words", text)
	}
	return i, nil
}

func agendaConfirmCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "confirm ROOM [STATEMENT]", Short: "Confirm a proposed agenda",
		Long:    `Confirm that a proposed agenda is yours too: the newest one, or the one whose number begins with these digits.`,
		Example: "  backchannel agenda confirm \"Straits talks\"",
		Args:    cobra.RangeArgs(1, 2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			t, err := openTable(cmd, c, args[0])
			if err != nil {
				return err
			}
			var id negotiation.ID
			switch {
			case len(args) == 2:
				if id, err = t.statement(args[1]); err != nil {
					return err
				}
			case len(t.View.Proposed) == 0:
				return fmt.Errorf("nothing is proposed: the agenda holds, or there is none yet")
			default:
				id = slices.MaxFunc(t.View.Proposed, func(a, b negotiation.AgendaView) int { return int(a.Rev) - int(b.Rev) }).ID
			}
			return said(cmd, c, t.ID, "confirm", "", negotiation.Confirm{Of: id})
		}),
	})
}

func packageCommand() *cobra.Command {
	var note, to string
	propose := clientCommand(&cobra.Command{
		Use: "propose ROOM ISSUE=VALUE…", Short: "Put a package on the table",
		Long: `Put a package on the table: values for issues of the agenda that holds, as one. It
binds nobody. ISSUE is a title or a number of the agenda.`,
		Example: "  backchannel package propose \"Straits talks\" Toll=half Term=12",
		Args:    cobra.MinimumNArgs(2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			t, err := openTable(cmd, c, args[0])
			if err != nil {
				return err
			}
			p := negotiation.Package{Values: map[uint64]negotiation.Value{}, Note: note}
			for _, text := range args[1:] {
				issue, v, err := t.parseValue(text)
				if err != nil {
					return err
				}
				p.Values[issue] = v
			}
			p.Agenda = t.View.Agenda.ID
			return said(cmd, c, t.ID, "package", to, p)
		}),
	})
	propose.Flags().StringVar(&note, "note", "", "a note to it")
	propose.Flags().StringVar(&to, "to", "", "a member who alone is told")
	return family(&cobra.Command{
		Use: "package", Short: "Packages of a room",
		Long:    `Packages: values for several issues, put on the table as a whole. They bind nobody.`,
		Example: "  backchannel package propose \"Straits talks\" Toll=half Term=12",
	}, propose)
}

// parseValue reads ISSUE=VALUE.
func (t *shownTable) parseValue(text string) (uint64, negotiation.Value, error) {
	name, value, ok := strings.Cut(text, "=")
	if t.View.Agenda == nil {
		return 0, negotiation.Value{}, fmt.Errorf("no agenda holds yet: propose one, and have all confirm it")
	}
	if !ok {
		return 0, negotiation.Value{}, usage("%q is no value of an issue: write ISSUE=VALUE", text)
	}
	for _, i := range t.View.Agenda.Issues {
		if i.Title != name && fmt.Sprint(i.ID) != name {
			continue
		}
		switch i.Type {
		case negotiation.Choice:
			if n := slices.Index(i.Options, value); n >= 0 {
				return i.ID, negotiation.OptionValue(uint64(n)), nil
			}
			return 0, negotiation.Value{}, usage("the issue %q has no option %q", i.Title, value)
		case negotiation.Range:
			d, err := negotiation.ParseDecimal(value)
			if err != nil {
				return 0, negotiation.Value{}, usage("%v", err)
			}
			return i.ID, negotiation.NumberValue(d), nil
		}
		return i.ID, negotiation.TextValue(value), nil
	}
	return 0, negotiation.Value{}, usage("the agenda has no issue %q", name)
}

// offerFlags are what an offer is made of.
type offerFlags struct {
	gives, gets, onlyIf []string
	replaces, note, to  string
	expires             string
	keep                bool
}

func (f *offerFlags) add(c *cobra.Command) *cobra.Command {
	c.Flags().StringArrayVar(&f.gives, "gives", nil, "[MEMBER:]ISSUE=VALUE that is given, by you unless a member is named (repeat for more)")
	c.Flags().StringArrayVar(&f.gets, "gets", nil, "MEMBER:ISSUE=VALUE that is wanted for it (repeat for more)")
	c.Flags().StringArrayVar(&f.onlyIf, "only-if", nil, "a package or an offer that must hold besides")
	c.Flags().StringVar(&f.expires, "expires", "", "how long it stands, for instance 12h or 7d; without it until it is withdrawn")
	c.Flags().StringVar(&f.replaces, "replaces", "", "an offer of yours in whose place this one stands")
	c.Flags().StringVar(&f.note, "note", "", "a note to it")
	c.Flags().StringVar(&f.to, "to", "", "a member who alone is told")
	c.Flags().BoolVar(&f.keep, "keep", false, "keep it here and do not send it yet")
	return c
}

// offer makes the offer of the flags.
func (t *shownTable) offer(f *offerFlags, answers string) (o negotiation.Offer, err error) {
	for _, side := range []struct {
		texts []string
		to    *[]negotiation.Term
		own   bool
	}{{f.gives, &o.Gives, true}, {f.gets, &o.Gets, false}} {
		for _, text := range side.texts {
			by := t.View.Self
			who, rest, named := strings.Cut(text, ":")
			switch {
			case named && !strings.Contains(who, "="):
				if by, err = t.member(who); err != nil {
					return o, err
				}
				text = rest
			case !side.own && len(t.View.Members) > 2:
				return o, usage("%q: who is to give it? write MEMBER:ISSUE=VALUE", text)
			case !side.own:
				for _, m := range t.View.Members {
					if !m.Self {
						by = m.ID
					}
				}
			}
			issue, v, err := t.parseValue(text)
			if err != nil {
				return o, err
			}
			*side.to = append(*side.to, negotiation.Term{By: by, Issue: issue, Value: v})
		}
	}
	if t.View.Agenda == nil {
		return o, fmt.Errorf("no agenda holds yet: propose one, and have all confirm it")
	}
	o.Agenda, o.Note = t.View.Agenda.ID, f.note
	for _, digits := range f.onlyIf {
		id, err := t.statement(digits)
		if err != nil {
			return o, err
		}
		o.OnlyIf = append(o.OnlyIf, id)
	}
	for _, ref := range []struct {
		digits string
		to     **negotiation.ID
	}{{f.replaces, &o.Replaces}, {answers, &o.Answers}} {
		if ref.digits == "" {
			continue
		}
		id, err := t.statement(ref.digits)
		if err != nil {
			return o, err
		}
		*ref.to = &id
	}
	if f.expires != "" {
		d, err := parseDuration(f.expires)
		if err != nil {
			return o, err
		}
		o.Expires = uint64(time.Now().Add(d).Unix())
	}
	return o, nil
}

// makeOffer sends or keeps an offer.
func makeOffer(cmd *cobra.Command, c *web.Client, f *offerFlags, room, answers string) error {
	t, err := openTable(cmd, c, room)
	if err != nil {
		return err
	}
	o, err := t.offer(f, answers)
	if err != nil {
		return err
	}
	if !f.keep {
		return said(cmd, c, t.ID, "offer", f.to, o)
	}
	n, err := c.KeepOffer(cmd.Context(), t.ID, 0, o)
	if err != nil {
		return err
	}
	return emit(cmd, map[string]uint64{"number": n}, func(w io.Writer) { fmt.Fprintf(w, "Kept as %d, sent to nobody.\n", n) })
}

func offerCommand() *cobra.Command {
	var fresh, counter offerFlags
	return family(&cobra.Command{
		Use: "offer", Short: "Conditional offers of a room",
		Long: `Conditional offers: what is given, what is wanted for it, and what must hold besides.
An offer binds nobody, taken or not: only an agreement does. Its author alone decides
what becomes of it; who takes it asks the author to confirm.`,
		Example: "  backchannel offer new \"Straits talks\" --gives Toll=half --gets Borvia:Term=12 --expires 2d",
	},
		fresh.add(clientCommand(&cobra.Command{
			Use: "new ROOM", Short: "Make an offer",
			Long: `Make an offer: concede something only against something. --gives is what is given,
--gets what is wanted for it, --only-if what must hold besides.`,
			Example: "  backchannel offer new \"Straits talks\" --gives Toll=half --gets Borvia:Term=12 --expires 2d",
			Args:    cobra.ExactArgs(1),
			RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
				return makeOffer(cmd, c, &fresh, args[0], "")
			}),
		})),
		counter.add(clientCommand(&cobra.Command{
			Use: "counter ROOM OFFER", Short: "Answer an offer with another one",
			Long:    `Answer an offer with another one. The first may still be taken until its author withdraws it.`,
			Example: "  backchannel offer counter \"Straits talks\" 91c03f2a --gives Term=10 --gets Aldmark:Toll=none",
			Args:    cobra.ExactArgs(2),
			RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
				return makeOffer(cmd, c, &counter, args[0], args[1])
			}),
		})),
		aboutCommand("take", "take", "Ask to take an offer", `Ask the author of an offer to let you take it. It is taken when its author's station
has confirmed that, which it does by itself as long as the offer stands.`,
			func(id negotiation.ID) any { return negotiation.Take{Of: id} }),
		aboutCommand("withdraw", "withdraw", "Withdraw an offer of yours", `Withdraw an offer of yours that was not taken. If somebody takes it at the same time,
what your station says first decides.`,
			func(id negotiation.ID) any { return negotiation.Withdraw{Of: id} }),
		offerSendCommand(), offerDropCommand())
}

// aboutCommand makes a command that says something short about an offer.
func aboutCommand(use, kind, short, long string, body func(negotiation.ID) any) *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: use + " ROOM OFFER", Short: short, Long: long,
		Example: "  backchannel offer " + use + " \"Straits talks\" 91c03f2a",
		Args:    cobra.ExactArgs(2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			t, err := openTable(cmd, c, args[0])
			if err != nil {
				return err
			}
			id, err := t.statement(args[1])
			if err != nil {
				return err
			}
			to := ""
			for _, s := range t.View.Timeline { // what one was told alone is answered alone
				if s.ID == id && s.Private() {
					other := s.From
					if other == t.View.Self {
						other = s.To
					}
					to = other.String()
				}
			}
			return said(cmd, c, t.ID, kind, to, body(id))
		}),
	})
}

func offerSendCommand() *cobra.Command {
	var to string
	c := clientCommand(&cobra.Command{
		Use: "send ROOM NUMBER", Short: "Send an offer that was kept",
		Long:    `Send an offer that was kept with --keep, to the room or to one member.`,
		Example: "  backchannel offer send \"Straits talks\" 1",
		Args:    cobra.ExactArgs(2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			n, err := keptNumber(args[1])
			if err != nil {
				return err
			}
			s, err := c.SendOffer(cmd.Context(), args[0], n, to)
			if err != nil {
				return err
			}
			return emit(cmd, s, func(w io.Writer) { fmt.Fprintf(w, "Said as %s.\n", s.ID[:8]) })
		}),
	})
	c.Flags().StringVar(&to, "to", "", "a member who alone is told")
	return c
}

func offerDropCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "drop ROOM NUMBER", Short: "Forget an offer that was kept",
		Long:    `Forget an offer that was kept with --keep and never sent.`,
		Example: "  backchannel offer drop \"Straits talks\" 1",
		Args:    cobra.ExactArgs(2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			n, err := keptNumber(args[1])
			if err != nil {
				return err
			}
			if err := c.DropOffer(cmd.Context(), args[0], n); err != nil {
				return err
			}
			return emit(cmd, struct{}{}, func(w io.Writer) { fmt.Fprintln(w, "Forgotten.") })
		}),
	})
}

func keptNumber(s string) (n uint64, err error) {
	if _, err := fmt.Sscanf(s, "%d", &n); err != nil || n == 0 || fmt.Sprint(n) != s {
		return 0, usage("%q is not the number of a kept offer", s)
	}
	return n, nil
}
