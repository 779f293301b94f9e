package web_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backchannel/internal/book"
	"backchannel/internal/negotiation"
	"backchannel/internal/sim/localnet"
	"backchannel/internal/station"
	"backchannel/internal/web"
	"backchannel/internal/wire"
)

// parley is three stations on a real network that have met pairwise, each used
// through its API.
type parley struct {
	t        *testing.T
	ctx      context.Context
	names    []string
	stations []*station.Station
	clients  []*web.Client
	room     string
}

func newParley(t *testing.T) *parley {
	t.Helper()
	params, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	n, err := localnet.Start(params)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &parley{t: t, ctx: ctx, names: []string{"Aldmark", "Borvia", "Cenia"}}
	var wg sync.WaitGroup
	var servers []*http.Server
	t.Cleanup(func() {
		for i, s := range servers {
			p.clients[i].Close()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		cancel()
		wg.Wait()
		for _, s := range p.stations {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	for range p.names {
		dir := shortDir(t)
		s, _, err := n.NewStation(dir, "", []byte("open sesame"))
		if err != nil {
			t.Fatal(err)
		}
		socket := filepath.Join(dir, "api.sock")
		ln, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: web.NewHandler(s, "test"), ReadHeaderTimeout: time.Minute}
		p.stations, p.clients, servers = append(p.stations, s), append(p.clients, web.NewClient(socket)), append(servers, srv)
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() { _ = srv.Serve(ln) }) // it ends with Close
	}
	for i := range p.names {
		for j := range i {
			k, err := p.clients[j].Invite(ctx, p.names[i], time.Hour)
			p.must(err)
			_, err = p.clients[i].Accept(ctx, p.names[j], k.Invitation.Text)
			p.must(err)
		}
	}
	p.await("everybody to meet", func() bool {
		for _, c := range p.clients {
			all, err := c.Contacts(ctx)
			if err != nil || len(all) != 2 || !all[0].Ready || !all[1].Ready {
				return false
			}
		}
		return true
	})
	return p
}

func (p *parley) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *parley) await(what string, yes func() bool) {
	p.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(4 * time.Minute); !yes(); <-tick.C {
		if time.Now().After(end) {
			p.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (p *parley) view(i int) *station.RoomView {
	p.t.Helper()
	r, err := p.clients[i].Room(p.ctx, p.room)
	p.must(err)
	if r.View == nil {
		p.t.Fatalf("the room is %s: %s", r.State, r.Reason)
	}
	return r.View
}

func (p *parley) say(i int, kind string, body any) negotiation.ID {
	p.t.Helper()
	said, err := p.clients[i].Say(p.ctx, p.room, kind, "", body)
	p.must(err)
	var id negotiation.ID
	p.must(id.UnmarshalText([]byte(said.ID)))
	return id
}

// everywhere waits until everybody's view says yes.
func (p *parley) everywhere(what string, yes func(v *station.RoomView) bool) {
	p.t.Helper()
	for i := range p.clients {
		p.await(what, func() bool { return yes(p.view(i)) })
	}
}

// TestNegotiation has three stations form a room, settle an agenda, put packages and
// a conditional offer on the table, take it, and then take and withdraw another one
// at once. Letters and signals show nothing of it. One of them is locked and opened
// again in the middle.
func TestNegotiation(t *testing.T) {
	if testing.Short() {
		t.Skip("a minute of real time")
	}
	t.Parallel() // it waits for a network of its own
	p := newParley(t)
	ctx := p.ctx
	seen := make(chan station.Notice, 1000)
	followed, stop := context.WithCancel(ctx)
	ready := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.clients[1].Follow(followed, func() { close(ready) }, func(n station.Notice) error { seen <- n; return nil })
	}()
	<-ready

	info, err := p.clients[0].NewRoom(ctx, station.Proposal{Title: "Straits talks", Self: "Aldmark", Members: []station.Invitee{{Contact: "Borvia", Name: "Borvia"}, {Contact: "Cenia", Name: "Cenia"}}})
	p.must(err)
	p.room = info.ID
	for i := 1; i < 3; i++ {
		p.await("the invitation", func() bool {
			all, err := p.clients[i].Rooms(ctx)
			return err == nil && len(all) == 1 && all[0].State == "invited" && all[0].Inviter == "Aldmark" && slices.Equal(all[0].Names, p.names)
		})
		_, err := p.clients[i].JoinRoom(ctx, "Straits talks", []string{"Aldmark", p.names[3-i]})
		p.must(err)
	}
	for i := range 3 {
		p.await("the room", func() bool {
			r, err := p.clients[i].Room(ctx, p.room)
			return err == nil && r.View != nil
		})
	}
	self := func(i int) negotiation.MemberID { return p.view(i).Self }

	agenda := p.say(0, "agenda", map[string]any{"rev": 1, "issues": []any{
		map[string]any{"id": 1, "title": "Toll", "type": "choice", "options": []string{"none", "half", "full"}},
		map[string]any{"id": 2, "title": "Days", "type": "range", "range": map[string]string{"min": "1", "max": "30", "step": "1"}},
	}})
	p.everywhere("the agenda", func(v *station.RoomView) bool { return len(v.Proposed) == 1 })
	p.say(1, "confirm", negotiation.Confirm{Of: agenda})
	p.must(p.clients[2].Lock(ctx))
	p.must(p.clients[2].Unlock(ctx, "open sesame"))
	p.await("Cenia to have its room again", func() bool {
		r, err := p.clients[2].Room(ctx, p.room)
		return err == nil && r.View != nil && len(r.View.Proposed) == 1
	})
	p.say(2, "confirm", negotiation.Confirm{Of: agenda})
	p.everywhere("the agenda to hold", func(v *station.RoomView) bool { return v.Agenda != nil && v.Agenda.ID == agenda })

	pack := p.say(2, "package", map[string]any{"agenda": agenda, "values": map[string]any{"1": map[string]any{"option": 1}}})
	p.everywhere("the package", func(v *station.RoomView) bool { return len(v.Packages) == 1 && v.Packages[0].ID == pack })
	offer := p.say(0, "offer", negotiation.Offer{Agenda: agenda,
		Gives:  []negotiation.Term{{By: self(0), Issue: 1, Value: negotiation.OptionValue(1)}},
		Gets:   []negotiation.Term{{By: self(1), Issue: 2, Value: negotiation.NumberValue(negotiation.Decimal{Mantissa: 2, Exponent: 1})}},
		OnlyIf: []negotiation.ID{pack}})
	p.everywhere("the offer", func(v *station.RoomView) bool { return len(v.Offers) == 1 })
	p.say(1, "take", negotiation.Take{Of: offer})
	p.everywhere("the offer to be taken", func(v *station.RoomView) bool { return v.Offers[0].State == negotiation.OfferTaken })

	// The two must cross. On a machine that stops for a moment between them the take
	// comes first: then it is too late to withdraw, and another offer is made.
	var other negotiation.ID
	for range 10 {
		offers := len(p.view(0).Offers)
		other = p.say(0, "offer", negotiation.Offer{Agenda: agenda, Gives: []negotiation.Term{{By: self(0), Issue: 1, Value: negotiation.OptionValue(2)}}})
		p.everywhere("another offer", func(v *station.RoomView) bool { return len(v.Offers) == offers+1 })
		p.say(1, "take", negotiation.Take{Of: other})
		if _, err = p.clients[0].Say(ctx, p.room, "withdraw", "", negotiation.Withdraw{Of: other}); code(err) != station.CodeConflict {
			break
		}
	}
	p.must(err)
	p.everywhere("it to be withdrawn", func(v *station.RoomView) bool {
		i := slices.IndexFunc(v.Offers, func(o negotiation.OfferView) bool { return o.ID == other })
		return v.Offers[i].State == negotiation.OfferWithdrawn && len(v.Offers[i].Takers) == 1
	})
	for i := range 3 {
		if v := p.view(i); len(v.Alarms) > 0 || v.Refused > 0 {
			t.Errorf("%s: alarms %v, refused %d", p.names[i], v.Alarms, v.Refused)
		}
	}

	p.show()
	p.ownSide()
	p.refusals(agenda)
	p.news()
	p.paper()
	for i := range p.clients {
		all, err := p.clients[i].Items(ctx, station.ItemFilter{})
		p.must(err)
		if len(all) != 0 {
			t.Errorf("%s sees messages of the negotiation among its letters: %+v", p.names[i], all)
		}
	}
	stop()
	<-done
	close(seen)
	rooms := 0
	for n := range seen {
		switch n.Kind {
		case station.EventRoom:
			rooms++
			if n.Room != p.room || n.Contact+n.Item+n.Text != "" {
				t.Errorf("an event says %+v", n)
			}
		case station.EventReceiving, station.EventSending, station.EventDelivered:
			t.Errorf("an event tells of a message: %+v", n)
		}
	}
	if rooms == 0 {
		t.Error("no event told of the room")
	}
}

// show has Borvia show Cenia what Aldmark said to both.
func (p *parley) show() {
	p.t.Helper()
	said := p.say(0, "signal", negotiation.Signal{Text: "To all of you."})
	p.everywhere("what can be shown", func(v *station.RoomView) bool {
		return slices.ContainsFunc(v.Timeline, func(s *negotiation.Statement) bool { return s.ID == said })
	})
	show := func(by int, statement, to string) error {
		_, err := p.clients[by].ShowTo(p.ctx, p.room, statement, to)
		return err
	}
	p.must(show(1, said.String()[:12], "Cenia"))
	p.await("it to be shown", func() bool {
		v := p.view(2)
		return len(v.Shown) == 1 && v.Shown[0].State == negotiation.ShownSame && v.Shown[0].Statement.ID == said && len(v.Alarms) == 0
	})
	for what, f := range map[string]struct {
		code          station.Code
		by            int
		statement, to string
	}{
		"one's own":     {station.CodeConflict, 0, said.String(), "Cenia"},
		"to its author": {station.CodeConflict, 1, said.String(), "Aldmark"},
		"to nobody":     {station.CodeInvalid, 1, said.String(), ""},
		"to a stranger": {station.CodeNotFound, 1, said.String(), "Dorland"},
		"nothing":       {station.CodeNotFound, 1, "00000000", "Cenia"},
	} {
		if err := show(f.by, f.statement, f.to); code(err) != f.code {
			p.t.Errorf("%s: %v", what, err)
		}
	}
}

// paper writes Borvia's copy of the room down. Cenia, at another station, makes the
// same of its script.
func (p *parley) paper() {
	p.t.Helper()
	now := time.Now()
	real, err := p.clients[1].ExportRoom(p.ctx, p.room, "Borvia", "json")
	p.must(err)
	if r, err := book.Read(real, now); err != nil || r.Said == 0 {
		p.t.Errorf("the export does not read: %v", err)
	}
	if s := string(real); strings.Contains(s, "never less") || strings.Contains(s, p.room) || strings.Contains(s, p.view(1).Room.String()) {
		p.t.Error("the export has the own side, or identifiers of the room")
	}
	script, err := p.clients[1].ExportRoom(p.ctx, p.room, "Borvia", "script")
	p.must(err)
	page, err := p.clients[1].ExportRoom(p.ctx, p.room, "Borvia", "html")
	p.must(err)
	forged, err := p.clients[2].ForgeRoom(p.ctx, script, "html")
	p.must(err)
	if string(page) != string(forged) {
		p.t.Errorf("a forgery of the export has other bytes:\n%s\n%s", page, forged)
	}
	if _, err := p.clients[2].ForgeRoom(p.ctx, []byte(`{"format": "x"}`), "json"); code(err) != station.CodeInvalid {
		p.t.Errorf("a script of another format: %v", err)
	}
	if _, err := p.clients[2].ExportRoom(p.ctx, "00000000", "", "json"); code(err) != station.CodeNotFound {
		p.t.Errorf("a room that is not there: %v", err)
	}
}

// ownSide keeps limits and finds a suggestion; a statement made with them in the
// vault says nothing of them.
func (p *parley) ownSide() {
	p.t.Helper()
	best, limit := negotiation.Decimal{Mantissa: 3, Exponent: 1}, negotiation.Decimal{Mantissa: 1}
	want := station.OwnSide{
		Preferences: map[uint64]negotiation.Preference{1: {Weight: 70, Options: []uint64{100, 60, 0}}, 2: {Weight: 30, Best: &best, Limit: &limit}},
		Notes:       map[negotiation.ID]string{{1}: "never less than half"},
	}
	p.must(p.clients[1].KeepOwnSide(p.ctx, p.room, want))
	got, err := p.clients[1].OwnSide(p.ctx, p.room)
	p.must(err)
	if a, b := asJSON(p.t, got), asJSON(p.t, want); a != b {
		p.t.Errorf("kept %s, read %s", b, a)
	}
	list, err := p.clients[1].Suggestions(p.ctx, p.room, "", 3)
	p.must(err)
	if len(list) == 0 || list[0].Values[1].Option == 2 {
		p.t.Errorf("suggestions: %+v", list)
	}
	for i := range p.clients {
		if s := asJSON(p.t, p.view(i)); strings.Contains(s, "never less") || strings.Contains(s, "preferences") {
			p.t.Errorf("what %s sees has the own side of Borvia", p.names[i])
		}
	}
}

// news is marked as looked at as far as it was seen, and nothing was put aside.
func (p *parley) news() {
	p.t.Helper()
	room := func() station.RoomInfo {
		r, err := p.clients[2].Room(p.ctx, p.room)
		p.must(err)
		return r.RoomInfo
	}
	before := room()
	if before.Unread == 0 || before.Unread >= before.Said {
		p.t.Errorf("of %d statements %d are new", before.Said, before.Unread)
	}
	p.must(p.clients[2].MarkRoom(p.ctx, p.room, before.Mark))
	p.say(1, "signal", negotiation.Signal{Text: "One more thing."})
	p.await("one new thing", func() bool { return room().Unread == 1 })
	p.must(p.clients[2].MarkRoom(p.ctx, p.room, before.Mark)) // late, from another page
	if n := room().Unread; n != 1 {
		p.t.Errorf("%d are new after an earlier look", n)
	}
	p.must(p.clients[2].MarkRoom(p.ctx, p.room, 0))
	if n := room().Unread; n != 0 {
		p.t.Errorf("%d are new after a look at everything", n)
	}
	for _, list := range []func() ([]station.Stray, error){
		func() ([]station.Stray, error) { return p.clients[2].RefusedIn(p.ctx, p.room) },
		func() ([]station.Stray, error) { return p.clients[2].Strays(p.ctx) },
	} {
		if all, err := list(); err != nil || len(all) != 0 {
			p.t.Errorf("put aside: %+v, %v", all, err)
		}
	}
	p.must(p.clients[2].EraseStrays(p.ctx))
}

func asJSON(t *testing.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// refusals are errors with the right code.
func (p *parley) refusals(agenda negotiation.ID) {
	p.t.Helper()
	ctx, c := p.ctx, p.clients[0]
	for what, f := range map[string]struct {
		code station.Code
		do   func() error
	}{
		"no such room": {station.CodeNotFound, func() error { _, err := c.Room(ctx, "nowhere"); return err }},
		"malformed":    {station.CodeInvalid, func() error { _, err := c.Say(ctx, p.room, "take", "", map[string]int{"x": 1}); return err }},
		"unknown kind": {station.CodeInvalid, func() error { _, err := c.Say(ctx, p.room, "keys", "", map[string]int{}); return err }},
		"no such member": {station.CodeNotFound, func() error {
			_, err := c.Say(ctx, p.room, "signal", "Dorland", negotiation.Signal{Text: "x"})
			return err
		}},
		"what comes to nothing": {station.CodeConflict, func() error { _, err := c.Say(ctx, p.room, "confirm", "", negotiation.Confirm{Of: agenda}); return err }},
		"joined already":        {station.CodeConflict, func() error { _, err := c.JoinRoom(ctx, p.room, []string{"Borvia", "Cenia"}); return err }},
		"complete":              {station.CodeConflict, func() error { _, err := c.DeclineRoom(ctx, p.room); return err }},
		"with oneself twice": {station.CodeConflict, func() error {
			_, err := c.NewRoom(ctx, station.Proposal{Title: "T", Self: "A", Members: []station.Invitee{{Contact: "Borvia", Name: "B"}, {Contact: "Borvia", Name: "B"}}})
			return err
		}},
		"nobody": {station.CodeNotFound, func() error {
			_, err := c.NewRoom(ctx, station.Proposal{Title: "T", Self: "A", Members: []station.Invitee{{Contact: "Dorland", Name: "D"}}})
			return err
		}},
		"no kept offer":          {station.CodeNotFound, func() error { _, err := c.SendOffer(ctx, p.room, 9, ""); return err }},
		"unknown member of JSON": {station.CodeInvalid, func() error { _, err := c.KeepOffer(ctx, p.room, 0, map[string]int{"limit": 1}); return err }},
	} {
		if err := f.do(); code(err) != f.code {
			p.t.Errorf("%s: %v", what, err)
		}
	}
	// An offer that is kept, changed, and sent to one member.
	offer := negotiation.Offer{Agenda: agenda, Gives: []negotiation.Term{{By: p.view(0).Self, Issue: 1, Value: negotiation.OptionValue(0)}}}
	n, err := c.KeepOffer(ctx, p.room, 0, offer)
	p.must(err)
	offer.Note = "only between us"
	m, err := c.KeepOffer(ctx, p.room, n, offer)
	p.must(err)
	if v := p.view(0); m != n || len(v.Unsent) != 1 || v.Unsent[0].Note != offer.Note {
		p.t.Errorf("kept: %+v", v.Unsent)
	}
	offers := len(p.view(1).Offers)
	_, err = c.SendOffer(ctx, p.room, n, "Cenia")
	p.must(err)
	p.await("the private offer", func() bool { return len(p.view(2).Offers) == offers+1 })
	if v := p.view(0); len(v.Unsent) != 0 || len(p.view(1).Offers) != offers {
		p.t.Errorf("unsent %d, Borvia sees %d offers", len(v.Unsent), len(p.view(1).Offers))
	}
}
