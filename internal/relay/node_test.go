package relay

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/wire"
)

// Every position of every chain goes through a whole attempt and carries rounds.
func TestWholeAttempt(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for index := range n {
			t.Run(fmt.Sprintf("%d of %d", index+1, n), func(t *testing.T) {
				r := newRig(t, n, index)
				r.bring(stRunning)
				if len(r.dropped) > 0 {
					t.Fatal("an honest neighbour was dropped")
				}
				if r.node.running == nil || r.node.coming != nil || r.node.attempt != nil && r.node.attempt.id == r.id {
					t.Fatal("the circuits did not take over")
				}
				R := r.p.FirstRound(r.id.Epoch)
				for round := R; round < R+3; round++ {
					r.give(r.upstream(), r.cells(wire.TypeForward, round, 3)...)
					if index == n-1 {
						r.whole(wire.TypeBackward, round, r.upstream())
						continue
					}
					r.whole(wire.TypeForward, round, r.next)
					r.give(r.next, r.cells(wire.TypeBackward, round, 3)...)
					r.whole(wire.TypeBackward, round, r.upstream())
				}
			})
		}
	}
}

// whole expects one whole array of a round at one peer.
func (r *rig) whole(t wire.Type, round uint64, to link.Peer) {
	r.t.Helper()
	at := uint64(0)
	for _, s := range r.take(t) {
		c, err := wire.ParseChunk(s.frame)
		if err != nil || c.Round != round || c.Offset != at || s.to != to {
			r.t.Fatalf("round %d: a chunk of round %d at %d instead of %d to %v: %v", round, c.Round, c.Offset, at, s.to, err)
		}
		at += uint64(len(c.Data))
	}
	if want := uint64(r.count * r.p.Circuits() * r.p.Cell); at != want {
		r.t.Fatalf("round %d: %d bytes of type %d left instead of %d", round, at, t, want)
	}
}

// In every phase and direction the first output byte follows the last input byte.
func TestWholeArraysOnly(t *testing.T) {
	split := func(frames [][]byte, size int) (out [][]byte) {
		for _, f := range frames {
			c, err := wire.ParseChunk(f)
			if err != nil {
				t.Fatal(err)
			}
			for off := 0; off < len(c.Data); off += size {
				part := c.Data[off:min(off+size, len(c.Data))]
				g, d := wire.NewChunk(c.Type, c.Attempt, c.Round, c.Total, c.Offset+uint64(off), len(part))
				copy(d, part)
				out = append(out, g)
			}
		}
		return out
	}
	for index := range 3 {
		r := newRig(t, 3, index)
		last := index == 2
		drip := func(what string, from link.Peer, frames [][]byte, out wire.Type) {
			t.Helper()
			if len(frames) < 3 {
				t.Fatalf("%s: %d chunks show nothing", what, len(frames))
			}
			for i, f := range frames {
				if got := r.take(out); len(got) > 0 {
					t.Fatalf("relay %d, %s: output after %d of %d chunks", index+1, what, i, len(frames))
				}
				r.give(from, f)
			}
			if len(r.take(out)) == 0 {
				t.Fatalf("relay %d, %s: no output after the whole array", index+1, what)
			}
		}
		r.bring(stRecords)
		out := wire.TypeBatch
		if last {
			out = wire.TypeReceipts
		}
		drip("MIX", r.upstream(), split(r.batch(), 1000), out)
		if !last {
			drip("RECEIPTS", r.next, split(r.receipts(), 7), wire.TypeReceipts)
		}
		r.give(r.entry, r.acks()...)
		r.give(r.entry, r.seeds()...)
		r.give(r.entry, r.reveals()...)
		R := r.p.FirstRound(r.id.Epoch)
		r.wake(r.p.RoundStart(R))
		out = wire.TypeForward
		if last {
			out = wire.TypeBackward
		}
		drip("forward", r.upstream(), r.cells(wire.TypeForward, R, 1), out)
		if !last {
			drip("backward", r.next, r.cells(wire.TypeBackward, R, 1), wire.TypeBackward)
		}
	}
}

