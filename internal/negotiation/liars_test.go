package negotiation

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// lied says what Say refuses, as a station of a liar would, and names it.
func (m *mesh) lied(i int, b Body) ID {
	m.lie(i, b, MemberID{})
	return m.lastOf(i)
}

// Drafts of a liar hang on nothing: one that skips a number, or that rests on what only
// some have.
func TestFalseDrafts(t *testing.T) {
	m := newMesh(t, 3, 80)
	one := m.say(0, &Draft{Rev: 1, Title: "Joint text", Text: "The parties will meet."})
	secret := m.say(0, &Draft{Rev: 1, Title: "Joint text", Text: "Two of us will meet."}, 1)
	m.settle()
	skipped := m.lied(0, &Draft{Rev: 5, Base: &one, Text: "The parties met."})
	open := m.lied(0, &Draft{Rev: 2, Base: &secret, Text: "Two of us met."})
	for i := range 2 {
		v := m.eval(i)
		if !v.drafts[one].Latest || v.drafts[skipped].Problem == "" || v.drafts[skipped].Latest || v.drafts[open].Problem == "" || v.drafts[open].Root == secret {
			t.Errorf("member %d: %+v, %+v", i, v.drafts[skipped], v.drafts[open])
		}
	}
}

// What only some have, or what stands under another agenda, is on no table: a round does
// not ask it and an agreement is blocked by it.
func TestPackagesNotOnTheTable(t *testing.T) {
	m := newMesh(t, 3, 81)
	first := m.agenda()
	values := map[uint64]Value{1: OptionValue(1)}
	old := m.say(0, &Package{Agenda: first, Values: values})
	second := m.say(0, &Agenda{Rev: 2, Base: &first, Issues: issues()})
	m.settle()
	for i := 1; i < 3; i++ {
		m.say(i, &Confirm{Of: second})
	}
	m.settle()
	secret := m.say(0, &Package{Agenda: second, Values: values}, 1)
	m.settle()
	for name, p := range map[string]ID{"private": secret, "of the agenda before": old, "none": {9}} {
		a := m.agreement([]int{0, 1}, func(a *Agreement) { a.Text, a.Agenda, a.Packages = "", &second, []ID{p} })
		r := &Round{Mode: Single, Agenda: second, Packages: []ID{p}, Parties: m.ids(0, 1), Opener: m.id(0),
			InputsAt: uint64(m.clock.Add(time.Hour).Unix()), Deadline: uint64(m.clock.Add(2 * time.Hour).Unix())}
		for _, b := range []Body{a, r} {
			_, err := m.trySay(0, b)
			refusedWith(t, err, "not on the table under its agenda")
		}
		agreement, round := m.lied(0, a), m.lied(0, r)
		m.say(1, &Consent{Core: a.Core()})
		m.lie(0, &Consent{Core: a.Core()}, MemberID{})
		_, err := m.trySay(1, &Join{Of: round})
		refusedWith(t, err, "cannot take place")
		for i := range 2 {
			v := m.eval(i)
			if got := v.agreements[agreement]; got.State != AgreementConsenting || !slices.Equal(got.Blocked, []string{"A package that it names is not on the table under its agenda."}) {
				t.Errorf("%s: an agreement is %s, %q", name, got.State, got.Blocked)
			}
			if v.rounds[round].Problem == "" {
				t.Errorf("%s: a round asks it", name)
			}
		}
	}
}

