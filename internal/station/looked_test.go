package station

import (
	"testing"

	"backchannel/internal/negotiation"
	"backchannel/internal/vault"
)

// unread is what a seat has not looked at; looked at now, if look is set.
func (p *parley) unread(i int, look bool) int {
	p.t.Helper()
	s := p.seats[i]
	p.must(s.table.load())
	var info RoomInfo
	r := s.table.all()[0]
	p.must(s.vault.View(func(tx *vault.Tx) error {
		people, err := peopleOf(tx)
		if err == nil {
			err = r.open(tx)
		}
		if err == nil {
			info, err = r.info(tx, people, p.now)
		}
		return err
	}))
	if look {
		p.must(s.vault.Update(func(tx *vault.Tx) error { _, err := tx.LookedAt(r.number, info.Mark); return err }))
	}
	return info.Unread
}

// What of a room is new is known after a restart too: an invitation until it was
// looked at, then what others said and people read, not what stations do by
// themselves.
func TestLookedSurvives(t *testing.T) {
	p := newParley(t, 3)
	want := func(when string, look bool, news ...int) {
		t.Helper()
		for i, n := range news {
			p.restart(i)
			if got := p.unread(i, look); got != n {
				t.Errorf("%s: %s has %d new things, want %d", when, p.seats[i].name, got, n)
			}
		}
	}
	p.propose("Straits talks")
	p.settle()
	want("proposed", false, 0, 1, 1)
	want("proposed", true, 0, 1, 1)
	want("looked at", false, 0, 0, 0)
	for i := 1; i < 3; i++ {
		p.must(p.join(i))
	}
	p.settle()
	want("open", false, 0, 0, 0)
	p.say(0, &negotiation.Signal{Text: "Is this line good?"})
	p.say(1, &negotiation.Signal{Text: "It is."})
	p.settle()
	p.tick()
	p.settle()
	want("said", true, 1, 1, 2)
	want("read", false, 0, 0, 0)
	p.say(2, &negotiation.Signal{Text: "Here too."})
	p.settle()
	want("answered", false, 1, 1, 0)
}
