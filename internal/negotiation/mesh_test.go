package negotiation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 12, 9, 0, 0, 0, time.UTC)

// source is randomness that is the same every time.
type source struct{ r *rand.Rand }

func seeded(seed uint64) source { return source{rand.New(rand.NewPCG(seed, 7))} }

func (s source) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s.r.Uint32())
	}
	return len(p), nil
}

// mesh is a room of n members with a queue for each pair and direction, as channels
// between stations are: in order within a pair, in any order between pairs.
type mesh struct {
	t      testing.TB
	rooms  []*Room
	rows   [][]Row
	random source
	lines  [][][][]byte // from, to, items
	clock  time.Time
	skew   []time.Duration
	errs   []error
	events [][]Event
	strict bool // make each room again from rows and local after each step and compare
}

func newMesh(t testing.TB, n int, seed uint64) *mesh {
	t.Helper()
	names := []string{"Aldmark", "Borvia", "Cenia", "Dorland", "Estavia"}[:n]
	f, err := Forge(Script{Title: "Straits talks", Members: names, Start: start}, seeded(seed))
	if err != nil {
		t.Fatal(err)
	}
	m := &mesh{t: t, random: seeded(seed + 1), clock: start.Add(time.Hour), skew: make([]time.Duration, n), events: make([][]Event, n)}
	for _, c := range f {
		m.rooms = append(m.rooms, NewRoom(c.Charter, m.random))
		m.rows = append(m.rows, nil)
		m.lines = append(m.lines, make([][][]byte, n))
	}
	return m
}

func (m *mesh) now(i int) time.Time    { return m.clock.Add(m.skew[i]) }
func (m *mesh) id(i int) MemberID      { return m.rooms[i].Self() }
func (m *mesh) wait(d time.Duration)   { m.clock = m.clock.Add(d) }
func (m *mesh) view(i int) *View       { return m.rooms[i].View(m.now(i), m.name) }
func (m *mesh) eval(i int) *evaluation { return m.rooms[i].evaluate(seconds(m.now(i))) }
func (m *mesh) ids(is ...int) []MemberID {
	var list []MemberID
	for _, i := range is {
		list = append(list, m.id(i))
	}
	return sorted(list)
}

func (m *mesh) name(id MemberID) string {
	for i := range m.rooms {
		if m.id(i) == id {
			return []string{"Aldmark", "Borvia", "Cenia", "Dorland", "Estavia"}[i]
		}
	}
	return "nobody"
}

func (m *mesh) keep(i int, c Change) {
	m.t.Helper()
	m.rows[i] = append(m.rows[i], c.Rows...)
	m.events[i] = append(m.events[i], c.Events...)
	for _, o := range c.Out {
		to := int(o.To[1]) - 1
		m.lines[i][to] = append(m.lines[i][to], o.Raw)
	}
	if m.strict {
		m.restart(i)
	}
}

// restart makes a room again from what was kept and compares the two.
func (m *mesh) restart(i int) {
	m.t.Helper()
	again, err := Restore(m.rooms[i].Charter(), m.rows[i], m.rooms[i].Local(), m.random)
	if err != nil {
		m.t.Fatal(err)
	}
	before, after := m.json(m.rooms[i], i), m.json(again, i)
	if before != after {
		m.t.Fatalf("a room made again from its rows differs:\n%s\n%s", before, after)
	}
	if !bytes.Equal(again.Local(), m.rooms[i].Local()) {
		m.t.Fatal("a room made again has another local part")
	}
	m.rooms[i] = again
}

func (m *mesh) json(r *Room, i int) string {
	m.t.Helper()
	b, err := json.Marshal(r.View(m.now(i), m.name))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(b)
}

func (m *mesh) trySay(i int, b Body, to ...int) (ID, error) {
	var target MemberID
	if len(to) > 0 {
		target = m.id(to[0])
	}
	c, err := m.rooms[i].Say(b, target, m.now(i))
	m.keep(i, c)
	for _, r := range c.Rows {
		if !r.Erased {
			return r.ID, err
		}
	}
	return ID{}, err
}

func (m *mesh) say(i int, b Body, to ...int) ID {
	m.t.Helper()
	id, err := m.trySay(i, b, to...)
	if err != nil {
		m.t.Fatalf("%T: %v", b, err)
	}
	return id
}

