package negotiation

import (
	"slices"
	"time"
)

// OfferView is an offer as a card shows it.
type OfferView struct {
	ID      ID        `json:"id"`
	Author  MemberID  `json:"author"`
	Private bool      `json:"private"`
	Time    time.Time `json:"time"`
	*OfferBody
	State      OfferState      `json:"state"`
	Takers     []MemberID      `json:"takers,omitempty"`   // who asked to take it
	TakenBy    *MemberID       `json:"taken_by,omitempty"` // known once the take is here
	Counters   []ID            `json:"counters,omitempty"` // offers that answer it
	Successor  *ID             `json:"successor,omitempty"`
	Waiting    bool            `json:"waiting"`  // this member asked, and its author has not spoken
	MayTake    bool            `json:"may_take"` // by this member, now
	Conditions []ConditionView `json:"conditions,omitempty"`
	InForce    bool            `json:"in_force"` // taken, and every condition is met
	Problem    string          `json:"problem,omitempty"`

	body    *Offer
	decided bool // its author has spoken
}

// OfferBody is an offer inside a view.
type OfferBody = Offer

// ConditionView is one "only if" of an offer.
type ConditionView struct {
	Of    ID             `json:"of"`
	What  string         `json:"what"` // offer, package, or unknown if it has not come
	State ConditionState `json:"state"`
}

// ConditionState is where a condition stands.
type ConditionState string

// The states of a condition.
const (
	ConditionMet    ConditionState = "met"
	ConditionOpen   ConditionState = "open"
	ConditionFailed ConditionState = "failed"
)

func (v *evaluation) evaluateOffers(r *Room) {
	for s := range each[*Offer](r) {
		b := s.Body.(*Offer)
		v.offers[s.ID] = &OfferView{ID: s.ID, Author: s.From, Private: s.Private(), Time: s.Time, OfferBody: b,
			State: OfferOpen, Problem: s.misfit, body: b}
	}
	for s := range each[*Take](r) {
		if o := v.offers[s.Body.(*Take).Of]; o != nil && o.mayTake(r, s) == nil && !slices.Contains(o.Takers, s.From) {
			o.Takers = append(o.Takers, s.From)
		}
	}
	for s := range each[*Offer](r) {
		a := s.Body.(*Offer).Answers
		if a == nil || v.offers[s.ID].Problem != "" {
			continue
		}
		if o := v.offers[*a]; o != nil && o.mayTake(r, s) == nil {
			o.Counters = append(o.Counters, s.ID)
		}
	}
	for _, o := range v.offers {
		slices.SortFunc(o.Takers, compareMembers)
		slices.SortFunc(o.Counters, func(a, b ID) int { return slices.Compare(a[:], b[:]) })
		if len(o.Counters) > 0 {
			o.become(OfferCountered)
		}
	}
	for _, list := range r.chains() {
		for _, s := range list {
			v.decide(r, s)
		}
	}
	for _, o := range v.offers {
		if o.body.Expires > 0 && !v.now.Before(unix(o.body.Expires)) {
			o.become(OfferExpired)
		}
		live := !o.decided && o.Problem == ""
		o.Waiting = live && slices.Contains(o.Takers, r.self)
		probe := &Statement{From: r.self, Body: new(Take), Time: v.now}
		if o.Private {
			probe.To = o.Author
		}
		o.MayTake = live && o.State != OfferExpired && !o.Waiting && o.mayTake(r, probe) == nil
	}
}

// chains are the statements of every chain in their order.
func (r *Room) chains() (all [][]*Statement) {
	for _, m := range r.members {
		all = append(all, r.told[m].list, r.heard[m].list, r.said[m].list)
	}
	return all
}

func (o *OfferView) become(s OfferState) bool {
	if !o.State.MayBecome(s) {
		return false
	}
	o.State = s
	return true
}

// decide lets an author's statement decide one of its offers. The first that may
// decides; the table lets nothing follow.
func (v *evaluation) decide(r *Room, s *Statement) {
	mine := func(id ID) *OfferView {
		o := v.offers[id]
		if o == nil || !sameChain(r.byID[id], s) { // what is named by its hash was there before
			return nil
		}
		return o
	}
	switch b := s.Body.(type) {
	case *Taken:
		if o := mine(b.Of); o != nil && v.validTaken(r, o, b, s) && o.become(OfferTaken) {
			o.decided = true
			if t := r.byID[b.By]; t != nil {
				by := t.From
				o.TakenBy = &by
			}
		}
	case *Withdraw:
		if o := mine(b.Of); o != nil && o.become(OfferWithdrawn) {
			o.decided = true
		}
	case *Offer:
		if b.Replaces == nil {
			return
		}
		if o := mine(*b.Replaces); o != nil && o.become(OfferSuperseded) {
			o.decided = true
			id := s.ID
			o.Successor = &id
		}
	}
}

// validTaken reports whether the author could confirm as it did. As long as the
// take has not come, its word stands.
func (v *evaluation) validTaken(r *Room, o *OfferView, b *Taken, s *Statement) bool {
	end := unix(o.body.Expires)
	t := r.byID[b.By]
	if t == nil {
		return o.Problem == "" && (o.body.Expires == 0 || s.Time.Before(end.Add(answerWithin)))
	}
	take, ok := t.Body.(*Take)
	if !ok || take.Of != o.ID || o.mayTake(r, t) != nil {
		return false
	}
	return o.body.Expires == 0 || s.Time.Before(end) || t.Time.Before(end) && s.Time.Before(end.Add(answerWithin))
}

