package station

import (
	"log/slog"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/link"
	"backchannel/internal/mark"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// NodeConfig is what a Node needs to know of its network and machine.
type NodeConfig struct {
	Params wire.Params
	Net    wire.Hash
	Verify []suite.VerifyKey // the relays' keys in chain order
	Mark   mark.Store        // outside of the vault: it must hold while locked
	Log    *slog.Logger

	// Account only spreads the station's reconnects over their period.
	Account [32]byte

	// Table, if not nil, is told when messages of negotiations may wait to be read, and
	// once a minute. It must not wait.
	Table func()
}

// Node is a station as a state machine. It implements link.Node. Its exported
// methods other than link.Node's must be called in the node's own goroutine
// (link.Loop.Do).
type Node struct {
	cfg NodeConfig
	p   wire.Params
	log *slog.Logger
	env link.Env

	agenda agenda

	// connection.go
	entry     link.Peer
	connected bool

	// attempt.go
	attempt *attempt

	// rounds.go
	previous, current, next *circuits
	built                   uint64 // last round whose cells were built
	anyBuilt                bool
	early                   []answers // answers that came before the next round was built

	// conversations.go
	vault    *vault.Vault
	lanes    contact.Lanes
	talks    map[contact.ID]*conversation
	saving   bool
	again    bool
	after    []func(ok bool) // waiting for the commit that has not begun
	sweeping bool            // expired copies are being erased
	probe    bool            // the next commit writes even if no session changed
	failed   error           // the last commit's failure, for the status
	reported bool            // the log was told

	stats    stats
	watchers map[*Watcher]struct{}
}

// NewNode returns a locked station: it joins with idle lanes until Unlock.
func NewNode(cfg NodeConfig) *Node {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Node{
		cfg: cfg, p: cfg.Params, log: cfg.Log,
		talks:    map[contact.ID]*conversation{},
		watchers: map[*Watcher]struct{}{},
	}
}

// Start implements link.Node.
func (n *Node) Start(now time.Time, env link.Env) {
	n.env = env
	n.agenda.wake = env.WakeAt
	n.scheduleAttempt(now)
	n.scheduleRound(now)
	n.scheduleSweep(now)
	env.Dial(link.Target{Role: link.RoleEntry})
}

// Woken implements link.Node.
func (n *Node) Woken(now time.Time) { n.agenda.run(now) }

// Received implements link.Node. A frame that does not fit the moment is
// ignored: the entry is not trusted, and nothing it sends may change the pace.
func (n *Node) Received(now time.Time, p link.Peer, frame []byte) {
	if p != n.entry {
		return
	}
	switch wire.TypeOf(frame) {
	case wire.TypeKeys:
		n.receiveKeys(now, frame)
	case wire.TypeRecords:
		n.receiveRecords(now, frame)
	case wire.TypeSignedHeader:
		n.receiveHeader(now, frame)
	case wire.TypeStationRcpt:
		n.receiveReceipts(now, frame)
	case wire.TypeReveal:
		n.receiveReveal(now, frame)
	case wire.TypeAccepted:
		n.receiveAccepted(frame)
	case wire.TypeAnswers:
		n.receiveAnswers(now, frame)
	}
}

// nudge has the station look at its negotiations.
func (n *Node) nudge() {
	if n.cfg.Table != nil {
		n.cfg.Table()
	}
}
