// Package entry is the entry of the network as a link.Node: it admits stations,
// paces the clock, and carries bytes between stations and relays.
//
// Specification: docs/protocol.md, section 3, the entry's part of every step.
//
// The entry is trusted for availability only and holds nothing secret: every
// frame that passes through it is sealed, signed or public, and a wrong one is
// noticed by the relays or the stations. It checks signatures and commitments
// only to know whose fault a failed attempt is. Of stations it assumes nothing:
// what it keeps of an account is one record, its onions, one acknowledgement and
// the cells of the rounds under way, each of one fixed size, and a short history
// of how it behaved.
//
// It must never write down an account, an address, or anything that tells one
// station from another: logs and Status hold phases, counts and times.
package entry
