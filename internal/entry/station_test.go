package entry_test

import (
	"bytes"
	"encoding/binary"
	"sort"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/mix"
	"backchannel/internal/roster"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// scripted is a station that keeps to the protocol with one conversation on its
// first lane and idle others, except for what silent and wrong say.
type scripted struct {
	p      wire.Params
	net    wire.Hash
	verify []suite.VerifyKey
	pair   [32]byte // shared with the peer; zero: every lane idles
	role   byte     // 1 or 2

	silent map[wire.Type]bool // types that it does not send
	wrong  map[wire.Type]bool // types that it fills with rubbish

	env   link.Env
	entry link.Peer
	up    bool
	due   []timer

	at       *joined
	sets     []*joined // revealed, newest last
	heard    map[uint64]bool
	answers  map[uint64]int // answers per round
	acked    map[wire.Attempt]bool
	rostered map[wire.Attempt]bool
	accepted map[string]int
}

type timer struct {
	at time.Time
	f  func(now time.Time)
}

// joined is a station's part in one attempt.
type joined struct {
	id     wire.Attempt
	gate   *roster.Station
	list   []byte
	talks  bool
	s      [32]byte
	mine   wire.Tag
	theirs wire.Tag
	rings  []*mix.Circuit
	sent   bool
}

func newScripted(w *world, pair [32]byte, role byte) *scripted {
	return &scripted{
		p: w.p, net: w.net, verify: w.verify, pair: pair, role: role,
		silent: map[wire.Type]bool{}, wrong: map[wire.Type]bool{}, heard: map[uint64]bool{}, answers: map[uint64]int{},
		acked: map[wire.Attempt]bool{}, rostered: map[wire.Attempt]bool{}, accepted: map[string]int{},
	}
}

func (s *scripted) idle() bool { return s.pair == [32]byte{} }

func (s *scripted) when(at time.Time, f func(time.Time)) {
	s.due = append(s.due, timer{at, f})
	s.env.WakeAt(at)
}

func (s *scripted) Start(now time.Time, env link.Env) {
	s.env = env
	env.Dial(link.Target{Role: link.RoleEntry})
	s.nextAttempt(now)
	s.nextRound(now)
}

func (s *scripted) Woken(now time.Time) {
	sort.SliceStable(s.due, func(i, j int) bool { return s.due[i].at.Before(s.due[j].at) })
	for len(s.due) > 0 && !s.due[0].at.After(now) {
		f := s.due[0].f
		s.due = s.due[1:]
		f(now)
		sort.SliceStable(s.due, func(i, j int) bool { return s.due[i].at.Before(s.due[j].at) })
	}
}

func (s *scripted) Connected(_ time.Time, p link.Peer) { s.entry, s.up = p, true }

func (s *scripted) Disconnected(now time.Time, p link.Peer) {
	if s.up && p != s.entry {
		return
	}
	s.up = false
	s.when(now.Add(2*s.p.Round), func(time.Time) {
		if !s.up {
			s.env.Dial(link.Target{Role: link.RoleEntry})
		}
	})
}

func (s *scripted) send(t wire.Type, at time.Time, frame []byte) {
	if s.silent[t] || !s.up {
		return
	}
	if s.wrong[t] {
		frame = bytes.Clone(frame)
		suite.Random(frame[1+wire.AttemptSize+1:])
	}
	s.env.SendAt(at, s.entry, frame)
}

func (s *scripted) nextAttempt(now time.Time) {
	a := s.p.NextAttempt(now)
	s.when(s.p.PhaseStart(a, wire.PhaseKeys), func(now time.Time) {
		s.at = &joined{id: a, gate: roster.NewStation(s.p, s.net, s.verify, a)}
		if k := len(s.sets); k > 0 && s.sets[k-1].id.Epoch >= a.Epoch {
			s.at = nil
		}
		s.nextAttempt(now.Add(1))
	})
}

// secret is PRF(K, label ‖ role ‖ aid) as sections 1 and 3 have it, for a K that
// never steps.
func (s *scripted) secret(role byte, aid wire.Hash) [32]byte {
	return suite.PRF(s.pair, suite.LabelRendezvous, []byte{role}, aid[:])
}

func (s *scripted) Received(now time.Time, _ link.Peer, frame []byte) {
	j := s.at
	switch t := wire.TypeOf(frame); t {
	case wire.TypeAccepted:
		_, what, _, err := wire.ParseAccepted(frame)
		must(err)
		s.accepted[string(byte(what))]++
	case wire.TypeKeys:
		k, err := wire.ParseKeys(frame[1:])
		must(err)
		if j == nil || j.id != k.Attempt {
			return
		}
		if complete, err := j.gate.Keys(k); err == nil && complete {
			s.join(j)
		}
	case wire.TypeRecords:
		c, err := wire.ParseChunk(frame)
		must(err)
		if j == nil || j.id != c.Attempt || !j.sent {
			return
		}
		if c.Offset == 0 {
			j.list = nil
		}
		if j.list = append(j.list, c.Data...); uint64(len(j.list)) == c.Total {
			_ = j.gate.Records(j.list)
			s.onions(now, j)
		}
	case wire.TypeSignedHeader:
		h, err := wire.ParseSignedHeader(frame[1:])
		must(err)
		if j == nil || j.id != h.Attempt || !j.sent {
			return
		}
		_ = j.gate.Header(h)
		s.onions(now, j)
	case wire.TypeStationRcpt:
		a, got, err := wire.ParseAttemptFrame(frame, s.p.Circuits()*s.p.ReceiptSize(0))
		must(err)
		if j == nil || j.id != a {
			return
		}
		j.gate.Receipts(got)
		if ack, ok := j.gate.Ack(); ok {
			s.send(wire.TypeAck, s.p.AckTime(a), wire.FrameAttempt(wire.TypeAck, a, ack))
			s.acked[a] = !s.silent[wire.TypeAck] && !s.wrong[wire.TypeAck]
		}
	case wire.TypeReveal:
		v, err := wire.ParseReveal(frame[1:])
		must(err)
		if j == nil || j.id != v.Attempt {
			return
		}
		if complete, err := j.gate.Reveal(v); err == nil && complete {
			s.sets = append(s.sets, j)
			s.at = nil
		}
	case wire.TypeAnswers:
		s.hear(frame)
	default:
		panic("a station was sent a frame of another type")
	}
}

func (s *scripted) join(j *joined) {
	aid := j.gate.AID()
	var tags []wire.Tag
	var pre [][32]byte
	for lane := range s.p.Lanes {
		secret := suite.RandomKey()
		if lane == 0 && !s.idle() {
			secret = s.secret(s.role, aid)
			j.s, j.mine, j.theirs = secret, wire.TagOf(aid, secret), wire.TagOf(aid, s.secret(3-s.role, aid))
		}
		tags, pre = append(tags, wire.TagOf(aid, secret)), append(pre, secret)
	}
	j.sent = !s.silent[wire.TypeJoin]
	s.send(wire.TypeJoin, s.p.JoinTime(j.id), wire.FrameAttempt(wire.TypeJoin, j.id, j.gate.Join(tags, pre)))
}

func (s *scripted) onions(_ time.Time, j *joined) {
	if !j.gate.Rostered() || j.rings != nil {
		return
	}
	s.rostered[j.id] = true
	j.talks = !s.idle() && j.gate.Talks(j.mine, j.theirs)
	path, err := mix.NewPath(s.p, j.gate.AllKeys())
	must(err)
	aid := j.gate.AID()
	var id wire.TwinID
	for i := range s.p.Circuits() {
		if i%2 == 0 { // both twins of an idle lane have one id
			suite.Random(id[:])
		}
		if j.talks && i < 2 {
			h := suite.PRF(s.pair, []suite.Label{suite.LabelTwin1, suite.LabelTwin2}[i], aid[:])
			copy(id[:], h[:])
		}
		onion, ring, err := path.Build(j.gate.HeaderHash(), id)
		must(err)
		j.rings = append(j.rings, ring)
		s.send(wire.TypeOnion, s.p.OnionTime(j.id, i), wire.FrameOnion(j.id, i, onion))
	}
	var expect []byte
	for _, r := range j.rings {
		expect = append(expect, r.Receipt()...)
	}
	j.gate.Expect(expect)
}

func (s *scripted) nextRound(now time.Time) {
	r, ok := s.p.RoundAt(now)
	if ok {
		r++
	}
	s.when(s.p.RoundStart(r).Add(-s.p.Round/8), func(now time.Time) {
		if j := s.setOf(r); j != nil {
			frame, cells := s.p.NewCells(wire.TypeCells, j.id, r)
			for i, ring := range j.rings {
				cell := cells[i*s.p.Cell : (i+1)*s.p.Cell]
				if j.talks && i < 2 {
					s.say(cell, s.role, i, r)
				} else {
					suite.Random(cell)
				}
				ring.Seal(r, cell)
			}
			s.send(wire.TypeCells, s.p.RoundStart(r), frame)
		}
		s.nextRound(now.Add(s.p.Round / 2))
	})
}

// setOf is the newest set that has begun at round r.
func (s *scripted) setOf(r uint64) *joined {
	for i := len(s.sets) - 1; i >= 0; i-- {
		if j := s.sets[i]; s.p.FirstRound(j.id.Epoch) <= r {
			if r > s.p.LastRound(j.id.Epoch) {
				return nil
			}
			return j
		}
	}
	return nil
}

// say is the content of a cell: what only the two of a pair can write.
func (s *scripted) say(cell []byte, role byte, twin int, round uint64) {
	var r [8]byte
	binary.BigEndian.PutUint64(r[:], round)
	h := suite.PRF(s.pair, suite.LabelCellKey, []byte{role, byte(twin)}, r[:])
	for len(cell) > 0 {
		cell = cell[copy(cell, h[:]):]
	}
}

func (s *scripted) hear(frame []byte) {
	a, r, cells, err := s.p.ParseCells(frame)
	must(err)
	s.answers[r]++
	for _, j := range s.sets {
		if j.id != a || !j.talks {
			continue
		}
		good := true
		want := make([]byte, s.p.Cell)
		for i := range 2 {
			cell := bytes.Clone(cells[i*s.p.Cell : (i+1)*s.p.Cell])
			j.rings[i].Open(r, cell)
			s.say(want, 3-s.role, i, r)
			good = good && bytes.Equal(cell, want)
		}
		if good {
			s.heard[r] = true
		}
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// beginNow takes part in the attempt in progress, as a station does that was only
// disconnected.
func (s *scripted) beginNow(now time.Time) {
	a, _ := s.p.AttemptAt(now)
	s.at = &joined{id: a, gate: roster.NewStation(s.p, s.net, s.verify, a)}
}