// Who may send what: every type from every neighbour in every state. A frame that
// a peer may not send costs it its connection and changes nothing.
func TestWhoMaySendWhat(t *testing.T) {
	may := map[wire.Type]string{
		wire.TypeKeys: "entry", wire.TypeRecords: "entry", wire.TypeAcks: "entry", wire.TypeAbort: "entry",
		wire.TypeSeed: "entry", wire.TypeReveal: "entry", wire.TypeBatch: "prev", wire.TypeForward: "prev",
		wire.TypeReceipts: "next", wire.TypeBackward: "next",
	}
	r := newRig(t, 3, 1)
	for state := range stStates {
		r.start(r.p.EpochStart(uint64(3 + state)).Add(time.Millisecond))
		r.bring(state)
		for _, who := range []string{"entry", "prev", "next"} {
			for typ := range 256 {
				if may[wire.Type(typ)] == who {
					continue
				}
				r.dropped = nil
				p := map[string]link.Peer{"entry": r.entry, "prev": r.prev, "next": r.next}[who]
				frame := append([]byte{byte(typ)}, r.cells(wire.TypeForward, 1, 1)[0][1:]...)
				r.give(p, frame)
				if len(r.dropped) != 1 || r.dropped[0] != p {
					t.Fatalf("state %d: type %d from %s did not end its connection", state, typ, who)
				}
				r.give(p, frame) // nothing more is heard from it
				if len(r.dropped) != 1 {
					t.Fatal("a dropped peer was heard")
				}
				r.node.Disconnected(r.now, p)
				r.connectAgain(who)
			}
		}
	}
}

func (r *rig) connectAgain(who string) {
	r.conns++
	p := map[string]*link.Peer{"entry": &r.entry, "prev": &r.prev, "next": &r.next}[who]
	p.Conn = r.conns
	r.node.Connected(r.now, *p)
}

func TestChunkOrder(t *testing.T) {
	cases := map[string]func(f [][]byte) [][]byte{
		"a gap":             func(f [][]byte) [][]byte { return [][]byte{f[0], f[2]} },
		"a repeated chunk":  func(f [][]byte) [][]byte { return [][]byte{f[0], f[1], f[1]} },
		"no beginning":      func(f [][]byte) [][]byte { return f[1:] },
		"beyond the end":    func(f [][]byte) [][]byte { return append(f, f[len(f)-1]) },
		"a changed total":   func(f [][]byte) [][]byte { f[1][28]++; return f },
		"a changed round":   func(f [][]byte) [][]byte { f[1][20]++; return f },
		"a changed attempt": func(f [][]byte) [][]byte { f[1][12]++; return f },
		"a wrong total":     func(f [][]byte) [][]byte { f[0][27]++; return f[:1] },
		"a cut frame":       func(f [][]byte) [][]byte { f[1] = f[1][:wire.ChunkHeaderSize-1]; return f },
		"part of a cell":    func(f [][]byte) [][]byte { f[1] = f[1][:wire.ChunkHeaderSize+5]; return f },
	}
	for name, spoil := range cases {
		r := newRig(t, 3, 1)
		r.bring(stRunning)
		R := r.p.FirstRound(r.id.Epoch)
		r.give(r.prev, spoil(r.cells(wire.TypeForward, R, 1))...)
		if name != "beyond the end" && len(r.take(wire.TypeForward)) > 0 {
			t.Errorf("%s: output left", name)
		}
		if len(r.dropped) != 1 || r.dropped[0] != r.prev {
			t.Errorf("%s: %d peers were dropped", name, len(r.dropped))
		}
		// The others go on, and so does the neighbour when it is back.
		r.take(wire.TypeForward)
		r.node.Disconnected(r.now, r.prev)
		r.connectAgain("prev")
		r.give(r.prev, r.cells(wire.TypeForward, R+1, 2)...)
		r.whole(wire.TypeForward, R+1, r.next)
	}
}

// An array whose connection ends is dropped whole, and its round stays used.
func TestBrokenOffArray(t *testing.T) {
	r := newRig(t, 3, 1)
	r.bring(stRunning)
	R := r.p.FirstRound(r.id.Epoch)
	r.give(r.prev, r.cells(wire.TypeForward, R, 1)[:3]...)
	r.node.Disconnected(r.now, r.prev)
	r.connectAgain("prev")
	r.give(r.prev, r.cells(wire.TypeForward, R, 1)...)
	if len(r.take(wire.TypeForward)) > 0 {
		t.Fatal("a second array of one round left")
	}
	r.give(r.prev, r.cells(wire.TypeForward, R+1, 1)...)
	r.whole(wire.TypeForward, R+1, r.next)
	if len(r.dropped) > 0 {
		t.Fatal("a repeat is no offence")
	}
}

