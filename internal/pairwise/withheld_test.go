package pairwise

import (
	"testing"

	"backchannel/internal/wire"
)

// what arrived at a side, partly or as a whole.
func (d *side) gotAny() int {
	n := 0
	for _, b := range d.received {
		n += len(b)
	}
	return n
}

// After a restore nothing waits to be read by whoever came: items of every class are
// withheld on both sides, whatever is lost and whoever crashes, until that side
// vouches. Introduction and healing go on meanwhile.
func TestWithheld(t *testing.T) {
	for name, f := range map[string]faults{"calm": {}, "trouble": {loss: 0.1, crash: 0.02, slow: 0.3, fail: 0.3, absent: 0.1, abort: 0.1}} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, 90)
			p.until(12, p.introduced)
			if p.a.s.Withheld() || p.b.s.Withheld() {
				t.Fatal("something is withheld after a first introduction")
			}
			p.wary = true
			p.accept(p.b, wire.ClassLetter, 4000)
			p.restore(p.a, p.backup(p.a))
			for _, d := range p.sides() {
				for class := wire.ClassSignal; class < wire.Classes; class++ {
					p.accept(d, class, 300)
				}
			}
			before := []int{p.a.gotAny(), p.b.gotAny()}
			p.run(12, f)
			p.until(20, p.together)
			v := p.a.s.Version()
			p.run(30, f)
			p.until(20, func() bool { return p.together() && p.a.s.Version() >= v+2 })
			for i, d := range p.sides() {
				if !d.s.Withheld() || d.gotAny() != before[i] {
					t.Errorf("%s: withheld %v, %d bytes came", d.name, d.s.Withheld(), d.gotAny()-before[i])
				}
				p.reload(d)
				if !d.s.Withheld() {
					t.Errorf("%s: a restart forgot that items are withheld", d.name)
				}
			}
			// One side vouches: what it has goes out, and nothing comes back.
			p.b.s.Vouch()
			p.run(6, faults{})
			if p.b.gotAny() != before[1] || p.b.s.Withheld() {
				t.Error("what one side vouched for decided for the other")
			}
			for _, o := range p.b.items {
				if o.delivered != 1 {
					t.Errorf("an item was delivered %d times", o.delivered)
				}
			}
			p.a.s.Vouch()
			p.until(6, p.settled)
			p.checkBut(map[wire.ItemID]bool{})
			// A later generation begins withheld again.
			p.restore(p.b, p.backup(p.b))
			p.accept(p.a, wire.ClassSignal, 30)
			p.until(20, p.together)
			p.run(3, faults{})
			if p.settled() || !p.a.s.Withheld() || !p.b.s.Withheld() {
				t.Error("a later generation is vouched for by what was said of an earlier one")
			}
		})
	}
}

// Only a session of a later generation can be withheld.
func TestWithheldState(t *testing.T) {
	p := newPair(t, 91)
	p.until(12, p.introduced)
	p.wary = true
	p.restore(p.a, p.backup(p.a))
	p.until(20, p.together)
	p.a.s.Vouch()
	p.a.s.Vouch() // a second time changes nothing
	first := newPair(t, 92)
	first.until(12, first.introduced)
	first.a.s.withheld = true
	if _, err := Load(first.a.s.encode(), nil); err == nil {
		t.Error("a session of a first introduction was loaded as withheld")
	}
}
