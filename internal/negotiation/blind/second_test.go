package blind_test

// A second implementation of the protocol, in a straight line from the
// documentation: another library for the group, another shape of the proofs'
// code, no state machine. It shares nothing with the first and must agree with it
// message by message (interop_test.go).

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"

	r255 "github.com/gtank/ristretto255"
)

const secondPrefix = "backchannel/v1/negotiation/round/"

func secondHash(label string, parts ...[]byte) []byte {
	l := secondPrefix + label
	h := sha256.New()
	h.Write(append([]byte{byte(len(l))}, l...))
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// secondToScalar is hash_to_field of RFC 9380 (expand_message_xmd, SHA-512, one
// block) for the group order.
func secondToScalar(dst, msg []byte) *r255.Scalar {
	prime := append(bytes.Clone(dst), byte(len(dst)))
	b0 := sha512.New()
	b0.Write(make([]byte, 128))
	b0.Write(msg)
	b0.Write([]byte{0, 64, 0})
	b0.Write(prime)
	b1 := sha512.New()
	b1.Write(b0.Sum(nil))
	b1.Write([]byte{1})
	b1.Write(prime)
	return r255.NewScalar().FromUniformBytes(b1.Sum(nil))
}

func secondChallenge(st []byte) *r255.Scalar {
	l := secondPrefix + "challenge"
	return secondToScalar(append([]byte{byte(len(l))}, l...), st)
}

func secondRandom() *r255.Scalar {
	var b [64]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err)
	}
	return r255.NewScalar().FromUniformBytes(b[:])
}

func secondInt(n uint64) *r255.Scalar {
	var b [32]byte
	binary.LittleEndian.PutUint64(b[:], n)
	s := r255.NewScalar()
	if err := s.Decode(b[:]); err != nil {
		panic(err)
	}
	return s
}

func secondG(s *r255.Scalar) *r255.Element { return r255.NewElement().ScalarBaseMult(s) }
func secondMul(s *r255.Scalar, p *r255.Element) *r255.Element {
	return r255.NewElement().ScalarMult(s, p)
}
func secondAdd(p, q *r255.Element) *r255.Element { return r255.NewElement().Add(p, q) }
func secondSub(p, q *r255.Element) *r255.Element { return r255.NewElement().Subtract(p, q) }
func secondZero(p *r255.Element) bool            { return p.Equal(r255.NewElement()) == 1 }

// z = a − c·k
func secondRespond(a, c, k *r255.Scalar) *r255.Scalar {
	return r255.NewScalar().Subtract(a, r255.NewScalar().Multiply(c, k))
}

