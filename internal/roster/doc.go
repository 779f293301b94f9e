// Package roster is the gate of one set-up attempt: KEYS, JOIN, ROSTER, ACK and
// REVEAL as two pure state machines, Relay and Station. No I/O, no clock; all
// randomness is passed in.
//
// Specification: docs/protocol.md, section 3, steps 0 to 3 and 5 to 7.
//
// The gate is what the whole guarantee rests on: ids open only after every
// rostered station held the honest relay's receipt for each of its circuits, and
// every relay finds that out for itself, from every tag of the list.
//
// A relay trusts nobody here: it signs one KEYS, one header, one REVEAL, decides
// once, and destroys its inner key unless all stations acknowledged. A station
// trusts that one of the n relays is honest. Both trust their caller for time:
// which attempts to begin (the high-water mark, one's own epoch ±1) and when to
// give up.
//
// Errors name relays and sizes, never tags or preimages. A call that fails
// changes nothing, unless its comment says that it ends the attempt. Receiving
// again what is already held is no event: it is accepted without effect, as peers
// resend after a reconnect.
package roster
