package station

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/vault"
)

// copyOf closes a seat's vault, copies its files and opens it again.
func (p *parley) copyOf(i int) string {
	p.t.Helper()
	s := p.seats[i]
	p.must(s.vault.Close())
	to := filepath.Join(p.t.TempDir(), "vault.db")
	for _, suffix := range []string{"", ".key"} {
		b, err := os.ReadFile(s.path + suffix)
		p.must(err)
		p.must(os.WriteFile(to+suffix, b, 0o600))
	}
	p.open(i)
	return to
}

// open opens the vault at a seat's path.
func (p *parley) open(i int) {
	p.t.Helper()
	s := p.seats[i]
	v, err := vault.OpenWith(s.path, []byte("p"), p.options())
	p.must(err)
	s.vault, s.table = v, newTable(v, 3, s.drivers)
}

// alarmed counts the events of alarms at a seat.
func (p *parley) alarmed(i int) (n int) {
	for _, e := range p.seats[i].notices {
		if e.Kind == EventAlarm {
			n++
		}
	}
	return n
}

// TestTableLiar has one member tell the two others different things: it says one
// thing from one copy of its vault and another from a second copy, with the same
// program. Both find out, and what they are told accuses nobody else.
func TestTableLiar(t *testing.T) {
	p := newParley(t, 3)
	p.room()
	p.talks()
	second := p.copyOf(0)
	p.say(0, &negotiation.Signal{Text: "We support the toll."})
	for p.carry(0, 1) {
	}
	p.must(p.seats[0].vault.Close())
	p.seats[0].path = second
	p.open(0)
	p.say(0, &negotiation.Signal{Text: "We are against the toll."})
	for p.carry(0, 2) {
	}
	// From now on the liar is silent, and the two others talk.
	others := func() {
		for range 5 {
			for _, i := range []int{1, 2} {
				for p.read(i) {
				}
				for p.carry(i, 3-i) {
				}
			}
		}
	}
	others()
	p.say(1, &negotiation.Signal{Text: "What do you hear?"})
	p.say(2, &negotiation.Signal{Text: "The same as always."})
	others()
	for i := range 3 {
		p.now = p.now.Add(time.Duration(i+1) * 6 * time.Minute)
		p.tick()
		others()
	}
	for _, i := range []int{1, 2} {
		if p.alarmed(i) == 0 {
			t.Errorf("%s was not alarmed", p.seats[i].name)
		}
		liar := p.only(0).room.Self()
		found := slices.ContainsFunc(p.view(i).Alarms, func(a negotiation.Alarm) bool {
			return a.Type == negotiation.AlarmToldDifferent && a.About[0] == liar
		})
		if !found {
			t.Errorf("%s does not know that it was told something else: %+v", p.seats[i].name, p.view(i).Alarms)
		}
	}
	// One shows the other what it was told, also after both were restarted.
	var told negotiation.ID
	for _, st := range p.view(1).Timeline {
		if b, ok := st.Body.(*negotiation.Signal); ok && b.Text == "We support the toll." {
			told = st.ID
		}
	}
	p.restart(1)
	r, to := p.only(1), p.only(2).room.Self()
	p.must(p.change(1, func(b *batch) error {
		c, err := r.room.Show(told, to, b.now)
		if err != nil {
			return err
		}
		return b.apply(r, c, false)
	}))
	others()
	p.restart(2)
	v := p.view(2)
	if len(v.Shown) != 1 || v.Shown[0].State != negotiation.ShownWritten || v.Shown[0].Statement.ID != told || v.Shown[0].By != p.only(1).room.Self() {
		t.Errorf("Cenia was shown %+v", v.Shown)
	}
}

