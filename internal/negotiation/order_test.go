package negotiation

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// words are the texts of the signals in the time line of a member.
func (m *mesh) words(i int) (texts []string) {
	for _, s := range m.view(i).Timeline {
		if b, ok := s.Body.(*Signal); ok {
			texts = append(texts, b.Text)
		}
	}
	return texts
}

// What is said within one second keeps its order on every page: numbers are given
// and the latest position is found by it.
func TestWithinASecond(t *testing.T) {
	m := newMesh(t, 3, 20)
	m.strict = true
	agenda := m.agenda()
	var said []ID
	for n := range 8 {
		said = append(said, m.say(1, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(uint64(n % 3)), 2: NumberValue(dec10(int64(n), 0))}}))
	}
	m.say(1, &Package{Agenda: agenda, Values: map[uint64]Value{2: NumberValue(dec10(9, 0))}}, 0)
	m.settle()
	for i := range 3 {
		v := m.view(i)
		var seen []ID
		for _, p := range v.Packages {
			if !p.Private {
				seen = append(seen, p.ID)
			}
		}
		if !slices.Equal(seen, said) {
			t.Errorf("member %d sees the packages in another order", i)
		}
		want := "7 per ton"
		if i != 2 { // was told another in private
			want = "9 per ton"
		}
		if p := v.Table[1].Positions; len(p) != 1 || p[0].Show != want {
			t.Errorf("member %d sees the position %+v, want %s", i, p, want)
		}
	}
}

// What one member says to the room and to one of it stands in the order in which it was
// said, for both who heard it, also within a second and if its clock is set back; the room
// reads its part in one order all the same.
func TestOneMembersOrder(t *testing.T) {
	m := newMesh(t, 4, 26)
	m.strict = true
	m.say(0, &Signal{Text: "Clock."})
	m.skew[1] = 5 * time.Minute
	m.say(1, &Signal{Text: "1"})
	m.say(1, &Signal{Text: "2"}, 2)
	m.say(1, &Signal{Text: "3"}, 3)
	m.say(1, &Signal{Text: "4"})
	m.say(1, &Signal{Text: "5"}, 2)
	m.skew[1] = -5 * time.Minute
	m.say(1, &Signal{Text: "6"}, 2)
	m.say(1, &Signal{Text: "7"})
	m.say(1, &Signal{Text: "8"}, 3)
	m.settle()
	for i, want := range [][]string{{"Clock.", "1", "4", "7"}, {"Clock.", "1", "2", "3", "4", "5", "6", "7", "8"}, {"Clock.", "1", "2", "4", "5", "6", "7"}, {"Clock.", "1", "3", "4", "7", "8"}} {
		if got := m.words(i); !slices.Equal(got, want) {
			t.Errorf("member %d reads %q", i, got)
		}
	}
	// So the latest position is the one that was taken last.
	agenda := m.agenda()
	put := func(n int64, to ...int) {
		m.say(0, &Package{Agenda: agenda, Values: map[uint64]Value{2: NumberValue(dec10(n, 0))}}, to...)
	}
	put(3, 1)
	put(4)
	m.settle()
	for i := range 4 {
		if p := m.view(i).Table[1].Positions; len(p) != 1 || p[0].Show != "4 per ton" {
			t.Errorf("member %d sees the position %+v", i, p)
		}
	}
}

// So do the offers that answer one.
func TestCountersWithinASecond(t *testing.T) {
	m := newMesh(t, 3, 24)
	m.strict = true
	agenda := m.agenda()
	of := m.say(0, m.offer(agenda, 0, 0))
	m.settle()
	var said []ID
	for n := range 8 {
		o := m.offer(agenda, 1, 0)
		o.Answers, o.Note = &of, string(rune('a'+n))
		said = append(said, m.say(1, o))
	}
	m.settle()
	for i := range 3 {
		if o := m.view(i).Offers[0]; o.ID != of || !slices.Equal(o.Counters, said) {
			t.Errorf("member %d sees the counters in another order", i)
		}
	}
}

// An answer stands behind what it answers, also if the clock of who answers is slow.
func TestAnswersFollow(t *testing.T) {
	m := newMesh(t, 3, 21)
	m.strict = true
	m.skew[0], m.skew[2] = 2*time.Minute, -2*time.Minute
	want := []string{"Shall we?", "We shall.", "When?", "Now."}
	for n, by := range []int{0, 2, 1, 2} {
		m.say(by, &Signal{Text: want[n]})
		m.settle()
	}
	for i := range 3 {
		if got := m.words(i); !slices.Equal(got, want) {
			t.Errorf("member %d reads %q", i, got)
		}
	}
}

