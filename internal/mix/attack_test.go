package mix_test

import (
	"bytes"
	"testing"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// attacks are what an adversary tries against the rules that this package
// enforces, by row of the table "Rules with a named attack each". Each reports
// whether it learned what it wanted. TestRules wants none to succeed;
// weakened_test.go breaks each rule and wants its attack to succeed.
var attacks = []struct {
	rule string
	try  func(t *testing.T) bool
}{
	{"RepairedReceipts", repairReceipts},
	{"KeystreamOverlap", overlapRounds},
	{"KeystreamOverlap", overlapDirections},
	{"SecondBatch", repeatRound},
	{"LooseTags", displaceByPrefix},
	{"PartialArrays", probeSlot},
}

func TestRules(t *testing.T) {
	for _, a := range attacks {
		if a.try(t) {
			t.Errorf("the attack on rule %s succeeds", a.rule)
		}
	}
}

// repairReceipts: relay 3 is the adversary's. It garbles one blob on its way back
// and, having seen enough, lets its accomplice at the entry put the damage right:
// the difference between garbled and right blob, added to what came out.
func repairReceipts(t *testing.T) bool {
	c := newChain(t, 3, 256)
	batch, circuits := c.build(t, fourIDs())
	c.mix(t, 0, batch)
	blob, err := c.sets[2].Receipts(nil)
	if err != nil {
		t.Fatal(err)
	}
	blob[0] ^= 1
	for hop := 1; hop >= 0; hop-- {
		if blob, err = c.sets[hop].Receipts(blob); err != nil {
			t.Fatal(err)
		}
	}
	w := c.wrong(blob, circuits)
	if len(w) != 1 {
		t.Fatalf("%d stations noticed", len(w))
	}
	blob[w[0]*c.params.ReceiptSize(0)] ^= 1
	return len(c.wrong(blob, circuits)) == 0
}

// overlapRounds: the observer of relay 1 has its input and output of two
// consecutive rounds. If round r+1's keystream is round r's moved by one block, in
// and out of one circuit give equal keystream, which tells the permutation.
func overlapRounds(t *testing.T) bool {
	const count, cell = 6, 256
	c, _ := ready(t, 2, count, cell)
	in, out := make([][]byte, 2), make([][]byte, 2)
	for r := range in {
		in[r] = make([]byte, count*cell)
		suite.Random(in[r])
		ps, err := c.sets[0].Forward(uint64(r + 4))
		out[r] = run(t, ps, err, in[r], cell)
	}
	for i := range count {
		for j := range count {
			ks := func(r int) []byte { return xor(in[r][i*cell:(i+1)*cell], out[r][j*cell:(j+1)*cell]) }
			if bytes.Equal(ks(0)[16:], ks(1)[:cell-16]) {
				return true
			}
		}
	}
	return false
}

// overlapDirections: the same observer compares forward and backward keystream of
// one round.
func overlapDirections(t *testing.T) bool {
	const count, cell = 6, 256
	c, _ := ready(t, 2, count, cell)
	in, back := make([]byte, count*cell), make([]byte, count*cell)
	suite.Random(in)
	suite.Random(back)
	ps, err := c.sets[0].Forward(9)
	out := run(t, ps, err, in, cell)
	ps, err = c.sets[0].Backward(9)
	home := run(t, ps, err, back, cell)
	for i := range count {
		for j := range count {
			up := xor(in[i*cell:(i+1)*cell], out[j*cell:(j+1)*cell])
			down := xor(back[j*cell:(j+1)*cell], home[i*cell:(i+1)*cell])
			if bytes.Equal(up, down) {
				return true
			}
		}
	}
	return false
}

// repeatRound: the adversary before relay 1 sends the same round twice, with one
// cell changed; the only output that changes is that circuit's.
func repeatRound(t *testing.T) bool {
	const count, cell = 6, 256
	c, _ := ready(t, 2, count, cell)
	in := make([]byte, count*cell)
	ps, err := c.sets[0].Forward(9)
	before := run(t, ps, err, in, cell)
	in[0] ^= 1
	ps, err = c.sets[0].Forward(9)
	if err != nil {
		return false
	}
	after := run(t, ps, nil, in, cell)
	changed := 0
	for j := range count {
		if !bytes.Equal(before[j*cell:(j+1)*cell], after[j*cell:(j+1)*cell]) {
			changed++
		}
	}
	return changed == 1
}

// displaceByPrefix: an onion that only begins like the victim's stands before it
// in the batch; if that makes the victim's a duplicate, the victim is dropped.
func displaceByPrefix(t *testing.T) bool {
	c := newChain(t, 2, 256)
	batch, circuits := c.build(t, []wire.TwinID{id(1), id(1)})
	size := c.params.OnionSize(0)
	forged := make([]byte, size)
	suite.Random(forged)
	copy(forged, batch[:32])
	c.mix(t, 0, append(forged, batch...))
	rest := c.receipts(t)[c.params.ReceiptSize(0):]
	w := c.wrong(rest, circuits)
	return len(w) == 1 && w[0] == 0
}

// probeSlot: the adversary before relay 1 sends one cell and asks for the output.
func probeSlot(t *testing.T) bool {
	const count, cell = 6, 256
	c, _ := ready(t, 2, count, cell)
	ps, err := c.sets[0].Forward(9)
	if err != nil {
		t.Fatal(err)
	}
	defer ps.Release()
	if err := ps.Write(make([]byte, cell)); err != nil {
		t.Fatal(err)
	}
	out, ok := ps.Output()
	if !ok {
		return false
	}
	used := 0
	for j := range count {
		if !bytes.Equal(out[j*cell:(j+1)*cell], make([]byte, cell)) {
			used++
		}
	}
	return used == 1
}

func xor(a, b []byte) []byte {
	out := make([]byte, len(a))
	for i := range a {
		out[i] = a[i] ^ b[i]
	}
	return out
}
