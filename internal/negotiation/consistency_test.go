package negotiation

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"
)

// liar sends a second version of a member's next statement to some members: the
// same place, another body, tags that fit it.
func (m *mesh) liar(i int, truth, lie Body, deceived int) {
	m.t.Helper()
	before := len(m.lines[i][deceived])
	r := m.rooms[i]
	m.say(i, truth)
	real := r.told[r.self].list[len(r.told[r.self].list)-1]
	items := m.lines[i][deceived]
	e, err := ParseEnvelope(items[len(items)-1])
	if err != nil || len(items) == before || e.ID() != real.ID {
		m.t.Fatal("the statement is not the last item")
	}
	e.Body = must(EncodeBody(lie))
	e.Vouch = r.tags(m.id(deceived), e.Seq, e.ID())
	items[len(items)-1] = e.Encode()
}

func TestTwoVersionsAreCaught(t *testing.T) {
	m := newMesh(t, 3, 3)
	m.strict = true
	m.say(0, &Signal{Text: "Good morning."})
	m.settle()
	m.liar(0, &Signal{Text: "We will not move on X."}, &Signal{Text: "We may move on X."}, 1)
	m.settle()
	m.wantAlarms(1)
	m.wantAlarms(2)
	// As soon as one of the two says anything the other sees that they differ, and
	// tags are passed on.
	m.say(1, &Signal{Text: "Noted."})
	m.settle()
	m.wantAlarms(1, "told different things Aldmark Cenia")
	m.wantAlarms(2, "differs Borvia", "told different things Aldmark Borvia")
	want := "Aldmark told Borvia something else than it told you, at the same place in what it says to this room. " +
		"You can know this, because nobody but Aldmark and you could have made the tag that Borvia passed on. You cannot prove it to anybody else."
	if got := m.view(2).Alarms[1].Text; got != want {
		t.Errorf("the alarm reads %q", got)
	}
	if len(m.errs) > 0 {
		t.Error(m.errs)
	}
}

// Without anybody saying anything more, tags are passed on after ten minutes.
func TestTwoVersionsAreCaughtInSilence(t *testing.T) {
	m := newMesh(t, 3, 4)
	m.liar(0, &Signal{Text: "We will not move on X."}, &Signal{Text: "We may move on X."}, 1)
	m.settle()
	m.wait(gossipAfter - time.Second)
	for i := range 3 {
		m.keep(i, m.rooms[i].Tick(m.now(i)))
	}
	m.settle()
	m.wantAlarms(2)
	m.wait(time.Second)
	for i := range 3 {
		m.keep(i, m.rooms[i].Tick(m.now(i)))
	}
	m.settle()
	m.wantAlarms(1, "told different things Aldmark Cenia")
	m.wantAlarms(2, "told different things Aldmark Borvia")
	m.wantAlarms(0)
}

// Who keeps its vouch key back cannot lie in silence either: two versions of one
// statement do not fit, whatever a tag would say.
func TestTwoVersionsWithoutKey(t *testing.T) {
	for _, how := range []string{"passed on", "shown"} {
		m := newMesh(t, 3, 4)
		m.strict = true
		m.liar(0, &Signal{Text: "We will not move on X."}, &Signal{Text: "We may move on X."}, 1)
		l := m.lines[0][2]
		if e := must(ParseEnvelope(l[0])); e.Kind != kindKeys || len(l) != 2 {
			t.Fatal("the key is not the first item")
		}
		m.lines[0][2] = l[1:]
		m.settle()
		m.wantAlarms(2)
		if how == "shown" {
			if err := m.show(1, 2, 0, 1); err != nil {
				t.Fatal(err)
			}
			m.settle()
			m.wantShown(2, ShownInconsistent)
		} else {
			m.wait(gossipAfter)
			m.keep(1, m.rooms[1].Tick(m.now(1)))
			m.settle()
		}
		m.wantAlarms(2, "inconsistent Aldmark Borvia")
	}
}

