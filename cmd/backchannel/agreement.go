package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/station"
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
	var p station.AgreementProposal
	var file, lapses string
	var parties []string
	c := clientCommand(&cobra.Command{
		Use: "propose ROOM", Short: "Propose an agreement",
		Long: `Propose an agreement: a text, packages of the agenda that holds, or both. The parties
are all members unless --party names some, you only if "me" is among them. At level handshake everybody confirms it and
nobody can prove it to others; sealed and public leave a signature. It lapses after
--lapses if not everybody has consented and confirmed by then.`,
		Example: "  backchannel agreement propose \"Straits talks\" --file treaty.txt --package 91c03f2a --lapses 7d\n  backchannel agreement propose \"Straits talks\" --file - --level sealed --party me --party Borvia",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if new(negotiation.Level).UnmarshalText([]byte(p.Level)) != nil {
				return usage("a level is handshake, sealed or public")
			}
			d, err := parseDuration(lapses)
			if err != nil {
				return err
			}
			p.Lapses = time.Now().Add(d)
			if file != "" {
				b, _, err := readInput(cmd, file)
				if err != nil {
					return err
				}
				p.Text = strings.TrimSpace(string(b))
			}
			p.Apart = len(parties) > 0
			for _, name := range parties {
				if strings.EqualFold(name, "me") {
					p.Apart = false
				} else {
					p.Parties = append(p.Parties, name)
				}
			}
			if len(parties) > 0 && len(p.Parties) == 0 {
				return usage("an agreement has two parties at least: name another with --party")
			}
			a, err := c.ProposeAgreement(cmd.Context(), args[0], p)
			if err != nil {
				return err
			}
			return emit(cmd, a, func(w io.Writer) {
				fmt.Fprintf(w, "Proposed as %s. Proposing is no consent.\n", a.ID[:8])
				printMissing(w, a)
			})
		}),
	})
	c.Flags().StringVar(&file, "file", "", "a text file; - is standard input")
	c.Flags().StringArrayVar(&p.Packages, "package", nil, "a package that it settles (repeat for more)")
	c.Flags().StringArrayVar(&parties, "party", nil, "a party, me for yourself (repeat for more; default: all members)")
	c.Flags().StringVar(&p.Level, "level", "handshake", "handshake, sealed or public")
	c.Flags().StringVar(&lapses, "lapses", "7d", "how long there is time for everybody to consent and confirm")
	c.Flags().StringVar(&p.SideOf, "side-letter-of", "", "an agreement to which this one is a side letter")
	c.Flags().StringVar(&p.Replaces, "replaces", "", "an agreement of yours in whose place this one stands")
	return c
}

// printMissing says whose consent an agreement lacks and what else is in its way.
func printMissing(w io.Writer, a station.AgreementInfo) {
	var missing []string
	for _, n := range a.Needed {
		if !n.Consented {
			missing = append(missing, n.Name)
		}
	}
	if len(missing) > 0 {
		fmt.Fprintf(w, "It is not agreed. Not consented yet: %s.\n", contact.Printable(strings.Join(missing, ", ")))
	} else if !a.Agreed {
		fmt.Fprintf(w, "Everybody has consented; it is %s, and not agreed.\n", a.State)
	}
	for _, b := range a.Blocked {
		fmt.Fprintf(w, "In the way: %s\n", contact.Printable(b))
	}
}

// openAgreement is the agreement of the arguments, ROOM [AGREEMENT]: the only one of
// the room that is open if none is named.
func openAgreement(cmd *cobra.Command, c *web.Client, args []string) (string, error) {
	if len(args) > 1 {
		return args[1], nil
	}
	all, err := c.Agreements(cmd.Context(), args[0])
	if err != nil {
		return "", err
	}
	var open []string
	for _, a := range all {
		if !negotiation.AgreementState(a.State).Final() && a.Replaced == "" {
			open = append(open, a.ID)
		}
	}
	if len(open) == 1 {
		return open[0], nil
	}
	return "", usage("%s: give the number of the one you mean", plural(int64(len(open)), "open agreement"))
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
			id, err := openAgreement(cmd, c, args)
			if err != nil {
				return err
			}
			a, err := c.ConsentAgreement(cmd.Context(), args[0], id)
			if err != nil {
				return err
			}
			return emit(cmd, a, func(w io.Writer) {
				fmt.Fprintf(w, "You consent to %s, exactly as it stands.\n", a.ID[:8])
				printMissing(w, a)
			})
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
			id, err := openAgreement(cmd, c, args)
			if err != nil {
				return err
			}
			withdraw, words := c.WithdrawConsent, "Your consent to %s is withdrawn.\n"
			if proposal {
				withdraw, words = c.WithdrawAgreement, "Your proposal %s is withdrawn.\n"
			}
			a, err := withdraw(cmd.Context(), args[0], id)
			if err != nil {
				return err
			}
			return emit(cmd, a, func(w io.Writer) { fmt.Fprintf(w, words, a.ID[:8]) })
		}),
	})
	c.Flags().BoolVar(&proposal, "proposal", false, "the agreement itself, which you proposed")
	return c
}

func agreementKeyCommand() *cobra.Command {
	var forget bool
	c := clientCommand(&cobra.Command{
		Use: "key [CONTACT [KEY]]", Short: "Show the key with which you sign at level public, or note a contact's",
		Long: `Show the key with which this station signs agreements of level public. It is made when
it is first shown or used. Publish it where people look for what you say, or hand it to
whoever shall check: whoever knows that it is yours can tell, with "backchannel verify
--key", that a communiqué has your signature. Nothing else is signed with it.

With a contact and a KEY, note the key that this contact publishes, from where it is
published: at level public this station then signs with no other key of that contact.
With a contact alone, show what is noted; --forget forgets it.`,
		Example: "  backchannel agreement key\n  backchannel agreement key Borvia 4f5c…\n  backchannel agreement key Borvia --forget",
		Args:    cobra.RangeArgs(0, 2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if forget && len(args) != 1 {
				return usage("--forget takes a contact and no key")
			}
			if len(args) > 0 {
				return contactKey(cmd, c, args, forget)
			}
			key, err := c.SealKey(cmd.Context())
			if err != nil {
				return err
			}
			return emit(cmd, map[string]string{"key": key}, func(w io.Writer) { fmt.Fprintln(w, key) })
		}),
	})
	c.Flags().BoolVar(&forget, "forget", false, "forget the key that is noted for the contact")
	return c
}

// contactKey shows, notes or forgets the published key of a contact.
func contactKey(cmd *cobra.Command, c *web.Client, args []string, forget bool) (err error) {
	var k station.ContactInfo
	switch {
	case forget:
		k, err = c.SetSealKey(cmd.Context(), args[0], "")
	case len(args) == 1:
		k, err = c.Contact(cmd.Context(), args[0])
	case strings.TrimSpace(args[1]) == "":
		return usage("the key is empty: use --forget to forget the one that is noted")
	default:
		k, err = c.SetSealKey(cmd.Context(), args[0], args[1])
	}
	if err != nil {
		return err
	}
	return emit(cmd, map[string]string{"key": k.SealKey}, func(w io.Writer) {
		switch name := contact.Printable(k.Name); {
		case k.SealKey == "":
			fmt.Fprintf(w, "No published key of %s is noted.\n", name)
		case len(args) == 1:
			fmt.Fprintln(w, k.SealKey)
		default:
			fmt.Fprintf(w, "Noted. At level public nothing is signed with another key of %s.\n", name)
		}
	})
}
