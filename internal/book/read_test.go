package book

import (
	"bytes"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/conduct"
)

// rewrite is a member's copy of a room in which one statement was changed, and every
// id, chain and vector after it was made to fit: what somebody would write who wants a
// copy to say something else.
func rewrite(t *testing.T, p *play, i int, change func(e *negotiation.Envelope) bool) []byte {
	t.Helper()
	a := p.cast[i]
	type place struct {
		from, to negotiation.MemberID
	}
	heads := map[place]negotiation.ID{}
	lists := map[negotiation.MemberID][]negotiation.ID{}
	now := map[negotiation.ID]negotiation.ID{}
	done := false
	var rows []negotiation.Row
	for _, row := range a.rows {
		var e negotiation.Envelope
		if err := cbor.Unmarshal(row.Raw, &e); err != nil {
			t.Fatal(err)
		}
		for old, id := range now {
			e.Body = bytes.ReplaceAll(e.Body, old[:], id[:])
		}
		done = done || change(&e)
		e.Prev = heads[place{row.From, row.To}]
		if len(e.Vector) > 0 {
			var at []negotiation.ID
			for k, m := range a.room.Members() {
				var id negotiation.ID
				if n := e.Vector[k]; n > 0 {
					id = lists[m][n-1]
				}
				at = append(at, id)
			}
			h := negotiation.Heads(at)
			e.Heads = h[:]
		}
		id := row.ID
		if !row.Erased {
			id = e.ID()
		}
		now[row.ID], heads[place{row.From, row.To}] = id, id
		if row.To.IsZero() {
			lists[row.From] = append(lists[row.From], id)
		}
		row.ID, row.Raw = id, e.Encode()
		rows = append(rows, row)
	}
	if !done {
		t.Fatal("nothing was changed")
	}
	room, err := negotiation.Restore(a.room.Charter(), rows, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	names := sourceOf(p, i, later).Names
	b, err := room.Export(rows, names)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// alter flips a bit in the first message of a kind, and leaves its form as it is.
func alter(kind negotiation.Kind) func(e *negotiation.Envelope) bool {
	done := false
	return func(e *negotiation.Envelope) bool {
		if done || e.Kind != kind {
			return done
		}
		m, err := conduct.ParseMessage(e.Body)
		if err != nil {
			return false
		}
		if len(m.Bytes) == 0 {
			m.Attempt += 7
		} else {
			m.Bytes[len(m.Bytes)-1] ^= 1
		}
		e.Body, done = m.Encode(), true
		return true
	}
}

// Nothing that was said in a round or a signing can be changed.
func TestTampered(t *testing.T) {
	p, err := perform(straits(t), seeded(9), nil)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[negotiation.Kind]bool{}
	for _, st := range p.cast[0].room.Statements() {
		if st.Body == nil && !st.Kind.Vouches() {
			kinds[st.Kind] = true
		}
	}
	if len(kinds) != 15 {
		t.Errorf("the example has %d kinds of messages of rounds and signings, want all 15", len(kinds))
	}
	for k := range kinds {
		if _, err := Read(rewrite(t, p, 0, alter(k)), later); err == nil {
			t.Errorf("a changed %s is read", k)
		}
	}
	if b := rewrite(t, p, 0, func(e *negotiation.Envelope) bool { return true }); true {
		if _, err := Read(b, later); err != nil {
			t.Fatalf("what was rewritten and not changed is refused: %v", err)
		}
	}
	for what, change := range map[string]func(e *negotiation.Envelope) bool{
		"an answer that left early": func(e *negotiation.Envelope) bool {
			if e.Kind == "round/input" {
				e.Time -= 7200
			}
			return e.Kind == "round/input"
		},
		"a message of nothing here": func(e *negotiation.Envelope) bool {
			if e.Kind != "round/coin" {
				return false
			}
			m, err := conduct.ParseMessage(e.Body)
			m.Of[0] ^= 1
			e.Body = m.Encode()
			return err == nil
		},
		"another kind than it is": func(e *negotiation.Envelope) bool {
			if e.Kind != "round/coin" {
				return false
			}
			e.Kind = "round/open"
			return true
		},
		"a consent that is missing": func(e *negotiation.Envelope) bool {
			if e.Kind != negotiation.KindConsent {
				return false
			}
			e.Body = bytes.Repeat([]byte{0}, 3)
			return true
		},
	} {
		if _, err := Read(rewrite(t, p, 0, change), later); err == nil {
			t.Errorf("%s is read", what)
		}
	}
}

// Nor can the file.
func TestTamperedFile(t *testing.T) {
	s := straits(t)
	s.Lines = s.Lines[:12]
	b, err := Forge(s, "json", seeded(10))
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string][2]string{
		"another word":     {"Is this line good?", "Is this line bad?!"},
		"another name":     {`"name": "Aldmark"`, `"name": "Aldmore"`},
		"a title":          {`"title": "Straits talks"`, `"title": "Straits talkz"`},
		"a key twice":      {`"format"`, `"format": "x", "format"`},
		"an unknown key":   {`"format"`, `"from": "", "format"`},
		"another space":    {`"format": `, `"format":  `},
		"something behind": {"\n}", "\n} {}"},
	} {
		at := bytes.LastIndex(b, []byte(change[0]))
		if at < 0 {
			t.Fatalf("%s: there is nothing to change", what)
		}
		x := append(append(bytes.Clone(b[:at]), change[1]...), b[at+len(change[0]):]...)
		if _, err := Read(x, later); err == nil {
			t.Errorf("%s is read", what)
		}
	}
	if _, err := Read(b, later); err != nil {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	s := straits(f)
	for _, n := range []int{3, 12, len(s.Lines)} {
		short := *s
		short.Lines = s.Lines[:n]
		b, err := Forge(&short, "json", seeded(11))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"format":"backchannel/room/1"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		book, err := Read(b, later)
		if err != nil {
			return
		}
		_ = book.Record(later)
	})
}

// What parses is written as the same script, and is played or refused.
func FuzzScript(f *testing.F) {
	for _, s := range []*Script{straits(f), {Format: scriptFormat, Title: "x", Members: []string{"a", "b"}, Proposed: floor(later), Lines: []Line{
		{At: floor(later), By: "a", Name: "x", Unknown: &Unknown{"poll", 3}}, {At: floor(later), By: "b", Unheard: []string{"x"}, Signal: "y"}, {At: floor(later), By: "b", Away: true}}}} {
		b, err := s.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseScript(b)
		if err != nil {
			return
		}
		x, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseScript(x)
		if err != nil {
			t.Fatalf("%v: %s", err, x)
		}
		y, err := again.Encode()
		if err != nil || !bytes.Equal(x, y) {
			t.Fatalf("%v\n%s\n%s", err, x, y)
		}
		if len(s.Lines) > 8 || len(s.Members) > 3 {
			return // played elsewhere: it takes long
		}
		made, err := Forge(s, "json", seeded(12))
		if err != nil {
			return
		}
		if _, err := Read(made, later); err != nil {
			t.Fatalf("what was forged does not read: %v", err)
		}
	})
}
