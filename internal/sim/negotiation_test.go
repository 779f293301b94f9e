package sim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/sim"
	"backchannel/internal/station"
)

// offer is one that member by makes to all.
func (p *parley) offer(by int, change ...func(*negotiation.Offer)) string {
	p.t.Helper()
	id, err := p.tryOffer(by, change...)
	p.must(err)
	return id
}

func (p *parley) tryOffer(by int, change ...func(*negotiation.Offer)) (string, error) {
	p.t.Helper()
	o := &negotiation.Offer{}
	p.must(o.Agenda.UnmarshalText([]byte(p.agenda)))
	v := p.view(by)
	d, err := negotiation.NewDecimal(25, 0)
	p.must(err)
	o.Gives = []negotiation.Term{{By: v.Self, Issue: 1, Value: negotiation.NumberValue(d)}}
	for _, f := range change {
		f(o)
	}
	return p.trySay(by, "offer", o)
}

// about makes an offer refer to another.
func (p *parley) about(id string, set func(o *negotiation.Offer, id *negotiation.ID)) func(*negotiation.Offer) {
	var of negotiation.ID
	p.must(of.UnmarshalText([]byte(id)))
	return func(o *negotiation.Offer) { set(o, &of) }
}

// TestNegotiationShowsNothing has a station make a room, offer, counter, play blind
// rounds of every mode and sign, while letters go both ways. Its line is that of a
// station that knows nobody, size for size and tick for tick, whatever its disk.
func TestNegotiationShowsNothing(t *testing.T) {
	for disk, name := range map[time.Duration]string{time.Millisecond: "quick", 250 * time.Millisecond: "slow"} {
		t.Run(name+" disk", func(t *testing.T) {
			ctx := context.Background()
			s := start(t, "demo", 3, 12)
			l := watchLines(s, disk)
			const talks, partner, idles = 0, 1, 2
			p := newParley(t, s, 2, 4)
			rng := rand.New(rand.NewPCG(12, 1))
			for _, to := range []int{talks, partner} {
				send(t, s, 1-to, to, contact.Letter, 60_000, rng)
			}
			first := p.offer(talks)
			p.until(s.Epochs(5), "the offer has not come", func() bool { return len(p.view(partner).Offers) == 1 })
			p.offer(partner, p.about(first, func(o *negotiation.Offer, id *negotiation.ID) { o.Answers = id }))
			p.say(partner, "take", map[string]string{"of": first})
			p.until(s.Epochs(5), "the offer is not taken", p.everywhere(func(i int) bool { return p.state(i, first) == negotiation.OfferTaken }))
			for mode, choose := range map[string]station.RoundChoice{"list": {Approve: &[]int{3}}, "ladder": {Limit: "2"}, "single": {Yes: new(bool)}} {
				g := game{p: p, parties: 2, x: station.RoundProposal{Mode: mode, Packages: p.packages}, choose: func(int) station.RoundChoice { return choose }}
				switch mode {
				case "single":
					g.x.Packages = p.packages[:1]
				case "ladder":
					g.x.Packages, g.x.Issue, g.x.Figures = nil, 1, []string{"1", "2", "3"}
				}
				g.propose(s.Epochs(3))
				g.answer(talks)
				g.answer(partner)
				g.open(func() {})
			}
			made, err := p.desk(talks).ProposeAgreement(ctx, title, station.AgreementProposal{Text: "Aldmark opens the port.", Level: "sealed", Lapses: s.Net.Now().Add(time.Hour)})
			p.must(err)
			agreement := func(i int) string {
				a, err := p.desk(i).Agreement(ctx, title, made.ID)
				if err != nil {
					return ""
				}
				return a.State
			}
			p.until(s.Epochs(5), "the agreement has not come", func() bool { return agreement(partner) != "" })
			for i := range 2 {
				_, err := p.desk(i).ConsentAgreement(ctx, title, made.ID)
				p.must(err)
			}
			p.until(s.Epochs(5), "the agreement is not ready", p.everywhere(func(i int) bool { return agreement(i) == "ready" }))
			for i := range 2 {
				_, err := p.desk(i).SignAgreement(ctx, title, made.ID)
				p.must(err)
			}
			p.until(s.Epochs(10), "it is not signed", p.everywhere(func(i int) bool { return agreement(i) == "sealed" }))
			s.Run(s.Epochs(1))
			for _, i := range []int{talks, partner} {
				if err := l.differ(s.Stations[i].Name, s.Stations[idles].Name); err != nil {
					t.Error(err)
				}
			}
			p.must(s.Checks.Err())
		})
	}
}

