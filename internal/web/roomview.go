package web

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"backchannel/internal/station"
)

// roomView is a room as its pages show it: what is a number in the station's view
// is a name and a sentence here.
type roomView struct {
	Info station.RoomInfo
	*station.RoomView
	Token string
	Now   time.Time
	Line  string

	names  map[station.MemberID]string
	byID   map[station.StatementID]*station.RoomStatement
	titles map[station.StatementID]string // of offers, packages, texts, rounds, agreements
	issues map[station.StatementID][]station.RoomIssue
	note   map[station.StatementID]string
	colour map[station.StatementID]string
	text   texts
}

// ID is the room in addresses.
func (r *roomView) ID() string { return r.Info.ID }

func itoa(n int) string { return strconv.Itoa(n) }

// room finds the room of a visit. A room that is still being made, or never came
// about, has a page of its own.
func (p *Pages) room(v *visit) (*roomView, bool) {
	room, err := p.desk.Room(v.r.Context(), v.r.PathValue("room"))
	if err == nil && room.ID != v.r.PathValue("room") { // a title could be another room's tomorrow
		p.notFound(v)
		return nil, false
	}
	if err != nil {
		p.fail(v, err)
		return nil, false
	}
	info, view := room.RoomInfo, room.View
	if view == nil {
		if v.r.URL.Path != "/r/"+info.ID {
			v.redirect("/r/" + info.ID)
		} else {
			p.gathering(v, 200, info, "")
		}
		return nil, false
	}
	own, err := p.desk.OwnSide(v.r.Context(), info.ID)
	if err != nil {
		p.fail(v, err)
		return nil, false
	}
	r := p.newRoomView(info, view, &own)
	r.Token = v.session.form
	return r, true
}

func (p *Pages) newRoomView(info station.RoomInfo, view *station.RoomView, own *station.OwnSide) *roomView {
	r := &roomView{Info: info, RoomView: view, Now: p.cfg.Now(), text: p.text,
		names: map[station.MemberID]string{}, byID: map[station.StatementID]*station.RoomStatement{},
		titles: map[station.StatementID]string{}, issues: map[station.StatementID][]station.RoomIssue{}, colour: map[station.StatementID]string{}}
	r.Line, _ = p.roomState(info)
	self := p.s.PageOptions().Name
	if self == "" {
		self = p.text.say("room.ourside")
	}
	for i, m := range view.Members {
		if m.Self {
			view.Members[i].Name = self
		}
		r.names[m.ID] = view.Members[i].Name
	}
	for _, s := range view.Timeline {
		r.byID[s.ID] = s
	}
	for _, a := range view.Proposed {
		r.issues[a.ID] = a.Issues
		r.titles[a.ID] = p.text.say("room.agenda.numbered", a.Rev)
	}
	if a := view.Agenda; a != nil {
		r.issues[a.ID] = a.Issues
		r.titles[a.ID] = p.text.say("room.agenda.numbered", a.Rev)
	}
	if own != nil {
		r.note = own.Notes
		for id, c := range own.Colours {
			switch c {
			case station.ColourGreen:
				r.colour[id] = "green"
			case station.ColourYellow:
				r.colour[id] = "yellow"
			case station.ColourRed:
				r.colour[id] = "red"
			}
		}
	}
	r.number()
	return r
}

// number gives offers and packages the numbers by which people speak of them.
// What was said to the room is counted apart from what two said in private, so
// that members who hold the same statements have the same numbers.
func (r *roomView) number() {
	next := map[string]int{}
	count := func(kind string, id station.StatementID) (int, string) {
		with := ""
		if s := r.byID[id]; s != nil && s.Private() {
			with = r.names[r.other(s)]
		}
		next[kind+"\x00"+with]++
		return next[kind+"\x00"+with], with
	}
	for _, o := range r.Offers {
		if n, with := count("offer", o.ID); with == "" {
			r.titles[o.ID] = r.text.say("offer.numbered", n)
		} else {
			r.titles[o.ID] = r.text.say("offer.private", n, with)
		}
	}
	for _, o := range r.Packages {
		if n, with := count("package", o.ID); with == "" {
			r.titles[o.ID] = r.text.say("package.numbered", n)
		} else {
			r.titles[o.ID] = r.text.say("package.private", n, with)
		}
	}
	for i, o := range r.Rounds {
		r.titles[o.ID] = r.text.say("round.numbered", i+1)
	}
	for i, a := range r.Agreements {
		r.titles[a.ID] = r.text.say("agreement.numbered", i+1)
	}
	for i, c := range r.Communiques {
		r.titles[c.ID] = r.text.say("communique.numbered", i+1)
	}
	for _, d := range r.Drafts {
		title := d.Title
		for _, root := range r.Drafts {
			if root.ID == d.Root {
				title = root.Title
			}
		}
		r.titles[d.ID] = r.text.say("text.numbered", title, d.Rev)
	}
}

