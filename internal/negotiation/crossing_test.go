package negotiation

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A situation is a room in which some members are about to act at once.
type situation struct {
	base  *mesh
	offer ID // whose end is looked at
	acts  []act
}

type act struct {
	by  int
	say func(m *mesh) Body
}

// fork makes an independent copy of a mesh in which nothing is under way.
func (m *mesh) fork(t testing.TB) *mesh {
	c := &mesh{t: t, random: seeded(99), clock: m.clock, skew: slices.Clone(m.skew), events: make([][]Event, len(m.rooms))}
	for i, r := range m.rooms {
		again, err := Restore(r.Charter(), m.rows[i], r.Local(), c.random)
		if err != nil {
			t.Fatal(err)
		}
		c.rooms = append(c.rooms, again)
		c.rows = append(c.rows, slices.Clone(m.rows[i]))
		c.lines = append(c.lines, make([][][]byte, len(m.rooms)))
	}
	return c
}

// play runs a situation to its end; choose picks one of n things that can happen
// next: somebody acts, or an item arrives.
func (s *situation) play(t testing.TB, choose func(n int) int) *mesh {
	m := s.base.fork(t)
	pending := slices.Clone(s.acts)
	for {
		var can []func()
		for i, a := range pending {
			if slices.ContainsFunc(pending[:i], func(b act) bool { return b.by == a.by }) {
				continue // a member acts in its order
			}
			can = append(can, func() {
				pending = slices.Delete(pending, i, i+1)
				_, _ = m.trySay(a.by, a.say(m)) // what it may no longer say by then, it does not say
			})
		}
		for from := range m.rooms {
			for to := range m.rooms {
				if len(m.lines[from][to]) > 0 {
					can = append(can, func() { m.deliver(from, to) })
				}
			}
		}
		if len(can) == 0 {
			return m
		}
		can[choose(len(can))]()
	}
}

// agree wants the same summary from all members, at once and when every term is over.
func (m *mesh) agree() error {
	for _, at := range []time.Time{m.clock, m.clock.Add(30 * 24 * time.Hour)} {
		want := summary(m.rooms[0].evaluate(seconds(at)))
		for i := range m.rooms {
			if got := summary(m.rooms[i].evaluate(seconds(at))); got != want {
				return fmt.Errorf("member 0 has\n%s\nmember %d has\n%s", want, i, got)
			}
			if a := m.alarms(i); len(a) > 0 {
				return fmt.Errorf("member %d is alarmed: %q", i, a)
			}
		}
	}
	if len(m.errs) > 0 {
		return m.errs[0]
	}
	return nil
}

// everyOrder plays a situation in every possible order and returns how many there
// are and the final states of its offer.
func (s *situation) everyOrder(t *testing.T) (runs int, ends map[OfferState]int) {
	t.Helper()
	ends = map[OfferState]int{}
	var path, width []int
	for {
		depth := 0
		m := s.play(t, func(n int) int {
			if depth == len(path) {
				path, width = append(path, 0), append(width, n)
			}
			depth++
			return path[depth-1]
		})
		runs++
		if err := m.agree(); err != nil {
			t.Fatalf("order %v: %v", path, err)
		}
		ends[m.eval(0).offers[s.offer].State]++
		i := len(path) - 1
		for i >= 0 && path[i] == width[i]-1 {
			i--
		}
		if i < 0 {
			return runs, ends
		}
		path, width = append(path[:i:i], path[i]+1), width[:i+1]
	}
}

func offered(t *testing.T, n int, expires time.Duration) (m *mesh, offer, agenda ID) {
	m = newMesh(t, n, uint64(n))
	agenda = m.agenda()
	for i := 1; i < n; i++ {
		m.say(i, &Signal{Text: "Here."}) // hands out vouch keys
	}
	offer = m.say(0, m.offer(agenda, 0, expires))
	m.settle()
	return m, offer, agenda
}

