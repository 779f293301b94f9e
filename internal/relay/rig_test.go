package relay

import (
	"bytes"
	"testing"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/mark"
	"backchannel/internal/roster"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// rig is one real relay between an entry and neighbours that the test plays. The
// other relays of the chain are gates without a network.
type rig struct {
	t       testing.TB
	p       wire.Params
	net     wire.Hash
	now     time.Time
	node    *Node
	mark    *mark.Memory
	others  []*roster.Relay // by position; nil at the relay under test
	config  Config
	id      wire.Attempt
	list    []byte
	pre     [][32]byte
	count   int
	conns   uint64
	entry   link.Peer
	prev    link.Peer
	next    link.Peer
	sent    []sent // since the last take
	dials   int
	jobs    []func()
	dropped []link.Peer
}

type sent struct {
	to    link.Peer
	frame []byte
}

func (r *rig) Send(p link.Peer, f []byte)                { r.sent = append(r.sent, sent{p, f}) }
func (r *rig) SendAt(_ time.Time, p link.Peer, f []byte) { r.Send(p, f) }
func (r *rig) WakeAt(time.Time)                          {}
func (r *rig) Dial(link.Target)                          { r.dials++ }
func (r *rig) Drop(p link.Peer)                          { r.dropped = append(r.dropped, p) }
func (r *rig) Go(_ link.Lane, work func(), done func(time.Time)) {
	r.jobs = append(r.jobs, func() { work(); done(r.now) })
}

// flush does what was put aside.
func (r *rig) flush() {
	for len(r.jobs) > 0 {
		j := r.jobs[0]
		r.jobs = r.jobs[1:]
		j()
	}
}

func seedOf(kind byte, i int) (s [32]byte) { s[0], s[1] = kind, byte(i); return s }

var signers = func() (all []suite.SigningKey) {
	for i := range 3 {
		all = append(all, suite.NewSigningKey(seedOf('s', i)))
	}
	return all
}()

func newRig(t testing.TB, n, index int) *rig {
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	p.Relays, p.Lanes, p.Cell = n, 2, 256
	p.T0 = time.UnixMilli(1_700_000_000_000).UTC()
	r := &rig{t: t, p: p, net: suite.Digest([]byte("net")), mark: new(mark.Memory), count: 2}
	r.config = Config{Params: p, Net: r.net, Index: index, Sign: signers[index], Mark: r.mark, Workers: 1}
	for _, s := range signers[:n] {
		r.config.Verify = append(r.config.Verify, s.Public())
	}
	r.start(p.EpochStart(2).Add(time.Millisecond))
	return r
}

// start makes a new node, as after a restart, and connects its neighbours.
func (r *rig) start(now time.Time) {
	r.now = now
	r.jobs, r.sent, r.dropped = nil, nil, nil
	r.node = New(r.config)
	r.node.Start(now, r)
	r.connect()
}

func (r *rig) connect() {
	peer := func(role link.Role, index int) link.Peer {
		r.conns++
		p := link.Peer{Role: role, Index: index, Conn: r.conns}
		r.node.Connected(r.now, p)
		return p
	}
	r.entry = peer(link.RoleEntry, 0)
	if r.config.Index > 0 {
		r.prev = peer(link.RoleRelay, r.config.Index-1)
	}
	if r.config.Index < r.p.Relays-1 {
		r.next = peer(link.RoleRelay, r.config.Index+1)
	}
}

func (r *rig) upstream() link.Peer {
	if r.config.Index == 0 {
		return r.entry
	}
	return r.prev
}

// take returns what the node sent since the last take, by type.
func (r *rig) take(t wire.Type) (found []sent) {
	var rest []sent
	for _, s := range r.sent {
		if wire.TypeOf(s.frame) == t {
			found = append(found, s)
		} else {
			rest = append(rest, s)
		}
	}
	r.sent = rest
	return found
}

func (r *rig) give(from link.Peer, frames ...[]byte) {
	for _, f := range frames {
		r.node.Received(r.now, from, bytes.Clone(f))
	}
	r.flush()
}

func (r *rig) wake(now time.Time) {
	r.now = now
	r.node.Woken(now)
	r.flush()
}

// The states that an attempt can be brought to, in order.
const (
	stIdle = iota
	stKeys
	stRecords
	stMixed
	stReceipts
	stSeeds
	stRevealed
	stComplete
	stRunning
	stStates
)

// bring plays an honest network up to a state of the attempt in progress.
func (r *rig) bring(state int) {
	id, _ := r.p.AttemptAt(r.now)
	r.id = id
	if state >= stKeys {
		r.flush()
		r.exchangeKeys()
	}
	if state >= stRecords {
		r.records()
	}
	if state >= stMixed {
		r.give(r.upstream(), r.batch()...)
	}
	if state >= stReceipts && r.config.Index < r.p.Relays-1 {
		r.give(r.next, r.receipts()...)
	}
	if state >= stSeeds {
		r.give(r.entry, r.acks()...)
	}
	if state >= stRevealed {
		r.give(r.entry, r.seeds()...)
	}
	if state >= stComplete {
		r.give(r.entry, r.reveals()...)
	}
	if state >= stRunning {
		r.wake(r.p.RoundStart(r.p.FirstRound(id.Epoch)))
	}
}

func (r *rig) exchangeKeys() {
	r.others = make([]*roster.Relay, r.p.Relays)
	own := r.take(wire.TypeKeys)
	if len(own) != 1 || own[0].to != r.entry {
		r.t.Fatalf("%d KEYS were sent", len(own))
	}
	k, err := wire.ParseKeys(own[0].frame[1:])
	if err != nil || k.Attempt != r.id {
		r.t.Fatal(k.Attempt, err)
	}
	all := make([]wire.Keys, r.p.Relays)
	for i := range all {
		if i == r.config.Index {
			all[i] = k
			continue
		}
		g, err := roster.NewRelay(roster.RelayConfig{Params: r.p, Net: r.net, Index: i, Sign: signers[i], Verify: r.config.Verify,
			Attempt: r.id, OuterSeed: suite.RandomKey(), InnerSeed: suite.RandomKey()})
		if err != nil {
			r.t.Fatal(err)
		}
		r.others[i], all[i] = g, g.OwnKeys()
	}
	for _, k := range all {
		r.give(r.entry, wire.Frame(wire.TypeKeys, k))
		for _, g := range r.others {
			if g != nil {
				if _, err := g.Keys(k); err != nil {
					r.t.Fatal(err)
				}
			}
		}
	}
	// One record per station, all tags with their preimages, sorted.
	aid := wire.AID(r.net, r.id, all)
	type record struct{ tags, pre []byte }
	var records []record
	for range r.count {
		var c record
		for range r.p.Lanes {
			s := suite.RandomKey()
			t := wire.TagOf(aid, s)
			c.tags, c.pre = append(c.tags, t[:]...), append(c.pre, s[:]...)
		}
		records = append(records, c)
	}
	if r.count == 2 && bytes.Compare(records[0].tags, records[1].tags) > 0 {
		records[0], records[1] = records[1], records[0]
	}
	r.list, r.pre = nil, nil
	for _, c := range records {
		r.list = append(r.list, c.tags...)
		for o := 0; o < len(c.pre); o += 32 {
			r.pre = append(r.pre, [32]byte(c.pre[o:]))
		}
	}
}

func (r *rig) records() {
	r.give(r.entry, r.recordFrames()...)
	h := r.take(wire.TypeSignedHeader)
	if len(h) != 1 {
		r.t.Fatalf("%d headers were sent", len(h))
	}
	for _, g := range r.others {
		if g != nil {
			if _, err := g.Records(r.list); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

func (r *rig) recordFrames() [][]byte {
	return wire.Chunks(wire.TypeRecords, r.id, 0, r.list, r.p.RecordSize())
}

func (r *rig) batch() [][]byte {
	b := make([]byte, r.count*r.p.Circuits()*r.p.OnionSize(r.config.Index))
	suite.Random(b)
	return wire.Chunks(wire.TypeBatch, r.id, 0, b, r.p.OnionSize(r.config.Index))
}

func (r *rig) receipts() [][]byte {
	size := r.p.ReceiptSize(r.config.Index + 1)
	return wire.Chunks(wire.TypeReceipts, r.id, 0, make([]byte, r.count*r.p.Circuits()*size), size)
}

func (r *rig) ackBytes() (b []byte) {
	for _, s := range r.pre {
		b = append(b, s[:]...)
	}
	return b
}

func (r *rig) acks() [][]byte {
	return wire.Chunks(wire.TypeAcks, r.id, 0, r.ackBytes(), r.p.AckSize())
}

func (r *rig) seeds() (frames [][]byte) {
	own := r.take(wire.TypeSeed)
	if len(own) != 1 {
		r.t.Fatalf("%d seeds were sent", len(own))
	}
	for _, g := range r.others {
		if g == nil {
			frames = append(frames, own[0].frame)
			continue
		}
		if err := g.Mixed(); err != nil {
			r.t.Fatal(err)
		}
		s, reveal, err := g.Acks(r.ackBytes())
		if err != nil || !reveal {
			r.t.Fatal(reveal, err)
		}
		frames = append(frames, wire.Frame(wire.TypeSeed, s))
	}
	return frames
}

func (r *rig) reveals() (frames [][]byte) {
	own := r.take(wire.TypeReveal)
	if len(own) != 1 {
		r.t.Fatalf("%d REVEALs were sent", len(own))
	}
	v, err := wire.ParseReveal(own[0].frame[1:])
	if err != nil {
		r.t.Fatal(err)
	}
	for i, g := range r.others {
		if g == nil {
			frames = append(frames, own[0].frame)
		} else {
			frames = append(frames, wire.Frame(wire.TypeReveal, wire.SignReveal(r.id, i, v.Header, signers[i])))
		}
	}
	return frames
}

// cells is a round array in chunks of the given number of cells.
func (r *rig) cells(t wire.Type, round uint64, per int) (frames [][]byte) {
	total := r.count * r.p.Circuits() * r.p.Cell
	for off := 0; off < total; off += per * r.p.Cell {
		f, d := wire.NewChunk(t, r.id, round, uint64(total), uint64(off), min(per*r.p.Cell, total-off))
		suite.Random(d)
		frames = append(frames, f)
	}
	return frames
}
