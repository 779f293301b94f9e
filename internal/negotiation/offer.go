package negotiation

// Package is a set of values for issues of one agenda, put on the table as a
// whole.
type Package struct {
	Agenda ID               `cbor:"1,keyasint" json:"agenda"`
	Values map[uint64]Value `cbor:"2,keyasint" json:"values"`
	Note   string           `cbor:"3,keyasint,omitempty" json:"note,omitempty"`
}

func (*Package) kind() Kind { return KindPackage }
func (b *Package) check() error {
	if len(b.Values) == 0 || len(b.Values) > MaxIssues {
		return refused("a package has values for 1 to %d issues", MaxIssues)
	}
	for _, v := range b.Values {
		if err := v.check(); err != nil {
			return err
		}
	}
	return CheckText("a note", b.Note, MaxNote)
}

// fits says why the package is none of the agenda.
func (b *Package) fits(a *Agenda) error {
	for _, id := range sortedKeys(b.Values) {
		i, ok := a.Issue(id)
		if !ok {
			return refused("the agenda has no issue %d", id)
		}
		if err := b.Values[id].fits(i); err != nil {
			return err
		}
	}
	return nil
}

// Offer says what its author and others would give, what it gets for it, and
// what must hold besides. It binds nobody.
type Offer struct {
	To       []MemberID `cbor:"1,keyasint,omitempty" json:"to,omitempty"` // who may take it; empty: anyone who hears it
	Agenda   ID         `cbor:"2,keyasint" json:"agenda"`
	Gives    []Term     `cbor:"3,keyasint,omitempty" json:"gives,omitempty"`
	Gets     []Term     `cbor:"4,keyasint,omitempty" json:"gets,omitempty"`
	OnlyIf   []ID       `cbor:"5,keyasint,omitempty" json:"only_if,omitempty"` // packages and offers
	Expires  uint64     `cbor:"6,keyasint,omitempty" json:"expires,omitempty"` // seconds since 1970; 0 never
	Replaces *ID        `cbor:"7,keyasint,omitempty" json:"replaces,omitempty"`
	Answers  *ID        `cbor:"8,keyasint,omitempty" json:"answers,omitempty"`
	Note     string     `cbor:"9,keyasint,omitempty" json:"note,omitempty"`
}

// Term is one line of an offer: by whom, on which issue, what.
type Term struct {
	By    MemberID `cbor:"1,keyasint" json:"by"`
	Issue uint64   `cbor:"2,keyasint" json:"issue"`
	Value Value    `cbor:"3,keyasint" json:"value"`
}

func (*Offer) kind() Kind { return KindOffer }
func (b *Offer) check() error {
	if len(b.Gives)+len(b.Gets) == 0 || len(b.Gives) > MaxTerms || len(b.Gets) > MaxTerms {
		return refused("an offer gives or gets something, at most %d terms on either side", MaxTerms)
	}
	if len(b.OnlyIf) > MaxConditions {
		return refused("an offer has at most %d conditions", MaxConditions)
	}
	if b.Expires > maxTime {
		return refused("an offer expires after the year 9999")
	}
	for _, t := range b.terms() {
		if err := t.Value.check(); err != nil {
			return err
		}
	}
	if err := ascending(b.To); err != nil {
		return err
	}
	return CheckText("a note", b.Note, MaxNote)
}

func (b *Offer) terms() []Term { return append(append([]Term(nil), b.Gives...), b.Gets...) }

// Take asks the author of an offer to let it be taken.
type Take struct {
	Of ID `cbor:"1,keyasint" json:"of"`
}

// Taken is the author's word that its offer is taken; By is the Take that did it.
type Taken struct {
	Of ID `cbor:"1,keyasint" json:"of"`
	By ID `cbor:"2,keyasint" json:"by"`
}

// Withdraw takes back one's own offer, agreement, round that nobody joined, or
// consent.
type Withdraw struct {
	Of ID `cbor:"1,keyasint" json:"of"`
}

func (*Take) kind() Kind       { return KindTake }
func (*Take) check() error     { return nil }
func (*Taken) kind() Kind      { return KindTaken }
func (*Taken) check() error    { return nil }
func (*Withdraw) kind() Kind   { return KindWithdraw }
func (*Withdraw) check() error { return nil }
