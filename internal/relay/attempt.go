package relay

import (
	"log/slog"
	"sync/atomic"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/mix"
	"backchannel/internal/roster"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// attempt is this relay's part in the one pending set-up attempt.
type attempt struct {
	id   wire.Attempt
	said [][]byte // frames for the entry, in order: KEYS, header, seed

	// How far it came, as the node knows.
	keyed    bool   // own KEYS are out
	keys     []once // KEYS of each relay
	records  bool   // a record list is being signed or is signed
	count    int    // records under the signed header; 0 before
	batch    bool   // a batch was taken
	mixed    bool   // and its output left
	receipts bool   // the backward pass was made
	acks     bool   // acknowledgements were taken: the decision is under way or made
	decided  bool   // to reveal
	seeds    []once // seeds of each relay

	over atomic.Bool // abandoned, or grown to circuits: what still waits is void

	// Of the set-up work alone, until the circuits are revealed.
	gate *roster.Relay
	set  *mix.Set
}

// once guards one relay's document: while one is being checked or after one was
// right, further ones are ignored, so that checking cannot pile up.
type once bool

func (o *once) taken() bool {
	was := bool(*o)
	*o = true
	return was
}

// turnAttempt ends an attempt whose windows are over and begins the one whose
// KEYS window has begun.
func (n *Node) turnAttempt(now time.Time) {
	if a := n.attempt; a != nil && (!now.Before(n.p.PhaseEnd(a.id, wire.PhaseReveal)) || !n.near(now, a.id)) {
		n.abandon("the windows ended")
	}
	id, ok := n.p.AttemptAt(now)
	if !ok || !n.considered.Before(id) || !now.Before(n.p.PhaseEnd(id, wire.PhaseKeys)) {
		return
	}
	n.considered = id
	if n.ready(id.Epoch) {
		return
	}
	if last, any := n.cfg.Mark.At(); any && !last.Before(id) {
		n.log.Info("an attempt is passed over, for this relay took part in it before a restart", attemptAttrs(id)...)
		return
	}
	n.begin(id)
}

// near is the rule that KEYS are signed only for epochs within one of the own
// clock.
func (n *Node) near(now time.Time, id wire.Attempt) bool {
	e, ok := n.p.EpochAt(now)
	return ok && id.Epoch+1 >= e && id.Epoch <= e+1
}

// ready reports whether circuits for an epoch are complete: no further attempt is
// needed for it.
func (n *Node) ready(epoch uint64) bool {
	return n.coming != nil && n.coming.complete && n.coming.id.Epoch >= epoch ||
		n.running != nil && n.running.id.Epoch >= epoch
}

// begin raises the mark and then, once that is durable, signs KEYS.
func (n *Node) begin(id wire.Attempt) {
	if n.attempt != nil {
		n.abandon("the next attempt began")
	}
	a := &attempt{id: id, keys: make([]once, n.p.Relays), seeds: make([]once, n.p.Relays)}
	n.attempt = a
	n.figures.running.Attempts++
	var err error
	n.env.Go(link.LaneMark, func() { err = n.cfg.Mark.Raise(id) }, func(time.Time) {
		switch {
		case n.attempt != a:
		case err != nil:
			n.log.Error("the high-water mark cannot be kept, so this relay takes no part in the attempt", slog.Any("error", err))
			n.abandon("no mark")
		default:
			n.signKeys(a)
		}
	})
}

func (n *Node) signKeys(a *attempt) {
	var keys wire.Keys
	var err error
	n.aside(a, func() {
		cfg := roster.RelayConfig{
			Params: n.p, Net: n.cfg.Net, Index: n.cfg.Index, Sign: n.cfg.Sign, Verify: n.cfg.Verify,
			Attempt: a.id, OuterSeed: suite.RandomKey(), InnerSeed: suite.RandomKey(),
		}
		if a.gate, err = roster.NewRelay(cfg); err == nil {
			keys = a.gate.OwnKeys()
		}
	}, func(time.Time) {
		if err != nil {
			n.log.Error("this relay cannot begin an attempt", slog.Any("error", err))
			n.abandon("no keys")
			return
		}
		a.keyed = true
		n.say(a, wire.TypeKeys, keys)
	})
}

// aside runs set-up work of an attempt beside the rounds. done follows only while
// the attempt is still pending.
func (n *Node) aside(a *attempt, work func(), done func(now time.Time)) {
	n.setup.add(n.env, func() {
		if !a.over.Load() {
			work()
		}
	}, func(now time.Time) {
		if !a.over.Load() {
			done(now)
		}
	})
}

// inOrder runs work one after the other on the compute lane, whose own work may
// run side by side. What is waiting is bounded by the guards of those who add.
type inOrder struct {
	waiting []job
	busy    bool
}

type job struct {
	work func()
	done func(now time.Time)
}

func (q *inOrder) add(env link.Env, work func(), done func(now time.Time)) {
	q.waiting = append(q.waiting, job{work, done})
	q.next(env)
}

func (q *inOrder) next(env link.Env) {
	if q.busy || len(q.waiting) == 0 {
		return
	}
	j := q.waiting[0]
	q.waiting, q.busy = q.waiting[1:], true
	env.Go(link.LaneCompute, j.work, func(now time.Time) {
		q.busy = false
		j.done(now)
		q.next(env)
	})
}

// abandon drops the pending attempt: its keys are destroyed, nothing of it will
// be revealed that was not yet.
func (n *Node) abandon(why string) {
	a := n.attempt
	n.attempt = nil
	a.over.Store(true)
	n.figures.running.Aborts++
	n.log.Info("a set-up attempt ended without circuits", append(attemptAttrs(a.id), slog.String("reason", why))...)
	n.setup.add(n.env, func() { // after whatever work is under way
		if a.gate != nil {
			a.gate.Abort()
			a.gate.Erase()
		}
		if a.set != nil {
			a.set.Erase()
		}
	}, func(time.Time) {})
}

// fail abandons an attempt that cannot succeed and tells the entry.
func (n *Node) fail(a *attempt, why string) {
	n.abandon(why)
	n.send(&n.entry, wire.FrameAttempt(wire.TypeAbort, a.id))
}

// The following handle what arrived for the pending attempt. Arrays were checked
// for size and for being wanted (arrays.go).

func (n *Node) receiveKeys(_ time.Time, frame []byte) {
	k, err := wire.ParseKeys(frame[1:])
	if err != nil || k.Relay >= n.p.Relays {
		n.refuse(&n.entry, "malformed KEYS")
		return
	}
	a := n.attempt
	if a == nil || a.id != k.Attempt || !a.keyed || a.keys[k.Relay].taken() {
		return
	}
	n.aside(a, func() { _, err = a.gate.Keys(k) }, func(time.Time) {
		if err != nil {
			a.keys[k.Relay] = false
			n.refuse(&n.entry, "KEYS that do not verify")
		}
	})
}

func (n *Node) takeRecords(list []byte) {
	a := n.attempt
	if !a.keyed {
		return
	}
	a.records = true
	var h wire.SignedHeader
	var err error
	n.aside(a, func() { h, err = a.gate.Records(list) }, func(time.Time) {
		if err != nil {
			a.records = false
			n.log.Warn("a record list was not signed", append(attemptAttrs(a.id), slog.Any("error", err))...)
			return
		}
		a.count = int(h.Count)
		n.figures.running.Stations = a.count
		n.say(a, wire.TypeSignedHeader, h)
	})
}

// takeBatch opens this relay's layer of the whole batch. What comes out leaves
// only after the gate noted it as the one batch of the attempt. The last relay
// begins the way back instead.
func (n *Node) takeBatch(batch []byte) {
	a := n.attempt
	a.batch = true
	n.forget() // circuits that can no longer be completed: every relay signed a later header
	var frames [][]byte
	var err error
	n.aside(a, func() {
		var out []byte
		out, a.set, err = mix.OpenBatch(n.p, n.cfg.Index, a.gate.Outer(), a.gate.HeaderHash(), batch, n.cfg.Workers)
		if err == nil {
			err = a.gate.Mixed()
		}
		switch {
		case err != nil:
		case n.last:
			frames, err = n.receiptFrames(a, nil)
		default:
			frames = wire.Chunks(wire.TypeBatch, a.id, 0, out, n.p.OnionSize(n.cfg.Index+1))
		}
	}, func(time.Time) {
		if err != nil {
			n.log.Warn("a batch was not mixed", append(attemptAttrs(a.id), slog.Any("error", err))...)
			n.fail(a, "no batch")
			return
		}
		a.mixed = true
		if n.last {
			a.receipts = true
			n.send(n.upstream(), frames...)
		} else {
			n.send(&n.next, frames...)
		}
	})
}

func (n *Node) receiptFrames(a *attempt, later []byte) ([][]byte, error) {
	out, err := a.set.Receipts(later)
	if err != nil {
		return nil, err
	}
	return wire.Chunks(wire.TypeReceipts, a.id, 0, out, n.p.ReceiptSize(n.cfg.Index)), nil
}

func (n *Node) takeReceipts(later []byte) {
	a := n.attempt
	a.receipts = true
	var frames [][]byte
	var err error
	n.aside(a, func() { frames, err = n.receiptFrames(a, later) }, func(time.Time) {
		if err != nil {
			n.log.Warn("receipts were not passed on", append(attemptAttrs(a.id), slog.Any("error", err))...)
			n.fail(a, "no receipts")
			return
		}
		n.send(n.upstream(), frames...)
	})
}

// takeAcks lets the gate decide, once, from every tag of the roster.
func (n *Node) takeAcks(acks []byte) {
	a := n.attempt
	a.acks = true
	var seed wire.Seed
	var reveal bool
	var err error
	n.aside(a, func() { seed, reveal, err = a.gate.Acks(acks) }, func(time.Time) {
		if err != nil || !reveal {
			n.fail(a, "acknowledgements are missing")
			return
		}
		a.decided = true
		n.say(a, wire.TypeSeed, seed)
	})
}

func (n *Node) receiveAbort(_ time.Time, frame []byte) {
	id, _, err := wire.ParseAttemptFrame(frame, 0)
	if err != nil {
		n.refuse(&n.entry, "a malformed ABORT")
		return
	}
	a := n.attempt
	if a == nil || a.id != id || a.decided {
		return
	}
	// The decision may be under way; the gate knows whether it was made.
	over := true
	n.aside(a, func() {
		if a.gate != nil {
			a.gate.Abort()
			over = a.gate.Over()
		}
	}, func(time.Time) {
		if over {
			n.abandon("the entry gave it up")
		}
	})
}

// receiveSeed takes one relay's inner seed. When all n are right, the last relay
// pairs; then the circuits are ready and REVEAL says so.
func (n *Node) receiveSeed(_ time.Time, frame []byte) {
	s, err := wire.ParseSeed(frame[1:])
	if err != nil || s.Relay >= n.p.Relays {
		n.refuse(&n.entry, "a malformed seed")
		return
	}
	a := n.attempt
	if a == nil || a.id != s.Attempt || !a.decided || a.seeds[s.Relay].taken() {
		return
	}
	var v wire.Reveal
	var signed bool
	n.aside(a, func() {
		v, signed, err = a.gate.Seed(s)
		if err != nil || !signed {
			return
		}
		if n.last {
			err = a.set.Pair(a.gate.HeaderHash(), a.gate.InnerKeys(), n.cfg.Workers)
		}
		a.gate.Erase()
	}, func(time.Time) {
		switch {
		case err != nil:
			n.log.Warn("the inner keys were not accepted", append(attemptAttrs(a.id), slog.Any("error", err))...)
			n.fail(a, "a wrong seed")
		case signed:
			n.adopt(a, v)
		}
	})
}

func attemptAttrs(id wire.Attempt) []any {
	return []any{slog.Uint64("epoch", id.Epoch), slog.Uint64("attempt", uint64(id.Number))}
}
