package lab

import (
	"bytes"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/mark"
	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// rejoinDiff: a station sends its record, dies, and comes back with its clock set
// back (or its machine restored), so that it meets the same attempt again. Tags of
// idle lanes would change, those of talking lanes would not.
func rejoinDiff() (Outcome, error) {
	t, err := newTable(1, 2, 0)
	if err != nil {
		return Outcome{}, err
	}
	session := pairwise.NewSession(pairwise.Inviter, suite.RandomKey(), 0)
	m := &mark.Memory{}
	var records [][]byte
	for range 2 {
		delta, token := session.Take()
		session.Saved(token)
		if session, err = pairwise.Load(delta.State, nil); err != nil {
			return Outcome{}, err
		}
		p := newPuppet(t, m)
		if err := p.knows(t.p.Lanes, session, 1); err != nil {
			return Outcome{}, err
		}
		p.start()
		p.advance(t.p.PhaseStart(t.at, wire.PhaseKeys).Add(time.Millisecond))
		p.give(wire.Frame(wire.TypeKeys, t.keys[0]))
		p.advance(t.p.PhaseEnd(t.at, wire.PhaseJoin))
		for _, f := range p.sent(wire.TypeJoin) {
			records = append(records, f[1+wire.AttemptSize:])
		}
	}
	if len(records) < 2 {
		return held("the station sent %d record for the attempt and none after its restart", len(records))
	}
	same := 0
	for off := 0; off < len(records[0]); off += suite.TagSize {
		if bytes.Contains(records[1], records[0][off:off+suite.TagSize]) {
			same++
		}
	}
	if same == 0 {
		return held("two records without a common tag")
	}
	return broken("two records for one attempt have %d of %d tags in common: so many lanes have a contact", same, t.p.Lanes)
}

// sharedContact: two stations give each other more than one lane, or do not tell
// twins apart. Their ids have four circuits at the last relay, which idle lanes
// never have.
func sharedContact() (Outcome, error) {
	id := contact.ID{1}
	lanes, err := contact.NewLanes(2).Assign(id, 0)
	if err != nil {
		return Outcome{}, err
	}
	_, twice := lanes.Assign(id, 0)
	t, err := newTable(1, 1, 2)
	if err != nil {
		return Outcome{}, err
	}
	if err := t.giveKeys(nil); err != nil {
		return Outcome{}, err
	}
	sigma := suite.RandomKey()
	for i, s := range t.stations {
		session := pairwise.NewSession(pairwise.Role(1+i), sigma, 0)
		_, token := session.Take()
		session.Saved(token)
		m, err := session.Join(t.at.Epoch, s.gate.AID())
		if err != nil {
			return Outcome{}, err
		}
		s.lanes[0].id1, s.lanes[0].id2 = m.Twins()
	}
	for _, n := range t.ids() {
		if n > 2 {
			return broken("an id has %d circuits; a second lane for one contact was given: %v", n, twice == nil)
		}
	}
	if twice == nil {
		return broken("one contact has two lanes")
	}
	return held("every id has two circuits, and a second lane for a contact is refused")
}

// reencryption: the entry breaks the connection right after a round's cells and
// accepts the station again. If it encrypts the round anew, the two frames differ
// by the plaintexts alone, and padding shows.
func reencryption() (Outcome, error) {
	s, err := newStage()
	if err != nil {
		return Outcome{}, err
	}
	if err := s.setUp(); err != nil {
		return Outcome{}, err
	}
	r := s.p.FirstRound(s.at.Epoch) + 3
	s.advance(s.p.RoundStart(r).Add(time.Millisecond))
	for _, p := range s.puppets {
		p.node.Disconnected(p.now, p.entry)
		p.connect(2)
		p.advance(s.p.RoundStart(r + 1).Add(-s.p.Round / 4))
	}
	zeros := make([]int, len(s.puppets))
	for i := range s.puppets {
		frames := s.cells(i, r)
		if len(frames) < 2 {
			continue
		}
		for k := range frames[0] {
			if frames[0][k] == frames[1][k] {
				zeros[i]++
			}
		}
	}
	size := s.p.Circuits() * s.p.Cell
	if zeros[0] > size/4 && zeros[2] < size/4 {
		return broken("two frames of one round agree in %d of %d bytes at a talking station and in %d at an idle one", zeros[0], size, zeros[2])
	}
	return held("no station sent a second frame for the round")
}

// idleCells is the attack of the row ConstantIdle.
func idleCells() (Outcome, error) {
	s, err := newStage()
	if err != nil {
		return Outcome{}, err
	}
	if err := s.setUp(); err != nil {
		return Outcome{}, err
	}
	r := s.p.FirstRound(s.at.Epoch)
	s.advance(s.p.RoundStart(r).Add(time.Millisecond))
	constant := make([]int, len(s.puppets))
	for i := range s.puppets {
		frames := s.cells(i, r)
		if len(frames) != 1 {
			return held("puppet %d sent no cells", i)
		}
		for c := range s.p.Circuits() {
			in := s.inner(i, c, r, frames[0][c*s.p.Cell:(c+1)*s.p.Cell])
			if bytes.Equal(in, make([]byte, len(in))) {
				constant[i]++
			}
		}
	}
	if constant[0] != constant[2] {
		return broken("the idle station has %d constant cells, the talking one %d", constant[2], constant[0])
	}
	return held("innermost cells of idle and talking lanes look alike")
}

// visibleFailure: the entry garbles every answer. A station that reacted to cells
// that do not open would show that it expected some to.
func visibleFailure() (Outcome, error) {
	s, err := newStage()
	if err != nil {
		return Outcome{}, err
	}
	if err := s.setUp(); err != nil {
		return Outcome{}, err
	}
	first := s.p.FirstRound(s.at.Epoch)
	for r := first; r < first+5; r++ {
		s.advance(s.p.RoundStart(r).Add(s.p.Round * 3 / 4))
		for _, p := range s.puppets {
			f, cells := s.p.NewCells(wire.TypeAnswers, s.at, r)
			suite.Random(cells)
			p.give(f)
		}
	}
	s.advance(s.p.RoundStart(first + 7))
	talks, idles := s.puppets[0], s.puppets[2]
	if talks.drops != idles.drops || len(talks.sent(wire.TypeCells)) != len(idles.sent(wire.TypeCells)) {
		return broken("the talking station dropped its connection %d times, the idle one %d times", talks.drops, idles.drops)
	}
	return held("talking and idle stations go on alike")
}

// telemetry: the logs of a talking and an idle station are compared.
func telemetry() (Outcome, error) {
	s, err := newStage()
	if err != nil {
		return Outcome{}, err
	}
	if err := s.setUp(); err != nil {
		return Outcome{}, err
	}
	s.advance(s.p.RoundStart(s.p.FirstRound(s.at.Epoch) + 5))
	if talks, idles := s.puppets[0].logOf(), s.puppets[2].logOf(); talks != idles {
		return broken("the logs differ: the talking station's has %d bytes, the idle one's %d", len(talks), len(idles))
	}
	return held("talking and idle stations log the same")
}
