// Package conduct plays a member's part in blind rounds and signings: it carries the
// messages of packages blind and seal as statements of a room, and reports to the
// room where each round and each agreement stands.
//
// A Seat is that part for the length of one transaction of the vault. What it keeps
// goes to the Store, what it sends comes back as Sayings; the caller says them in
// the same transaction. A state that was not kept was never sent, and the other way
// round. The nonces of a signing are the one thing that no Store has: they are in
// Signings, in memory, and a restart ends the attempt.
//
// The package is pure: time, randomness and storage come in.
//
// Specification: docs/negotiation.md, "Blind rounds" and "Agreements and
// communiqués".
//
// Trust: a statement comes from the member that the room says; what it holds is
// hostile. Whoever breaks a protocol ends the round or the attempt, at the sender's
// cost; no statement can keep the caller from going on.
//
// Never revealed: an answer before the round opens it, a round's keys, seal keys and
// nonces; no error and no saying depends on an answer.
package conduct
