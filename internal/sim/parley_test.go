package sim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"backchannel/internal/negotiation"
	"backchannel/internal/pairwise"
	"backchannel/internal/sim"
	"backchannel/internal/station"
)

// title is that of every room here.
const title = "Straits talks"

// parley is a room of stations, played through what their API does.
type parley struct {
	t        testing.TB
	s        *sim.Sim
	members  int
	agenda   string
	packages []string
}

// newParley has the first members of a simulated network make a room, with an agenda
// that holds and packages on the table.
func newParley(t testing.TB, s *sim.Sim, members, packages int) *parley {
	t.Helper()
	p := &parley{t: t, s: s, members: members}
	p.s.Run(time.Second)
	for i := range members {
		for j := range i {
			introduce(t, p.s, j, i)
		}
	}
	p.until(p.s.Epochs(20), "they do not meet", func() bool {
		for i := range members {
			for j := range members {
				if i != j && (p.s.Phase(i, j) != pairwise.Introduced || !p.s.Together(i, j)) {
					return false
				}
			}
		}
		return true
	})
	p.s.Run(p.s.Epochs(2)) // the agreed keys are in use
	p.makeRoom()
	p.setTable(packages)
	return p
}

func (p *parley) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// until lets time pass until something holds, and returns how long that took.
func (p *parley) until(limit time.Duration, what string, cond func() bool) time.Duration {
	p.t.Helper()
	began := p.s.Net.Now()
	if !p.s.RunUntil(limit, cond) {
		p.t.Fatalf("after %v %s", limit, what)
	}
	return p.s.Net.Now().Sub(began)
}

func (p *parley) desk(i int) *station.Station {
	p.t.Helper()
	d, err := p.s.Desk(i)
	p.must(err)
	return d
}

func (p *parley) name(i int) string { return p.s.Stations[i].Name }

// everywhere reports whether something holds at every member.
func (p *parley) everywhere(cond func(i int) bool) func() bool {
	return func() bool {
		for i := range p.members {
			if !cond(i) {
				return false
			}
		}
		return true
	}
}

func (p *parley) makeRoom() {
	p.t.Helper()
	ctx := context.Background()
	plan := station.Proposal{Title: title, Self: p.name(0)}
	for i := 1; i < p.members; i++ {
		plan.Members = append(plan.Members, station.Invitee{Contact: p.name(i), Name: p.name(i)})
	}
	for i := range p.members {
		p.desk(i) // from here on they look at their tables
	}
	_, err := p.desk(0).NewRoom(ctx, plan)
	p.must(err)
	state := func(i int) string {
		rooms, err := p.desk(i).Rooms(ctx)
		p.must(err)
		if len(rooms) == 0 {
			return ""
		}
		return rooms[0].State
	}
	p.until(p.s.Epochs(3), "the invitation does not come", p.everywhere(func(i int) bool { return state(i) != "" }))
	for i := 1; i < p.members; i++ {
		var others []string
		for j := range p.members {
			if j != i {
				others = append(others, p.name(j))
			}
		}
		_, err := p.desk(i).JoinRoom(ctx, title, others)
		p.must(err)
	}
	p.until(p.s.Epochs(3), "the room does not come about", p.everywhere(func(i int) bool { return state(i) == "complete" }))
}

// trySay says something in the room.
func (p *parley) trySay(i int, kind string, body any) (string, error) {
	p.t.Helper()
	b, err := json.Marshal(body)
	p.must(err)
	said, err := p.desk(i).Say(context.Background(), title, station.Saying{Kind: kind, Body: b})
	return said.ID, err
}

func (p *parley) say(i int, kind string, body any) string {
	p.t.Helper()
	id, err := p.trySay(i, kind, body)
	p.must(err)
	return id
}

func (p *parley) view(i int) *station.RoomView {
	p.t.Helper()
	r, err := p.desk(i).Room(context.Background(), title)
	p.must(err)
	return r.View
}

func (p *parley) setTable(packages int) {
	p.t.Helper()
	d := func(n int) negotiation.Decimal {
		x, err := negotiation.NewDecimal(int64(n), 0)
		p.must(err)
		return x
	}
	p.agenda = p.say(0, "agenda", &negotiation.Agenda{Rev: 1, Issues: []negotiation.Issue{
		{ID: 1, Title: "Transit fee", Type: negotiation.Range, Range: &negotiation.Bounds{Min: d(0), Max: d(100), Step: d(1), Unit: "per ton"}}}})
	p.until(p.s.Epochs(3), "the agenda does not come", p.everywhere(func(i int) bool { v := p.view(i); return v.Agenda != nil || len(v.Proposed) > 0 }))
	for i := 1; i < p.members; i++ {
		p.say(i, "confirm", map[string]string{"of": p.agenda})
	}
	p.until(p.s.Epochs(3), "the agenda does not hold", p.everywhere(func(i int) bool { return p.view(i).Agenda != nil }))
	for n := range packages {
		p.packages = append(p.packages, p.say(n%p.members, "package", map[string]any{"agenda": p.agenda,
			"values": map[string]any{"1": map[string]string{"number": fmt.Sprint(n)}}}))
	}
	p.until(p.s.Epochs(3), "the packages do not come", p.everywhere(func(i int) bool { return len(p.view(i).Packages) == packages }))
}

// round is what member i sees of the blind round.
func (p *parley) round(i int, id string) station.RoundInfo {
	p.t.Helper()
	r, err := p.desk(i).BlindRound(context.Background(), title, id)
	p.must(err)
	return r
}

// rounds is how many rounds of the network a time is.
func (p *parley) rounds(d time.Duration) int { return int(d / p.s.Params.Round) }
