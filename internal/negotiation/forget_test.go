package negotiation

import (
	"bytes"
	"testing"
)

// A statement of which the body was erased keeps its place: the room that is made of
// the rows is the same, and chains go on. No export may do without a body.
func TestForget(t *testing.T) {
	m := newMesh(t, 3, 77)
	m.agenda()
	var ids []ID
	for n, to := range []MemberID{{}, m.id(1)} {
		c, err := m.rooms[0].SayOpaque("round/input", bytes.Repeat([]byte{0x61, 0x62}, 20+n), to, m.clock)
		if err != nil {
			t.Fatal(err)
		}
		m.keep(0, c)
		m.settle()
		for _, r := range c.Rows {
			if !r.Erased {
				ids = append(ids, r.ID)
			}
		}
	}
	for i := range 2 {
		for _, id := range ids {
			if i == 1 && m.rooms[1].byID[id] == nil {
				t.Fatal("member 1 lacks a statement")
			}
			row, err := m.rooms[i].Forget(id, []byte{0x60})
			if err != nil || !row.Erased || row.ID != id || bytes.Contains(row.Raw, []byte("abab")) {
				t.Fatalf("%v, %+v", err, row)
			}
			for n := range m.rows[i] {
				if m.rows[i][n].ID == id {
					row.At = m.rows[i][n].At
					m.rows[i][n] = row
				}
			}
			if s := m.rooms[i].byID[id]; !bytes.Equal(s.Raw, []byte{0x60}) {
				t.Errorf("of the statement %x is left", s.Raw)
			}
		}
		m.restart(i)
	}
	for i := range 3 {
		m.say(i, &Signal{Text: "And on."})
		m.settle()
	}
	for i := range 3 {
		m.wantAlarms(i)
	}
	b, err := m.rooms[1].Export(m.rows[1], m.name)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadExport(b); err == nil {
		t.Error("an export is read in which the proofs of a round are missing: what a station exports is played anew")
	}
	signal := m.say(0, &Signal{Text: "This stays."})
	for _, id := range []ID{signal, {9}} {
		if _, err := m.rooms[0].Forget(id, nil); err == nil {
			t.Error("what a person said was erased")
		}
	}
}
