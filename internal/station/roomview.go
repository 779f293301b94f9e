package station

import "backchannel/internal/negotiation"

// What a room shows, by the names under which pages and programs know it. The
// types are those of package negotiation: its views have no key, no tag and no
// contact in them.

type (
	StatementID    = negotiation.ID
	MemberID       = negotiation.MemberID
	TableMember    = negotiation.MemberView
	RoomAgenda     = negotiation.AgendaView
	RoomIssue      = negotiation.Issue
	RoomRow        = negotiation.TableRow
	RoomValue      = negotiation.Value
	RoomPackage    = negotiation.PackageView
	RoomOffer      = negotiation.OfferView
	RoomTerm       = negotiation.Term
	RoomDraft      = negotiation.DraftView
	RoomRound      = negotiation.RoundView
	RoomAgreement  = negotiation.AgreementView
	RoomCommunique = negotiation.CommuniqueView
	RoomStatement  = negotiation.Statement
	RoomAlarm      = negotiation.Alarm
	RoomPreference = negotiation.Preference
	RoomWalkAway   = negotiation.WalkAway
	RoomColour     = negotiation.Colour
	RoomNumber     = negotiation.Decimal
)

// The bodies of statements.

type (
	RoomSignal  = negotiation.Signal
	RoomLetter  = negotiation.Letter
	RoomComment = negotiation.Comment
)

// The types of issues, and the colours that a user gives to packages.
const (
	IssueChoice = negotiation.Choice
	IssueRange  = negotiation.Range
	IssueText   = negotiation.Text

	ColourGreen  = negotiation.Green
	ColourYellow = negotiation.Yellow
	ColourRed    = negotiation.Red
)

// ParseRoomNumber reads decimal notation.
func ParseRoomNumber(s string) (RoomNumber, error) { return negotiation.ParseDecimal(s) }
