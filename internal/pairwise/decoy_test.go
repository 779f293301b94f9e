package pairwise

import (
	"bytes"
	"testing"
)

// A decoy goes the whole way of a talk, round after round, and nothing of it is
// in what leaves.
func TestDecoyWorksLikeATalk(t *testing.T) {
	const cell = 512
	d := NewDecoy(100, cell)
	last := make([]byte, cell)
	for round := uint64(100); round < 140; round++ {
		if round == 120 {
			round = 125 // a station that was away skips rounds
		}
		d.Compose(round)
		for twin := range twins {
			dst := make([]byte, cell)
			d.Cell(round, twin, dst)
			if bytes.Equal(dst, last) || bytes.Equal(dst, d.sealed[twin]) || bytes.Equal(dst, make([]byte, cell)) {
				t.Fatalf("round %d, twin %d: the cell is not fresh", round, twin)
			}
			copy(last, dst)
		}
		for twin := range twins {
			if !d.Receive(round, twin) {
				t.Fatalf("round %d, twin %d: the frame did not open: less was done than for a talk", round, twin)
			}
		}
	}
	if d.talk.s.misbehaved {
		t.Fatal("the decoy's own frames do not make sense to it")
	}
	d.Erase()
	d.Cell(140, 0, last)
	if d.Receive(140, 0) {
		t.Fatal("an erased decoy still has keys")
	}
}

// BenchmarkLane compares a round of an idle lane with one of a lane that talks
// and has nothing to say: ns/op should be alike.
func BenchmarkLane(b *testing.B) {
	const cell = 512
	buf := make([]byte, cell)
	b.Run("idle", func(b *testing.B) {
		d := NewDecoy(0, cell)
		for i := range uint64(b.N) {
			d.Compose(i)
			d.Cell(i, 0, buf)
			d.Receive(i, 0)
		}
	})
	b.Run("talking", func(b *testing.B) {
		s := func(r Role) *Session {
			return &Session{role: r, phase: Introduced, established: 1, versions: []version{{number: 1}}}
		}
		var epochKey Key
		m := func() *Meeting { return &Meeting{Version: 1, epochKey: epochKey, unused: true} }
		a, z := s(Inviter), s(Invitee)
		ta, tz := a.Begin(m(), 0, cell), z.Begin(m(), 0, cell)
		cells := make([][]byte, 1024)
		for i := 0; i < b.N; i++ {
			if i%len(cells) == 0 { // the other side's cells are not part of the measurement
				b.StopTimer()
				for k := range cells {
					if cells[k] == nil {
						cells[k] = make([]byte, cell)
					}
					tz.Cell(uint64(i+k), 0, cells[k])
				}
				b.StartTimer()
			}
			a.Compose(uint64(i))
			ta.Cell(uint64(i), 0, buf)
			ta.Receive(uint64(i), 0, cells[i%len(cells)])
		}
	})
}