func TestCrossingsInEveryOrder(t *testing.T) {
	take := func(of ID) func(*mesh) Body { return func(*mesh) Body { return &Take{Of: of} } }
	withdraw := func(of ID) func(*mesh) Body { return func(*mesh) Body { return &Withdraw{Of: of} } }
	counter := func(of, agenda ID, by int) func(*mesh) Body {
		return func(m *mesh) Body {
			o := m.offer(agenda, by, 0)
			o.Answers = &of
			return o
		}
	}
	replace := func(of, agenda ID) func(*mesh) Body {
		return func(m *mesh) Body {
			o := m.offer(agenda, 0, 0)
			o.Replaces = &of
			return o
		}
	}
	m2, o2, a2 := offered(t, 2, 0)
	m3, o3, a3 := offered(t, 3, 0)
	for _, c := range []struct {
		name string
		s    situation
		ends []OfferState
	}{
		{"take and withdraw", situation{m2, o2, []act{{0, withdraw(o2)}, {1, take(o2)}}}, []OfferState{OfferTaken, OfferWithdrawn}},
		{"take and replace", situation{m2, o2, []act{{0, replace(o2, a2)}, {1, take(o2)}}}, []OfferState{OfferSuperseded, OfferTaken}},
		{"counter, then take, and withdraw", situation{m2, o2, []act{{0, withdraw(o2)}, {1, counter(o2, a2, 1)}, {1, take(o2)}}}, []OfferState{OfferTaken, OfferWithdrawn}},
		{"counter and replace, then withdraw", situation{m2, o2, []act{{0, replace(o2, a2)}, {0, withdraw(o2)}, {1, counter(o2, a2, 1)}}}, []OfferState{OfferSuperseded}},
		{"two takes", situation{m3, o3, []act{{1, take(o3)}, {2, take(o3)}}}, []OfferState{OfferTaken}},
		{"counter and take", situation{m3, o3, []act{{1, counter(o3, a3, 1)}, {2, take(o3)}}}, []OfferState{OfferTaken}},
		{"counter and withdraw", situation{m3, o3, []act{{0, withdraw(o3)}, {1, counter(o3, a3, 1)}}}, []OfferState{OfferWithdrawn}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && len(c.s.base.rooms) > 2 {
				t.Skip("thousands of orders")
			}
			runs, ends := c.s.everyOrder(t)
			t.Logf("%d orders: %v", runs, ends)
			var got []OfferState
			for s := range ends {
				got = append(got, s)
			}
			slices.Sort(got)
			if !slices.Equal(got, c.ends) {
				t.Errorf("it ends as %v, want %v", ends, c.ends)
			}
		})
	}
}

// Random rooms: random acts of all kinds by members whose clocks differ, items that
// arrive in any order, restarts in between. All end with the same.
func TestAnyOrder(t *testing.T) {
	bases := map[int]*mesh{}
	first := map[int]ID{}
	agendas := map[int]ID{}
	for _, n := range []int{2, 3, 4} {
		bases[n], first[n], agendas[n] = offered(t, n, 20*time.Minute)
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 4).Draw(rt, "members")
		m := bases[n].fork(t)
		agenda := agendas[n]
		for i := range m.skew {
			m.skew[i] = time.Duration(rapid.IntRange(-900, 900).Draw(rt, "skew")) * time.Second
		}
		offers, agreements, consents, cores := []ID{first[n]}, []ID{}, []ID{}, []ID{}
		pick := func(list []ID) ID {
			if len(list) == 0 {
				return ID{1}
			}
			return rapid.SampledFrom(list).Draw(rt, "which")
		}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			i := rapid.IntRange(0, n-1).Draw(rt, "who")
			var id ID
			var err error
			switch what := rapid.IntRange(0, 11).Draw(rt, "what"); what {
			case 0:
				_, err = m.trySay(i, &Take{Of: pick(offers)})
			case 1:
				_, err = m.trySay(i, &Withdraw{Of: pick(offers)})
			case 2, 3:
				o := m.offer(agenda, i, time.Duration(rapid.IntRange(0, 40).Draw(rt, "expires"))*time.Minute)
				if of := pick(offers); what == 2 {
					o.Answers = &of
				} else {
					o.Replaces = &of
				}
				if rapid.Bool().Draw(rt, "conditional") {
					o.OnlyIf = []ID{pick(offers)}
				}
				if id, err = m.trySay(i, o); err == nil {
					offers = append(offers, id)
				}
			case 4:
				a := &Agreement{Text: rapid.SampledFrom([]string{"One.", "Two."}).Draw(rt, "text"), Parties: m.ids(0, 1), Level: Sealed, Lapses: uint64(start.Add(96 * time.Hour).Unix())}
				if id, err = m.trySay(i, a); err == nil {
					agreements, cores = append(agreements, id), append(cores, a.Core())
				}
			case 5:
				if id, err = m.trySay(i, &Consent{Core: pick(cores)}); err == nil {
					consents = append(consents, id)
				}
			case 6:
				_, err = m.trySay(i, &Withdraw{Of: pick(append(slices.Clone(consents), agreements...))})
			case 7:
				m.wait(time.Duration(rapid.IntRange(1, 600).Draw(rt, "wait")) * time.Second)
				m.keep(i, m.rooms[i].Tick(m.now(i)))
			case 8:
				m.restart(i)
			default:
				for range what {
					m.deliver(rapid.IntRange(0, n-1).Draw(rt, "from"), i)
				}
			}
			if err != nil && !strings.HasPrefix(err.Error(), ErrRefused.Error()) {
				rt.Fatal(err)
			}
		}
		m.settle()
		if err := m.agree(); err != nil {
			rt.Fatal(err)
		}
		for i := range m.rooms {
			m.restart(i)
		}
	})
}

