package pairwise

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"

	"backchannel/internal/suite"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

const testCell = 512

// failer is what testing.T, testing.B and rapid.T have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// faults are the probabilities of what can happen to one side or to a cell.
type faults struct {
	loss    float64 // a cell is lost
	crash   float64 // per round and side
	slow    float64 // a commit is not done when the cells are built
	fail    float64 // a commit fails
	absent  float64 // per epoch and side: does not join
	blind   float64 // per epoch and side: does not see the signed list
	abort   float64 // per epoch: nobody reveals
	halfway float64 // per epoch and side: does not get the REVEAL
}

// outgoing is an item in a side's vault.
type outgoing struct {
	id        wire.ItemID
	class     wire.Class
	content   []byte
	assigned  uint32
	delivered int
}

// side is one station: a session and the vault beside it.
type side struct {
	name  string
	role  Role
	s     *Session
	state []byte
	saved map[uint32][]byte

	items    []*outgoing
	gone     []*outgoing // withdrawn
	received map[wire.ItemID][]byte
	again    bool          // a stream began afresh: items may be offered twice
	complete []wire.ItemID // in order of completion
	classes  map[wire.ItemID]wire.Class

	delta   Delta // being written
	token   uint64
	writing bool

	meeting *Meeting
	next    *Talk // of the epoch to come
	talk    *Talk
	listed  []wire.Tag
	answers []answer // arrive one round later
	opened  int      // cells opened in this epoch
}

type answer struct {
	talk  *Talk // on whose circuits it comes, also if others have begun
	round uint64
	twin  int
	cell  []byte
}

// pair is two stations and the network between them.
type pair struct {
	t     failer
	a, b  *side
	rng   *rand.Rand
	epoch uint64
	round uint64
	per   uint64 // rounds per epoch
	keys  map[Key]bool
	aids  uint64
	aid   wire.Hash // of the last attempt
	wary  bool      // nobody vouches for a contact that was met again until the test does
}

func newPair(t failer, seed uint64) *pair {
	sigma := suite.Digest(fmt.Appendf(nil, "sigma %d", seed))
	p := &pair{t: t, rng: rand.New(rand.NewPCG(seed, 1)), epoch: 100, per: 12, keys: map[Key]bool{}}
	p.round = p.epoch * p.per
	p.a = newSide("inviter", NewSession(Inviter, sigma, 99))
	p.b = newSide("invitee", NewSession(Invitee, sigma, 99))
	return p
}

func newSide(name string, s *Session) *side {
	d := &side{name: name, role: s.role, s: s, saved: map[uint32][]byte{}, received: map[wire.ItemID][]byte{}, classes: map[wire.ItemID]wire.Class{}}
	d.take()
	d.write()
	d.s.Saved(d.token)
	d.writing = false
	return d
}

func (p *pair) sides() []*side { return []*side{p.a, p.b} }

func (p *pair) other(d *side) *side {
	if d == p.a {
		return p.b
	}
	return p.a
}

func (p *pair) chance(x float64) bool { return x > 0 && p.rng.Float64() < x }

// take begins a commit.
func (d *side) take() {
	if d.writing {
		return
	}
	if d.delta, d.token = d.s.Take(); d.delta.Dirty {
		d.writing = true
	}
}

// write makes the commit durable.
func (d *side) write() {
	d.state = slices.Clone(d.delta.State)
	for _, f := range d.delta.AddFrames {
		d.saved[f.Seq] = slices.Clone(f.Payload)
	}
	for _, seq := range d.delta.DropFrames {
		delete(d.saved, seq)
	}
	for _, r := range d.delta.Records {
		if d.again && slices.Contains(d.complete, r.Item) {
			continue // the vault has it
		}
		if d.again && r.Offset == 0 {
			d.received[r.Item] = nil
		}
		if int(r.Offset) != len(d.received[r.Item]) {
			panic(fmt.Sprintf("%s: item %x continues at %d of %d", d.name, r.Item[:4], r.Offset, len(d.received[r.Item])))
		}
		d.received[r.Item] = append(d.received[r.Item], r.Data...)
		d.classes[r.Item] = r.Class
		if r.Last {
			d.complete = append(d.complete, r.Item)
		}
	}
	for _, pr := range d.delta.Progress {
		d.item(pr.Item).assigned = pr.Assigned
	}
	for _, id := range d.delta.Delivered {
		d.item(id).delivered++
	}
	if d.delta.Restart {
		d.again = true
		clear(d.saved)
		for _, o := range d.items {
			o.assigned = 0
		}
		for id := range d.received {
			if !slices.Contains(d.complete, id) {
				delete(d.received, id)
			}
		}
		for _, f := range d.delta.AddFrames {
			d.saved[f.Seq] = slices.Clone(f.Payload)
		}
	}
}

