package book

import (
	"slices"
	"strconv"
	"strings"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/conduct"
)

// show makes a line of what a member showed, or a remark.
func (t *writer) show(st *negotiation.Statement) {
	if x, ok := t.shown[st.ID]; ok && t.names[x.Statement.ID] != "" {
		t.add(st, "show", Line{Show: t.names[x.Statement.ID]})
		return
	}
	t.showed(st)
}

// showed remarks that a member showed something that no line can show again.
func (t *writer) showed(st *negotiation.Statement) {
	what := "something that is no statement of another"
	if x, ok := t.shown[st.ID]; ok {
		what = "a " + string(x.Statement.Kind) + " of " + t.people[x.Statement.From]
	}
	t.script.Remarks = append(t.script.Remarks, t.people[st.From]+" showed "+t.people[st.To]+" alone, "+st.Time.UTC().Format(stamp)+" UTC: "+what+".")
}

// statement makes the lines of one statement.
func (t *writer) statement(st *negotiation.Statement) {
	if st.Kind == negotiation.KindShow {
		t.show(st)
		return
	}
	switch b := st.Body.(type) {
	case *negotiation.Signal:
		t.add(st, "signal", Line{Signal: b.Text})
	case *negotiation.Letter:
		t.add(st, "letter", Line{Letter: &Letter{b.Subject, b.Text, b.Attachments}})
	case *negotiation.Agenda:
		t.addAgenda(st, b)
	case *negotiation.Confirm:
		t.add(st, "confirm", Line{Confirm: t.name(b.Of)})
	case *negotiation.Package:
		t.addPackage(st, b)
	case *negotiation.Offer:
		t.addOffer(st, b)
	case *negotiation.Take:
		t.addTake(st, b)
	case *negotiation.Taken: // its author's station said it
	case *negotiation.Withdraw:
		t.add(st, "withdraw", Line{Withdraw: t.name(b.Of)})
	case *negotiation.Comment:
		t.add(st, "comment", Line{Comment: &Comment{t.name(b.On), b.Text}})
	case *negotiation.Draft:
		t.add(st, "draft", Line{Draft: &Draft{b.Title, t.ref(b.Base), b.Text}})
	case *negotiation.Round:
		t.addRound(st, b)
	case *negotiation.Join:
		r, ok := t.rounds[b.Of]
		if ok {
			t.quit(st, b.Of, r, st.From)
		}
		t.add(st, "join", Line{Join: t.name(b.Of)})
		if ok {
			t.answer(st, b.Of, r, st.From)
		}
	case *negotiation.Agreement:
		t.addAgreement(st, b)
	case *negotiation.Consent:
		t.add(st, "consent", Line{Consent: t.core(b.Core)})
	case *negotiation.Communique:
		l := Line{Communique: &Communique{Of: t.name(b.Agreement), Text: b.Text}}
		if a, ok := t.deals[b.Agreement]; ok {
			if q, err := conduct.DraftCommunique(t.Room, &a); err == nil && q.Text == b.Text {
				l.Communique.Text = ""
			}
		}
		t.add(st, "communique", l)
	case *negotiation.Approve:
		t.add(st, "approve", Line{Approve: t.name(b.Of)})
	case *negotiation.Release:
		t.add(st, "release", Line{Release: t.name(b.Of)})
	default:
		t.addOther(st)
	}
}

// addOther is what carries a signing, or what nobody here understands.
func (t *writer) addOther(st *negotiation.Statement) {
	switch {
	case strings.HasPrefix(string(st.Kind), negotiation.PrefixRound):
	case strings.HasPrefix(string(st.Kind), negotiation.PrefixSign):
		m, err := conduct.ParseMessage(st.Raw)
		if err != nil {
			return
		}
		k := party{m.Of, st.From}
		switch {
		case st.Kind == "sign/hello" && t.begun[k] < m.Attempt:
			t.begun[k] = m.Attempt
			t.also(st, st.From, Line{Sign: t.names[m.Of]})
		case st.Kind == "sign/stop" && t.ended[m.Of] < m.Attempt: // the others stop by themselves
			t.ended[m.Of] = m.Attempt
			t.also(st, st.From, Line{Stop: t.names[m.Of]})
		}
	default:
		t.add(st, "unknown", Line{})
	}
}

func (t *writer) addAgenda(st *negotiation.Statement, b *negotiation.Agenda) {
	var list []Issue
	for _, i := range b.Issues {
		list = append(list, Issue{Title: i.Title, Number: i.ID, Options: i.Options, Range: i.Range, Affects: t.list(i.Affects), Outsiders: i.Outsiders})
	}
	var base *negotiation.Agenda
	if b.Base != nil {
		_, base = t.agenda(*b.Base)
	}
	// Numbers that follow by themselves need not stand there.
	plain := slices.Clone(list)
	for i := range plain {
		plain[i].Number = 0
	}
	if slices.Equal(number(plain, base), number(list, base)) {
		list = plain
	}
	t.add(st, "agenda", Line{Agenda: list})
	t.latest = st.ID
}

