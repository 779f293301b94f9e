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

// put keeps f, which nobody else may have.
func (b *buffers) put(f []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytes+cap(f) <= b.limit {
		b.free = append(b.free, f)
		b.bytes += cap(f)
	}
}
