package station

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/blind"
	"backchannel/internal/negotiation/conduct"
	"backchannel/internal/negotiation/seal"
	"backchannel/internal/vault"
)

// newTalks is a room of n stations whose rounds and signings are carried, with an
// agenda that holds and packages on the table.
func newTalks(t *testing.T, n, packages int) (*parley, []negotiation.ID) {
	t.Helper()
	p := newParley(t, n)
	for i := range p.seats {
		p.unlock(i)
	}
	p.room()
	d := func(n int64) negotiation.Decimal {
		x, err := negotiation.NewDecimal(n, 0)
		p.must(err)
		return x
	}
	agenda := p.speak(0, &negotiation.Agenda{Rev: 1, Issues: []negotiation.Issue{
		{ID: 1, Title: "Transit fee", Type: negotiation.Range, Range: &negotiation.Bounds{Min: d(0), Max: d(100), Step: d(1), Unit: "per ton"}}}})
	p.settle()
	for i := 1; i < n; i++ {
		p.speak(i, &negotiation.Confirm{Of: agenda})
		p.settle()
	}
	var list []negotiation.ID
	for k := range packages {
		list = append(list, p.speak(0, &negotiation.Package{Agenda: agenda, Values: map[uint64]negotiation.Value{1: negotiation.NumberValue(d(int64(k)))}}))
	}
	p.settle()
	return p, list
}

// unlock gives a seat a driver that remembers nothing.
func (p *parley) unlock(i int) {
	p.seats[i].drivers = []opaque{newConductor(3)}
	p.seats[i].table = newTable(p.seats[i].vault, 3, p.seats[i].drivers)
}

// relock is a station that was stopped, or locked, and unlocked again.
func (p *parley) relock(i int) {
	p.t.Helper()
	p.restart(i)
	p.unlock(i)
	p.tick()
}

func (p *parley) trySpeak(i int, body negotiation.Body) (id negotiation.ID, err error) {
	p.t.Helper()
	r := p.only(i)
	err = p.change(i, func(b *batch) (err error) {
		id, err = b.say(r, body, negotiation.MemberID{})
		return err
	})
	return id, err
}

func (p *parley) speak(i int, body negotiation.Body) negotiation.ID {
	p.t.Helper()
	id, err := p.trySpeak(i, body)
	p.must(err)
	return id
}

// within runs f on the room of a seat in one transaction.
func (p *parley) within(i int, f func(b *batch, r *openRoom) error) error {
	p.t.Helper()
	r := p.only(i)
	return p.change(i, func(b *batch) error { return f(b, r) })
}

func (p *parley) proposeRound(i int, x RoundProposal) negotiation.ID {
	p.t.Helper()
	id, err := p.tryRound(i, x)
	p.must(err)
	p.settle()
	return id
}

func (p *parley) tryRound(i int, x RoundProposal) (id negotiation.ID, err error) {
	p.t.Helper()
	inputs, deadline := p.now.Add(time.Hour), p.now.Add(3*time.Hour)
	x.InputsAt, x.Deadline = &inputs, &deadline
	err = p.within(i, func(b *batch, r *openRoom) error {
		body, err := b.round(r, "proposing", x)
		if err == nil {
			id, err = b.say(r, body, negotiation.MemberID{})
		}
		return err
	})
	return id, err
}

func (p *parley) choose(i int, id negotiation.ID, c RoundChoice) error {
	p.t.Helper()
	return p.within(i, func(b *batch, r *openRoom) error {
		_, round, err := statement[*negotiation.Round](r, "choosing", id.String())
		p.must(err)
		a, ok := c.answer(round)
		if !ok {
			return fault(CodeInvalid, "it does not fit")
		}
		b.touch(r)
		return b.t.conductor().seat(b.tx, r, b.now).AnswerRound(id, a)
	})
}

