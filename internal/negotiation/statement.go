package negotiation

import (
	"encoding/json"
	"slices"
	"time"

	"backchannel/internal/suite"
)

// Version is the version of rooms that this package makes. A room keeps the version
// that it was made with, and no other is spoken in it.
const Version = 1

// maxTime is the last second of the year 9999.
const maxTime = 253402300799

// Class says who is told.
type Class uint8

// The classes.
const (
	ClassRoom    Class = 0 // every member
	ClassPrivate Class = 1 // one member, in a chain of that pair
)

// Envelope is a statement on the wire: a CBOR map with the keys below, core
// deterministic. Its id is H(negotiation/statement; the encoding without vouch),
// and the same for all who are told.
type Envelope struct {
	Version uint64   `cbor:"1,keyasint"`
	Room    ID       `cbor:"2,keyasint"`
	From    MemberID `cbor:"3,keyasint"`
	Seq     uint64   `cbor:"4,keyasint"`           // from 1, per sender; private: per sender and receiver
	Prev    ID       `cbor:"5,keyasint"`           // id of the statement before it in its chain, else zeros
	Vector  []uint64 `cbor:"6,keyasint,omitempty"` // room: last number heard of each member, in the order of members
	Heads   []byte   `cbor:"7,keyasint,omitempty"` // room: H(negotiation/heads; the ids at the vector)
	Time    uint64   `cbor:"8,keyasint"`           // by the sender's clock, seconds since 1970
	Class   Class    `cbor:"9,keyasint,omitempty"`
	Kind    Kind     `cbor:"10,keyasint"`
	Body    []byte   `cbor:"11,keyasint"`           // CBOR of the kind
	Vouch   []byte   `cbor:"12,keyasint,omitempty"` // room: a tag of 16 bytes for each member but sender and receiver, in their order
}

// ID is the statement's id.
func (e *Envelope) ID() ID { return suite.Hash(suite.LabelStatement, e.told()) }

// told is the encoding without vouch tags, which is the same for all members.
func (e *Envelope) told() []byte {
	c := *e
	c.Vouch = nil
	return encode(&c)
}

// Encode is the envelope as one item of class negotiation.
func (e *Envelope) Encode() []byte { return encode(e) }

// ParseEnvelope decodes a statement as it travels. It checks what can be checked
// without the room, and not the body.
func ParseEnvelope(b []byte) (*Envelope, error) {
	e, err := parseKept(b)
	if err != nil {
		return nil, err
	}
	if want := TagSize * max(0, len(e.Vector)-2); len(e.Vouch) != want {
		return nil, refused("a statement to the room has a vouch tag for every other member, a private one none")
	}
	return e, nil
}

// parseKept is ParseEnvelope but for the vouch tags, which no row keeps.
func parseKept(b []byte) (*Envelope, error) {
	if len(b) > MaxStatement {
		return nil, refused("a statement has %d bytes, more than %d", len(b), MaxStatement)
	}
	e := new(Envelope)
	if err := decode(b, e); err != nil {
		return nil, err
	}
	if err := e.Kind.check(); err != nil {
		return nil, err
	}
	switch {
	case e.Version == 0:
		return nil, refused("a statement without version")
	case e.Seq == 0:
		return nil, refused("the statements of a chain count from 1")
	case (e.Seq == 1) != e.Prev.IsZero():
		return nil, refused("the first statement of a chain follows none, every other one")
	case e.Time == 0 || e.Time > maxTime:
		return nil, refused("the time of a statement is before 1970 or after the year 9999")
	case e.Class > ClassPrivate:
		return nil, refused("a statement is for the room or for one member")
	case e.Class == ClassPrivate && (len(e.Vector) > 0 || len(e.Heads) > 0):
		return nil, refused("a private statement has no vector and no heads")
	case e.Class == ClassRoom && (len(e.Vector) < 2 || len(e.Vector) > MaxMembers || len(e.Heads) != IDSize):
		return nil, refused("a statement to the room has a vector and heads")
	}
	return e, nil
}

