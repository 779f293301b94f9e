package negotiation

import (
	"bytes"
	"cmp"
	"slices"
	"time"
)

// evaluation is where everything stands: a function of the statements held, the own
// clock and what other packages reported. The order in which statements of different
// members arrived has no part in it; that of one chain has. So whoever holds the
// same statements sees the same, but for what clocks say.
type evaluation struct {
	now     time.Time
	agendas map[ID]*AgendaView
	held    *Agenda // the one that holds, nil before
	heldID  ID
	highest uint64 // revision proposed so far

	packages    map[ID]*PackageView
	offers      map[ID]*OfferView
	drafts      map[ID]*DraftView
	rounds      map[ID]*RoundView
	agreements  map[ID]*AgreementView
	communiques map[ID]*CommuniqueView
}

func (r *Room) evaluate(now time.Time) *evaluation {
	v := &evaluation{now: now, agendas: map[ID]*AgendaView{}, packages: map[ID]*PackageView{}, offers: map[ID]*OfferView{},
		drafts: map[ID]*DraftView{}, rounds: map[ID]*RoundView{}, agreements: map[ID]*AgreementView{}, communiques: map[ID]*CommuniqueView{}}
	v.evaluateAgendas(r)
	for s := range each[*Package](r) {
		b := s.Body.(*Package)
		v.packages[s.ID] = &PackageView{ID: s.ID, Author: s.From, Private: s.Private(), Time: s.Time, Package: b, Problem: s.misfit}
	}
	v.evaluateOffers(r)
	v.evaluateDrafts(r)
	v.evaluateRounds(r)
	v.evaluateAgreements(r)
	v.evaluateCommuniques(r)
	v.evaluateConditions()
	return v
}

// each goes through the statements whose body is a B.
func each[B Body](r *Room) func(func(*Statement) bool) {
	return func(yield func(*Statement) bool) {
		for _, s := range r.statements {
			if _, ok := s.Body.(B); ok && !yield(s) {
				return
			}
		}
	}
}

// problem is the text of a refusal for a view.
func problem(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()[len(ErrRefused.Error())+2:]
}

// sameChain reports that two statements are of one chain, so that their numbers say
// which came first.
func sameChain(a, b *Statement) bool { return a.From == b.From && a.To == b.To }

// AgendaView is a revision of the agenda.
type AgendaView struct {
	ID        ID         `json:"id"`
	Author    MemberID   `json:"author"`
	Time      time.Time  `json:"time"`
	Rev       uint64     `json:"rev"`
	Issues    []Issue    `json:"issues"`
	Confirmed []MemberID `json:"confirmed"`
	Holds     bool       `json:"holds"`             // every member confirmed it
	Problem   string     `json:"problem,omitempty"` // why it can never hold, or not yet

	body *Agenda
}

func (v *evaluation) evaluateAgendas(r *Room) {
	var list []*AgendaView
	for s := range each[*Agenda](r) {
		b := s.Body.(*Agenda)
		a := &AgendaView{ID: s.ID, Author: s.From, Time: s.Time, Rev: b.Rev, Issues: b.Issues, body: b}
		v.agendas[s.ID] = a
		v.highest = max(v.highest, b.Rev)
		list = append(list, a)
	}
	v.confirmed(r)
	slices.SortFunc(list, func(a, b *AgendaView) int {
		return cmp.Or(cmp.Compare(a.Rev, b.Rev), bytes.Compare(b.ID[:], a.ID[:]))
	})
	for _, a := range list {
		slices.SortFunc(a.Confirmed, compareMembers)
		if (a.body.Base == nil) != (v.held == nil) || a.body.Base != nil && *a.body.Base != v.heldID {
			a.Problem = "it is not based on the agenda that holds before it"
			continue
		}
		if a.Problem = problem(a.body.follows(v.held, a.Author, r.members)); a.Problem != "" {
			continue
		}
		if a.Holds = len(a.Confirmed) == len(r.members); a.Holds {
			v.held, v.heldID = a.body, a.ID
		}
	}
}

// confirmed counts whom each agenda has. A member confirms upwards only, one agenda of
// each number: what it says about an earlier one after a later one counts no more. So
// nobody can make an earlier agenda hold afterwards and take the ground from under
// one that holds, and two of one number never hold.
func (v *evaluation) confirmed(r *Room) {
	for _, m := range r.members {
		last := uint64(0)
		for _, s := range r.told[m].list {
			var a *AgendaView
			switch b := s.Body.(type) {
			case *Agenda:
				a = v.agendas[s.ID]
			case *Confirm:
				a = v.agendas[b.Of]
			}
			if a != nil && a.Rev > last {
				a.Confirmed, last = append(a.Confirmed, m), a.Rev
			}
		}
	}
}

// PackageView is a package on the table.
type PackageView struct {
	ID      ID        `json:"id"`
	Author  MemberID  `json:"author"`
	Private bool      `json:"private"`
	Time    time.Time `json:"time"`
	*Package
	Problem string `json:"problem,omitempty"`
}

