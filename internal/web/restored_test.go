package web

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"backchannel/internal/station"
)

// TestRestoredContact renders a contact's pages as they are after a restore, here
// or on the other side.
func TestRestoredContact(t *testing.T) {
	now := time.Date(2026, 11, 12, 12, 0, 0, 0, time.Local)
	made := now.AddDate(0, 0, -9)
	s, err := newScreens(nil, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	p := &Pages{screens: s}
	const again, theirs, looking, lost, gap = "Met again from a backup of Tuesday 3 November, 12:00: compare words again",
		"their station was restored", "looks for that of Borvia", "it has no keys for this contact", "This conversation is from a backup of Tuesday 3 November, 12:00"
	all := []string{again, theirs, looking, lost, gap}
	for name, c := range map[string]struct {
		contact station.ContactInfo
		line    string
		want    []string
	}{
		"never restored":    {station.ContactInfo{State: station.StateIntroduced, Ready: true, Lane: 1}, "not met in this epoch", nil},
		"looked for":        {station.ContactInfo{State: station.StateRestoring, Restored: true, Backup: &made, Lane: 1}, "looking for their station", []string{looking, gap}},
		"looked for later":  {station.ContactInfo{State: station.StateRestoring, Restored: true, Backup: &made}, "parked", []string{looking, gap}},
		"met again, held":   {station.ContactInfo{State: station.StateIntroduced, Restored: true, Held: true, Backup: &made, Lane: 1, Together: true, Ready: true}, "together now", []string{again, gap}},
		"theirs, held":      {station.ContactInfo{State: station.StateIntroduced, Restored: true, Held: true, Lane: 1, Together: true, Ready: true}, "together now", []string{theirs}},
		"met again":         {station.ContactInfo{State: station.StateIntroduced, Restored: true, Backup: &made, Lane: 1, Together: true, Ready: true}, "together now", []string{again, gap}},
		"verified again":    {station.ContactInfo{State: station.StateIntroduced, Verified: true, Backup: &made, Lane: 1, Together: true, Ready: true}, "together now", []string{gap}},
		"their restore":     {station.ContactInfo{State: station.StateIntroduced, Restored: true, Lane: 1, Together: true, Ready: true}, "together now", []string{theirs}},
		"not in the backup": {station.ContactInfo{State: station.StateLost, Restored: true, Backup: &made}, "invite anew", []string{lost}},
	} {
		c.contact.ID, c.contact.Name = "0011", "Borvia"
		v := contactView{ContactInfo: c.contact, Line: p.stateLine(c.contact), Met: met(c.contact)}
		if !strings.Contains(v.Line, c.line) {
			t.Errorf("%s: the list says %q", name, v.Line)
		}
		if open := c.contact.State != station.StateLost; v.Met != open {
			t.Errorf("%s: met is %v", name, v.Met)
		}
		for screen, body := range map[string]any{
			"about": aboutPage{Contact: v}, "meeting": meetingPage{Contact: v},
			"conversation": conversationPage{Contact: v, Log: logPart{Contact: v}, Writing: "signal"},
		} {
			w := httptest.NewRecorder()
			s.render(w, 200, screen, frame{Body: body})
			if screen == "meeting" { // its part has the contact itself
				w = httptest.NewRecorder()
				s.execute(w, 200, "", "meeting", body)
			}
			text := w.Body.String()
			for _, sentence := range all {
				want := false
				for _, x := range c.want {
					want = want || x == sentence
				}
				if strings.Contains(text, sentence) != want {
					t.Errorf("%s: %s says %q: %v, want %v", name, screen, sentence, !want, want)
				}
			}
			held := c.contact.Held && c.contact.State == station.StateIntroduced
			if got := strings.Contains(text, "What you write waits until you have compared words"); got != held {
				t.Errorf("%s: %s says that it waits: %v", name, screen, got)
			}
			if got := strings.Contains(text, `action="/c/0011/deliver"`); got != (held && screen == "about") {
				t.Errorf("%s: %s offers to send it all the same: %v", name, screen, got)
			}
			if sent := c.contact.Restored && !c.contact.Held && c.contact.State == station.StateIntroduced; strings.Contains(text, "What you write is sent") != sent {
				t.Errorf("%s: %s does not say whether it is sent", name, screen)
			}
			if screen == "conversation" {
				if got := strings.Contains(text, "<textarea"); got != v.Met {
					t.Errorf("%s: a place to write: %v", name, got)
				}
				if c.contact.Restored && strings.Contains(text, "You do not know yet that this is") {
					t.Errorf("%s: two warnings at once", name)
				}
			}
		}
	}
}
