package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

func statusCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "status", Short: "Show the station, its network and what waits",
		Long: `Show whether the traffic is the same as always, or what is wrong; the network and who
runs its relays; how many stations take part; lanes; and what waits to be delivered.`,
		Example: "  backchannel status\n  backchannel status --json",
		Args:    cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			s, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			return emit(cmd, s, func(w io.Writer) { printStatus(w, s) })
		}),
	})
}

func printStatus(w io.Writer, s station.Status) {
	if s.Usual {
		fmt.Fprintln(w, "Same traffic as always.")
	} else {
		fmt.Fprintln(w, "Not the usual traffic.")
	}
	vault := "unlocked"
	if !s.Unlocked {
		vault = "locked: lanes idle until \"backchannel unlock\""
	}
	fmt.Fprintf(w, "  vault      %s\n", vault)
	fmt.Fprintf(w, "  network    %s (%s…)\n", s.Network, s.Net[:16])
	for i, r := range s.Relays {
		fmt.Fprintf(w, "  relay %d    %s, run by %s\n", i+1, r.Name, r.Operator)
	}
	switch s.Stations {
	case 0:
		fmt.Fprintln(w, "  stations   not known yet")
	case 1:
		fmt.Fprintln(w, "  stations   only this one takes part")
	default:
		fmt.Fprintf(w, "  stations   %d take part\n", s.Stations)
	}
	circuits := "none yet"
	if s.Circuits != nil {
		circuits = fmt.Sprintf("of epoch %d", *s.Circuits)
	}
	fmt.Fprintf(w, "  epoch      %d, the next begins in %s; circuits: %s\n", s.Epoch, inWords(time.Duration(s.NextEpoch*float64(time.Second))), circuits)
	fmt.Fprintf(w, "  set-ups    %d begun, %d without result\n", s.Attempts, s.Aborted)
	fmt.Fprintf(w, "  lanes      %d, %d idle\n", s.Lanes, s.LanesFree)
	waiting := "nothing"
	if s.Waiting > 0 {
		waiting = plural(int64(s.Waiting), "item")
		if s.Left != nil {
			waiting += ", " + left(s.Left)
		}
	}
	fmt.Fprintf(w, "  waiting    %s\n", waiting)
	if s.Backup != nil {
		fmt.Fprintf(w, "  restored   from the backup of %s; what came in later is not here\n", s.Backup.Local().Format("Mon 2 Jan 2006 15:04"))
	}
	for _, warning := range s.Warnings {
		fmt.Fprintf(w, "  ! %s\n", warning)
	}
}

// writeLine writes v as one line of JSON.
func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}
