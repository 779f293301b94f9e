package conduct

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/blind"
)

const (
	inputsIn = time.Hour
	within   = 3 * time.Hour
)

// single is a round about the first package.
func (m *mesh) single(parties ...int) *negotiation.Round {
	return &negotiation.Round{Mode: negotiation.Single, Agenda: m.agenda, Packages: m.list[:1], Parties: m.ids(parties...), Opener: m.id(parties[0]),
		InputsAt: uint64(m.clock.Add(inputsIn).Unix()), Deadline: uint64(m.clock.Add(within).Unix())}
}

func (m *mesh) propose(by int, b *negotiation.Round) (id negotiation.ID) {
	m.t.Helper()
	if err := m.do(by, func(s *Seat) (out []Saying, err error) {
		c, err := s.Room.Say(b, negotiation.MemberID{}, m.clock)
		if err != nil {
			return nil, err
		}
		m.keep(by, c)
		id = c.Rows[len(c.Rows)-1].ID
		for _, r := range c.Rows {
			if !r.Erased {
				id = r.ID
			}
		}
		return s.JoinRound(id)
	}); err != nil {
		m.t.Fatal(err)
	}
	m.settle()
	return id
}

func (m *mesh) join(i int, id negotiation.ID) {
	m.t.Helper()
	if err := m.tryJoin(i, id); err != nil {
		m.t.Fatal(err)
	}
	m.settle()
}

func (m *mesh) tryJoin(i int, id negotiation.ID) error {
	return m.do(i, func(s *Seat) ([]Saying, error) {
		c, err := s.Room.Say(&negotiation.Join{Of: id}, negotiation.MemberID{}, m.clock)
		if err != nil {
			return nil, err
		}
		m.keep(i, c)
		return s.JoinRound(id)
	})
}

func (m *mesh) answer(i int, id negotiation.ID, a blind.Answer) {
	m.t.Helper()
	if err := m.do(i, func(s *Seat) ([]Saying, error) { return nil, s.AnswerRound(id, a) }); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mesh) round(i int, id negotiation.ID) negotiation.RoundView {
	m.t.Helper()
	for _, v := range m.members[i].room.RoundsAt(m.clock) {
		if v.ID == id {
			return v
		}
	}
	m.t.Fatal("the round is not in the view")
	return negotiation.RoundView{}
}

func (m *mesh) want(id negotiation.ID, state negotiation.RoundState, item int, members ...int) {
	m.t.Helper()
	for _, i := range members {
		v := m.round(i, id)
		if v.State != state {
			m.t.Errorf("%s sees %q, want %q", names[i], v.State, state)
		}
		if item >= 0 && (v.Outcome == nil || v.Outcome.Item == nil || int(*v.Outcome.Item) != item) {
			m.t.Errorf("%s sees the outcome %+v, want item %d", names[i], v.Outcome, item)
		}
		if item < 0 && v.Outcome != nil && v.Outcome.Item != nil {
			m.t.Errorf("%s sees item %d", names[i], *v.Outcome.Item)
		}
	}
}

func yesNo(yes bool) blind.Answer {
	if yes {
		return blind.Yes()
	}
	return blind.No()
}

func TestSingle(t *testing.T) {
	for n := 2; n <= 3; n++ {
		for noes := range 2 {
			m := newMesh(t, n, uint64(10*n+noes))
			m.prepare(1)
			id := m.propose(0, m.single([]int{0, 1, 2}[:n]...))
			m.want(id, negotiation.RoundProposed, -1, 0, n-1)
			for i := 1; i < n; i++ {
				m.join(i, id)
			}
			for i := range n {
				m.answer(i, id, yesNo(i != n-1 || noes == 0))
				m.restart(i)
			}
			sent := 0
			for i := range n {
				sent += len(m.members[i].room.Opaque("round/input"))
			}
			if sent != 0 {
				t.Error("an answer left before its time")
			}
			m.want(id, negotiation.RoundKeyed, -1, 0, n-1)
			m.at(m.clock.Add(inputsIn))
			if noes > 0 {
				m.want(id, negotiation.RoundNoMatch, -1, 0, n-1)
			} else {
				m.want(id, negotiation.RoundMatch, 0, 0, n-1)
			}
			for i := range n {
				if len(m.members[i].store) != 0 {
					t.Error("a round that is over is kept")
				}
			}
		}
	}
}

