//go:build weakened

package weakened

// Enabled tells whether this build can break rules at all.
const Enabled = true

// Each variable breaks one rule; see the constants of the normal build.
var (
	UnboundKeys        bool
	RepairedReceipts   bool
	DanglingVersion    bool
	SecondRecord       bool
	SharedContact      bool
	KeystreamOverlap   bool
	SecondBatch        bool
	Reencryption       bool
	ConstantIdle       bool
	RepeatedTag        bool
	VisibleFailure     bool
	RevealWithoutAck   bool
	LooseTags          bool
	PartialArrays      bool
	TalkativeTelemetry bool
	StaticRestore      bool
)

var switches = map[string]*bool{
	"UnboundKeys":        &UnboundKeys,
	"RepairedReceipts":   &RepairedReceipts,
	"DanglingVersion":    &DanglingVersion,
	"SecondRecord":       &SecondRecord,
	"SharedContact":      &SharedContact,
	"KeystreamOverlap":   &KeystreamOverlap,
	"SecondBatch":        &SecondBatch,
	"Reencryption":       &Reencryption,
	"ConstantIdle":       &ConstantIdle,
	"RepeatedTag":        &RepeatedTag,
	"VisibleFailure":     &VisibleFailure,
	"RevealWithoutAck":   &RevealWithoutAck,
	"LooseTags":          &LooseTags,
	"PartialArrays":      &PartialArrays,
	"TalkativeTelemetry": &TalkativeTelemetry,
	"StaticRestore":      &StaticRestore,
}

// Set switches one rule off or on again and reports whether it knows the name.
func Set(name string, broken bool) bool {
	s, ok := switches[name]
	if ok {
		*s = broken
	}
	return ok
}