func (p *parley) roundInfo(i int, id negotiation.ID) (out RoundInfo) {
	p.t.Helper()
	r := p.only(i)
	p.must(p.seats[i].vault.View(func(tx *vault.Tx) error {
		for _, v := range r.room.RoundsAt(p.now) {
			if v.ID == id {
				people, err := peopleOf(tx)
				p.must(err)
				out, err = p.seats[i].table.roundInfo(tx, r, v, people.names(r), p.now)
				return err
			}
		}
		p.t.Fatal("there is no such round")
		return nil
	}))
	return out
}

func (p *parley) agreementInfo(i int, id negotiation.ID) (out AgreementInfo) {
	p.t.Helper()
	r := p.only(i)
	p.must(p.seats[i].vault.View(func(tx *vault.Tx) error {
		a, err := agreementAt(r, "looking", id.String(), p.now)
		p.must(err)
		people, err := peopleOf(tx)
		p.must(err)
		out, err = p.seats[i].table.agreementInfo(tx, r, a, people.names(r), p.now)
		return err
	}))
	return out
}

// until is the clock set to a time at which every seat looks at it.
func (p *parley) until(d time.Duration) {
	p.t.Helper()
	p.now = p.now.Add(d)
	p.tick()
	p.settle()
}

func (p *parley) sign(i int, id negotiation.ID) error {
	p.t.Helper()
	return p.within(i, func(b *batch, r *openRoom) error {
		c := b.t.conductor()
		said, err := c.signs.Sign(c.seat(b.tx, r, b.now), id)
		if err != nil {
			return err
		}
		return b.utter(r, sayings(said))
	})
}

func (p *parley) proposeAgreement(i int, x AgreementProposal) negotiation.ID {
	p.t.Helper()
	var id negotiation.ID
	x.Lapses = p.now.Add(48 * time.Hour)
	p.must(p.within(i, func(b *batch, r *openRoom) error {
		body, err := b.agreement(r, "proposing", x)
		if err == nil {
			id, err = b.say(r, body, negotiation.MemberID{})
		}
		return err
	}))
	p.settle()
	for k := range p.seats {
		st, _ := p.only(k).room.Statement(id)
		p.speak(k, &negotiation.Consent{Core: st.Body.(*negotiation.Agreement).Core()})
		p.settle()
	}
	return id
}

var yes = true

// A whole single round of three on real vaults, with a restart at every stage.
func TestRoundOfThree(t *testing.T) {
	p, list := newTalks(t, 3, 1)
	id := p.proposeRound(0, RoundProposal{Mode: "single", Packages: []string{list[0].String()[:8]}})
	if i := p.roundInfo(1, id); !i.Asked || !i.MayJoin || i.MayChoose || i.QuotaLeft != blind.QuotaRounds || len(i.Fairness) < 6 || i.Items[0].Show != "Transit fee: 0 per ton" {
		t.Errorf("%+v", i)
	}
	p.relock(0)
	for i := 1; i < 3; i++ {
		p.speak(i, &negotiation.Join{Of: id})
		p.settle()
		p.relock(i)
	}
	for i := range 3 {
		p.must(p.choose(i, id, RoundChoice{Yes: &yes}))
		p.relock(i)
		if v := p.roundInfo(i, id); v.State != "keyed" || !v.Answered || v.Sent || !v.MayChoose {
			t.Errorf("%+v", v)
		}
	}
	p.until(59 * time.Minute)
	if v := p.roundInfo(0, id); v.Sent {
		t.Error("an answer left before its time")
	}
	p.until(time.Minute)
	for i := range 3 {
		if v := p.roundInfo(i, id); v.State != "match" || v.Result == nil || v.Result.Number != 1 || v.Text != blind.Texts[blind.TextMatch] {
			t.Errorf("%+v", v)
		}
		if v := p.view(i).Rounds[0]; v.State != negotiation.RoundMatch || v.Outcome == nil {
			t.Errorf("the room shows %+v", v)
		}
	}
}

