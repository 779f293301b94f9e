package station

import (
	"context"
	"errors"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/suite"
)

// newLoop drives the node over a WebSocket to the entry.
func newLoop(s *Station, account suite.AccountKey) *link.Loop {
	d := link.StationDialer{
		Addresses: s.nw.Entry.Addresses, Entry: s.nw.Entry.TLS, Net: s.net, Account: account, SOCKS5: s.cfg.SOCKS5, Clock: s.cfg.Clock,
		OnServerTime: func(server, local time.Time) {
			s.clock.compared(local)
			// The loop may be stopping; then nobody needs to know.
			_ = s.driver.Do(context.Background(), func(time.Time) { s.node.ServerTime(server, local) })
		},
	}
	return link.NewLoop(link.LoopConfig{
		Node: s.node, Log: s.log, Clock: s.cfg.Clock,
		Dial: func(ctx context.Context, t link.Target) (link.Conn, error) {
			if t.Role != link.RoleEntry {
				return nil, errors.New("a station connects to its entry only")
			}
			return d.Dial(ctx)
		},
	})
}
