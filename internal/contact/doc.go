// Package contact holds what a principal knows of people and what goes to them:
// invitations, the table of lanes, and the header in front of every signal and
// letter.
//
// It is pure: time, epochs and network come in as arguments, nothing is read or
// written. Randomness comes from internal/suite where a secret is made or a
// choice must not be predicted; the deterministic halves are exported beside.
//
// It trusts nothing that it decodes: an invitation is typed by a person, a header
// is written by the other side. An invitation is a secret; its errors may name a
// mistyped word to the person who typed it and must not be logged. Lanes must
// never change because of what a contact does (docs/protocol.md, section 2), so
// nothing here takes an event of the network as an argument.
//
// Specification: docs/protocol.md, sections 2 (lanes) and 4 (introduction).
package contact

import (
	"time"

	"backchannel/internal/pairwise"
)

// ID names a contact on this station only. It is random and never leaves it.
type ID [16]byte

// Contact is what a station knows of a contact besides keys and lane.
type Contact struct {
	ID      ID
	Name    string // chosen here; nobody else sees it
	Role    pairwise.Role
	Created time.Time
	Expires time.Time // end of the invitation; zero if it has none

	// Verified is set when the words were compared. Until then the contact is
	// marked everywhere.
	Verified bool
	// Muted contacts arrive without notice.
	Muted bool
	// Expiry is how long after it was delivered or read an own copy of an item is
	// erased, in whole seconds; 0 is never.
	Expiry time.Duration
	// SealKey is the key of which its principal publishes that it signs with it, 32
	// bytes, as the user noted it; empty if none is. Nothing is signed together with
	// another at level public.
	SealKey []byte

	// Invitation is the text of an invitation that is out. It holds σ, from which
	// the first chain can be computed again, so it must be emptied when somebody
	// came.
	Invitation string
}
