package seal_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"math/big"
	"slices"
)

// A straight-line second implementation with math/big and affine coordinates: its
// arithmetic shares nothing with the package under test.
var (
	fieldP, _  = new(big.Int).SetString("57896044618658097711785492504343953926634992332820282019728792003956564819949", 10)
	orderL, _  = new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	curveD     = mod(new(big.Int).Mul(big.NewInt(-121665), new(big.Int).ModInverse(big.NewInt(121666), fieldP)))
	basePoint  = decodeSlow(append([]byte{0x58}, slices.Repeat([]byte{0x66}, 31)...))
	smallOrder = affine{big.NewInt(0), mod(big.NewInt(-1))} // order 2
)

type affine struct{ x, y *big.Int }

func mod(v *big.Int) *big.Int    { return v.Mod(v, fieldP) }
func mul(a, b *big.Int) *big.Int { return mod(new(big.Int).Mul(a, b)) }

func (p affine) plus(q affine) affine {
	xx, yy := mul(p.x, q.x), mul(p.y, q.y)
	t := mul(curveD, mul(xx, yy))
	inv := func(v *big.Int) *big.Int { return new(big.Int).ModInverse(mod(v), fieldP) }
	x := mod(new(big.Int).Add(mul(p.x, q.y), mul(p.y, q.x)))
	y := mod(new(big.Int).Add(yy, xx))
	return affine{mul(x, inv(new(big.Int).Add(big.NewInt(1), t))), mul(y, inv(new(big.Int).Sub(big.NewInt(1), t)))}
}

func (p affine) times(k *big.Int) affine {
	out := affine{big.NewInt(0), big.NewInt(1)}
	for i := k.BitLen() - 1; i >= 0; i-- {
		out = out.plus(out)
		if k.Bit(i) == 1 {
			out = out.plus(p)
		}
	}
	return out
}

func little(v *big.Int) []byte {
	b := v.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	return b
}

func number(b []byte) *big.Int {
	c := slices.Clone(b)
	slices.Reverse(c)
	return new(big.Int).SetBytes(c)
}

func (p affine) encode() []byte {
	b := little(p.y)
	b[31] |= byte(p.x.Bit(0)) << 7
	return b
}

func decodeSlow(b []byte) affine {
	c := slices.Clone(b)
	sign := uint(c[31] >> 7)
	c[31] &= 127
	y := number(c)
	yy := mul(y, y)
	x := new(big.Int).ModSqrt(mul(new(big.Int).Sub(yy, big.NewInt(1)),
		new(big.Int).ModInverse(mod(new(big.Int).Add(mul(curveD, yy), big.NewInt(1))), fieldP)), fieldP)
	if x.Bit(0) != sign {
		x = mod(new(big.Int).Neg(x))
	}
	return affine{x, y}
}

func slowHash(label string, parts ...[]byte) []byte {
	b := append([]byte{byte(len(label))}, label...)
	h := sha512.Sum512(append(b, slices.Concat(parts...)...))
	return h[:]
}

func slowScalar(wide []byte) *big.Int { return new(big.Int).Mod(number(wide), orderL) }

// slowSign gives A, M and the signature from secret scalars and nonces.
func slowSign(xs, rs []*big.Int, core []byte, level, text string) (key, m, sig []byte) {
	var keys [][]byte
	for _, x := range xs {
		keys = append(keys, basePoint.times(x).encode())
	}
	sorted := slices.Clone(keys)
	slices.SortFunc(sorted, slices.Compare[[]byte])
	l := append([]byte{0, byte(len(keys))}, slices.Concat(sorted...)...)
	a, r := affine{big.NewInt(0), big.NewInt(1)}, affine{big.NewInt(0), big.NewInt(1)}
	var cs []*big.Int
	for i := range keys {
		cs = append(cs, slowScalar(slowHash("backchannel/v1/seal/coefficient", l, keys[i])))
		a = a.plus(decodeSlow(keys[i]).times(cs[i]))
		r = r.plus(basePoint.times(rs[i]))
	}
	label := "backchannel/v1/seal/keys"
	lh := sha256.Sum256(append(append([]byte{byte(len(label))}, label...), l...))
	m = []byte("backchannel/v1 agreement " + hex.EncodeToString(core) + " level " + level + " keys " + hex.EncodeToString(lh[:]) + "\n" + text)
	ch := sha512.Sum512(slices.Concat(r.encode(), a.encode(), m))
	c, z := slowScalar(ch[:]), new(big.Int)
	for i := range xs {
		z.Add(z, rs[i])
		z.Add(z, new(big.Int).Mul(c, new(big.Int).Mul(cs[i], xs[i])))
	}
	z.Mod(z, orderL)
	return a.encode(), m, append(r.encode(), little(z)...)
}
