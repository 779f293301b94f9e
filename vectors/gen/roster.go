package main

import (
	"bytes"
	"sort"

	"backchannel/internal/roster"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// rosterVectors play one attempt of two relays and two stations and state every
// document, then what must be refused, each with the phase it is refused in.
func rosterVectors() any {
	a := newAttemptVectors()
	v := a.documents()
	v = append(v, a.talks()...)
	v = append(v, a.acknowledgements()...)
	v = append(v, a.seeds()...)
	v = append(v, a.receipts()...)
	return m{"vectors": v}
}

// attemptVectors is everything about one attempt that the vectors state.
type attemptVectors struct {
	params  wire.Params
	net     wire.Hash
	attempt wire.Attempt
	sign    []suite.SigningKey
	verify  []suite.VerifyKey
	keys    []wire.Keys
	aid     wire.Hash
	pre     [2][][32]byte // by station, in record order
	tags    [2][]wire.Tag
	list    []byte
	acks    []byte // in list order
}

func newAttemptVectors() *attemptVectors {
	p := presetParams("demo")
	p.Relays, p.Lanes = 2, 2
	a := &attemptVectors{params: p, net: pattern32("roster/net"), attempt: wire.Attempt{Epoch: 5, Number: 1}}
	for i := range p.Relays {
		sk := suite.NewSigningKey(pattern32(relayName("sign", i)))
		a.sign, a.verify = append(a.sign, sk), append(a.verify, sk.Public())
	}
	for i := range p.Relays {
		a.keys = append(a.keys, a.relay(i).OwnKeys())
	}
	a.aid = wire.AID(a.net, a.attempt, a.keys)
	records := map[string][]byte{}
	for s := range a.pre {
		var record, ack []byte
		for l := range p.Lanes {
			x := pattern32(relayName("preimage", 2*s+l))
			t := wire.TagOf(a.aid, x)
			a.pre[s], a.tags[s] = append(a.pre[s], x), append(a.tags[s], t)
			record, ack = append(record, t[:]...), append(ack, x[:]...)
		}
		records[string(record)] = ack
	}
	var sorted []string
	for r := range records {
		sorted = append(sorted, r)
	}
	sort.Strings(sorted)
	for _, r := range sorted {
		a.list, a.acks = append(a.list, r...), append(a.acks, records[r]...)
	}
	return a
}

func relayName(what string, i int) string { return "roster/" + what + string(rune('0'+i)) }

func (a *attemptVectors) relay(i int) *roster.Relay {
	return must(roster.NewRelay(roster.RelayConfig{
		Params: a.params, Net: a.net, Index: i, Sign: a.sign[i], Verify: a.verify, Attempt: a.attempt,
		OuterSeed: pattern32(relayName("outer", i)), InnerSeed: pattern32(relayName("inner", i)),
	}))
}

// mixed is relay i with all KEYS, the header over list signed and a batch mixed.
func (a *attemptVectors) mixed(i int, list []byte) *roster.Relay {
	r := a.relay(i)
	for _, k := range a.keys {
		must(r.Keys(k))
	}
	must(r.Records(list))
	if err := r.Mixed(); err != nil {
		panic(err)
	}
	return r
}

// station is station i, rostered under list, whose records it need not have made.
func (a *attemptVectors) station(i int, list []byte) *roster.Station {
	s := roster.NewStation(a.params, a.net, a.verify, a.attempt)
	for _, k := range a.keys {
		must(s.Keys(k))
	}
	s.Join(a.tags[i], a.pre[i])
	if err := s.Records(list); err != nil {
		panic(err)
	}
	h := wire.Header{Attempt: a.attempt, AID: a.aid, Count: uint32(len(list) / a.params.RecordSize()), List: wire.ListHash(a.attempt, list)}
	for r := range a.verify {
		if err := s.Header(wire.SignHeader(h, r, a.sign[r])); err != nil {
			panic(err)
		}
	}
	return s
}

// documents are the attempt from KEYS to REVEAL, with nothing wrong.
func (a *attemptVectors) documents() (v []vector) {
	var keys, unsigned []string
	for _, k := range a.keys {
		keys, unsigned = append(keys, hx(k.Append(nil))), append(unsigned, hx(k.Unsigned()))
	}
	v = append(v, vector{Op: "aid", In: m{"net": hx(a.net), "epoch": a.attempt.Epoch, "attempt": a.attempt.Number, "keys": unsigned}, Out: m{"aid": hx(a.aid)}})
	for s := range a.pre {
		var pre []string
		var record []byte
		for l, x := range a.pre[s] {
			pre, record = append(pre, hx(x)), append(record, a.tags[s][l][:]...)
		}
		v = append(v, vector{Op: "record", In: m{"aid": hx(a.aid), "preimages": pre}, Out: m{"record": hx(record)}})
	}
	r0, r1 := a.mixed(0, a.list), a.mixed(1, a.list)
	header := r0.HeaderHash()
	v = append(v, vector{Op: "roster", In: m{"keys": keys, "net": hx(a.net), "list": hx(a.list)}, Out: m{"header_hash": hx(header), "records": len(a.list) / a.params.RecordSize()}})
	s0, reveal0, err := r0.Acks(a.acks)
	if err != nil || !reveal0 {
		panic("gen: a complete acknowledgement does not reveal")
	}
	s1, _, _ := r1.Acks(a.acks)
	rev, signed, err := r0.Seed(s1)
	if err != nil || !signed {
		panic("gen: all seeds and no REVEAL")
	}
	v = append(v, vector{Op: "reveal", In: m{"header_hash": hx(header), "seeds": []string{hx(s0.Seed), hx(s1.Seed)}},
		Out: m{"reveal": hx(rev.Append(nil))}})
	for _, bad := range []struct {
		name string
		list []byte
	}{
		{"no record", nil}, {"a byte short", a.list[1:]},
		{"not sorted", append(bytes.Clone(a.list[a.params.RecordSize():]), a.list[:a.params.RecordSize()]...)},
	} {
		r := a.relay(0)
		for _, k := range a.keys {
			must(r.Keys(k))
		}
		if _, err := r.Records(bad.list); err == nil {
			panic("gen: a bad list was signed")
		}
		v = append(v, vector{Op: "roster", Name: bad.name, In: m{"keys": keys, "net": hx(a.net), "list": hx(bad.list)}, Error: failMalformed})
	}
	return v
}

// talks is the rule by which both sides decide alike.
func (a *attemptVectors) talks() (v []vector) {
	own := append(append([]byte{}, a.tags[0][0][:]...), a.tags[0][1][:]...)
	other := append(append([]byte{}, a.tags[1][0][:]...), a.tags[1][1][:]...)
	repeat := append(append([]byte{}, a.tags[1][0][:]...), a.tags[1][0][:]...)
	stolen := append(append([]byte{}, a.tags[0][0][:]...), a.tags[1][0][:]...)
	absent := wire.TagOf(a.aid, pattern32("roster/absent"))
	list := func(records ...[]byte) []byte {
		sort.Slice(records, func(i, j int) bool { return bytes.Compare(records[i], records[j]) < 0 })
		return bytes.Join(records, nil)
	}
	for _, c := range []struct {
		name       string
		list       []byte
		mine, peer wire.Tag
		want       bool
	}{
		{"each once", list(own, other), a.tags[0][0], a.tags[1][0], true},
		{"the peer's is absent", list(own, other), a.tags[0][0], absent, false},
		{"the peer's stands twice in one record", list(own, repeat), a.tags[0][0], a.tags[1][0], false},
		{"the peer's stands in two records", list(own, other, stolen), a.tags[0][1], a.tags[1][0], false},
		{"mine stands in another record too", list(own, stolen), a.tags[0][0], a.tags[1][0], false},
		{"mine is not in my record", list(own, other), a.tags[1][1], a.tags[1][0], false},
		{"mine and the peer's are the same", list(own, other), a.tags[0][0], a.tags[0][0], false},
	} {
		if got := a.station(0, c.list).Talks(c.mine, c.peer); got != c.want {
			panic("gen: talks: " + c.name)
		}
		v = append(v, vector{Op: "talks", Name: c.name, In: m{"record": hx(own), "list": hx(c.list), "mine": hx(c.mine), "peer": hx(c.peer)}, Out: m{"talks": c.want}})
	}
	return v
}

// acknowledgements decide between REVEAL and ABORT.
func (a *attemptVectors) acknowledgements() (v []vector) {
	swapped := append(append(bytes.Clone(a.acks[32:64]), a.acks[:32]...), a.acks[64:]...)
	for _, c := range []struct {
		name   string
		acks   []byte
		reveal bool
	}{
		{"all", a.acks, true},
		{"none", nil, false},
		{"the last one missing", a.acks[:len(a.acks)-32], false},
		{"the last one zero", append(bytes.Clone(a.acks[:len(a.acks)-32]), make([]byte, 32)...), false},
		{"the first two swapped", swapped, false},
		{"a bit of one flipped", flip(a.acks, 70), false},
		{"one too many", append(bytes.Clone(a.acks), a.acks[:32]...), false},
	} {
		_, reveal, err := a.mixed(0, a.list).Acks(c.acks)
		if err != nil || reveal != c.reveal {
			panic("gen: acknowledgements: " + c.name)
		}
		v = append(v, vector{Op: "acks", Name: c.name, In: m{"aid": hx(a.aid), "list": hx(a.list), "acks": hx(c.acks)}, Out: m{"reveal": c.reveal}})
	}
	return v
}

// seeds must regenerate the signed inner key.
func (a *attemptVectors) seeds() (v []vector) {
	for _, c := range []struct {
		name string
		seed [32]byte
		ok   bool
	}{
		{"right", pattern32(relayName("inner", 1)), true},
		{"of the outer key", pattern32(relayName("outer", 1)), false},
		{"of another relay", pattern32(relayName("inner", 0)), false},
	} {
		r := a.mixed(0, a.list)
		_, _, _ = r.Acks(a.acks)
		_, signed, err := r.Seed(wire.Seed{Attempt: a.attempt, Relay: 1, Seed: c.seed})
		if signed != c.ok || (err == nil) != c.ok || r.Over() == c.ok {
			panic("gen: seeds: " + c.name)
		}
		v = append(v, vector{Op: "seed", Name: c.name, In: m{"inner_public": hx(a.keys[1].Inner), "seed": hx(c.seed)}, Out: m{"accepted": c.ok}})
	}
	return v
}

// receipts: the first complete array is final.
func (a *attemptVectors) receipts() (v []vector) {
	want := pattern("roster/receipts", a.params.Circuits()*a.params.ReceiptSize(0))
	for _, c := range []struct {
		name   string
		arrays [][]byte
		ack    bool
	}{
		{"right", [][]byte{want}, true},
		{"wrong", [][]byte{flip(want, 9)}, false},
		{"wrong, then right", [][]byte{flip(want, 9), want}, false},
		{"right, then wrong", [][]byte{want, flip(want, 9)}, true},
		{"torn, then right", [][]byte{want[1:], want}, true},
	} {
		s := a.station(0, a.list)
		s.Expect(want)
		var arrays []string
		for _, b := range c.arrays {
			s.Receipts(b)
			arrays = append(arrays, hx(b))
		}
		if _, ok := s.Ack(); ok != c.ack {
			panic("gen: receipts: " + c.name)
		}
		v = append(v, vector{Op: "receipts", Name: c.name, In: m{"expected": hx(want), "arrays": arrays}, Out: m{"ack": c.ack}})
	}
	return v
}
