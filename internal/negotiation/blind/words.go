package blind

// The sentences that a user is shown, by key, so that pages, commands and the
// programming interface say the same. A catalogue in another language has the
// same keys.
const (
	TextIfNo       = "round.if-no"
	TextIfNoMatch  = "round.if-no-match"
	TextIfStopped  = "round.if-stopped"
	TextInsincere  = "round.insincere"
	TextQuantum    = "round.quantum"
	TextLadder     = "round.ladder"
	TextList       = "round.list"
	TextTiers      = "round.tiers"
	TextMany       = "round.many"
	TextProposed   = "round.state.proposed"
	TextJoined     = "round.state.joined"
	TextKeyed      = "round.state.keyed"
	TextInputsIn   = "round.state.inputs-in"
	TextOpening    = "round.state.opening"
	TextMatch      = "round.state.match"
	TextNoMatch    = "round.state.no-match"
	TextShown      = "round.state.shown"
	TextLapsed     = "round.state.lapsed"
	TextKnown      = "round.state.known"
	TextDiffer     = "round.state.views-differ"
	TextInvalid    = "round.state.invalid"
	TextLost       = "round.state.lost"
	TextOthers     = "round.state.others"
	TextQuotaEmpty = "round.quota"
)

// Texts is the catalogue in English.
var Texts = map[string]string{
	TextIfNo:      "If you say no, you learn nothing.",
	TextIfNoMatch: "If you say yes and there is no match, you learn that somebody said no.",
	TextIfStopped: "If they stop after your answer was opened, they may have seen your yes.",
	TextInsincere: "Nothing stops someone from saying yes without meaning it.",
	TextQuantum:   "Answers are not safe from a counterpart who will own a quantum computer one day.",
	TextLadder:    "Figures that fail tell each side something about the other's limit, and naming a tighter limit than one's own can pay.",
	TextList:      "Packages are opened one at a time, in an order that nobody chose, until the first that all approve. The others stay closed.",
	TextTiers:     "A match in the second tier shows who did not put the package in the first.",
	TextMany:      "You learn only that somebody said no, not who. The last to open learns first.",

	TextProposed: "Proposed. Nothing has been sent from here.",
	TextJoined:   "Joined. Waiting for the others to join.",
	TextKeyed:    "Everybody has joined. Answers leave at the stated time, whenever they were chosen.",
	TextInputsIn: "All answers are in, closed.",
	TextOpening:  "Being opened.",
	TextMatch:    "A match: everybody said yes.",
	TextNoMatch:  "No match.",
	TextShown:    "Shown, unanswered: they may have seen your yes; this says nothing about theirs.",
	TextLapsed:   "Lapsed.",
	TextKnown:    "Lapsed; the result may be known to some.",
	TextDiffer:   "Ended: the parties were sent different things. This does not show by whom.",
	TextInvalid:  "Ended: a message broke the rules of the round.",

	TextLost:       "Ended: this station lost its part of the round, by being restored or otherwise. It sends nothing more.",
	TextOthers:     "Between others. You are not told how it ends.",
	TextQuotaEmpty: "Three rounds a week with one contact about one issue are the limit, because each tells something.",
}

// stateTexts are the keys of the states.
var stateTexts = [states]string{TextProposed, TextJoined, TextKeyed, TextInputsIn, TextOpening, TextMatch,
	TextNoMatch, TextShown, TextLapsed, TextDiffer, TextInvalid}

// Text is the key of the sentence for a status.
func (s Status) Text() string {
	if s.State == Lapsed && s.Known {
		return TextKnown
	}
	if s.State >= states {
		return ""
	}
	return stateTexts[s.State]
}

// Fairness are the keys of what must be read where the choice is made.
func (p *Params) Fairness() []string {
	keys := []string{TextIfNo, TextIfNoMatch, TextIfStopped, TextInsincere, TextQuantum}
	switch p.Mode {
	case Ladder:
		keys = append(keys, TextLadder)
	case List:
		keys = append(keys, TextList)
	}
	if p.Green > 0 {
		keys = append(keys, TextTiers)
	}
	if len(p.Parties) > 2 {
		keys = append(keys, TextMany)
	}
	return keys
}
