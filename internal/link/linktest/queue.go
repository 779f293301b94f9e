package linktest

import (
	"time"

	"backchannel/internal/link"
)

type kind uint8

const (
	evWake kind = iota
	evArrive
	evLeave
	evConnected
	evDisconnected
	evDial
	evWork
	evDone
)

// event is something that will happen to a host.
type event struct {
	at    int64  // nanoseconds since the network's start
	due   int64  // when it was first planned for: before at only after a stall
	seq   uint64 // order among events of one instant
	host  *host
	life  uint64 // of the host when it was planned: void for a later one
	kind  kind
	conn  *conn
	peer  link.Peer
	frame []byte
	fn    func()
	done  func(time.Time)
	dial  link.Target
}

// queue is a binary heap by time, then by the time first planned for, then by
// order of planning. The heap holds small
// keys; events stay where they are until released.
type queue struct {
	seq  uint64
	heap []key
	all  []event
	free []int32
}

type key struct {
	at  int64
	due int64
	seq uint64
	id  int32
}

func (k key) before(o key) bool {
	if k.at != o.at {
		return k.at < o.at
	}
	return k.due < o.due || k.due == o.due && k.seq < o.seq
}

func (q *queue) len() int { return len(q.heap) }

// next is the time of the first event.
func (q *queue) next() int64 { return q.heap[0].at }

// plan adds an event for its host's present life.
func (q *queue) plan(e event) {
	q.seq++
	e.seq, e.life, e.due = q.seq, e.host.life, e.at
	id := int32(len(q.all))
	if last := len(q.free) - 1; last >= 0 {
		id, q.free = q.free[last], q.free[:last]
		q.all[id] = e
	} else {
		q.all = append(q.all, e)
	}
	q.insert(id)
}

// insert puts an event in its place; one that was postponed keeps its due and
// seq, and so its order.
func (q *queue) insert(id int32) {
	q.heap = append(q.heap, key{q.all[id].at, q.all[id].due, q.all[id].seq, id})
	q.up(len(q.heap) - 1)
}

// pop removes the first event, which stays readable until release.
func (q *queue) pop() int32 {
	id := q.heap[0].id
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap = q.heap[:last]
	q.down(0)
	return id
}

func (q *queue) release(id int32) {
	q.all[id] = event{}
	q.free = append(q.free, id)
}

// reschedule gives every event a time anew.
func (q *queue) reschedule(at func(*event) int64) {
	for i := range q.heap {
		e := &q.all[q.heap[i].id]
		if t := at(e); t != e.at {
			e.at, e.due = t, t
			q.heap[i].at, q.heap[i].due = t, t
		}
	}
	for i := len(q.heap)/2 - 1; i >= 0; i-- {
		q.down(i)
	}
}

func (q *queue) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !q.heap[i].before(q.heap[parent]) {
			return
		}
		q.heap[i], q.heap[parent] = q.heap[parent], q.heap[i]
		i = parent
	}
}

func (q *queue) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			return
		}
		if child+1 < len(q.heap) && q.heap[child+1].before(q.heap[child]) {
			child++
		}
		if !q.heap[child].before(q.heap[i]) {
			return
		}
		q.heap[i], q.heap[child] = q.heap[child], q.heap[i]
		i = child
	}
}
