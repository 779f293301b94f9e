package station

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/conduct"
	"backchannel/internal/negotiation/seal"
	"backchannel/internal/vault"
)

// AgreementInfo is an agreement as its user sees it.
type AgreementInfo struct {
	ID       string          `json:"id" doc:"64 hexadecimal digits"`
	Core     string          `json:"core" doc:"what is consented to and signed: another word in the agreement is another core"`
	Author   string          `json:"author" doc:"who proposed it, by the name known here"`
	State    string          `json:"state" enum:"drafting,consenting,ready,confirmed,nonce commitments,nonces,shares,sealed,stalled,lapsed" doc:"how far it is; only confirmed and sealed are agreed"`
	Agreed   bool            `json:"agreed" doc:"confirmed or sealed; nothing before that is agreed"`
	Note     string          `json:"note,omitempty" doc:"why it is where it is, in words"`
	Level    string          `json:"level" enum:"handshake,sealed,public" doc:"what it leaves behind: handshake nothing that others can check, sealed and public a signature"`
	Words    string          `json:"words" doc:"the level in plain words"`
	Text     string          `json:"text" doc:"exactly what is confirmed or signed: the text, the packages in words, the clause by which it lapses"`
	Lapses   time.Time       `json:"lapses" doc:"it is void unless all who are needed hold it by then"`
	Parties  []string        `json:"parties" doc:"by the names known here"`
	Needed   []NeededConsent `json:"needed" doc:"whose consent it needs; all of them confirm or sign"`
	Blocked  []string        `json:"blocked,omitempty" doc:"what is in the way besides missing consents"`
	SideOf   string          `json:"side_letter_of,omitempty" doc:"identifier of the agreement that this is a side letter to"`
	Replaced string          `json:"replaced,omitempty" doc:"by this later proposal of its author"`

	MayConsent bool   `json:"may_consent" doc:"this station may consent now"`
	MaySign    bool   `json:"may_sign" doc:"this station may sign now"`
	MayStop    bool   `json:"may_stop" doc:"this station signs, and its share has not left"`
	Warning    string `json:"warning,omitempty" doc:"what must be read before signing"`

	Attempt   int        `json:"attempt,omitempty" doc:"of signing, from 1"`
	Last      string     `json:"last,omitempty" doc:"who completes last"`
	Keys      []SignedBy `json:"keys,omitempty" doc:"once it is sealed"`
	Signature string     `json:"signature,omitempty" doc:"once it is sealed, hexadecimal"`
}

// NeededConsent is one member that an agreement needs.
type NeededConsent struct {
	Member    string   `json:"member" doc:"its identifier in the room"`
	Name      string   `json:"name" doc:"by the name known here; \"you\" for oneself"`
	Self      bool     `json:"self" doc:"this station itself"`
	Why       []string `json:"why" doc:"what makes it needed, in words"`
	Consented bool     `json:"consented" doc:"its consent is here and was not withdrawn"`
	Signing   bool     `json:"signing" doc:"wants to sign, in the latest attempt"`
	Shared    bool     `json:"shared" doc:"its share is here"`
	Holds     bool     `json:"holds" doc:"it says that it holds the signed text"`

	Key      string `json:"key,omitempty" doc:"at level public: the key with which it came"`
	NotedKey string `json:"noted_key,omitempty" doc:"at level public: the key that it publishes, as noted here"`
	OtherKey bool   `json:"other_key,omitempty" doc:"it came with another key than the one noted: nothing is signed with it"`
}

// SignedBy is a signer and its key.
type SignedBy struct {
	Name string `json:"name" doc:"by the name known here; \"you\" for oneself"`
	Key  string `json:"key" doc:"public key, 64 hexadecimal digits"`
}

