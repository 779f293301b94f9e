package blind_test

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"backchannel/internal/negotiation/blind"
)

var begun = time.UnixMilli(1_790_000_000_000).UTC()

func interopParams(n int, mode blind.Mode, items int) blind.Params {
	p := blind.Params{Object: sha256.Sum256([]byte("interop")), Mode: mode, Items: items,
		InputsAt: begun.Add(time.Minute), Deadline: begun.Add(time.Hour)}
	for i := range n {
		h := sha256.Sum256([]byte{'p', byte(i)})
		p.Parties = append(p.Parties, blind.MemberID(h[:16]))
	}
	return p
}

// secondOf is the second implementation's party i of a round; ctx is hashed here
// once more from the documentation.
func secondOf(p blind.Params, i int) *second {
	s := &second{self: i, mode: int(p.Mode), m: p.Items}
	b := append([]byte{}, p.Object[:]...)
	b = append(b, byte(len(p.Parties)))
	for _, id := range p.Parties {
		b = append(b, id[:]...)
		s.ids = append(s.ids, append([]byte{}, id[:]...))
	}
	b = append(b, byte(p.Opener), byte(p.Mode), byte(p.Items), byte(p.Cap), byte(p.Green))
	for _, d := range p.Directions {
		b = append(b, byte(d))
		s.sells = append(s.sells, d == blind.Sells)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(p.InputsAt.UnixMilli()))
	b = binary.BigEndian.AppendUint64(b, uint64(p.Deadline.UnixMilli()))
	s.ctx = secondHash("context", b)
	if p.Mode == blind.List {
		s.caps = []int{p.Cap}
		if p.Green > 0 {
			s.caps = append(s.caps, p.Green)
		}
	}
	s.start()
	return s
}

// A meeting is a round of which party 0 is the first implementation's and all
// others the second's.
type meeting struct {
	t     *testing.T
	p     blind.Params
	first *blind.Round
	rest  []*second
	sent  [][]byte // of the first, not yet taken by the others
	now   time.Time
	fresh byte
}

func (m *meeting) did(c blind.Change, err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
	m.sent = append(m.sent, c.Send...)
}

func (m *meeting) random() [32]byte {
	m.fresh++
	return sha256.Sum256([]byte{m.fresh})
}

// step lets everybody take one step: the first has sent its message already, if
// it goes first, and sends the next one on the way.
func (m *meeting) step(step, cell byte, body func(*second) []byte) {
	m.t.Helper()
	out := make([][]byte, len(m.rest))
	for i, s := range m.rest {
		out[i] = s.message(step, cell, body(s))
	}
	for i, s := range m.rest {
		m.did(m.first.Receive(m.now, m.p.Parties[s.self], out[i], m.random()))
		for k, other := range m.rest {
			if k != i && !other.take(s.self, step, cell, out[i]) {
				m.t.Fatalf("step %d: the second refuses its own", step)
			}
		}
	}
	if len(m.sent) == 0 {
		m.t.Fatalf("step %d: the first has sent nothing: %+v", step, m.first.Status())
	}
	for _, s := range m.rest {
		if !s.take(0, step, cell, m.sent[0]) {
			m.t.Fatalf("step %d: the second refuses the first", step)
		}
	}
	m.sent = m.sent[1:]
	for _, s := range m.rest {
		if !s.finish(step, cell) {
			m.t.Fatalf("step %d: the second does not check itself", step)
		}
	}
}

