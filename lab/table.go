package lab

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"backchannel/internal/mix"
	"backchannel/internal/roster"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// table is one set-up attempt laid out on a table: the real gates and the real
// engine of n relays and some stations, with the adversary moving every message
// by hand.
type table struct {
	p        wire.Params
	net      wire.Hash
	at       wire.Attempt
	signers  []suite.SigningKey
	verify   []suite.VerifyKey
	relays   []*roster.Relay
	keys     []wire.Keys
	stations []*player
	header   wire.Hash
	list     []byte
	sets     []*mix.Set
}

// player is a station's part in a table.
type player struct {
	gate     *roster.Station
	lanes    []lot
	record   []byte
	circuits []*mix.Circuit
	onions   [][]byte
	order    []spot // which lane and twin circuit i serves
}

// lot is what a lane does: its preimage, and the twins' ids once decided.
type lot struct {
	s        [32]byte
	id1, id2 wire.TwinID
}

type spot struct{ lane, twin int }

// newTable makes a network of small arrays: the demo's timing, few lanes.
func newTable(relays, lanes, stations int) (*table, error) {
	p, err := wire.Preset("demo")
	if err != nil {
		return nil, err
	}
	p.Relays, p.Lanes, p.T0 = relays, lanes, time.UnixMilli(1_700_000_000_000).UTC()
	t := &table{p: p, net: suite.Hash(suite.LabelNetwork, []byte("lab")), at: wire.Attempt{Epoch: 1}}
	for range relays {
		sk := suite.NewSigningKey(suite.RandomKey())
		t.signers, t.verify = append(t.signers, sk), append(t.verify, sk.Public())
	}
	for i := range relays {
		r, err := t.newRelay(i)
		if err != nil {
			return nil, err
		}
		t.relays, t.keys = append(t.relays, r), append(t.keys, r.OwnKeys())
	}
	for range stations {
		pl := &player{gate: roster.NewStation(p, t.net, t.verify, t.at), lanes: make([]lot, lanes)}
		for i := range pl.lanes {
			l := &pl.lanes[i]
			l.s = suite.RandomKey()
			suite.Random(l.id1[:])
			l.id2 = l.id1
		}
		t.stations = append(t.stations, pl)
	}
	return t, nil
}

func (t *table) newRelay(i int) (*roster.Relay, error) {
	return roster.NewRelay(roster.RelayConfig{
		Params: t.p, Net: t.net, Index: i, Sign: t.signers[i], Verify: t.verify, Attempt: t.at,
		OuterSeed: suite.RandomKey(), InnerSeed: suite.RandomKey(),
	})
}

// giveKeys hands every relay and station the KEYS that keysFor says (all the same
// when nil). Whose KEYS a relay is shown is checked by the relay.
func (t *table) giveKeys(keysFor func(station int) []wire.Keys) error {
	for i, r := range t.relays {
		for _, k := range t.keys {
			if _, err := r.Keys(k); err != nil {
				return fmt.Errorf("relay %d: %w", i+1, err)
			}
		}
	}
	for i, s := range t.stations {
		keys := t.keys
		if keysFor != nil {
			keys = keysFor(i)
		}
		for _, k := range keys {
			if _, err := s.gate.Keys(k); err != nil {
				return fmt.Errorf("station %d: %w", i+1, err)
			}
		}
	}
	return nil
}

// join has every station list the preimages of its lanes.
func (t *table) join() error {
	for i, s := range t.stations {
		var tags []wire.Tag
		var secrets [][32]byte
		for _, l := range s.lanes {
			tags, secrets = append(tags, wire.TagOf(s.gate.AID(), l.s)), append(secrets, l.s)
		}
		if s.record = s.gate.Join(tags, secrets); s.record == nil {
			return fmt.Errorf("station %d has no record", i+1)
		}
	}
	return nil
}

// rosters has all relays sign the list of all records and hands it out. A station
// that refuses stays unrostered.
func (t *table) rosters() error {
	var records [][]byte
	for _, s := range t.stations {
		records = append(records, s.record)
	}
	slices.SortFunc(records, bytes.Compare)
	t.list = bytes.Join(records, nil)
	for i, r := range t.relays {
		h, err := r.Records(t.list)
		if err != nil {
			return fmt.Errorf("relay %d: %w", i+1, err)
		}
		t.header = h.Hash()
		for _, s := range t.stations {
			_ = s.gate.Header(h) // a refusal is what some attacks run into
		}
	}
	for _, s := range t.stations {
		_ = s.gate.Records(t.list)
	}
	return nil
}

// build makes a station's onions for the ids of its lots, in lane order: the
// adversary of these attacks has no use for the order.
func (t *table) build(s *player) error {
	path, err := mix.NewPath(t.p, s.gate.AllKeys())
	if err != nil {
		return err
	}
	var expect []byte
	for lane, l := range s.lanes {
		for twin, id := range []wire.TwinID{l.id1, l.id2} {
			o, c, err := path.Build(s.gate.HeaderHash(), id)
			if err != nil {
				return err
			}
			s.onions, s.circuits, s.order = append(s.onions, o), append(s.circuits, c), append(s.order, spot{lane, twin})
			expect = append(expect, c.Receipt()...)
		}
	}
	s.gate.Expect(expect)
	return nil
}