// AgreementProposal is an agreement to propose.
type AgreementProposal struct {
	Text     string    `json:"text,omitempty" doc:"what is agreed, beside the packages"`
	Parties  []string  `json:"parties,omitempty" doc:"the others, by contact name or member identifier; all if left out"`
	Apart    bool      `json:"apart,omitempty" doc:"this station only proposes it, and is no party"`
	Level    string    `json:"level,omitempty" enum:"handshake,sealed,public" doc:"handshake if left out"`
	Lapses   time.Time `json:"lapses" doc:"it is void unless all hold it by then"`
	Packages []string  `json:"packages,omitempty" doc:"by identifier or the first digits of it"`
	SideOf   string    `json:"side_letter_of,omitempty" doc:"the agreement that this is a side letter to, by identifier or the first digits of it"`
	Replaces string    `json:"replaces,omitempty" doc:"an own proposal"`
}

// CommuniqueInfo is a communiqué as its user sees it.
type CommuniqueInfo struct {
	ID         string   `json:"id" doc:"64 hexadecimal digits"`
	Agreement  string   `json:"agreement" doc:"the agreement's identifier"`
	Author     string   `json:"author" doc:"who drafted it, by the name known here"`
	State      string   `json:"state" enum:"drafted,approved by all,released" doc:"how far it is"`
	Text       string   `json:"text" doc:"exactly what is made public"`
	Signed     bool     `json:"signed" doc:"it has a signature, which anybody can check"`
	Needed     []string `json:"needed" doc:"whose approval it needs, by the names known here"`
	Approved   []string `json:"approved" doc:"who has approved it"`
	MayApprove bool     `json:"may_approve" doc:"this station may approve it now"`
	MayRelease bool     `json:"may_release" doc:"this station may note its release now"`
	Problem    string   `json:"problem,omitempty" doc:"why it is not what was agreed"`
}

// Agreements lists the agreements of a room, oldest first.
func (s *Station) Agreements(ctx context.Context, room string) (out []AgreementInfo, err error) {
	out = []AgreementInfo{}
	err = s.inView(ctx, "listing agreements", room, func(tx *vault.Tx, r *openRoom, now time.Time) error {
		people, err := peopleOf(tx)
		if err != nil {
			return err
		}
		for _, a := range r.room.AgreementsAt(now) {
			i, err := s.table.agreementInfo(tx, r, &a, people.names(r), now)
			if err != nil {
				return err
			}
			out = append(out, i)
		}
		return nil
	})
	return out, err
}

// Agreement returns one agreement by its identifier or the first digits of it.
func (s *Station) Agreement(ctx context.Context, room, ref string) (out AgreementInfo, err error) {
	const doing = "looking at the agreement"
	err = s.inView(ctx, doing, room, func(tx *vault.Tx, r *openRoom, now time.Time) error {
		a, err := agreementAt(r, doing, ref, now)
		if err != nil {
			return err
		}
		people, err := peopleOf(tx)
		if err != nil {
			return err
		}
		out, err = s.table.agreementInfo(tx, r, a, people.names(r), now)
		return err
	})
	return out, err
}

func agreementAt(r *openRoom, doing, ref string, now time.Time) (*negotiation.AgreementView, error) {
	id, _, err := statement[*negotiation.Agreement](r, doing, ref)
	if err != nil {
		return nil, err
	}
	all := r.room.AgreementsAt(now)
	i := slices.IndexFunc(all, func(a negotiation.AgreementView) bool { return a.ID == id })
	return &all[i], nil
}

