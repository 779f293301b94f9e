package entry

import (
	"time"

	"backchannel/internal/link"
	"backchannel/internal/wire"
)

// station is one connected station.
type station struct {
	peer  link.Peer
	deaf  bool   // it broke a rule and is being disconnected
	round uint64 // up to which its allowance was counted
	may   uint64 // frames that it may still send
}

// framesPerRound is how many frames a station may send within one round: a round's
// cells, and after a reconnect a record, all onions and an acknowledgement. What
// it does not use it may send later, up to roundsSaved, for lines stall.
func (n *Node) framesPerRound() uint64 { return uint64(1 + 1 + n.p.Circuits() + 1) }

const roundsSaved = 100

// allow counts a frame against the allowance.
func (n *Node) allow(now time.Time, s *station) bool {
	if r, _ := n.p.RoundAt(now); r > s.round {
		s.may = min(s.may+min(r-s.round, roundsSaved)*n.framesPerRound(), roundsSaved*n.framesPerRound())
		s.round = r
	}
	if s.may == 0 {
		return false
	}
	s.may--
	return true
}

func (n *Node) stationConnected(now time.Time, p link.Peer) {
	if s := n.stations[p.Account]; s != nil {
		n.env.Drop(s.peer)
	} else if len(n.stations) >= n.cfg.Limits.Stations {
		n.env.Drop(p)
		return
	}
	r, _ := n.p.RoundAt(now)
	s := &station{peer: p, round: r, may: 2 * n.framesPerRound()}
	n.stations[p.Account] = s
	n.catchUpStation(now, s)
}

// catchUpStation gives a station that comes late the documents of the current
// phase.
func (n *Node) catchUpStation(now time.Time, s *station) {
	if a := n.attempt; a != nil {
		_, joined := a.records[s.peer.Account]
		place, rostered := a.place[s.peer.Account]
		switch {
		case a.stage == stageJoin && now.Before(n.p.PhaseEnd(a.id, wire.PhaseJoin)):
			n.toStation(s, a.keys.frames...)
		case a.stage == stageOnions && joined:
			n.toStation(s, a.listFrames...)
			n.toStation(s, a.headers.frames...)
		case a.stage == stageAcks && rostered:
			n.toStation(s, n.receiptsFor(a, place))
		}
	}
	if c := n.coming; c != nil {
		if _, rostered := c.place[s.peer.Account]; rostered {
			n.toStation(s, c.reveals...)
		}
	}
}

func (n *Node) toStation(s *station, frames ...[]byte) {
	for _, f := range frames {
		n.env.Send(s.peer, f)
	}
}

// toAccounts gives frames to those accounts that are connected.
func (n *Node) toAccounts(accounts []account, frames ...[]byte) {
	for _, who := range accounts {
		if s := n.stations[who]; s != nil {
			n.toStation(s, frames...)
		}
	}
}

func (n *Node) fromStation(now time.Time, p link.Peer, frame []byte) {
	s := n.stations[p.Account]
	if s == nil || s.deaf || s.peer != p {
		return
	}
	ok := n.allow(now, s)
	if ok {
		switch wire.TypeOf(frame) {
		case wire.TypeJoin:
			ok = n.receiveJoin(now, s, frame)
		case wire.TypeOnion:
			ok = n.receiveOnion(now, s, frame)
		case wire.TypeAck:
			ok = n.receiveAck(now, s, frame)
		case wire.TypeCells:
			ok = n.receiveCells(now, s, frame)
		default:
			ok = false
		}
	}
	if !ok { // nothing that the program of a station sends
		s.deaf = true
		n.env.Drop(p)
	}
}
