package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"backchannel/internal/link"
	"backchannel/internal/mark"
	"backchannel/internal/relay"
	"backchannel/internal/suite"
)

func relayCommand() *cobra.Command {
	var config string
	var whileStdin bool
	c := &cobra.Command{
		Use:   "relay",
		Short: "Run a relay of a network",
		Long: `Run one relay of a network's chain until SIGTERM or interrupt; then it sends what is
queued and ends. A restart ends the running epoch for everyone, and the network
heals by itself: no state but the high-water mark outlives the process.`,
		Example: "  backchannel relay --config /etc/backchannel/relay.toml",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args)
			}
			if config == "" {
				return usage("which configuration? name it with --config, or see the commands below this one")
			}
			s, err := loadRelay(config)
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
	c.Flags().StringVar(&config, "config", "", "the relay's configuration file")
	c.Flags().BoolVar(&whileStdin, "while-stdin", false, "also stop when standard input ends (for supervisors)")
	c.AddCommand(relayKeygenCommand(), relayRecordCommand(), relayCheckCommand())
	return c
}

func relayCheckCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:     "check",
		Short:   "Check a relay's configuration, key, mark and network file",
		Long:    "Check what a relay would start with: its configuration, key, mark and the network\nfile with every signature. Nothing is started or changed.",
		Example: "  backchannel relay check --config /etc/backchannel/relay.toml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := loadRelay(config)
			if err != nil {
				return err
			}
			if _, err := mark.Open(s.cfg.Mark); err != nil {
				return err
			}
			r := s.network.Relays[s.index]
			v := map[string]any{"network": s.network.Name, "relay": s.index + 1, "name": r.Name, "listen": s.cfg.Listen}
			return emit(cmd, v, func(w io.Writer) {
				fmt.Fprintf(w, "The configuration is in order: relay %d (%s) of network %q, listening on %s.\n", s.index+1, r.Name, s.network.Name, s.cfg.Listen)
			})
		},
	}
	c.Flags().StringVar(&config, "config", "", "the relay's configuration file")
	require(c, "config")
	return c
}

// relayHalfOpen bounds the handshakes under way at a relay's port: two are honest.
const relayHalfOpen = 64

// run drives the relay until ctx ends.
func (s relaySetup) run(ctx context.Context, stderr io.Writer) error {
	m, err := mark.Open(s.cfg.Mark)
	if err != nil {
		return err
	}
	log := serverLog(stderr, s.level)
	node := relay.New(relay.Config{
		Params: s.network.Params, Net: s.network.Net(), Index: s.index, Sign: s.key.sign, Verify: s.network.VerifyKeys(),
		Mark: m, Log: log, Workers: s.cfg.Workers,
	})
	// The entry and the relay before connect to this one, and nobody else may.
	peers := map[link.PinnedKey]link.Peer{s.network.Entry.TLS: {Role: link.RoleEntry}}
	if s.index > 0 {
		peers[s.network.Relays[s.index-1].TLS] = link.Peer{Role: link.RoleRelay, Index: s.index - 1}
	}
	ln, err := link.ListenTLS(s.cfg.Listen, suite.TLSKey(s.key.tls), peers, relayHalfOpen)
	if err != nil {
		return listenError(s.cfg.Listen, err)
	}
	return serve(ctx, server{
		role: "relay", log: log, health: s.cfg.Health,
		loop:    link.LoopConfig{Node: node, Dial: dialRelays(s.network, s.key.tls, link.RoleRelay), Listeners: []link.Listener{ln}, Log: log},
		healthy: func() bool { return node.Status().Healthy() },
		figures: func() []figure { return relayFigures(node.Status()) },
	})
}

func relayFigures(s relay.Status) []figure {
	l := s.Last
	return []figure{
		{"up", "gauge", "1 if every neighbour is connected", truth(s.Healthy())},
		{"serving", "gauge", "1 if there are circuits that carry cells", truth(s.Serving)},
		{"epoch", "gauge", "the epoch by this machine's clock", float64(s.Epoch)},
		{"last_epoch_attempts", "gauge", "set-ups begun in the last whole epoch", float64(l.Attempts)},
		{"last_epoch_revealed", "gauge", "of those, revealed by every relay", float64(l.Revealed)},
		{"last_epoch_aborted", "gauge", "of those, ended without circuits", float64(l.Aborts)},
		{"last_epoch_stations", "gauge", "stations in the last roster of that epoch", float64(l.Stations)},
		{"last_epoch_rounds", "gauge", "rounds carried in that epoch", float64(l.Rounds)},
		{"last_epoch_latency_mean_seconds", "gauge", "mean time from a round's first cell in to its last cell out", l.LatencyMean.Seconds()},
		{"last_epoch_latency_max_seconds", "gauge", "the longest such time", l.LatencyMax.Seconds()},
	}
}
