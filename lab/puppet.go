package lab

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/link"
	"backchannel/internal/mark"
	"backchannel/internal/mix"
	"backchannel/internal/pairwise"
	"backchannel/internal/roster"
	"backchannel/internal/station"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// puppet is a real station whose every sight of the world is the adversary's: its
// clock, its entry, its connection. It implements link.Env.
type puppet struct {
	node  *station.Node
	now   time.Time
	wakes []time.Time
	out   []sentFrame
	drops int
	log   bytes.Buffer
	mark  *mark.Memory
	entry link.Peer
}

type sentFrame struct {
	at    time.Time
	frame []byte
}

// newPuppet makes a station that knows no contact yet.
func newPuppet(t *table, m *mark.Memory) *puppet {
	p := &puppet{now: t.p.T0.Add(-time.Second), mark: m}
	plain := slog.NewTextHandler(&p.log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	p.node = station.NewNode(station.NodeConfig{Params: t.p, Net: t.net, Verify: t.verify, Mark: m, Log: slog.New(plain)})
	return p
}

// knows gives the puppet a contact with a lane.
func (p *puppet) knows(lanes int, s *pairwise.Session, id byte) error {
	c := contact.ID{id}
	table, err := contact.NewLanes(lanes).Assign(c, 0)
	if err != nil {
		return err
	}
	p.node.SetLanes(table)
	p.node.Add(station.Loaded{Contact: contact.Contact{ID: c}, Session: s})
	return nil
}

// start starts the station and connects it.
func (p *puppet) start() {
	p.node.Start(p.now, p)
	p.connect(1)
}

func (p *puppet) connect(conn uint64) {
	p.entry = link.Peer{Role: link.RoleEntry, Conn: conn}
	p.node.Connected(p.now, p.entry)
}

// advance lets the station's clock run to t.
func (p *puppet) advance(t time.Time) {
	for {
		slices.SortFunc(p.wakes, time.Time.Compare)
		if len(p.wakes) == 0 || p.wakes[0].After(t) {
			break
		}
		if p.wakes[0].After(p.now) {
			p.now = p.wakes[0]
		}
		p.wakes = p.wakes[1:]
		p.node.Woken(p.now)
	}
	p.now = t
}

// give hands the station a frame from the entry.
func (p *puppet) give(frames ...[]byte) {
	for _, f := range frames {
		p.node.Received(p.now, p.entry, slices.Clone(f))
	}
}

// sent returns the frames of a type that have left by now, oldest first.
func (p *puppet) sent(t wire.Type) (out [][]byte) {
	for _, s := range p.out {
		if !s.at.After(p.now) && wire.TypeOf(s.frame) == t {
			out = append(out, s.frame)
		}
	}
	return out
}

// Send implements link.Env.
func (p *puppet) Send(to link.Peer, frame []byte) { p.SendAt(p.now, to, frame) }

// SendAt implements link.Env.
func (p *puppet) SendAt(at time.Time, _ link.Peer, frame []byte) {
	p.out = append(p.out, sentFrame{at, slices.Clone(frame)})
}

// WakeAt implements link.Env.
func (p *puppet) WakeAt(t time.Time) { p.wakes = append(p.wakes, t) }

// Go implements link.Env: everything is done at once.
func (p *puppet) Go(_ link.Lane, work func(), done func(time.Time)) {
	work()
	done(p.now)
}

// Dial implements link.Env; the adversary connects when it likes.
func (p *puppet) Dial(link.Target) {}

// Drop implements link.Env.
func (p *puppet) Drop(link.Peer) { p.drops++ }

// stage is a network of one relay, the adversary's own, with puppets: two that
// know each other and one that knows nobody.
type stage struct {
	*table
	outer   [32]byte
	puppets []*puppet
	places  []int // of each puppet in the roster
	layers  [][32]byte
	set     *mix.Set
}

func newStage() (*stage, error) {
	t, err := newTable(1, 2, 0)
	if err != nil {
		return nil, err
	}
	s := &stage{table: t, outer: suite.RandomKey()}
	r, err := roster.NewRelay(roster.RelayConfig{
		Params: t.p, Net: t.net, Sign: t.signers[0], Verify: t.verify, Attempt: t.at, OuterSeed: s.outer, InnerSeed: suite.RandomKey(),
	})
	if err != nil {
		return nil, err
	}
	t.relays, t.keys = []*roster.Relay{r}, []wire.Keys{r.OwnKeys()}
	sigma := suite.RandomKey()
	for i := range 3 {
		p := newPuppet(t, &mark.Memory{})
		if i < 2 {
			session := pairwise.NewSession(pairwise.Role(1+i), sigma, 0)
			_, token := session.Take()
			session.Saved(token)
			if err := p.knows(t.p.Lanes, session, 1); err != nil {
				return nil, err
			}
		}
		s.puppets = append(s.puppets, p)
		p.start()
	}
	return s, nil
}

func (s *stage) advance(t time.Time) {
	for _, p := range s.puppets {
		p.advance(t)
	}
}

// setUp plays an honest entry up to the REVEAL and the first round.
func (s *stage) setUp() error {
	r := s.relays[0]
	s.advance(s.p.PhaseStart(s.at, wire.PhaseKeys).Add(time.Millisecond))
	if _, err := r.Keys(s.keys[0]); err != nil {
		return err
	}
	var records [][]byte
	for _, p := range s.puppets {
		p.give(wire.Frame(wire.TypeKeys, s.keys[0]))
	}
	s.advance(s.p.JoinTime(s.at))
	for i, p := range s.puppets {
		f := p.sent(wire.TypeJoin)
		if len(f) != 1 {
			return fmt.Errorf("puppet %d sent %d records", i, len(f))
		}
		records = append(records, f[0][1+wire.AttemptSize:])
	}
	sorted := slices.Clone(records)
	slices.SortFunc(sorted, bytes.Compare)
	list := bytes.Join(sorted, nil)
	h, err := r.Records(list)
	if err != nil {
		return err
	}
	s.advance(s.p.PhaseStart(s.at, wire.PhaseRoster))
	for i, p := range s.puppets {
		p.give(wire.Chunks(wire.TypeRecords, s.at, 0, list, s.p.RecordSize())...)
		p.give(wire.Frame(wire.TypeSignedHeader, h))
		s.places = append(s.places, slices.IndexFunc(sorted, func(b []byte) bool { return bytes.Equal(b, records[i]) }))
	}
	s.advance(s.p.OnionClose(s.at))
	batch := make([]byte, len(s.puppets)*s.p.Circuits()*s.p.OnionSize(0))
	for i, p := range s.puppets {
		for _, f := range p.sent(wire.TypeOnion) {
			_, c, onion, err := s.p.ParseOnion(f)
			if err != nil {
				return err
			}
			copy(batch[(s.places[i]*s.p.Circuits()+c)*s.p.OnionSize(0):], onion)
		}
	}
	header := h.Hash()
	if err := s.openLayers(batch, header); err != nil {
		return err
	}
	if _, s.set, err = mix.OpenBatch(s.p, 0, r.Outer(), header, batch, 1); err != nil {
		return err
	}
	if err := r.Mixed(); err != nil {
		return err
	}
	receipts, err := s.set.Receipts(nil)
	if err != nil {
		return err
	}
	size := s.p.Circuits() * s.p.ReceiptSize(0)
	for i, p := range s.puppets {
		p.give(wire.FrameAttempt(wire.TypeStationRcpt, s.at, receipts[s.places[i]*size:(s.places[i]+1)*size]))
	}
	s.advance(s.p.AckTime(s.at))
	acks := make([]byte, len(s.puppets)*s.p.AckSize())
	for i, p := range s.puppets {
		f := p.sent(wire.TypeAck)
		if len(f) != 1 {
			return fmt.Errorf("puppet %d sent %d acknowledgements", i, len(f))
		}
		copy(acks[s.places[i]*s.p.AckSize():], f[0][1+wire.AttemptSize:])
	}
	seed, ok, err := r.Acks(acks)
	if err != nil || !ok {
		return fmt.Errorf("no reveal: %w", err)
	}
	rev, signed, err := r.Seed(seed)
	if err != nil || !signed {
		return fmt.Errorf("no REVEAL: %w", err)
	}
	if err := s.set.Pair(header, r.InnerKeys(), 1); err != nil {
		return err
	}
	for _, p := range s.puppets {
		p.give(wire.Frame(wire.TypeReveal, rev))
	}
	s.advance(s.p.RoundStart(s.p.FirstRound(s.at.Epoch)))
	return nil
}

// openLayers opens every onion with the adversary's own key and keeps the forward
// keys, so that it sees innermost cells.
func (s *stage) openLayers(batch []byte, header wire.Hash) error {
	sk, err := suite.NewPrivateKey(s.outer)
	if err != nil {
		return err
	}
	size := s.p.OnionSize(0)
	for off := 0; off < len(batch); off += size {
		_, e, err := sk.Open(suite.LabelOuter, batch[off:off+size], header[:], []byte{0})
		if err != nil {
			return fmt.Errorf("an onion does not open: %w", err)
		}
		s.layers = append(s.layers, e.Export(suite.LabelForward))
	}
	return nil
}

// cells returns the cells that puppet i sent for a round, nil if none.
func (s *stage) cells(i int, round uint64) (all [][]byte) {
	for _, f := range s.puppets[i].sent(wire.TypeCells) {
		if _, r, cells, err := s.p.ParseCells(f); err == nil && r == round {
			all = append(all, cells)
		}
	}
	return all
}

// inner strips the adversary's layer from a cell of puppet i.
func (s *stage) inner(i, circuit int, round uint64, cell []byte) []byte {
	key := s.layers[s.places[i]*s.p.Circuits()+circuit]
	var iv [suite.BlockSize]byte
	for k := range 8 {
		iv[k] = byte(round >> (56 - 8*k))
	}
	out := make([]byte, len(cell))
	suite.XORLayer(&key, &iv, out, cell)
	return out
}

// logOf is what a puppet has logged.
func (p *puppet) logOf() string {
	b, _ := io.ReadAll(&p.log) // a buffer does not fail
	return string(b)
}
