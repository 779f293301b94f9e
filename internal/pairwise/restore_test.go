package pairwise

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"backchannel/internal/wire"
	"pgregory.net/rapid"
)

// snapshot is what a backup has of one side.
type snapshot struct {
	role     Role
	restore  Key
	items    []outgoing
	received map[wire.ItemID][]byte
	complete []wire.ItemID
	classes  map[wire.ItemID]wire.Class
}

func (p *pair) backup(d *side) snapshot {
	p.t.Helper()
	k, ok := d.s.RestoreKey()
	if !ok {
		p.t.Fatalf("%s: no K_re", d.name)
	}
	b := snapshot{role: d.role, restore: k, complete: slices.Clone(d.complete), classes: maps.Clone(d.classes), received: map[wire.ItemID][]byte{}}
	for _, o := range d.items {
		c := *o
		c.assigned = 0
		b.items = append(b.items, c)
	}
	for _, id := range b.complete {
		b.received[id] = slices.Clone(d.received[id])
	}
	return b
}

// restore puts a backup in a side's place and returns the gap: what this side had
// accepted or received whole, and the backup has not.
func (p *pair) restore(d *side, b snapshot) (gap map[wire.ItemID]bool) {
	gap = map[wire.ItemID]bool{}
	peer := p.other(d)
	for range 2 { // what was received and acknowledged before the old one died
		if peer.take(); peer.writing {
			peer.write()
			peer.committed()
			peer.writing = false
		}
	}
	for _, o := range d.items {
		if !slices.ContainsFunc(b.items, func(k outgoing) bool { return k.id == o.id }) {
			gap[o.id] = true
		}
	}
	for _, id := range d.complete {
		if !slices.Contains(b.complete, id) {
			gap[id] = true
		}
	}
	n := newSide(d.name, NewRestored(b.role, b.restore))
	n.again, n.complete, n.classes, n.received = true, slices.Clone(b.complete), maps.Clone(b.classes), maps.Clone(b.received)
	for _, o := range b.items {
		n.items = append(n.items, &o)
		if o.delivered == 0 {
			n.queue(&o)
		}
	}
	*d = *n
	return gap
}

// again tells whether both are introduced, version 1 or more is in use and both
// hold the same.
func (p *pair) together() bool {
	a, b := p.a.s, p.b.s
	return a.Phase() == Introduced && b.Phase() == Introduced && a.Version() > 0 && a.Version() == b.Version()
}

// checkBut is check for pairs of which one was restored: everything arrived once,
// unchanged, but for the gap.
func (p *pair) checkBut(gap map[wire.ItemID]bool) {
	p.t.Helper()
	for _, d := range p.sides() {
		peer := p.other(d)
		if d.s.Trouble() != nil {
			p.t.Fatalf("%s: %v", d.name, d.s.Trouble())
		}
		seen := map[wire.ItemID]bool{}
		for _, id := range peer.complete {
			if seen[id] {
				p.t.Fatalf("%s: an item arrived twice", peer.name)
			}
			seen[id] = true
		}
		for _, o := range d.items {
			if o.delivered != 1 {
				p.t.Fatalf("%s: delivered %d times", d.name, o.delivered)
			}
			if !seen[o.id] && !gap[o.id] {
				p.t.Fatalf("%s: an item is lost", d.name)
			}
			if seen[o.id] && !bytes.Equal(o.content, peer.received[o.id]) {
				p.t.Fatalf("%s: other bytes arrived", d.name)
			}
		}
	}
	wa, oka := p.a.s.Words()
	wb, okb := p.b.s.Words()
	if !oka || !okb || wa != wb {
		p.t.Fatalf("words %v %v", wa, wb)
	}
	ka, _ := p.a.s.RestoreKey()
	kb, _ := p.b.s.RestoreKey()
	if ka != kb || ka == (Key{}) {
		p.t.Fatalf("K_re differs or is gone")
	}
}

// TestRestore restores either side, and both, with items under way in both
// directions.
func TestRestore(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b bool
	}{{"the inviter", true, false}, {"the invitee", false, true}, {"both", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, 80)
			p.until(12, p.introduced)
			key, _ := p.a.s.RestoreKey()
			words, _ := p.a.s.Words()
			p.accept(p.a, wire.ClassLetter, 20_000)
			p.accept(p.b, wire.ClassSignal, 300)
			p.run(1, faults{})
			ba, bb := p.backup(p.a), p.backup(p.b)
			p.accept(p.a, wire.ClassSignal, 500) // after the backup
			p.accept(p.b, wire.ClassLetter, 30_000)
			for range 5 {
				p.step(faults{})
			}
			gap := map[wire.ItemID]bool{}
			if c.a {
				maps.Copy(gap, p.restore(p.a, ba))
			}
			if c.b {
				maps.Copy(gap, p.restore(p.b, bb))
			}
			for i, d := range p.sides() {
				if d.s.Restored() != []bool{c.a, c.b}[i] || d.s.Restored() && d.s.Phase() != Restoring {
					t.Fatalf("%s: restored %v, phase %d", d.name, d.s.Restored(), d.s.Phase())
				}
			}
			p.until(12, func() bool { return p.together() && p.settled() })
			p.checkBut(gap)
			if !p.a.s.Restored() || !p.b.s.Restored() {
				t.Error("one side does not know that the other was restored")
			}
			if again, _ := p.a.s.RestoreKey(); again != key {
				t.Error("K_re is another")
			}
			if again, _ := p.a.s.Words(); again == words {
				t.Error("the words are those of the first introduction")
			}
			// From then on it is a pair like any other, through healings and crashes.
			v := p.a.s.Version()
			p.run(25, faults{crash: 0.01})
			p.until(30, func() bool { return p.together() && p.a.s.Version() >= v+2 })
			p.checkBut(gap)
		})
	}
}

