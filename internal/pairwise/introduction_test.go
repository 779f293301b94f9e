package pairwise

import (
	"slices"
	"testing"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// meddle runs 20 epochs and lets change act on the first control message of kind
// k that waits at its sender.
func meddle(p *pair, k kind, change func(m *message)) {
	done := false
	for range 20 * p.per {
		for _, d := range p.sides() {
			for j, c := range d.s.sending.control {
				if m, ok := parseMessage(c); ok && m.kind == k && !done {
					change(&m)
					d.s.sending.control[j] = m.append(nil)
					done = true
				}
			}
		}
		p.step(faults{})
	}
	if !done {
		p.t.Fatalf("no message of kind %d came by", k)
	}
}

// TestRefused changes one message at a time. Whoever notices refuses; nobody
// ends up introduced to a stranger; and both go on exchanging full cells.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		kind    kind
		change  func(m *message)
		inviter Phase
		invitee Phase
	}{
		{"commitment to something else", kindCommit, func(m *message) { m.hash[0] ^= 1 }, Introducing, Refused},
		{"invitee's key changed", kindKey, func(m *message) { m.pk[1190] ^= 1 }, Introducing, Introducing},
		{"invitee's key is none", kindKey, func(m *message) {
			for i := range m.pk {
				m.pk[i] = 0xff
			}
		}, Refused, Introducing},
		{"inviter's key changed", kindOpen, func(m *message) { m.pk[1190] ^= 1 }, Introducing, Refused},
		{"opening value changed", kindOpen, func(m *message) { m.hash[31] ^= 1 }, Introducing, Refused},
		{"encapsulation to the invitee changed", kindOpen, func(m *message) { m.enc[7] ^= 1 }, Refused, Introducing},
		{"encapsulation to the inviter changed", kindAccept, func(m *message) { m.enc[7] ^= 1 }, Refused, Introducing},
		{"activation epoch changed", kindAccept, func(m *message) { m.epoch++ }, Refused, Introducing},
		{"invitee's confirmation wrong", kindAccept, func(m *message) { m.hash[0] ^= 1 }, Refused, Introducing},
		{"inviter's confirmation wrong", kindConfirm, func(m *message) { m.hash[0] ^= 1 }, Introduced, Refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPair(t, 3)
			p.accept(p.a, wire.ClassSignal, 10)
			p.accept(p.b, wire.ClassSignal, 10)
			meddle(p, c.kind, c.change)
			if c.name == "invitee's key changed" {
				// A changed X25519 half is still a key: the secret differs, the
				// commitment holds, so the confirmation shows it.
				c.inviter, c.invitee = Refused, Introducing
			}
			if p.a.s.Phase() != c.inviter || p.b.s.Phase() != c.invitee {
				t.Fatalf("inviter %d, invitee %d; want %d, %d", p.a.s.Phase(), p.b.s.Phase(), c.inviter, c.invitee)
			}
			if p.introduced() || len(p.a.complete)+len(p.b.complete) > 0 {
				t.Fatal("a letter was carried")
			}
			if _, ok := p.b.s.Words(); ok {
				t.Fatal("the invitee shows words")
			}
			p.run(3, faults{})
			if p.a.opened == 0 || p.b.opened == 0 {
				t.Fatal("a refusal shows: no cells are exchanged any more")
			}
			for _, d := range p.sides() {
				p.reload(d)
			}
		})
	}
}

