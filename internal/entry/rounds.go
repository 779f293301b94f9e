package entry

import (
	"time"

	"backchannel/internal/wire"
)

// circuits are those of one revealed attempt: which account sits where.
type circuits struct {
	id          wire.Attempt
	roster      []account
	place       map[account]int
	first, last uint64   // rounds that they may carry
	reveals     [][]byte // frames of all n REVEALs
}

// round is one round from its first cell to its last answer.
type round struct {
	number uint64
	set    *circuits // nil: the slot is free
	closed bool      // the cells are with the first relay
	at     time.Time // when it closed
	cells  slots
	frames [][]byte // by place: the cells of a station, later its answers
}

// roundsKept is how many rounds may be under way: those that still collect and
// those whose answers are not back.
const roundsKept = 8

// adopt makes a revealed attempt the coming circuits and tells everybody.
func (n *Node) adopt(a *attempt) {
	n.attempt = nil
	n.coming = &circuits{
		id: a.id, roster: a.roster, place: a.place, reveals: a.reveals.frames,
		first: n.p.FirstRound(a.id.Epoch), last: n.p.LastRound(a.id.Epoch),
	}
	n.history.succeeded(a.roster)
	n.figures.running.Revealed++
	n.log.Info("new circuits are revealed", attrs(a)...)
	n.toRelays(a.reveals.frames...)
	n.toAccounts(a.roster, a.reveals.frames...)
}

// turnSets lets the coming circuits take over at their first round. Rounds choose
// their circuits by number, so this only forgets.
func (n *Node) turnSets(now time.Time) {
	if c := n.coming; c != nil && !now.Before(n.p.RoundStart(c.first)) {
		n.old, n.running, n.coming = n.running, c, nil
	}
	if c := n.running; c != nil && !now.Before(n.p.RoundStart(c.last+1)) {
		n.old, n.running = c, nil
	}
	if c := n.old; c != nil && (n.running == nil || !now.Before(n.p.RoundStart(n.running.first+roundsKept))) {
		n.old = nil
	}
	n.figures.serving(n.running != nil)
}

// carrying returns the circuits of a round: the newest that are revealed and have
// begun by then. Everybody moves at the same round.
func (n *Node) carrying(number uint64) *circuits {
	for _, c := range []*circuits{n.coming, n.running, n.old} {
		if c != nil && number >= c.first {
			if number > c.last {
				return nil
			}
			return c
		}
	}
	return nil
}

// collecting returns the slot of a round that is not closed yet.
func (n *Node) collecting(number uint64, set *circuits) *round {
	r := &n.rounds[number%roundsKept]
	if r.number != number || r.set != set {
		n.release(r)
		circuits := len(set.roster) * n.p.Circuits()
		if r.cells.count != circuits {
			r.cells, r.frames = newSlots(wire.TypeForward, circuits, n.p.Cell), make([][]byte, len(set.roster))
		}
		r.cells.reuse(&n.spare)
		r.number, r.set, r.closed = number, set, false
		clear(r.frames)
	}
	return r
}

// release frees a slot and keeps its buffers.
func (n *Node) release(r *round) {
	n.spare = append(n.spare, r.cells.frames...)
	if limit := 4 * len(r.cells.frames); limit > 0 && len(n.spare) > limit {
		clear(n.spare[limit:])
		n.spare = n.spare[:limit]
	}
	clear(r.cells.frames)
	r.cells.frames, r.set = r.cells.frames[:0], nil
	if in := &n.relays[0].backward; in.answers == r {
		in.answers, in.answer = nil, nil
	}
}

// receiveCells puts a station's cells into their places. Cells that come late,
// early, twice or for other circuits than those that carry the round are dropped.
func (n *Node) receiveCells(now time.Time, s *station, frame []byte) (ok bool) {
	id, number, cells, err := n.p.ParseCells(frame)
	if err != nil {
		return false
	}
	current, _ := n.p.RoundAt(now)
	set := n.carrying(number)
	if number < n.toClose || number > current+1 || set == nil || set.id != id {
		return true
	}
	place, rostered := set.place[s.peer.Account]
	if !rostered {
		return true
	}
	r := n.collecting(number, set)
	if r.frames[place] != nil {
		return true
	}
	r.frames[place] = frame
	for i := range n.p.Circuits() {
		r.cells.put(place*n.p.Circuits()+i, cells[i*n.p.Cell:(i+1)*n.p.Cell])
	}
	return true
}

// turnRounds closes the rounds whose time has come. After a stall only the newest
// is worth sending; after the clock was set back it goes on from there, and relays
// refuse what they had before.
func (n *Node) turnRounds(now time.Time) {
	current, ok := n.p.RoundAt(now)
	if !ok {
		return
	}
	if n.toClose < current || n.toClose > current+2 {
		n.toClose = current
	}
	for !now.Before(n.p.RoundClose(n.toClose)) {
		n.closeRound(now, n.toClose)
		n.toClose++
	}
}

// closeRound hands the cells of a round to the first relay, with zeros for those
// that did not come.
func (n *Node) closeRound(now time.Time, number uint64) {
	set := n.carrying(number)
	if set == nil {
		return
	}
	r := n.collecting(number, set)
	if first := &n.relays[0]; !first.up || first.deaf {
		n.release(r)
		return
	}
	r.closed, r.at = true, now
	r.cells.fill(zero)
	for i, f := range r.cells.frames {
		r.cells.header(f, i, set.id, number)
		n.toRelay(0, f)
		r.cells.frames[i] = nil
	}
	r.cells.frames = r.cells.frames[:0]
}

func zero(b []byte) { clear(b) }

// receiveBackward cuts the answers of a round apart as they come and sends each
// station its own.
func (n *Node) receiveBackward(now time.Time, frame []byte) {
	c, err := wire.ParseChunk(frame)
	if err != nil {
		n.refuse(0, "a malformed chunk")
		return
	}
	in := &n.relays[0].backward
	first, ok := in.next(c)
	if first {
		if r := &n.rounds[c.Round%roundsKept]; r.set != nil && r.number == c.Round && r.closed && r.set.id == c.Attempt {
			ok = c.Total == uint64(len(r.set.roster)*n.p.Circuits()*n.p.Cell)
			in.answers = r
		}
	}
	if !ok {
		n.refuse(0, "answers of the wrong size or order")
		return
	}
	r := in.answers
	if r == nil {
		return
	}
	size := n.p.Circuits() * n.p.Cell
	for at, data := int(c.Offset), c.Data; len(data) > 0; {
		place, off := at/size, at%size
		if off == 0 {
			in.answer = n.answerFrame(r, place)
		}
		k := copy(in.answer[wire.CellsHeaderSize+off:], data)
		at, data = at+k, data[k:]
		if at%size == 0 {
			if s := n.stations[r.set.roster[place]]; s != nil {
				n.toStation(s, in.answer)
			}
			in.answer = nil
		}
	}
	if len(n.spare) < roundsKept*(1+int(c.Total/wire.ChunkSize)) {
		n.spare = append(n.spare, frame)
	}
	if !in.open {
		n.figures.ended(now.Sub(r.at))
		n.release(r)
	}
}

// answerFrame is the frame for a station's answers: the one in which its cells
// came, which has the same size, attempt and round.
func (n *Node) answerFrame(r *round, place int) []byte {
	f := r.frames[place]
	if f == nil {
		f, _ = n.p.NewCells(wire.TypeAnswers, r.set.id, r.number)
		return f
	}
	r.frames[place] = nil
	f[0] = byte(wire.TypeAnswers)
	return f
}
