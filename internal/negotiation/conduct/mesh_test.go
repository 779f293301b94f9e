package conduct

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/seal"
)

var start = time.Date(2026, 11, 12, 9, 0, 0, 0, time.UTC)

// source is randomness that is the same every time.
type source struct{ r *rand.Rand }

func (s source) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s.r.Uint32())
	}
	return len(p), nil
}

type slot struct {
	kind string
	id   negotiation.ID
}

// memory is a Store.
type memory map[slot][]byte

func (m memory) Machines(kind string) (out []Machine, err error) {
	for k, v := range m {
		if k.kind == kind {
			out = append(out, Machine{k.id, bytes.Clone(v)})
		}
	}
	slices.SortFunc(out, func(a, b Machine) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return out, nil
}
func (m memory) Put(kind string, x Machine) error {
	m[slot{kind, x.ID}] = bytes.Clone(x.State)
	return nil
}
func (m memory) Drop(kind string, id negotiation.ID) error { delete(m, slot{kind, id}); return nil }

// member is one station: what it keeps, and what it has in memory.
type member struct {
	room  *negotiation.Room
	rows  []negotiation.Row
	local []byte
	store memory
	signs *Signings
	key   *seal.Key
	noted map[negotiation.MemberID]seal.PublicKey
}

// mesh is a room whose members have a line for each pair and direction.
type mesh struct {
	t       testing.TB
	members []*member
	random  source
	lines   [][][][]byte
	clock   time.Time
	strict  bool // every member is made again from what it keeps after each step, but for its nonces
	agenda  negotiation.ID
	list    []negotiation.ID // packages
}

var names = []string{"Aldmark", "Borvia", "Cenia", "Dorland"}

func newMesh(t testing.TB, n int, seed uint64) *mesh {
	t.Helper()
	random := source{rand.New(rand.NewPCG(seed, 11))}
	made, err := negotiation.Forge(negotiation.Script{Title: "Straits talks", Members: names[:n], Start: start}, random)
	if err != nil {
		t.Fatal(err)
	}
	m := &mesh{t: t, random: random, clock: start.Add(time.Hour), strict: true}
	for _, f := range made {
		m.members = append(m.members, &member{room: negotiation.NewRoom(f.Charter, random), store: memory{}, signs: NewSignings()})
		m.lines = append(m.lines, make([][][]byte, n))
	}
	return m
}

func (m *mesh) id(i int) negotiation.MemberID { return m.members[i].room.Self() }

func (m *mesh) ids(is ...int) (list []negotiation.MemberID) {
	for _, i := range is {
		list = append(list, m.id(i))
	}
	slices.SortFunc(list, func(a, b negotiation.MemberID) int { return bytes.Compare(a[:], b[:]) })
	return list
}

func (m *mesh) seat(i int) *Seat {
	x := m.members[i]
	return &Seat{Room: x.room, Store: x.store, Lanes: 4, Now: m.clock, Random: m.random, Published: func() (*seal.Key, error) { return x.key, nil },
		Noted: func(m negotiation.MemberID) (k seal.PublicKey, ok bool) { k, ok = x.noted[m]; return k, ok }}
}

// keep is what a station does with a change: rows and lines.
func (m *mesh) keep(i int, c negotiation.Change) {
	x := m.members[i]
	x.rows = append(x.rows, c.Rows...)
	for _, o := range c.Out {
		to := int(o.To[1]) - 1
		m.lines[i][to] = append(m.lines[i][to], o.Raw)
	}
}

// do is one transaction: f, what it says, and everything that follows at once.
func (m *mesh) do(i int, f func(s *Seat) ([]Saying, error)) error {
	m.t.Helper()
	x := m.members[i]
	before := maps.Clone(x.store)
	said, err := f(m.seat(i))
	if err != nil {
		x.store = before
		return err
	}
	for _, y := range said {
		c, err := x.room.SayOpaque(y.Kind, y.Body, y.To, m.clock)
		if err != nil {
			m.t.Fatalf("%s says %s: %v", names[i], y.Kind, err)
		}
		m.keep(i, c)
	}
	x.local = x.room.Local()
	if m.strict {
		m.reload(i)
	}
	return nil
}

// reload makes the room again from what is kept; memory only keeps nonces.
func (m *mesh) reload(i int) {
	m.t.Helper()
	x := m.members[i]
	again, err := negotiation.Restore(x.room.Charter(), x.rows, x.room.Local(), m.random)
	if err != nil {
		m.t.Fatal(err)
	}
	x.room = again
}

// restart is a station that was stopped and unlocked again.
func (m *mesh) restart(i int) {
	m.t.Helper()
	m.reload(i)
	m.members[i].signs = NewSignings()
	m.tick(i)
}

func (m *mesh) tick(i int) {
	m.t.Helper()
	if err := m.do(i, func(s *Seat) ([]Saying, error) {
		a, err := s.RoundTick()
		if err != nil {
			return nil, err
		}
		b, err := m.members[i].signs.Tick(s)
		return append(a, b...), err
	}); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mesh) trySay(i int, b negotiation.Body) (id negotiation.ID, err error) {
	x := m.members[i]
	c, err := x.room.Say(b, negotiation.MemberID{}, m.clock)
	m.keep(i, c)
	for _, r := range c.Rows {
		if !r.Erased {
			id = r.ID
		}
	}
	if err == nil {
		m.tick(i)
	}
	return id, err
}

func (m *mesh) say(i int, b negotiation.Body) negotiation.ID {
	m.t.Helper()
	id, err := m.trySay(i, b)
	if err != nil {
		m.t.Fatalf("%s: %v", names[i], err)
	}
	return id
}

// deliver brings the first item of a line.
func (m *mesh) deliver(from, to int) bool {
	m.t.Helper()
	l := m.lines[from][to]
	if len(l) == 0 {
		return false
	}
	m.lines[from][to] = l[1:]
	x := m.members[to]
	c, err := x.room.Apply(negotiation.Contact{byte(to) + 1, byte(from) + 1}, l[0], m.clock)
	if err != nil {
		m.t.Fatal(err)
	}
	m.keep(to, c)
	for _, e := range c.Events {
		if err := m.do(to, func(s *Seat) ([]Saying, error) {
			if e.Type != negotiation.EventOpaque {
				return x.signs.Tick(s)
			}
			a, err := s.RoundReceived(e.Statement)
			if err != nil {
				return nil, err
			}
			b, err := x.signs.Received(s, e.Statement)
			return append(a, b...), err
		}); err != nil {
			m.t.Fatal(err)
		}
	}
	return true
}

func (m *mesh) settle() {
	m.t.Helper()
	for again := true; again; {
		again = false
		for i := range m.members {
			for j := range m.members {
				if i != j && m.deliver(i, j) {
					again = true
				}
			}
		}
	}
}

// at sets the clock and ticks everybody.
func (m *mesh) at(now time.Time) {
	m.t.Helper()
	m.clock = now
	for i := range m.members {
		m.tick(i)
	}
	m.settle()
}

// prepare makes an agenda hold and puts packages on the table.
func (m *mesh) prepare(packages int) {
	m.t.Helper()
	d := func(n int64) negotiation.Decimal {
		x, err := negotiation.NewDecimal(n, 0)
		if err != nil {
			m.t.Fatal(err)
		}
		return x
	}
	m.agenda = m.say(0, &negotiation.Agenda{Rev: 1, Issues: []negotiation.Issue{
		{ID: 1, Title: "Transit fee", Type: negotiation.Range, Range: &negotiation.Bounds{Min: d(0), Max: d(100), Step: d(1), Unit: "per ton"}},
		{ID: 2, Title: "Status of X", Type: negotiation.Choice, Options: []string{"opposed", "silent", "accepted"}},
	}})
	m.settle()
	for i := 1; i < len(m.members); i++ {
		m.say(i, &negotiation.Confirm{Of: m.agenda})
	}
	m.settle()
	for n := range packages {
		m.list = append(m.list, m.say(n%len(m.members), &negotiation.Package{Agenda: m.agenda, Values: map[uint64]negotiation.Value{
			1: negotiation.NumberValue(d(int64(n))), 2: negotiation.OptionValue(uint64(n % 3))}}))
	}
	m.settle()
}
