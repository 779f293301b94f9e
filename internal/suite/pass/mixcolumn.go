package pass

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

// mixColumns does MixColumns and AddRoundKey.
func mixColumns(o, in, key *state) {
	mixColumn(o.column(0), in.column(0), key.column(0))
	mixColumn(o.column(1), in.column(1), key.column(1))
	mixColumn(o.column(2), in.column(2), key.column(2))
	mixColumn(o.column(3), in.column(3), key.column(3))
}

// mixByte adds to rest, which is a column after MixColumns, what the byte s at
// the place row before it contributes.
func mixByte(o, rest *[4]sliced, s *sliced, row int) {
	two, three := &o[row&3], &o[(row+3)&3]
	rest2, rest3 := &rest[row&3], &rest[(row+3)&3]
	h := s[7]
	mixBit(two, three, rest2, rest3, 0, h, s[0])
	mixBit(two, three, rest2, rest3, 1, s[0]^h, s[1])
	mixBit(two, three, rest2, rest3, 2, s[1], s[2])
	mixBit(two, three, rest2, rest3, 3, s[2]^h, s[3])
	mixBit(two, three, rest2, rest3, 4, s[3]^h, s[4])
	mixBit(two, three, rest2, rest3, 5, s[4], s[5])
	mixBit(two, three, rest2, rest3, 6, s[5], s[6])
	mixBit(two, three, rest2, rest3, 7, s[6], h)
	addTo(&o[(row+1)&3], &rest[(row+1)&3], s)
	addTo(&o[(row+2)&3], &rest[(row+2)&3], s)
}

// mixBit does one bit of the bytes to which s goes doubled and tripled.
func mixBit(two, three, rest2, rest3 *sliced, bit int, doubled, s uint64) {
	two[bit] = rest2[bit] ^ doubled
	three[bit] = rest3[bit] ^ doubled ^ s
}
