package station

import (
	"container/heap"
	"time"
)

// agenda is what a node will do at which times of its own clock.
type agenda struct {
	wake  func(time.Time)
	queue entries
	count uint64
}

type agendaEntry struct {
	at  time.Time
	seq uint64 // equal times run in the order in which they were asked for
	do  func(now time.Time)
}

// at asks for do at time t, or at once if t has passed.
func (a *agenda) at(t time.Time, do func(now time.Time)) {
	a.count++
	heap.Push(&a.queue, agendaEntry{t, a.count, do})
	if a.wake != nil {
		a.wake(t)
	}
}

// run does everything that is due at now.
func (a *agenda) run(now time.Time) {
	for len(a.queue) > 0 && !a.queue[0].at.After(now) {
		e := heap.Pop(&a.queue).(agendaEntry)
		e.do(now)
	}
}

type entries []agendaEntry

func (e entries) Len() int { return len(e) }
func (e entries) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].seq < e[j].seq
}
func (e entries) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *entries) Push(x any)   { *e = append(*e, x.(agendaEntry)) }
func (e *entries) Pop() any {
	old := *e
	x := old[len(old)-1]
	old[len(old)-1] = agendaEntry{}
	*e = old[:len(old)-1]
	return x
}
