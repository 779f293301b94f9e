package pass

import "encoding/binary"

// The generic path is AES in plain Go, bitsliced: word k of a state holds bit
// k of 64 circuits, so that one run of the cipher's logic encrypts the same
// counter block under 64 keys. The standard library is not used here because
// it must be given each key as a new object (two allocations per cell) and,
// where the processor has no AES instructions, which is where this path
// matters most, looks secret bytes up in tables. Bitsliced code reads no
// address and takes no branch that depends on a key or a cell.
const lanes = 64

// A sliced byte is its eight bits, least significant first, in all lanes.
type sliced = [8]uint64

// A state is 16 sliced bytes in the order of FIPS 197: column by column.
type state [16]sliced

// genericRounds is the number of rounds of AES-256.
const genericRounds = 14

// genericWork is all that one call needs; it lives on the stack.
type genericWork struct {
	round [genericRounds + 1]state // round keys; from the first on with the S-box's constant
	input state                    // the input of round 1 at counter 0
	first state                    // the same after SubBytes and ShiftRows
	fixed state                    // round 2 after ShiftRows; all but a byte per column is the same for all blocks
	a, b  state
}

func scatterGeneric(dst, in []byte, first, cell int, keys []byte, perm []uint32, round uint64) bool {
	n := len(keys) / KeySize
	var w genericWork
	var to [lanes]int
	for len(in) > 0 {
		m := min(lanes, len(in)/cell)
		for l := range to[:m] {
			to[l] = first + l
			if perm != nil {
				to[l] = int(perm[first+l])
			}
			if to[l] >= n {
				return false
			}
			to[l] *= cell
		}
		w.expand(keys[first*KeySize : (first+m)*KeySize])
		w.begin(round)
		for j := range cell / BlockSize {
			w.block(byte(j))
			key := &w.round[genericRounds]
			for i := range w.b {
				for bit := range 8 {
					w.b[i][bit] ^= key[i][bit]
				}
			}
			// Eight sliced bytes are 64 words of 64 lanes; transposed, 64
			// circuits of 64 bits.
			low, high := (*[8]sliced)(w.b[:8]), (*[8]sliced)(w.b[8:])
			transpose(low)
			transpose(high)
			at := BlockSize * j
			for l, o := range to[:m] {
				from, into := in[l*cell+at:][:BlockSize], dst[o+at:][:BlockSize]
				x := binary.LittleEndian.Uint64(from) ^ low[l/8&7][l%8]
				y := binary.LittleEndian.Uint64(from[8:]) ^ high[l/8&7][l%8]
				binary.LittleEndian.PutUint64(into, x)
				binary.LittleEndian.PutUint64(into[8:], y)
			}
		}
		in, first = in[m*cell:], first+m
	}
	return true
}

func copyScatterGeneric(dst, in []byte, first, cell int, perm []uint32) bool {
	for i := first; len(in) > 0; i, in = i+1, in[cell:] {
		to := int(perm[i])
		if to >= len(perm) {
			return false
		}
		copy(dst[to*cell:(to+1)*cell], in[:cell])
	}
	return true
}

// expand makes the round keys of up to 64 keys (FIPS 197, section 5.2). Lanes
// without a key keep whatever they hold.
func (w *genericWork) expand(keys []byte) {
	for part := range KeySize / 8 {
		rows := (*[8]sliced)(w.round[part/2][8*(part%2):])
		*rows = [8]sliced{}
		for l := range len(keys) / KeySize {
			rows[l/8][l%8] = binary.LittleEndian.Uint64(keys[l*KeySize+8*part:])
		}
		transpose(rows)
	}
	for r := 2; r <= genericRounds; r++ {
		back, last, now := &w.round[r-2], &w.round[r-1], &w.round[r]
		for row := range 4 {
			from := 12 + row
			if r%2 == 0 {
				from = 12 + (row+1)%4 // RotWord
			}
			t := last[from]
			substitute(&t, &t)
			for bit := range t {
				t[bit] ^= back[row][bit]
				if substituted>>bit&1 == 1 {
					t[bit] = ^t[bit]
				}
			}
			if r%2 == 0 && row == 0 {
				t[r/2-1] = ^t[r/2-1] // the round constant is 1 << (r/2-1)
			}
			now[row] = t
			for i := row + 4; i < 16; i += 4 {
				for bit := range t {
					now[i][bit] = now[i-4][bit] ^ back[i][bit]
				}
			}
		}
	}
	for r := 1; r <= genericRounds; r++ {
		for i := range w.round[r] {
			for bit := range 8 {
				if substituted>>bit&1 == 1 {
					w.round[r][i][bit] = ^w.round[r][i][bit]
				}
			}
		}
	}
}

