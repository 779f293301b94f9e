package negotiation

import (
	"bytes"
	"encoding/json"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// table is a room of two with positions: Aldmark would accept X for 8, Borvia
// offers 2 and silence.
func table(t testing.TB) (*mesh, ID) {
	m := newMesh(t, 2, 60)
	agenda := m.agenda()
	m.say(0, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(2), 2: NumberValue(dec10(8, 0))}})
	m.say(1, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(1), 2: NumberValue(dec10(2, 0))}})
	m.settle()
	return m, agenda
}

func TestSuggest(t *testing.T) {
	m, _ := table(t)
	p := &Private{Preferences: map[uint64]Preference{
		1: {Weight: 20, Options: []uint64{0, 60, 100}},
		2: {Weight: 80, Best: one(dec10(10, 0)), Limit: one(dec10(4, 0))},
	}}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	list := m.rooms[0].Suggest(m.clock, p, 5)
	if len(list) == 0 {
		t.Fatal("nothing is suggested")
	}
	for i, s := range list {
		if s.Values[1].Option == 0 || s.Values[2].Number.Cmp(dec10(4, 0)) < 0 {
			t.Errorf("beyond a limit: %+v", s)
		}
		for _, o := range list[:i] {
			if o.Own >= s.Own && o.Others >= s.Others {
				t.Errorf("%+v is worth more to nobody than %+v", s, o)
			}
		}
	}
	if again := m.rooms[0].Suggest(m.clock, p, 5); !reflect.DeepEqual(again, list) {
		t.Error("the same table gives other suggestions")
	}
	if got := m.rooms[0].Suggest(m.clock, p, 0); len(got) != 0 {
		t.Error("more than was asked for")
	}
	// A deal that leaves something on the table is improved for both.
	deal := map[uint64]Value{1: OptionValue(0), 2: NumberValue(dec10(5, 0))}
	p.Preferences[1] = Preference{Weight: 20, Options: []uint64{10, 60, 100}}
	better := m.rooms[0].Improve(m.clock, p, deal, 3)
	if len(better) == 0 {
		t.Fatal("no improvement")
	}
	for _, s := range better {
		if s.Own < 20*10/100 || reflect.DeepEqual(s.Values, deal) {
			t.Errorf("%+v", s)
		}
	}
	best := map[uint64]Value{1: OptionValue(1), 2: NumberValue(dec10(2, 0))}
	for _, s := range m.rooms[0].Improve(m.clock, &Private{}, best, 3) {
		t.Errorf("better for who has what it asked for, and we do not care: %+v", s)
	}
	if m.rooms[0].Improve(m.clock, p, map[uint64]Value{3: TextValue("x")}, 3) != nil {
		t.Error("words were weighed")
	}
}

func TestNearest(t *testing.T) {
	b := &Bounds{Min: dec10(1, 0), Max: dec10(10, 0), Step: dec10(25, -2)}
	rapid.Check(t, func(rt *rapid.T) {
		x := dec10(rapid.Int64Range(-2000, 20000).Draw(rt, "x"), -3)
		v := b.nearest(x.scaled())
		d := new(big.Int).Sub(x.scaled(), v.Number.scaled())
		if x.Cmp(b.Min) >= 0 && (d.Sign() < 0 || d.Cmp(b.Step.scaled()) >= 0) || x.Cmp(b.Min) < 0 && v.Number != b.Min {
			rt.Fatalf("%v is near %v", v.Number, x)
		}
		off := new(big.Int).Sub(v.Number.scaled(), b.Min.scaled())
		if off.Rem(off, b.Step.scaled()).Sign() != 0 {
			rt.Fatalf("%v is between steps", v.Number)
		}
	})
}

// Nothing private enters anything that is encoded for others or kept with the room:
// the same acts give the same bytes whatever the user noted, and no trace of a note
// is in them.
func TestPrivateStaysHere(t *testing.T) {
	marks := []string{"ONLY-FOR-US", "WALK-AWAY-MARK"}
	play := func(p *Private) (all [][]byte) {
		m, agenda := table(t)
		for range 2 {
			_ = m.rooms[0].Suggest(m.clock, p, 3)
			_ = m.rooms[0].Improve(m.clock, p, map[uint64]Value{2: NumberValue(dec10(5, 0))}, 3)
			m.say(0, m.offer(agenda, 0, time.Hour))
			for _, l := range m.lines[0] {
				all = append(all, l...)
			}
			m.settle()
		}
		for i := range m.rooms {
			for _, r := range m.rows[i] {
				all = append(all, r.Raw)
			}
			all = append(all, m.rooms[i].Local(), []byte(m.json(m.rooms[i], i)), m.rooms[i].Charter().Encode())
		}
		return all
	}
	some := &Private{
		Preferences: map[uint64]Preference{1: {Weight: 7, Options: []uint64{1, 2, 3}}, 2: {Weight: 9, Best: one(dec10(7, 0)), Limit: one(dec10(123456789012345, 0))}},
		Colours:     map[ID]Colour{{1}: Green}, Notes: map[ID]string{{2}: marks[0]}, WalkAways: []WalkAway{{At: start, Worth: 3, Note: marks[1]}},
	}
	a, b := play(&Private{}), play(some)
	if !reflect.DeepEqual(a, b) {
		t.Error("what the user noted changes what the station says or keeps")
	}
	limit := must(enc.Marshal(dec10(123456789012345, 0)))
	for _, raw := range b {
		for _, mark := range append([][]byte{limit, []byte("123456789012345")}, []byte(marks[0]), []byte(marks[1])) {
			if bytes.Contains(raw, mark) {
				t.Errorf("%q is in what leaves", mark)
			}
		}
	}
	again, err := ParsePrivate(some.Encode())
	if err != nil || !reflect.DeepEqual(again, some) {
		t.Errorf("%v\n%+v\n%+v", err, again, some)
	}
	if j, err := json.Marshal(some); err != nil || !strings.Contains(string(j), `"green"`) {
		t.Errorf("%s %v", j, err)
	}
	for _, p := range []*Private{
		{Preferences: map[uint64]Preference{1: {Weight: 101}}}, {Preferences: map[uint64]Preference{1: {Options: []uint64{101}}}},
		{Preferences: map[uint64]Preference{1: {Best: one(dec10(1, 0))}}}, {Colours: map[ID]Colour{{}: 9}},
		{Notes: map[ID]string{{}: "\u202e"}}, {WalkAways: []WalkAway{{Worth: 101}}}, {WalkAways: make([]WalkAway, maxWalkAways+1)},
	} {
		if p.Check() == nil {
			t.Errorf("%+v was taken", p)
		}
	}
}