// A round is joined before answers leave, and its author takes it back only as long as
// nothing came of it.
func TestRoundsInTime(t *testing.T) {
	m := newMesh(t, 2, 82)
	agenda := m.agenda()
	p := m.say(0, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(1)}})
	m.settle()
	r := &Round{Mode: Single, Agenda: agenda, Packages: []ID{p}, Parties: m.ids(0, 1), Opener: m.id(0),
		InputsAt: uint64(m.clock.Add(time.Hour).Unix()), Deadline: uint64(m.clock.Add(2 * time.Hour).Unix())}
	late, ended := m.say(0, r), m.say(0, r)
	m.settle()
	item := uint64(0)
	if err := m.rooms[1].RoundProgress(ended, RoundMatch, Outcome{Item: &item}, m.clock); err != nil {
		t.Fatal(err)
	}
	m.lie(0, &Withdraw{Of: ended}, MemberID{})
	if s := m.eval(1).rounds[ended].State; s != RoundMatch {
		t.Errorf("a match that its author withdrew is %s", s)
	}
	m.wait(time.Hour)
	_, err := m.trySay(1, &Join{Of: late})
	refusedWith(t, err, "cannot be joined any more")
}

// Rounds that a restored station had joined have lapsed for it, whatever it knew of
// them; those that had ended stay what they were.
func TestFrozenRounds(t *testing.T) {
	m := newMesh(t, 2, 83)
	agenda := m.agenda()
	p := m.say(0, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(1)}})
	m.settle()
	r := &Round{Mode: Single, Agenda: agenda, Packages: []ID{p}, Parties: m.ids(0, 1), Opener: m.id(0),
		InputsAt: uint64(m.clock.Add(time.Hour).Unix()), Deadline: uint64(m.clock.Add(2 * time.Hour).Unix())}
	want := map[ID]RoundState{}
	for _, s := range []RoundState{RoundJoined, RoundKeyed, RoundInputs, RoundOpening, RoundMatch, RoundNoMatch} {
		id := m.say(0, r)
		m.settle()
		m.say(1, &Join{Of: id})
		m.settle()
		if s != RoundJoined {
			if err := m.rooms[0].RoundProgress(id, s, Outcome{}, m.clock); err != nil {
				t.Fatal(err)
			}
		}
		if want[id] = s; s.Live() {
			want[id] = RoundLapsed
		}
	}
	restored, err := Restore(m.rooms[0].Charter(), m.rows[0], m.rooms[0].Lasting(), m.random)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range restored.RoundsAt(m.clock) {
		if v.State != want[v.ID] || (v.State == RoundLapsed) != (v.Outcome != nil && v.Outcome.Lost) {
			t.Errorf("%s, %+v, want %s", v.State, v.Outcome, want[v.ID])
		}
	}
}

// Consents are each member's own: nobody takes back another's. A proposal in the place
// of another with the same words has the same core, and only its author puts it there.
func TestConsentsAreOnesOwn(t *testing.T) {
	m := newMesh(t, 3, 84)
	m.agenda()
	a := m.agreement([]int{0, 1, 2}, nil)
	id := m.say(0, a)
	m.settle()
	var consents []ID
	for i := range 3 {
		consents = append(consents, m.say(i, &Consent{Core: a.Core()}))
		m.settle()
	}
	m.lie(2, &Withdraw{Of: consents[1]}, MemberID{})
	for i := range 3 {
		if s := m.eval(i).agreements[id].State; s != AgreementReady {
			t.Errorf("after another withdrew a consent it is %s", s)
		}
	}
	for _, to := range []AgreementState{AgreementCommitments, AgreementNonces, AgreementShares, AgreementSealed, AgreementStalled} {
		if m.rooms[0].Progress(id, string(to), "", m.clock) == nil {
			t.Errorf("a handshake is %s", to)
		}
	}
	again := *a
	again.Replaces = &id
	_, err := m.trySay(1, &again)
	refusedWith(t, err, "one of one's own")
	m.lied(1, &again)
	if s := m.eval(2).agreements[id].State; s != AgreementReady {
		t.Errorf("after another replaced it, it is %s", s)
	}
	next := m.say(0, &again)
	m.settle()
	if v := m.eval(2); again.Core() != a.Core() || v.agreements[id].State != AgreementLapsed || v.agreements[next].State != AgreementReady {
		t.Errorf("%s, then %s", v.agreements[id].State, v.agreements[next].State)
	}
	// One that broke off and that its author takes back has lapsed.
	b := m.agreement([]int{0, 1}, func(b *Agreement) { b.Level = Sealed })
	id = m.say(0, b)
	m.settle()
	for i := range 3 {
		m.say(i, &Consent{Core: b.Core()})
		m.settle()
	}
	for _, s := range []AgreementState{AgreementCommitments, AgreementStalled} {
		if err := m.rooms[1].Progress(id, string(s), "", m.clock); err != nil {
			t.Fatal(err)
		}
	}
	m.lie(0, &Withdraw{Of: id}, MemberID{})
	if s := m.eval(1).agreements[id].State; s != AgreementLapsed {
		t.Errorf("broken off and taken back it is %s", s)
	}
	// A side letter to nothing is blocked.
	side := m.lied(0, m.agreement([]int{0, 1}, func(a *Agreement) { a.SideLetterOf = &ID{9} }))
	if got := m.eval(1).agreements[side].Blocked; !slices.Equal(got, []string{"The agreement that it is a side letter to is not here."}) {
		t.Errorf("%q", got)
	}
}

