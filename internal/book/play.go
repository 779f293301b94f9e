package book

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/conduct"
	"backchannel/internal/negotiation/seal"
)

// play is a negotiation on a stage: a room and a seat for each member, a line for each
// pair and direction on which things arrive in order, and a clock.
type play struct {
	script *Script
	random io.Reader
	cast   []*actor
	now    time.Time // as far as the world has gone
	active time.Time // when something was said last
	ticked time.Time // when stations last looked at the clock
	names  map[string]negotiation.ID
	bodies map[negotiation.ID]negotiation.Body
	latest negotiation.ID // agenda
	signs  bool           // there is an agreement
	line   int            // of the script that is being played
	holds  map[hold]int   // the line until which it holds
}

// actor is one member's station.
type actor struct {
	i     int
	room  *negotiation.Room
	rows  []negotiation.Row
	store memory
	signs *conduct.Signings
	key   *seal.Key  // published
	from  [][]flight // what is on its way here, by sender
	clock time.Time
	wake  time.Time
	away  bool
	said  map[negotiation.ID]int // messages of rounds and signings
	quits map[negotiation.ID]int // after so many of them
}

// hold keeps what was said in a line from a member.
type hold struct{ line, from int }

// flight is a statement on its way.
type flight struct {
	raw  []byte
	at   time.Time
	line int // of the script that had been spoken last
}

type slot struct {
	kind string
	id   negotiation.ID
}

// memory is a conduct.Store that lasts as long as the play.
type memory map[slot][]byte

