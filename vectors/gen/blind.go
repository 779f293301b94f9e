package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"backchannel/internal/negotiation/blind"
)

// The names of expected failures of blind rounds.
const (
	failInvalid = "invalid"      // its sender broke the protocol and is named
	failViews   = "views-differ" // T differs; nobody is named
)

// blindVectors play whole blind rounds and state every message, then what must be
// refused: by the decoder, by a round that has come so far, or as another view.
func blindVectors() any {
	rounds := []*blindRound{
		newBlindRound("single, both yes", 2, 0, nil, blind.Yes(), blind.Yes()),
		newBlindRound("single, one no", 2, 1, nil, blind.Yes(), blind.No()),
		newBlindRound("single of three", 3, 2, nil, blind.Yes(), blind.Yes(), blind.Yes()),
		newBlindRound("single of three, one no", 3, 0, nil, blind.Yes(), blind.No(), blind.Yes()),
		newBlindRound("ladder that meets", 2, 0, blindLadder(3), blind.Limit(1), blind.Limit(1)),
		newBlindRound("ladder that does not", 2, 1, blindLadder(3), blind.Limit(2), blind.NoFigure()),
		newBlindRound("list", 2, 0, blindList(4, 1, 0), blind.Approve(0, 0, 1, 0), blind.Approve(0, 0, 1, 0)),
		newBlindRound("list with nothing in common", 2, 0, blindList(8, 2, 0),
			blind.Approve(1, 1, 0, 0, 0, 0, 0, 0), blind.Approve(0, 0, 1, 0, 0, 0, 0, 0)),
		newBlindRound("tiers, upper", 2, 0, blindList(4, 1, 1), blind.Approve(0, 2, 0, 0), blind.Approve(0, 2, 0, 0)),
		newBlindRound("tiers, lower", 2, 0, blindList(4, 1, 1), blind.Approve(0, 2, 0, 0), blind.Approve(0, 1, 0, 0)),
	}
	var v []vector
	for _, r := range rounds {
		v = append(v, r.vector())
	}
	v = append(v, sizeVectors()...)
	v = append(v, rounds[1].refused()...)
	v = append(v, rounds[7].refused()...)
	return m{"vectors": append(v, rounds[1].malformed()...)}
}

func blindLadder(items int) func(*blind.Params) {
	return func(p *blind.Params) {
		p.Mode, p.Items, p.Directions = blind.Ladder, items, []blind.Direction{blind.Sells, blind.Buys}
	}
}

func blindList(items, limit, green int) func(*blind.Params) {
	return func(p *blind.Params) { p.Mode, p.Items, p.Cap, p.Green = blind.List, items, limit, green }
}

func blindParams(n int, shape func(*blind.Params)) blind.Params {
	p := blind.Params{Object: pattern32("blind/object"), Mode: blind.Single, Items: 1,
		InputsAt: time.UnixMilli(1_790_000_000_000).UTC(), Deadline: time.UnixMilli(1_790_003_600_000).UTC()}
	for i := range n {
		p.Parties = append(p.Parties, blind.MemberID(pattern("blind/member"+string(rune('0'+i)), 16)))
	}
	if shape != nil {
		shape(&p)
	}
	return p
}

// blindMessage is one message in the order in which they were sent.
type blindMessage struct {
	from  int
	bytes []byte
}

// blindRound is a round that was played to its end.
type blindRound struct {
	name     string
	params   blind.Params
	answers  []blind.Answer
	sent     []blindMessage
	state    blind.State
	cell     int
	randomly uint32
}

func newBlindRound(name string, n, opener int, shape func(*blind.Params), answers ...blind.Answer) *blindRound {
	r := &blindRound{name: name, params: blindParams(n, shape), answers: answers}
	r.params.Opener = opener
	parties := r.begin()
	for next := 0; next < len(r.sent); next++ {
		r.deliver(parties, r.sent[next])
	}
	s := parties[0].Status()
	r.state, r.cell = s.State, s.Cell
	for _, p := range parties {
		if other := p.Status(); other.State != s.State || other.Cell != s.Cell || !other.Over {
			panic("gen: " + name + ": the parties differ")
		}
	}
	return r
}

// begin lets all parties join, answer, and see the time when answers leave.
func (r *blindRound) begin() (parties []*blind.Round) {
	early := r.params.InputsAt.Add(-time.Second)
	for i, id := range r.params.Parties {
		p := must(blind.New(r.params, id))
		parties = append(parties, p)
		r.did(i, must(p.Join(early, r.fresh())))
		_ = must(p.Answer(early, r.answers[i]))
	}
	return parties
}

func (r *blindRound) deliver(parties []*blind.Round, msg blindMessage) {
	for i, p := range parties {
		if i != msg.from {
			r.did(i, must(p.Receive(r.params.InputsAt, r.params.Parties[msg.from], msg.bytes, r.fresh())))
		}
	}
}

func (r *blindRound) did(i int, c blind.Change) {
	for _, b := range c.Send {
		r.sent = append(r.sent, blindMessage{i, b})
	}
}

