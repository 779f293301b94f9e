package pairwise

import (
	"slices"

	"backchannel/internal/wire"
)

// receiver is the receiving half of the stream. What it holds is bounded: less
// than a window of frames, less than a record, one open item per class.
//
// A peer who breaks the framing of records, continues an item that it did not
// begin or sends before the introduction is complete has lost its voice: Trouble
// says so, its frames are acknowledged as before and their content is dropped,
// and what we send goes on. Nothing of this is visible to anybody but our own
// user; not even the peer learns it.
type receiver struct {
	next  uint32    // every frame below it was received
	ahead []inFrame // received beyond next, ascending
	buf   []byte    // an incomplete record
	open  [wire.Classes]openItem
}

type inFrame struct {
	seq     uint32
	payload []byte
}

// openItem is the item of a class that has begun and not ended. One that begins
// before it has ended takes its place: the sender has dropped the rest.
type openItem struct {
	on   bool
	item wire.ItemID
	off  uint32 // of the next byte
}

// accept takes one data frame. Duplicates and frames beyond the window are
// ignored; the window counts from what was acknowledged, so a disk that does not
// keep up holds the peer back.
func (s *Session) accept(seq uint32, payload []byte) {
	in := &s.incoming
	if seq < in.next || uint64(seq) >= uint64(s.book.durable.ack)+Window || seq == lastSeq {
		return
	}
	if seq > in.next {
		i, found := slices.BinarySearchFunc(in.ahead, seq, func(f inFrame, seq uint32) int { return int(int64(f.seq) - int64(seq)) })
		if !found {
			in.ahead = slices.Insert(in.ahead, i, inFrame{seq, slices.Clone(payload)})
			s.touch()
		}
		return
	}
	s.consume(payload)
	n := 0
	for n < len(in.ahead) && in.ahead[n].seq == in.next {
		s.consume(in.ahead[n].payload)
		n++
	}
	in.ahead = slices.Delete(in.ahead, 0, n)
}

// consume takes the frame that is next in order and acts on the records that it
// completes.
func (s *Session) consume(payload []byte) {
	in := &s.incoming
	in.next++
	s.touch()
	if s.deaf {
		return
	}
	in.buf = append(in.buf, payload...)
	rest := in.buf
	for {
		r, size, err := wire.ParseRecord(rest)
		if err != nil || size > 0 && !s.record(r) {
			s.deafen()
			return
		}
		if size == 0 {
			break
		}
		rest = rest[size:]
	}
	n := copy(in.buf, rest)
	clear(in.buf[n:])
	in.buf = in.buf[:n]
}

// record acts on one record, if it may stand where it stands.
func (s *Session) record(r wire.Record) bool {
	if r.Class == wire.ClassControl {
		s.control(r)
		return true
	}
	o := &s.incoming.open[r.Class]
	if s.phase != Introduced || s.established == 0 {
		return false
	}
	begins := r.Offset == 0 && !(o.on && o.item == r.Item)
	if !begins && !(o.on && o.item == r.Item && o.off == r.Offset) {
		return false
	}
	*o = openItem{true, r.Item, r.Offset + uint32(len(r.Data))}
	if r.Last {
		*o = openItem{}
	}
	r.Data = slices.Clone(r.Data)
	s.book.pending.Records = append(s.book.pending.Records, r)
	return true
}

func (s *Session) deafen() {
	s.misbehave()
	s.deaf = true
	clear(s.incoming.buf)
	s.incoming.buf, s.incoming.open = nil, [wire.Classes]openItem{}
}

// bitmap tells which frames beyond the next one were received.
func (in *receiver) bitmap() (b uint32) {
	for _, f := range in.ahead {
		b |= 1 << (f.seq - in.next - 1)
	}
	return b
}