// begin does what the blocks of a cell share. Their counters differ in the
// last byte alone; that byte reaches the first column in round 1, and only in
// round 2 all of them.
func (w *genericWork) begin(round uint64) {
	w.input = w.round[0]
	for i := range 8 {
		flip(&w.input[i], byte(round>>(56-8*i)))
	}
	substituteAll(&w.first, &w.input)
	for c := 1; c < 4; c++ {
		mixColumn(w.a.column(c), w.first.column(c), w.round[1].column(c))
	}
	for i := 4; i < 16; i++ {
		substitute(&w.fixed[shifted[i]], &w.a[i])
	}
}

// block leaves in a the key stream of block j of every lane's cell, as 128
// words of 64 lanes.
func (w *genericWork) block(j byte) {
	last := w.input[15]
	flip(&last, j)
	substitute(&w.first[shifted[15]], &last)
	mixColumn(w.a.column(0), w.first.column(0), w.round[1].column(0))
	for i := range 4 {
		substitute(&w.fixed[shifted[i]], &w.a[i])
	}
	mixColumns(&w.a, &w.fixed, &w.round[2])
	for r := 3; r < genericRounds; r++ {
		substituteAll(&w.b, &w.a)
		mixColumns(&w.a, &w.b, &w.round[r])
	}
	substituteAll(&w.b, &w.a)
}

// shifted is where ShiftRows puts byte i of a state: row i%4 goes as many
// columns to the left.
var shifted = [16]uint8{0, 13, 10, 7, 4, 1, 14, 11, 8, 5, 2, 15, 12, 9, 6, 3}

// substituteAll does SubBytes and ShiftRows. It is written out because the
// places are constants then.
func substituteAll(o, s *state) {
	substitute(&o[0], &s[0])
	substitute(&o[13], &s[1])
	substitute(&o[10], &s[2])
	substitute(&o[7], &s[3])
	substitute(&o[4], &s[4])
	substitute(&o[1], &s[5])
	substitute(&o[14], &s[6])
	substitute(&o[11], &s[7])
	substitute(&o[8], &s[8])
	substitute(&o[5], &s[9])
	substitute(&o[2], &s[10])
	substitute(&o[15], &s[11])
	substitute(&o[12], &s[12])
	substitute(&o[9], &s[13])
	substitute(&o[6], &s[14])
	substitute(&o[3], &s[15])
}

func mixColumns(o, in, key *state) {
	mixColumn(o.column(0), in.column(0), key.column(0))
	mixColumn(o.column(1), in.column(1), key.column(1))
	mixColumn(o.column(2), in.column(2), key.column(2))
	mixColumn(o.column(3), in.column(3), key.column(3))
}

// column returns the bytes of column c, below 4.
func (s *state) column(c int) *[4]sliced { return (*[4]sliced)(s[4*c&15:]) }

