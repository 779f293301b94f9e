package book

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/blind"
	"backchannel/internal/negotiation/conduct"
)

// What a line says in names becomes what a statement says in identifiers.

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", negotiation.ErrRefused, fmt.Sprintf(format, args...))
}

// member is a member's id, by name.
func (p *play) member(name string) (id negotiation.MemberID, err error) {
	i := p.script.place(name)
	if i < 0 {
		return id, refused("%q is no member", name)
	}
	return p.cast[i].room.Self(), nil
}

func (p *play) members(names []string) (ids []negotiation.MemberID, err error) {
	for _, n := range names {
		id, err := p.member(n)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b negotiation.MemberID) int { return slices.Compare(a[:], b[:]) })
	return ids, nil
}

// all are the members by name, or everybody if there are none.
func (p *play) all(names []string) ([]negotiation.MemberID, error) {
	if len(names) == 0 {
		names = p.script.Members
	}
	return p.members(names)
}

// said is what a line said, by its name.
func said[B negotiation.Body](p *play, what, name string) (id negotiation.ID, b B, err error) {
	id, ok := p.names[name]
	if !ok {
		return id, b, refused("no line before it is called %q", name)
	}
	if b, ok = p.bodies[id].(B); !ok {
		return id, b, refused("the line %q is no %s", name, what)
	}
	return id, b, nil
}

