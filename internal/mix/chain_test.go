package mix_test

import (
	"bytes"
	"testing"

	"backchannel/internal/mix"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// chain is all n relays of one attempt in one process.
type chain struct {
	params       wire.Params
	header       wire.Hash
	keys         []wire.Keys
	outer, inner []suite.PrivateKey
	sets         []*mix.Set
}

func seedOf(kind byte, i int) (s [32]byte) { s[0], s[1] = kind, byte(i); return s }

func newChain(t testing.TB, n, cell int) *chain {
	t.Helper()
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	p.Relays, p.Cell = n, cell
	c := &chain{params: p, header: suite.Digest([]byte("a header")), sets: make([]*mix.Set, n)}
	for i := range n {
		o, err := suite.NewPrivateKey(seedOf('o', i))
		if err != nil {
			t.Fatal(err)
		}
		in, err := suite.NewPrivateKey(seedOf('i', i))
		if err != nil {
			t.Fatal(err)
		}
		c.outer, c.inner = append(c.outer, o), append(c.inner, in)
		c.keys = append(c.keys, wire.Keys{Attempt: wire.Attempt{Epoch: 7}, Relay: i, Outer: o.Public().Bytes(), Inner: in.Public().Bytes()})
	}
	return c
}

func (c *chain) path(t testing.TB) *mix.Path {
	t.Helper()
	p, err := mix.NewPath(c.params, c.keys)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (c *chain) build(t testing.TB, ids []wire.TwinID) (batch []byte, circuits []*mix.Circuit) {
	t.Helper()
	path := c.path(t)
	for _, id := range ids {
		onion, k, err := path.Build(c.header, id)
		if err != nil {
			t.Fatal(err)
		}
		batch, circuits = append(batch, onion...), append(circuits, k)
	}
	return batch, circuits
}

// mix sends a batch through all relays from hop on.
func (c *chain) mix(t testing.TB, from int, batch []byte) {
	t.Helper()
	for hop := from; hop < c.params.Relays; hop++ {
		out, s, err := mix.OpenBatch(c.params, hop, c.outer[hop], c.header, batch, 2)
		if err != nil {
			t.Fatal(err)
		}
		c.sets[hop], batch = s, out
	}
}

func (c *chain) receipts(t testing.TB) []byte {
	t.Helper()
	var blob []byte
	for hop := c.params.Relays - 1; hop >= 0; hop-- {
		var err error
		if blob, err = c.sets[hop].Receipts(blob); err != nil {
			t.Fatal(err)
		}
	}
	return blob
}

func (c *chain) pair(t testing.TB) {
	t.Helper()
	if err := c.sets[c.params.Relays-1].Pair(c.header, c.inner, 2); err != nil {
		t.Fatal(err)
	}
}

// run writes a whole array through a pass in two uneven chunks.
func run(t testing.TB, ps *mix.Pass, err error, in []byte, cell int) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	cut := len(in) / cell / 3 * cell
	for _, part := range [][]byte{in[:cut], in[cut:]} {
		if err := ps.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	out, ok := ps.Output()
	if !ok {
		t.Fatal("no output after the whole input")
	}
	out = bytes.Clone(out)
	ps.Release()
	return out
}

func (c *chain) round(t testing.TB, round uint64, cells []byte) []byte {
	t.Helper()
	last := c.params.Relays - 1
	for hop := range last {
		ps, err := c.sets[hop].Forward(round)
		cells = run(t, ps, err, cells, c.params.Cell)
	}
	ps, err := c.sets[last].Turn(round)
	cells = run(t, ps, err, cells, c.params.Cell)
	for hop := last - 1; hop >= 0; hop-- {
		ps, err := c.sets[hop].Backward(round)
		cells = run(t, ps, err, cells, c.params.Cell)
	}
	return cells
}

func id(b byte) (x wire.TwinID) { x[0] = b; return x }

func plain(round uint64, i, cell int) []byte {
	b := bytes.Repeat([]byte{byte(round), byte(i), 'x', byte(i)}, cell/4)
	b[0] = byte(i)
	return b
}

func TestChainCarriesCellsBetweenPairs(t *testing.T) {
	for n := 1; n <= 4; n++ {
		for _, cell := range []int{256, 512} {
			c := newChain(t, n, cell)
			// Stations 0 and 1 talk (ids 1 and 2), each has an idle lane (3, 4): the
			// partner of every circuit is stated.
			ids := []wire.TwinID{id(1), id(2), id(3), id(3), id(4), id(2), id(1), id(4)}
			partner := []int{6, 5, 3, 2, 7, 1, 0, 4}
			batch, circuits := c.build(t, ids)
			c.mix(t, 0, batch)
			receipts := c.receipts(t)
			for i, k := range circuits {
				if !bytes.Equal(k.Receipt(), receipts[i*n*32:(i+1)*n*32]) {
					t.Fatalf("n=%d: receipt of circuit %d is wrong", n, i)
				}
			}
			c.pair(t)
			for _, r := range []uint64{0, 1, 5, 1 << 40} {
				var cells []byte
				for i, k := range circuits {
					b := plain(r, i, cell)
					k.Seal(r, b)
					cells = append(cells, b...)
				}
				answers := c.round(t, r, cells)
				for i, k := range circuits {
					a := answers[i*cell : (i+1)*cell]
					k.Open(r, a)
					if !bytes.Equal(a, plain(r, partner[i], cell)) {
						t.Fatalf("n=%d round %d: circuit %d did not get its partner's cell", n, r, i)
					}
				}
			}
		}
	}
}
