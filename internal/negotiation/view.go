package negotiation

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// View is a room as a page shows it. It has no key, no tag and no contact. Lists are
// in the order of inOrder, so that members see one order.
type View struct {
	Room        ID               `json:"room"`
	Title       string           `json:"title"`
	Previous    *ID              `json:"previous,omitempty"` // the room that this one continues
	Created     time.Time        `json:"created"`
	Self        MemberID         `json:"self"`
	Members     []MemberView     `json:"members"`
	Agenda      *AgendaView      `json:"agenda,omitempty"` // the one that holds
	Proposed    []AgendaView     `json:"proposed"`         // later ones that do not hold yet
	Table       []TableRow       `json:"table"`
	Packages    []PackageView    `json:"packages"`
	Offers      []OfferView      `json:"offers"`
	Unsent      []UnsentOffer    `json:"unsent"` // offers that are drafts
	Drafts      []DraftView      `json:"drafts"`
	Rounds      []RoundView      `json:"rounds"`
	Agreements  []AgreementView  `json:"agreements"`
	Communiques []CommuniqueView `json:"communiques"`
	Timeline    []*Statement     `json:"timeline"`
	Alarms      []Alarm          `json:"alarms"`
	Shown       []ShownView      `json:"shown"`    // what members showed of what others said
	Showable    []ID             `json:"showable"` // what others said and can still be shown to a third
	NotRead     []*Statement     `json:"not_understood"`
	Refused     int              `json:"refused"` // items that could not be read at all
	Frozen      bool             `json:"frozen"`  // this member says nothing more here
}

// MemberView is a member of the room and how far its copy was compared with ours.
type MemberView struct {
	ID       MemberID   `json:"id"`
	Name     string     `json:"name"`
	Self     bool       `json:"self"`
	Said     int        `json:"said"`     // statements to the room that are here
	Compared int        `json:"compared"` // of all statements to the room here, those that it is known to hold alike
	Last     *time.Time `json:"last,omitempty"`
}

// TableRow is one issue of the agenda that holds, with what each member last put on
// the table about it.
type TableRow struct {
	Issue     Issue      `json:"issue"`
	Affects   []MemberID `json:"affects"`
	Positions []Position `json:"positions"`
}

// Position is what a member last said it would settle an issue at.
type Position struct {
	Member  MemberID  `json:"member"`
	Value   Value     `json:"value"`
	Show    string    `json:"show"`
	In      ID        `json:"in"` // the package or offer
	Kind    Kind      `json:"kind"`
	Private bool      `json:"private"`
	Time    time.Time `json:"time"`
}

// UnsentOffer is an offer that was written and not sent.
type UnsentOffer struct {
	Number uint64     `json:"number"`
	State  OfferState `json:"state"` // draft
	Offer
}

// View is the room at now. names gives the name by which the user knows a member; it
// enters the texts of alarms only.
func (r *Room) View(now time.Time, names func(MemberID) string) *View {
	now = seconds(now)
	e := r.evaluate(now)
	v := &View{Room: r.charter.Room, Title: r.charter.Plan.Title, Created: r.charter.Created, Self: r.self, Frozen: r.local.Frozen,
		Proposed: []AgendaView{}, Unsent: []UnsentOffer{}, Timeline: []*Statement{}, NotRead: []*Statement{}}
	if len(r.charter.Plan.Previous) == IDSize {
		id := ID(r.charter.Plan.Previous)
		v.Previous = &id
	}
	for _, m := range r.members {
		v.Members = append(v.Members, r.memberView(m, names))
	}
	order := r.inOrder()
	v.Table = e.table(r, order)
	for _, a := range listed(order, e.agendas) {
		switch {
		case a.ID == e.heldID:
			v.Agenda = &a
		case e.held == nil || a.Rev > e.held.Rev:
			v.Proposed = append(v.Proposed, a)
		}
	}
	v.Packages = listed(order, e.packages)
	v.Offers = listed(order, e.offers)
	place := make(map[ID]int, len(v.Offers))
	for n := range v.Offers {
		place[v.Offers[n].ID] = n
	}
	for _, o := range v.Offers {
		slices.SortFunc(o.Counters, func(a, b ID) int { return cmp.Compare(place[a], place[b]) })
	}
	v.Rounds = listed(order, e.rounds)
	v.Agreements = listed(order, e.agreements)
	v.Communiques = listed(order, e.communiques)
	v.Drafts = listed(order, e.drafts)
	for i := range v.Drafts {
		if d := &v.Drafts[i]; d.Base != nil && d.Problem == "" {
			d.Changes = Diff(e.drafts[*d.Base].Text, d.Text)
		}
	}
	for _, n := range sortedKeys(r.local.Drafts) {
		v.Unsent = append(v.Unsent, UnsentOffer{n, OfferDraft, r.local.Drafts[n]})
	}
	for _, s := range order {
		switch {
		case s.Kind == kindShow:
			if u, ok := r.unshowable(s); ok {
				v.NotRead = append(v.NotRead, u)
				v.Timeline = append(v.Timeline, u)
			}
		case s.Kind.secret():
		case s.Body == nil && !s.Kind.opaque():
			v.NotRead = append(v.NotRead, s)
			v.Timeline = append(v.Timeline, s)
		default:
			v.Timeline = append(v.Timeline, s)
		}
	}
	for _, n := range r.local.Refusals {
		v.Refused += int(n)
	}
	v.Alarms = r.alarms(now, names)
	v.Shown, v.Showable = r.shownViews(names), r.showable()
	return v
}

