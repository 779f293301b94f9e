package conduct

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/seal"
)

// A consent to a handshake, and the agreement itself, can be taken back until this
// member has confirmed it to somebody, who may count it as confirmed from then on.
func TestTakingBackAHandshake(t *testing.T) {
	m := newMesh(t, 3, 49)
	m.prepare(1)
	b := m.agreement(negotiation.Handshake, 0, 1, 2)
	id := m.say(0, b)
	m.settle()
	var consents []negotiation.ID
	for i := range 3 {
		if i == 2 {
			m.settle()
		}
		consents = append(consents, m.say(i, &negotiation.Consent{Core: b.Core()}))
	}
	for i := range 2 {
		for _, of := range []negotiation.ID{consents[i], id} {
			if err := m.seat(i).CheckTakingBack(of); err != nil {
				t.Errorf("before anything was confirmed: %v", err)
			}
		}
	}
	// 2 is heard by 0 and 1, which confirm to each other, and hears nobody.
	var held [2][][]byte
	for again := true; again; {
		again = false
		for i := range 3 {
			for j := range 2 {
				again = i != j && m.deliver(i, j) || again
			}
		}
		for i := range 2 {
			held[i] = append(held[i], m.lines[i][2]...)
			m.lines[i][2] = nil
		}
	}
	m.wantAgreement(id, negotiation.AgreementReady, 0, 1)
	for i := range 2 {
		for _, of := range []negotiation.ID{consents[i], id} {
			if err := m.seat(i).CheckTakingBack(of); err == nil {
				t.Errorf("%s takes back what it confirmed", names[i])
			}
		}
		if err := m.seat(i).CheckTakingBack(m.agenda); err != nil {
			t.Error(err)
		}
		m.lines[i][2] = held[i]
	}
	m.settle()
	m.wantAgreement(id, negotiation.AgreementConfirmed, 0, 1, 2)
}

// Whoever takes a consent back while the agreement is being signed sends no share, and
// nobody else's attempt goes on without it.
func TestConsentTakenBackWhileSigning(t *testing.T) {
	m := newMesh(t, 3, 50)
	m.prepare(1)
	b := m.agreement(negotiation.Sealed, 0, 1, 2)
	id := m.say(0, b)
	m.settle()
	var consent negotiation.ID
	for i := range 3 {
		c := m.say(i, &negotiation.Consent{Core: b.Core()})
		if i == 1 {
			consent = c
		}
		m.settle()
	}
	m.sign(1, id)
	m.sign(0, id)
	m.settle()
	m.say(1, &negotiation.Withdraw{Of: consent})
	if p := m.progress(1, id); p.Approved {
		t.Error("who took its consent back still signs")
	}
	if !slices.ContainsFunc(m.members[1].room.Opaque("sign/stop"), func(st *negotiation.Statement) bool { return st.From == m.id(1) }) {
		t.Error("the others are not told")
	}
	if err := m.trySign(2, id); err != nil {
		t.Fatal(err) // it has not heard of it
	}
	m.settle()
	if got := m.members[0].room.Opaque("sign/share"); len(got) > 0 {
		t.Error("a share left")
	}
	m.wantAgreement(id, negotiation.AgreementConsenting, 0, 1)
	m.wantAgreement(id, negotiation.AgreementStalled, 2)
	for i := range 3 {
		if m.trySign(i, id) == nil {
			t.Errorf("%s signs without all consents", names[i])
		}
	}
	m.say(1, &negotiation.Consent{Core: b.Core()})
	m.settle()
	for i := range 3 {
		m.sign(i, id)
		m.settle()
	}
	m.wantAgreement(id, negotiation.AgreementSealed, 0, 1, 2)
}

