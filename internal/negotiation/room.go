package negotiation

import (
	"io"
	"slices"
	"time"
)

// Bounds of what a member can make the others keep besides its chain.
const (
	maxHeld    = 64  // statements that arrived before the one they follow, per member
	maxHearsay = 256 // vouch tags that cannot be judged yet, per member that passed them on
	maxKeys    = 256 // vouch keys of a member: one a day, kept for seven after they came
	maxRefused = 64  // refused items that are kept as they came, per member; more are only counted
)

// Member is a member as this station knows it. This station's own has no contact.
type Member struct {
	ID      MemberID
	Contact Contact
}

// Charter is what a room is made with, and never changes. Encode and ParseCharter
// are for the vault.
type Charter struct {
	Plan    Plan
	Self    MemberID
	Members []Member // in order
	Room    ID
	Created time.Time
}

// Charter is that of the room which a complete formation made.
func (f *Formation) Charter(now time.Time) (Charter, error) {
	if f.State != FormationComplete {
		return Charter{}, refused("the room is %s, not complete", f.State)
	}
	c := Charter{Plan: f.Plan, Self: f.Self, Room: f.Room(), Created: seconds(now)}
	for _, id := range f.Members() {
		m := Member{ID: id}
		for _, p := range f.Peers {
			if p.ID == id {
				m.Contact = p.Contact
			}
		}
		c.Members = append(c.Members, m)
	}
	return c, nil
}

// Encode is for the vault.
func (c Charter) Encode() []byte { return encode(&c) }

// ParseCharter is the inverse of Encode.
func ParseCharter(b []byte) (c Charter, err error) {
	err = decode(b, &c)
	c.Created = c.Created.UTC()
	return c, err
}

// Room is one member's copy of a room. It is made again by Restore from what Apply,
// Say and Tick handed out, and is not safe for concurrent use.
type Room struct {
	charter Charter
	self    MemberID
	members []MemberID // in order
	random  io.Reader

	statements []*Statement // in order of arrival here
	byID       map[ID]*Statement
	told       map[MemberID]*chain // what each said to the room
	heard      map[MemberID]*chain // what each said to this member alone
	said       map[MemberID]*chain // what this member said to each alone
	held       []arrived           // statements whose predecessor has not come
	refused    []Row

	unmatched []*Statement          // statements whose vector is not covered yet
	compared  map[MemberID][]uint64 // up to where each holds what this member holds
	spoken    []uint64              // the vector of the last own statement to the room

	local local
}

// chain is the statements of one sender to one audience. Each names the one before
// it, so that equal heads mean equal chains.
type chain struct {
	list []*Statement
}

func (c *chain) head() (id ID) {
	if n := len(c.list); n > 0 {
		return c.list[n-1].ID
	}
	return id
}

func (c *chain) at(seq uint64) (id ID) {
	if seq > 0 {
		return c.list[seq-1].ID
	}
	return id
}

type arrived struct {
	row Row
	env *Envelope
}

// Change is what a call did. The station writes Rows, the room's Local and what is
// to be sent in one transaction, and only then sends.
type Change struct {
	Rows   []Row
	Out    []Out
	Events []Event
}

// Event tells a station what to show or hand on. It says nothing that View does not.
type Event struct {
	Type      EventType
	Statement *Statement // of EventStatement and EventOpaque
	Alarm     *Alarm     // of EventAlarm
}

// EventType says what happened.
type EventType string

// The events.
const (
	EventStatement EventType = "statement" // a member said something
	EventOpaque    EventType = "opaque"    // the same, of a kind under round/ or sign/
	EventAlarm     EventType = "alarm"
	EventRefused   EventType = "refused" // something could not be read; it is kept
)

// NewRoom begins the copy of a new room. random gives the vouch keys.
func NewRoom(c Charter, random io.Reader) *Room {
	r := &Room{charter: c, self: c.Self, random: random, byID: map[ID]*Statement{}, told: map[MemberID]*chain{},
		heard: map[MemberID]*chain{}, said: map[MemberID]*chain{}, compared: map[MemberID][]uint64{}}
	for _, m := range c.Members {
		r.members = append(r.members, m.ID)
		r.told[m.ID], r.heard[m.ID], r.said[m.ID] = new(chain), new(chain), new(chain)
	}
	for _, m := range r.members {
		r.compared[m] = make([]uint64, len(r.members))
	}
	r.spoken = make([]uint64, len(r.members))
	return r
}

