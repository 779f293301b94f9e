package roster

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"backchannel/internal/wire"
)

// Both sides of a pair decide alike whatever versions they list, whatever they
// list twice, whoever was left out, and whatever record the entry repeats: only
// the two of them can make each other's tags.
func TestBothSidesDecideAlike(t *testing.T) {
	w := newNetwork(t, 1, 0)
	w.exchangeKeys(t)
	aid := w.relays[0].AID()
	pre := func(side, version int) [32]byte { return [32]byte{byte(side), byte(version)} }
	rapid.Check(t, func(rt *rapid.T) {
		var sides [2]*Station
		var records [][]byte
		for side := range sides {
			s := NewStation(w.params, w.net, w.verify, w.attempt)
			if _, err := s.Keys(w.relays[0].OwnKeys()); err != nil {
				rt.Fatal(err)
			}
			var tags []wire.Tag
			var pres [][32]byte
			for range w.params.Lanes {
				x := pre(side, rapid.IntRange(0, 3).Draw(rt, "version"))
				tags, pres = append(tags, wire.TagOf(aid, x)), append(pres, x)
			}
			record := s.Join(tags, pres)
			for range rapid.IntRange(1, 2).Draw(rt, "listed") {
				records = append(records, record)
			}
			sides[side] = s
		}
		list := w.sorted(records...)
		h := headerOf(w.params, w.attempt, aid, list)
		for _, s := range sides {
			if err := s.Records(list); err != nil {
				rt.Fatal(err)
			}
			if err := s.Header(wire.SignHeader(h, 0, w.sign[0])); err != nil || !s.Rostered() {
				rt.Fatal("not rostered", err)
			}
		}
		for v := range 4 {
			a, b := wire.TagOf(aid, pre(0, v)), wire.TagOf(aid, pre(1, v))
			x, y := sides[0].Talks(a, b), sides[1].Talks(b, a)
			want := bytes.Count(list, a[:]) == 1 && bytes.Count(list, b[:]) == 1
			if x != y || x != want {
				rt.Fatalf("version %d: A says %v, B says %v, the rule %v", v, x, y, want)
			}
		}
	})
}
