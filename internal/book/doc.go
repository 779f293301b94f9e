// Package book writes rooms down: as JSON that programs can check, as Markdown, as a
// page to print, and as a script that a person can edit. It makes rooms up with the
// same code, and it reads what was written.
//
// A Script says who did what and when, by names and to the minute. Forge plays it:
// every member gets a copy of the room and a seat in package conduct, and all of it
// happens (invitation, statements, vouch keys, blind rounds, handshakes, signatures)
// with fresh identifiers, keys and seconds. An export of a real room is nothing else:
// Transcribe makes the script of a room, and that is played. So an export has no
// identifier, key, proof or second of the real room in it, two exports of one room
// have only their words in common, and what can be written of a real room can be
// written of one that never was.
//
// Read is for whoever is shown such a file. It checks everything that a member of the
// room could check: ids, chains and vectors, every proof of a blind round, every MAC
// and share, and finds that a forged room passes as well.
//
// The package is pure: time and randomness come in.
//
// Specification: docs/negotiation.md, "Rooms on paper".
//
// Trust: a script and a file that is read are hostile. Names and texts are written so
// that they cannot pass for something else.
//
// Never revealed: anything of the private side of a room, offers that were not sent,
// the own answer in a blind round, keys of whatever kind, identifiers and seconds of
// a real room, and signatures of real parties: those leave as a communiqué, by a
// deliberate act.
package book
