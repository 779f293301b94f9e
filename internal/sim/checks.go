package sim

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// Checks watches every frame and every use of a key, and knows nothing of the
// nodes' own state: an independent witness of what the protocol promises.
type Checks struct {
	s    *Sim
	errs []error

	rosters map[wire.Attempt]*witnessed
	outputs map[output]uint64 // newest round that a relay sent out

	// Reveals counts attempts that were revealed; Aborts those that a roster was
	// signed for and that were not.
	Reveals int

	keys keyLog
}

// witnessed is what the links showed of one attempt.
type witnessed struct {
	keys    []wire.Keys
	records map[string][]byte // record list as sent to each relay
	acks    map[string][]byte // acknowledgements as sent to each relay
	seeds   int
}

type output struct {
	relay string
	set   wire.Attempt
	kind  wire.Type
}

func newChecks(s *Sim) *Checks {
	c := &Checks{s: s, rosters: map[wire.Attempt]*witnessed{}, outputs: map[output]uint64{}}
	c.keys.start()
	return c
}

func (c *Checks) fail(format string, args ...any) {
	if len(c.errs) < 20 {
		c.errs = append(c.errs, fmt.Errorf("at %v: %w", c.s.Net.Now().Sub(c.s.Params.T0), fmt.Errorf(format, args...)))
	}
}

func (c *Checks) attempt(a wire.Attempt) *witnessed {
	w := c.rosters[a]
	if w == nil {
		w = &witnessed{records: map[string][]byte{}, acks: map[string][]byte{}}
		c.rosters[a] = w
		for old := range c.rosters { // attempts are short; keep a few
			if old.Epoch+3 < a.Epoch {
				delete(c.rosters, old)
			}
		}
	}
	return w
}

// see is the network's trace hook.
func (c *Checks) see(at time.Time, from, to string, frame []byte) {
	switch wire.TypeOf(frame) {
	case wire.TypeKeys:
		if k, err := wire.ParseKeys(frame[1:]); err == nil && to == Entry {
			w := c.attempt(k.Attempt)
			w.keys = append(w.keys, k)
		}
	case wire.TypeRecords, wire.TypeAcks:
		ch, err := wire.ParseChunk(frame)
		if err != nil || from != Entry {
			return
		}
		w := c.attempt(ch.Attempt)
		m := w.records
		if ch.Type == wire.TypeAcks {
			m = w.acks
		}
		if ch.Offset == 0 {
			m[to] = nil
		}
		m[to] = append(m[to], ch.Data...)
	case wire.TypeSeed:
		sd, err := wire.ParseSeed(frame[1:])
		if err != nil || to != Entry {
			return
		}
		w := c.attempt(sd.Attempt)
		if w.seeds++; w.seeds == 1 {
			c.Reveals++
		}
		c.acknowledged(from, sd, w)
	case wire.TypeForward, wire.TypeBackward:
		ch, err := wire.ParseChunk(frame)
		if err != nil || ch.Offset != 0 || from == Entry {
			return
		}
		o := output{from, ch.Attempt, ch.Type}
		if last, any := c.outputs[o]; any && ch.Round <= last {
			c.fail("%s sent round %d after round %d on one set", from, ch.Round, last)
		}
		c.outputs[o] = ch.Round
		for old := range c.outputs {
			if old.set.Epoch+60 < ch.Epoch {
				delete(c.outputs, old)
			}
		}
	}
}

// acknowledged checks that a relay which reveals was given a preimage for every
// tag of the roster that it was given.
func (c *Checks) acknowledged(relay string, sd wire.Seed, w *witnessed) {
	list, acks := w.records[relay], w.acks[relay]
	if len(list) == 0 || len(acks) != len(list)/suite.TagSize*suite.HashSize || len(w.keys) < c.s.Params.Relays {
		c.fail("%s revealed without all acknowledgements", relay)
		return
	}
	keys := make([]wire.Keys, c.s.Params.Relays)
	for _, k := range w.keys {
		keys[k.Relay] = k
	}
	aid := wire.AID(c.s.net, sd.Attempt, keys)
	for i := 0; i < len(list)/suite.TagSize; i++ {
		tag := wire.TagOf(aid, [32]byte(acks[i*suite.HashSize:]))
		if !bytes.Equal(tag[:], list[i*suite.TagSize:(i+1)*suite.TagSize]) {
			c.fail("%s revealed although acknowledgement %d does not fit", relay, i)
			return
		}
	}
}

// Err returns everything that went against the promises so far.
func (c *Checks) Err() error { return errors.Join(append(c.errs, c.keys.err())...) }

// keyLog notes every use of a key. A key seals once. A layer is added by one side
// and stripped by the other, so a key may meet an IV twice; a third time is a
// reuse. The relays strip cell layers in their own kernel, which does not report,
// so for cells even the second time is one.
type keyLog struct {
	shards [64]keyShard
}

type keyShard struct {
	mu     sync.Mutex
	layers map[[16]byte]layerUse // by key: keys are random, half of one names it
	sealed map[[16]byte]struct{}
	old    map[[16]byte]layerUse // before the last turn, to bound memory
	errs   []error
}

type layerUse struct {
	round uint64
	zero  uint8 // uses with IV 0: receipts
	any   bool
}

// maxShard bounds a shard: keys older than two turns are forgotten.
const maxShard = 1 << 14

func (l *keyLog) start() {
	for i := range l.shards {
		l.shards[i].layers = map[[16]byte]layerUse{}
		l.shards[i].sealed = map[[16]byte]struct{}{}
	}
	suite.Watch = l.use
}

func (l *keyLog) use(use suite.Use, key *[suite.KeySize]byte, iv *[suite.BlockSize]byte) {
	s := &l.shards[key[31]%64]
	id := [16]byte(key[:16])
	s.mu.Lock()
	defer s.mu.Unlock()
	if use == suite.UseSeal {
		if _, again := s.sealed[id]; again {
			s.errs = append(s.errs, errors.New("a key sealed twice"))
		}
		if len(s.sealed) > 4*maxShard {
			clear(s.sealed)
		}
		s.sealed[id] = struct{}{}
		return
	}
	u, ok := s.layers[id]
	if !ok {
		u = s.old[id]
	}
	switch round := uint64(iv[0])<<56 | uint64(iv[1])<<48 | uint64(iv[2])<<40 | uint64(iv[3])<<32 |
		uint64(iv[4])<<24 | uint64(iv[5])<<16 | uint64(iv[6])<<8 | uint64(iv[7]); {
	case *iv == [suite.BlockSize]byte{}:
		if u.zero++; u.zero > 2 || u.any {
			s.errs = append(s.errs, errors.New("a receipt key was used again"))
		}
	case u.zero > 0, u.any && round <= u.round:
		s.errs = append(s.errs, fmt.Errorf("a cell key met round %d again or after round %d", round, u.round))
	default:
		u.round, u.any = round, true
	}
	if len(s.layers) >= maxShard {
		s.old, s.layers = s.layers, map[[16]byte]layerUse{}
	}
	s.layers[id] = u
}

func (l *keyLog) err() error {
	var errs []error
	for i := range l.shards {
		errs = append(errs, l.shards[i].errs...)
	}
	return errors.Join(errs[:min(len(errs), 10)]...)
}
