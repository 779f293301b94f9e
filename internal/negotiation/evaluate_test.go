package negotiation

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func refusedWith(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("%v, want one about %q", err, part)
	}
}

// Anyone may add a party to an issue, only the affected party removes itself, and
// nobody removes one who is not in the room.
func TestAffects(t *testing.T) {
	a, b, c := MemberID{1}, MemberID{2}, MemberID{3}
	members := []MemberID{a, b, c}
	with := func(outsiders []string, affects ...MemberID) *Agenda {
		return &Agenda{Rev: 1, Issues: []Issue{{ID: 1, Title: "T", Type: Text, Affects: affects, Outsiders: outsiders}}}
	}
	none := &Agenda{Rev: 1, Issues: []Issue{{ID: 2, Title: "U", Type: Text}}}
	for _, x := range []struct {
		name       string
		base, next *Agenda
		author     MemberID
		ok         bool
	}{
		{"a new issue affects all", nil, with(nil), a, true},
		{"a new issue without its author", nil, with(nil, b, c), a, true},
		{"a new issue without another", nil, with(nil, a, b), a, false},
		{"a later new issue without another", none, with(nil, a, b), a, false},
		{"one removes itself", with(nil), with(nil, a, b), c, true},
		{"one removes another", with(nil), with(nil, a, b), a, false},
		{"one removes itself and another", with(nil), with(nil, b), a, false},
		{"one adds another", with(nil, b), with(nil, a, b), c, true},
		{"one adds all", with(nil, b), with(nil), c, true},
		{"one adds an outsider", with(nil), with([]string{"Dorland"}), a, true},
		{"one removes an outsider", with([]string{"Dorland"}), with(nil), a, false},
		{"one drops an issue", with(nil), none, a, true},
		{"one drops an issue of an outsider", with([]string{"Dorland"}), none, a, false},
		{"a stranger is affected", nil, with(nil, a, b, c, MemberID{9}), a, false},
		{"the type changes", with(nil), &Agenda{Rev: 2, Issues: []Issue{{ID: 1, Title: "T", Type: Choice, Options: []string{"x"}}}}, a, false},
	} {
		if err := x.next.follows(x.base, x.author, members); (err == nil) != x.ok {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

func TestAgendaRevisions(t *testing.T) {
	m := newMesh(t, 3, 50)
	m.strict = true
	// Two first agendas cross: neither gets everybody's confirmation, the next number does.
	x := m.say(0, &Agenda{Rev: 1, Issues: issues()[:1]})
	y := m.say(1, &Agenda{Rev: 1, Issues: issues()[:2]})
	m.settle()
	m.say(2, &Confirm{Of: x})
	_, err := m.trySay(2, &Confirm{Of: y})
	refusedWith(t, err, "another agenda with number 1")
	_, err = m.trySay(0, &Confirm{Of: y})
	refusedWith(t, err, "another agenda with number 1")
	m.settle()
	for i := range 3 {
		if v := m.view(i); v.Agenda != nil || len(v.Proposed) != 2 {
			t.Fatalf("%+v", v.Agenda)
		}
	}
	_, err = m.trySay(2, &Agenda{Rev: 1, Issues: issues()})
	refusedWith(t, err, "is 2")
	z := m.say(2, &Agenda{Rev: 2, Issues: issues()})
	m.settle()
	m.say(0, &Confirm{Of: z})
	m.settle()
	if m.view(1).Agenda != nil {
		t.Error("it holds without everybody")
	}
	m.say(1, &Confirm{Of: z})
	m.settle()
	for i := range 3 {
		if v := m.view(i); v.Agenda == nil || v.Agenda.ID != z || len(v.Table) != 3 || len(v.Proposed) != 0 {
			t.Fatalf("%+v", v.Agenda)
		}
	}
	_, err = m.trySay(0, &Agenda{Rev: 3, Issues: issues()})
	refusedWith(t, err, "based on the one that holds")
	_, err = m.trySay(2, &Confirm{Of: x})
	refusedWith(t, err, "confirmed already")
	list := issues()
	list[0].Affects = m.ids(0, 1)
	_, err = m.trySay(0, &Agenda{Rev: 3, Base: &z, Issues: list})
	refusedWith(t, err, "only the affected party")
	self := m.say(2, &Agenda{Rev: 3, Base: &z, Issues: list})
	m.settle()
	m.say(0, &Confirm{Of: self})
	m.say(1, &Confirm{Of: self})
	m.settle()
	if v := m.view(1); v.Agenda.ID != self || len(v.Table[0].Affects) != 2 {
		t.Errorf("%+v", v.Table[0])
	}
	// One based on an agenda that never held cannot come to hold, whoever confirms.
	m.lie(1, &Agenda{Rev: 4, Base: &x, Issues: issues()[:1]}, MemberID{})
	wild := m.lastOf(1)
	_, err = m.trySay(0, &Confirm{Of: wild})
	refusedWith(t, err, "no such agenda")
	m.lie(0, &Confirm{Of: wild}, MemberID{})
	m.lie(2, &Confirm{Of: wild}, MemberID{})
	if v := m.view(0); v.Agenda.Rev != 3 || v.Proposed[0].Problem == "" {
		t.Error(v.Agenda.Rev)
	}
}

func (m *mesh) agreement(parties []int, f func(*Agreement)) *Agreement {
	a := &Agreement{Text: "We agree.", Parties: m.ids(parties...), Level: Handshake, Lapses: uint64(m.clock.Add(24 * time.Hour).Unix())}
	if f != nil {
		f(a)
	}
	return a
}

// Who must consent, and what is in the way.
func TestNeededConsents(t *testing.T) {
	m := newMesh(t, 3, 51)
	first := m.agenda()
	// The one whom an issue does not affect removes itself, with words as with a choice.
	second := &Agenda{Rev: 2, Base: &first, Issues: issues()}
	second.Issues[0].Affects, second.Issues[2].Affects = m.ids(1, 2), m.ids(1, 2)
	agenda := m.say(0, second)
	m.settle()
	for i := 1; i < 3; i++ {
		m.say(i, &Confirm{Of: agenda})
	}
	m.settle()
	pack := func(v map[uint64]Value, note string) ID {
		id := m.say(0, &Package{Agenda: agenda, Values: v, Note: note})
		m.settle()
		return id
	}
	choice := pack(map[uint64]Value{1: OptionValue(1)}, "")
	words := pack(map[uint64]Value{3: TextValue("Both sides note.")}, "")
	noted := pack(map[uint64]Value{1: OptionValue(1)}, "The third pays for it.")
	for _, c := range []struct {
		name    string
		parties []int
		f       func(*Agreement)
		want    []int
	}{
		{"free text concerns all", []int{0, 1}, nil, []int{0, 1, 2}},
		{"parties and affected", []int{0, 1}, func(a *Agreement) { a.Text, a.Agenda, a.Packages = "", &agenda, []ID{choice} }, []int{0, 1, 2}},
		{"the affected alone", []int{1, 2}, func(a *Agreement) { a.Text, a.Agenda, a.Packages = "", &agenda, []ID{choice} }, []int{1, 2}},
		{"a value in words is free text", []int{1, 2}, func(a *Agreement) { a.Text, a.Agenda, a.Packages = "", &agenda, []ID{words} }, []int{0, 1, 2}},
		{"the note of a package is free text", []int{1, 2}, func(a *Agreement) { a.Text, a.Agenda, a.Packages = "", &agenda, []ID{noted} }, []int{0, 1, 2}},
	} {
		id := m.say(0, m.agreement(c.parties, c.f))
		m.settle()
		var got []MemberID
		for _, n := range m.eval(2).agreements[id].Needed {
			got = append(got, n.Member)
			if len(n.Why) == 0 {
				t.Errorf("%s: no reason", c.name)
			}
		}
		if !slices.Equal(got, m.ids(c.want...)) {
			t.Errorf("%s: %d needed", c.name, len(got))
		}
		m.wait(time.Second)
	}
	if got := m.eval(0).agreements[m.lastOf(0)].Needed[0].Why; !slices.ContainsFunc(got, func(s string) bool {
		return s == whyText || s == "The issue “Wording” concerns it."
	}) {
		t.Errorf("%q", got)
	}
}

func (m *mesh) lastOf(i int) ID { return m.rooms[i].told[m.id(i)].head() }

// An affected party that is not in the room blocks, by package and by free text.
func TestOutsidersBlock(t *testing.T) {
	m := newMesh(t, 2, 52)
	m.strict = true
	agenda := m.agenda(func(l []Issue) { l[0].Outsiders = []string{"Cenia"} })
	p := m.say(0, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(2)}})
	free := m.say(0, &Package{Agenda: agenda, Values: map[uint64]Value{2: NumberValue(dec10(1, 0))}})
	m.settle()
	for _, c := range []struct {
		a     *Agreement
		state AgreementState
		why   string
	}{
		{m.agreement([]int{0, 1}, func(a *Agreement) { a.Text, a.Agenda, a.Packages = "", &agenda, []ID{p} }), AgreementConsenting,
			"The issue “Status of X” concerns Cenia, who is not in this room. It needs a room with Cenia in it."},
		{m.agreement([]int{0, 1}, nil), AgreementConsenting,
			"The agreement has free text, and the issue “Status of X” concerns Cenia, who is not in this room. It needs a room with Cenia in it."},
		{m.agreement([]int{0, 1}, func(a *Agreement) { a.Text, a.Agenda, a.Packages = "", &agenda, []ID{free} }), AgreementReady, ""},
	} {
		id := m.say(0, c.a)
		m.settle()
		for i := range 2 {
			m.say(i, &Consent{Core: c.a.Core()})
		}
		m.settle()
		for i := range 2 {
			v := m.eval(i).agreements[id]
			if v.State != c.state || strings.Join(v.Blocked, "|") != c.why {
				t.Errorf("%s, %q", v.State, v.Blocked)
			}
		}
		if err := m.rooms[0].Progress(id, "confirmed", "", m.clock); (err == nil) != (c.state == AgreementReady) {
			t.Errorf("confirmed while %s: %v", c.state, err)
		}
	}
}

// Any change voids all consents; a consent can be taken back; an agenda that moves
// on blocks; time lapses.
func TestConsents(t *testing.T) {
	m := newMesh(t, 2, 53)
	m.strict = true
	agenda := m.agenda()
	a := m.agreement([]int{0, 1}, func(a *Agreement) { a.Agenda = &agenda })
	id := m.say(0, a)
	m.settle()
	state := func(id ID) AgreementState {
		t.Helper()
		if x, y := m.eval(0).agreements[id].State, m.eval(1).agreements[id].State; x != y {
			t.Errorf("%s here, %s there", x, y)
		}
		return m.eval(0).agreements[id].State
	}
	want := func(id ID, s AgreementState) {
		t.Helper()
		if got := state(id); got != s {
			t.Errorf("%s, want %s", got, s)
		}
	}
	want(id, AgreementDrafting)
	c0 := m.say(0, &Consent{Core: a.Core()})
	m.settle()
	want(id, AgreementConsenting)
	_, err := m.trySay(0, &Consent{Core: a.Core()})
	refusedWith(t, err, "given already")
	_, err = m.trySay(1, &Consent{Core: ID{1}})
	refusedWith(t, err, "exact content")
	m.say(1, &Consent{Core: a.Core()})
	m.settle()
	want(id, AgreementReady)
	m.say(0, &Withdraw{Of: c0})
	m.settle()
	want(id, AgreementConsenting)
	m.say(0, &Consent{Core: a.Core()})
	m.settle()
	want(id, AgreementReady)
	// One word changed.
	b := m.agreement([]int{0, 1}, func(b *Agreement) { b.Text, b.Agenda, b.Replaces = "We agree!", &agenda, &id })
	next := m.say(0, b)
	m.settle()
	want(id, AgreementLapsed)
	want(next, AgreementDrafting)
	if b.Core() == a.Core() {
		t.Error("another text has the same core")
	}
	_, err = m.trySay(1, &Consent{Core: a.Core()})
	refusedWith(t, err, "given already")
	m.say(0, &Consent{Core: b.Core()})
	m.say(1, &Consent{Core: b.Core()})
	m.settle()
	want(next, AgreementReady)
	// The agenda moves on.
	rev := m.say(1, &Agenda{Rev: 2, Base: &agenda, Issues: issues()})
	m.settle()
	want(next, AgreementReady)
	m.say(0, &Confirm{Of: rev})
	m.settle()
	want(next, AgreementConsenting)
	m.wait(25 * time.Hour)
	want(next, AgreementLapsed)
	// A side letter names what is there.
	_, err = m.trySay(0, m.agreement([]int{0, 1}, func(a *Agreement) { a.SideLetterOf = &ID{9} }))
	refusedWith(t, err, "side letter")
	side := m.say(0, m.agreement([]int{0, 1}, func(a *Agreement) { a.SideLetterOf, a.Level = &next, Public }))
	m.settle()
	want(side, AgreementDrafting)
	core := m.eval(0).agreements[side].Core
	m.say(0, &Consent{Core: core})
	consent := m.say(1, &Consent{Core: core})
	m.settle()
	for _, step := range []struct {
		to string
		ok bool
	}{
		{"confirmed", false}, {"ready", false}, {"nonces", false}, {"nonce commitments", true}, {"shares", false}, {"nonces", true},
		{"stalled", true}, {"nonce commitments", true}, {"nonces", true}, {"shares", true}, {"ready", false}, {"sealed", true}, {"lapsed", false},
	} {
		if err := m.rooms[1].Progress(side, step.to, "", m.clock); (err == nil) != step.ok {
			t.Errorf("%s: %v", step.to, err)
		}
	}
	m.restart(1)
	if s := m.eval(1).agreements[side].State; s != AgreementSealed {
		t.Error(s)
	}
	_, err = m.trySay(1, &Withdraw{Of: consent})
	refusedWith(t, err, "sealed")
}

func TestRounds(t *testing.T) {
	m := newMesh(t, 3, 54)
	m.strict = true
	agenda := m.agenda()
	p := m.say(0, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(1)}})
	m.settle()
	r := &Round{Mode: Single, Agenda: agenda, Packages: []ID{p}, Parties: m.ids(0, 1, 2), Opener: m.id(0),
		InputsAt: uint64(m.clock.Add(time.Hour).Unix()), Deadline: uint64(m.clock.Add(2 * time.Hour).Unix())}
	id := m.say(0, r)
	m.settle()
	state := func(i int) RoundState { return m.eval(i).rounds[id].State }
	if state(2) != RoundProposed || m.rooms[0].RoundProgress(id, "joined", Outcome{}, m.clock) == nil {
		t.Error("another package says who joined")
	}
	_, err := m.trySay(0, &Join{Of: id})
	refusedWith(t, err, "joined already")
	m.say(1, &Join{Of: id})
	m.settle()
	_, err = m.trySay(0, &Withdraw{Of: id})
	refusedWith(t, err, "joined")
	m.say(2, &Join{Of: id})
	m.settle()
	if state(0) != RoundJoined || state(1) != RoundJoined {
		t.Error(state(0))
	}
	c, err := m.rooms[1].SayOpaque("round/key", []byte{0xa0}, MemberID{}, m.clock)
	if err != nil {
		t.Fatal(err)
	}
	m.keep(1, c)
	m.settle()
	if o := m.rooms[0].Opaque(PrefixRound); len(o) != 1 || o[0].From != m.id(1) || m.events[0][len(m.events[0])-1].Type != EventOpaque {
		t.Error("the other package's statement was not handed out")
	}
	for _, k := range []Kind{"signal", "round", "Round/x", "round/" + Kind(strings.Repeat("x", 40))} {
		if _, err := m.rooms[1].SayOpaque(k, []byte{0xa0}, MemberID{}, m.clock); err == nil {
			t.Errorf("%s was said for another package", k)
		}
	}
	first := uint64(0)
	for _, s := range []RoundState{"keyed", "opening", "opening", "shown, unanswered", "match", "match"} {
		if err := m.rooms[1].RoundProgress(id, s, Outcome{Item: &first}, m.clock); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []RoundState{"keyed", "lapsed", "no match", "invalid", "elsewhere"} {
		if m.rooms[1].RoundProgress(id, s, Outcome{}, m.clock) == nil {
			t.Errorf("a match became %s", s)
		}
	}
	m.restart(1)
	if v := m.eval(1).rounds[id]; v.State != RoundMatch || v.Outcome == nil || *v.Outcome.Item != 0 {
		t.Error(v.State)
	}
	// A room that was made again with a round in it takes reports about agreements.
	a := &Agreement{Parties: m.ids(0, 1, 2), Level: Handshake, Lapses: uint64(m.clock.Add(24 * time.Hour).Unix()), Agenda: &agenda, Packages: []ID{p}}
	agreed := m.say(0, a)
	m.settle()
	for i := range 3 {
		m.say(i, &Consent{Core: a.Core()})
	}
	m.settle()
	if err := m.rooms[1].Progress(agreed, "confirmed", "", m.clock); err != nil {
		t.Error(err)
	}
	// A declined round looks like one that nobody saw: it lapses.
	r2 := *r
	r2.Parties = m.ids(0, 1)
	id = m.say(0, &r2)
	m.settle()
	m.wait(2 * time.Hour)
	if state(0) != RoundLapsed || state(1) != RoundLapsed {
		t.Error(state(0))
	}
	_, err = m.trySay(1, &Join{Of: id})
	refusedWith(t, err, "lapsed")
	// Withdrawn before anybody joined.
	r3 := r2
	r3.InputsAt, r3.Deadline = uint64(m.clock.Add(time.Hour).Unix()), uint64(m.clock.Add(2*time.Hour).Unix())
	id = m.say(0, &r3)
	m.settle()
	m.say(0, &Withdraw{Of: id})
	m.settle()
	if state(1) != RoundLapsed {
		t.Error(state(1))
	}
	for _, c := range []struct {
		f    func(*Round)
		part string
	}{
		{func(r *Round) { r.Packages = []ID{{9}} }, "not on the table"},
		{func(r *Round) { r.Agenda = ID{9} }, "does not hold"},
		{func(r *Round) { r.Parties = sorted([]MemberID{m.id(0), {9}}) }, "no member"},
		{func(r *Round) { r.InputsAt = uint64(m.clock.Unix()) }, "before it was proposed"},
		{func(r *Round) {
			r.Mode, r.Packages, r.Issue, r.Directions, r.Figures = Ladder, nil, 1, []Direction{Seller, Buyer}, []Decimal{dec10(1, 0), dec10(2, 0)}
		}, "is a range"},
		{func(r *Round) {
			r.Mode, r.Packages, r.Issue, r.Directions, r.Figures = Ladder, nil, 2, []Direction{Seller, Buyer}, []Decimal{dec10(1, 0), dec10(11, 0)}
		}, "goes from"},
		{func(r *Round) {
			r.Mode, r.Packages, r.Issue, r.Directions, r.Figures = Ladder, nil, 2, []Direction{Seller, Buyer}, []Decimal{dec10(1, 0), dec10(12, -1)}
		}, "steps of"},
	} {
		x := r3
		c.f(&x)
		_, err := m.trySay(0, &x)
		refusedWith(t, err, c.part)
	}
}

