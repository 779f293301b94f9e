package entry_test

import (
	"fmt"
	"testing"
	"time"

	"backchannel/internal/entry"
	"backchannel/internal/link"
	"backchannel/internal/link/linktest"
	"backchannel/internal/mark"
	"backchannel/internal/relay"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// world is a network of real relays, a real entry and scripted stations on
// virtual links.
type world struct {
	t        *testing.T
	p        wire.Params
	net      wire.Hash
	verify   []suite.VerifyKey
	sign     []suite.SigningKey
	sim      *linktest.Net
	relays   []*relay.Node
	marks    []*mark.Memory
	entry    *entry.Node
	stations []*scripted
	skews    map[string]time.Duration
	limits   entry.Limits

	arrays map[string]int // arrays that relays sent, by relay, type, attempt and round
	seeds  map[wire.Attempt]bool
}

// newWorld makes n relays and, for each letter of talks, a station: equal letters
// talk to each other, a dot idles.
func newWorld(t *testing.T, seed uint64, n int, talks string, change func(*world)) *world {
	t.Helper()
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	p.Relays, p.Lanes, p.Cell = n, 2, 256
	p.T0 = time.UnixMilli(1_700_000_000_000).UTC()
	w := &world{
		t: t, p: p, net: suite.Digest([]byte("net")), skews: map[string]time.Duration{},
		arrays: map[string]int{}, seeds: map[wire.Attempt]bool{},
	}
	for i := range n {
		s := signer(i)
		w.sign, w.verify, w.marks = append(w.sign, s), append(w.verify, s.Public()), append(w.marks, new(mark.Memory))
	}
	if change != nil {
		change(w)
	}
	w.sim = linktest.New(seed, w.p.T0.Add(-50*time.Millisecond))
	w.sim.Trace = w.watch
	w.relays = make([]*relay.Node, n)
	for i := range n {
		w.startRelay(i)
	}
	w.startEntry()
	letters := map[rune]bool{}
	for i, c := range talks {
		var pair [32]byte
		role := byte(1)
		if c != '.' {
			pair = suite.Digest([]byte(string(c)))
			if letters[c] {
				role = 2
			}
			letters[c] = true
		}
		s := newScripted(w, pair, role)
		w.stations = append(w.stations, s)
		w.startStation(i)
	}
	return w
}

var signers = map[int]suite.SigningKey{}

func signer(i int) suite.SigningKey {
	s, ok := signers[i]
	if !ok {
		s = suite.NewSigningKey([32]byte{'s', byte(i)})
		signers[i] = s
	}
	return s
}

func relayName(i int) string   { return fmt.Sprintf("relay %d", i+1) }
func stationName(i int) string { return fmt.Sprintf("station %d", i) }

func (w *world) startRelay(i int) {
	w.relays[i] = relay.New(relay.Config{Params: w.p, Net: w.net, Index: i, Sign: w.sign[i], Verify: w.verify, Mark: w.marks[i], Workers: 1})
	w.sim.Add(relayName(i), w.relays[i], linktest.Options{Identity: link.Peer{Role: link.RoleRelay, Index: i}, Skew: w.skews[relayName(i)]})
}

func (w *world) startEntry() {
	w.entry = entry.New(entry.Config{Params: w.p, Net: w.net, Verify: w.verify, Limits: w.limits})
	w.sim.Add("entry", w.entry, linktest.Options{Identity: link.Peer{Role: link.RoleEntry}, Skew: w.skews["entry"]})
}

func (w *world) startStation(i int) {
	who := suite.Digest([]byte(stationName(i)))
	w.sim.Add(stationName(i), w.stations[i], linktest.Options{Identity: link.Peer{Role: link.RoleStation, Account: who}, Skew: w.skews[stationName(i)]})
}

// watch counts what relays send: no array leaves twice, whatever is done to them,
// and no seed without every acknowledgement.
func (w *world) watch(_ time.Time, from, to string, frame []byte) {
	switch t := wire.TypeOf(frame); t {
	case wire.TypeBatch, wire.TypeReceipts, wire.TypeForward, wire.TypeBackward:
		c, err := wire.ParseChunk(frame)
		if err != nil {
			w.t.Fatal(err)
		}
		if c.Offset == 0 && from != "entry" {
			key := fmt.Sprint(from, " ", t, " ", c.Attempt, " ", c.Round)
			if w.arrays[key]++; w.arrays[key] > 1 {
				w.t.Fatalf("%s: sent twice", key)
			}
		}
	case wire.TypeSeed:
		s, err := wire.ParseSeed(frame[1:])
		if err != nil || from == "entry" {
			return
		}
		w.seeds[s.Attempt] = true
		for i, st := range w.stations {
			if st.rostered[s.Attempt] && !st.acked[s.Attempt] {
				w.t.Fatalf("%s reveals attempt %v, which station %d did not acknowledge", from, s.Attempt, i)
			}
		}
	}
}

// until runs to the start of an epoch.
func (w *world) until(epoch uint64) { w.sim.Run(w.p.EpochStart(epoch)) }

// talked reports how many of the rounds from first up to but not including end a
// station heard its peer in.
func (s *scripted) talked(first, end uint64) (n int) {
	for r := first; r < end; r++ {
		if s.heard[r] {
			n++
		}
	}
	return n
}

// expectTalk checks that every talking station heard its peer in all rounds of
// [first, end) but missing.
func (w *world) expectTalk(first, end uint64, missing int) {
	w.t.Helper()
	for i, s := range w.stations {
		if s.idle() {
			continue
		}
		if got := s.talked(first, end); got < int(end-first)-missing {
			w.t.Errorf("station %d heard its peer in %d of %d rounds from %d", i, got, end-first, first)
		}
	}
}
