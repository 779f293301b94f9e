package pairwise

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// send hands one frame of the inviter's making to the invitee in the running
// round, as a peer that keeps no rules might.
func send(p *pair, twin int, f wire.CellFrame) {
	key, ok := p.a.talk.send[twin].take(p.round)
	if !ok {
		p.t.Fatalf("no key for round %d", p.round)
	}
	plain, cell := make([]byte, testCell-suite.AEADOverhead), make([]byte, 0, testCell)
	f.Encode(plain)
	if !p.b.talk.Receive(p.round, twin, suite.SealOnce(&key, cell, plain)) {
		p.t.Fatalf("the frame does not open")
	}
}

// rounds counts rounds until done.
func (p *pair) rounds(limit int, f faults, done func() bool) int {
	p.t.Helper()
	for n := range limit {
		if done() {
			return n
		}
		p.step(f)
	}
	p.t.Fatalf("not done after %d rounds", limit)
	return 0
}

// TestDelay measures a short signal on a calm network: it is composed, sent,
// read after the cells of the next round are built, committed in the round after
// that, acknowledged, and known to be delivered two rounds later.
func TestDelay(t *testing.T) {
	p := talking(t, 30)
	o := p.accept(p.a, wire.ClassSignal, 200)
	if n := p.rounds(20, faults{}, func() bool { return len(p.b.complete) == 1 }); n > 3 {
		t.Errorf("it arrives after %d rounds", n)
	}
	if n := p.rounds(20, faults{}, func() bool { return o.delivered == 1 }); n > 3 {
		t.Errorf("delivered %d rounds after", n)
	}
}

// TestThroughput sends a long letter: on a calm network every cell carries a new
// frame, also if each commit takes longer than a round has time.
func TestThroughput(t *testing.T) {
	const size = 60000
	frames := (size + size/wire.MaxRecordData*wire.RecordHeader) / (testCell - wire.CellOverhead)
	p := talking(t, 31)
	p.per = 1 << 20 // no attempt comes between
	o := p.accept(p.a, wire.ClassLetter, size)
	if n := p.rounds(1000, faults{}, func() bool { return o.delivered == 1 }); n > frames/2+10 {
		t.Errorf("%d frames take %d rounds", frames, n)
	}
	p = talking(t, 32)
	o = p.accept(p.a, wire.ClassLetter, size)
	n := 0
	for ; o.delivered == 0 && n < 1000; n++ {
		p.a.s.Compose(p.round)
		p.b.s.Compose(p.round)
		late := [2]bool{p.a.writing, p.b.writing}
		var cells [2][twins][]byte
		for i, d := range p.sides() {
			for twin := range twins {
				cells[i][twin] = p.cell(d, p.round, twin) // before any commit of this round
			}
			if late[i] {
				d.write()
				d.s.Saved(d.token)
				d.writing = false
			}
			d.take()
		}
		for i, d := range p.sides() {
			for twin := range twins {
				d.talk.Receive(p.round, twin, cells[1-i][twin])
			}
		}
		p.round++
	}
	if n > frames/2+frames/8+12 {
		t.Errorf("with a slow disk %d frames take %d rounds", frames, n)
	}
}

// TestLossIsNoticed loses one cell: what was sent later and acknowledged shows
// it, and the frame goes again before the timeout; when nothing was sent later,
// the timeout is what helps.
func TestLossIsNoticed(t *testing.T) {
	for _, more := range []int{0, 8000} {
		p := talking(t, 33)
		o := p.accept(p.a, wire.ClassSignal, 300)
		if more > 0 {
			p.accept(p.a, wire.ClassLetter, more)
		}
		lost := p.round
		p.step(faults{loss: 1})
		first := p.a.s.sending.frames[0]
		if !first.sent || first.last != lost {
			t.Fatal("the first frame was not sent")
		}
		p.rounds(20, faults{}, func() bool { return p.a.s.sending.frames[0].last > lost })
		again := p.a.s.sending.frames[0].last - lost
		want := uint64(RetransmitRounds)
		if more > 0 {
			want = 5
		}
		if again != want {
			t.Errorf("with %d bytes behind it, the frame goes again after %d rounds, not %d", more, again, want)
		}
		p.until(4, func() bool { return o.delivered == 1 && p.settled() })
		p.check()
	}
}

