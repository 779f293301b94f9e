// Package relay is one hop of the chain as a link.Node: a single-threaded state
// machine without sockets, clock or goroutines of its own.
//
// Specification: docs/protocol.md, section 3, a relay's part of every step, and
// "Wire between servers".
//
// A relay trusts nobody. Of the entry and its neighbours it assumes only that
// they hold the keys that the network file pins; everything that they send is
// checked for who may send it, for size and for order before it is kept. What it
// keeps is bounded by the roster that it signed. A peer that breaks these rules
// loses its connection and nothing else happens; a peer that is gone costs the
// arrays that were under way.
//
// Set-up is computed aside (link.LaneCompute), one piece after the other, so
// rounds never wait for it. The gate of an attempt (roster.Relay) and its
// circuits until they are revealed belong to that work alone, and the node sees
// results only. Everything else belongs to the node's own goroutine.
//
// It must never reveal the permutation, a pairing, or anything about single
// circuits: logs and Status hold phases, counts and times of whole arrays.
package relay
