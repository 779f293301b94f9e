package entry_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"backchannel/internal/link/linktest"
	"backchannel/internal/wire"
)

// Several epochs: pairs hear each other in every round, also across R; idle
// stations get as many answers.
func TestEpochs(t *testing.T) {
	for n := 1; n <= 4; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newWorld(t, uint64(n), n, "aabb.c", nil) // c's peer is not there
			w.until(4)
			w.stations[5].pair = [32]byte{} // nobody answers c
			w.expectTalk(w.p.FirstRound(1), w.p.FirstRound(4)-1, 0)
			for i, s := range w.stations {
				if len(s.sets) != 4 { // epochs 1 to 4
					t.Errorf("station %d: %d sets", i, len(s.sets))
				}
				for r := w.p.FirstRound(1); r < w.p.FirstRound(4)-1; r++ {
					if s.answers[r] != 1 {
						t.Fatalf("station %d: %d answers in round %d", i, s.answers[r], r)
					}
				}
				if s.accepted[string(byte(wire.TypeJoin))] != 4 || s.accepted[string(byte(wire.TypeOnion))] != 4*w.p.Circuits() ||
					s.accepted[string(byte(wire.TypeAck))] != 4 {
					t.Errorf("station %d: not everything was acknowledged: %v", i, s.accepted)
				}
			}
			st := w.entry.Status()
			if !st.Healthy() || !st.Serving || st.Last.Attempts != 1 || st.Last.Revealed != 1 || st.Last.Aborts != 0 ||
				st.Last.Stations != 6 || st.Last.Connected != 6 || st.Last.Rounds < w.p.RoundsPerEpoch()-1 || st.Last.LatencyMean <= 0 {
				t.Errorf("the entry's status: %+v", st)
			}
			for i, r := range w.relays {
				st := r.Status()
				if !st.Healthy() || !st.Serving || st.Last.Attempts != 1 || st.Last.Revealed != 1 || st.Last.Aborts != 0 ||
					st.Last.Stations != 6 || i < n-1 && st.Last.LatencyMean <= 0 || st.Last.Rounds < w.p.RoundsPerEpoch()-1 {
					t.Errorf("status of relay %d: %+v", i+1, st)
				}
			}
		})
	}
}

// Chunks cut small and spread in time change nothing.
func TestSmallChunks(t *testing.T) {
	w := newWorld(t, 7, 3, "aa.", nil)
	w.sim.Filter = func(_ time.Time, _, to string, frame []byte) []linktest.Delivery {
		c, err := wire.ParseChunk(frame)
		unit := map[wire.Type]int{wire.TypeBatch: 4000, wire.TypeReceipts: 100, wire.TypeForward: w.p.Cell, wire.TypeBackward: w.p.Cell,
			wire.TypeRecords: 33, wire.TypeAcks: 50}[wire.TypeOf(frame)]
		if unit == 0 || err != nil {
			return []linktest.Delivery{{Frame: frame}}
		}
		var out []linktest.Delivery
		for off := 0; off < len(c.Data); off += unit {
			part := c.Data[off:min(off+unit, len(c.Data))]
			f, d := wire.NewChunk(c.Type, c.Attempt, c.Round, c.Total, c.Offset+uint64(off), len(part))
			copy(d, part)
			out = append(out, linktest.Delivery{Frame: f, Delay: time.Duration(off/unit) * 100 * time.Microsecond})
		}
		return out
	}
	w.until(3)
	w.expectTalk(w.p.FirstRound(1), w.p.FirstRound(3)-1, 0)
}

// Clocks within the tolerance of each other are good enough.
func TestSkew(t *testing.T) {
	w := newWorld(t, 11, 3, "aabb", func(w *world) {
		d := w.p.ClockTolerance / 2
		w.skews["relay 1"], w.skews["relay 2"], w.skews["relay 3"] = d, -d, d
		w.skews["entry"], w.skews["station 0"], w.skews["station 1"] = -d/4, -d/4, d/4
	})
	w.until(4)
	w.expectTalk(w.p.FirstRound(1), w.p.FirstRound(4)-1, 0)
}

