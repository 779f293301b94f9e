package blind

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

var start = time.UnixMilli(1_790_000_000_000).UTC()

func memberID(i int) (id MemberID) {
	h := sha256.Sum256([]byte{byte(i)})
	return MemberID(h[:16])
}

// params are a round's with n parties; shape changes them.
func params(n int, shape func(*Params)) Params {
	p := Params{Object: sha256.Sum256([]byte("object")), Mode: Single, Items: 1,
		InputsAt: start.Add(time.Hour), Deadline: start.Add(3 * time.Hour)}
	for i := range n {
		p.Parties = append(p.Parties, memberID(i))
	}
	if shape != nil {
		shape(&p)
	}
	return p
}

func ladder(m int) func(*Params) {
	return func(p *Params) { p.Mode, p.Items, p.Directions = Ladder, m, []Direction{Sells, Buys} }
}

func list(m, limit, green int) func(*Params) {
	return func(p *Params) { p.Mode, p.Items, p.Cap, p.Green = List, m, limit, green }
}

// A sent is one message on its way.
type sent struct {
	from, to int
	raw      []byte
}

// A table is a whole round: parties, and messages that wait for delivery. Every
// event goes through a reload of the state bytes, so nothing that a station would
// lose in a crash can matter.
type table struct {
	t      testing.TB
	p      Params
	now    time.Time
	rounds []*Round
	queue  []sent
	trace  []string // who sent which step, of what size, in order
	fresh  uint64
	mangle func(sent) []sent // nil: deliver as sent
	silent map[int]bool      // parties whose messages are lost
	reload bool
}

func newTable(t testing.TB, p Params) *table {
	t.Helper()
	w := &table{t: t, p: p, now: start, silent: map[int]bool{}, reload: true}
	for i := range p.Parties {
		r, err := New(p, p.Parties[i])
		if err != nil {
			t.Fatal(err)
		}
		w.rounds = append(w.rounds, r)
	}
	return w
}

// random is 32 bytes of a reproducible stream.
func (w *table) random() [32]byte {
	w.fresh++
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte("fresh"), w.fresh))
}

// did takes what an event of party i returned.
func (w *table) did(i int, c Change, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("party %d: %v", i, err)
	}
	if c.State == nil && len(c.Send) > 0 {
		w.t.Fatalf("party %d sends without a state to keep", i)
	}
	if c.State != nil && w.reload {
		r, err := Load(c.State)
		if err != nil {
			w.t.Fatalf("party %d, %s: %v", i, w.rounds[i].at, err)
		}
		w.rounds[i] = r
	}
	for _, raw := range c.Send {
		w.trace = append(w.trace, fmt.Sprintf("%s %d: step %d, %d bytes", w.now.Sub(start), i, raw[0], len(raw)))
		if w.silent[i] {
			continue
		}
		for to := range w.rounds {
			if to == i {
				continue
			}
			out := []sent{{i, to, raw}}
			if w.mangle != nil {
				out = w.mangle(out[0])
			}
			w.queue = append(w.queue, out...)
		}
	}
}

func (w *table) join() {
	for i, r := range w.rounds {
		c, err := r.Join(w.now, w.random())
		w.did(i, c, err)
	}
	w.deliver()
}

func (w *table) answer(answers ...Answer) {
	w.t.Helper()
	for i, a := range answers {
		if w.rounds[i].over {
			continue
		}
		c, err := w.rounds[i].Answer(w.now, a)
		w.did(i, c, err)
	}
}

// deliver hands out messages until none is left.
func (w *table) deliver() {
	w.t.Helper()
	for len(w.queue) > 0 {
		m := w.queue[0]
		w.queue = w.queue[1:]
		c, err := w.rounds[m.to].Receive(w.now, w.p.Parties[m.from], m.raw, w.random())
		w.did(m.to, c, err)
	}
}

// at sets the clock and ticks everybody.
func (w *table) at(now time.Time) {
	w.t.Helper()
	w.now = now
	for i, r := range w.rounds {
		c, err := r.Tick(now, w.random())
		w.did(i, c, err)
	}
	w.deliver()
}

// play is a whole round in which nobody misbehaves.
func (w *table) play(answers ...Answer) {
	w.t.Helper()
	w.join()
	w.answer(answers...)
	w.at(w.p.InputsAt)
}

// all checks that everybody ended alike.
func (w *table) all(want State, cell int) {
	w.t.Helper()
	for i, r := range w.rounds {
		if s := r.Status(); s.State != want || s.Cell != cell {
			w.t.Errorf("party %d: %s, cell %d; want %s, cell %d", i, s.State, s.Cell, want, cell)
		}
	}
}

// erased checks that no secret is left in a state.
func (w *table) erased() {
	w.t.Helper()
	for i, r := range w.rounds {
		if r.secret != [32]byte{} || r.coin != [32]byte{} || len(r.bits)+len(r.key)+len(r.share) > 0 {
			w.t.Errorf("party %d has secrets left", i)
		}
	}
}