func secondU32(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// A second is one party, written by the second implementation.
type second struct {
	ctx      []byte
	ids      [][]byte
	self     int
	mode     int // 1 single, 2 ladder, 3 list
	m        int
	caps     []int // list: cap, upper cap
	sells    []bool
	x        *r255.Scalar
	coin     []byte
	keyBody  []byte
	t        []byte // T
	t0       []byte
	own      []byte   // body of the current step
	bodies   [][]byte // of the current step
	commits  [][]byte
	keys     []*r255.Element
	coinHash [][]byte
	coins    [][]byte
	c, w     [][2]*r255.Element // C, C'
	order    []byte
	shares   *r255.Element // of the current cell
	opened   *r255.Element // of the last one
}

// slack of a cap, written as in the documentation: powers of two, then the rest.
func secondSlack(limit int) (ws []int) {
	digits := 0
	for 1<<digits <= limit {
		digits++
	}
	sum := 0
	for i := range digits - 1 {
		ws = append(ws, 1<<i)
		sum += 1 << i
	}
	return append(ws, limit-sum)
}

// cells returns how many there are, the weights of each that must be a bit
// (positive cells first, negative as the second), the sums with their values, and
// what each derived cell of party p adds up.
func (s *second) cells(p int) (count int, bits [][2]int, sums []map[int]int, values []int, derived [][]int) {
	switch s.mode {
	case 1:
		return 1, [][2]int{{0, -1}}, nil, nil, [][]int{{0}}
	case 2:
		all := map[int]int{}
		for i := range s.m + 1 {
			bits, all[i] = append(bits, [2]int{i, -1}), 1
		}
		for j := range s.m {
			d := []int{s.m}
			for t := range s.m {
				if (s.sells[p] && t > j) || (!s.sells[p] && t < j) {
					d = append(d, t)
				}
			}
			derived = append(derived, d)
		}
		return s.m + 1, bits, []map[int]int{all}, []int{1}, derived
	}
	var upper, lower [][]int
	for tier, limit := range s.caps {
		sum := map[int]int{}
		for i := range s.m {
			sum[count+i] = 1
			if tier == 0 {
				lower = append(lower, []int{count + i})
			} else {
				upper = append(upper, []int{count + i})
			}
		}
		first := count
		for i, w := range secondSlack(limit) {
			sum[first+s.m+i] = w
		}
		count += len(sum)
		for i := first; i < count; i++ {
			bits = append(bits, [2]int{i, -1})
		}
		sums, values = append(sums, sum), append(values, s.m)
		if tier == 1 {
			for i := range s.m {
				bits = append(bits, [2]int{first + i, i})
			}
		}
	}
	return count, bits, sums, values, append(upper, lower...)
}

func (s *second) binding(sender int, step, cell byte, t []byte) []byte {
	return secondHash("proof", s.ctx, s.ids[sender], []byte{step, cell}, t)
}

func (s *second) y() *r255.Element {
	y := r255.NewElement()
	for _, k := range s.keys {
		y.Add(y, k)
	}
	return y
}

// keyChallenge is the challenge of RFC 8235 as circl's dl makes it.
func (s *second) keyChallenge(sender int, v, x []byte) *r255.Scalar {
	b := s.binding(sender, 2, 0, s.t0)
	g := r255.NewElement().Base().Encode(nil)
	return secondToScalar(b, bytes.Join([][]byte{g, v, x, secondU32(16), s.ids[sender], secondU32(32), b}, nil))
}

func (s *second) start() {
	n := len(s.ids)
	s.t0 = secondHash("transcript", s.ctx)
	s.t = s.t0
	s.bodies, s.commits, s.coinHash, s.coins = make([][]byte, n), make([][]byte, n), make([][]byte, n), make([][]byte, n)
	s.keys = make([]*r255.Element, n)
	s.x = secondRandom()
	s.coin = secondRandom().Encode(nil)
	x := secondG(s.x).Encode(nil)
	a := secondRandom()
	v := secondG(a).Encode(nil)
	z := secondRespond(a, s.keyChallenge(s.self, v, x), s.x)
	s.keyBody = bytes.Join([][]byte{x, v, z.Encode(nil), secondHash("coin", s.ctx, s.ids[s.self], s.coin)}, nil)
}

// input encrypts bits b and proves: the real branch honestly, the other simulated.
func (s *second) input(b []int) []byte {
	count, bits, sums, _, _ := s.cells(s.self)
	y := s.y()
	ks := make([]*r255.Scalar, count)
	var cts []byte
	us, vs := make([]*r255.Element, count), make([]*r255.Element, count)
	for i := range count {
		ks[i] = secondRandom()
		us[i] = secondG(ks[i])
		vs[i] = secondAdd(secondMul(ks[i], y), secondG(secondInt(uint64(b[i]))))
		cts = append(append(cts, us[i].Encode(nil)...), vs[i].Encode(nil)...)
	}
	st := append(s.binding(s.self, 3, 0, s.t), r255.NewElement().Base().Encode(nil)...)
	st = append(append(append(st, y.Encode(nil)...), secondU32(count)...), cts...)
	st = append(st, secondU32(len(bits))...)
	type half struct{ a, c, z *r255.Scalar }
	proofs := make([][2]half, len(bits))
	for i, f := range bits {
		u, v, bit := us[f[0]], vs[f[0]], b[f[0]]
		if f[1] >= 0 {
			u, v, bit = secondSub(u, us[f[1]]), secondSub(v, vs[f[1]]), bit-b[f[1]]
		}
		for t := range 2 {
			if t == bit {
				a := secondRandom()
				proofs[i][t].a = a
				st = append(append(st, secondG(a).Encode(nil)...), secondMul(a, y).Encode(nil)...)
				continue
			}
			c, z := secondRandom(), secondRandom()
			proofs[i][t] = half{nil, c, z}
			vt := secondSub(v, secondG(secondInt(uint64(t))))
			st = append(st, secondAdd(secondG(z), secondMul(c, u)).Encode(nil)...)
			st = append(st, secondAdd(secondMul(z, y), secondMul(c, vt)).Encode(nil)...)
		}
	}
	st = append(st, secondU32(len(sums))...)
	var as []*r255.Scalar
	for range sums {
		a := secondRandom()
		as = append(as, a)
		st = append(append(st, secondG(a).Encode(nil)...), secondMul(a, y).Encode(nil)...)
	}
	c := secondChallenge(st)
	out := append(cts, c.Encode(nil)...)
	for i, f := range bits {
		k, bit := ks[f[0]], b[f[0]]
		if f[1] >= 0 {
			k, bit = r255.NewScalar().Subtract(k, ks[f[1]]), bit-b[f[1]]
		}
		real, fake := &proofs[i][bit], &proofs[i][1-bit]
		real.c = r255.NewScalar().Subtract(c, fake.c)
		real.z = secondRespond(real.a, real.c, k)
		out = append(append(append(out, proofs[i][0].c.Encode(nil)...), proofs[i][0].z.Encode(nil)...), proofs[i][1].z.Encode(nil)...)
	}
	for i, sum := range sums {
		k := r255.NewScalar()
		for cell, w := range sum {
			k.Add(k, r255.NewScalar().Multiply(secondInt(uint64(w)), ks[cell]))
		}
		out = append(out, secondRespond(as[i], c, k).Encode(nil)...)
	}
	return out
}

// fields cuts a body into 32-byte fields.
func fields(b []byte) (out [][]byte) {
	for ; len(b) >= 32; b = b[32:] {
		out = append(out, b[:32])
	}
	return out
}

func secondPoint(b []byte) *r255.Element {
	e := r255.NewElement()
	if err := e.Decode(b); err != nil || secondZero(e) {
		return nil
	}
	return e
}

func secondScalar(b []byte) *r255.Scalar {
	s := r255.NewScalar()
	if err := s.Decode(b); err != nil {
		return nil
	}
	return s
}

func (s *second) checkInput(p int, body []byte) bool {
	count, bits, sums, values, derived := s.cells(p)
	f := fields(body)
	if len(f) != 2*count+1+3*len(bits)+len(sums) {
		return false
	}
	y := s.y()
	us, vs := make([]*r255.Element, count), make([]*r255.Element, count)
	for i := range count {
		if us[i], vs[i] = secondPoint(f[2*i]), secondPoint(f[2*i+1]); us[i] == nil || vs[i] == nil {
			return false
		}
	}
	st := append(s.binding(p, 3, 0, s.t), r255.NewElement().Base().Encode(nil)...)
	st = append(append(append(st, y.Encode(nil)...), secondU32(count)...), body[:64*count]...)
	f = f[2*count:]
	c := secondScalar(f[0])
	f = f[1:]
	st = append(st, secondU32(len(bits))...)
	for i, b := range bits {
		u, v := us[b[0]], vs[b[0]]
		if b[1] >= 0 {
			u, v = secondSub(u, us[b[1]]), secondSub(v, vs[b[1]])
		}
		c0, z0, z1 := secondScalar(f[3*i]), secondScalar(f[3*i+1]), secondScalar(f[3*i+2])
		c1 := r255.NewScalar().Subtract(c, c0)
		v1 := secondSub(v, r255.NewElement().Base())
		st = append(st, secondAdd(secondG(z0), secondMul(c0, u)).Encode(nil)...)
		st = append(st, secondAdd(secondMul(z0, y), secondMul(c0, v)).Encode(nil)...)
		st = append(st, secondAdd(secondG(z1), secondMul(c1, u)).Encode(nil)...)
		st = append(st, secondAdd(secondMul(z1, y), secondMul(c1, v1)).Encode(nil)...)
	}
	f = f[3*len(bits):]
	st = append(st, secondU32(len(sums))...)
	for i, sum := range sums {
		u, v := r255.NewElement(), secondG(r255.NewScalar().Negate(secondInt(uint64(values[i]))))
		for cell, w := range sum {
			u.Add(u, secondMul(secondInt(uint64(w)), us[cell]))
			v.Add(v, secondMul(secondInt(uint64(w)), vs[cell]))
		}
		z := secondScalar(f[i])
		st = append(st, secondAdd(secondG(z), secondMul(c, u)).Encode(nil)...)
		st = append(st, secondAdd(secondMul(z, y), secondMul(c, v)).Encode(nil)...)
	}
	if secondChallenge(st).Equal(c) != 1 {
		return false
	}
	for j, d := range derived {
		if len(s.c) <= j {
			s.c = append(s.c, [2]*r255.Element{r255.NewElement(), r255.NewElement()})
		}
		for _, cell := range d {
			s.c[j][0].Add(s.c[j][0], us[cell])
			s.c[j][1].Add(s.c[j][1], vs[cell])
		}
	}
	return true
}

func (s *second) blindStatement(p int, cells []byte) []byte {
	st := append(s.binding(p, 5, 0, s.t), r255.NewElement().Base().Encode(nil)...)
	st = append(st, secondU32(len(s.c))...)
	for j, c := range s.c {
		st = append(append(append(st, c[0].Encode(nil)...), c[1].Encode(nil)...), cells[64*j:64*j+64]...)
	}
	return st
}

func (s *second) blind() []byte {
	var cells []byte
	var ss, as []*r255.Scalar
	for _, c := range s.c {
		k := secondRandom()
		ss, as = append(ss, k), append(as, secondRandom())
		cells = append(append(cells, secondMul(k, c[0]).Encode(nil)...), secondMul(k, c[1]).Encode(nil)...)
	}
	st := s.blindStatement(s.self, cells)
	for j, c := range s.c {
		st = append(append(st, secondMul(as[j], c[0]).Encode(nil)...), secondMul(as[j], c[1]).Encode(nil)...)
	}
	c := secondChallenge(st)
	out := append(cells, c.Encode(nil)...)
	for j := range ss {
		out = append(out, secondRespond(as[j], c, ss[j]).Encode(nil)...)
	}
	return out
}

func (s *second) checkBlind(p int, body []byte) bool {
	n := len(s.c)
	f := fields(body)
	if len(f) != 3*n+1 {
		return false
	}
	st := s.blindStatement(p, body[:64*n])
	c := secondScalar(f[2*n])
	for j := range n {
		u, v, z := secondPoint(f[2*j]), secondPoint(f[2*j+1]), secondScalar(f[2*n+1+j])
		if u == nil || v == nil {
			return false
		}
		st = append(st, secondAdd(secondMul(z, s.c[j][0]), secondMul(c, u)).Encode(nil)...)
		st = append(st, secondAdd(secondMul(z, s.c[j][1]), secondMul(c, v)).Encode(nil)...)
		if len(s.w) <= j {
			s.w = append(s.w, [2]*r255.Element{r255.NewElement(), r255.NewElement()})
		}
		s.w[j][0].Add(s.w[j][0], u)
		s.w[j][1].Add(s.w[j][1], v)
	}
	return secondChallenge(st).Equal(c) == 1
}

// openChallenge and openDomain are circl's dleq for one pair, base bound.
func (s *second) openDomain(p int, cell byte, x, u, d *r255.Element) []byte {
	g := r255.NewElement().Base()
	return secondHash("open", s.binding(p, 6, cell, s.t), g.Encode(nil), x.Encode(nil), u.Encode(nil), d.Encode(nil))
}

func secondLong(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(p))), p...)
	}
	return out
}