func TestRoundsOnce(t *testing.T) {
	r := newRig(t, 3, 1)
	r.bring(stRunning)
	R := r.p.FirstRound(r.id.Epoch)
	send := func(typ wire.Type, round uint64) int {
		from := r.prev
		if typ == wire.TypeBackward {
			from = r.next
		}
		r.give(from, r.cells(typ, round, 4)...)
		return len(r.take(typ))
	}
	for _, c := range []struct {
		typ   wire.Type
		round uint64
		ok    bool
	}{
		{wire.TypeBackward, R, false}, // it did not go forward
		{wire.TypeForward, R, true},
		{wire.TypeForward, R, false},
		{wire.TypeForward, R + 3, true},
		{wire.TypeForward, R + 2, false},
		{wire.TypeBackward, R, true},
		{wire.TypeBackward, R, false},
		{wire.TypeBackward, R + 3, true},
		{wire.TypeBackward, R + 2, false},
		{wire.TypeForward, R - 1, false},
		{wire.TypeForward, r.p.LastRound(r.id.Epoch) + 1, false},
		{wire.TypeForward, r.p.LastRound(r.id.Epoch), true},
	} {
		if got := send(c.typ, c.round) > 0; got != c.ok {
			t.Errorf("type %d, round R%+d: output %v", c.typ, int64(c.round-R), got)
		}
	}
	if len(r.dropped) > 0 {
		t.Fatal("a repeat is no offence")
	}
}

// A round does not wait for the answers of those before: several go forward before
// the first comes back, and a forward and a backward array arrive side by side. Each
// leaves whole, once, as soon as it is in, and no sooner.
func TestRoundsInFlight(t *testing.T) {
	for index := range 2 {
		r := newRig(t, 3, index)
		r.bring(stRunning)
		R := r.p.FirstRound(r.id.Epoch)
		const ahead = 5
		for i := range uint64(ahead) {
			r.give(r.upstream(), r.cells(wire.TypeForward, R+i, 4)...)
			r.whole(wire.TypeForward, R+i, r.next)
		}
		for i := range uint64(ahead) {
			there, back := r.cells(wire.TypeForward, R+ahead+i, 1), r.cells(wire.TypeBackward, R+i, 1)
			if len(there) < 3 || len(there) != len(back) {
				t.Fatalf("%d and %d chunks show nothing", len(there), len(back))
			}
			for k := range there {
				if n := len(r.take(wire.TypeForward)) + len(r.take(wire.TypeBackward)); n > 0 {
					t.Fatalf("relay %d: %d chunks left after %d of %d", index+1, n, k, len(there))
				}
				r.give(r.upstream(), there[k])
				if k < len(there)-1 {
					r.give(r.next, back[k])
				}
			}
			r.whole(wire.TypeForward, R+ahead+i, r.next)
			if n := len(r.take(wire.TypeBackward)); n > 0 {
				t.Fatalf("relay %d: answers left with another round", index+1)
			}
			r.give(r.next, back[len(back)-1])
			r.whole(wire.TypeBackward, R+i, r.upstream())
		}
		if len(r.dropped) > 0 {
			t.Errorf("relay %d: rounds side by side are no offence", index+1)
		}
	}
}

func TestOneBatch(t *testing.T) {
	for _, state := range []int{stRecords, stMixed, stReceipts} {
		r := newRig(t, 3, 1)
		r.bring(state)
		r.take(wire.TypeBatch)
		r.give(r.prev, r.batch()...)
		if got := len(r.take(wire.TypeBatch)) > 0; got != (state == stRecords) {
			t.Errorf("state %d: output %v", state, got)
		}
	}
}

// An array that ends after its attempt did is nothing to the next attempt.
func TestArrayOutlivesAttempt(t *testing.T) {
	r := newRig(t, 3, 1)
	r.bring(stRecords)
	batch := r.batch()
	c, err := wire.ParseChunk(batch[0])
	if err != nil {
		t.Fatal(err)
	}
	var halves [2][]byte
	for i, part := range [][]byte{c.Data[:100], c.Data[100:]} {
		var d []byte
		halves[i], d = wire.NewChunk(c.Type, c.Attempt, 0, c.Total, uint64(100*i), len(part))
		copy(d, part)
	}
	r.give(r.prev, halves[0])
	r.wake(r.p.PhaseStart(wire.Attempt{Epoch: r.id.Epoch, Number: r.id.Number + 1}, wire.PhaseKeys))
	r.bring(stRecords)
	r.give(r.prev, halves[1])
	if len(r.take(wire.TypeBatch)) > 0 || r.node.attempt == nil || r.node.attempt.batch {
		t.Fatal("a batch was mixed for another attempt")
	}
	r.give(r.prev, r.batch()...)
	if len(r.take(wire.TypeBatch)) == 0 {
		t.Fatal("the own batch was not mixed")
	}
}

