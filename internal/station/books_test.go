package station

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"backchannel/internal/book"
	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/conduct"
	"backchannel/internal/vault"
)

// writtenTalks is a negotiation of three stations with something of everything.
func writtenTalks(t *testing.T) *parley {
	t.Helper()
	p, list := newTalks(t, 3, 2)
	p.now = p.now.Add(3 * time.Minute)
	p.speak(0, &negotiation.Signal{Text: "Is this line good?"})
	p.settle()
	k := p.view(0).Packages[0]
	offer := &negotiation.Offer{Agenda: k.Agenda, Gives: []negotiation.Term{{By: p.only(0).room.Self(), Issue: 1, Value: k.Values[1]}}, Note: "As far as we can go."}
	of := p.speak(0, offer)
	p.settle()
	p.speak(1, &negotiation.Take{Of: of})
	p.settle()
	yes, no := true, false
	first := p.proposeRound(0, RoundProposal{Mode: "single", Packages: []string{list[0].String()}})
	second := p.proposeRound(1, RoundProposal{Mode: "single", Packages: []string{list[1].String()}, Parties: []string{"Cenia"}})
	for i := 1; i < 3; i++ {
		p.speak(i, &negotiation.Join{Of: first})
		p.settle()
	}
	p.speak(2, &negotiation.Join{Of: second})
	p.settle()
	for i := range 3 {
		p.must(p.choose(i, first, RoundChoice{Yes: &yes}))
	}
	p.must(p.choose(1, second, RoundChoice{Yes: &no}))
	p.must(p.choose(2, second, RoundChoice{Yes: &yes}))
	p.until(2 * time.Hour)
	for _, level := range []string{"handshake", "public"} {
		id := p.proposeAgreement(2, AgreementProposal{Text: "All three keep the strait open.", Level: level, Packages: []string{list[0].String()}})
		p.until(2 * time.Minute)
		if level == "handshake" {
			continue
		}
		for i := range 3 {
			p.must(p.sign(i, id))
			p.settle()
		}
	}
	p.must(p.within(0, func(b *batch, r *openRoom) error {
		offer.Note = "What we would still give."
		_, err := r.room.KeepDraft(0, *offer)
		b.touch(r)
		return err
	}))
	p.until(time.Hour)
	return p
}

func (p *parley) source(i int) (src book.Source) {
	p.t.Helper()
	r := p.only(i)
	p.must(p.seats[i].vault.View(func(tx *vault.Tx) (err error) {
		src, err = r.source(tx, "", p.now)
		return err
	}))
	return src
}

// shape is what a room has, but for identifiers and seconds: who said what to whom in
// which minute and how many bytes a station keeps of it, and what came of it.
func shape(room *negotiation.Room, name func(negotiation.MemberID) string, now time.Time) (out []string) {
	v := room.View(now, name)
	for _, st := range room.Statements() {
		to, at := "", st.Time.Format("15:04")
		if st.Private() {
			to = name(st.To)
		}
		if st.Body == nil { // said by stations, seconds after what they answer
			at = ""
		}
		size := len(st.Raw)
		if _, left, ok := conduct.Spent(st); ok { // a station erases the rest once it is over
			size = len(left)
		}
		if st.Kind != "gossip" {
			out = append(out, fmt.Sprintf("%s %s>%s %s %d", at, name(st.From), to, st.Kind, size))
		}
	}
	for _, o := range v.Offers {
		out = append(out, "offer "+string(o.State))
	}
	for _, r := range v.Rounds {
		out = append(out, "round "+string(r.State))
	}
	for _, a := range v.Agreements {
		out = append(out, "agreement "+a.Level.String()+" "+string(a.State))
	}
	slices.Sort(out)
	return out
}

// What stations export of a real room has the shape of the room, is read, and has
// nothing in it that another export of the same room has, but for the words.
func TestRealRoomOnPaper(t *testing.T) {
	p := writtenTalks(t)
	var before []string
	for i := range p.seats {
		src := p.source(i)
		b, err := book.Export(src, "json", newReader(p))
		p.must(err)
		made, err := book.Read(b, p.now)
		p.must(err)
		want, got := shape(src.Room, src.Names, p.now), shape(made.Room, made.Name, p.now)
		if i == 0 { // of the round of the others it has no message and no result
			want, got = noProgress(want), noProgress(got)
		}
		if !slices.Equal(want, got) {
			t.Errorf("%s: the room has\n%s\nthe export\n%s", p.seats[i].name, strings.Join(want, "\n"), strings.Join(got, "\n"))
		}
		c := made.Checked
		if c.Rounds != []int{1, 2, 2}[i] || c.Handshakes != 1 || c.Confirmations != 4 || c.Signatures != 1 {
			t.Errorf("%+v", c)
		}
		ids := identifiers(p, i)
		for _, id := range append(ids, before...) {
			if strings.Contains(string(b), id) {
				t.Errorf("the export of %s has the identifier %s", p.seats[i].name, id)
			}
		}
		var x negotiation.Export
		p.must(json.Unmarshal(b, &x))
		for _, s := range x.Statements {
			before = append(before, s.ID.String())
		}
		if strings.Contains(string(b), "still give") || bytes.Contains(b, []byte(base64.StdEncoding.EncodeToString([]byte("still give"))[:10])) {
			t.Error("the export has an offer that was not sent")
		}
		script, err := book.Transcribe(src, newReader(p))
		p.must(err)
		if len(script.Remarks) > 0 {
			t.Errorf("remarks %q", script.Remarks)
		}
		real, err := book.Export(src, "markdown", newReader(p))
		p.must(err)
		forged, err := book.Forge(script, "markdown", newReader(p))
		p.must(err)
		if !bytes.Equal(real, forged) {
			t.Errorf("the export differs from what is forged of its script:\n%s\n%s", real, forged)
		}
	}
}

func noProgress(list []string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return strings.HasPrefix(s, "round ") })
}

// identifiers are all that a real room has, in every spelling.
func identifiers(p *parley, i int) (out []string) {
	r := p.only(i).room
	add := func(b []byte) {
		out = append(out, fmt.Sprintf("%x", b), base64.StdEncoding.EncodeToString(b)[:20])
	}
	id := r.ID()
	add(id[:])
	for _, m := range r.Charter().Members {
		add(m.ID[:])
		add(append([]byte{1}, m.ID[:]...))
		if m.ID != r.Self() {
			out = append(out, fmt.Sprintf("%x", m.Contact[:]))
		}
	}
	for _, st := range r.Statements() {
		add(st.ID[:])
	}
	add(p.only(i).form[:])
	return out
}

// A room is written down while its station goes on, and cannot be before it exists.
func TestExportRoomRefuses(t *testing.T) {
	s := &Station{}
	if _, _, _, err := s.ExportRoom(t.Context(), "x", "", "pdf"); err == nil {
		t.Error("a format that does not exist was written")
	}
	if _, _, _, err := s.ForgeRoom(t.Context(), []byte("{}"), "json"); err == nil {
		t.Error("an empty script was played")
	}
	script := []byte(`{"format": "backchannel/script/1", "title": "Straits/../talks", "members": ["Aldmark", "Borvia"], "proposed": "2026-11-12 09:00", "lines": [
	 {"at": "2026-11-12 10:00", "by": "Borvia", "signal": "Hello."}]}`)
	b, mediaType, name, err := s.ForgeRoom(t.Context(), script, "html")
	if err != nil || mediaType != "text/html; charset=utf-8" || strings.ContainsAny(name, "/\\") || !strings.Contains(string(b), "Hello.") {
		t.Errorf("%s %s %v", mediaType, name, err)
	}
}