func TestRoundModes(t *testing.T) {
	p, list := newTalks(t, 3, 8)
	var refs []string
	for _, id := range list {
		refs = append(refs, id.String())
	}
	id := p.proposeRound(0, RoundProposal{Mode: "list", Packages: refs, Parties: []string{"Cenia"}, Green: 1})
	p.speak(2, &negotiation.Join{Of: id})
	p.settle()
	p.must(p.choose(0, id, RoundChoice{Approve: &[]int{2, 7}, Green: []int{2}}))
	p.must(p.choose(2, id, RoundChoice{Approve: &[]int{7, 8}}))
	if p.choose(2, id, RoundChoice{Approve: &[]int{1, 7, 8}}) == nil || p.choose(2, id, RoundChoice{Approve: &[]int{9}}) == nil ||
		p.choose(2, id, RoundChoice{Yes: &yes}) == nil || p.choose(2, id, RoundChoice{}) == nil {
		t.Error("an answer was taken that does not fit")
	}
	p.until(time.Hour)
	for _, i := range []int{0, 2} {
		if v := p.roundInfo(i, id); v.State != "match" || v.Result.Number != 7 || v.Upper {
			t.Errorf("%+v", v)
		}
	}
	if v := p.roundInfo(1, id); v.Asked || v.Text != blind.Texts[blind.TextOthers] || v.Result != nil {
		t.Errorf("who is not asked sees %+v", v)
	}

	id = p.proposeRound(2, RoundProposal{Mode: "ladder", Issue: 1, Figures: []string{"1", "2", "3", "4"}, Parties: []string{"Aldmark"}, Sells: true})
	p.speak(0, &negotiation.Join{Of: id})
	p.settle()
	p.must(p.choose(2, id, RoundChoice{Limit: "3"}))
	p.must(p.choose(0, id, RoundChoice{Limit: "3"}))
	p.until(time.Hour)
	if v := p.roundInfo(0, id); v.State != "match" || v.Result.Show != "3 per ton" {
		t.Errorf("%+v", v)
	}
}

// Three rounds a week with one contact about one issue; the fourth is refused to the
// proposer, and to who would join one.
func TestRoundQuota(t *testing.T) {
	p, list := newTalks(t, 2, 2)
	for n := range 3 {
		id := p.proposeRound(n%2, RoundProposal{Mode: "single", Packages: []string{list[n%2].String()}})
		p.speak(1-n%2, &negotiation.Join{Of: id})
		p.settle()
	}
	p.relock(1)
	_, err := p.tryRound(1, RoundProposal{Mode: "single", Packages: []string{list[0].String()}})
	if err == nil || !strings.Contains(err.Error(), "Three rounds a week") {
		t.Fatal(err)
	}
	if len(p.view(1).Rounds) != 3 {
		t.Error("a refused round was kept")
	}
	p.until(8 * 24 * time.Hour)
	p.proposeRound(1, RoundProposal{Mode: "single", Packages: []string{list[0].String()}})
}

// A round that nobody could play is not proposed, by whomever, and one of a station that
// does not ask itself is shown with the reason and not offered to be joined.
func TestImpossibleRound(t *testing.T) {
	p, list := newTalks(t, 3, 1)
	member := func(i int) negotiation.MemberID { return p.only(i).room.Self() }
	r := &negotiation.Round{Mode: negotiation.Single, Agenda: p.view(0).Agenda.ID, Packages: list[:1], Parties: []negotiation.MemberID{member(1), member(2)}, Opener: member(1),
		InputsAt: uint64(p.now.Add(time.Hour).Unix()), Deadline: uint64(p.now.Add(time.Hour + 5*time.Minute).Unix())}
	slices.SortFunc(r.Parties, func(a, b negotiation.MemberID) int { return bytes.Compare(a[:], b[:]) })
	if _, err := p.trySpeak(0, r); err == nil || !strings.Contains(err.Error(), "10 minutes") {
		t.Errorf("proposed between others: %v", err)
	}
	p.seats[0].drivers = nil
	p.seats[0].table = newTable(p.seats[0].vault, 3, nil)
	id := p.speak(0, r)
	p.settle()
	if v := p.roundInfo(1, id); v.MayJoin || !strings.Contains(v.Problem, "10 minutes") {
		t.Errorf("%+v", v)
	}
	r.Deadline = uint64(p.now.Add(2 * time.Hour).Unix())
	id = p.speak(0, r)
	p.settle()
	if v := p.roundInfo(1, id); !v.MayJoin || v.Problem != "" {
		t.Errorf("%+v", v)
	}
}