// TestNoNeedlessRepeats sends every frame once while nothing is lost.
func TestNoNeedlessRepeats(t *testing.T) {
	p := talking(t, 34)
	p.accept(p.a, wire.ClassLetter, 30000)
	p.accept(p.b, wire.ClassLetter, 30000)
	for range 200 {
		p.step(faults{})
		for _, d := range p.sides() {
			for _, f := range d.s.sending.frames {
				if f.sent && f.first != f.last {
					t.Fatalf("%s: frame %d went in round %d and again in %d", d.name, f.seq, f.first, f.last)
				}
			}
		}
	}
	if !p.settled() {
		t.Fatal("not delivered")
	}
}

// TestPriority queues a letter, then everything else: each overtakes the letter
// at the next record, and within a class the order stays.
func TestPriority(t *testing.T) {
	p := talking(t, 35)
	letter := p.accept(p.a, wire.ClassLetter, 40000)
	p.step(faults{})
	second := p.accept(p.a, wire.ClassLetter, 10)
	offer := p.accept(p.a, wire.ClassNegotiation, 5000)
	signal := p.accept(p.a, wire.ClassSignal, 700)
	p.until(20, p.settled)
	p.check()
	if want := []wire.ItemID{signal.id, offer.id, letter.id, second.id}; !slices.Equal(p.b.complete, want) {
		t.Error("another order")
	}
}

// TestNotReady has a source that is not ready: other classes go on, its own
// waits for it.
func TestNotReady(t *testing.T) {
	p := talking(t, 36)
	ready := false
	o := &outgoing{id: wire.ItemID{1}, class: wire.ClassSignal, content: []byte("the first")}
	p.a.items = append(p.a.items, o)
	p.a.s.Queue(Item{ID: o.id, Class: o.class, Size: uint32(len(o.content)), Read: func(off uint32, b []byte) int {
		if !ready {
			return 0
		}
		return copy(b, o.content[off:min(int(off)+2, len(o.content))]) // and then piecemeal
	}}, 0)
	p.accept(p.a, wire.ClassSignal, 10)
	p.accept(p.a, wire.ClassLetter, 10)
	p.run(1, faults{})
	if len(p.b.complete) != 1 || p.b.classes[p.b.complete[0]] != wire.ClassLetter {
		t.Fatal("a source that is not ready holds up the wrong ones")
	}
	ready = true
	p.until(3, p.settled)
	p.check()
}

// TestUnqueue takes an item back before and after its first record.
func TestUnqueue(t *testing.T) {
	p := talking(t, 37)
	first, second := p.accept(p.a, wire.ClassLetter, 20000), p.accept(p.a, wire.ClassLetter, 10)
	p.step(faults{})
	if p.a.s.Unqueue(first.id) {
		t.Error("taken back after its first record")
	}
	if !p.a.s.Unqueue(second.id) || p.a.s.Unqueue(second.id) {
		t.Error("not taken back, or twice")
	}
	p.a.items = p.a.items[:1]
	p.until(10, p.settled)
	p.check()
}

// TestEmptyItem carries an item of no bytes, also across a restart.
func TestEmptyItem(t *testing.T) {
	p := talking(t, 38)
	o := p.accept(p.a, wire.ClassLetter, 0)
	p.step(faults{loss: 1})
	p.crash(p.a)
	p.until(6, func() bool { return o.delivered == 1 })
	p.run(2, faults{})
	p.check()
}

