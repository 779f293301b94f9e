package station

import "backchannel/internal/negotiation"

// What a room shows, by the names under which pages and programs know it. The
// types are those of package negotiation: its views have no key, no tag and no
// contact in them.

type (
	// StatementID names a statement of a room.
	StatementID = negotiation.ID
	// MemberID names a member of a room.
	MemberID = negotiation.MemberID
	// TableMember is a member as the room shows it.
	TableMember = negotiation.MemberView
	// RoomAgenda is one revision of the agenda.
	RoomAgenda = negotiation.AgendaView
	// RoomIssue is one issue of an agenda.
	RoomIssue = negotiation.Issue
	// RoomRow is a row of the agenda table.
	RoomRow = negotiation.TableRow
	// RoomValue is a value of an issue.
	RoomValue = negotiation.Value
	// RoomPackage is a package on the table.
	RoomPackage = negotiation.PackageView
	// RoomOffer is an offer as a card shows it.
	RoomOffer = negotiation.OfferView
	// RoomUnsent is an offer that was kept and not sent.
	RoomUnsent = negotiation.UnsentOffer
	// RoomTerm is one thing that an offer gives or gets.
	RoomTerm = negotiation.Term
	// RoomDraft is a version of a text.
	RoomDraft = negotiation.DraftView
	// RoomRound is a blind round.
	RoomRound = negotiation.RoundView
	// RoomAgreement is an agreement, with whose consent it needs.
	RoomAgreement = negotiation.AgreementView
	// RoomCommunique is a communiqué, with who approved it.
	RoomCommunique = negotiation.CommuniqueView
	// RoomStatement is a statement as it was said.
	RoomStatement = negotiation.Statement
	// RoomAlarm says what does not fit.
	RoomAlarm = negotiation.Alarm
	// RoomShown is what one member showed another of what a third said.
	RoomShown = negotiation.ShownView
	// ShownState says what follows from it.
	ShownState = negotiation.ShownState
	// RoomPreference is what the own side wrote about an issue.
	RoomPreference = negotiation.Preference
	// RoomWalkAway is what the own side could do without an agreement.
	RoomWalkAway = negotiation.WalkAway
	// RoomColour is how a package looks to the own side.
	RoomColour = negotiation.Colour
	// RoomNumber is a decimal number.
	RoomNumber = negotiation.Decimal
)

// The bodies of statements.

type (
	// RoomSignal is the body of a signal.
	RoomSignal = negotiation.Signal
	// RoomLetter is the body of a letter.
	RoomLetter = negotiation.Letter
	// RoomComment is the body of a remark.
	RoomComment = negotiation.Comment
	// RoomConsent is the body of a consent.
	RoomConsent = negotiation.Consent
)

// The types of issues, the states of what was shown, and the colours that a user
// gives to packages.
const (
	IssueChoice = negotiation.Choice
	IssueRange  = negotiation.Range
	IssueText   = negotiation.Text

	ShownByUs         = negotiation.ShownByUs
	ShownWaits        = negotiation.ShownWaits
	ShownSame         = negotiation.ShownSame
	ShownWritten      = negotiation.ShownWritten
	ShownInconsistent = negotiation.ShownInconsistent
	ShownUnknown      = negotiation.ShownUnknown

	ColourGreen  = negotiation.Green
	ColourYellow = negotiation.Yellow
	ColourRed    = negotiation.Red
)

// ParseRoomNumber reads decimal notation.
func ParseRoomNumber(s string) (RoomNumber, error) { return negotiation.ParseDecimal(s) }
