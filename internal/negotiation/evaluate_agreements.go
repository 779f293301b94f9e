package negotiation

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// AgreementView is an agreement, with everybody whose consent it needs.
type AgreementView struct {
	ID     ID        `json:"id"`
	Author MemberID  `json:"author"`
	Time   time.Time `json:"time"`
	*Agreement
	Core     ID             `json:"core"`
	State    AgreementState `json:"state"`
	Needed   []NeededView   `json:"needed"`
	Blocked  []string       `json:"blocked,omitempty"` // what is in the way besides missing consents
	Note     string         `json:"note,omitempty"`
	Seal     *Seal          `json:"seal,omitempty"`     // once it is sealed
	Replaced *ID            `json:"replaced,omitempty"` // by this later proposal of its author

	body *Agreement
}

// Seal is what signing together leaves: who signed with which key, and the one
// signature of all.
type Seal struct {
	Signers   []MemberID `cbor:"1,keyasint" json:"signers"` // ascending
	Keys      [][]byte   `cbor:"2,keyasint" json:"keys"`    // 32 bytes each, in the order of Signers
	Signature []byte     `cbor:"3,keyasint" json:"signature"`
}

// NeededView is one consent that an agreement needs.
type NeededView struct {
	Member    MemberID `json:"member"`
	Why       []string `json:"why"` // sentences: party, free text, issues that affect it
	Consented bool     `json:"consented"`
	Consent   *ID      `json:"consent,omitempty"`
}

// The reasons for which a consent is needed, besides issues.
const (
	whyParty = "It is a party to this agreement."
	whyText  = "The agreement has free text, and free text concerns everyone in the room."
	whyIssue = "The issue “%s” concerns it."
)

// lostSigning is the note of a signing whose machine was in no backup.
const lostSigning = "this station was restored from a backup, which has no signing under way"

// AgreementsAt are the agreements as View shows them.
func (r *Room) AgreementsAt(now time.Time) []AgreementView {
	return listed(r.inOrder(), r.evaluate(seconds(now)).agreements)
}

// CommuniquesAt are the communiqués as View shows them.
func (r *Room) CommuniquesAt(now time.Time) []CommuniqueView {
	return listed(r.inOrder(), r.evaluate(seconds(now)).communiques)
}

func (v *evaluation) evaluateAgreements(r *Room) {
	for s := range each[*Agreement](r) {
		b := s.Body.(*Agreement)
		a := &AgreementView{ID: s.ID, Author: s.From, Time: s.Time, Agreement: b, Core: b.Core(), State: AgreementDrafting, body: b}
		v.needs(r, a)
		v.agreements[s.ID] = a
	}
	consents := r.consents()
	for _, a := range v.agreements {
		have := 0
		for i := range a.Needed {
			n := &a.Needed[i]
			if id, ok := consents[consentKey{n.Member, a.Core}]; ok {
				n.Consented, n.Consent = true, &id
				have++
			}
		}
		v.settleAgreement(r, a, have)
	}
}

func (v *evaluation) settleAgreement(r *Room, a *AgreementView, have int) {
	step := func(to AgreementState) {
		if a.State.MayBecome(to) {
			a.State = to
		}
	}
	void := r.revoked(a)
	if known, ok := r.local.Progress[a.ID]; ok {
		a.State, a.Note = AgreementState(known), r.local.Notes[a.ID]
		if s, ok := r.local.Seals[a.ID]; ok {
			a.Seal = &s
		}
		if r.local.Frozen && slices.Contains([]AgreementState{AgreementCommitments, AgreementNonces, AgreementShares}, a.State) {
			a.State, a.Note = AgreementStalled, lostSigning
		}
		if void && a.State == AgreementStalled || !v.now.Before(unix(a.Lapses)) {
			step(AgreementLapsed)
		}
		return
	}
	// Who has confirmed a handshake to somebody goes on with it, so that it holds for
	// all or for none: the agenda may have moved on meanwhile, or its author, who need
	// have no part in it, may have taken it back.
	bound := slices.Contains(r.local.Bound, a.ID)
	if have > 0 {
		step(AgreementConsenting)
	}
	if have == len(a.Needed) && (len(a.Blocked) == 0 || bound) {
		step(AgreementReady)
	}
	if void && !bound || !v.now.Before(unix(a.Lapses)) {
		step(AgreementLapsed)
	}
}