// TestSlowDiskNeverSends holds every commit back: padding goes, nothing is
// acknowledged, and memory stays bounded on both sides.
func TestSlowDiskNeverSends(t *testing.T) {
	p := talking(t, 39)
	acked := p.b.s.book.durable.ack
	p.accept(p.a, wire.ClassLetter, 100000)
	for range 60 {
		p.a.s.Compose(p.round)
		p.a.take()
		if p.a.s.chosen(1, p.round, 0) != nil || p.a.s.chosen(1, p.round, 1) != nil {
			t.Fatal("a frame is sent that is not durable")
		}
		p.round++
	}
	if n := len(p.a.s.sending.frames); n > 6 { // those of three rounds
		t.Errorf("%d frames are made ahead", n)
	}
	// The other way round: the receiver's disk stands still.
	p = talking(t, 40)
	p.accept(p.a, wire.ClassLetter, 100000)
	p.b.writing = true
	for range 100 {
		p.a.s.Compose(p.round)
		p.a.take()
		if p.a.writing {
			p.a.write()
			p.a.s.Saved(p.a.token)
			p.a.writing = false
		}
		for twin := range twins {
			p.b.talk.Receive(p.round, twin, p.cell(p.a, p.round, twin))
		}
		p.round++
	}
	if got := p.b.s.book.durable.ack; got != acked {
		t.Error("acknowledged what is not durable")
	}
	if n := len(p.a.s.sending.frames); n > Window {
		t.Errorf("%d frames in flight", n)
	}
	if n := int(p.b.s.incoming.next) + len(p.b.s.incoming.ahead) - int(acked); n > Window {
		t.Errorf("%d frames taken beyond what is acknowledged", n)
	}
}

