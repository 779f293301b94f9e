package negotiation

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// madeUp is a negotiation of three that never took place, as a user would write it.
const madeUp = `{
 "title": "Straits talks", "members": ["Aldmark", "Borvia", "Cenia"], "start": "2026-11-12T09:00:00Z",
 "lines": [
  {"at": "2026-11-12T10:00:00Z", "by": 0, "kind": "signal", "body": {"text": "Is this line good?"}},
  {"at": "2026-11-12T10:01:00Z", "by": 1, "to": 0, "kind": "letter", "body": {"subject": "X", "text": "We may drop our opposition."}},
  {"name": "agenda", "at": "2026-11-12T10:02:00Z", "by": 0, "kind": "agenda", "body": {"rev": 1, "issues": [
    {"id": 1, "title": "Status of X", "type": "choice", "options": ["opposed", "accepted"], "affects": ["@member:2", "@member:1", "@member:0"]},
    {"id": 2, "title": "Fee", "type": "range", "range": {"min": "0", "max": "10", "step": "0.5"}}]}},
  {"at": "2026-11-12T10:03:00Z", "by": 1, "kind": "confirm", "body": {"of": "@agenda"}},
  {"at": "2026-11-12T10:03:00Z", "by": 2, "kind": "confirm", "body": {"of": "@agenda"}},
  {"name": "offer", "at": "2026-11-12T10:05:00Z", "by": 0, "kind": "offer", "body": {"agenda": "@agenda", "to": ["@member:1"],
    "gives": [{"by": "@member:0", "issue": 1, "value": {"option": 1}}], "gets": [{"by": "@member:1", "issue": 2, "value": {"number": "2.5"}}]}},
  {"at": "2026-11-12T10:06:00Z", "by": 1, "kind": "take", "body": {"of": "@offer"}},
  {"name": "package", "at": "2026-11-12T10:07:00Z", "by": 2, "kind": "package", "body": {"agenda": "@agenda", "values": {"1": {"option": 0}, "2": {"number": "1"}}}},
  {"name": "round", "at": "2026-11-12T10:08:00Z", "by": 0, "kind": "round", "body": {"mode": "single", "agenda": "@agenda", "packages": ["@package"],
    "parties": ["@member:2", "@member:0"], "opener": "@member:0", "inputs_at": 1794480000, "deadline": 1794490000}},
  {"at": "2026-11-12T10:08:10Z", "by": 2, "kind": "join", "body": {"of": "@round"}},
  {"at": "2026-11-12T10:09:00Z", "by": 2, "to": 0, "kind": "round/key", "raw": "oA=="},
  {"name": "agreement", "at": "2026-11-12T10:10:00Z", "by": 0, "kind": "agreement", "body": {"text": "All agree.", "parties": ["@member:1", "@member:0"],
    "level": "handshake", "lapses": 1794990000}},
  {"at": "2026-11-12T10:11:00Z", "by": 0, "kind": "consent", "body": {"core": "@core:agreement"}},
  {"at": "2026-11-12T10:11:00Z", "by": 1, "kind": "consent", "body": {"core": "@core:agreement"}},
  {"at": "2026-11-12T10:11:00Z", "by": 2, "kind": "consent", "body": {"core": "@core:agreement"}}
 ]}`

func script(t testing.TB) (s Script) {
	if err := json.Unmarshal([]byte(madeUp), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// What Forge makes is read by what reads real rooms, and passes.
func TestForgedRoomIsRead(t *testing.T) {
	s := script(t)
	copies, err := Forge(s, seeded(70))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range copies {
		r, err := Restore(c.Charter, c.Rows, c.Local, seeded(1))
		if err != nil {
			t.Fatal(err)
		}
		name := func(m MemberID) string { return c.Names[m] }
		v := r.View(time.Unix(1794500000, 0), name)
		if len(v.Alarms) > 0 || v.Refused > 0 || len(v.NotRead) > 0 {
			t.Errorf("%+v", v)
		}
		if v.Offers[0].State != OfferTaken || v.Agreements[0].State != AgreementReady || v.Rounds[0].Joined == nil || v.Members[0].Name == "" {
			t.Errorf("member %d: %+v %+v", i, v.Offers, v.Agreements)
		}
		x, err := r.Export(c.Rows, name)
		if err != nil {
			t.Fatal(err)
		}
		again, names, err := ReadExport(x)
		if err != nil {
			t.Fatal(err)
		}
		w := again.View(time.Unix(1794500000, 0), names)
		if len(w.Showable) > 0 {
			t.Error("what an export has can be shown to a third: it has vouch tags")
		}
		v.Showable = w.Showable // the tags stay at the station
		if !reflect.DeepEqual(w, v) {
			t.Errorf("an export reads as another room:\n%+v\n%+v", w, v)
		}
		for _, k := range append(slices.Clone(r.local.KeysIn), keyIn{}) {
			if k != (keyIn{}) && bytes.Contains(x, k.Key[:]) {
				t.Error("an export has a vouch key")
			}
		}
		for _, word := range []string{"vouch", "contact"} {
			if strings.Contains(string(x), word) {
				t.Errorf("an export has a %s", word)
			}
		}
	}
	// It goes on like any other room.
	if _, err := copies[0].Room.Say(&Signal{Text: "And so on."}, MemberID{}, time.Unix(1794500000, 0)); err != nil {
		t.Error(err)
	}
}

func TestForgeRefuses(t *testing.T) {
	for name, spoil := range map[string]func(s *Script){
		"an unknown reference":     func(s *Script) { s.Lines[3].Body = json.RawMessage(`{"of": "@nothing"}`) },
		"an unknown member":        func(s *Script) { s.Lines[3].Body = json.RawMessage(`{"of": "@member:7"}`) },
		"a line by nobody":         func(s *Script) { s.Lines[0].By = 3 },
		"a line to oneself":        func(s *Script) { s.Lines[1].To = one(1) },
		"a line back in time":      func(s *Script) { s.Lines[4].At = s.Start },
		"what a room would refuse": func(s *Script) { s.Lines[6].By = 2 },
		"an unknown kind":          func(s *Script) { s.Lines[0].Kind = "poll" },
		"one member":               func(s *Script) { s.Members = s.Members[:1] },
		"no title":                 func(s *Script) { s.Title = "" },
	} {
		s := script(t)
		spoil(&s)
		if _, err := Forge(s, seeded(71)); err == nil {
			t.Errorf("%s was forged", name)
		}
	}
}

func FuzzExport(f *testing.F) {
	copies, err := Forge(script(f), seeded(72))
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range copies[:2] {
		x, err := c.Room.Export(c.Rows, func(m MemberID) string { return c.Names[m] })
		if err != nil {
			f.Fatal(err)
		}
		f.Add(x)
	}
	f.Add([]byte(`{"format":"backchannel/room/1"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, names, err := ReadExport(b)
		if err != nil {
			return
		}
		_ = r.View(start, names)
	})
}