// committed tells the session that its Delta is durable.
func (d *side) committed() {
	d.s.Saved(d.token)
	if d.delta.Restart {
		var all []Item
		for _, o := range d.items {
			if o.delivered == 0 {
				all = append(all, d.source(o))
			}
		}
		d.s.Requeue(all)
	}
}

func (d *side) item(id wire.ItemID) *outgoing {
	for _, o := range slices.Concat(d.items, d.gone) {
		if o.id == id {
			return o
		}
	}
	panic("an item that was never queued")
}

func (d *side) queue(o *outgoing) { d.s.Queue(d.source(o), o.assigned) }

func (d *side) source(o *outgoing) Item {
	return Item{ID: o.id, Class: o.class, Size: uint32(len(o.content)), Read: func(off uint32, p []byte) int { return copy(p, o.content[off:]) }}
}

// accept takes an item from the user.
func (p *pair) accept(d *side, class wire.Class, size int) *outgoing {
	o := &outgoing{class: class, content: make([]byte, size)}
	for i := range o.id {
		o.id[i] = byte(p.rng.Uint32())
	}
	for i := range o.content {
		o.content[i] = byte(p.rng.Uint32())
	}
	d.items = append(d.items, o)
	d.queue(o)
	return o
}

// crash ends the process, before or after a commit under way became durable, and
// starts it again.
func (p *pair) crash(d *side) {
	if d.writing && p.rng.IntN(2) == 0 {
		d.write()
	}
	d.writing = false
	p.reload(d)
}

func (p *pair) reload(d *side) {
	var frames []StoredFrame
	for seq, payload := range d.saved {
		frames = append(frames, StoredFrame{seq, payload})
	}
	s, err := Load(d.state, frames)
	if err != nil {
		p.t.Fatalf("%s: %v", d.name, err)
	}
	if again := s.encode(); !bytes.Equal(again, d.state) {
		p.t.Fatalf("%s: a loaded state is encoded differently", d.name)
	}
	d.s, d.talk, d.next, d.meeting, d.answers = s, nil, nil, nil, nil
	for _, o := range d.items {
		if o.delivered == 0 {
			d.queue(o)
		}
	}
}

// attempt sets circuits up for the epoch after the running one.
func (p *pair) attempt(f faults) {
	p.aids++
	p.aid = suite.Digest(fmt.Appendf(nil, "aid %d", p.aids))
	for _, d := range p.sides() {
		d.meeting, d.listed = nil, nil
		if p.chance(f.absent) {
			continue
		}
		m, err := d.s.Join(p.epoch+1, p.aid)
		if err == nil {
			d.meeting, d.listed = m, []wire.Tag{m.Tag}
		}
	}
	list := slices.Concat(p.a.listed, p.b.listed)
	abort := p.chance(f.abort)
	talks := true
	for _, d := range p.sides() {
		if d.meeting == nil || p.chance(f.blind) {
			talks = false // who is not rostered does not acknowledge, and then nobody reveals
			continue
		}
		var seen []uint32
		for _, h := range d.meeting.Held {
			if slices.Contains(list, h.PeerTag) {
				seen = append(seen, h.Version)
			}
		}
		d.s.Saw(d.meeting, seen)
		talks = talks && slices.Contains(list, d.meeting.PeerTag)
	}
	if abort || !talks {
		return
	}
	a1, a2 := p.a.meeting.Twins()
	b1, b2 := p.b.meeting.Twins()
	if a1 != b1 || a2 != b2 || a1 == a2 || p.a.meeting.Version != p.b.meeting.Version {
		p.t.Fatalf("both talk, but not with each other")
	}
	for _, d := range p.sides() {
		if p.chance(f.halfway) {
			continue
		}
		d.next = d.s.Begin(d.meeting, (p.epoch+1)*p.per, testCell)
	}
}

// epochOf runs one epoch: its rounds, and early in it the attempt for the next.
func (p *pair) epochOf(f faults) {
	for range p.per {
		p.step(f)
	}
}