// needs works out whose consent an agreement needs and what blocks it.
func (v *evaluation) needs(r *Room, a *AgreementView) {
	why := map[MemberID][]string{}
	add := func(m MemberID, reason string) {
		if r.index(m) < 0 {
			a.block("A party is no member of this room.")
			return
		}
		if !slices.Contains(why[m], reason) {
			why[m] = append(why[m], reason)
		}
	}
	for _, m := range a.Parties {
		add(m, whyParty)
	}
	free := strings.TrimSpace(a.Text) != ""
	if a.Agenda != nil && (v.held == nil || *a.Agenda != v.heldID) {
		a.block("The agenda that it is based on does not hold, or no longer.")
	}
	for _, id := range a.Packages {
		p := v.packages[id]
		if p == nil || p.Private || p.Problem != "" || p.Agenda != *a.Agenda {
			a.block("A package that it names is not on the table under its agenda.")
			continue
		}
		agenda := v.agendas[p.Agenda].body
		free = free || strings.TrimSpace(p.Note) != "" // it is signed with the package
		for _, n := range sortedKeys(p.Values) {
			i, _ := agenda.Issue(n)
			free = free || i.Type == Text
			for _, m := range i.affected(r.members) {
				add(m, fmt.Sprintf(whyIssue, i.Title))
			}
			for _, o := range i.Outsiders {
				a.block(fmt.Sprintf("The issue “%s” concerns %s, who is not in this room. It needs a room with %s in it.", i.Title, o, o))
			}
		}
	}
	if free {
		// Free text may say anything about anything on the agenda, so whoever the agenda
		// names as affected and is not here blocks it as well.
		for _, m := range r.members {
			add(m, whyText)
		}
		if v.held != nil {
			for _, i := range v.held.Issues {
				for _, o := range i.Outsiders {
					a.block(fmt.Sprintf("The agreement has free text, and the issue “%s” concerns %s, who is not in this room. It needs a room with %s in it.", i.Title, o, o))
				}
			}
		}
	}
	if a.SideLetterOf != nil && v.agreementStatement(r, *a.SideLetterOf) == nil {
		a.block("The agreement that it is a side letter to is not here.")
	}
	for _, m := range r.members {
		if len(why[m]) > 0 {
			a.Needed = append(a.Needed, NeededView{Member: m, Why: why[m]})
		}
	}
}

func (a *AgreementView) block(why string) {
	if !slices.Contains(a.Blocked, why) {
		a.Blocked = append(a.Blocked, why)
	}
}

func (v *evaluation) agreementStatement(r *Room, id ID) *Agreement {
	if s := r.byID[id]; s != nil {
		if b, ok := s.Body.(*Agreement); ok {
			return b
		}
	}
	return nil
}

type consentKey struct {
	from MemberID
	core ID
}

// consents are the consents that stand: given, and not withdrawn in the same chain
// before the member went on to sign.
func (r *Room) consents() map[consentKey]ID {
	all := map[consentKey]ID{}
	for _, m := range r.members {
		for _, s := range r.told[m].list {
			switch b := s.Body.(type) {
			case *Consent:
				if k := (consentKey{m, b.Core}); all[k].IsZero() {
					all[k] = s.ID
				}
			case *Withdraw:
				for k, id := range all {
					if id == b.Of && k.from == m {
						delete(all, k)
					}
				}
			}
		}
	}
	return all
}

// mayRevoke says why an own consent stands for good: the agreement went on.
func (v *evaluation) mayRevoke(r *Room, s *Statement) error {
	core := s.Body.(*Consent).Core
	if r.consents()[consentKey{r.self, core}] != s.ID {
		return refused("the consent was withdrawn already")
	}
	for _, a := range v.agreements {
		if a.Core == core && !slices.Contains([]AgreementState{AgreementConsenting, AgreementReady, AgreementLapsed}, a.State) {
			return refused("the agreement is %s", a.State)
		}
	}
	return nil
}

// revoked reports that an agreement's author took it back or put another in its
// place: consents to it count no more.
func (r *Room) revoked(a *AgreementView) bool {
	first := r.byID[a.ID]
	for _, s := range r.told[a.Author].list {
		if s.Seq <= first.Seq {
			continue
		}
		switch b := s.Body.(type) {
		case *Withdraw:
			if b.Of == a.ID {
				return true
			}
		case *Agreement:
			if b.Replaces != nil && *b.Replaces == a.ID {
				id := s.ID
				a.Replaced = &id
				return true
			}
		}
	}
	return false
}

