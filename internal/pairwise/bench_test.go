package pairwise

import (
	"testing"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// BenchmarkRound is one station's work per talking lane and round on a calm
// network: Compose, two cells built, two opened, and the commit's bookkeeping.
// "idle" carries padding, "letter" a full frame in every cell, both ways.
func BenchmarkRound(b *testing.B) {
	for _, c := range []struct {
		name string
		size int
	}{{"idle", 0}, {"letter", 1 << 31}} {
		b.Run(c.name, func(b *testing.B) {
			p := talking(b, 60)
			for _, d := range p.sides() {
				if c.size > 0 {
					d.s.Queue(Item{ID: wire.ItemID{1}, Class: wire.ClassLetter, Size: uint32(c.size), Read: func(_ uint32, p []byte) int { return len(p) }}, 0)
				}
			}
			var cells [2][twins][testCell]byte
			b.ReportAllocs()
			b.SetBytes(2 * twins * testCell)
			for b.Loop() {
				for i, d := range p.sides() {
					d.s.Compose(p.round)
					if c.size > 0 {
						_, token := d.s.Take()
						d.s.Saved(token)
					}
					for twin := range twins {
						d.talk.Cell(p.round, twin, cells[i][twin][:])
					}
				}
				for i, d := range p.sides() {
					for twin := range twins {
						if !d.talk.Receive(p.round, twin, cells[1-i][twin][:]) {
							b.Fatal("a cell does not open")
						}
					}
				}
				p.round++
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2, "ns/station-round")
		})
	}
}

// BenchmarkSeal is the measure for BenchmarkRound: the four AES-256-GCM
// operations of a lane and round, and nothing else.
func BenchmarkSeal(b *testing.B) {
	var key Key
	plain, cell := make([]byte, testCell-suite.AEADOverhead), make([]byte, 0, testCell)
	for b.Loop() {
		for range twins {
			sealed := suite.SealOnce(&key, cell, plain)
			if _, err := suite.OpenOnce(&key, plain[:0], sealed); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkJoin is one contact's part of a JOIN; a version that was not joined
// for a day of 120-second epochs has 720 steps to make up.
func BenchmarkJoin(b *testing.B) {
	for _, c := range []struct {
		name  string
		steps uint64
	}{{"next epoch", 1}, {"a day later", 720}} {
		b.Run(c.name, func(b *testing.B) {
			p := talking(b, 61)
			e := p.epoch + 1
			for b.Loop() {
				e += c.steps
				if _, err := p.a.s.Join(e, wire.Hash{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTake is the encoding of a session's state.
func BenchmarkTake(b *testing.B) {
	p := talking(b, 62)
	b.ReportAllocs()
	for b.Loop() {
		p.a.s.touch()
		d, token := p.a.s.Take()
		p.a.s.Saved(token)
		b.SetBytes(int64(len(d.State)))
	}
}
