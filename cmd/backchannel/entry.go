package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"backchannel/internal/entry"
	"backchannel/internal/link"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

func entryCommand() *cobra.Command {
	var config string
	var whileStdin bool
	c := &cobra.Command{
		Use:   "entry",
		Short: "Run the entry of a network",
		Long: `Run a network's entry until SIGTERM or interrupt: it holds the stations'
connections and carries bytes between them and the first relay. It knows no secret
of theirs and keeps nothing; when it restarts, stations come back on their
schedule.`,
		Example: "  backchannel entry --config /etc/backchannel/entry.toml",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args)
			}
			if config == "" {
				return usage("which configuration? name it with --config, or see the commands below this one")
			}
			s, err := loadEntry(config)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if whileStdin {
				ctx = untilEOF(ctx, cmd.InOrStdin())
			}
			return s.run(ctx, cmd.ErrOrStderr())
		},
	}
	c.Flags().StringVar(&config, "config", "", "the entry's configuration file")
	c.Flags().BoolVar(&whileStdin, "while-stdin", false, "also stop when standard input ends (for supervisors)")
	c.AddCommand(entryKeygenCommand(), entryRecordCommand(), entryCheckCommand())
	return c
}

func entryCheckCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:     "check",
		Short:   "Check an entry's configuration, key and network file",
		Long:    "Check what an entry would start with: its configuration, key and the network file\nwith every signature. Nothing is started or changed.",
		Example: "  backchannel entry check --config /etc/backchannel/entry.toml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := loadEntry(config)
			if err != nil {
				return err
			}
			v := map[string]any{"network": s.network.Name, "listen": s.cfg.Listen, "stations": s.cfg.Stations}
			return emit(cmd, v, func(w io.Writer) {
				fmt.Fprintf(w, "The configuration is in order: entry of network %q, listening on %s for up to %s.\n",
					s.network.Name, s.cfg.Listen, plural(int64(s.cfg.Stations), "station"))
			})
		},
	}
	c.Flags().StringVar(&config, "config", "", "the entry's configuration file")
	require(c, "config")
	return c
}

// entryHalfOpen bounds the connections that have not proved an account yet.
const entryHalfOpen = 512

// run drives the entry until ctx ends.
func (s entrySetup) run(ctx context.Context, stderr io.Writer) error {
	log := serverLog(stderr, s.level)
	net, p := s.network.Net(), s.network.Params
	node := entry.New(entry.Config{
		Params: p, Net: net, Verify: s.network.VerifyKeys(), Log: log,
		Limits: entry.Limits{Stations: s.cfg.Stations, FirstTime: s.cfg.Newcomers},
	})
	ln, err := link.ListenStations(s.cfg.Listen, suite.TLSKey(s.key.tls), net, stationFrame(p), entryHalfOpen, log)
	if err != nil {
		return listenError(s.cfg.Listen, err)
	}
	return serve(ctx, server{
		role: "entry", log: log, health: s.cfg.Health,
		loop:    link.LoopConfig{Node: node, Dial: dialRelays(s.network, s.key.tls, link.RoleEntry), Listeners: []link.Listener{ln}, Log: log},
		healthy: func() bool { s := node.Status(); return len(s.Relays) == p.Relays && s.Healthy() },
		figures: func() []figure { return entryFigures(node.Status()) },
	})
}

func entryFigures(s entry.Status) []figure {
	up := 0
	for _, ok := range s.Relays {
		if ok {
			up++
		}
	}
	l := s.Last
	return []figure{
		{"relays_up", "gauge", "relays that are connected", float64(up)},
		{"serving", "gauge", "1 if there are circuits that carry cells", truth(s.Serving)},
		{"epoch", "gauge", "the epoch by this machine's clock", float64(s.Epoch)},
		{"last_epoch_attempts", "gauge", "set-ups begun in the last whole epoch", float64(l.Attempts)},
		{"last_epoch_revealed", "gauge", "of those, revealed by every relay", float64(l.Revealed)},
		{"last_epoch_aborted", "gauge", "of those, ended without circuits", float64(l.Aborts)},
		{"last_epoch_stations", "gauge", "stations in the last roster of that epoch", float64(l.Stations)},
		{"last_epoch_silent", "gauge", "stations that did not acknowledge in that epoch, all attempts together", float64(l.Silent)},
		{"last_epoch_connected", "gauge", "stations connected at the end of that epoch", float64(l.Connected)},
		{"last_epoch_rounds", "gauge", "rounds carried in that epoch", float64(l.Rounds)},
		{"last_epoch_latency_mean_seconds", "gauge", "mean time from the close of a round to its last answer", l.LatencyMean.Seconds()},
		{"last_epoch_latency_max_seconds", "gauge", "the longest such time", l.LatencyMax.Seconds()},
	}
}

// stationFrame is the size of the largest frame that a station may send.
func stationFrame(p wire.Params) int {
	attempt := 1 + wire.AttemptSize
	return max(p.CellsFrameSize(), attempt+1+p.OnionSize(0), attempt+p.AckSize(), attempt+p.RecordSize())
}
