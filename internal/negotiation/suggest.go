package negotiation

import (
	"cmp"
	"math/big"
	"slices"
	"time"
)

var scale100 = big.NewInt(100)

// Bounds of the search: enough for what people negotiate, and done at once.
const (
	maxCandidates = 12  // values tried for one issue
	beam          = 256 // partial packages kept from issue to issue
)

// Suggestion is a package that may suit several sides. Own is what it is worth to
// the user by its private preferences; Others is an estimate from what the others
// put on the table, and no more than that.
type Suggestion struct {
	Values map[uint64]Value `json:"values"`
	Own    int              `json:"own"`    // 0 to 100
	Others int              `json:"others"` // 0 to 100, of whoever likes it least
}

// aspect is one issue as the search sees it.
type aspect struct {
	issue      Issue
	preference Preference
	values     []Value
	sides      []side
}

// side is what another member showed about an issue: its latest position, and how
// often it moved. Who moved little is taken to care much.
type side struct {
	member   MemberID
	position Value
	moves    int
}

// Suggest looks for packages that are likely to suit everybody: within the own
// limits, near to what the others put on the table, with nothing better for both.
// It reads what is on the table and p, and changes nothing.
func (r *Room) Suggest(now time.Time, p *Private, count int) []Suggestion {
	aspects := r.aspects(seconds(now), p)
	if len(aspects) == 0 {
		return nil
	}
	partial := []combination{{}}
	for i := range aspects {
		var next []combination
		for _, c := range partial {
			for _, v := range aspects[i].values {
				next = append(next, c.with(v))
			}
		}
		for j := range next {
			next[j].rate(aspects[:i+1])
		}
		next = slices.DeleteFunc(next, func(c combination) bool { return !c.acceptable })
		slices.SortStableFunc(next, better)
		partial = next[:min(len(next), beam)]
	}
	return suggestions(aspects, undominated(partial), count)
}

// Improve looks for changes of at most two issues of a deal that are worth more to
// somebody and, as far as is known, less to nobody.
func (r *Room) Improve(now time.Time, p *Private, deal map[uint64]Value, count int) []Suggestion {
	aspects := r.aspects(seconds(now), p)
	base := combination{}
	aspects = slices.DeleteFunc(aspects, func(a aspect) bool { _, in := deal[a.issue.ID]; return !in })
	for i := range aspects {
		base.values = append(base.values, deal[aspects[i].issue.ID])
	}
	if len(aspects) == 0 {
		return nil
	}
	base.rate(aspects)
	var found []combination
	consider := func(c combination) {
		c.rate(aspects)
		if c.acceptable && c.own >= base.own && noLess(c.each, base.each) && (c.own > base.own || !slices.Equal(c.each, base.each)) {
			found = append(found, c)
		}
	}
	for i := range aspects {
		for _, v := range aspects[i].values {
			one := base.change(i, v)
			consider(one)
			for j := i + 1; j < len(aspects); j++ {
				for _, w := range aspects[j].values {
					consider(one.change(j, w))
				}
			}
		}
	}
	slices.SortStableFunc(found, better)
	return suggestions(aspects, undominated(found), count)
}

// aspects collects the issues of the agenda that holds, with the values worth
// trying: everything on the table, the options of a choice, the middle between
// figures. Values in words cannot be weighed; an issue in words is left out.
func (r *Room) aspects(now time.Time, p *Private) (list []aspect) {
	v := r.evaluate(now)
	for _, row := range v.table(r, r.inOrder()) {
		a := aspect{issue: row.Issue, preference: p.Preferences[row.Issue.ID]}
		if a.issue.Type == Text {
			continue
		}
		for _, pos := range row.Positions {
			a.add(pos.Value)
			if pos.Member != r.self {
				a.sides = append(a.sides, side{pos.Member, pos.Value, r.moves(v, pos.Member, row.Issue.ID)})
			}
		}
		for i := range a.issue.Options {
			a.add(OptionValue(uint64(i)))
		}
		if b := a.issue.Range; b != nil {
			for _, d := range []*Decimal{a.preference.Best, a.preference.Limit} {
				if d != nil {
					a.add(b.nearest(d.scaled()))
				}
			}
			for i, x := range row.Positions {
				for _, y := range row.Positions[:i] {
					middle := x.Value.Number.scaled()
					middle.Add(middle, y.Value.Number.scaled())
					a.add(b.nearest(middle.Quo(middle, big.NewInt(2))))
				}
			}
		}
		if len(a.values) > 0 {
			list = append(list, a)
		}
	}
	return list
}

func (a *aspect) add(v Value) {
	if v.fits(a.issue) == nil && len(a.values) < maxCandidates && !slices.Contains(a.values, v) {
		a.values = append(a.values, v)
	}
}

