package mix_test

import (
	"bytes"
	"testing"

	"backchannel/internal/mix"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// ready is a paired chain of n relays with count idle circuits.
func ready(t testing.TB, n, count, cell int) (*chain, []*mix.Circuit) {
	t.Helper()
	c := newChain(t, n, cell)
	ids := make([]wire.TwinID, count)
	for i := range ids {
		ids[i] = id(byte(i / 2))
	}
	batch, circuits := c.build(t, ids)
	c.mix(t, 0, batch)
	c.pair(t)
	return c, circuits
}

// finish writes zeros to the end and releases.
func finish(t testing.TB, ps *mix.Pass, count, cell int) {
	t.Helper()
	if err := ps.Write(make([]byte, count*cell)); err != nil {
		t.Fatal(err)
	}
	ps.Release()
}

func TestRoundsOnlyMoveForward(t *testing.T) {
	c, _ := ready(t, 2, 4, 256)
	front, last := c.sets[0], c.sets[1]
	if _, err := front.Turn(1); err == nil {
		t.Error("a relay that is not the last turned cells")
	}
	if _, err := last.Forward(1); err == nil {
		t.Error("the last relay made a forward pass")
	}
	if _, err := last.Backward(1); err == nil {
		t.Error("the last relay made a backward pass")
	}
	if _, err := front.Backward(0); err == nil {
		t.Error("a backward pass before any forward pass")
	}
	type begin func(uint64) (*mix.Pass, error)
	for name, f := range map[string]begin{"forward": front.Forward, "turn": last.Turn} {
		for _, step := range []struct {
			round uint64
			ok    bool
		}{{0, true}, {0, false}, {7, true}, {7, false}, {6, false}, {0, false}, {8, true}, {1<<64 - 1, true}, {1<<64 - 1, false}, {0, false}} {
			ps, err := f(step.round)
			if (err == nil) != step.ok {
				t.Errorf("%s pass of round %d: %v", name, step.round, err)
			}
			if ps != nil {
				finish(t, ps, 4, 256)
			}
		}
	}
	for _, step := range []struct {
		round uint64
		ok    bool
	}{{3, true}, {3, false}, {2, false}, {9, true}} {
		ps, err := front.Backward(step.round)
		if (err == nil) != step.ok {
			t.Errorf("backward pass of round %d: %v", step.round, err)
		}
		if ps != nil {
			finish(t, ps, 4, 256)
		}
	}
}

func TestBackwardOnlyAfterForward(t *testing.T) {
	c, _ := ready(t, 2, 2, 256)
	ps, err := c.sets[0].Forward(5)
	if err != nil {
		t.Fatal(err)
	}
	ps.Release()
	if _, err := c.sets[0].Backward(6); err == nil {
		t.Error("a backward pass of a round that did not go forward")
	}
	if _, err := c.sets[0].Forward(5); err == nil {
		t.Error("a round that was cut off began again")
	}
}

func TestWholeArraysOnly(t *testing.T) {
	const count, cell = 5, 256
	c, _ := ready(t, 2, count, cell)
	in := make([]byte, count*cell)
	suite.Random(in)
	for _, direction := range []struct {
		name  string
		begin func(uint64) (*mix.Pass, error)
	}{{"forward", c.sets[0].Forward}, {"backward", c.sets[0].Backward}, {"turn", c.sets[1].Turn}} {
		name := direction.name
		ps, err := direction.begin(2)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []int{1, cell - 1, cell + 1, (count + 1) * cell} {
			if ps.Write(make([]byte, bad)) == nil {
				t.Errorf("%s: %d bytes accepted", name, bad)
			}
		}
		for i := range count {
			if _, ok := ps.Output(); ok {
				t.Fatalf("%s: output after %d of %d cells", name, i, count)
			}
			if err := ps.Write(in[i*cell : (i+1)*cell]); err != nil {
				t.Fatal(err)
			}
		}
		out, ok := ps.Output()
		if !ok || len(out) != len(in) {
			t.Fatalf("%s: no output after the whole input", name)
		}
		if ps.Write(in[:cell]) == nil {
			t.Errorf("%s: more cells than circuits", name)
		}
		if err := ps.Write(nil); err != nil {
			t.Errorf("%s: an empty chunk: %v", name, err)
		}
		if again, ok := ps.Output(); !ok || !bytes.Equal(again, out) {
			t.Errorf("%s: the output changed", name)
		}
		ps.Release()
	}
}

// However an array is cut into chunks, the round is the same.
func FuzzChunks(f *testing.F) {
	const count, cell = 9, 256
	f.Add([]byte{1, 2, 3}, uint64(4))
	f.Add([]byte{9}, uint64(0))
	f.Add([]byte{0, 0, 200}, uint64(1)<<63)
	f.Fuzz(func(t *testing.T, cuts []byte, round uint64) {
		c, circuits := ready(t, 1, count, cell)
		var in []byte
		for i, k := range circuits {
			b := plain(round, i, cell)
			k.Seal(round, b)
			in = append(in, b...)
		}
		ps, err := c.sets[0].Turn(round)
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		for _, n := range append(cuts, 1, 1, 1, 1, 1, 1, 1, 1, 1) {
			k := min(int(n), count-done)
			if err := ps.Write(in[done*cell : (done+k)*cell]); err != nil {
				t.Fatal(err)
			}
			done += k
			if _, ok := ps.Output(); ok != (done == count) {
				t.Fatalf("output=%v after %d of %d cells", ok, done, count)
			}
		}
		out, _ := ps.Output()
		for i, k := range circuits[:8] {
			b := bytes.Clone(out[i*cell : (i+1)*cell])
			k.Open(round, b)
			if !bytes.Equal(b, plain(round, i^1, cell)) {
				t.Fatalf("circuit %d did not get its partner's cell", i)
			}
		}
		ps.Release()
		c.sets[0].Erase()
	})
}

func TestPassesUnderWayAreBounded(t *testing.T) {
	c, _ := ready(t, 2, 2, 256)
	var out []*mix.Pass
	for r := uint64(0); ; r++ {
		ps, err := c.sets[0].Forward(r)
		if err != nil {
			break
		}
		if out = append(out, ps); len(out) > 100 {
			t.Fatal("no bound on passes under way")
		}
	}
	for _, ps := range out {
		ps.Release()
	}
	// The refusal used no round up.
	ps, err := c.sets[0].Forward(uint64(len(out)))
	if err != nil {
		t.Fatal(err)
	}
	ps.Release()
}

func TestErasedSet(t *testing.T) {
	c, _ := ready(t, 2, 4, 256)
	front, last := c.sets[0], c.sets[1]
	out, err := front.Forward(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range c.sets {
		s.Erase()
		s.Erase()
	}
	if out.Write(make([]byte, 256)) == nil {
		t.Error("a pass went on with an erased set")
	}
	out.Release()
	for name, try := range map[string]func() error{
		"receipts": func() error { _, err := last.Receipts(nil); return err },
		"pair":     func() error { return last.Pair(c.header, c.inner, 1) },
		"forward":  func() error { _, err := front.Forward(9); return err },
		"backward": func() error { _, err := front.Backward(1); return err },
		"turn":     func() error { _, err := last.Turn(9); return err },
	} {
		if try() == nil {
			t.Errorf("%s works on an erased set", name)
		}
	}
}

// A round costs no allocation in steady state beyond what the cell kernel of
// this machine makes.
func TestRoundsAllocateNothing(t *testing.T) {
	const count, cell = 64, 512
	c, _ := ready(t, 2, count, cell)
	in := make([]byte, count*cell)
	round := uint64(0)
	one := func() {
		round++
		for _, begin := range []func(uint64) (*mix.Pass, error){c.sets[0].Forward, c.sets[1].Turn, c.sets[0].Backward} {
			ps, err := begin(round)
			if err != nil {
				t.Fatal(err)
			}
			for off := 0; off < len(in); off += 16 * cell {
				if err := ps.Write(in[off : off+16*cell]); err != nil {
					t.Fatal(err)
				}
			}
			if _, ok := ps.Output(); !ok {
				t.Fatal("no output")
			}
			ps.Release()
		}
	}
	if n := testing.AllocsPerRun(20, one); n > kernelAllocs(count*4) {
		t.Errorf("%v allocations per round", n)
	}
}