// Restore makes a room again from its charter, all its rows in order, and its last
// Local. It gives the same room as the calls that made them.
func Restore(c Charter, rows []Row, saved []byte, random io.Reader) (*Room, error) {
	r := NewRoom(c, random)
	if len(saved) > 0 {
		if err := decode(saved, &r.local); err != nil {
			return nil, err
		}
		r.local.normalize()
	}
	for _, row := range rows {
		if row.Refused != "" {
			r.refused = append(r.refused, row)
			continue
		}
		e, err := parseKept(row.Raw)
		if err == nil {
			err = r.belongs(row.From, e)
		}
		if err != nil {
			return nil, err
		}
		if !row.Erased && e.ID() != row.ID || (e.Class == ClassPrivate) == row.To.IsZero() {
			return nil, refused("a kept row is not the statement that it was")
		}
		var ignored Change
		r.place(arrived{row, e}, &ignored)
	}
	return r, nil
}

// ID is the room's id.
func (r *Room) ID() ID { return r.charter.Room }

// Charter is what the room was made with.
func (r *Room) Charter() Charter { return r.charter }

// Self is this member.
func (r *Room) Self() MemberID { return r.self }

// Members are all members in order.
func (r *Room) Members() []MemberID { return slices.Clone(r.members) }

// Statement finds a statement that this member holds.
func (r *Room) Statement(id ID) (*Statement, bool) {
	s, ok := r.byID[id]
	return s, ok
}

// Statements lists what this member holds, in order of arrival.
func (r *Room) Statements() []*Statement { return slices.Clone(r.statements) }

// Opaque lists the statements whose kind begins with prefix, in order of arrival.
func (r *Room) Opaque(prefix string) (list []*Statement) {
	for _, s := range r.statements {
		if len(s.Kind) >= len(prefix) && string(s.Kind[:len(prefix)]) == prefix {
			list = append(list, s)
		}
	}
	return list
}

// Forget erases the body of a statement under round/ or sign/ but for what is to stay
// of it. The statement keeps its place, its id and its kind, so chains, heads and
// vectors are what they were. The row that is returned takes the place of the kept
// one.
func (r *Room) Forget(id ID, stays []byte) (Row, error) {
	s, ok := r.byID[id]
	if !ok || !s.Kind.opaque() {
		return Row{}, refused("only what was said for a blind round or a signing is erased by itself")
	}
	row := Row{From: s.From, To: s.To, At: s.At, ID: s.ID, Erased: true}
	e := &Envelope{Version: r.charter.Plan.Version, Room: r.charter.Room, From: s.From, Seq: s.Seq, Prev: r.chainOf(row).at(s.Seq - 1),
		Vector: s.Vector, Heads: s.heads, Time: uint64(s.Time.Unix()), Kind: s.Kind, Body: slices.Clone(stays)}
	if s.Private() {
		e.Class = ClassPrivate
	}
	clear(s.Raw)
	s.Raw, row.Raw = e.Body, e.told()
	return row, nil
}

func (r *Room) index(m MemberID) int { return slices.Index(r.members, m) }

func (r *Room) memberOf(c Contact) (MemberID, bool) {
	for _, m := range r.charter.Members {
		if m.Contact == c && m.ID != r.self {
			return m.ID, true
		}
	}
	return MemberID{}, false
}

func (r *Room) contactOf(id MemberID) Contact {
	for _, m := range r.charter.Members {
		if m.ID == id {
			return m.Contact
		}
	}
	return Contact{}
}

// Apply takes one item of class negotiation that arrived from a contact and is
// addressed to this room. The error, if any, is ErrRefused with the reason; even
// then the change is to be kept, so that nothing is lost.
func (r *Room) Apply(from Contact, raw []byte, now time.Time) (Change, error) {
	var c Change
	member, ok := r.memberOf(from)
	if !ok {
		return c, refused("the contact is no member of the room")
	}
	now = seconds(now)
	e, err := ParseEnvelope(raw)
	if err == nil {
		err = r.belongs(member, e)
	}
	if err != nil {
		row := Row{From: member, At: now, Raw: slices.Clone(raw), Refused: err.Error()}
		if r.keepRefused(row) {
			c.Rows = append(c.Rows, row)
		}
		c.Events = append(c.Events, Event{Type: EventRefused})
		return c, err
	}
	row := Row{From: member, At: now, ID: e.ID(), Raw: e.told()}
	if e.Class == ClassPrivate {
		row.To = r.self
	}
	switch prev, known := r.known(row, e); {
	case known && prev == row.ID:
		return c, nil // sent again after a crash
	case known:
		row.Refused = "another statement stands in its place"
		if r.keepRefused(row) {
			c.Rows = append(c.Rows, row)
		}
		r.alarm(&c, Alarm{Type: AlarmFork, About: []MemberID{member}, Seq: e.Seq, At: now})
		return c, nil
	case r.heldOf(member) >= maxHeld && e.Seq != r.chainOf(row).next():
		err := refused("too many statements wait for one that has not come")
		row.Refused = err.Error()
		if r.keepRefused(row) {
			c.Rows = append(c.Rows, row)
		}
		return c, err
	}
	if e.Kind.secret() {
		r.secret(member, row.ID, e, now)
		e.Body = withoutSecret(e.Kind, e.Body)
		row.Raw, row.Erased = e.told(), true
	} else if e.Class == ClassRoom && len(e.Vouch) > 0 {
		r.keepTags(member, e.Seq, row.ID, e.Vouch, now)
	}
	c.Rows = append(c.Rows, row)
	for _, s := range r.place(arrived{row, e}, &c) {
		r.answer(s, &c, now)
	}
	r.exchange(&c, now)
	return c, nil
}