// Both implementations agree message by message, in every mode and on the result.
func TestInterop(t *testing.T) {
	approve := func(levels ...blind.Level) blind.Answer { return blind.Approve(levels...) }
	for _, c := range []struct {
		name   string
		p      blind.Params
		shape  func(*blind.Params)
		answer blind.Answer
		bits   [][]int
		want   blind.State
		cell   int
	}{
		{"single yes", interopParams(2, blind.Single, 1), nil, blind.Yes(), [][]int{{0}}, blind.Match, 0},
		{"single no", interopParams(2, blind.Single, 1), nil, blind.Yes(), [][]int{{1}}, blind.NoMatch, -1},
		{"three, own no", interopParams(3, blind.Single, 1), nil, blind.No(), [][]int{{0}, {0}}, blind.NoMatch, -1},
		{"four yes", interopParams(4, blind.Single, 1), nil, blind.Yes(), [][]int{{0}, {0}, {0}}, blind.Match, 0},
		{"ladder meets at 2", interopParams(2, blind.Ladder, 5), func(p *blind.Params) { p.Directions = []blind.Direction{blind.Sells, blind.Buys} },
			blind.Limit(2), [][]int{{0, 0, 1, 0, 0, 0}}, blind.Match, 2},
		{"ladder, none", interopParams(2, blind.Ladder, 3), func(p *blind.Params) { p.Directions = []blind.Direction{blind.Buys, blind.Sells} },
			blind.Limit(2), [][]int{{0, 0, 0, 1}}, blind.NoMatch, -1},
		{"list", interopParams(2, blind.List, 12), func(p *blind.Params) { p.Cap = 3 },
			approve(1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0), [][]int{{1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1}}, blind.Match, 2},
		{"list, nothing in common", interopParams(2, blind.List, 4), func(p *blind.Params) { p.Cap = 1 },
			approve(1, 0, 0, 0), [][]int{{1, 1, 1, 0, 1}}, blind.NoMatch, -1},
		{"tiers, upper", interopParams(2, blind.List, 4), func(p *blind.Params) { p.Cap, p.Green = 1, 1 },
			approve(0, 2, 0, 0), [][]int{{1, 0, 1, 1, 1, 1, 0, 1, 1, 1}}, blind.Match, 1},
		{"tiers, lower", interopParams(2, blind.List, 4), func(p *blind.Params) { p.Cap, p.Green = 1, 1 },
			approve(0, 2, 0, 0), [][]int{{1, 0, 1, 1, 1, 1, 1, 1, 1, 0}}, blind.Match, 5},
	} {
		for opener := range c.p.Parties {
			p := c.p
			p.Opener = opener
			if c.shape != nil {
				c.shape(&p)
			}
			t.Run(c.name, func(t *testing.T) {
				first, err := blind.New(p, p.Parties[0])
				if err != nil {
					t.Fatal(err)
				}
				m := &meeting{t: t, p: p, first: first, now: begun}
				for i := 1; i < len(p.Parties); i++ {
					m.rest = append(m.rest, secondOf(p, i))
				}
				m.did(first.Join(m.now, m.random()))
				m.did(first.Answer(m.now, c.answer))
				m.step(1, 0, func(s *second) []byte { return secondHash("commit", s.ctx, s.ids[s.self], s.keyBody) })
				m.step(2, 0, func(s *second) []byte { return s.keyBody })
				m.now = p.InputsAt
				m.did(first.Tick(m.now, m.random()))
				m.step(3, 0, func(s *second) []byte { return s.input(c.bits[s.self-1]) })
				m.step(4, 0, func(s *second) []byte { return s.coin })
				m.step(5, 0, (*second).blind)
				hit := false
				order := m.rest[0].order
				for i := 0; i < len(order) && !hit; i++ {
					cell := order[i]
					m.step(6, cell, func(s *second) []byte { return s.open(cell) })
					hit = m.rest[0].hit(cell)
				}
				if len(p.Parties) > 2 {
					m.step(7, order[0], func(*second) []byte {
						if hit {
							return []byte{1}
						}
						return []byte{0}
					})
				}
				st := first.Status()
				if st.State != c.want || st.Cell != c.cell || hit != (c.want == blind.Match) {
					t.Errorf("%+v, hit %v; want %s at %d", st, hit, c.want, c.cell)
				}
				if len(m.sent) > 0 {
					t.Errorf("%d messages too many", len(m.sent))
				}
			})
		}
	}
}
