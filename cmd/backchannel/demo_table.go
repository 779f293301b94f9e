package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/station"
)

// demoTable is the room of the three stations. What is checked of it is what their
// own APIs say.
type demoTable struct {
	r                      *reporter
	aldmark, borvia, cenia *demoStation
	room                   string
	members                map[*demoStation]negotiation.MemberID
	agenda                 negotiation.ID
	slowest                time.Duration // that all took to see what one of them said
}

// demoRoom is the title of the room.
const demoRoom = "Straits talks"

// The issues of the demo's agenda, and the options of its choices.
const (
	issueToll = 1
	issueDays = 2
	issueFish = 3

	tollNone, tollHalf = 0, 1

	fishOpen, fishShared, fishClosed = 0, 1, 2
)

// leastInputs and mostInputs bound how long a blind round of the demo waits for
// answers. Who is late is left out, so it is far more than the programs need: three
// statements have to go round before, and it is a dozen times as long as the slowest
// took until then.
const (
	leastInputs = 15 * time.Second
	mostInputs  = time.Minute
)

// playTable has the three negotiate, from the room to the released communiqué, has
// one tell the others different things, and makes up a transcript in the end.
func playTable(ctx context.Context, n *demoNetwork, r *reporter) error {
	t := &demoTable{r: r, aldmark: n.stations[0], borvia: n.stations[1], cenia: n.stations[2]}
	if err := t.form(ctx); err != nil {
		return fmt.Errorf("making the room: %w", err)
	}
	if err := t.settleAgenda(ctx); err != nil {
		return fmt.Errorf("settling the agenda: %w", err)
	}
	if err := t.dealOverCenia(ctx); err != nil {
		return fmt.Errorf("making an offer at the expense of Cenia: %w", err)
	}
	found, err := t.findPackage(ctx)
	if err != nil {
		return fmt.Errorf("looking for a package in blind rounds: %w", err)
	}
	agreed, err := t.sign(ctx, found)
	if err != nil {
		return fmt.Errorf("signing the agreement: %w", err)
	}
	if err := t.publish(ctx, n, agreed); err != nil {
		return fmt.Errorf("releasing the communiqué: %w", err)
	}
	if err := t.lie(ctx, n); err != nil {
		return fmt.Errorf("telling different things: %w", err)
	}
	if err := t.forge(ctx); err != nil {
		return fmt.Errorf("making up a transcript: %w", err)
	}
	return nil
}

func (t *demoTable) all() []*demoStation { return []*demoStation{t.aldmark, t.borvia, t.cenia} }

// everywhere waits until the room looks so at every station.
func (t *demoTable) everywhere(ctx context.Context, what string, yes func(v *station.RoomView) bool) error {
	begun := time.Now()
	defer func() { t.slowest = max(t.slowest, time.Since(begun)) }()
	for _, s := range t.all() {
		if err := waitFor(ctx, demoTimeout, s.name+" to see "+what, func() (bool, error) {
			room, err := s.api.Room(ctx, t.room)
			if err != nil || room.View == nil {
				return false, err
			}
			if len(room.View.Alarms) > 0 {
				return false, fmt.Errorf("%s has an alarm: %s", s.name, room.View.Alarms[0].Text)
			}
			return yes(room.View), nil
		}); err != nil {
			return err
		}
	}
	return nil
}

func (t *demoTable) say(ctx context.Context, s *demoStation, body negotiation.Body) (id negotiation.ID, err error) {
	kind := string(negotiation.KindOf(body))
	said, err := s.api.Say(ctx, t.room, kind, "", body)
	if err != nil {
		return id, fmt.Errorf("%s says its %s: %w", s.name, kind, err)
	}
	return id, id.UnmarshalText([]byte(said.ID))
}

var errTaken = errors.New("its station took it")

