package suite

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
)

// SigningKey is a relay's long-term key: Ed25519 and ML-DSA-65 grown from one
// seed through two KDF outputs. Every signature is made with both.
type SigningKey struct {
	ed ed25519.PrivateKey
	ml *mldsa65.PrivateKey
	vk VerifyKey
}

// VerifyKey is the public half: Ed25519 ‖ ML-DSA-65, VerifyKeySize bytes.
type VerifyKey struct {
	b  [VerifyKeySize]byte
	ml *mldsa65.PublicKey
}

// NewSigningKey grows both keys from seed.
func NewSigningKey(seed [SeedSize]byte) SigningKey {
	edSeed := KDF(LabelSeedEd25519, [][]byte{seed[:]})
	mlSeed := KDF(LabelSeedMLDSA, [][]byte{seed[:]})
	sk := SigningKey{ed: ed25519.NewKeyFromSeed(edSeed[:])}
	pub, priv := mldsa65.NewKeyFromSeed(&mlSeed)
	sk.ml = priv
	copy(sk.vk.b[:], sk.ed.Public().(ed25519.PublicKey))
	copy(sk.vk.b[Ed25519PublicKeySize:], pub.Bytes())
	sk.vk.ml = pub
	return sk
}

// Public returns the verification key.
func (sk SigningKey) Public() VerifyKey { return sk.vk }

// Sign returns Ed25519 ‖ ML-DSA-65 signatures (deterministic) over
// len(label) ‖ label ‖ parts….
func (sk SigningKey) Sign(label Label, parts ...[]byte) [SignatureSize]byte {
	msg := info(label, parts)
	var out [SignatureSize]byte
	copy(out[:], ed25519.Sign(sk.ed, msg))
	if err := mldsa65.SignTo(sk.ml, msg, nil, false, out[Ed25519SignatureSize:]); err != nil {
		panic("suite: ML-DSA-65 refuses an empty context: " + err.Error())
	}
	return out
}

// ParseVerifyKey decodes VerifyKeySize bytes.
func ParseVerifyKey(b []byte) (VerifyKey, error) {
	var vk VerifyKey
	if len(b) != VerifyKeySize {
		return vk, errors.New("a verification key has 1984 bytes")
	}
	copy(vk.b[:], b)
	vk.ml = new(mldsa65.PublicKey)
	if err := vk.ml.UnmarshalBinary(b[Ed25519PublicKeySize:]); err != nil {
		return vk, fmt.Errorf("decoding an ML-DSA-65 key: %w", err)
	}
	return vk, nil
}

// Bytes encodes the key in VerifyKeySize bytes.
func (vk VerifyKey) Bytes() []byte { return append([]byte(nil), vk.b[:]...) }

// Valid reports whether the key was parsed or grown.
func (vk VerifyKey) Valid() bool { return vk.ml != nil }

// Verify checks both signatures; one right signature is as bad as none.
func (vk VerifyKey) Verify(sig []byte, label Label, parts ...[]byte) bool {
	if len(sig) != SignatureSize || vk.ml == nil {
		return false
	}
	msg := info(label, parts)
	ed := ed25519.Verify(vk.b[:Ed25519PublicKeySize], msg, sig[:Ed25519SignatureSize])
	ml := mldsa65.Verify(vk.ml, msg, nil, sig[Ed25519SignatureSize:])
	return ed && ml
}

// AccountKey authenticates a station's connection to the entry; it is no
// identity, relays and contacts never see it.
type AccountKey struct{ k ed25519.PrivateKey }

// NewAccountKey grows the key from seed.
func NewAccountKey(seed [SeedSize]byte) AccountKey {
	return AccountKey{ed25519.NewKeyFromSeed(seed[:])}
}

// Public returns the 32 bytes by which the entry knows the account.
func (a AccountKey) Public() (out [Ed25519PublicKeySize]byte) {
	copy(out[:], a.k.Public().(ed25519.PublicKey))
	return out
}

// Sign answers an entry's challenge.
func (a AccountKey) Sign(label Label, parts ...[]byte) (out [Ed25519SignatureSize]byte) {
	copy(out[:], ed25519.Sign(a.k, info(label, parts)))
	return out
}

// VerifyAccount checks an answer to a challenge. Keys of small order, for which
// anybody can sign, are refused.
func VerifyAccount(pub [Ed25519PublicKeySize]byte, sig []byte, label Label, parts ...[]byte) bool {
	return len(sig) == Ed25519SignatureSize && !isSmallOrder(pub) && ed25519.Verify(pub[:], info(label, parts), sig)
}

// TLSKey is the Ed25519 key of a server's pinned certificate. It is separate
// from the signing key so that a TLS handshake can never yield a protocol
// signature.
func TLSKey(seed [SeedSize]byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(seed[:]) }
