// Package suite is cryptographic suite 1 of Backchannel: every primitive, every
// label and every size that the protocol uses. No other package names an
// algorithm, so a second suite would be a second package and not a search.
//
// Suite 1 (docs/protocol.md, section 2):
//
//	KEM         ML-KEM-768 + X25519 (MLKEM768-X25519 of draft-ietf-hpke-pq, "X-Wing")
//	HPKE        RFC 9180 with that KEM, HKDF-SHA256 and AES-256-GCM
//	hash        SHA-256, HMAC-SHA-256, HKDF-SHA256; SHA-512 in blind rounds
//	cell layer  AES-256-CTR
//	end to end  AES-256-GCM, each key used once
//	signatures  Ed25519 and ML-DSA-65 together; both must verify
//
// The package keeps no state and reveals nothing about why an authenticated
// opening failed: every such failure is ErrOpen.
package suite

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	_ "crypto/sha512" // WideHash
	"crypto/subtle"
	"errors"
)

// ID is the number of this suite in the network file. Any other is refused.
const ID = 1

// Sizes in bytes. A sum shows what a composite is made of.
const (
	HashSize = sha256.Size // 32
	KeySize  = 32          // AES-256, HMAC and chain keys
	TagSize  = 16          // rendezvous tag: a truncated hash; never smaller
	TwinID   = 16          // a circuit's sealed identifier

	SeedSize             = 32        // any private key of this suite grows from one
	KEMPublicKeySize     = 1184 + 32 // ML-KEM-768 ‖ X25519 = 1216
	KEMEncapsulationSize = 1088 + 32 // ML-KEM-768 ‖ X25519 = 1120
	AEADOverhead         = 16        // AES-256-GCM tag
	HPKEOverhead         = 1120 + 16 // encapsulation ‖ tag = 1136
	SharedSecretSize     = HashSize  // an HPKE export
	BlockSize            = aes.BlockSize
	Ed25519PublicKeySize = 32
	MLDSAPublicKeySize   = 1952
	Ed25519SignatureSize = 64
	MLDSASignatureSize   = 3309
	SignatureSize        = 64 + 3309 // Ed25519 ‖ ML-DSA-65 = 3373
	VerifyKeySize        = 32 + 1952 // Ed25519 ‖ ML-DSA-65 = 1984
)

// ErrOpen is the one error of every authenticated opening.
var ErrOpen = errors.New("opening failed")

// Hash is SHA-256(len(label) ‖ label ‖ parts…). The length byte makes labels
// prefix-free; parts must be of fixed length or framed by the caller.
func Hash(label Label, parts ...[]byte) (out [HashSize]byte) {
	h := sha256.New()
	h.Write([]byte{byte(len(label))})
	h.Write([]byte(label))
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(out[:0])
	return out
}

// WideHash is the hash of ristretto255's suite in RFC 9497, SHA-512, for
// libraries that want to be told.
const WideHash = crypto.SHA512

// Digest is plain SHA-256, for checksums shown to people and for full-hash
// duplicate detection; it separates no domains.
func Digest(b []byte) [HashSize]byte { return sha256.Sum256(b) }

// PRF is HMAC-SHA-256(key, len(label) ‖ label ‖ parts…).
func PRF(key [KeySize]byte, label Label, parts ...[]byte) (out [HashSize]byte) {
	m := hmac.New(sha256.New, key[:])
	m.Write([]byte{byte(len(label))})
	m.Write([]byte(label))
	for _, p := range parts {
		m.Write(p)
	}
	m.Sum(out[:0])
	return out
}

// MAC is HMAC-SHA-256(key, parts…) with a key that has only this one use.
func MAC(key *[KeySize]byte, dst []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key[:])
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(dst)
}

// KDF is HKDF-SHA256 (RFC 5869) with the concatenated secrets as input keying
// material, no salt, and len(label) ‖ label ‖ context… as info.
func KDF(label Label, secrets [][]byte, context ...[]byte) (out [KeySize]byte) {
	var ikm []byte
	for _, s := range secrets {
		ikm = append(ikm, s...)
	}
	info := append([]byte{byte(len(label))}, label...)
	for _, c := range context {
		info = append(info, c...)
	}
	k, err := hkdf.Key(sha256.New, ikm, nil, string(info), KeySize)
	if err != nil {
		panic("suite: HKDF refuses 32 bytes: " + err.Error()) // only for lengths over 255 hashes
	}
	copy(out[:], k)
	clear(ikm)
	return out
}

// Equal compares in constant time.
func Equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// Watch is told, if set, of every key that encrypts: before a SealOnce, and with
// each XORLayer, which cannot know whether it adds or strips. It is for the
// simulation, which checks that no key meets an IV twice; nothing else sets it,
// and only while nothing runs.
var Watch func(use Use, key *[KeySize]byte, iv *[BlockSize]byte)

// Use tells Watch what a key is used for.
type Use byte

// The uses.
const (
	UseSeal  Use = iota // SealOnce; iv is nil
	UseLayer            // XORLayer
)

// SealOnce encrypts with AES-256-GCM, twelve zero bytes of nonce and no
// associated data. The key must never be used for a second plaintext.
func SealOnce(key *[KeySize]byte, dst, plaintext []byte) []byte {
	if Watch != nil {
		Watch(UseSeal, key, nil)
	}
	var nonce [12]byte
	return gcm(key).Seal(dst, nonce[:], plaintext, nil)
}

// OpenOnce is the inverse of SealOnce; any failure is ErrOpen.
func OpenOnce(key *[KeySize]byte, dst, ciphertext []byte) ([]byte, error) {
	var nonce [12]byte
	out, err := gcm(key).Open(dst, nonce[:], ciphertext, nil)
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

func gcm(key *[KeySize]byte) cipher.AEAD {
	b, err := aes.NewCipher(key[:])
	if err != nil {
		panic("suite: AES-256 refuses a 32-byte key: " + err.Error())
	}
	a, err := cipher.NewGCM(b)
	if err != nil {
		panic("suite: GCM refuses AES: " + err.Error())
	}
	return a
}

// XORLayer adds or strips one AES-256-CTR layer: dst = src ⊕ keystream(key, iv).
// dst and src may be the same slice. One (key, iv) must serve one plaintext.
func XORLayer(key *[KeySize]byte, iv *[BlockSize]byte, dst, src []byte) {
	if Watch != nil {
		Watch(UseLayer, key, iv)
	}
	b, err := aes.NewCipher(key[:])
	if err != nil {
		panic("suite: AES-256 refuses a 32-byte key: " + err.Error())
	}
	cipher.NewCTR(b, iv[:]).XORKeyStream(dst, src)
}

// Random fills b from the operating system.
func Random(b []byte) {
	if _, err := rand.Read(b); err != nil {
		panic("suite: no randomness: " + err.Error()) // crypto/rand never returns an error since Go 1.24
	}
}

// RandomKey returns 32 random bytes.
func RandomKey() (k [KeySize]byte) { Random(k[:]); return k }
