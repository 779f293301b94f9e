package blind

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// Every limit of a round, from both sides.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		n     int
		shape func(*Params)
		lanes int
		ok    bool
	}{
		"two":                   {2, nil, 1, true},
		"five with four lanes":  {5, nil, 4, true},
		"six with four lanes":   {6, nil, 4, false},
		"one":                   {1, nil, 4, false},
		"sixteen":               {16, nil, 15, true},
		"seventeen":             {17, nil, 16, false},
		"twice":                 {2, func(p *Params) { p.Parties[1] = p.Parties[0] }, 4, false},
		"opener is no party":    {2, func(p *Params) { p.Opener = 2 }, 4, false},
		"negative opener":       {2, func(p *Params) { p.Opener = -1 }, 4, false},
		"two items":             {2, func(p *Params) { p.Items = 2 }, 4, false},
		"single with a cap":     {2, func(p *Params) { p.Cap = 1 }, 4, false},
		"single with direction": {2, func(p *Params) { p.Directions = []Direction{Sells, Buys} }, 4, false},
		"no mode":               {2, func(p *Params) { p.Mode = 0 }, 4, false},
		"unknown mode":          {2, func(p *Params) { p.Mode = 4 }, 4, false},
		"ladder of 32":          {2, ladder(32), 4, true},
		"ladder of 33":          {2, ladder(33), 4, false},
		"ladder of 0":           {2, ladder(0), 4, false},
		"ladder of three":       {3, ladder(4), 4, false},
		"both sell": {2, func(p *Params) {
			ladder(4)(p)
			p.Directions[1] = Sells
		}, 4, false},
		"an unknown direction": {2, func(p *Params) {
			ladder(4)(p)
			p.Directions[1] = 3
		}, 4, false},
		"list of 64":        {2, list(64, 16, 16), 4, true},
		"list of 65":        {2, list(65, 16, 0), 4, false},
		"list of 3":         {2, list(3, 1, 0), 4, false},
		"cap over a fourth": {2, list(16, 5, 0), 4, false},
		"no cap":            {2, list(16, 0, 0), 4, false},
		"green over cap":    {2, list(16, 3, 4), 4, false},
		"list of three":     {3, list(16, 4, 0), 4, false},
		"no time to open":   {2, func(p *Params) { p.Deadline = p.InputsAt.Add(10*time.Minute - time.Millisecond) }, 4, false},
		"just time to open": {2, func(p *Params) { p.Deadline = p.InputsAt.Add(10 * time.Minute) }, 4, true},
		"microseconds":      {2, func(p *Params) { p.Deadline = p.Deadline.Add(time.Microsecond) }, 4, false},
		"before 1970":       {2, func(p *Params) { p.InputsAt = time.UnixMilli(-1) }, 4, false},
	} {
		p := params(c.n, c.shape)
		if err := p.Check(c.lanes); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := New(p, memberID(0)); c.ok && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(params(2, nil), memberID(5)); err == nil {
		t.Error("a stranger begins a round")
	}
}

// Every parameter is part of the context.
func TestContext(t *testing.T) {
	seen := map[[32]byte]string{}
	for name, shape := range map[string]func(*Params){
		"plain":   nil,
		"object":  func(p *Params) { p.Object[31]++ },
		"member":  func(p *Params) { p.Parties[1][15]++ },
		"order":   func(p *Params) { slices.Reverse(p.Parties) },
		"opener":  func(p *Params) { p.Opener = 1 },
		"inputs":  func(p *Params) { p.InputsAt = p.InputsAt.Add(time.Millisecond) },
		"end":     func(p *Params) { p.Deadline = p.Deadline.Add(time.Millisecond) },
		"ladder":  ladder(4),
		"figures": ladder(5),
		"reversed": func(p *Params) {
			ladder(4)(p)
			slices.Reverse(p.Directions)
		},
		"list": list(8, 2, 0), "cap": list(8, 1, 0), "tiers": list(8, 2, 1), "upper": list(8, 2, 2),
	} {
		p := params(2, shape)
		ctx := p.Context()
		if other, ok := seen[ctx]; ok {
			t.Errorf("%s and %s are one context", name, other)
		}
		seen[ctx] = name
	}
	three := params(3, nil)
	if _, ok := seen[three.Context()]; ok {
		t.Error("another number of members is the same context")
	}
}