func (t *table) agreementInfo(tx *vault.Tx, r *openRoom, a *negotiation.AgreementView, name func(negotiation.MemberID) string, now time.Time) (AgreementInfo, error) {
	c := t.conductor()
	p, err := c.signs.Progress(c.seat(tx, r, now), a.ID)
	if err != nil {
		return AgreementInfo{}, err
	}
	self := r.room.Self()
	out := AgreementInfo{
		ID: a.ID.String(), Core: a.Core.String(), Author: name(a.Author), State: string(a.State), Agreed: a.IsAgreed(), Note: a.Note,
		Level: a.Level.String(), Words: seal.Words[seal.Level(a.Level.String())], Lapses: time.Unix(int64(a.Lapses), 0).UTC(),
		Parties: []string{}, Needed: []NeededConsent{}, Blocked: a.Blocked, Attempt: int(p.Attempt),
	}
	if out.Text, err = conduct.SignedText(r.room, a.Agreement); err != nil {
		out.Text = a.Text
		out.Blocked = append(slices.Clone(out.Blocked), reasonOf(err))
	}
	for _, m := range a.Parties {
		out.Parties = append(out.Parties, name(m))
	}
	signs := a.Level != negotiation.Handshake
	for _, n := range a.Needed {
		x := NeededConsent{
			Member: n.Member.String(), Name: name(n.Member), Self: n.Member == self, Why: n.Why, Consented: n.Consented,
			Signing: slices.Contains(p.Begun, n.Member), Shared: slices.Contains(p.Shared, n.Member), Holds: slices.Contains(p.Held, n.Member),
		}
		if a.Level == negotiation.Public && !x.Self {
			if k, ok := p.Keys[n.Member]; ok {
				x.Key = hex.EncodeToString(k[:])
			}
			if k, ok := notedKey(tx, r, n.Member); ok {
				x.NotedKey = hex.EncodeToString(k[:])
			}
			x.OtherKey = slices.Contains(p.Other, n.Member)
		}
		if x.Self && !r.room.Frozen() {
			open := a.State == negotiation.AgreementDrafting || a.State == negotiation.AgreementConsenting
			out.MayConsent = open && !n.Consented
			missing := slices.ContainsFunc(a.Needed, func(n negotiation.NeededView) bool { return !n.Consented })
			going := a.State == negotiation.AgreementReady || a.State == negotiation.AgreementStalled && !missing && len(out.Blocked) == 0
			out.MaySign = signs && going && (!p.Approved || a.State == negotiation.AgreementStalled)
			out.MayStop = signs && p.Approved && !x.Shared && !a.State.Final()
		}
		out.Needed = append(out.Needed, x)
	}
	if out.MaySign {
		out.Warning = seal.WordsBeforeShare
	}
	if signs && p.Last != nil {
		out.Last = name(*p.Last)
	}
	if a.SideLetterOf != nil {
		out.SideOf = a.SideLetterOf.String()
	}
	if a.Replaced != nil {
		out.Replaced = a.Replaced.String()
	}
	if a.Seal != nil {
		out.Signature = hex.EncodeToString(a.Seal.Signature)
		for i, m := range a.Seal.Signers {
			out.Keys = append(out.Keys, SignedBy{name(m), hex.EncodeToString(a.Seal.Keys[i])})
		}
	}
	return out, nil
}

// reasonOf is the sentence of a refusal.
func reasonOf(err error) string {
	return err.Error()[min(len(err.Error()), len(negotiation.ErrRefused.Error())+2):]
}

// ProposeAgreement proposes an agreement. Proposing is no consent.
func (s *Station) ProposeAgreement(ctx context.Context, room string, p AgreementProposal) (AgreementInfo, error) {
	const doing = "proposing the agreement"
	var id negotiation.ID
	if err := s.inRoom(ctx, doing, room, func(b *batch, r *openRoom) error {
		body, err := b.agreement(r, doing, p)
		if err != nil {
			return err
		}
		id, err = b.say(r, body, negotiation.MemberID{})
		return err
	}); err != nil {
		return AgreementInfo{}, err
	}
	return s.Agreement(ctx, room, id.String())
}

