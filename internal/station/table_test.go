package station

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/pairwise"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// parley is several stations' tables on real vaults, without a network: messages go
// from vault to vault as the stream of a contact delivers them, in order and once.
type parley struct {
	t     testing.TB
	seats []*seat
	now   time.Time
	dice  *rand.Rand // nil: nothing goes wrong
}

type seat struct {
	name    string
	path    string
	vault   *vault.Vault
	table   *table
	drivers []opaque
	notices []Event
}

var parleyNames = []string{"Aldmark", "Borvia", "Cenia", "Dorland"}

func newParley(t testing.TB, n int) *parley {
	t.Helper()
	p := &parley{t: t, now: time.Date(2026, 11, 12, 9, 0, 0, 0, time.UTC)}
	for i := range n {
		s := &seat{name: parleyNames[i], path: filepath.Join(t.TempDir(), "vault.db")}
		v, err := vault.CreateWith(s.path, []byte("p"), p.options())
		if err != nil {
			t.Fatal(err)
		}
		s.vault = v
		p.seats = append(p.seats, s)
		t.Cleanup(func() {
			if err := s.vault.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
		})
		for j := range n {
			if j == i {
				continue
			}
			c := contact.Contact{ID: peer(i, j), Name: parleyNames[j], Role: pairwise.Inviter, Created: p.now}
			if err := v.Update(func(tx *vault.Tx) error { return tx.PutContact(c) }); err != nil {
				t.Fatal(err)
			}
		}
		s.table = newTable(v, 3, nil)
	}
	return p
}

// peer is the contact under which seat i knows seat j.
func peer(i, j int) contact.ID { return contact.ID{byte(i + 1), byte(j + 1)} }

func (p *parley) options() vault.Options {
	return vault.Options{KDF: vault.KDF{Time: 1, Memory: 8, Threads: 1}, SyncOff: true, Now: func() time.Time { return p.now }}
}

// restart closes a seat's vault and opens it again: what was only in memory is gone.
func (p *parley) restart(i int) {
	p.t.Helper()
	s := p.seats[i]
	if err := s.vault.Close(); err != nil {
		p.t.Fatal(err)
	}
	v, err := vault.OpenWith(s.path, []byte("p"), p.options())
	if err != nil {
		p.t.Fatal(err)
	}
	s.vault, s.table = v, newTable(v, 3, s.drivers)
}

// change runs f in one transaction of a seat.
func (p *parley) change(i int, f func(b *batch) error) error {
	out, err := p.seats[i].table.change(p.now, f)
	p.seats[i].notices = append(p.seats[i].notices, out.notices...)
	return err
}

func (p *parley) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// carry takes the oldest message that waits at seat i for seat j across.
func (p *parley) carry(i, j int) bool {
	p.t.Helper()
	from, to := p.seats[i], p.seats[j]
	for _, end := range []struct {
		s  *seat
		id contact.ID
	}{{from, peer(i, j)}, {to, peer(j, i)}} { // who burned the other hears it no more
		if end.s.vault.View(func(tx *vault.Tx) error { _, err := tx.Contact(end.id); return err }) != nil {
			return false
		}
	}
	var raw []byte
	var id wire.ItemID
	p.must(from.vault.View(func(tx *vault.Tx) error {
		list, err := tx.Outgoing(peer(i, j))
		if err != nil || len(list) == 0 {
			return err
		}
		id, raw = list[0].ID, make([]byte, list[0].Size)
		_, err = tx.ReadOutgoing(id, 0, raw)
		return err
	}))
	if raw == nil {
		return false
	}
	r := wire.Record{Class: wire.ClassNegotiation, Item: id, Data: raw, Last: true}
	p.must(to.vault.Update(func(tx *vault.Tx) error {
		return tx.SaveSession(peer(j, i), pairwise.Delta{Dirty: true, State: []byte{1}, Records: []wire.Record{r}})
	}))
	p.must(from.vault.Update(func(tx *vault.Tx) error {
		return tx.SaveSession(peer(i, j), pairwise.Delta{Dirty: true, State: []byte{1}, Delivered: []wire.ItemID{id}})
	}))
	return true
}

// read lets a seat read one message that waits.
func (p *parley) read(i int) bool {
	out, found, err := p.seats[i].table.next(p.now)
	p.seats[i].notices = append(p.seats[i].notices, out.notices...)
	if err != nil && p.dice == nil {
		p.t.Fatal(err)
	}
	return found
}

