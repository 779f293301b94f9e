package blind

import (
	"errors"
	"slices"
)

// An Answer is what a party chose, in the order of the round's items. Make one
// with Yes, No, Limit, NoFigure or Approve; the zero Answer fits no round.
type Answer struct {
	mode   Mode
	figure int // ladder: the slot; -1 for none
	levels []Level
}

// Level is how a party takes a package of a list.
type Level byte

// The levels. Green is for lists with tiers.
const (
	Refused    Level = 0
	Acceptable Level = 1
	Green      Level = 2
)

// Yes answers a single proposal.
func Yes() Answer { return Answer{mode: Single, levels: []Level{Acceptable}} }

// No answers a single proposal.
func No() Answer { return Answer{mode: Single, levels: []Level{Refused}} }

// Limit is the last figure of a ladder that the party accepts: the lowest for
// one who sells, the highest for one who buys. Figures count from 0, lowest first.
func Limit(figure int) Answer { return Answer{mode: Ladder, figure: figure} }

// NoFigure accepts none.
func NoFigure() Answer { return Answer{mode: Ladder, figure: -1} }

// Approve has one level per package.
func Approve(levels ...Level) Answer { return Answer{mode: List, levels: levels} }

var errAnswer = errors.New("answering a blind round: the answer does not fit it; answer each item once, and no more than its cap allows")

// bits are the input bits of an answer, one byte each: 0 yes, 1 no, and for a
// ladder 1 in the one slot that was chosen. It is refused here, before anything
// is made of it, if it could not be proved.
func (p *Params) bits(a Answer) ([]byte, error) {
	if a.mode != p.Mode {
		return nil, errAnswer
	}
	l := p.layout()
	b := make([]byte, l.cells)
	switch p.Mode {
	case Single:
		b[0] = no(a.levels[0] != Refused)
	case Ladder:
		slot := a.figure
		if slot < -1 || slot >= p.Items {
			return nil, errAnswer
		}
		if slot == -1 {
			slot = p.Items
		}
		b[slot] = 1
	case List:
		if len(a.levels) != p.Items {
			return nil, errAnswer
		}
		first := 0
		tier := func(limit int, least Level) error {
			left := int64(limit)
			for c, lv := range a.levels {
				if lv > Green || lv == Green && p.Green == 0 {
					return errAnswer
				}
				b[first+c] = no(lv >= least)
				if lv >= least {
					left--
				}
			}
			if left < 0 {
				return errAnswer
			}
			first += p.Items
			weights := slack(limit)
			used := subset(weights, left)
			for i := range weights {
				b[first+i] = no(used[i])
			}
			first += len(weights)
			return nil
		}
		if err := tier(p.Cap, Acceptable); err != nil {
			return nil, err
		}
		if p.Green > 0 {
			if err := tier(p.Green, Green); err != nil {
				return nil, err
			}
		}
	}
	return b, nil
}

// Figure is that of Limit, and -1 for NoFigure.
func (a Answer) Figure() int { return a.figure }

// Levels has one level per item of a single proposal or a list; it is empty for a
// ladder.
func (a Answer) Levels() []Level { return slices.Clone(a.levels) }

// answer is what the bits of an input were made of.
func (p *Params) answer(b []byte) Answer {
	a := Answer{mode: p.Mode}
	if p.Mode == Ladder {
		if a.figure = slices.Index(b, 1); a.figure == p.Items {
			a.figure = -1
		}
		return a
	}
	green := p.Items + slackCells(p.Cap)
	for c := range p.Items {
		level := Refused
		if b[c] == 0 {
			level = Acceptable
		}
		if p.Green > 0 && b[green+c] == 0 {
			level = Green
		}
		a.levels = append(a.levels, level)
	}
	return a
}

// no is the bit of an answer.
func no(yes bool) byte {
	if yes {
		return 0
	}
	return 1
}

// subset chooses weights that sum to n: the last, which is no power of two, first
// if it fits, then the powers from the largest down.
func subset(weights []int64, n int64) (used []bool) {
	used = make([]bool, len(weights))
	take := func(i int) {
		if n >= weights[i] {
			used[i], n = true, n-weights[i]
		}
	}
	last := len(weights) - 1
	take(last)
	for i := last - 1; i >= 0; i-- {
		take(i)
	}
	return used
}