// fresh is the next 32 bytes of the pattern that stands for randomness.
func (r *blindRound) fresh() [32]byte {
	r.randomly++
	return pattern32(string(binary.BigEndian.AppendUint32([]byte("blind/fresh/"+r.name), r.randomly)))
}

func (r *blindRound) in() m {
	in := m{
		"object": hx(r.params.Object), "opener": r.params.Opener, "mode": int(r.params.Mode), "items": r.params.Items,
		"inputs_at": r.params.InputsAt.UnixMilli(), "deadline": r.params.Deadline.UnixMilli(),
	}
	var parties []string
	for _, id := range r.params.Parties {
		parties = append(parties, hx([16]byte(id)))
	}
	in["parties"] = parties
	if r.params.Mode == blind.List {
		in["cap"], in["green"] = r.params.Cap, r.params.Green
	}
	if r.params.Mode == blind.Ladder {
		var d []int
		for _, x := range r.params.Directions {
			d = append(d, int(x))
		}
		in["directions"] = d
	}
	return in
}

func messagesOf(sent []blindMessage) (out []m) {
	for _, s := range sent {
		out = append(out, m{"from": s.from, "bytes": hx(s.bytes)})
	}
	return out
}

func (r *blindRound) vector() vector {
	in := r.in()
	in["messages"] = messagesOf(r.sent)
	var opened []int
	for _, s := range r.sent {
		if s.from == r.params.Opener && blind.Step(s.bytes[0]) == blind.StepOpen {
			opened = append(opened, int(s.bytes[1]))
		}
	}
	return vector{Op: "round", Name: r.name, In: in, Out: m{
		"context": hx(r.params.Context()), "opened": opened, "state": r.state.String(), "cell": r.cell,
		"party_bytes": r.params.PartyBytes(),
	}}
}

// sizeVectors are bytes per party for shapes that are too large to play here.
func sizeVectors() (v []vector) {
	for _, c := range []struct {
		name  string
		shape func(*blind.Params)
	}{
		{"ladder of 32", blindLadder(32)}, {"list of 16", blindList(16, 4, 0)}, {"list of 64", blindList(64, 16, 0)},
		{"list of 64 with tiers", blindList(64, 16, 8)},
	} {
		r := &blindRound{params: blindParams(2, c.shape)}
		sizes := m{}
		for step, name := range map[blind.Step]string{blind.StepInput: "input", blind.StepBlind: "blind", blind.StepOpen: "open"} {
			sizes[name] = r.params.BodySize(step)
		}
		sizes["party_bytes"] = r.params.PartyBytes()
		v = append(v, vector{Op: "round-sizes", Name: c.name, In: r.in(), Out: sizes})
	}
	return v
}

// refused changes one message of party 1 at a time, with everything before it as
// it was, and hands it to party 0.
func (r *blindRound) refused() (v []vector) {
	at := func(s blind.Step, from int) int {
		for i, msg := range r.sent {
			if msg.from == from && blind.Step(msg.bytes[0]) == s {
				return i
			}
		}
		panic("gen: no such message")
	}
	swap := func(b []byte, i, j int) []byte { // fields of 32 bytes in the body
		c := bytes.Clone(b)
		copy(c[blind.HeaderSize+32*i:], b[blind.HeaderSize+32*j:][:32])
		copy(c[blind.HeaderSize+32*j:], b[blind.HeaderSize+32*i:][:32])
		return c
	}
	other := newBlindRound(r.name, len(r.params.Parties), r.params.Opener, func(p *blind.Params) {
		opener := p.Opener
		*p = r.params
		p.Object, p.Opener = pattern32("blind/other object"), opener
	}, r.answers...)
	fit := func(to, body []byte) []byte {
		return append(bytes.Clone(to[:blind.HeaderSize]), body[blind.HeaderSize:]...)
	}
	for _, c := range []struct {
		name string
		step blind.Step
		make func(theirs []byte) []byte
		want string
	}{
		{"key that was not committed to", blind.StepKey, func(b []byte) []byte { return fit(b, r.sent[at(blind.StepKey, 0)].bytes) }, failInvalid},
		{"halves of a ciphertext swapped", blind.StepInput, func(b []byte) []byte { return swap(b, 0, 1) }, failInvalid},
		{"copied ciphertexts", blind.StepInput, func(b []byte) []byte { return fit(b, r.sent[at(blind.StepInput, 0)].bytes) }, failInvalid},
		{"input of another round", blind.StepInput, func(b []byte) []byte { return fit(b, other.sent[at(blind.StepInput, 1)].bytes) }, failInvalid},
		{"input of another round, its T", blind.StepInput, func([]byte) []byte { return other.sent[at(blind.StepInput, 1)].bytes }, failViews},
		{"another coin", blind.StepCoin, func(b []byte) []byte { return flip(b, blind.HeaderSize) }, failInvalid},
		{"halves of a blinded cell swapped", blind.StepBlind, func(b []byte) []byte { return swap(b, 0, 1) }, failInvalid},
		{"copied blinding", blind.StepBlind, func(b []byte) []byte { return fit(b, r.sent[at(blind.StepBlind, 0)].bytes) }, failInvalid},
		{"zero blind", blind.StepBlind, func(b []byte) []byte {
			return append(append(bytes.Clone(b[:blind.HeaderSize]), make([]byte, 64)...), b[blind.HeaderSize+64:]...)
		}, failInvalid},
		{"challenge and response swapped", blind.StepOpen, func(b []byte) []byte { return swap(b, 1, 2) }, failInvalid},
		{"copied share", blind.StepOpen, func(b []byte) []byte { return fit(b, r.sent[at(blind.StepOpen, 0)].bytes) }, failInvalid},
		{"another T", blind.StepOpen, func(b []byte) []byte { return flip(b, 2) }, failViews},
	} {
		n := at(c.step, 1)
		bad := c.make(r.sent[n].bytes)
		if got := r.receives(n, bad); got != c.want {
			panic("gen: " + c.name + ": " + got)
		}
		in := r.in()
		in["messages"], in["message"], in["from"], in["to"] = messagesOf(r.before(n)), hx(bad), 1, 0
		v = append(v, vector{Op: "receive", Name: c.name, In: in, Error: c.want})
	}
	return v
}

