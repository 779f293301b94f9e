package negotiation

import "slices"

// Mode is how a blind round asks.
type Mode uint8

// The modes.
const (
	Single Mode = 1 // one package, yes or no
	Ladder Mode = 2 // figures of one issue, each side its limit
	List   Mode = 3 // packages, each side those that it can live with
)

var modes = map[Mode]string{Single: "single", Ladder: "ladder", List: "list"}

func (m Mode) String() string { return modes[m] }

// MarshalText is the form in JSON.
func (m Mode) MarshalText() ([]byte, error) { return named(modes, m) }

// UnmarshalText is the inverse of MarshalText.
func (m *Mode) UnmarshalText(b []byte) error { return byName(modes, m, b) }

// The most cells of a round: rungs of a ladder, packages of a list.
const (
	MaxLadder = 32
	MaxList   = 64
)

// Direction says which way a side of a ladder moves.
type Direction uint8

// The directions.
const (
	Seller Direction = 1 // wants the figure high
	Buyer  Direction = 2 // wants it low
)

var directions = map[Direction]string{Seller: "seller", Buyer: "buyer"}

// MarshalText is the form in JSON.
func (d Direction) MarshalText() ([]byte, error) { return named(directions, d) }

// UnmarshalText is the inverse of MarshalText.
func (d *Direction) UnmarshalText(b []byte) error { return byName(directions, d, b) }

// Round is the outer object of a blind round: what is asked and of whom. How the
// parties answer without showing it is the business of kinds under "round/".
type Round struct {
	Mode       Mode        `cbor:"1,keyasint" json:"mode"`
	Agenda     ID          `cbor:"2,keyasint" json:"agenda"`
	Packages   []ID        `cbor:"3,keyasint,omitempty" json:"packages,omitempty"` // single: one; list: up to MaxList
	Issue      uint64      `cbor:"4,keyasint,omitempty" json:"issue,omitempty"`    // ladder
	Figures    []Decimal   `cbor:"5,keyasint,omitempty" json:"figures,omitempty"`  // ladder, ascending
	Parties    []MemberID  `cbor:"6,keyasint" json:"parties"`
	Cap        uint64      `cbor:"7,keyasint,omitempty" json:"cap,omitempty"`        // list: the most that a side approves
	Tiers      []uint64    `cbor:"8,keyasint,omitempty" json:"tiers,omitempty"`      // list: the cap of each tier
	Directions []Direction `cbor:"9,keyasint,omitempty" json:"directions,omitempty"` // ladder, in the order of Parties
	Opener     MemberID    `cbor:"10,keyasint" json:"opener"`                        // who opens first
	InputsAt   uint64      `cbor:"11,keyasint" json:"inputs_at"`                     // seconds since 1970
	Deadline   uint64      `cbor:"12,keyasint" json:"deadline"`                      // seconds since 1970
}

func (*Round) kind() Kind { return KindRound }
func (b *Round) check() error {
	if err := ascending(b.Parties); err != nil {
		return err
	}
	if len(b.Parties) < 2 || !slices.Contains(b.Parties, b.Opener) {
		return refused("a blind round has two parties or more, of which one opens first")
	}
	if b.InputsAt >= b.Deadline || b.Deadline > maxTime {
		return refused("the answers of a blind round leave before its deadline")
	}
	ladder := b.Mode == Ladder
	switch {
	case modes[b.Mode] == "":
		return refused("a blind round is single, ladder or list")
	case ladder != (b.Issue != 0) || ladder != (len(b.Figures) > 0) || ladder != (len(b.Directions) > 0) || ladder == (len(b.Packages) > 0):
		return refused("a ladder asks figures of one issue, with a direction for each party; the other modes ask packages")
	case b.Mode != List && (b.Cap != 0 || len(b.Tiers) > 0):
		return refused("only a list has caps")
	}
	switch b.Mode {
	case Single:
		if len(b.Packages) != 1 {
			return refused("a single round asks one package")
		}
	case List:
		return b.checkList()
	case Ladder:
		return b.checkLadder()
	}
	return nil
}

func (b *Round) checkList() error {
	m := uint64(len(b.Packages))
	if len(b.Parties) != 2 || m < 4 || m > MaxList {
		return refused("a list has two parties and 4 to %d packages", MaxList)
	}
	for n, p := range b.Packages {
		if slices.Contains(b.Packages[:n], p) {
			return refused("a list has the same package twice")
		}
	}
	if b.Cap < 1 || b.Cap > m/4 {
		return refused("of a list of %d, a side approves 1 to %d", m, m/4)
	}
	if len(b.Tiers) != 0 && (len(b.Tiers) != 2 || b.Tiers[0] < 1 || b.Tiers[0] > b.Tiers[1] || b.Tiers[1] != b.Cap) {
		return refused("two tiers have a cap each, the second being that of the list")
	}
	return nil
}

func (b *Round) checkLadder() error {
	if len(b.Parties) != 2 || len(b.Directions) != 2 || b.Directions[0] == b.Directions[1] ||
		directions[b.Directions[0]] == "" || directions[b.Directions[1]] == "" {
		return refused("a ladder has a seller and a buyer")
	}
	if len(b.Figures) < 2 || len(b.Figures) > MaxLadder {
		return refused("a ladder has 2 to %d figures", MaxLadder)
	}
	for n, f := range b.Figures {
		if err := f.check(); err != nil {
			return err
		}
		if n > 0 && b.Figures[n-1].Cmp(f) >= 0 {
			return refused("the figures of a ladder ascend")
		}
	}
	return nil
}

// Join says that a party will answer. There is no statement for declining: a round
// that was declined looks like one that nobody saw.
type Join struct {
	Of ID `cbor:"1,keyasint" json:"of"`
}

func (*Join) kind() Kind   { return KindJoin }
func (*Join) check() error { return nil }