// Whoever has a share of somebody cannot make it give up by taking back what the attempt
// stands on: it waits for the rest, and holds the document as soon as anybody completes it.
func TestConsentTakenBackAfterAShare(t *testing.T) {
	m := newMesh(t, 2, 51)
	m.prepare(1)
	b := m.agreement(negotiation.Sealed, 0, 1)
	id := m.say(0, b)
	m.settle()
	consents := map[int]negotiation.ID{}
	for i := range 2 {
		consents[i] = m.say(i, &negotiation.Consent{Core: b.Core()})
		m.settle()
	}
	last := 0 // completes last, and cheats
	if m.id(1) == *m.progress(0, id).Last {
		last = 1
	}
	first := 1 - last
	for i := range 2 {
		m.sign(i, id)
	}
	shared := func(i int) bool {
		return slices.ContainsFunc(m.members[i].room.Opaque("sign/share"), func(st *negotiation.Statement) bool { return st.From == m.id(i) })
	}
	for !shared(first) {
		if !m.deliver(first, last) && !m.deliver(last, first) {
			t.Fatal("nothing moves")
		}
	}
	share := m.lines[first][last]
	m.lines[first][last] = nil
	cheat := m.members[last] // its room would refuse: it forgets that it signs
	room, err := negotiation.Restore(cheat.room.Charter(), cheat.rows, nil, m.random)
	if err != nil {
		t.Fatal(err)
	}
	c, err := room.Say(&negotiation.Withdraw{Of: consents[last]}, negotiation.MemberID{}, m.clock)
	if err != nil {
		t.Fatal(err)
	}
	m.keep(last, c)
	m.reload(last)
	m.settle()
	if !m.progress(first, id).Approved || m.agreed(first, id).State == negotiation.AgreementConsenting {
		t.Error("who has sent its share gave up")
	}
	// What completes it, as the cheat could make it at any time.
	kept, err := cheat.signs.load(m.seat(last), id)
	if err != nil {
		t.Fatal(err)
	}
	theirs, _, err := cheat.signs.session(m.seat(last), id, kept)
	if err != nil {
		t.Fatal(err)
	}
	e, err := negotiation.ParseEnvelope(share[len(share)-1])
	if err != nil || e.Kind != "sign/share" {
		t.Fatal(err)
	}
	msg, err := ParseMessage(e.Body)
	if err != nil {
		t.Fatal(err)
	}
	completing, err := theirs.Receive(seal.ID(m.id(first)), msg.Bytes)
	if err != nil || len(completing) != 1 {
		t.Fatal(err)
	}
	m.lines[first][last] = share
	m.settle()
	k, err := m.members[first].signs.load(m.seat(first), id)
	if err != nil || !k.Approved {
		t.Fatal("it does not wait for the rest", err)
	}
	if session, _, err := m.members[first].signs.session(m.seat(first), id, k); err != nil || session.Ended() {
		t.Error("its attempt has ended", err)
	}
	if c, err = cheat.room.SayOpaque("sign/share", Message{Of: id, Attempt: msg.Attempt, Bytes: completing[0]}.Encode(), negotiation.MemberID{}, m.clock); err != nil {
		t.Fatal(err)
	}
	m.keep(last, c)
	m.settle()
	m.wantAgreement(id, negotiation.AgreementSealed, first)
}

// Who confirms, and gives no key under which it could be confirmed to, has confirmed
// nothing: both hold a handshake, or neither.
func TestConfirmsWithoutKey(t *testing.T) {
	m := newMesh(t, 2, 58)
	m.strict = false
	m.prepare(1)
	b := m.agreement(negotiation.Handshake, 0, 1)
	id := m.say(0, b)
	m.settle()
	m.say(0, &negotiation.Consent{Core: b.Core()})
	m.settle()
	liar := m.members[1].room
	c, err := liar.Say(&negotiation.Consent{Core: b.Core()}, negotiation.MemberID{}, m.clock)
	if err != nil {
		t.Fatal(err)
	}
	m.keep(1, c)
	for m.deliver(1, 0) {
	}
	e, err := negotiation.ParseEnvelope(m.lines[0][1][0])
	if err != nil || e.Kind != kindKey {
		t.Fatal(err)
	}
	given, err := ParseMessage(e.Body)
	if err != nil {
		t.Fatal(err)
	}
	mac := seal.Confirmation([32]byte(given.Bytes), seal.Core(b.Core()), seal.ID(m.id(1)))
	if c, err = liar.SayOpaque(kindConfirm, Message{Of: id, Bytes: mac[:]}.Encode(), m.id(0), m.clock); err != nil {
		t.Fatal(err)
	}
	m.keep(1, c)
	for m.deliver(1, 0) {
	}
	m.wantAgreement(id, negotiation.AgreementReady, 0)
	m.settle() // its station gives the key after all
	m.wantAgreement(id, negotiation.AgreementConfirmed, 0, 1)
}