// A station whose machines are gone ends its round; the others see it lapse.
func TestRoundLost(t *testing.T) {
	p, list := newTalks(t, 2, 1)
	id := p.proposeRound(0, RoundProposal{Mode: "single", Packages: []string{list[0].String()}})
	p.speak(1, &negotiation.Join{Of: id})
	p.settle()
	p.must(p.choose(0, id, RoundChoice{Yes: &yes}))
	p.must(p.within(1, func(b *batch, r *openRoom) error { return b.tx.DropMachine(r.number, conduct.KindRound, id[:]) }))
	p.relock(1)
	if v := p.roundInfo(1, id); v.State != "lapsed" || !v.Lost || v.Text != blind.Texts[blind.TextLost] {
		t.Errorf("%+v", v)
	}
	p.until(time.Hour)
	p.until(2 * time.Hour)
	if v := p.roundInfo(0, id); v.State != "lapsed" || v.Lost {
		t.Errorf("%+v", v)
	}
}

// No answer is in anything that a station says, shows or reports.
func TestChoiceStays(t *testing.T) {
	p, list := newTalks(t, 2, 1)
	_ = list
	id := p.proposeRound(0, RoundProposal{Mode: "ladder", Issue: 1, Figures: []string{"1", "2", "97"}, Sells: true})
	p.speak(1, &negotiation.Join{Of: id})
	p.settle()
	p.must(p.choose(0, id, RoundChoice{Limit: "97"}))
	shown, err := json.Marshal(p.roundInfo(0, id))
	p.must(err)
	if n := bytes.Count(shown, []byte("97")); n != bytes.Count(shown, []byte(`"show":"97`)) {
		t.Errorf("the own limit is shown: %s", shown)
	}
	r := p.only(0)
	p.must(p.within(0, func(b *batch, _ *openRoom) error { // the one place where it may be seen again
		_, round, err := statement[*negotiation.Round](r, "choosing", id.String())
		p.must(err)
		a, ok, err := b.t.conductor().seat(b.tx, r, b.now).RoundAnswer(id)
		if c := choiceOf(round, a); !ok || c.Limit != "97" || c.None || c.Yes != nil || c.Approve != nil {
			t.Errorf("chosen was 97, and it says %+v", c)
		}
		return err
	}))
	if err := p.choose(0, id, RoundChoice{Limit: "43"}); err == nil || strings.Contains(err.Error(), "43") {
		t.Error(err)
	}
}

