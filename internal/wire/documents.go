package wire

import (
	"bytes"
	"encoding/binary"

	"backchannel/internal/suite"
)

// Keys is relay number Relay's KEYS for one attempt: fresh outer and inner KEM
// public keys, signed.
type Keys struct {
	Attempt
	Relay     int    // position in the chain from 0
	Outer     []byte // suite.KEMPublicKeySize
	Inner     []byte // suite.KEMPublicKeySize
	Signature []byte // suite.SignatureSize
}

// KeysSize is the size of an encoded KEYS body:
// attempt ‖ relay ‖ outer ‖ inner ‖ signature.
const KeysSize = AttemptSize + 1 + 2*suite.KEMPublicKeySize + suite.SignatureSize

// Unsigned is KEYS_i as it enters aid: attempt ‖ outer ‖ inner.
func (k Keys) Unsigned() []byte {
	b := k.Attempt.Append(make([]byte, 0, AttemptSize+2*suite.KEMPublicKeySize))
	return append(append(b, k.Outer...), k.Inner...)
}

// Append encodes k.
func (k Keys) Append(b []byte) []byte {
	b = k.Attempt.Append(b)
	b = append(b, byte(k.Relay))
	b = append(append(b, k.Outer...), k.Inner...)
	return append(b, k.Signature...)
}

// ParseKeys decodes KeysSize bytes.
func ParseKeys(b []byte) (Keys, error) {
	if len(b) != KeysSize {
		return Keys{}, malformed("KEYS", "wrong size")
	}
	k := Keys{Attempt: parseAttempt(b), Relay: int(b[AttemptSize])}
	b = b[AttemptSize+1:]
	k.Outer, k.Inner = b[:suite.KEMPublicKeySize], b[suite.KEMPublicKeySize:2*suite.KEMPublicKeySize]
	k.Signature = b[2*suite.KEMPublicKeySize:]
	return k, nil
}

// Sign sets the signature: over net ‖ relay ‖ KEYS_i.
func (k *Keys) Sign(net Hash, sk suite.SigningKey) {
	s := sk.Sign(suite.LabelKeysSign, net[:], []byte{byte(k.Relay)}, k.Unsigned())
	k.Signature = s[:]
}

// Verify checks the signature.
func (k Keys) Verify(net Hash, vk suite.VerifyKey) bool {
	return vk.Verify(k.Signature, suite.LabelKeysSign, net[:], []byte{byte(k.Relay)}, k.Unsigned())
}

// AID binds an attempt to the network and to every relay's keys:
// H(label ‖ net ‖ e ‖ a ‖ KEYS_1 ‖ … ‖ KEYS_n), without signatures. all holds
// KEYS in chain order.
func AID(net Hash, a Attempt, all []Keys) Hash {
	parts := make([][]byte, 0, 2+len(all))
	parts = append(parts, net[:], a.Bytes())
	for _, k := range all {
		parts = append(parts, k.Unsigned())
	}
	return suite.Hash(suite.LabelAttempt, parts...)
}

// TagOf commits to s within an attempt: H(label ‖ aid ‖ s), truncated.
func TagOf(aid Hash, s [suite.HashSize]byte) (t Tag) {
	h := suite.Hash(suite.LabelTag, aid[:], s[:])
	copy(t[:], h[:])
	return t
}

// Header is what all relays sign once per attempt.
type Header struct {
	Attempt
	AID   Hash
	Count uint32 // records
	List  Hash   // hash of the sorted record list
}

// HeaderSize is the encoded size: attempt ‖ aid ‖ count ‖ list hash.
const HeaderSize = AttemptSize + suite.HashSize + 4 + suite.HashSize

// Append encodes h.
func (h Header) Append(b []byte) []byte {
	b = h.Attempt.Append(b)
	b = append(b, h.AID[:]...)
	b = binary.BigEndian.AppendUint32(b, h.Count)
	return append(b, h.List[:]...)
}

// Hash is H(header), which every onion, receipt and REVEAL binds.
func (h Header) Hash() Hash { return suite.Hash(suite.LabelHeader, h.Append(nil)) }

func parseHeader(b []byte) (h Header) {
	h.Attempt = parseAttempt(b)
	copy(h.AID[:], b[AttemptSize:])
	h.Count = binary.BigEndian.Uint32(b[AttemptSize+suite.HashSize:])
	copy(h.List[:], b[AttemptSize+suite.HashSize+4:])
	return h
}

