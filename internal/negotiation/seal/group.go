package seal

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"slices"

	"filippo.io/edwards25519"

	"backchannel/internal/suite"
)

// Sizes in bytes.
const (
	IDSize        = 16 // a member id of the room
	FreshSize     = 16 // a party's part of a session id
	PointSize     = 32
	ScalarSize    = 32
	CoreSize      = 32
	UniformSize   = 64 // reduced modulo ℓ this is uniform up to 2^-259
	SignatureSize = PointSize + ScalarSize
	MaxParties    = 16
)

// ID is a member id.
type ID [IDSize]byte

// Core is the hash that names an agreement.
type Core [CoreSize]byte

// PublicKey is a canonical point of prime order. Only ParsePublicKey and
// Key.Public make one that a session accepts.
type PublicKey [PointSize]byte

// Key is a secret seal key: a uniform scalar, not an RFC 8032 seed. Clamping would
// be lost when keys are added.
type Key struct {
	x      *edwards25519.Scalar
	public PublicKey
}

var errZero = errors.New("making a seal key: the random bytes give zero; draw again")

// NewKey reduces 64 uniform random bytes.
func NewKey(uniform [UniformSize]byte) (*Key, error) {
	x, err := edwards25519.NewScalar().SetUniformBytes(uniform[:])
	if err != nil {
		return nil, err
	}
	if x.Equal(edwards25519.NewScalar()) == 1 {
		return nil, errZero
	}
	k := &Key{x: x}
	copy(k.public[:], new(edwards25519.Point).ScalarBaseMult(x).Bytes())
	return k, nil
}

// ParseKey reads the 32 bytes of Secret.
func ParseKey(b []byte) (*Key, error) {
	x, err := parseScalar(b)
	if err != nil {
		return nil, errors.New("reading a seal key: it is no scalar below the group order")
	}
	var wide [UniformSize]byte
	copy(wide[:], x.Bytes())
	return NewKey(wide)
}

// Secret is the scalar, 32 bytes little-endian. It belongs in the vault.
func (k *Key) Secret() []byte { return k.x.Bytes() }

// Public is the point of the key.
func (k *Key) Public() PublicKey { return k.public }

var (
	minusOne = edwards25519.NewScalar().Negate(one())
	identity = edwards25519.NewIdentityPoint()
)

func one() *edwards25519.Scalar {
	s, err := edwards25519.NewScalar().SetCanonicalBytes(append([]byte{1}, make([]byte, 31)...))
	if err != nil {
		panic("seal: 1 is no scalar: " + err.Error())
	}
	return s
}

// parsePoint refuses what RFC 8032 decoders may let pass: other spellings of a
// point (found by encoding again), the identity, and any component of small order.
// The order test multiplies by ℓ−1 as an integer and compares with −P. Multiplying
// by the cofactor would accept P + T with T of small order.
func parsePoint(b []byte) (*edwards25519.Point, error) {
	p, err := new(edwards25519.Point).SetBytes(b)
	if err != nil || !bytes.Equal(p.Bytes(), b) {
		return nil, errors.New("not the canonical encoding of a point")
	}
	if p.Equal(identity) == 1 {
		return nil, errors.New("the identity point")
	}
	l1 := new(edwards25519.Point).ScalarMult(minusOne, p)
	if l1.Equal(new(edwards25519.Point).Negate(p)) != 1 {
		return nil, errors.New("a point that is not of prime order")
	}
	return p, nil
}

// parseScalar refuses z ≥ ℓ.
func parseScalar(b []byte) (*edwards25519.Scalar, error) {
	return edwards25519.NewScalar().SetCanonicalBytes(b)
}

// ParsePublicKey checks 32 bytes that came from somebody else.
func ParsePublicKey(b []byte) (PublicKey, error) {
	var k PublicKey
	if len(b) != PointSize {
		return k, errors.New("a seal key has 32 bytes")
	}
	if _, err := parsePoint(b); err != nil {
		return k, errors.New("reading a seal key: " + err.Error() + "; ask its holder for the right one")
	}
	return PublicKey(b), nil
}

// hash512 is SHA-512(len(label) ‖ label ‖ parts…).
func hash512(label suite.Label, parts ...[]byte) []byte {
	h := sha512.New()
	h.Write([]byte{byte(len(label))})
	h.Write([]byte(label))
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func reduce(wide []byte) *edwards25519.Scalar {
	s, err := edwards25519.NewScalar().SetUniformBytes(wide)
	if err != nil {
		panic("seal: SHA-512 has not 64 bytes: " + err.Error())
	}
	return s
}

// Group is a set of keys that sign together.
type Group struct {
	keys   []PublicKey // sorted
	points []*edwards25519.Point
	list   []byte // L
	sum    *edwards25519.Point
}

// NewGroup sorts the keys, of which no two may be equal, and computes their sum
// A = Σ a_i·A_i.
func NewGroup(keys []PublicKey) (*Group, error) {
	if len(keys) < 2 || len(keys) > MaxParties {
		return nil, errors.New("adding seal keys: an agreement has 2 to 16 parties")
	}
	g := &Group{keys: slices.Clone(keys), sum: edwards25519.NewIdentityPoint()}
	slices.SortFunc(g.keys, func(a, b PublicKey) int { return bytes.Compare(a[:], b[:]) })
	g.list = binary.BigEndian.AppendUint16(nil, uint16(len(keys)))
	for i, k := range g.keys {
		if i > 0 && k == g.keys[i-1] {
			return nil, errors.New("adding seal keys: two parties show the same key; each needs its own")
		}
		p, err := parsePoint(k[:])
		if err != nil {
			return nil, errors.New("adding seal keys: " + err.Error())
		}
		g.points = append(g.points, p)
		g.list = append(g.list, k[:]...)
	}
	for i, p := range g.points {
		g.sum.Add(g.sum, new(edwards25519.Point).VarTimeDoubleScalarBaseMult(g.coefficient(g.keys[i]), p, edwards25519.NewScalar()))
	}
	if g.sum.Equal(identity) == 1 {
		return nil, errors.New("adding seal keys: the sum is the identity")
	}
	return g, nil
}

// coefficient is a_i = SHA-512(label ‖ L ‖ A_i) mod ℓ.
func (g *Group) coefficient(k PublicKey) *edwards25519.Scalar {
	return reduce(hash512(suite.LabelSealCoefficient, g.list, k[:]))
}

// Key is A, under which the signature verifies.
func (g *Group) Key() (k PublicKey) { copy(k[:], g.sum.Bytes()); return k }

// List is L = count (2 bytes, big-endian) ‖ sorted keys.
func (g *Group) List() []byte { return slices.Clone(g.list) }

// Keys are the sorted keys.
func (g *Group) Keys() []PublicKey { return slices.Clone(g.keys) }

// challenge is c = SHA-512(R ‖ A ‖ M) mod ℓ, as RFC 8032 has it, without a label.
func challenge(r, a, m []byte) *edwards25519.Scalar {
	h := sha512.New()
	h.Write(r)
	h.Write(a)
	h.Write(m)
	return reduce(h.Sum(nil))
}

// shareHolds checks z·B = R + c·a·A without a cofactor.
func (g *Group) shareHolds(k PublicKey, r *edwards25519.Point, z, c *edwards25519.Scalar) bool {
	i := slices.Index(g.keys, k)
	if i < 0 {
		return false
	}
	ca := edwards25519.NewScalar().Multiply(c, g.coefficient(k))
	got := new(edwards25519.Point).VarTimeDoubleScalarBaseMult(ca.Negate(ca), g.points[i], z)
	return got.Equal(r) == 1
}