// settle carries and reads until nothing waits. With dice the order is random,
// drivers fail and stations are restarted in between.
func (p *parley) settle() {
	p.t.Helper()
	for quiet := 0; quiet < 3; {
		var steps []func() bool
		for i := range p.seats {
			steps = append(steps, func() bool { return p.read(i) })
			for j := range p.seats {
				if i != j {
					steps = append(steps, func() bool { return p.carry(i, j) })
				}
			}
		}
		if p.dice != nil {
			p.dice.Shuffle(len(steps), func(a, b int) { steps[a], steps[b] = steps[b], steps[a] })
			if p.dice.IntN(4) == 0 {
				p.restart(p.dice.IntN(len(p.seats)))
			}
		}
		moved := false
		for _, s := range steps {
			moved = s() || moved
		}
		if quiet++; moved {
			quiet = 0
		}
	}
}

// tick lets every seat do what time makes due.
func (p *parley) tick() {
	p.t.Helper()
	for _, s := range p.seats {
		p.must(s.table.load())
		for {
			r, _ := s.table.due(p.now)
			if r == nil {
				break
			}
			out, err := s.table.tick(r, p.now)
			s.notices = append(s.notices, out.notices...)
			if err != nil && p.dice == nil {
				p.t.Fatal(err)
			}
		}
	}
}

// only is the one room of a seat.
func (p *parley) only(i int) *openRoom {
	p.t.Helper()
	s := p.seats[i]
	p.must(s.table.load())
	all := s.table.all()
	if len(all) != 1 {
		p.t.Fatalf("%s has %d rooms", s.name, len(all))
	}
	p.must(s.vault.View(func(tx *vault.Tx) error { return all[0].open(tx) }))
	return all[0]
}

func (p *parley) view(i int) *negotiation.View {
	p.t.Helper()
	r := p.only(i)
	if r.room == nil {
		p.t.Fatalf("the room of %s is %s: %s", p.seats[i].name, r.formation.State, r.formation.Reason)
	}
	return r.room.View(p.now, func(m negotiation.MemberID) string { return m.String()[:4] })
}

// propose has seat 0 invite all others, who join.
func (p *parley) propose(title string) {
	p.t.Helper()
	var chosen []negotiation.Contact
	names := []string{p.seats[0].name}
	var members []contact.ID
	for j := 1; j < len(p.seats); j++ {
		chosen, names, members = append(chosen, negotiation.Contact(peer(0, j))), append(names, p.seats[j].name), append(members, peer(0, j))
	}
	p.must(p.change(0, func(b *batch) error {
		f, out, err := negotiation.NewFormation(title, chosen, names, nil, 3, p.now, newReader(p))
		if err != nil {
			return err
		}
		if _, err := b.begin(f, members); err != nil {
			return err
		}
		return b.send(out)
	}))
}

func (p *parley) join(i int) error {
	p.t.Helper()
	r := p.only(i)
	var chosen []negotiation.Contact
	for j := range p.seats {
		if j != i {
			chosen = append(chosen, negotiation.Contact(peer(i, j)))
		}
	}
	return p.change(i, func(b *batch) error {
		return b.form(r, func() ([]negotiation.Out, error) { return r.formation.Join(chosen, 3, newReader(p)) })
	})
}

// reader is randomness for formations.
type reader struct{ *rand.ChaCha8 }

func newReader(p *parley) reader {
	var seed [32]byte
	copy(seed[:], fmt.Sprint(p.now.UnixNano()))
	p.now = p.now.Add(time.Second)
	return reader{rand.NewChaCha8(seed)}
}

func (p *parley) room() {
	p.t.Helper()
	p.propose("Straits talks")
	p.settle()
	for i := 1; i < len(p.seats); i++ {
		for p.join(i) != nil { // a driver failed
			if p.dice == nil {
				p.t.Fatal("joining failed")
			}
		}
	}
	p.settle()
}

// say says something, again and again if drivers fail.
func (p *parley) say(i int, body negotiation.Body) (id negotiation.ID) {
	p.t.Helper()
	for n := 0; ; n++ {
		r := p.only(i)
		err := p.change(i, func(b *batch) (err error) {
			id, err = b.say(r, body, negotiation.MemberID{})
			return err
		})
		if err == nil {
			return id
		}
		if p.dice == nil || n > 100 || errors.Is(err, negotiation.ErrRefused) {
			p.t.Fatal(err)
		}
	}
}

// same wants every seat to have the same on the table.
func (p *parley) same() {
	p.t.Helper()
	want := ""
	for i := range p.seats {
		v := p.view(i)
		if len(v.Alarms) > 0 || v.Refused > 0 {
			p.t.Errorf("%s has alarms %v, refused %d", p.seats[i].name, v.Alarms, v.Refused)
		}
		var ids []string
		for _, s := range v.Timeline {
			ids = append(ids, s.ID.String())
		}
		slices.Sort(ids)
		offers, err := json.Marshal(v.Offers)
		p.must(err)
		agenda, err := json.Marshal(v.Agenda)
		p.must(err)
		got := strings.Join(ids, " ") + string(offers) + string(agenda)
		if want == "" {
			want = got
		}
		if got != want {
			p.t.Errorf("%s has\n%s\n%s has\n%s", p.seats[0].name, want, p.seats[i].name, got)
		}
	}
}

