package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"backchannel/internal/bench"
	"backchannel/internal/link"
	"backchannel/internal/suite"
)

func benchCommand() *cobra.Command {
	var quick, full bool
	var plots string
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure the engine against this machine's own limits",
		Long: `Measure what the engine costs on this machine: a relay's pass over its circuits,
rounds through three relays in memory and over sockets, the set-up of circuits,
memory per circuit, what a station pays per hour, and what its connections cost an
entry. Each is measured beside its
limit in the same run, in turns, and shown as a ratio to it; docs/performance.md
says what the figures mean.

It takes less than two minutes, with --quick about ten seconds. Nothing leaves the
machine. Other work on the machine disturbs the figures; the spread shows it.`,
		Example: "  backchannel bench\n  backchannel bench --quick --json\n  backchannel bench --full --plot figures",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := bench.Options{Secure: securePair, Crowds: entryCrowds{}}
			switch {
			case quick && full:
				return usage("--quick and --full exclude each other")
			case quick:
				o.Mode = bench.Quick
			case full:
				o.Mode = bench.Full
			}
			if !wantsJSON(cmd) {
				o.Progress = func(what string) { fmt.Fprintf(cmd.ErrOrStderr(), "measuring %s\n", what) }
			}
			r, err := bench.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if plots != "" {
				if err := r.Plot(plots); err != nil {
					return err
				}
			}
			return emit(cmd, r, func(w io.Writer) { r.Print(w) })
		},
	}
	c.Flags().BoolVar(&quick, "quick", false, "about ten seconds: fewer and smaller sizes")
	c.Flags().BoolVar(&full, "full", false, "several minutes: up to four million circuits, more repeats; wants 10 GB of memory")
	c.Flags().StringVar(&plots, "plot", "", "also draw how cost grows, as SVG files in this folder")
	c.AddCommand(benchStations())
	return c
}

// securePair is one connection on this machine as between two relays of a network,
// or between its entry and a relay.
func securePair(ctx context.Context, entry bool) (dialled, accepted bench.Conn, err error) {
	own := link.RoleRelay
	if entry {
		own = link.RoleEntry
	}
	dialler, listener := suite.TLSKey(suite.RandomKey()), suite.TLSKey(suite.RandomKey())
	public := func(key []byte) link.PinnedKey { return link.PinnedKey(key[suite.SeedSize:]) } // seed ‖ public key
	l, err := link.ListenTLS("127.0.0.1:0", listener, map[link.PinnedKey]link.Peer{public(dialler): {Role: own}}, 1)
	if err != nil {
		return nil, nil, err
	}
	d, err := link.DialTLS(ctx, l.Addr().String(), dialler, public(listener), own, link.Peer{Role: link.RoleRelay})
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	a, err := l.Accept()
	if err != nil {
		return nil, nil, errors.Join(err, d.Close(), l.Close())
	}
	return &serverConn{Conn: d}, &serverConn{Conn: a, listener: l}, nil
}

// serverConn is a link's connection whose frames are valid until the next: then
// their memory is used again, as by a server's loop. It ends its listener with
// itself: a listener that closes may take with it what it accepted a moment ago.
type serverConn struct {
	link.Conn
	listener link.Listener // nil where it was dialled
	last     []byte
}

// ReadFrame implements bench.Conn.
func (s *serverConn) ReadFrame() (frame []byte, err error) {
	if spare, ok := s.Conn.(interface{ Recycle(frame []byte) }); ok && s.last != nil {
		spare.Recycle(s.last)
	}
	s.last, err = s.Conn.ReadFrame()
	return s.last, err
}

// Close implements bench.Conn.
func (s *serverConn) Close() error {
	err := s.Conn.Close()
	if s.listener != nil {
		err = errors.Join(err, s.listener.Close())
	}
	return err
}