// Statement is one that a member holds, its own included.
type Statement struct {
	ID         ID
	From       MemberID
	To         MemberID // the one member who was told; zero: all
	Seq        uint64
	Time       time.Time // by its author's clock
	At         time.Time // when it arrived, or was said, by this station's clock
	Kind       Kind
	Body       Body   // nil if not understood
	Raw        []byte // encoding of the body as it came; empty for vouch keys and tags
	Unreadable string // why Body is nil although the kind is known
	Vector     []uint64

	heads  []byte
	place  int    // in the order in which this member came to hold what it holds
	judged bool   // of a package or an offer: its agenda is here
	misfit string // why its terms do not fit the agenda
}

// Spoken reports that somebody said it, as far as a reader is concerned: stations
// make keys, gossip and the steps of rounds and signings by themselves.
func (s *Statement) Spoken() bool {
	return s.Kind != kindKeys && s.Kind != kindGossip && !s.Kind.opaque()
}

// Private reports that one member was told.
func (s *Statement) Private() bool { return !s.To.IsZero() }

type statementJSON struct {
	ID         ID        `json:"id"`
	From       MemberID  `json:"from"`
	To         *MemberID `json:"to,omitempty"`
	Seq        uint64    `json:"seq"`
	Time       time.Time `json:"time"`
	At         time.Time `json:"at"`
	Kind       Kind      `json:"kind"`
	Body       Body      `json:"body,omitempty"`
	Raw        []byte    `json:"raw,omitempty"` // base64; only if not understood
	Understood bool      `json:"understood"`
	Unreadable string    `json:"unreadable,omitempty"`
}

// MarshalJSON is the form for the API and for exports. A body that is not
// understood stands there as it came.
func (s *Statement) MarshalJSON() ([]byte, error) {
	j := statementJSON{ID: s.ID, From: s.From, Seq: s.Seq, Time: s.Time, At: s.At, Kind: s.Kind,
		Body: s.Body, Understood: s.Body != nil || s.Kind.opaque(), Unreadable: s.Unreadable}
	if s.Private() {
		j.To = &s.To
	}
	if s.Body == nil {
		j.Raw = s.Raw
	}
	return json.Marshal(j)
}

// Row is what a station keeps of a statement: the statement without vouch tags, and
// when it came. Rows are appended, and later only Forget changes one. Restore makes a room again from its
// rows and its Local.
type Row struct {
	From MemberID
	To   MemberID // zero for a statement to the room
	At   time.Time
	ID   ID
	// Raw is the envelope without vouch tags. Erased says that its body is not the one
	// that it came with: of vouch keys and tags nothing is kept, of blind rounds that
	// have ended what Forget left. ID is then the only trace of what stood there.
	Raw    []byte
	Erased bool
	// Refused says why the bytes were not taken; Raw then has them as they came.
	Refused string
}

// sorted gives the order of members in vectors, vouch tags and everywhere else:
// ascending by their ids.
func sorted(members []MemberID) []MemberID {
	c := slices.Clone(members)
	slices.SortFunc(c, compareMembers)
	return c
}

func compareMembers(a, b MemberID) int { return slices.Compare(a[:], b[:]) }

// UnmarshalJSON is the inverse of MarshalJSON, as far as it says it all: for programs
// that read a view.
func (s *Statement) UnmarshalJSON(b []byte) error {
	var j struct {
		statementJSON
		Body json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*s = Statement{ID: j.ID, From: j.From, Seq: j.Seq, Time: j.Time, At: j.At, Kind: j.Kind, Raw: j.Raw, Unreadable: j.Unreadable}
	if j.To != nil {
		s.To = *j.To
	}
	if len(j.Body) == 0 {
		return nil
	}
	body, err := BodyFromJSON(j.Kind, j.Body)
	s.Body = body
	return err
}
