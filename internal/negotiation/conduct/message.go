package conduct

import (
	"bytes"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/blind"
	"backchannel/internal/negotiation/seal"
)

// roundKinds are the kinds of statements that carry a round's messages.
var roundKinds = map[blind.Step]negotiation.Kind{
	blind.StepCommit: "round/commit", blind.StepKey: "round/key", blind.StepInput: "round/input", blind.StepCoin: "round/coin",
	blind.StepBlind: "round/blind", blind.StepOpen: "round/open", blind.StepEcho: "round/echo",
}

// signKinds are those of a signing.
var signKinds = map[seal.Step]negotiation.Kind{
	seal.StepHello: "sign/hello", seal.StepCommit: "sign/commit", seal.StepEcho: "sign/echo", seal.StepNonce: "sign/nonce",
	seal.StepShare: "sign/share",
}

// The other kinds about agreements.
const (
	kindStop    negotiation.Kind = "sign/stop"    // the sender's attempt has ended
	kindHeld    negotiation.Kind = "sign/held"    // the sender holds the signed text
	kindKey     negotiation.Kind = "sign/key"     // handshake: the key under which the receiver confirms
	kindConfirm negotiation.Kind = "sign/confirm" // handshake: the sender's MAC
)

// Message is the body of a statement under round/ or sign/: a CBOR array in the
// core deterministic encoding. Attempt counts from 1 in a signing and is 0
// elsewhere; Bytes is a message of blind or seal, a key, a MAC or empty.
type Message struct {
	_       struct{}       `cbor:",toarray"`
	Of      negotiation.ID // the round, or the agreement, by its statement
	Attempt uint64
	Bytes   []byte
}

var (
	enc = must(cbor.CoreDetEncOptions().EncMode())
	dec = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, MaxNestedLevels: 4,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("conduct: " + err.Error())
	}
	return v
}

// Encode is the one encoding of a message.
func (m Message) Encode() []byte {
	if m.Bytes == nil {
		m.Bytes = []byte{}
	}
	return must(enc.Marshal(m)) // nothing in it can fail
}

// ParseMessage is the inverse of Encode and refuses every other encoding.
func ParseMessage(b []byte) (m Message, err error) {
	if err := dec.Unmarshal(b, &m); err != nil || !bytes.Equal(m.Encode(), b) {
		return Message{}, refused("the message of a round or signing is malformed")
	}
	return m, nil
}

// stays is how much of a round's message is kept once the round has ended: the step
// and the cell, by which a reader sees who had got how far.
const stays = 2

// Spent reports that nothing more of a statement's body is needed once its round, or
// its agreement, has ended, and what then stays of it: what it is about, and of a
// round step and cell. It is false for what has nothing to erase: other statements,
// those of signing together, which prove what was signed, and those that were erased.
func Spent(st *negotiation.Statement) (of negotiation.ID, left []byte, ok bool) {
	m, err := ParseMessage(st.Raw)
	keep := 0
	if strings.HasPrefix(string(st.Kind), negotiation.PrefixRound) {
		keep = stays
	} else if st.Kind != kindKey && st.Kind != kindConfirm {
		return of, nil, false
	}
	if err != nil || len(m.Bytes) <= keep {
		return of, nil, false
	}
	m.Bytes = m.Bytes[:keep]
	return m.Of, m.Encode(), true
}

// about reads a statement of this package that is about one round or agreement.
func about(st *negotiation.Statement, of negotiation.ID) (Message, bool) {
	m, err := ParseMessage(st.Raw)
	return m, err == nil && m.Of == of
}
