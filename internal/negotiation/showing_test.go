package negotiation

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"
)

// show has member i show member j what stands at a place of member k's chain.
func (m *mesh) show(i, j, k int, seq uint64) error {
	m.t.Helper()
	c, err := m.rooms[i].Show(m.rooms[i].told[m.id(k)].at(seq), m.id(j), m.now(i))
	if err == nil {
		m.keep(i, c)
	}
	return err
}

// shownAt lists the states of what members showed, as member i sees it.
func (m *mesh) shownAt(i int) (states []ShownState) {
	for _, s := range m.view(i).Shown {
		states = append(states, s.State)
	}
	return states
}

func (m *mesh) wantShown(i int, want ...ShownState) {
	m.t.Helper()
	if got := m.shownAt(i); !slices.Equal(got, want) {
		m.t.Errorf("member %d: %v, want %v", i, got, want)
	}
}

// What was told to one member and not to another can be shown: who is shown it knows
// who wrote it.
func TestShownIsWrittenByItsAuthor(t *testing.T) {
	m := newMesh(t, 3, 21)
	m.strict = true
	m.liar(0, &Signal{Text: "We will not move on X."}, &Signal{Text: "We may move on X."}, 1)
	m.settle()
	if err := m.show(1, 2, 0, 1); err != nil {
		t.Fatal(err)
	}
	m.wantShown(1, ShownByUs)
	m.settle()
	m.wantShown(2, ShownWritten)
	m.wantShown(0)
	v := m.view(2).Shown[0]
	if b, ok := v.Statement.Body.(*Signal); !ok || b.Text != "We may move on X." || v.Statement.From != m.id(0) || v.By != m.id(1) || v.To != m.id(2) {
		t.Errorf("%+v", v)
	}
	if want := "Aldmark wrote this. Borvia, who shows it to you, could not have made its tag: only Aldmark and you could. " +
		"For that reason you cannot prove it to anybody else."; v.Text != want {
		t.Errorf("the text reads %q", v.Text)
	}
	if want := "You showed Cenia what Aldmark said, with the tag by which Cenia can tell that Aldmark wrote it. " +
		"It proves nothing to others, because Cenia could have made it."; m.view(1).Shown[0].Text != want {
		t.Errorf("the text reads %q", m.view(1).Shown[0].Text)
	}
	if got := m.alarms(2); !slices.Contains(got, "told different things Aldmark Borvia") {
		t.Errorf("Cenia is shown %q", got)
	}
	// Neither rows nor what is exported has the tag.
	key := m.rooms[2].keyFor(m.id(0), 1).Key
	tag := VouchTag(&key, 1, v.Statement.ID)
	for i := range m.rooms {
		for _, r := range m.rows[i] {
			if bytes.Contains(r.Raw, tag[:]) {
				t.Errorf("a row of member %d has the tag", i)
			}
		}
		b, err := m.rooms[i].Export(m.rows[i], m.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := ReadExport(b); err != nil {
			t.Errorf("the export of member %d: %v", i, err)
		}
		if bytes.Contains(m.rooms[i].Lasting(), tag[:]) {
			t.Errorf("the backup of member %d has the tag", i)
		}
	}
	if bytes.Contains(m.rooms[2].encodedShown(), tag[:]) {
		t.Error("the tag stays after it was judged")
	}
	b, err := json.Marshal(m.view(2))
	var back View
	if err != nil || json.Unmarshal(b, &back) != nil || len(back.Shown) != 1 || back.Shown[0].Statement.ID != v.Statement.ID {
		t.Errorf("as JSON: %v, %+v", err, back.Shown)
	}
}

func (r *Room) encodedShown() []byte { return encode(&r.local.Shown) }

// What never reached a member can be shown to it too, and when it comes after all,
// nothing is wrong.
func TestShownWithheld(t *testing.T) {
	m := newMesh(t, 3, 22)
	m.strict = true
	m.say(0, &Signal{Text: "One."})
	m.settle()
	m.say(0, &Signal{Text: "Two."})
	late := m.hold(0, 2)
	m.settle()
	if err := m.show(1, 2, 0, 2); err != nil {
		t.Fatal(err)
	}
	m.settle()
	m.wantShown(2, ShownWritten)
	m.lines[0][2] = late
	m.settle()
	m.wantAlarms(2)
	m.wantShown(2, ShownSame)
}

// A key that comes later than what is shown under it accuses nobody meanwhile.
func TestShownBeforeItsKey(t *testing.T) {
	m := newMesh(t, 3, 23)
	m.strict = true
	m.say(0, &Signal{Text: "One."})
	first := m.hold(0, 2)
	m.settle()
	if err := m.show(1, 2, 0, 1); err != nil {
		t.Fatal(err)
	}
	m.settle()
	m.wantShown(2, ShownWaits)
	m.lines[0][2] = first
	m.settle()
	m.wantShown(2, ShownSame)
	m.wait(keyTerm) // the next statement is under a new key
	m.say(0, &Signal{Text: "Two."})
	second := m.hold(0, 2)
	m.settle()
	if err := m.show(1, 2, 0, 2); err != nil {
		t.Fatal(err)
	}
	m.settle()
	m.wantShown(2, ShownSame, ShownWaits)
	m.wantAlarms(2)
	m.lines[0][2] = second
	m.settle()
	m.wantShown(2, ShownSame, ShownSame)
	m.wantAlarms(2)
}

// What a member makes up, or shows with another tag, is inconsistent and names
// nobody as the one who did it.
func TestShownForged(t *testing.T) {
	for name, spoil := range map[string]func(b *showing, e *Envelope){
		"another text":  func(b *showing, e *Envelope) { e.Body = must(EncodeBody(&Signal{Text: "We give in."})) },
		"another tag":   func(b *showing, e *Envelope) { b.Tag[0] ^= 1 },
		"no tag":        func(b *showing, e *Envelope) { b.Tag = nil },
		"another place": func(b *showing, e *Envelope) { e.Seq, e.Prev = 2, ID{1} },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMesh(t, 3, 24)
			m.say(0, &Signal{Text: "One."})
			m.say(0, &Signal{Text: "Two."})
			m.settle()
			r := m.rooms[1]
			s := r.told[m.id(0)].list[0]
			e := r.envelope(s)
			b := &showing{Tag: slices.Clone(r.local.Tags[0].Tags)}
			spoil(b, e)
			b.Statement = e.told()
			var c Change
			r.put(kindShow, must(EncodeBody(b)), m.id(2), &c, m.now(1))
			m.keep(1, c)
			m.settle()
			m.wantShown(2, ShownInconsistent)
			want := "Borvia shows you this as said by Aldmark, and it does not fit what Aldmark gave you to check it with. " +
				"One of the two is not straight with you, and nothing here shows which."
			if got := m.view(2).Shown[0].Text; got != want {
				t.Errorf("the text reads %q", got)
			}
			for _, a := range m.view(2).Alarms {
				if a.Type != AlarmInconsistent {
					t.Errorf("alarm %s", a.Type)
				}
			}
			m.wantAlarms(0)
		})
	}
}