// A member who lies about what another said cannot make that other look guilty,
// whatever tags it has: invented ones, or true ones of another place.
func TestFraming(t *testing.T) {
	for name, frame := range map[string]func(honest []tagRecord) entry{
		"an invented statement with an invented tag": func(h []tagRecord) entry {
			return entry{Seq: h[0].Seq, ID: ID{9}, Tag: [TagSize]byte{9}}
		},
		"an invented statement with a true tag": func(h []tagRecord) entry {
			return entry{Seq: h[0].Seq, ID: ID{9}, Tag: [TagSize]byte(h[0].Tags)}
		},
		"a true statement and tag at another place": func(h []tagRecord) entry {
			return entry{Seq: h[0].Seq, ID: h[1].ID, Tag: [TagSize]byte(h[1].Tags)}
		},
		"a true statement with another tag": func(h []tagRecord) entry {
			return entry{Seq: h[0].Seq, ID: h[0].ID, Tag: [TagSize]byte(h[1].Tags)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMesh(t, 3, 5)
			m.say(0, &Signal{Text: "One."})
			m.say(0, &Signal{Text: "Two."})
			m.settle()
			r := m.rooms[1]
			e := frame(r.local.Tags)
			e.From = uint64(r.index(m.id(0)))
			var c Change
			r.send(&gossip{[]entry{e}}, m.id(2), &c, m.now(1))
			m.keep(1, c)
			m.settle()
			m.wantAlarms(2, "inconsistent Aldmark Borvia")
			want := "What Borvia passed on as said by Aldmark does not fit what Aldmark told you. One of the two is not straight with you, and nothing here shows which."
			if got := m.view(2).Alarms[0].Text; got != want {
				t.Errorf("the alarm reads %q", got)
			}
			m.wantAlarms(0)
		})
	}
	// Lying heads accuse nobody but say that something differs.
	m := newMesh(t, 3, 6)
	m.say(0, &Signal{Text: "One."})
	m.settle()
	m.say(1, &Signal{Text: "Two."})
	last := m.lines[1][2][len(m.lines[1][2])-1]
	e := must(ParseEnvelope(last))
	e.Heads[0] ^= 1
	m.lines[1][2][len(m.lines[1][2])-1] = e.Encode()
	m.settle()
	m.wantAlarms(0, "inconsistent Borvia Cenia") // and it is true of Borvia, whose two copies differ
	if got := m.alarms(2); got[0] != "differs Borvia" || slices.Contains(got, "told different things Aldmark Borvia") {
		t.Errorf("Cenia is shown %q", got)
	}
}

// Tags about what a member said itself, or about what the reader said, say nothing.
func TestTagsAboutOneself(t *testing.T) {
	m := newMesh(t, 3, 7)
	for i := range 3 {
		m.say(i, &Signal{Text: "One."})
	}
	m.settle()
	r := m.rooms[1]
	var c Change
	for _, about := range []int{1, 2} {
		r.send(&gossip{[]entry{{From: uint64(r.index(m.id(about))), Seq: 1, ID: ID{9}}, {From: uint64(r.index(m.id(about))), Seq: 7, ID: ID{9}}}}, m.id(2), &c, m.now(1))
	}
	r.send(&gossip{[]entry{{From: 3, Seq: 1, ID: ID{9}}, {From: uint64(r.index(m.id(0))), Seq: 0, ID: ID{9}}}}, m.id(2), &c, m.now(1))
	m.keep(1, c)
	m.settle()
	m.wait(time.Hour)
	m.keep(2, m.rooms[2].Tick(m.now(2)))
	m.wantAlarms(2)
	if n := len(m.rooms[2].local.Hearsay); n > 0 {
		t.Errorf("%d are kept", n)
	}
}

// What was passed on about what never comes is kept for seven days, and not longer.
func TestHearsayIsErased(t *testing.T) {
	m := newMesh(t, 3, 8)
	m.say(0, &Signal{Text: "One."})
	m.settle()
	r := m.rooms[1]
	var c Change
	r.send(&gossip{[]entry{{From: uint64(r.index(m.id(0))), Seq: 7, ID: ID{9}}}}, m.id(2), &c, m.now(1))
	m.keep(1, c)
	m.settle()
	for wait, left := range map[time.Duration]int{TagLifetime - time.Second: 1, TagLifetime: 0} {
		again, err := Restore(m.rooms[2].Charter(), m.rows[2], m.rooms[2].Local(), m.random)
		if err != nil {
			t.Fatal(err)
		}
		again.Tick(m.now(2).Add(wait))
		if n := len(again.local.Hearsay); n != left {
			t.Errorf("after %s: %d", wait, n)
		}
	}
}