// alarms are all alarms with their text: those that were raised, and those of the
// moment.
func (r *Room) alarms(now time.Time, names func(MemberID) string) (list []Alarm) {
	list = append(append([]Alarm{}, r.local.Alarms...), r.missing(now)...)
	for i := range list {
		list[i].Text = list[i].wording(names)
	}
	return list
}

func (a Alarm) wording(names func(MemberID) string) string { return a.say(wording[a.Type], names) }

// say puts the names of those it is about into a text.
func (a Alarm) say(text string, names func(MemberID) string) string {
	var pairs []string
	for i, m := range a.About {
		pairs = append(pairs, []string{"{0}", "{1}"}[i], names(m))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func (r *Room) memberView(m MemberID, names func(MemberID) string) MemberView {
	v := MemberView{ID: m, Name: names(m), Self: m == r.self, Said: len(r.told[m].list)}
	for i, n := range r.vector() {
		if m == r.self {
			v.Compared += int(n)
		} else {
			v.Compared += int(min(n, r.compared[m][i]))
		}
	}
	if n := v.Said; n > 0 {
		at := r.told[m].list[n-1].Time
		v.Last = &at
	}
	return v
}

// table lists each issue with the latest position of every member, as far as this
// member was told.
func (v *evaluation) table(r *Room, order []*Statement) (rows []TableRow) {
	rows = []TableRow{}
	if v.held == nil {
		return rows
	}
	// Of one chain the last statement counts; of a member's several audiences the one
	// that was spoken to last.
	type cell struct {
		member, to MemberID
		issue      uint64
	}
	latest := map[cell]Position{}
	put := func(s *Statement, issue uint64, value Value) {
		k := cell{s.From, s.To, issue}
		if old, ok := latest[k]; ok && r.byID[old.In].Seq > s.Seq {
			return
		}
		latest[k] = Position{Member: s.From, Value: value, In: s.ID, Kind: s.Kind, Private: s.Private(), Time: s.Time}
	}
	// A position outlives a new revision of the agenda if it still fits its issue.
	for _, s := range r.statements {
		switch b := s.Body.(type) {
		case *Package:
			if v.packages[s.ID].Problem == "" {
				for n, value := range b.Values {
					put(s, n, value)
				}
			}
		case *Offer:
			if v.offers[s.ID].Problem == "" {
				for _, t := range b.terms() {
					put(s, t.Issue, t.Value)
				}
			}
		}
	}
	place := make(map[ID]int, len(order))
	for n, s := range order {
		place[s.ID] = n
	}
	for _, i := range v.held.Issues {
		row := TableRow{Issue: i, Affects: i.affected(r.members), Positions: []Position{}}
		for _, m := range r.members {
			var found []Position
			for _, to := range append([]MemberID{{}}, r.members...) {
				if p, ok := latest[cell{m, to, i.ID}]; ok && p.Value.fits(i) == nil {
					found = append(found, p)
				}
			}
			if len(found) > 0 {
				p := slices.MaxFunc(found, func(a, b Position) int { return cmp.Compare(place[a.In], place[b.In]) })
				p.Show = p.Value.Show(i)
				row.Positions = append(row.Positions, p)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// listed are the objects in the order in which they were said.
func listed[T any](order []*Statement, m map[ID]*T) []T {
	list := make([]T, 0, len(m))
	for _, s := range order {
		if t := m[s.ID]; t != nil {
			list = append(list, *t)
		}
	}
	return list
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// IsAgreed reports that nothing of an object is open any more, for pages: whatever
// is not yet agreed must look not agreed.
func (a *AgreementView) IsAgreed() bool {
	return a.State == AgreementConfirmed || a.State == AgreementSealed
}
