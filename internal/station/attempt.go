package station

import (
	"crypto/rand"
	"math/big"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/mix"
	"backchannel/internal/pairwise"
	"backchannel/internal/roster"
	"backchannel/internal/suite"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// attempt is a station's part in one set-up attempt. Its secrets live in memory
// only and end with it or with the circuits it makes.
type attempt struct {
	id   wire.Attempt
	gate *roster.Station

	marked bool // the high-water mark is durable: the record may be sent
	keyed  bool // all KEYS are verified

	lanes   []lane // one per lane; those of no contact are idle
	saved   bool   // the vault holds what the sessions listed
	list    []byte // record list while its chunks arrive
	listing bool   // the signed list was acted upon

	order []circuitOf // which lane and twin circuit i serves
	rings []*mix.Circuit

	// Cached for byte-identical repeats.
	joinFrame     []byte
	joinAccepted  bool
	onionFrames   [][]byte
	onionAccepted []bool
	ackFrame      []byte
	ackAccepted   bool

	revealed bool
}

// lane is one lane's part in an attempt. meeting is nil when it is idle.
type lane struct {
	conv    *conversation
	meeting *pairwise.Meeting
	talks   bool
	talk    *pairwise.Talk  // from R on
	decoy   *pairwise.Decoy // instead of it, on a lane that does not talk
}

type circuitOf struct{ lane, twin int }

// scheduleAttempt asks to begin the next attempt that has not started at now.
func (n *Node) scheduleAttempt(now time.Time) {
	a := n.p.NextAttempt(now)
	n.agenda.at(n.p.PhaseStart(a, wire.PhaseKeys), func(now time.Time) {
		n.beginAttempt(now, a)
		n.scheduleAttempt(now.Add(time.Nanosecond))
	})
}

// beginAttempt opens the gate for a, unless its epoch already has circuits or
// the mark forbids it: after a restart a station never joins an attempt at or
// below the mark, for it may have sent another record before.
func (n *Node) beginAttempt(now time.Time, id wire.Attempt) {
	n.dropAttempt()
	n.reportFailure()
	// Only for the epoch after our own, whatever woke us late.
	if own, ok := n.p.EpochAt(now); !ok || id.Epoch != own+1 {
		return
	}
	if n.next != nil && n.next.id.Epoch >= id.Epoch || n.current != nil && n.current.id.Epoch >= id.Epoch {
		return
	}
	if last, any := n.cfg.Mark.At(); any && !last.Before(id) && !weakened.SecondRecord {
		return
	}
	a := &attempt{id: id, gate: roster.NewStation(n.p, n.cfg.Net, n.cfg.Verify, id)}
	n.attempt = a
	n.stats.attempts++
	var err error
	n.env.Go(link.LaneMark, func() { err = n.cfg.Mark.Raise(id) }, func(now time.Time) {
		if err != nil && !weakened.SecondRecord {
			n.fail(now, "raising the high-water mark", err)
			return
		}
		a.marked = true
		if !now.Before(n.p.PhaseStart(id, wire.PhaseJoin)) { // a slow disk: it was waited for
			n.buildRecord(now, a)
		}
	})
	// The record is decided a quarter of a window before it leaves.
	n.agenda.at(n.p.PhaseStart(id, wire.PhaseJoin), func(now time.Time) { n.buildRecord(now, a) })
	n.agenda.at(n.p.PhaseStart(id, wire.PhaseAck), func(now time.Time) { n.buildAck(now, a) })
}

// dropAttempt forgets an attempt that did not become circuits.
func (n *Node) dropAttempt() {
	if n.attempt != nil && !n.attempt.revealed {
		for _, c := range n.attempt.rings {
			c.Erase()
		}
		for _, l := range n.attempt.lanes {
			if l.meeting != nil {
				l.meeting.Erase()
			}
		}
		n.attempt.gate.Erase()
		if n.attempt.joinFrame != nil {
			n.stats.aborted++
		}
	}
	n.attempt = nil
}

func (n *Node) receiveKeys(now time.Time, frame []byte) {
	k, err := wire.ParseKeys(frame[1:])
	a := n.attempt
	if err != nil {
		return
	}
	n.observeEpoch(k.Epoch)
	if a == nil || a.keyed || k.Attempt != a.id || !now.Before(n.p.PhaseStart(a.id, wire.PhaseJoin)) {
		return
	}
	complete, err := a.gate.Keys(k)
	if err != nil || !complete {
		return
	}
	a.keyed = true
	n.stepChains(a)
}

// catchUpEpochs is how many epochs of chains are stepped at once; more, after a
// long absence, are stepped aside, for cells must not wait for them.
const catchUpEpochs = 1000

// stepChains moves the chains of every contact, parked ones included, to the
// attempt's epoch. All KEYS of it were seen and it is at most one after our own,
// so older values may go; nobody should be able to compute them any more.
func (n *Node) stepChains(a *attempt) {
	var behind []*pairwise.Steps
	for _, c := range n.talks {
		if st := c.session.Behind(a.id.Epoch); st != nil {
			behind = append(behind, st)
		}
	}
	far := false
	for _, st := range behind {
		far = far || st.Epochs() > catchUpEpochs
	}
	work := func() {
		for _, st := range behind {
			st.Run()
		}
	}
	done := func(time.Time) {
		for _, st := range behind {
			st.Adopt()
		}
		if n.attempt == a {
			n.prepareLanes(a)
		}
	}
	if !far {
		work()
		done(time.Time{})
		return
	}
	n.env.Go(link.LaneCompute, work, done)
}

// prepareLanes derives what the assigned lanes would list and has the vault hold
// the stepped chains before anything is listed. An open vault is written to in
// every attempt, so that an idle station finds out as a talking one does when it
// cannot be.
func (n *Node) prepareLanes(a *attempt) {
	a.lanes = make([]lane, n.p.Lanes)
	n.lanes.Advance(a.id.Epoch)
	for i, id := range n.lanes.Assigned(a.id.Epoch) {
		conv := n.talks[id]
		if conv == nil || !conv.meets(n.p.EpochStart(a.id.Epoch)) {
			continue
		}
		m, err := conv.session.Join(a.id.Epoch, a.gate.AID())
		if err != nil {
			conv.trouble = err
			continue
		}
		a.lanes[i] = lane{conv: conv, meeting: m}
	}
	n.probe = n.vault != nil
	n.save(func(ok bool) { a.saved = ok })
}

// buildRecord fixes the one record of this attempt. If the vault is slow or
// full, every lane lists as if idle: the record leaves in any case.
func (n *Node) buildRecord(now time.Time, a *attempt) {
	if n.attempt != a || a.lanes == nil || !a.marked || a.joinFrame != nil || now.After(n.p.JoinTime(a.id)) {
		return
	}
	tags := make([]wire.Tag, n.p.Lanes)
	secrets := make([][suite.HashSize]byte, n.p.Lanes)
	for i, at := range shuffled(n.p.Lanes) {
		l := &a.lanes[i]
		if l.meeting != nil && !a.saved {
			l.meeting.Erase()
			l.meeting = nil
		}
		if l.meeting != nil {
			secrets[at], tags[at] = l.meeting.S, l.meeting.Tag
			continue
		}
		secrets[at] = suite.RandomKey()
		tags[at] = wire.TagOf(a.gate.AID(), secrets[at])
	}
	a.joinFrame = wire.FrameAttempt(wire.TypeJoin, a.id, a.gate.Join(tags, secrets))
	if n.connected {
		n.env.SendAt(n.p.JoinTime(a.id), n.entry, a.joinFrame)
	}
}

func (n *Node) receiveRecords(now time.Time, frame []byte) {
	a := n.attempt
	c, err := wire.ParseChunk(frame)
	if err != nil || a == nil || c.Attempt != a.id || a.joinFrame == nil || a.listing ||
		c.Total > uint64(wire.MaxStations*n.p.RecordSize()) || c.Total%uint64(n.p.RecordSize()) != 0 {
		return
	}
	if c.Offset == 0 {
		a.list = a.list[:0]
	}
	if uint64(len(a.list)) != c.Offset {
		return
	}
	a.list = append(a.list, c.Data...)
	if uint64(len(a.list)) == c.Total {
		_ = a.gate.Records(a.list) // a list that does not fit leaves us unrostered; nothing is sent
		a.list = nil
		n.rostered(now, a)
	}
}

func (n *Node) receiveHeader(now time.Time, frame []byte) {
	a := n.attempt
	h, err := wire.ParseSignedHeader(frame[1:])
	if err != nil || a == nil || h.Attempt != a.id || a.joinFrame == nil || a.listing {
		return
	}
	_ = a.gate.Header(h) // the same
	n.rostered(now, a)
}

// rostered acts on the signed list once: who talks, and one onion per circuit.
// The work is the same for idle and talking lanes and is done aside.
func (n *Node) rostered(now time.Time, a *attempt) {
	if a.listing || !a.gate.Rostered() || !now.Before(n.p.OnionClose(a.id)) {
		return
	}
	a.listing = true
	n.stats.stations = a.gate.Size()
	ids := make([][2]wire.TwinID, n.p.Lanes)
	for i := range a.lanes {
		l := &a.lanes[i]
		suite.Random(ids[i][0][:])
		ids[i][1] = ids[i][0]
		if l.meeting == nil {
			continue
		}
		var seen []uint32
		for _, h := range l.meeting.Held {
			if a.gate.Count(h.PeerTag) > 0 {
				seen = append(seen, h.Version)
			}
		}
		l.conv.session.Saw(l.meeting, seen)
		if l.talks = a.gate.Talks(l.meeting.Tag, l.meeting.PeerTag); l.talks {
			ids[i][0], ids[i][1] = l.meeting.Twins()
			if weakened.TalkativeTelemetry {
				n.log.Info("station: a lane talks", "lane", i)
			}
		}
	}
	a.order = make([]circuitOf, n.p.Circuits())
	for i, at := range shuffled(n.p.Circuits()) {
		a.order[at] = circuitOf{i / 2, i % 2}
	}
	header, keys := a.gate.HeaderHash(), a.gate.AllKeys()
	var (
		frames [][]byte
		rings  []*mix.Circuit
		expect []byte
		err    error
	)
	n.env.Go(link.LaneCompute, func() {
		var path *mix.Path
		if path, err = mix.NewPath(n.p, keys); err != nil {
			return
		}
		for i, of := range a.order {
			var onion []byte
			var c *mix.Circuit
			if onion, c, err = path.Build(header, ids[of.lane][of.twin]); err != nil {
				return
			}
			frames = append(frames, wire.FrameOnion(a.id, i, onion))
			rings = append(rings, c)
			expect = append(expect, c.Receipt()...)
		}
	}, func(now time.Time) {
		if n.attempt != a || err != nil {
			for _, c := range rings {
				c.Erase()
			}
			return
		}
		a.rings, a.onionFrames, a.onionAccepted = rings, frames, make([]bool, len(frames))
		a.gate.Expect(expect)
		n.sendOnions(now, a)
	})
}

// sendOnions gives every onion its fixed time. One that was not ready by then
// has one more fixed time, half into the window, after all the others.
func (n *Node) sendOnions(now time.Time, a *attempt) {
	if !n.connected {
		return
	}
	late := n.p.OnionTime(a.id, n.p.Circuits())
	var behind [][]byte
	for i, f := range a.onionFrames {
		if at := n.p.OnionTime(a.id, i); !now.After(at) {
			n.env.SendAt(at, n.entry, f)
		} else {
			behind = append(behind, f)
		}
	}
	if now.Before(n.p.OnionClose(a.id)) {
		for _, f := range behind {
			n.env.SendAt(late, n.entry, f)
		}
	}
}

func (n *Node) receiveReceipts(now time.Time, frame []byte) {
	a := n.attempt
	if a == nil || a.rings == nil {
		return
	}
	id, got, err := wire.ParseAttemptFrame(frame, n.p.Circuits()*n.p.ReceiptSize(0))
	if err != nil || id != a.id {
		return
	}
	a.gate.Receipts(got)
	if !now.Before(n.p.PhaseStart(a.id, wire.PhaseAck)) {
		n.buildAck(now, a)
	}
}

// buildAck reveals the preimages at the stated time if every receipt was right.
func (n *Node) buildAck(now time.Time, a *attempt) {
	if n.attempt != a || a.ackFrame != nil || now.After(n.p.AckTime(a.id)) {
		return
	}
	ack, ok := a.gate.Ack()
	if !ok {
		return
	}
	a.ackFrame = wire.FrameAttempt(wire.TypeAck, a.id, ack)
	if n.connected {
		n.env.SendAt(n.p.AckTime(a.id), n.entry, a.ackFrame)
	}
}

func (n *Node) receiveReveal(now time.Time, frame []byte) {
	a := n.attempt
	v, err := wire.ParseReveal(frame[1:])
	if err != nil || a == nil || a.revealed || a.ackFrame == nil || v.Attempt != a.id {
		return
	}
	if complete, err := a.gate.Reveal(v); err != nil || !complete {
		return
	}
	a.revealed = true
	n.adopt(now, a)
}

func (n *Node) receiveAccepted(frame []byte) {
	a := n.attempt
	id, t, i, err := wire.ParseAccepted(frame)
	if err != nil || a == nil || id != a.id {
		return
	}
	switch {
	case t == wire.TypeJoin:
		a.joinAccepted = true
	case t == wire.TypeOnion && i < len(a.onionAccepted):
		a.onionAccepted[i] = true
	case t == wire.TypeAck:
		a.ackAccepted = true
	}
}

// shuffled returns a uniform permutation of 0…n−1.
func shuffled(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j, err := rand.Int(rand.Reader, big.NewInt(int64(i+1)))
		if err != nil {
			panic("station: no randomness: " + err.Error()) // crypto/rand never returns an error since Go 1.24
		}
		k := int(j.Int64())
		out[i], out[k] = out[k], out[i]
	}
	return out
}
