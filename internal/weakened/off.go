//go:build !weakened

// Package weakened holds one switch per row of the protocol's table "Rules with
// a named attack each". In every normal build they are false constants, so the
// compiler removes the broken variants; only the build tag "weakened" turns them
// into variables, and only the attack tests and the lab set them. A switch that
// is on breaks exactly its rule, and the attack of that row must then succeed.
package weakened

// Enabled tells whether this build can break rules at all.
const Enabled = false

const (
	// UnboundKeys breaks the rule: all KEYS are bound into tags, header and every info.
	// Attack: key equivocation: a relay signs other keys per station and recognises circuits.
	UnboundKeys = false

	// RepairedReceipts breaks the rule: receipt MAC covers the downstream blob; first array final; one pass.
	// Attack: garble, observe who does not acknowledge, repair.
	RepairedReceipts = false

	// DanglingVersion breaks the rule: talk only on the same version in my own rostered record.
	// Attack: dangling: a lost healing message leaves two orphan ids.
	DanglingVersion = false

	// SecondRecord breaks the rule: one persisted record per (e, a).
	// Attack: re-join diff: idle lanes change their tags, talking lanes do not.
	SecondRecord = false

	// SharedContact breaks the rule: one lane per contact; twins labelled, no lane index in ids.
	// Attack: ids with four circuits.
	SharedContact = false

	// KeystreamOverlap breaks the rule: exact keys and IVs, four exports, twin in the cell key.
	// Attack: keystream overlap between consecutive rounds, receipts and cells, twins.
	KeystreamOverlap = false

	// SecondBatch breaks the rule: one batch per attempt, each (round, direction) once, nothing persisted across a restart.
	// Attack: two inputs under one keystream reveal the permutation.
	SecondBatch = false

	// Reencryption breaks the rule: a station resends cached bytes, never re-encrypts; rounds only move forward; keys in memory only; no cell before a REVEAL after the restart.
	// Attack: two inputs under one keystream, at the station.
	Reencryption = false

	// ConstantIdle breaks the rule: idle innermost cells are fresh random bytes.
	// Attack: idle pairs show at the last relay.
	ConstantIdle = false

	// RepeatedTag breaks the rule: each tag exactly once in the list, or no talk.
	// Attack: an invitation redeemed twice gives ids with three circuits.
	RepeatedTag = false

	// VisibleFailure breaks the rule: no visible reaction to a failed decryption.
	// Attack: oracle through reconnects, early rejoins, pace.
	VisibleFailure = false

	// RevealWithoutAck breaks the rule: no reveal with any acknowledgement missing.
	// Attack: targeted drops.
	RevealWithoutAck = false

	// LooseTags breaks the rule: tag = commitment to s; never below 16 bytes; full-hash duplicates.
	// Attack: tag splicing; onion malleation.
	LooseTags = false

	// PartialArrays breaks the rule: whole arrays only, at every relay, in every phase and direction.
	// Attack: probing slot by slot.
	PartialArrays = false

	// TalkativeTelemetry breaks the rule: nothing contact-dependent in logs, metrics, timing, errors.
	// Attack: all of the above, from the inside.
	TalkativeTelemetry = false

	// StaticRestore breaks the rule: whatever is made from the static K_re binds the attempt.
	// Attack: recognised again: what was revealed in one attempt opens tags of the next.
	StaticRestore = false
)

// Set switches one rule off or on again. It reports whether this build can: in a
// normal build it cannot and does nothing.
func Set(string, bool) bool { return false }