// An attempt that broke off is not taken up again under an agenda that has moved on, and
// one that goes on ends before its shares.
func TestAgendaMovesOnWhileSigning(t *testing.T) {
	for _, broken := range []bool{true, false} {
		m := newMesh(t, 2, 53)
		m.prepare(1)
		id := m.ready(m.agreement(negotiation.Sealed, 0, 1))
		m.sign(0, id)
		m.settle()
		if broken {
			m.sign(1, id)
			m.settleUntil(func() bool { return m.agreed(1, id).State == negotiation.AgreementCommitments })
			if err := m.do(1, func(s *Seat) ([]Saying, error) { return m.members[1].signs.Stop(s, id) }); err != nil {
				t.Fatal(err)
			}
			m.settle()
			m.wantAgreement(id, negotiation.AgreementStalled, 0, 1)
		}
		old, ok := body[*negotiation.Agenda](m.members[0].room, m.agenda)
		if !ok {
			t.Fatal("no agenda")
		}
		next := m.say(0, &negotiation.Agenda{Rev: 2, Base: &m.agenda, Issues: old.Issues})
		m.settle()
		m.say(1, &negotiation.Confirm{Of: next})
		m.settle()
		for i := range 2 {
			if err := m.trySign(i, id); err == nil {
				t.Errorf("%s signs under an agenda that does not hold any more", names[i])
			}
		}
		m.settle()
		for i := range 2 {
			if len(m.members[i].room.Opaque("sign/share")) > 0 || m.progress(i, id).Approved {
				t.Errorf("%s goes on", names[i])
			}
		}
	}
}

// settleUntil delivers until something is so.
func (m *mesh) settleUntil(so func() bool) {
	m.t.Helper()
	for !so() {
		if !m.deliver(0, 1) && !m.deliver(1, 0) {
			m.t.Fatal("nothing moves")
		}
	}
}

// A handshake holds for all or for none, whatever crosses it: who has confirmed an
// agreement to somebody goes on with it, though its agenda has moved on meanwhile, or who
// proposed it, and has no part in it, takes it back.
func TestHandshakeHoldsForAllOrNone(t *testing.T) {
	var confirmed, not int
	for seed := range uint64(120) {
		m := newMesh(t, 4, 60+seed)
		m.strict = false
		pick := rand.New(rand.NewPCG(seed, 3)).IntN
		// The proposer is not concerned.
		issue := negotiation.Issue{ID: 1, Title: "Status of X", Type: negotiation.Choice, Options: []string{"opposed", "silent"}, Affects: m.ids(0, 1, 2)}
		agenda := m.say(3, &negotiation.Agenda{Rev: 1, Issues: []negotiation.Issue{issue}})
		m.settle()
		for i := range 3 {
			m.say(i, &negotiation.Confirm{Of: agenda})
		}
		p := m.say(3, &negotiation.Package{Agenda: agenda, Values: map[uint64]negotiation.Value{1: negotiation.OptionValue(1)}})
		m.settle()
		b := &negotiation.Agreement{Parties: m.ids(0, 1, 2), Level: negotiation.Handshake, Agenda: &agenda, Packages: []negotiation.ID{p},
			Lapses: uint64(m.clock.Add(time.Hour).Unix())}
		id := m.say(3, b)
		m.settle()
		for i := range 3 {
			m.say(i, &negotiation.Consent{Core: b.Core()})
		}
		moves := seed%2 == 0
		var next negotiation.ID
		told := map[int]bool{}
		wait := pick(40) // steps until the proposer speaks
		for idle := 0; idle < 60; {
			i, j := pick(4), pick(4)
			if i != j && m.deliver(i, j) {
				idle = 0
			} else {
				idle++
			}
			if wait--; wait == 0 && moves {
				next = m.say(3, &negotiation.Agenda{Rev: 2, Base: &agenda, Issues: []negotiation.Issue{issue}})
			} else if wait == 0 {
				if _, err := m.trySay(3, &negotiation.Withdraw{Of: id}); err != nil {
					t.Log(err)
				}
			}
			if k := pick(3); !next.IsZero() && !told[k] {
				if _, here := m.members[k].room.Statement(next); here {
					m.say(k, &negotiation.Confirm{Of: next})
					told[k], idle = true, 0
				}
			}
		}
		m.settle()
		var states []negotiation.AgreementState
		n := 0
		for i := range 3 {
			states = append(states, m.agreed(i, id).State)
			if states[i] == negotiation.AgreementConfirmed {
				n++
			}
		}
		switch n {
		case 0:
			not++
		case 3:
			confirmed++
		default:
			t.Errorf("seed %d: %v", seed, states)
		}
	}
	if confirmed == 0 || not == 0 {
		t.Errorf("%d confirmed, %d not: nothing crossed", confirmed, not)
	}
}