func (t *writer) addPackage(st *negotiation.Statement, b *negotiation.Package) {
	k := &Package{Values: map[string]string{}, Note: b.Note}
	var a *negotiation.Agenda
	k.Agenda, a = t.agenda(b.Agenda)
	for n, v := range b.Values {
		name, value, ok := show(a, n, v)
		t.absent = t.absent || !ok
		k.Values[name] = value
	}
	t.add(st, "package", Line{Package: k})
}

func (t *writer) addOffer(st *negotiation.Statement, b *negotiation.Offer) {
	o := &Offer{For: t.list(b.To), OnlyIf: t.refs(b.OnlyIf), Replaces: t.ref(b.Replaces), Answers: t.ref(b.Answers), Note: b.Note}
	var a *negotiation.Agenda
	o.Agenda, a = t.agenda(b.Agenda)
	if b.Expires > 0 {
		at := ceil(unix(b.Expires))
		o.Expires = &at
	}
	terms := func(list []negotiation.Term, own bool) (out []Term) {
		for _, x := range list {
			name, value, ok := show(a, x.Issue, x.Value)
			t.absent = t.absent || !ok
			y := Term{By: t.people[x.By], Issue: name, Value: value}
			if own && x.By == st.From {
				y.By = ""
			}
			out = append(out, y)
		}
		return out
	}
	o.Gives, o.Gets = terms(b.Gives, true), terms(b.Gets, true)
	t.add(st, "offer", Line{Offer: o})
}

// addTake notes a take that its author's station has not answered, and had not heard.
func (t *writer) addTake(st *negotiation.Statement, b *negotiation.Take) {
	t.add(st, "take", Line{Take: t.name(b.Of)})
	o, ok := t.offers[b.Of]
	if ok && offerEnd(o) == open && o.Author != t.Room.Self() && slices.Contains(o.Takers, st.From) && !t.heard(o.Author, st) {
		t.waiting[o.Author] = append(t.waiting[o.Author], t.names[st.ID])
	}
}

// heard reports that a member is known to have heard a statement: something that it
// said to the room covers it, or what its speaker said to the room next.
func (t *writer) heard(who negotiation.MemberID, st *negotiation.Statement) bool {
	place := slices.Index(t.Room.Members(), st.From)
	seq := st.Seq
	all := t.Room.Statements()
	if st.Private() {
		seq = 0
		for _, next := range all[slices.Index(all, st):] {
			if next.From == st.From && !next.Private() {
				seq = next.Seq
				break
			}
		}
	}
	return seq > 0 && slices.ContainsFunc(all, func(s *negotiation.Statement) bool {
		return s.From == who && !s.Private() && s.Vector[place] >= seq
	})
}

// wait cuts off the members that had not heard what waits for their answer, once they
// have said all that they say.
func (t *writer) wait() {
	at := map[int][]Line{}
	for _, who := range t.Room.Members() {
		takes := t.waiting[who]
		if len(takes) == 0 {
			continue
		}
		k := 0
		for i, l := range t.script.Lines {
			if l.By == t.people[who] || slices.Contains(takes, l.Name) {
				k = i
			}
		}
		at[k] = append(at[k], Line{At: t.script.Lines[k].At, By: t.people[who], Unheard: takes, Away: true})
	}
	var lines []Line
	for i, l := range t.script.Lines {
		lines = append(append(lines, l), at[i]...)
	}
	if lines != nil {
		t.script.Lines = lines
	}
}

func (t *writer) addRound(st *negotiation.Statement, b *negotiation.Round) {
	r := &Round{Mode: b.Mode.String(), Packages: t.refs(b.Packages), Parties: t.parties(b.Parties), Cap: b.Cap, InputsAt: ceil(unix(b.InputsAt)), Deadline: ceil(unix(b.Deadline))}
	var a *negotiation.Agenda
	r.Agenda, a = t.agenda(b.Agenda)
	if b.Opener != st.From {
		r.Opener = t.people[b.Opener]
	}
	if b.Mode == negotiation.List && b.Cap == uint64(len(b.Packages)/4) {
		r.Cap = 0
	}
	if len(b.Tiers) > 0 {
		r.Green = b.Tiers[0]
	}
	if b.Mode == negotiation.Ladder {
		r.Issue = issueName(a, b.Issue)
		for _, f := range b.Figures {
			r.Figures = append(r.Figures, f.String())
		}
		r.Sells = t.people[b.Parties[slices.Index(b.Directions, negotiation.Seller)]]
	}
	t.add(st, "round", Line{Round: r})
	if slices.Contains(b.Parties, st.From) {
		t.quit(st, st.ID, t.rounds[st.ID], st.From)
		t.answer(st, st.ID, t.rounds[st.ID], st.From)
	}
}

