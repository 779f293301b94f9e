// Package pairwise is everything cryptographic and reliable between two
// stations: the rendezvous chain, message roots, epoch and cell keys, the
// introduction, healing, restoring from a backup, and the selective-repeat stream
// inside the cells.
//
// It is pure: no clock, no disk, no socket. Epochs and rounds come in as
// arguments; what must be durable goes out as a Delta, and nothing is sent,
// acknowledged or listed before the caller has said that its Delta is durable
// (commit, then send). A Session is used from one goroutine at a time.
//
// It trusts the caller to call Join only after all KEYS of the epoch were
// verified and the epoch is at most one after the caller's own clock, and to
// commit Deltas in the order of Take. It trusts the peer with nothing but the
// peer's own conversation: a hostile peer costs bounded memory and bounded work,
// and can only spoil what it is a party to.
//
// It must never reveal anything through its behaviour towards the network: a
// cell is always a full cell, a failed opening has no consequence, and a
// misbehaving or refused peer is answered with the same cells as before. What
// was noticed is told to the local caller only (Phase, Trouble).
//
// Specification: docs/protocol.md, section 4.
package pairwise

import "errors"

// Role tells which end of an invitation a session is. It never changes.
type Role byte

// The two ends.
const (
	Inviter Role = 1
	Invitee Role = 2
)

// other is the peer's role.
func (r Role) other() Role { return 3 - r }

// Phase is how far two stations have come with each other.
type Phase byte

// The phases. Refused and Lost are final; from Introduced a meeting with a side
// that was restored from a backup leads back to Introducing.
const (
	Waiting     Phase = 0 // never met
	Introducing Phase = 1 // a cell of the peer was opened; the introduction runs
	Introduced  Phase = 2 // both keys confirmed; the words can be compared
	Refused     Phase = 3 // commitment, public key or confirmation did not fit; nothing will ever be carried
	Restoring   Phase = 4 // restored from a backup, and no cell of the peer was opened since
	Lost        Phase = 5 // restored from a backup that was made before the introduction; nothing will ever be carried
)

// Constants of the protocol and of this implementation of it.
const (
	// HealEvery is how many epochs in which both met a version serves before the
	// next healing exchange starts.
	HealEvery = 8

	// ActivationDelay is how many epochs after the latest one joined a new version
	// is first listed: E ≥ current + 2.
	ActivationDelay = 2

	// MaxEpochJump is the most epochs that a chain is stepped at once: sixteen
	// years of 120 seconds. It bounds work, not trust: epochs come from the
	// caller's own clock.
	MaxEpochJump = 1 << 22

	// MaxRoundJump is the most rounds that a cell chain is stepped at once.
	MaxRoundJump = 1 << 20

	// Window is how many frames beyond the cumulative acknowledgement may be in
	// flight; the bitmap covers them.
	Window = 32

	// RetransmitRounds is after how many rounds without acknowledgement a frame is
	// sent again. The cell of round q is opened after the peer built that of q+1,
	// so the peer's cell of q+2 acknowledges at best, which is opened in time for
	// q+4; two more rounds are for a commit that is late.
	RetransmitRounds = 6
)

// The errors of Join, Load and Trouble.
var (
	// ErrNotYet means that the session has no version that may be listed for the
	// epoch: the invitation begins later, or nothing was committed yet.
	ErrNotYet = errors.New("joining for a contact: no version may be listed for this epoch yet; wait for its first epoch and for the vault")

	// ErrPast means that the chain values of the epoch, or the attempt, were used
	// up.
	ErrPast = errors.New("joining for a contact: this epoch or attempt was joined before; wait for the next")

	// ErrTooFar means that the epoch is more than MaxEpochJump ahead.
	ErrTooFar = errors.New("joining for a contact: the epoch is too far ahead; check this machine's clock")

	// ErrState means that a stored session was not written by this program or was
	// damaged.
	ErrState = errors.New("reading a stored session: it is damaged or of another version; restore the vault from a backup")

	// ErrMisbehaving means that the peer, who holds the keys, sent what this
	// program does not send.
	ErrMisbehaving = errors.New("the contact's station sends what the protocol does not allow; ask the contact to update it, or burn the contact")

	// ErrExhausted means that no sequence number is left to send with.
	ErrExhausted = errors.New("the conversation has used up its sequence numbers; introduce the contact anew")
)