// TestTwoInvitees redeems one invitation twice. At the same time: both list one
// tag, which then stands twice in the list, so nobody talks. One after the other:
// the second finds a stream that has begun without it. Whoever holds σ can spoil
// a run that is not over, by acknowledging what it cannot use, but is not
// introduced; a finished run leaves it no way in.
func TestTwoInvitees(t *testing.T) {
	p := newPair(t, 4)
	sigma := p.a.s.intro.sigma
	m1, err1 := p.b.s.Join(150, wire.Hash{1})
	m2, err2 := newSide("thief", NewSession(Invitee, sigma, 99)).s.Join(150, wire.Hash{1})
	if err1 != nil || err2 != nil || m1.Tag != m2.Tag {
		t.Fatal("two who redeem one invitation do not list the same tag")
	}
	for st := stageKeyed; st <= stageAccepted; st++ {
		p := newPair(t, 4)
		thief, real := newSide("thief", NewSession(Invitee, sigma, 99)), p.b
		p.accept(p.a, wire.ClassLetter, 1000)
		for p.b.s.intro.stage != st {
			p.step(faults{})
		}
		for p.round%p.per != 0 {
			p.oneRound(faults{}) // without an attempt
		}
		p.epoch = p.round / p.per
		p.b = thief
		p.run(8, faults{loss: 0.2})
		p.b = real
		p.run(20, faults{})
		if thief.s.Version() != 0 || len(thief.received) > 0 {
			t.Fatalf("stage %d: the thief is introduced or was told something", st)
		}
		wa, oka := p.a.s.Words()
		wb, okb := real.s.Words()
		wt, okt := thief.s.Words()
		if oka && okb && wa != wb || oka && okt && wa != wt {
			t.Fatalf("stage %d: words differ", st)
		}
		if okb && okt {
			t.Fatalf("stage %d: two are introduced", st)
		}
	}

	// After a finished run version 0 is gone.
	p = newPair(t, 4)
	p.until(20, p.introduced)
	thief := newSide("thief", NewSession(Invitee, sigma, 99))
	m, err := thief.s.Join(p.epoch+2, wire.Hash{2})
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.a.s.Join(p.epoch+2, wire.Hash{2})
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(a.Held, func(h HeldTag) bool { return h.PeerTag == m.Tag }) {
		t.Fatal("the inviter still knows the thief's tag")
	}
}

// TestManInTheMiddle has somebody with the invitation's secret introduce himself
// to both. Both introductions succeed, and the words differ.
func TestManInTheMiddle(t *testing.T) {
	left, right := newPair(t, 5), newPair(t, 5)
	left.until(12, left.introduced)
	right.until(12, right.introduced)
	wi, _ := left.a.s.Words()
	wr, _ := right.b.s.Words()
	if wi == wr {
		t.Fatal("inviter and invitee see the same words through a man in the middle")
	}
}

// TestWordsBits checks that the words are the first 44 bits, in order.
func TestWordsBits(t *testing.T) {
	tr := Transcript{PKI: []byte("pk"), PKR: []byte("other"), R: Key{7}}
	h := suite.Hash(suite.LabelWords, tr.PKI, tr.R[:], tr.PKR)
	var bits []byte
	for _, b := range h {
		for i := 7; i >= 0; i-- {
			bits = append(bits, b>>i&1)
		}
	}
	for i, w := range tr.Words() {
		want := uint16(0)
		for _, b := range bits[i*11 : i*11+11] {
			want = want<<1 | uint16(b)
		}
		if w != want {
			t.Errorf("word %d is %d, not %d", i, w, want)
		}
	}
}

// TestOutOfPlace gives both sides, in every stage, every control message that
// does not belong there: it is noted and changes nothing.
func TestOutOfPlace(t *testing.T) {
	belongs := map[stage]kind{stageInvited: kindCommit, stageCommitted: kindKey, stageKeyed: kindOpen, stageOpened: kindAccept, stageAccepted: kindConfirm}
	try := func(d *side) {
		s := d.s
		for k := kindCommit; k <= kindHealEnc; k++ {
			if belongs[s.intro.stage] == k {
				continue
			}
			m := message{kind: k, pk: make([]byte, suite.KEMPublicKeySize), enc: make([]byte, suite.KEMEncapsulationSize), version: 1}
			clone, err := Load(s.encode(), nil)
			if err != nil {
				t.Fatal(err)
			}
			clone.control(wire.Record{Class: wire.ClassControl, Last: true, Item: m.item(), Data: m.append(nil)})
			if clone.Trouble() != ErrMisbehaving {
				t.Errorf("%s, stage %d: message %d is accepted", d.name, s.intro.stage, k)
			}
			clone.misbehaved = s.misbehaved
			if string(clone.encode()) != string(s.encode()) {
				t.Errorf("%s, stage %d: message %d out of place changes the state", d.name, s.intro.stage, k)
			}
		}
	}
	p := newPair(t, 6)
	stages := map[stage]bool{}
	for range 400 {
		p.step(faults{})
		for _, d := range p.sides() {
			if st := d.s.intro.stage; !stages[st] {
				stages[st] = true
				try(d)
			}
		}
		if p.introduced() {
			break
		}
	}
	if len(stages) != 6 {
		t.Fatalf("only %d of 6 stages were seen", len(stages))
	}
}