func (p *play) refs(names []string) (ids []negotiation.ID, err error) {
	for _, n := range names {
		id, ok := p.names[n]
		if !ok {
			return nil, refused("no line before it is called %q", n)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// ref is an optional reference.
func (p *play) ref(name string) (*negotiation.ID, error) {
	if name == "" {
		return nil, nil
	}
	ids, err := p.refs([]string{name})
	if err != nil {
		return nil, err
	}
	return &ids[0], nil
}

// agenda is the one of that name, or the latest.
func (p *play) agenda(name string) (negotiation.ID, *negotiation.Agenda, error) {
	if name != "" {
		return said[*negotiation.Agenda](p, "agenda", name)
	}
	if a, ok := p.bodies[p.latest].(*negotiation.Agenda); ok {
		return p.latest, a, nil
	}
	return negotiation.ID{}, nil, refused("there is no agenda yet")
}

// issue finds an issue by its title, or by its number.
func issue(a *negotiation.Agenda, ref string) (found negotiation.Issue, err error) {
	n := 0
	for _, i := range a.Issues {
		if i.Title == ref {
			found = i
			n++
		}
	}
	if n == 1 {
		return found, nil
	}
	if k, err := strconv.ParseUint(ref, 10, 64); err == nil {
		if i, ok := a.Issue(k); ok {
			return i, nil
		}
	}
	return found, refused("the agenda has no issue %q, or several: its number says which", ref)
}

// issueName is the inverse of issue.
func issueName(a *negotiation.Agenda, number uint64) string {
	i, ok := a.Issue(number)
	if found, err := issue(a, i.Title); ok && err == nil && found.ID == number {
		return i.Title
	}
	return strconv.FormatUint(number, 10)
}

func value(i negotiation.Issue, s string) (v negotiation.Value, err error) {
	switch i.Type {
	case negotiation.Choice:
		n := slices.Index(i.Options, s)
		if n < 0 {
			return v, refused("the issue %q has no option %q: it has %s", i.Title, s, strings.Join(i.Options, ", "))
		}
		return negotiation.OptionValue(uint64(n)), nil
	case negotiation.Range:
		d, err := negotiation.ParseDecimal(s)
		if err != nil {
			return v, refused("the issue %q: %v", i.Title, err)
		}
		return negotiation.NumberValue(d), nil
	}
	return negotiation.TextValue(s), nil
}

func seconds(m *Minute) uint64 {
	if m == nil {
		return 0
	}
	return uint64(max(0, m.Unix()))
}

// body is what a line that says something says.
func (p *play) body(by *actor, l *Line) (negotiation.Body, error) {
	switch {
	case l.Signal != "":
		return &negotiation.Signal{Text: l.Signal}, nil
	case l.Letter != nil:
		return &negotiation.Letter{Subject: l.Letter.Subject, Text: l.Letter.Text, Attachments: l.Letter.Files}, nil
	case l.Agenda != nil:
		return p.agendaBody(by, l)
	case l.Package != nil:
		return p.packageBody(l.Package)
	case l.Offer != nil:
		return p.offerBody(by, l.Offer)
	case l.Draft != nil:
		return p.draftBody(l.Draft)
	case l.Round != nil:
		return p.roundBody(by, l.Round)
	case l.Agreement != nil:
		return p.agreementBody(l.Agreement)
	case l.Consent != "":
		_, a, err := said[*negotiation.Agreement](p, "agreement", l.Consent)
		if err != nil {
			return nil, err
		}
		return &negotiation.Consent{Core: a.Core()}, nil
	case l.Communique != nil:
		return p.communiqueBody(by, l)
	}
	for _, x := range []struct {
		ref  string
		body func(negotiation.ID) negotiation.Body
	}{
		{l.Confirm, func(id negotiation.ID) negotiation.Body { return &negotiation.Confirm{Of: id} }},
		{l.Take, func(id negotiation.ID) negotiation.Body { return &negotiation.Take{Of: id} }},
		{l.Withdraw, func(id negotiation.ID) negotiation.Body { return &negotiation.Withdraw{Of: id} }},
		{l.Join, func(id negotiation.ID) negotiation.Body { return &negotiation.Join{Of: id} }},
		{l.Approve, func(id negotiation.ID) negotiation.Body { return &negotiation.Approve{Of: id} }},
		{l.Release, func(id negotiation.ID) negotiation.Body { return &negotiation.Release{Of: id} }},
	} {
		if x.ref != "" {
			ids, err := p.refs([]string{x.ref})
			if err != nil {
				return nil, err
			}
			return x.body(ids[0]), nil
		}
	}
	if l.Comment == nil {
		return nil, refused("the line says nothing")
	}
	ids, err := p.refs([]string{l.Comment.On})
	if err != nil {
		return nil, err
	}
	return &negotiation.Comment{On: ids[0], Text: l.Comment.Text}, nil
}

// agendaBody numbers the revision as the author's station would.
func (p *play) agendaBody(by *actor, l *Line) (negotiation.Body, error) {
	b := &negotiation.Agenda{Rev: 1}
	var base *negotiation.Agenda
	for _, st := range by.room.Statements() {
		if a, ok := st.Body.(*negotiation.Agenda); ok {
			b.Rev = max(b.Rev, a.Rev+1)
		}
	}
	if held := by.room.View(l.At.Time, func(negotiation.MemberID) string { return "" }).Agenda; held != nil {
		b.Base = &held.ID
		base = &negotiation.Agenda{Issues: held.Issues}
	}
	numbers := number(l.Agenda, base)
	for n, i := range l.Agenda {
		x := negotiation.Issue{ID: numbers[n], Title: i.Title, Type: negotiation.Text, Options: i.Options, Range: i.Range, Outsiders: slices.Sorted(slices.Values(i.Outsiders))}
		switch {
		case len(i.Options) > 0:
			x.Type = negotiation.Choice
		case i.Range != nil:
			x.Type = negotiation.Range
		}
		var err error
		if x.Affects, err = p.members(i.Affects); err != nil {
			return nil, err
		}
		b.Issues = append(b.Issues, x)
	}
	slices.SortStableFunc(b.Issues, func(x, y negotiation.Issue) int { return cmp.Compare(x.ID, y.ID) })
	return b, nil
}

// number gives issues their numbers: what the line says, else that of the issue of
// that title in base, else the next.
func number(issues []Issue, base *negotiation.Agenda) (out []uint64) {
	next := uint64(1)
	if base != nil {
		for _, i := range base.Issues {
			next = max(next, i.ID+1)
		}
	}
	for _, i := range issues {
		n := i.Number
		if n == 0 && base != nil {
			if old, err := issue(base, i.Title); err == nil && old.Title == i.Title {
				n = old.ID
			}
		}
		if n == 0 {
			n = next
		}
		next = max(next, n+1)
		out = append(out, n)
	}
	return out
}

func (p *play) packageBody(k *Package) (negotiation.Body, error) {
	id, a, err := p.agenda(k.Agenda)
	if err != nil {
		return nil, err
	}
	b := &negotiation.Package{Agenda: id, Values: map[uint64]negotiation.Value{}, Note: k.Note}
	for ref, s := range k.Values {
		i, err := issue(a, ref)
		if err != nil {
			return nil, err
		}
		if b.Values[i.ID], err = value(i, s); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (p *play) offerBody(by *actor, o *Offer) (negotiation.Body, error) {
	id, a, err := p.agenda(o.Agenda)
	if err != nil {
		return nil, err
	}
	b := &negotiation.Offer{Agenda: id, Expires: seconds(o.Expires), Note: o.Note}
	if b.To, err = p.members(o.For); err != nil {
		return nil, err
	}
	terms := func(list []Term) (out []negotiation.Term, err error) {
		for _, t := range list {
			x := negotiation.Term{By: by.room.Self()}
			if t.By != "" {
				if x.By, err = p.member(t.By); err != nil {
					return nil, err
				}
			}
			i, err := issue(a, t.Issue)
			if err != nil {
				return nil, err
			}
			x.Issue = i.ID
			if x.Value, err = value(i, t.Value); err != nil {
				return nil, err
			}
			out = append(out, x)
		}
		return out, nil
	}
	if b.Gives, err = terms(o.Gives); err != nil {
		return nil, err
	}
	if b.Gets, err = terms(o.Gets); err != nil {
		return nil, err
	}
	if b.OnlyIf, err = p.refs(o.OnlyIf); err != nil {
		return nil, err
	}
	if b.Replaces, err = p.ref(o.Replaces); err != nil {
		return nil, err
	}
	b.Answers, err = p.ref(o.Answers)
	return b, err
}

func (p *play) draftBody(d *Draft) (negotiation.Body, error) {
	b := &negotiation.Draft{Rev: 1, Title: d.Title, Text: d.Text}
	if d.Base == "" {
		return b, nil
	}
	id, base, err := said[*negotiation.Draft](p, "draft", d.Base)
	b.Base = &id
	if err == nil {
		b.Rev = base.Rev + 1
	}
	return b, err
}

func (p *play) roundBody(by *actor, r *Round) (negotiation.Body, error) {
	id, a, err := p.agenda(r.Agenda)
	if err != nil {
		return nil, err
	}
	b := &negotiation.Round{Agenda: id, Opener: by.room.Self(), Cap: r.Cap, InputsAt: seconds(&r.InputsAt), Deadline: seconds(&r.Deadline)}
	if err := b.Mode.UnmarshalText([]byte(r.Mode)); err != nil {
		return nil, refused("a round is single, ladder or list")
	}
	if r.Opener != "" {
		if b.Opener, err = p.member(r.Opener); err != nil {
			return nil, err
		}
	}
	if b.Parties, err = p.all(r.Parties); err != nil {
		return nil, err
	}
	if b.Packages, err = p.refs(r.Packages); err != nil {
		return nil, err
	}
	if b.Mode == negotiation.List && b.Cap == 0 {
		b.Cap = uint64(len(b.Packages) / 4)
	}
	if r.Green > 0 {
		b.Tiers = []uint64{r.Green, b.Cap}
	}
	if b.Mode != negotiation.Ladder {
		return b, nil
	}
	i, err := issue(a, r.Issue)
	if err != nil {
		return nil, err
	}
	b.Issue = i.ID
	for _, f := range r.Figures {
		d, err := negotiation.ParseDecimal(f)
		if err != nil {
			return nil, refused("%v", err)
		}
		b.Figures = append(b.Figures, d)
	}
	seller, err := p.member(r.Sells)
	for _, m := range b.Parties {
		d := negotiation.Buyer
		if m == seller {
			d = negotiation.Seller
		}
		b.Directions = append(b.Directions, d)
	}
	return b, err
}

func (p *play) agreementBody(a *Agreement) (negotiation.Body, error) {
	b := &negotiation.Agreement{Text: a.Text, Level: negotiation.Handshake, Lapses: seconds(&a.Lapses)}
	var err error
	if b.Parties, err = p.all(a.Parties); err != nil {
		return nil, err
	}
	if a.Level != "" {
		if err := b.Level.UnmarshalText([]byte(a.Level)); err != nil {
			return nil, refused("the level is handshake, sealed or public")
		}
	}
	for _, n := range a.Packages {
		id, k, err := said[*negotiation.Package](p, "package", n)
		if err != nil {
			return nil, err
		}
		b.Packages, b.Agenda = append(b.Packages, id), &k.Agenda
	}
	if a.Agenda != "" {
		if b.Agenda, err = p.ref(a.Agenda); err != nil {
			return nil, err
		}
	}
	if b.SideLetterOf, err = p.ref(a.SideLetterOf); err != nil {
		return nil, err
	}
	b.Replaces, err = p.ref(a.Replaces)
	return b, err
}

// communiqueBody is the draft that the author's station would make, with its keys and
// signature if there are any.
func (p *play) communiqueBody(by *actor, l *Line) (negotiation.Body, error) {
	id, _, err := said[*negotiation.Agreement](p, "agreement", l.Communique.Of)
	if err != nil {
		return nil, err
	}
	all := by.room.AgreementsAt(l.At.Time)
	i := slices.IndexFunc(all, func(a negotiation.AgreementView) bool { return a.ID == id })
	if i < 0 {
		return nil, refused("its author has not heard of the agreement")
	}
	q, err := conduct.DraftCommunique(by.room, &all[i])
	if err != nil && !l.Anyway {
		return nil, err
	}
	if err != nil {
		q = &negotiation.Communique{Agreement: id}
	}
	if l.Communique.Text != "" {
		q.Text = l.Communique.Text
	}
	if err := conduct.CheckCommunique(by.room, &all[i], q); err != nil && !l.Anyway {
		return nil, err
	}
	return q, nil
}

// answer is a member's choice in a round.
func (p *play) answer(x *Answer) (id negotiation.ID, a blind.Answer, err error) {
	id, r, err := said[*negotiation.Round](p, "round", x.Round)
	if err != nil {
		return id, a, err
	}
	switch r.Mode {
	case negotiation.Single:
		if a = blind.No(); x.Yes {
			a = blind.Yes()
		}
	case negotiation.Ladder:
		if a = blind.NoFigure(); x.Limit == "" {
			break
		}
		d, err := negotiation.ParseDecimal(x.Limit)
		i := slices.Index(r.Figures, d)
		if err != nil || i < 0 {
			return id, a, refused("the round has no figure %q", x.Limit)
		}
		a = blind.Limit(i)
	default:
		levels := make([]blind.Level, len(r.Packages))
		mark := func(names []string, level blind.Level) error {
			for _, n := range names {
				i := slices.Index(r.Packages, p.names[n])
				if i < 0 {
					return refused("the round does not ask the package %q", n)
				}
				levels[i] = level
			}
			return nil
		}
		if err := mark(x.Approve, blind.Acceptable); err != nil {
			return id, a, err
		}
		if err := mark(x.Green, blind.Green); err != nil {
			return id, a, err
		}
		a = blind.Approve(levels...)
	}
	return id, a, nil
}

// unix is a time of an object.
func unix(s uint64) time.Time { return time.Unix(int64(s), 0).UTC() }