func (b *batch) agreement(r *openRoom, doing string, p AgreementProposal) (*negotiation.Agreement, error) {
	out := &negotiation.Agreement{Text: p.Text, Level: negotiation.Handshake, Lapses: uint64(max(0, p.Lapses.Unix())), Parties: []negotiation.MemberID{}}
	if p.Level != "" {
		if err := out.Level.UnmarshalText([]byte(p.Level)); err != nil {
			return nil, fault(CodeInvalid, "%s: the level is handshake, sealed or public", doing)
		}
	}
	switch {
	case p.Apart && len(p.Parties) == 0:
		return nil, fault(CodeInvalid, "%s: name the parties, of which you are none", doing)
	case len(p.Parties) == 0:
		out.Parties = r.room.Members()
	case !p.Apart:
		out.Parties = append(out.Parties, r.room.Self())
	}
	for _, ref := range p.Parties {
		m, err := b.member(r, ref)
		if err != nil {
			return nil, err
		}
		if !m.IsZero() && !slices.Contains(out.Parties, m) {
			out.Parties = append(out.Parties, m)
		}
	}
	slices.SortFunc(out.Parties, func(x, y negotiation.MemberID) int { return slices.Compare(x[:], y[:]) })
	for _, ref := range p.Packages {
		id, body, err := statement[*negotiation.Package](r, doing, ref)
		if err != nil {
			return nil, err
		}
		out.Packages, out.Agenda = append(out.Packages, id), &body.Agenda
	}
	for _, x := range []struct {
		ref string
		to  **negotiation.ID
	}{{p.SideOf, &out.SideLetterOf}, {p.Replaces, &out.Replaces}} {
		if x.ref == "" {
			continue
		}
		id, _, err := statement[*negotiation.Agreement](r, doing, x.ref)
		if err != nil {
			return nil, err
		}
		*x.to = &id
	}
	return out, nil
}

// ConsentAgreement consents to the exact content of an agreement.
func (s *Station) ConsentAgreement(ctx context.Context, room, ref string) (AgreementInfo, error) {
	return s.inAgreement(ctx, "consenting to the agreement", room, ref, func(b *batch, r *openRoom, a *negotiation.AgreementView) error {
		_, err := b.say(r, &negotiation.Consent{Core: a.Core}, negotiation.MemberID{})
		return err
	})
}

// WithdrawConsent takes the own consent to an agreement back. It is too late once the
// signing has begun, or everybody has confirmed.
func (s *Station) WithdrawConsent(ctx context.Context, room, ref string) (AgreementInfo, error) {
	const doing = "withdrawing the consent"
	return s.inAgreement(ctx, doing, room, ref, func(b *batch, r *openRoom, a *negotiation.AgreementView) error {
		for _, n := range a.Needed {
			if n.Member == r.room.Self() && n.Consent != nil {
				_, err := b.say(r, &negotiation.Withdraw{Of: *n.Consent}, negotiation.MemberID{})
				return err
			}
		}
		return fault(CodeConflict, "%s: there is no consent of yours to withdraw", doing)
	})
}

// WithdrawAgreement takes an own proposal back.
func (s *Station) WithdrawAgreement(ctx context.Context, room, ref string) (AgreementInfo, error) {
	return s.inAgreement(ctx, "withdrawing the agreement", room, ref, func(b *batch, r *openRoom, a *negotiation.AgreementView) error {
		_, err := b.say(r, &negotiation.Withdraw{Of: a.ID}, negotiation.MemberID{})
		return err
	})
}

// SignAgreement is the deliberate act of a user who has read the agreement's text and
// its warning. The own share leaves by itself once everybody has done the same.
func (s *Station) SignAgreement(ctx context.Context, room, ref string) (AgreementInfo, error) {
	return s.inAgreement(ctx, "signing the agreement", room, ref, func(b *batch, r *openRoom, a *negotiation.AgreementView) error {
		c := b.t.conductor()
		said, err := c.signs.Sign(c.seat(b.tx, r, b.now), a.ID)
		if err != nil {
			return err
		}
		return b.utter(r, sayings(said))
	})
}