func secondComposite(dst []byte, x, u, d *r255.Element) *r255.Scalar {
	seed := sha512.Sum512(secondLong(x.Encode(nil), append([]byte("Seed-"), dst...)))
	msg := secondLong(seed[:])
	msg = append(append(msg, 0, 0), secondLong(u.Encode(nil), d.Encode(nil))...)
	return secondToScalar(append([]byte("HashToScalar-"), dst...), append(msg, "Composite"...))
}

func secondOpenChallenge(dst []byte, points ...*r255.Element) *r255.Scalar {
	var parts [][]byte
	for _, p := range append([]*r255.Element{r255.NewElement().Base()}, points...) {
		parts = append(parts, p.Encode(nil))
	}
	return secondToScalar(append([]byte("HashToScalar-"), dst...), append(secondLong(parts...), "Challenge"...))
}

func (s *second) open(cell byte) []byte {
	x, u := secondG(s.x), s.w[cell][0]
	d := secondMul(s.x, u)
	dst := s.openDomain(s.self, cell, x, u, d)
	e := secondComposite(dst, x, u, d)
	m, z := secondMul(e, u), secondMul(e, d)
	a := secondRandom()
	c := secondOpenChallenge(dst, x, m, z, secondG(a), secondMul(a, m))
	return bytes.Join([][]byte{d.Encode(nil), c.Encode(nil), secondRespond(a, c, s.x).Encode(nil)}, nil)
}

