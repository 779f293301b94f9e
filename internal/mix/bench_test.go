package mix

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hpke"
	"runtime"
	"testing"
	"time"

	"backchannel/internal/suite"
	"backchannel/internal/suite/pass"
	"backchannel/internal/wire"
)

// Benchmarks give ratios to what the machine can do at all, measured in the same
// run; absolute times say more about the machine than about this package. Of all
// runs the fastest counts, for a neighbour can only make one slower.

// fastest keeps the shortest of many durations.
type fastest time.Duration

func (f *fastest) since(start time.Time) {
	if d := fastest(time.Since(start)); *f == 0 || d < *f {
		*f = d
	}
}

func (f fastest) over(g fastest) float64 { return float64(f) / float64(g) }

// fill makes a set of n circuits with random keys, as if that many onions had been
// opened, without the price of opening them.
func fill(tb testing.TB, relays, hop, n, cell int) *Set {
	tb.Helper()
	p, err := wire.Preset("small")
	if err != nil {
		tb.Fatal(err)
	}
	p.Relays, p.Cell = relays, cell
	s := newSet(p, hop, wire.Hash{}, n, 1)
	for i := range n {
		to := i
		if s.perm != nil {
			to = int(s.perm[i])
		}
		k := randomKeys()
		s.put(i, to, &k)
	}
	if s.last() { // as Pair leaves it: neighbours are partners
		s.partner = make([]uint32, n)
		for i := range n {
			s.partner[i] = uint32(i ^ 1)
		}
	}
	return s
}

// A circuit costs a relay 72 bytes for the rounds, the last relay 68, whatever the
// cell size; a round's output arrays come on top while they are used.
func TestMemoryPerCircuit(t *testing.T) {
	const n = 1 << 15
	for _, tc := range []struct{ hop, limit int }{{0, 73}, {1, 69}} {
		heap := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		s := fill(t, 2, tc.hop, n, 512)
		if _, err := s.Receipts(make([]byte, n*s.params.ReceiptSize(tc.hop+1))); err != nil {
			t.Fatal(err)
		}
		after := heap()
		if per := (after - before + n/2) / n; per > uint64(tc.limit) {
			t.Errorf("hop %d: %d bytes per circuit, want at most %d", tc.hop, per, tc.limit)
		}
		runtime.KeepAlive(s)
	}
}

func BenchmarkOpenOnion(b *testing.B) {
	p, err := wire.Preset("small")
	if err != nil {
		b.Fatal(err)
	}
	sk, err := suite.GenerateKey()
	if err != nil {
		b.Fatal(err)
	}
	const n = 32
	size := p.OnionSize(0)
	var batch []byte
	for range n {
		sealed, _, err := sk.Public().Seal(suite.LabelOuter, make([]byte, size-suite.HPKEOverhead), make([]byte, 32), hopByte(0))
		if err != nil {
			b.Fatal(err)
		}
		batch = append(batch, sealed...)
	}
	seed := sk.Seed()
	plain, err := hpke.MLKEM768X25519().NewPrivateKey(seed[:])
	if err != nil {
		b.Fatal(err)
	}
	info := append(append([]byte{byte(len(suite.LabelOuter))}, suite.LabelOuter...), make([]byte, 33)...)
	var ours, limit fastest
	for b.Loop() {
		start := time.Now()
		if _, _, err := OpenBatch(p, 0, sk, wire.Hash{}, batch, 1); err != nil {
			b.Fatal(err)
		}
		ours.since(start)
		start = time.Now()
		for i := range n {
			o := batch[i*size : (i+1)*size]
			r, err := hpke.NewRecipient(o[:suite.KEMEncapsulationSize], plain, hpke.HKDFSHA256(), hpke.AES256GCM(), info)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := r.Open(nil, o[suite.KEMEncapsulationSize:]); err != nil {
				b.Fatal(err)
			}
		}
		limit.since(start)
	}
	b.ReportMetric(float64(ours)/n/1e3, "µs/onion")
	b.ReportMetric(ours.over(limit), "×hpke.Open")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkRound(b *testing.B) {
	const n, cell, chunk = 1 << 17, 512, 256 << 10
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	in, buffer := pass.Arena(n*cell), pass.Arena(n*cell)
	defer pass.Free(in)
	defer pass.Free(buffer)
	for _, bench := range []struct {
		name string
		hop  int
	}{{"forward", 0}, {"backward", 0}, {"turn", 1}} {
		b.Run(bench.name, func(b *testing.B) {
			s := fill(b, 2, bench.hop, n, cell)
			defer s.Erase()
			perm := permutation(n)
			var ours, ctr, copying fastest
			round := uint64(0)
			one := func() {
				round++
				begin := s.Forward
				switch bench.name {
				case "backward":
					s.up.raise(round)
					begin = s.Backward
				case "turn":
					begin = s.Turn
				}
				ps, err := begin(round)
				if err != nil {
					b.Fatal(err)
				}
				for off := 0; off < len(in); off += chunk {
					if err := ps.Write(in[off : off+chunk]); err != nil {
						b.Fatal(err)
					}
				}
				ps.Release()
			}
			one()
			pass.CopyScatter(buffer, in, 0, cell, perm)
			for b.Loop() {
				start := time.Now()
				one()
				ours.since(start)
				start = time.Now()
				cipher.NewCTR(block, make([]byte, 16)).XORKeyStream(buffer, in)
				ctr.since(start)
				start = time.Now()
				pass.CopyScatter(buffer, in, 0, cell, perm)
				copying.since(start)
			}
			b.ReportMetric(float64(ours)/n, "ns/cell")
			b.ReportMetric(ours.over(ctr), "×CTR")
			b.ReportMetric(ours.over(copying), "×copy")
			b.ReportMetric(float64(len(s.forward)+len(s.backward)+4*(len(s.perm)+len(s.inverse)+len(s.partner)))/n, "B/circuit")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func BenchmarkReceipts(b *testing.B) {
	const n = 1 << 12
	sets := 0
	for b.Loop() {
		b.StopTimer()
		s := fill(b, 3, 0, n, 512)
		next := make([]byte, n*s.params.ReceiptSize(1))
		b.StartTimer()
		if _, err := s.Receipts(next); err != nil {
			b.Fatal(err)
		}
		sets++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sets*n), "ns/circuit")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkBuild(b *testing.B) {
	p, err := wire.Preset("small")
	if err != nil {
		b.Fatal(err)
	}
	var keys []wire.Keys
	for i := range p.Relays {
		sk, err := suite.GenerateKey()
		if err != nil {
			b.Fatal(err)
		}
		keys = append(keys, wire.Keys{Relay: i, Outer: sk.Public().Bytes(), Inner: sk.Public().Bytes()})
	}
	path, err := NewPath(p, keys)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := path.Build(wire.Hash{}, wire.TwinID{}); err != nil {
			b.Fatal(err)
		}
	}
}
