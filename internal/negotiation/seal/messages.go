package seal

import (
	"errors"
	"fmt"

	"backchannel/internal/suite"
)

// A Step is a message kind; a party sends each once, in this order.
type Step byte

// The steps with what follows the step byte. Every message of a kind has one size.
const (
	StepHello  Step = 1 + iota // core 32 ‖ key 32 ‖ fresh 16
	StepCommit                 // sid 32 ‖ SHA-512 64
	StepEcho                   // sid 32 ‖ hash of all commitments 32
	StepNonce                  // sid 32 ‖ R 32
	StepShare                  // sid 32 ‖ z 32
)

// Sizes of the messages in bytes; BytesPerParty is their sum, framing excluded.
const (
	HelloSize     = 1 + CoreSize + PointSize + FreshSize                      // 81
	CommitSize    = 1 + suite.HashSize + 64                                   // 97
	EchoSize      = 1 + suite.HashSize + suite.HashSize                       // 65
	NonceSize     = 1 + suite.HashSize + PointSize                            // 65
	ShareSize     = 1 + suite.HashSize + ScalarSize                           // 65
	BytesPerParty = HelloSize + CommitSize + EchoSize + NonceSize + ShareSize // 373
)

// Wire is one parsed message. Fields that its step does not have are zero.
type Wire struct {
	Step   Step
	Core   Core            // hello
	Key    PublicKey       // hello
	Fresh  [FreshSize]byte // hello
	SID    [32]byte        // all others
	Commit [64]byte        // commit
	Value  [32]byte        // echo: hash; nonce: R; share: z
}

// Encode is the inverse of ParseMessage.
func (w Wire) Encode() []byte {
	b := []byte{byte(w.Step)}
	switch w.Step {
	case StepHello:
		b = append(append(append(b, w.Core[:]...), w.Key[:]...), w.Fresh[:]...)
	case StepCommit:
		b = append(append(b, w.SID[:]...), w.Commit[:]...)
	case StepEcho, StepNonce, StepShare:
		b = append(append(b, w.SID[:]...), w.Value[:]...)
	}
	return b
}

// ParseMessage decodes a message and refuses points and scalars that no honest
// party sends.
func ParseMessage(b []byte) (w Wire, err error) {
	if len(b) == 0 {
		return w, errors.New("reading a signing message: it is empty")
	}
	w.Step = Step(b[0])
	want := map[Step]int{StepHello: HelloSize, StepCommit: CommitSize, StepEcho: EchoSize, StepNonce: NonceSize, StepShare: ShareSize}[w.Step]
	if want == 0 {
		return Wire{}, fmt.Errorf("reading a signing message: there is no step %d", b[0])
	}
	if len(b) != want {
		return Wire{}, fmt.Errorf("reading a signing message: %d bytes at step %d, want %d", len(b), b[0], want)
	}
	b = b[1:]
	switch w.Step {
	case StepHello:
		w.Core, w.Key, w.Fresh = Core(b[:32]), PublicKey(b[32:64]), [FreshSize]byte(b[64:])
		_, err = parsePoint(w.Key[:])
	case StepCommit:
		w.SID, w.Commit = [32]byte(b[:32]), [64]byte(b[32:])
	case StepEcho:
		w.SID, w.Value = [32]byte(b[:32]), [32]byte(b[32:])
	case StepNonce:
		w.SID, w.Value = [32]byte(b[:32]), [32]byte(b[32:])
		_, err = parsePoint(w.Value[:])
	case StepShare:
		w.SID, w.Value = [32]byte(b[:32]), [32]byte(b[32:])
		if _, err = parseScalar(w.Value[:]); err != nil {
			err = errors.New("a share that is not below the group order")
		}
	}
	if err != nil {
		return Wire{}, errors.New("reading a signing message: " + err.Error())
	}
	return w, nil
}