// StopSigning takes the own signature back as long as the share has not left.
func (s *Station) StopSigning(ctx context.Context, room, ref string) (AgreementInfo, error) {
	return s.inAgreement(ctx, "stopping the signing", room, ref, func(b *batch, r *openRoom, a *negotiation.AgreementView) error {
		c := b.t.conductor()
		said, err := c.signs.Stop(c.seat(b.tx, r, b.now), a.ID)
		if err != nil {
			return err
		}
		return b.utter(r, sayings(said))
	})
}

func (s *Station) inAgreement(ctx context.Context, doing, room, ref string, f func(*batch, *openRoom, *negotiation.AgreementView) error) (AgreementInfo, error) {
	var id negotiation.ID
	if err := s.inRoom(ctx, doing, room, func(b *batch, r *openRoom) error {
		a, err := agreementAt(r, doing, ref, b.now)
		if err != nil {
			return err
		}
		id = a.ID
		return f(b, r, a)
	}); err != nil {
		return AgreementInfo{}, err
	}
	return s.Agreement(ctx, room, id.String())
}

// SealKey is the station's published seal key, 64 hexadecimal digits: what its user
// gives to whoever shall know it. It is made when it is first asked for or used.
func (s *Station) SealKey(ctx context.Context) (key string, err error) {
	err = s.onTable(ctx, "reading the seal key", func(b *batch) error {
		k, err := sealKey(b.tx)
		if err == nil {
			p := k.Public()
			key = hex.EncodeToString(p[:])
		}
		return err
	})
	return key, err
}

// Communiques lists the communiqués of a room, oldest first.
func (s *Station) Communiques(ctx context.Context, room string) (out []CommuniqueInfo, err error) {
	out = []CommuniqueInfo{}
	err = s.inView(ctx, "listing communiqués", room, func(tx *vault.Tx, r *openRoom, now time.Time) error {
		people, err := peopleOf(tx)
		if err != nil {
			return err
		}
		for _, q := range r.room.CommuniquesAt(now) {
			out = append(out, communiqueInfo(r, &q, people.names(r), now))
		}
		return nil
	})
	return out, err
}

func communiqueInfo(r *openRoom, q *negotiation.CommuniqueView, name func(negotiation.MemberID) string, now time.Time) CommuniqueInfo {
	out := CommuniqueInfo{
		ID: q.ID.String(), Agreement: q.Agreement.String(), Author: name(q.Author), State: string(q.State), Text: q.Text, Signed: len(q.Signature) > 0,
		Needed: []string{}, Approved: []string{}, Problem: q.Problem,
	}
	for _, m := range q.Needed {
		out.Needed = append(out.Needed, name(m))
	}
	for _, m := range q.Approved {
		out.Approved = append(out.Approved, name(m))
	}
	if out.Problem == "" {
		if err := checkCommunique(r, now, q.Communique); err != nil {
			out.Problem = reasonOf(err)
		}
	}
	self := r.room.Self()
	fine := out.Problem == "" && !r.room.Frozen()
	out.MayApprove = fine && q.State == negotiation.CommuniqueDrafted && slices.Contains(q.Needed, self) && !slices.Contains(q.Approved, self)
	out.MayRelease = fine && q.State == negotiation.CommuniqueApproved
	return out
}

// ProposeCommunique drafts the communiqué of an agreement that is confirmed or
// signed. What was signed is published word for word; text is for agreements of level
// handshake, which leave nothing that could be checked, and empty for the agreement's
// own.
func (s *Station) ProposeCommunique(ctx context.Context, room, agreement, text string) (CommuniqueInfo, error) {
	const doing = "drafting the communiqué"
	var id negotiation.ID
	if err := s.inRoom(ctx, doing, room, func(b *batch, r *openRoom) error {
		a, err := agreementAt(r, doing, agreement, b.now)
		if err != nil {
			return err
		}
		q, err := conduct.DraftCommunique(r.room, a)
		if err != nil {
			return err
		}
		if text != "" {
			q.Text = text
		}
		id, err = b.say(r, q, negotiation.MemberID{})
		return err
	}); err != nil {
		return CommuniqueInfo{}, err
	}
	return s.communique(ctx, doing, room, id.String())
}