// decided reports that a round came to an end of which all know.
func decided(r negotiation.RoundView) bool {
	return r.State == negotiation.RoundMatch || r.State == negotiation.RoundNoMatch
}

// quit says of a round that came to nothing how far a party took part.
func (t *writer) quit(st *negotiation.Statement, id negotiation.ID, r negotiation.RoundView, who negotiation.MemberID) {
	if r.Round == nil || decided(r) || !slices.Contains(r.Parties, t.Room.Self()) || t.Now.Before(unix(r.InputsAt)) {
		return
	}
	t.also(st, who, Line{Quit: &Quit{t.names[id], t.said[party{id, who}]}})
}

// answer makes an answer up that fits what came out. Who answered really and what, no
// copy has.
func (t *writer) answer(st *negotiation.Statement, id negotiation.ID, r negotiation.RoundView, who negotiation.MemberID) {
	if r.Round == nil || !t.inputs[party{id, who}] {
		return
	}
	x := &Answer{Round: t.names[id]}
	match := r.State == negotiation.RoundMatch && r.Outcome != nil && r.Outcome.Item != nil
	switch r.Mode {
	case negotiation.Single:
		x.Yes = match || who == r.Opener // somebody said no, and it may as well have been another
	case negotiation.Ladder:
		if match {
			x.Limit = r.Figures[*r.Outcome.Item].String()
		}
	default:
		if match {
			x.Approve = []string{t.names[r.Packages[*r.Outcome.Item]]}
			if r.Outcome.Green {
				x.Green = x.Approve
			}
		}
	}
	t.also(st, who, Line{Answer: x})
}

func (t *writer) addAgreement(st *negotiation.Statement, b *negotiation.Agreement) {
	a := &Agreement{Text: b.Text, Parties: t.parties(b.Parties), Level: b.Level.String(), Lapses: ceil(unix(b.Lapses)), Packages: t.refs(b.Packages),
		SideLetterOf: t.ref(b.SideLetterOf), Replaces: t.ref(b.Replaces)}
	if b.Agenda != nil && len(b.Packages) == 0 {
		a.Agenda = t.name(*b.Agenda)
	}
	t.add(st, "agreement", Line{Agreement: a})
	v := t.deals[st.ID]
	if v.IsAgreed() || slices.ContainsFunc(v.Needed, func(n negotiation.NeededView) bool { return !n.Consented }) {
		return
	}
	for _, n := range v.Needed { // it was ready, and not all of them went to its end
		t.also(st, n.Member, Line{Quit: &Quit{t.names[st.ID], t.said[party{st.ID, n.Member}]}})
	}
}

// core is the latest agreement with that core.
func (t *writer) core(core negotiation.ID) (name string) {
	for _, st := range t.placed {
		if b, ok := st.Body.(*negotiation.Agreement); ok && b.Core() == core {
			name = t.names[st.ID]
		}
	}
	return name
}

// compare remarks what came out otherwise when it was played again.
func (t *writer) compare(p *play) {
	v := p.cast[p.script.self()].room.View(p.now, func(negotiation.MemberID) string { return "" })
	played := map[negotiation.ID]string{}
	for _, o := range v.Offers {
		played[o.ID] = offerEnd(o)
	}
	for _, r := range v.Rounds {
		played[r.ID] = roundEnd(r)
	}
	for _, a := range v.Agreements {
		played[a.ID] = agreementEnd(a)
	}
	for _, st := range t.placed {
		want := ""
		switch st.Kind {
		case negotiation.KindOffer:
			want = offerEnd(t.offers[st.ID])
		case negotiation.KindRound:
			want = roundEnd(t.rounds[st.ID])
		case negotiation.KindAgreement:
			want = agreementEnd(t.deals[st.ID])
		}
		if name := t.names[st.ID]; want != "" && want != played[p.names[name]] {
			t.script.Remarks = append(t.script.Remarks, "Where this was written down, the "+strings.ReplaceAll(name, "-", " ")+" stood otherwise: "+want+".")
		}
	}
}

// open is an offer that its author has not decided, as far as is known.
const open = "not decided"

func offerEnd(o negotiation.OfferView) string {
	if o.OfferBody == nil {
		return ""
	}
	if o.State == negotiation.OfferTaken || o.State == negotiation.OfferWithdrawn || o.State == negotiation.OfferSuperseded {
		return string(o.State)
	}
	return open
}

func roundEnd(r negotiation.RoundView) string {
	switch {
	case r.Round == nil:
		return ""
	case r.State == negotiation.RoundMatch && r.Outcome != nil && r.Outcome.Item != nil:
		return "match on number " + strconv.FormatUint(*r.Outcome.Item+1, 10)
	case r.State == negotiation.RoundNoMatch:
		return "no match"
	}
	return "without a result"
}

func agreementEnd(a negotiation.AgreementView) string {
	if a.Agreement == nil {
		return ""
	}
	if a.IsAgreed() {
		return "agreed"
	}
	return "not agreed"
}
