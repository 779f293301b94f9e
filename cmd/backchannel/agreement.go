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

func agreementCommand() *cobra.Command {
	return family(&cobra.Command{
		Use: "agreement", Short: "Agreements of a room, and consents to them",
		Long: `Agreements of a room. An agreement needs the consent of its parties and of everybody
whom one of its issues concerns; free text concerns all. Another word in it is another
agreement, to which nobody has consented. Nothing is agreed until every consent is
there and everybody has confirmed.`,
		Example: "  backchannel agreement propose \"Straits talks\" --package 91c03f2a --lapses 7d\n  backchannel agreement consent \"Straits talks\" 5be1f00c",
	}, agreementProposeCommand(), agreementShowCommand(), agreementConsentCommand(), agreementWithdrawCommand(), agreementSignCommand(), agreementStopCommand(), agreementKeyCommand())
}

func agreementProposeCommand() *cobra.Command {
	var file, level, lapses, sideLetterOf, replaces string
	var parties, packages []string
	c := clientCommand(&cobra.Command{
		Use: "propose ROOM", Short: "Propose an agreement",
		Long: `Propose an agreement: a text, packages of the agenda that holds, or both. The parties
are all members unless --party names some. At level handshake everybody confirms it and
nobody can prove it to others; sealed and public leave a signature. It lapses after
--lapses if not everybody has consented and confirmed by then.`,
		Example: "  backchannel agreement propose \"Straits talks\" --file treaty.txt --package 91c03f2a --lapses 7d\n  backchannel agreement propose \"Straits talks\" --file - --level sealed --party me --party Borvia",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			t, err := openTable(cmd, c, args[0])
			if err != nil {
				return err
			}
			a := negotiation.Agreement{}
			if err := a.Level.UnmarshalText([]byte(level)); err != nil {
				return usage("a level is handshake, sealed or public")
			}
			d, err := parseDuration(lapses)
			if err != nil {
				return err
			}
			a.Lapses = uint64(time.Now().Add(d).Unix())
			if file != "" {
				b, _, err := readInput(cmd, file)
				if err != nil {
					return err
				}
				a.Text = strings.TrimSpace(string(b))
			}
			if a.Parties, err = t.members(parties); err != nil {
				return err
			}
			if a.Packages, err = t.statements(packages); err != nil {
				return err
			}
			if len(a.Packages) > 0 && t.View.Agenda != nil {
				a.Agenda = &t.View.Agenda.ID
			}
			for _, ref := range []struct {
				digits string
				to     **negotiation.ID
			}{{sideLetterOf, &a.SideLetterOf}, {replaces, &a.Replaces}} {
				if ref.digits == "" {
					continue
				}
				id, err := t.statement(ref.digits)
				if err != nil {
					return err
				}
				*ref.to = &id
			}
			return said(cmd, c, t.ID, "agreement", "", a)
		}),
	})
	c.Flags().StringVar(&file, "file", "", "a text file; - is standard input")
	c.Flags().StringArrayVar(&packages, "package", nil, "a package that it settles (repeat for more)")
	c.Flags().StringArrayVar(&parties, "party", nil, "a party, me for yourself (repeat for more; default: all members)")
	c.Flags().StringVar(&level, "level", "handshake", "handshake, sealed or public")
	c.Flags().StringVar(&lapses, "lapses", "7d", "how long there is time for everybody to consent and confirm")
	c.Flags().StringVar(&sideLetterOf, "side-letter-of", "", "an agreement to which this one is a side letter")
	c.Flags().StringVar(&replaces, "replaces", "", "an agreement of yours in whose place this one stands")
	return c
}