func (m memory) Machines(kind string) (out []conduct.Machine, err error) {
	for k, v := range m {
		if k.kind == kind {
			out = append(out, conduct.Machine{ID: k.id, State: v})
		}
	}
	slices.SortFunc(out, func(a, b conduct.Machine) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return out, nil
}

func (m memory) Put(kind string, x conduct.Machine) error {
	m[slot{kind, x.ID}] = slices.Clone(x.State)
	return nil
}

func (m memory) Drop(kind string, id negotiation.ID) error {
	delete(m, slot{kind, id})
	return nil
}

// perform plays a script to its end. onRefused, if not nil, is asked about a line that
// was refused: it may change the line to be tried once more, or drop it.
func perform(s *Script, random io.Reader, onRefused func(i int) (again bool)) (*play, error) {
	p := &play{script: s, random: random, names: map[string]negotiation.ID{}, bodies: map[negotiation.ID]negotiation.Body{}, holds: map[hold]int{}}
	p.hold()
	at, err := p.seconds()
	if err != nil {
		return nil, err
	}
	if err := p.gather(at[0]); err != nil {
		return nil, err
	}
	for i := range s.Lines {
		p.line = i
		err := p.do(i, at[i+1])
		for onRefused != nil && errors.Is(err, negotiation.ErrRefused) {
			if err = nil; onRefused(i) {
				err = p.do(i, at[i+1])
			}
		}
		if err != nil {
			return nil, fmt.Errorf("line %d of the script: %w", i+1, err)
		}
	}
	p.line = len(s.Lines)
	return p, p.finish()
}

// hold notes what members have not heard when they speak.
func (p *play) hold() {
	at := map[string]int{}
	for i := range p.script.Lines {
		l := &p.script.Lines[i]
		for _, name := range l.Unheard {
			p.holds[hold{at[name], p.script.place(l.By)}] = i
		}
		if l.Name != "" {
			at[l.Name] = i
		}
	}
}

// open reports that the first statement on a line may arrive.
func (p *play) open(to *actor, from int) bool {
	q := to.from[from]
	if len(q) == 0 || to.away || p.cast[from].away {
		return false
	}
	until, held := p.holds[hold{q[0].line, to.i}]
	return !held || p.line > until
}

// seconds gives every line, after the proposal of the room, a second of its minute.
// Those of one minute stay in their order.
func (p *play) seconds() (at []time.Time, err error) {
	at = append(at, p.script.Proposed.Time)
	for i := range p.script.Lines {
		at = append(at, p.script.Lines[i].At.Time)
	}
	for i := 0; i < len(at); {
		j := i + 1
		for j < len(at) && at[j].Equal(at[i]) {
			j++
		}
		b := make([]byte, 2*(j-i))
		if _, err := io.ReadFull(p.random, b); err != nil {
			return nil, err
		}
		var s []int
		for k := range j - i {
			s = append(s, (int(b[2*k])<<8|int(b[2*k+1]))%60)
		}
		slices.Sort(s)
		for k := range s {
			at[i+k] = at[i+k].Add(time.Duration(s[k]) * time.Second)
		}
		i = j
	}
	return at, nil
}

// gather makes the room.
func (p *play) gather(proposed time.Time) error {
	open := proposed.Add(time.Minute)
	if p.script.Open != nil {
		open = p.script.Open.Time
	}
	for i := range p.script.Lines { // who speaks in that minute already is not kept waiting
		if l := p.script.Lines[i].At.Time; l.Before(open) {
			open = l
		}
	}
	if open.Before(proposed) {
		open = proposed
	}
	var previous *negotiation.ID
	if p.script.Continues {
		previous = new(negotiation.ID)
		if _, err := io.ReadFull(p.random, previous[:]); err != nil {
			return err
		}
	}
	charters, err := negotiation.Gather(p.script.Title, p.script.Members, previous, proposed, open, p.random)
	if err != nil {
		return err
	}
	for i, c := range charters {
		key, err := conduct.PublishedKey(p.random)
		if err != nil {
			return err
		}
		p.cast = append(p.cast, &actor{i: i, room: negotiation.NewRoom(c, p.random), store: memory{}, signs: conduct.NewSignings(), key: key,
			from: make([][]flight, len(charters)), said: map[negotiation.ID]int{}, quits: map[negotiation.ID]int{}})
	}
	p.now, p.active, p.ticked = open, open, open
	return nil
}

func (p *play) seat(a *actor, at time.Time) *conduct.Seat {
	return &conduct.Seat{Room: a.room, Store: a.store, Lanes: len(p.cast) - 1, Now: at, Random: p.random,
		Published: func() (*seal.Key, error) { return a.key, nil }}
}

// keep is what a station does with a change, and what follows of what arrived.
func (p *play) keep(a *actor, c negotiation.Change, at time.Time, line int) error {
	a.rows = append(a.rows, c.Rows...)
	for _, r := range c.Rows {
		if !r.Erased {
			p.active = p.now
		}
	}
	for _, o := range c.Out {
		var b [1]byte
		if _, err := io.ReadFull(p.random, b[:]); err != nil {
			return err
		}
		to := p.cast[int(o.To[1])-1]
		f := flight{o.Raw, at.Add(time.Second + time.Duration(b[0])*20*time.Millisecond), line} // one to six seconds
		if q := to.from[a.i]; len(q) > 0 && f.at.Before(q[len(q)-1].at) {
			f.at = q[len(q)-1].at
		}
		to.from[a.i] = append(to.from[a.i], f)
	}
	for _, e := range c.Events {
		if e.Statement == nil {
			continue
		}
		if err := p.follow(a, e.Statement, at, line); err != nil {
			return err
		}
	}
	return nil
}

// follow does what a station does by itself about a statement.
func (p *play) follow(a *actor, st *negotiation.Statement, at time.Time, line int) error {
	s := p.seat(a, at)
	round := strings.HasPrefix(string(st.Kind), negotiation.PrefixRound)
	var says []conduct.Saying
	var err error
	switch {
	case round:
		says, err = s.RoundReceived(st)
	case p.signs:
		says, err = a.signs.Received(s, st)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	return p.utter(a, says, at, line)
}

// utter says what a seat wants to be said, but for what a member that has quit keeps
// to itself.
func (p *play) utter(a *actor, says []conduct.Saying, at time.Time, line int) error {
	var kind negotiation.Kind
	var told []negotiation.MemberID
	for _, x := range says {
		m, err := conduct.ParseMessage(x.Body)
		if err != nil {
			return err
		}
		if x.To.IsZero() || x.Kind != kind || slices.Contains(told, x.To) { // another message, not the same for another
			kind, told = x.Kind, nil
			a.said[m.Of]++
		}
		told = append(told, x.To)
		if after, quits := a.quits[m.Of]; quits && a.said[m.Of] > after {
			continue
		}
		c, err := a.room.SayOpaque(x.Kind, x.Body, x.To, at)
		if err != nil {
			return err
		}
		if err := p.keep(a, c, at, line); err != nil {
			return err
		}
	}
	return p.ask(a, at)
}

// ask is when a station wants to be called next.
func (p *play) ask(a *actor, at time.Time) error {
	a.wake = time.Time{}
	s := p.seat(a, at)
	for _, wake := range []func() (time.Time, error){s.RoundWake, func() (time.Time, error) { return a.signs.Wake(s) }} {
		w, err := wake()
		if err != nil {
			return err
		}
		if w.After(at) && (a.wake.IsZero() || w.Before(a.wake)) {
			a.wake = w
		}
	}
	return nil
}

// arrive brings the first statement of a line.
func (p *play) arrive(to *actor, from int) error {
	f := to.from[from][0]
	to.from[from] = to.from[from][1:]
	at := f.at
	if at.After(p.now) {
		at = p.now
	}
	if at.Before(to.clock) {
		at = to.clock
	}
	to.clock = at
	c, err := to.room.Apply(negotiation.Contact{byte(to.i) + 1, byte(from) + 1}, f.raw, at)
	if err != nil {
		return err
	}
	return p.keep(to, c, at, f.line)
}

// settle brings everything that is under way, at once.
func (p *play) settle() error {
	for again := true; again; {
		again = false
		for _, to := range p.cast {
			for from := range p.cast {
				for p.open(to, from) {
					if err := p.arrive(to, from); err != nil {
						return err
					}
					again = true
				}
			}
		}
	}
	return nil
}

// advance lets the world go on to a time: things arrive, stations wake.
func (p *play) advance(to time.Time) error {
	for {
		next, step := to, func() error { return nil }
		earlier := func(at time.Time, do func() error) {
			if at.Before(p.now) {
				at = p.now
			}
			if at.Before(next) {
				next, step = at, do
			}
		}
		for _, a := range p.cast {
			if a.away {
				continue
			}
			for from := range p.cast {
				if p.open(a, from) {
					earlier(a.from[from][0].at, func() error { return p.arrive(a, from) })
				}
			}
			if !a.wake.IsZero() {
				earlier(a.wake, func() error { return p.awake(a) })
			}
		}
		if p.ticked.Before(p.active.Add(afterwards)) {
			earlier(p.ticked.Add(time.Minute), p.tick)
		}
		if !next.Before(to) {
			break
		}
		p.now = next
		if err := step(); err != nil {
			return err
		}
	}
	gap := to.Sub(p.ticked) > afterwards
	p.now = to
	if gap {
		return p.tick()
	}
	return nil
}

// afterwards is for how long stations that look at the clock every minute find
// something to do: what was not compared is passed on.
const afterwards = 12 * time.Minute

// tick has every station look at the clock, as they do every minute.
func (p *play) tick() error {
	p.ticked = p.now
	for _, a := range p.cast {
		if a.away {
			continue
		}
		a.clock = p.later(a)
		if err := p.keep(a, a.room.Tick(p.now), p.now, -1); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) later(a *actor) time.Time {
	if a.clock.After(p.now) {
		return a.clock
	}
	return p.now
}

// awake has a station do what it wanted to be called for.
func (p *play) awake(a *actor) error {
	a.wake, a.clock = time.Time{}, p.later(a)
	s := p.seat(a, p.now)
	says, err := s.RoundTick()
	if err != nil {
		return err
	}
	more, err := a.signs.Tick(s)
	if err != nil {
		return err
	}
	return p.utter(a, append(says, more...), p.now, -1)
}

// finish plays what remains: to the time that the script says, or until every round
// had its time.
func (p *play) finish() error {
	if u := p.script.Until; u != nil {
		if u.After(p.now) {
			if err := p.advance(u.Time); err != nil {
				return err
			}
		}
		return p.settle()
	}
	end := p.now.Add(15 * time.Minute)
	for _, b := range p.bodies {
		if r, ok := b.(*negotiation.Round); ok {
			if at := unix(r.InputsAt).Add(15 * time.Minute); at.After(end) {
				end = at
			}
		}
	}
	if err := p.advance(end); err != nil {
		return err
	}
	return p.settle()
}