// table is what a member sees of offers and rounds. Members that hold the same see the
// same.
func (p *parley) table(i int) string {
	p.t.Helper()
	v := p.view(i)
	if len(v.Alarms) > 0 || v.Refused > 0 || v.Frozen {
		p.t.Fatalf("%s is alarmed: %+v, refused %d", p.name(i), v.Alarms, v.Refused)
	}
	rounds := ""
	for _, r := range v.Rounds {
		rounds += fmt.Sprintf(" %s %s", r.ID, r.State)
	}
	for i := range v.Offers { // what only this member may do, or waits for
		v.Offers[i].MayTake, v.Offers[i].Waiting = false, false
	}
	b, err := json.Marshal([]any{v.Offers, rounds})
	p.must(err)
	return string(b)
}

// TestCrossingOverTheNetwork has members of a room act at once, again and again,
// while stations crash, lines are cut, disks are slow, and the entry holds back,
// repeats and garbles: takes, counters, withdrawals and replacements, with a blind
// round on the way. Whoever was away hears of it later. In the end all see the same,
// and nobody is accused of anything.
func TestCrossingOverTheNetwork(t *testing.T) {
	seeds := 4
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			s := start(t, "demo", 3, 40+seed)
			rng := rand.New(rand.NewPCG(seed, 9))
			p := newParley(t, s, 3, 1)
			yes := true
			g := game{p: p, parties: 3, x: station.RoundProposal{Mode: "single", Packages: p.packages}, choose: func(int) station.RoundChoice { return station.RoundChoice{Yes: &yes} }}
			g.propose(s.Epochs(6))
			for i := range 3 {
				g.answer(i)
			}
			ends := map[negotiation.OfferState]int{}
			for turn := range 4 {
				offer := p.offer(turn % 3)
				p.until(s.Epochs(30), "the offer has not come", p.everywhere(func(i int) bool { return p.state(i, offer) != "" }))
				p.crossing(rng, turn%3, offer)
				f := sim.Faults{StationCrash: 1, Partition: 0.5, Withheld: 0.01, Repeated: 0.01, Garbled: 0.02, SlowDisk: 100 * time.Millisecond}
				if err := s.Chaos(f, s.Epochs(2)); err != nil {
					t.Fatal(err)
				}
				if !s.RunUntil(s.Epochs(40), p.everywhere(func(i int) bool { return p.table(i) == p.table(0) })) {
					t.Fatalf("they do not see the same:\n%s\n%s\n%s", p.table(0), p.table(1), p.table(2))
				}
				ends[p.state(0, offer)]++
			}
			p.until(s.Epochs(40), "the blind round does not end", g.over)
			for i := range 3 {
				if r := p.round(i, g.id); r.State != "match" {
					t.Errorf("%s sees the round %s", p.name(i), r.State)
				}
			}
			t.Logf("offers ended as %v", ends)
			p.must(s.Checks.Err())
		})
	}
}

// state is where an offer stands for a member; "" if it has not come.
func (p *parley) state(i int, offer string) negotiation.OfferState {
	p.t.Helper()
	for _, o := range p.view(i).Offers {
		if o.ID.String() == offer {
			return o.State
		}
	}
	return ""
}

// crossing has all members act about one offer within a few rounds, each as it sees
// things then. What it may no longer say, it does not say.
func (p *parley) crossing(rng *rand.Rand, author int, offer string) {
	p.t.Helper()
	of := map[string]string{"of": offer}
	acts := []func(i int) error{
		func(i int) error { _, err := p.trySay(i, "take", of); return err },
		func(i int) error {
			_, err := p.tryOffer(i, p.about(offer, func(o *negotiation.Offer, id *negotiation.ID) { o.Answers = id }))
			return err
		},
	}
	own := []func(i int) error{
		func(i int) error { _, err := p.trySay(i, "withdraw", of); return err },
		func(i int) error {
			_, err := p.tryOffer(i, p.about(offer, func(o *negotiation.Offer, id *negotiation.ID) { o.Replaces = id }))
			return err
		},
	}
	order := rng.Perm(3)
	for _, i := range order {
		p.s.Run(time.Duration(rng.Int64N(int64(p.s.Rounds(4)))))
		list := acts
		if i == author {
			list = own
		}
		var known *station.Error
		if err := list[rng.IntN(len(list))](i); err != nil && (!errors.As(err, &known) || known.Code != station.CodeConflict) {
			p.t.Fatal(err)
		}
	}
}
