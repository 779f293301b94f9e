package web

import (
	"context"
	"encoding/json"
	"time"

	"backchannel/internal/station"
)

// RoomDesk is what the pages ask of a station about its rooms. A reference to a
// room is RoomInfo.ID; statements and members are named by their hexadecimal ids.
type RoomDesk interface {
	Rooms(ctx context.Context) ([]RoomInfo, error)
	// Room is one room; the view is nil as long as the room does not exist.
	Room(ctx context.Context, ref string) (RoomInfo, *station.RoomView, error)
	NewRoom(ctx context.Context, title string, contacts []string, previous string) (RoomInfo, error)
	JoinRoom(ctx context.Context, ref string, contacts []string) error
	DeclineRoom(ctx context.Context, ref string) error
	// Say says something to the room, or to one member, and returns its id.
	Say(ctx context.Context, ref, kind string, body json.RawMessage, to string) (string, error)
	LookedAt(ctx context.Context, ref string) error

	Private(ctx context.Context, ref string) (*station.RoomPrivate, error)
	KeepPrivate(ctx context.Context, ref string, p *station.RoomPrivate) error
	Suggest(ctx context.Context, ref string) ([]station.RoomSuggestion, error)
	Improve(ctx context.Context, ref, pack string) ([]station.RoomSuggestion, error)

	Round(ctx context.Context, ref, round string) (RoundSeat, error)
	Choose(ctx context.Context, ref, round string, c Choice) error

	Signing(ctx context.Context, ref, agreement string) (SigningSeat, error)
	Sign(ctx context.Context, ref, agreement string) error
	CommuniqueFile(ctx context.Context, ref, communique string) ([]byte, error)

	ExportRoom(ctx context.Context, ref string) ([]byte, error)
	ForgeRoom(ctx context.Context, script []byte) ([]byte, error)
}

// RoomInfo is a room, or the making of one.
type RoomInfo struct {
	ID      string
	Title   string
	State   string // of its making: invited, joined, confirmed, complete, declined, differs, lapsed
	Inviter string // name of the contact, "" this station
	Own     bool   // this station invited
	People  []RoomPerson
	Names   []string // of the plan, in the inviter's words, the inviter's first
	Began   time.Time
	Last    time.Time // of the newest statement
	News    int       // statements that were not looked at
	Alarms  int
	Reason  string // of declined and differs
	Former  bool   // of a restored station: nothing more is said in it
}

// RoomPerson is another member of a room that is being made.
type RoomPerson struct {
	Name      string
	Contact   string // identifier, "" if the contact is gone
	Answered  bool   // its member id is here
	Confirmed bool
}

// RoundSeat is a blind round from the own seat.
type RoundSeat struct {
	Chosen   bool
	Choice   Choice
	Fairness []string // sentences that are read where the choice is made
	Words    string   // where it stands, as a sentence
	Hit      int      // place of the package or figure of a match, from 0; -1 none
	Left     int      // rounds about this issue that are left this week
	Again    time.Time
	Done     int // of Steps, for the progress
	Steps    int
}

// Choice is an answer in a blind round. It leaves the station only closed.
type Choice struct {
	Yes    bool  // single
	Figure int   // ladder: the last figure that is accepted, from 0; -1 none
	Levels []int // list: 0 no, 1 acceptable, 2 in the first tier
}

// SigningSeat is the signing of an agreement from the own seat.
type SigningSeat struct {
	Words    string // where it stands, as a sentence
	MaySign  bool   // this station has something to send that needs the user's word
	Signed   bool   // that was sent
	Last     bool   // this member completes last
	LastName string // who does, "" nobody
	Document string // what is signed, to the letter
	Held     []string
}
