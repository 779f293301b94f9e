package entry

import (
	"bytes"
	"log/slog"
	"slices"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// stage is what the pending attempt waits for.
type stage int

const (
	stageKeys     stage = iota // KEYS of all relays
	stageJoin                  // records, until the window ends
	stageHeaders               // signed headers of all relays
	stageOnions                // onions
	stageReceipts              // the relays to mix, and the receipts
	stageAcks                  // acknowledgements
	stageSeeds                 // inner seeds of all relays
	stageReveals               // REVEALs of all relays
)

var stageNames = [...]string{"keys", "join", "roster", "onions", "receipts", "ack", "reveal", "reveal"}

// attempt is the pending set-up attempt.
type attempt struct {
	id    wire.Attempt
	stage stage

	keys, headers, seeds, reveals documents

	records map[account][]byte // the first of each account
	arrived []account          // in this order

	// From the end of the JOIN window on.
	roster     []account // in the order of the sorted list
	place      map[account]int
	list       []byte
	listFrames [][]byte
	header     wire.Header // what all relays must sign

	onions   slots
	receipts []byte
	acks     []byte
	acked    []bool
	silent   int // places that did not acknowledge

	ackFrames [][]byte
}

// documents collects one frame of every relay.
type documents struct {
	frames [][]byte // by relay, once held
	taken  []bool   // held or being checked: further ones are ignored
	held   int
}

func newDocuments(relays int) documents {
	return documents{frames: make([][]byte, relays), taken: make([]bool, relays)}
}

// turnAttempt ends a stage whose time is over and begins the attempt whose KEYS
// window has begun.
func (n *Node) turnAttempt(now time.Time) {
	for a := n.attempt; a != nil && !now.Before(n.deadline(a)); a = n.attempt {
		switch a.stage {
		case stageJoin:
			n.closeJoin(a)
		case stageOnions:
			n.closeOnions(a)
		case stageAcks:
			n.closeAcks(a)
		default:
			n.fail(a, "it came to no end in time")
		}
	}
	id, ok := n.p.AttemptAt(now)
	if n.considered.Epoch > id.Epoch+1 { // the clock was set back; the relays' marks decide
		n.considered = wire.Attempt{}
	}
	if !ok || !n.considered.Before(id) || !now.Before(n.p.PhaseEnd(id, wire.PhaseKeys)) {
		return
	}
	n.considered = id
	if n.attempt != nil {
		n.fail(n.attempt, "the next attempt began")
	}
	if n.ready(id.Epoch) {
		return
	}
	n.begin(now, id)
}

// deadline is when the stage of an attempt ends at the latest.
func (n *Node) deadline(a *attempt) time.Time {
	switch a.stage {
	case stageKeys, stageJoin:
		return n.p.PhaseEnd(a.id, wire.PhaseJoin)
	case stageHeaders, stageOnions:
		return n.p.OnionClose(a.id)
	case stageReceipts, stageAcks:
		return n.p.PhaseEnd(a.id, wire.PhaseAck)
	default:
		return n.p.PhaseEnd(a.id, wire.PhaseReveal)
	}
}

// ready reports whether circuits for an epoch are revealed.
func (n *Node) ready(epoch uint64) bool {
	return n.coming != nil && n.coming.id.Epoch >= epoch || n.running != nil && n.running.id.Epoch >= epoch
}

func (n *Node) begin(now time.Time, id wire.Attempt) {
	k := n.p.Relays
	n.attempt = &attempt{
		id: id, records: map[account][]byte{},
		keys: newDocuments(k), headers: newDocuments(k), seeds: newDocuments(k), reveals: newDocuments(k),
	}
	n.history.begin()
	n.figures.running.Attempts++
	for i := range n.relays {
		if f := n.relays[i].early; f != nil {
			n.relays[i].early = nil
			n.receiveKeys(now, i, f)
		}
	}
}

// fail ends the pending attempt and tells every relay that it will not be
// revealed.
func (n *Node) fail(a *attempt, why string) {
	n.attempt = nil
	n.figures.running.Aborts++
	n.log.Info("a set-up attempt ended without circuits", append(attrs(a), slog.String("reason", why))...)
	for i := range n.relays {
		n.toRelay(i, wire.FrameAttempt(wire.TypeAbort, a.id))
	}
}

func attrs(a *attempt) []any {
	return []any{
		slog.Uint64("epoch", a.id.Epoch), slog.Uint64("attempt", uint64(a.id.Number)),
		slog.String("phase", stageNames[a.stage]), slog.Int("stations", len(a.roster)),
	}
}

// check verifies a relay's document aside and keeps its frame if it is right;
// held follows when it is, complete telling whether all relays' are held.
func (n *Node) check(a *attempt, d *documents, i int, frame []byte, right func() bool, complete func()) {
	if d.taken[i] {
		return
	}
	d.taken[i] = true
	ok := false
	n.env.Go(link.LaneCompute, func() { ok = right() }, func(time.Time) {
		switch {
		case n.attempt != a:
		case !ok:
			d.taken[i] = false
			n.refuse(i, "a document that does not verify")
		default:
			d.frames[i] = frame
			if d.held++; d.held == len(d.frames) {
				complete()
			}
		}
	})
}

func (n *Node) receiveKeys(now time.Time, i int, frame []byte) {
	k, err := wire.ParseKeys(frame[1:])
	if err != nil || k.Relay != i {
		n.refuse(i, "malformed KEYS")
		return
	}
	a := n.attempt
	if a == nil || a.id != k.Attempt {
		if next := n.p.NextAttempt(now); k.Attempt == next && n.p.PhaseStart(next, wire.PhaseKeys).Sub(now) <= n.p.ClockTolerance+n.p.Round {
			n.relays[i].early = frame
		}
		return
	}
	if a.stage != stageKeys {
		return
	}
	n.check(a, &a.keys, i, frame, func() bool { return k.Verify(n.cfg.Net, n.cfg.Verify[i]) }, func() {
		a.stage = stageJoin
		n.toRelays(a.keys.frames...)
		for _, s := range n.sortedStations() {
			n.toStation(s, a.keys.frames...)
		}
	})
}

// sortedStations lists the connected stations in a fixed order.
func (n *Node) sortedStations() []*station {
	all := make([]*station, 0, len(n.stations))
	for _, s := range n.stations {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *station) int { return bytes.Compare(a.peer.Account[:], b.peer.Account[:]) })
	return all
}

