package suite

import (
	"crypto"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/mlkem"
	"crypto/sha3"
	"errors"

	"github.com/cloudflare/circl/dh/x25519"
	"github.com/cloudflare/circl/kem/mlkem/mlkem768"
)

// Opening is what a relay spends its set-up on. The standard library's HPKE takes
// the two halves of the hybrid from elsewhere if asked to (hpke.NewHybridPrivateKey),
// so HPKE itself, the combiner and the checks of sizes stay its own; ML-KEM-768 and
// X25519 come from circl, where the processor makes that two to four times as fast.
// Both compute in constant time: circl's ladder swaps without branches, its ML-KEM
// compares and chooses the rejection secret by masks. The key pair itself always
// grows in the standard library, whose public half goes out.
//
// stdPrivateKey is the reference; tests compare the two in everything that can be
// asked of a key, on right, wrong and hostile input.

// stdPrivateKey grows a key pair that opens with the standard library alone.
func stdPrivateKey(seed [SeedSize]byte) (hpke.PrivateKey, error) {
	return hpke.MLKEM768X25519().NewPrivateKey(seed[:])
}

// circlPrivateKey grows the same key pair and opens with circl.
func circlPrivateKey(seed [SeedSize]byte) (hpke.PrivateKey, error) {
	std, err := stdPrivateKey(seed)
	if err != nil {
		return nil, err
	}
	// X-Wing: SHAKE-256 of the seed is the ML-KEM seed d ‖ z and the X25519 key.
	expanded := sha3.SumSHAKE256(seed[:], mlkem.SeedSize+x25519.Size)
	defer clear(expanded)
	pq, err := mlkem.NewDecapsulationKey768(expanded[:mlkem.SeedSize])
	if err != nil {
		return nil, err
	}
	t, err := ecdh.X25519().NewPrivateKey(expanded[mlkem.SeedSize:])
	if err != nil {
		return nil, err
	}
	_, fast := mlkem768.NewKeyFromSeed(expanded[:mlkem.SeedSize])
	k, err := hpke.NewHybridPrivateKey(
		circlDecapsulator{pq.EncapsulationKey(), fast},
		circlExchanger{t.PublicKey(), (*x25519.Key)(t.Bytes())},
	)
	if err != nil {
		return nil, err
	}
	if !Equal(k.PublicKey().Bytes(), std.PublicKey().Bytes()) {
		return nil, errors.New("two implementations disagree about a key pair")
	}
	return k, nil
}

// circlDecapsulator is the ML-KEM half.
type circlDecapsulator struct {
	public *mlkem.EncapsulationKey768
	secret *mlkem768.PrivateKey
}

// Encapsulator implements crypto.Decapsulator.
func (d circlDecapsulator) Encapsulator() crypto.Encapsulator { return d.public }

// Decapsulate implements crypto.Decapsulator. A ciphertext of the right size always
// has a secret: one that was altered, another that nobody shares.
func (d circlDecapsulator) Decapsulate(ciphertext []byte) ([]byte, error) {
	if len(ciphertext) != mlkem768.CiphertextSize {
		return nil, errors.New("an ML-KEM-768 ciphertext has 1088 bytes")
	}
	ss := make([]byte, mlkem768.SharedKeySize)
	d.secret.DecapsulateTo(ss, ciphertext)
	return ss, nil
}

// circlExchanger is the X25519 half.
type circlExchanger struct {
	public *ecdh.PublicKey
	secret *x25519.Key
}

// PublicKey implements ecdh.KeyExchanger.
func (e circlExchanger) PublicKey() *ecdh.PublicKey { return e.public }

// Curve implements ecdh.KeyExchanger.
func (e circlExchanger) Curve() ecdh.Curve { return ecdh.X25519() }

// ECDH implements ecdh.KeyExchanger. A share of low order, which would make the
// secret zero, is an error, as RFC 7748 and the standard library have it.
func (e circlExchanger) ECDH(remote *ecdh.PublicKey) ([]byte, error) {
	var share, ss x25519.Key
	if copy(share[:], remote.Bytes()) != x25519.Size || remote.Curve() != ecdh.X25519() {
		return nil, errors.New("a share of another curve")
	}
	ok := x25519.Shared(&ss, e.secret, &share)
	if zero := Equal(ss[:], make([]byte, x25519.Size)); !ok || zero {
		return nil, errors.New("a share of low order")
	}
	return ss[:], nil
}

// Standard returns the same key pair, which opens with the standard library alone:
// the unit in which set-up is measured.
func (sk PrivateKey) Standard() (PrivateKey, error) {
	k, err := stdPrivateKey(sk.seed)
	return PrivateKey{k: k, seed: sk.seed}, err
}

// NewAgreement returns a function that makes one X25519 agreement of fresh keys with
// the standard library: another unit, for what networks without circuits would do.
func NewAgreement() (agree func() error, err error) {
	own, err := ecdh.X25519().NewPrivateKey(randomBytes(x25519.Size))
	if err != nil {
		return nil, err
	}
	other, err := ecdh.X25519().NewPrivateKey(randomBytes(x25519.Size))
	if err != nil {
		return nil, err
	}
	return func() error { _, err := own.ECDH(other.PublicKey()); return err }, nil
}

func randomBytes(n int) []byte { b := make([]byte, n); Random(b); return b }
