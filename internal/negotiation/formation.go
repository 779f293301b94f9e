package negotiation

import (
	"io"
	"slices"
	"time"

	"backchannel/internal/suite"
)

// FormationLifetime is how long a room may take to come about.
const FormationLifetime = 14 * 24 * time.Hour

// FormationState is where the making of a room stands.
type FormationState string

// The states of a formation.
const (
	FormationInvited  FormationState = "invited"   // by somebody; nothing was answered
	FormationJoined   FormationState = "joined"    // own member id went out; others are awaited
	FormationAgreed   FormationState = "confirmed" // all ids are here, own confirmation went out
	FormationComplete FormationState = "complete"  // all confirmed the same list: the room exists
	FormationDeclined FormationState = "declined"  // by this station or another
	FormationDiffers  FormationState = "differs"   // somebody confirmed another list
	FormationLapsed   FormationState = "lapsed"    // took too long
)

var formationNext = map[FormationState][]FormationState{
	FormationInvited:  {FormationJoined, FormationDeclined, FormationLapsed},
	FormationJoined:   {FormationAgreed, FormationDeclined, FormationDiffers, FormationLapsed},
	FormationAgreed:   {FormationComplete, FormationDeclined, FormationDiffers, FormationLapsed},
	FormationComplete: {},
	FormationDeclined: {},
	FormationDiffers:  {},
	FormationLapsed:   {},
}

// MayBecome reports whether the table has the transition.
func (s FormationState) MayBecome(t FormationState) bool { return may(formationNext, s, t) }

// Final reports that nothing follows.
func (s FormationState) Final() bool { return len(formationNext[s]) == 0 }

// FormationID names the making of a room until it has members. It is random.
type FormationID [16]byte

// Plan is what the inviter says about the room to be.
type Plan struct {
	_        struct{} `cbor:",toarray"`
	Version  uint64
	Form     FormationID
	Title    string
	Size     uint64   // members, the inviter included
	Names    []string // of all members, in the inviter's words: each picks its own contacts by them
	Previous []byte   // id of the room that this one continues; empty if none
	Time     uint64   // by the inviter's clock
}

func (p *Plan) check() error {
	if err := need("the title of a room", p.Title); err != nil {
		return err
	}
	if p.Size < 2 || p.Size > MaxMembers || uint64(len(p.Names)) != p.Size {
		return refused("a room has 2 to %d members, each with a name", MaxMembers)
	}
	for _, n := range p.Names {
		if err := need("the name of a member", n); err != nil {
			return err
		}
	}
	if len(p.Previous) != 0 && len(p.Previous) != IDSize || p.Time == 0 || p.Time > maxTime {
		return refused("the plan of a room is malformed")
	}
	return nil
}

// Encode is the plan's CBOR, which the id of the room covers.
func (p *Plan) Encode() []byte { return encode(p) }

// The steps of a formation.
const (
	stepInvite  = 1
	stepMember  = 2
	stepConfirm = 3
	stepDecline = 4
)

// formationMessage is a CBOR array, where a statement is a map: the two cannot be
// taken for each other.
type formationMessage struct {
	_    struct{} `cbor:",toarray"`
	Step uint64
	Form FormationID
	Body []byte // invite: Plan; member: member id; confirm: room id; decline: empty
}

// Formation is the making of one room, as one member sees it. It has no secret but
// that there is a room. Fields are exported for Encode only.
type Formation struct {
	State   FormationState
	Plan    Plan
	Inviter Contact // zero: this station
	Self    MemberID
	Began   time.Time
	Peers   []Peer // the other members, as this station knows them
	Reason  string // of declined and differs
	// Early are messages of contacts that this station has not picked yet: who is
	// quicker than the user must not be lost.
	Early []EarlyMessage
}

// Peer is another member during a formation.
type Peer struct {
	Contact   Contact
	ID        MemberID // zero until it came
	Confirmed ID       // what it confirmed; zero until then
}

// EarlyMessage is one of a contact that is not among the peers yet.
type EarlyMessage struct {
	Contact Contact
	Raw     []byte
}

// maxEarly bounds what contacts can make a station keep before its user answered.
const maxEarly = 4 * MaxMembers

// Out is one item to send: to one contact, as an item of class negotiation. The
// items for a contact go out in this order.
type Out struct {
	To  Contact
	Raw []byte
}

