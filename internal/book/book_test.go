package book

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"backchannel/internal/negotiation"
)

// source is randomness that is the same every time.
type source struct{ r *rand.Rand }

func (s source) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(s.r.Uint32())
	}
	return len(p), nil
}

func seeded(seed uint64) source { return source{rand.New(rand.NewPCG(seed, 7))} }

// straits is the example of a whole negotiation.
func straits(t testing.TB) *Script {
	t.Helper()
	b, err := os.ReadFile("testdata/straits.script.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseScript(b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var later = time.Date(2026, 11, 13, 20, 0, 0, 0, time.UTC)

// What is made up passes every check of the reader, from everybody's place, and says
// what the script says.
func TestForgedIsRead(t *testing.T) {
	s := straits(t)
	for _, self := range s.Members {
		s.Self = self
		b, err := Forge(s, "json", seeded(1))
		if err != nil {
			t.Fatal(err)
		}
		book, err := Read(b, later)
		if err != nil {
			t.Fatal(err)
		}
		v := book.Room.View(later, book.Name)
		got := map[string]string{}
		for _, r := range v.Rounds {
			got[r.Mode.String()+" "+book.Name(r.Opener)] = roundEnd(r)
		}
		for _, a := range v.Agreements {
			got[a.Level.String()] = string(a.State)
		}
		for _, o := range v.Offers {
			got["offer of "+book.Name(o.Author)] = string(o.State)
		}
		for _, q := range v.Communiques {
			got["communiqué"] = string(q.State)
		}
		want := map[string]string{"single Cenia": "match on number 1", "single Aldmark": "without a result", "list Borvia": "match on number 2", "ladder Aldmark": "no match",
			"handshake": "confirmed", "public": "sealed", "offer of Borvia": "taken", "offer of Aldmark": "taken", "communiqué": "released"}
		if self == "Cenia" {
			want["list Borvia"], want["ladder Aldmark"] = "without a result", "without a result"
		}
		for k, w := range want {
			if got[k] != w {
				t.Errorf("in the copy of %s: %s is %q, want %q", self, k, got[k], w)
			}
		}
		if much, err := Read(b, later.AddDate(1, 0, 0)); err != nil || !much.Room.AgreementsAt(later.AddDate(1, 0, 0))[1].IsAgreed() {
			t.Errorf("a year later it is not agreed any more: %v", err)
		}
		t.Logf("%s: %d statements, %+v, %d bytes", self, book.Said, book.Checked, len(b))
		if len(v.Alarms) > 0 || v.Refused > 0 || len(v.NotRead) > 0 {
			t.Errorf("%+v", v.Alarms)
		}
	}
}

// What a third said is shown to one member, while not all are known to hold the same.
func TestShow(t *testing.T) {
	s, err := ParseScript([]byte(`{"format": "backchannel/script/1", "title": "x", "members": ["Aldmark", "Borvia", "Cenia"], "self": "Borvia", "proposed": "2026-11-12 09:00", "lines": [
	 {"at": "2026-11-12 10:00", "by": "Aldmark", "name": "word", "signal": "We open the port."},
	 {"at": "2026-11-12 10:01", "by": "Cenia", "to": "Borvia", "show": "word"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := perform(s, seeded(20), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.write("json")
	if err != nil {
		t.Fatal(err)
	}
	book, err := Read(b, later)
	if err != nil || len(book.Record(later).Entries) != 2 {
		t.Fatal(err)
	}
	again, err := Export(sourceOf(p, 1, later), "script", seeded(21))
	if err != nil || !strings.Contains(string(again), `"show":"signal-1"`) {
		t.Errorf("%s, %v", again, err)
	}
	s.Lines[1].Show = "nothing"
	if _, err := Forge(s, "json", seeded(22)); err == nil {
		t.Error("something that nobody said was shown")
	}
	if bad := rewrite(t, p, 1, func(e *negotiation.Envelope) bool {
		if e.Kind != negotiation.KindShow {
			return false
		}
		e.Body = bytes.Replace(e.Body, []byte("open the port"), []byte("shut the port"), 1)
		return true
	}); true {
		if _, err := Read(bad, later); err == nil {
			t.Error("something that nobody said is shown on paper")
		}
	}
}

// sourceOf is a member's room as its station would write it down.
func sourceOf(p *play, i int, now time.Time) Source {
	names := map[negotiation.MemberID]string{}
	for k, a := range p.cast {
		names[a.room.Self()] = p.script.Members[k]
	}
	return Source{Room: p.cast[i].room, Inviter: p.cast[0].room.Self(), Names: func(m negotiation.MemberID) string { return names[m] }, Now: now}
}

// An export of a room, and what is forged of its script, are the same bytes; and they
// say of the room what the room says. The script of what was written is the script.
func TestExportIsForgery(t *testing.T) {
	p, err := perform(straits(t), seeded(3), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, forms := range map[int][]string{1: {"json", "markdown", "html"}, 2: {"json"}} {
		src := sourceOf(p, i, later)
		script, err := Export(src, "script", seeded(4))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range forms {
			real, err := Export(src, f, seeded(5))
			if err != nil {
				t.Fatal(err)
			}
			if f == "json" {
				book, err := Read(real, later)
				if err != nil {
					t.Fatal(err)
				}
				same(t, src, book)
				continue
			}
			s, err := ParseScript(script)
			if err != nil {
				t.Fatal(err)
			}
			made, err := Forge(s, f, seeded(6))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(made, real) {
				t.Errorf("the export differs from what is forged:\n%s\n%s", real, made)
			}
		}
		s, err := ParseScript(script)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Remarks) > 0 {
			t.Errorf("remarks %q", s.Remarks)
		}
		again, err := perform(s, seeded(7), nil)
		if err != nil {
			t.Fatal(err)
		}
		next, err := Export(sourceOf(again, s.self(), later), "script", seeded(8))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(next, script) {
			t.Errorf("the script of what was forged is another:\n%s\n%s", script, next)
		}
	}
}

// same wants a book to have what a room has, but for identifiers and seconds.
func same(t *testing.T, src Source, b *Book) {
	t.Helper()
	shape := func(room *negotiation.Room, name func(negotiation.MemberID) string) (out []string) {
		ends := endings(room, later)
		for _, st := range room.Statements() {
			if strings.HasPrefix(string(st.Kind), "round/open") || st.Kind.Vouches() {
				continue // as many as the order drawn has it; and as clocks have it
			}
			to := ""
			if st.Private() {
				to = name(st.To)
			}
			at := st.Time.Format(stamp)
			if st.Body == nil {
				at = "" // soon after what it answers
			}
			out = append(out, fmt.Sprintf("%s %s>%s %s %d %s", at, name(st.From), to, st.Kind, len(st.Raw), ends[st.ID]))
		}
		slices.Sort(out)
		return out
	}
	want, got := shape(src.Room, src.Names), shape(b.Room, b.Name)
	for _, s := range want {
		if !slices.Contains(got, s) {
			t.Errorf("the export lacks %s", s)
		}
	}
	if len(want) != len(got) {
		t.Errorf("%d statements, the export has %d", len(want), len(got))
	}
}