// before are the messages that are complete steps before message n, and those of
// its own step that come from others.
func (r *blindRound) before(n int) (out []blindMessage) {
	step, cell := r.sent[n].bytes[0], r.sent[n].bytes[1]
	for _, msg := range r.sent {
		if msg.bytes[0] == step && msg.bytes[1] == cell {
			if msg.from != r.sent[n].from {
				out = append(out, msg)
			}
			continue
		}
		if blind.Step(msg.bytes[0]) <= blind.StepBlind && msg.bytes[0] < step {
			out = append(out, msg)
		}
	}
	return out
}

// receives plays the round again up to message n, hands party 0 another one in its
// place, and returns what becomes of the round.
func (r *blindRound) receives(n int, bad []byte) string {
	again := &blindRound{name: r.name, params: r.params, answers: r.answers}
	parties := again.begin()
	for next := range n {
		again.deliver(parties, again.sent[next])
	}
	p := parties[0]
	_ = must(p.Receive(r.params.InputsAt, r.params.Parties[1], bad, again.fresh()))
	switch p.Status().State {
	case blind.Invalid:
		return failInvalid
	case blind.ViewsDiffer:
		return failViews
	}
	return p.Status().State.String()
}

// malformed are messages that the decoder refuses.
func (r *blindRound) malformed() (v []vector) {
	find := func(s blind.Step) []byte {
		for _, msg := range r.sent {
			if blind.Step(msg.bytes[0]) == s {
				return msg.bytes
			}
		}
		panic("gen: no such message")
	}
	field := func(b []byte, i int, value []byte) []byte {
		c := bytes.Clone(b)
		copy(c[blind.HeaderSize+32*i:], value)
		return c
	}
	zero, ones := make([]byte, 32), bytes.Repeat([]byte{0xff}, 32)
	order := unhx("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
	p := unhx("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")
	for _, c := range []struct {
		name string
		b    []byte
	}{
		{"nothing", nil},
		{"no body", find(blind.StepCoin)[:blind.HeaderSize]},
		{"a byte short", find(blind.StepInput)[:len(find(blind.StepInput))-1]},
		{"a byte long", append(bytes.Clone(find(blind.StepInput)), 0)},
		{"unknown step", append([]byte{8}, find(blind.StepCoin)[1:]...)},
		{"a cell where there is none", flip(find(blind.StepCoin), 1)},
		{"no such cell", flip(find(blind.StepOpen), 1)},
		{"an echo of two parties", append([]byte{byte(blind.StepEcho), 0}, make([]byte, 33)...)},
		{"the identity as a key", field(find(blind.StepKey), 0, zero)},
		{"the identity in a ciphertext", field(find(blind.StepInput), 1, zero)},
		{"the identity as a blinded cell", field(find(blind.StepBlind), 0, zero)},
		{"the identity as a share", field(find(blind.StepOpen), 0, zero)},
		{"a point that is not canonical", field(find(blind.StepOpen), 0, p)},
		{"a point with its top bit set", field(find(blind.StepOpen), 0, flipTop(find(blind.StepOpen)[blind.HeaderSize:][:32]))},
		{"a scalar that is the order", field(find(blind.StepOpen), 2, order)},
		{"a scalar of ones", field(find(blind.StepInput), 3, ones)},
	} {
		_, err := r.params.Decode(c.b)
		if err == nil || !errors.Is(err, blind.ErrMalformed) && !errors.Is(err, blind.ErrEncoding) {
			panic("gen: " + c.name + " decodes")
		}
		in := r.in()
		in["message"] = hx(c.b)
		v = append(v, vector{Op: "round-message", Name: c.name, In: in, Error: failMalformed})
	}
	return v
}

func flipTop(b []byte) []byte {
	c := bytes.Clone(b)
	c[31] |= 0x80
	return c
}