// A sealed agreement of three, of which one signer restarts in the middle, and its
// communiqué, which an ordinary verifier takes.
func TestSignedByThree(t *testing.T) {
	p, list := newTalks(t, 3, 1)
	id := p.proposeAgreement(0, AgreementProposal{Text: "Aldmark opens the port.", Level: "sealed", Packages: []string{list[0].String()}, Parties: []string{"Borvia"}})
	if v := p.agreementInfo(2, id); v.State != "ready" || !v.MaySign || v.Warning != seal.WordsBeforeShare || v.Last != "you" {
		t.Fatalf("%+v", v)
	}
	p.must(p.sign(0, id))
	p.settle()
	p.must(p.sign(1, id))
	p.settle()
	p.relock(1)
	p.settle()
	if v := p.agreementInfo(0, id); v.State != "ready" || !v.MaySign {
		t.Errorf("after a restart: %+v", v)
	}
	for i := range 3 {
		p.must(p.sign(i, id))
		p.settle()
	}
	for i := range 3 {
		p.relock(i)
		v := p.agreementInfo(i, id)
		if v.State != "sealed" || !v.Agreed || len(v.Keys) != 3 || len(v.Signature) != 128 || v.MaySign {
			t.Errorf("%+v", v)
		}
		for _, n := range v.Needed {
			if !n.Holds || !n.Shared {
				t.Errorf("%s: %+v", p.seats[i].name, n)
			}
		}
	}
	a, err := agreementAt(p.only(1), "", id.String(), p.now)
	p.must(err)
	q, err := conduct.DraftCommunique(p.only(1).room, a)
	p.must(err)
	bad := *q
	bad.Text += " And more."
	if _, err := p.trySpeak(1, &bad); err == nil {
		t.Error("another text than the signed one was proposed for release")
	}
	of := p.speak(1, q)
	p.settle()
	for _, i := range []int{0, 2} {
		p.speak(i, &negotiation.Approve{Of: of})
		p.settle()
	}
	p.speak(2, &negotiation.Release{Of: of})
	p.settle()
	if v := p.view(0).Communiques; v[0].State != negotiation.CommuniqueReleased {
		t.Error(v[0].State)
	}
	r := p.only(0)
	p.must(p.seats[0].vault.View(func(tx *vault.Tx) error {
		people, err := peopleOf(tx)
		p.must(err)
		names := people.names(r)
		file, err := conduct.Communique(r.room, a, func(m negotiation.MemberID) string {
			if m == r.room.Self() {
				return ownName(r, names)
			}
			return names(m)
		})
		p.must(err)
		rep, err := seal.Verify(file)
		p.must(err)
		if !ed25519.Verify(rep.SumKey[:], rep.Message, rep.Sig) {
			t.Error("crypto/ed25519 does not take it")
		}
		var got []string
		for _, x := range rep.Parties {
			got = append(got, x.Name)
		}
		slices.Sort(got)
		if !slices.Equal(got, parleyNames[:3]) {
			t.Errorf("names %q", got)
		}
		return nil
	}))
}

// A published key is made once, is the same after a restart, and signs.
func TestPublishedKey(t *testing.T) {
	p, _ := newTalks(t, 2, 0)
	key := func(i int) (out string) {
		p.must(p.change(i, func(b *batch) error {
			k, err := sealKey(b.tx)
			pub := k.Public()
			out = string(pub[:])
			return err
		}))
		return out
	}
	first := key(0)
	p.relock(0)
	if key(0) != first || key(1) == first {
		t.Error("the published key is not the station's own, for good")
	}
	id := p.proposeAgreement(0, AgreementProposal{Text: "Both publish this.", Level: "public"})
	p.must(p.sign(0, id))
	p.must(p.sign(1, id))
	p.settle()
	a, err := agreementAt(p.only(1), "", id.String(), p.now)
	p.must(err)
	if a.Seal == nil || !slices.ContainsFunc(a.Seal.Keys, func(k []byte) bool { return string(k) == first }) {
		t.Errorf("%s: not signed with the published key", a.State)
	}
}

