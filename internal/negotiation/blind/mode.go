package blind

import "math/bits"

// Mode is what the cells of a round mean.
type Mode byte

// The modes.
const (
	Single Mode = 1 // one cell: yes or no to one proposal; any number of parties
	Ladder Mode = 2 // a figure out of Items; one who sells, one who buys
	List   Mode = 3 // at most Cap approvals among Items packages; two parties
)

// Direction says which figures of a ladder a party accepts once it has named its
// limit: one who sells accepts its limit and every higher figure, one who buys
// its limit and every lower one.
type Direction byte

// The directions.
const (
	Sells Direction = 1
	Buys  Direction = 2
)

// Limits of the modes.
const (
	MaxLadder  = 32
	MaxList    = 64
	MaxParties = 16
)

// A form is a linear combination of the cells of one party's input.
type form []term

type term struct {
	cell   int
	weight int64
}

// A total is a form whose value is public: the proof says that it encrypts value.
type total struct {
	form  form
	value uint64
}

// A layout is how a mode arranges cells: which forms of the input are bits, which
// have a fixed sum, and which are blinded and opened. It depends on nothing but
// Params, so every size does.
type layout struct {
	cells   int
	bits    []form
	totals  []total
	derived [][]form // by party, then by derived cell
}

// opened is the number of derived cells.
func (l *layout) opened() int { return len(l.derived[0]) }

func one(cell int) form { return form{{cell, 1}} }

// slack returns the weights whose subsets have every sum from 0 to limit and no
// other: 1, 2, 4 … and what is left of limit. They stand in a sum proof for
// approvals that were not made, so that the proof says "at most" and not "exactly".
func slack(limit int) (weights []int64) {
	rest := limit
	for w := 1; w < limit && rest > w; w *= 2 {
		weights = append(weights, int64(w))
		rest -= w
	}
	return append(weights, int64(rest))
}

// slackCells is len(slack(limit)): the number of binary digits of limit.
func slackCells(limit int) int { return bits.Len(uint(limit)) }

func (p *Params) layout() *layout {
	switch p.Mode {
	case Single:
		return p.single()
	case Ladder:
		return p.ladder()
	default:
		return p.list()
	}
}

func (p *Params) single() *layout {
	l := &layout{cells: 1, bits: []form{one(0)}}
	for range p.Parties {
		l.derived = append(l.derived, []form{one(0)})
	}
	return l
}

// ladder: slots 0 … m−1 are the figures, slot m is "none", and exactly one slot
// holds a 1. A party says no to figure j if its slot lies beyond j in its direction.
func (p *Params) ladder() *layout {
	m := p.Items
	l := &layout{cells: m + 1}
	all := form{}
	for c := range m + 1 {
		l.bits = append(l.bits, one(c))
		all = append(all, term{c, 1})
	}
	l.totals = []total{{all, 1}}
	for _, d := range p.Directions {
		var forms []form
		for j := range m {
			no := form{{m, 1}}
			for t := range m {
				if d == Sells && t > j || d == Buys && t < j {
					no = append(no, term{t, 1})
				}
			}
			forms = append(forms, no)
		}
		l.derived = append(l.derived, forms)
	}
	return l
}

// list: m cells of approval, then the slack of Cap. With tiers, m cells more for
// the upper tier and the slack of Green; who is green also approves.
//
// A bit is 0 for yes, so the m bits and the weighted slack bits sum to m exactly
// if approvals and unused slack make up Cap.
func (p *Params) list() *layout {
	m := p.Items
	l := &layout{}
	tier := func(limit int) (first int) {
		first = l.cells
		sum := form{}
		for c := range m {
			sum = append(sum, term{first + c, 1})
		}
		for i, w := range slack(limit) {
			sum = append(sum, term{first + m + i, w})
		}
		for _, t := range sum {
			l.bits = append(l.bits, one(t.cell))
		}
		l.cells += len(sum)
		l.totals = append(l.totals, total{sum, uint64(m)})
		return first
	}
	both := tier(p.Cap)
	var derived []form
	if p.Green > 0 {
		green := tier(p.Green)
		for c := range m {
			l.bits = append(l.bits, form{{green + c, 1}, {both + c, -1}})
			derived = append(derived, one(green+c))
		}
	}
	for c := range m {
		derived = append(derived, one(both+c))
	}
	for range p.Parties {
		l.derived = append(l.derived, derived)
	}
	return l
}

// Item says what derived cell d is about: the item, and whether it is the upper
// tier of a list with tiers.
func (p *Params) Item(d int) (item int, green bool) {
	if p.Mode == List && p.Green > 0 {
		return d % p.Items, d < p.Items
	}
	return d, false
}

// eval is the value of a form for the bits of an input.
func (f form) eval(b []byte) (n int64) {
	for _, t := range f {
		n += t.weight * int64(b[t.cell])
	}
	return n
}

// apply is the form of ciphertexts.
func (f form) apply(cells []pair) pair {
	sum := zeroPair()
	for _, t := range f {
		c := cells[t.cell]
		switch t.weight {
		case 1:
		case -1:
			c = pair{element().Neg(c.u), element().Neg(c.v)}
		default: // weights other than ±1 are slack, and positive
			w := scalar(uint64(t.weight))
			c = pair{mul(w, c.u), mul(w, c.v)}
		}
		sum = sum.plus(c)
	}
	return sum
}