// TestMisbehaviour gives a session what no program of ours sends, one thing at a
// time. Nothing crashes, nothing wedges, what we send still arrives, the state
// loads again, and only our own user is told.
func TestMisbehaviour(t *testing.T) {
	id := wire.ItemID{7}
	rec := func(r wire.Record) []byte { return r.Append(nil) }
	for _, c := range []struct {
		name    string
		frame   func(next uint32) wire.CellFrame
		noticed bool
		deaf    bool
	}{
		{"unknown class", func(n uint32) wire.CellFrame {
			return wire.CellFrame{Kind: wire.FrameData, Seq: n, Payload: append([]byte{9}, make([]byte, 30)...)}
		}, true, true},
		{"item that never began", func(n uint32) wire.CellFrame {
			return wire.CellFrame{Kind: wire.FrameData, Seq: n, Payload: rec(wire.Record{Class: wire.ClassSignal, Item: id, Offset: 5, Last: true, Data: []byte("x")})}
		}, true, true},
		{"item that begins twice", func(n uint32) wire.CellFrame {
			r := rec(wire.Record{Class: wire.ClassSignal, Item: id, Data: []byte("x")})
			return wire.CellFrame{Kind: wire.FrameData, Seq: n, Payload: append(r, r...)}
		}, true, true},
		{"gap in an item", func(n uint32) wire.CellFrame {
			r := rec(wire.Record{Class: wire.ClassSignal, Item: id, Data: []byte("x")})
			return wire.CellFrame{Kind: wire.FrameData, Seq: n, Payload: append(r, rec(wire.Record{Class: wire.ClassSignal, Item: id, Offset: 2, Last: true, Data: []byte("y")})...)}
		}, true, true},
		{"unknown control message", func(n uint32) wire.CellFrame {
			return wire.CellFrame{Kind: wire.FrameData, Seq: n, Payload: rec(wire.Record{Class: wire.ClassControl, Last: true, Data: []byte("?")})}
		}, true, false},
		{"control message out of place", func(n uint32) wire.CellFrame {
			m := message{kind: kindConfirm}
			return wire.CellFrame{Kind: wire.FrameData, Seq: n, Payload: rec(wire.Record{Class: wire.ClassControl, Last: true, Item: m.item(), Data: m.append(nil)})}
		}, true, false},
		{"control message in pieces", func(n uint32) wire.CellFrame {
			m := message{kind: kindConfirm}
			return wire.CellFrame{Kind: wire.FrameData, Seq: n, Payload: rec(wire.Record{Class: wire.ClassControl, Item: m.item(), Data: m.append(nil)[:9]})}
		}, true, false},
		{"acknowledgement of frames that were never sent", func(n uint32) wire.CellFrame {
			return wire.CellFrame{Ack: 1 << 30}
		}, true, false},
		{"bitmap of frames that were never sent", func(n uint32) wire.CellFrame {
			return wire.CellFrame{Bitmap: 1 << 31}
		}, true, false},
		{"acknowledgement at the end of numbers", func(n uint32) wire.CellFrame {
			return wire.CellFrame{Ack: 1<<32 - 1, Bitmap: 1<<32 - 1}
		}, true, false},
		{"frame far beyond the window", func(n uint32) wire.CellFrame {
			return wire.CellFrame{Kind: wire.FrameData, Seq: n + Window, Payload: []byte{1}}
		}, false, false},
		{"frame with the last number", func(n uint32) wire.CellFrame {
			return wire.CellFrame{Kind: wire.FrameData, Seq: lastSeq, Payload: []byte{1}}
		}, false, false},
		{"frame that was received long ago", func(n uint32) wire.CellFrame {
			return wire.CellFrame{Kind: wire.FrameData, Seq: 0, Payload: []byte{1}}
		}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := talking(t, 41)
			o := p.accept(p.b, wire.ClassLetter, 3000)
			f := c.frame(p.b.s.incoming.next)
			f.Ack = max(f.Ack, p.a.s.book.durable.ack)
			next := p.b.s.incoming.next
			send(p, 0, f)
			if noticed := p.b.s.Trouble() != nil; noticed != c.noticed || p.b.s.deaf != c.deaf {
				t.Errorf("trouble %v, deaf %v", p.b.s.Trouble(), p.b.s.deaf)
			}
			if p.a.s.Trouble() != nil {
				t.Error("the peer is told")
			}
			if f.Kind == wire.FrameData && f.Seq == next {
				p.a.s.sending.next++ // its own bookkeeping, so that it goes on
				p.a.s.book.durable.next++
				if p.b.s.incoming.next != next+1 {
					t.Error("the frame is not acknowledged")
				}
			}
			p.accept(p.a, wire.ClassSignal, 100)
			p.round++
			p.until(6, func() bool { return o.delivered == 1 && p.a.items[0].delivered == 1 })
			if got := len(p.b.complete); (got == 1) == c.deaf {
				t.Errorf("deaf %v, and %d items arrived", c.deaf, got)
			}
			p.reload(p.b)
		})
	}
}

// TestAbandonedItem lets an item begin before the one before it has ended: the
// sender has dropped the rest.
func TestAbandonedItem(t *testing.T) {
	p := talking(t, 42)
	one := wire.Record{Class: wire.ClassLetter, Item: wire.ItemID{1}, Data: []byte("half of")}
	two := wire.Record{Class: wire.ClassLetter, Item: wire.ItemID{2}, Last: true, Data: []byte("whole")}
	send(p, 0, wire.CellFrame{Kind: wire.FrameData, Seq: p.b.s.incoming.next, Payload: two.Append(one.Append(nil)), Ack: p.a.s.book.durable.ack})
	if d, _ := p.b.s.Take(); p.b.s.Trouble() != nil || len(d.Records) != 2 {
		t.Errorf("%d records, %v", len(d.Records), p.b.s.Trouble())
	}
}

