package station

import (
	"encoding/binary"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// redialRounds is the period of reconnects in rounds. A station that lost its
// entry tries again at fixed times of the schedule, shifted by its account: when
// it comes back tells nothing about what it was doing.
const redialRounds = 10

// Connected implements link.Node.
func (n *Node) Connected(now time.Time, p link.Peer) {
	if p.Role != link.RoleEntry {
		n.env.Drop(p)
		return
	}
	if n.connected {
		n.env.Drop(n.entry)
	}
	n.entry, n.connected = p, true
	n.stats.connectedSince = now
	n.resend(now)
	if weakened.Reencryption && n.current != nil && n.anyBuilt {
		n.sendCells(now, n.current, n.built)
	}
	n.notify(Event{Time: now, Kind: EventConnected})
}

// Disconnected implements link.Node.
func (n *Node) Disconnected(now time.Time, p link.Peer) {
	switch {
	case p == n.entry && n.connected:
		n.connected = false
		n.stats.disconnects++
		n.notify(Event{Time: now, Kind: EventDisconnected})
	case p.Conn == 0 && p.Role == link.RoleEntry && !n.connected: // a dial failed
	default:
		return
	}
	n.agenda.at(n.redialAt(now), func(now time.Time) {
		if !n.connected {
			n.env.Dial(link.Target{Role: link.RoleEntry})
		}
	})
}

// redialAt is the first reconnect time after now.
func (n *Node) redialAt(now time.Time) time.Time {
	period := redialRounds * n.p.Round
	shift := time.Duration(binary.BigEndian.Uint64(n.cfg.Account[:]) % uint64(period))
	d := now.Sub(n.p.T0) - shift
	k := d / period
	if d >= 0 || d%period == 0 { // division rounds towards zero
		k++
	}
	return n.p.T0.Add(shift + k*period)
}

// resend gives a new connection what the old one took with it: messages whose
// time has not come keep it; those that the entry did not acknowledge are
// repeated, byte for byte, as long as their window is open.
func (n *Node) resend(now time.Time) {
	a := n.attempt
	if a == nil {
		return
	}
	again := func(frame []byte, accepted bool, at, until time.Time) {
		switch {
		case frame == nil || accepted || !now.Before(until):
		case now.Before(at):
			n.env.SendAt(at, n.entry, frame)
		default:
			n.env.Send(n.entry, frame)
		}
	}
	again(a.joinFrame, a.joinAccepted, n.p.JoinTime(a.id), n.p.PhaseEnd(a.id, wire.PhaseJoin))
	for i, f := range a.onionFrames {
		again(f, a.onionAccepted[i], n.p.OnionTime(a.id, i), n.p.OnionClose(a.id))
	}
	again(a.ackFrame, a.ackAccepted, n.p.AckTime(a.id), n.p.PhaseEnd(a.id, wire.PhaseAck))
}
