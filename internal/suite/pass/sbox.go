package pass

// substitute is the AES S-box without its constant on 64 sliced bytes: the
// circuit of Boyar and Peralta ("A small depth-16 circuit for the AES S-box",
// 2012; names as there), 32 AND and 83 XOR. o and b may be the same.
//
// The order of the operations is part of the speed, and so is which of several
// equal sums is computed: what is used long after it was made goes to the stack,
// for 16 registers do not hold the circuit, and what follows too closely on what
// it needs waits. The compiler follows the lines, so they stand in an order that
// a search found by compiling and timing some ten thousand of them. The fewest
// instructions were not the fastest.
func substitute(o, b *sliced) {
	x3 := b[4]
	x5 := b[2]
	y14 := x3 ^ x5
	x0 := b[7]
	x1 := b[6]
	x2 := b[5]
	t0 := x1 ^ x2
	x6 := b[1]
	y13 := x0 ^ x6
	y12 := y14 ^ y13
	x7 := b[0]
	y1 := x7 ^ t0
	y4 := x3 ^ y1
	x4 := b[3]
	t1 := x4 ^ y12
	y20 := x1 ^ t1
	y15 := x5 ^ t1
	y9 := x0 ^ x3
	y8 := x0 ^ x5
	y5 := x6 ^ y1
	q4 := y5 & y1
	q2 := y4 & x7
	y3 := y8 ^ y5
	y6 := x7 ^ y15
	t2 := y12 & y15
	t6 := q2 ^ t2
	q1 := y3 & y6
	y10 := t0 ^ y15
	y11 := y9 ^ y20
	t4 := t2 ^ q1
	q8 := y8 & y10
	y16 := t0 ^ y11
	t12 := y9 & y11
	t16 := q8 ^ t12
	q10 := t6 ^ t16
	y19 := y8 ^ y10
	t22 := q10 ^ y19
	y17 := y10 ^ y11
	q7 := y14 & y17
	t14 := t12 ^ q7
	y21 := y13 ^ y16
	t7 := y13 & y16
	t9 := q4 ^ t7
	q11 := t14 ^ t9
	t23 := y21 ^ q11
	q9 := t4 ^ t14
	t21 := y20 ^ q9
	y2 := x0 ^ y1
	y7 := x7 ^ y11
	q5 := y2 & y7
	y18 := x0 ^ y16
	t11 := t7 ^ q5
	t25 := t22 ^ t21
	t26 := t21 & t23
	q12 := t16 ^ t11
	t31 := t22 ^ t26
	t24 := y18 ^ q12
	t30 := t23 ^ t24
	q15 := t31 & t30
	t33 := t24 ^ q15
	t27 := t26 ^ t24
	t35 := t33 ^ t27
	z11 := t33 & y4
	t34 := t23 ^ t33
	t36 := t24 & t35
	t37 := t34 ^ t36
	t38 := t27 ^ t36
	q14 := t25 & t27
	t29 := t22 ^ q14
	t42 := t33 ^ t29
	z5 := t29 & y7
	q17 := t29 & t38
	t40 := t25 ^ q17
	z13 := t40 & y5
	z4 := t40 & y1
	z14 := t29 & y2
	t43 := t29 ^ t40
	t41 := t37 ^ t40
	z12 := t43 & y13
	z3 := t43 & y16
	z6 := t42 & y11
	z15 := t42 & y9
	t45 := t42 ^ t41
	z7 := t45 & y17
	t54 := z6 ^ z7
	t59 := z3 ^ t54
	z16 := t45 & y14
	t48 := z5 ^ z13
	z17 := t41 & y8
	t55 := z16 ^ z17
	z8 := t41 & y10
	z2 := t33 & x7
	t52 := z7 ^ z8
	t44 := t33 ^ t37
	t46 := z15 ^ z16
	t50 := z12 ^ z2
	z0 := t44 & y15
	t53 := z3 ^ z0
	z9 := t44 & y12
	t57 := t50 ^ t53
	t61 := z14 ^ t57
	t51 := z5 ^ z2
	t60 := t46 ^ t57
	r0 := t48 ^ t60
	o[0] = r0
	z10 := t37 & y3
	t56 := z12 ^ t48
	z1 := t37 & y6
	t58 := z4 ^ t46
	t49 := z9 ^ z10
	t62 := t52 ^ t58
	t63 := t58 ^ t49
	r7 := t59 ^ t63
	o[7] = r7
	r1 := t56 ^ t62
	o[1] = r1
	t66 := z1 ^ t63
	r4 := t53 ^ t66
	o[4] = r4
	t64 := z4 ^ t59
	t47 := z11 ^ z10
	t65 := t61 ^ t62
	r2 := t47 ^ t65
	o[2] = r2
	r3 := t51 ^ t66
	o[3] = r3
	t67 := t64 ^ t65
	r5 := t55 ^ t67
	o[5] = r5
	r6 := r4 ^ t64
	o[6] = r6
}