// mixColumn does MixColumns and AddRoundKey for one column. The order of the
// lines is found as in substitute.
func mixColumn(o, in, k *[4]sliced) {
	// Byte r of the result is 2(a[r] ⊕ a[r+1]) ⊕ the other three than a[r].
	// The d are what doubling carries from the bit below; the reduction by
	// x⁸+x⁴+x³+x+1 brings the top bits, the h, back at 0, 1, 3 and 4.
	d6_1 := in[1][6] ^ in[2][6]
	h2 := in[2][7] ^ in[3][7]
	h3 := in[3][7] ^ in[0][7]
	u7_1 := in[2][7] ^ h3
	h1 := in[1][7] ^ in[2][7]
	h0 := in[0][7] ^ in[1][7]
	v7_1_0 := u7_1 ^ d6_1
	u7_2 := in[3][7] ^ h0
	u7_3 := in[0][7] ^ h1
	u6_3 := in[0][6] ^ d6_1
	u7_0 := in[1][7] ^ h2
	d6_0 := in[0][6] ^ in[1][6]
	v7_0_0 := u7_0 ^ d6_0
	u6_2 := in[3][6] ^ d6_0
	d6_3 := in[3][6] ^ in[0][6]
	d6_2 := in[2][6] ^ in[3][6]
	u6_1 := in[2][6] ^ d6_3
	o[1][7] = v7_1_0 ^ k[1][7]
	o[0][7] = v7_0_0 ^ k[0][7]
	v7_2_0 := u7_2 ^ d6_2
	u6_0 := in[1][6] ^ d6_2
	d5_3 := in[3][5] ^ in[0][5]
	v7_3_0 := u7_3 ^ d6_3
	o[3][7] = v7_3_0 ^ k[3][7]
	v6_3_0 := u6_3 ^ d5_3
	d5_2 := in[2][5] ^ in[3][5]
	o[2][7] = v7_2_0 ^ k[2][7]
	u5_1 := in[2][5] ^ d5_3
	v6_2_0 := u6_2 ^ d5_2
	d5_1 := in[1][5] ^ in[2][5]
	o[3][6] = v6_3_0 ^ k[3][6]
	u5_0 := in[1][5] ^ d5_2
	o[2][6] = v6_2_0 ^ k[2][6]
	d5_0 := in[0][5] ^ in[1][5]
	u5_2 := in[3][5] ^ d5_0
	u5_3 := in[0][5] ^ d5_1
	v6_0_0 := u6_0 ^ d5_0
	o[0][6] = v6_0_0 ^ k[0][6]
	d4_3 := in[3][4] ^ in[0][4]
	v5_3_0 := u5_3 ^ d4_3
	u4_1 := in[2][4] ^ d4_3
	v6_1_0 := u6_1 ^ d5_1
	o[1][6] = v6_1_0 ^ k[1][6]
	d4_1 := in[1][4] ^ in[2][4]
	o[3][5] = v5_3_0 ^ k[3][5]
	v5_1_0 := u5_1 ^ d4_1
	u4_3 := in[0][4] ^ d4_1
	d4_2 := in[2][4] ^ in[3][4]
	d4_0 := in[0][4] ^ in[1][4]
	o[1][5] = v5_1_0 ^ k[1][5]
	u4_0 := in[1][4] ^ d4_2
	v5_2_0 := u5_2 ^ d4_2
	v5_0_0 := u5_0 ^ d4_0
	u4_2 := in[3][4] ^ d4_0
	d3_3 := in[3][3] ^ in[0][3]
	v4_3_0 := u4_3 ^ d3_3
	v4_3_1 := v4_3_0 ^ h3
	o[0][5] = v5_0_0 ^ k[0][5]
	o[2][5] = v5_2_0 ^ k[2][5]
	d3_2 := in[2][3] ^ in[3][3]
	u3_1 := in[2][3] ^ d3_3
	d3_1 := in[1][3] ^ in[2][3]
	v4_1_0 := u4_1 ^ d3_1
	u3_3 := in[0][3] ^ d3_1
	o[3][4] = v4_3_1 ^ k[3][4]
	v4_2_0 := u4_2 ^ d3_2
	u3_0 := in[1][3] ^ d3_2
	d3_0 := in[0][3] ^ in[1][3]
	v4_0_0 := u4_0 ^ d3_0
	v4_0_1 := v4_0_0 ^ h0
	u3_2 := in[3][3] ^ d3_0
	o[0][4] = v4_0_1 ^ k[0][4]
	v4_1_1 := v4_1_0 ^ h1
	o[1][4] = v4_1_1 ^ k[1][4]
	d2_1 := in[1][2] ^ in[2][2]
	v3_1_0 := u3_1 ^ d2_1
	v3_1_1 := v3_1_0 ^ h1
	o[1][3] = v3_1_1 ^ k[1][3]
	d2_0 := in[0][2] ^ in[1][2]
	v3_0_0 := u3_0 ^ d2_0
	u2_3 := in[0][2] ^ d2_1
	v3_0_1 := v3_0_0 ^ h0
	d2_3 := in[3][2] ^ in[0][2]
	v3_3_0 := u3_3 ^ d2_3
	u2_2 := in[3][2] ^ d2_0
	o[0][3] = v3_0_1 ^ k[0][3]
	d2_2 := in[2][2] ^ in[3][2]
	v3_3_1 := v3_3_0 ^ h3
	u2_0 := in[1][2] ^ d2_2
	v3_2_0 := u3_2 ^ d2_2
	v4_2_1 := v4_2_0 ^ h2
	o[2][4] = v4_2_1 ^ k[2][4]
	u2_1 := in[2][2] ^ d2_3
	v3_2_1 := v3_2_0 ^ h2
	o[3][3] = v3_3_1 ^ k[3][3]
	o[2][3] = v3_2_1 ^ k[2][3]
	d1_3 := in[3][1] ^ in[0][1]
	v2_3_0 := u2_3 ^ d1_3
	d1_2 := in[2][1] ^ in[3][1]
	u1_1 := in[2][1] ^ d1_3
	v2_2_0 := u2_2 ^ d1_2
	o[2][2] = v2_2_0 ^ k[2][2]
	d1_1 := in[1][1] ^ in[2][1]
	o[3][2] = v2_3_0 ^ k[3][2]
	v2_1_0 := u2_1 ^ d1_1
	u1_3 := in[0][1] ^ d1_1
	u1_0 := in[1][1] ^ d1_2
	d1_0 := in[0][1] ^ in[1][1]
	v2_0_0 := u2_0 ^ d1_0
	o[1][2] = v2_1_0 ^ k[1][2]
	d0_1 := in[1][0] ^ in[2][0]
	v1_1_0 := u1_1 ^ d0_1
	u1_2 := in[3][1] ^ d1_0
	v1_1_1 := v1_1_0 ^ h1
	o[1][1] = v1_1_1 ^ k[1][1]
	o[0][2] = v2_0_0 ^ k[0][2]
	u0_3 := in[0][0] ^ d0_1
	d0_0 := in[0][0] ^ in[1][0]
	v1_0_0 := u1_0 ^ d0_0
	v0_3_0 := u0_3 ^ h3
	o[3][0] = v0_3_0 ^ k[3][0]
	d0_3 := in[3][0] ^ in[0][0]
	u0_2 := in[3][0] ^ d0_0
	d0_2 := in[2][0] ^ in[3][0]
	v1_2_0 := u1_2 ^ d0_2
	u0_0 := in[1][0] ^ d0_2
	v1_3_0 := u1_3 ^ d0_3
	v1_3_1 := v1_3_0 ^ h3
	u0_1 := in[2][0] ^ d0_3
	v1_2_1 := v1_2_0 ^ h2
	o[2][1] = v1_2_1 ^ k[2][1]
	v1_0_1 := v1_0_0 ^ h0
	v0_0_0 := u0_0 ^ h0
	v0_2_0 := u0_2 ^ h2
	v0_1_0 := u0_1 ^ h1
	o[2][0] = v0_2_0 ^ k[2][0]
	o[0][0] = v0_0_0 ^ k[0][0]
	o[3][1] = v1_3_1 ^ k[3][1]
	o[0][1] = v1_0_1 ^ k[0][1]
	o[1][0] = v0_1_0 ^ k[1][0]
}