// agreementProblem says why this member may not propose an agreement now.
func (v *evaluation) agreementProblem(r *Room, b *Agreement, probe *Statement) error {
	for _, m := range b.Parties {
		if r.index(m) < 0 {
			return refused("a party of the agreement is no member of the room")
		}
	}
	if !v.now.Before(unix(b.Lapses)) {
		return refused("the agreement would have lapsed already")
	}
	if b.Agenda != nil && *b.Agenda != v.heldID {
		return refused("an agreement is based on the agenda that holds")
	}
	for _, id := range b.Packages {
		if p := v.packages[id]; p == nil || p.Private || p.Problem != "" || p.Agenda != *b.Agenda {
			return refused("a package that it names is not on the table under its agenda")
		}
	}
	if b.SideLetterOf != nil && v.agreementStatement(r, *b.SideLetterOf) == nil {
		return refused("the agreement that it is a side letter to is not here")
	}
	if b.Replaces != nil {
		if a := v.agreements[*b.Replaces]; a == nil || a.Author != r.self {
			return refused("a proposal replaces one of one's own")
		}
	}
	return nil
}

// consent says why this member may not consent to a core now.
func (v *evaluation) consent(r *Room, b *Consent) error {
	var reasons []error
	for _, a := range v.agreements {
		if a.Core != b.Core {
			continue
		}
		i := slices.IndexFunc(a.Needed, func(n NeededView) bool { return n.Member == r.self })
		switch {
		case i < 0:
			reasons = append(reasons, refused("the agreement does not need this member's consent"))
		case a.Needed[i].Consented:
			reasons = append(reasons, refused("the consent was given already"))
		case a.State != AgreementDrafting && a.State != AgreementConsenting:
			reasons = append(reasons, refused("the agreement is %s", a.State))
		default:
			return nil
		}
	}
	if len(reasons) > 0 {
		return reasons[0]
	}
	return refused("there is no agreement with this exact content: another word in it is another agreement")
}

// CommuniqueView is a communiqué and who has approved it.
type CommuniqueView struct {
	ID     ID        `json:"id"`
	Author MemberID  `json:"author"`
	Time   time.Time `json:"time"`
	*Communique
	State    CommuniqueState `json:"state"`
	Needed   []MemberID      `json:"needed"`
	Approved []MemberID      `json:"approved"`
	Problem  string          `json:"problem,omitempty"`
}

func (v *evaluation) evaluateCommuniques(r *Room) {
	for s := range each[*Communique](r) {
		b := s.Body.(*Communique)
		q := &CommuniqueView{ID: s.ID, Author: s.From, Time: s.Time, Communique: b, State: CommuniqueDrafted, Approved: []MemberID{s.From}}
		if a := v.agreements[b.Agreement]; a == nil {
			q.Problem = "its agreement is not here"
		} else {
			for _, n := range a.Needed {
				q.Needed = append(q.Needed, n.Member)
			}
		}
		v.communiques[s.ID] = q
	}
	for s := range each[*Approve](r) {
		if q := v.communiques[s.Body.(*Approve).Of]; q != nil && !slices.Contains(q.Approved, s.From) {
			q.Approved = append(q.Approved, s.From)
		}
	}
	step := func(q *CommuniqueView, to CommuniqueState) {
		if q.State.MayBecome(to) {
			q.State = to
		}
	}
	for _, q := range v.communiques {
		slices.SortFunc(q.Approved, compareMembers)
		missing := slices.ContainsFunc(q.Needed, func(m MemberID) bool { return !slices.Contains(q.Approved, m) })
		if q.Problem == "" && !missing {
			step(q, CommuniqueApproved)
		}
	}
	for s := range each[*Release](r) {
		if q := v.communiques[s.Body.(*Release).Of]; q != nil {
			step(q, CommuniqueReleased)
		}
	}
}

func (v *evaluation) communiqueProblem(b *Communique) error {
	if v.agreements[b.Agreement] == nil {
		return refused("the agreement of the communiqué is not here")
	}
	return nil
}

func (v *evaluation) approve(r *Room, b *Approve) error {
	q := v.communiques[b.Of]
	switch {
	case q == nil || q.Problem != "":
		return refused("there is no such communiqué")
	case !slices.Contains(q.Needed, r.self):
		return refused("the communiqué does not need this member's approval")
	case slices.Contains(q.Approved, r.self):
		return refused("the communiqué was approved already")
	}
	return nil
}
