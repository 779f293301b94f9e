package entry

import (
	"bytes"
	"testing"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

func TestWholeAttempt(t *testing.T) {
	r := newRig(t, Limits{})
	r.bring(stRunning)
	if r.node.running == nil || r.node.running.id != r.id || len(r.dropped) > 0 {
		t.Fatal("the circuits did not take over")
	}
	R := r.p.FirstRound(r.id.Epoch)
	r.sent = nil
	r.give(r.stations[0], r.cells(R, 7))
	r.give(r.stations[2], r.cells(R, 9))
	r.wake(r.p.RoundClose(R))
	var array []byte
	for _, f := range r.take(wire.TypeForward, r.relays[0]) {
		c, err := wire.ParseChunk(f)
		if err != nil || c.Round != R || c.Attempt != r.id {
			t.Fatal(err)
		}
		array = append(array, c.Data...)
	}
	size := r.p.Circuits() * r.p.Cell
	for i, mark := range []byte{7, 0, 9} { // station 1 was silent: zeros
		k := r.place(i)
		if !bytes.Equal(array[k*size:(k+1)*size], bytes.Repeat([]byte{mark}, size)) {
			t.Errorf("the cells of station %d are not in place %d", i, k)
		}
	}
	r.give(r.relays[0], r.answers(R)...)
	for i, s := range r.stations {
		got := r.take(wire.TypeAnswers, s)
		if len(got) != 1 {
			t.Fatalf("station %d: %d answers", i, len(got))
		}
		a, round, cells, err := r.p.ParseCells(got[0])
		if err != nil || a != r.id || round != R || !bytes.Equal(cells, bytes.Repeat([]byte{byte(r.place(i) + 1)}, size)) {
			t.Errorf("station %d was answered with %v, round %d: %v", i, a, round, err)
		}
	}
	r.give(r.relays[0], r.answers(R)...)
	if len(r.take(wire.TypeAnswers, link.Peer{})) > 0 {
		t.Error("a round was answered twice")
	}
}

// Cells that come late, early, twice, or for other circuits do not count.
func TestWhichCellsCount(t *testing.T) {
	r := newRig(t, Limits{})
	r.bring(stRunning)
	R := r.p.FirstRound(r.id.Epoch)
	s := r.stations[0]
	other := r.cells(R+1, 6)
	copy(other, wire.FrameAttempt(wire.TypeCells, wire.Attempt{Epoch: r.id.Epoch, Number: r.id.Number + 1}))
	r.wake(r.p.RoundClose(R))
	r.give(s, r.cells(R, 1), other, r.cells(R+2, 2), r.cells(R+1, 3), r.cells(R+1, 4))
	r.wake(r.p.RoundClose(R + 1))
	r.wake(r.p.RoundClose(R + 2))
	size := r.p.Circuits() * r.p.Cell
	for i, f := range r.take(wire.TypeForward, r.relays[0]) {
		c, err := wire.ParseChunk(f)
		if err != nil || c.Round != R+uint64(i) {
			t.Fatal(c.Round, err)
		}
		if got, want := c.Data[r.place(0)*size], []byte{0, 3, 0}[i]; got != want {
			t.Errorf("round R+%d carries %d, want %d", i, got, want)
		}
	}
	if len(r.dropped) > 0 {
		t.Error("cells at a wrong time are no offence")
	}
}

func TestFirstIsFinal(t *testing.T) {
	r := newRig(t, Limits{})
	r.bring(stJoin)
	r.join(0)
	second := bytes.Clone(r.records[0])
	second[0]++
	r.give(r.stations[0], wire.FrameAttempt(wire.TypeJoin, r.id, second))
	r.join(1)
	r.join(2)
	if got := len(r.take(wire.TypeAccepted, r.stations[0])); got != 2 {
		t.Errorf("%d answers to two records", got)
	}
	r.wake(r.p.PhaseEnd(r.id, wire.PhaseJoin))
	r.headers()
	first := r.onion(0, 0)
	other := bytes.Clone(first)
	other[len(other)-1]++
	r.give(r.stations[0], first, other)
	if got := r.node.attempt.onions.at(r.place(0) * r.p.Circuits()); !bytes.Equal(got, first[len(first)-r.p.OnionSize(0):]) {
		t.Error("a second onion replaced the first")
	}
	if !bytes.Equal(r.node.attempt.list[r.place(0)*r.p.RecordSize():][:r.p.RecordSize()], r.records[0]) {
		t.Error("a second record replaced the first")
	}
}

// An acknowledgement that does not open the record's tags is as good as none.
func TestWrongAck(t *testing.T) {
	r := newRig(t, Limits{})
	r.bring(stAcks)
	for i := range r.stations {
		ack := bytes.Clone(r.pre[i])
		if i == 1 {
			ack[len(ack)-1] ^= 1
		}
		r.give(r.stations[i], wire.FrameAttempt(wire.TypeAck, r.id, ack))
	}
	if got := r.take(wire.TypeAccepted, r.stations[1]); wire.Type(got[len(got)-1][1+wire.AttemptSize]) == wire.TypeAck {
		t.Error("a wrong acknowledgement was accepted")
	}
	r.wake(r.p.PhaseEnd(r.id, wire.PhaseAck))
	if len(r.take(wire.TypeAcks, link.Peer{})) > 0 || len(r.take(wire.TypeAbort, link.Peer{})) != len(r.relays) {
		t.Error("the relays were asked to reveal")
	}
	if c := r.node.history.accounts[r.stations[1].Account]; c == nil || c.fails != 1 {
		t.Error("the silent station is not remembered")
	}
	if r.node.history.accounts[r.stations[0].Account] != nil {
		t.Error("another station is blamed")
	}
}

// When nobody acknowledges, the chain failed and no station is blamed.
func TestNobodyAcknowledges(t *testing.T) {
	for _, state := range []int{stReceipts, stAcks} {
		r := newRig(t, Limits{})
		r.bring(state)
		r.wake(r.p.PhaseEnd(r.id, wire.PhaseAck))
		if r.node.attempt != nil || len(r.node.history.accounts) > 0 {
			t.Errorf("state %d: somebody is blamed", state)
		}
	}
}

// Nothing is missed by whom a connection fails: the documents of the phase are
// repeated.
func TestCatchUp(t *testing.T) {
	for state, want := range map[int]struct{ relay, station []wire.Type }{
		stIdle:     {nil, nil},
		stJoin:     {[]wire.Type{wire.TypeKeys, wire.TypeKeys}, []wire.Type{wire.TypeKeys, wire.TypeKeys}},
		stHeaders:  {[]wire.Type{wire.TypeKeys, wire.TypeKeys, wire.TypeRecords}, nil},
		stOnions:   {[]wire.Type{wire.TypeKeys, wire.TypeKeys}, []wire.Type{wire.TypeRecords, wire.TypeSignedHeader, wire.TypeSignedHeader}},
		stReceipts: {[]wire.Type{wire.TypeKeys, wire.TypeKeys}, nil},
		stAcks:     {[]wire.Type{wire.TypeKeys, wire.TypeKeys}, []wire.Type{wire.TypeStationRcpt}},
		stSeeds:    {[]wire.Type{wire.TypeKeys, wire.TypeKeys, wire.TypeAcks}, nil},
		stReveals:  {[]wire.Type{wire.TypeKeys, wire.TypeKeys, wire.TypeSeed, wire.TypeSeed}, nil},
		stRevealed: {[]wire.Type{wire.TypeReveal, wire.TypeReveal}, []wire.Type{wire.TypeReveal, wire.TypeReveal}},
		stRunning:  {[]wire.Type{wire.TypeReveal, wire.TypeReveal}, nil},
	} {
		r := newRig(t, Limits{})
		r.bring(state)
		for _, c := range []struct {
			peer link.Peer
			want []wire.Type
		}{{r.relays[1], want.relay}, {r.stations[1], want.station}} {
			r.sent = nil
			r.node.Disconnected(r.now, c.peer)
			p := r.connect(c.peer)
			var got []wire.Type
			for _, s := range r.sent {
				if s.to == p {
					got = append(got, wire.TypeOf(s.frame))
				}
			}
			if string(asBytes(got)) != string(asBytes(c.want)) {
				t.Errorf("state %d, %v: sent %v, want %v", state, p, got, c.want)
			}
		}
	}
}

func asBytes(types []wire.Type) (b []byte) {
	for _, t := range types {
		b = append(b, byte(t))
	}
	return b
}

// Who may send what, in every state: a frame that a peer may not send, or one of
// a wrong size, costs its connection and nothing else.
func TestWhoMaySendWhat(t *testing.T) {
	relays := map[wire.Type]bool{wire.TypeKeys: true, wire.TypeSignedHeader: true, wire.TypeSeed: true, wire.TypeReveal: true, wire.TypeAbort: true,
		wire.TypeReceipts: true, wire.TypeBackward: true}
	stations := map[wire.Type]bool{wire.TypeJoin: true, wire.TypeOnion: true, wire.TypeAck: true, wire.TypeCells: true}
	for state := range stStates {
		r := newRig(t, Limits{})
		r.bring(state)
		for typ := range 256 {
			for _, c := range []struct {
				peer *link.Peer
				may  bool
			}{{&r.relays[0], relays[wire.Type(typ)]}, {&r.relays[1], relays[wire.Type(typ)]}, {&r.stations[1], stations[wire.Type(typ)]}} {
				frames := [][]byte{{byte(typ)}}
				if !c.may {
					frames = append(frames, r.cells(1, 0), r.receipts0())
				}
				for _, f := range frames {
					f[0] = byte(typ)
					r.dropped = nil
					r.give(*c.peer, f)
					if len(r.dropped) != 1 || r.dropped[0] != *c.peer {
						t.Fatalf("state %d: type %d with %d bytes from %v did not end its connection", state, typ, len(f), *c.peer)
					}
					r.node.Disconnected(r.now, *c.peer)
					*c.peer = r.connect(*c.peer)
				}
			}
		}
		if state < stRunning && state > stIdle && state != stRevealed && r.node.attempt == nil {
			t.Errorf("state %d: the attempt did not survive", state)
		}
	}
}

func (r *rig) receipts0() []byte {
	f, _ := wire.NewChunk(wire.TypeReceipts, r.id, 0, 100, 0, 100)
	return f
}

// A relay speaks for itself only, and its signatures are checked.
func TestRelaySpeaksForItself(t *testing.T) {
	forge := map[int]func(r *rig) []byte{
		stIdle: func(r *rig) []byte {
			r.id, _ = r.p.AttemptAt(r.now)
			k := wire.Keys{Attempt: r.id, Relay: 1, Outer: make([]byte, suite.KEMPublicKeySize), Inner: make([]byte, suite.KEMPublicKeySize)}
			k.Sign(r.net, signers[0])
			return wire.Frame(wire.TypeKeys, k)
		},
		stHeaders: func(r *rig) []byte {
			h := r.node.attempt.header
			return wire.Frame(wire.TypeSignedHeader, wire.SignHeader(h, 1, signers[0]))
		},
		stReveals: func(r *rig) []byte {
			return wire.Frame(wire.TypeReveal, wire.SignReveal(r.id, 1, r.node.attempt.header.Hash(), signers[0]))
		},
	}
	for state, f := range forge {
		for _, from := range []int{0, 1} { // in another's name; in its own with another's key
			r := newRig(t, Limits{})
			r.bring(state)
			r.give(r.relays[from], f(r))
			if len(r.dropped) != 1 || r.dropped[0] != r.relays[from] {
				t.Errorf("state %d: a forged document from relay %d did not end its connection", state, from+1)
			}
		}
	}
}

func TestAnotherHeader(t *testing.T) {
	r := newRig(t, Limits{})
	r.bring(stHeaders)
	h := r.node.attempt.header
	h.Count++
	r.give(r.relays[1], wire.Frame(wire.TypeSignedHeader, wire.SignHeader(h, 1, signers[1])))
	if r.node.attempt != nil || len(r.take(wire.TypeAbort, link.Peer{})) != len(r.relays) {
		t.Error("relays that do not agree go on")
	}
}

// KEYS of a relay whose clock is a little ahead are kept for the attempt.
func TestEarlyKeys(t *testing.T) {
	r := newRig(t, Limits{})
	next := wire.Attempt{Epoch: r.p0().Epoch + 1}
	r.wake(r.p.PhaseStart(next, wire.PhaseKeys).Add(-r.p.ClockTolerance))
	at := r.now
	r.now = r.p.PhaseStart(next, wire.PhaseKeys)
	var frames [][]byte
	for i := range signers {
		k := wire.Keys{Attempt: next, Relay: i, Outer: make([]byte, suite.KEMPublicKeySize), Inner: make([]byte, suite.KEMPublicKeySize)}
		k.Sign(r.net, signers[i])
		frames = append(frames, wire.Frame(wire.TypeKeys, k))
	}
	r.now = at
	for i, f := range frames {
		r.give(r.relays[i], f)
	}
	if len(r.take(wire.TypeKeys, link.Peer{})) > 0 {
		t.Fatal("KEYS were given out before their time")
	}
	r.wake(r.p.PhaseStart(next, wire.PhaseKeys))
	if got := len(r.take(wire.TypeKeys, r.stations[0])); got != len(signers) {
		t.Errorf("%d of %d KEYS were given out", got, len(signers))
	}
}

func (r *rig) p0() wire.Attempt { a, _ := r.p.AttemptAt(r.now); return a }

// A station that floods is dropped; one whose line stalled is not.
func TestAllowance(t *testing.T) {
	r := newRig(t, Limits{})
	r.bring(stRunning)
	s := r.stations[0]
	for i := 0; len(r.dropped) == 0; i++ {
		if i > 10_000 {
			t.Fatal("a station may send without end")
		}
		r.give(s, r.cells(1, 0))
	}
	R := r.p.FirstRound(r.id.Epoch)
	s, r.dropped = r.stations[1], nil
	r.wake(r.p.RoundStart(R + 50))
	for i := range uint64(50) {
		r.give(s, r.cells(R+i, 0))
	}
	if len(r.dropped) > 0 {
		t.Error("a station whose line stalled was dropped")
	}
}

func TestStationLimit(t *testing.T) {
	r := newRig(t, Limits{Stations: rigStations})
	p := r.connect(link.Peer{Role: link.RoleStation, Account: suite.Digest([]byte("one more"))})
	if len(r.dropped) != 1 || r.dropped[0] != p {
		t.Error("more stations than the limit")
	}
	r.dropped = nil
	old := r.stations[0]
	r.stations[0] = r.connect(old) // a reconnect takes the old place
	if len(r.dropped) != 1 || r.dropped[0] != old {
		t.Error("the old connection was not replaced")
	}
	r.node.Disconnected(r.now, old)
	if r.node.stations[old.Account] == nil {
		t.Error("the end of the old connection ended the new")
	}
}

func TestClockJumps(t *testing.T) {
	for state := range stStates {
		r := newRig(t, Limits{})
		r.bring(state)
		for _, d := range []time.Duration{-time.Hour, time.Hour, -24 * 365 * time.Hour, 24 * time.Hour} {
			r.wake(r.now.Add(d))
		}
	}
}

// In its stride an entry allocates nothing per round: cells leave in the frames
// in which answers came, and answers in the frames in which cells came.
func TestRoundsAllocateNothing(t *testing.T) {
	r := newRig(t, Limits{})
	r.bring(stRunning)
	round := r.p.FirstRound(r.id.Epoch)
	size := r.p.Circuits() * r.p.Cell
	total := uint64(len(r.stations) * size)
	cells := make([][]byte, len(r.stations))
	for i := range cells {
		cells[i] = r.cells(round, 1)
	}
	template := r.cells(round, 1)
	r.sent = make([]sent, 0, 64)
	one := func() {
		r.sent = r.sent[:0]
		wire.PutChunkHeader(template, wire.TypeCells, r.id, round, 0, 0) // type, attempt and round lie alike
		for i, s := range r.stations {
			copy(cells[i], template)
			r.node.Received(r.now, s, cells[i])
		}
		r.node.Woken(r.p.RoundClose(round))
		var frame []byte
		for _, s := range r.sent { // beside what an attempt that nobody joins makes of its deadlines
			if wire.TypeOf(s.frame) == wire.TypeForward {
				frame = s.frame
			}
		}
		r.sent = r.sent[:0]
		wire.PutChunkHeader(frame, wire.TypeBackward, r.id, round, total, 0)
		r.node.Received(r.now, r.relays[0], frame)
		for i, s := range r.sent {
			cells[i] = s.frame
		}
		round++
		r.now = r.p.RoundStart(round)
	}
	for range roundsKept {
		one()
	}
	if got := testing.AllocsPerRun(30, one); got > 0 {
		t.Errorf("%v allocations per round", got)
	}
}

// An entry whose clock was set back goes on from there.
func TestClockSetBack(t *testing.T) {
	r := newRig(t, Limits{})
	r.bring(stRunning)
	R := r.p.FirstRound(r.id.Epoch)
	r.wake(r.p.RoundClose(R))
	r.wake(r.p.RoundClose(R + 20))
	r.sent = nil
	r.now = r.p.RoundStart(R + 1)
	r.give(r.stations[0], r.cells(R+1, 5))
	r.wake(r.p.RoundClose(R + 1))
	got := r.take(wire.TypeForward, r.relays[0])
	if len(got) != 1 {
		t.Fatalf("%d rounds were closed", len(got))
	}
	if c, err := wire.ParseChunk(got[0]); err != nil || c.Round != R+1 || c.Data[r.place(0)*r.p.Circuits()*r.p.Cell] != 5 {
		t.Error("the round after the jump has no cells")
	}
}
