package station

import (
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/vault"
)

// opaque is what a driver of statements of kinds round/… and sign/… implements. A
// driver keeps what must last in the vault (tx.PutMachine): a transaction may come to
// nothing, and is then run again. What it has in memory besides, the nonces of a
// signing, must not outlive the process, and is given up when it is ahead of the vault.
// An error is one of the vault; what a member sent in another form than it should is a
// state, not an error.
type opaque interface {
	// received is called inside the vault transaction that keeps a statement: one of
	// another member, of whatever kind, or an own one that was not said by a driver.
	received(tx *vault.Tx, r *openRoom, st *negotiation.Statement, now time.Time) ([]saying, error)

	// tick is called when the clock passed a time that wake returned, and at unlock.
	tick(tx *vault.Tx, r *openRoom, now time.Time) ([]saying, error)

	// wake is when tick is wanted next; zero: nothing to wait for.
	wake(tx *vault.Tx, r *openRoom) (time.Time, error)
}

// forgetful is a driver that erases what nobody needs any more of what was said for
// it. forget is called at the end of a transaction that changed a room.
type forgetful interface {
	forget(tx *vault.Tx, r *openRoom, now time.Time) error
}

// saying is what a driver says through the room, in the same transaction.
type saying struct {
	kind negotiation.Kind
	body []byte                // CBOR
	to   *negotiation.MemberID // nil: the whole room
}

// drivers are those of a station with so many lanes.
func drivers(lanes int) []opaque {
	return []opaque{newConductor(lanes)}
}