// upTo runs honest steps: keys, join, roster, onions of every rostered station.
func (t *table) upTo() error {
	if err := t.giveKeys(nil); err != nil {
		return err
	}
	if err := t.join(); err != nil {
		return err
	}
	if err := t.rosters(); err != nil {
		return err
	}
	for i, s := range t.stations {
		if !s.gate.Rostered() {
			return fmt.Errorf("station %d is not rostered", i+1)
		}
		if err := t.build(s); err != nil {
			return err
		}
	}
	return nil
}

// batch is the array of all onions in roster order.
func (t *table) batch() []byte {
	byRecord := slices.Clone(t.stations)
	slices.SortFunc(byRecord, func(a, b *player) int { return bytes.Compare(a.record, b.record) })
	var out []byte
	for _, s := range byRecord {
		for _, o := range s.onions {
			out = append(out, o...)
		}
	}
	return out
}

// place is a station's position in the roster.
func (t *table) place(s *player) int {
	n := 0
	for _, o := range t.stations {
		if bytes.Compare(o.record, s.record) < 0 {
			n++
		}
	}
	return n
}

// mixAll runs the batch through all relays.
func (t *table) mixAll(batch []byte) error {
	for i, r := range t.relays {
		out, set, err := mix.OpenBatch(t.p, i, r.Outer(), t.header, batch, 2)
		if err != nil {
			return fmt.Errorf("relay %d: %w", i+1, err)
		}
		if err := r.Mixed(); err != nil {
			return fmt.Errorf("relay %d: %w", i+1, err)
		}
		t.sets, batch = append(t.sets, set), out
	}
	return nil
}

// receipts runs the backward pass; meddle may change an array after relay i.
func (t *table) receipts(meddle func(i int, array []byte)) ([]byte, error) {
	var array []byte
	for i := len(t.sets) - 1; i >= 0; i-- {
		out, err := t.sets[i].Receipts(array)
		if err != nil {
			return nil, fmt.Errorf("relay %d: %w", i+1, err)
		}
		if array = out; meddle != nil {
			meddle(i, array)
		}
	}
	return array, nil
}

// hand gives each station its part of an array of receipts.
func (t *table) hand(array []byte) {
	size := t.p.Circuits() * t.p.ReceiptSize(0)
	for _, s := range t.stations {
		k := t.place(s)
		s.gate.Receipts(array[k*size : (k+1)*size])
	}
}

// acks collects the acknowledgements; a station that gives none leaves zeros.
func (t *table) acks() (array []byte, missing int) {
	size := t.p.AckSize()
	array = make([]byte, len(t.stations)*size)
	for _, s := range t.stations {
		a, ok := s.gate.Ack()
		if !ok {
			missing++
			continue
		}
		copy(array[t.place(s)*size:], a)
	}
	return array, missing
}

// reveal gives acks to all relays and, if all reveal, exchanges seeds and pairs.
func (t *table) reveal(acks []byte) (revealed bool, err error) {
	var seeds []wire.Seed
	for i, r := range t.relays {
		s, ok, err := r.Acks(acks)
		if err != nil {
			return false, fmt.Errorf("relay %d: %w", i+1, err)
		}
		if ok {
			seeds = append(seeds, s)
		}
	}
	if len(seeds) < len(t.relays) {
		return false, nil
	}
	for i, r := range t.relays {
		for _, s := range seeds {
			if _, _, err := r.Seed(s); err != nil {
				return false, fmt.Errorf("relay %d: %w", i+1, err)
			}
		}
	}
	last := len(t.relays) - 1
	return true, t.sets[last].Pair(t.header, t.relays[last].InnerKeys(), 2)
}

// ready runs a whole honest set-up.
func (t *table) ready() error {
	if err := t.upTo(); err != nil {
		return err
	}
	if err := t.mixAll(t.batch()); err != nil {
		return err
	}
	array, err := t.receipts(nil)
	if err != nil {
		return err
	}
	t.hand(array)
	acks, missing := t.acks()
	if missing > 0 {
		return fmt.Errorf("%d stations did not acknowledge", missing)
	}
	ok, err := t.reveal(acks)
	if err == nil && !ok {
		err = fmt.Errorf("no REVEAL")
	}
	return err
}

// forward runs cells through relays 1…n−1 and returns what reaches the last.
func (t *table) forward(round uint64, cells []byte) ([]byte, error) {
	for i := range len(t.sets) - 1 {
		ps, err := t.sets[i].Forward(round)
		if err != nil {
			return nil, err
		}
		if err := ps.Write(cells); err != nil {
			return nil, err
		}
		out, ok := ps.Output()
		if !ok {
			return nil, fmt.Errorf("relay %d has no output", i+1)
		}
		cells = slices.Clone(out)
		ps.Release()
	}
	return cells, nil
}
