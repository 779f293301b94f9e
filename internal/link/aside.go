package link

import (
	"slices"
	"sync"
	"time"
)

// lane runs work in the background, in order per goroutine that serves it.
type lane struct {
	mu    sync.Mutex
	ready *sync.Cond
	queue []func()
	ended bool
}

func newLane() *lane {
	l := &lane{}
	l.ready = sync.NewCond(&l.mu)
	return l
}

func (l *lane) add(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.queue = append(l.queue, f)
	l.ready.Signal()
}

// stop takes no more work. What waits is finished, for a commit that a node asked
// for is made, or forgotten, for nobody will see the result.
func (l *lane) stop(finish bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if !finish {
		l.queue = nil
	}
	l.ready.Broadcast()
}

func (l *lane) work() {
	for {
		l.mu.Lock()
		for len(l.queue) == 0 && !l.ended {
			l.ready.Wait()
		}
		if len(l.queue) == 0 {
			l.mu.Unlock()
			return
		}
		f := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		l.mu.Unlock()
		f()
	}
}

// wakes holds the times at which a node wants to be woken, in order, each once.
type wakes []time.Time

func (w *wakes) add(t time.Time) {
	i, there := slices.BinarySearchFunc(*w, t, time.Time.Compare)
	if !there {
		*w = slices.Insert(*w, i, t)
	}
}

// due removes every time that has come and reports whether there was one.
func (w *wakes) due(now time.Time) bool {
	n := 0
	for n < len(*w) && !(*w)[n].After(now) {
		n++
	}
	*w = slices.Delete(*w, 0, n)
	return n > 0
}
