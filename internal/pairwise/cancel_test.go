package pairwise

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"backchannel/internal/wire"
)

// withdraw holds and drops an item as a station does, and reports whether it could.
func (p *pair) withdraw(d *side, o *outgoing) bool {
	_, ok := d.s.Hold(o.id)
	if !ok {
		return false
	}
	d.s.Drop(o.id)
	for i, it := range d.items {
		if it == o {
			d.items = append(d.items[:i:i], d.items[i+1:]...)
		}
	}
	d.gone = append(d.gone, o)
	return true
}

// TestWithdraw drops items at every moment of their way while others follow, with
// every fault: what was dropped never arrives as a whole, what is there of it is a
// beginning of it, everything else arrives once and in order, and neither side
// loses the other's stream.
func TestWithdraw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPair(t, rapid.Uint64().Draw(t, "seed"))
		f := faults{
			loss:  rapid.SampledFrom([]float64{0, 0.05, 0.3}).Draw(t, "loss"),
			crash: rapid.SampledFrom([]float64{0, 0.01, 0.05}).Draw(t, "crash"),
			slow:  rapid.SampledFrom([]float64{0, 0.5}).Draw(t, "slow"),
			fail:  rapid.SampledFrom([]float64{0, 0.3}).Draw(t, "fail"),
		}
		p.until(20, p.introduced)
		dropped := 0
		for range rapid.IntRange(1, 12).Draw(t, "items") {
			d := p.sides()[rapid.IntRange(0, 1).Draw(t, "side")]
			class := wire.Class(rapid.IntRange(int(wire.ClassSignal), int(wire.Classes)-1).Draw(t, "class"))
			p.accept(d, class, rapid.SampledFrom([]int{0, 1, 500, wire.MaxRecordData, 9000, 20000}).Draw(t, "size"))
			for range rapid.IntRange(0, 12).Draw(t, "rounds") {
				p.step(f)
			}
			if rapid.Bool().Draw(t, "withdraw") && len(d.items) > 0 {
				if p.withdraw(d, d.items[rapid.IntRange(0, len(d.items)-1).Draw(t, "which")]) {
					dropped++
				}
			}
		}
		p.until(60, p.settled)
		p.check()
		for _, d := range p.sides() {
			for _, o := range d.gone {
				got := p.other(d).received[o.id]
				if o.delivered != 0 || len(got) >= len(o.content) && len(o.content) > 0 || !bytes.HasPrefix(o.content, got) {
					t.Fatalf("a withdrawn item of %d bytes: delivered %d times, %d bytes there", len(o.content), o.delivered, len(got))
				}
			}
		}
	})
}

// TestHold stops an item in its middle: nothing more of it leaves until it is
// released, other classes go on, and then it arrives as ever.
func TestHold(t *testing.T) {
	p := talking(t, 51)
	o := p.accept(p.a, wire.ClassLetter, 40000)
	for range 20 {
		p.step(faults{})
	}
	if begun, ok := p.a.s.Hold(o.id); !begun || !ok {
		t.Fatal("an item in its middle cannot be held")
	}
	for range 20 {
		p.step(faults{})
	}
	at := len(p.b.received[o.id])
	signal := p.accept(p.a, wire.ClassSignal, 100)
	p.until(5, func() bool { return signal.delivered == 1 })
	if len(p.b.received[o.id]) != at {
		t.Error("a held item goes on")
	}
	p.a.s.Release(o.id)
	p.until(20, p.settled)
	p.check()
	if _, ok := p.a.s.Hold(o.id); ok {
		t.Error("a delivered item can be held")
	}
	p.a.s.Release(o.id) // of what is not there: nothing
	p.a.s.Drop(o.id)
	never := p.accept(p.a, wire.ClassLetter, 10)
	if begun, ok := p.a.s.Hold(never.id); begun || !ok {
		t.Error("an item that did not begin")
	}
	p.a.s.Drop(wire.ItemID{9})
	p.a.s.Release(never.id)
	p.a.s.Drop(never.id) // only what is held is dropped
	p.until(20, p.settled)
	p.check()
}
