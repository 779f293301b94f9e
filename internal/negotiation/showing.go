package negotiation

import (
	"slices"
	"time"

	"backchannel/internal/suite"
)

// A member can show another what a third told the room, together with the vouch tag
// that the third made for just that case. Who is shown it then knows that the third
// wrote it, and could have made all of it himself: so it convinces one member and
// proves nothing to anybody else.

// maxShown bounds what waits to be judged, per member that showed it: nobody can use up
// the room that what others show needs.
const maxShown = 64

// showing hands over a statement to the room as its author encoded it, without its
// vouch tags, and the one tag that is for the receiver. Rows keep no tag.
type showing struct {
	Statement []byte `cbor:"1,keyasint"`
	Tag       []byte `cbor:"2,keyasint,omitempty"`
}

func (*showing) kind() Kind { return kindShow }
func (b *showing) check() error {
	e, err := parseKept(b.Statement)
	if err != nil {
		return err
	}
	if e.Class != ClassRoom || len(e.Vouch) > 0 || e.Kind.secret() {
		return refused("what is shown is a statement to the room, without its vouch tags")
	}
	if len(b.Tag) != 0 && len(b.Tag) != TagSize {
		return refused("what is shown has one vouch tag")
	}
	return nil
}

// ShownState is what follows from a statement that was shown and its tag.
type ShownState string

// The states. What waits is settled in seven days; what was written becomes the same
// if its author says it after all; the others are final.
const (
	ShownByUs         ShownState = "shown by us"
	ShownWaits        ShownState = "waits"        // the vouch key may still come
	ShownSame         ShownState = "same"         // it is what this member was told as well
	ShownWritten      ShownState = "written"      // its author wrote it, and has not told this member so
	ShownInconsistent ShownState = "inconsistent" // author and shower do not fit; nothing shows which of them it is
	ShownUnknown      ShownState = "unknown"      // keys are erased: nothing can be said any more
)

// shownWords is the exact text of each state. {0} wrote it or is said to have, {1}
// showed it; of ShownByUs {1} was shown it.
var shownWords = map[ShownState]string{
	ShownByUs: "You showed {1} what {0} said, with the tag by which {1} can tell that {0} wrote it. " +
		"It proves nothing to others, because {1} could have made it.",
	ShownWaits: "{1} shows you this as said by {0}. Whether {0} wrote it cannot be told yet: the key for it has not come.",
	ShownSame:  "{1} shows you this as said by {0}. It is what {0} told you as well.",
	ShownWritten: "{0} wrote this. {1}, who shows it to you, could not have made its tag: only {0} and you could. " +
		"For that reason you cannot prove it to anybody else.",
	ShownInconsistent: "{1} shows you this as said by {0}, and it does not fit what {0} gave you to check it with. " +
		"One of the two is not straight with you, and nothing here shows which.",
	ShownUnknown: "{1} shows you this as said by {0}. Whether {0} wrote it cannot be told any more: the key for it is erased.",
}

// shownRecord is what a member keeps beside the row of what it was shown. The tag is
// erased when it was judged, and after TagLifetime at the latest.
type shownRecord struct {
	_     struct{} `cbor:",toarray"`
	Row   ID       // the statement that showed it
	From  MemberID
	Seq   uint64
	ID    ID
	Tag   []byte
	Since uint64
	State ShownState
}

// ShownView is a statement that one member showed another.
type ShownView struct {
	ID        ID         `json:"id"`
	By        MemberID   `json:"by"`
	To        MemberID   `json:"to"`
	Time      time.Time  `json:"time"`
	Statement *Statement `json:"statement"`
	State     ShownState `json:"state"`
	Text      string     `json:"text"`
}

// Show shows a member what another member said to the room. The tag for it must
// still be here: it is erased once everybody is known to hold the same, or after
// TagLifetime.
func (r *Room) Show(id ID, to MemberID, now time.Time) (c Change, err error) {
	now = seconds(now)
	if err := r.audience(to); err != nil {
		return c, err
	}
	s, ok := r.byID[id]
	switch {
	case to.IsZero():
		return c, refused("what another said is shown to one member: name it")
	case !ok || s.Kind.secret():
		return c, refused("there is no such statement in the room")
	case s.Private():
		return c, refused("what was said to one member alone has no tag: only what was said to the room can be shown")
	case s.From == r.self:
		return c, refused("it is your own statement: say it to the member")
	case s.From == to:
		return c, refused("it is the member's own statement")
	}
	at := slices.IndexFunc(r.local.Tags, func(t tagRecord) bool { return t.From == s.From && t.Seq == s.Seq && t.ID == id })
	if at < 0 {
		return c, refused("its tags are erased: all members hold the same, or more than seven days have passed")
	}
	place := slices.Index(r.others(s.From, r.self), to)
	b := &showing{Statement: r.envelope(s).told(), Tag: slices.Clone(r.local.Tags[at].Tags[TagSize*place : TagSize*(place+1)])}
	raw, err := EncodeBody(b)
	if err != nil {
		return c, err
	}
	if len(raw)+1000 > MaxStatement {
		return c, refused("the statement is too long to be shown: it has %d bytes", len(b.Statement))
	}
	r.put(kindShow, raw, to, &c, now)
	r.exchange(&c, now)
	return c, nil
}

