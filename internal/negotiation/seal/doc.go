// Package seal lets the parties of an agreement sign it together, with one
// Ed25519 signature that any RFC 8032 implementation verifies, and checks the
// communiqué that results (docs/negotiation.md, "Agreements and communiqués").
//
// It is three-round MuSig over filippo.io/edwards25519: every key enters the sum
// with a coefficient that depends on all keys, so no key can be chosen to cancel
// another; nonces are committed to, and the commitments echoed, before any nonce
// is shown.
//
// The package is pure: bytes and randomness come in, messages and a state to keep
// come out. It trusts its caller to say truly from whom a message came, to keep
// State before sending what a call returned, and never to run two copies of a
// session. It never reveals or keeps a nonce. A share, once sent, is evidence; a
// session makes none before Approve.
package seal
