package negotiation

import "testing"

// A revision that names an affected party outside of the room comes to hold while
// another, based on the one before, is on its way: the other cannot drop that party by
// having been written earlier.
func TestAgendaOvertaken(t *testing.T) {
	m := newMesh(t, 3, 63)
	m.strict = true
	first := m.agenda()
	with := issues()
	with[0].Outsiders = []string{"Dorland"}
	second := m.say(0, &Agenda{Rev: 2, Base: &first, Issues: with})
	m.settle()
	m.say(1, &Confirm{Of: second})
	m.settle()
	late := m.say(2, &Confirm{Of: second}) // crosses the next
	third := m.say(1, &Agenda{Rev: 3, Base: &first, Issues: issues()})
	m.settle()
	_ = late
	for i := range 3 {
		if v := m.view(i); v.Agenda.ID != second || len(v.Proposed) != 1 || v.Proposed[0].Problem == "" {
			t.Errorf("%s: %+v", m.name(m.id(i)), v.Agenda)
		}
	}
	m.lie(0, &Confirm{Of: third}, MemberID{})
	m.lie(2, &Confirm{Of: third}, MemberID{})
	for i := range 3 {
		if v := m.view(i); v.Agenda.ID != second {
			t.Errorf("%s: agenda %d holds, based on one that no longer does", m.name(m.id(i)), v.Agenda.Rev)
		}
	}
	m.say(1, &Agenda{Rev: 4, Base: &second, Issues: with})
}

// Who confirmed a later agenda cannot make an earlier one hold afterwards and so take
// the ground from under the later one, nor confirm two of one number.
func TestAgendaConfirmedBackwards(t *testing.T) {
	m := newMesh(t, 3, 64)
	m.strict = true
	first := m.agenda()
	second := m.say(0, &Agenda{Rev: 2, Base: &first, Issues: issues()[:2]})
	twin := m.say(1, &Agenda{Rev: 2, Base: &first, Issues: issues()[:1]})
	m.settle()
	m.say(1, &Agenda{Rev: 3, Base: &first, Issues: issues()})
	third := m.lastOf(1)
	m.settle()
	_, err := m.trySay(1, &Confirm{Of: second})
	refusedWith(t, err, "number 2 was confirmed already")
	m.say(0, &Confirm{Of: third})
	m.settle()
	m.say(2, &Confirm{Of: third})
	m.settle()
	_, err = m.trySay(2, &Confirm{Of: second})
	refusedWith(t, err, "a later agenda holds")
	for i := range 3 {
		for _, id := range []ID{second, twin} {
			m.lie(i, &Confirm{Of: id}, MemberID{})
		}
	}
	for i := range 3 {
		v := m.eval(i)
		if v.heldID != third || v.agendas[second].Holds || v.agendas[twin].Holds {
			t.Errorf("%s: agenda %d holds", m.name(m.id(i)), v.held.Rev)
		}
	}
	// Before it holds, too, the later one is the one that counts.
	fourth := m.say(0, &Agenda{Rev: 4, Base: &third, Issues: issues()[:2]})
	m.settle()
	fifth := m.say(1, &Agenda{Rev: 5, Base: &third, Issues: issues()[:1]})
	m.settle()
	_, err = m.trySay(1, &Confirm{Of: fourth})
	refusedWith(t, err, "agenda 5, which is later, was confirmed already")
	m.say(2, &Confirm{Of: fifth})
	m.say(0, &Confirm{Of: fifth})
	m.settle()
	if v := m.eval(2); v.heldID != fifth {
		t.Error(v.held.Rev)
	}
}

// After a restore an agreement that was being signed is stalled: the machine is in no
// backup. And one whose time is over has lapsed, whatever was last reported of it.
func TestFrozenSigning(t *testing.T) {
	m := newMesh(t, 2, 65)
	m.agenda()
	a := m.agreement([]int{0, 1}, func(a *Agreement) { a.Level = Sealed })
	id := m.say(0, a)
	m.settle()
	for i := range 2 {
		m.say(i, &Consent{Core: a.Core()})
		m.settle()
	}
	for _, s := range []AgreementState{AgreementCommitments, AgreementNonces, AgreementShares} {
		if err := m.rooms[0].Progress(id, string(s), "", m.clock); err != nil {
			t.Fatal(err)
		}
		r, err := Restore(m.rooms[0].Charter(), m.rows[0], m.rooms[0].Lasting(), m.random)
		if err != nil {
			t.Fatal(err)
		}
		if v := r.AgreementsAt(m.clock)[0]; v.State != AgreementStalled || v.Note == "" {
			t.Errorf("restored while %s: %s", s, v.State)
		}
	}
	if s := m.eval(0).agreements[id].State; s != AgreementShares {
		t.Error(s)
	}
	m.wait(25 * 3600e9)
	if s := m.eval(0).agreements[id].State; s != AgreementLapsed {
		t.Error(s)
	}
}
