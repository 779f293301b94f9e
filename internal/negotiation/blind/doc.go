// Package blind is a blind round: n parties answer yes or no to each of m cells,
// and a cell opens to "everybody said yes" or to a random group element, with no
// mediator and nobody who learns more than the others. Specification:
// docs/negotiation.md, "Blind rounds".
//
// It is a distributed ElGamal decryption over ristretto255 after Brandt's
// distributed El Gamal (ICISC 2005): keys are committed to and then opened, answers are encrypted bits with proofs that they are bits, the sum of
// everybody's ciphertexts is blinded by everybody with fresh factors, and each
// cell is opened by one decryption share of everybody. Proofs are
// Cramer–Damgård–Schoenmakers for bits, Chaum–Pedersen for equal logarithms and
// Schnorr for keys, made non-interactive by hashing the context of the round, the
// sender, the step, the cell, the transcript of all earlier steps, and every base
// and point.
//
// A Round is one party's state machine and pure: it is given messages, the time
// and fresh randomness, and returns the state to make durable and then the
// messages to send. It imports nothing of package negotiation, which builds the
// round objects and carries the messages.
//
// What it trusts: the caller keeps Change.State durable before Change.Send
// leaves, delivers messages from whom they came, and tells a Round that it was
// restored from a backup. It trusts no other party: at worst they stop, which
// ends the round in a state that says what they may know.
//
// What must never be revealed: answers, secret keys and blinding factors. They
// are in the state bytes until they are no longer needed and zero afterwards.
// Sizes of messages, and whether and when one is sent, do not depend on answers
// before everybody knows the result.
package blind
