package pairwise

import (
	"testing"

	"backchannel/internal/wire"
	"pgregory.net/rapid"
)

// TestIntroduction runs one without faults and sends something each way.
func TestIntroduction(t *testing.T) {
	p := newPair(t, 1)
	if p.a.s.Phase() != Waiting {
		t.Fatalf("phase %d before the first meeting", p.a.s.Phase())
	}
	p.accept(p.a, wire.ClassLetter, 20000)
	p.accept(p.b, wire.ClassSignal, 100)
	if _, ok := p.a.s.Words(); ok {
		t.Fatal("words before the introduction")
	}
	p.until(12, p.introduced)
	wa, oka := p.a.s.Words()
	wb, okb := p.b.s.Words()
	if !oka || !okb || wa != wb {
		t.Fatalf("words %v %v", wa, wb)
	}
	ka, _ := p.a.s.RestoreKey()
	kb, _ := p.b.s.RestoreKey()
	if ka != kb || ka == (Key{}) {
		t.Fatal("K_re differs")
	}
	p.until(12, p.settled)
	p.check()
}

// TestHealing lets versions follow each other.
func TestHealing(t *testing.T) {
	p := newPair(t, 2)
	p.until(12, p.introduced)
	p.until(60, func() bool { return p.a.s.Version() >= 5 && p.b.s.Version() >= 5 })
	if len(p.a.s.versions) > 2 {
		t.Fatal("too many versions held")
	}
	p.check()
}

// TestAnyFaults is the property that everything rests on: whatever is lost,
// crashes, aborts or is slow, afterwards the two meet, agree on one version and
// everything accepted has arrived exactly once and in order, with no key used
// twice.
func TestAnyFaults(t *testing.T) {
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
		for range rapid.IntRange(1, 6).Draw(t, "stretches") {
			for range rapid.IntRange(0, 4).Draw(t, "items") {
				d := p.a
				if p.rng.IntN(2) == 0 {
					d = p.b
				}
				p.accept(d, wire.Class(1+p.rng.IntN(3)), p.rng.IntN(9000)*p.rng.IntN(2)+p.rng.IntN(50))
			}
			p.run(rapid.IntRange(1, 25).Draw(t, "epochs"), f)
			if rapid.Bool().Draw(t, "calm") {
				p.run(rapid.IntRange(1, 6).Draw(t, "calm epochs"), faults{})
			}
			if rapid.Bool().Draw(t, "offline") {
				p.epoch += uint64(rapid.IntRange(1, 3000).Draw(t, "away"))
				p.round = p.epoch * p.per
				for _, d := range p.sides() {
					d.talk, d.next, d.answers = nil, nil, nil
				}
			}
		}
		p.until(30, func() bool {
			return p.introduced() && p.settled() && p.a.s.Version() == p.b.s.Version() && len(p.a.s.sending.frames)+len(p.b.s.sending.frames) == 0
		})
		p.check()
		// From now on they meet in every epoch, through two more healings.
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
