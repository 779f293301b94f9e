package negotiation

import (
	"bytes"
	"slices"
)

// Agenda is one revision of what is negotiated. It holds once every member
// confirmed it; saying it confirms it for its author. Base is the revision that
// held when it was written.
type Agenda struct {
	Rev    uint64  `cbor:"1,keyasint" json:"rev"`
	Base   *ID     `cbor:"2,keyasint,omitempty" json:"base,omitempty"`
	Issues []Issue `cbor:"3,keyasint" json:"issues"`
}

// Issue is one thing to settle. Affects lists the members whom it concerns, in
// ascending order; empty means all. Outsiders are the affected who are not in the
// room: nothing about the issue becomes an agreement here.
type Issue struct {
	ID        uint64     `cbor:"1,keyasint" json:"id"` // the same in every revision, from 1
	Title     string     `cbor:"2,keyasint" json:"title"`
	Type      IssueType  `cbor:"3,keyasint" json:"type"`
	Options   []string   `cbor:"4,keyasint,omitempty" json:"options,omitempty"`
	Range     *Bounds    `cbor:"5,keyasint,omitempty" json:"range,omitempty"`
	Affects   []MemberID `cbor:"6,keyasint,omitempty" json:"affects,omitempty"`
	Outsiders []string   `cbor:"7,keyasint,omitempty" json:"outsiders,omitempty"`
}

// Bounds are the numbers that an issue of type Range takes.
type Bounds struct {
	Min  Decimal `cbor:"1,keyasint" json:"min"`
	Max  Decimal `cbor:"2,keyasint" json:"max"`
	Step Decimal `cbor:"3,keyasint" json:"step"`
	Unit string  `cbor:"4,keyasint,omitempty" json:"unit,omitempty"`
}

// Confirm says that a revision of the agenda is the member's agenda too.
type Confirm struct {
	Of ID `cbor:"1,keyasint" json:"of"`
}

func (*Confirm) kind() Kind   { return KindConfirm }
func (*Confirm) check() error { return nil }

func (*Agenda) kind() Kind { return KindAgenda }
func (b *Agenda) check() error {
	if b.Rev == 0 {
		return refused("the revisions of an agenda count from 1")
	}
	if len(b.Issues) == 0 || len(b.Issues) > MaxIssues {
		return refused("an agenda has 1 to %d issues", MaxIssues)
	}
	last := uint64(0)
	for _, i := range b.Issues {
		if i.ID <= last {
			return refused("the issues of an agenda have ascending numbers from 1")
		}
		last = i.ID
		if err := i.check(); err != nil {
			return err
		}
	}
	return nil
}

func (i Issue) check() error {
	if err := need("the title of an issue", i.Title); err != nil {
		return err
	}
	if (i.Type == Choice) != (len(i.Options) > 0) || (i.Type == Range) != (i.Range != nil) || issueTypes[i.Type] == "" {
		return refused("an issue is a choice with options, a range with bounds, or a text")
	}
	if len(i.Options) > MaxOptions {
		return refused("an issue has at most %d options", MaxOptions)
	}
	for n, o := range i.Options {
		if err := need("an option", o); err != nil {
			return err
		}
		if slices.Contains(i.Options[:n], o) {
			return refused("an issue has the same option twice")
		}
	}
	if r := i.Range; r != nil {
		for _, d := range []Decimal{r.Min, r.Max, r.Step} {
			if err := d.check(); err != nil {
				return err
			}
		}
		if r.Min.Cmp(r.Max) >= 0 || r.Step.Cmp(Decimal{}) <= 0 {
			return refused("a range goes upwards, in steps of more than 0")
		}
		if err := CheckLine("a unit", r.Unit, MaxTitle); err != nil {
			return err
		}
	}
	if err := ascending(i.Affects); err != nil {
		return err
	}
	if len(i.Outsiders) > MaxOutsiders || !slices.IsSorted(i.Outsiders) {
		return refused("the affected who are not in the room are at most %d, in ascending order", MaxOutsiders)
	}
	for n, o := range i.Outsiders {
		if err := need("the name of somebody affected", o); err != nil {
			return err
		}
		if n > 0 && i.Outsiders[n-1] == o {
			return refused("somebody affected is named twice")
		}
	}
	return nil
}

// ascending wants a list of members without repetition, in the one order that
// gives equal sets equal encodings.
func ascending(list []MemberID) error {
	if len(list) > MaxMembers {
		return refused("a list has more than %d members", MaxMembers)
	}
	for n := 1; n < len(list); n++ {
		if bytes.Compare(list[n-1][:], list[n][:]) >= 0 {
			return refused("members are listed once each, in ascending order")
		}
	}
	return nil
}

// Issue finds an issue by its number.
func (b *Agenda) Issue(id uint64) (Issue, bool) {
	for _, i := range b.Issues {
		if i.ID == id {
			return i, true
		}
	}
	return Issue{}, false
}

// affected are the members whom an issue concerns.
func (i Issue) affected(members []MemberID) []MemberID {
	if len(i.Affects) == 0 {
		return members
	}
	return i.Affects
}

// follows says why author may not put b in the place of base, or nil. Anyone may
// add a party to an issue; only the affected party removes itself, and nobody can
// remove one who is not in the room. A new issue affects everybody but its author, at
// least. base is nil for the first revision.
func (b *Agenda) follows(base *Agenda, author MemberID, members []MemberID) error {
	for _, i := range b.Issues {
		for _, m := range i.Affects {
			if !slices.Contains(members, m) {
				return refused("the issue %q affects a member that is none: name who is not in the room as an outsider", i.Title)
			}
		}
		before := Issue{}
		had := false
		if base != nil {
			before, had = base.Issue(i.ID)
		}
		if had && before.Type != i.Type {
			return refused("the issue %q changes its type: give it a new number", i.Title)
		}
		now := i.affected(members)
		for _, m := range before.affected(members) {
			if m != author && !slices.Contains(now, m) {
				return refused("only the affected party removes itself from the issue %q", i.Title)
			}
		}
		for _, o := range before.Outsiders {
			if !slices.Contains(i.Outsiders, o) {
				return refused("nobody can say that the issue %q no longer affects one who is not in the room", i.Title)
			}
		}
	}
	if base == nil {
		return nil
	}
	for _, i := range base.Issues {
		if _, kept := b.Issue(i.ID); !kept && len(i.Outsiders) > 0 {
			return refused("the issue %q affects one who is not in the room and cannot be dropped", i.Title)
		}
	}
	return nil
}
