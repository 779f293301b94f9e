package relay

import (
	"log/slog"
	"runtime"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/mark"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// Config is what a relay needs to know.
type Config struct {
	Params wire.Params
	Net    wire.Hash         // hash of the network file
	Index  int               // position in the chain from 0
	Sign   suite.SigningKey  // own long-term key
	Verify []suite.VerifyKey // of all relays in chain order
	Mark   mark.Store        // newest attempt that KEYS were signed for
	Log    *slog.Logger      // nil: no log

	// Workers is how many cores set-up may use. 0 leaves one core to the rounds.
	Workers int
}

// Node is a relay. It implements link.Node.
type Node struct {
	cfg  Config
	p    wire.Params
	log  *slog.Logger
	env  link.Env
	last bool // this relay is the last of the chain

	armed  time.Time // earliest time for which Woken was asked; zero: none
	ticked time.Time // newest call of tick

	// Connections, by who is at the other end. A slot without a neighbour in this
	// chain stays down.
	entry, prev, next neighbour
	redial            time.Time // when to dial the next relay again; zero: not now

	considered wire.Attempt // newest attempt that was begun or passed over
	attempt    *attempt     // pending, or nil
	setup      inOrder      // its work

	// Circuits, rounds.go.
	old, running, coming *circuits
	spare                spare

	figures figures
}

// New returns a relay that has not started.
func New(cfg Config) *Node {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Workers <= 0 {
		cfg.Workers = max(1, runtime.GOMAXPROCS(0)-1)
	}
	return &Node{
		cfg: cfg, p: cfg.Params, last: cfg.Index == cfg.Params.Relays-1,
		log: cfg.Log.With(slog.String("role", "relay"), slog.Int("relay", cfg.Index+1)),
	}
}

// Start implements link.Node.
func (n *Node) Start(now time.Time, env link.Env) {
	n.env = env
	if !n.last {
		n.redial = now
	}
	n.figures.connected(n)
	n.tick(now)
}

// Woken implements link.Node.
func (n *Node) Woken(now time.Time) { n.tick(now) }

// tick does whatever is due and asks to be called when something is due next.
// It looks at the clock alone, so calls that come late, twice or after a jump of
// the clock do no harm.
func (n *Node) tick(now time.Time) {
	if now.Before(n.ticked) {
		n.armed = time.Time{}
	}
	n.ticked = now
	n.figures.turn(n.p, now)
	n.turnSets(now)
	n.turnAttempt(now)
	if !n.redial.IsZero() && !now.Before(n.redial) {
		n.redial = time.Time{}
		n.env.Dial(link.Target{Role: link.RoleRelay, Index: n.cfg.Index + 1})
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
		sooner(n.p.PhaseEnd(n.attempt.id, wire.PhaseReveal))
	}
	for _, c := range []*circuits{n.old, n.running, n.coming} {
		if c != nil {
			sooner(n.p.RoundStart(c.first))
			sooner(c.until)
		}
	}
	if !n.redial.IsZero() {
		sooner(n.redial)
	}
	if n.armed.IsZero() || due.Before(n.armed) {
		n.armed = due
		n.env.WakeAt(due)
	}
}

// Received implements link.Node.
func (n *Node) Received(now time.Time, p link.Peer, frame []byte) {
	from := n.slot(p)
	if from == nil || !from.up || from.deaf || from.peer != p || len(frame) == 0 {
		return
	}
	if now.Before(n.ticked) { // the clock was set back, and what was asked for may be far away
		n.tick(now)
	}
	t := wire.TypeOf(frame)
	switch {
	case from == &n.entry && t == wire.TypeKeys:
		n.receiveKeys(now, frame)
	case from == &n.entry && t == wire.TypeAbort:
		n.receiveAbort(now, frame)
	case from == &n.entry && t == wire.TypeSeed:
		n.receiveSeed(now, frame)
	case from == &n.entry && t == wire.TypeReveal:
		n.receiveReveal(now, frame)
	case from == &n.entry && (t == wire.TypeRecords || t == wire.TypeAcks),
		from == n.upstream() && (t == wire.TypeBatch || t == wire.TypeForward),
		from == &n.next && (t == wire.TypeReceipts || t == wire.TypeBackward):
		n.receiveChunk(now, from, frame)
	default:
		n.refuse(from, "a frame that it may not send")
	}
}
