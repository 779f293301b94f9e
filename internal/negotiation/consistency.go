package negotiation

import (
	"encoding/binary"
	"io"
	"slices"
	"time"

	"backchannel/internal/suite"
)

// Times of the comparison of what members were told.
const (
	TagLifetime  = 7 * 24 * time.Hour // vouch keys and tags are erased by then at the latest
	keyTerm      = 24 * time.Hour     // a vouch key makes tags for so long
	gossipAfter  = 10 * time.Minute   // a tag is passed on if nothing was compared by then
	missingAfter = 10 * time.Minute   // what others have and we lack is told after so long: lines are slow
	withheldTime = 24 * time.Hour     // and called held back after so long
)

// AlarmType says what does not fit.
type AlarmType string

// The alarms. None of them says more than what follows from what was compared.
const (
	// AlarmFork: a member sent this station two statements with one place in its
	// chain, or one that does not follow the one before.
	AlarmFork AlarmType = "fork"
	// AlarmToldDifferent: About[0] told About[1] something else than this member, at
	// Seq; the vouch tag is one that only About[0] and this station could make.
	AlarmToldDifferent AlarmType = "told different things"
	// AlarmInconsistent: what About[1] passed on as told by About[0] does not fit.
	// Either may have done it.
	AlarmInconsistent AlarmType = "inconsistent"
	// AlarmDiffers: About[0] holds other statements than this member holds, although
	// both have the same number of everybody's.
	AlarmDiffers AlarmType = "differs"
	// AlarmVector: About[0] claims to have heard what was not said, or to have
	// forgotten what it had heard.
	AlarmVector AlarmType = "impossible claim"
	// AlarmMissing: About[1] says that it has statements of About[0] that have not
	// come here.
	AlarmMissing AlarmType = "missing"
	// AlarmWithheld: the same for longer than a day.
	AlarmWithheld AlarmType = "withheld"
	// AlarmGap: About[0] left a statement out of its own chain.
	AlarmGap AlarmType = "gap"
)

// Alarm is shown until the room ends.
type Alarm struct {
	Type  AlarmType  `cbor:"1,keyasint" json:"type"`
	About []MemberID `cbor:"2,keyasint" json:"about"`
	Seq   uint64     `cbor:"3,keyasint" json:"seq,omitempty"`
	At    time.Time  `cbor:"4,keyasint" json:"at"`
	Text  string     `cbor:"5,keyasint,omitempty" json:"text,omitempty"` // filled in by View
}

// wording is the exact text of each alarm; {0} and {1} are the members it is about.
var wording = map[AlarmType]string{
	AlarmFork: "{0} sent you two statements that claim the same place, or one that does not continue what it said before. " +
		"The one that came first counts here. Ask {0}, and ask the others what they have.",
	AlarmToldDifferent: "{0} told {1} something else than it told you, at the same place in what it says to this room. " +
		"You can know this, because nobody but {0} and you could have made the tag that {1} passed on. You cannot prove it to anybody else.",
	AlarmInconsistent: "What {1} passed on as said by {0} does not fit what {0} told you. " +
		"One of the two is not straight with you, and nothing here shows which.",
	AlarmDiffers: "{0} does not hold the same statements as you, although it has as many of everybody's. " +
		"Somebody in this room told different things to different members; this alone does not show who.",
	AlarmVector: "{0} claims to have heard statements that were never said, or no longer has what it had. " +
		"Its station may have been restored from an older state, or it is not straight.",
	AlarmMissing: "{1} says that it has statements of {0} that have not reached you. They may still be on their way.",
	AlarmWithheld: "{1} has said for more than a day that it has statements of {0} that have not reached you. " +
		"{0} is held up or holds them back from you, or {1} claims what is not so.",
	AlarmGap: "{0} sent statements that follow one that has not come. They are kept, and count once it has come.",
}

type keyOut struct {
	_    struct{} `cbor:",toarray"`
	To   MemberID
	Key  [suite.KeySize]byte
	Made uint64
}

type keyIn struct {
	_     struct{} `cbor:",toarray"`
	From  MemberID
	First uint64 // first statement under it
	Key   [suite.KeySize]byte
	At    uint64
}

// tagRecord is what a member needs in order to pass on what it was told.
type tagRecord struct {
	_     struct{} `cbor:",toarray"`
	From  MemberID
	Seq   uint64
	ID    ID
	Tags  []byte // for each member but From and this one, in order
	Sent  uint64 // bit i: passed on to the i-th of them
	Since uint64
}

// hearsay is a tag that was passed on and cannot be judged yet.
type hearsay struct {
	_     struct{} `cbor:",toarray"`
	Via   MemberID
	From  MemberID
	Seq   uint64
	ID    ID
	Tag   [TagSize]byte
	Since uint64
}