// Two of three play: the third is told that they do, and none of their messages.
func TestTwoOfThree(t *testing.T) {
	m := newMesh(t, 3, 3)
	m.prepare(1)
	id := m.propose(0, m.single(0, 2))
	m.join(2, id)
	m.answer(0, id, blind.Yes())
	m.answer(2, id, blind.Yes())
	m.at(m.clock.Add(inputsIn))
	m.want(id, negotiation.RoundMatch, 0, 0, 2)
	if got := m.members[1].room.Opaque(negotiation.PrefixRound); len(got) != 0 {
		t.Errorf("who is no party was sent %d messages", len(got))
	}
	if err := m.tryJoin(1, id); err == nil {
		t.Error("who is no party joined")
	}
}

func TestLadder(t *testing.T) {
	m := newMesh(t, 2, 4)
	m.prepare(0)
	var figures []negotiation.Decimal
	for n := range 8 {
		d, err := negotiation.NewDecimal(int64(n+1), 0)
		if err != nil {
			t.Fatal(err)
		}
		figures = append(figures, d)
	}
	b := &negotiation.Round{Mode: negotiation.Ladder, Agenda: m.agenda, Issue: 1, Figures: figures, Parties: m.ids(0, 1), Opener: m.id(0),
		Directions: []negotiation.Direction{negotiation.Seller, negotiation.Buyer},
		InputsAt:   uint64(m.clock.Add(inputsIn).Unix()), Deadline: uint64(m.clock.Add(within).Unix())}
	id := m.propose(0, b)
	m.join(1, id)
	limit := map[negotiation.MemberID]int{b.Parties[0]: 3, b.Parties[1]: 3} // both settle at the fourth figure, and no other
	for i := range 2 {
		m.answer(i, id, blind.Limit(limit[m.id(i)]))
	}
	m.at(m.clock.Add(inputsIn))
	m.want(id, negotiation.RoundMatch, 3, 0, 1)
}

func TestList(t *testing.T) {
	for _, tiers := range [][]uint64{nil, {1, 2}} {
		m := newMesh(t, 2, 5)
		m.prepare(8)
		b := &negotiation.Round{Mode: negotiation.List, Agenda: m.agenda, Packages: m.list, Parties: m.ids(0, 1), Opener: m.id(0), Cap: 2, Tiers: tiers,
			InputsAt: uint64(m.clock.Add(inputsIn).Unix()), Deadline: uint64(m.clock.Add(within).Unix())}
		id := m.propose(0, b)
		m.join(1, id)
		level := func(at map[int]blind.Level) blind.Answer {
			l := make([]blind.Level, 8)
			for i, v := range at {
				l[i] = v
			}
			return blind.Approve(l...)
		}
		m.answer(0, id, level(map[int]blind.Level{2: 1, 6: 1}))
		m.answer(1, id, level(map[int]blind.Level{3: 1, 6: 1}))
		m.restart(0)
		m.at(m.clock.Add(inputsIn))
		m.want(id, negotiation.RoundMatch, 6, 0, 1)
		if o := m.round(0, id).Outcome; o.Green || o.Opened >= o.Cells {
			t.Errorf("outcome %+v", o)
		}
	}
}