func (s *second) checkOpen(p int, cell byte, body []byte) bool {
	f := fields(body)
	d := secondPoint(f[0])
	if len(f) != 3 || d == nil {
		return false
	}
	c, r := secondScalar(f[1]), secondScalar(f[2])
	x, u := s.keys[p], s.w[cell][0]
	dst := s.openDomain(p, cell, x, u, d)
	e := secondComposite(dst, x, u, d)
	m, z := secondMul(e, u), secondMul(e, d)
	a := secondAdd(secondG(r), secondMul(c, x))
	b := secondAdd(secondMul(r, m), secondMul(c, z))
	s.shares = secondAdd(s.shares, d)
	return secondOpenChallenge(dst, x, m, z, a, b).Equal(c) == 1
}

// message is the body of the current step as it goes out, kept as our own.
func (s *second) message(step, cell byte, body []byte) []byte {
	s.own = body
	s.bodies[s.self] = body
	return append(append([]byte{step, cell}, s.t...), body...)
}

// take checks a message of the current step and keeps it.
func (s *second) take(p int, step, cell byte, raw []byte) bool {
	if raw[0] != step || raw[1] != cell || !bytes.Equal(raw[2:34], s.t) {
		return false
	}
	body := raw[34:]
	s.bodies[p] = body
	return s.check(p, step, cell, body)
}

