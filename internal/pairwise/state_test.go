package pairwise

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// states collects stored states of every stage and phase, with full and empty
// buffers.
func states(t failer) (out [][]byte) {
	p := newPair(t, 50)
	add := func() { out = append(out, p.a.s.encode(), p.b.s.encode()) }
	add()
	for range 4 {
		p.accept(p.a, wire.ClassLetter, 3000)
		p.accept(p.b, wire.ClassSignal, 400)
	}
	last := stage(99)
	for range 30 * p.per {
		p.step(faults{loss: 0.3})
		if st := p.a.s.intro.stage*8 + p.b.s.intro.stage; st != last {
			last = st
			add()
		}
		if p.introduced() && p.round%17 == 0 {
			add()
		}
	}
	p.b.s.deafen()
	add()
	q := newPair(t, 50)
	q.a.s.refuse()
	out = append(out, q.a.s.encode())
	p.b.s.Erase()
	out = append(out, p.b.s.encode(), NewLost(Invitee).encode())
	return append(out, restoring(t)...)
}

// restoring collects states of a restore: either side, both, in every stage.
func restoring(t failer) (out [][]byte) {
	for seed, who := range []func(p *pair) []*side{
		func(p *pair) []*side { return []*side{p.a} },
		func(p *pair) []*side { return []*side{p.b} },
		func(p *pair) []*side { return p.sides() },
	} {
		p := newPair(t, 60+uint64(seed))
		p.until(12, p.introduced)
		p.accept(p.a, wire.ClassLetter, 3000)
		for _, d := range who(p) {
			p.restore(d, p.backup(d))
		}
		last := stage(99)
		for range 12 * p.per {
			if st := p.a.s.intro.stage*8 + p.b.s.intro.stage; st != last {
				last = st
				out = append(out, p.a.s.encode(), p.b.s.encode())
			}
			p.step(faults{loss: 0.2})
		}
	}
	return out
}

// TestStateRoundTrip loads every collected state and encodes it again.
func TestStateRoundTrip(t *testing.T) {
	all := states(t)
	if len(all) < 20 {
		t.Fatalf("only %d states", len(all))
	}
	for i, b := range all {
		s, err := Load(b, nil)
		if err != nil {
			t.Fatalf("state %d: %v", i, err)
		}
		if !bytes.Equal(s.encode(), b) {
			t.Fatalf("state %d is encoded differently", i)
		}
		if d, _ := s.Take(); d.Dirty {
			t.Fatalf("state %d: loading makes it dirty", i)
		}
	}
}

// TestStateDamaged cuts, extends and changes stored states: they are refused, or
// are the state of another session that is encoded as it stands.
func TestStateDamaged(t *testing.T) {
	rng := rand.New(rand.NewPCG(51, 1))
	for _, b := range states(t) {
		for n := range min(len(b), 200) {
			if _, err := Load(b[:len(b)-1-n], nil); !errors.Is(err, ErrState) {
				t.Fatalf("cut by %d: %v", 1+n, err)
			}
		}
		if _, err := Load(append(bytes.Clone(b), 0), nil); !errors.Is(err, ErrState) {
			t.Fatal("a byte too many is read")
		}
		for range 50 {
			c := bytes.Clone(b)
			c[rng.IntN(len(c))] ^= 1 << rng.IntN(8)
			if s, err := Load(c, nil); err == nil && !bytes.Equal(s.encode(), c) {
				t.Fatal("a damaged state is read as another")
			}
		}
	}
	for _, format := range []byte{0, 1, 3, 255} {
		c := bytes.Clone(states(t)[0])
		c[0] = format
		if _, err := Load(c, nil); !errors.Is(err, ErrState) {
			t.Fatalf("format %d is read", format)
		}
	}
}

// TestStoredFrames gives Load frames that do not belong to the state.
func TestStoredFrames(t *testing.T) {
	p := talking(t, 52)
	p.accept(p.a, wire.ClassLetter, 3000)
	p.step(faults{loss: 1})
	p.step(faults{loss: 1})
	state, next := p.a.s.encode(), p.a.s.sending.next
	var good []StoredFrame
	for _, f := range p.a.s.sending.frames {
		good = append(good, StoredFrame{f.seq, f.payload})
	}
	for _, c := range []struct {
		name   string
		frames []StoredFrame
		ok     bool
	}{
		{"all", good, true},
		{"in another order", []StoredFrame{good[1], good[0]}, true},
		{"none: the peer has them by the bitmap", nil, true},
		{"one twice", append(good[:1:1], good[0]), false},
		{"one that was never made", []StoredFrame{{next, []byte{1}}}, false},
		{"one that was acknowledged", []StoredFrame{{0, []byte{1}}}, false},
		{"an empty one", []StoredFrame{{good[0].Seq, nil}}, false},
		{"one that fits no cell", []StoredFrame{{good[0].Seq, make([]byte, maxPayload+1)}}, false},
		{"more than a window", slices.Repeat(good[:1], Window+1), false},
	} {
		s, err := Load(state, c.frames)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrState) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil && s.Outstanding() != len(c.frames) {
			t.Errorf("%s: %d frames in flight", c.name, s.Outstanding())
		}
	}
}

