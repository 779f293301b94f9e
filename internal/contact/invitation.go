package contact

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// InvitationVersion is the version that this program makes and accepts. Later
// versions keep the size, the place of the version and the checksum, so that an
// older program can say that it is too old instead of "mistyped".
const InvitationVersion = 1

// An invitation is 341 bits:
//
//	version 4 ‖ σ 256 ‖ issue epoch 32 ‖ network 16 ‖ expiry code 6 ‖ checksum 27
//
// most significant bit first. network is the first 16 bits of net. The checksum
// is the first 27 bits of H(invitation; the bits before it, filled up to 40 bytes
// with zero bits).
const (
	versionBits    = 4
	sigmaBits      = 256
	epochBits      = 32
	networkBits    = 16
	expiryBits     = 6
	checksumBits   = 27
	payloadBits    = versionBits + sigmaBits + epochBits + networkBits + expiryBits // 314
	invitationBits = payloadBits + checksumBits                                     // 341

	payloadSize    = (payloadBits + 7) / 8    // 40
	invitationSize = (invitationBits + 7) / 8 // 43
)

// Invitation is a single-use introduction between two stations of one network.
type Invitation struct {
	Sigma      [32]byte // secret: whoever holds it can come in the other's place
	IssueEpoch uint32   // epoch in which it was made
	Network    [2]byte  // first bytes of net
	Code       uint8    // expiry code, below 64
}

// The reasons for which an invitation is refused. Decoding errors wrap
// ErrMistyped, ErrMalformed or ErrVersion, those of Check one of the others.
var (
	ErrMistyped     = errors.New("mistyped")
	ErrMalformed    = errors.New("not an invitation")
	ErrVersion      = errors.New("the invitation was made by a newer program: update this one")
	ErrOtherNetwork = errors.New("the invitation is for another network: ask for one that was made on yours")
	ErrExpired      = errors.New("the invitation has expired: ask for another")
	ErrFuture       = errors.New("the invitation was made later than this machine's clock says: set the clock and try again")
)

// NewInvitation makes an invitation in the given epoch of the network with hash
// net. It holds for the longest duration of the table that is not longer than
// expires, counted from the end of the epoch; 0 is for ever.
func NewInvitation(net wire.Hash, epoch uint64, expires time.Duration, p wire.Params) (Invitation, error) {
	code, err := ExpiryCode(expires)
	if err != nil {
		return Invitation{}, err
	}
	if epoch >= 1<<epochBits {
		return Invitation{}, fmt.Errorf("making an invitation: epoch %d does not fit one: check this machine's clock", epoch)
	}
	inv := Invitation{Sigma: suite.RandomKey(), IssueEpoch: uint32(epoch), Network: [2]byte(net[:2]), Code: code}
	return inv, nil
}

// Expiry is when the invitation ends on a network with parameters p; the zero
// time if it never does. The issue epoch must be plausible (Check).
func (inv Invitation) Expiry(p wire.Params) time.Time {
	if inv.Code == 0 {
		return time.Time{}
	}
	return p.EpochStart(uint64(inv.IssueEpoch) + 1).Add(ExpiryDuration(inv.Code))
}

// Check tells whether the invitation can be accepted now on the network with
// hash net and parameters p. Its issue epoch may be one ahead of our clock.
func (inv Invitation) Check(net wire.Hash, p wire.Params, now time.Time) error {
	if inv.Network != [2]byte(net[:2]) {
		return ErrOtherNetwork
	}
	epoch, _ := p.EpochAt(now) // before epoch 0 it is 0
	if uint64(inv.IssueEpoch) > epoch+1 {
		return ErrFuture
	}
	if end := inv.Expiry(p); !end.IsZero() && !now.Before(end) {
		return fmt.Errorf("%w (it ended %s)", ErrExpired, end.UTC().Format("2 January 2006, 15:04 MST"))
	}
	return nil
}

// bits encodes the invitation in invitationSize bytes, the last three bits zero.
func (inv Invitation) bits() (b [invitationSize]byte) {
	at := 0
	put := func(v uint64, width int) {
		for i := width - 1; i >= 0; i-- {
			b[at/8] |= byte(v>>i&1) << (7 - at%8)
			at++
		}
	}
	put(InvitationVersion, versionBits)
	for i := 0; i < len(inv.Sigma); i += 8 {
		put(binary.BigEndian.Uint64(inv.Sigma[i:]), 64)
	}
	put(uint64(inv.IssueEpoch), epochBits)
	put(uint64(binary.BigEndian.Uint16(inv.Network[:])), networkBits)
	put(uint64(inv.Code), expiryBits)
	put(uint64(checksum(b)), checksumBits)
	return b
}

func checksum(b [invitationSize]byte) uint32 {
	payload := b[:payloadSize]
	payload[payloadSize-1] &= 0xff &^ (1<<(8*payloadSize-payloadBits) - 1)
	h := suite.Hash(suite.LabelInvitation, payload)
	return binary.BigEndian.Uint32(h[:]) >> (32 - checksumBits)
}

// fromBits is the inverse of bits. A wrong checksum is reported with wrong.
func fromBits(b [invitationSize]byte, wrong error) (inv Invitation, err error) {
	at := 0
	get := func(width int) (v uint64) {
		for range width {
			v = v<<1 | uint64(b[at/8]>>(7-at%8)&1)
			at++
		}
		return v
	}
	version := get(versionBits)
	for i := 0; i < len(inv.Sigma); i += 8 {
		binary.BigEndian.PutUint64(inv.Sigma[i:], get(64))
	}
	inv.IssueEpoch = uint32(get(epochBits))
	binary.BigEndian.PutUint16(inv.Network[:], uint16(get(networkBits)))
	inv.Code = uint8(get(expiryBits))
	if uint32(get(checksumBits)) != checksum(b) || get(8*invitationSize-invitationBits) != 0 {
		return Invitation{}, wrong
	}
	if version != InvitationVersion {
		return Invitation{}, ErrVersion
	}
	return inv, nil
}