// TestRestoreElsewhere has both restore into a network whose epochs begin anew.
func TestRestoreElsewhere(t *testing.T) {
	p := newPair(t, 82)
	p.until(12, p.introduced)
	p.accept(p.a, wire.ClassLetter, 5000)
	a, b := p.backup(p.a), p.backup(p.b)
	gap := p.restore(p.a, a)
	maps.Copy(gap, p.restore(p.b, b))
	p.epoch, p.round = 1, p.per
	p.until(12, func() bool { return p.together() && p.settled() })
	p.checkBut(gap)
}

// TestRestoreQuickly counts epochs: the peer answers in its next record, and the
// introduction is not begun twice.
func TestRestoreQuickly(t *testing.T) {
	p := newPair(t, 81)
	p.until(12, p.introduced)
	p.restore(p.a, p.backup(p.a))
	from := p.epoch
	p.until(9, p.together)
	t.Logf("together again after %d epochs", p.epoch-from)
	if p.a.s.generation != 2 || p.b.s.generation != 2 {
		t.Errorf("generations %d and %d: more than one introduction", p.a.s.generation, p.b.s.generation)
	}
}

// TestAnyRestore is the property: whatever is lost, crashes or aborts, and
// whoever is restored from whatever backup, even in the middle of a restore,
// afterwards the two meet with nothing lost but the gap, nothing twice and no key
// used twice.
func TestAnyRestore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPair(t, rapid.Uint64().Draw(t, "seed"))
		f := faults{
			loss:    rapid.SampledFrom([]float64{0, 0.05, 0.3, 0.8}).Draw(t, "loss"),
			crash:   rapid.SampledFrom([]float64{0, 0.005, 0.03}).Draw(t, "crash"),
			slow:    rapid.SampledFrom([]float64{0, 0.3, 0.8}).Draw(t, "slow"),
			fail:    rapid.SampledFrom([]float64{0, 0.1, 0.5}).Draw(t, "fail"),
			absent:  rapid.SampledFrom([]float64{0, 0.1, 0.5}).Draw(t, "absent"),
			blind:   rapid.SampledFrom([]float64{0, 0.1, 0.5}).Draw(t, "blind"),
			abort:   rapid.SampledFrom([]float64{0, 0.1, 0.5}).Draw(t, "abort"),
			halfway: rapid.SampledFrom([]float64{0, 0.1, 0.3}).Draw(t, "halfway"),
		}
		p.until(12, p.introduced)
		backups := [2][]snapshot{{p.backup(p.a)}, {p.backup(p.b)}}
		gap := map[wire.ItemID]bool{}
		for range rapid.IntRange(1, 8).Draw(t, "stretches") {
			for range rapid.IntRange(0, 4).Draw(t, "items") {
				p.accept(p.sides()[p.rng.IntN(2)], wire.Class(1+p.rng.IntN(3)), p.rng.IntN(9000)*p.rng.IntN(2)+p.rng.IntN(50))
			}
			for range rapid.IntRange(1, 60).Draw(t, "rounds") {
				p.step(f)
			}
			if rapid.Bool().Draw(t, "calm") {
				p.run(rapid.IntRange(1, 6).Draw(t, "calm epochs"), faults{})
			}
			for i, d := range p.sides() {
				switch rapid.IntRange(0, 3).Draw(t, "event") {
				case 0:
					backups[i] = append(backups[i], p.backup(d))
				case 1:
					k := rapid.IntRange(0, len(backups[i])-1).Draw(t, "which")
					maps.Copy(gap, p.restore(d, backups[i][k]))
				}
			}
		}
		p.until(40, func() bool {
			return p.together() && p.settled() && len(p.a.s.sending.frames)+len(p.b.s.sending.frames) == 0
		})
		p.checkBut(gap)
		v := p.a.s.Version()
		for i := range 30 {
			p.epochOf(faults{})
			if i > 1 && (p.a.opened == 0 || p.b.opened == 0) {
				t.Fatalf("calm epoch %d without a meeting: inviter %s, invitee %s", i, p.a.describe(), p.b.describe())
			}
		}
		if p.a.s.Version() < v+2 || p.b.s.Version() < v+2 {
			t.Fatalf("healing stands still at %d", p.a.s.Version())
		}
	})
}
