package web

import (
	"context"
	"encoding/json"
	"time"

	"backchannel/internal/station"
)

// RoomDesk is what the pages ask of a station about its rooms; *station.Station is
// one. Statements and members are named by their hexadecimal ids.
type RoomDesk interface {
	Rooms(ctx context.Context) ([]station.RoomInfo, error)
	Room(ctx context.Context, ref string) (station.Room, error)
	NewRoom(ctx context.Context, p station.Proposal) (station.RoomInfo, error)
	JoinRoom(ctx context.Context, ref string, contacts []string) (station.RoomInfo, error)
	DeclineRoom(ctx context.Context, ref string) (station.RoomInfo, error)
	EraseRoom(ctx context.Context, ref string) error
	Say(ctx context.Context, ref string, what station.Saying) (station.Said, error)
	ShowTo(ctx context.Context, ref, statement, to string) (station.Said, error)
	OwnSide(ctx context.Context, ref string) (station.OwnSide, error)
	KeepOwnSide(ctx context.Context, ref string, p station.OwnSide) error
	Suggest(ctx context.Context, ref, deal string, count int) ([]station.Suggestion, error)
	MarkRoom(ctx context.Context, ref string, mark int64) error
	KeepOffer(ctx context.Context, ref string, number uint64, offer json.RawMessage) (uint64, error)
	DropOffer(ctx context.Context, ref string, number uint64) error
	SendOffer(ctx context.Context, ref string, number uint64, to string) (station.Said, error)
	RefusedIn(ctx context.Context, ref string) ([]station.Stray, error)
	Strays(ctx context.Context) ([]station.Stray, error)
	EraseStrays(ctx context.Context) error
}

// SeatDesk is what they ask about blind rounds and signing from the own seat.
type SeatDesk interface {
	Round(ctx context.Context, ref, round string) (RoundSeat, error)
	Choose(ctx context.Context, ref, round string, c Choice) error
	// Chosen is the answer that was chosen last; false if there is none. Only the
	// screen on which it is chosen again asks.
	Chosen(ctx context.Context, ref, round string) (Choice, bool, error)
	EndRound(ctx context.Context, ref, round string) error
	Signing(ctx context.Context, ref, agreement string) (SigningSeat, error)
	Sign(ctx context.Context, ref, agreement string) error
	StopSigning(ctx context.Context, ref, agreement string) error
	// DraftCommunique takes words only for what was confirmed by handshake: what was
	// signed is published word for word. It returns the identifier.
	DraftCommunique(ctx context.Context, ref, agreement, text string) (string, error)
	CommuniqueFile(ctx context.Context, ref, communique, self string) ([]byte, error)
}

// BookDesk writes rooms down as files, real ones and made-up ones; *station.Station is
// one. The formats are json, markdown, html and script.
type BookDesk interface {
	ExportRoom(ctx context.Context, ref, self, format string) (data []byte, mediaType, name string, err error)
	ForgeRoom(ctx context.Context, script []byte, format string) (data []byte, mediaType, name string, err error)
}

// RoundSeat is a blind round from the own seat.
type RoundSeat struct {
	Chosen   bool
	Sent     bool     // the answer has left, closed
	Choice   Choice   // on the screen on which it is chosen again
	Fairness []string // sentences that are read where the choice is made
	Words    string   // where it stands, as a sentence
	Hit      int      // place of the package or figure of a match, from 0; -1 none
	Left     int      // rounds about this issue that are left this week
	Again    time.Time
	MayEnd   bool // the round may be ended here
	Done     int  // of Steps, for the progress
	Steps    int
	Time     *station.Left // until the result, at most
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
	Warning  string // what must be read before signing
	MayStop  bool   // what was said can be taken back: the share has not left
	MaySign  bool   // this station has something to send that needs the user's word
	Signed   bool   // that was sent
	LastName string // who completes last, "" nobody
	Document string // what is signed, to the letter
	Keys     []SignerKey
}

// SignerKey is how the key of another signer at level public compares with the one
// that it publishes.
type SignerKey struct {
	Member string // its identifier
	Shown  string // with which it came, "" not yet
	Noted  bool
	Other  bool // it came with another than the one noted
}
