package pairwise

import (
	"slices"

	"backchannel/internal/wire"
)

// Delta is what changed since the last Saved. It must be written in one
// transaction. The slices are not changed afterwards.
type Delta struct {
	State      []byte        // replaces the stored state; secret
	AddFrames  []StoredFrame // to store beside it
	DropFrames []uint32      // stored frames that are no longer needed; unknown ones are to be ignored
	Records    []wire.Record // received, of classes above control, in order
	Progress   []Progress    // at most one per item
	Delivered  []wire.ItemID // items whose last byte the peer has made durable

	// Restart tells that the stream begins afresh, after Records, Progress and
	// Delivered were applied: stored frames are dropped, items that arrived in part
	// are forgotten and those that were not delivered are at 0, for both sides offer
	// them again; the contact is unverified. After the commit call Requeue.
	Restart bool

	Dirty bool // false: there is nothing to write
}

// StoredFrame is the content of a data frame that waits for acknowledgement.
// After a restart it is sent again in new cells: content repeats, keys never do.
type StoredFrame struct {
	Seq     uint32
	Payload []byte
}

// book keeps apart what is durable, what is being written and what is not yet.
type book struct {
	dirty   bool
	pending Delta // its lists only
	taken   Delta
	token   uint64
	open    bool  // taken is being written
	writing facts // that hold once taken is durable
	durable facts
	stale   bool // taken belongs to the stream before a restart
}

// facts are what may leave the process once they are durable.
type facts struct {
	saved   bool
	next    uint32 // frames below it may be sent
	ack     uint32 // acknowledgement and
	bitmap  uint32 // bitmap that may be sent
	version uint32 // highest version that may be listed
}

func (s *Session) facts() facts {
	f := facts{true, s.sending.next, s.incoming.next, s.incoming.bitmap(), 0}
	for i := range s.versions {
		if v := &s.versions[i]; v.listable {
			f.version = v.number
		}
	}
	return f
}

// Take returns everything since the last Saved, and a token for it. While a
// token is outstanding, and when nothing changed, the Delta is not Dirty and is
// to be dropped, its token too.
func (s *Session) Take() (Delta, uint64) {
	b := &s.book
	if b.open || !b.dirty {
		return Delta{}, 0
	}
	d := b.pending
	for _, f := range s.sending.frames {
		if f.seq >= b.durable.next {
			d.AddFrames = append(d.AddFrames, StoredFrame{f.seq, f.payload})
		}
	}
	d.State, d.Dirty = s.encode(), true
	b.pending, b.taken, b.dirty, b.open = Delta{}, d, false, true
	b.token++
	b.writing = s.facts()
	return d, b.token
}

// Completed reports whether an item of a class arrived as a whole since the last
// Take.
func (s *Session) Completed(class wire.Class) bool {
	return slices.ContainsFunc(s.book.pending.Records, func(r wire.Record) bool { return r.Class == class && r.Last })
}

// Saved tells that the Delta of token is durable: its frames may be sent, its
// received frames acknowledged, its versions listed. Another token is ignored.
func (s *Session) Saved(token uint64) {
	b := &s.book
	if !b.open || token != b.token {
		return
	}
	if !b.stale {
		b.durable = b.writing
	}
	b.taken, b.open, b.stale = Delta{}, false, false
}

// Failed tells that the Delta of token was not written; everything in it will be
// part of the next Take. Call it only if the transaction certainly left nothing
// behind; otherwise load the session anew.
func (s *Session) Failed(token uint64) {
	b := &s.book
	if !b.open || token != b.token {
		return
	}
	later := b.pending
	b.pending = Delta{
		Records:   append(slices.Clip(b.taken.Records), later.Records...),
		Delivered: append(slices.Clip(b.taken.Delivered), later.Delivered...),
		Restart:   b.taken.Restart || later.Restart,
	}
	if b.stale {
		b.pending.DropFrames = later.DropFrames
	} else {
		b.pending.DropFrames = append(slices.Clip(b.taken.DropFrames), later.DropFrames...)
		b.pending.Progress = slices.Clone(b.taken.Progress)
	}
	for _, p := range later.Progress {
		s.progress(p.Item, p.Assigned)
	}
	b.taken, b.open, b.stale, b.dirty = Delta{}, false, false, true
}

// restart forgets what belongs to the stream that ends: nothing of the new one is
// durable yet. What was received and delivered stays true.
func (b *book) restart() {
	b.pending.DropFrames, b.pending.Progress, b.pending.Restart = nil, nil, true
	b.durable, b.stale = facts{}, b.open
}

// progress notes how far an item is assigned.
func (s *Session) progress(id wire.ItemID, assigned uint32) {
	p := &s.book.pending.Progress
	if i := slices.IndexFunc(*p, func(p Progress) bool { return p.Item == id }); i >= 0 {
		(*p)[i].Assigned = assigned
		return
	}
	*p = append(*p, Progress{id, assigned})
}