// No body of a statement has a place for anything private: the types say so.
func TestNoPlaceForPrivate(t *testing.T) {
	private := map[reflect.Type]bool{reflect.TypeFor[Private](): true, reflect.TypeFor[Preference](): true, reflect.TypeFor[Colour](): true, reflect.TypeFor[WalkAway](): true, reflect.TypeFor[Suggestion](): true}
	var visit func(reflect.Type)
	visit = func(x reflect.Type) {
		if private[x] {
			t.Errorf("a statement can hold a %v", x)
		}
		switch x.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array:
			visit(x.Elem())
		case reflect.Map:
			visit(x.Key())
			visit(x.Elem())
		case reflect.Struct:
			for i := range x.NumField() {
				visit(x.Field(i).Type)
			}
		}
	}
	for _, e := range bodies {
		visit(reflect.TypeOf(e.make()))
	}
	visit(reflect.TypeFor[Envelope]())
	visit(reflect.TypeFor[local]())
}

func FuzzDiff(f *testing.F) {
	f.Add("The parties will meet in spring.", "The parties shall meet in early spring.")
	f.Add("", "a")
	f.Add("a b  c", "")
	f.Add("x\ny", "y\nx")
	f.Fuzz(func(t *testing.T, before, after string) {
		checkDiff(t, before, after)
	})
}

func checkDiff(t interface{ Fatalf(string, ...any) }, before, after string) (changes int) {
	var a, b strings.Builder
	last := EditOp("")
	for _, e := range Diff(before, after) {
		if e.Text == "" || e.Op == last {
			t.Fatalf("%q → %q: an edit too many", before, after)
		}
		last = e.Op
		if e.Op != Added {
			a.WriteString(e.Text)
		}
		if e.Op != Removed {
			b.WriteString(e.Text)
		}
		if e.Op != Same {
			changes += len(words(e.Text))
		}
	}
	if a.String() != before || b.String() != after {
		t.Fatalf("%q → %q became %q → %q", before, after, a.String(), b.String())
	}
	return changes
}

// The difference is the smallest one, compared with the textbook table.
func TestDiffIsShortest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		word := rapid.SampledFrom([]string{"a", "b", "c", ","})
		a, b := rapid.SliceOfN(word, 0, 12).Draw(rt, "a"), rapid.SliceOfN(word, 0, 12).Draw(rt, "b")
		x, y := strings.Join(a, ";"), strings.Join(b, ";")
		p, q := words(x), words(y)
		lcs := make([][]int, len(p)+1)
		for i := range lcs {
			lcs[i] = make([]int, len(q)+1)
		}
		for i := range p {
			for j := range q {
				lcs[i+1][j+1] = max(lcs[i][j+1], lcs[i+1][j])
				if p[i] == q[j] {
					lcs[i+1][j+1] = lcs[i][j] + 1
				}
			}
		}
		if got, want := checkDiff(rt, x, y), len(p)+len(q)-2*lcs[len(p)][len(q)]; got != want {
			rt.Fatalf("%q → %q changes %d words, %d would do", x, y, got, want)
		}
	})
	long := strings.Repeat("word other ", 4000)
	checkDiff(t, long, strings.ReplaceAll(long, "other", "another"))
}

func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"0", "-0.5", "1000000000000000000", "12.50", "1e3", "0.000000000000000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDecimal(s)
		if err != nil {
			return
		}
		if again, err := ParseDecimal(d.String()); err != nil || again != d || d.check() != nil {
			t.Fatalf("%q is %v, which reads as %v, %v", s, d, again, err)
		}
	})
}

func FuzzPrivate(f *testing.F) {
	f.Add((&Private{}).Encode())
	f.Add((&Private{Preferences: map[uint64]Preference{2: {Weight: 9, Best: one(dec10(7, 0)), Limit: one(dec10(3, 0))}},
		Colours: map[ID]Colour{{1}: Green}, Notes: map[ID]string{{2}: "n"}, WalkAways: []WalkAway{{At: start, Worth: 3}}}).Encode())
	m := newMesh(f, 2, 61)
	f.Add(m.rooms[0].Charter().Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParsePrivate(b); err == nil && !bytes.Equal(p.Encode(), b) {
			t.Fatal("notes encode to other bytes")
		}
		if c, err := ParseCharter(b); err == nil && !bytes.Equal(c.Encode(), b) {
			t.Fatal("a charter encodes to other bytes")
		}
	})
}
