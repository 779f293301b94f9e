package mix_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"backchannel/internal/mix"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// wrong lists the circuits whose receipts are not the expected ones.
func (c *chain) wrong(receipts []byte, circuits []*mix.Circuit) (w []int) {
	size := c.params.ReceiptSize(0)
	for i, k := range circuits {
		if !bytes.Equal(k.Receipt(), receipts[i*size:(i+1)*size]) {
			w = append(w, i)
		}
	}
	return w
}

func fourIDs() []wire.TwinID { return []wire.TwinID{id(1), id(2), id(2), id(1)} }

func TestOpenBatchRefusals(t *testing.T) {
	c := newChain(t, 3, 256)
	batch, _ := c.build(t, fourIDs()[:1])
	for name, try := range map[string]func() ([]byte, *mix.Set, error){
		"hop below the chain": func() ([]byte, *mix.Set, error) {
			return mix.OpenBatch(c.params, -1, c.outer[0], c.header, batch, 1)
		},
		"hop beyond the chain": func() ([]byte, *mix.Set, error) {
			return mix.OpenBatch(c.params, 3, c.outer[0], c.header, batch, 1)
		},
		"erased key": func() ([]byte, *mix.Set, error) {
			return mix.OpenBatch(c.params, 0, suite.PrivateKey{}, c.header, batch, 1)
		},
		"one byte short": func() ([]byte, *mix.Set, error) {
			return mix.OpenBatch(c.params, 0, c.outer[0], c.header, batch[1:], 1)
		},
		"one byte long": func() ([]byte, *mix.Set, error) {
			return mix.OpenBatch(c.params, 0, c.outer[0], c.header, append(bytes.Clone(batch), 0), 1)
		},
		"onion of another hop": func() ([]byte, *mix.Set, error) {
			return mix.OpenBatch(c.params, 1, c.outer[1], c.header, batch, 1)
		},
	} {
		if out, s, err := try(); err == nil || out != nil || s != nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOutputsAreAsManyAsInputs(t *testing.T) {
	c := newChain(t, 2, 256)
	real, _ := c.build(t, fourIDs())
	size := c.params.OnionSize(0)
	rapid.Check(t, func(rt *rapid.T) {
		kinds := rapid.SliceOfN(rapid.IntRange(0, 6), 0, 12).Draw(rt, "kinds")
		var batch []byte
		for _, k := range kinds {
			switch {
			case k < 4: // real ones, repeated when drawn twice
				batch = append(batch, real[k*size:(k+1)*size]...)
			case k == 4:
				batch = append(batch, make([]byte, size)...)
			case k == 5:
				b := bytes.Clone(real[:size])
				b[size-1] ^= 1
				batch = append(batch, b...)
			default:
				b := make([]byte, size)
				suite.Random(b)
				batch = append(batch, b...)
			}
		}
		workers := rapid.IntRange(0, 3).Draw(rt, "workers")
		out, s, err := mix.OpenBatch(c.params, 0, c.outer[0], c.header, batch, workers)
		if err != nil {
			rt.Fatal(err)
		}
		if s.Count() != len(kinds) || len(out) != len(kinds)*c.params.OnionSize(1) {
			rt.Fatalf("%d in, %d circuits, %d bytes out", len(kinds), s.Count(), len(out))
		}
		blob, err := s.Receipts(make([]byte, len(kinds)*c.params.ReceiptSize(1)))
		if err != nil || len(blob) != len(kinds)*c.params.ReceiptSize(0) {
			rt.Fatal(err, len(blob))
		}
		// No two entries look alike, whatever came in.
		seen := map[string]bool{}
		for i := range kinds {
			e := string(out[i*c.params.OnionSize(1) : (i+1)*c.params.OnionSize(1)])
			if seen[e] {
				rt.Fatal("two equal outputs")
			}
			seen[e] = true
		}
	})
}

// Anything that is not exactly the station's onion under exactly this header
// shows at that station's receipts, and at nobody else's.
func TestHarmedOnionsShowInTheirOwnReceipts(t *testing.T) {
	c := newChain(t, 3, 256)
	size := c.params.OnionSize(0)
	at := func(b []byte, i int) []byte { return b[i*size : (i+1)*size] }
	other := suite.Digest([]byte("another header"))
	for name, tc := range map[string]struct {
		harm func(batch []byte)
		want []int
	}{
		"untouched":               {func([]byte) {}, nil},
		"first bit":               {func(b []byte) { at(b, 1)[0] ^= 1 }, []int{1}},
		"last bit":                {func(b []byte) { at(b, 1)[size-1] ^= 0x80 }, []int{1}},
		"missing, sent as zeros":  {func(b []byte) { clear(at(b, 2)) }, []int{2}},
		"missing, sent as random": {func(b []byte) { suite.Random(at(b, 2)) }, []int{2}},
		"duplicated":              {func(b []byte) { copy(at(b, 3), at(b, 0)) }, []int{3}},
		"swapped": {func(b []byte) {
			x := bytes.Clone(at(b, 0))
			copy(at(b, 0), at(b, 1))
			copy(at(b, 1), x)
		}, []int{0, 1}},
		"of another header": {func(b []byte) {
			o, _, err := c.path(t).Build(other, id(1))
			if err != nil {
				t.Fatal(err)
			}
			copy(at(b, 0), o)
		}, []int{0}},
	} {
		batch, circuits := c.build(t, fourIDs())
		tc.harm(batch)
		c.mix(t, 0, batch)
		if w := c.wrong(c.receipts(t), circuits); !slices.Equal(w, tc.want) {
			t.Errorf("%s: receipts of %v are wrong, want %v", name, w, tc.want)
		}
	}
}

// A relay in the middle that garbles, replaces, duplicates or repeats onions
// behind an honest one breaks receipts whatever it later makes up.
func TestMaliciousMiddleRelay(t *testing.T) {
	size := func(c *chain) int { return c.params.OnionSize(2) }
	for name, tc := range map[string]struct {
		garble func(c *chain, out []byte)
		wrong  int
	}{
		"garbled":    {func(c *chain, out []byte) { out[0] ^= 1 }, 1},
		"dropped":    {func(c *chain, out []byte) { suite.Random(out[:size(c)]) }, 1},
		"duplicated": {func(c *chain, out []byte) { copy(out[size(c):2*size(c)], out[:size(c)]) }, 1},
		"swapped": {func(c *chain, out []byte) {
			x := bytes.Clone(out[:size(c)])
			copy(out, out[size(c):2*size(c)])
			copy(out[size(c):], x)
		}, 2},
	} {
		c := newChain(t, 3, 256)
		batch, circuits := c.build(t, fourIDs())
		var err error
		for hop := range 2 {
			if batch, c.sets[hop], err = mix.OpenBatch(c.params, hop, c.outer[hop], c.header, batch, 1); err != nil {
				t.Fatal(err)
			}
		}
		tc.garble(c, batch)
		c.mix(t, 2, batch)
		if w := c.wrong(c.receipts(t), circuits); len(w) != tc.wrong {
			t.Errorf("%s: %d receipts are wrong, want %d", name, len(w), tc.wrong)
		}
	}
}

// A garbled receipt cannot be made good by the relays between the garbler and
// the station, and swapped ones are seen by both stations.
func TestGarbledReceipts(t *testing.T) {
	for hop := range 3 {
		for name, tc := range map[string]struct {
			garble func(blob []byte, size int)
			wrong  int
		}{
			"one bit": {func(b []byte, size int) { b[size-1] ^= 1 }, 1},
			"swapped": {func(b []byte, size int) {
				x := bytes.Clone(b[:size])
				copy(b, b[size:2*size])
				copy(b[size:], x)
			}, 2},
		} {
			c := newChain(t, 3, 256)
			batch, circuits := c.build(t, fourIDs())
			c.mix(t, 0, batch)
			var blob []byte
			var err error
			for h := 2; h >= 0; h-- {
				if blob, err = c.sets[h].Receipts(blob); err != nil {
					t.Fatal(err)
				}
				if h == hop {
					tc.garble(blob, c.params.ReceiptSize(h))
				}
			}
			if w := c.wrong(blob, circuits); len(w) != tc.wrong {
				t.Errorf("%s after hop %d: %d receipts are wrong, want %d", name, hop, len(w), tc.wrong)
			}
		}
	}
}

func TestReceiptsOnce(t *testing.T) {
	c := newChain(t, 2, 256)
	batch, _ := c.build(t, fourIDs())
	c.mix(t, 0, batch)
	if _, err := c.sets[1].Receipts(make([]byte, 4)); err == nil {
		t.Error("the last relay took receipts from nobody")
	}
	blob, err := c.sets[1].Receipts(nil)
	if err != nil {
		t.Fatal("a refused array counted as the pass:", err)
	}
	for _, bad := range [][]byte{nil, blob[1:], append(bytes.Clone(blob), 0)} {
		if _, err := c.sets[0].Receipts(bad); err == nil {
			t.Errorf("an array of %d bytes passed", len(bad))
		}
	}
	if _, err := c.sets[0].Receipts(blob); err != nil {
		t.Fatal(err)
	}
	for i, in := range [][]byte{blob, nil} {
		if _, err := c.sets[i].Receipts(in); err == nil {
			t.Error("a second pass over the receipts")
		}
	}
}

// Stations that were given other KEYS build onions that nobody else's relay
// opens: each sees it in its receipts.
func TestOtherKeysPerStation(t *testing.T) {
	c, evil := newChain(t, 3, 256), newChain(t, 3, 256)
	other, err := suite.NewPrivateKey(seedOf('x', 1))
	if err != nil {
		t.Fatal(err)
	}
	evil.keys[1].Outer = other.Public().Bytes()
	batch, circuits := c.build(t, []wire.TwinID{id(1), id(1)})
	b2, k2 := evil.build(t, []wire.TwinID{id(2), id(2)})
	batch, circuits = append(batch, b2...), append(circuits, k2...)
	c.mix(t, 0, batch)
	if w := c.wrong(c.receipts(t), circuits); !slices.Equal(w, []int{2, 3}) {
		t.Errorf("receipts of %v are wrong, want those of the station with other keys", w)
	}
}

func TestNewPathRefusals(t *testing.T) {
	c := newChain(t, 3, 256)
	with := func(f func(k []wire.Keys) []wire.Keys) []wire.Keys { return f(slices.Clone(c.keys)) }
	for name, keys := range map[string][]wire.Keys{
		"none":            nil,
		"too few":         c.keys[:2],
		"too many":        with(func(k []wire.Keys) []wire.Keys { return append(k, k[0]) }),
		"wrong order":     with(func(k []wire.Keys) []wire.Keys { k[0], k[1] = k[1], k[0]; return k }),
		"another attempt": with(func(k []wire.Keys) []wire.Keys { k[1].Number++; return k }),
		"short outer":     with(func(k []wire.Keys) []wire.Keys { k[1].Outer = k[1].Outer[1:]; return k }),
		"impossible inner": with(func(k []wire.Keys) []wire.Keys {
			k[2].Inner = bytes.Repeat([]byte{255}, len(k[2].Inner))
			return k
		}),
	} {
		if _, err := mix.NewPath(c.params, keys); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPairRefusals(t *testing.T) {
	c := newChain(t, 2, 256)
	batch, _ := c.build(t, fourIDs())
	c.mix(t, 0, batch)
	last := c.sets[1]
	for name, try := range map[string]func() error{
		"not the last":   func() error { return c.sets[0].Pair(c.header, c.inner, 1) },
		"another header": func() error { return last.Pair(wire.Hash{}, c.inner, 1) },
		"too few keys":   func() error { return last.Pair(c.header, c.inner[:1], 1) },
		"missing key":    func() error { return last.Pair(c.header, []suite.PrivateKey{c.inner[0], {}}, 1) },
	} {
		if try() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := last.Turn(1); err == nil {
		t.Error("turned before pairing")
	}
	if err := last.Pair(c.header, c.inner, 1); err != nil {
		t.Fatal(err)
	}
	if last.Pair(c.header, c.inner, 1) == nil {
		t.Error("paired twice")
	}
}

// An inner key that is not the signed one keeps every id sealed: nobody is
// paired, everybody gets random answers.
func TestPairWithOneWrongInnerKey(t *testing.T) {
	c := newChain(t, 2, 256)
	ids := fourIDs()
	batch, circuits := c.build(t, ids)
	c.mix(t, 0, batch)
	wrong, err := suite.NewPrivateKey(seedOf('w', 0))
	if err != nil {
		t.Fatal(err)
	}
	c.inner[0] = wrong
	c.pair(t)
	got := c.answers(t, 9, circuits)
	for i := range ids {
		for j := range ids {
			if bytes.Equal(got[i], plain(9, j, 256)) {
				t.Errorf("circuit %d received circuit %d's cell though an inner key is unknown", i, j)
			}
		}
	}
}

// answers sends plain cells on all circuits and opens what comes back.
func (c *chain) answers(t testing.TB, round uint64, circuits []*mix.Circuit) [][]byte {
	t.Helper()
	var cells []byte
	for i, k := range circuits {
		b := plain(round, i, c.params.Cell)
		k.Seal(round, b)
		cells = append(cells, b...)
	}
	cells = c.round(t, round, cells)
	out := make([][]byte, len(circuits))
	for i, k := range circuits {
		out[i] = cells[i*c.params.Cell : (i+1)*c.params.Cell]
		k.Open(round, out[i])
	}
	return out
}

// Ids with one or more than two circuits, and circuits that never opened, get
// random answers that differ in every round; pairs beside them are untouched.
func TestUnpairedCircuitsGetFreshRandomAnswers(t *testing.T) {
	c := newChain(t, 3, 256)
	ids := []wire.TwinID{id(1), id(2), id(2), id(2), id(3), id(3), id(4), id(5), id(5)}
	batch, circuits := c.build(t, ids)
	clear(batch[8*c.params.OnionSize(0):]) // the second of id 5 never arrived
	c.mix(t, 0, batch)
	c.pair(t)
	seen := map[string]bool{}
	for _, r := range []uint64{1, 2, 3} {
		got := c.answers(t, r, circuits)
		if !bytes.Equal(got[4], plain(r, 5, 256)) || !bytes.Equal(got[5], plain(r, 4, 256)) {
			t.Fatal("a pair beside unpaired circuits lost its cells")
		}
		for _, i := range []int{0, 1, 2, 3, 6, 7, 8} {
			for j := range ids {
				if bytes.Equal(got[i], plain(r, j, 256)) {
					t.Errorf("unpaired circuit %d received circuit %d's cell", i, j)
				}
			}
			if seen[string(got[i])] {
				t.Errorf("unpaired circuit %d received the same answer twice", i)
			}
			seen[string(got[i])] = true
		}
	}
}

func TestErasedCircuitSendsRandomBytes(t *testing.T) {
	c := newChain(t, 1, 256)
	_, circuits := c.build(t, fourIDs()[:1])
	k := circuits[0]
	k.Erase()
	a, b := make([]byte, 256), make([]byte, 256)
	k.Seal(1, a)
	k.Seal(1, b)
	if bytes.Equal(a, make([]byte, 256)) || bytes.Equal(a, b) {
		t.Error("a cell left an erased circuit without its layers")
	}
	k.Open(1, a)
	if len(k.Receipt()) != 0 {
		t.Error("an erased circuit still has its receipt")
	}
}

func FuzzOpenBatch(f *testing.F) {
	c := newChain(f, 1, 256)
	batch, _ := c.build(f, fourIDs()[:1])
	f.Add(batch)
	f.Add(make([]byte, c.params.OnionSize(0)))
	f.Add([]byte{})
	f.Add(batch[1:])
	f.Fuzz(func(t *testing.T, in []byte) {
		n := len(in) / c.params.OnionSize(0)
		_, s, err := mix.OpenBatch(c.params, 0, c.outer[0], c.header, in, 1)
		if (err == nil) != (len(in)%c.params.OnionSize(0) == 0) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		if s.Count() != n {
			t.Fatalf("%d circuits for %d onions", s.Count(), n)
		}
		if _, err := s.Receipts(nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Pair(c.header, c.inner, 1); err != nil {
			t.Fatal(err)
		}
		ps, err := s.Turn(1)
		if err != nil {
			t.Fatal(err)
		}
		run(t, ps, nil, make([]byte, n*256), 256)
		s.Erase()
	})
}
