package conduct

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/seal"
)

// The kinds of machines that a Store keeps.
const (
	KindRound     = "round"     // a blind round that was joined and is not over
	KindSigning   = "signing"   // an agreement that is signed together
	KindHandshake = "handshake" // one that is confirmed
)

// Machine is what is kept of one of them, under the id of the statement that
// proposed it. It is secret.
type Machine struct {
	ID    negotiation.ID
	State []byte
}

// Store keeps the machines of one room within one transaction.
type Store interface {
	Machines(kind string) ([]Machine, error)
	Put(kind string, m Machine) error
	Drop(kind string, id negotiation.ID) error
}

// Saying is a statement to say through the room, in order: Room.SayOpaque.
type Saying struct {
	Kind negotiation.Kind
	Body []byte
	To   negotiation.MemberID // zero: the room
}

// Seat is one member's part for the length of one transaction.
type Seat struct {
	Room   *negotiation.Room
	Store  Store
	Lanes  int // of the station: a round or signing has at most so many parties and one
	Now    time.Time
	Random io.Reader
	// Published gives the station's published seal key, for agreements of level
	// public; it may make one in this transaction.
	Published func() (*seal.Key, error)
	// Noted gives the key that a member's principal publishes, as the user noted it;
	// ok is false if none is noted. At level public nothing is signed with another. Nil
	// is as if none were.
	Noted func(m negotiation.MemberID) (k seal.PublicKey, ok bool)
}

// ErrRefused is the error of what cannot be done now. The text says why.
var ErrRefused = negotiation.ErrRefused

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// machine finds one; nil if there is none.
func (s *Seat) machine(kind string, id negotiation.ID) (*Machine, error) {
	all, err := s.Store.Machines(kind)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(m Machine) bool { return m.ID == id }); i >= 0 {
		return &all[i], nil
	}
	return nil, nil
}

func (s *Seat) fresh() (b [32]byte, err error) {
	if _, err := io.ReadFull(s.Random, b[:]); err != nil {
		return b, errors.New("drawing randomness: the source failed")
	}
	return b, nil
}

// everyone reports whether the parties are all members of the room.
func (s *Seat) everyone(parties []negotiation.MemberID) bool {
	return len(parties) == len(s.Room.Members())
}

// address makes the sayings of one message: to the room if every member is a party,
// so that it stands in everybody's vector, else to each other party alone. An opening
// or a share is nobody else's business.
func (s *Seat) address(k negotiation.Kind, body []byte, parties []negotiation.MemberID) (out []Saying) {
	if s.everyone(parties) {
		return []Saying{{Kind: k, Body: body}}
	}
	for _, m := range parties {
		if m != s.Room.Self() {
			out = append(out, Saying{Kind: k, Body: body, To: m})
		}
	}
	return out
}