// members are those of the names, or all.
func (t *shownTable) members(names []string) (out []negotiation.MemberID, err error) {
	if len(names) == 0 {
		for _, m := range t.View.Members {
			out = append(out, m.ID)
		}
	}
	for _, n := range names {
		m, err := t.member(n)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

func (t *shownTable) statements(digits []string) (out []negotiation.ID, err error) {
	for _, d := range digits {
		id, err := t.statement(d)
		if err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, nil
}

// agreement finds an agreement by the first digits of its number, or the only one
// that is open.
func (t *shownTable) agreement(args []string) (negotiation.AgreementView, error) {
	if len(args) > 0 {
		id, err := t.statement(args[0])
		if err != nil {
			return negotiation.AgreementView{}, err
		}
		if i := slices.IndexFunc(t.View.Agreements, func(a negotiation.AgreementView) bool { return a.ID == id }); i >= 0 {
			return t.View.Agreements[i], nil
		}
		return negotiation.AgreementView{}, usage("what begins with %q is no agreement", args[0])
	}
	var open []negotiation.AgreementView
	for _, a := range t.View.Agreements {
		if !a.State.Final() && a.Replaced == nil {
			open = append(open, a)
		}
	}
	if len(open) == 1 {
		return open[0], nil
	}
	return negotiation.AgreementView{}, usage("%s: give the number of the one you mean", plural(int64(len(open)), "open agreement"))
}

func agreementShowCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "show ROOM", Short: "Show the agreements of a room, with their exact texts",
		Long: `Show the agreements of a room: the exact text, who has consented, who has not and why
its consent is needed, and what else is in the way.`,
		Example: "  backchannel agreement show \"Straits talks\"",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			t, err := openTable(cmd, c, args[0])
			if err != nil {
				return err
			}
			return emit(cmd, t.View.Agreements, func(w io.Writer) {
				if t.printAgreements(w); len(t.View.Agreements) == 0 {
					fmt.Fprintln(w, "No agreement is proposed.")
				}
			})
		}),
	})
}

func agreementConsentCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "consent ROOM [AGREEMENT]", Short: "Consent to an agreement as it stands",
		Long: `Consent to an agreement, exactly as it stands: read it first (backchannel agreement
show). The consent can be withdrawn until everybody has consented and confirmed. Which
agreement it is may be left out if only one is open.`,
		Example: "  backchannel agreement consent \"Straits talks\" 5be1f00c",
		Args:    cobra.RangeArgs(1, 2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			t, err := openTable(cmd, c, args[0])
			if err != nil {
				return err
			}
			a, err := t.agreement(args[1:])
			if err != nil {
				return err
			}
			return said(cmd, c, t.ID, "consent", "", negotiation.Consent{Core: a.Core})
		}),
	})
}

func agreementWithdrawCommand() *cobra.Command {
	proposal := false
	c := clientCommand(&cobra.Command{
		Use: "withdraw ROOM [AGREEMENT]", Short: "Withdraw your consent, or an agreement that you proposed",
		Long: `Withdraw your consent to an agreement; with --proposal withdraw an agreement that you
proposed. After everybody has consented and confirmed it is too late.`,
		Example: "  backchannel agreement withdraw \"Straits talks\" 5be1f00c",
		Args:    cobra.RangeArgs(1, 2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			t, err := openTable(cmd, c, args[0])
			if err != nil {
				return err
			}
			a, err := t.agreement(args[1:])
			if err != nil {
				return err
			}
			of := a.ID
			if !proposal {
				i := slices.IndexFunc(a.Needed, func(n negotiation.NeededView) bool { return n.Member == t.View.Self && n.Consent != nil })
				if i < 0 {
					return fmt.Errorf("there is no consent of yours to withdraw")
				}
				of = *a.Needed[i].Consent
			}
			return said(cmd, c, t.ID, "withdraw", "", negotiation.Withdraw{Of: of})
		}),
	})
	c.Flags().BoolVar(&proposal, "proposal", false, "the agreement itself, which you proposed")
	return c
}

func agreementKeyCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "key", Short: "Show the key with which you sign at level public",
		Long: `Show the key with which this station signs agreements of level public. It is made when
it is first shown or used. Publish it where people look for what you say, or hand it to
whoever shall check: whoever knows that it is yours can tell, with "backchannel verify
--key", that a communiqué has your signature. Nothing else is signed with it.`,
		Example: "  backchannel agreement key",
		Args:    cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			key, err := c.SealKey(cmd.Context())
			if err != nil {
				return err
			}
			return emit(cmd, map[string]string{"key": key}, func(w io.Writer) { fmt.Fprintln(w, key) })
		}),
	})
}