// other is whom a private statement binds this member to.
func (r *roomView) other(s *station.RoomStatement) station.MemberID {
	if s.From == r.Self {
		return s.To
	}
	return s.From
}

// audience is whom an answer to a statement goes to: "" the room.
func (r *roomView) audience(id station.StatementID) string {
	if s := r.byID[id]; s != nil && s.Private() {
		return r.other(s).String()
	}
	return ""
}

// Who is a member by its name; the user itself is "you" where it acts.
func (r *roomView) Who(id station.MemberID) string {
	if id == r.Self {
		return r.text.say("entry.you")
	}
	return r.Called(id)
}

// Called is a member by its name, the user as well.
func (r *roomView) Called(id station.MemberID) string {
	if n := r.names[id]; n != "" {
		return n
	}
	return r.text.say("room.somebody")
}

// Names are members in a row.
func (r *roomView) NamesOf(ids []station.MemberID) string {
	var all []string
	for _, id := range ids {
		all = append(all, r.Called(id))
	}
	return strings.Join(all, ", ")
}

// Name is what an object is called; what is not here has no name.
func (r *roomView) Name(id station.StatementID) string {
	if t := r.titles[id]; t != "" {
		return t
	}
	return r.text.say("room.nothere")
}

// Href is where an object is shown.
func (r *roomView) Href(id station.StatementID) string {
	base := "/r/" + r.Info.ID
	s := r.byID[id]
	if s == nil {
		return base + "/timeline"
	}
	switch s.Kind {
	case "offer":
		return base + "/offers#o-" + id.String()
	case "round":
		return base + "/round/" + id.String()
	case "agreement":
		return base + "/agreement/" + id.String()
	case "communique":
		return base + "/communique/" + id.String()
	case "agenda":
		return base + "/table"
	case "consent": // where what it consents to is shown
		for _, a := range r.Agreements {
			if b, ok := s.Body.(*station.RoomConsent); ok && a.Core == b.Core {
				return base + "/agreement/" + a.ID.String()
			}
		}
	}
	return base + "/s/" + id.String()
}

// issue finds an issue under an agenda; of an agenda that was replaced only the
// number is known.
func (r *roomView) issue(agenda station.StatementID, n uint64) station.RoomIssue {
	for _, list := range [][]station.RoomIssue{r.issues[agenda], r.held()} {
		for _, i := range list {
			if i.ID == n {
				return i
			}
		}
	}
	return station.RoomIssue{ID: n, Title: r.text.say("room.issue.unnamed", n)}
}

func (r *roomView) held() []station.RoomIssue {
	if r.Agenda == nil {
		return nil
	}
	return r.Agenda.Issues
}

// Bounds says what an issue may be settled at.
func (r *roomView) Bounds(i station.RoomIssue) string {
	switch {
	case i.Type == station.IssueChoice:
		return r.text.say("issue.choice", strings.Join(i.Options, " / "))
	case i.Range != nil && i.Range.Unit != "":
		return r.text.say("issue.range.unit", i.Range.Min, i.Range.Max, i.Range.Step, i.Range.Unit)
	case i.Range != nil:
		return r.text.say("issue.range", i.Range.Min, i.Range.Max, i.Range.Step)
	}
	return r.text.say("issue.text")
}

