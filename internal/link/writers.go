package link

import (
	"slices"
	"sync"
)

// writers write for connections that have no goroutine of their own for it: each
// that has something to send waits for its turn. There are as many as the process
// has cores, so their stacks and what they touch stay in the caches. One that has
// to wait for a slow peer gives its turn to another before, so such a peer costs
// itself.
type writers struct {
	limit int
	run   func(f func()) // starts a goroutine

	mu     sync.Mutex
	ready  []*peerConn
	next   int // of ready; those before it have had their turn
	active int // goroutines that write and do not wait
}

// add gives a connection its turn, after those that wait for theirs.
func (w *writers) add(c *peerConn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next > len(w.ready)/2 { // or the list would grow while it is never empty
		w.ready = slices.Delete(w.ready, 0, w.next)
		w.next = 0
	}
	w.ready = append(w.ready, c)
	w.fill()
}

// fill starts one goroutine if there is work for it.
func (w *writers) fill() {
	if w.active < w.limit && w.next < len(w.ready) {
		w.active++
		w.run(w.work)
	}
}

func (w *writers) work() {
	for c := w.take(); c != nil; c = w.take() {
		c.flush()
	}
}

// take returns whose turn it is; nil ends the goroutine.
func (w *writers) take() (c *peerConn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == len(w.ready) {
		w.ready, w.next = w.ready[:0], 0
	} else if w.active <= w.limit {
		c, w.ready[w.next] = w.ready[w.next], nil
		w.next++
		return c
	}
	w.active--
	return nil
}

// waits implements turns.
func (w *writers) waits() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active--
	w.fill()
}

// goesOn implements turns.
func (w *writers) goesOn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active++
}
