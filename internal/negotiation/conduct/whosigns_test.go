package conduct

import (
	"slices"
	"testing"
	"time"

	"backchannel/internal/negotiation"
)

// The last share completes nothing after the agreement has lapsed, even if nobody looked
// at the clock in between; and no share leaves then.
func TestShareAfterLapse(t *testing.T) {
	for _, c := range []struct {
		step negotiation.Kind
		n    int // how many of them have been sent
	}{{"sign/nonce", 1}, {"sign/share", 1}, {"sign/share", 2}} {
		step := c.step
		m := newMesh(t, 2, 54)
		m.prepare(1)
		id := m.ready(m.agreement(negotiation.Sealed, 0, 1))
		m.sign(0, id)
		m.sign(1, id)
		on := func() (list []int) { // to whom one such message is under way
			for i := range 2 {
				if slices.ContainsFunc(m.lines[i][1-i], func(raw []byte) bool {
					e, err := negotiation.ParseEnvelope(raw)
					return err == nil && e.Kind == step
				}) {
					list = append(list, 1-i)
				}
			}
			return list
		}
		m.settleUntil(func() bool {
			sent := 0
			for i := range 2 {
				for _, st := range m.members[i].room.Opaque(string(step)) {
					if st.From == m.id(i) {
						sent++
					}
				}
			}
			return sent == c.n && len(on()) > 0
		})
		to := on()[0]
		m.clock = m.clock.Add(25 * time.Hour)
		before := len(m.members[to].room.Opaque("sign/share"))
		m.settle()
		m.wantAgreement(id, negotiation.AgreementLapsed, to)
		for i := range 2 {
			held := slices.ContainsFunc(m.members[i].room.Opaque(string(kindHeld)), func(st *negotiation.Statement) bool { return st.From == m.id(to) })
			if a := m.agreed(i, id); a.Seal != nil && i == to || held {
				t.Errorf("%s: %s holds a document that has lapsed", step, names[i])
			}
		}
		if step == "sign/nonce" && len(m.members[to].room.Opaque("sign/share")) != before {
			t.Error("a share leaves after the agreement has lapsed")
		}
	}
}

// Who takes no part in a signing cannot stop it, and who has sent its share cannot take
// it back.
func TestWhoStops(t *testing.T) {
	m := newMesh(t, 3, 56)
	issue := negotiation.Issue{ID: 1, Title: "Status of X", Type: negotiation.Choice, Options: []string{"opposed", "silent"}, Affects: m.ids(0, 1)}
	agenda := m.say(2, &negotiation.Agenda{Rev: 1, Issues: []negotiation.Issue{issue}})
	m.settle()
	for i := range 2 {
		m.say(i, &negotiation.Confirm{Of: agenda})
	}
	p := m.say(2, &negotiation.Package{Agenda: agenda, Values: map[uint64]negotiation.Value{1: negotiation.OptionValue(1)}})
	m.settle()
	b := &negotiation.Agreement{Parties: m.ids(0, 1), Level: negotiation.Sealed, Agenda: &agenda, Packages: []negotiation.ID{p},
		Lapses: uint64(m.clock.Add(time.Hour).Unix())}
	id := m.say(2, b)
	m.settle()
	for i := range 2 {
		m.say(i, &negotiation.Consent{Core: b.Core()})
	}
	m.settle()
	m.sign(0, id)
	m.settle()
	if m.trySign(2, id) == nil {
		t.Error("who is not needed signs")
	}
	if err := m.do(2, func(*Seat) ([]Saying, error) {
		return []Saying{{Kind: kindStop, Body: Message{Of: id, Attempt: 1}.Encode()}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	m.settle()
	if !m.progress(0, id).Approved {
		t.Error("a member that takes no part stopped it")
	}
	m.sign(1, id)
	m.settleUntil(func() bool { return len(m.progress(0, id).Shared)+len(m.progress(1, id).Shared) > 0 })
	first := 0
	if len(m.progress(1, id).Shared) > 0 {
		first = 1
	}
	if err := m.do(first, func(s *Seat) ([]Saying, error) { return m.members[first].signs.Stop(s, id) }); err == nil {
		t.Error("a share that was sent was taken back")
	}
	m.settle()
	m.wantAgreement(id, negotiation.AgreementSealed, 0, 1)
}

// All that a core covers in words is in the signed text.
func TestSignedText(t *testing.T) {
	m := newMesh(t, 2, 57)
	m.prepare(1)
	p := m.say(0, &negotiation.Package{Agenda: m.agenda, Values: map[uint64]negotiation.Value{2: negotiation.OptionValue(2)}, Note: "For one year."})
	b := m.agreement(negotiation.Sealed, 0, 1)
	b.Packages = append(b.Packages, p)
	got, err := SignedText(m.members[0].room, b)
	want := "Aldmark opens the port.\n\nPackage 1\nTransit fee: 0 per ton\nStatus of X: opposed\n\nPackage 2\nStatus of X: accepted\nNote: For one year.\n\n" +
		"This agreement is void unless all parties confirm holding it by 2026-11-13 10:00 UTC."
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
}

// A restart ends the own attempt and says so, though nobody says anything: the others do
// not wait for a nonce that is gone.
func TestRestartIsTold(t *testing.T) {
	m := newMesh(t, 2, 59)
	m.prepare(1)
	id := m.ready(m.agreement(negotiation.Sealed, 0, 1))
	m.sign(0, id)
	m.settle()
	m.restart(0)
	if m.progress(0, id).Approved {
		t.Error("the attempt goes on without its nonce")
	}
	m.settle()
	if !slices.ContainsFunc(m.members[1].room.Opaque(string(kindStop)), func(st *negotiation.Statement) bool { return st.From == m.id(0) }) {
		t.Error("the other is not told")
	}
	m.sign(1, id)
	m.settle()
	if len(m.members[0].room.Opaque("sign/share")) > 0 {
		t.Error("a share without the user's word")
	}
	m.sign(0, id) // again, and the other goes over to the new attempt
	m.settle()
	m.wantAgreement(id, negotiation.AgreementSealed, 0, 1)
}

// Who cannot reach all signers at once does not begin.
func TestMoreSignersThanLanes(t *testing.T) {
	m := newMesh(t, 3, 55)
	m.prepare(1)
	id := m.ready(m.agreement(negotiation.Sealed, 0, 1))
	for lanes := range 4 {
		s := m.seat(0)
		s.Lanes = lanes
		if _, err := NewSignings().Sign(s, id); (err == nil) != (lanes >= 2) {
			t.Errorf("with %d lanes: %v", lanes, err)
		}
	}
}