// Conditions: offers that need each other are in force together or not at all.
func TestConditions(t *testing.T) {
	m := newMesh(t, 2, 55)
	agenda := m.agenda()
	p := m.say(0, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(1)}})
	x := m.offer(agenda, 0, 0)
	x.OnlyIf = []ID{p}
	ox := m.say(0, x)
	y := m.offer(agenda, 0, 0)
	y.OnlyIf = []ID{ox}
	oy := m.say(0, y)
	m.settle()
	m.say(1, &Take{Of: ox})
	m.say(1, &Take{Of: oy})
	m.settle()
	for i := range 2 {
		v := m.eval(i)
		if v.offers[ox].State != OfferTaken || v.offers[ox].InForce || v.offers[oy].InForce || v.offers[oy].Conditions[0].State != ConditionOpen {
			t.Errorf("%+v", v.offers[oy])
		}
	}
	a := m.agreement([]int{0, 1}, func(a *Agreement) { a.Text, a.Agenda, a.Packages = "", &agenda, []ID{p} })
	id := m.say(0, a)
	m.settle()
	m.say(0, &Consent{Core: a.Core()})
	m.say(1, &Consent{Core: a.Core()})
	m.settle()
	if err := m.rooms[0].Progress(id, "confirmed", "", m.clock); err != nil {
		t.Fatal(err)
	}
	if v := m.eval(0); !v.offers[ox].InForce || !v.offers[oy].InForce || v.offers[ox].Conditions[0].State != ConditionMet {
		t.Errorf("%+v", v.offers[ox])
	}
	// Withdrawn conditions have failed.
	w := m.say(0, m.offer(agenda, 0, 0))
	z := m.offer(agenda, 0, 0)
	z.OnlyIf = []ID{w}
	oz := m.say(0, z)
	m.say(0, &Withdraw{Of: w})
	m.settle()
	if v := m.eval(1).offers[oz]; v.Conditions[0].State != ConditionFailed {
		t.Errorf("%+v", v.Conditions)
	}
	// Two that need each other, by hand, since none of them can name a later one.
	v := &evaluation{offers: map[ID]*OfferView{}, packages: map[ID]*PackageView{}, agreements: map[ID]*AgreementView{}}
	for i := range byte(2) {
		v.offers[ID{i + 1}] = &OfferView{State: OfferTaken, body: &Offer{OnlyIf: []ID{{2 - i}}}}
	}
	v.evaluateConditions()
	if !v.offers[ID{1}].InForce || !v.offers[ID{2}].InForce {
		t.Error("offers that need each other are not in force together")
	}
}