// ApproveCommunique agrees to the release of a communiqué.
func (s *Station) ApproveCommunique(ctx context.Context, room, ref string) (CommuniqueInfo, error) {
	return s.onCommunique(ctx, "approving the communiqué", room, ref, func(id negotiation.ID) negotiation.Body { return &negotiation.Approve{Of: id} })
}

// ReleaseCommunique notes that a communiqué that all approved goes to the public.
func (s *Station) ReleaseCommunique(ctx context.Context, room, ref string) (CommuniqueInfo, error) {
	return s.onCommunique(ctx, "releasing the communiqué", room, ref, func(id negotiation.ID) negotiation.Body { return &negotiation.Release{Of: id} })
}

func (s *Station) onCommunique(ctx context.Context, doing, room, ref string, body func(negotiation.ID) negotiation.Body) (CommuniqueInfo, error) {
	var id negotiation.ID
	if err := s.inRoom(ctx, doing, room, func(b *batch, r *openRoom) (err error) {
		if id, _, err = statement[*negotiation.Communique](r, doing, ref); err != nil {
			return err
		}
		_, err = b.say(r, body(id), negotiation.MemberID{})
		return err
	}); err != nil {
		return CommuniqueInfo{}, err
	}
	return s.communique(ctx, doing, room, id.String())
}

func (s *Station) communique(ctx context.Context, doing, room, id string) (CommuniqueInfo, error) {
	all, err := s.Communiques(ctx, room)
	for _, q := range all {
		if q.ID == id {
			return q, err
		}
	}
	if err == nil {
		err = fault(CodeNotFound, "%s: there is no such communiqué", doing)
	}
	return CommuniqueInfo{}, err
}

// ownName is how this station is called in the room: the one name of the plan that is
// no other member's.
func ownName(r *openRoom, names func(negotiation.MemberID) string) string {
	left := slices.Clone(r.formation.Plan.Names)
	if r.formation.Inviter == (negotiation.Contact{}) {
		return left[0]
	}
	for _, m := range r.room.Members() {
		if i := slices.Index(left, names(m)); m != r.room.Self() && i >= 0 {
			left = slices.Delete(left, i, i+1)
		}
	}
	if len(left) == 1 {
		return left[0]
	}
	return "Party"
}

// CommuniqueFile is a communiqué as a file that anybody can check with "backchannel
// verify": of a signed agreement, once all have approved it. The names in it are
// those by which this station knows the parties; self is its own, as in the room if
// empty.
func (s *Station) CommuniqueFile(ctx context.Context, room, ref, self string) (file []byte, err error) {
	const doing = "writing the communiqué"
	err = s.inView(ctx, doing, room, func(tx *vault.Tx, r *openRoom, now time.Time) error {
		id, q, err := statement[*negotiation.Communique](r, doing, ref)
		if err != nil {
			return err
		}
		for _, v := range r.room.CommuniquesAt(now) {
			if v.ID == id && v.State == negotiation.CommuniqueDrafted {
				return fault(CodeConflict, "%s: it is not approved by all yet", doing)
			}
		}
		a, err := agreementAt(r, doing, q.Agreement.String(), now)
		if err != nil {
			return err
		}
		people, err := peopleOf(tx)
		if err != nil {
			return err
		}
		names := people.names(r)
		file, err = conduct.Communique(r.room, a, func(m negotiation.MemberID) string {
			switch {
			case m != r.room.Self():
				return names(m)
			case self != "":
				return self
			}
			return ownName(r, names)
		})
		if err != nil {
			return &Error{CodeConflict, doing, err}
		}
		return nil
	})
	return file, err
}