// A round that is declined, that nobody answers, or whose answer nobody chose looks
// the same to the proposer.
func TestDeclined(t *testing.T) {
	for name, does := range map[string]func(m *mesh, id negotiation.ID){
		"nobody answers": func(*mesh, negotiation.ID) {},
		"declined": func(m *mesh, id negotiation.ID) {
			if err := m.do(1, func(s *Seat) ([]Saying, error) { return nil, s.DeclineRound(id) }); err != nil {
				t.Fatal(err)
			}
			m.want(id, negotiation.RoundLapsed, -1, 1)
			if m.tryJoin(1, id) == nil {
				t.Error("a round was joined that had been declined")
			}
		},
		"joined, no answer": func(m *mesh, id negotiation.ID) { m.join(1, id) },
		"joined, declined": func(m *mesh, id negotiation.ID) {
			m.join(1, id)
			m.answer(1, id, blind.Yes())
			if err := m.do(1, func(s *Seat) ([]Saying, error) { return nil, s.DeclineRound(id) }); err != nil {
				t.Fatal(err)
			}
			if err := m.do(1, func(s *Seat) ([]Saying, error) { return nil, s.AnswerRound(id, blind.Yes()) }); err == nil {
				t.Error("a declined round was answered")
			}
		},
	} {
		m := newMesh(t, 2, 6)
		m.prepare(1)
		id := m.propose(0, m.single(0, 1))
		does(m, id)
		m.answer(0, id, blind.Yes())
		m.at(m.clock.Add(inputsIn))
		if v := m.round(0, id); !v.State.Live() {
			t.Errorf("%s: it has ended before its deadline: %s", name, v.State)
		}
		for _, k := range []string{"round/coin", "round/blind", "round/open"} {
			if len(m.members[1].room.Opaque(k)) > 0 {
				t.Errorf("%s: the round went on", name)
			}
		}
		m.at(start.Add(time.Hour + within))
		m.want(id, negotiation.RoundLapsed, -1, 0, 1)
		m.at(m.clock.Add(blind.Lateness))
		if len(m.members[0].store)+len(m.members[1].store) > 0 {
			t.Errorf("%s: something is kept for good", name)
		}
	}
}

// Who stops after the other's opening leaves it shown and unanswered; an opening
// that comes late still counts.
func TestStopper(t *testing.T) {
	for _, yes := range []bool{true, false} {
		m := newMesh(t, 2, 7)
		m.prepare(1)
		id := m.propose(0, m.single(0, 1))
		m.join(1, id)
		m.answer(0, id, yesNo(yes))
		m.answer(1, id, blind.Yes())
		m.clock = m.clock.Add(inputsIn)
		m.tick(0)
		m.tick(1)
		for len(m.members[1].room.Opaque("round/open")) == 0 {
			if !m.deliver(0, 1) && !m.deliver(1, 0) {
				t.Fatal("nothing is opened")
			}
		}
		held := m.lines[1][0]
		m.lines[1][0] = nil
		m.clock = start.Add(time.Hour + within)
		m.tick(0)
		if yes {
			m.want(id, negotiation.RoundUnanswered, 0, 0)
		} else {
			m.want(id, negotiation.RoundLapsed, -1, 0)
		}
		m.restart(0)
		m.lines[1][0] = held
		m.settle()
		if yes {
			m.want(id, negotiation.RoundMatch, 0, 0, 1)
		} else {
			m.want(id, negotiation.RoundNoMatch, -1, 0, 1)
		}
	}
}

// A round stops for good where its state was lost, or the station restored.
func TestLost(t *testing.T) {
	for _, restored := range []bool{false, true} {
		m := newMesh(t, 2, 8)
		m.prepare(1)
		id := m.propose(0, m.single(0, 1))
		m.join(1, id)
		m.answer(1, id, blind.Yes())
		if restored {
			m.members[1].room.Freeze()
		} else {
			m.members[1].store = memory{}
		}
		m.restart(1)
		if v := m.round(1, id); v.State != negotiation.RoundLapsed || !restored && !v.Outcome.Lost {
			t.Errorf("restored %v: %s, %+v", restored, v.State, v.Outcome)
		}
		m.answer(0, id, blind.Yes())
		m.at(m.clock.Add(inputsIn))
		if n := len(m.members[0].room.Opaque("round/input")); n != 1 {
			t.Errorf("%d answers", n)
		}
		m.at(start.Add(time.Hour + within))
		m.want(id, negotiation.RoundLapsed, -1, 0, 1)
	}
}

