package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"backchannel/internal/contact"
	"backchannel/internal/station"
	"backchannel/internal/web"
)

func agreementSignCommand() *cobra.Command {
	var yes bool
	c := clientCommand(&cobra.Command{
		Use: "sign ROOM AGREEMENT", Short: "Sign an agreement: this ends deniability",
		Long: `Sign an agreement of level sealed or public to which everybody has consented. The
exact text is shown and the warning asked about first; --yes says that both were read.
The share leaves by itself once everybody has signed so far.`,
		Example: "  backchannel agreement sign \"Straits talks\" 5be1f00c",
		Args:    cobra.ExactArgs(2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if !yes {
				a, err := c.Agreement(cmd.Context(), args[0], args[1])
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%s\n\n%s\n", contact.Printable(a.Text), a.Warning)
				for _, n := range a.Needed {
					if a.Level == "public" && !n.Self {
						fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s.\n", contact.Printable(n.Name), keyState(n))
					}
				}
				fmt.Fprint(cmd.ErrOrStderr(), "Sign it? Write yes: ")
				line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
				if err != nil && !errors.Is(err, io.EOF) {
					return err
				}
				if strings.TrimSpace(line) != "yes" {
					return errors.New("signing the agreement: it was not confirmed; nothing was signed")
				}
			}
			a, err := c.SignAgreement(cmd.Context(), args[0], args[1])
			return printSigning(cmd, a, err)
		}),
	})
	c.Flags().BoolVar(&yes, "yes", false, "the text and the warning were read")
	return c
}

func agreementStopCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "stop ROOM AGREEMENT", Short: "Take the own signature back, while its share has not left",
		Long:    `Take the own signature back. Once the share has left, it cannot be.`,
		Example: "  backchannel agreement stop \"Straits talks\" 5be1f00c",
		Args:    cobra.ExactArgs(2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			a, err := c.StopSigning(cmd.Context(), args[0], args[1])
			return printSigning(cmd, a, err)
		}),
	})
}

func printSigning(cmd *cobra.Command, a station.AgreementInfo, err error) error {
	if err != nil {
		return err
	}
	return emit(cmd, a, func(w io.Writer) {
		fmt.Fprintf(w, "%s  %s  %s\n", a.ID[:8], a.Level, a.State)
		for _, n := range a.Needed {
			how := "waits"
			switch {
			case n.Holds:
				how = "holds the signed text"
			case n.Shared:
				how = "has signed"
			case n.Signing:
				how = "signs"
			}
			fmt.Fprintf(w, "  %s: %s\n", contact.Printable(n.Name), how)
			if a.Level == "public" && !n.Self && !a.Agreed {
				fmt.Fprintf(w, "    %s\n", keyState(n))
			}
		}
	})
}

// keyState says how far the key of another signer is known to be its own.
func keyState(n station.NeededConsent) string {
	switch {
	case n.OtherKey:
		return "came with another key than the one that is noted; nothing was signed: ask by another way than this which is right"
	case n.NotedKey != "" && n.Key != "":
		return "with the key that is noted"
	case n.NotedKey != "":
		return "nothing is signed with another key than the one that is noted"
	case n.Key != "":
		return "with the key " + n.Key + ", and none is noted to compare it with"
	}
	return "no published key is noted: see \"backchannel agreement key\""
}

func communiqueCommand() *cobra.Command {
	var text, out, self string
	propose := clientCommand(&cobra.Command{
		Use: "propose ROOM AGREEMENT", Short: "Draft the communiqué of an agreement",
		Long:    `Draft the communiqué of an agreement that is confirmed or signed. What was signed is published word for word; --text is for level handshake.`,
		Example: "  backchannel communique propose \"Straits talks\" 5be1f00c",
		Args:    cobra.ExactArgs(2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			q, err := c.ProposeCommunique(cmd.Context(), args[0], args[1], text)
			return printCommuniques(cmd, []station.CommuniqueInfo{q}, err)
		}),
	})
	propose.Flags().StringVar(&text, "text", "", "the text, of an agreement of level handshake")
	file := clientCommand(&cobra.Command{
		Use: "file ROOM COMMUNIQUE", Short: "Write a signed communiqué as a file that anybody can check",
		Long:    `Write a signed communiqué that all approved as a file, which "backchannel verify" checks on any machine.`,
		Example: "  backchannel communique file \"Straits talks\" 77aa01c9 --out communique.json",
		Args:    cobra.ExactArgs(2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			b, err := c.CommuniqueFile(cmd.Context(), args[0], args[1], self)
			if err != nil {
				return err
			}
			if out == "" {
				_, err = cmd.OutOrStdout().Write(b)
				return err
			}
			return writeNew(out, b, 0o644)
		}),
	})
	file.Flags().StringVar(&out, "out", "", "a new file; default: standard output")
	file.Flags().StringVar(&self, "self", "", "your name in the file; default: as in the room")
	return family(&cobra.Command{
		Use: "communique", Short: "Communiqués: what all release together",
		Long:    `Communiqués of a room: drafted by one, approved by all, and released.`,
		Example: "  backchannel communique propose \"Straits talks\" 5be1f00c\n  backchannel communique file \"Straits talks\" 77aa01c9 --out communique.json",
	}, propose, communiqueListCommand(), communiqueActCommand(true), communiqueActCommand(false), file)
}

func communiqueListCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "list ROOM", Short: "List the communiqués of a room",
		Long:    `List the communiqués of a room with who has approved them.`,
		Example: "  backchannel communique list \"Straits talks\"",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			all, err := c.Communiques(cmd.Context(), args[0])
			return printCommuniques(cmd, all, err)
		}),
	})
}

func communiqueActCommand(approve bool) *cobra.Command {
	name, short, do := "release", "Note that a communiqué goes to the public", (*web.Client).ReleaseCommunique
	if approve {
		name, short, do = "approve", "Agree to the release of a communiqué", (*web.Client).ApproveCommunique
	}
	return clientCommand(&cobra.Command{
		Use: name + " ROOM COMMUNIQUE", Short: short, Long: short + ". All members are told.",
		Example: "  backchannel communique " + name + " \"Straits talks\" 77aa01c9",
		Args:    cobra.ExactArgs(2),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			q, err := do(c, cmd.Context(), args[0], args[1])
			return printCommuniques(cmd, []station.CommuniqueInfo{q}, err)
		}),
	})
}

func printCommuniques(cmd *cobra.Command, all []station.CommuniqueInfo, err error) error {
	if err != nil {
		return err
	}
	return emit(cmd, all, func(w io.Writer) {
		if len(all) == 0 {
			fmt.Fprintln(w, "No communiqués yet.")
		}
		for _, q := range all {
			fmt.Fprintf(w, "%s  %s\n  approved by %s\n", q.ID[:8], q.State, contact.Printable(strings.Join(q.Approved, ", ")))
			if q.Problem != "" {
				fmt.Fprintf(w, "  %s\n", q.Problem)
			}
		}
	})
}