func TestPrivateOffers(t *testing.T) {
	m := newMesh(t, 3, 56)
	m.strict = true
	agenda := m.agenda()
	id := m.say(0, m.offer(agenda, 0, 0), 1)
	m.settle()
	if len(m.view(2).Offers) != 0 || len(m.view(1).Offers) != 1 {
		t.Fatal("a private offer reached the wrong members")
	}
	_, err := m.trySay(1, &Take{Of: id})
	refusedWith(t, err, "audience")
	_, err = m.trySay(1, &Comment{On: id, Text: "Psst."})
	refusedWith(t, err, "private")
	_, err = m.trySay(0, m.offer(agenda, 0, 0, 2), 1)
	refusedWith(t, err, "does not hear it")
	m.say(1, &Take{Of: id}, 0)
	m.settle()
	if v := m.view(1).Offers[0]; v.State != OfferTaken || !v.Private || *v.TakenBy != m.id(1) {
		t.Errorf("%+v", v)
	}
	if strings.Contains(m.json(m.rooms[2], 2), id.String()) {
		t.Error("a third member heard of it")
	}
	// A withdrawal before another audience says nothing.
	id = m.say(0, m.offer(agenda, 0, 0), 1)
	_, err = m.trySay(0, &Withdraw{Of: id})
	refusedWith(t, err, "same audience")
	// A position that was said in private is on the table of who heard it.
	m.settle()
	if a, b := m.view(1).Table[1].Positions, m.view(2).Table[1].Positions; len(a) != 1 || len(b) != 0 || !a[0].Private {
		t.Errorf("%+v %+v", a, b)
	}
}

