package negotiation

import (
	"slices"
	"time"
)

// Private is what a user notes for itself about a room: limits, weights, colours,
// notes, a tally of walk-aways. It is kept by the station, apart from the room, and
// nothing that makes a statement takes it: Suggest and Improve only read it.
type Private struct {
	Preferences map[uint64]Preference `cbor:"1,keyasint,omitempty" json:"preferences,omitempty"` // by issue
	Colours     map[ID]Colour         `cbor:"2,keyasint,omitempty" json:"colours,omitempty"`     // of packages and offers
	Notes       map[ID]string         `cbor:"3,keyasint,omitempty" json:"notes,omitempty"`       // on anything
	WalkAways   []WalkAway            `cbor:"4,keyasint,omitempty" json:"walk_aways,omitempty"`
}

// Preference is what one issue is worth to the user. A choice has a score for each
// option; a range has the best figure and the limit beyond which nothing is
// acceptable.
type Preference struct {
	Weight  uint64   `cbor:"1,keyasint" json:"weight"`                      // 0 to 100
	Options []uint64 `cbor:"2,keyasint,omitempty" json:"options,omitempty"` // 0 to 100 each; 0 is unacceptable
	Best    *Decimal `cbor:"3,keyasint,omitempty" json:"best,omitempty"`
	Limit   *Decimal `cbor:"4,keyasint,omitempty" json:"limit,omitempty"`
}

// Colour is how a package looks to the user.
type Colour uint8

// The colours.
const (
	Green  Colour = 1 // good
	Yellow Colour = 2 // one could live with it
	Red    Colour = 3 // no
)

var colours = map[Colour]string{Green: "green", Yellow: "yellow", Red: "red"}

// MarshalText is the form in JSON.
func (c Colour) MarshalText() ([]byte, error) { return named(colours, c) }

// UnmarshalText is the inverse of MarshalText.
func (c *Colour) UnmarshalText(b []byte) error { return byName(colours, c, b) }

// WalkAway notes what leaving would cost or bring, as the user saw it at a time.
type WalkAway struct {
	At    time.Time `cbor:"1,keyasint" json:"at"`
	Worth uint64    `cbor:"2,keyasint" json:"worth"` // 0 to 100, comparable with Suggestion.Own
	Note  string    `cbor:"3,keyasint,omitempty" json:"note,omitempty"`
}

// maxWalkAways bounds the tally.
const maxWalkAways = 1000

// Encode is for the vault, and for nothing else.
func (p *Private) Encode() []byte { return encode(p) }

// ParsePrivate is the inverse of Encode.
func ParsePrivate(b []byte) (*Private, error) {
	p := new(Private)
	if err := decode(b, p); err != nil {
		return nil, err
	}
	for i := range p.WalkAways {
		p.WalkAways[i].At = p.WalkAways[i].At.UTC()
	}
	return p, p.Check()
}

// Check says what cannot be kept.
func (p *Private) Check() error {
	for _, f := range p.Preferences {
		if f.Weight > 100 || slices.ContainsFunc(f.Options, func(s uint64) bool { return s > 100 }) {
			return refused("weights and scores go from 0 to 100")
		}
		if (f.Best == nil) != (f.Limit == nil) || f.Best != nil && f.Best.Cmp(*f.Limit) == 0 {
			return refused("a range has a best figure and a limit, which differ")
		}
	}
	for _, c := range p.Colours {
		if colours[c] == "" {
			return refused("a colour is green, yellow or red")
		}
	}
	for _, n := range p.Notes {
		if err := CheckText("a note", n, MaxNote); err != nil {
			return err
		}
	}
	if len(p.WalkAways) > maxWalkAways {
		return refused("the tally has at most %d entries", maxWalkAways)
	}
	for _, w := range p.WalkAways {
		if w.Worth > 100 {
			return refused("what walking away is worth goes from 0 to 100")
		}
	}
	return nil
}

// score is what a value is worth on its issue, 0 to 100; ok is false if it is
// beyond the limit. What the user has no preference about is worth the same
// everywhere.
func (f Preference) score(v Value) (n int, ok bool) {
	switch {
	case v.Type == Choice && len(f.Options) > 0:
		if v.Option >= uint64(len(f.Options)) {
			return 0, false
		}
		n = int(f.Options[v.Option])
		return n, n > 0
	case v.Type == Range && f.Best != nil:
		// On the limit a figure is acceptable and worth nothing; beyond the best it
		// is worth no more than the best.
		n = share(v.Number, *f.Limit, *f.Best)
		return min(n, 100), n >= 0
	}
	return 50, true
}

// share is how far x is on the way from a to b in hundredths, rounded down; below 0
// before a, above 100 after b.
func share(x, a, b Decimal) int {
	from, way := a.scaled(), b.scaled()
	way.Sub(way, from)
	at := x.scaled()
	at.Sub(at, from)
	if way.Sign() < 0 {
		way.Neg(way)
		at.Neg(at)
	}
	// Only the sign matters far outside, and the quotient may exceed an int.
	if at.Sign() < 0 {
		return -1
	}
	if at.Cmp(way) > 0 {
		return 101
	}
	at.Mul(at, scale100)
	return int(at.Quo(at, way).Int64())
}