// ListHash is the hash of a record list, which must be sorted bytewise: records
// of equal size, back to back.
func ListHash(a Attempt, records []byte) Hash {
	return suite.Hash(suite.LabelRoster, a.Bytes(), records)
}

// Sorted reports whether records of the given size are in bytewise order;
// equal neighbours are allowed, for duplicate tags are legal.
func Sorted(records []byte, size int) bool {
	if size <= 0 || len(records)%size != 0 {
		return false
	}
	for i := size; i < len(records); i += size {
		if bytes.Compare(records[i-size:i], records[i:i+size]) > 0 {
			return false
		}
	}
	return true
}

// SignedHeader is one relay's signature over a header.
type SignedHeader struct {
	Header
	Relay     int
	Signature []byte
}

// SignedHeaderSize is header ‖ relay ‖ signature.
const SignedHeaderSize = HeaderSize + 1 + suite.SignatureSize

// SignHeader signs H(header).
func SignHeader(h Header, relay int, sk suite.SigningKey) SignedHeader {
	hh := h.Hash()
	s := sk.Sign(suite.LabelHeaderSign, hh[:])
	return SignedHeader{h, relay, s[:]}
}

// Verify checks the signature.
func (s SignedHeader) Verify(vk suite.VerifyKey) bool {
	hh := s.Header.Hash()
	return vk.Verify(s.Signature, suite.LabelHeaderSign, hh[:])
}

// Append encodes s.
func (s SignedHeader) Append(b []byte) []byte {
	b = s.Header.Append(b)
	b = append(b, byte(s.Relay))
	return append(b, s.Signature...)
}

// ParseSignedHeader decodes SignedHeaderSize bytes.
func ParseSignedHeader(b []byte) (SignedHeader, error) {
	if len(b) != SignedHeaderSize {
		return SignedHeader{}, malformed("roster header", "wrong size")
	}
	return SignedHeader{parseHeader(b), int(b[HeaderSize]), b[HeaderSize+1:]}, nil
}

// Seed is the REVEAL phase's first half: the seed of relay Relay's inner key.
type Seed struct {
	Attempt
	Relay int
	Seed  [suite.SeedSize]byte
}

// SeedBodySize is attempt ‖ relay ‖ seed.
const SeedBodySize = AttemptSize + 1 + suite.SeedSize

// Append encodes s.
func (s Seed) Append(b []byte) []byte {
	b = s.Attempt.Append(b)
	b = append(b, byte(s.Relay))
	return append(b, s.Seed[:]...)
}

// ParseSeed decodes SeedBodySize bytes.
func ParseSeed(b []byte) (s Seed, err error) {
	if len(b) != SeedBodySize {
		return s, malformed("seed", "wrong size")
	}
	s.Attempt, s.Relay = parseAttempt(b), int(b[AttemptSize])
	copy(s.Seed[:], b[AttemptSize+1:])
	return s, nil
}

// Reveal is one relay's signed statement that every inner seed under this header
// was revealed and checked.
type Reveal struct {
	Attempt
	Relay     int
	Header    Hash // H(header)
	Signature []byte
}

// RevealSize is attempt ‖ relay ‖ H(header) ‖ signature.
const RevealSize = AttemptSize + 1 + suite.HashSize + suite.SignatureSize

// SignReveal signs H(header) as a REVEAL.
func SignReveal(a Attempt, relay int, header Hash, sk suite.SigningKey) Reveal {
	s := sk.Sign(suite.LabelRevealSign, header[:])
	return Reveal{a, relay, header, s[:]}
}

// Verify checks the signature.
func (r Reveal) Verify(vk suite.VerifyKey) bool {
	return vk.Verify(r.Signature, suite.LabelRevealSign, r.Header[:])
}

// Append encodes r.
func (r Reveal) Append(b []byte) []byte {
	b = r.Attempt.Append(b)
	b = append(b, byte(r.Relay))
	b = append(b, r.Header[:]...)
	return append(b, r.Signature...)
}

// ParseReveal decodes RevealSize bytes.
func ParseReveal(b []byte) (r Reveal, err error) {
	if len(b) != RevealSize {
		return r, malformed("REVEAL", "wrong size")
	}
	r.Attempt, r.Relay = parseAttempt(b), int(b[AttemptSize])
	copy(r.Header[:], b[AttemptSize+1:])
	r.Signature = b[AttemptSize+1+suite.HashSize:]
	return r, nil
}
