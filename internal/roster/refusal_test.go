package roster

import (
	"bytes"
	"testing"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

func TestNewRelayRefusals(t *testing.T) {
	w := newNetwork(t, 3, 0)
	for name, change := range map[string]func(*RelayConfig){
		"too few verification keys": func(c *RelayConfig) { c.Verify = c.Verify[:2] },
		"no relays":                 func(c *RelayConfig) { c.Params.Relays, c.Verify = 0, nil },
		"index below":               func(c *RelayConfig) { c.Index = -1 },
		"index beyond":              func(c *RelayConfig) { c.Index = 3 },
		"key of another relay":      func(c *RelayConfig) { c.Sign = w.sign[0] },
		"epoch 0":                   func(c *RelayConfig) { c.Attempt.Epoch = 0 },
		"one seed for both keys":    func(c *RelayConfig) { c.InnerSeed = c.OuterSeed },
	} {
		cfg := w.config(1)
		change(&cfg)
		if _, err := NewRelay(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// badKeys are KEYS of relay 2 that nobody may take.
func badKeys(t *testing.T, w *network) map[string]wire.Keys {
	t.Helper()
	signed := func(change func(*wire.Keys), sign bool) wire.Keys {
		k := w.relays[1].OwnKeys()
		k.Outer, k.Inner, k.Signature = bytes.Clone(k.Outer), bytes.Clone(k.Inner), bytes.Clone(k.Signature)
		change(&k)
		if sign {
			k.Sign(w.net, w.sign[1])
		}
		return k
	}
	other := w.relays[1].OwnKeys()
	other.Sign(suite.Digest([]byte("another network")), w.sign[1])
	return map[string]wire.Keys{
		"unsigned":           signed(func(k *wire.Keys) { k.Signature = nil }, false),
		"changed outer":      signed(func(k *wire.Keys) { k.Outer[3] ^= 1 }, false),
		"changed inner":      signed(func(k *wire.Keys) { k.Inner[3] ^= 1 }, false),
		"changed signature":  signed(func(k *wire.Keys) { k.Signature[70] ^= 1 }, false),
		"another relay's":    signed(func(k *wire.Keys) { k.Relay = 2 }, false),
		"relay beyond":       signed(func(k *wire.Keys) { k.Relay = 3 }, true),
		"relay below":        signed(func(k *wire.Keys) { k.Relay = -1 }, true),
		"another attempt":    signed(func(k *wire.Keys) { k.Number++ }, true),
		"another epoch":      signed(func(k *wire.Keys) { k.Epoch++ }, true),
		"another network":    other,
		"impossible outer":   signed(func(k *wire.Keys) { k.Outer = bytes.Repeat([]byte{255}, len(k.Outer)) }, true),
		"impossible inner":   signed(func(k *wire.Keys) { k.Inner = bytes.Repeat([]byte{255}, len(k.Inner)) }, true),
		"short, but signed":  signed(func(k *wire.Keys) { k.Inner = k.Inner[1:] }, true),
		"signed by relay 1":  func() wire.Keys { k := w.relays[1].OwnKeys(); k.Sign(w.net, w.sign[0]); return k }(),
		"own ones, changed":  func() wire.Keys { k := w.relays[0].OwnKeys(); k.Outer = bytes.Clone(k.Inner); return k }(),
		"nothing whatsoever": {},
	}
}

func TestKeysRefusals(t *testing.T) {
	w := newNetwork(t, 3, 1)
	for name, k := range badKeys(t, w) {
		if _, err := w.relays[0].Keys(k); err == nil {
			t.Errorf("a relay takes KEYS: %s", name)
		}
		if _, err := w.stations[0].Keys(k); err == nil {
			t.Errorf("a station takes KEYS: %s", name)
		}
	}
	if w.stations[0].AllKeys() != nil || w.relays[0].AID() != (wire.Hash{}) {
		t.Error("KEYS are given out before they are complete")
	}
	w.exchangeKeys(t) // none of it did harm
}

// A relay that signs two KEYS for one attempt is refused the second time, and
// what a relay or station holds cannot be changed through the caller's memory.
func TestSecondKeysOfOneRelay(t *testing.T) {
	w := newNetwork(t, 2, 1)
	cfg := w.config(1)
	cfg.InnerSeed = seedOf('q', 1)
	other, err := NewRelay(cfg)
	if err != nil {
		t.Fatal(err)
	}
	k := w.relays[1].OwnKeys()
	k.Outer = bytes.Clone(k.Outer)
	s := w.stations[0]
	if _, err := s.Keys(k); err != nil {
		t.Fatal(err)
	}
	k.Outer[0] ^= 1
	if _, err := s.Keys(other.OwnKeys()); err == nil {
		t.Error("second KEYS of one relay were taken")
	}
	if ok, err := s.Keys(w.relays[0].OwnKeys()); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if want := wire.AID(w.net, w.attempt, []wire.Keys{w.relays[0].OwnKeys(), w.relays[1].OwnKeys()}); s.AID() != want {
		t.Error("the first KEYS of a relay are not final")
	}
}

func TestJoinRefusals(t *testing.T) {
	w := newNetwork(t, 2, 1)
	w.exchangeKeys(t)
	s := w.stations[0]
	tags, pre := w.lanes(s.AID(), 0)
	for name, try := range map[string]func() []byte{
		"too few":        func() []byte { return s.Join(tags[1:], pre[1:]) },
		"uneven":         func() []byte { return s.Join(tags, pre[1:]) },
		"other preimage": func() []byte { return s.Join(tags, append([][32]byte{{1}}, pre[1:]...)) },
		"other aid":      func() []byte { tags, pre := w.lanes(wire.Hash{}, 0); return s.Join(tags, pre) },
	} {
		if try() != nil {
			t.Errorf("%s: joined", name)
		}
	}
	if len(s.Join(tags, pre)) != w.params.RecordSize() {
		t.Error("the right record was not built after wrong ones")
	}
}

func TestListRefusals(t *testing.T) {
	w := newNetwork(t, 2, 3)
	w.exchangeKeys(t)
	w.join(t)
	size := w.params.RecordSize()
	swapped := append(bytes.Clone(w.list[size:2*size]), w.list[:size]...)
	bad := map[string][]byte{
		"empty":       nil,
		"torn":        w.list[1:],
		"longer":      append(bytes.Clone(w.list), 0),
		"not sorted":  swapped,
		"many, empty": {},
	}
	for name, list := range bad {
		if _, err := w.relays[0].Records(list); err == nil {
			t.Errorf("a relay signed a list: %s", name)
		}
		if err := w.stations[0].Records(list); err == nil {
			t.Errorf("a station took a list: %s", name)
		}
	}
	w.roster(t)
	if _, err := w.relays[0].Records(w.list); err == nil {
		t.Error("a second header was signed")
	}
}

func TestHeaderRefusals(t *testing.T) {
	w := newNetwork(t, 3, 2)
	w.exchangeKeys(t)
	w.join(t)
	w.signHeaders(t)
	s := w.stations[0]
	good := w.headers[0].Header
	signed := func(i int, change func(*wire.Header)) wire.SignedHeader {
		h := good
		change(&h)
		return wire.SignHeader(h, i, w.sign[i])
	}
	try := func(when string) {
		for name, h := range map[string]wire.SignedHeader{
			"another attempt": signed(0, func(h *wire.Header) { h.Number++ }),
			"another aid":     signed(0, func(h *wire.Header) { h.AID[0]++ }),
			"wrong signer":    {Header: good, Relay: 1, Signature: w.headers[0].Signature},
			"no signature":    {Header: good, Relay: 1},
			"relay beyond":    {Header: good, Relay: 3, Signature: w.headers[0].Signature},
			"relay below":     {Header: good, Relay: -1, Signature: w.headers[0].Signature},
		} {
			if s.Header(h) == nil {
				t.Errorf("%s: a station takes a header: %s", when, name)
			}
		}
	}
	try("first")
	if err := s.Header(w.headers[0]); err != nil {
		t.Fatal(err)
	}
	try("after one")
	for name, h := range map[string]wire.SignedHeader{
		"another list":         signed(1, func(h *wire.Header) { h.List[0]++ }),
		"another count":        signed(1, func(h *wire.Header) { h.Count++ }),
		"the same relay again": signed(0, func(h *wire.Header) { h.List[0]++ }),
	} {
		if s.Header(h) == nil {
			t.Errorf("a station takes a second header: %s", name)
		}
	}
	if err := s.Records(w.list[w.params.RecordSize():]); err == nil {
		t.Error("a list that does not fit the header was taken")
	}
	for _, h := range append(w.headers, w.headers...) { // repeats are no event
		if err := s.Header(h); err != nil {
			t.Fatal(err)
		}
	}
	if s.Rostered() || s.Size() != 0 || s.HeaderHash() != (wire.Hash{}) {
		t.Error("rostered without a list")
	}
	for range 2 {
		if err := s.Records(w.list); err != nil || !s.Rostered() {
			t.Fatal("the right list was refused after wrong ones:", err)
		}
	}
}

// A list that came before the headers and does not fit them can be fetched again.
func TestWrongListBeforeHeaders(t *testing.T) {
	w := newNetwork(t, 2, 2)
	w.exchangeKeys(t)
	w.join(t)
	w.signHeaders(t)
	s := w.stations[0]
	if err := s.Records(w.list[w.params.RecordSize():]); err != nil {
		t.Fatal(err)
	}
	if s.Header(w.headers[0]) == nil {
		t.Error("a header fits any list")
	}
	if err := s.Header(w.headers[1]); err != nil {
		t.Fatal(err)
	}
	if err := s.Records(w.list); err != nil || !s.Rostered() {
		t.Error("not rostered after the right list:", err)
	}
}

// A station whose record the entry left out is not rostered and sends nothing.
func TestRecordLeftOut(t *testing.T) {
	w := newNetwork(t, 2, 3)
	w.exchangeKeys(t)
	w.join(t)
	w.list = w.sorted(w.stations[1].Join(nil, nil), w.stations[2].Join(nil, nil))
	w.signHeaders(t)
	for i, s := range w.stations {
		for _, h := range w.headers {
			if err := s.Header(h); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Records(w.list); err != nil {
			t.Fatal(err)
		}
		if s.Rostered() != (i > 0) {
			t.Errorf("station %d: rostered=%v", i, s.Rostered())
		}
		if s.Expect(w.receiptsOf(i)); i == 0 && s.expected != nil {
			t.Error("onions without a roster")
		}
	}
}

func TestAcksAreCheckedTagByTag(t *testing.T) {
	fresh := func() *network {
		w := newNetwork(t, 2, 3)
		w.exchangeKeys(t)
		w.join(t)
		w.roster(t)
		w.mixAll(t)
		w.acknowledge(t)
		return w
	}
	tags := len(fresh().acks) / 32
	bad := map[string]func(a []byte) []byte{
		"none":    func([]byte) []byte { return nil },
		"empty":   func([]byte) []byte { return []byte{} },
		"short":   func(a []byte) []byte { return a[:len(a)-32] },
		"long":    func(a []byte) []byte { return append(a, a[:32]...) },
		"swapped": func(a []byte) []byte { return append(bytes.Clone(a[32:64]), append(bytes.Clone(a[:32]), a[64:]...)...) },
		"zeros":   func(a []byte) []byte { return make([]byte, len(a)) },
	}
	for i := range tags {
		bad["one bit of tag "+string(rune('a'+i))] = func(a []byte) []byte { a[32*i+7] ^= 1; return a }
	}
	for name, change := range bad {
		w := fresh()
		r := w.relays[0]
		good := bytes.Clone(w.acks)
		s, reveal, err := r.Acks(change(w.acks))
		if reveal || err != nil || s != (wire.Seed{}) {
			t.Errorf("%s: reveal=%v err=%v", name, reveal, err)
		}
		if !r.Over() || r.inner.Valid() || r.InnerKeys() != nil {
			t.Errorf("%s: the inner key was not destroyed", name)
		}
		if _, reveal, err := r.Acks(good); reveal || err == nil {
			t.Errorf("%s: decided twice", name)
		}
	}
}

// Without a batch of its own under this header a relay never reveals.
func TestNoRevealWithoutMixing(t *testing.T) {
	w := newNetwork(t, 2, 2)
	w.exchangeKeys(t)
	w.join(t)
	w.roster(t)
	w.acknowledge(t)
	if _, reveal, _ := w.relays[0].Acks(w.acks); reveal || !w.relays[0].Over() {
		t.Error("a relay that mixed nothing reveals")
	}
}

func TestWrongSeedEndsTheAttempt(t *testing.T) {
	for name, change := range map[string]func(*wire.Seed){
		"another seed": func(s *wire.Seed) { s.Seed[0] ^= 1 },
		"outer's seed": func(s *wire.Seed) { s.Seed = seedOf('o', 1) },
	} {
		w := until(t, relaySeeds)
		r := w.relays[0]
		s := w.seed(1)
		change(&s)
		if _, signed, err := r.Seed(s); signed || err == nil || !r.Over() || r.inner.Valid() {
			t.Errorf("%s: signed=%v err=%v over=%v", name, signed, err, r.Over())
		}
		if _, signed, err := r.Seed(w.seed(1)); signed || err == nil {
			t.Errorf("%s: REVEAL was signed after a mismatch", name)
		}
	}
	for name, change := range map[string]func(*wire.Seed){
		"another attempt": func(s *wire.Seed) { s.Number++ },
		"relay beyond":    func(s *wire.Seed) { s.Relay = 2 },
		"relay below":     func(s *wire.Seed) { s.Relay = -1 },
		"own, changed":    func(s *wire.Seed) { s.Relay, s.Seed = 0, seedOf('i', 1) },
	} {
		w := until(t, relaySeeds)
		s := w.seed(1)
		change(&s)
		if _, _, err := w.relays[0].Seed(s); err == nil || w.relays[0].Over() {
			t.Errorf("%s: err=%v over=%v", name, err, w.relays[0].Over())
		}
	}
}

func TestRevealRefusals(t *testing.T) {
	w := until(t, relayReveals)
	r := w.relays[0]
	station := stationUntil(t, stationAck)
	good := w.revealOf(1)
	for name, v := range map[string]wire.Reveal{
		"another attempt": wire.SignReveal(wire.Attempt{Epoch: 3, Number: 2}, 1, good.Header, w.sign[1]),
		"another header":  wire.SignReveal(w.attempt, 1, wire.Hash{1}, w.sign[1]),
		"wrong signer":    wire.SignReveal(w.attempt, 1, good.Header, w.sign[0]),
		"header's signature": {Attempt: w.attempt, Relay: 1, Header: good.Header,
			Signature: w.headers[1].Signature},
		"no signature": {Attempt: w.attempt, Relay: 1, Header: good.Header},
		"relay beyond": wire.SignReveal(w.attempt, 2, good.Header, w.sign[1]),
		"relay below":  wire.SignReveal(w.attempt, -1, good.Header, w.sign[1]),
	} {
		if ok, err := r.Reveal(v); ok || err == nil {
			t.Errorf("a relay takes a REVEAL: %s", name)
		}
		if ok, err := station.stations[0].Reveal(v); ok || err == nil {
			t.Errorf("a station takes a REVEAL: %s", name)
		}
	}
	s := station.stations[0]
	for range 3 { // one relay's REVEAL thrice is one
		if ok, err := s.Reveal(station.revealOf(0)); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if ok, err := s.Reveal(station.revealOf(1)); !ok || err != nil {
		t.Error("not complete with both:", err)
	}
}

// Two stations decide alike whether a lane talks, whatever the list holds.
func TestTalksRule(t *testing.T) {
	w := newNetwork(t, 1, 2)
	w.exchangeKeys(t)
	aid := w.stations[0].AID()
	tag := func(b byte) (wire.Tag, [32]byte) { s := [32]byte{b}; return wire.TagOf(aid, s), s }
	record := func(s *Station, bs ...byte) {
		var tags []wire.Tag
		var pre [][32]byte
		for _, b := range bs {
			x, s := tag(b)
			tags, pre = append(tags, x), append(pre, s)
		}
		if s.Join(tags, pre) == nil {
			t.Fatal("no record")
		}
	}
	// A: 1 talks with B's 11; 2 has a partner tag twice in the list; 3's partner is
	// absent; 4 stands in B's record too.
	record(w.stations[0], 1, 2, 3, 4)
	record(w.stations[1], 11, 12, 12, 4)
	w.list = w.sorted(w.stations[0].Join(nil, nil), w.stations[1].Join(nil, nil))
	w.signHeaders(t)
	for _, s := range w.stations {
		if s.Talks(wire.Tag{}, wire.Tag{}) {
			t.Error("talks before the roster")
		}
		if err := s.Header(w.headers[0]); err != nil {
			t.Fatal(err)
		}
		if err := s.Records(w.list); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name string
		a, b byte
		want bool
	}{
		{"once each", 1, 11, true},
		{"peer's twice", 2, 12, false},
		{"peer's absent", 3, 13, false},
		{"mine in two records", 4, 11, false},
		{"the same tag", 1, 1, false},
	} {
		mine, _ := tag(tc.a)
		peer, _ := tag(tc.b)
		if a := w.stations[0].Talks(mine, peer); a != tc.want {
			t.Errorf("%s: A says %v", tc.name, a)
		}
		if b := w.stations[1].Talks(peer, mine); b != tc.want {
			t.Errorf("%s: B says %v", tc.name, b)
		}
	}
	mine, _ := tag(1)
	if twice, _ := tag(12); w.stations[0].Count(twice) != 2 || w.stations[0].Count(mine) != 1 || w.stations[0].Count(wire.Tag{}) != 0 {
		t.Error("tags are miscounted")
	}
	// Both tags listed once, but neither in this station's own record: it listed
	// another version and must not talk on this one.
	one, _ := tag(1)
	eleven, _ := tag(11)
	if w.stations[0].Talks(eleven, one) {
		t.Error("talks with a tag of someone else's record")
	}
}

func FuzzRecords(f *testing.F) {
	w := newNetwork(f, 1, 2)
	w.exchangeKeys(f)
	w.join(f)
	f.Add(w.list)
	f.Add(w.list[1:])
	f.Add([]byte{})
	f.Add(make([]byte, 3*w.params.RecordSize()))
	f.Fuzz(func(t *testing.T, list []byte) {
		r := w.relay(t, 0)
		if _, err := r.Keys(r.OwnKeys()); err != nil {
			t.Fatal(err)
		}
		h, err := r.Records(list)
		size := w.params.RecordSize()
		legal := len(list) > 0 && wire.Sorted(list, size)
		if (err == nil) != legal {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		if !h.Verify(w.verify[0]) || int(h.Count)*size != len(list) || h.List != wire.ListHash(w.attempt, list) {
			t.Fatal("the header does not fit the list")
		}
		for off := 0; off < len(list); off += size {
			if !listed(list, list[off:off+size]) {
				t.Fatal("a listed record is not found")
			}
		}
	})
}

func FuzzAcks(f *testing.F) {
	w := newNetwork(f, 1, 1)
	w.exchangeKeys(f)
	w.join(f)
	w.roster(f)
	w.acknowledge(f)
	good := w.acks
	aid := w.relays[0].AID()
	f.Add(good)
	f.Add(good[1:])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, acks []byte) {
		if acknowledged(w.list, aid, acks) != bytes.Equal(acks, good) {
			t.Fatal("other bytes acknowledge the roster")
		}
	})
}