// NewFormation plans a room and invites. names has this station's own name first,
// then one for each contact. lanes is the number of lanes of the station: a room has
// at most lanes + 1 members.
func NewFormation(title string, contacts []Contact, names []string, previous *ID, lanes int, now time.Time, random io.Reader) (*Formation, []Out, error) {
	f := &Formation{State: FormationInvited, Began: seconds(now)}
	f.Plan = Plan{Version: Version, Title: title, Size: uint64(len(contacts) + 1), Names: names, Time: uint64(now.Unix())}
	if previous != nil {
		f.Plan.Previous = previous[:]
	}
	if _, err := io.ReadFull(random, f.Plan.Form[:]); err != nil {
		return nil, nil, err
	}
	if err := f.Plan.check(); err != nil {
		return nil, nil, err
	}
	out := f.toAll(contacts, stepInvite, encode(&f.Plan))
	more, err := f.Join(contacts, lanes, random)
	return f, append(out, more...), err
}

// Invited begins a formation with the invitation of a contact.
func Invited(from Contact, raw []byte, now time.Time) (*Formation, error) {
	m, err := parseFormation(raw)
	if err != nil {
		return nil, err
	}
	if m.Step != stepInvite {
		return nil, refused("this room was never proposed here")
	}
	f := &Formation{State: FormationInvited, Inviter: from, Began: seconds(now)}
	if err := decode(m.Body, &f.Plan); err != nil {
		return nil, err
	}
	if err := f.Plan.check(); err != nil {
		return nil, err
	}
	if f.Plan.Form != m.Form {
		return nil, refused("the plan of a room names another room")
	}
	if f.Plan.Version != Version {
		return nil, refused("the room speaks version %d, this program version %d: one of the two needs a newer program", f.Plan.Version, Version)
	}
	return f, nil
}

func parseFormation(raw []byte) (*formationMessage, error) {
	if len(raw) > MaxMembers*MaxTitle+1000 {
		return nil, refused("a message about a new room is too long")
	}
	m := new(formationMessage)
	if err := decode(raw, m); err != nil {
		return nil, err
	}
	want := map[uint64]int{stepMember: MemberIDSize, stepConfirm: IDSize, stepDecline: 0}
	if n, fixed := want[m.Step]; m.Step != stepInvite && (!fixed || n != len(m.Body)) {
		return nil, refused("a message about a new room is malformed")
	}
	return m, nil
}

func (f *Formation) toAll(contacts []Contact, step uint64, body []byte) (out []Out) {
	raw := encode(&formationMessage{Step: step, Form: f.Plan.Form, Body: body})
	for _, c := range contacts {
		out = append(out, Out{c, raw})
	}
	return out
}

func (f *Formation) contacts() (all []Contact) {
	for _, p := range f.Peers {
		all = append(all, p.Contact)
	}
	return all
}

// Join sends an own fresh member id to the other members, whom the user picked among
// its contacts by the names of the plan. Whoever is picked learns that this
// station takes part.
func (f *Formation) Join(contacts []Contact, lanes int, random io.Reader) ([]Out, error) {
	switch {
	case !f.State.MayBecome(FormationJoined):
		return nil, refused("the room is %s, it cannot be joined", f.State)
	case uint64(len(contacts))+1 != f.Plan.Size:
		return nil, refused("the room has %d members: choose %d contacts", f.Plan.Size, f.Plan.Size-1)
	case len(contacts) > lanes:
		return nil, refused("the room has %d members, but a station with %d lanes can talk to %d at a time", f.Plan.Size, lanes, lanes)
	case f.Inviter != Contact{} && !slices.Contains(contacts, f.Inviter):
		return nil, refused("the one who invited is not among the chosen contacts")
	}
	for i, c := range contacts {
		if slices.Contains(contacts[:i], c) {
			return nil, refused("a contact was chosen twice")
		}
	}
	if _, err := io.ReadFull(random, f.Self[:]); err != nil {
		return nil, err
	}
	for _, c := range contacts {
		f.Peers = append(f.Peers, Peer{Contact: c})
	}
	f.State = FormationJoined
	out := f.toAll(contacts, stepMember, f.Self[:])
	early := f.Early
	f.Early = nil
	for _, e := range early {
		if slices.Contains(contacts, e.Contact) {
			more, err := f.Apply(e.Contact, e.Raw, f.Began)
			if err != nil {
				f.Reason = err.Error()
			}
			out = append(out, more...)
		}
	}
	return out, nil
}

// Decline says no, to the inviter if nobody was joined yet, else to all.
func (f *Formation) Decline() ([]Out, error) {
	if !f.State.MayBecome(FormationDeclined) {
		return nil, refused("the room is %s, it cannot be declined", f.State)
	}
	to := f.contacts()
	if len(to) == 0 {
		to = []Contact{f.Inviter}
	}
	f.State, f.Reason = FormationDeclined, "declined here"
	return f.toAll(to, stepDecline, nil), nil
}

