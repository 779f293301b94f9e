// Package lab plays the attacks of the threat model against the real code.
//
// There is one attack per row of the protocol's table "Rules with a named attack
// each" (docs/protocol.md, section 3). Each plays the adversary with everything
// the adversary has (the links, the entry, all relays but one, stations of its
// own) and reports whether it could tell what it must not be able to tell. On
// the real code every attack fails. In a build with the tag "weakened", each
// succeeds once its own rule is switched off (package weakened), which is how we
// know that the attack is one.
//
// What is not an attack of the table is not here: lab/README.md lists what the
// threat model claims and where it is tested.
package lab

import "fmt"

// Attack is one row of the table, playable.
type Attack struct {
	Row  string // the switch in package weakened, which names the row
	Play func() (Outcome, error)
}

// Outcome is what the adversary got.
type Outcome struct {
	Broken bool   // the adversary could tell what it must not
	Saw    string // what it looked at and what that said, in one sentence
}

func broken(format string, args ...any) (Outcome, error) {
	return Outcome{true, fmt.Sprintf(format, args...)}, nil
}

func held(format string, args ...any) (Outcome, error) {
	return Outcome{false, fmt.Sprintf(format, args...)}, nil
}

// Attacks lists all attacks in the table's order.
var Attacks = []Attack{
	{"UnboundKeys", keyEquivocation},
	{"RepairedReceipts", garbleAndRepair},
	{"DanglingVersion", danglingVersion},
	{"SecondRecord", rejoinDiff},
	{"SharedContact", sharedContact},
	{"KeystreamOverlap", keystreamOverlap},
	{"SecondBatch", secondBatch},
	{"Reencryption", reencryption},
	{"ConstantIdle", constantIdle},
	{"RepeatedTag", repeatedTag},
	{"VisibleFailure", visibleFailure},
	{"RevealWithoutAck", targetedDrop},
	{"LooseTags", tagSplicing},
	{"PartialArrays", slotProbing},
	{"TalkativeTelemetry", telemetry},
	{"StaticRestore", recognisedAgain},
}
