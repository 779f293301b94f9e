package station

import (
	"context"
	"time"

	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// Driver runs a station's node: a link.Loop on real sockets and the real clock, or
// a simulation on a virtual one.
type Driver interface {
	// Do runs f as the node's own code runs, with its clock, and waits for it.
	Do(ctx context.Context, f func(now time.Time)) error
	// Stopped is closed when the node will not be called any more.
	Stopped() <-chan struct{}
}

// Driven makes a station of a node that d drives, with an open vault whose owner
// closes it. It has no folder and no connection of its own; contacts, letters, rooms
// and all that is on their tables work as in any other. What waits on the tables is
// done by Attend, which NodeConfig.Table asks for.
func Driven(nw *wire.Network, node *Node, d Driver, v *vault.Vault) *Station {
	s := &Station{nw: nw, net: node.cfg.Net, log: node.log, node: node, driver: d, nudged: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sit(v)
	return s
}

// Attend does one thing that waits on the tables of an unlocked station: it reads one
// message, or does what time makes due in one room. It says whether there may be
// more. A station that runs (Run) attends by itself.
func (s *Station) Attend() bool { return s.turn() }
