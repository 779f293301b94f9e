package book

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/conduct"
)

// Source is a room that is to be written down, as one member holds it.
type Source struct {
	Room    *negotiation.Room
	Inviter negotiation.MemberID
	Names   func(negotiation.MemberID) string // what to call the members, oneself included
	Now     time.Time
}

// Transcribe makes the script of a room. What the script has of a blind round is what
// came out of it and nothing else: the answers in it are made up so that the same
// comes out. What does not come out the same when it is played again stands among the
// remarks.
func Transcribe(src Source, random io.Reader) (*Script, error) {
	s, _, err := transcribe(src, random)
	return s, err
}

func transcribe(src Source, random io.Reader) (*Script, *play, error) {
	t := newWriter(src)
	t.write()
	dropped := map[int]bool{}
	p, err := perform(t.script, random, func(i int) bool {
		l := &t.script.Lines[i]
		switch {
		case l.Show != "": // the tags are gone when all hold the same
			t.showed(l.of)
		case l.of != nil && !l.Anyway && l.Unknown == nil:
			l.Anyway = true
			return true
		case l.of != nil && l.Unknown == nil: // no line can say it
			*l = Line{At: l.At, By: l.By, To: l.To, Name: l.Name, Unheard: l.Unheard, Unknown: unknown(l.of), of: l.of}
			return true
		}
		dropped[i] = true
		return false
	})
	if err != nil {
		return nil, nil, fmt.Errorf("writing the room down: %w", err)
	}
	t.compare(p)
	kept := t.script.Lines[:0]
	for i, l := range t.script.Lines {
		if !dropped[i] {
			kept = append(kept, l)
		}
	}
	t.script.Lines = kept
	return t.script, p, nil
}

// writer makes lines of statements.
type writer struct {
	Source
	script *Script
	people map[negotiation.MemberID]string
	names  map[negotiation.ID]string // of lines, by statement
	counts map[string]int            // of names
	latest negotiation.ID            // agenda
	absent bool                      // the statement at hand speaks of one that is not here
	placed []*negotiation.Statement  // that have lines
	rounds map[negotiation.ID]negotiation.RoundView
	deals  map[negotiation.ID]negotiation.AgreementView
	offers map[negotiation.ID]negotiation.OfferView
	shown  map[negotiation.ID]negotiation.ShownView
	said   map[party]int // messages of rounds and signings
	inputs map[party]bool
	begun  map[party]uint64 // latest attempt to sign
	ended  map[negotiation.ID]uint64
	// waiting are takes that the author of their offer had not heard, by author.
	waiting map[negotiation.MemberID][]string
}

// party is a member in a round or signing.
type party struct {
	of  negotiation.ID
	who negotiation.MemberID
}

