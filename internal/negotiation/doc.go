// Package negotiation is what principals say to each other when they negotiate:
// rooms, agendas, packages, conditional offers, drafts, agreements and the
// statements that carry them.
//
// Everything here is content between stations. It travels inside cells, relays
// know nothing of it, and either side can make all of it (Forge uses the code
// that makes real rooms). The package is pure: bytes, time and randomness come in,
// new state and output go out.
//
// A room is a full mesh of contacts. Each member keeps a chain of statements that
// goes to every other member over its own channel; there are no identity keys,
// and who said something is known from the channel it came over. Formation makes
// a room, Room is one member's copy of it. What a room shows (View) is a function
// of the set of statements that a member holds and of its clock. The order in which
// those of different members arrived has no part in it, so that messages that
// cross end in the same state on all sides.
//
// Specification: docs/negotiation.md, "Objects, rooms, offers".
//
// Trust: bytes from a contact are hostile. A contact can lie about what others
// said and about time; it cannot speak as somebody else. What the members were
// told is compared with vectors, heads and vouch tags (consistency.go), and an
// alarm says no more than what follows from them.
//
// Never revealed: anything of Private (limits, weights, colours, notes, tallies),
// drafts that were not sent, vouch keys and tags in exports, and the contact that
// a member is.
package negotiation
