package main

import (
	"context"
	"log/slog"
	"os/exec"
	"time"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// notifyPace is how long a command that announces arrivals may take, and how
// often it runs at most.
const notifyPace = 10 * time.Second

// notifyArrivals runs a command when something has arrived, without telling it
// what or from whom, until ctx ends. Arrivals of muted contacts are left out.
func notifyArrivals(ctx context.Context, s *station.Station, command []string, log *slog.Logger) {
	notices, stop, err := s.Follow(ctx)
	if err != nil {
		return // the station ended before it began
	}
	defer stop()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case n, ok := <-notices:
			if !ok {
				return
			}
			if !web.Arrived(n) || time.Since(last) < notifyPace {
				continue
			}
			k, err := s.Contact(ctx, n.Contact)
			if err != nil || k.Muted {
				continue
			}
			last = time.Now()
			runNotify(ctx, command, log)
		}
	}
}

func runNotify(ctx context.Context, command []string, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, notifyPace)
	defer cancel()
	if err := exec.CommandContext(ctx, command[0], command[1:]...).Run(); err != nil {
		log.Warn("station: the command in notify failed", "error", err)
	}
}
