package station

import (
	"strings"
	"testing"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/conduct"
	"backchannel/internal/vault"
)

// kept counts the statements of rounds and handshakes that a seat keeps, and those of
// them that still have what was said, in memory and in the vault.
func (p *parley) kept(i int) (all, whole int) {
	p.t.Helper()
	r := p.only(i)
	rows := map[negotiation.ID]negotiation.Row{}
	p.must(p.seats[i].vault.View(func(tx *vault.Tx) error {
		list, err := tx.RoomRows(r.number)
		for _, x := range list {
			rows[x.ID] = x
		}
		return err
	}))
	for _, st := range r.room.Statements() {
		if !strings.HasPrefix(string(st.Kind), negotiation.PrefixRound) && st.Kind != "sign/key" && st.Kind != "sign/confirm" {
			continue
		}
		all++
		_, _, spendable := conduct.Spent(st)
		if spendable {
			whole++
		}
		if rows[st.ID].Erased == spendable {
			p.t.Errorf("%s: %s is kept otherwise than it is shown", p.seats[i].name, st.Kind)
		}
	}
	return all, whole
}

// What was said in a blind round is kept until the round has ended, and no longer;
// the room goes on as if it were there.
func TestEndedRoundsAreErased(t *testing.T) {
	p, list := newTalks(t, 3, 1)
	id := p.proposeRound(0, RoundProposal{Mode: "single", Packages: []string{list[0].String()}})
	for i := 1; i < 3; i++ {
		p.speak(i, &negotiation.Join{Of: id})
		p.settle()
	}
	for i := range 3 {
		p.must(p.choose(i, id, RoundChoice{Yes: &yes}))
		if all, whole := p.kept(i); all != 6 || whole != 6 {
			t.Errorf("%s has %d messages, %d of them whole, while the round goes on", p.seats[i].name, all, whole)
		}
	}
	p.until(time.Hour)
	p.proposeAgreement(1, AgreementProposal{Packages: []string{list[0].String()}})
	for range 2 {
		for i := range 3 {
			// Commitment, key, answer, coin, blinding, opening and echo of three; two keys
			// and two MACs each way with each other member.
			if all, whole := p.kept(i); all != 21+8 || whole != 0 {
				t.Errorf("%s has %d messages, %d of them whole, when all is over", p.seats[i].name, all, whole)
			}
			if v := p.roundInfo(i, id); v.State != "match" || v.Result == nil || v.Result.Number != 1 {
				t.Errorf("%+v", v)
			}
			p.relock(i)
			p.speak(i, &negotiation.Signal{Text: "Good."})
			p.settle()
		}
	}
	for i := range 3 {
		v := p.view(i)
		if len(v.Alarms) > 0 || v.Refused > 0 {
			t.Errorf("%s is alarmed: %+v", p.seats[i].name, v.Alarms)
		}
		for _, m := range v.Members {
			if m.Compared < 30 {
				t.Errorf("%s has compared %d statements with another", p.seats[i].name, m.Compared)
			}
		}
	}
}

// A round that lapsed still answers an opening that comes late: until it no longer
// does, what was said is kept. One that was never joined ends by the clock.
func TestLapsedRoundsAreErased(t *testing.T) {
	p, list := newTalks(t, 3, 1)
	id := p.proposeRound(0, RoundProposal{Mode: "single", Packages: []string{list[0].String()}})
	p.speak(1, &negotiation.Join{Of: id})
	p.settle()
	p.must(p.choose(0, id, RoundChoice{Yes: &yes}))
	for i := range 3 {
		if all, whole := p.kept(i); all != 2 || whole != 2 {
			t.Errorf("%s has %d messages, %d of them whole, while the round waits", p.seats[i].name, all, whole)
		}
	}
	p.until(4 * time.Hour)
	for i := range 3 {
		p.speak(i, &negotiation.Signal{Text: "Another time."})
		p.settle()
	}
	for i := range 3 {
		if all, whole := p.kept(i); all != 2 || whole != 0 {
			t.Errorf("%s has %d messages, %d of them whole, when the round has lapsed", p.seats[i].name, all, whole)
		}
	}
	p.same()
}
