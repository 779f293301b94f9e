package suite

import (
	"crypto/hpke"
	"errors"
	"fmt"
)

// PublicKey is an ML-KEM-768 + X25519 public key of KEMPublicKeySize bytes.
type PublicKey struct{ k hpke.PublicKey }

// PrivateKey is the private half. It grows from a seed of SeedSize bytes; who
// has the seed can regenerate the public key, which is how a revealed inner key
// is checked.
type PrivateKey struct {
	k    hpke.PrivateKey
	seed [SeedSize]byte
}

// Exporter derives further keys from an opened or sealed HPKE context.
type Exporter interface {
	// Export returns 32 bytes bound to label.
	Export(label Label) [KeySize]byte
}

type exporter struct {
	f func(string, int) ([]byte, error)
}

func (e exporter) Export(label Label) (out [KeySize]byte) {
	b, err := e.f(string(label), KeySize)
	if err != nil {
		panic("suite: HPKE export of 32 bytes: " + err.Error()) // only for lengths over 255 hashes
	}
	copy(out[:], b)
	return out
}

// NewPrivateKey grows a key pair from seed.
func NewPrivateKey(seed [SeedSize]byte) (PrivateKey, error) {
	k, err := growPrivateKey(seed)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("growing a key pair from its seed: %w", err)
	}
	return PrivateKey{k: k, seed: seed}, nil
}

// GenerateKey makes a key pair from system randomness.
func GenerateKey() (PrivateKey, error) { return NewPrivateKey(RandomKey()) }

// Valid reports whether the key was made by NewPrivateKey and not erased.
func (sk PrivateKey) Valid() bool { return sk.k != nil }

// Seed returns the 32 bytes the key grew from.
func (sk PrivateKey) Seed() [SeedSize]byte { return sk.seed }

// Public returns the public half.
func (sk PrivateKey) Public() PublicKey { return PublicKey{sk.k.PublicKey()} }

// ParsePublicKey decodes KEMPublicKeySize bytes and refuses what the KEM refuses.
func ParsePublicKey(b []byte) (PublicKey, error) {
	if len(b) != KEMPublicKeySize {
		return PublicKey{}, errors.New("a KEM public key has 1216 bytes")
	}
	k, err := hpke.MLKEM768X25519().NewPublicKey(b)
	if err != nil {
		return PublicKey{}, fmt.Errorf("decoding a KEM public key: %w", err)
	}
	return PublicKey{k}, nil
}

// Bytes encodes the key in KEMPublicKeySize bytes.
func (pk PublicKey) Bytes() []byte { return pk.k.Bytes() }

func info(label Label, parts [][]byte) []byte {
	out := append([]byte{byte(len(label))}, label...)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// Seal is HPKE base mode: it returns encapsulation ‖ ciphertext ‖ tag, which is
// len(plaintext) + HPKEOverhead bytes, and the context's exporter. The HPKE info
// is len(label) ‖ label ‖ context….
func (pk PublicKey) Seal(label Label, plaintext []byte, context ...[]byte) ([]byte, Exporter, error) {
	enc, s, err := hpke.NewSender(pk.k, hpke.HKDFSHA256(), hpke.AES256GCM(), info(label, context))
	if err != nil {
		return nil, nil, fmt.Errorf("sealing to a KEM key: %w", err)
	}
	ct, err := s.Seal(nil, plaintext)
	if err != nil {
		return nil, nil, fmt.Errorf("sealing to a KEM key: %w", err)
	}
	return append(enc, ct...), exporter{s.Export}, nil
}

// Open is the inverse of Seal. Every failure is ErrOpen.
func (sk PrivateKey) Open(label Label, sealed []byte, context ...[]byte) ([]byte, Exporter, error) {
	if len(sealed) < HPKEOverhead {
		return nil, nil, ErrOpen
	}
	r, err := hpke.NewRecipient(sealed[:KEMEncapsulationSize], sk.k, hpke.HKDFSHA256(), hpke.AES256GCM(), info(label, context))
	if err != nil {
		return nil, nil, ErrOpen
	}
	pt, err := r.Open(nil, sealed[KEMEncapsulationSize:])
	if err != nil {
		return nil, nil, ErrOpen
	}
	return pt, exporter{r.Export}, nil
}

// Encapsulate makes a shared secret for pk: an HPKE export in export-only mode
// with label both as info prefix and as exporter context.
func (pk PublicKey) Encapsulate(label Label, context ...[]byte) (enc []byte, ss [SharedSecretSize]byte, err error) {
	enc, s, err := hpke.NewSender(pk.k, hpke.HKDFSHA256(), hpke.ExportOnly(), info(label, context))
	if err != nil {
		return nil, ss, fmt.Errorf("encapsulating: %w", err)
	}
	return enc, exporter{s.Export}.Export(label), nil
}

// Decapsulate is the inverse of Encapsulate. ML-KEM rejects implicitly, so a
// wrong encapsulation of the right size may yield a secret that nobody shares.
func (sk PrivateKey) Decapsulate(label Label, enc []byte, context ...[]byte) (ss [SharedSecretSize]byte, err error) {
	r, err := hpke.NewRecipient(enc, sk.k, hpke.HKDFSHA256(), hpke.ExportOnly(), info(label, context))
	if err != nil {
		return ss, ErrOpen
	}
	return exporter{r.Export}.Export(label), nil
}
