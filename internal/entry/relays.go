package entry

import (
	"log/slog"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/wire"
)

// relay is the entry's connection to one relay of the chain.
type relay struct {
	peer   link.Peer
	up     bool
	deaf   bool      // it broke a rule and is being disconnected
	redial time.Time // when to dial again; zero: not now
	early  []byte    // KEYS of the next attempt, from a relay whose clock is ahead

	receipts, backward inbound // of relay 1
}

func (n *Node) relayConnected(p link.Peer) {
	r := &n.relays[p.Index]
	if r.up {
		n.env.Drop(r.peer)
	}
	r.peer, r.up, r.deaf, r.redial = p, true, false, time.Time{}
	r.cut()
	n.figures.relays(n)
	n.catchUpRelay(p.Index)
}

func (n *Node) relayGone(now time.Time, p link.Peer) {
	if p.Index >= len(n.relays) {
		return
	}
	r := &n.relays[p.Index]
	switch {
	case p.Conn == 0 && !r.up: // a dial failed
	case r.up && r.peer == p:
		r.up = false
		r.cut()
		n.figures.relays(n)
	default:
		return
	}
	r.redial = n.redialAt(now)
	n.tick(now)
}

// leastRedial bounds how often a dead relay is dialled.
const leastRedial = 100 * time.Millisecond

// redialAt is the start of the next round that is far enough away.
func (n *Node) redialAt(now time.Time) time.Time {
	at := now.Add(leastRedial)
	if r, ok := n.p.RoundAt(at); ok {
		return n.p.RoundStart(r + 1)
	}
	return n.p.RoundStart(0)
}

func (r *relay) cut() { r.receipts, r.backward = inbound{}, inbound{} }

// refuse ends the connection of a relay that broke a rule.
func (n *Node) refuse(i int, what string) {
	r := &n.relays[i]
	r.deaf = true
	r.cut()
	n.log.Warn("a relay broke the protocol and was disconnected", slog.Int("relay", i+1), slog.String("sent", what))
	n.env.Drop(r.peer)
}

// toRelay gives frames to a relay; one that is away misses them.
func (n *Node) toRelay(i int, frames ...[]byte) {
	if r := &n.relays[i]; r.up && !r.deaf {
		for _, f := range frames {
			n.env.Send(r.peer, f)
		}
	}
}

func (n *Node) toRelays(frames ...[]byte) {
	for i := range n.relays {
		n.toRelay(i, frames...)
	}
}

// catchUpRelay repeats to a reconnected relay what it may have missed.
func (n *Node) catchUpRelay(i int) {
	if a := n.attempt; a != nil {
		if a.stage > stageKeys {
			n.toRelay(i, a.keys.frames...)
		}
		if a.stage == stageHeaders {
			n.toRelay(i, a.listFrames...)
		}
		if a.stage == stageSeeds {
			n.toRelay(i, a.ackFrames...)
		}
		if a.stage == stageReveals {
			n.toRelay(i, a.seeds.frames...)
		}
	}
	for _, c := range []*circuits{n.coming, n.running} {
		if c != nil {
			n.toRelay(i, c.reveals...)
			return
		}
	}
}

func (n *Node) fromRelay(now time.Time, p link.Peer, frame []byte) {
	if p.Index >= len(n.relays) {
		return
	}
	i, r := p.Index, &n.relays[p.Index]
	if !r.up || r.deaf || r.peer != p {
		return
	}
	switch t := wire.TypeOf(frame); {
	case t == wire.TypeKeys:
		n.receiveKeys(now, i, frame)
	case t == wire.TypeSignedHeader:
		n.receiveHeader(i, frame)
	case t == wire.TypeSeed:
		n.receiveSeed(i, frame)
	case t == wire.TypeReveal:
		n.receiveReveal(i, frame)
	case t == wire.TypeAbort:
		n.receiveAbort(i, frame)
	case i == 0 && t == wire.TypeReceipts:
		n.receiveReceipts(now, frame)
	case i == 0 && t == wire.TypeBackward:
		n.receiveBackward(now, frame)
	default:
		n.refuse(i, "a frame that it may not send")
	}
}

// inbound is one array on its way in from relay 1, in order.
type inbound struct {
	open    bool
	attempt wire.Attempt
	round   uint64
	total   uint64
	at      uint64
	whole   []byte // receipts so far; cap 0 if not wanted
	answers *round // round whose answers these are; nil if not wanted
	answer  []byte // the frame that is being filled
}

// next takes the header of the next chunk. first is true where an array begins;
// one that did not end before is dropped.
func (in *inbound) next(c wire.Chunk) (first, ok bool) {
	if c.Offset == 0 {
		*in = inbound{open: true, attempt: c.Attempt, round: c.Round, total: c.Total}
		first = true
	} else if !in.open || in.attempt != c.Attempt || in.round != c.Round || in.total != c.Total || in.at != c.Offset {
		return false, false
	}
	in.at += uint64(len(c.Data))
	in.open = in.at < in.total
	return first, true
}