// mayTake says why the sender of s may not answer the offer, by a take or by
// another offer: answers go to the audience that heard the offer.
func (o *OfferView) mayTake(r *Room, s *Statement) error {
	offer := r.byID[o.ID]
	switch {
	case o.Problem != "":
		return refused("the offer cannot be taken: %s", o.Problem)
	case s.From == o.Author:
		return refused("one's own offer is taken by others")
	case len(o.body.To) > 0 && !slices.Contains(o.body.To, s.From):
		return refused("the offer was made to others")
	case offer.Private() && (s.From != offer.To || s.To != offer.From), !offer.Private() && s.Private():
		return refused("an offer is answered before the audience that heard it")
	}
	return nil
}

// offerTerms says why an offer means nothing.
func (r *Room) offerTerms(b *Offer, s *Statement) error {
	a := r.agenda(b.Agenda)
	if a == nil {
		return refused("its agenda is not here")
	}
	for _, t := range b.terms() {
		i, ok := a.Issue(t.Issue)
		switch {
		case !ok:
			return refused("the agenda has no issue %d", t.Issue)
		case r.index(t.By) < 0:
			return refused("a term is by somebody who is no member")
		}
		if err := t.Value.fits(i); err != nil {
			return err
		}
	}
	for _, m := range b.To {
		if r.index(m) < 0 || m == s.From || s.Private() && m != s.To {
			return refused("it is made to somebody who does not hear it")
		}
	}
	return nil
}

// offerProblem says why this member may not make an offer now.
func (v *evaluation) offerProblem(r *Room, b *Offer, probe *Statement) error {
	if err := r.offerTerms(b, probe); err != nil {
		return err
	}
	if b.Agenda != v.heldID {
		return refused("an offer is made under the agenda that holds")
	}
	if b.Expires > 0 && !v.now.Before(unix(b.Expires)) {
		return refused("the offer would have expired already")
	}
	for _, id := range b.OnlyIf {
		if v.offers[id] == nil && v.packages[id] == nil {
			return refused("a condition is neither an offer nor a package that is here")
		}
		if s := r.byID[id]; s.Private() && (probe.To.IsZero() || s.From != probe.To && s.To != probe.To) {
			return refused("a condition is unknown to some who hear the offer")
		}
	}
	if b.Replaces != nil {
		o := v.offers[*b.Replaces]
		switch {
		case o == nil || !sameChain(r.byID[*b.Replaces], probe):
			return refused("an offer replaces one of one's own, before the same audience")
		case o.decided:
			return refused("the offer that it replaces is %s", o.State)
		}
	}
	if b.Answers != nil {
		o := v.offers[*b.Answers]
		if o == nil {
			return refused("the offer that it answers is not here")
		}
		if err := o.mayTake(r, probe); err != nil {
			return err
		}
		if o.decided {
			return refused("the offer that it answers is %s", o.State)
		}
	}
	return nil
}

// take says why this member may not take an offer now.
func (v *evaluation) take(r *Room, b *Take, probe *Statement, now time.Time) error {
	o := v.offers[b.Of]
	if o == nil {
		return refused("there is no such offer")
	}
	if err := o.mayTake(r, probe); err != nil {
		return err
	}
	switch {
	case o.decided || o.State == OfferExpired:
		return refused("the offer is %s", o.State)
	case o.Waiting:
		return refused("the offer was asked for already; it waits for its author's confirmation")
	}
	return nil
}

// evaluateConditions says which taken offers are in force. Offers that are
// conditions of each other are in force together: those that cannot be are taken
// out until nothing changes.
func (v *evaluation) evaluateConditions() {
	agreed := map[ID]bool{}
	for _, a := range v.agreements {
		if a.State == AgreementConfirmed || a.State == AgreementSealed {
			for _, p := range a.body.Packages {
				agreed[p] = true
			}
		}
	}
	for _, o := range v.offers {
		o.InForce = o.State == OfferTaken
	}
	met := func(id ID) bool {
		o := v.offers[id]
		return agreed[id] || o != nil && o.InForce
	}
	for changed := true; changed; {
		changed = false
		for _, o := range v.offers {
			if o.InForce && slices.ContainsFunc(o.body.OnlyIf, func(id ID) bool { return !met(id) }) {
				o.InForce, changed = false, true
			}
		}
	}
	for _, o := range v.offers {
		for _, id := range o.body.OnlyIf {
			c := ConditionView{Of: id, What: "unknown", State: ConditionOpen}
			if v.packages[id] != nil {
				c.What = "package"
			}
			if other := v.offers[id]; other != nil {
				c.What = "offer"
				if other.State == OfferWithdrawn || other.State == OfferSuperseded || other.State == OfferExpired {
					c.State = ConditionFailed
				}
			}
			if met(id) {
				c.State = ConditionMet
			}
			o.Conditions = append(o.Conditions, c)
		}
	}
}