// A communiqué needs the approval of all whose consent its agreement needed, of nobody
// else, and is released after that and not before.
func TestCommuniqueApprovals(t *testing.T) {
	m := newMesh(t, 4, 85)
	first := m.agenda()
	second := &Agenda{Rev: 2, Base: &first, Issues: issues()}
	second.Issues[0].Affects = m.ids(0, 1, 2)
	agenda := m.say(3, second)
	m.settle()
	for i := range 3 {
		m.say(i, &Confirm{Of: agenda})
	}
	m.settle()
	p := m.say(0, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(1)}})
	m.settle()
	a := m.say(0, m.agreement([]int{0, 1}, func(a *Agreement) { a.Text, a.Agenda, a.Packages = "", &agenda, []ID{p} }))
	m.settle()
	q := m.say(0, &Communique{Agreement: a, Text: "The parties have met."})
	m.settle()
	_, err := m.trySay(3, &Approve{Of: q})
	refusedWith(t, err, "does not need")
	_, err = m.trySay(0, &Approve{Of: q})
	refusedWith(t, err, "already")
	early := m.lied(0, &Release{Of: q})
	m.lied(3, &Approve{Of: q})
	for i, want := range []CommuniqueState{1: CommuniqueDrafted, 2: CommuniqueReleased} {
		if i == 0 {
			continue
		}
		m.say(i, &Approve{Of: q})
		m.settle()
		if s := m.eval(3).communiques[q].State; s != want {
			t.Errorf("after %d approvals it is %s, want %s (%v)", i+1, s, want, early)
		}
	}
	_, err = m.trySay(0, &Release{Of: q})
	if !errors.Is(err, ErrRefused) {
		t.Error("it was released twice")
	}
}

// Terms are judged once their agenda is here, whichever of the two came first, and all
// read the same reason.
func TestTermsBeforeTheirAgenda(t *testing.T) {
	m := newMesh(t, 3, 87)
	m.strict = true
	agenda := m.say(0, &Agenda{Rev: 1, Issues: issues()})
	late := m.hold(0, 2)
	m.settle()
	m.say(1, &Confirm{Of: agenda})
	good := m.say(1, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(1)}})
	bad := m.lied(1, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(8), 2: OptionValue(0), 7: OptionValue(0), 8: OptionValue(0), 9: OptionValue(0)}})
	offer := m.lied(1, m.offer(agenda, 1, 0))
	strange := m.lied(1, &Offer{Agenda: agenda, Gives: []Term{{By: m.id(1), Issue: 9, Value: OptionValue(0)}}})
	for _, p := range []string{m.eval(2).packages[good].Problem, m.eval(2).packages[bad].Problem, m.eval(2).offers[offer].Problem, m.eval(2).offers[strange].Problem} {
		if p != "its agenda is not here" {
			t.Errorf("%q", p)
		}
	}
	m.lines[0][2] = late
	m.settle()
	for i := range 3 {
		v := m.eval(i)
		if v.packages[good].Problem != "" || v.offers[offer].Problem != "" {
			t.Errorf("member %d: %q, %q", i, v.packages[good].Problem, v.offers[offer].Problem)
		}
		if p, q := v.packages[bad].Problem, v.offers[strange].Problem; p == "" || p != m.eval(0).packages[bad].Problem || q != "the agenda has no issue 9" {
			t.Errorf("member %d: %q, %q", i, p, q)
		}
	}
}

