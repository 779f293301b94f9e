package link

import "sync"

// buffers keeps the memory of frames of cells between uses, so that a server in
// its stride allocates none: what was written is what the next reads fill.
type buffers struct {
	mu    sync.Mutex
	free  [][]byte
	bytes int
	limit int
}

func newBuffers(limit int) *buffers { return &buffers{limit: limit} }

// take returns n bytes of any content.
func (b *buffers) take(n int) []byte {
	b.mu.Lock()
	var f []byte
	if k := len(b.free) - 1; k >= 0 {
		f, b.free[k] = b.free[k], nil
		b.free = b.free[:k]
		b.bytes -= cap(f)
	}
	b.mu.Unlock()
	if cap(f) < n { // the sizes of a network are few, so this soon stops
		return make([]byte, n)
	}
	return f[:n]
}

// exactly returns memory of n bytes, of any content, that was kept as such; nil if
// there is none.
func (b *buffers) exactly(n int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := len(b.free) - 1
	if k < 0 || cap(b.free[k]) != n {
		return nil
	}
	f := b.free[k]
	b.free[k] = nil
	b.free = b.free[:k]
	b.bytes -= n
	return f[:n]
}

// admit changes how many bytes may be kept, and forgets what is too much.
func (b *buffers) admit(bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit += bytes
	for b.bytes > b.limit && len(b.free) > 0 {
		k := len(b.free) - 1
		b.bytes -= cap(b.free[k])
		b.free[k] = nil
		b.free = b.free[:k]
	}
}

// put keeps f, which nobody else may have.
func (b *buffers) put(f []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytes+cap(f) <= b.limit {
		b.free = append(b.free, f)
		b.bytes += cap(f)
	}
}
