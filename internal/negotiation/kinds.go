package negotiation

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Kind names what a statement says. A kind that this version does not know is kept
// as it came, counted, and shown as not understood.
type Kind string

// The kinds of this package.
const (
	KindSignal     Kind = "signal"
	KindLetter     Kind = "letter"
	KindAgenda     Kind = "agenda"
	KindConfirm    Kind = "confirm"
	KindPackage    Kind = "package"
	KindOffer      Kind = "offer"
	KindTake       Kind = "take"
	KindTaken      Kind = "taken"
	KindWithdraw   Kind = "withdraw"
	KindComment    Kind = "comment"
	KindDraft      Kind = "draft"
	KindRound      Kind = "round"
	KindJoin       Kind = "join"
	KindAgreement  Kind = "agreement"
	KindConsent    Kind = "consent"
	KindCommunique Kind = "communique"
	KindApprove    Kind = "approve"
	KindRelease    Kind = "release"

	// KindShow hands a member what another said to the room: Room.Show says it.
	KindShow Kind = "show"

	kindKeys   Kind = "keys"   // vouch key, private, never kept as it came
	kindGossip Kind = "gossip" // vouch tags, private, never kept as they came
	kindShow   Kind = KindShow // a statement and its vouch tag, private, kept without the tag
)

// secret are the kinds that hold keys or tags, which no row keeps.
func (k Kind) secret() bool { return k == kindKeys || k == kindGossip || k == kindShow }

// Kinds that begin with one of these belong to other packages (blind, seal). Their
// bodies are opaque here: they take their place in the chain, are kept, handed out
// by Room.Opaque and announced with an event.
const (
	PrefixRound = "round/"
	PrefixSign  = "sign/"
)

func (k Kind) opaque() bool {
	return strings.HasPrefix(string(k), PrefixRound) || strings.HasPrefix(string(k), PrefixSign)
}

func (k Kind) check() error {
	if k == "" || len(k) > MaxKind || strings.ContainsFunc(string(k), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '/' && r != '-'
	}) {
		return refused("the name of a kind is malformed")
	}
	return nil
}

// Body is what a statement says: a pointer to one of the structures of this
// package.
type Body interface {
	kind() Kind
	check() error
}

// KindOf is the kind of a body.
func KindOf(b Body) Kind { return b.kind() }

// bodies makes an empty body of each kind, and says where it may be said.
var bodies = map[Kind]struct {
	make    func() Body
	private bool // may be said to one member
	room    bool // may be said to all
}{
	KindSignal:     {func() Body { return new(Signal) }, true, true},
	KindLetter:     {func() Body { return new(Letter) }, true, true},
	KindAgenda:     {func() Body { return new(Agenda) }, false, true},
	KindConfirm:    {func() Body { return new(Confirm) }, false, true},
	KindPackage:    {func() Body { return new(Package) }, true, true},
	KindOffer:      {func() Body { return new(Offer) }, true, true},
	KindTake:       {func() Body { return new(Take) }, true, true},
	KindTaken:      {func() Body { return new(Taken) }, true, true},
	KindWithdraw:   {func() Body { return new(Withdraw) }, true, true},
	KindComment:    {func() Body { return new(Comment) }, true, true},
	KindDraft:      {func() Body { return new(Draft) }, true, true},
	KindRound:      {func() Body { return new(Round) }, false, true},
	KindJoin:       {func() Body { return new(Join) }, false, true},
	KindAgreement:  {func() Body { return new(Agreement) }, false, true},
	KindConsent:    {func() Body { return new(Consent) }, false, true},
	KindCommunique: {func() Body { return new(Communique) }, false, true},
	KindApprove:    {func() Body { return new(Approve) }, false, true},
	KindRelease:    {func() Body { return new(Release) }, false, true},
	kindKeys:       {func() Body { return new(vouchKey) }, true, false},
	kindGossip:     {func() Body { return new(gossip) }, true, false},
	kindShow:       {func() Body { return new(showing) }, true, false},
}

// ParseBody decodes and checks the body of a known kind.
func ParseBody(k Kind, b []byte) (Body, error) {
	e, known := bodies[k]
	if !known {
		return nil, refused("the kind %s is not understood", k)
	}
	v := e.make()
	var err error
	switch v := v.(type) {
	case *Signal:
		err = decode(b, v)
	case *Letter:
		err = decode(b, v)
	case *Agenda:
		err = decode(b, v)
	case *Confirm:
		err = decode(b, v)
	case *Package:
		err = decode(b, v)
	case *Offer:
		err = decode(b, v)
	case *Take:
		err = decode(b, v)
	case *Taken:
		err = decode(b, v)
	case *Withdraw:
		err = decode(b, v)
	case *Comment:
		err = decode(b, v)
	case *Draft:
		err = decode(b, v)
	case *Round:
		err = decode(b, v)
	case *Join:
		err = decode(b, v)
	case *Agreement:
		err = decode(b, v)
	case *Consent:
		err = decode(b, v)
	case *Communique:
		err = decode(b, v)
	case *Approve:
		err = decode(b, v)
	case *Release:
		err = decode(b, v)
	case *vouchKey:
		err = decode(b, v)
	case *gossip:
		err = decode(b, v)
	case *showing:
		err = decode(b, v)
	}
	if err != nil {
		return nil, err
	}
	return v, v.check()
}

// EncodeBody checks and encodes a body.
func EncodeBody(b Body) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	return encode(b), nil
}

// BodyFromJSON reads the JSON form of a body that a user may say; unknown members
// are refused. Lists that are sets may come in any order.
func BodyFromJSON(k Kind, b []byte) (Body, error) {
	e, known := bodies[k]
	if !known || k.secret() {
		return nil, refused("%q is no kind of statement", string(k))
	}
	v := e.make()
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return nil, refused("the JSON of the kind %s: %v", k, err)
	}
	if d.More() {
		return nil, refused("something follows the JSON of the kind %s", k)
	}
	order(v)
	return v, v.check()
}

// order brings lists that are sets into their one order.
func order(b Body) {
	switch b := b.(type) {
	case *Agenda:
		for i := range b.Issues {
			b.Issues[i].Affects = sorted(b.Issues[i].Affects)
			slices.Sort(b.Issues[i].Outsiders)
		}
	case *Offer:
		b.To = sorted(b.To)
	case *Agreement:
		b.Parties = sorted(b.Parties)
	case *Round:
		before := slices.Clone(b.Parties)
		b.Parties = sorted(b.Parties)
		if len(b.Directions) == len(before) {
			given := slices.Clone(b.Directions)
			for i, m := range before {
				b.Directions[slices.Index(b.Parties, m)] = given[i]
			}
		}
	}
}

// Vouches reports a kind that stations say by themselves so that members can compare
// what they were told. What it said is kept nowhere.
func (k Kind) Vouches() bool { return k == kindKeys || k == kindGossip }