// empty wants nothing of the messages to be left in any vault.
func (p *parley) empty() {
	p.t.Helper()
	for i, s := range p.seats {
		p.must(s.vault.View(func(tx *vault.Tx) error {
			items, err := tx.Items(vault.Filter{})
			if len(items) > 0 {
				p.t.Errorf("%s has %d items left", p.seats[i].name, len(items))
			}
			strays, err2 := tx.Strays()
			if len(strays) > 0 {
				p.t.Errorf("%s has put aside: %s", p.seats[i].name, strays[0].Reason)
			}
			return errors.Join(err, err2)
		}))
	}
}

var toll = negotiation.Issue{ID: 1, Title: "Toll", Type: negotiation.Choice, Options: []string{"none", "half", "full"}}

// talks goes from the agenda to an offer that is taken, and returns the offer.
func (p *parley) talks() negotiation.ID {
	p.t.Helper()
	agenda := p.say(0, &negotiation.Agenda{Rev: 1, Issues: []negotiation.Issue{toll}})
	p.settle()
	for i := 1; i < len(p.seats); i++ {
		p.say(i, &negotiation.Confirm{Of: agenda})
	}
	p.settle()
	id := p.say(0, &negotiation.Offer{Agenda: agenda, Gives: []negotiation.Term{
		{By: p.only(0).room.Self(), Issue: 1, Value: negotiation.OptionValue(1)}}})
	p.settle()
	p.say(1, &negotiation.Take{Of: id})
	p.settle()
	return id
}

func TestTableTalks(t *testing.T) {
	p := newParley(t, 3)
	p.room()
	id := p.talks()
	p.same()
	p.empty()
	for i := range p.seats {
		v := p.view(i)
		if len(v.Offers) != 1 || v.Offers[0].ID != id || v.Offers[0].State != negotiation.OfferTaken {
			t.Errorf("%s: %+v", p.seats[i].name, v.Offers)
		}
	}
	// What programs read of a view is the view.
	for i := range p.seats {
		want, err := json.Marshal(p.view(i))
		p.must(err)
		var v negotiation.View
		p.must(json.Unmarshal(want, &v))
		if got, err := json.Marshal(&v); err != nil || !bytes.Equal(got, want) {
			t.Errorf("read again, %v:\n%s\nwas\n%s", err, got, want)
		}
	}
	// Everything is there again after a restart.
	for i := range p.seats {
		before, err := json.Marshal(p.view(i))
		p.must(err)
		p.restart(i)
		after, err := json.Marshal(p.view(i))
		p.must(err)
		if !bytes.Equal(before, after) {
			t.Errorf("%s remembers\n%s\nwas\n%s", p.seats[i].name, after, before)
		}
	}
}

// fragile is a driver that fails now and then, after the room has changed in memory.
type fragile struct{ dice *rand.Rand }

var errFragile = errors.New("the driver failed")

func (d fragile) fail() error {
	if d.dice.IntN(3) == 0 {
		return errFragile
	}
	return nil
}

func (d fragile) received(*vault.Tx, *openRoom, *negotiation.Statement, time.Time) ([]saying, error) {
	return nil, d.fail()
}
func (d fragile) tick(*vault.Tx, *openRoom, time.Time) ([]saying, error) { return nil, d.fail() }
func (d fragile) wake(*vault.Tx, *openRoom) (at time.Time, err error)    { return at, d.fail() }

// TestTableSurvives plays the same with transactions that fail at their end,
// stations that are restarted at any moment, and messages of several members in any
// order. What comes out is the same.
func TestTableSurvives(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			p := newParley(t, 3)
			p.dice = rand.New(rand.NewPCG(uint64(seed), 1))
			for i := range p.seats {
				p.seats[i].drivers = []opaque{fragile{p.dice}}
				p.restart(i)
			}
			p.room()
			p.talks()
			p.tick()
			p.settle()
			p.same()
			p.empty()
			if got := p.view(2).Offers[0].State; got != negotiation.OfferTaken {
				t.Errorf("the offer is %s", got)
			}
		})
	}
}

