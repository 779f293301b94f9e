package entry

import "backchannel/internal/wire"

// slots is an array of equal entries that lies in the frames in which it will
// leave, so that a large batch is never copied.
type slots struct {
	kind    wire.Type
	count   int // entries
	size    int // bytes of one
	per     int // entries in every frame but the last
	frames  [][]byte
	held    []bool
	missing int
}

func newSlots(t wire.Type, count, size int) slots {
	s := slots{kind: t, count: count, size: size, per: wire.ChunkSize / size, held: make([]bool, count)}
	s.reuse(new([][]byte))
	return s
}

// reuse empties the slots, with frames from spare where there are enough that
// are large enough. What lies in them is rubbish until fill.
func (s *slots) reuse(spare *[][]byte) {
	for i := len(s.frames); i*s.per < s.count; i++ {
		size := wire.ChunkHeaderSize + min(s.per, s.count-i*s.per)*s.size
		var f []byte
		if k := len(*spare) - 1; k >= 0 {
			f, (*spare)[k] = (*spare)[k], nil
			*spare = (*spare)[:k]
		}
		if cap(f) < size {
			f = make([]byte, size)
		}
		s.frames = append(s.frames, f[:size])
	}
	clear(s.held)
	s.missing = s.count
}

func (s *slots) at(i int) []byte {
	off := wire.ChunkHeaderSize + i%s.per*s.size
	return s.frames[i/s.per][off : off+s.size]
}

// has reports whether entry i came.
func (s *slots) has(i int) bool { return s.held[i] }

// put stores entry i; the first is final.
func (s *slots) put(i int, b []byte) {
	if s.held[i] {
		return
	}
	copy(s.at(i), b)
	s.held[i] = true
	s.missing--
}

// fill writes what is missing.
func (s *slots) fill(with func([]byte)) {
	for i, ok := range s.held {
		if !ok {
			with(s.at(i))
		}
	}
}

// header writes the chunk header of frame number i.
func (s *slots) header(f []byte, i int, a wire.Attempt, round uint64) {
	wire.PutChunkHeader(f, s.kind, a, round, uint64(s.count*s.size), uint64(i*s.per*s.size))
}
