package book

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"backchannel/internal/negotiation"
)

// crowd is a room of members whose lines are slow and whose clocks differ.
type crowd struct {
	t      *testing.T
	dice   *rand.Rand
	rooms  []*negotiation.Room
	lines  [][][][]byte
	now    time.Time
	skew   []time.Duration
	agenda negotiation.ID
}

func newCrowd(t *testing.T, seed uint64, n int) *crowd {
	c := &crowd{t: t, dice: rand.New(rand.NewPCG(seed, 3)), now: later}
	charters, err := negotiation.Gather("Straits talks", []string{"Aldmark", "Borvia", "Cenia"}[:n], nil, later.Add(-time.Hour), later.Add(-time.Minute), seeded(seed))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range charters {
		c.rooms = append(c.rooms, negotiation.NewRoom(x, seeded(seed+1)))
		c.lines = append(c.lines, make([][][]byte, n))
		c.skew = append(c.skew, time.Duration(c.dice.IntN(20)-10)*time.Second)
	}
	return c
}

func (c *crowd) keep(i int, x negotiation.Change) {
	for _, o := range x.Out {
		to := int(o.To[1]) - 1
		c.lines[i][to] = append(c.lines[i][to], o.Raw)
	}
}

func (c *crowd) say(i int, b negotiation.Body, to negotiation.MemberID) (negotiation.ID, bool) {
	c.now = c.now.Add(time.Duration(c.dice.IntN(40)) * time.Second)
	x, err := c.rooms[i].Say(b, to, c.now.Add(c.skew[i]))
	if err != nil {
		if !errors.Is(err, negotiation.ErrRefused) {
			c.t.Fatal(err)
		}
		return negotiation.ID{}, false
	}
	c.keep(i, x)
	for _, r := range x.Rows {
		if st, ok := c.rooms[i].Statement(r.ID); ok && st.Kind == negotiation.KindOf(b) {
			return r.ID, true
		}
	}
	return negotiation.ID{}, false
}

func (c *crowd) deliver(i, j int) bool {
	if len(c.lines[i][j]) == 0 {
		return false
	}
	x, err := c.rooms[j].Apply(negotiation.Contact{byte(j) + 1, byte(i) + 1}, c.lines[i][j][0], c.now.Add(c.skew[j]))
	if err != nil {
		c.t.Fatal(err)
	}
	c.lines[i][j] = c.lines[i][j][1:]
	c.keep(j, x)
	return true
}

func (c *crowd) settle() {
	for again := true; again; {
		again = false
		for i := range c.rooms {
			for j := range c.rooms {
				again = c.deliver(i, j) || again
			}
		}
	}
}

// step is something that somebody does, or something that arrives.
func (c *crowd) step() {
	n := len(c.rooms)
	i := c.dice.IntN(n)
	room := c.rooms[i]
	if c.dice.IntN(3) > 0 {
		c.deliver(c.dice.IntN(n), i)
		return
	}
	var to negotiation.MemberID
	if c.dice.IntN(4) == 0 {
		to = c.rooms[(i+1)%n].Self()
	}
	v := room.View(c.now, func(negotiation.MemberID) string { return "" })
	offers := v.Offers
	if len(v.Showable) > 0 && c.dice.IntN(8) == 0 {
		if x, err := room.Show(v.Showable[0], c.rooms[(i+1)%n].Self(), c.now.Add(c.skew[i])); err == nil {
			c.keep(i, x)
		}
		return
	}
	value := negotiation.OptionValue(uint64(c.dice.IntN(2)))
	offer := &negotiation.Offer{Agenda: c.agenda, Gives: []negotiation.Term{{By: room.Self(), Issue: 1, Value: value}}}
	if c.dice.IntN(3) == 0 {
		offer.Expires = uint64(c.now.Add(5 * time.Minute).Unix())
	}
	if len(offers) == 0 || c.dice.IntN(3) == 0 {
		c.say(i, offer, to)
		return
	}
	o := offers[c.dice.IntN(len(offers))]
	if o.Private {
		to = o.Author
		if to == room.Self() {
			st, _ := room.Statement(o.ID)
			to = st.To
		}
	} else {
		to = negotiation.MemberID{}
	}
	switch c.dice.IntN(4) {
	case 0:
		offer.Answers = &o.ID
		c.say(i, offer, to)
	case 1:
		offer.Replaces = &o.ID
		c.say(i, offer, to)
	case 2:
		c.say(i, &negotiation.Withdraw{Of: o.ID}, to)
	default:
		c.say(i, &negotiation.Take{Of: o.ID}, to)
	}
}

