package relay

import (
	"log/slog"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/wire"
)

// neighbour is one place next to this relay: the entry, the relay before, the
// relay after.
type neighbour struct {
	peer link.Peer
	up   bool
	deaf bool // it broke a rule and is being disconnected
	in   [inbounds]inbound
}

// slot returns the place of a peer, nil for one that has no business here.
func (n *Node) slot(p link.Peer) *neighbour {
	switch {
	case p.Role == link.RoleEntry:
		return &n.entry
	case p.Role == link.RoleRelay && p.Index == n.cfg.Index-1:
		return &n.prev
	case p.Role == link.RoleRelay && p.Index == n.cfg.Index+1 && !n.last:
		return &n.next
	}
	return nil
}

// upstream is where batches and cells come from and receipts and answers go.
func (n *Node) upstream() *neighbour {
	if n.cfg.Index == 0 {
		return &n.entry
	}
	return &n.prev
}

// Connected implements link.Node. A second connection of the same neighbour
// replaces the first, which may be half dead.
func (n *Node) Connected(now time.Time, p link.Peer) {
	s := n.slot(p)
	if s == nil {
		n.env.Drop(p)
		return
	}
	if s.up {
		n.env.Drop(s.peer)
		s.cut()
	}
	s.peer, s.up, s.deaf = p, true, false
	n.figures.connected(n)
	if s == &n.next {
		n.redial = time.Time{}
	}
	if s == &n.entry {
		n.repeat()
	}
}

// Disconnected implements link.Node.
func (n *Node) Disconnected(now time.Time, p link.Peer) {
	s := n.slot(p)
	switch {
	case s == nil:
		return
	case p.Conn == 0 && s == &n.next && !s.up: // a dial failed
	case s.up && s.peer == p:
		s.up = false
		s.cut()
		n.figures.connected(n)
	default:
		return
	}
	if s == &n.next {
		n.redial = n.redialAt(now)
		n.tick(now)
	}
}

// leastRedial bounds how often a dead neighbour is dialled.
const leastRedial = 100 * time.Millisecond

// redialAt is the start of the next round that is far enough away: reconnects
// follow the schedule and nothing else.
func (n *Node) redialAt(now time.Time) time.Time {
	at := now.Add(leastRedial)
	if r, ok := n.p.RoundAt(at); ok {
		return n.p.RoundStart(r + 1)
	}
	return n.p.RoundStart(0)
}

// refuse ends the connection of a neighbour that broke a rule.
func (n *Node) refuse(s *neighbour, what string) {
	s.deaf = true
	s.cut()
	n.log.Warn("a peer broke the protocol and was disconnected", slog.String("peer", s.peer.String()), slog.String("sent", what))
	n.env.Drop(s.peer)
}

// cut drops every array that was under way from this neighbour, whole.
func (s *neighbour) cut() {
	for i := range s.in {
		s.in[i].cut()
	}
}

// send gives frames to a neighbour; one that is away misses them.
func (n *Node) send(to *neighbour, frames ...[]byte) {
	if !to.up || to.deaf {
		return
	}
	for _, f := range frames {
		n.env.Send(to.peer, f)
	}
}

// repeat gives a reconnected entry what this relay has to say about the pending
// attempt and the coming circuits, byte for byte as before.
func (n *Node) repeat() {
	var said [][]byte
	if a := n.attempt; a != nil {
		said = append(said, a.said...)
	}
	if c := n.coming; c != nil {
		said = append(said, c.reveal)
	}
	for _, f := range said {
		n.send(&n.entry, append([]byte(nil), f...))
	}
}

// say sends a document of an attempt to the entry and keeps it for a reconnect.
func (n *Node) say(a *attempt, t wire.Type, doc interface{ Append([]byte) []byte }) {
	f := wire.Frame(t, doc)
	a.said = append(a.said, f)
	n.send(&n.entry, append([]byte(nil), f...))
}
