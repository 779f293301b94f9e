package negotiation

import (
	"fmt"
	"testing"
	"time"
)

// Who told two members different things cannot hide it by passing on so much about
// others that there is no room for what they pass on about it.
func TestHearsayFlood(t *testing.T) {
	m := newMesh(t, 3, 60)
	m.strict = true
	r := m.rooms[0]
	about := uint64(r.index(m.id(1)))
	var c Change
	for n := range 32 {
		var g gossip
		for i := range MaxGossip {
			g.Entries = append(g.Entries, entry{From: about, Seq: 1000 + uint64(n*MaxGossip+i), ID: ID{1}})
		}
		r.send(&g, m.id(2), &c, m.now(0))
	}
	m.keep(0, c)
	m.settle()
	m.liar(0, &Signal{Text: "We will not move on X."}, &Signal{Text: "We may move on X."}, 1)
	m.settle()
	m.wait(gossipAfter)
	for i := range 3 {
		m.keep(i, m.rooms[i].Tick(m.now(i)))
	}
	m.settle()
	found := false
	for _, a := range m.alarms(2) {
		found = found || a == "told different things Aldmark Borvia"
	}
	if !found {
		t.Errorf("Cenia is shown %q", m.alarms(2))
	}
	if n := len(m.rooms[2].local.Hearsay); n > 3*maxHearsay {
		t.Errorf("%d tags are kept", n)
	}
}

// Vouch keys are handed over one a day. Who sends them all the time loses its older
// ones, and fills no list that every later statement is weighed against.
func TestKeyFlood(t *testing.T) {
	m := newMesh(t, 3, 67)
	var c Change
	for n := range 3 * maxKeys {
		m.rooms[0].send(&vouchKey{First: uint64(n + 1), Key: [32]byte{byte(n), byte(n >> 8)}}, m.id(2), &c, m.now(0))
	}
	m.keep(0, c)
	m.say(1, &Signal{Text: "Here."})
	m.settle()
	mine, theirs := 0, 0
	for _, k := range m.rooms[2].local.KeysIn {
		if k.From == m.id(1) {
			theirs++
		} else if mine++; k.First <= 2*maxKeys {
			t.Errorf("an older key, from %d on, is here", k.First)
		}
	}
	if mine != maxKeys || theirs != 1 {
		t.Errorf("%d keys of one and %d of the other", mine, theirs)
	}
	m.wantAlarms(2)
}

// Who sends statements that follow one that never comes uses up its own room, not
// that of the others.
func TestHeldFlood(t *testing.T) {
	m := newMesh(t, 3, 61)
	m.say(0, &Signal{Text: "The first."})
	first := m.hold(0, 2)
	for n := range 300 {
		m.say(0, &Signal{Text: fmt.Sprint(n)})
	}
	m.say(1, &Signal{Text: "One."})
	late := m.hold(1, 2)
	m.say(1, &Signal{Text: "Two."})
	m.settle()
	if len(m.rooms[2].held) != maxHeld+1 {
		t.Errorf("%d statements wait", len(m.rooms[2].held))
	}
	if len(m.errs) != 300-maxHeld {
		t.Errorf("%d of them were refused", len(m.errs))
	}
	m.lines[1][2] = late
	m.settle()
	if n := len(m.rooms[2].told[m.id(1)].list); n != 2 {
		t.Errorf("%d statements of Borvia are here, want 2", n)
	}
	_ = first
}

// Who proposes a round opens first if it takes part: who opens second can stop with
// the result in hand.
func TestProposerOpensFirst(t *testing.T) {
	m := newMesh(t, 3, 62)
	agenda := m.agenda()
	p := m.say(0, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(1)}})
	m.settle()
	r := &Round{Mode: Single, Agenda: agenda, Packages: []ID{p}, Parties: m.ids(0, 1), Opener: m.id(1),
		InputsAt: uint64(m.clock.Add(time.Hour).Unix()), Deadline: uint64(m.clock.Add(2 * time.Hour).Unix())}
	_, err := m.trySay(0, r)
	refusedWith(t, err, "opens first")
	// A station that does not ask itself is refused by the others.
	m.lie(0, r, MemberID{})
	id := m.lastOf(0)
	for i := range 3 {
		if v := m.eval(i).rounds[id]; v == nil || v.Problem == "" {
			t.Errorf("%s takes the round", m.name(m.id(i)))
		}
	}
	_, err = m.trySay(1, &Join{Of: id})
	refusedWith(t, err, "cannot take place")
	// Between others somebody has to be named.
	r.Parties, r.Opener = m.ids(1, 2), m.id(2)
	m.say(0, r)
}

// Nor by showing so much that what the others show about it finds no room.
func TestShownFlood(t *testing.T) {
	m := newMesh(t, 3, 66)
	m.strict = true
	m.say(1, &Signal{Text: "Here."})
	m.settle()
	r := m.rooms[0]
	var c Change
	for n := range 300 {
		e := r.envelope(r.told[m.id(1)].list[0])
		e.Seq, e.Prev = uint64(1000+n), ID{1}
		r.put(kindShow, must(EncodeBody(&showing{Statement: e.told(), Tag: make([]byte, TagSize)})), m.id(2), &c, m.now(0))
	}
	m.keep(0, c)
	m.liar(0, &Signal{Text: "We will not move on X."}, &Signal{Text: "We may move on X."}, 1)
	m.settle()
	if err := m.show(1, 2, 0, 1); err != nil {
		t.Fatal(err)
	}
	m.settle()
	states := map[ShownState]int{}
	for _, s := range m.shownAt(2) {
		states[s]++
	}
	if states[ShownWritten] != 1 || states[ShownWaits] != maxShown || states[ShownUnknown] != 300-maxShown {
		t.Errorf("%v", states)
	}
}