// What nobody had heard before saying something stands where the clocks put it.
func TestUnheardByTheClock(t *testing.T) {
	m := newMesh(t, 3, 25)
	want := []string{"One.", "Two.", "Three."}
	for n, by := range []int{2, 0, 1} {
		m.skew[by] = time.Duration(n) * time.Minute
	}
	for n, by := range []int{1, 0, 2} { // said in another order
		m.say(by, &Signal{Text: want[2-n]})
	}
	m.settle()
	for i := range 3 {
		if got := m.words(i); !slices.Equal(got, want) {
			t.Errorf("member %d reads %q", i, got)
		}
	}
}

// Two that each claim to have heard the other are shown all the same, and so is
// whatever stands behind claims about what was never said.
func TestOrderOfLies(t *testing.T) {
	m := newMesh(t, 3, 22)
	m.say(0, &Signal{Text: "A"})
	m.say(1, &Signal{Text: "B"})
	for _, liar := range []int{0, 1} {
		l := m.lines[liar][2]
		e := must(ParseEnvelope(l[len(l)-1]))
		e.Vector[m.rooms[2].index(m.id(1-liar))] = uint64(1 + 6*liar)
		l[len(l)-1] = e.Encode()
	}
	m.settle()
	m.say(2, &Signal{Text: "C"})
	if got := m.words(2); len(got) != 3 || got[2] != "C" {
		t.Errorf("it reads %q", got)
	}
}

// Who is told something in private reads the rest of the room in the same order as the
// others, also if two each claim to have heard the other.
func TestOrderOfLiesIsShared(t *testing.T) {
	for _, private := range []bool{false, true} {
		m := newMesh(t, 5, 24)
		for i := range 2 {
			m.skew[i] = time.Duration(i) * time.Second
			m.say(i, &Signal{Text: []string{"A", "B"}[i]})
			for _, to := range []int{3, 4} {
				l := m.lines[i][to]
				e := must(ParseEnvelope(l[len(l)-1]))
				e.Vector[m.rooms[to].index(m.id(1-i))] = 1
				l[len(l)-1] = e.Encode()
			}
			m.hold(i, 2)
		}
		if private {
			m.skew[2] = time.Minute
			m.say(2, &Signal{Text: "Between us."}, 3)
		}
		m.settle()
		shared := func(i int) []string {
			return slices.DeleteFunc(m.words(i), func(s string) bool { return s == "Between us." })
		}
		if a, b := shared(3), shared(4); !slices.Equal(a, b) || !slices.Equal(a, []string{"A", "B"}) {
			t.Errorf("one reads %q, another %q", a, b)
		}
	}
}

// Whatever the clocks say and in whatever order things arrive: all who hold the same
// statements read them in one order, in which nothing comes before what its author
// had heard.
func TestOneOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newMesh(t, 4, 23)
		for range rapid.IntRange(5, 30).Draw(rt, "steps") {
			i, j := rapid.IntRange(0, 3).Draw(rt, "from"), rapid.IntRange(0, 3).Draw(rt, "to")
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0:
				m.skew[i] = time.Duration(rapid.IntRange(-90, 90).Draw(rt, "skew")) * time.Second
			case 1:
				if j != i && rapid.Bool().Draw(rt, "private") {
					m.say(i, &Signal{Text: "Between us."}, j)
				}
				m.say(i, &Signal{Text: rapid.StringMatching("[a-z]{1,8}").Draw(rt, "text")})
			default:
				m.deliver(i, j)
			}
		}
		m.settle()
		shared := func(i int) []*Statement {
			all := m.rooms[i].inOrder()
			if len(all) != len(m.rooms[i].statements) {
				rt.Fatalf("%d of %d statements have a place", len(all), len(m.rooms[i].statements))
			}
			return slices.DeleteFunc(all, (*Statement).Private)
		}
		order := shared(0)
		heard := make([]uint64, 4)
		for _, s := range order {
			from := m.rooms[0].index(s.From)
			for n, k := range s.Vector {
				if heard[n] < k {
					rt.Fatal("something stands before what its author had heard")
				}
			}
			if heard[from]++; heard[from] != s.Seq {
				rt.Fatal("a chain is out of its order")
			}
		}
		for i := 1; i < 4; i++ {
			if !slices.EqualFunc(order, shared(i), func(a, b *Statement) bool { return a.ID == b.ID }) {
				rt.Fatalf("members 0 and %d read different orders", i)
			}
		}
	})
}