// The author's clock decides: a take that was written in time counts for ten minutes.
func TestTenMinutes(t *testing.T) {
	for _, c := range []struct {
		name           string
		taken, arrives time.Duration // after the end of the offer, by the author's clock
		takerClock     time.Duration
		want           OfferState
	}{
		{"in time", -time.Second, 0, 0, OfferTaken},
		{"written in time, 9 minutes late", -time.Second, 9 * time.Minute, 0, OfferTaken},
		{"written in time, 10 minutes late", -time.Second, 10 * time.Minute, 0, OfferExpired},
		{"written late by a slow clock, arrives within ten minutes", 5 * time.Minute, 6 * time.Minute, -6 * time.Minute, OfferTaken},
		{"written late by a slow clock, arrives later", 5 * time.Minute, 11 * time.Minute, -6 * time.Minute, OfferExpired},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, offer, _ := offered(t, 3, time.Hour)
			end := m.clock.Add(time.Hour)
			m.clock, m.skew[1] = end.Add(c.taken), c.takerClock
			m.say(1, &Take{Of: offer})
			m.clock = end.Add(c.arrives)
			m.settle()
			if err := m.agree(); err != nil {
				t.Fatal(err)
			}
			if s := m.view(2).Offers[0].State; s != c.want {
				t.Errorf("the offer is %s, want %s", s, c.want)
			}
			if n := m.count(0, KindTaken); (n == 1) != (c.want == OfferTaken) {
				t.Errorf("its author confirmed %d times", n)
			}
		})
	}
	m, offer, _ := offered(t, 2, time.Hour)
	m.wait(time.Hour)
	if _, err := m.trySay(1, &Take{Of: offer}); err == nil {
		t.Error("an offer was taken after its end by the taker's own clock")
	}
}

// The author's own clock is enough: what a fast clock wrote after the end arrived
// before it.
func TestFastClock(t *testing.T) {
	m, offer, _ := offered(t, 3, time.Hour)
	m.settle()
	m.skew[1] = 2 * time.Hour
	m.lie(1, &Take{Of: offer}, MemberID{})
	m.skew[1] = 0
	for i := range 3 {
		if s := m.eval(i).offers[offer].State; s != OfferTaken {
			t.Errorf("member %d sees it %s", i, s)
		}
	}
}

// The author's word stands as long as the take that it names has not come, but not for
// a time at which it could not have given it.
func TestTakenBeforeItsTake(t *testing.T) {
	for late, want := range map[time.Duration]OfferState{-time.Second: OfferTaken, answerWithin - time.Second: OfferTaken, answerWithin: OfferExpired} {
		m, offer, _ := offered(t, 3, time.Hour)
		m.settle()
		m.wait(time.Hour + late)
		m.lie(0, &Taken{Of: offer, By: ID{9}}, MemberID{})
		for i := range 3 {
			if v := m.eval(i).offers[offer]; v.State != want || v.TakenBy != nil {
				t.Errorf("%s after its end member %d sees it %s by %v", late, i, v.State, v.TakenBy)
			}
		}
	}
}

// What an offer may rest on.
func TestOfferRefused(t *testing.T) {
	m := newMesh(t, 3, 86)
	first := m.agenda()
	open := m.say(0, m.offer(first, 0, 0))
	secret := m.say(0, m.offer(first, 0, 0), 1)
	m.settle()
	if m.eval(1).offers[open].InForce {
		t.Error("an open offer is in force")
	}
	resting := m.offer(first, 0, 0)
	resting.OnlyIf = []ID{secret}
	_, err := m.trySay(0, resting)
	refusedWith(t, err, "unknown to some who hear")
	_, err = m.trySay(0, resting, 2)
	refusedWith(t, err, "unknown to some who hear")
	m.say(0, resting, 1)
	m.say(0, &Withdraw{Of: open})
	again := m.offer(first, 0, 0)
	again.Replaces = &open
	_, err = m.trySay(0, again)
	refusedWith(t, err, "that it replaces is withdrawn")
	// The agenda moves on. What was open may still be taken, and nothing new is made
	// under the one before; a position that no longer fits its issue is on no table.
	other := m.say(0, m.offer(first, 0, 0))
	list := issues()
	list[0].Options = list[0].Options[:2]
	second := m.say(0, &Agenda{Rev: 2, Base: &first, Issues: list})
	m.settle()
	for i := 1; i < 3; i++ {
		m.say(i, &Confirm{Of: second})
	}
	m.settle()
	_, err = m.trySay(0, m.offer(first, 0, 0))
	refusedWith(t, err, "under the agenda that holds")
	m.say(1, &Take{Of: other})
	m.settle()
	if s := m.eval(2).offers[other].State; s != OfferTaken {
		t.Error(s)
	}
	if rows := m.view(2).Table; len(rows[0].Positions) != 0 || len(rows[1].Positions) != 1 {
		t.Errorf("%+v", rows)
	}
}

