package roster

import (
	"bytes"
	"sort"
	"testing"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// network is n relays and some stations in one process, joined by hand.
type network struct {
	params   wire.Params
	net      wire.Hash
	sign     []suite.SigningKey
	verify   []suite.VerifyKey
	attempt  wire.Attempt
	relays   []*Relay
	stations []*Station
	list     []byte
	headers  []wire.SignedHeader
	acks     []byte
}

func seedOf(kind byte, i int) (s [32]byte) { s[0], s[1] = kind, byte(i); return s }

func newNetwork(t testing.TB, n, stations int) *network {
	t.Helper()
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	p.Relays = n
	w := &network{params: p, net: suite.Digest([]byte("net")), attempt: wire.Attempt{Epoch: 3, Number: 1}}
	for i := range n {
		sk := suite.NewSigningKey(seedOf('s', i))
		w.sign, w.verify = append(w.sign, sk), append(w.verify, sk.Public())
	}
	for i := range n {
		w.relays = append(w.relays, w.relay(t, i))
	}
	for range stations {
		w.stations = append(w.stations, NewStation(p, w.net, w.verify, w.attempt))
	}
	return w
}

func (w *network) config(i int) RelayConfig {
	return RelayConfig{
		Params: w.params, Net: w.net, Index: i, Sign: w.sign[i], Verify: w.verify,
		Attempt: w.attempt, OuterSeed: seedOf('o', i), InnerSeed: seedOf('i', i),
	}
}

func (w *network) relay(t testing.TB, i int) *Relay {
	t.Helper()
	r, err := NewRelay(w.config(i))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lanes makes station i's tags and preimages under an aid.
func (w *network) lanes(aid wire.Hash, i int) (tags []wire.Tag, pre [][32]byte) {
	for l := range w.params.Lanes {
		s := suite.Digest([]byte{byte(i), byte(l)})
		tags, pre = append(tags, wire.TagOf(aid, s)), append(pre, s)
	}
	return tags, pre
}

func (w *network) exchangeKeys(t testing.TB) {
	t.Helper()
	for _, r := range w.relays {
		complete := 0
		for _, from := range w.relays {
			ok, err := r.Keys(from.OwnKeys())
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				complete++
			}
		}
		if complete != 1 {
			t.Fatalf("KEYS were complete %d times", complete)
		}
	}
	for _, s := range w.stations {
		for i, from := range w.relays {
			if ok, err := s.Keys(from.OwnKeys()); err != nil || ok != (i == len(w.relays)-1) {
				t.Fatal(ok, err)
			}
		}
		if s.AID() != w.relays[0].AID() {
			t.Fatal("a station computed another aid than relay 1")
		}
	}
}

// sorted is what the entry makes of records.
func (w *network) sorted(records ...[]byte) []byte {
	sort.Slice(records, func(i, j int) bool { return bytes.Compare(records[i], records[j]) < 0 })
	return bytes.Join(records, nil)
}

func (w *network) join(t testing.TB) {
	t.Helper()
	var records [][]byte
	for i, s := range w.stations {
		r := s.Join(w.lanes(s.AID(), i))
		if len(r) != w.params.RecordSize() {
			t.Fatalf("a record of %d bytes", len(r))
		}
		records = append(records, r)
	}
	w.list = w.sorted(records...)
}

func (w *network) signHeaders(t testing.TB) {
	t.Helper()
	for _, r := range w.relays {
		h, err := r.Records(w.list)
		if err != nil {
			t.Fatal(err)
		}
		w.headers = append(w.headers, h)
	}
}

func (w *network) roster(t testing.TB) {
	t.Helper()
	w.signHeaders(t)
	for i, s := range w.stations {
		if i%2 == 0 { // either order
			if err := s.Records(w.list); err != nil {
				t.Fatal(err)
			}
		}
		for _, h := range w.headers {
			if s.Rostered() {
				t.Fatal("rostered before all headers")
			}
			if err := s.Header(h); err != nil {
				t.Fatal(err)
			}
		}
		if i%2 == 1 {
			if err := s.Records(w.list); err != nil {
				t.Fatal(err)
			}
		}
		if !s.Rostered() || s.Size() != len(w.stations) || s.HeaderHash() != w.relays[0].HeaderHash() {
			t.Fatal("not rostered with all headers and the list")
		}
	}
}

func (w *network) receiptsOf(i int) []byte {
	return bytes.Repeat([]byte{byte(i + 1)}, w.params.Circuits()*w.params.ReceiptSize(0))
}

func (w *network) acknowledge(t testing.TB) {
	t.Helper()
	byRecord := map[string][]byte{}
	for i, s := range w.stations {
		s.Expect(w.receiptsOf(i))
		s.Receipts(w.receiptsOf(i))
		ack, ok := s.Ack()
		if !ok {
			t.Fatal("no acknowledgement with right receipts")
		}
		byRecord[string(s.Join(nil, nil))] = ack
	}
	size := w.params.RecordSize()
	for off := 0; off < len(w.list); off += size {
		w.acks = append(w.acks, byRecord[string(w.list[off:off+size])]...)
	}
}

func (w *network) mixAll(t testing.TB) {
	t.Helper()
	for _, r := range w.relays {
		if !r.Outer().Valid() {
			t.Fatal("no outer key under a signed header")
		}
		if err := r.Mixed(); err != nil {
			t.Fatal(err)
		}
		if r.Outer().Valid() {
			t.Fatal("the outer key outlived the batch")
		}
	}
}

func (w *network) reveal(t testing.TB) (reveals []wire.Reveal) {
	t.Helper()
	var seeds []wire.Seed
	for _, r := range w.relays {
		s, ok, err := r.Acks(w.acks)
		if err != nil || !ok {
			t.Fatal("no reveal with all acknowledgements", err)
		}
		seeds = append(seeds, s)
	}
	for _, r := range w.relays {
		signed := 0
		for _, s := range seeds {
			v, ok, err := r.Seed(s)
			if err != nil {
				t.Fatal(err)
			}
			if ok {
				signed++
				reveals = append(reveals, v)
			}
		}
		if signed != 1 {
			t.Fatalf("REVEAL was signed %d times", signed)
		}
	}
	return reveals
}

func TestWholeAttempt(t *testing.T) {
	for n := 1; n <= 4; n++ {
		w := newNetwork(t, n, 3)
		w.exchangeKeys(t)
		w.join(t)
		w.roster(t)
		w.mixAll(t)
		w.acknowledge(t)
		reveals := w.reveal(t)
		for i, r := range w.relays {
			keys := r.InnerKeys()
			for j, k := range keys {
				if k.Seed() != seedOf('i', j) {
					t.Fatalf("inner key %d is another", j)
				}
			}
			complete := 0
			for _, v := range reveals {
				ok, err := r.Reveal(v)
				if err != nil {
					t.Fatal(err)
				}
				if ok {
					complete++
				}
			}
			if complete != 1 || !r.Complete() {
				t.Fatalf("n=%d relay %d: REVEALs were complete %d times", n, i, complete)
			}
		}
		for _, s := range w.stations {
			for i, v := range reveals {
				if ok, err := s.Reveal(v); err != nil || ok != (i == n-1) {
					t.Fatal(ok, err)
				}
			}
		}
	}
}
