package negotiation

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"
)

// party is one member of a formation, with its lines.
type party struct {
	f     *Formation
	early []envelope // what came before the invitation: a station keeps it
}

type envelope struct {
	from int
	raw  []byte
}

type gathering struct {
	t     *testing.T
	who   []*party
	queue map[[2]int][][]byte
	now   time.Time
}

func gather(t *testing.T, n int) *gathering {
	g := &gathering{t: t, queue: map[[2]int][][]byte{}, now: start}
	for range n {
		g.who = append(g.who, new(party))
	}
	f, out, err := NewFormation("Talks", g.contacts(0), []string{"Aldmark", "Borvia", "Cenia", "Dorland"}[:n], nil, 4, start, seeded(31))
	if err != nil {
		t.Fatal(err)
	}
	g.who[0].f = f
	g.post(0, out)
	return g
}

func (g *gathering) contacts(i int) (list []Contact) {
	for j := range g.who {
		if j != i {
			list = append(list, contactIn(i, j))
		}
	}
	return list
}

func (g *gathering) post(i int, out []Out) {
	for _, o := range out {
		k := [2]int{i, int(o.To[1]) - 1}
		g.queue[k] = append(g.queue[k], o.Raw)
	}
}

func (g *gathering) deliver(from, to int) error {
	k := [2]int{from, to}
	raw := g.queue[k][0]
	g.queue[k] = g.queue[k][1:]
	p := g.who[to]
	a, err := AddressOf(raw)
	if err != nil {
		return err
	}
	if p.f == nil {
		if !a.Invites {
			p.early = append(p.early, envelope{from, raw})
			return nil
		}
		if p.f, err = Invited(contactIn(to, from), raw, g.now); err != nil {
			return err
		}
		for _, e := range p.early {
			if _, err := p.f.Apply(contactIn(to, e.from), e.raw, g.now); err != nil {
				return err
			}
		}
		return nil
	}
	out, err := p.f.Apply(contactIn(to, from), raw, g.now)
	g.post(to, out)
	// A restart at any time changes nothing.
	again, err2 := ParseFormation(p.f.Encode())
	if err2 != nil || !bytes.Equal(again.Encode(), p.f.Encode()) {
		g.t.Fatalf("%v\n%+v\n%+v", err2, again, p.f)
	}
	return err
}

func (g *gathering) settle() (errs []error) {
	for again := true; again; {
		again = false
		for i := range g.who {
			for j := range g.who {
				for len(g.queue[[2]int{i, j}]) > 0 {
					if err := g.deliver(i, j); err != nil {
						errs = append(errs, err)
					}
					again = true
				}
			}
		}
	}
	return errs
}

func (g *gathering) join(i int) {
	g.t.Helper()
	out, err := g.who[i].f.Join(g.contacts(i), 4, seeded(uint64(40+i)))
	if err != nil {
		g.t.Fatal(err)
	}
	g.post(i, out)
}

func TestFormation(t *testing.T) {
	for n := 2; n <= 4; n++ {
		g := gather(t, n)
		g.settle()
		for i := n - 1; i > 0; i-- { // the last joins first: others hear it before they decided
			g.join(i)
			if errs := g.settle(); len(errs) > 0 {
				t.Fatal(errs)
			}
		}
		first, err := g.who[0].f.Charter(start)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range g.who {
			c, err := p.f.Charter(start)
			if err != nil || c.Room != first.Room || len(c.Members) != n {
				t.Fatalf("member %d of %d: %v %+v", i, n, err, p.f)
			}
			if again, err := ParseCharter(c.Encode()); err != nil || !bytes.Equal(again.Encode(), c.Encode()) || again.Room != c.Room {
				t.Errorf("%v\n%+v\n%+v", err, again, c)
			}
		}
	}
}

// Who tells different members different member ids gets no room.
func TestFormationDiffers(t *testing.T) {
	g := gather(t, 3)
	m := must(parseFormation(g.queue[[2]int{0, 2}][1]))
	m.Body = make([]byte, MemberIDSize)
	m.Body[0] = 1
	g.queue[[2]int{0, 2}][1] = encode(m)
	g.settle()
	g.join(1)
	g.join(2)
	g.settle()
	for i, p := range g.who {
		if p.f.State != FormationDiffers || p.f.Reason == "" {
			t.Errorf("member %d: %s", i, p.f.State)
		}
		if _, err := p.f.Charter(start); err == nil {
			t.Error("a room was made")
		}
	}
	for name, spoil := range map[string]func(g *gathering){
		"the id of another": func(g *gathering) {
			m := must(parseFormation(g.queue[[2]int{1, 0}][0]))
			m.Body = g.who[0].f.Self[:]
			g.queue[[2]int{1, 0}][0] = encode(m)
		},
		"two ids": func(g *gathering) {
			m := must(parseFormation(g.queue[[2]int{1, 0}][0]))
			m.Body = []byte("sixteen bytes id")
			g.queue[[2]int{1, 0}] = append(g.queue[[2]int{1, 0}], encode(m))
		},
	} {
		g := gather(t, 3)
		g.settle()
		g.join(1)
		spoil(g)
		g.settle()
		if s := g.who[0].f.State; s != FormationDiffers {
			t.Errorf("%s: %s", name, s)
		}
	}
}