// A vector that claims too much is found out where it can be, and never blamed on
// somebody else as a fact.
func TestImpossibleClaims(t *testing.T) {
	change := func(m *mesh, f func(v []uint64)) {
		m.say(1, &Signal{Text: "Hm."})
		l := m.lines[1][2]
		e := must(ParseEnvelope(l[len(l)-1]))
		f(e.Vector)
		l[len(l)-1] = e.Encode()
		m.settle()
	}
	m := newMesh(t, 3, 7)
	change(m, func(v []uint64) { v[m.rooms[2].index(m.id(2))] = 5 })
	m.wantAlarms(2, "impossible claim Borvia")
	m = newMesh(t, 3, 7)
	change(m, func(v []uint64) { v[m.rooms[2].index(m.id(1))] = 3 })
	m.wantAlarms(2, "impossible claim Borvia")
	m = newMesh(t, 3, 7)
	m.say(0, &Signal{Text: "One."})
	m.settle()
	m.say(1, &Signal{Text: "Two."})
	m.settle()
	change(m, func(v []uint64) { v[m.rooms[2].index(m.id(0))] = 0 })
	m.wantAlarms(2, "impossible claim Borvia")
	m = newMesh(t, 3, 7)
	change(m, func(v []uint64) { v[m.rooms[2].index(m.id(0))] = 3 })
	m.wantAlarms(2)
	m.wait(missingAfter)
	m.wantAlarms(2, "missing Aldmark Borvia")
	m.wait(withheldTime)
	m.wantAlarms(2, "withheld Aldmark Borvia")
	want := "Borvia has said for more than a day that it has statements of Aldmark that have not reached you. " +
		"Aldmark is held up or holds them back from you, or Borvia claims what is not so."
	if got := m.view(2).Alarms[0].Text; got != want {
		t.Errorf("the alarm reads %q", got)
	}
}

// What one member has and another lacks is missing, not different; when it comes,
// all is well.
func TestLateAndOffline(t *testing.T) {
	m := newMesh(t, 4, 8)
	m.strict = true
	m.say(0, &Signal{Text: "One."})
	late := m.hold(0, 3)
	m.settle()
	m.say(1, &Signal{Text: "Two."})
	m.settle()
	m.wantAlarms(3)
	m.wait(time.Hour)
	m.wantAlarms(3, "missing Aldmark Borvia")
	m.lines[0][3] = late
	m.settle()
	m.wantAlarms(3)
	// One member is away for weeks. Tags and keys are gone by then; heads remain.
	var away [][][]byte
	for d := range 21 {
		m.wait(24 * time.Hour)
		for i := range 3 {
			m.say(i, &Signal{Text: "Day " + string(rune('A'+d))})
			m.keep(i, m.rooms[i].Tick(m.now(i)))
		}
		for i := range 3 {
			away = append(away, append([][]byte{{byte(i)}}, m.hold(i, 3)...))
		}
		m.settle()
	}
	for _, a := range away {
		m.lines[a[0][0]][3] = append(m.lines[a[0][0]][3], a[1:]...)
	}
	m.settle()
	for i := range 4 {
		m.wantAlarms(i)
		if v := m.view(i); len(v.Timeline) != 2+3*21 {
			t.Errorf("member %d has %d statements", i, len(v.Timeline))
		}
	}
}

// A statement left out of a chain holds up what follows it, loses nothing, and is
// told.
func TestGap(t *testing.T) {
	m := newMesh(t, 2, 9)
	m.strict = true
	m.say(0, &Signal{Text: "One."})
	first := m.hold(0, 1)
	m.say(0, &Signal{Text: "Two."})
	m.say(0, &Signal{Text: "Three."})
	m.settle()
	m.wantAlarms(1, "gap Aldmark Aldmark")
	if n := len(m.view(1).Timeline); n != 0 {
		t.Errorf("%d statements count", n)
	}
	m.lines[0][1] = first
	m.settle()
	m.wantAlarms(1)
	if n := len(m.view(1).Timeline); n != 3 {
		t.Errorf("%d statements count", n)
	}
}