// receiveJoin takes the one record of an account. Accounts that are left out get
// the same answer as others.
func (n *Node) receiveJoin(now time.Time, s *station, frame []byte) (ok bool) {
	id, record, err := wire.ParseAttemptFrame(frame, n.p.RecordSize())
	if err != nil {
		return false
	}
	a := n.attempt
	if a == nil || a.id != id {
		return true
	}
	who := s.peer.Account
	if _, again := a.records[who]; !again {
		if a.stage != stageJoin || !now.Before(n.p.PhaseEnd(id, wire.PhaseJoin)) {
			return true
		}
		if len(a.records) < n.cfg.Limits.Stations && n.history.admit(who) {
			a.records[who] = record
			a.arrived = append(a.arrived, who)
		}
	}
	n.toStation(s, wire.FrameAccepted(id, wire.TypeJoin, 0))
	return true
}

// closeJoin sorts the records and hands them to every relay.
func (n *Node) closeJoin(a *attempt) {
	if len(a.arrived) == 0 {
		n.fail(a, "nobody joined")
		return
	}
	a.roster = a.arrived
	slices.SortStableFunc(a.roster, func(x, y account) int { return bytes.Compare(a.records[x], a.records[y]) })
	a.place = make(map[account]int, len(a.roster))
	a.list = make([]byte, 0, len(a.roster)*n.p.RecordSize())
	for i, who := range a.roster {
		a.place[who] = i
		a.list = append(a.list, a.records[who]...)
	}
	all := make([]wire.Keys, n.p.Relays)
	for i, f := range a.keys.frames {
		all[i], _ = wire.ParseKeys(f[1:]) // it was parsed when it came
	}
	a.header = wire.Header{
		Attempt: a.id, AID: wire.AID(n.cfg.Net, a.id, all),
		Count: uint32(len(a.roster)), List: wire.ListHash(a.id, a.list),
	}
	a.listFrames = wire.Chunks(wire.TypeRecords, a.id, 0, a.list, n.p.RecordSize())
	a.stage = stageHeaders
	n.figures.running.Stations = len(a.roster)
	n.toRelays(a.listFrames...)
}

