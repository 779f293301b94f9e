package blind

import (
	"encoding/binary"
	"errors"

	"github.com/cloudflare/circl/group"

	"backchannel/internal/suite"
)

// ristretto255 (RFC 9496), the group of everything here. Its random functions
// ignore the source that they are given, so none of them is used: scalars come
// from hashes of fresh bytes.
var ristretto = group.Ristretto255

// PointSize and ScalarSize are the sizes of the canonical encodings.
const (
	PointSize  = 32
	ScalarSize = 32
)

// ErrEncoding is the one error of a point or scalar that must not be.
var ErrEncoding = errors.New("not the canonical encoding of a point other than the identity, or of a scalar")

// Point is a group element that may be on the wire: never the identity.
type Point struct{ e group.Element }

// Scalar is an integer modulo the group order, zero included.
type Scalar struct{ s group.Scalar }

// ParsePoint is the only way from bytes of others to a point. It refuses the
// identity, which the library below accepts, and whatever does not encode to the
// same bytes, whether or not the library would accept it.
func ParsePoint(b []byte) (Point, error) {
	p, err := parseAny(b)
	if err != nil || p.IsIdentity() {
		return Point{}, ErrEncoding
	}
	return Point{p}, nil
}

// parseAny also accepts the identity, for sums in our own state.
func parseAny(b []byte) (group.Element, error) {
	if len(b) != PointSize {
		return nil, ErrEncoding
	}
	e := ristretto.NewElement()
	if err := e.UnmarshalBinary(b); err != nil {
		return nil, ErrEncoding
	}
	if !suite.Equal(encode(e), b) { // canonical, whatever the library thinks of it
		return nil, ErrEncoding
	}
	return e, nil
}

// ParseScalar refuses what is not reduced.
func ParseScalar(b []byte) (Scalar, error) {
	if len(b) != ScalarSize {
		return Scalar{}, ErrEncoding
	}
	s := ristretto.NewScalar()
	if err := s.UnmarshalBinary(b); err != nil {
		return Scalar{}, ErrEncoding
	}
	if !suite.Equal(encodeScalar(s), b) {
		return Scalar{}, ErrEncoding
	}
	return Scalar{s}, nil
}

// Bytes is the canonical encoding.
func (p Point) Bytes() []byte { return encode(p.e) }

// Bytes is the canonical encoding.
func (s Scalar) Bytes() []byte { return encodeScalar(s.s) }

func encode(e group.Element) []byte {
	b, err := e.MarshalBinary()
	if err != nil {
		panic("blind: a group element does not encode: " + err.Error()) // it always does
	}
	return b
}

func encodeScalar(s group.Scalar) []byte {
	b, err := s.MarshalBinary()
	if err != nil {
		panic("blind: a scalar does not encode: " + err.Error()) // it always does
	}
	return b
}

func element() group.Element               { return ristretto.NewElement() }
func scalar(n uint64) group.Scalar         { return ristretto.NewScalar().SetUint64(n) }
func mulGen(s group.Scalar) group.Element  { return element().MulGen(s) }
func add(a, b group.Element) group.Element { return element().Add(a, b) }
func sub(a, b group.Element) group.Element { return element().Add(a, element().Neg(b)) }
func mulAdd(c, a, b group.Scalar) group.Scalar {
	s := ristretto.NewScalar()
	s.Mul(c, a)
	return s.Add(s, b)
}

func mul(s group.Scalar, p group.Element) group.Element { return element().Mul(p, s) }

// hashToScalar is hash_to_field of RFC 9380 with SHA-512, as RFC 9497 uses it for
// this group, under one of our labels.
func hashToScalar(label suite.Label, msg []byte) group.Scalar {
	return ristretto.HashToScalar(msg, append([]byte{byte(len(label))}, label...))
}

// secrets is a stream of secret scalars from one key that is used for one step of
// one round: fresh randomness hedged with what must not repeat.
type secrets struct {
	key  [32]byte
	next uint32
}

func (s *secrets) bytes() [32]byte {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], s.next)
	s.next++
	return suite.PRF(s.key, suite.LabelRoundSecret, n[:])
}

func (s *secrets) scalar() group.Scalar {
	b := s.bytes()
	defer clear(b[:])
	for {
		if x := hashToScalar(suite.LabelRoundNonce, b[:]); !x.IsZero() {
			return x
		}
		b = s.bytes()
	}
}

// forget erases the key.
func (s *secrets) forget() { clear(s.key[:]) }

// wipe zeroes scalars that nobody needs any more. What the library below copied
// on the way is out of reach; the lasting copies are in a Round and are erased there.
func wipe(scalars ...group.Scalar) {
	for _, s := range scalars {
		s.SetUint64(0)
	}
}

// Ciphertext is an ElGamal encryption: U = k·G, V = k·Y + b·G.
type Ciphertext struct{ U, V Point }

func (c Ciphertext) appendTo(b []byte) []byte {
	return append(append(b, c.U.Bytes()...), c.V.Bytes()...)
}

// pair is a ciphertext or a sum of some, which may be anything.
type pair struct{ u, v group.Element }

func (c Ciphertext) pair() pair { return pair{c.U.e, c.V.e} }

func zeroPair() pair { return pair{ristretto.Identity(), ristretto.Identity()} }

func (p pair) plus(q pair) pair { return pair{add(p.u, q.u), add(p.v, q.v)} }
