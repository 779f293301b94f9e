package entry

import (
	"bytes"
	"testing"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/roster"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// rig is one real entry between relays and stations that the test plays.
type rig struct {
	t        testing.TB
	p        wire.Params
	net      wire.Hash
	now      time.Time
	node     *Node
	config   Config
	id       wire.Attempt
	gates    []*roster.Relay
	keys     []wire.Keys
	relays   []link.Peer
	stations []link.Peer
	records  [][]byte // by station
	pre      [][]byte // by station
	conns    uint64
	sent     []sent
	jobs     []func()
	dropped  []link.Peer
	dials    int
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

func (r *rig) flush() {
	for len(r.jobs) > 0 {
		j := r.jobs[0]
		r.jobs = r.jobs[1:]
		j()
	}
}

var signers = []suite.SigningKey{suite.NewSigningKey([32]byte{1}), suite.NewSigningKey([32]byte{2})}

const rigStations = 3

func newRig(t testing.TB, limits Limits) *rig {
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	p.Relays, p.Lanes, p.Cell = len(signers), 2, 256
	p.T0 = time.UnixMilli(1_700_000_000_000).UTC()
	r := &rig{t: t, p: p, net: suite.Digest([]byte("net"))}
	r.config = Config{Params: p, Net: r.net, Verify: []suite.VerifyKey{signers[0].Public(), signers[1].Public()}, Limits: limits}
	r.now = p.EpochStart(2).Add(time.Millisecond)
	r.node = New(r.config)
	r.node.Start(r.now, r)
	for i := range signers {
		r.relays = append(r.relays, r.connect(link.Peer{Role: link.RoleRelay, Index: i}))
	}
	for i := range rigStations {
		r.stations = append(r.stations, r.connect(link.Peer{Role: link.RoleStation, Account: suite.Digest([]byte{byte(i)})}))
	}
	return r
}

func (r *rig) connect(p link.Peer) link.Peer {
	r.conns++
	p.Conn = r.conns
	r.node.Connected(r.now, p)
	r.flush()
	return p
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

// take returns what was sent to a peer since the last take, by type; a zero peer
// is everybody.
func (r *rig) take(t wire.Type, to link.Peer) (found [][]byte) {
	var rest []sent
	for _, s := range r.sent {
		if wire.TypeOf(s.frame) == t && (to == link.Peer{} || s.to == to) {
			found = append(found, s.frame)
		} else {
			rest = append(rest, s)
		}
	}
	r.sent = rest
	return found
}

// The states that an entry can be brought to, in order.
const (
	stIdle = iota
	stJoin
	stHeaders
	stOnions
	stReceipts
	stAcks
	stSeeds
	stReveals
	stRevealed
	stRunning
	stStates
)

// bring plays honest relays and stations up to a state of the attempt in
// progress.
func (r *rig) bring(state int) {
	for step := stJoin; step <= state; step++ {
		switch step {
		case stJoin:
			r.begin()
		case stHeaders:
			for i := range r.stations {
				r.join(i)
			}
			r.wake(r.p.PhaseEnd(r.id, wire.PhaseJoin))
		case stOnions:
			r.headers()
		case stReceipts:
			for i := range r.stations {
				for k := range r.p.Circuits() {
					r.give(r.stations[i], r.onion(i, k))
				}
			}
		case stAcks:
			r.give(r.relays[0], r.receipts()...)
		case stSeeds:
			for i := range r.stations {
				r.give(r.stations[i], wire.FrameAttempt(wire.TypeAck, r.id, r.pre[i]))
			}
		case stReveals:
			for i := range r.relays {
				r.give(r.relays[i], wire.Frame(wire.TypeSeed, wire.Seed{Attempt: r.id, Relay: i}))
			}
		case stRevealed:
			for i := range r.relays {
				r.give(r.relays[i], wire.Frame(wire.TypeReveal, wire.SignReveal(r.id, i, r.gates[i].HeaderHash(), signers[i])))
			}
		case stRunning:
			r.wake(r.p.RoundStart(r.p.FirstRound(r.id.Epoch)))
		}
	}
}

func (r *rig) begin() {
	r.id, _ = r.p.AttemptAt(r.now)
	r.gates, r.keys, r.records, r.pre = nil, nil, nil, nil
	for i := range signers {
		g, err := roster.NewRelay(roster.RelayConfig{Params: r.p, Net: r.net, Index: i, Sign: signers[i], Verify: r.config.Verify,
			Attempt: r.id, OuterSeed: suite.RandomKey(), InnerSeed: suite.RandomKey()})
		if err != nil {
			r.t.Fatal(err)
		}
		r.gates, r.keys = append(r.gates, g), append(r.keys, g.OwnKeys())
	}
	for i, k := range r.keys {
		for _, g := range r.gates {
			if _, err := g.Keys(k); err != nil {
				r.t.Fatal(err)
			}
		}
		r.give(r.relays[i], wire.Frame(wire.TypeKeys, k))
	}
	for range r.stations {
		var record, pre []byte
		for range r.p.Lanes {
			s := suite.RandomKey()
			t := wire.TagOf(r.gates[0].AID(), s)
			record, pre = append(record, t[:]...), append(pre, s[:]...)
		}
		r.records, r.pre = append(r.records, record), append(r.pre, pre)
	}
}

func (r *rig) join(i int) {
	r.give(r.stations[i], wire.FrameAttempt(wire.TypeJoin, r.id, r.records[i]))
}

// list is the record list as relay 1 got it.
func (r *rig) list() (list []byte) {
	for _, f := range r.take(wire.TypeRecords, r.relays[0]) {
		c, err := wire.ParseChunk(f)
		if err != nil {
			r.t.Fatal(err)
		}
		list = append(list, c.Data...)
	}
	return list
}

func (r *rig) headers() {
	list := r.list()
	for i, g := range r.gates {
		h, err := g.Records(list)
		if err != nil {
			r.t.Fatal(err)
		}
		r.give(r.relays[i], wire.Frame(wire.TypeSignedHeader, h))
	}
}

func (r *rig) onion(i, k int) []byte {
	b := make([]byte, r.p.OnionSize(0))
	b[0], b[1] = byte(i), byte(k)
	return wire.FrameOnion(r.id, k, b)
}

func (r *rig) size() int { return len(r.stations) }

func (r *rig) receipts() [][]byte {
	return wire.Chunks(wire.TypeReceipts, r.id, 0, make([]byte, r.size()*r.p.Circuits()*r.p.ReceiptSize(0)), r.p.ReceiptSize(0))
}

// cells is a station's frame, every byte of its cells being mark.
func (r *rig) cells(round uint64, mark byte) []byte {
	f, cells := r.p.NewCells(wire.TypeCells, r.id, round)
	copy(cells, bytes.Repeat([]byte{mark}, len(cells)))
	return f
}

// answers is a whole array from relay 1 in which place k's cells are k+1.
func (r *rig) answers(round uint64) [][]byte {
	size := r.p.Circuits() * r.p.Cell
	var b []byte
	for k := range r.size() {
		b = append(b, bytes.Repeat([]byte{byte(k + 1)}, size)...)
	}
	return wire.Chunks(wire.TypeBackward, r.id, round, b, r.p.Cell)
}

// place is where a station stands in the sorted list.
func (r *rig) place(i int) (k int) {
	for _, other := range r.records {
		if bytes.Compare(other, r.records[i]) < 0 {
			k++
		}
	}
	return k
}