func (s *second) check(p int, step, cell byte, body []byte) bool {
	switch step {
	case 1:
		s.commits[p] = body
	case 2:
		f := fields(body)
		x := secondPoint(f[0])
		if len(f) != 4 || x == nil || !bytes.Equal(secondHash("commit", s.ctx, s.ids[p], body), s.commits[p]) {
			return false
		}
		c := s.keyChallenge(p, f[1], f[0])
		if secondAdd(secondG(secondScalar(f[2])), secondMul(c, x)).Equal(secondPoint(f[1])) != 1 {
			return false
		}
		s.keys[p], s.coinHash[p] = x, f[3]
	case 3:
		return s.checkInput(p, body)
	case 4:
		s.coins[p] = body
		return bytes.Equal(secondHash("coin", s.ctx, s.ids[p], body), s.coinHash[p])
	case 5:
		return s.checkBlind(p, body)
	case 6:
		return s.checkOpen(p, cell, body)
	case 7:
		return len(body) == 1
	}
	return true
}

// finish takes the own message in as everybody's and ends the step: T grows.
func (s *second) finish(step, cell byte) bool {
	ok := s.check(s.self, step, cell, s.own)
	parts := [][]byte{s.t, {step, cell}}
	for _, b := range s.bodies {
		parts = append(parts, secondHash("body", b))
	}
	s.t = secondHash("transcript", parts...)
	s.bodies = make([][]byte, len(s.ids))
	switch step {
	case 4:
		s.order = s.shuffled()
	case 5, 6:
		s.opened, s.shares = s.shares, r255.NewElement()
	}
	return ok
}

func (s *second) shuffled() []byte {
	seed := secondHash("order", append([][]byte{s.ctx}, s.coins...)...)
	next := uint32(0)
	word := func() uint32 {
		l := secondPrefix + "order"
		m := hmac.New(sha256.New, seed)
		m.Write(append([]byte{byte(len(l))}, l...))
		m.Write(secondU32(int(next)))
		next++
		return binary.BigEndian.Uint32(m.Sum(nil))
	}
	shuffle := func(b []byte) []byte {
		for i := len(b) - 1; i > 0; i-- {
			n := uint64(i + 1)
			x := uint64(word())
			for x < (1<<32)%n {
				x = uint64(word())
			}
			j := x % n
			b[i], b[j] = b[j], b[i]
		}
		return b
	}
	var all []byte
	for j := range s.c {
		all = append(all, byte(j))
	}
	if len(s.caps) == 2 {
		shuffle(all[:s.m])
		shuffle(all[s.m:])
		return all
	}
	return shuffle(all)
}

// hit tells whether the cell that was opened last opened to yes.
func (s *second) hit(cell byte) bool { return secondZero(secondSub(s.w[cell][1], s.opened)) }