// vouchKey hands a vouch key over, for the sender's statements from First on.
type vouchKey struct {
	First uint64              `cbor:"1,keyasint"`
	Key   [suite.KeySize]byte `cbor:"2,keyasint"`
}

func (*vouchKey) kind() Kind { return kindKeys }
func (b *vouchKey) check() error {
	if b.First == 0 {
		return refused("the statements of a chain count from 1")
	}
	return nil
}

// gossip passes vouch tags on to the member that they are for.
type gossip struct {
	Entries []entry `cbor:"1,keyasint"`
}

type entry struct {
	_    struct{} `cbor:",toarray"`
	From uint64   // place in the order of members
	Seq  uint64
	ID   ID
	Tag  [TagSize]byte
}

func (*gossip) kind() Kind { return kindGossip }
func (b *gossip) check() error {
	if len(b.Entries) == 0 || len(b.Entries) > MaxGossip {
		return refused("vouch tags come 1 to %d at a time", MaxGossip)
	}
	return nil
}

// VouchTag is the tag for one statement: the first half of PRF(key;
// negotiation/vouch, seq(8) ‖ id). It binds the place besides the id; without that a
// tag could be passed on as one for another place, and would accuse an honest
// member.
func VouchTag(key *[suite.KeySize]byte, seq uint64, id ID) (tag [TagSize]byte) {
	full := suite.PRF(*key, suite.LabelVouch, binary.BigEndian.AppendUint64(nil, seq), id[:])
	copy(tag[:], full[:])
	return tag
}

// Heads is H(negotiation/heads; the ids), one for each member in their order: that of
// the last statement heard of it, zeros if there is none.
func Heads(ids []ID) ID {
	var all []byte
	for _, id := range ids {
		all = append(all, id[:]...)
	}
	return suite.Hash(suite.LabelHeads, all)
}

// headsAt is the heads at a vector that this member's copy covers.
func (r *Room) headsAt(vector []uint64) ID {
	var ids []ID
	for i, m := range r.members {
		ids = append(ids, r.told[m].at(vector[i]))
	}
	return Heads(ids)
}

func (r *Room) vector() []uint64 {
	v := make([]uint64, len(r.members))
	for i, m := range r.members {
		v[i] = uint64(len(r.told[m].list))
	}
	return v
}

// compare looks at every statement whose vector the own copy covers by now.
func (r *Room) compare(c *Change) {
	r.unmatched = slices.DeleteFunc(r.unmatched, func(s *Statement) bool {
		own, from := r.index(r.self), r.index(s.From)
		about := []MemberID{s.From}
		previous := make([]uint64, len(r.members))
		if s.Seq > 1 {
			previous = r.told[s.From].list[s.Seq-2].Vector
		}
		back := false
		for i := range r.members {
			back = back || s.Vector[i] < previous[i]
		}
		if back || s.Vector[from] != s.Seq-1 || s.Vector[own] > uint64(len(r.told[r.self].list)) {
			r.alarm(c, Alarm{Type: AlarmVector, About: about, Seq: s.Seq, At: s.At})
			return true
		}
		for i, m := range r.members {
			if s.Vector[i] > uint64(len(r.told[m].list)) {
				return false
			}
		}
		if heads := r.headsAt(s.Vector); !suite.Equal(heads[:], s.heads) {
			r.alarm(c, Alarm{Type: AlarmDiffers, About: about, At: s.At})
			return true
		}
		for i := range r.members {
			r.compared[s.From][i] = max(r.compared[s.From][i], s.Vector[i])
		}
		r.compared[s.From][from] = max(r.compared[s.From][from], s.Seq)
		return true
	})
}

// alarm raises an alarm once; a later one about the same adds nothing.
func (r *Room) alarm(c *Change, a Alarm) {
	same := func(b Alarm) bool { return a.Type == b.Type && slices.Equal(a.About, b.About) }
	if slices.ContainsFunc(r.local.Alarms, same) {
		return
	}
	a.At = seconds(a.At)
	r.local.Alarms = append(r.local.Alarms, a)
	c.Events = append(c.Events, Event{Type: EventAlarm, Alarm: &a})
}

// others are all members but two, in order: those for whom a tag is made.
func (r *Room) others(a, b MemberID) (list []MemberID) {
	for _, m := range r.members {
		if m != a && m != b {
			list = append(list, m)
		}
	}
	return list
}

// withoutSecret is the body that a row keeps of a statement with keys or tags.
func withoutSecret(k Kind, raw []byte) []byte {
	if k != kindShow {
		return nil
	}
	b, err := ParseBody(k, raw)
	if err != nil {
		return nil
	}
	return encode(&showing{Statement: b.(*showing).Statement})
}

