package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

func tokenCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "token", Short: "Let programs use the station, each within its scopes",
		Long: `A token lets a program, such as a bot, use the station's API without being its
owner. Its scopes say what it may do:

  read   contacts, signals and letters, status, events, rooms; mark as read; export
  send   signals and letters to contacts that are there
  negotiate   statements in rooms that exist, short of what binds

Meeting, lanes, locking, burning and tokens are for the principal only. Tokens are
in the vault: while it is locked none is valid.`,
		Example: "  backchannel token new weather-bot --scope read,send --output bot.token\n  backchannel token list",
	}
	c.AddCommand(tokenNewCommand(), tokenListCommand(), tokenRevokeCommand())
	return c
}

func scopeList(all []station.Scope) string {
	words := make([]string, len(all))
	for i, s := range all {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}

func tokenNewCommand() *cobra.Command {
	var list, out string
	c := clientCommand(&cobra.Command{
		Use: "new NAME", Short: "Make a token",
		Long: `Make a token and print its secret, or write it to a new file that only its owner may
read. The station keeps a hash; the secret is not shown again.`,
		Example: "  backchannel token new weather-bot --scope read,send --output bot.token",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			scopes, err := station.ParseScopes(list)
			if err != nil {
				return usage("%s", err)
			}
			t, err := c.NewToken(cmd.Context(), args[0], scopes)
			if err != nil {
				return err
			}
			if out != "" {
				if err := writeOutput(out, []byte(t.Secret+"\n")); err != nil {
					if e := c.RevokeToken(cmd.Context(), t.ID); e != nil {
						return fmt.Errorf("%w (and the token that nobody has now could not be revoked: %w)", err, e)
					}
					return err
				}
				return emit(cmd, t.Token, func(w io.Writer) { fmt.Fprintf(w, "Token %s (%s) is in %s.\n", t.ID, scopeList(t.Scopes), out) })
			}
			return emit(cmd, t, func(w io.Writer) { fmt.Fprintln(w, t.Secret) })
		}),
	})
	c.Flags().StringVar(&list, "scope", "read", "what it may do: read, send, negotiate, or several with commas")
	c.Flags().StringVarP(&out, "output", "o", "", "write the secret to this new file instead of printing it")
	return c
}

func tokenListCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "list", Short: "List tokens",
		Long:    "List the tokens that are valid, with their scopes. Their secrets are not kept.",
		Example: "  backchannel token list --json",
		Args:    cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			all, err := c.Tokens(cmd.Context())
			if err != nil {
				return err
			}
			return emit(cmd, all, func(w io.Writer) {
				if len(all) == 0 {
					fmt.Fprintln(w, "No tokens.")
					return
				}
				t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(t, "ID\tNAME\tSCOPES\tMADE")
				for _, k := range all {
					fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", k.ID, k.Name, scopeList(k.Scopes), k.Created.Local().Format("2 Jan 2006 15:04"))
				}
				t.Flush()
			})
		}),
	})
}

func tokenRevokeCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "revoke NAME", Short: "End a token, at once",
		Long:    "End a token, given by its name or its identifier. The next request that shows it is refused.",
		Example: "  backchannel token revoke weather-bot",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			if err := c.RevokeToken(cmd.Context(), args[0]); err != nil {
				return err
			}
			return emit(cmd, map[string]bool{"revoked": true}, func(w io.Writer) { fmt.Fprintln(w, "Revoked.") })
		}),
	})
}