// TestTableCrossing has an offer taken by one and withdrawn by its author at once.
func TestTableCrossing(t *testing.T) {
	for seed := range uint64(6) {
		p := newParley(t, 3)
		p.room()
		agenda := p.say(0, &negotiation.Agenda{Rev: 1, Issues: []negotiation.Issue{toll}})
		p.settle()
		p.say(1, &negotiation.Confirm{Of: agenda})
		p.say(2, &negotiation.Confirm{Of: agenda})
		p.settle()
		id := p.say(0, &negotiation.Offer{Agenda: agenda, Gives: []negotiation.Term{{By: p.only(0).room.Self(), Issue: 1, Value: negotiation.OptionValue(2)}}})
		p.settle()
		p.say(1, &negotiation.Take{Of: id})
		p.say(0, &negotiation.Withdraw{Of: id})
		p.say(2, &negotiation.Take{Of: id})
		p.dice = rand.New(rand.NewPCG(seed, 2))
		p.settle()
		p.same()
		if got := p.view(1).Offers[0].State; got != negotiation.OfferWithdrawn {
			t.Errorf("seed %d: the offer is %s", seed, got)
		}
	}
}

// TestTableEarly has the quicker members speak before the slower ones know that
// there will be a room.
func TestTableEarly(t *testing.T) {
	p := newParley(t, 3)
	p.propose("Straits talks")
	for p.carry(0, 1) {
	}
	for p.read(1) {
	}
	p.must(p.join(1))
	for p.carry(1, 2) { // before the invitation
	}
	for p.read(2) {
	}
	if n := len(p.seats[2].table.rooms); n != 0 {
		t.Fatalf("%d rooms", n)
	}
	p.restart(2) // what waits, waits in the vault
	p.settle()
	p.must(p.join(2))
	p.settle()
	// A member that has the room already speaks before another one has it.
	p.say(0, &negotiation.Agenda{Rev: 1, Issues: []negotiation.Issue{toll}})
	p.settle()
	p.same()
	p.empty()
}

// TestTableNoSuchRoom: what belongs to no room waits for two weeks and is then put
// aside; what cannot be read is put aside at once, and neither stops the rest.
func TestTableNoSuchRoom(t *testing.T) {
	p := newParley(t, 2)
	p.room()
	junk := func(raw []byte) {
		p.must(p.seats[0].vault.Update(func(tx *vault.Tx) error {
			var id wire.ItemID
			copy(id[:], fmt.Sprint(p.now.UnixNano()))
			p.now = p.now.Add(time.Second)
			_, err := tx.AddMessage(peer(0, 1), id, raw)
			return err
		}))
	}
	e := &negotiation.Envelope{Version: 1, Room: negotiation.ID{9}, From: negotiation.MemberID{1}, Seq: 1, Time: 1, Class: negotiation.ClassPrivate, Kind: "signal", Body: []byte{0xa0}}
	junk(e.Encode())
	junk([]byte("not CBOR"))
	junk(nil)
	p.say(0, &negotiation.Agenda{Rev: 1, Issues: []negotiation.Issue{toll}})
	p.settle()
	if v := p.view(1); len(v.Proposed) != 1 {
		t.Errorf("the agenda did not arrive")
	}
	reasons := func() (out []string) {
		p.must(p.seats[1].vault.View(func(tx *vault.Tx) error {
			all, err := tx.Strays()
			for _, s := range all {
				out = append(out, s.Reason)
			}
			return err
		}))
		return out
	}
	if got := reasons(); len(got) != 2 {
		t.Errorf("put aside: %q", got)
	}
	p.now = p.now.Add(negotiation.FormationLifetime)
	p.settle()
	if got := reasons(); len(got) != 3 || got[2] != "there is no such room here" {
		t.Errorf("put aside: %q", got)
	}
	p.empties(1)
	for range 3 * vault.MaxStrays {
		junk([]byte("not CBOR"))
	}
	p.settle()
	if got := reasons(); len(got) != vault.MaxStrays {
		t.Errorf("%d are kept", len(got))
	}
	p.empties(1)
}

func (p *parley) empties(i int) {
	p.t.Helper()
	p.must(p.seats[i].vault.View(func(tx *vault.Tx) error {
		items, err := tx.Items(vault.Filter{})
		if len(items) > 0 {
			p.t.Errorf("%d items are left", len(items))
		}
		return err
	}))
}

// TestTableFormationEnds: a room that somebody declines, or that takes too long.
func TestTableFormationEnds(t *testing.T) {
	p := newParley(t, 3)
	p.propose("Straits talks")
	p.settle()
	p.must(p.join(1))
	r := p.only(2)
	p.must(p.change(2, func(b *batch) error { return b.form(r, r.formation.Decline) }))
	p.settle()
	if got := p.only(0).formation.State; got != negotiation.FormationDeclined {
		t.Errorf("it is %s", got)
	}
	p.tick()
	p.now = p.now.Add(negotiation.FormationLifetime + time.Minute)
	p.tick()
	p.restart(1)
	if got := p.only(1).formation.State; got != negotiation.FormationLapsed {
		t.Errorf("it is %s", got)
	}
	p.settle()
	p.empty()
}