// However messages crossed and clocks differed, a room on paper says what the room
// says, also of what had not arrived when it was written down.
func TestCrossing(t *testing.T) {
	for seed := range uint64(30) {
		c := newCrowd(t, seed, 2+int(seed%2))
		c.agenda, _ = c.say(0, &negotiation.Agenda{Rev: 1, Issues: []negotiation.Issue{{ID: 1, Title: "Status of X", Type: negotiation.Choice, Options: []string{"opposed", "accepted"}}}}, negotiation.MemberID{})
		c.settle()
		for i := 1; i < len(c.rooms); i++ {
			c.say(i, &negotiation.Confirm{Of: c.agenda}, negotiation.MemberID{})
		}
		c.settle()
		for range 60 {
			c.step()
		}
		if seed%3 > 0 {
			c.settle()
		}
		for _, room := range c.rooms {
			names := map[negotiation.MemberID]string{}
			for k, r := range c.rooms {
				names[r.Self()] = []string{"Aldmark", "Borvia", "Cenia"}[k]
			}
			src := Source{Room: room, Inviter: c.rooms[0].Self(), Names: func(m negotiation.MemberID) string { return names[m] }, Now: c.now}
			b, err := Export(src, "json", seeded(seed+2))
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			made, err := Read(b, c.now)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			s, err := Transcribe(src, seeded(seed+3))
			if err != nil {
				t.Fatal(err)
			}
			// That the author says taken before the take has come is all that no line can say.
			s.Remarks = slices.DeleteFunc(s.Remarks, func(r string) bool {
				return strings.HasSuffix(r, " stood otherwise: taken.") || strings.Contains(r, " showed ")
			})
			if len(s.Remarks) > 0 {
				t.Errorf("seed %d, copy of %s: %q", seed, names[room.Self()], s.Remarks)
			}
			if !slices.Equal(spoken(room, src.Names), spoken(made.Room, made.Name)) {
				t.Errorf("seed %d, copy of %s: the room has\n%s\nthe export\n%s", seed, names[room.Self()], strings.Join(spoken(room, src.Names), "\n"), strings.Join(spoken(made.Room, made.Name), "\n"))
			}
		}
		if t.Failed() {
			return
		}
	}
}

// What a member says that no honest station would say, and what this program does not
// understand, keeps its place on paper.
func TestDishonest(t *testing.T) {
	c := newCrowd(t, 77, 3)
	c.agenda, _ = c.say(0, &negotiation.Agenda{Rev: 1, Issues: []negotiation.Issue{{ID: 1, Title: "Status of X", Type: negotiation.Choice, Options: []string{"opposed", "accepted"}},
		{ID: 2, Title: "Status of X", Type: negotiation.Text}}}, negotiation.MemberID{})
	c.settle()
	put := func(i int, k negotiation.Kind, b negotiation.Body) {
		t.Helper()
		raw := []byte{0xa1, 0x18, 0x63, 0x01}
		if b != nil {
			var err error
			if raw, err = negotiation.EncodeBody(b); err != nil {
				t.Fatal(err)
			}
		}
		x, err := c.rooms[i].Put(k, raw, negotiation.MemberID{}, c.now)
		if err != nil {
			t.Fatal(err)
		}
		c.keep(i, x)
		c.settle()
	}
	self := c.rooms[1].Self()
	put(1, "poll", nil)
	put(1, negotiation.KindSignal, nil)
	put(1, negotiation.KindPackage, &negotiation.Package{Agenda: c.agenda, Values: map[uint64]negotiation.Value{1: negotiation.OptionValue(7)}})
	put(1, negotiation.KindPackage, &negotiation.Package{Agenda: c.agenda, Values: map[uint64]negotiation.Value{2: negotiation.TextValue("as you like")}})
	put(1, negotiation.KindPackage, &negotiation.Package{Agenda: negotiation.ID{1}, Values: map[uint64]negotiation.Value{1: negotiation.OptionValue(1)}})
	put(1, negotiation.KindOffer, &negotiation.Offer{Agenda: c.agenda, Gives: []negotiation.Term{{By: self, Issue: 9, Value: negotiation.OptionValue(1)}}})
	put(1, negotiation.KindConsent, &negotiation.Consent{Core: negotiation.ID{2}})
	put(1, negotiation.KindTake, &negotiation.Take{Of: negotiation.ID{3}})
	put(1, negotiation.KindConfirm, &negotiation.Confirm{Of: c.agenda})
	put(1, negotiation.KindConfirm, &negotiation.Confirm{Of: c.agenda})
	put(1, negotiation.KindRelease, &negotiation.Release{Of: c.agenda})
	put(1, negotiation.KindCommunique, &negotiation.Communique{Agreement: c.agenda, Text: "All is well."})
	put(1, "round/commit", nil)
	put(1, "sign/hello", nil)
	put(1, negotiation.KindRound, &negotiation.Round{Mode: negotiation.Single, Agenda: c.agenda, Packages: []negotiation.ID{{4}}, Parties: []negotiation.MemberID{{1}, {2}}, Opener: negotiation.MemberID{1}, InputsAt: 1, Deadline: 2})
	names := map[negotiation.MemberID]string{}
	for k, r := range c.rooms {
		names[r.Self()] = []string{"Aldmark", "Borvia", "Borvia"}[k] // two contacts of one name
	}
	src := Source{Room: c.rooms[0], Inviter: c.rooms[0].Self(), Names: func(m negotiation.MemberID) string { return names[m] }, Now: c.now}
	b, err := Export(src, "json", seeded(78))
	if err != nil {
		t.Fatal(err)
	}
	made, err := Read(b, c.now)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(spoken(c.rooms[0], src.Names), func(s string) bool { return strings.Contains(s, "round/") || strings.Contains(s, "sign/") })
	if got := spoken(made.Room, func(m negotiation.MemberID) string { return strings.TrimSuffix(made.Name(m), " (2)") }); !slices.Equal(got, want) {
		t.Errorf("the room has\n%s\nthe export\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
	script, err := Export(src, "script", seeded(79))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseScript(script)
	if err != nil {
		t.Fatalf("%v\n%s", err, script)
	}
	if _, err := Forge(s, "html", seeded(80)); err != nil {
		t.Fatalf("%v\n%s", err, script)
	}
}

// spoken is what members said by themselves.
func spoken(room *negotiation.Room, name func(negotiation.MemberID) string) (out []string) {
	for _, st := range room.Statements() {
		if !st.Kind.Vouches() && st.Kind != negotiation.KindTaken && st.Kind != negotiation.KindShow {
			out = append(out, st.Time.Format("15:04")+" "+name(st.From)+" "+string(st.Kind))
		}
	}
	slices.Sort(out)
	return out
}