// What the author may not do, the others do not believe: a confirmation of a take
// that was written too late, of somebody to whom the offer was not made, of none.
func TestFalseConfirmations(t *testing.T) {
	m, offer, agenda := offered(t, 3, time.Hour)
	m.settle()
	narrow := m.say(0, m.offer(agenda, 0, 0, 1))
	m.settle()
	lie := func(b Body) {
		var c Change
		if err := m.rooms[0].say(b.kind(), b, MemberID{}, &c, m.now(0)); err != nil {
			t.Fatal(err)
		}
		m.keep(0, c)
		m.settle()
	}
	state := func(id ID) OfferState { return m.eval(1).offers[id].State }
	comment := m.say(2, &Comment{On: offer, Text: "No."})
	m.settle()
	lie(&Taken{Of: offer, By: comment})
	if s := state(offer); s != OfferOpen {
		t.Errorf("taken by a comment: %s", s)
	}
	m.wait(2 * time.Hour)
	var c Change
	if err := m.rooms[2].say(KindTake, &Take{Of: narrow}, MemberID{}, &c, m.now(2)); err != nil {
		t.Fatal(err)
	}
	m.keep(2, c)
	take := c.Rows[len(c.Rows)-1].ID
	m.settle()
	lie(&Taken{Of: narrow, By: take})
	if s := state(narrow); s != OfferOpen {
		t.Errorf("taken by somebody to whom it was not made: %s", s)
	}
	if err := m.rooms[2].say(KindTake, &Take{Of: offer}, MemberID{}, &c, m.now(2)); err != nil {
		t.Fatal(err)
	}
	late := c.Rows[len(c.Rows)-1].ID
	m.keep(2, Change{Out: c.Out[len(c.Out)-2:]})
	m.settle()
	lie(&Taken{Of: offer, By: late})
	if s := state(offer); s != OfferExpired {
		t.Errorf("taken long after its end: %s", s)
	}
	// An author's later true word still counts.
	m.say(1, &Take{Of: narrow})
	m.settle()
	if s := state(narrow); s != OfferTaken {
		t.Errorf("a take by the right member after a false confirmation: %s", s)
	}
}

func (m *mesh) count(i int, k Kind) (n int) {
	for _, s := range m.rooms[i].statements {
		if s.Kind == k {
			n++
		}
	}
	return n
}

// lie says what a station that keeps to the rules would not say.
func (m *mesh) lie(i int, b Body, to MemberID) {
	m.t.Helper()
	var c Change
	if err := m.rooms[i].say(b.kind(), b, to, &c, m.now(i)); err != nil {
		m.t.Fatal(err)
	}
	m.keep(i, c)
	m.settle()
}

// Only its author decides an offer, in the chain in which it was made, and once.
func TestOthersDecideNothing(t *testing.T) {
	m, offer, agenda := offered(t, 3, 0)
	m.settle()
	replacement := m.offer(agenda, 1, 0)
	replacement.Replaces = &offer
	m.lie(1, &Withdraw{Of: offer}, MemberID{})
	m.lie(1, replacement, MemberID{})
	m.lie(0, &Withdraw{Of: offer}, m.id(1))
	for i := range 3 {
		if s := m.eval(i).offers[offer].State; s != OfferOpen {
			t.Errorf("member %d sees it %s", i, s)
		}
	}
	m.say(1, &Take{Of: offer})
	m.say(2, &Take{Of: offer})
	m.settle()
	if n := m.count(1, KindTaken); n != 1 {
		t.Errorf("the author confirmed %d times", n)
	}
	m.lie(0, &Withdraw{Of: offer}, MemberID{})
	for i := range 3 {
		if s := m.eval(i).offers[offer].State; s != OfferTaken {
			t.Errorf("member %d sees it %s", i, s)
		}
	}
}