// form makes the room: each member picks the others among its own contacts.
func (t *demoTable) form(ctx context.Context) error {
	info, err := t.aldmark.api.NewRoom(ctx, station.Proposal{Title: demoRoom, Self: t.aldmark.name, Members: []station.Invitee{
		{Contact: t.borvia.name, Name: t.borvia.name}, {Contact: t.cenia.name, Name: t.cenia.name}}})
	if err != nil {
		return err
	}
	t.room = info.ID
	for _, s := range []*demoStation{t.borvia, t.cenia} {
		if err := waitFor(ctx, demoTimeout, s.name+" to be invited to the room", func() (bool, error) {
			rooms, err := s.api.Rooms(ctx)
			return slices.ContainsFunc(rooms, func(i station.RoomInfo) bool {
				return i.ID == t.room && i.State == "invited" && i.Inviter == t.aldmark.name
			}), err
		}); err != nil {
			return err
		}
		var others []string
		for _, o := range t.all() {
			if o != s {
				others = append(others, o.name)
			}
		}
		if _, err := s.api.JoinRoom(ctx, t.room, others); err != nil {
			return fmt.Errorf("%s joins: %w", s.name, err)
		}
	}
	t.members = map[*demoStation]negotiation.MemberID{}
	for _, s := range t.all() {
		if err := waitFor(ctx, demoTimeout, s.name+" to have the room", func() (bool, error) {
			room, err := s.api.Room(ctx, t.room)
			if err != nil || room.View == nil {
				return false, err
			}
			t.members[s] = room.View.Self
			return len(room.View.Members) == len(t.all()), nil
		}); err != nil {
			return err
		}
	}
	t.r.step("room", map[string]any{"room": t.room, "members": demoPrincipals},
		"Aldmark invited Borvia and Cenia to a room. Each picked the two others among its own contacts, and all three hold the same list.")
	return nil
}

// settleAgenda has all confirm an agenda of which every issue concerns all, and then
// another revision, with which Cenia leaves two of them to the others. Nobody else
// could say so for it.
func (t *demoTable) settleAgenda(ctx context.Context) error {
	issues := []negotiation.Issue{
		{ID: issueToll, Title: "Toll in the straits", Type: negotiation.Choice, Options: []string{"none", "half", "full"}},
		{ID: issueDays, Title: "Days in port", Type: negotiation.Range, Range: &negotiation.Bounds{Min: days(1), Max: days(30), Step: days(1)}},
		{ID: issueFish, Title: "Fishing grounds", Type: negotiation.Choice, Options: []string{"open to all", "shared by season", "closed to Cenia"}},
	}
	first, err := t.revise(ctx, t.aldmark, &negotiation.Agenda{Rev: 1, Issues: issues})
	if err != nil {
		return err
	}
	t.r.step("agenda", map[string]any{"agenda": first.String(), "issues": len(issues)},
		"Aldmark put an agenda of three issues, and all confirmed it: the toll in the straits, the days in port, the fishing grounds.")

	two := []negotiation.MemberID{t.members[t.aldmark], t.members[t.borvia]}
	slices.SortFunc(two, func(a, b negotiation.MemberID) int { return bytes.Compare(a[:], b[:]) })
	issues = slices.Clone(issues)
	issues[0].Affects, issues[1].Affects = two, two
	if t.agenda, err = t.revise(ctx, t.cenia, &negotiation.Agenda{Rev: 2, Base: &first, Issues: issues}); err != nil {
		return err
	}
	issues = slices.Clone(issues)
	issues[2].Affects = two
	_, err = t.aldmark.api.Say(ctx, t.room, string(negotiation.KindAgenda), "", &negotiation.Agenda{Rev: 3, Base: &t.agenda, Issues: issues})
	var refusal *station.Error
	if !errors.As(err, &refusal) || refusal.Code != station.CodeConflict {
		return fmt.Errorf("taking Cenia off an issue that concerns it was possible: %w", cmp.Or(err, errTaken))
	}
	t.r.step("agenda-revised", map[string]any{"agenda": t.agenda.String()},
		"Cenia leaves the toll and the days in port to the others; all confirmed. Aldmark cannot take Cenia off the fishing grounds.")
	return nil
}