func (n *Node) receiveHeader(i int, frame []byte) {
	h, err := wire.ParseSignedHeader(frame[1:])
	if err != nil || h.Relay != i {
		n.refuse(i, "a malformed header")
		return
	}
	a := n.attempt
	if a == nil || a.id != h.Attempt || a.stage != stageHeaders {
		return
	}
	if h.Header != a.header {
		n.fail(a, "a relay signed another header")
		return
	}
	n.check(a, &a.headers, i, frame, func() bool { return h.Verify(n.cfg.Verify[i]) }, func() {
		a.stage = stageOnions
		a.onions = newSlots(wire.TypeBatch, len(a.roster)*n.p.Circuits(), n.p.OnionSize(0))
		n.toAccounts(a.roster, a.listFrames...)
		n.toAccounts(a.roster, a.headers.frames...)
	})
}

func (n *Node) receiveOnion(now time.Time, s *station, frame []byte) (ok bool) {
	id, i, onion, err := n.p.ParseOnion(frame)
	if err != nil {
		return false
	}
	a := n.attempt
	if a == nil || a.id != id {
		return true
	}
	place, rostered := a.place[s.peer.Account]
	if !rostered || a.stage < stageOnions {
		return true
	}
	at := place*n.p.Circuits() + i
	if a.stage == stageOnions && now.Before(n.p.OnionClose(id)) {
		a.onions.put(at, onion)
	}
	if !a.onions.has(at) {
		return true
	}
	n.toStation(s, wire.FrameAccepted(id, wire.TypeOnion, i))
	if a.stage == stageOnions && a.onions.missing == 0 {
		n.closeOnions(a)
	}
	return true
}

// closeOnions fills what is missing with random bytes and hands the batch to the
// first relay.
func (n *Node) closeOnions(a *attempt) {
	a.stage = stageReceipts
	frames := a.onions.frames
	n.env.Go(link.LaneCompute, func() {
		a.onions.fill(suite.Random)
		for i, f := range frames {
			a.onions.header(f, i, a.id, 0)
		}
	}, func(time.Time) {
		a.onions.frames = nil
		switch {
		case n.attempt != a:
		case !n.relays[0].up:
			n.fail(a, "relay 1 is away")
		default:
			n.toRelay(0, frames...)
		}
	})
}

func (n *Node) receiveReceipts(now time.Time, frame []byte) {
	c, err := wire.ParseChunk(frame)
	if err != nil {
		n.refuse(0, "a malformed chunk")
		return
	}
	in := &n.relays[0].receipts
	first, ok := in.next(c)
	a := n.attempt
	wanted := a != nil && a.id == c.Attempt && a.stage == stageReceipts
	if first && wanted {
		total := len(a.roster) * n.p.Circuits() * n.p.ReceiptSize(0)
		if ok = c.Total == uint64(total); ok {
			in.whole = make([]byte, 0, total)
		}
	}
	if !ok {
		n.refuse(0, "receipts of the wrong size or order")
		return
	}
	if cap(in.whole) == 0 {
		return
	}
	if in.whole = append(in.whole, c.Data...); in.open || !wanted {
		return
	}
	a.receipts, in.whole = in.whole, nil
	a.stage = stageAcks
	a.acks, a.acked, a.silent = make([]byte, len(a.roster)*n.p.AckSize()), make([]bool, len(a.roster)), len(a.roster)
	for place, who := range a.roster {
		if s := n.stations[who]; s != nil {
			n.toStation(s, n.receiptsFor(a, place))
		}
	}
}

