package relay

import (
	"time"

	"backchannel/internal/mix"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// The arrays that one neighbour may send. They may interleave with each other on
// one connection, but the chunks of each follow in order, so that a link may let
// round arrays overtake set-up arrays.
const (
	inRecords = iota
	inBatch
	inReceipts
	inAcks
	inForward
	inBackward
	inbounds // their number
)

func inboundOf(t wire.Type) int {
	switch t {
	case wire.TypeRecords:
		return inRecords
	case wire.TypeBatch:
		return inBatch
	case wire.TypeReceipts:
		return inReceipts
	case wire.TypeAcks:
		return inAcks
	case wire.TypeForward:
		return inForward
	default:
		return inBackward
	}
}

// inbound is one array on its way in. An array that is not wanted (stale, second,
// of an attempt that this relay has no part in) is let through without keeping a
// byte; where it breaks off it is dropped whole.
type inbound struct {
	open    bool
	attempt wire.Attempt
	round   uint64
	total   uint64
	at      uint64    // bytes so far
	whole   []byte    // a wanted set-up array so far; cap 0 if not wanted
	pass    *mix.Pass // a wanted round array; nil if not wanted
}

// cut forgets an array that will not be completed.
func (in *inbound) cut() {
	if in.pass != nil {
		in.pass.Release()
	}
	*in = inbound{}
}

// firstRecords is what is reserved for a set-up array of unknown honesty; it grows
// with what really arrives.
const firstRecords = 1 << 20

// receiveChunk takes the next chunk of an array. The caller checked that this
// neighbour may send the type.
func (n *Node) receiveChunk(now time.Time, from *neighbour, frame []byte) {
	c, err := wire.ParseChunk(frame)
	if err != nil {
		n.refuse(from, "a malformed chunk")
		return
	}
	rounds := c.Type == wire.TypeForward || c.Type == wire.TypeBackward
	in := &from.in[inboundOf(c.Type)]
	switch {
	case c.Offset == 0:
		in.cut()
		*in = inbound{open: true, attempt: c.Attempt, round: c.Round, total: c.Total}
		var ok bool
		if rounds {
			ok = n.openRound(now, in, c)
		} else {
			ok = n.openSetup(in, c)
		}
		if !ok {
			n.refuse(from, "an array of the wrong size")
			return
		}
	case !in.open || in.attempt != c.Attempt || in.round != c.Round || in.total != c.Total || in.at != c.Offset:
		n.refuse(from, "a chunk out of order")
		return
	}
	in.at += uint64(len(c.Data))
	complete := in.at == in.total
	in.open = !complete
	if rounds {
		if in.pass != nil && !n.passChunk(now, in, c) {
			n.refuse(from, "a part of a cell")
			return
		}
		n.spare.put(frame)
		return
	}
	if cap(in.whole) == 0 {
		return
	}
	in.whole = append(in.whole, c.Data...)
	if weakened.PartialArrays && !complete {
		in.whole = append(in.whole, make([]byte, in.total-in.at)...)
		complete = true
	}
	if complete {
		array := in.whole
		in.whole = nil
		n.completeSetup(c, array)
	}
}

// openSetup decides whether a set-up array is wanted and reserves its place;
// false means that no honest peer sends such an array.
func (n *Node) openSetup(in *inbound, c wire.Chunk) (ok bool) {
	a := n.attempt
	if a == nil || a.id != c.Attempt {
		return c.Round == 0
	}
	if c.Round != 0 {
		return false
	}
	var want bool
	var total, reserve uint64
	circuits := uint64(a.count * n.p.Circuits())
	switch c.Type {
	case wire.TypeRecords: // the only array whose size this relay cannot know
		size := uint64(n.p.RecordSize())
		if c.Total == 0 || c.Total%size != 0 || c.Total > wire.MaxStations*size {
			return false
		}
		want, total, reserve = !a.records, c.Total, min(c.Total, firstRecords)
	case wire.TypeBatch:
		want, total = a.count > 0 && (!a.batch || weakened.SecondBatch), circuits*uint64(n.p.OnionSize(n.cfg.Index))
		reserve = total
	case wire.TypeReceipts:
		want, total = a.mixed && !a.receipts, circuits*uint64(n.p.ReceiptSize(n.cfg.Index+1))
		reserve = total
	case wire.TypeAcks:
		want, total = a.count > 0 && !a.acks, uint64(a.count*n.p.AckSize())
		reserve = total
	}
	if !want {
		return true
	}
	if c.Total == total { // room is made as bytes arrive: a size alone costs its sender nothing
		in.whole = make([]byte, 0, min(reserve, firstRecords))
	}
	return c.Total == total
}

// completeSetup hands a whole array to the attempt for which it came, unless that
// ended meanwhile.
func (n *Node) completeSetup(c wire.Chunk, array []byte) {
	if n.attempt == nil || n.attempt.id != c.Attempt {
		return
	}
	switch c.Type {
	case wire.TypeRecords:
		n.takeRecords(array)
	case wire.TypeBatch:
		n.takeBatch(array)
	case wire.TypeReceipts:
		n.takeReceipts(array)
	case wire.TypeAcks:
		n.takeAcks(array)
	}
}

// sendRound cuts a round array into chunks in frames that came from earlier
// rounds, so that a relay in its stride allocates nothing.
func (n *Node) sendRound(to *neighbour, t wire.Type, a wire.Attempt, round uint64, array []byte) {
	if !to.up || to.deaf {
		return
	}
	step := wire.ChunkSize / n.p.Cell * n.p.Cell
	total := uint64(len(array))
	for off := 0; off < len(array); off += step {
		part := array[off:min(off+step, len(array))]
		f := n.spare.take(wire.ChunkHeaderSize + len(part))
		wire.PutChunkHeader(f, t, a, round, total, uint64(off))
		copy(f[wire.ChunkHeaderSize:], part)
		n.env.Send(to.peer, f)
	}
}

// spare keeps the buffers of received round chunks, which are the size of those
// that will be sent. It holds at most what one round array needs twice.
type spare struct {
	frames [][]byte
	limit  int // set with the circuits
}

func (s *spare) put(f []byte) {
	if len(s.frames) < s.limit {
		s.frames = append(s.frames, f)
	}
}

func (s *spare) take(size int) []byte {
	if k := len(s.frames) - 1; k >= 0 {
		f := s.frames[k]
		s.frames[k] = nil
		s.frames = s.frames[:k]
		if cap(f) >= size {
			return f[:size]
		}
	}
	return make([]byte, size)
}