// TestBeforeTheIntroduction sends a letter under the keys of the invitation.
func TestBeforeTheIntroduction(t *testing.T) {
	p := newPair(t, 43)
	p.until(10, func() bool { return p.a.talk != nil && p.b.talk != nil })
	r := wire.Record{Class: wire.ClassLetter, Item: wire.ItemID{1}, Last: true, Data: []byte("too early")}
	p.step(faults{loss: 1})
	send(p, 0, wire.CellFrame{Kind: wire.FrameData, Seq: p.b.s.incoming.next, Payload: r.Append(nil)})
	if d, _ := p.b.s.Take(); !errors.Is(p.b.s.Trouble(), ErrMisbehaving) || len(d.Records) != 0 {
		t.Error("a letter is read before the introduction is complete")
	}
}

// TestNumbersEnd lets the numbers of frames run out: the last that may be is
// sent and acknowledged, no other is made, and our own user is told.
func TestNumbersEnd(t *testing.T) {
	p := talking(t, 44)
	p.until(5, func() bool { return len(p.a.s.sending.frames) == 0 })
	const left = 3
	for _, at := range []*uint32{&p.a.s.sending.next, &p.a.s.sending.acked, &p.a.s.book.durable.next, &p.b.s.incoming.next, &p.b.s.book.durable.ack} {
		*at = lastSeq - left
	}
	p.a.s.touch()
	p.b.s.touch()
	o := p.accept(p.a, wire.ClassLetter, 300)
	p.accept(p.a, wire.ClassLetter, 5000)
	for range 60 {
		p.step(faults{})
	}
	if p.a.s.sending.next != lastSeq || p.a.s.Outstanding() != 0 || p.b.s.incoming.next != lastSeq {
		t.Errorf("next %d, in flight %d, received below %d", p.a.s.sending.next, p.a.s.Outstanding(), p.b.s.incoming.next)
	}
	if o.delivered != 1 || p.a.items[1].delivered != 0 {
		t.Error("the first was to arrive and the second to wait")
	}
	if !errors.Is(p.a.s.Trouble(), ErrExhausted) || p.b.s.Trouble() != nil {
		t.Errorf("%v; %v", p.a.s.Trouble(), p.b.s.Trouble())
	}
	p.reload(p.a)
	p.reload(p.b)
}

// TestTokens uses Take, Saved and Failed in every order that could be got wrong.
func TestTokens(t *testing.T) {
	p := talking(t, 45)
	p.until(3, func() bool { d, _ := p.a.s.Take(); return !d.Dirty })
	s := p.a.s
	p.accept(p.a, wire.ClassSignal, 100)
	s.Compose(p.round)
	d1, t1 := s.Take()
	if !d1.Dirty || len(d1.AddFrames) != 1 || len(d1.Progress) != 1 {
		t.Fatalf("%d frames, %d items", len(d1.AddFrames), len(d1.Progress))
	}
	p.accept(p.a, wire.ClassSignal, 500)
	s.Compose(p.round + 1)
	if d, token := s.Take(); d.Dirty || token != 0 {
		t.Error("a second Delta while the first is being written")
	}
	s.Saved(t1 + 1)
	s.Saved(0)
	s.Failed(0)
	if s.book.durable.next != d1.AddFrames[0].Seq {
		t.Error("a strange token is believed")
	}
	s.Failed(t1)
	s.Saved(t1)
	if s.book.durable.next != d1.AddFrames[0].Seq {
		t.Error("a token that failed is saved")
	}
	d2, t2 := s.Take()
	if len(d2.AddFrames) != 3 || len(d2.Progress) != 2 || !bytes.Equal(d2.AddFrames[0].Payload, d1.AddFrames[0].Payload) {
		t.Errorf("after a failure %d frames, %d items", len(d2.AddFrames), len(d2.Progress))
	}
	s.Saved(t2)
	if s.book.durable.next != s.sending.next {
		t.Error("not durable after Saved")
	}
	if d, _ := s.Take(); d.Dirty {
		t.Error("dirty with nothing new")
	}
}