// With any acknowledgement missing or wrong nothing is revealed, whatever comes
// afterwards.
func TestNoRevealWithoutEveryAck(t *testing.T) {
	for index := range 3 {
		probe := newRig(t, 3, index)
		probe.bring(stReceipts)
		for i := range probe.pre {
			r := newRig(t, 3, index)
			r.bring(stReceipts)
			b := r.ackBytes()
			b[i*32+i%32] ^= 1
			r.give(r.entry, wire.Chunks(wire.TypeAcks, r.id, 0, b, r.p.AckSize())...)
			if len(r.take(wire.TypeSeed)) > 0 {
				t.Fatalf("relay %d revealed with preimage %d wrong", index+1, i)
			}
			if len(r.take(wire.TypeAbort)) != 1 {
				t.Fatal("the entry was not told")
			}
			r.give(r.entry, r.acks()...)
			r.wake(r.now.Add(r.p.Round))
			if len(r.take(wire.TypeSeed)) > 0 {
				t.Fatal("a relay decided twice")
			}
		}
		// Before its own batch was mixed a relay does not reveal either.
		r := newRig(t, 3, index)
		r.bring(stRecords)
		r.give(r.entry, r.acks()...)
		if len(r.take(wire.TypeSeed)) > 0 {
			t.Fatalf("relay %d revealed what it did not mix", index+1)
		}
	}
}

func TestAbort(t *testing.T) {
	for state := stKeys; state < stStates; state++ {
		r := newRig(t, 3, 1)
		r.bring(state)
		r.sent = nil
		r.give(r.entry, wire.FrameAttempt(wire.TypeAbort, r.id))
		decided := state >= stSeeds
		if pending := r.node.attempt != nil || r.node.coming != nil || r.node.running != nil; pending != decided {
			t.Errorf("state %d: after ABORT something is there: %v", state, pending)
		}
		if !decided && r.mark != nil {
			r.give(r.prev, r.batch()...)
			r.give(r.entry, r.acks()...)
			if len(r.sent) > 0 {
				t.Errorf("state %d: an aborted attempt went on", state)
			}
		}
	}
}

// A wrong seed ends the attempt and is nobody's connection: the entry cannot know.
func TestWrongSeed(t *testing.T) {
	r := newRig(t, 3, 1)
	r.bring(stSeeds)
	frames := r.seeds()
	frames[2][len(frames[2])-1] ^= 1
	r.give(r.entry, frames...)
	if len(r.take(wire.TypeReveal)) > 0 || r.node.attempt != nil || len(r.dropped) > 0 {
		t.Fatal("a wrong seed was not the end of the attempt")
	}
	if len(r.take(wire.TypeAbort)) != 1 {
		t.Fatal("the entry was not told")
	}
}

// Without all n REVEALs the circuits before run on, up to the cap; with them they
// end at R.
func TestOldSetRunsOn(t *testing.T) {
	for _, complete := range []bool{false, true} {
		r := newRig(t, 3, 1)
		r.bring(stRunning)
		first := r.id
		R := r.p.FirstRound(first.Epoch)
		state := stRevealed
		if complete {
			state = stComplete
		}
		r.bring(state)
		r.take(wire.TypeForward)
		R2 := r.p.FirstRound(r.id.Epoch)
		if R2 != R+r.p.RoundsPerEpoch() {
			t.Fatal(R, R2)
		}
		r.wake(r.p.RoundStart(R2))
		second := r.id
		r.id = first
		r.give(r.prev, r.cells(wire.TypeForward, R2, 4)...)
		if got := len(r.take(wire.TypeForward)) > 0; got == complete {
			t.Errorf("complete %v: old circuits at R: %v", complete, got)
		}
		r.wake(r.p.RoundStart(R2 + 5))
		if gone := r.node.old == nil && (r.node.running == nil || r.node.running.id != first); gone != complete {
			t.Errorf("complete %v: the old circuits are gone: %v", complete, gone)
		}
		if complete {
			r.id = second
			r.give(r.prev, r.cells(wire.TypeForward, R2+5, 4)...)
			r.whole(wire.TypeForward, R2+5, r.next)
			continue
		}
		r.wake(r.p.RoundStart(r.p.LastRound(first.Epoch) + 1).Add(r.node.grace()))
		if r.node.running != nil {
			t.Error("circuits outlived the cap")
		}
	}
}

