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
	first state                    // the input of round 1 at counter 0, then its bytes substituted
	fixed state                    // the input of round 2's ShiftRows, where it is the same for all blocks
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
			for half := range 2 {
				// Eight sliced bytes are 64 words of 64 lanes; transposed,
				// 64 circuits of 64 bits.
				rows := (*[8]sliced)(w.a[8*half:])
				transpose(rows)
				at := BlockSize*j + 8*half
				for l, o := range to[:m] {
					x := binary.LittleEndian.Uint64(in[l*cell+at:]) ^ rows[l/8][l%8]
					binary.LittleEndian.PutUint64(dst[o+at:], x)
				}
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
			substitute(&t)
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
	w.first = w.round[0]
	for i := range 8 {
		flip(&w.first[i], byte(round>>(56-8*i)))
	}
	for i := range 15 {
		substitute(&w.first[i])
	}
	for c := 1; c < 4; c++ {
		mixColumn(&w.fixed, &w.first, &w.round[1], c)
	}
	for i := 4; i < 16; i++ {
		substitute(&w.fixed[i])
	}
}

// block leaves in a the key stream of block j of every lane's cell.
func (w *genericWork) block(j byte) {
	last := w.first[15]
	flip(&last, j)
	substitute(&last)
	keep := w.first[15]
	w.first[15] = last
	mixColumn(&w.fixed, &w.first, &w.round[1], 0)
	w.first[15] = keep
	for i := range 4 {
		substitute(&w.fixed[i])
	}
	mixColumns(&w.a, &w.fixed, &w.round[2])
	for r := 3; r < genericRounds; r += 2 {
		substituteAll(&w.a)
		mixColumns(&w.b, &w.a, &w.round[r])
		substituteAll(&w.b)
		if r+1 < genericRounds {
			mixColumns(&w.a, &w.b, &w.round[r+1])
		}
	}
	key := &w.round[genericRounds]
	for i := range w.a {
		from := &w.b[(i+4*(i%4))%16] // ShiftRows: row i%4 comes from as many columns on
		for bit := range from {
			w.a[i][bit] = from[bit] ^ key[i][bit]
		}
	}
}

func substituteAll(s *state) {
	for i := range s {
		substitute(&s[i])
	}
}

func mixColumns(out, in, key *state) {
	mixColumn(out, in, key, 0)
	mixColumn(out, in, key, 1)
	mixColumn(out, in, key, 2)
	mixColumn(out, in, key, 3)
}

