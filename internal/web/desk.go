package web

import (
	"context"
	"slices"
	"strings"
	"time"

	"backchannel/internal/station"
)

// factsView are what is in view on every page: whether this station's traffic is
// the same as always, and how many take part.
type factsView struct {
	Usual    bool
	Text     string
	Stations string
	Warnings int
}

func (p *Pages) facts(ctx context.Context) (factsView, error) {
	st, err := p.s.Status(ctx)
	if err != nil {
		return factsView{Text: p.text.say("facts.unknown")}, err
	}
	f := factsView{Usual: st.Usual, Warnings: len(st.Warnings)}
	switch {
	case st.ClockOff && st.Connected:
		f.Usual, f.Text = false, p.text.say("facts.clock")
	case st.Usual:
		f.Text = p.text.say("facts.usual")
	case !st.Connected:
		f.Text = p.text.say("facts.away")
	default:
		f.Text = p.text.say("facts.beginning", p.text.duration(seconds(st.NextEpoch)))
	}
	if st.Stations > 0 {
		f.Stations = p.text.count("facts.stations", st.Stations)
	}
	return f, nil
}

// personView is a contact in the list.
type personView struct {
	ID       string
	Name     string
	Href     string
	Verified bool
	Met      bool // keys are agreed
	Line     string
	Unread   int
	Waiting  int
	Muted    bool
	Current  bool
	Shape    string // how the mark before the name looks
}

// people lists the contacts, the one with the newest item first, and counts what
// is unread of those that are not muted.
func (p *Pages) people(ctx context.Context, current string) ([]personView, int, error) {
	all, err := p.s.Contacts(ctx)
	if err != nil {
		return nil, 0, err
	}
	slices.SortStableFunc(all, func(a, b station.ContactInfo) int { return newest(b).Compare(newest(a)) })
	out, unread := make([]personView, 0, len(all)), 0
	for _, k := range all {
		v := personView{
			ID: k.ID, Name: k.Name, Href: "/c/" + k.ID, Verified: k.Verified, Met: met(k),
			Line: p.stateLine(k), Unread: k.Unread, Waiting: k.Waiting, Muted: k.Muted, Current: k.ID == current,
		}
		if !v.Met && !k.Restored {
			v.Href = "/meet/" + k.ID
		}
		switch {
		case k.Together:
			v.Shape = "together"
		case k.Lane == 0:
			v.Shape = "parked"
		default:
			v.Shape = "apart"
		}
		if !k.Muted {
			unread += k.Unread
		}
		out = append(out, v)
	}
	return out, unread, nil
}

// met tells whether there is a conversation to look at. One that a backup brought
// goes on as soon as the stations have found each other again.
func met(k station.ContactInfo) bool {
	return k.State == station.StateIntroduced || k.State == station.StateRestoring
}

// newest dates a contact for the order of the list.
func newest(k station.ContactInfo) time.Time {
	if k.LastItem != nil && k.LastItem.After(k.Created) {
		return *k.LastItem
	}
	return k.Created
}

// stateLine says in a few words how things stand with a contact.
func (p *Pages) stateLine(k station.ContactInfo) string {
	switch {
	case k.State == station.StateInvited:
		return p.text.say("person.invited")
	case k.State == station.StateAccepted:
		return p.text.say("person.accepted")
	case k.State == station.StateIntroducing:
		return p.text.say("person.introducing")
	case k.State == station.StateExpired:
		return p.text.say("person.expired")
	case k.State == station.StateRefused:
		return p.text.say("person.refused")
	case k.State == station.StateLost:
		return p.text.say("person.lost")
	case k.Lane == 0:
		return p.text.say("person.parked")
	case k.State == station.StateRestoring:
		return p.text.say("person.restoring")
	case k.Leaving != nil:
		return p.text.say("person.leaving", k.Leaving.Local().Format("15:04"))
	case !k.Ready:
		return p.text.say("person.soon")
	case k.Together:
		return p.text.say("person.together")
	default:
		return p.text.say("person.apart")
	}
}

// deskPage is the first page: what is new, or what to do first.
type deskPage struct {
	People []personView
	Open   []personView // not met yet, or words to compare
	Rooms  []roomLine   // that are there or being made
}

func (p *Pages) showDesk(v *visit) {
	people, _, err := p.people(v.r.Context(), "")
	if err != nil {
		p.fail(v, err)
		return
	}
	var d deskPage
	for _, k := range people {
		if k.Met && k.Verified {
			d.People = append(d.People, k)
		} else {
			d.Open = append(d.Open, k)
		}
	}
	rooms, err := p.rooms(v, "")
	if err != nil {
		p.fail(v, err)
		return
	}
	for _, r := range rooms {
		if !r.Over() {
			d.Rooms = append(d.Rooms, r)
		}
	}
	p.show(v, 200, "desk", d)
}

// peoplePart is the list beside every page.
type peoplePart struct {
	People  []personView
	Unread  int
	Contact string
}

func (p *Pages) partPeople(v *visit) {
	current := v.r.URL.Query().Get("at")
	people, unread, err := p.people(v.r.Context(), current)
	if err != nil {
		p.fail(v, err)
		return
	}
	p.showPart(v, "people", peoplePart{people, unread, current})
}

func (p *Pages) partFacts(v *visit) {
	f, err := p.facts(v.r.Context())
	if err != nil {
		p.fail(v, err)
		return
	}
	p.showPart(v, "facts", f)
}

// contactView is a contact at the head of its pages.
type contactView struct {
	station.ContactInfo
	Line string
	Met  bool
}

func (p *Pages) contact(v *visit) (contactView, bool) {
	id := v.r.PathValue("contact")
	k, err := p.s.Contact(v.r.Context(), id)
	if err == nil && k.ID != id { // a name could be somebody else's tomorrow
		p.notFound(v)
		return contactView{}, false
	}
	if err != nil {
		p.fail(v, err)
		return contactView{}, false
	}
	c := contactView{ContactInfo: k, Line: p.stateLine(k), Met: met(k)}
	return c, true
}

// shortName keeps a name from filling a sentence.
func shortName(name string) string {
	if r := []rune(strings.TrimSpace(name)); len(r) > 40 {
		return string(r[:39]) + "…"
	}
	return name
}