func newWriter(src Source) *writer {
	t := &writer{Source: src, people: map[negotiation.MemberID]string{}, names: map[negotiation.ID]string{}, counts: map[string]int{},
		rounds: map[negotiation.ID]negotiation.RoundView{}, deals: map[negotiation.ID]negotiation.AgreementView{}, offers: map[negotiation.ID]negotiation.OfferView{},
		shown: map[negotiation.ID]negotiation.ShownView{}, said: map[party]int{}, inputs: map[party]bool{}, begun: map[party]uint64{}, ended: map[negotiation.ID]uint64{},
		waiting: map[negotiation.MemberID][]string{}}
	c := src.Room.Charter()
	order := []negotiation.MemberID{src.Inviter}
	for _, m := range src.Room.Members() {
		if m != src.Inviter {
			order = append(order, m)
		}
	}
	slices.SortStableFunc(order[1:], func(a, b negotiation.MemberID) int { return strings.Compare(src.Names(a), src.Names(b)) })
	t.script = &Script{Format: scriptFormat, Title: c.Plan.Title, Continues: len(c.Plan.Previous) > 0, Proposed: floor(unix(c.Plan.Time)), Lines: []Line{}}
	for _, m := range order {
		name := strings.TrimSpace(negotiation.CleanText(strings.ReplaceAll(src.Names(m), "\n", " ")))
		if name == "" {
			name = "Party"
		}
		for n, base := 2, name; slices.Contains(t.script.Members, name); n++ {
			name = fmt.Sprintf("%s (%d)", base, n)
		}
		t.people[m] = name
		t.script.Members = append(t.script.Members, name)
	}
	t.script.Self = t.people[src.Room.Self()]
	if open := floor(c.Created); open.After(t.script.Proposed.Time) {
		t.script.Open = &open
	}
	until := ceil(src.Now)
	v := src.Room.View(src.Now, func(m negotiation.MemberID) string { return t.people[m] })
	for _, r := range v.Rounds {
		t.rounds[r.ID] = r
	}
	for _, a := range v.Agreements {
		t.deals[a.ID] = a
	}
	for _, o := range v.Offers {
		t.offers[o.ID] = o
	}
	for _, x := range v.Shown {
		t.shown[x.ID] = x
	}
	for _, a := range v.Alarms {
		t.script.Remarks = append(t.script.Remarks, a.Text)
	}
	t.count()
	for id, r := range t.rounds {
		if slices.ContainsFunc(r.Parties, func(m negotiation.MemberID) bool { return t.inputs[party{id, m}] }) {
			if at := ceil(unix(r.InputsAt).Add(2 * time.Minute)); at.After(until.Time) {
				until = at
			}
		}
	}
	t.script.Until = &until
	return t
}

// count counts what each member said in rounds and signings. What went to several
// members alone counts once.
func (t *writer) count() {
	seen := map[string]bool{}
	for _, st := range t.Room.Statements() {
		m, err := conduct.ParseMessage(st.Raw)
		if err != nil || !strings.HasPrefix(string(st.Kind), negotiation.PrefixRound) && !strings.HasPrefix(string(st.Kind), negotiation.PrefixSign) {
			continue
		}
		body := string(m.Bytes)
		if a, ok := t.deals[m.Of]; ok && a.Level == negotiation.Handshake {
			body = "" // a key, and a MAC, for each
		}
		k := party{m.Of, st.From}
		if key := fmt.Sprint(k, m.Attempt, st.Kind, body); !seen[key] {
			seen[key] = true
			t.said[k]++
		}
		if st.Kind == "round/input" {
			t.inputs[k] = true
		}
	}
}

// order puts the statements in an order in which each stands behind everything that
// its author had heard.
func (t *writer) order() (out []*negotiation.Statement) {
	all := t.Room.Statements()
	members := t.Room.Members()
	type place struct {
		from, to negotiation.MemberID
		seq      uint64
	}
	at := map[place]*negotiation.Statement{}
	for _, st := range all {
		at[place{st.From, st.To, st.Seq}] = st
	}
	done := map[negotiation.ID]bool{}
	var put func(st *negotiation.Statement)
	put = func(st *negotiation.Statement) {
		if st == nil || done[st.ID] {
			return
		}
		done[st.ID] = true // before what it heard: a member that lies may claim a circle
		put(at[place{st.From, st.To, st.Seq - 1}])
		for i, n := range st.Vector {
			if members[i] != st.From {
				put(at[place{members[i], negotiation.MemberID{}, n}])
			}
		}
		out = append(out, st)
	}
	for _, st := range all {
		put(st)
	}
	return out
}

func (t *writer) write() {
	for _, st := range t.order() {
		if st.Kind.Vouches() {
			continue
		}
		t.statement(st)
	}
	t.wait()
}

// name is that of the line of a statement.
func (t *writer) name(id negotiation.ID) string {
	t.absent = t.absent || t.names[id] == ""
	return t.names[id]
}