// TestTableConsent: what concerns a member is not agreed without it, and another
// word is another agreement.
func TestTableConsent(t *testing.T) {
	p := newParley(t, 3)
	p.room()
	agenda := p.say(0, &negotiation.Agenda{Rev: 1, Issues: []negotiation.Issue{toll}})
	p.settle()
	p.say(1, &negotiation.Confirm{Of: agenda})
	p.say(2, &negotiation.Confirm{Of: agenda})
	p.settle()
	pack := p.say(0, &negotiation.Package{Agenda: agenda, Values: map[uint64]negotiation.Value{1: negotiation.OptionValue(2)}})
	p.settle()
	parties := []negotiation.MemberID{p.only(0).room.Self(), p.only(1).room.Self()}
	slices.SortFunc(parties, func(a, b negotiation.MemberID) int { return bytes.Compare(a[:], b[:]) })
	a := &negotiation.Agreement{Parties: parties, Level: negotiation.Handshake, Lapses: uint64(p.now.Add(24 * time.Hour).Unix()), Agenda: &agenda, Packages: []negotiation.ID{pack}}
	id := p.say(0, a)
	p.settle()
	p.say(0, &negotiation.Consent{Core: a.Core()})
	p.say(1, &negotiation.Consent{Core: a.Core()})
	p.settle()
	state := func(i int, id negotiation.ID) negotiation.AgreementState {
		for _, v := range p.view(i).Agreements {
			if v.ID == id {
				return v.State
			}
		}
		return ""
	}
	for i := range p.seats {
		if got := state(i, id); got != negotiation.AgreementConsenting {
			t.Errorf("without Cenia %s has it %s", p.seats[i].name, got)
		}
	}
	consent := p.say(2, &negotiation.Consent{Core: a.Core()})
	p.settle()
	for i := range p.seats {
		if got := state(i, id); got != negotiation.AgreementReady {
			t.Errorf("with all consents %s has it %s", p.seats[i].name, got)
		}
	}
	p.say(2, &negotiation.Withdraw{Of: consent})
	b := *a
	b.Lapses++
	other := p.say(1, &b)
	p.settle()
	for i := range p.seats {
		p.restart(i)
		if got := state(i, id); got != negotiation.AgreementConsenting {
			t.Errorf("after Cenia withdrew %s has it %s", p.seats[i].name, got)
		}
		if got := state(i, other); got != negotiation.AgreementDrafting {
			t.Errorf("another word: %s has it %s", p.seats[i].name, got)
		}
	}
}

// TestTableRestored: a station from a backup reads its rooms and says nothing in
// them; it takes no member down with it.
func TestTableRestored(t *testing.T) {
	p := newParley(t, 2)
	p.room()
	p.talks()
	var file bytes.Buffer
	p.must(p.seats[0].vault.Backup(&file, []byte("b"), [32]byte{1}))
	p.must(p.seats[0].vault.Close())
	p.seats[0].path = filepath.Join(t.TempDir(), "restored.db")
	_, err := vault.RestoreWith(p.seats[0].path, []byte("p"), &file, []byte("b"), p.options())
	p.must(err)
	p.open(0)
	if v := p.view(0); !v.Frozen || len(v.Offers) != 1 || v.Offers[0].State != negotiation.OfferTaken {
		t.Errorf("restored: %+v", v)
	}
	r := p.only(0)
	err = p.change(0, func(b *batch) error {
		_, err := b.say(r, &negotiation.Signal{Text: "x"}, negotiation.MemberID{})
		return err
	})
	if !errors.Is(err, negotiation.ErrRefused) || !strings.Contains(err.Error(), "restored from a backup") {
		t.Errorf("said: %v", err)
	}
	p.say(1, &negotiation.Signal{Text: "Are you there?"})
	p.settle()
	p.now = p.now.Add(time.Hour)
	p.tick()
	p.settle()
	if v := p.view(0); v.Timeline[len(v.Timeline)-1].Kind != negotiation.KindSignal {
		t.Error("it no longer listens")
	}
	p.same()
	p.empty()
}

// TestTableErase: a room that is erased here, or whose member is burned, is gone; the
// others go on, and what they still send is put aside and stops nothing.
func TestTableErase(t *testing.T) {
	p := newParley(t, 3)
	p.room()
	p.talks()
	r := p.only(0)
	p.must(p.change(0, func(b *batch) error {
		b.touch(r)
		delete(b.t.rooms, r.number)
		r.room = nil
		return b.tx.DeleteRoom(r.number)
	}))
	p.must(p.seats[1].vault.Burn(peer(1, 0), nil))
	p.seats[1].table.stale = true
	p.say(2, &negotiation.Signal{Text: "Is anybody there?"})
	p.settle()
	for i := range 2 {
		p.must(p.seats[i].table.load())
		if n := len(p.seats[i].table.rooms); n != 0 {
			t.Errorf("%s has %d rooms", p.seats[i].name, n)
		}
	}
	p.restart(0)
	p.settle()
	p.now = p.now.Add(negotiation.FormationLifetime)
	p.settle()
	p.empties(0)
	p.empties(1)
}