// showable lists what Show would take, whoever is to be shown it.
func (r *Room) showable() []ID {
	list := []ID{}
	for _, t := range r.local.Tags {
		if s, ok := r.byID[t.ID]; ok && !r.local.Frozen && s.From == t.From && s.Seq == t.Seq && !s.Private() {
			list = append(list, t.ID)
		}
	}
	return list
}

// envelope is a statement to the room as its author encoded it.
func (r *Room) envelope(s *Statement) *Envelope {
	return &Envelope{Version: r.charter.Plan.Version, Room: r.charter.Room, From: s.From, Seq: s.Seq, Prev: r.told[s.From].at(s.Seq - 1),
		Vector: s.Vector, Heads: s.heads, Time: uint64(s.Time.Unix()), Kind: s.Kind, Body: s.Raw}
}

// shown takes in what a member shows. row is the id of its statement.
func (r *Room) shown(via MemberID, row ID, b *showing, now time.Time) {
	e, err := r.shownEnvelope(via, b)
	if err != nil {
		return // it keeps its place, and View says that it is no statement of the room
	}
	rec := shownRecord{Row: row, From: e.From, Seq: e.Seq, ID: e.ID(), Tag: slices.Clone(b.Tag), Since: uint64(now.Unix()), State: ShownWaits}
	pending := 0
	for _, o := range r.local.Shown {
		// One whose row waits for another is counted for everybody.
		if s := r.byID[o.Row]; o.State == ShownWaits && (s == nil || s.From == via) {
			pending++
		}
	}
	if pending >= maxShown {
		rec.Tag, rec.State = nil, ShownUnknown
	}
	r.local.Shown = append(r.local.Shown, rec)
	if len(b.Tag) == TagSize && r.hearsayVia(via) < maxHearsay {
		// What it means for this member's own copy is what a passed on tag means.
		r.local.Hearsay = append(r.local.Hearsay, hearsay{Via: via, From: e.From, Seq: e.Seq, ID: rec.ID, Tag: [TagSize]byte(b.Tag), Since: rec.Since})
	}
}

// shownEnvelope is the statement that a member shows, if it is one that it can show.
func (r *Room) shownEnvelope(via MemberID, b *showing) (*Envelope, error) {
	e, err := parseKept(b.Statement)
	if err != nil {
		return nil, err
	}
	if r.index(e.From) < 0 || e.From == via {
		return nil, refused("what is shown is by no other member of the room")
	}
	return e, r.belongs(e.From, e)
}

// weigh judges what was shown, as far as the keys for it are here.
func (r *Room) weigh(now time.Time) {
	for i := range r.local.Shown {
		rec := &r.local.Shown[i]
		heard := rec.Seq <= uint64(len(r.told[rec.From].list))
		same := heard && r.told[rec.From].at(rec.Seq) == rec.ID
		if rec.State != ShownWaits {
			if rec.State == ShownWritten && same { // it came from its author after all
				rec.State = ShownSame
			}
			continue
		}
		key, right := r.keyFor(rec.From, rec.Seq), false
		if key != nil {
			tag := VouchTag(&key.Key, rec.Seq, rec.ID)
			right = suite.Equal(tag[:], rec.Tag)
		}
		switch {
		case right && !same:
			rec.State = ShownWritten
		case right, key == nil && same: // keys go when all hold the same
			rec.State = ShownSame
		case heard: // before that a newer key may be on its way, with what was said under it
			rec.State = ShownInconsistent
		case now.Sub(unix(rec.Since)) >= TagLifetime:
			rec.State = ShownUnknown
		default:
			continue
		}
		clear(rec.Tag)
		rec.Tag = nil
	}
}

// unshowable is a statement that shows what no member can have said to the room. It
// is listed with what could not be read.
func (r *Room) unshowable(s *Statement) (*Statement, bool) {
	b, ok := s.Body.(*showing)
	if ok {
		if _, err := r.shownEnvelope(s.From, b); err == nil {
			return nil, false
		}
	}
	c := *s
	c.Body, c.Unreadable = nil, "what it shows is no statement of this room by another member"
	return &c, true
}

// shownViews lists what members showed each other, as far as this one knows of it.
func (r *Room) shownViews(names func(MemberID) string) []ShownView {
	list := []ShownView{}
	for _, s := range r.statements {
		b, ok := s.Body.(*showing)
		if !ok {
			continue
		}
		e, err := r.shownEnvelope(s.From, b)
		if err != nil {
			continue
		}
		v := ShownView{ID: s.ID, By: s.From, To: s.To, Time: s.Time, State: ShownUnknown,
			Statement: r.read(arrived{Row{From: e.From, At: s.At, ID: e.ID()}, e})}
		other := v.By
		if v.By == r.self {
			v.State, other = ShownByUs, v.To
		}
		for _, rec := range r.local.Shown {
			if rec.Row == s.ID {
				v.State = rec.State
			}
		}
		v.Text = Alarm{About: []MemberID{e.From, other}}.say(shownWords[v.State], names)
		list = append(list, v)
	}
	return list
}
