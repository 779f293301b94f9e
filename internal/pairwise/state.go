package pairwise

import (
	"encoding/binary"
	"fmt"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// The stored state is one byte of format version and then, big-endian and
// without gaps, what the encoder below writes. There is one encoding of a state
// and the decoder takes no other. Frames in flight are stored beside it, so that
// a large window is not rewritten with every commit.

// stateFormat is the format that this program writes and reads.
const stateFormat = 2

// Flags of the state.
const (
	flagMisbehaved = 1 << iota
	flagDeaf
	flagHealing
	flagEnding
	flagEndingLast
	flagRestored
	flagCalling
	flagWithheld
	flagsKnown = 1<<iota - 1
)

// Flags of a version.
const (
	flagListable = 1 << iota
	flagHeal
	versionFlagsKnown = 1<<iota - 1
)

// encode writes everything that must survive the process.
func (s *Session) encode() []byte {
	o, in := &s.sending, &s.incoming
	flags := byte(0)
	set := func(bit byte, on bool) {
		if on {
			flags |= bit
		}
	}
	set(flagMisbehaved, s.misbehaved)
	set(flagDeaf, s.deaf)
	set(flagHealing, s.healing.active)
	set(flagRestored, s.restored)
	set(flagCalling, s.calling)
	set(flagWithheld, s.withheld)
	set(flagEnding, len(o.open) > 0)
	set(flagEndingLast, len(o.open) > 0 && o.ending.last)

	w := writer{make([]byte, 0, 1024+len(o.open)+len(in.buf))}
	w.bytes(stateFormat, byte(s.role), byte(s.phase), flags)
	w.u64(s.epoch)
	w.u32(s.established)
	w.u32(s.met)
	w.bytes(byte(len(s.versions)))
	for i := range s.versions {
		v := &s.versions[i]
		f := byte(0)
		if v.listable {
			f |= flagListable
		}
		if v.hasHeal {
			f |= flagHeal
		}
		w.u32(v.number)
		w.bytes(f)
		w.u64(v.epoch)
		w.key(&v.RV)
		w.key(&v.Root)
		if v.hasHeal {
			w.key(&v.Heal)
		}
	}
	w.introduction(&s.intro)
	if s.derived() {
		for _, n := range s.words {
			w.u16(n)
		}
	}
	if s.keyed() {
		w.key(&s.restore)
	}
	if s.healing.active {
		w.key(&s.healing.seed)
	}

	w.u32(o.next)
	w.u32(o.acked)
	if len(o.open) > 0 {
		w.block(o.open)
		w.bytes(byte(o.ending.class))
		w.bytes(o.ending.item[:]...)
	}
	w.u16(uint16(len(o.ends)))
	for _, e := range o.ends {
		w.u32(e.seq)
		w.bytes(byte(e.class))
		w.bytes(e.item[:]...)
	}
	w.bytes(byte(len(o.control)))
	for _, m := range o.control {
		w.block(m)
	}

	w.u32(in.next)
	w.block(in.buf)
	w.bytes(byte(len(in.ahead)))
	for _, f := range in.ahead {
		w.u32(f.seq)
		w.block(f.payload)
	}
	for c := wire.ClassSignal; c < wire.Classes; c++ {
		if item := in.open[c]; item.on {
			w.bytes(byte(c))
			w.bytes(item.item[:]...)
			w.u32(item.off)
		}
	}
	w.bytes(0)
	return w.b
}

// derived tells whether the introduction of this generation has given its words,
// and the first of all K_re.
func (s *Session) derived() bool { return s.phase == Introduced || s.intro.stage == stageAccepted }

func (w *writer) introduction(in *introduction) {
	w.bytes(byte(in.stage))
	switch in.stage {
	case stageCommitted, stageOpened:
		w.key(&in.sigma)
		w.key(&in.seed)
		w.key(&in.nonce)
		if in.stage == stageOpened {
			w.bytes(in.pkR...)
			w.bytes(in.encR...)
			w.key(&in.ssR)
		}
	case stageInvited:
		w.key(&in.sigma)
	case stageKeyed:
		w.key(&in.sigma)
		w.key(&in.seed)
		w.key(&in.commitment)
	case stageAccepted:
		w.key(&in.confirm)
	}
}

// introduction reads a stage. The first time each role has its part; later, either
// side may be I.
func (r *reader) introduction(role Role, restored bool) (in introduction) {
	in.stage = stage(r.u8())
	switch in.stage {
	case stageDone:
	case stageCommitted, stageOpened:
		in.sigma, in.seed, in.nonce = r.key(), r.key(), r.key()
		if in.stage == stageOpened {
			in.pkR = r.copy(suite.KEMPublicKeySize)
			in.encR = r.copy(suite.KEMEncapsulationSize)
			in.ssR = r.key()
		}
		r.need(role == Inviter || restored)
	case stageInvited:
		in.sigma = r.key()
		r.need(role == Invitee || restored)
	case stageKeyed:
		in.sigma, in.seed, in.commitment = r.key(), r.key(), r.key()
		r.need(role == Invitee || restored)
	case stageAccepted:
		in.confirm = r.key()
		r.need(role == Invitee || restored)
	default:
		r.need(false)
	}
	return in
}

// Load continues a session from its stored state and the frames stored beside
// it, in any order. What it returns has no talks: keys of cells never outlive a
// process. All frames are due again at once. Every error wraps ErrState.
func Load(state []byte, frames []StoredFrame) (*Session, error) {
	r := &reader{b: state}
	s := r.session()
	if r.bad || len(r.b) != 0 {
		return nil, ErrState
	}
	if err := s.restoreFrames(frames); err != nil {
		return nil, err
	}
	s.book.durable = s.facts()
	return s, nil
}

func (r *reader) session() *Session {
	s := &Session{generation: 1}
	o, in := &s.sending, &s.incoming
	r.need(r.u8() == stateFormat)
	s.role, s.phase = Role(r.u8()), Phase(r.u8())
	r.need((s.role == Inviter || s.role == Invitee) && s.phase <= Lost)
	flags := r.u8()
	r.need(flags&^flagsKnown == 0)
	s.misbehaved, s.deaf, s.healing.active = flags&flagMisbehaved != 0, flags&flagDeaf != 0, flags&flagHealing != 0
	r.need(!s.deaf || s.misbehaved || s.phase == Refused)
	s.restored, s.calling, s.withheld = flags&flagRestored != 0, flags&flagCalling != 0, flags&flagWithheld != 0
	r.need(s.restored || !s.calling && s.phase != Restoring && s.phase != Lost)
	r.need(!s.restored || s.phase != Waiting)
	r.need(!s.withheld || s.restored && !s.over())
	r.need(!s.calling || !s.over())
	r.need(s.calling || s.phase != Restoring)
	s.epoch, s.established, s.met = r.u64(), r.u32(), r.u32()
	for n := r.count(2); n > 0 && !r.bad; n-- {
		v := version{number: r.u32()}
		f := r.u8()
		r.need(f&^versionFlagsKnown == 0 && (len(s.versions) == 0 || s.newest().number < v.number))
		v.listable, v.hasHeal = f&flagListable != 0, f&flagHeal != 0
		v.epoch, v.RV, v.Root = r.u64(), r.key(), r.key()
		if v.hasHeal {
			v.Heal = r.key()
		}
		s.versions = append(s.versions, v)
	}
	s.intro = r.introduction(s.role, s.restored)
	switch done := s.intro.stage == stageDone; s.phase {
	case Introduced, Refused, Lost:
		r.need(done)
	case Restoring: // with a generation, or none yet
		r.need(done == (len(s.versions) == 0))
	default:
		r.need(!done)
	}
	r.need(s.phase != Lost || len(s.versions) == 0)
	if s.derived() {
		for i := range s.words {
			s.words[i] = r.u16()
			r.need(s.words[i] < 2048)
		}
	}
	if s.keyed() {
		s.restore = r.key()
	}
	if s.healing.active {
		s.healing.seed = r.key()
	}
	if r.need(len(s.versions) > 0 || s.over() || s.phase == Restoring); r.bad {
		return s
	}
	if len(s.versions) > 0 {
		v := s.newest()
		r.need(!s.healing.active || s.phase == Introduced && v.hasHeal)
		r.need(s.established <= v.number)
		r.need(s.derived() == (v.number > 0))
	} else {
		r.need(!s.healing.active)
	}

	o.next, o.acked = r.u32(), r.u32()
	r.need(o.acked <= o.next && o.next-o.acked <= Window)
	r.need(!s.calling || o.acked == 0)
	if flags&flagEnding != 0 {
		o.open = r.block(wire.MaxRecord)
		r.need(len(o.open) > 0)
		o.ending = itemEnd{class: r.class(), item: r.item(), last: flags&flagEndingLast != 0}
	}
	r.need(flags&flagEnding != 0 || flags&flagEndingLast == 0)
	for n := r.u16(); n > 0 && !r.bad; n-- {
		e := itemEnd{seq: r.u32(), class: r.class(), item: r.item(), last: true}
		r.need(e.seq >= o.acked && e.seq < o.next && (len(o.ends) == 0 || o.ends[len(o.ends)-1].seq <= e.seq))
		o.ends = append(o.ends, e)
	}
	for n := r.count(maxControls); n > 0 && !r.bad; n-- {
		m := r.block(maxControl)
		_, ok := parseMessage(m)
		r.need(ok)
		o.control = append(o.control, m)
	}

	in.next = r.u32()
	in.buf = r.block(wire.MaxRecord - 1)
	r.need(!s.deaf || len(in.buf) == 0)
	_, size, err := wire.ParseRecord(in.buf)
	r.need(err == nil && size == 0)
	for n := r.count(Window - 1); n > 0 && !r.bad; n-- {
		f := inFrame{r.u32(), r.block(maxPayload)}
		after := in.next
		if len(in.ahead) > 0 {
			after = in.ahead[len(in.ahead)-1].seq
		}
		r.need(f.seq > after && f.seq-in.next < Window && f.seq != lastSeq && len(f.payload) > 0)
		in.ahead = append(in.ahead, f)
	}
	for above := wire.ClassControl; !r.bad; {
		c := r.class()
		if c == wire.ClassControl {
			break
		}
		r.need(c > above)
		above = c
		if !r.bad {
			in.open[c] = openItem{true, r.item(), r.u32()}
		}
	}
	return s
}

// maxControls is how many control messages may wait for a frame: one of an
// introduction or of healing, and one that answers while it waits.
const maxControls = 4

func (s *Session) restoreFrames(frames []StoredFrame) error {
	o := &s.sending
	if len(frames) > Window {
		return ErrState
	}
	for _, f := range frames {
		if f.Seq < o.acked || f.Seq >= o.next || len(f.Payload) == 0 || len(f.Payload) > maxPayload {
			return fmt.Errorf("a stored frame does not belong to its session: %w", ErrState)
		}
		i := 0
		for i < len(o.frames) && o.frames[i].seq < f.Seq {
			i++
		}
		if i < len(o.frames) && o.frames[i].seq == f.Seq {
			return fmt.Errorf("a stored frame stands twice: %w", ErrState)
		}
		o.frames = append(o.frames, outFrame{})
		copy(o.frames[i+1:], o.frames[i:])
		o.frames[i] = outFrame{seq: f.Seq, payload: append([]byte(nil), f.Payload...)}
	}
	return nil
}

// writer appends fixed-width values.
type writer struct{ b []byte }

func (w *writer) bytes(b ...byte) { w.b = append(w.b, b...) }
func (w *writer) u16(n uint16)    { w.b = binary.BigEndian.AppendUint16(w.b, n) }
func (w *writer) u32(n uint32)    { w.b = binary.BigEndian.AppendUint32(w.b, n) }
func (w *writer) u64(n uint64)    { w.b = binary.BigEndian.AppendUint64(w.b, n) }
func (w *writer) key(k *Key)      { w.b = append(w.b, k[:]...) }
func (w *writer) block(b []byte)  { w.u16(uint16(len(b))); w.b = append(w.b, b...) }

// reader takes them off again. After the first thing that does not fit it is bad
// and returns zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) need(ok bool) { r.bad = r.bad || !ok }

func (r *reader) take(n int) []byte {
	if r.bad || len(r.b) < n {
		r.bad = true
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u8() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) key() (k Key) { copy(k[:], r.take(suite.KeySize)); return k }

func (r *reader) item() (id wire.ItemID) { copy(id[:], r.take(len(id))); return id }

func (r *reader) class() wire.Class {
	c := wire.Class(r.u8())
	r.need(c < wire.Classes)
	if r.bad {
		return wire.ClassControl
	}
	return c
}

func (r *reader) copy(n int) []byte { return append([]byte(nil), r.take(n)...) }

// count is a one-byte count of at most limit.
func (r *reader) count(limit int) int {
	n := int(r.u8())
	r.need(n <= limit)
	return n
}

// block is a two-byte length of at most limit, and that many bytes.
func (r *reader) block(limit int) []byte {
	n := int(r.u16())
	r.need(n <= limit)
	return r.copy(n)
}
