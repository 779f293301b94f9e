package negotiation

import (
	"strings"
	"testing"
	"time"
)

// What may not be said is not said.
func TestNotAllowed(t *testing.T) {
	m := newMesh(t, 2, 58)
	agenda := m.agenda()
	offer := m.say(0, m.offer(agenda, 0, time.Hour))
	m.settle()
	for name, c := range map[string]struct {
		by   int
		b    Body
		part string
	}{
		"take one's own offer":          {0, &Take{Of: offer}, "by others"},
		"take nothing":                  {1, &Take{Of: ID{1}}, "no such offer"},
		"confirm by hand":               {0, &Taken{Of: offer}, "not by hand"},
		"withdraw another's offer":      {1, &Withdraw{Of: offer}, "by oneself"},
		"withdraw an agenda":            {0, &Withdraw{Of: agenda}, "only an offer"},
		"comment on nothing":            {0, &Comment{On: ID{1}, Text: "x"}, "nothing to comment"},
		"package of an unknown agenda":  {0, &Package{Agenda: ID{1}, Values: map[uint64]Value{1: OptionValue(0)}}, "not here"},
		"package of an unknown issue":   {0, &Package{Agenda: agenda, Values: map[uint64]Value{9: OptionValue(0)}}, "no issue 9"},
		"package with a strange option": {0, &Package{Agenda: agenda, Values: map[uint64]Value{1: OptionValue(3)}}, "3 options"},
		"package off the steps":         {0, &Package{Agenda: agenda, Values: map[uint64]Value{2: NumberValue(dec10(3, -1))}}, "steps of"},
		"package out of range":          {0, &Package{Agenda: agenda, Values: map[uint64]Value{2: NumberValue(dec10(11, 0))}}, "goes from"},
		"package of the wrong type":     {0, &Package{Agenda: agenda, Values: map[uint64]Value{2: OptionValue(0)}}, "takes a range"},
		"expired offer":                 {0, m.offer(agenda, 0, -time.Second), "expired already"},
		"condition that is not here":    {0, &Offer{Agenda: agenda, Gives: m.offer(agenda, 0, 0).Gives, OnlyIf: []ID{{1}}}, "condition"},
		"offer in the name of nobody":   {0, &Offer{Agenda: agenda, Gives: []Term{{By: MemberID{9}, Issue: 1, Value: OptionValue(0)}}}, "no member"},
		"replace another's offer":       {1, &Offer{Agenda: agenda, Gives: m.offer(agenda, 0, 0).Gives, Replaces: &offer}, "one's own"},
		"answer one's own offer":        {0, &Offer{Agenda: agenda, Gives: m.offer(agenda, 0, 0).Gives, Answers: &offer}, "by others"},
		"agreement that lapsed":         {0, &Agreement{Text: "x", Parties: m.ids(0, 1), Level: Handshake, Lapses: 1}, "lapsed already"},
		"agreement with a stranger":     {0, &Agreement{Text: "x", Parties: sorted([]MemberID{m.id(0), {9}}), Level: Handshake, Lapses: maxTime}, "no member"},
		"communiqué of nothing":         {0, &Communique{Agreement: ID{1}, Text: "x"}, "not here"},
		"approve nothing":               {0, &Approve{Of: ID{1}}, "no such"},
		"release nothing":               {0, &Release{Of: ID{1}}, "released once"},
		"confirm no agenda":             {0, &Confirm{Of: ID{1}}, "no such agenda"},
		"join no round":                 {0, &Join{Of: ID{1}}, "no such round"},
		"keys by hand":                  {0, &vouchKey{First: 1}, "not said by people"},
	} {
		_, err := m.trySay(c.by, c.b)
		if err == nil || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, to := range []MemberID{m.id(0), {9}} {
		if _, err := m.rooms[0].Say(&Signal{Text: "x"}, to, m.clock); err == nil {
			t.Error("a private statement to nobody was said")
		}
	}
	if _, err := m.rooms[0].Say(&Agreement{Text: "x", Parties: m.ids(0, 1), Level: Handshake, Lapses: maxTime}, m.id(1), m.clock); err == nil {
		t.Error("an agreement was proposed in private")
	}
}
