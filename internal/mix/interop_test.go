package mix_test

import (
	"bytes"
	"fmt"
	"testing"

	"backchannel/internal/mix"
	"backchannel/internal/wire"
)

// node is one relay of either implementation.
type node interface {
	open(n int, batch []byte) []byte
	receipts(next []byte) []byte
	pair(innerSeeds [][]byte)
	forward(round uint64, cells []byte) []byte
	backward(round uint64, cells []byte) []byte
}

// first is a relay of this package behind that interface.
type first struct {
	t   *testing.T
	c   *chain
	hop int
	s   *mix.Set
}

func (f *first) open(_ int, batch []byte) []byte {
	out, s, err := mix.OpenBatch(f.c.params, f.hop, f.c.outer[f.hop], f.c.header, batch, 2)
	if err != nil {
		f.t.Fatal(err)
	}
	f.s = s
	return out
}

func (f *first) receipts(next []byte) []byte {
	out, err := f.s.Receipts(next)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func (f *first) pair([][]byte) {
	if err := f.s.Pair(f.c.header, f.c.inner, 2); err != nil {
		f.t.Fatal(err)
	}
}

func (f *first) forward(round uint64, cells []byte) []byte {
	begin := f.s.Forward
	if f.hop == f.c.params.Relays-1 {
		begin = f.s.Turn
	}
	ps, err := begin(round)
	return run(f.t, ps, err, cells, f.c.params.Cell)
}

func (f *first) backward(round uint64, cells []byte) []byte {
	ps, err := f.s.Backward(round)
	return run(f.t, ps, err, cells, f.c.params.Cell)
}

// end is a station's end of one circuit of either implementation.
type end struct {
	receipt    []byte
	seal, open func(round uint64, cell []byte) []byte
}

func (c *chain) firstEnd(t *testing.T, id wire.TwinID) ([]byte, end) {
	onion, k, err := c.path(t).Build(c.header, id)
	if err != nil {
		t.Fatal(err)
	}
	return onion, end{
		receipt: k.Receipt(),
		seal:    func(r uint64, b []byte) []byte { b = bytes.Clone(b); k.Seal(r, b); return b },
		open:    func(r uint64, b []byte) []byte { b = bytes.Clone(b); k.Open(r, b); return b },
	}
}

func (c *chain) secondEnd(id wire.TwinID) ([]byte, end) {
	var outer, inner [][]byte
	for _, k := range c.keys {
		outer, inner = append(outer, k.Outer), append(inner, k.Inner)
	}
	onion, layers, receipt := secondOnion(outer, inner, c.header[:], id[:])
	return onion, end{
		receipt: receipt,
		seal: func(r uint64, b []byte) []byte {
			for _, l := range layers {
				b = secondCTR(l.forward, r, b)
			}
			return b
		},
		open: func(r uint64, b []byte) []byte {
			for _, l := range layers {
				b = secondCTR(l.backward, r, b)
			}
			return b
		},
	}
}

// Every mixture of both implementations along the chain, with stations of both,
// carries the same cells and the same receipts.
func TestInterop(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for mask := range 1 << n {
			t.Run(fmt.Sprintf("relays=%d,mask=%b", n, mask), func(t *testing.T) {
				c := newChain(t, n, 256)
				var relays []node
				var innerSeeds [][]byte
				for hop := range n {
					inner, outer := seedOf('i', hop), seedOf('o', hop)
					innerSeeds = append(innerSeeds, inner[:])
					if mask>>hop&1 == 0 {
						relays = append(relays, &first{t: t, c: c, hop: hop})
					} else {
						relays = append(relays, &secondRelay{hop: hop, last: n - 1, seed: outer[:], header: c.header[:], cell: 256})
					}
				}
				// Pairs: first with first, second with second, first with second; one alone.
				ids := []byte{1, 2, 1, 2, 3, 3, 4}
				kinds := []int{1, 2, 1, 2, 1, 2, 1}
				partner := []int{2, 3, 0, 1, 5, 4, -1}
				var batch []byte
				var ends []end
				for i, b := range ids {
					build := c.firstEnd
					if kinds[i] == 2 {
						build = func(_ *testing.T, id wire.TwinID) ([]byte, end) { return c.secondEnd(id) }
					}
					onion, e := build(t, id(b))
					batch, ends = append(batch, onion...), append(ends, e)
				}
				if len(batch) != len(ids)*c.params.OnionSize(0) {
					t.Fatal("onions of different sizes")
				}
				for _, r := range relays {
					batch = r.open(len(ids), batch)
				}
				var blob []byte
				for hop := n - 1; hop >= 0; hop-- {
					blob = relays[hop].receipts(blob)
				}
				for i, e := range ends {
					if !bytes.Equal(e.receipt, blob[i*n*32:(i+1)*n*32]) {
						t.Fatalf("receipt of circuit %d is wrong", i)
					}
				}
				relays[n-1].pair(innerSeeds)
				for _, r := range []uint64{3, 4, 1<<63 + 1} {
					var cells []byte
					for i, e := range ends {
						cells = append(cells, e.seal(r, plain(r, i, 256))...)
					}
					for _, x := range relays {
						cells = x.forward(r, cells)
					}
					for hop := n - 2; hop >= 0; hop-- {
						cells = relays[hop].backward(r, cells)
					}
					for i, e := range ends {
						got := e.open(r, cells[i*256:(i+1)*256])
						if partner[i] >= 0 && !bytes.Equal(got, plain(r, partner[i], 256)) {
							t.Fatalf("round %d: circuit %d did not get its partner's cell", r, i)
						}
						if partner[i] < 0 && bytes.Equal(got, plain(r, i, 256)) {
							t.Fatalf("round %d: a circuit without partner got its own cell back", r)
						}
					}
				}
			})
		}
	}
}