func TestDrafts(t *testing.T) {
	m := newMesh(t, 2, 57)
	m.strict = true
	one := m.say(0, &Draft{Rev: 1, Title: "Joint text", Text: "The parties will meet in spring."})
	m.settle()
	two := m.say(1, &Draft{Rev: 2, Base: &one, Text: "The parties will meet in early autumn."})
	other := m.say(0, &Draft{Rev: 2, Base: &one, Text: "The parties shall meet in spring."})
	m.settle()
	v := m.view(0)
	if len(v.Drafts) != 3 {
		t.Fatal(len(v.Drafts))
	}
	for _, d := range v.Drafts {
		if d.Root != one || d.Latest != (d.ID != one) {
			t.Errorf("%+v", d)
		}
		if d.ID == two && !slices.Contains(d.Changes, Edit{Added, "early autumn"}) {
			t.Errorf("%+v", d.Changes)
		}
	}
	_, err := m.trySay(0, &Draft{Rev: 4, Base: &other, Text: "x"})
	refusedWith(t, err, "has number 3")
	_, err = m.trySay(0, &Draft{Rev: 3, Base: &ID{1}, Text: "x"})
	refusedWith(t, err, "not here")
	// Offers that were not sent.
	agenda := m.agenda()
	n, err := m.rooms[0].KeepDraft(0, *m.offer(agenda, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	m.restart(0)
	if v := m.view(0); len(v.Unsent) != 1 || v.Unsent[0].State != OfferDraft || v.Unsent[0].Number != n {
		t.Errorf("%+v", v.Unsent)
	}
	if _, err := m.rooms[0].KeepDraft(77, *m.offer(agenda, 0, 0)); err == nil {
		t.Error("a draft that is not there was changed")
	}
	m.rooms[0].DropDraft(n)
	if v := m.view(0); len(v.Unsent) != 0 {
		t.Error("a draft was not dropped")
	}
}