// add makes a line. What speaks of a statement that is not here cannot be said by
// names: it becomes something that no reader understands, as long as it was.
func (t *writer) add(st *negotiation.Statement, kind string, l Line) {
	if t.absent || l.verb() == "" {
		kind, l = "unknown", Line{Unknown: unknown(st)}
	}
	t.absent = false
	l.At, l.By, l.To, l.of = floor(st.Time), t.people[st.From], t.people[st.To], st
	t.counts[kind]++
	l.Name = kind + "-" + strconv.Itoa(t.counts[kind])
	t.names[st.ID] = l.Name
	l.Unheard = t.unheard(st)
	t.script.Lines = append(t.script.Lines, l)
	t.placed = append(t.placed, st)
}

// unknown stands for a statement that no line can say; the body is as long.
func unknown(st *negotiation.Statement) *Unknown {
	return &Unknown{string(st.Kind), max(0, len(st.Raw)-5)}
}

// also adds a line that is no statement, at the time of one.
func (t *writer) also(st *negotiation.Statement, who negotiation.MemberID, l Line) {
	if l.verb() == "" {
		return // about an agreement that is not here
	}
	l.At, l.By = floor(st.Time), t.people[who]
	t.script.Lines = append(t.script.Lines, l)
}

// unheard are, of every member, the first line before a statement that its author had
// not heard.
func (t *writer) unheard(st *negotiation.Statement) (list []string) {
	members := t.Room.Members()
	found := map[negotiation.MemberID]bool{}
	for _, old := range t.placed {
		if old.From == st.From || found[old.From] || old.Private() && old.To != st.From {
			continue
		}
		missed := false
		switch {
		case !st.Private() && !old.Private():
			missed = old.Seq > st.Vector[slices.Index(members, old.From)]
		case old.From == t.Room.Self():
			// A guess by clocks, which only the own side can make; but who decides an
			// offer otherwise has not heard that it was taken.
			missed = old.At.After(st.Time) || t.against(st, old)
		}
		if missed {
			found[old.From] = true
			list = append(list, t.names[old.ID])
		}
	}
	return list
}

// against reports that a statement takes an offer back, or puts another in its place,
// which an earlier one asked to take.
func (t *writer) against(st, old *negotiation.Statement) bool {
	take, ok := old.Body.(*negotiation.Take)
	if !ok || t.offers[take.Of].State == negotiation.OfferTaken {
		return false
	}
	switch b := st.Body.(type) {
	case *negotiation.Withdraw:
		return b.Of == take.Of
	case *negotiation.Offer:
		return b.Replaces != nil && *b.Replaces == take.Of
	}
	return false
}

func (t *writer) list(ids []negotiation.MemberID) (out []string) {
	for _, m := range ids {
		out = append(out, t.people[m])
	}
	slices.Sort(out)
	return out
}

// everybody is nil for all members, else their names.
func (t *writer) parties(ids []negotiation.MemberID) []string {
	if len(ids) == len(t.script.Members) {
		return nil
	}
	return t.list(ids)
}

func (t *writer) refs(ids []negotiation.ID) (out []string) {
	for _, id := range ids {
		out = append(out, t.name(id))
	}
	return out
}

func (t *writer) ref(id *negotiation.ID) string {
	if id == nil {
		return ""
	}
	return t.name(*id)
}

// agenda is the body of an agenda and how a line names it.
func (t *writer) agenda(id negotiation.ID) (string, *negotiation.Agenda) {
	a := &negotiation.Agenda{}
	if st, ok := t.Room.Statement(id); ok {
		if b, ok := st.Body.(*negotiation.Agenda); ok {
			a = b
		}
	}
	if id == t.latest {
		return "", a
	}
	return t.name(id), a
}

func show(a *negotiation.Agenda, number uint64, v negotiation.Value) (name, value string, ok bool) {
	i, here := a.Issue(number)
	if !here || i.Type != v.Type {
		return "", "", false
	}
	switch v.Type {
	case negotiation.Choice:
		if v.Option >= uint64(len(i.Options)) {
			return "", "", false
		}
		value = i.Options[v.Option]
	case negotiation.Range:
		value = v.Number.String()
	default:
		value = v.Text
	}
	return issueName(a, number), value, true
}
