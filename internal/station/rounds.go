package station

import (
	"time"

	"backchannel/internal/mix"
	"backchannel/internal/pairwise"
	"backchannel/internal/roster"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// circuits is one running set: what an attempt became at its REVEAL.
type circuits struct {
	id       wire.Attempt
	first    uint64 // R
	last     uint64 // the epoch cap
	rings    []*mix.Circuit
	order    []circuitOf
	lanes    []lane
	gate     *roster.Station // holds what was revealed at ACK, until the set ends
	answered uint64          // last round whose answer was read
	any      bool
}

// answers is a frame that must wait until the cells of the round after it are
// built: what a station sends never depends on the answer before.
type answers struct {
	round uint64
	frame []byte
}

// Two thirds of the way through a round nothing happens any more; the cells of
// the next are composed half a round before they leave, so that the vault can
// commit, and built an eighth of a round before.
func (n *Node) composeAt(r uint64) time.Time { return n.p.RoundStart(r).Add(-n.p.Round / 2) }
func (n *Node) buildAt(r uint64) time.Time   { return n.p.RoundStart(r).Add(-n.p.Round / 8) }

// adopt makes the circuits of a revealed attempt the next set.
func (n *Node) adopt(now time.Time, a *attempt) {
	s := &circuits{id: a.id, first: n.p.FirstRound(a.id.Epoch), last: n.p.LastRound(a.id.Epoch), rings: a.rings, order: a.order, lanes: a.lanes, gate: a.gate}
	for i := range s.lanes {
		if l := &s.lanes[i]; l.talks {
			l.talk = l.conv.session.Begin(l.meeting, s.first, n.p.Cell)
		} else {
			l.decoy = pairwise.NewDecoy(s.first, n.p.Cell)
		}
	}
	if n.next != nil {
		n.next.erase()
	}
	n.next = s
	n.stats.revealed++
	n.notify(Event{Time: now, Kind: EventEpoch, Epoch: a.id.Epoch, Stations: n.stats.stations})
}

func (s *circuits) erase() {
	for _, c := range s.rings {
		c.Erase()
	}
	for i := range s.lanes {
		if t := s.lanes[i].talk; t != nil {
			t.Erase()
		}
		if d := s.lanes[i].decoy; d != nil {
			d.Erase()
		}
		if m := s.lanes[i].meeting; m != nil {
			m.Erase()
		}
	}
	s.gate.Erase()
}

// scheduleRound asks for the first round whose composing time is not past.
func (n *Node) scheduleRound(now time.Time) {
	r, ok := n.p.RoundAt(now.Add(n.p.Round / 2))
	if ok {
		r++
	}
	if n.anyBuilt && r <= n.built {
		r = n.built + 1
	}
	n.agenda.at(n.composeAt(r), func(now time.Time) { n.compose(now, r) })
}

// compose lets every talking session choose its frames for round r and commits
// what changed, received data of the rounds before included.
func (n *Node) compose(now time.Time, r uint64) {
	n.turn(now, r)
	if s := n.current; s != nil && n.connected {
		for i := range s.lanes {
			if l := &s.lanes[i]; l.talk != nil {
				l.conv.session.Compose(r)
			} else {
				l.decoy.Compose(r)
			}
		}
	}
	n.again = n.again || n.saving // a commit that began before has not all of this
	n.save(nil)
	n.agenda.at(n.buildAt(r), func(now time.Time) { n.build(now, r) })
}

// turn moves to the next set at its first round. The set before keeps its keys
// for two rounds, for the answers that are still under way.
func (n *Node) turn(now time.Time, r uint64) {
	if n.previous != nil && r > n.previous.last {
		n.previous.erase()
		n.previous = nil
	}
	if n.next != nil && r >= n.next.first {
		if n.previous != nil {
			n.previous.erase()
		}
		if n.previous = n.current; n.previous != nil {
			n.previous.last = r + 2
		}
		n.current, n.next = n.next, nil
		n.meetingsChanged(now)
	}
	if n.current != nil && r > n.current.last { // set-ups kept aborting up to the cap
		n.current.erase()
		n.current = nil
		n.meetingsChanged(now)
	}
}

// build makes the cells of round r and hands them over to leave at its start.
// They are the same number of bytes at the same time whatever is in them. A
// station without circuits, after a start or past the cap, sends nothing.
func (n *Node) build(now time.Time, r uint64) {
	defer n.scheduleRound(now)
	if s := n.current; s != nil && n.connected && (!n.anyBuilt || r > n.built) {
		n.sendCells(now, s, r)
	}
	n.built, n.anyBuilt = r, true
	waiting := n.early
	n.early = nil
	for _, w := range waiting {
		n.readAnswers(now, w)
	}
}

// sendCells makes a fresh cell for each circuit; it must be called once a round.
func (n *Node) sendCells(now time.Time, s *circuits, r uint64) {
	frame, cells := n.p.NewCells(wire.TypeCells, s.id, r)
	for i, of := range s.order {
		cell := cells[i*n.p.Cell : (i+1)*n.p.Cell]
		switch t := s.lanes[of.lane].talk; {
		case t != nil:
			t.Cell(r, of.twin, cell)
		case weakened.ConstantIdle:
			clear(cell)
		default:
			s.lanes[of.lane].decoy.Cell(r, of.twin, cell)
		}
		s.rings[i].Seal(r, cell)
	}
	n.env.SendAt(n.p.RoundStart(r), n.entry, frame)
	n.stats.sent(now, r, len(frame))
}

func (n *Node) receiveAnswers(now time.Time, frame []byte) {
	_, round, _, err := n.p.ParseCells(frame)
	if err != nil {
		return
	}
	n.stats.received(now, round, len(frame))
	n.readAnswers(now, answers{round, frame})
}

// readAnswers opens the answers of one round, each round once. What does not
// open changes nothing that anybody could see.
func (n *Node) readAnswers(now time.Time, w answers) {
	if !n.anyBuilt || w.round > n.built {
		return
	}
	if w.round == n.built { // the next round's cells are not built yet
		if len(n.early) < 2 {
			n.early = append(n.early, w)
		}
		return
	}
	id, round, cells, err := n.p.ParseCells(w.frame)
	if err != nil {
		return
	}
	s := n.current
	if s == nil || s.id != id {
		if s = n.previous; s == nil || s.id != id {
			return
		}
	}
	if s.any && round <= s.answered || round < s.first {
		return
	}
	s.answered, s.any = round, true
	for i, of := range s.order {
		cell := cells[i*n.p.Cell : (i+1)*n.p.Cell]
		s.rings[i].Open(round, cell) // the same work for every lane
		t := s.lanes[of.lane].talk
		if t == nil {
			s.lanes[of.lane].decoy.Receive(round, of.twin)
			continue
		}
		opened := t.Receive(round, of.twin, cell)
		if weakened.VisibleFailure && !opened {
			n.env.Drop(n.entry)
		}
	}
	n.hurry(s)
}

// hurry commits at once what the members of a room said, instead of when the cells
// of the round after next are composed: so those can carry the answer, and a blind
// round of many steps does not wait in each of them. What leaves, and when, is the
// same.
func (n *Node) hurry(s *circuits) {
	for i := range s.lanes {
		if l := &s.lanes[i]; l.talk != nil && l.conv.session.Completed(wire.ClassNegotiation) {
			n.save(nil)
			return
		}
	}
}