// deliver brings the first item of a line, if there is one.
func (m *mesh) deliver(from, to int) bool {
	m.t.Helper()
	l := m.lines[from][to]
	if len(l) == 0 {
		return false
	}
	m.lines[from][to] = l[1:]
	c, err := m.rooms[to].Apply(contactIn(to, from), l[0], m.now(to))
	if err != nil {
		m.errs = append(m.errs, err)
	}
	m.keep(to, c)
	return true
}

// settle delivers everything.
func (m *mesh) settle() {
	m.t.Helper()
	for again := true; again; {
		again = false
		for i := range m.rooms {
			for j := range m.rooms {
				for i != j && m.deliver(i, j) {
					again = true
				}
			}
		}
	}
}

// hold takes everything off a line, to be put back later.
func (m *mesh) hold(from, to int) [][]byte {
	l := m.lines[from][to]
	m.lines[from][to] = nil
	return l
}

func (m *mesh) alarms(i int) (list []string) {
	for _, a := range m.view(i).Alarms {
		s := string(a.Type)
		for _, about := range a.About {
			s += " " + m.name(about)
		}
		list = append(list, s)
	}
	return list
}

func (m *mesh) wantAlarms(i int, want ...string) {
	m.t.Helper()
	if got := m.alarms(i); !slices.Equal(got, want) {
		m.t.Errorf("%s is shown %q, want %q", m.name(m.id(i)), got, want)
	}
}

func dec10(n int64, e int) Decimal { return must(NewDecimal(n, e)) }

// issues are those of the talks: recognition (choice), fee (range), words (text).
func issues() []Issue {
	return []Issue{
		{ID: 1, Title: "Status of X", Type: Choice, Options: []string{"opposed", "silent", "accepted"}},
		{ID: 2, Title: "Transit fee", Type: Range, Range: &Bounds{Min: dec10(0, 0), Max: dec10(10, 0), Step: dec10(5, -1), Unit: "per ton"}},
		{ID: 3, Title: "Wording", Type: Text},
	}
}

// agenda makes the first agenda hold everywhere.
func (m *mesh) agenda(change ...func([]Issue)) ID {
	m.t.Helper()
	list := issues()
	for _, f := range change {
		f(list)
	}
	id := m.say(0, &Agenda{Rev: 1, Issues: list})
	m.settle()
	for i := 1; i < len(m.rooms); i++ {
		m.say(i, &Confirm{Of: id})
	}
	m.settle()
	for i := range m.rooms {
		if m.eval(i).heldID != id {
			m.t.Fatal("the agenda does not hold")
		}
	}
	return id
}

func (m *mesh) offer(agenda ID, by int, expires time.Duration, to ...int) *Offer {
	o := &Offer{Agenda: agenda, To: m.ids(to...),
		Gives: []Term{{By: m.id(by), Issue: 1, Value: OptionValue(2)}},
		Gets:  []Term{{By: m.id((by + 1) % len(m.rooms)), Issue: 2, Value: NumberValue(dec10(25, -1))}}}
	if expires != 0 {
		o.Expires = uint64(m.clock.Add(expires).Unix())
	}
	return o
}

// summary is where everything stands, without what only one member sees.
func summary(v *evaluation) string {
	var s string
	for _, id := range ids(v.offers) {
		o := v.offers[id]
		s += fmt.Sprintf("offer %.8s %s takers %v counters %d force %v by %v\n", id, o.State, len(o.Takers), len(o.Counters), o.InForce, o.TakenBy)
	}
	for _, id := range ids(v.agendas) {
		s += fmt.Sprintf("agenda %.8s %v %d\n", id, v.agendas[id].Holds, len(v.agendas[id].Confirmed))
	}
	for _, id := range ids(v.agreements) {
		a := v.agreements[id]
		s += fmt.Sprintf("agreement %.8s %s %v %v\n", id, a.State, a.Needed, a.Blocked)
		for _, n := range a.Needed {
			s += fmt.Sprintln(n.Member, n.Consented, n.Why)
		}
	}
	for _, id := range ids(v.rounds) {
		s += fmt.Sprintf("round %.8s %s %d\n", id, v.rounds[id].State, len(v.rounds[id].Joined))
	}
	for _, id := range ids(v.communiques) {
		s += fmt.Sprintf("communique %.8s %s\n", id, v.communiques[id].State)
	}
	for _, id := range ids(v.drafts) {
		s += fmt.Sprintf("draft %.8s %v %s\n", id, v.drafts[id].Latest, v.drafts[id].Problem)
	}
	return s
}

func ids[T any](m map[ID]T) (list []ID) {
	for id := range m {
		list = append(list, id)
	}
	slices.SortFunc(list, func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
	return list
}