// receiptsFor is the frame with one station's receipts, always the same bytes.
func (n *Node) receiptsFor(a *attempt, place int) []byte {
	size := n.p.Circuits() * n.p.ReceiptSize(0)
	return wire.FrameAttempt(wire.TypeStationRcpt, a.id, a.receipts[place*size:(place+1)*size])
}

// receiveAck takes an acknowledgement. One whose preimages do not open the tags
// of the record is as good as none: the relays would refuse it, and nobody would
// know whose it was.
func (n *Node) receiveAck(now time.Time, s *station, frame []byte) (ok bool) {
	id, ack, err := wire.ParseAttemptFrame(frame, n.p.AckSize())
	if err != nil {
		return false
	}
	a := n.attempt
	if a == nil || a.id != id {
		return true
	}
	place, rostered := a.place[s.peer.Account]
	if !rostered || a.acked == nil {
		return true
	}
	if !a.acked[place] {
		record := a.list[place*n.p.RecordSize():]
		if a.stage != stageAcks || !now.Before(n.p.PhaseEnd(id, wire.PhaseAck)) || !opens(a.header.AID, record, ack) {
			return true
		}
		copy(a.acks[place*n.p.AckSize():], ack)
		a.acked[place] = true
		a.silent--
	}
	n.toStation(s, wire.FrameAccepted(id, wire.TypeAck, 0))
	if a.stage == stageAcks && a.silent == 0 {
		n.closeAcks(a)
	}
	return true
}

// opens reports whether ack holds the preimages of the tags at the start of
// record.
func opens(aid wire.Hash, record, ack []byte) bool {
	for ; len(ack) > 0; record, ack = record[suite.TagSize:], ack[suite.HashSize:] {
		if t := wire.TagOf(aid, [suite.HashSize]byte(ack)); !bytes.Equal(t[:], record[:suite.TagSize]) {
			return false
		}
	}
	return true
}

// closeAcks hands over the acknowledgements if all are there. Otherwise the
// attempt is over, and who was silent is left out for a while. If nobody at all
// acknowledged, it is the chain's fault.
func (n *Node) closeAcks(a *attempt) {
	if a.silent == 0 {
		a.stage = stageSeeds
		a.ackFrames = wire.Chunks(wire.TypeAcks, a.id, 0, a.acks, n.p.AckSize())
		n.toRelays(a.ackFrames...)
		return
	}
	if a.silent < len(a.roster) {
		var silent []account
		for place, who := range a.roster {
			if !a.acked[place] {
				silent = append(silent, who)
			}
		}
		n.history.failed(silent)
		n.figures.running.Silent += len(silent)
	}
	n.fail(a, "acknowledgements are missing")
}

func (n *Node) receiveSeed(i int, frame []byte) {
	s, err := wire.ParseSeed(frame[1:])
	if err != nil || s.Relay != i {
		n.refuse(i, "a malformed seed")
		return
	}
	a := n.attempt
	if a == nil || a.id != s.Attempt || a.stage != stageSeeds || a.seeds.taken[i] {
		return
	}
	a.seeds.frames[i], a.seeds.taken[i] = frame, true
	if a.seeds.held++; a.seeds.held == n.p.Relays {
		a.stage = stageReveals
		n.toRelays(a.seeds.frames...)
	}
}

func (n *Node) receiveReveal(i int, frame []byte) {
	v, err := wire.ParseReveal(frame[1:])
	if err != nil || v.Relay != i {
		n.refuse(i, "a malformed REVEAL")
		return
	}
	a := n.attempt
	if a == nil || a.id != v.Attempt || a.stage != stageReveals {
		return
	}
	if v.Header != a.header.Hash() {
		n.fail(a, "a relay revealed another header")
		return
	}
	n.check(a, &a.reveals, i, frame, func() bool { return v.Verify(n.cfg.Verify[i]) }, func() { n.adopt(a) })
}

func (n *Node) receiveAbort(i int, frame []byte) {
	id, _, err := wire.ParseAttemptFrame(frame, 0)
	if err != nil {
		n.refuse(i, "a malformed ABORT")
		return
	}
	if a := n.attempt; a != nil && a.id == id {
		n.fail(a, "a relay gave it up")
	}
}