// secret takes a vouch key, vouch tags or a statement that is shown in. row is the id
// of the statement that brought it.
func (r *Room) secret(from MemberID, row ID, e *Envelope, now time.Time) {
	b, err := ParseBody(e.Kind, e.Body)
	if err != nil || e.Class != ClassPrivate {
		return // it keeps its place in the chain; without a key its tags cannot be judged
	}
	at := uint64(now.Unix())
	switch b := b.(type) {
	case *showing:
		r.shown(from, row, b, now)
	case *vouchKey:
		r.dropOldest(from)
		r.local.KeysIn = append(r.local.KeysIn, keyIn{From: from, First: b.First, Key: b.Key, At: at})
	case *gossip:
		for _, g := range b.Entries {
			if g.From >= uint64(len(r.members)) || g.Seq == 0 {
				continue
			}
			about := r.members[g.From]
			if about == from || about == r.self || r.hearsayVia(from) >= maxHearsay {
				continue
			}
			r.local.Hearsay = append(r.local.Hearsay, hearsay{Via: from, From: about, Seq: g.Seq, ID: g.ID, Tag: g.Tag, Since: at})
		}
	}
}

// dropOldest makes room for another key of a member, which is left with fewer than
// maxKeys. What was said under the one that goes can be judged no more; its sender
// could as well have given none.
func (r *Room) dropOldest(from MemberID) {
	n, oldest := 0, -1
	for i, k := range r.local.KeysIn {
		if k.From == from {
			if n++; oldest < 0 || k.First < r.local.KeysIn[oldest].First {
				oldest = i
			}
		}
	}
	if n >= maxKeys {
		clear(r.local.KeysIn[oldest].Key[:])
		r.local.KeysIn = slices.Delete(r.local.KeysIn, oldest, oldest+1)
	}
}

// hearsayVia counts what one member passed on and cannot be judged yet. Somebody who
// deceives could otherwise fill the list with what never comes, and what the others
// pass on about it would find no room.
func (r *Room) hearsayVia(m MemberID) (n int) {
	for _, h := range r.local.Hearsay {
		if h.Via == m {
			n++
		}
	}
	return n
}

func (r *Room) keepTags(from MemberID, seq uint64, id ID, tags []byte, now time.Time) {
	r.local.Tags = append(r.local.Tags, tagRecord{From: from, Seq: seq, ID: id, Tags: slices.Clone(tags), Since: uint64(now.Unix())})
}

// keyFor is the key under which a member's statement at seq was vouched to us.
func (r *Room) keyFor(from MemberID, seq uint64) (key *keyIn) {
	for i := range r.local.KeysIn {
		k := &r.local.KeysIn[i]
		if k.From == from && k.First <= seq && (key == nil || k.First >= key.First) {
			key = k
		}
	}
	return key
}

// judge compares what was passed on with what is held, as far as both are here.
func (r *Room) judge(c *Change, now time.Time) {
	r.local.Hearsay = slices.DeleteFunc(r.local.Hearsay, func(h hearsay) bool {
		if h.Seq > uint64(len(r.told[h.From].list)) {
			return false
		}
		key, right := r.keyFor(h.From, h.Seq), false
		same := r.told[h.From].at(h.Seq) == h.ID
		if key != nil {
			tag := VouchTag(&key.Key, h.Seq, h.ID)
			right = suite.Equal(tag[:], h.Tag[:])
		} else if same {
			return true // the key is erased: nothing more can be said
		}
		a := Alarm{About: []MemberID{h.From, h.Via}, Seq: h.Seq, At: now}
		switch {
		case same && right:
			return true
		case right:
			a.Type = AlarmToldDifferent
		default:
			a.Type = AlarmInconsistent
		}
		r.alarm(c, a)
		return true
	})
}

// exchange judges hearsay, passes tags on that are due, and erases what has served
// or is too old.
func (r *Room) exchange(c *Change, now time.Time) {
	r.weigh(now)
	r.judge(c, now)
	for _, to := range r.members {
		if to != r.self && !r.local.Frozen {
			r.passOn(to, c, now)
		}
	}
	r.erase(now)
}

// passOn sends a member the tags that are for it: those about which nothing was
// compared for some time, and all at once when something does not fit.
func (r *Room) passOn(to MemberID, c *Change, now time.Time) {
	alarmed := slices.ContainsFunc(r.local.Alarms, func(a Alarm) bool { return a.Type != AlarmVector })
	var g gossip
	flush := func() {
		if len(g.Entries) > 0 {
			r.send(&g, to, c, now)
			g.Entries = nil
		}
	}
	for i := range r.local.Tags {
		t := &r.local.Tags[i]
		at := slices.Index(r.others(t.From, r.self), to)
		place := r.index(t.From)
		if at < 0 || t.Sent>>at&1 == 1 {
			continue
		}
		canCompare := r.spoken[place] >= t.Seq || r.compared[to][place] >= t.Seq
		if !alarmed && (canCompare || now.Sub(unix(t.Since)) < gossipAfter) {
			continue
		}
		t.Sent |= 1 << at
		g.Entries = append(g.Entries, entry{From: uint64(place), Seq: t.Seq, ID: t.ID, Tag: [TagSize]byte(t.Tags[TagSize*at:])})
		if len(g.Entries) == MaxGossip {
			flush()
		}
	}
	flush()
}

