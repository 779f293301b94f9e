package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/contact"
	"backchannel/internal/station"
	"backchannel/internal/web"
)

func roomStraysCommand() *cobra.Command {
	erase := false
	c := clientCommand(&cobra.Command{
		Use: "strays [ROOM]", Short: "List messages that were not understood",
		Long: `List messages of negotiations of which nothing could be made, as they came: without
ROOM those that belong to no room here, because it was erased, never came about, or
means nothing; with it those that the room refused. Nobody is told that they came to
nothing. --erase erases those that belong to no room.`,
		Example: "  backchannel room strays\n  backchannel room strays \"Straits talks\"\n  backchannel room strays --erase",
		Args:    cobra.MaximumNArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			switch {
			case erase && len(args) > 0:
				return usage("what a room refused goes with the room: \"backchannel room erase\"")
			case erase:
				if err := c.EraseStrays(cmd.Context()); err != nil {
					return err
				}
				return emit(cmd, map[string]bool{"erased": true}, func(w io.Writer) { fmt.Fprintln(w, "Erased: what belonged to no room here.") })
			case len(args) > 0:
				return showStrays(cmd, func(ctx context.Context) ([]station.Stray, error) { return c.RefusedIn(ctx, args[0]) })
			}
			return showStrays(cmd, c.Strays)
		}),
	})
	c.Flags().BoolVar(&erase, "erase", false, "erase those that belong to no room")
	return c
}

// strayHead is how many bytes of a message are shown; --json has all.
const strayHead = 24

func showStrays(cmd *cobra.Command, list func(context.Context) ([]station.Stray, error)) error {
	all, err := list(cmd.Context())
	if err != nil {
		return err
	}
	return emit(cmd, all, func(w io.Writer) {
		if len(all) == 0 {
			fmt.Fprintln(w, "Everything was understood.")
			return
		}
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "ARRIVED\tFROM\tWHY\tBYTES\tBEGINS WITH")
		for _, m := range all {
			fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\n", m.Time.Local().Format(time.DateTime), contact.Printable(m.Name), contact.Printable(m.Reason), m.Size, hex.EncodeToString(m.Raw[:min(len(m.Raw), strayHead)]))
		}
		_ = t.Flush() // to the terminal or a buffer
	})
}
