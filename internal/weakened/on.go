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
)
