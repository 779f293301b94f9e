package pairwise

import (
	"slices"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// lastSeq is the sequence number that is never given to a frame, so that an
// acknowledgement of every frame before it still fits 32 bits.
const lastSeq = 1<<32 - 1

// framesAhead bounds the frames that were made and not sent yet: those of three
// rounds, for commits that take up to two.
const framesAhead = 3 * twins

// Item is something to send: a signal, a letter, a message of a negotiation.
type Item struct {
	ID    wire.ItemID
	Class wire.Class // not ClassControl
	Size  uint32

	// Read copies bytes from off into p and returns how many; 0 means not ready,
	// and the item waits for a later round. It must not block.
	Read func(off uint32, p []byte) int
}

// Progress tells how many bytes of an item are in frames or in the session's
// state; after a restart the item is queued again from there.
type Progress struct {
	Item     wire.ItemID
	Assigned uint32
}

// sender is the sending half of the stream.
type sender struct {
	next    uint32     // number of the next new frame
	acked   uint32     // every frame below it was acknowledged
	frames  []outFrame // not acknowledged, ascending
	open    []byte     // rest of the record of which the last frame holds the beginning
	ending  itemEnd    // what ends with open; seq is not known yet
	ends    []itemEnd  // items that end in a frame which is not yet below acked, ascending
	control [][]byte   // control messages that no record holds yet

	// Memory only.
	queues  [wire.Classes][]queued
	late    uint64      // latest round of which a cell certainly arrived
	round   uint64      // round composed for
	choice  [twins]pick // frames chosen for it
	payload []byte      // scratch
}

// outFrame is a frame in flight, or one that will be.
type outFrame struct {
	seq         uint32
	payload     []byte
	sent        bool // since the start of this process
	first, last uint64
}

// itemEnd names an item and the frame that holds its last byte.
type itemEnd struct {
	seq   uint32
	class wire.Class
	last  bool // the record ends the item
	item  wire.ItemID
}

// pick is a choice of Compose; a frame may be acknowledged before it is sent.
type pick struct {
	set bool
	seq uint32
}

type queued struct {
	Item
	off   uint32 // bytes in records
	begun bool   // a record of it was made
	held  bool   // nothing more of it goes out until it is dropped or released
}

// Queue hands over an item. It goes out after the items of its class that were
// queued before, higher classes overtaking it at every record. from is the first
// byte that is not in a frame yet: 0 for a new item, after a restart what
// Progress said last, and such an item goes first. An item that is already in
// frames as a whole is ignored.
// Nothing of it is sent before the introduction is complete and version 1 in use, nor
// while Withheld.
func (s *Session) Queue(it Item, from uint32) {
	if it.Class <= wire.ClassControl || it.Class >= wire.Classes || it.Read == nil {
		panic("pairwise: an item has a class above control and a source")
	}
	if from >= it.Size && it.Size > 0 || slices.ContainsFunc(s.sending.ends, func(e itemEnd) bool { return e.item == it.ID }) ||
		s.sending.ending.last && s.sending.ending.item == it.ID {
		return
	}
	q := &s.sending.queues[it.Class]
	if from > 0 {
		*q = slices.Insert(*q, 0, queued{it, from, true, false})
		return
	}
	*q = append(*q, queued{it, from, false, false})
}

// Unqueue takes back an item of which nothing was put into a record yet.
func (s *Session) Unqueue(id wire.ItemID) bool {
	for c := range s.sending.queues {
		q := s.sending.queues[c]
		if i := slices.IndexFunc(q, func(q queued) bool { return q.ID == id }); i >= 0 && !q[i].begun {
			s.sending.queues[c] = slices.Delete(q, i, i+1)
			return true
		}
	}
	return false
}

// Hold stops an item that is not in records as a whole, so that its owner can note
// that it is withdrawn before Drop, or decide otherwise and Release it. Its class
// waits meanwhile. begun tells whether a part of it may have left. It reports
// false for an item that is unknown or of which the last byte is on its way: that
// one can no longer be stopped.
func (s *Session) Hold(id wire.ItemID) (begun, ok bool) {
	if q := s.queuedItem(id); q != nil {
		q.held = true
		return q.begun, true
	}
	return false, false
}

// Release lets a held item go on where it stopped.
func (s *Session) Release(id wire.ItemID) {
	if q := s.queuedItem(id); q != nil {
		q.held = false
	}
}

// Drop gives a held item up. A record of it that is under way ends as it is; the
// next item of its class takes its place at the peer, which sees from that, or
// from a note, that the rest does not come.
func (s *Session) Drop(id wire.ItemID) {
	for c := range s.sending.queues {
		s.sending.queues[c] = slices.DeleteFunc(s.sending.queues[c], func(q queued) bool { return q.ID == id && q.held })
	}
}

func (s *Session) queuedItem(id wire.ItemID) *queued {
	for c := range s.sending.queues {
		for i := range s.sending.queues[c] {
			if q := &s.sending.queues[c][i]; q.ID == id {
				return q
			}
		}
	}
	return nil
}

// Outstanding is the number of frames that wait for acknowledgement.
func (s *Session) Outstanding() int { return len(s.sending.frames) }

// Compose chooses the (up to) two data frames of round, in this order: frames
// that were lost, frames that were never sent, new frames by priority. New
// frames become part of the next Delta and are sent only when that is saved: in
// this round if Saved comes before Cell, else in a later one. If commits are
// slower than that, frames are made up to framesAhead ahead, so that every cell
// can carry one all the same.
func (s *Session) Compose(round uint64) {
	o := &s.sending
	if round < o.round || s.cell == 0 {
		return
	}
	o.round, o.choice = round, [twins]pick{}
	n, unsent := 0, 0
	choose := func(f *outFrame) {
		if n < twins {
			o.choice[n] = pick{true, f.seq}
			n++
		}
	}
	for i := range o.frames {
		if f := &o.frames[i]; f.sent && (f.last < o.late || round >= f.last+RetransmitRounds) {
			choose(f)
		}
	}
	for i := range o.frames {
		if f := &o.frames[i]; !f.sent {
			unsent++
			choose(f)
		}
	}
	for made := 0; made < twins && (n < twins || unsent < framesAhead); made++ {
		if !s.compose() {
			break
		}
		unsent++
		choose(&o.frames[len(o.frames)-1])
	}
}

// compose makes one new frame if there is something to say and room to say it.
func (s *Session) compose() bool {
	o := &s.sending
	if uint64(o.next) >= uint64(o.acked)+Window || o.next == lastSeq {
		return false
	}
	size := s.cell - wire.CellOverhead
	p := o.payload[:0]
	for len(p) < size {
		if len(o.open) == 0 && !s.nextRecord() {
			break
		}
		n := min(size-len(p), len(o.open))
		p = append(p, o.open[:n]...)
		if o.open = o.open[n:]; len(o.open) == 0 {
			if o.ending.last {
				o.ending.seq = o.next
				o.ends = append(o.ends, o.ending)
			}
			o.ending = itemEnd{}
		}
	}
	o.payload = p
	if len(p) == 0 {
		return false
	}
	o.frames = append(o.frames, outFrame{seq: o.next, payload: slices.Clone(p)})
	o.next++
	s.touch()
	return true
}

// nextRecord begins the record of the highest class that has one ready.
func (s *Session) nextRecord() bool {
	o := &s.sending
	if len(o.control) > 0 {
		data := o.control[0]
		o.control = o.control[1:]
		m, ok := parseMessage(data)
		if !ok {
			panic("pairwise: a control message of our own does not parse")
		}
		o.begin(wire.Record{Class: wire.ClassControl, Last: true, Item: m.item(), Data: data})
		return true
	}
	if s.phase != Introduced || s.established == 0 || s.withheld {
		return false
	}
	for c := wire.ClassSignal; c < wire.Classes; c++ {
		if len(o.queues[c]) == 0 {
			continue
		}
		q := &o.queues[c][0]
		if q.held {
			continue
		}
		want := min(s.recordData(c), q.Size-q.off)
		data := make([]byte, want)
		if want > 0 {
			got := q.Read(q.off, data)
			if got <= 0 {
				continue
			}
			data = data[:min(got, len(data))]
		}
		r := wire.Record{Class: c, Item: q.ID, Offset: q.off, Data: data}
		q.off += uint32(len(data))
		q.begun = true
		r.Last = q.off == q.Size
		s.progress(q.ID, q.off)
		o.begin(r)
		if r.Last {
			o.queues[c] = slices.Delete(o.queues[c], 0, 1)
		}
		return true
	}
	return false
}

// recordData is how many bytes of an item one record has at most. A record that has
// begun is finished before any other, so those of letters are as long as the cells of
// one round: what is more urgent waits that long for them, and no longer.
func (s *Session) recordData(c wire.Class) uint32 {
	if c < wire.ClassLetter {
		return wire.MaxRecordData
	}
	return uint32(min(wire.MaxRecordData, twins*(s.cell-wire.CellOverhead)-wire.RecordHeader))
}

func (o *sender) begin(r wire.Record) {
	o.open = r.Append(make([]byte, 0, wire.RecordHeader+len(r.Data)))
	o.ending = itemEnd{class: r.Class, last: r.Last, item: r.Item}
}

// chosen returns the frame that goes out on twin in round, or nil for padding,
// and notes that it is sent. Circuits of version 0 carry control messages only:
// once version 1 is in use they carry nothing.
func (s *Session) chosen(version uint32, round uint64, twin int) *outFrame {
	o := &s.sending
	if round != o.round || !o.choice[twin].set || version == 0 && s.established > 0 {
		return nil
	}
	seq := o.choice[twin].seq
	o.choice[twin].set = false
	i, ok := slices.BinarySearchFunc(o.frames, seq, func(f outFrame, seq uint32) int { return int(int64(f.seq) - int64(seq)) })
	if !ok || seq >= s.book.durable.next {
		return nil
	}
	f := &o.frames[i]
	if !f.sent {
		f.sent, f.first = true, round
	}
	f.last = round
	return f
}

// acknowledged acts on the peer's acknowledgement of every frame below ack and
// of frame ack+1+i for bit i of bitmap. Frames that are not durable were never
// sent: whoever acknowledges them misbehaves, and nothing follows.
func (s *Session) acknowledged(ack, bitmap uint32) {
	o := &s.sending
	top := uint64(ack) // the first frame that nothing is said about
	for i := range Window {
		if bitmap>>i&1 == 1 {
			top = uint64(ack) + 2 + uint64(i)
		}
	}
	if top > uint64(s.book.durable.next) {
		s.misbehave()
		return
	}
	kept := o.frames[:0]
	for _, f := range o.frames {
		ahead := uint64(f.seq) - uint64(ack) - 1 // of the first that the bitmap covers
		if f.seq >= ack && (f.seq == ack || ahead >= Window || bitmap>>ahead&1 == 0) {
			kept = append(kept, f)
			continue
		}
		if f.sent {
			o.late = max(o.late, f.first)
		}
		s.book.pending.DropFrames = append(s.book.pending.DropFrames, f.seq)
		s.touch()
	}
	clear(o.frames[len(kept):])
	o.frames = kept
	if ack > o.acked {
		o.acked = ack
		s.touch()
		if s.calling { // the peer holds this generation, durably
			s.calling = false
			s.metAgain()
		}
	}
	for len(o.ends) > 0 && o.ends[0].seq < o.acked {
		e := o.ends[0]
		o.ends = slices.Delete(o.ends, 0, 1)
		if e.class == wire.ClassControl {
			s.controlAcknowledged(kind(e.item[0]), uint32(e.item[1])<<24|uint32(e.item[2])<<16|uint32(e.item[3])<<8|uint32(e.item[4]))
		} else {
			s.book.pending.Delivered = append(s.book.pending.Delivered, e.item)
		}
	}
}

// maxPayload bounds a stored frame: the largest cell that a network may have.
const maxPayload = 1024 - wire.CellFrameHeader - suite.AEADOverhead