// nearest is the figure of a range at or below x, given times 10^maxExponent.
func (b *Bounds) nearest(x *big.Int) Value {
	low, step := b.Min.scaled(), b.Step.scaled()
	x = new(big.Int).Sub(x, low)
	if x.Sign() < 0 {
		x.SetInt64(0)
	}
	x.Sub(x, new(big.Int).Rem(x, step))
	x.Add(x, low)
	exponent := -maxExponent
	for ten, rest := big.NewInt(10), new(big.Int); x.Sign() != 0; exponent++ {
		q, _ := new(big.Int).QuoRem(x, ten, rest)
		if rest.Sign() != 0 {
			break
		}
		x = q
	}
	if !x.IsInt64() {
		return NumberValue(b.Min)
	}
	d, err := NewDecimal(x.Int64(), exponent)
	if err != nil {
		return NumberValue(b.Min)
	}
	return NumberValue(d)
}

// moves counts how many different values a member has put on the table for an issue,
// but one.
func (r *Room) moves(v *evaluation, m MemberID, issue uint64) int {
	var seen []Value
	note := func(x Value) {
		if !slices.Contains(seen, x) {
			seen = append(seen, x)
		}
	}
	for _, s := range r.statements {
		if s.From != m {
			continue
		}
		switch b := s.Body.(type) {
		case *Package:
			if x, ok := b.Values[issue]; ok {
				note(x)
			}
		case *Offer:
			for _, t := range b.terms() {
				if t.Issue == issue {
					note(t.Value)
				}
			}
		}
	}
	return max(0, len(seen)-1)
}

// combination is a value for each of the first issues, and what it is worth.
type combination struct {
	values     []Value
	own        int
	each       []int // of every other member that showed something, in order
	least      int   // of them
	acceptable bool
}

func (c combination) with(v Value) combination {
	return combination{values: append(slices.Clone(c.values), v)}
}

func (c combination) change(i int, v Value) combination {
	values := slices.Clone(c.values)
	values[i] = v
	return combination{values: values}
}

// rate weighs a combination. Weights of others are 100 for an issue on which they
// never moved, 50 after one move, and so on.
func (c *combination) rate(aspects []aspect) {
	var own, weight int
	type sum struct{ score, weight int }
	others := map[MemberID]sum{}
	var order []MemberID
	c.acceptable = true
	for i, a := range aspects {
		n, ok := a.preference.score(c.values[i])
		c.acceptable = c.acceptable && ok
		w := int(a.preference.Weight)
		own, weight = own+n*w, weight+w
		for _, s := range a.sides {
			if _, ok := others[s.member]; !ok {
				order = append(order, s.member)
			}
			w := 100 / (1 + s.moves)
			o := others[s.member]
			others[s.member] = sum{o.score + w*a.near(s.position, c.values[i]), o.weight + w}
		}
	}
	c.own, c.least, c.each = own/max(1, weight), 100, nil
	slices.SortFunc(order, compareMembers)
	for _, m := range order {
		n := others[m].score / max(1, others[m].weight)
		c.each = append(c.each, n)
		c.least = min(c.least, n)
	}
}

// near guesses what a value is worth to somebody who asked for another: all if it is
// the same, less with the distance, a quarter for another option.
func (a *aspect) near(position, v Value) int {
	switch {
	case position == v:
		return 100
	case v.Type == Range:
		d := share(position.Number, a.issue.Range.Min, a.issue.Range.Max) - share(v.Number, a.issue.Range.Min, a.issue.Range.Max)
		return 100 - max(d, -d)
	}
	return 25
}

// better puts first what is worth most to both together, and of equals what is
// more even: the product of what it is worth to either.
func better(a, b combination) int {
	return cmp.Or(cmp.Compare((b.own+1)*(b.least+1), (a.own+1)*(a.least+1)), cmp.Compare(b.own, a.own))
}

// undominated drops what is worth less to somebody and more to nobody than another.
func undominated(list []combination) (kept []combination) {
	for i, c := range list {
		worse := false
		for j, d := range list {
			if i == j || d.own < c.own || !noLess(d.each, c.each) {
				continue
			}
			worse = worse || d.own > c.own || !slices.Equal(d.each, c.each) || j < i
		}
		if !worse {
			kept = append(kept, c)
		}
	}
	return kept
}

func noLess(a, b []int) bool {
	for i := range a {
		if a[i] < b[i] {
			return false
		}
	}
	return true
}

func suggestions(aspects []aspect, list []combination, count int) (out []Suggestion) {
	for _, c := range list[:min(len(list), max(0, count))] {
		s := Suggestion{Values: map[uint64]Value{}, Own: c.own, Others: c.least}
		for i, a := range aspects {
			s.Values[a.issue.ID] = c.values[i]
		}
		out = append(out, s)
	}
	return out
}