// A relay that crashes in any phase costs what it was doing. With the next
// attempt that it joins the network carries cells again.
func TestRelayRestarts(t *testing.T) {
	for i := range 3 {
		for ph := wire.Phase(0); ph <= wire.Phases; ph++ {
			t.Run(fmt.Sprintf("relay %d phase %d", i+1, ph), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, uint64(100*i)+uint64(ph), 3, "aa.", nil)
				a := wire.Attempt{Epoch: 3}
				at := w.p.PhaseStart(a, 0).Add(w.p.Setup() + w.p.Windows[0]/2)
				if ph < wire.Phases {
					at = w.p.PhaseStart(a, ph).Add(w.p.Windows[ph] / 2)
				}
				w.sim.Run(at)
				w.sim.Crash(relayName(i))
				w.sim.Run(at.Add(150 * time.Millisecond))
				w.startRelay(i)
				w.until(5)
				w.expectTalk(w.p.FirstRound(1), w.p.FirstRound(2), 0)
				// Its circuits are gone. Those of epoch 3 come from attempt (3, 1), or
				// of epoch 4 if the crash took the ones that were revealed already,
				// which is soon after the acknowledgements came.
				from := w.p.FirstRound(3)
				if ph >= wire.PhaseAck {
					from = w.p.FirstRound(4)
				}
				w.expectTalk(from, w.p.FirstRound(5)-1, 0)
			})
		}
	}
}

// An entry that restarts has forgotten everything and begins with the next
// attempt.
func TestEntryRestarts(t *testing.T) {
	for ph := wire.Phase(0); ph < wire.Phases; ph++ {
		t.Run(ph.String(), func(t *testing.T) {
			w := newWorld(t, 300+uint64(ph), 3, "aa.", nil)
			at := w.p.PhaseStart(wire.Attempt{Epoch: 3}, ph).Add(w.p.Windows[ph] / 2)
			w.sim.Run(at)
			w.sim.Crash("entry")
			w.sim.Run(at.Add(20 * time.Millisecond))
			w.startEntry()
			w.until(6)
			w.expectTalk(w.p.FirstRound(4), w.p.FirstRound(6)-1, 0)
		})
	}
}

// Lost connections between any two servers cost rounds and at most an attempt.
func TestBrokenConnections(t *testing.T) {
	names := []string{"entry", relayName(0), relayName(1), relayName(2)}
	for i, a := range names {
		for _, b := range names[i+1:] {
			if a == "relay 1" && b == "relay 3" {
				continue // they are no neighbours
			}
			t.Run(a+", "+b, func(t *testing.T) {
				w := newWorld(t, 17, 3, "aa.", nil)
				for step := range 12 {
					w.sim.Run(w.p.EpochStart(2).Add(time.Duration(step) * 470 * time.Millisecond))
					w.sim.Break(a, b)
				}
				w.until(5)
				w.expectTalk(w.p.FirstRound(4), w.p.FirstRound(5)-1, 0)
				if got := w.stations[0].talked(w.p.FirstRound(2), w.p.FirstRound(3)); got < 20 {
					t.Errorf("%d rounds were heard while connections broke", got)
				}
			})
		}
	}
}

// A station that is silent in a phase fails the attempt, or is not in it. The
// others succeed in the next; it is left out for a while and then comes back.
func TestSilentStation(t *testing.T) {
	for _, c := range []struct {
		what   wire.Type
		wrong  bool
		aborts bool
	}{
		{wire.TypeJoin, false, false}, {wire.TypeOnion, false, true}, {wire.TypeAck, false, true},
		{wire.TypeOnion, true, true}, {wire.TypeAck, true, true},
		{wire.TypeCells, false, false}, {wire.TypeCells, true, false},
	} {
		t.Run(fmt.Sprintf("type %d wrong %v", c.what, c.wrong), func(t *testing.T) {
			w := newWorld(t, 23, 3, "aa.", nil)
			w.sim.Run(w.p.EpochStart(2).Add(-w.p.Epoch / 4))
			bad := w.stations[2]
			if c.wrong {
				bad.wrong[c.what] = true
			} else {
				bad.silent[c.what] = true
			}
			w.until(3)
			last := w.entry.Status().Last
			if want := map[bool]int{true: 1}[c.aborts]; last.Aborts != want || last.Silent != want || last.Revealed != 1 {
				t.Errorf("in its epoch: %+v", last)
			}
			bad.silent, bad.wrong = map[wire.Type]bool{}, map[wire.Type]bool{}
			w.until(5)
			w.expectTalk(w.p.FirstRound(1), w.p.FirstRound(5)-1, 0)
			if got := bad.sets[len(bad.sets)-1].id.Epoch; got != 5 {
				t.Errorf("the station did not come back: its last set is of epoch %d", got)
			}
		})
	}
}