// Affected says whom an issue concerns.
func (r *roomView) Affected(i station.RoomIssue) string {
	who := r.text.say("issue.everybody")
	if len(i.Affects) > 0 && len(i.Affects) < len(r.Members) {
		who = r.NamesOf(i.Affects)
	}
	if len(i.Outsiders) > 0 {
		who += "; " + r.text.say("issue.outside", strings.Join(i.Outsiders, ", "))
	}
	return who
}

// valueLine is what one issue would be settled at.
type valueLine struct {
	Issue    string
	Value    string
	By       string
	Sentence string
}

func (r *roomView) term(agenda station.StatementID, t station.RoomTerm) valueLine {
	i := r.issue(agenda, t.Issue)
	l := valueLine{Issue: i.Title, Value: t.Value.Show(i), By: r.Called(t.By)}
	switch t.Value.Type {
	case station.IssueChoice:
		l.Sentence = r.text.say("offer.term.choice", l.By, l.Issue, l.Value)
	case station.IssueRange:
		l.Sentence = r.text.say("offer.term.range", l.By, l.Issue, l.Value)
	default:
		l.Sentence = r.text.say("offer.term.text", l.By, l.Issue, l.Value)
	}
	return l
}

// Values are the lines of a package in the order of its agenda.
func (r *roomView) Values(k station.RoomPackage) (out []valueLine) {
	numbers := make([]uint64, 0, len(k.Values))
	for n := range k.Values {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		i := r.issue(k.Agenda, n)
		out = append(out, valueLine{Issue: i.Title, Value: k.Values[n].Show(i)})
	}
	return out
}

// Package finds one that is on the table.
func (r *roomView) Package(id station.StatementID) *station.RoomPackage {
	for i := range r.Packages {
		if r.Packages[i].ID == id {
			return &r.Packages[i]
		}
	}
	return nil
}

// conditionLine is one "only if" of an offer.
type conditionLine struct {
	Sentence string
	State    string
	Shape    string
	Href     string
}

// offerCard is an offer as a card shows it.
type offerCard struct {
	station.RoomOffer
	Title      string
	Author     string
	Mine       bool
	With       string // private with whom
	To         string
	Gives      []valueLine
	Gets       []valueLine
	Conditions []conditionLine
	Until      *time.Time
	State      string
	Shape      string
	Over       bool // nothing more can be done with it
	Gone       bool // and nothing came of it
	Asked      string
	Counters   []linked
	Answers    *linked
	Replaces   *linked
	Next       *linked
	Colour     string
	Own        string // the private note

	MayCounter, MayWithdraw, MayReplace bool
}

type linked struct{ Title, Href string }

func (r *roomView) link(id *station.StatementID) *linked {
	if id == nil {
		return nil
	}
	return &linked{r.Name(*id), r.Href(*id)}
}

// offerWords says where an offer stands; the shape stands beside the words.
func (r *roomView) offerWords(o station.RoomOffer) (string, string) {
	switch {
	case o.Problem != "":
		return r.text.say("offer.state.void", o.Problem), "void"
	case o.Waiting:
		return r.text.say("offer.state.waiting", r.Called(o.Author)), "waiting"
	}
	switch o.State {
	case "open":
		return r.text.say("offer.state.open"), "open"
	case "countered":
		return r.text.say("offer.state.countered"), "countered"
	case "withdrawn":
		return r.text.say("offer.state.withdrawn"), "withdrawn"
	case "expired":
		return r.text.say("offer.state.expired"), "expired"
	case "superseded":
		return r.text.say("offer.state.superseded"), "superseded"
	}
	who := r.text.say("room.somebody")
	if o.TakenBy != nil {
		who = r.Called(*o.TakenBy)
	}
	if !o.InForce {
		return r.text.say("offer.state.conditional", who), "halftaken"
	}
	return r.text.say("offer.state.taken", who), "taken"
}