// agreed reports that every other member holds the same as this one up to a place
// of a member's chain.
func (r *Room) agreed(from MemberID, seq uint64) bool {
	for _, m := range r.members {
		if m != r.self && r.compared[m][r.index(from)] < seq {
			return false
		}
	}
	return true
}

func (r *Room) erase(now time.Time) {
	old := func(since uint64) bool { return now.Sub(unix(since)) >= TagLifetime }
	r.local.Tags = slices.DeleteFunc(r.local.Tags, func(t tagRecord) bool {
		gone := old(t.Since) || r.agreed(t.From, t.Seq)
		if gone {
			clear(t.Tags)
		}
		return gone
	})
	r.local.KeysIn = slices.DeleteFunc(r.local.KeysIn, func(k keyIn) bool {
		next := uint64(0) // first statement under the key after this one
		for _, l := range r.local.KeysIn {
			if l.From == k.From && l.First > k.First && (next == 0 || l.First < next) {
				next = l.First
			}
		}
		return old(k.At) || next > 0 && uint64(len(r.told[k.From].list)) >= next-1 && r.agreed(k.From, next-1)
	})
	r.local.Hearsay = slices.DeleteFunc(r.local.Hearsay, func(h hearsay) bool { return old(h.Since) })
	r.local.KeysOut = slices.DeleteFunc(r.local.KeysOut, func(k keyOut) bool { return old(k.Made) })
}

// vouch makes the tags of an own statement, handing out new keys before it where
// needed. Tags go to the others: the copy for B has the tags for all but B.
func (r *Room) vouch(seq uint64, c *Change, now time.Time) error {
	if len(r.members) < 3 {
		return nil
	}
	for _, m := range r.members {
		if m == r.self {
			continue
		}
		i := slices.IndexFunc(r.local.KeysOut, func(k keyOut) bool { return k.To == m })
		if i >= 0 && now.Sub(unix(r.local.KeysOut[i].Made)) < keyTerm {
			continue
		}
		k := keyOut{To: m, Made: uint64(now.Unix())}
		if _, err := io.ReadFull(r.random, k.Key[:]); err != nil {
			return err
		}
		if i >= 0 {
			r.local.KeysOut[i] = k
		} else {
			r.local.KeysOut = append(r.local.KeysOut, k)
		}
		r.send(&vouchKey{First: seq, Key: k.Key}, m, c, now)
	}
	return nil
}

// tags are the vouch tags in the copy of an own statement for one member.
func (r *Room) tags(to MemberID, seq uint64, id ID) (all []byte) {
	for _, m := range r.others(r.self, to) {
		for i := range r.local.KeysOut {
			if k := &r.local.KeysOut[i]; k.To == m {
				tag := VouchTag(&k.Key, seq, id)
				all = append(all, tag[:]...)
			}
		}
	}
	return all
}

// missing are the alarms of the moment: what others say they have and this member
// lacks. Who says so may be wrong about it, and the wording allows for that.
func (r *Room) missing(now time.Time) (alarms []Alarm) {
	type claim struct{ of, by MemberID }
	since := map[claim]time.Time{}
	lacks := func(of, by MemberID, at time.Time) {
		c := claim{of, by}
		if old, ok := since[c]; !ok || at.Before(old) {
			since[c] = at
		}
	}
	for _, s := range r.unmatched {
		for i, m := range r.members {
			if s.Vector[i] > uint64(len(r.told[m].list)) {
				lacks(m, s.From, s.At)
			}
		}
	}
	for _, h := range r.local.Hearsay {
		if h.Seq > uint64(len(r.told[h.From].list)) {
			lacks(h.From, h.Via, unix(h.Since))
		}
	}
	for _, h := range r.held {
		if h.env.Seq > r.chainOf(h.row).next() {
			lacks(h.row.From, h.row.From, h.row.At)
		}
	}
	for _, of := range r.members {
		for _, by := range r.members {
			at, ok := since[claim{of, by}]
			if !ok || of != by && now.Sub(at) < missingAfter {
				continue
			}
			a := Alarm{Type: AlarmMissing, About: []MemberID{of, by}, At: seconds(at)}
			switch {
			case of == by:
				a.Type = AlarmGap
			case now.Sub(at) > withheldTime:
				a.Type = AlarmWithheld
			}
			alarms = append(alarms, a)
		}
	}
	return alarms
}
