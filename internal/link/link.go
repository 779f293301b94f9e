// Package link is the one seam between Backchannel's state machines and the
// outside: authenticated connections, timers and work done aside.
//
// A relay, an entry and a station are each a Node: a single-threaded state
// machine that is told what happened and acts through an Env. Loop (loop.go)
// drives a Node on real sockets and the real clock; linktest drives many Nodes
// on in-memory links and a virtual clock. Nothing above this package opens a
// socket, reads a clock or starts a goroutine on the protocol path, so the same
// code runs in production, in the simulation and under the attacks.
//
// Specification: docs/protocol.md, "Wire between servers" and section 3.
package link

import (
	"fmt"
	"time"
)

// Role is what the other end of a connection was authenticated as.
type Role uint8

// The roles of a peer.
const (
	RoleEntry   Role = 1 + iota // pinned by the network file
	RoleRelay                   // pinned by the network file; Index tells which
	RoleStation                 // proved an account key; Account tells which
)

// Peer names one authenticated connection. It is comparable; a reconnect gives
// another Conn, so late events of an old connection cannot be mistaken.
type Peer struct {
	Role    Role
	Index   int      // relay: position in the chain from 0; else 0
	Account [32]byte // station: Ed25519 account key; else zero
	Conn    uint64   // unique within one driver
}

// String names a peer for logs without its account.
func (p Peer) String() string {
	switch p.Role {
	case RoleEntry:
		return "entry"
	case RoleRelay:
		return fmt.Sprintf("relay %d", p.Index+1)
	default:
		return "station"
	}
}

// Target is what a Node asks to be connected to.
type Target struct {
	Role  Role // RoleEntry or RoleRelay
	Index int  // relay: position in the chain from 0
}

// MaxFrame bounds one frame in bytes, type byte included. Arrays travel in
// chunks below it; see wire.ChunkSize.
const MaxFrame = 1 << 20

// Node is a state machine. A driver calls it from one goroutine at a time. now
// is the node's own clock: wall time, possibly wrong.
type Node interface {
	// Start is called once, before anything else.
	Start(now time.Time, env Env)
	// Connected reports an authenticated connection, dialled or accepted.
	Connected(now time.Time, p Peer)
	// Disconnected reports the end of a connection, or (with Conn zero and the
	// target's role and index) that a dial failed.
	Disconnected(now time.Time, p Peer)
	// Received hands over one frame, at least one byte long. The node owns it.
	Received(now time.Time, p Peer, frame []byte)
	// Woken is called at or soon after a time asked for with Env.WakeAt. Several
	// requests may be answered by one call: a node looks at now, not at a count.
	Woken(now time.Time)
}

// Env is what a Node may do. Its methods are called only from within the Node's
// own calls (and from completions of Go) and never block.
type Env interface {
	// Send queues a frame. It takes ownership: neither side changes the bytes
	// afterwards. A peer whose queue is full is disconnected. The memory of a frame
	// of cells (wire.TypeForward, wire.TypeBackward, wire.TypeAnswers) is used again
	// once it left: such a frame goes to one peer, is no part of a greater array, and is forgotten.
	Send(p Peer, frame []byte)
	// SendAt queues a frame that must leave at t, to the precision of the
	// operating system's timers, whatever the node is doing then. Frames to one
	// peer must be given in the order of their times. Past times mean now.
	SendAt(t time.Time, p Peer, frame []byte)
	// WakeAt asks for a call of Woken at t on the node's clock.
	WakeAt(t time.Time)
	// Go runs work aside, then calls done in the node's own goroutine with the
	// node's clock. Lanes run side by side; see each for its order.
	Go(lane Lane, work func(), done func(now time.Time))
	// Dial asks for a connection; the answer is Connected or Disconnected.
	Dial(t Target)
	// Drop closes a connection; Disconnected follows.
	Drop(p Peer)
}

// Lane orders work that is done aside.
type Lane uint8

// The lanes of Env.Go.
const (
	LaneCompute Lane = iota // set-up cryptography: on every core, in no order
	LaneDisk                // vault commits: strictly in order
	LaneMark                // high-water marks: strictly in order, never behind the vault
)
