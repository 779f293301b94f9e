package blind

import "fmt"

// State is where a round stands for one party.
type State byte

// The states. Match to Invalid end a round; after Shown and Lapsed an opening or
// an echo that comes late still counts, for Lateness.
const (
	Proposed    State = iota // known, not joined
	Joined                   // the key commitment is out
	Keyed                    // all keys are in; an answer leaves at Params.InputsAt
	InputsIn                 // all answers are in; the order is drawn and cells are blinded
	Opening                  // cell Status.Cell is being opened
	Match                    // everybody said yes to Status.Cell, and all know it
	NoMatch                  // somebody said no to every cell that was opened, and all were
	Shown                    // own yes to Status.Cell was opened and not answered
	Lapsed                   // the time is over, or the round was declined, here or elsewhere; here a key may still be owed
	ViewsDiffer              // parties were sent different things; nobody is named
	Invalid                  // Status.Who broke the protocol
	states
)

var stateNames = [states]string{"proposed", "joined", "keyed", "inputs in", "opening", "match", "no match",
	"shown, unanswered", "lapsed", "views differ", "invalid"}

// String is the name in the documentation.
func (s State) String() string {
	if s >= states {
		return "unknown"
	}
	return stateNames[s]
}

// next are the allowed transitions. Opening follows itself with the next cell;
// Shown and Lapsed change when something comes late.
var next = [states][states]bool{
	Proposed: {Joined: true, Lapsed: true, ViewsDiffer: true, Invalid: true},
	Joined:   {Keyed: true, Lapsed: true, ViewsDiffer: true, Invalid: true},
	Keyed:    {InputsIn: true, Lapsed: true, ViewsDiffer: true, Invalid: true},
	InputsIn: {Opening: true, Lapsed: true, ViewsDiffer: true, Invalid: true},
	Opening:  {Opening: true, Match: true, NoMatch: true, Shown: true, Lapsed: true, ViewsDiffer: true, Invalid: true},
	Shown:    {Match: true, NoMatch: true, Lapsed: true, ViewsDiffer: true, Invalid: true},
	Lapsed:   {Match: true, NoMatch: true, ViewsDiffer: true, Invalid: true},
}

// move changes the state or says that it may not.
func (r *Round) move(to State) error {
	if to >= states || !next[r.at][to] {
		return fmt.Errorf("moving a blind round from %s to %s: not a transition of the protocol", r.at, to)
	}
	r.at = to
	return nil
}

// Status is what a user may be shown.
type Status struct {
	State State
	// Cell is the derived cell of Opening, Match, Shown and, if the round had come
	// that far, Lapsed; -1 otherwise. Params.Item says what it is about.
	Cell int
	// Who broke the protocol, in Invalid.
	Who MemberID
	// Known, in Lapsed among more than two: everybody said yes, some know it, and
	// not all confirmed that they do.
	Known bool
	// Answered tells whether an answer is chosen; Sent whether it has left.
	Answered, Sent bool
	// Opened of Cells were opened before the current one; 0 before Opening.
	Opened, Cells int
	// Step of Steps were taken by everybody. Steps is the most: a match ends the
	// opening early.
	Step, Steps int
	// Messages have to pass one after the other, at most, until the result is known,
	// Bytes in all; both are 0 once it is.
	Messages, Bytes int
	// Over means that nothing changes any more: forget the round when it was shown.
	Over bool
}

// Status describes the round.
func (r *Round) Status() Status {
	s := Status{State: r.at, Cell: -1, Known: r.known && r.at == Lapsed, Answered: len(r.bits) > 0, Sent: r.inputSent, Cells: r.plan.opened(), Over: r.over}
	switch r.at {
	case Opening, Match, Shown, Lapsed:
		if r.step >= StepOpen {
			s.Cell = r.cell()
			s.Opened = r.pos
		}
	case Invalid:
		s.Who = r.params.Parties[r.who]
	}
	r.measure(&s)
	return s
}

// measure says how far the round is. Nothing in it depends on an answer but the
// result itself.
func (r *Round) measure(s *Status) {
	s.Steps = r.slots()
	if len(r.params.Parties) == 2 {
		s.Steps-- // no echo
	}
	if s.Step = r.slot(); r.at == Match || r.at == NoMatch {
		s.Step = s.Steps
	}
	if r.at >= Match {
		return
	}
	for slot := s.Step; slot < s.Steps; slot++ {
		step, messages := Step(slot+1), 1
		if step >= StepOpen {
			if step = StepOpen; slot == r.slots()-1 {
				step = StepEcho
			} else {
				messages = 2 // one party opens first
			}
		}
		s.Messages += messages
		s.Bytes += messages * (HeaderSize + r.params.BodySize(step))
	}
}
