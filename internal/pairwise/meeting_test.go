package pairwise

import (
	"errors"
	"slices"
	"testing"

	"backchannel/internal/suite"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// dangling returns a pair in the state that the rules about versions are for:
// the invitee holds version 2 and may list it, its acknowledgement was lost, so
// the inviter, who encapsulated, holds version 2 and may not; E has passed.
func dangling(t *testing.T) *pair {
	p := newPair(t, 8)
	p.until(12, p.introduced)
	for range 40 * p.per {
		if p.b.s.newest().number == 2 && p.b.s.book.durable.version == 2 {
			break
		}
		p.step(faults{})
	}
	for _, d := range p.sides() {
		d.talk, d.next, d.answers = nil, nil, nil
	}
	p.epoch += 5
	p.round = p.epoch * p.per
	if v := p.a.s.held(2); v == nil || v.listable {
		t.Fatalf("not what was wanted: %s", p.a.describe())
	}
	return p
}

// list joins one attempt and returns both meetings.
func (p *pair) list(t *testing.T) (a, b *Meeting) {
	p.aids++
	aid := suite.Digest([]byte{byte(p.aids), byte(p.aids >> 8), 'x'})
	a, err := p.a.s.Join(p.epoch+1, aid)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = p.b.s.Join(p.epoch+1, aid); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// see tells a side which tag of the peer stood in the list.
func see(d *side, m, peer *Meeting) {
	var seen []uint32
	for _, h := range m.Held {
		if h.PeerTag == peer.Tag {
			seen = append(seen, h.Version)
		}
	}
	d.s.Saw(m, seen)
}

// TestDanglingVersion plays the lost healing message: whoever sees the peer's
// tag for another held version lists the lower from the next record on until
// circuits were made, so both meet under version 1, the acknowledgement arrives,
// and both list version 2.
func TestDanglingVersion(t *testing.T) {
	p := dangling(t)
	a, b := p.list(t)
	if a.Version != 1 || b.Version != 2 {
		t.Fatalf("inviter lists %d, invitee %d", a.Version, b.Version)
	}
	if a.Tag == b.PeerTag || b.Tag == a.PeerTag {
		t.Fatal("tags of different versions are equal")
	}
	see(p.a, a, b)
	see(p.b, b, a)
	for range 3 { // aborted attempts change nothing
		if a, b = p.list(t); a.Version != 1 || b.Version != 1 {
			t.Fatalf("after seeing each other inviter lists %d, invitee %d", a.Version, b.Version)
		}
		if a.PeerTag != b.Tag || b.PeerTag != a.Tag {
			t.Fatal("the same version and the tags do not fit")
		}
		see(p.a, a, b)
		see(p.b, b, a)
	}
	p.until(8, func() bool { return p.a.s.Version() == 2 && p.b.s.Version() == 2 })
	for _, d := range p.sides() {
		if len(d.s.versions) != 1 {
			t.Errorf("%s still holds version 1 after a cell under version 2", d.name)
		}
	}
}

// attackDangling reports whether two stations stay apart after the healing
// message was lost.
func attackDangling(t *testing.T) bool {
	p := lostAnswer(t)
	p.run(6, faults{})
	return p.a.opened == 0 && p.b.opened == 0
}

// lostAnswer returns a pair of which the inviter has encapsulated and the
// invitee does not know it yet; nothing arrived since, and E has passed long ago.
func lostAnswer(t *testing.T) *pair {
	p := newPair(t, 11)
	p.until(12, p.introduced)
	for range 40 * p.per {
		if p.a.s.newest().number == 2 {
			break
		}
		p.step(faults{})
	}
	for _, d := range p.sides() {
		d.talk, d.next, d.answers = nil, nil, nil
	}
	if p.a.s.held(2) == nil || p.b.s.held(2) != nil {
		t.Fatal("the answer was not given or has arrived already")
	}
	p.epoch += 5000
	p.round = p.epoch * p.per
	return p
}

// TestEveryOtherAttemptAborts has the first attempt of every epoch abort. A side
// that listed the lower version for one record only would do so always in the
// wrong one.
func TestEveryOtherAttemptAborts(t *testing.T) {
	for shift := range 2 {
		p := dangling(t)
		if shift == 1 { // begin out of step
			a, b := p.list(t)
			see(p.a, a, b)
			see(p.b, b, a)
			p.list(t)
		}
		for range 8 * p.per {
			if p.round%p.per == 1 {
				p.attempt(faults{abort: 1})
			}
			p.step(faults{})
		}
		if p.a.s.Version() != 2 || p.b.s.Version() != 2 {
			t.Errorf("shift %d: %s; %s", shift, p.a.describe(), p.b.describe())
		}
	}
}

// TestListing checks one by one what may be listed.
func TestListing(t *testing.T) {
	t.Run("nothing before the first commit", func(t *testing.T) {
		s := NewSession(Inviter, Key{1}, 5)
		if _, err := s.Join(6, wire.Hash{}); !errors.Is(err, ErrNotYet) {
			t.Fatal(err)
		}
		_, token := s.Take()
		s.Saved(token)
		if _, err := s.Join(4, wire.Hash{}); !errors.Is(err, ErrNotYet) {
			t.Fatal(err)
		}
		if _, err := s.Join(5, wire.Hash{}); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a version that is not durable", func(t *testing.T) {
		p := dangling(t)
		p.b.s.book.durable.version = 1
		if _, b := p.list(t); b.Version != 1 {
			t.Fatal("listed before the vault was synced")
		}
	})
	t.Run("a version whose epoch has not come", func(t *testing.T) {
		p := dangling(t)
		p.b.s.held(2).epoch = p.epoch + 2
		_, b := p.list(t)
		if b.Version != 1 || len(b.Held) != 2 { // and K_re
			t.Fatal("listed or looked for before E")
		}
		p.epoch++
		if _, b = p.list(t); b.Version != 2 || len(b.Held) != 3 {
			t.Fatal("not listed at E")
		}
	})
	t.Run("stepping over days offline equals stepping daily", func(t *testing.T) {
		p, q := newPair(t, 9), newPair(t, 9)
		for e := uint64(100); e <= 3000; e++ {
			if _, err := p.a.s.Join(e, wire.Hash{byte(e), byte(e >> 8)}); err != nil {
				t.Fatal(err)
			}
		}
		a, _ := p.a.s.Join(3001, wire.Hash{9})
		b, _ := q.b.s.Join(3001, wire.Hash{9})
		if a.Tag != b.PeerTag || b.Tag != a.PeerTag || a.id1 != b.id1 || a.id2 != b.id2 || a.epochKey != b.epochKey {
			t.Fatal("the two chains differ")
		}
	})
	t.Run("once per attempt, epochs only up, no absurd jump", func(t *testing.T) {
		p := newPair(t, 10)
		m, err := p.a.s.Join(200, wire.Hash{1})
		if err != nil || m.Version != 0 {
			t.Fatal(err)
		}
		before := p.a.s.encode()
		for _, x := range []struct {
			epoch uint64
			aid   wire.Hash
			want  error
		}{{200, wire.Hash{1}, ErrPast}, {199, wire.Hash{2}, ErrPast}, {201 + MaxEpochJump, wire.Hash{2}, ErrTooFar}, {1<<64 - 1, wire.Hash{2}, ErrTooFar}} {
			if _, err := p.a.s.Join(x.epoch, x.aid); !errors.Is(err, x.want) {
				t.Errorf("epoch %d: %v", x.epoch, err)
			}
		}
		if !slices.Equal(before, p.a.s.encode()) {
			t.Error("a refused join changed the session")
		}
		if _, err := p.a.s.Join(200, wire.Hash{2}); err != nil {
			t.Error("a second attempt of one epoch:", err)
		}
	})
	t.Run("a list that is not of the last attempt", func(t *testing.T) {
		p := dangling(t)
		a, b := p.list(t)
		p.list(t)
		see(p.b, b, a)
		if p.b.s.lowered.set {
			t.Fatal("an old list has a say")
		}
	})
	t.Run("the peer lists mine and another", func(t *testing.T) {
		p := dangling(t)
		_, b := p.list(t)
		p.b.s.Saw(b, []uint32{1, 2})
		if p.b.s.lowered.set {
			t.Fatal("lowered although the versions agree")
		}
	})
}

// TestLateActivation delivers the answer of a healing exchange long after E.
func TestLateActivation(t *testing.T) {
	p := lostAnswer(t)
	p.until(5, func() bool { return p.a.s.Version() == 2 && p.b.s.Version() == 2 })
}

// TestHealingRefuses gives both sides healing messages that must not be.
func TestHealingRefuses(t *testing.T) {
	p := newPair(t, 12)
	p.until(12, p.introduced)
	pk := privateKey(Key{5}).Public().Bytes()
	enc := make([]byte, suite.KEMEncapsulationSize)
	give := func(d *side, m message) error {
		clone, err := Load(d.s.encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		clone.control(wire.Record{Class: wire.ClassControl, Last: true, Item: m.item(), Data: m.append(nil)})
		if clone.newest().number != d.s.newest().number && clone.Trouble() != nil {
			t.Error("trouble and a new version")
		}
		return clone.Trouble()
	}
	for _, c := range []struct {
		name string
		to   *side
		m    message
		ok   bool
	}{
		{"a key from the side whose turn it is", p.a, message{kind: kindHealKey, version: 2, pk: pk}, true},
		{"a key from the other side", p.b, message{kind: kindHealKey, version: 2, pk: pk}, false},
		{"a key for a version that exists", p.a, message{kind: kindHealKey, version: 1, pk: pk}, false},
		{"a key for a version far off", p.a, message{kind: kindHealKey, version: 4, pk: pk}, false},
		{"a key that is none", p.a, message{kind: kindHealKey, version: 2, pk: slices.Repeat([]byte{0xff}, len(pk))}, false},
		{"an answer to nothing", p.b, message{kind: kindHealEnc, version: 2, epoch: p.epoch + 2, enc: enc}, false},
	} {
		if err := give(c.to, c.m); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	p.b.s.healing.active, p.b.s.healing.seed = true, Key{5}
	for _, c := range []struct {
		epoch uint64
		ok    bool
	}{{p.epoch + 3, true}, {p.epoch - 50, true}, {p.epoch + 1<<17, false}, {1<<64 - 1, false}} {
		enc, _, err := privateKey(Key{5}).Public().Encapsulate(suite.LabelHealKEM, healContext(2, c.epoch, pk)...)
		if err != nil {
			t.Fatal(err)
		}
		if err := give(p.b, message{kind: kindHealEnc, version: 2, epoch: c.epoch, enc: enc}); (err == nil) != c.ok {
			t.Errorf("an activation at epoch %d: %v", c.epoch, err)
		}
	}
}

// TestErasure checks that what must be forgotten is, in memory and in the state.
func TestErasure(t *testing.T) {
	p := newPair(t, 13)
	v0 := p.a.s.versions[0]
	sigma := p.a.s.intro.sigma
	p.until(12, p.introduced)
	p.run(1, faults{})
	v1 := p.a.s.versions[0]
	p.run(1, faults{})
	contains := func(d *side, k Key) bool {
		return slices.ContainsFunc(chunks(d.state), func(c Key) bool { return c == k })
	}
	for _, d := range p.sides() {
		for name, k := range map[string]Key{"σ": sigma, "K_rv^0": v0.RV, "root^0": v0.Root, "an earlier K_rv^1": v1.RV, "an earlier root^1": v1.Root} {
			if contains(d, k) {
				t.Errorf("%s keeps %s", d.name, name)
			}
		}
	}
	heal := p.a.s.newest().Heal
	p.until(30, func() bool { return p.a.s.held(2) != nil && p.b.s.held(2) != nil })
	p.run(1, faults{})
	for _, d := range p.sides() {
		if contains(d, heal) {
			t.Errorf("%s keeps heal^1 after version 2 is derived", d.name)
		}
	}
	talk := p.a.talk
	talk.Erase()
	if talk.send[0].value != (Key{}) || talk.receive[1].value != (Key{}) {
		t.Error("an erased talk keeps keys")
	}
	if talk.Cell(1<<40, 0, make([]byte, testCell)) || talk.Receive(1<<40, 0, make([]byte, testCell)) {
		t.Error("an erased talk works")
	}
	p.a.s.Erase()
	if k, _ := p.a.s.RestoreKey(); k != (Key{}) || p.a.s.Phase() != Refused {
		t.Error("an erased session keeps K_re")
	}
	if p.b.talk != nil { // what still runs must not fall over
		cell := make([]byte, testCell)
		p.b.talk.Cell(p.round, 0, cell)
	}
}

// chunks lists every 32 consecutive bytes.
func chunks(b []byte) (out []Key) {
	for i := 0; i+32 <= len(b); i++ {
		out = append(out, Key(b[i:i+32]))
	}
	return out
}

// TestRules says of each rule with a named attack that lives here that the
// attack fails. A build that can break rules plays it the other way round too.
func TestRules(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if r.attack(t) {
				t.Fatal("the attack succeeds")
			}
			if weakened.Enabled {
				*r.weaken = true
				defer func() { *r.weaken = false }()
				if !r.attack(t) {
					t.Fatal("the rule is broken and the attack fails: it shows nothing")
				}
			}
		})
	}
}
