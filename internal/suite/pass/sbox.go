package pass

// substituted is what the S-box adds after its linear part. substitute leaves
// it out; it is constant under MixColumns, so the round keys carry it.
const substituted = 0x63

// substitute is the AES S-box without its constant on 64 sliced bytes: the
// circuit of Boyar and Peralta ("A small depth-16 circuit for the AES S-box",
// 2012; names as there), 32 AND and 83 XOR. o and b may
// be the same.
//
// The order of the operations is part of the speed: where a value is used long
// after it was made, the compiler puts it on the stack, and a processor with 16
// registers then moves as much as it computes. The compiler follows the lines, so
// they stand in an order that a search (annealing over all orders that the circuit
// allows, against a model of 11 registers) found to need 78 moves instead of 106.
func substitute(o, b *sliced) {
	x0, x1, x2, x3, x4, x5, x6, x7 := b[7], b[6], b[5], b[4], b[3], b[2], b[1], b[0]

	y14 := x3 ^ x5
	t0 := x1 ^ x2
	y13 := x0 ^ x6
	y12 := y13 ^ y14
	y1 := t0 ^ x7
	y4 := y1 ^ x3
	y9 := x0 ^ x3
	t1 := x4 ^ y12
	y20 := t1 ^ x1
	y15 := t1 ^ x5
	y8 := x0 ^ x5
	y5 := y1 ^ x6
	q4 := y5 & y1
	q2 := y4 & x7
	y3 := y5 ^ y8
	t2 := y12 & y15
	t6 := q2 ^ t2
	y6 := y15 ^ x7
	q1 := y3 & y6
	y10 := y15 ^ t0
	y11 := y20 ^ y9
	t4 := q1 ^ t2
	q8 := y8 & y10
	y16 := t0 ^ y11
	t12 := y9 & y11
	t16 := q8 ^ t12
	q10 := t6 ^ t16
	y19 := y10 ^ y8
	t22 := q10 ^ y19
	y17 := y10 ^ y11
	q7 := y14 & y17
	t14 := q7 ^ t12
	y21 := y13 ^ y16
	t7 := y13 & y16
	t9 := q4 ^ t7
	q11 := t9 ^ t14
	t23 := q11 ^ y21
	q9 := t4 ^ t14
	t21 := q9 ^ y20
	y2 := y1 ^ x0
	y7 := x7 ^ y11
	q5 := y2 & y7
	y18 := x0 ^ y16
	t11 := q5 ^ t7
	t25 := t21 ^ t22
	t26 := t21 & t23
	q12 := t11 ^ t16
	t31 := t22 ^ t26
	t24 := q12 ^ y18
	t30 := t23 ^ t24
	q15 := t31 & t30
	t33 := q15 ^ t24
	z11 := t33 & y4
	t27 := t24 ^ t26
	t35 := t27 ^ t33
	t34 := t23 ^ t33
	t36 := t24 & t35
	t37 := t36 ^ t34
	t38 := t27 ^ t36
	q14 := t25 & t27
	t29 := q14 ^ t22
	t42 := t29 ^ t33
	z5 := t29 & y7
	q17 := t29 & t38
	t40 := t25 ^ q17
	z13 := t40 & y5
	z4 := t40 & y1
	z14 := t29 & y2
	t43 := t29 ^ t40
	t41 := t40 ^ t37
	z12 := t43 & y13
	z3 := t43 & y16
	z6 := t42 & y11
	z15 := t42 & y9
	t45 := t42 ^ t41
	z7 := t45 & y17
	t54 := z6 ^ z7
	t59 := z3 ^ t54
	z16 := t45 & y14
	t46 := z15 ^ z16
	t48 := z5 ^ z13
	z17 := t41 & y8
	t55 := z16 ^ z17
	z8 := t41 & y10
	z2 := t33 & x7
	t52 := z7 ^ z8
	t51 := z2 ^ z5
	t44 := t33 ^ t37
	t50 := z2 ^ z12
	z0 := t44 & y15
	t53 := z0 ^ z3
	z9 := t44 & y12
	t57 := t50 ^ t53
	t61 := z14 ^ t57
	t60 := t46 ^ t57
	o[0] = t48 ^ t60
	z10 := t37 & y3
	t56 := z12 ^ t48
	z1 := t37 & y6
	t58 := z4 ^ t46
	t49 := z9 ^ z10
	t62 := t52 ^ t58
	t63 := t49 ^ t58
	o[1] = t56 ^ t62
	t66 := z1 ^ t63
	o[4] = t53 ^ t66
	t64 := z4 ^ t59
	o[7] = t59 ^ t63
	t47 := z10 ^ z11
	t65 := t61 ^ t62
	o[2] = t47 ^ t65
	o[6] = t64 ^ o[4]
	o[3] = t51 ^ t66
	t67 := t64 ^ t65
	o[5] = t55 ^ t67
}
