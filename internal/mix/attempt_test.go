package mix_test

import (
	"bytes"
	"slices"
	"testing"

	"backchannel/internal/mix"
	"backchannel/internal/roster"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// attempt is one whole set-up of n relays and some stations, gate and engine
// together, and the rounds after it.
type attempt struct {
	t        *testing.T
	params   wire.Params
	relays   []*roster.Relay
	sets     []*mix.Set
	stations []*member
	list     []byte
	batch    []byte // onions in roster order
	receipts []byte
	reveals  []wire.Reveal
}

// member is a station. Lane l of it belongs to a pair secret, or idles.
type member struct {
	gate     *roster.Station
	secrets  []*[32]byte // by lane; nil idles
	first    []bool      // by lane: inviter
	talks    []bool
	record   []byte
	circuits []*mix.Circuit // first twins of all lanes, then second twins
}

func newAttempt(t *testing.T, n int, stations []*member) *attempt {
	t.Helper()
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	p.Relays, p.Lanes, p.Cell = n, len(stations[0].secrets), 256
	a := &attempt{t: t, params: p, stations: stations, sets: make([]*mix.Set, n)}
	net, id := suite.Digest([]byte("net")), wire.Attempt{Epoch: 4}
	var sign []suite.SigningKey
	var verify []suite.VerifyKey
	for i := range n {
		sign = append(sign, suite.NewSigningKey(seedOf('s', i)))
		verify = append(verify, sign[i].Public())
	}
	for i := range n {
		r, err := roster.NewRelay(roster.RelayConfig{Params: p, Net: net, Index: i, Sign: sign[i], Verify: verify, Attempt: id,
			OuterSeed: seedOf('o', i), InnerSeed: seedOf('i', i)})
		if err != nil {
			t.Fatal(err)
		}
		a.relays = append(a.relays, r)
	}
	var records [][]byte
	for _, m := range stations {
		m.gate = roster.NewStation(p, net, verify, id)
		for _, r := range a.relays {
			if _, err := m.gate.Keys(r.OwnKeys()); err != nil {
				t.Fatal(err)
			}
		}
		var tags []wire.Tag
		var pre [][32]byte
		for l := range m.secrets {
			s := m.preimage(l)
			tags, pre = append(tags, wire.TagOf(m.gate.AID(), s)), append(pre, s)
		}
		m.record = m.gate.Join(tags, pre)
		records = append(records, m.record)
	}
	slices.SortFunc(records, bytes.Compare)
	a.list = slices.Concat(records...)
	for _, r := range a.relays {
		for _, k := range a.relays {
			if _, err := r.Keys(k.OwnKeys()); err != nil {
				t.Fatal(err)
			}
		}
		h, err := r.Records(a.list)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range stations {
			if err := m.gate.Header(h); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, m := range stations {
		if err := m.gate.Records(a.list); err != nil || !m.gate.Rostered() {
			t.Fatal("not rostered", err)
		}
	}
	return a
}

func role(first bool) []byte {
	if first {
		return []byte{1}
	}
	return []byte{2}
}

// preimage is s of a lane: shared with the contact for a pair, else random.
func (m *member) preimage(l int) [32]byte {
	if m.secrets[l] == nil {
		return suite.RandomKey()
	}
	aid := m.gate.AID()
	return suite.PRF(*m.secrets[l], suite.LabelRendezvous, role(m.first[l]), aid[:])
}

// onions builds a member's circuits by the rule for talking and idle lanes.
func (a *attempt) onions(m *member) (onions [][]byte) {
	path, err := mix.NewPath(a.params, m.gate.AllKeys())
	if err != nil {
		a.t.Fatal(err)
	}
	aid := m.gate.AID()
	ids := make([]wire.TwinID, a.params.Circuits())
	for l, k := range m.secrets {
		m.talks = append(m.talks, false)
		var one, two wire.TwinID
		suite.Random(one[:])
		two = one
		if k != nil {
			mine := wire.TagOf(aid, suite.PRF(*k, suite.LabelRendezvous, role(m.first[l]), aid[:]))
			peer := wire.TagOf(aid, suite.PRF(*k, suite.LabelRendezvous, role(!m.first[l]), aid[:]))
			if m.talks[l] = m.gate.Talks(mine, peer); m.talks[l] {
				x, y := suite.PRF(*k, suite.LabelTwin1, aid[:]), suite.PRF(*k, suite.LabelTwin2, aid[:])
				copy(one[:], x[:])
				copy(two[:], y[:])
			}
		}
		ids[l], ids[a.params.Lanes+l] = one, two
	}
	var want []byte
	for _, id := range ids {
		onion, c, err := path.Build(m.gate.HeaderHash(), id)
		if err != nil {
			a.t.Fatal(err)
		}
		onions, m.circuits, want = append(onions, onion), append(m.circuits, c), append(want, c.Receipt()...)
	}
	m.gate.Expect(want)
	return onions
}

// slot is where a member's record stands in the roster.
func (a *attempt) slot(m *member) int {
	return bytes.Index(a.list, m.record) / a.params.RecordSize()
}

// mix sends all onions through the relays and their receipts back. harm may
// change what travels: after hop −1 the whole batch, after hop i its output.
func (a *attempt) mix(harm func(hop int, array []byte)) {
	per := a.params.Circuits() * a.params.OnionSize(0)
	a.batch = make([]byte, len(a.stations)*per)
	for _, m := range a.stations {
		copy(a.batch[a.slot(m)*per:], slices.Concat(a.onions(m)...))
	}
	array := a.batch
	for hop, r := range a.relays {
		harm(hop-1, array)
		var err error
		if array, a.sets[hop], err = mix.OpenBatch(a.params, hop, r.Outer(), r.HeaderHash(), array, 2); err != nil {
			a.t.Fatal(err)
		}
		if err := r.Mixed(); err != nil {
			a.t.Fatal(err)
		}
	}
	for hop := len(a.relays) - 1; hop >= 0; hop-- {
		var err error
		if a.receipts, err = a.sets[hop].Receipts(a.receipts); err != nil {
			a.t.Fatal(err)
		}
	}
	size := a.params.Circuits() * a.params.ReceiptSize(0)
	for _, m := range a.stations {
		m.gate.Receipts(a.receipts[a.slot(m)*size:][:size])
	}
}

// reveal runs acknowledgements, seeds and REVEALs; false if every relay aborts.
func (a *attempt) reveal() bool {
	acks := make([]byte, len(a.stations)*a.params.AckSize())
	for _, m := range a.stations {
		ack, _ := m.gate.Ack()
		copy(acks[a.slot(m)*a.params.AckSize():], ack)
	}
	var seeds []wire.Seed
	for _, r := range a.relays {
		s, ok, err := r.Acks(acks)
		if err != nil {
			a.t.Fatal(err)
		}
		if ok {
			seeds = append(seeds, s)
		}
	}
	if len(seeds) == 0 {
		return false
	}
	if len(seeds) != len(a.relays) {
		a.t.Fatal("some relays reveal and some abort")
	}
	for _, r := range a.relays {
		for _, s := range seeds {
			v, signed, err := r.Seed(s)
			if err != nil {
				a.t.Fatal(err)
			}
			if signed {
				a.reveals = append(a.reveals, v)
			}
		}
	}
	last := len(a.relays) - 1
	if err := a.sets[last].Pair(a.relays[last].HeaderHash(), a.relays[last].InnerKeys(), 2); err != nil {
		a.t.Fatal(err)
	}
	for i := range a.relays {
		a.relays[i].Erase()
		for _, v := range a.reveals {
			if _, err := a.relays[i].Reveal(v); err != nil {
				a.t.Fatal(err)
			}
		}
		if !a.relays[i].Complete() {
			a.t.Fatal("REVEALs are not complete")
		}
	}
	for _, m := range a.stations {
		done := false
		for _, v := range a.reveals {
			ok, err := m.gate.Reveal(v)
			if err != nil {
				a.t.Fatal(err)
			}
			done = done || ok
		}
		if !done {
			a.t.Fatal("a station has not all REVEALs")
		}
	}
	return true
}

// round sends one cell per circuit and returns what each member sent and got.
func (a *attempt) round(r uint64) (sent, got map[*member][][]byte) {
	cell := a.params.Cell
	per := a.params.Circuits() * cell
	cells := make([]byte, len(a.stations)*per)
	sent, got = map[*member][][]byte{}, map[*member][][]byte{}
	for _, m := range a.stations {
		for i, c := range m.circuits {
			plain := make([]byte, cell)
			suite.Random(plain)
			sent[m] = append(sent[m], bytes.Clone(plain))
			c.Seal(r, plain)
			copy(cells[a.slot(m)*per+i*cell:], plain)
		}
	}
	c := &chain{params: a.params, sets: a.sets}
	cells = c.round(a.t, r, cells)
	for _, m := range a.stations {
		for i, c := range m.circuits {
			b := cells[a.slot(m)*per+i*cell:][:cell]
			c.Open(r, b)
			got[m] = append(got[m], b)
		}
	}
	return sent, got
}

// somebody makes four stations of two lanes: A and B talk, C idles with one lane
// of a contact who never comes, D idles.
func somebody() []*member {
	ab, lonely := suite.RandomKey(), suite.RandomKey()
	return []*member{
		{secrets: []*[32]byte{&ab, nil}, first: []bool{true, false}},
		{secrets: []*[32]byte{nil, &ab}, first: []bool{false, false}},
		{secrets: []*[32]byte{&lonely, nil}, first: []bool{true, false}},
		{secrets: []*[32]byte{nil, nil}, first: []bool{false, false}},
	}
}

func TestWholeAttemptAndRounds(t *testing.T) {
	for n := 1; n <= 4; n++ {
		a := newAttempt(t, n, somebody())
		a.mix(func(int, []byte) {})
		if !a.reveal() {
			t.Fatalf("n=%d: an honest attempt aborted", n)
		}
		A, B := a.stations[0], a.stations[1]
		if !A.talks[0] || !B.talks[1] || a.stations[2].talks[0] {
			t.Fatalf("n=%d: talks %v %v %v", n, A.talks, B.talks, a.stations[2].talks)
		}
		lanes := a.params.Lanes
		for _, r := range []uint64{240, 241, 300} {
			sent, got := a.round(r)
			for twin := range 2 {
				x, y := twin*lanes+0, twin*lanes+1
				if !bytes.Equal(got[A][x], sent[B][y]) || !bytes.Equal(got[B][y], sent[A][x]) {
					t.Fatalf("n=%d round %d: twin %d of A and B did not swap cells", n, r, twin+1)
				}
			}
			for i, m := range a.stations {
				for l, talks := range m.talks {
					if talks {
						continue
					}
					if !bytes.Equal(got[m][l], sent[m][lanes+l]) || !bytes.Equal(got[m][lanes+l], sent[m][l]) {
						t.Fatalf("n=%d round %d: idle twins of station %d did not get each other's cells", n, r, i)
					}
				}
			}
		}
		for _, s := range a.sets {
			s.Erase()
		}
	}
}

// Whatever a relay or the entry does to a single onion, the attempt aborts, and
// without the seeds nobody opens an id.
func TestHarmedAttemptAborts(t *testing.T) {
	for hop := -1; hop < 2; hop++ {
		for name, harm := range map[string]func(array []byte, size int){
			"garbled":    func(b []byte, size int) { b[size+3] ^= 4 },
			"dropped":    func(b []byte, size int) { clear(b[size : 2*size]) },
			"duplicated": func(b []byte, size int) { copy(b[size:2*size], b[:size]) },
		} {
			a := newAttempt(t, 3, somebody())
			a.mix(func(h int, array []byte) {
				if h == hop {
					harm(array, a.params.OnionSize(hop+1))
				}
			})
			if a.reveal() {
				t.Errorf("%s after hop %d: the attempt was revealed", name, hop)
			}
			for i, r := range a.relays {
				if !r.Over() || r.InnerKeys() != nil {
					t.Errorf("%s after hop %d: relay %d goes on", name, hop, i+1)
				}
			}
			if err := a.sets[2].Pair(a.relays[2].HeaderHash(), a.relays[2].InnerKeys(), 1); err == nil {
				t.Errorf("%s after hop %d: ids were opened", name, hop)
			}
		}
	}
}
