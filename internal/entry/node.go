package entry

import (
	"log/slog"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// account is the key by which a station's connection was authenticated.
type account = [suite.Ed25519PublicKeySize]byte

// Config is what an entry needs to know.
type Config struct {
	Params wire.Params
	Net    wire.Hash         // hash of the network file
	Verify []suite.VerifyKey // of all relays in chain order
	Log    *slog.Logger      // nil: no log
	Limits Limits
}

// Limits bound what an entry takes on. A zero is the default.
type Limits struct {
	Stations  int // connected at a time; default 16,384
	FirstTime int // accounts per roster that never acknowledged one, once any account did; default 256
	Accounts  int // accounts whose behaviour is remembered; default 65,536
}

func (l Limits) defaults() Limits {
	for _, v := range []struct {
		field *int
		value int
	}{{&l.Stations, 1 << 14}, {&l.FirstTime, 256}, {&l.Accounts, 1 << 16}} {
		if *v.field <= 0 {
			*v.field = v.value
		}
	}
	l.Stations = min(l.Stations, wire.MaxStations)
	return l
}

// Node is an entry. It implements link.Node.
type Node struct {
	cfg Config
	p   wire.Params
	log *slog.Logger
	env link.Env

	armed  time.Time // earliest time for which Woken was asked; zero: none
	ticked time.Time // newest call of tick

	relays   []relay
	stations map[account]*station

	considered wire.Attempt // newest attempt that was begun or passed over
	attempt    *attempt     // pending, or nil
	history    history

	// Circuits, rounds.go.
	old, running, coming *circuits
	toClose              uint64 // next round whose collection closes
	rounds               [roundsKept]round
	spare                [][]byte // frames of round chunks for reuse

	figures figures
}

// New returns an entry that has not started.
func New(cfg Config) *Node {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Limits = cfg.Limits.defaults()
	return &Node{
		cfg: cfg, p: cfg.Params, log: cfg.Log.With(slog.String("role", "entry")),
		relays: make([]relay, cfg.Params.Relays), stations: map[account]*station{},
		history: newHistory(cfg.Limits),
	}
}

// Start implements link.Node.
func (n *Node) Start(now time.Time, env link.Env) {
	n.env = env
	for i := range n.relays {
		n.relays[i].redial = now
	}
	n.figures.relays(n)
	n.tick(now)
}

// Woken implements link.Node.
func (n *Node) Woken(now time.Time) { n.tick(now) }

// tick does whatever is due and asks to be called when something is due next. It
// looks at the clock alone, so calls that come late or twice do no harm.
func (n *Node) tick(now time.Time) {
	if now.Before(n.ticked) {
		n.armed = time.Time{}
	}
	n.ticked = now
	n.figures.turn(n, now)
	n.turnSets(now)
	n.turnRounds(now)
	n.turnAttempt(now)
	for i := range n.relays {
		if r := &n.relays[i]; !r.redial.IsZero() && !now.Before(r.redial) {
			r.redial = time.Time{}
			n.env.Dial(link.Target{Role: link.RoleRelay, Index: i})
		}
	}
	if !n.armed.IsZero() && !now.Before(n.armed) {
		n.armed = time.Time{}
	}
	due := n.p.PhaseStart(n.p.NextAttempt(now.Add(1)), wire.PhaseKeys)
	sooner := func(t time.Time) {
		if t.After(now) && t.Before(due) {
			due = t
		}
	}
	if e, ok := n.p.EpochAt(now); ok {
		sooner(n.p.EpochStart(e + 1))
	}
	if n.attempt != nil {
		sooner(n.deadline(n.attempt))
	}
	if n.running != nil || n.coming != nil {
		sooner(n.p.RoundClose(n.toClose))
	}
	for i := range n.relays {
		if r := n.relays[i].redial; !r.IsZero() {
			sooner(r)
		}
	}
	if n.armed.IsZero() || due.Before(n.armed) {
		n.armed = due
		n.env.WakeAt(due)
	}
}

// Connected implements link.Node.
func (n *Node) Connected(now time.Time, p link.Peer) {
	switch {
	case p.Role == link.RoleRelay && p.Index < len(n.relays):
		n.relayConnected(p)
	case p.Role == link.RoleStation:
		n.stationConnected(now, p)
	default:
		n.env.Drop(p)
	}
}

// Disconnected implements link.Node.
func (n *Node) Disconnected(now time.Time, p link.Peer) {
	switch p.Role {
	case link.RoleRelay:
		n.relayGone(now, p)
	case link.RoleStation:
		if s := n.stations[p.Account]; s != nil && s.peer == p {
			delete(n.stations, p.Account)
		}
	}
}

// Received implements link.Node.
func (n *Node) Received(now time.Time, p link.Peer, frame []byte) {
	if len(frame) == 0 {
		return
	}
	if now.Before(n.ticked) { // the clock was set back, and what was asked for may be far away
		n.tick(now)
	}
	switch p.Role {
	case link.RoleRelay:
		n.fromRelay(now, p, frame)
	case link.RoleStation:
		n.fromStation(now, p, frame)
	}
}