// revise puts a revision of the agenda and has the others confirm it.
func (t *demoTable) revise(ctx context.Context, by *demoStation, a *negotiation.Agenda) (negotiation.ID, error) {
	id, err := t.say(ctx, by, a)
	if err != nil {
		return id, err
	}
	if err := t.everywhere(ctx, "the agenda", func(v *station.RoomView) bool { return len(v.Proposed) == 1 && v.Proposed[0].ID == id }); err != nil {
		return id, err
	}
	for _, s := range t.all() {
		if s != by {
			if _, err := t.say(ctx, s, &negotiation.Confirm{Of: id}); err != nil {
				return id, err
			}
		}
	}
	return id, t.everywhere(ctx, "the agenda hold", func(v *station.RoomView) bool { return v.Agenda != nil && v.Agenda.ID == id })
}

// days is a whole number of 1 to 30, of which no exponent is too large.
func days(n int64) negotiation.Decimal {
	if n%10 == 0 {
		return negotiation.Decimal{Mantissa: n / 10, Exponent: 1}
	}
	return negotiation.Decimal{Mantissa: n}
}

func (t *demoTable) pack(ctx context.Context, s *demoStation, toll uint64, port int64, fish uint64) (negotiation.ID, error) {
	return t.say(ctx, s, &negotiation.Package{Agenda: t.agenda, Values: map[uint64]negotiation.Value{
		issueToll: negotiation.OptionValue(toll), issueDays: negotiation.NumberValue(days(port)), issueFish: negotiation.OptionValue(fish)}})
}

// dealOverCenia has Aldmark and Borvia try to settle something about Cenia by
// themselves. Their agreement lacks its consent; it objects with a counter-offer.
func (t *demoTable) dealOverCenia(ctx context.Context) error {
	deal, err := t.pack(ctx, t.aldmark, tollNone, 20, fishClosed)
	if err != nil {
		return err
	}
	offer, err := t.say(ctx, t.aldmark, &negotiation.Offer{Agenda: t.agenda, OnlyIf: []negotiation.ID{deal},
		Gives: []negotiation.Term{{By: t.members[t.aldmark], Issue: issueToll, Value: negotiation.OptionValue(tollNone)}},
		Gets:  []negotiation.Term{{By: t.members[t.borvia], Issue: issueFish, Value: negotiation.OptionValue(fishClosed)}}})
	if err != nil {
		return err
	}
	if err := t.everywhere(ctx, "the offer", func(v *station.RoomView) bool {
		o := offerIn(v, offer)
		return o.State == negotiation.OfferOpen && len(o.Conditions) == 1 && o.Conditions[0].What == "package" && o.Conditions[0].State == negotiation.ConditionOpen
	}); err != nil {
		return err
	}
	t.r.step("offer", map[string]any{"offer": offer.String()},
		"Aldmark offers Borvia passage without toll if Borvia closes the fishing grounds to Cenia, and only if the whole package is agreed.")

	a, err := t.aldmark.api.ProposeAgreement(ctx, t.room, station.AgreementProposal{Parties: []string{t.borvia.name}, Packages: []string{deal.String()}, Lapses: time.Now().Add(24 * time.Hour)})
	if err != nil {
		return err
	}
	two := []*demoStation{t.aldmark, t.borvia}
	if err := t.consent(ctx, a.ID, two); err != nil {
		return err
	}
	for _, s := range t.all() {
		var i station.AgreementInfo
		if err := waitFor(ctx, demoTimeout, s.name+" to see two consents", func() (bool, error) {
			i, err = s.api.Agreement(ctx, t.room, a.ID)
			return err == nil && len(i.Needed)-len(unconsented(i)) == len(two), err
		}); err != nil {
			return err
		}
		lack := unconsented(i)
		if i.State != string(negotiation.AgreementConsenting) || i.Agreed || len(lack) != 1 || lack[0].Member != t.members[t.cenia].String() || len(lack[0].Why) == 0 {
			return fmt.Errorf("%s sees the agreement %s with %d consents missing; it must wait for Cenia alone", s.name, i.State, len(lack))
		}
	}
	t.r.step("blocked", map[string]any{"agreement": a.ID, "state": string(negotiation.AgreementConsenting), "missing": []string{t.cenia.name}},
		"Aldmark and Borvia both consent to it, and yet it is not agreed: the fishing grounds concern Cenia, whose consent is missing.")
	return t.object(ctx, a.ID, offer)
}

