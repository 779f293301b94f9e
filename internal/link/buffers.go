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
	f := b.pop()
	b.mu.Unlock()
	if cap(f) < n { // the sizes of a network are few, so this soon stops
		return make([]byte, n)
	}
	return f[:n]
}

// fitting returns n bytes, of any content, if what was kept last is of about that
// size; if not it forgets it, or one of a size that nobody wants again would stay
// in front of the others.
func (b *buffers) fitting(n int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.pop()
	if cap(f) < n || cap(f) > n+n/4 {
		return nil
	}
	return f[:n]
}

// pop gives out what was kept last; nil if there is nothing. Its caller holds the
// lock.
func (b *buffers) pop() (f []byte) {
	if k := len(b.free) - 1; k >= 0 {
		f, b.free[k] = b.free[k], nil
		b.free = b.free[:k]
		b.bytes -= cap(f)
	}
	return f
}

// admit changes how many bytes may be kept, and forgets what is too much.
func (b *buffers) admit(bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit += bytes
	for b.bytes > b.limit {
		b.pop()
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
