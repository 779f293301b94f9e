// Package wire encodes and decodes everything that leaves a process: cells,
// frames, records, signed documents and the network file. It decides nothing and
// keeps nothing.
//
// Integers are big-endian and of fixed width, sizes are bytes, every layout has
// one length per network (Params), and a decoder accepts exactly what the
// encoder makes: parse then append reproduces the input. Decoded values may
// share memory with their input.
//
// Specification: docs/protocol.md, sections 2, 3 and 4.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"backchannel/internal/suite"
)

// ErrMalformed is wrapped by every decoding error.
var ErrMalformed = errors.New("malformed")

func malformed(what, why string) error { return fmt.Errorf("%s: %s: %w", what, why, ErrMalformed) }

// Attempt names one set-up attempt: the epoch whose circuits it makes and its
// number within the epoch before. Every array on the wire carries it.
type Attempt struct {
	Epoch  uint64
	Number uint32
}

// AttemptSize is the encoded size of an Attempt.
const AttemptSize = 8 + 4 // epoch ‖ number

// Append encodes a.
func (a Attempt) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, a.Epoch)
	return binary.BigEndian.AppendUint32(b, a.Number)
}

// Bytes encodes a in a fresh slice.
func (a Attempt) Bytes() []byte { return a.Append(make([]byte, 0, AttemptSize)) }

// Before orders attempts by epoch, then number.
func (a Attempt) Before(b Attempt) bool {
	return a.Epoch < b.Epoch || a.Epoch == b.Epoch && a.Number < b.Number
}

func parseAttempt(b []byte) Attempt {
	return Attempt{binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])}
}

// Hash, Tag and TwinID are the fixed byte strings of the protocol.
type (
	// Hash is a SHA-256 value.
	Hash = [suite.HashSize]byte
	// Tag is a rendezvous tag: a commitment to 32 bytes that are revealed at ACK.
	Tag = [suite.TagSize]byte
	// TwinID is a circuit's sealed identifier.
	TwinID = [suite.TwinID]byte
)