// A take answers the offer that it names and no other.
func TestTakenByAnotherTake(t *testing.T) {
	m := newMesh(t, 3, 88)
	agenda := m.agenda()
	one, two := m.say(0, m.offer(agenda, 0, 0)), m.say(0, m.offer(agenda, 0, time.Hour))
	m.settle()
	take := m.say(1, &Take{Of: one})
	m.settle()
	m.lie(0, &Taken{Of: two, By: take}, MemberID{})
	for i := range 3 {
		if v := m.eval(i); v.offers[one].State != OfferTaken || v.offers[two].State != OfferOpen {
			t.Errorf("member %d sees %s and %s", i, v.offers[one].State, v.offers[two].State)
		}
	}
}

// An issue keeps its type: what stands about it would mean something else.
func TestIssuesKeepTheirType(t *testing.T) {
	m := newMesh(t, 2, 89)
	first := m.agenda()
	changed := issues()
	changed[2] = Issue{ID: 3, Title: "Wording", Type: Choice, Options: []string{"firm", "soft"}}
	_, err := m.trySay(0, &Agenda{Rev: 2, Base: &first, Issues: changed})
	refusedWith(t, err, "changes its type")
	next := m.lied(0, &Agenda{Rev: 2, Base: &first, Issues: changed})
	_, err = m.trySay(1, &Confirm{Of: next})
	refusedWith(t, err, "no such agenda")
	changed[2].ID = 4
	m.say(1, &Agenda{Rev: 3, Base: &first, Issues: changed})
}

// What is for all and was said to one, or the other way round, is not understood: an
// agreement that only two hear of, a key that everybody has.
func TestWrongAudience(t *testing.T) {
	m := newMesh(t, 3, 90)
	m.strict = true
	agenda := m.agenda()
	p := m.say(0, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(1)}})
	m.settle()
	for _, b := range []Body{
		m.agreement([]int{0, 1}, nil), &Agenda{Rev: 2, Base: &agenda, Issues: issues()}, &Confirm{Of: agenda}, &Consent{Core: ID{1}},
		&Round{Mode: Single, Agenda: agenda, Packages: []ID{p}, Parties: m.ids(0, 1), Opener: m.id(0),
			InputsAt: uint64(m.clock.Add(time.Hour).Unix()), Deadline: uint64(m.clock.Add(2 * time.Hour).Unix())},
		&Join{Of: ID{1}}, &Communique{Agreement: ID{1}, Text: "It is agreed."}, &Approve{Of: ID{1}}, &Release{Of: ID{1}},
	} {
		m.lie(0, b, m.id(1))
		list := m.rooms[1].heard[m.id(0)].list
		if s := list[len(list)-1]; s.Kind != b.kind() || s.Body != nil || s.Unreadable == "" {
			t.Errorf("%s, said to one, is understood", b.kind())
		}
	}
	m.lie(0, &vouchKey{First: 1, Key: [32]byte{1}}, MemberID{})
	m.lie(0, &gossip{[]entry{{From: 1, Seq: 1, ID: ID{1}}}}, MemberID{})
	if v := m.view(1); len(v.Agreements)+len(v.Rounds)+len(v.Communiques)+len(v.Proposed) > 0 || v.Agenda.ID != agenda {
		t.Errorf("%d agreements, %d rounds", len(v.Agreements), len(v.Rounds))
	}
	if n := len(m.rooms[1].local.KeysIn); n != 2 { // one of each other
		t.Errorf("%d keys", n)
	}
}
