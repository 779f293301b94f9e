// Package mix is the engine of set-up and rounds: onions and circuits at the
// station, batches, receipts, pairing and round passes at a relay. It is pure:
// bytes in, bytes out, no sockets, no clock; randomness comes from the system.
//
// Specification: docs/protocol.md, section 3, steps 3 (onions), 4 (mix),
// 5 (receipts), 7 (pairing) and 8 (rounds).
//
// Arrays are flat. A batch is one []byte of equal onions, a round one []byte of
// equal cells, a Set a few []byte of keys in the order in which a pass reads
// them; nothing is allocated per cell. Hops count from 0, as in wire.Keys.
//
// The package trusts its caller to verify KEYS before NewPath, to hand in the
// hash of a header that all relays signed, to call OpenBatch once per attempt
// (roster.Relay.Mixed says whether an output may leave), and to Erase.
//
// It must never reveal the permutation, a pairing, an id or which entries did
// not open: an entry that fails becomes random bytes of the right size and
// random keys, and no error, count or log tells it from the others. Every error
// here follows from sizes and order of calls alone.
package mix