// A member that comes with another key than the one noted for it gets no share, and
// both the own user and the API are told. Contacts have what was noted after a restart.
func TestNotedKey(t *testing.T) {
	p, _ := newTalks(t, 2, 0)
	publish := func(i int) (k seal.PublicKey) {
		p.must(p.change(i, func(b *batch) error {
			own, err := sealKey(b.tx)
			k = own.Public()
			return err
		}))
		return k
	}
	note := func(k seal.PublicKey) {
		p.must(p.within(0, func(b *batch, r *openRoom) error {
			i := slices.IndexFunc(r.room.Charter().Members, func(m negotiation.Member) bool { return m.ID != r.room.Self() })
			_, err := b.tx.ChangeContact(contact.ID(r.room.Charter().Members[i].Contact), func(c *contact.Contact) { c.SealKey = k[:] })
			return err
		}))
	}
	own, theirs := publish(0), publish(1)
	look := func(id negotiation.ID) (out NeededConsent, a AgreementInfo) {
		p.must(p.within(0, func(b *batch, r *openRoom) error {
			v, err := agreementAt(r, "", id.String(), p.now)
			if err != nil {
				return err
			}
			a, err = b.t.agreementInfo(b.tx, r, v, func(negotiation.MemberID) string { return "" }, p.now)
			return err
		}))
		return a.Needed[slices.IndexFunc(a.Needed, func(n NeededConsent) bool { return !n.Self })], a
	}
	note(own) // not the one that the other has
	p.relock(0)
	id := p.proposeAgreement(0, AgreementProposal{Text: "Both publish this.", Level: "public"})
	if n, _ := look(id); n.NotedKey != hex.EncodeToString(own[:]) || n.Key != "" || n.OtherKey {
		t.Errorf("before it is signed: %+v", n)
	}
	p.must(p.sign(0, id))
	p.must(p.sign(1, id))
	p.settle()
	n, a := look(id)
	if !n.OtherKey || n.Key != hex.EncodeToString(theirs[:]) || a.Agreed || a.Needed[0].Shared || a.Needed[1].Shared {
		t.Errorf("with another key: %+v, %s", n, a.State)
	}
	if err := p.sign(0, id); !errors.Is(err, negotiation.ErrRefused) || !strings.Contains(err.Error(), "another key") {
		t.Errorf("signing with another key: %v", err)
	}
	note(theirs)
	p.must(p.sign(0, id))
	p.must(p.sign(1, id))
	p.settle()
	if n, a := look(id); n.OtherKey || !a.Agreed {
		t.Errorf("with the right key: %+v, %s", n, a.State)
	}
}

// What could not be signed later is refused when it is proposed.
func TestUnsignable(t *testing.T) {
	p, _ := newTalks(t, 2, 0)
	for level, want := range map[string]bool{"handshake": true, "sealed": false} {
		err := p.within(0, func(b *batch, r *openRoom) error {
			body, err := b.agreement(r, "proposing", AgreementProposal{Text: strings.Repeat("long ", 20000), Level: level, Lapses: p.now.Add(time.Hour)})
			p.must(err)
			_, err = b.say(r, body, negotiation.MemberID{})
			return err
		})
		if (err == nil) != want {
			t.Errorf("%s: %v", level, err)
		}
	}
}

func TestHandshakeOfThree(t *testing.T) {
	p, list := newTalks(t, 3, 1)
	id := p.proposeAgreement(1, AgreementProposal{Packages: []string{list[0].String()}})
	for i := range 3 {
		if v := p.agreementInfo(i, id); v.State != "confirmed" || !v.Agreed || v.MaySign {
			t.Errorf("%+v", v)
		}
	}
}

// Stations are stopped between any two transactions, and messages of different
// members come in any order: the round ends alike everywhere.
func TestRoundUnderRestarts(t *testing.T) {
	for seed := range uint64(6) {
		p, list := newTalks(t, 3, 1)
		p.dice = rand.New(rand.NewPCG(seed, 5))
		id := p.proposeRound(0, RoundProposal{Mode: "single", Packages: []string{list[0].String()}})
		for i := 1; i < 3; i++ {
			p.speak(i, &negotiation.Join{Of: id})
		}
		p.settle()
		no := seed%2 == 0
		for i := range 3 {
			y := i > 0 || !no
			p.must(p.choose(i, id, RoundChoice{Yes: &y}))
		}
		p.until(time.Hour)
		want := "match"
		if no {
			want = "no match"
		}
		for i := range 3 {
			if v := p.roundInfo(i, id); v.State != want {
				t.Errorf("seed %d: %s sees %q, want %q", seed, p.seats[i].name, v.State, want)
			}
			number := p.only(i).number
			p.must(p.seats[i].vault.View(func(tx *vault.Tx) error {
				left, err := tx.Machines(number, conduct.KindRound)
				if len(left) > 0 {
					t.Errorf("seed %d: a round that is over is kept", seed)
				}
				return err
			}))
		}
	}
}
