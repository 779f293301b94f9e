package negotiation

import "slices"

// The state machines of a negotiation. Each is a table: what is not in it cannot
// happen. An object moves only along its row, whatever arrives in whatever order.

// OfferState is where an offer stands.
type OfferState string

// The states of an offer. None of them binds anybody.
const (
	OfferDraft      OfferState = "draft"      // written here, sent to nobody
	OfferOpen       OfferState = "open"       // may be taken
	OfferCountered  OfferState = "countered"  // somebody answered with another offer; may still be taken
	OfferExpired    OfferState = "expired"    // by the clock of who looks; its author has not spoken
	OfferWithdrawn  OfferState = "withdrawn"  // by its author
	OfferSuperseded OfferState = "superseded" // its author made another in its place
	OfferTaken      OfferState = "taken"      // its author confirmed a take
)

// RoundState is where a blind round stands.
type RoundState string

// The states of a blind round.
const (
	RoundProposed    RoundState = "proposed"
	RoundJoined      RoundState = "joined" // by all parties
	RoundKeyed       RoundState = "keyed"
	RoundInputs      RoundState = "inputs in"
	RoundOpening     RoundState = "opening"
	RoundMatch       RoundState = "match"
	RoundNoMatch     RoundState = "no match"
	RoundUnanswered  RoundState = "shown, unanswered"
	RoundLapsed      RoundState = "lapsed"
	RoundViewsDiffer RoundState = "views differ"
	RoundInvalid     RoundState = "invalid"
)

// AgreementState is where an agreement stands.
type AgreementState string

// The states of an agreement.
const (
	AgreementDrafting    AgreementState = "drafting"   // no consent yet
	AgreementConsenting  AgreementState = "consenting" // some consents, or something in the way
	AgreementReady       AgreementState = "ready"      // every consent is there and nothing is in the way
	AgreementConfirmed   AgreementState = "confirmed"  // handshake
	AgreementCommitments AgreementState = "nonce commitments"
	AgreementNonces      AgreementState = "nonces"
	AgreementShares      AgreementState = "shares"
	AgreementSealed      AgreementState = "sealed"
	AgreementStalled     AgreementState = "stalled" // signing broke off
	AgreementLapsed      AgreementState = "lapsed"
)

// CommuniqueState is where a communiqué stands.
type CommuniqueState string

// The states of a communiqué.
const (
	CommuniqueDrafted  CommuniqueState = "drafted"
	CommuniqueApproved CommuniqueState = "approved by all"
	CommuniqueReleased CommuniqueState = "released"
)

var offerNext = map[OfferState][]OfferState{
	OfferDraft:      {OfferOpen},
	OfferOpen:       {OfferCountered, OfferWithdrawn, OfferExpired, OfferSuperseded, OfferTaken},
	OfferCountered:  {OfferWithdrawn, OfferExpired, OfferSuperseded, OfferTaken},
	OfferExpired:    {OfferWithdrawn, OfferSuperseded, OfferTaken}, // the author's clock said otherwise
	OfferWithdrawn:  {},
	OfferSuperseded: {},
	OfferTaken:      {},
}

var roundNext = map[RoundState][]RoundState{
	RoundProposed:    {RoundJoined, RoundLapsed},
	RoundJoined:      {RoundKeyed, RoundLapsed, RoundViewsDiffer, RoundInvalid},
	RoundKeyed:       {RoundInputs, RoundLapsed, RoundViewsDiffer, RoundInvalid},
	RoundInputs:      {RoundOpening, RoundLapsed, RoundViewsDiffer, RoundInvalid},
	RoundOpening:     {RoundOpening, RoundMatch, RoundNoMatch, RoundUnanswered, RoundLapsed, RoundViewsDiffer, RoundInvalid},
	RoundUnanswered:  {RoundMatch, RoundNoMatch, RoundLapsed, RoundViewsDiffer, RoundInvalid}, // late openings count
	RoundLapsed:      {RoundMatch, RoundNoMatch, RoundViewsDiffer, RoundInvalid},
	RoundMatch:       {},
	RoundNoMatch:     {},
	RoundViewsDiffer: {},
	RoundInvalid:     {},
}

var agreementNext = map[AgreementState][]AgreementState{
	AgreementDrafting:    {AgreementConsenting, AgreementLapsed},
	AgreementConsenting:  {AgreementDrafting, AgreementReady, AgreementLapsed},
	AgreementReady:       {AgreementConsenting, AgreementConfirmed, AgreementCommitments, AgreementLapsed},
	AgreementCommitments: {AgreementNonces, AgreementStalled, AgreementLapsed},
	AgreementNonces:      {AgreementShares, AgreementStalled, AgreementLapsed},
	AgreementShares:      {AgreementSealed, AgreementStalled, AgreementLapsed},
	AgreementStalled:     {AgreementCommitments, AgreementSealed, AgreementLapsed}, // another attempt, or a late share
	AgreementConfirmed:   {},
	AgreementSealed:      {},
	AgreementLapsed:      {},
}

var communiqueNext = map[CommuniqueState][]CommuniqueState{
	CommuniqueDrafted:  {CommuniqueApproved},
	CommuniqueApproved: {CommuniqueReleased},
	CommuniqueReleased: {},
}

func may[S comparable](table map[S][]S, from, to S) bool { return slices.Contains(table[from], to) }

// leads reports whether the table has a way from one state to another.
func leads[S comparable](table map[S][]S, from, to S) bool {
	seen := map[S]bool{from: true}
	for next := []S{from}; len(next) > 0; next = next[1:] {
		for _, s := range table[next[0]] {
			if s == to {
				return true
			}
			if !seen[s] {
				seen[s], next = true, append(next, s)
			}
		}
	}
	return false
}

// MayBecome reports whether the table has the transition.
func (s OfferState) MayBecome(t OfferState) bool { return may(offerNext, s, t) }

// MayBecome reports whether the table has the transition.
func (s RoundState) MayBecome(t RoundState) bool { return may(roundNext, s, t) }

// MayBecome reports whether the table has the transition.
func (s AgreementState) MayBecome(t AgreementState) bool { return may(agreementNext, s, t) }

// MayBecome reports whether the table has the transition.
func (s CommuniqueState) MayBecome(t CommuniqueState) bool { return may(communiqueNext, s, t) }

// Final reports that nothing follows.
func (s OfferState) Final() bool { return len(offerNext[s]) == 0 }

// Final reports that nothing follows.
func (s RoundState) Final() bool { return len(roundNext[s]) == 0 }

// Live reports that a round has not ended, if only for the time being.
func (s RoundState) Live() bool { return leads(roundNext, s, RoundOpening) }

// Final reports that nothing follows.
func (s AgreementState) Final() bool { return len(agreementNext[s]) == 0 }