// Apply takes a message of a contact. A contact that speaks before the user chose
// it is heard when it is chosen.
func (f *Formation) Apply(from Contact, raw []byte, now time.Time) ([]Out, error) {
	m, err := parseFormation(raw)
	if err != nil {
		return nil, err
	}
	if m.Form != f.Plan.Form {
		return nil, refused("a message about another room")
	}
	f.Tick(now)
	if f.State == FormationInvited {
		if m.Step == stepDecline && from == f.Inviter {
			f.State, f.Reason = FormationDeclined, "the inviter called it off"
			return nil, nil
		}
		if len(f.Early) < maxEarly && m.Step != stepInvite {
			f.Early = append(f.Early, EarlyMessage{from, slices.Clone(raw)})
		}
		return nil, nil
	}
	if f.State.Final() {
		return nil, nil // too late, whoever it is
	}
	i := slices.IndexFunc(f.Peers, func(p Peer) bool { return p.Contact == from })
	if i < 0 {
		return nil, refused("a contact that was not chosen speaks about the room")
	}
	switch p := &f.Peers[i]; m.Step {
	case stepDecline:
		f.State, f.Reason = FormationDeclined, "a member declined"
	case stepMember:
		id := MemberID(m.Body)
		switch {
		case p.ID == id && !id.IsZero():
		case !p.ID.IsZero():
			f.differ("a member gave two member ids")
		case id.IsZero() || id == f.Self || slices.ContainsFunc(f.Peers, func(q Peer) bool { return q.ID == id }):
			f.differ("a member gave the member id of another")
		default:
			p.ID = id
		}
	case stepConfirm:
		if ID(m.Body).IsZero() || !p.Confirmed.IsZero() && p.Confirmed != ID(m.Body) {
			f.differ("a member confirmed two lists, or none")
			break
		}
		p.Confirmed = ID(m.Body)
	}
	return f.settle(), nil
}

func (f *Formation) differ(why string) { f.State, f.Reason = FormationDiffers, why }

// settle confirms when all ids are here, and ends when all have confirmed.
func (f *Formation) settle() (out []Out) {
	if f.State == FormationJoined && !slices.ContainsFunc(f.Peers, func(p Peer) bool { return p.ID.IsZero() }) {
		f.State = FormationAgreed
		id := f.Room()
		out = f.toAll(f.contacts(), stepConfirm, id[:])
	}
	if f.State != FormationAgreed {
		return out
	}
	all := true
	for _, p := range f.Peers {
		if !p.Confirmed.IsZero() && p.Confirmed != f.Room() {
			f.differ("the members were told different lists: somebody gave different member ids or plans to different members")
			return out
		}
		all = all && !p.Confirmed.IsZero()
	}
	if all {
		f.State = FormationComplete
	}
	return out
}

// Tick ends a formation that took too long.
func (f *Formation) Tick(now time.Time) {
	if f.State.MayBecome(FormationLapsed) && now.Sub(f.Began) > FormationLifetime {
		f.State = FormationLapsed
	}
}

// Members are all member ids in order, once they are known.
func (f *Formation) Members() []MemberID {
	ids := []MemberID{f.Self}
	for _, p := range f.Peers {
		ids = append(ids, p.ID)
	}
	return sorted(ids)
}

// roomPlan is what the members of a room confirm, and what names it.
type roomPlan struct {
	_       struct{} `cbor:",toarray"`
	Plan    Plan
	Members []MemberID
}

// Room is the id of the room, once all member ids are known: a hash of the plan and
// the sorted members.
func (f *Formation) Room() ID { return f.Plan.room(f.Members()) }

func (p *Plan) room(members []MemberID) ID {
	return suite.Hash(suite.LabelRoom, encode(&roomPlan{Plan: *p, Members: members}))
}

// Encode is for the vault.
func (f *Formation) Encode() []byte { return encode(f) }

// ParseFormation is the inverse of Encode.
func ParseFormation(b []byte) (*Formation, error) {
	f := new(Formation)
	if err := decode(b, f); err != nil {
		return nil, err
	}
	f.Began = f.Began.UTC()
	return f, nil
}

// Address says what an item of class negotiation is about: a statement of a room, or
// a message about a room that does not exist yet.
type Address struct {
	Room      ID          // zero if it is about a formation
	Formation FormationID // zero if it is a statement
	Invites   bool        // it is an invitation: Invited, not Apply
}

// AddressOf reads where an item belongs, so that a station can find the room.
func AddressOf(raw []byte) (Address, error) {
	if len(raw) == 0 {
		return Address{}, refused("an empty statement")
	}
	if raw[0]>>5 == 4 { // an array
		m, err := parseFormation(raw)
		if err != nil {
			return Address{}, err
		}
		return Address{Formation: m.Form, Invites: m.Step == stepInvite}, nil
	}
	e, err := ParseEnvelope(raw)
	if err != nil {
		return Address{}, err
	}
	return Address{Room: e.Room}, nil
}

func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