// What is no statement of the room by somebody else is listed as not understood.
func TestShownIsNone(t *testing.T) {
	for name, body := range map[string]func(m *mesh) []byte{
		"the shower's own": func(m *mesh) []byte {
			return must(EncodeBody(&showing{Statement: m.rooms[1].envelope(m.rooms[1].told[m.id(1)].list[0]).told()}))
		},
		"another room's": func(m *mesh) []byte {
			e := m.rooms[1].envelope(m.rooms[1].told[m.id(0)].list[0])
			e.Room[0] ^= 1
			return must(EncodeBody(&showing{Statement: e.told(), Tag: make([]byte, TagSize)}))
		},
		"noise": func(*mesh) []byte { return []byte{0xa1, 1, 0x40} },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMesh(t, 3, 25)
			m.say(0, &Signal{Text: "One."})
			m.say(1, &Signal{Text: "One."})
			m.settle()
			var c Change
			m.rooms[1].put(kindShow, body(m), m.id(2), &c, m.now(1))
			m.keep(1, c)
			m.strict = true
			m.settle()
			v := m.view(2)
			if len(v.Shown) != 0 || len(v.NotRead) != 1 || v.NotRead[0].Kind != kindShow || v.NotRead[0].Unreadable == "" {
				t.Errorf("%+v, %+v", v.Shown, v.NotRead)
			}
			m.wantAlarms(2)
			b, err := json.Marshal(v)
			var back View
			if err != nil || json.Unmarshal(b, &back) != nil {
				t.Error("it is no JSON that a program reads")
			}
		})
	}
}

