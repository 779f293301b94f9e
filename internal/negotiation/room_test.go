package negotiation

import (
	"strings"
	"testing"
	"time"
)

// A whole negotiation of three, every room made again from its rows after each
// step.
func TestStory(t *testing.T) {
	m := newMesh(t, 3, 1)
	m.strict = true
	m.say(0, &Signal{Text: "Is this line good?"})
	m.say(1, &Letter{Subject: "X", Text: "Our side may drop its opposition.", Attachments: []Attachment{{Name: "map.png", Data: []byte{1, 2}}}})
	m.say(0, &Signal{Text: "Between us."}, 1)
	m.settle()
	agenda := m.agenda()
	offer := m.say(0, m.offer(agenda, 0, time.Hour, 1))
	m.settle()
	if v := m.view(2); len(v.Offers) != 1 || v.Offers[0].MayTake || v.Offers[0].State != OfferOpen {
		t.Fatalf("Cenia sees %+v", v.Offers)
	}
	if _, err := m.trySay(2, &Take{Of: offer}); err == nil {
		t.Fatal("an offer to another was taken")
	}
	m.say(1, &Take{Of: offer})
	if !m.view(1).Offers[0].Waiting {
		t.Error("the taker does not wait for confirmation")
	}
	m.settle()
	for i := range 3 {
		o := m.view(i).Offers[0]
		if o.State != OfferTaken || *o.TakenBy != m.id(1) || !o.InForce || o.Waiting {
			t.Fatalf("member %d sees %+v", i, o)
		}
	}
	p := m.say(0, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(2), 2: NumberValue(dec10(25, -1))}})
	m.settle()
	a := &Agreement{Parties: m.ids(0, 1), Level: Handshake, Lapses: uint64(m.clock.Add(24 * time.Hour).Unix()), Agenda: &agenda, Packages: []ID{p}}
	id := m.say(0, a)
	m.settle()
	m.say(0, &Consent{Core: a.Core()})
	m.say(1, &Consent{Core: a.Core()})
	m.settle()
	for i := range 3 {
		v := m.view(i).Agreements[0]
		if v.State != AgreementConsenting || len(v.Needed) != 3 {
			t.Fatalf("without Cenia it is %s, needed %v", v.State, v.Needed)
		}
	}
	m.say(2, &Consent{Core: a.Core()})
	m.settle()
	for i := range 3 {
		if v := m.view(i).Agreements[0]; v.State != AgreementReady {
			t.Fatalf("with all consents it is %s, blocked by %v", v.State, v.Blocked)
		}
		if err := m.rooms[i].Progress(id, "confirmed", "", m.now(i)); err != nil {
			t.Fatal(err)
		}
		if m.rooms[i].Progress(id, "sealed", "", m.now(i)) == nil {
			t.Error("a confirmed agreement was sealed")
		}
		m.restart(i)
		if v := m.view(i).Agreements[0]; v.State != AgreementConfirmed || !v.IsAgreed() {
			t.Fatal(v.State)
		}
	}
	q := m.say(0, &Communique{Agreement: id, Text: "The parties have talked."})
	m.settle()
	m.say(1, &Approve{Of: q})
	m.settle()
	if _, err := m.trySay(0, &Release{Of: q}); err == nil {
		t.Error("a communiqué was released before all approved")
	}
	m.say(2, &Approve{Of: q})
	m.settle()
	m.say(0, &Release{Of: q})
	m.settle()
	for i := range 3 {
		v := m.view(i)
		if v.Communiques[0].State != CommuniqueReleased {
			t.Error(v.Communiques[0].State)
		}
		if len(v.Table) != 3 || len(v.Table[1].Positions) != 1 || v.Table[1].Positions[0].Show != "2.5 per ton" {
			t.Errorf("the table is %+v", v.Table)
		}
		m.wantAlarms(i)
	}
	if v := m.view(2); strings.Contains(m.json(m.rooms[2], 2), "Between us") || len(v.Timeline) != len(m.view(0).Timeline)-1 {
		t.Error("a private statement reached a third member")
	}
	if len(m.errs) > 0 {
		t.Error(m.errs)
	}
}