// step runs one round and what else is due at its time.
func (p *pair) step(f faults) {
	switch p.round % p.per {
	case 0:
		for _, d := range p.sides() {
			d.opened = 0
			if d.next != nil { // without a new set the old one runs on
				d.talk, d.next = d.next, nil
			}
		}
	case 2:
		p.attempt(f)
	}
	p.oneRound(f)
	p.epoch = p.round / p.per
}

func (p *pair) oneRound(f faults) {
	r := p.round
	p.round++
	for _, d := range p.sides() {
		if p.chance(f.crash) {
			p.crash(d)
		}
		if !p.wary && d.s.Phase() == Introduced {
			d.s.Vouch()
		}
		if d.talk != nil {
			d.s.Compose(r)
		}
		d.take()
		if d.writing && !p.chance(f.slow) {
			if p.chance(f.fail) {
				d.s.Failed(d.token)
			} else {
				d.write()
				d.committed()
			}
			d.writing = false
		}
	}
	var cells [2][twins][]byte
	for i, d := range p.sides() {
		if d.talk == nil {
			continue
		}
		for twin := range twins {
			cells[i][twin] = p.cell(d, r, twin)
		}
	}
	for i, d := range p.sides() {
		// The answers to r−1 are read after the cells of r were built.
		waiting := d.answers
		d.answers = nil
		for _, w := range waiting {
			if w.talk.Receive(w.round, w.twin, w.cell) {
				d.opened++
			}
		}
		for twin := range twins {
			if c := cells[1-i][twin]; c != nil && d.talk != nil && !p.chance(f.loss) {
				d.answers = append(d.answers, answer{d.talk, r, twin, c})
			}
		}
	}
}

// cell builds a cell and checks that its key was never used.
func (p *pair) cell(d *side, r uint64, twin int) []byte {
	probe := d.talk.send[twin]
	key, ok := probe.take(r)
	if ok && p.keys[key] && !weakened.KeystreamOverlap {
		p.t.Fatalf("%s: a cell key is used twice", d.name)
	}
	p.keys[key] = true
	dst := make([]byte, testCell)
	if got := d.talk.Cell(r, twin, dst); got != ok {
		p.t.Fatalf("%s: Cell says %v for a round that is usable: %v", d.name, got, ok)
	}
	return dst
}

// run lets n epochs pass.
func (p *pair) run(n int, f faults) {
	for range n {
		p.epochOf(f)
	}
}

// until runs calm epochs until done, at most limit.
func (p *pair) until(limit int, done func() bool) {
	p.t.Helper()
	for range limit {
		if done() {
			return
		}
		p.epochOf(faults{})
	}
	if !done() {
		p.t.Fatalf("not done after %d calm epochs: inviter %s, invitee %s", limit, p.a.describe(), p.b.describe())
	}
}

func (p *pair) introduced() bool {
	return p.a.s.Version() > 0 && p.b.s.Version() > 0
}

func (d *side) describe() string {
	out := fmt.Sprintf("phase %d established %d met %d in flight %d trouble %v versions", d.s.phase, d.s.established, d.s.met, len(d.s.sending.frames), d.s.Trouble())
	for _, v := range d.s.versions {
		out += fmt.Sprintf(" %d@%d(%v)", v.number, v.epoch, v.listable)
	}
	return out
}

// settled tells whether everything accepted was delivered.
func (p *pair) settled() bool {
	for _, d := range p.sides() {
		for _, o := range d.items {
			if o.delivered == 0 {
				return false
			}
		}
	}
	return true
}

// check compares what arrived with what was accepted.
func (p *pair) check() {
	p.t.Helper()
	for _, d := range p.sides() {
		peer := p.other(d)
		if d.s.Trouble() != nil {
			p.t.Fatalf("%s: %v", d.name, d.s.Trouble())
		}
		for class := wire.ClassSignal; class < wire.Classes; class++ {
			var want, got []wire.ItemID
			for _, o := range d.items {
				if o.class == class {
					want = append(want, o.id)
				}
			}
			for _, id := range peer.complete {
				if peer.classes[id] == class {
					got = append(got, id)
				}
			}
			if !slices.Equal(want, got) {
				p.t.Fatalf("%s: class %d: %d items accepted, %d arrived, or not in order", d.name, class, len(want), len(got))
			}
		}
		for _, o := range d.items {
			if o.delivered != 1 {
				p.t.Fatalf("%s: delivered %d times", d.name, o.delivered)
			}
			if !bytes.Equal(o.content, peer.received[o.id]) {
				p.t.Fatalf("%s: other bytes arrived", d.name)
			}
		}
	}
}