// Two statements at one place of one channel: the first counts, both are kept, and
// repeats are no news.
func TestFork(t *testing.T) {
	m := newMesh(t, 2, 10)
	m.strict = true
	m.say(0, &Signal{Text: "One."})
	item := m.lines[0][1][0]
	m.settle()
	m.lines[0][1] = [][]byte{item}
	m.settle()
	m.wantAlarms(1)
	e := must(ParseEnvelope(item))
	e.Body = must(EncodeBody(&Signal{Text: "Other."}))
	m.lines[0][1] = [][]byte{e.Encode()}
	m.settle()
	m.wantAlarms(1, "fork Aldmark")
	if v := m.view(1); len(v.Timeline) != 1 || v.Timeline[0].Body.(*Signal).Text != "One." || v.Refused != 1 {
		t.Errorf("%+v", v)
	}
	// One that does not continue what came before.
	m = newMesh(t, 2, 10)
	m.strict = true
	m.say(0, &Signal{Text: "One."})
	m.settle()
	m.say(0, &Signal{Text: "Two."})
	e = must(ParseEnvelope(m.lines[0][1][0]))
	e.Prev[0] ^= 1
	m.lines[0][1][0] = e.Encode()
	m.settle()
	m.wantAlarms(1, "fork Aldmark")
}

// Vouch tags and keys are in no row, and are gone once all have compared, or after
// seven days.
func TestTagsAreErased(t *testing.T) {
	m := newMesh(t, 3, 11)
	m.say(0, &Signal{Text: "One."})
	var secrets [][]byte
	for _, k := range m.rooms[0].local.KeysOut {
		secrets = append(secrets, bytes.Clone(k.Key[:]))
	}
	if len(secrets) != 2 {
		t.Fatal("no vouch key for each other member")
	}
	e := must(ParseEnvelope(m.lines[0][1][1]))
	secrets = append(secrets, bytes.Clone(e.Vouch))
	m.settle()
	m.wait(gossipAfter)
	for i := range 3 {
		m.keep(i, m.rooms[i].Tick(m.now(i)))
	}
	m.settle()
	traces := func() (n int) {
		for i := range 3 {
			for _, s := range secrets {
				for _, r := range m.rows[i] {
					if bytes.Contains(r.Raw, s) {
						t.Error("a row has a vouch key or tag")
					}
				}
				if bytes.Contains([]byte(m.json(m.rooms[i], i)), s) {
					t.Error("a view has a vouch key or tag")
				}
				if bytes.Contains(m.rooms[i].Local(), s) {
					n++
				}
			}
		}
		return n
	}
	if traces() == 0 {
		t.Fatal("nothing to erase")
	}
	m.wait(TagLifetime)
	for i := range 3 {
		m.keep(i, m.rooms[i].Tick(m.now(i)))
	}
	if n := traces(); n != 0 {
		t.Errorf("%d traces after seven days", n)
	}
	// Once all have compared, tags go at once.
	m = newMesh(t, 3, 12)
	for i := range 3 {
		m.say(i, &Signal{Text: "Here."})
		m.settle()
	}
	for i := range 3 {
		m.say(i, &Signal{Text: "Again."})
		m.settle()
	}
	for i := range 3 {
		for _, tag := range m.rooms[i].local.Tags {
			if tag.Seq == 1 {
				t.Errorf("member %d keeps a tag about which all have compared", i)
			}
		}
	}
	// A key serves a day; then the next is handed out, and the old one goes when all
	// compared what it vouched for.
	m.wait(keyTerm)
	for range 2 {
		for i := range 3 {
			m.say(i, &Signal{Text: "Next day."})
			m.settle()
		}
	}
	for i := range 3 {
		if n := len(m.rooms[i].local.KeysIn); n != 2 {
			t.Errorf("member %d keeps %d keys", i, n)
		}
	}
}

