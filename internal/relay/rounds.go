package relay

import (
	"log/slog"
	"time"

	"backchannel/internal/mix"
	"backchannel/internal/roster"
	"backchannel/internal/wire"
)

// circuits are those of one revealed attempt at this relay. A relay holds the
// running ones and the coming ones; from R on, the coming ones are the running
// and the old ones finish the rounds before R.
type circuits struct {
	id          wire.Attempt
	set         *mix.Set
	first, last uint64    // rounds that they may carry
	until       time.Time // when they are erased; the epoch cap unless others take over

	reveal   []byte // own REVEAL, for a reconnected entry
	reveals  []once // of each relay
	complete bool   // all n REVEALs are held

	gate *roster.Relay // of the set-up work alone
}

func (c *circuits) erase() {
	c.set.Erase()
	c.set = nil
}

// grace is how long after R the old circuits are kept for the answers of rounds
// before R, which may be under way, and for an entry whose clock is behind.
func (n *Node) grace() time.Duration { return 2*n.p.Round + n.p.ClockTolerance }

// adopt makes a revealed attempt the coming circuits.
func (n *Node) adopt(a *attempt, v wire.Reveal) {
	n.attempt = nil
	a.over.Store(true)
	n.forget()
	last := n.p.LastRound(a.id.Epoch)
	n.coming = &circuits{
		id: a.id, set: a.set, gate: a.gate,
		first: n.p.FirstRound(a.id.Epoch), last: last, until: n.p.RoundStart(last + 1).Add(n.grace()),
		reveal: wire.Frame(wire.TypeReveal, v), reveals: make([]once, n.p.Relays),
	}
	array := a.set.Count() * n.p.Cell
	n.spare.limit = 2 * (1 + array/wire.ChunkSize)
	n.send(&n.entry, append([]byte(nil), n.coming.reveal...))
}

// forget erases coming circuits that a later attempt replaces.
func (n *Node) forget() {
	if c := n.coming; c != nil {
		n.coming = nil
		c.erase()
	}
}

func (n *Node) receiveReveal(_ time.Time, frame []byte) {
	v, err := wire.ParseReveal(frame[1:])
	if err != nil || v.Relay >= n.p.Relays {
		n.refuse(&n.entry, "a malformed REVEAL")
		return
	}
	c := n.coming
	if c == nil || c.id != v.Attempt || c.complete || c.reveals[v.Relay].taken() {
		return
	}
	var complete bool
	n.setup.add(n.env, func() { complete, err = c.gate.Reveal(v) }, func(now time.Time) {
		switch {
		case n.coming != c:
		case err != nil:
			c.reveals[v.Relay] = false
			n.refuse(&n.entry, "a REVEAL that does not verify")
		case complete:
			c.complete = true
			n.figures.running.Revealed++
			n.log.Info("new circuits are revealed", append(attemptAttrs(c.id), slog.Int("circuits", c.set.Count()))...)
			n.tick(now)
		}
	})
}

// turnSets lets complete circuits take over at R and erases what is over. Without
// all n REVEALs the circuits before run on, up to the cap.
func (n *Node) turnSets(now time.Time) {
	if c := n.coming; c != nil && c.complete && !now.Before(n.p.RoundStart(c.first)) {
		if n.old != nil {
			n.old.erase()
		}
		if n.old = n.running; n.old != nil {
			n.old.last = min(n.old.last, c.first-1)
			n.old.until = n.p.RoundStart(c.first).Add(n.grace())
			if n.old.until.Before(now) {
				n.old.until = now
			}
		}
		n.running, n.coming = c, nil
	}
	for _, c := range []**circuits{&n.old, &n.running, &n.coming} {
		if *c != nil && !now.Before((*c).until) {
			(*c).erase()
			*c = nil
		}
	}
	n.figures.serving(n.running != nil)
}

// serving returns the circuits that carry a round, nil if this relay has none of
// that attempt or they do not carry it.
func (n *Node) serving(id wire.Attempt, round uint64) *circuits {
	for _, c := range []*circuits{n.running, n.coming, n.old} {
		if c != nil && c.id == id {
			if round < c.first || round > c.last {
				return nil
			}
			return c
		}
	}
	return nil
}

// openRound begins a pass if this round and direction is new, which the set
// itself knows; false means that no honest peer sends such an array. A round that
// was begun is used up, also if its array breaks off.
func (n *Node) openRound(now time.Time, in *inbound, c wire.Chunk) (ok bool) {
	set := n.serving(c.Attempt, c.Round)
	if set == nil {
		return true
	}
	if c.Total != uint64(set.set.Count()*n.p.Cell) {
		return false
	}
	var pass *mix.Pass
	var err error
	switch {
	case c.Type == wire.TypeBackward:
		pass, err = set.set.Backward(c.Round)
	case n.last:
		pass, err = set.set.Turn(c.Round)
	default:
		pass, err = set.set.Forward(c.Round)
	}
	if err != nil { // a second array of the round, an older round, or answers of one that did not go forward
		return true
	}
	in.pass = pass
	if c.Type == wire.TypeForward {
		n.figures.began(c.Round, now)
	}
	return true
}

// passChunk processes the next cells of a round. Nothing leaves before the whole
// array is in. It returns false for a chunk that splits a cell.
func (n *Node) passChunk(now time.Time, in *inbound, c wire.Chunk) (ok bool) {
	if len(c.Data)%n.p.Cell != 0 {
		in.cut()
		return false
	}
	if err := in.pass.Write(c.Data); err != nil { // its circuits were erased meanwhile
		in.pass.Release()
		in.pass = nil
		return true
	}
	out, whole := in.pass.Output()
	if !whole {
		return true
	}
	if c.Type == wire.TypeForward && !n.last {
		n.sendRound(&n.next, wire.TypeForward, c.Attempt, c.Round, out)
	} else {
		n.sendRound(n.upstream(), wire.TypeBackward, c.Attempt, c.Round, out)
		n.figures.ended(c.Round, now)
	}
	in.pass.Release()
	in.pass = nil
	return true
}