// What a member may not say while a room comes about, and what it comes to for another.
func TestFormationLies(t *testing.T) {
	say := func(f *Formation, step uint64, body []byte) []byte {
		return encode(&formationMessage{Step: step, Form: f.Plan.Form, Body: body})
	}
	for name, c := range map[string]struct {
		says func(f *Formation) [][]byte // by the second member, of which the first has nothing yet
		want FormationState
	}{
		"no id":             {func(f *Formation) [][]byte { return [][]byte{say(f, stepMember, make([]byte, MemberIDSize))} }, FormationDiffers},
		"the id of a third": {func(f *Formation) [][]byte { return [][]byte{say(f, stepMember, f.Peers[1].ID[:])} }, FormationDiffers},
		"two different lists": {func(f *Formation) [][]byte {
			return [][]byte{say(f, stepConfirm, bytes.Repeat([]byte{3}, 32)), say(f, stepConfirm, bytes.Repeat([]byte{1}, 32))}
		}, FormationDiffers},
		"no list": {func(f *Formation) [][]byte { return [][]byte{say(f, stepConfirm, make([]byte, 32))} }, FormationDiffers},
		"another list, before all": {func(f *Formation) [][]byte {
			return [][]byte{say(f, stepConfirm, bytes.Repeat([]byte{1}, 32)), say(f, stepMember, bytes.Repeat([]byte{2}, 16))}
		}, FormationDiffers},
		"a second invitation": {func(f *Formation) [][]byte { return [][]byte{say(f, stepInvite, f.Plan.Encode())} }, FormationJoined},
		"that it declines": {func(f *Formation) [][]byte {
			return [][]byte{say(f, stepMember, bytes.Repeat([]byte{2}, 16)), say(f, stepDecline, nil)}
		}, FormationDeclined},
		"the same id again": {func(f *Formation) [][]byte {
			m := say(f, stepMember, bytes.Repeat([]byte{2}, 16))
			return [][]byte{m, m}
		}, FormationAgreed},
	} {
		g := gather(t, 3)
		g.settle()
		g.join(2)
		g.settle()
		f := g.who[0].f
		if f.Peers[1].ID.IsZero() {
			t.Fatal("the third has not joined")
		}
		for _, raw := range c.says(f) {
			if _, err := f.Apply(contactIn(0, 1), raw, start); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if f.State != c.want {
			t.Errorf("%s: %s, want %s", name, f.State, c.want)
		}
		if f.State.Final() { // whatever comes then changes nothing
			before := f.Encode()
			for _, raw := range [][]byte{say(f, stepMember, bytes.Repeat([]byte{3}, 16)), say(f, stepConfirm, make([]byte, 32)), say(f, stepDecline, nil)} {
				if out, err := f.Apply(contactIn(0, 1), raw, start); err != nil || len(out) > 0 || !bytes.Equal(before, f.Encode()) {
					t.Errorf("%s: it goes on after its end", name)
				}
			}
		}
	}
	// A stranger is not heard, and before the user has chosen only so much is kept.
	g := gather(t, 3)
	g.settle()
	f := g.who[1].f
	for n := range 3 * maxEarly {
		if _, err := f.Apply(Contact{byte(n)}, say(f, stepMember, bytes.Repeat([]byte{1}, 16)), start); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.Early) != maxEarly {
		t.Errorf("%d messages are kept", len(f.Early))
	}
	if _, err := g.who[0].f.Apply(Contact{9, 9}, say(f, stepDecline, nil), start); !errors.Is(err, ErrRefused) || g.who[0].f.State != FormationJoined {
		t.Errorf("a stranger was heard: %v", err)
	}
}

func TestFormationRefuses(t *testing.T) {
	two := []Contact{{1}, {2}}
	names := []string{"A", "B", "C"}
	for name, err := range map[string]error{
		"more than the lanes": errOf(NewFormation("T", two, names, nil, 1, start, seeded(1))),
		"a contact twice":     errOf(NewFormation("T", []Contact{{1}, {1}}, names, nil, 4, start, seeded(1))),
		"a name missing":      errOf(NewFormation("T", two, names[:2], nil, 4, start, seeded(1))),
		"no title":            errOf(NewFormation(" ", two, names, nil, 4, start, seeded(1))),
		"alone":               errOf(NewFormation("T", nil, names[:1], nil, 4, start, seeded(1))),
		"an invisible title":  errOf(NewFormation("a\u200bb", two, names, nil, 4, start, seeded(1))),
	} {
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	g := gather(t, 3)
	g.settle()
	f := g.who[1].f
	if _, err := f.Join(g.contacts(1)[:1], 4, seeded(1)); err == nil {
		t.Error("joined with a contact too few")
	}
	if _, err := f.Join([]Contact{{8}, {9}}, 4, seeded(1)); err == nil {
		t.Error("joined without the inviter")
	}
	if _, err := f.Join(g.contacts(1), 1, seeded(1)); err == nil {
		t.Error("joined with more members than lanes")
	}
	// A newer version is not spoken here.
	m := must(parseFormation(sampleInvitation(t)))
	var p Plan
	if err := decode(m.Body, &p); err != nil {
		t.Fatal(err)
	}
	p.Version = 2
	m.Body = encode(&p)
	if _, err := Invited(Contact{1}, encode(m), start); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	// Declining, lapsing.
	out, err := f.Decline()
	if err != nil || len(out) != 1 {
		t.Fatal(err, out)
	}
	g.post(1, out)
	g.settle()
	if g.who[0].f.State != FormationDeclined {
		t.Error(g.who[0].f.State)
	}
	if _, err := f.Join(g.contacts(1), 4, seeded(1)); err == nil {
		t.Error("a declined room was joined")
	}
	g.who[2].f.Tick(start.Add(FormationLifetime + time.Second))
	if s := g.who[2].f.State; s != FormationLapsed {
		t.Error(s)
	}
}

// sampleInvitation is the invitation of a sample room.
func sampleInvitation(t *testing.T) []byte {
	_, out, err := NewFormation("T", []Contact{{1}}, []string{"A", "B"}, nil, 4, start, seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(out[0].Raw)
}

func errOf(_ *Formation, _ []Out, err error) error { return err }
