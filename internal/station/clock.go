package station

import (
	"sync"
	"time"
)

// clockWatch knows when this clock was last compared with the entry's, by a clock that
// nobody sets: so a clock that is set right is known to be before the next connection,
// which may be days away.
type clockWatch struct {
	mu     sync.Mutex
	wall   time.Time // what the own clock said, without its monotonic reading
	steady time.Time // with it
}

// compared is called when the entry told its time.
func (w *clockWatch) compared(own time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wall, w.steady = own.Round(0), time.Now()
}

// moved is by how much the own clock was set since it was compared.
func (w *clockWatch) moved(own time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.steady.IsZero() {
		return 0
	}
	return own.Round(0).Sub(w.wall) - time.Since(w.steady)
}

// stillOff tells whether a clock that was off by skew, and was moved since, is still off
// by more than tolerance. Only what was off can be found right: a machine that sleeps
// looks like one whose clock is set, and the entry is asked at the next connection.
func stillOff(off bool, skew, moved, tolerance time.Duration) bool {
	return off && (skew+moved).Abs() > tolerance
}
