package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// server is a node with what surrounds it.
type server struct {
	role    string
	log     *slog.Logger
	health  string // where /healthz and /metrics are served
	loop    link.LoopConfig
	healthy func() bool // from any goroutine
	figures func() []figure
}

// serve runs a node until ctx ends and then drains it.
func serve(ctx context.Context, s server) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	loop := link.NewLoop(s.loop)
	wait, err := serveHealth(ctx, s.health, func(ctx context.Context) (health, error) {
		// The node's own goroutine must answer: a node that hangs is not healthy.
		err := loop.Do(ctx, func(time.Time) {})
		return health{s.healthy(), s.figures()}, err
	})
	if err != nil {
		for _, ln := range s.loop.Listeners {
			err = errors.Join(err, ln.Close())
		}
		return err
	}
	s.log.Info(s.role + ": running")
	err = loop.Run(ctx)
	cancel()
	err = errors.Join(err, wait())
	s.log.Info(s.role + ": stopped")
	return err
}

// dialRelays connects a server in the role own to the relays of its network.
func dialRelays(n *wire.Network, tls [suite.SeedSize]byte, own link.Role) link.Dialer {
	return func(ctx context.Context, t link.Target) (link.Conn, error) {
		if t.Role != link.RoleRelay || t.Index < 0 || t.Index >= len(n.Relays) {
			return nil, errors.New("a server connects to the relays of its network only")
		}
		r := n.Relays[t.Index]
		return link.DialTLS(ctx, r.Address, suite.TLSKey(tls), r.TLS, own, link.Peer{Role: link.RoleRelay, Index: t.Index})
	}
}

func listenError(where string, err error) error {
	return fmt.Errorf("listening on %s: %w: is another server running here, or is the port not allowed?", where, err)
}

// serverLog is the log of a server: text lines on standard error, which the
// supervisor keeps.
func serverLog(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