// What cannot be read is kept, counted and shown; what cannot be a statement is
// refused with a reason and kept as well, up to a bound.
func TestUnknownAndMalformed(t *testing.T) {
	m := newMesh(t, 2, 13)
	m.strict = true
	r := m.rooms[0]
	var c Change
	r.put("poll", must(enc.Marshal(map[int]string{1: "?"})), MemberID{}, &c, m.now(0))
	r.put(KindOffer, []byte{0xa0}, MemberID{}, &c, m.now(0))
	r.put(kindKeys, must(EncodeBody(&Signal{Text: "x"})), MemberID{}, &c, m.now(0))
	m.keep(0, c)
	m.say(0, &Signal{Text: "Still here."})
	m.settle()
	v := m.view(1)
	if len(v.NotRead) != 2 || v.NotRead[0].Kind != "poll" || v.NotRead[1].Unreadable == "" || len(v.NotRead[0].Raw) == 0 {
		t.Errorf("%+v", v.NotRead)
	}
	if last := v.Timeline[len(v.Timeline)-1]; last.Kind != KindSignal {
		t.Errorf("the chain stops at %s", last.Kind)
	}
	e := must(ParseEnvelope(must(func() ([]byte, error) {
		m.say(0, &Signal{Text: "Bye."})
		return m.hold(0, 1)[0], nil
	}())))
	for _, spoil := range []func(e *Envelope){
		func(e *Envelope) { e.Version = 2 },
		func(e *Envelope) { e.Room[0] ^= 1 },
		func(e *Envelope) { e.From = m.id(1) },
		func(e *Envelope) { e.Vector = append(e.Vector, 1) },
		func(e *Envelope) { e.Seq = 0 },
		func(e *Envelope) { e.Kind = "NO" },
		func(e *Envelope) { e.Vouch = []byte{1} },
		func(e *Envelope) { e.Class = 7 },
		func(e *Envelope) { e.Time = 0 },
	} {
		x := *e
		x.Vector = slices.Clone(e.Vector)
		spoil(&x)
		c, err := m.rooms[1].Apply(contactIn(1, 0), x.Encode(), m.now(1))
		if !errors.Is(err, ErrRefused) || len(c.Rows) != 1 || c.Rows[0].Refused == "" {
			t.Errorf("%v, %d rows", err, len(c.Rows))
		}
		m.keep(1, c)
	}
	for range 2 * maxRefused {
		c, err := m.rooms[1].Apply(contactIn(1, 0), []byte("\xffnoise"), m.now(1))
		if err == nil {
			t.Fatal("noise was taken")
		}
		m.rows[1] = append(m.rows[1], c.Rows...)
	}
	if n := len(m.rooms[1].refused); n != maxRefused {
		t.Errorf("%d refused items are kept", n)
	}
	if v := m.view(1); v.Refused != 9+2*maxRefused {
		t.Errorf("%d are counted", v.Refused)
	}
	if _, err := m.rooms[1].Apply(Contact{9}, e.Encode(), m.now(1)); !errors.Is(err, ErrRefused) {
		t.Error("a stranger was heard")
	}
	m.lines[0][1] = [][]byte{e.Encode()}
	m.settle()
	if v := m.view(1); v.Timeline[len(v.Timeline)-1].Body.(*Signal).Text != "Bye." {
		t.Error("noise stopped the chain")
	}
}

// A station that was restored listens and says nothing, not even by itself.
func TestFrozen(t *testing.T) {
	m := newMesh(t, 3, 14)
	m.strict = true
	agenda := m.agenda()
	offer := m.say(0, m.offer(agenda, 0, 0))
	m.settle()
	m.rooms[0].Freeze()
	m.restart(0)
	m.say(1, &Take{Of: offer})
	m.settle()
	m.wait(time.Hour)
	m.keep(0, m.rooms[0].Tick(m.clock))
	if _, err := m.trySay(0, &Signal{Text: "x"}); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	if _, err := m.rooms[0].SayOpaque("round/x", []byte{0xa0}, MemberID{}, m.clock); !errors.Is(err, ErrRefused) {
		t.Error(err)
	}
	if v := m.view(0); !v.Frozen || len(m.lines[0][1])+len(m.lines[0][2]) > 0 || len(v.Offers[0].Takers) != 1 {
		t.Errorf("%+v", v.Offers)
	}
	for i := range 3 {
		if o := m.view(i).Offers[0]; o.State != OfferOpen || m.count(i, KindTaken) > 0 {
			t.Errorf("member %d hears the restored station confirm: %s", i, o.State)
		}
	}
}