// Back-off doubles while a station fails and is forgotten with a success.
func TestBackOff(t *testing.T) {
	w := newWorld(t, 29, 3, "aa.", nil)
	w.stations[2].silent[wire.TypeAck] = true
	var aborted []uint64
	for e := uint64(1); e <= 12; e++ {
		w.until(e)
		if w.entry.Status().Last.Aborts > 0 {
			aborted = append(aborted, e-1)
		}
	}
	// Attempts run 0 (fails), 1 | 2 (fails), 3 | 4 | 5 (fails) …: left out of 1, 2, 4.
	if got := fmt.Sprint(aborted); got != "[0 1 3 7]" {
		t.Errorf("attempts failed in epochs %v", got)
	}
	w.expectTalk(w.p.FirstRound(1), w.p.FirstRound(12)-1, 0)
}

// While set-ups abort the running circuits go on up to the cap and no further.
func TestCap(t *testing.T) {
	w := newWorld(t, 31, 3, "aa.", func(w *world) { w.p.EpochCap = 2*w.p.Epoch + 10*w.p.Round })
	w.until(1)
	w.sim.Filter = func(_ time.Time, from, to string, frame []byte) []linktest.Delivery {
		if wire.TypeOf(frame) == wire.TypeAcks && to == "relay 2" {
			return nil
		}
		return []linktest.Delivery{{Frame: frame}}
	}
	w.until(5)
	end := w.p.LastRound(1) + 1
	w.expectTalk(w.p.FirstRound(1), end, 0)
	if got := w.stations[0].talked(end, w.p.FirstRound(5)); got > 0 {
		t.Errorf("%d rounds beyond the cap", got)
	}
	if w.entry.Status().Serving || w.relays[0].Status().Serving {
		t.Error("there are circuits beyond the cap")
	}
	w.sim.Filter = nil
	w.until(7)
	w.expectTalk(w.p.FirstRound(6), w.p.FirstRound(7)-1, 0)
}

// An entry, or a line, that withholds, repeats, reorders and cuts frames between
// the servers: nothing leaves a relay twice, nothing is revealed without all
// acknowledgements (watch), and afterwards the network heals.
func TestHostileLines(t *testing.T) {
	for seed := uint64(1); seed <= 4; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed, 3, "aa.", nil)
			kinds := int(seed%4) + 1
			rate := []int{50, 200, 1000}[seed%3]
			w.until(1)
			var held []byte
			w.sim.Filter = func(_ time.Time, from, to string, frame []byte) []linktest.Delivery {
				rng := w.sim.Rand()
				if rng.IntN(rate) > 0 || strings.HasPrefix(to, "station") {
					return []linktest.Delivery{{Frame: frame}}
				}
				switch rng.IntN(kinds + 1) {
				case 0: // withheld
					return nil
				case 1: // twice
					return []linktest.Delivery{{Frame: frame}, {Frame: frame, Delay: time.Duration(rng.IntN(1e9))}}
				case 2: // an old one once more
					old := held
					if held = frame; old == nil {
						return []linktest.Delivery{{Frame: frame}}
					}
					return []linktest.Delivery{{Frame: old}, {Frame: frame}}
				case 3: // cut
					return []linktest.Delivery{{Frame: frame[:1+rng.IntN(len(frame))]}}
				default: // changed
					f := append([]byte(nil), frame...)
					f[rng.IntN(len(f))] ^= byte(1 + rng.IntN(255))
					return []linktest.Delivery{{Frame: f}}
				}
			}
			w.until(6)
			w.sim.Filter = nil
			w.until(10)
			w.expectTalk(w.p.FirstRound(9), w.p.FirstRound(10)-1, 0)
		})
	}
}

// A station that connects within the JOIN window gets the KEYS and joins.
func TestLateStation(t *testing.T) {
	w := newWorld(t, 37, 3, "aa.", nil)
	w.sim.Run(w.p.EpochStart(1).Add(time.Second * 3)) // after the set-up for epoch 2
	w.sim.Crash(stationName(2))
	at := w.p.JoinTime(wire.Attempt{Epoch: 3}).Add(-10 * time.Millisecond)
	w.sim.Run(at)
	again := newScripted(w, [32]byte{}, 1)
	w.stations[2] = again
	// It knows the schedule, so it has begun the attempt that is in progress.
	w.startStation(2)
	w.sim.Do(stationName(2), func(now time.Time) { again.beginNow(now) })
	w.until(4)
	if len(again.sets) == 0 || again.sets[0].id.Epoch != 3 {
		t.Error("the station is not in the roster of the attempt that it came late to")
	}
	w.expectTalk(w.p.FirstRound(1), w.p.FirstRound(4)-1, 0)
}
