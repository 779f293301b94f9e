package pass

// transpose turns 64 words by their diagonal: bit j of word i becomes bit i of
// word j (Warren, Hacker's Delight, section 7-3). add is added to them before.
func transpose(out *[lanes]uint64, rows, add *[8]sliced) {
	var half [8]sliced
	for k := range 8 {
		transposeFar(&half, rows, add, k)
	}
	for i := range half {
		transposeNear((*sliced)(out[8*i:]), &half[i])
	}
}

// transposeFar does the three steps of transpose that move more than a byte,
// on the words that are k modulo 8.
func transposeFar(out, rows, add *[8]sliced, k int) {
	k &= 7
	a, b, c, d := rows[0][k]^add[0][k], rows[1][k]^add[1][k], rows[2][k]^add[2][k], rows[3][k]^add[3][k]
	e, f, g, h := rows[4][k]^add[4][k], rows[5][k]^add[5][k], rows[6][k]^add[6][k], rows[7][k]^add[7][k]
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
func transposeNear(out, r *sliced) {
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
	out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7] = a, b, c, d, e, f, g, h
}

// swap exchanges the high bits of x, those that mask names after a shift by n,
// with the low bits of y.
func swap(x, y uint64, n uint, mask uint64) (uint64, uint64) {
	t := (x>>n ^ y) & mask
	return x ^ t<<n, y ^ t
}

// gather is transpose from lanes to rows.
func gather(rows *[8]sliced, in *[lanes]uint64) {
	var half, none [8]sliced
	for i := range half {
		half[i] = sliced(in[8*i:])
	}
	for k := range 8 {
		transposeFar(&half, &half, &none, k)
	}
	for i := range half {
		transposeNear(&rows[i], &half[i])
	}
}