// belongs says why a statement is none of this room.
func (r *Room) belongs(from MemberID, e *Envelope) error {
	switch {
	case e.Room != r.charter.Room:
		return refused("a statement of another room")
	case e.Version != r.charter.Plan.Version:
		return refused("a statement of version %d in a room of version %d", e.Version, r.charter.Plan.Version)
	case e.From != from:
		return refused("a statement in the name of another member")
	case e.Class == ClassRoom && len(e.Vector) != len(r.members):
		return refused("the vector of a statement has not one number for each member")
	}
	return nil
}

func (c *chain) next() uint64 { return uint64(len(c.list)) + 1 }

func (r *Room) chainOf(row Row) *chain {
	switch {
	case row.To.IsZero():
		return r.told[row.From]
	case row.From == r.self:
		return r.said[row.To]
	}
	return r.heard[row.From]
}

// heldOf counts what waits of one member, so that nobody can use up the room that the
// statements of others need.
func (r *Room) heldOf(m MemberID) (n int) {
	for _, h := range r.held {
		if h.row.From == m {
			n++
		}
	}
	return n
}

// known finds what stands where a statement wants to stand.
func (r *Room) known(row Row, e *Envelope) (ID, bool) {
	if c := r.chainOf(row); e.Seq < c.next() {
		return c.at(e.Seq), true
	}
	for _, h := range r.held {
		if h.row.From == row.From && h.row.To == row.To && h.env.Seq == e.Seq {
			return h.row.ID, true
		}
	}
	return ID{}, false
}

// place puts a statement into its chain, together with those that waited for it,
// and returns what came to stand there. One that does not follow its predecessor is
// a fork: it and what waits behind it are never placed.
func (r *Room) place(a arrived, c *Change) (placed []*Statement) {
	ch := r.chainOf(a.row)
	if a.env.Seq != ch.next() {
		r.held = append(r.held, a)
		return nil
	}
	if a.env.Prev != ch.head() {
		r.held = append(r.held, a)
		r.alarm(c, Alarm{Type: AlarmFork, About: []MemberID{a.row.From}, Seq: a.env.Seq - 1, At: a.row.At})
		return nil
	}
	s := r.read(a)
	s.place = len(r.statements)
	ch.list = append(ch.list, s)
	r.statements = append(r.statements, s)
	r.byID[s.ID] = s
	r.fit(s)
	placed = append(placed, s)
	if !s.Private() {
		if s.From == r.self {
			r.spoken = s.Vector
		} else {
			r.unmatched = append(r.unmatched, s)
		}
	}
	r.compare(c)
	if s.From != r.self && (!s.Kind.secret() || s.Kind == kindShow) {
		t := EventStatement
		if s.Kind.opaque() {
			t = EventOpaque
		}
		c.Events = append(c.Events, Event{Type: t, Statement: s})
	}
	for i, h := range r.held {
		if h.row.From == a.row.From && h.row.To == a.row.To && h.env.Seq == ch.next() {
			r.held = slices.Delete(r.held, i, i+1)
			return append(placed, r.place(h, c)...)
		}
	}
	return placed
}

// read makes a statement of an envelope. A body that cannot be read keeps its
// place and its bytes.
func (r *Room) read(a arrived) *Statement {
	e := a.env
	s := &Statement{ID: a.row.ID, From: e.From, To: a.row.To, Seq: e.Seq, Time: unix(e.Time), At: a.row.At.UTC(),
		Kind: e.Kind, Raw: e.Body, Vector: e.Vector, heads: e.Heads}
	where, known := bodies[e.Kind]
	switch {
	case !known || a.row.Erased && len(e.Body) == 0:
	case s.Private() && !where.private, !s.Private() && !where.room:
		s.Unreadable = "it may not be said to this audience"
	default:
		b, err := ParseBody(e.Kind, e.Body)
		if err != nil {
			s.Unreadable = problem(err)
			break
		}
		s.Body = b
	}
	return s
}

// keepRefused counts what was not taken, and keeps it as it came up to a bound.
func (r *Room) keepRefused(row Row) bool {
	if r.local.Refusals == nil {
		r.local.Refusals = map[MemberID]uint64{}
	}
	r.local.Refusals[row.From]++
	if r.local.Refusals[row.From] > maxRefused {
		return false
	}
	r.refused = append(r.refused, row)
	return true
}

func unix(s uint64) time.Time { return time.Unix(int64(s), 0).UTC() }