// mixColumn does ShiftRows, MixColumns and AddRoundKey for column c of out.
func mixColumn(out, in, key *state, c int) {
	a0, a1 := &in[4*c], &in[(4*c+5)%16]
	a2, a3 := &in[(4*c+10)%16], &in[(4*c+15)%16]
	o := (*[4]sliced)(out[4*c:])
	k := (*[4]sliced)(key[4*c:])
	// Byte r of the result is 2(a[r] ⊕ a[r+1]) ⊕ the other three than a[r].
	// The p are what doubling carries from the bit below; the reduction by
	// x⁸+x⁴+x³+x+1 brings the top bits, the h, back at 0, 1, 3 and 4.
	h0, h1, h2, h3 := a0[7]^a1[7], a1[7]^a2[7], a2[7]^a3[7], a3[7]^a0[7]

	x0, x1, x2, x3 := a0[0], a1[0], a2[0], a3[0]
	d0, d2 := x0^x1, x2^x3
	o[0][0] = k[0][0] ^ x1 ^ d2 ^ h0
	o[1][0] = k[1][0] ^ x0 ^ d2 ^ h1
	o[2][0] = k[2][0] ^ x3 ^ d0 ^ h2
	o[3][0] = k[3][0] ^ x2 ^ d0 ^ h3
	p0, p1, p2, p3 := d0, x1^x2, d2, x3^x0

	x0, x1, x2, x3 = a0[1], a1[1], a2[1], a3[1]
	d0, d2 = x0^x1, x2^x3
	o[0][1] = k[0][1] ^ x1 ^ d2 ^ p0 ^ h0
	o[1][1] = k[1][1] ^ x0 ^ d2 ^ p1 ^ h1
	o[2][1] = k[2][1] ^ x3 ^ d0 ^ p2 ^ h2
	o[3][1] = k[3][1] ^ x2 ^ d0 ^ p3 ^ h3
	p0, p1, p2, p3 = d0, x1^x2, d2, x3^x0

	x0, x1, x2, x3 = a0[2], a1[2], a2[2], a3[2]
	d0, d2 = x0^x1, x2^x3
	o[0][2] = k[0][2] ^ x1 ^ d2 ^ p0
	o[1][2] = k[1][2] ^ x0 ^ d2 ^ p1
	o[2][2] = k[2][2] ^ x3 ^ d0 ^ p2
	o[3][2] = k[3][2] ^ x2 ^ d0 ^ p3
	p0, p1, p2, p3 = d0, x1^x2, d2, x3^x0

	x0, x1, x2, x3 = a0[3], a1[3], a2[3], a3[3]
	d0, d2 = x0^x1, x2^x3
	o[0][3] = k[0][3] ^ x1 ^ d2 ^ p0 ^ h0
	o[1][3] = k[1][3] ^ x0 ^ d2 ^ p1 ^ h1
	o[2][3] = k[2][3] ^ x3 ^ d0 ^ p2 ^ h2
	o[3][3] = k[3][3] ^ x2 ^ d0 ^ p3 ^ h3
	p0, p1, p2, p3 = d0, x1^x2, d2, x3^x0

	x0, x1, x2, x3 = a0[4], a1[4], a2[4], a3[4]
	d0, d2 = x0^x1, x2^x3
	o[0][4] = k[0][4] ^ x1 ^ d2 ^ p0 ^ h0
	o[1][4] = k[1][4] ^ x0 ^ d2 ^ p1 ^ h1
	o[2][4] = k[2][4] ^ x3 ^ d0 ^ p2 ^ h2
	o[3][4] = k[3][4] ^ x2 ^ d0 ^ p3 ^ h3
	p0, p1, p2, p3 = d0, x1^x2, d2, x3^x0

	x0, x1, x2, x3 = a0[5], a1[5], a2[5], a3[5]
	d0, d2 = x0^x1, x2^x3
	o[0][5] = k[0][5] ^ x1 ^ d2 ^ p0
	o[1][5] = k[1][5] ^ x0 ^ d2 ^ p1
	o[2][5] = k[2][5] ^ x3 ^ d0 ^ p2
	o[3][5] = k[3][5] ^ x2 ^ d0 ^ p3
	p0, p1, p2, p3 = d0, x1^x2, d2, x3^x0

	x0, x1, x2, x3 = a0[6], a1[6], a2[6], a3[6]
	d0, d2 = x0^x1, x2^x3
	o[0][6] = k[0][6] ^ x1 ^ d2 ^ p0
	o[1][6] = k[1][6] ^ x0 ^ d2 ^ p1
	o[2][6] = k[2][6] ^ x3 ^ d0 ^ p2
	o[3][6] = k[3][6] ^ x2 ^ d0 ^ p3
	p0, p1, p2, p3 = d0, x1^x2, d2, x3^x0

	x0, x1, x2, x3 = a0[7], a1[7], a2[7], a3[7]
	d0, d2 = x0^x1, x2^x3
	o[0][7] = k[0][7] ^ x1 ^ d2 ^ p0
	o[1][7] = k[1][7] ^ x0 ^ d2 ^ p1
	o[2][7] = k[2][7] ^ x3 ^ d0 ^ p2
	o[3][7] = k[3][7] ^ x2 ^ d0 ^ p3
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
	for i := range 4 {
		for k := range 8 {
			swap(&rows[i][k], &rows[i+4][k], 32, 0x00000000ffffffff)
		}
	}
	for _, i := range [4]int{0, 1, 4, 5} {
		for k := range 8 {
			swap(&rows[i][k], &rows[i+2][k], 16, 0x0000ffff0000ffff)
		}
	}
	for i := 0; i < 8; i += 2 {
		for k := range 8 {
			swap(&rows[i][k], &rows[i+1][k], 8, 0x00ff00ff00ff00ff)
		}
	}
	for i := range rows {
		r := &rows[i]
		for k := range 4 {
			swap(&r[k], &r[k+4], 4, 0x0f0f0f0f0f0f0f0f)
		}
		swap(&r[0], &r[2], 2, 0x3333333333333333)
		swap(&r[1], &r[3], 2, 0x3333333333333333)
		swap(&r[4], &r[6], 2, 0x3333333333333333)
		swap(&r[5], &r[7], 2, 0x3333333333333333)
		for k := 0; k < 8; k += 2 {
			swap(&r[k], &r[k+1], 1, 0x5555555555555555)
		}
	}
}

// swap exchanges the high bits of x, those that mask names after a shift by n,
// with the low bits of y.
func swap(x, y *uint64, n uint, mask uint64) {
	t := (*x>>n ^ *y) & mask
	*x ^= t << n
	*y ^= t
}
