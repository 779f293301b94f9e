package weakened

// A Rule is one row of the protocol's table, by the name of its switch.
type Rule struct{ Name, Rule, Attack string }

// Rules lists the table in its order.
var Rules = []Rule{
	{"UnboundKeys", "all KEYS are bound into tags, header and every info", "key equivocation: a relay signs other keys per station and recognises circuits"},
	{"RepairedReceipts", "receipt MAC covers the downstream blob; first array final; one pass", "garble, observe who does not acknowledge, repair"},
	{"DanglingVersion", "talk only on the same version in my own rostered record", "dangling: a lost healing message leaves two orphan ids"},
	{"SecondRecord", "one persisted record per (e, a)", "re-join diff: idle lanes change their tags, talking lanes do not"},
	{"SharedContact", "one lane per contact; twins labelled, no lane index in ids", "ids with four circuits"},
	{"KeystreamOverlap", "exact keys and IVs, four exports, twin in the cell key", "keystream overlap between consecutive rounds, receipts and cells, twins"},
	{"SecondBatch", "one batch per attempt, each (round, direction) once, nothing persisted across a restart", "two inputs under one keystream reveal the permutation"},
	{"Reencryption", "a station resends cached bytes, never re-encrypts; rounds only move forward; keys in memory only; no cell before a REVEAL after the restart", "two inputs under one keystream, at the station"},
	{"ConstantIdle", "idle innermost cells are fresh random bytes", "idle pairs show at the last relay"},
	{"RepeatedTag", "each tag exactly once in the list, or no talk", "an invitation redeemed twice gives ids with three circuits"},
	{"VisibleFailure", "no visible reaction to a failed decryption", "oracle through reconnects, early rejoins, pace"},
	{"RevealWithoutAck", "no reveal with any acknowledgement missing", "targeted drops"},
	{"LooseTags", "tag = commitment to s; never below 16 bytes; full-hash duplicates", "tag splicing; onion malleation"},
	{"PartialArrays", "whole arrays only, at every relay, in every phase and direction", "probing slot by slot"},
	{"TalkativeTelemetry", "nothing contact-dependent in logs, metrics, timing, errors", "all of the above, from the inside"},
	{"StaticRestore", "whatever is made from the static K_re binds the attempt", "recognised again: what was revealed in one attempt opens tags of the next"},
}