// After a restart within an attempt the relay signs no second KEYS for it and
// takes part in the next.
func TestRestart(t *testing.T) {
	r := newRig(t, 3, 1)
	r.bring(stKeys)
	r.start(r.now.Add(time.Millisecond))
	r.flush()
	if len(r.take(wire.TypeKeys)) > 0 {
		t.Fatal("two KEYS for one attempt")
	}
	r.wake(r.p.PhaseStart(wire.Attempt{Epoch: r.id.Epoch, Number: r.id.Number + 1}, wire.PhaseKeys))
	if len(r.take(wire.TypeKeys)) != 1 {
		t.Fatal("no KEYS for the next attempt")
	}
}

// A mark that cannot be kept means no KEYS.
func TestNoMark(t *testing.T) {
	r := newRig(t, 3, 1)
	r.config.Mark = fullDisk{r.mark}
	r.start(r.p.EpochStart(4).Add(time.Millisecond))
	r.flush()
	if len(r.take(wire.TypeKeys)) > 0 || r.node.attempt != nil {
		t.Fatal("KEYS without a durable mark")
	}
}

type fullDisk struct {
	m interface{ At() (wire.Attempt, bool) }
}

func (f fullDisk) At() (wire.Attempt, bool) { return f.m.At() }
func (fullDisk) Raise(wire.Attempt) error   { return fmt.Errorf("no space left on device") }

// Whoever reconnects hears the same bytes again.
func TestEntryReconnects(t *testing.T) {
	r := newRig(t, 3, 1)
	r.flush()
	r.bring(stIdle)
	said := [][]byte{r.sent[len(r.sent)-1].frame}
	r.node.Disconnected(r.now, r.entry)
	r.connectAgain("entry")
	if k := r.take(wire.TypeKeys); len(k) < 1 || !bytes.Equal(k[len(k)-1].frame, said[0]) {
		t.Fatal("KEYS were not repeated byte for byte")
	}
	r.sent = append(r.sent, sent{r.entry, said[0]})
	r.bring(stRevealed)
	v := r.take(wire.TypeReveal)
	r.node.Disconnected(r.now, r.entry)
	r.connectAgain("entry")
	if again := r.take(wire.TypeReveal); len(again) != 1 || !bytes.Equal(again[0].frame, v[0].frame) || again[0].to != r.entry {
		t.Fatal("REVEAL was not repeated byte for byte")
	}
}

// A relay whose clock jumps far away abandons and does not panic.
func TestClockJumps(t *testing.T) {
	for state := range stStates {
		r := newRig(t, 3, 1)
		r.bring(state)
		for _, d := range []time.Duration{-time.Hour, time.Hour, -24 * 365 * time.Hour, 24 * time.Hour} {
			r.wake(r.now.Add(d))
		}
	}
}

// In its stride a relay allocates nothing per round: chunks leave in the buffers
// in which others came.
func TestRoundsAllocateNothing(t *testing.T) {
	for index := range 3 {
		r := newRig(t, 3, index)
		r.bring(stRunning)
		round := r.p.FirstRound(r.id.Epoch)
		up, total := r.upstream(), uint64(r.count*r.p.Circuits()*r.p.Cell)
		chunk := func(typ wire.Type, from link.Peer, frame []byte) []byte {
			wire.PutChunkHeader(frame, typ, r.id, round, total, 0)
			r.sent = r.sent[:0]
			r.node.Received(r.now, from, frame)
			return r.sent[0].frame
		}
		frame := make([]byte, wire.ChunkHeaderSize+total)
		if got := testing.AllocsPerRun(50, func() {
			frame = chunk(wire.TypeForward, up, frame)
			if index < 2 {
				frame = chunk(wire.TypeBackward, r.next, frame)
			}
			round++
		}); got > 0 {
			t.Errorf("relay %d: %v allocations per round", index+1, got)
		}
	}
}
