package blind

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// shuffledDelivery hands messages out in any order that keeps each pair's own, with
// repetitions, and restarts the receiver from its state now and then.
func (w *table) shuffledDelivery(rng *rand.Rand) {
	w.t.Helper()
	for len(w.queue) > 0 {
		i := rng.IntN(len(w.queue))
		m := w.queue[i]
		for k := range i { // the first of its pair
			if w.queue[k].from == m.from && w.queue[k].to == m.to {
				i, m = k, w.queue[k]
				break
			}
		}
		w.queue = append(append([]sent{}, w.queue[:i]...), w.queue[i+1:]...)
		for range 1 + rng.IntN(2) {
			c, err := w.rounds[m.to].Receive(w.now, w.p.Parties[m.from], m.raw, w.random())
			if err != nil && err != ErrMalformed {
				w.t.Fatal(err)
			}
			if err == nil {
				w.did(m.to, c, nil)
			}
		}
	}
}

// Messages that cross in any order, come twice and meet restarts end in the same
// state everywhere, which is the AND.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		n := 2 + rng.IntN(3)
		w := newTable(t, params(n, func(p *Params) { p.Opener = rng.IntN(n) }))
		yes := true
		var answers []Answer
		for range n {
			bit := rng.IntN(3) // more often yes
			yes = yes && bit > 0
			answers = append(answers, yesno(min(bit, 1)))
		}
		for _, i := range rng.Perm(n) {
			c, err := w.rounds[i].Join(w.now, w.random())
			w.did(i, c, err)
			if rng.IntN(2) == 0 {
				w.shuffledDelivery(rng)
			}
		}
		w.answer(answers...)
		if rng.IntN(2) == 0 {
			w.shuffledDelivery(rng)
		}
		w.now = w.p.InputsAt
		for _, i := range rng.Perm(n) {
			c, err := w.rounds[i].Tick(w.now, w.random())
			w.did(i, c, err)
			if rng.IntN(2) == 0 {
				w.shuffledDelivery(rng)
			}
		}
		w.shuffledDelivery(rng)
		if yes {
			w.all(Match, 0)
		} else {
			w.all(NoMatch, -1)
		}
		w.erased()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// One of three lies at random, to each of the others differently: whatever it
// does, the honest two never name each other, never disagree about a match of
// which one is certain, and end in a defined state with nothing secret left.
func TestHonestAreNeverNamed(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 40 {
		w := newTable(t, params(3, func(p *Params) { p.Opener = rng.IntN(3) }))
		rate := 1 + rng.IntN(6)
		w.mangle = func(m sent) []sent {
			if m.from != 2 || rng.IntN(rate) > 0 {
				return []sent{m}
			}
			lie := m
			lie.raw = bytes.Clone(m.raw)
			switch rng.IntN(5) {
			case 0: // in T
				lie.raw[2+rng.IntN(32)] ^= 1 << rng.IntN(8)
			case 1, 2: // in the body
				lie.raw[HeaderSize+rng.IntN(len(lie.raw)-HeaderSize)] ^= 1 << rng.IntN(8)
			case 3: // nothing
				return nil
			case 4: // and the truth
				lie.raw[len(lie.raw)-1] ^= 1
				return []sent{m, lie}
			}
			return []sent{lie}
		}
		w.join()
		w.answer(yesno(min(1, rng.IntN(4))), yesno(min(1, rng.IntN(4))), yesno(min(1, rng.IntN(4))))
		w.at(w.p.InputsAt)
		w.at(w.p.Deadline)
		ended := [2]Status{w.rounds[0].Status(), w.rounds[1].Status()}
		for i, s := range ended {
			if s.State < Match {
				t.Errorf("party %d is still %s", i, s.State)
			}
			if s.State == Invalid && s.Who != memberID(2) {
				t.Errorf("party %d names an honest one", i)
			}
			if len(w.rounds[i].bits) > 0 {
				t.Errorf("party %d, %s, keeps its answer", i, s.State)
			}
		}
		w.at(w.p.Deadline.Add(Lateness))
		w.erased()
		a, b := ended[0].State, ended[1].State
		if a == Match && b == NoMatch || a == NoMatch && b == Match {
			t.Errorf("one sees a match and one sees none")
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