// object has Cenia answer, and Aldmark take back what it put.
func (t *demoTable) object(ctx context.Context, agreement string, offer negotiation.ID) error {
	var of negotiation.ID
	if err := of.UnmarshalText([]byte(agreement)); err != nil {
		return err
	}
	if _, err := t.say(ctx, t.cenia, &negotiation.Comment{On: of, Text: "Our fleets live on these grounds. Nothing about them is settled without us."}); err != nil {
		return err
	}
	counter, err := t.say(ctx, t.cenia, &negotiation.Offer{Agenda: t.agenda, Answers: &offer,
		Gives: []negotiation.Term{{By: t.members[t.cenia], Issue: issueFish, Value: negotiation.OptionValue(fishShared)}},
		Gets:  []negotiation.Term{{By: t.members[t.aldmark], Issue: issueToll, Value: negotiation.OptionValue(tollHalf)}}})
	if err != nil {
		return err
	}
	if err := t.everywhere(ctx, "the counter-offer", func(v *station.RoomView) bool {
		o := offerIn(v, offer)
		return o.State == negotiation.OfferCountered && slices.Contains(o.Counters, counter) && slices.ContainsFunc(v.Timeline, func(s *negotiation.Statement) bool {
			return s.Kind == negotiation.KindComment && s.From == t.members[t.cenia]
		})
	}); err != nil {
		return err
	}
	t.r.step("countered", map[string]any{"offer": offer.String(), "counter": counter.String()},
		"Cenia objects, and counters: it would share the grounds by season, for half the toll.")
	for _, id := range []negotiation.ID{offer, of} {
		if _, err := t.say(ctx, t.aldmark, &negotiation.Withdraw{Of: id}); err != nil {
			return err
		}
	}
	if err := t.everywhere(ctx, "the offer withdrawn", func(v *station.RoomView) bool {
		i := slices.IndexFunc(v.Agreements, func(a negotiation.AgreementView) bool { return a.ID == of })
		return offerIn(v, offer).State == negotiation.OfferWithdrawn && i >= 0 && v.Agreements[i].State == negotiation.AgreementLapsed
	}); err != nil {
		return err
	}
	t.r.step("withdrawn", map[string]any{"offer": offer.String(), "agreement": agreement}, "Aldmark withdraws its offer and the agreement; nobody is bound by either.")
	return nil
}

func offerIn(v *station.RoomView, id negotiation.ID) (o negotiation.OfferView) {
	if i := slices.IndexFunc(v.Offers, func(o negotiation.OfferView) bool { return o.ID == id }); i >= 0 {
		o = v.Offers[i]
	}
	return o
}

func unconsented(a station.AgreementInfo) (list []station.NeededConsent) {
	for _, n := range a.Needed {
		if !n.Consented {
			list = append(list, n)
		}
	}
	return list
}

func (t *demoTable) consent(ctx context.Context, agreement string, parties []*demoStation) error {
	for _, s := range parties {
		if err := t.agreement(ctx, s, agreement, "consent", func(i station.AgreementInfo) bool { return i.MayConsent }); err != nil {
			return err
		}
		if _, err := s.api.ConsentAgreement(ctx, t.room, agreement); err != nil {
			return fmt.Errorf("%s consents: %w", s.name, err)
		}
	}
	return nil
}

// agreement waits until an agreement stands so at a station, where the others'
// statements come when they come.
func (t *demoTable) agreement(ctx context.Context, s *demoStation, id, what string, yes func(station.AgreementInfo) bool) error {
	last := ""
	err := waitFor(ctx, demoTimeout, s.name+" to be able to "+what, func() (bool, error) {
		i, err := s.api.Agreement(ctx, t.room, id)
		var e *station.Error
		if errors.As(err, &e) && e.Code == station.CodeNotFound {
			return false, nil
		}
		last = i.State
		return err == nil && yes(i), err
	})
	if err != nil && last != "" {
		err = fmt.Errorf("%w (the agreement is %s)", err, last)
	}
	return err
}