// Card makes the card of an offer.
func (r *roomView) Card(o station.RoomOffer) offerCard {
	c := offerCard{RoomOffer: o, Title: r.Name(o.ID), Author: r.Called(o.Author), Mine: o.Author == r.Self, Colour: r.colour[o.ID], Own: r.note[o.ID]}
	if o.Private {
		c.With = r.names[r.other(r.byID[o.ID])]
	}
	c.To = r.text.say("offer.to.all")
	if len(o.To) > 0 {
		c.To = r.text.say("offer.to.some", r.NamesOf(o.To))
	} else if c.With != "" {
		c.To = r.text.say("offer.to.private", c.With)
	}
	for _, t := range o.Gives {
		c.Gives = append(c.Gives, r.term(o.Agenda, t))
	}
	for _, t := range o.Gets {
		c.Gets = append(c.Gets, r.term(o.Agenda, t))
	}
	for _, k := range o.Conditions {
		c.Conditions = append(c.Conditions, r.condition(k.Of, k.What, string(k.State)))
	}
	if o.Expires > 0 {
		t := time.Unix(int64(o.Expires), 0)
		c.Until = &t
	}
	c.State, c.Shape = r.offerWords(o)
	c.Over = o.State != "open" && o.State != "countered" || o.Problem != ""
	c.Gone = c.Over && c.Shape != "taken" && c.Shape != "halftaken"
	if len(o.Takers) > 0 && o.State != "taken" {
		c.Asked = r.NamesOf(o.Takers)
	}
	for _, id := range o.Counters {
		c.Counters = append(c.Counters, *r.link(&id))
	}
	c.Answers, c.Replaces, c.Next = r.link(o.OfferBody.Answers), r.link(o.OfferBody.Replaces), r.link(o.Successor)
	live := !c.Over && !r.Frozen
	c.MayCounter = live && !c.Mine && (o.MayTake || o.Waiting)
	c.MayWithdraw = live && c.Mine
	c.MayReplace = c.MayWithdraw
	return c
}

func (r *roomView) condition(of station.StatementID, what, state string) conditionLine {
	c := conditionLine{Href: r.Href(of)}
	switch what {
	case "offer":
		c.Sentence = r.text.say("offer.onlyif.offer", r.Name(of))
	case "package":
		c.Sentence = r.text.say("offer.onlyif.package", r.Name(of))
	default:
		c.Sentence = r.text.say("offer.onlyif.unknown")
	}
	switch state {
	case "met":
		c.State, c.Shape = r.text.say("condition.met"), "taken"
	case "failed":
		c.State, c.Shape = r.text.say("condition.failed"), "withdrawn"
	default:
		c.State, c.Shape = r.text.say("condition.open"), "open"
	}
	return c
}

// Cards are the offers, what is open first.
func (r *roomView) Cards() (open, over []offerCard) {
	for _, o := range slices.Backward(r.Offers) {
		if c := r.Card(o); c.Gone {
			over = append(over, c)
		} else {
			open = append(open, c)
		}
	}
	return open, over
}

// positionLine is what one member last put on the table about an issue.
type positionLine struct {
	Who     string
	Show    string
	Private bool
	In      string
	Href    string
}

// Positions has one entry for each member, in their order.
func (r *roomView) Positions(row station.RoomRow) []positionLine {
	out := make([]positionLine, len(r.Members))
	for i, m := range r.Members {
		out[i].Who = m.Name
		for _, p := range row.Positions {
			if p.Member == m.ID {
				out[i] = positionLine{m.Name, p.Show, p.Private, r.Name(p.In), r.Href(p.In)}
			}
		}
	}
	return out
}

// Colour is how a package or offer looks to the user, "" if nothing was said.
func (r *roomView) Colour(id station.StatementID) string { return r.colour[id] }

// MayConfirm reports that a proposed agenda waits for this member.
func (r *roomView) MayConfirm(a station.RoomAgenda) bool {
	return a.Problem == "" && !r.Frozen && !slices.Contains(a.Confirmed, r.Self)
}

// Compared says how far a member is known to hold the same statements.
func (r *roomView) Compared(m station.TableMember) string {
	all := 0
	for _, k := range r.Members {
		all += k.Said
	}
	if m.Compared >= all {
		return r.text.say("roomabout.compared.all")
	}
	return r.text.say("roomabout.compared.some", m.Compared, all)
}

// CommuniqueLines are the communiqués of the room.
func (r *roomView) CommuniqueLines() (out []communiqueLine) {
	for _, c := range r.Communiques {
		out = append(out, r.communiqueLine(c))
	}
	return out
}