// What cannot be shown is refused with a reason, and nothing is said.
func TestShowRefused(t *testing.T) {
	m := newMesh(t, 3, 26)
	m.strict = true
	m.say(0, &Signal{Text: "One."})
	m.say(1, &Signal{Text: "Own."})
	c, err := m.rooms[0].Say(&Signal{Text: "For you."}, m.id(1), m.now(0))
	if err != nil {
		t.Fatal(err)
	}
	m.keep(0, c)
	m.settle()
	r := m.rooms[1]
	one, own := r.told[m.id(0)].at(1), r.told[m.id(1)].at(1)
	var private ID
	for _, s := range r.heard[m.id(0)].list {
		if s.Kind == KindSignal {
			private = s.ID
		}
	}
	for name, try := range map[string]func() error{
		"to nobody":            func() error { _, err := r.Show(one, MemberID{}, m.now(1)); return err },
		"to oneself":           func() error { _, err := r.Show(one, m.id(1), m.now(1)); return err },
		"to its author":        func() error { _, err := r.Show(one, m.id(0), m.now(1)); return err },
		"one's own":            func() error { _, err := r.Show(own, m.id(2), m.now(1)); return err },
		"what is not here":     func() error { _, err := r.Show(ID{9}, m.id(2), m.now(1)); return err },
		"what was said to one": func() error { _, err := r.Show(private, m.id(2), m.now(1)); return err },
		"by saying it": func() error {
			_, err := m.trySay(1, &showing{Statement: r.envelope(r.told[m.id(0)].list[0]).told()})
			return err
		},
		"a key that was handed": func() error { _, err := r.Show(r.heard[m.id(0)].list[0].ID, m.id(2), m.now(1)); return err },
	} {
		if err := try(); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// After a week nothing is left to show it with.
	m.wait(TagLifetime)
	m.keep(1, m.rooms[1].Tick(m.now(1)))
	if _, err := m.rooms[1].Show(one, m.id(2), m.now(1)); !errors.Is(err, ErrRefused) {
		t.Errorf("after seven days: %v", err)
	}
	m.rooms[1].Freeze()
	if _, err := m.rooms[1].Show(one, m.id(2), m.now(1)); !errors.Is(err, ErrRefused) {
		t.Errorf("restored: %v", err)
	}
}

// Once all have compared there is nothing to show; what was shown before and not
// judged by then is settled, and after a week it is not known any more.
func TestShownIsErased(t *testing.T) {
	m := newMesh(t, 3, 27)
	for range 2 {
		for i := range 3 {
			m.say(i, &Signal{Text: "Here."})
			m.settle()
		}
	}
	if err := m.show(1, 2, 0, 1); !errors.Is(err, ErrRefused) {
		t.Errorf("all hold the same: %v", err)
	}
	m = newMesh(t, 3, 28)
	m.strict = true
	m.say(0, &Signal{Text: "One."})
	m.hold(0, 2)
	m.settle()
	if err := m.show(1, 2, 0, 1); err != nil {
		t.Fatal(err)
	}
	m.settle()
	m.wait(TagLifetime - time.Second)
	m.keep(2, m.rooms[2].Tick(m.now(2)))
	m.wantShown(2, ShownWaits)
	m.wait(time.Second)
	m.keep(2, m.rooms[2].Tick(m.now(2)))
	m.wantShown(2, ShownUnknown)
	if rec := m.rooms[2].local.Shown[0]; len(rec.Tag) != 0 {
		t.Error("the tag is still here")
	}
}

// A forged room has what was shown, like a real one.
func TestForgeShows(t *testing.T) {
	one := 1
	at := func(n int) time.Time { return start.Add(time.Hour + time.Duration(n)*time.Minute) }
	f, err := Forge(Script{Title: "Straits talks", Members: []string{"Aldmark", "Borvia", "Cenia"}, Start: start, Lines: []Line{
		{Name: "first", At: at(0), By: 0, Kind: KindSignal, Body: []byte(`{"text":"One."}`)},
		{At: at(1), By: 2, To: &one, Kind: kindShow, Body: []byte(`{"of":"@first"}`)},
	}}, seeded(29))
	if err != nil {
		t.Fatal(err)
	}
	v := f[1].Room.View(at(2), func(m MemberID) string { return f[1].Names[m] })
	if len(v.Shown) != 1 || v.Shown[0].State != ShownSame {
		t.Errorf("%+v", v.Shown)
	}
}
