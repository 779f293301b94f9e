package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"backchannel/internal/contact"
	"backchannel/internal/web"
)

func roomShowToCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "show-to ROOM STATEMENT MEMBER", Short: "Show a member what another member said to the room",
		Long: `Show a member what another member said to the room, with the tag that its author made
for that case. The member then knows whether that author wrote it; you could not have
made the tag. To anybody else it proves nothing, because whoever is shown it could have
made it. Nobody else is told.

It is possible for what others said to the whole room, until everybody is known to hold
the same, and for seven days at most: then the tags are erased. STATEMENT is the first
digits of its number (backchannel room timeline). What you are shown yourself stands in
"backchannel room show".`,
		Example: "  backchannel room show-to \"Straits talks\" 91c03f2a Cenia",
		Args:    cobra.ExactArgs(3),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			s, err := c.ShowTo(cmd.Context(), args[0], args[1], args[2])
			if err != nil {
				return err
			}
			return emit(cmd, s, func(w io.Writer) { fmt.Fprintf(w, "Shown to %s alone, as %s.\n", contact.Printable(args[2]), s.ID[:8]) })
		}),
	})
}

// printShown lists what members showed each other, with what follows from it.
func (t *shownTable) printShown(w io.Writer) {
	for _, s := range t.View.Shown {
		fmt.Fprintf(w, "\nShown %s: %s\n  %s %s: %s%s\n", moment(s.Time), contact.Printable(s.Text), moment(s.Statement.Time), t.name(s.Statement.From), s.Statement.Kind, t.gist(s.Statement))
	}
}