// agenda finds a revision that is here, whether it holds or not.
func (r *Room) agenda(id ID) *Agenda {
	if s := r.byID[id]; s != nil {
		if a, ok := s.Body.(*Agenda); ok {
			return a
		}
	}
	return nil
}

func (r *Room) packageProblem(b *Package) error {
	a := r.agenda(b.Agenda)
	if a == nil {
		return refused("its agenda is not here")
	}
	return b.fits(a)
}

// fit notes what is wrong with the terms of a package or an offer, once both they and
// their agenda are here: either of the two is s. Neither changes any more, and a room is
// looked at often.
func (r *Room) fit(s *Statement) {
	if _, ok := s.Body.(*Agenda); !ok {
		r.judgeTerms(s)
		return
	}
	for _, o := range r.statements {
		r.judgeTerms(o)
	}
}

func (r *Room) judgeTerms(s *Statement) {
	if s.judged {
		return
	}
	switch b := s.Body.(type) {
	case *Package:
		s.judged, s.misfit = r.agenda(b.Agenda) != nil, problem(r.packageProblem(b))
	case *Offer:
		s.judged, s.misfit = r.agenda(b.Agenda) != nil, problem(r.offerTerms(b, s))
	}
}

// DraftView is one version of a text.
type DraftView struct {
	ID      ID        `json:"id"`
	Author  MemberID  `json:"author"`
	Private bool      `json:"private"`
	Time    time.Time `json:"time"`
	*Draft
	Root    ID     `json:"root"`              // first version
	Changes []Edit `json:"changes,omitempty"` // against the base, word by word
	Latest  bool   `json:"latest"`            // nothing is based on it
	Problem string `json:"problem,omitempty"`
}

func (v *evaluation) evaluateDrafts(r *Room) {
	var list []*DraftView
	based := map[ID]bool{}
	for s := range each[*Draft](r) {
		b := s.Body.(*Draft)
		d := &DraftView{ID: s.ID, Author: s.From, Private: s.Private(), Time: s.Time, Draft: b, Root: s.ID}
		v.drafts[s.ID] = d
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *DraftView) int { return cmp.Or(cmp.Compare(a.Rev, b.Rev), bytes.Compare(a.ID[:], b.ID[:])) })
	for _, d := range list {
		if d.Base == nil {
			continue
		}
		base := v.drafts[*d.Base]
		switch {
		case base == nil || base.Problem != "":
			d.Problem = "the version that it is based on is not here"
		case base.Rev+1 != d.Rev:
			d.Problem = "its number does not follow the version that it is based on"
		case !d.Private && base.Private:
			d.Problem = "it is based on a version that only some have"
		default:
			d.Root = base.Root
			based[base.ID] = true
		}
	}
	for _, d := range list {
		d.Latest = d.Problem == "" && !based[d.ID]
	}
}

func (v *evaluation) draftProblem(r *Room, b *Draft, to MemberID) error {
	if b.Base == nil {
		return nil
	}
	base := v.drafts[*b.Base]
	switch {
	case base == nil || base.Problem != "":
		return refused("the version that it is based on is not here")
	case base.Rev+1 != b.Rev:
		return refused("the version after %d has number %d", base.Rev, base.Rev+1)
	case base.Private && to.IsZero():
		return refused("it is based on a version that only some have")
	}
	if s := r.byID[*b.Base]; s.Private() && s.From != to && s.To != to {
		return refused("it is based on a version that the other does not have")
	}
	return nil
}

// RoundView is a blind round, seen from outside.
type RoundView struct {
	ID     ID        `json:"id"`
	Author MemberID  `json:"author"`
	Time   time.Time `json:"time"`
	*Round
	State   RoundState `json:"state"`
	Joined  []MemberID `json:"joined"`
	Outcome *Outcome   `json:"outcome,omitempty"` // for a party: how far it came, and what it came to
	Problem string     `json:"problem,omitempty"`
}

// Outcome is what a party knows of a round besides its state. It has nothing of
// anybody's answer but what the round opened.
type Outcome struct {
	Item   *uint64   `cbor:"1,keyasint,omitempty" json:"item,omitempty"`   // place, from 0, in Packages or Figures: matched, shown or being opened
	Green  bool      `cbor:"2,keyasint,omitempty" json:"green,omitempty"`  // Item is of the upper tier
	Opened uint64    `cbor:"3,keyasint,omitempty" json:"opened,omitempty"` // cells that were opened and are no match
	Cells  uint64    `cbor:"4,keyasint,omitempty" json:"cells,omitempty"`  // that can be opened
	Who    *MemberID `cbor:"5,keyasint,omitempty" json:"who,omitempty"`    // broke the rules, if invalid
	Known  bool      `cbor:"6,keyasint,omitempty" json:"known,omitempty"`  // lapsed, and the result may be known to some
	Lost   bool      `cbor:"7,keyasint,omitempty" json:"lost,omitempty"`   // ended because this station lost its part of it
}

// RoundsAt are the rounds as View shows them.
func (r *Room) RoundsAt(now time.Time) []RoundView {
	return listed(r.inOrder(), r.evaluate(seconds(now)).rounds)
}

