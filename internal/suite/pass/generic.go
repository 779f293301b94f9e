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

// together is how many blocks of a cell are done before any is added to it: a
// cache line, so that each line of input and output is touched once.
const together = 4

// genericWork is all that one call needs; it lives on the stack.
type genericWork struct {
	round   [genericRounds + 1]state   // round keys; from the first on with the S-box's constant
	input   state                      // the input of round 1 at counter 0
	rest1   [4]sliced                  // the first column after round 1, without what the counter's byte adds
	rest2   state                      // the state after round 2, without what the first column adds
	fetched byte                       // of no meaning: it keeps fetch from being left out
	a, b    state                      // the rounds go from a to b and back
	stream  [together][2][lanes]uint64 // key streams of blocks: the first and the last eight bytes of each lane
	keys    [KeySize / 8][lanes]uint64 // the keys, lane by lane
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
		for at := 0; at < cell; at += together * BlockSize {
			w.fetch(dst[at:], in[at:], to[:m], cell)
			for k := range w.stream {
				w.block(&w.stream[k], byte(at/BlockSize+k))
			}
			for l, o := range to[:m] {
				w.add((*part)(dst[o+at:]), (*part)(in[l*cell+at:]), l)
			}
		}
		in, first = in[m*cell:], first+m
	}
	return true
}

// fetch touches the lines that will be read and written, so that they come
// while the blocks are made: memory takes its time for each, and one that is
// waited for when it is needed holds up those behind it.
func (w *genericWork) fetch(dst, in []byte, to []int, cell int) {
	var x byte
	for l, o := range to {
		x ^= in[l*cell] ^ dst[o]
	}
	w.fetched ^= x
}

// part is what lies of a cell in the blocks done together.
type part [together * BlockSize]byte

// add puts lane l of from, with its key streams added, into into.
func (w *genericWork) add(into, from *part, l int) {
	l &= lanes - 1
	le, s := binary.LittleEndian, &w.stream
	le.PutUint64(into[0:], le.Uint64(from[0:])^s[0][0][l])
	le.PutUint64(into[8:], le.Uint64(from[8:])^s[0][1][l])
	le.PutUint64(into[16:], le.Uint64(from[16:])^s[1][0][l])
	le.PutUint64(into[24:], le.Uint64(from[24:])^s[1][1][l])
	le.PutUint64(into[32:], le.Uint64(from[32:])^s[2][0][l])
	le.PutUint64(into[40:], le.Uint64(from[40:])^s[2][1][l])
	le.PutUint64(into[48:], le.Uint64(from[48:])^s[3][0][l])
	le.PutUint64(into[56:], le.Uint64(from[56:])^s[3][1][l])
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
	for l := range len(keys) / KeySize {
		k := (*[KeySize]byte)(keys[l*KeySize:])
		w.keys[0][l&(lanes-1)] = binary.LittleEndian.Uint64(k[0:])
		w.keys[1][l&(lanes-1)] = binary.LittleEndian.Uint64(k[8:])
		w.keys[2][l&(lanes-1)] = binary.LittleEndian.Uint64(k[16:])
		w.keys[3][l&(lanes-1)] = binary.LittleEndian.Uint64(k[24:])
	}
	for part := range w.keys {
		gather((*[8]sliced)(w.round[part/2][8*(part%2):]), &w.keys[part])
	}
	for r := 2; r <= genericRounds; r++ {
		back, last, now := &w.round[r-2], &w.round[r-1], &w.round[r]
		for row := range 4 {
			from := 12 + row
			if r%2 == 0 {
				from = 12 + (row+1)%4 // RotWord
			}
			t := &now[row]
			substitute(t, &last[from])
			addConstant(t)
			addTo(t, t, &back[row])
			if r%2 == 0 && row == 0 {
				t[r/2-1] = ^t[r/2-1] // the round constant is 1 << (r/2-1)
			}
		}
		for i := 4; i < 16; i++ {
			addTo(&now[i], &now[i-4], &back[i])
		}
	}
	for r := 1; r <= genericRounds; r++ {
		for i := range w.round[r] {
			addConstant(&w.round[r][i])
		}
	}
}

// begin does what the blocks of a cell share. Their counters differ in the
// last byte alone; that byte reaches the first column in round 1, and only in
// round 2 all of them, one byte of each.
func (w *genericWork) begin(round uint64) {
	w.input = w.round[0]
	for i := range 8 {
		flip(&w.input[i], byte(round>>(56-8*i)))
	}
	substituteAll(&w.b, &w.input)
	w.b[shifted[15]] = sliced{}
	mixColumns(&w.a, &w.b, &w.round[1])
	w.rest1 = *w.a.column(0)
	substituteAll(&w.b, &w.a)
	for row := range 4 {
		w.b[shifted[row]] = sliced{}
	}
	mixColumns(&w.rest2, &w.b, &w.round[2])
}

// block makes the key stream of block j of every lane's cell.
func (w *genericWork) block(out *[2][lanes]uint64, j byte) {
	s := w.input[15]
	flip(&s, j)
	substitute(&s, &s)
	column := w.b.column(0)
	mixByte(column, &w.rest1, &s, int(shifted[15])%4)
	for row := range column {
		substitute(&s, &column[row])
		c := int(shifted[row]) / 4
		mixByte(w.a.column(c), w.rest2.column(c), &s, row)
	}
	for r := 3; r < genericRounds; r++ {
		substituteAll(&w.b, &w.a)
		mixColumns(&w.a, &w.b, &w.round[r])
	}
	substituteAll(&w.b, &w.a)
	key := &w.round[genericRounds]
	transpose(&out[0], (*[8]sliced)(w.b[:8]), (*[8]sliced)(key[:8]))
	transpose(&out[1], (*[8]sliced)(w.b[8:]), (*[8]sliced)(key[8:]))
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

// column returns the bytes of column c, below 4.
func (s *state) column(c int) *[4]sliced { return (*[4]sliced)(s[4*c&15:]) }

// flip adds the byte x to a sliced byte in all lanes.
func flip(b *sliced, x byte) {
	for bit := range b {
		b[bit] ^= -uint64(x >> bit & 1)
	}
}

// addTo leaves the sum of two sliced bytes in o.
func addTo(o, a, b *sliced) {
	o[0], o[1], o[2], o[3] = a[0]^b[0], a[1]^b[1], a[2]^b[2], a[3]^b[3]
	o[4], o[5], o[6], o[7] = a[4]^b[4], a[5]^b[5], a[6]^b[6], a[7]^b[7]
}

// addConstant adds 0x63 in all lanes, what the S-box adds after its linear part.
// substitute leaves it out; it is constant under MixColumns, so the round keys
// carry it.
func addConstant(b *sliced) {
	b[0], b[1], b[5], b[6] = ^b[0], ^b[1], ^b[5], ^b[6]
}