func TestQuota(t *testing.T) {
	day := 24 * time.Hour
	use := func(contact, issue string, ago time.Duration) Use { return Use{contact, issue, start.Add(-ago)} }
	for name, c := range map[string]struct {
		used     []Use
		contacts []string
		left     int
		next     time.Time
	}{
		"none":          {nil, []string{"b"}, 3, time.Time{}},
		"one":           {[]Use{use("b", "i", day)}, []string{"b"}, 2, time.Time{}},
		"other contact": {[]Use{use("c", "i", day)}, []string{"b"}, 3, time.Time{}},
		"other issue":   {[]Use{use("b", "j", day)}, []string{"b"}, 3, time.Time{}},
		"a week ago":    {[]Use{use("b", "i", 7*day), use("b", "i", 7*day-1)}, []string{"b"}, 2, time.Time{}},
		"all":           {[]Use{use("b", "i", 2*day), use("b", "i", 6*day), use("b", "i", 0)}, []string{"b"}, 0, start.Add(day)},
		"clock set back": {[]Use{use("b", "i", -day), use("b", "i", -day), use("b", "i", -day)}, []string{"b"}, 0,
			start.Add(8 * day)},
		"more than all": {[]Use{use("b", "i", 6*day), use("b", "i", 5*day), use("b", "i", 4*day), use("b", "i", 3*day)}, []string{"b"}, 0,
			start.Add(2 * day)},
		"the scarcest of two": {[]Use{use("b", "i", day), use("c", "i", day), use("c", "i", 2*day)}, []string{"b", "c"}, 1, time.Time{}},
		"the later of two": {[]Use{use("b", "i", day), use("b", "i", day), use("b", "i", day), use("c", "i", 2*day), use("c", "i", 2*day), use("c", "i", 2*day)},
			[]string{"c", "b"}, 0, start.Add(6 * day)},
	} {
		left, next := Quota(c.used, c.contacts, "i", start)
		if left != c.left || !next.Equal(c.next) {
			t.Errorf("%s: %d left, next %v; want %d, %v", name, left, next, c.left, c.next)
		}
		if left == 0 {
			if after, _ := Quota(c.used, c.contacts, "i", next); after == 0 {
				t.Errorf("%s: none is free when one should be", name)
			}
			if before, _ := Quota(c.used, c.contacts, "i", next.Add(-1)); before != 0 {
				t.Errorf("%s: one is free too early", name)
			}
		}
	}
}

// Every key has its sentence, every state its key, and the sentences that the
// specification words are word for word.
func TestTexts(t *testing.T) {
	used := map[string]bool{TextQuotaEmpty: true, TextLost: true, TextOthers: true} // the last two by who plays a round for a member
	for s := range states {
		used[Status{State: s}.Text()] = true
	}
	used[Status{State: Lapsed, Known: true}.Text()] = true
	for _, p := range []Params{params(2, nil), params(3, nil), params(2, ladder(3)), params(2, list(4, 1, 1))} {
		for _, key := range p.Fairness() {
			used[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(used)) {
		if Texts[key] == "" {
			t.Errorf("%s has no sentence", key)
		}
	}
	for key := range Texts {
		if !used[key] {
			t.Errorf("%s is shown nowhere", key)
		}
	}
	if (Status{State: states}).Text() != "" || states.String() != "unknown" {
		t.Error("a state that is none has a text")
	}
	p := params(2, nil)
	var said []string
	for _, key := range p.Fairness()[:4] {
		said = append(said, Texts[key])
	}
	if got := strings.Join(said, " "); got != "If you say no, you learn nothing. If you say yes and there is no match, you learn that somebody said no. "+
		"If they stop after your answer was opened, they may have seen your yes. Nothing stops someone from saying yes without meaning it." {
		t.Error(got)
	}
	if got := Texts[TextShown]; !strings.Contains(got, "they may have seen your yes; this says nothing about theirs") {
		t.Error(got)
	}
}

// Words that would favour some results are drawn anew. For the few cells of a round that
// is rare; here it is one in four.
func TestEveryOrderIsAsLikely(t *testing.T) {
	const n = 3 << 30
	got, plain := words{seed: [32]byte{3}}, words{seed: [32]byte{3}}
	refused := 0
	for range 1000 {
		want := plain.word()
		for want < 1<<30 { // 2³² mod n
			want = plain.word()
			refused++
		}
		if x := got.below(n); x != want%n {
			t.Fatalf("%d, want %d", x, want%n)
		}
	}
	if refused < 200 {
		t.Errorf("%d words were refused", refused)
	}
}