// TestBoundedState has the peer fill every buffer: the state stays small.
func TestBoundedState(t *testing.T) {
	p := talking(t, 53)
	next := p.b.s.incoming.next
	big := wire.Record{Class: wire.ClassLetter, Item: wire.ItemID{1}, Data: make([]byte, wire.MaxRecordData)}.Append(nil)
	payload := testCell - wire.CellOverhead
	for i := range uint32(200) {
		seq := next + i
		if i%40 == 9 {
			continue // a gap that is never filled
		}
		part := big[:min(payload, len(big))]
		if i < 8 {
			part = big[int(i)*payload : int(i+1)*payload]
		}
		send(p, 0, wire.CellFrame{Kind: wire.FrameData, Seq: seq, Payload: part, Ack: p.a.s.book.durable.ack})
		p.round++
	}
	if n := len(p.b.s.encode()); n > 1024+wire.MaxRecord+Window*maxPayload {
		t.Errorf("a state of %d bytes", n)
	}
}

// TestHeldBack has the peer go on sending while our disk stands still: no more
// than a window is taken beyond what was acknowledged, in order or not.
func TestHeldBack(t *testing.T) {
	p := talking(t, 55)
	acked := p.b.s.book.durable.ack
	for i := range uint32(5 * Window) {
		r := wire.Record{Class: wire.ClassSignal, Item: wire.ItemID{byte(i), 1}, Last: true, Data: []byte("x")}
		send(p, 0, wire.CellFrame{Kind: wire.FrameData, Seq: acked + i, Payload: r.Append(nil), Ack: p.a.s.book.durable.ack})
		p.round++
	}
	if n := len(p.b.s.book.pending.Records); n != Window {
		t.Errorf("%d records in memory", n)
	}
	d, token := p.b.s.Take()
	p.b.s.Saved(token)
	if got := p.b.s.book.durable.ack; len(d.Records) != Window || got != acked+Window {
		t.Errorf("%d records, acknowledged below %d", len(d.Records), got)
	}
}

// TestMessages encodes and decodes every control message, and refuses every
// other size and kind.
func TestMessages(t *testing.T) {
	pk, enc := make([]byte, suite.KEMPublicKeySize), make([]byte, suite.KEMEncapsulationSize)
	suite.Random(pk)
	suite.Random(enc)
	for k := range 256 {
		m := message{kind: kind(k), version: 7, epoch: 1 << 40, hash: Key{1, 2}, pk: pk, enc: enc}
		b := m.append(nil)
		got, ok := parseMessage(b)
		if want := kind(k) >= kindCommit && kind(k) <= kindHealEnc; ok != want {
			t.Fatalf("kind %d: %v", k, ok)
		}
		if !ok {
			continue
		}
		if !bytes.Equal(got.append(nil), b) || len(b) > maxControl || len(b) > wire.MaxRecordData {
			t.Errorf("kind %d: %d bytes, or encoded differently", k, len(b))
		}
		if _, ok := parseMessage(b[:len(b)-1]); ok {
			t.Errorf("kind %d: a byte short is read", k)
		}
		if _, ok := parseMessage(append(b, 0)); ok {
			t.Errorf("kind %d: a byte too many is read", k)
		}
	}
	if _, ok := parseMessage(nil); ok {
		t.Error("nothing is a message")
	}
}

func FuzzLoad(f *testing.F) {
	for _, b := range states(panicker{}) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Load(b, nil)
		if err != nil {
			return
		}
		if !bytes.Equal(s.encode(), b) {
			t.Fatal("encoded differently")
		}
		// A loaded session works, whatever stands in it.
		if m, err := s.Join(s.epoch+1, wire.Hash{1}); err == nil {
			talk := s.Begin(m, 5, testCell)
			s.Compose(5)
			_, token := s.Take()
			s.Saved(token)
			if !talk.Cell(5, 0, make([]byte, testCell)) {
				t.Fatal("no cell")
			}
		}
	})
}

func FuzzControl(f *testing.F) {
	for k := kindCommit; k <= kindHealEnc; k++ {
		f.Add(message{kind: k, version: 2, pk: make([]byte, suite.KEMPublicKeySize), enc: make([]byte, suite.KEMEncapsulationSize)}.append(nil))
	}
	all := states(panicker{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := parseMessage(b)
		if ok && !bytes.Equal(m.append(nil), b) {
			t.Fatal("encoded differently")
		}
		if len(b) == 0 {
			return
		}
		s, err := Load(all[int(b[len(b)-1])%len(all)], nil)
		if err != nil {
			t.Fatal(err)
		}
		s.control(wire.Record{Class: wire.ClassControl, Last: true, Item: m.item(), Data: b})
		if _, err := Load(s.encode(), nil); err != nil {
			t.Fatal("a control message leaves a state that does not load")
		}
	})
}

// FuzzStream feeds frames in order and out of order: nothing crashes, and what
// is left loads.
func FuzzStream(f *testing.F) {
	f.Add(uint8(0), wire.Record{Class: wire.ClassLetter, Last: true, Data: []byte("a letter")}.Append(nil))
	f.Add(uint8(3), []byte{9})
	p := talking(panicker{}, 54)
	base := p.b.s.encode()
	f.Fuzz(func(t *testing.T, order uint8, b []byte) {
		s, err := Load(base, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; len(b) > 0 && i < 40; i++ {
			n := min(len(b), 481)
			s.accept(s.incoming.next+uint32(order>>(i%8)&1), b[:n])
			s.acknowledged(uint32(order), uint32(i))
			b = b[n:]
		}
		if _, err := Load(s.encode(), nil); err != nil {
			t.Fatal("frames leave a state that does not load")
		}
	})
}

// panicker is a failer for set-up outside of a test.
type panicker struct{}

func (panicker) Helper()                           {}
func (panicker) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