// flip adds the byte x to a sliced byte in all lanes.
func flip(b *sliced, x byte) {
	for bit := range b {
		b[bit] ^= -uint64(x >> bit & 1)
	}
}

// transpose turns 64 words by their diagonal: bit j of word i becomes bit i of
// word j (Warren, Hacker's Delight, section 7-3).
func transpose(rows *[8]sliced) {
	for k := range 8 {
		transposeFar(rows, rows, k)
	}
	for i := range rows {
		transposeNear(&rows[i])
	}
}

// transposeFar does the three steps of transpose that move more than a byte,
// on the words that are k modulo 8.
func transposeFar(out, rows *[8]sliced, k int) {
	k &= 7
	a, b, c, d := rows[0][k], rows[1][k], rows[2][k], rows[3][k]
	e, f, g, h := rows[4][k], rows[5][k], rows[6][k], rows[7][k]
	const half, quarter, eighth = 0x00000000ffffffff, 0x0000ffff0000ffff, 0x00ff00ff00ff00ff
	a, e = a&half|e<<32, a>>32|e&^half
	b, f = b&half|f<<32, b>>32|f&^half
	c, g = c&half|g<<32, c>>32|g&^half
	d, h = d&half|h<<32, d>>32|h&^half
	a, c = swap(a, c, 16, quarter)
	b, d = swap(b, d, 16, quarter)
	e, g = swap(e, g, 16, quarter)
	f, h = swap(f, h, 16, quarter)
	a, b = swap(a, b, 8, eighth)
	c, d = swap(c, d, 8, eighth)
	e, f = swap(e, f, 8, eighth)
	g, h = swap(g, h, 8, eighth)
	out[0][k], out[1][k], out[2][k], out[3][k] = a, b, c, d
	out[4][k], out[5][k], out[6][k], out[7][k] = e, f, g, h
}

// transposeNear does the three steps within a byte.
func transposeNear(r *sliced) {
	const half, quarter, eighth = 0x0f0f0f0f0f0f0f0f, 0x3333333333333333, 0x5555555555555555
	a, b, c, d, e, f, g, h := r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]
	a, e = swap(a, e, 4, half)
	b, f = swap(b, f, 4, half)
	c, g = swap(c, g, 4, half)
	d, h = swap(d, h, 4, half)
	a, c = swap(a, c, 2, quarter)
	b, d = swap(b, d, 2, quarter)
	e, g = swap(e, g, 2, quarter)
	f, h = swap(f, h, 2, quarter)
	a, b = swap(a, b, 1, eighth)
	c, d = swap(c, d, 1, eighth)
	e, f = swap(e, f, 1, eighth)
	g, h = swap(g, h, 1, eighth)
	r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7] = a, b, c, d, e, f, g, h
}

// swap exchanges the high bits of x, those that mask names after a shift by n,
// with the low bits of y.
func swap(x, y uint64, n uint, mask uint64) (uint64, uint64) {
	t := (x>>n ^ y) & mask
	return x ^ t<<n, y ^ t
}