func TestWithdrawn(t *testing.T) {
	m := newMesh(t, 2, 9)
	m.prepare(1)
	id := m.propose(0, m.single(0, 1))
	m.say(0, &negotiation.Withdraw{Of: id})
	m.settle()
	if m.tryJoin(1, id) == nil {
		t.Error("a withdrawn round was joined")
	}
	if len(m.members[0].store) > 0 {
		t.Error("a withdrawn round is kept")
	}
	m.want(id, negotiation.RoundLapsed, -1, 0, 1)
}

// What is not for a round, or broken, changes nothing or ends it; never the caller.
func TestRoundGarbage(t *testing.T) {
	m := newMesh(t, 2, 12)
	m.prepare(1)
	id := m.propose(0, m.single(0, 1))
	for _, body := range [][]byte{nil, {0x83}, Message{Of: id, Bytes: []byte{1}}.Encode(), Message{Of: m.agenda, Bytes: []byte{1}}.Encode(),
		Message{Of: negotiation.ID{9}}.Encode(), bytes.Repeat([]byte{0x9f}, 100)} {
		if err := m.do(1, func(*Seat) ([]Saying, error) { return []Saying{{Kind: "round/commit", Body: body}}, nil }); err != nil {
			t.Fatal(err)
		}
	}
	m.settle()
	m.join(1, id)
	m.answer(0, id, blind.Yes())
	m.answer(1, id, blind.Yes())
	m.at(m.clock.Add(inputsIn))
	m.want(id, negotiation.RoundMatch, 0, 0, 1)

	id = m.propose(0, m.single(0, 1))
	m.join(1, id)
	bad := m.members[1].room.Opaque("round/commit")
	raw := bytes.Clone(bad[len(bad)-1].Raw)
	raw[len(raw)-1] ^= 1
	if err := m.do(1, func(*Seat) ([]Saying, error) { return []Saying{{Kind: "round/commit", Body: raw}}, nil }); err != nil {
		t.Fatal(err)
	}
	m.settle()
	if v := m.round(0, id); v.State != negotiation.RoundInvalid || v.Outcome.Who == nil || *v.Outcome.Who != m.id(1) {
		t.Errorf("a second commitment: %s, %+v", v.State, v.Outcome)
	}
}

func TestRoundRefused(t *testing.T) {
	m := newMesh(t, 3, 13)
	m.prepare(1)
	short := m.single(0, 1)
	short.Deadline = short.InputsAt + 60
	elsewhere := m.single(1, 2)
	for want, b := range map[string]*negotiation.Round{"10 minutes": short, "no party": elsewhere} {
		if err := m.seat(0).CheckRound(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	s := m.seat(0)
	s.Lanes = 1
	if err := s.CheckRound(m.single(0, 1, 2)); err == nil || !strings.Contains(err.Error(), "lanes") {
		t.Error(err)
	}
	id := m.propose(0, m.single(0, 1))
	if err := m.do(1, func(s *Seat) ([]Saying, error) { return nil, s.AnswerRound(id, blind.Yes()) }); err == nil {
		t.Error("answered before joining")
	}
	m.join(1, id)
	if err := m.do(1, func(s *Seat) ([]Saying, error) { return nil, s.AnswerRound(id, blind.Limit(1)) }); err == nil || strings.Contains(err.Error(), "1 to") {
		t.Error(err)
	}
}

// The answers are nowhere but in the store, and what is said has one size and one
// order whatever they are.
func TestAnswersStayHidden(t *testing.T) {
	var traces [2]string
	for run := range 2 {
		m := newMesh(t, 2, 14)
		m.prepare(1)
		id := m.propose(0, m.single(0, 1))
		m.join(1, id)
		m.answer(0, id, yesNo(run == 0))
		m.answer(1, id, blind.No())
		m.at(m.clock.Add(inputsIn))
		m.want(id, negotiation.RoundNoMatch, -1, 0, 1)
		for _, x := range m.members {
			for _, st := range x.room.Opaque(negotiation.PrefixRound) {
				traces[run] += string(st.Kind) + st.Time.String() + strings.Repeat(".", len(st.Raw)) + "\n"
			}
		}
	}
	if traces[0] != traces[1] || traces[0] == "" {
		t.Error("what is said depends on an answer")
	}
}
