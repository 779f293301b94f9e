package book

import (
	"testing"

	"backchannel/internal/negotiation"
)

// What was agreed stays agreed on paper when the agenda moves on afterwards, or when its
// proposer would take it back.
func TestAgreedBeforeTheAgendaMovedOn(t *testing.T) {
	s, err := ParseScript([]byte(`{"format": "backchannel/script/1", "title": "x", "members": ["Aldmark", "Borvia"], "self": "Borvia", "proposed": "2026-11-12 09:00", "lines": [
	 {"at": "2026-11-12 10:00", "by": "Aldmark", "name": "one", "agenda": [{"title": "Status of X", "options": ["opposed", "silent"]}]},
	 {"at": "2026-11-12 10:01", "by": "Borvia", "confirm": "one"},
	 {"at": "2026-11-12 10:02", "by": "Aldmark", "name": "quiet", "package": {"values": {"Status of X": "silent"}}},
	 {"at": "2026-11-12 10:03", "by": "Aldmark", "name": "hands", "agreement": {"packages": ["quiet"], "lapses": "2026-11-20 12:00"}},
	 {"at": "2026-11-12 10:04", "by": "Aldmark", "consent": "hands"},
	 {"at": "2026-11-12 10:05", "by": "Borvia", "consent": "hands"},
	 {"at": "2026-11-12 10:06", "by": "Borvia", "name": "deal", "agreement": {"packages": ["quiet"], "level": "sealed", "lapses": "2026-11-20 12:00"}},
	 {"at": "2026-11-12 10:07", "by": "Aldmark", "consent": "deal"},
	 {"at": "2026-11-12 10:08", "by": "Borvia", "consent": "deal"},
	 {"at": "2026-11-12 10:09", "by": "Aldmark", "sign": "deal"},
	 {"at": "2026-11-12 10:10", "by": "Borvia", "sign": "deal"},
	 {"at": "2026-11-12 10:11", "by": "Borvia", "name": "word", "communique": {"of": "deal"}},
	 {"at": "2026-11-12 10:12", "by": "Aldmark", "name": "two", "agenda": [{"title": "Status of X", "options": ["opposed", "silent", "accepted"]}]},
	 {"at": "2026-11-12 10:13", "by": "Borvia", "confirm": "two"},
	 {"at": "2026-11-12 10:14", "by": "Aldmark", "approve": "word"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := perform(s, seeded(30), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.write("json")
	if err != nil {
		t.Fatal(err)
	}
	book, err := Read(b, later)
	if err != nil {
		t.Fatal(err)
	}
	want := map[negotiation.Level]negotiation.AgreementState{negotiation.Handshake: negotiation.AgreementConfirmed, negotiation.Sealed: negotiation.AgreementSealed}
	all := book.Room.AgreementsAt(later)
	for _, a := range all {
		if a.State != want[a.Level] {
			t.Errorf("%s: %s", a.Level, a.State)
		}
	}
	if len(all) != 2 {
		t.Error(len(all))
	}
	same(t, sourceOf(p, 1, later), book)
}