func (v *evaluation) evaluateRounds(r *Room) {
	for s := range each[*Round](r) {
		b := s.Body.(*Round)
		view := &RoundView{ID: s.ID, Author: s.From, Time: s.Time, Round: b, State: RoundProposed, Problem: problem(v.roundProblem(r, b, s))}
		if slices.Contains(b.Parties, s.From) {
			view.Joined = append(view.Joined, s.From)
		}
		v.rounds[s.ID] = view
	}
	for s := range each[*Join](r) {
		if o := v.rounds[s.Body.(*Join).Of]; o != nil && slices.Contains(o.Parties, s.From) && !slices.Contains(o.Joined, s.From) {
			o.Joined = append(o.Joined, s.From)
		}
	}
	for id, o := range v.rounds {
		slices.SortFunc(o.Joined, compareMembers)
		step := func(to RoundState) {
			if o.State.MayBecome(to) {
				o.State = to
			}
		}
		if o.Problem == "" && len(o.Joined) == len(o.Parties) {
			step(RoundJoined)
		}
		if known, ok := r.local.Progress[id]; ok {
			o.State = RoundState(known)
			if outcome, ok := r.local.Outcomes[id]; ok {
				o.Outcome = &outcome
			}
		} else if !v.now.Before(unix(o.Deadline)) {
			step(RoundLapsed)
		}
		if r.local.Frozen && o.State.Live() && slices.Contains(o.Joined, r.self) {
			o.State, o.Outcome = RoundLapsed, &Outcome{Lost: true} // its part of the round was in no backup
		}
	}
	for s := range each[*Withdraw](r) {
		o := v.rounds[s.Body.(*Withdraw).Of]
		if o != nil && o.Author == s.From && o.State == RoundProposed && !slices.ContainsFunc(o.Joined, func(m MemberID) bool { return m != o.Author }) {
			o.State = RoundLapsed
		}
	}
}

func (v *evaluation) roundProblem(r *Room, b *Round, s *Statement) error {
	for _, m := range b.Parties {
		if r.index(m) < 0 {
			return refused("a party of the round is no member of the room")
		}
	}
	if b.Opener != s.From && slices.Contains(b.Parties, s.From) {
		// Who opens second can stop with the result in hand. Who made the round must not
		// choose to be that one.
		return refused("who proposes a round and takes part in it opens first")
	}
	if !s.Time.Before(unix(b.InputsAt)) {
		return refused("the answers of the round leave before it was proposed")
	}
	a := v.agendas[b.Agenda]
	if a == nil || !a.Holds {
		return refused("the agenda of the round does not hold")
	}
	for _, id := range b.Packages {
		if p := v.packages[id]; p == nil || p.Private || p.Problem != "" || p.Agenda != b.Agenda {
			return refused("the round asks a package that is not on the table under its agenda")
		}
	}
	if b.Mode != Ladder {
		return nil
	}
	i, ok := a.body.Issue(b.Issue)
	if !ok || i.Type != Range {
		return refused("a ladder is about an issue that is a range")
	}
	for _, f := range b.Figures {
		if err := i.Range.contains(i.Title, f); err != nil {
			return err
		}
	}
	return nil
}

func (v *evaluation) join(r *Room, b *Join) error {
	o := v.rounds[b.Of]
	switch {
	case o == nil:
		return refused("there is no such round")
	case o.Problem != "":
		return refused("the round cannot take place: %s", o.Problem)
	case !slices.Contains(o.Parties, r.self) || slices.Contains(o.Joined, r.self):
		return refused("this member is no party of the round, or joined already")
	case o.State != RoundProposed || !v.now.Before(unix(o.InputsAt)):
		return refused("the round is %s and cannot be joined any more", o.State)
	}
	return nil
}

// withdraw says why the own statement b.Of cannot be withdrawn now.
func (v *evaluation) withdraw(r *Room, b *Withdraw, probe *Statement) error {
	s := r.byID[b.Of]
	if s == nil || s.From != r.self {
		return refused("only what was said by oneself can be withdrawn")
	}
	if !sameChain(s, probe) {
		return refused("a statement is withdrawn before the same audience")
	}
	switch s.Body.(type) {
	case *Offer:
		if o := v.offers[b.Of]; o.decided || o.State == OfferExpired {
			return refused("the offer is %s", o.State)
		}
	case *Agreement:
		if a := v.agreements[b.Of]; !slices.Contains([]AgreementState{AgreementDrafting, AgreementConsenting, AgreementReady}, a.State) {
			return refused("the agreement is %s", a.State)
		}
	case *Consent:
		if err := v.mayRevoke(r, s); err != nil {
			return err
		}
	case *Round:
		o := v.rounds[b.Of]
		if o.State != RoundProposed || slices.ContainsFunc(o.Joined, func(m MemberID) bool { return m != r.self }) {
			return refused("somebody joined the round, or it is over")
		}
	default:
		return refused("only an offer, an agreement, a consent or a round can be withdrawn")
	}
	return nil
}
