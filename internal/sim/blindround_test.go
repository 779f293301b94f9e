package sim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/negotiation"
	"backchannel/internal/negotiation/blind"
	"backchannel/internal/negotiation/conduct"
	"backchannel/internal/station"
)

// A game is one blind round over the network.
type game struct {
	p       *parley
	parties int
	x       station.RoundProposal
	choose  func(i int) station.RoundChoice

	id     string
	inputs time.Time
	ready  time.Duration // from the proposal to all keys
	opened time.Duration // from when answers leave to the last result
}

// propose has member 0 propose and the others join as soon as they see it.
func (g *game) propose(wait time.Duration) {
	p, ctx := g.p, context.Background()
	p.t.Helper()
	began := p.s.Net.Now()
	g.inputs = began.Add(wait).Truncate(time.Second)
	deadline := g.inputs.Add(time.Hour)
	g.x.InputsAt, g.x.Deadline = &g.inputs, &deadline
	for i := 1; i < g.parties; i++ {
		g.x.Parties = append(g.x.Parties, p.name(i))
	}
	r, err := p.desk(0).ProposeRound(ctx, title, g.x)
	p.must(err)
	g.id = r.ID
	joined := map[int]bool{0: true}
	p.until(wait, "not everybody has the keys", func() bool {
		keyed := 0
		for i := range g.parties {
			all, err := p.desk(i).BlindRounds(ctx, title)
			p.must(err)
			at := slices.IndexFunc(all, func(r station.RoundInfo) bool { return r.ID == g.id })
			if at >= 0 && !joined[i] {
				_, err := p.desk(i).JoinRound(ctx, title, g.id)
				p.must(err)
				joined[i] = true
			}
			if at >= 0 && p.round(i, g.id).State == "keyed" {
				keyed++
			}
		}
		return keyed == g.parties
	})
	g.ready = p.s.Net.Now().Sub(began)
}

func (g *game) answer(i int) {
	g.p.t.Helper()
	_, err := g.p.desk(i).ChooseRound(context.Background(), title, g.id, g.choose(i))
	g.p.must(err)
}

// over reports whether every party has the result.
func (g *game) over() bool {
	for i := range g.parties {
		if s := g.p.round(i, g.id).State; s != "match" && s != "no match" {
			return false
		}
	}
	return true
}

// open lets time pass from when answers leave until everybody has the result; each
// is called once in every round of the network.
func (g *game) open(each func()) {
	g.p.t.Helper()
	g.p.s.Run(g.inputs.Sub(g.p.s.Net.Now()))
	g.p.until(time.Hour, "the round does not end", func() bool { each(); return g.over() })
	g.opened = g.p.s.Net.Now().Sub(g.inputs)
}

// progress watches what a user is shown: steps that only rise, and a time left that
// was right.
type progress struct {
	g         *game
	at        int
	moved     int
	predicted map[int]float64 // seconds left, by the round of the network in which it was shown
}

func (w *progress) look() {
	p := w.g.p
	r := p.round(0, w.g.id)
	if r.Progress == nil {
		return
	}
	if r.Progress.Step < w.at || r.Progress.Step > r.Progress.Steps || r.Progress.Left == nil {
		p.t.Errorf("%s: after step %d it is at %+v", r.State, w.at, r.Progress)
		return
	}
	if r.Progress.Step > w.at {
		w.moved++
	}
	w.at = r.Progress.Step
	w.predicted[p.rounds(p.s.Net.Now().Sub(w.g.inputs))] = r.Progress.Left.Seconds
}

// check compares each estimate with what it took. They are for a round that opens
// everything; messages come in whole rounds of the network.
func (w *progress) check(letters bool) {
	took := w.g.opened.Seconds()
	for at, left := range w.predicted {
		really := took - float64(at)*w.g.p.s.Params.Round.Seconds()
		if low := 0.8*really - 5; left < low && !letters || left > 1.3*really+6 {
			w.g.p.t.Errorf("%d s after the answers left, %.0f s were said to be left; it took %.0f", at, left, really)
		}
	}
}

// tally is what member 0 says in a round to each other party, counted as it says it:
// when the round has ended, it is erased.
type tally struct {
	g                            *game
	seen                         map[negotiation.ID]bool
	to                           negotiation.MemberID // zero: all are told
	messages, bodies, statements int                  // bodies without the header
}

func (c *tally) look() {
	p := c.g.p
	v := p.view(0)
	var rows map[negotiation.ID]int
	for _, s := range v.Timeline {
		m, err := conduct.ParseMessage(s.Raw)
		if s.From != v.Self || !strings.HasPrefix(string(s.Kind), negotiation.PrefixRound) || err != nil || m.Of.String() != c.g.id || c.seen[s.ID] || s.To != c.to && !c.to.IsZero() {
			continue
		}
		if rows == nil {
			rows = map[negotiation.ID]int{}
			said, err := p.s.Said(0)
			p.must(err)
			for _, r := range said {
				rows[r.ID] = len(r.Raw)
			}
		}
		c.seen[s.ID], c.to = true, s.To
		c.messages++
		missing := 0
		if s.Kind == "round/echo" && len(m.Bytes) < blind.HeaderSize { // said as the last of all, so erased as it was said
			missing = blind.HeaderSize + blind.EchoSize - len(m.Bytes)
		}
		c.bodies += len(m.Bytes) + missing - blind.HeaderSize
		if c.statements += rows[s.ID] + missing; missing > 0 {
			c.statements++ // its length takes a byte more
		}
		if !s.Private() {
			c.statements += (p.members - 2) * negotiation.TagSize
		}
	}
}

// TestBlindRoundsOverTheNetwork plays blind rounds between real stations at the
// preset small, with everything that is said going through cells. Its log has the
// figures of docs/performance.md, "Blind rounds". In all of them nobody approves
// anything that the others do, so that every cell is opened.
func TestBlindRoundsOverTheNetwork(t *testing.T) {
	list := func(int) station.RoundChoice { return station.RoundChoice{Approve: &[]int{}} }
	single := func(i int) station.RoundChoice { yes := i > 0; return station.RoundChoice{Yes: &yes} }
	var figures []string
	for n := range 32 {
		figures = append(figures, fmt.Sprint(n+1))
	}
	for _, c := range []struct {
		name     string
		members  int // of the room
		packages int
		letters  bool // both ways letters are under way all the time
		game     game
		params   blind.Params // for the formula
		bar      time.Duration
	}{
		{"single", 2, 1, false, game{parties: 2, x: station.RoundProposal{Mode: "single"}, choose: single}, blind.Params{Mode: blind.Single, Items: 1}, time.Minute},
		{"single of three", 3, 1, false, game{parties: 3, x: station.RoundProposal{Mode: "single"}, choose: single}, blind.Params{Mode: blind.Single, Items: 1}, time.Minute},
		{"ladder of 32", 2, 0, false, game{parties: 2, x: station.RoundProposal{Mode: "ladder", Issue: 1, Figures: figures, Sells: true},
			choose: func(int) station.RoundChoice { return station.RoundChoice{None: true} }}, blind.Params{Mode: blind.Ladder, Items: 32, Directions: []blind.Direction{1, 2}}, 0},
		{"list of 16", 2, 16, false, game{parties: 2, x: station.RoundProposal{Mode: "list"}, choose: list}, blind.Params{Mode: blind.List, Items: 16, Cap: 4}, 3 * time.Minute},
		{"list of 16 in a room of three", 3, 16, false, game{parties: 2, x: station.RoundProposal{Mode: "list"}, choose: list}, blind.Params{Mode: blind.List, Items: 16, Cap: 4}, 3 * time.Minute},
		{"list of 16 while letters go both ways", 2, 16, true, game{parties: 2, x: station.RoundProposal{Mode: "list"}, choose: list}, blind.Params{Mode: blind.List, Items: 16, Cap: 4}, 3 * time.Minute},
		{"list of 64", 2, 64, false, game{parties: 2, x: station.RoundProposal{Mode: "list"}, choose: list}, blind.Params{Mode: blind.List, Items: 64, Cap: 16}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.bar == 0 {
				t.Skip("minutes of protocol time")
			}
			p := newParley(t, start(t, "small", c.members, 3), c.members, c.packages)
			if c.letters {
				rng := rand.New(rand.NewPCG(3, 1))
				send(t, p.s, 0, 1, contact.Letter, 400_000, rng)
				send(t, p.s, 1, 0, contact.Letter, 400_000, rng)
				p.s.Run(p.s.Rounds(20))
			}
			g := c.game
			g.p, g.x.Packages = p, p.packages
			if g.x.Mode == "ladder" {
				g.x.Packages = nil
			}
			g.propose(2 * time.Minute)
			for i := range g.parties {
				g.answer(i)
			}
			w := &progress{g: &g, predicted: map[int]float64{}}
			sent := &tally{g: &g, seen: map[negotiation.ID]bool{}}
			g.open(func() { w.look(); sent.look() })
			w.check(c.letters)
			for range g.parties {
				c.params.Parties = append(c.params.Parties, blind.MemberID{byte(len(c.params.Parties))})
			}
			if steps := c.params.Cells() + 3; w.moved < steps-1 {
				t.Errorf("of %d steps a user saw %d", steps, w.moved)
			}
			if r := p.round(0, g.id); r.State != "no match" {
				t.Errorf("it ended as %s", r.State)
			}
			if want := c.params.PartyBytes(); sent.bodies != want {
				t.Errorf("%d bytes of messages went to each other party, the formula says %d", sent.bodies, want)
			}
			t.Logf("%s: %v until all have keys, %v from the answers to the result; each party sends %d messages, %d bytes, as statements %d",
				c.name, g.ready, g.opened, sent.messages, sent.bodies, sent.statements)
			if took := g.ready + g.opened; c.bar > 0 && took >= c.bar {
				t.Errorf("it took %v, the bar is %v", took, c.bar)
			}
			if c.letters {
				if n, err := p.s.Undelivered(); err != nil || n != 2 {
					t.Errorf("%d letters are under way at the end, %v: they were to be longer than the round", n, err)
				}
			}
			p.must(p.s.Checks.Err())
		})
	}
}

// TestAnswersLeaveOnTime: what arrives of a party, and when, is the same whenever it
// chose, how often, and what.
func TestAnswersLeaveOnTime(t *testing.T) {
	approve := func(list ...int) station.RoundChoice { return station.RoundChoice{Approve: &list} }
	var want []string
	for _, c := range []struct {
		name    string
		choices map[time.Duration]station.RoundChoice // by the time before answers leave
	}{
		{"early, none", map[time.Duration]station.RoundChoice{80 * time.Second: approve()}},
		{"late, one", map[time.Duration]station.RoundChoice{2 * time.Second: approve(3)}},
		{"three times", map[time.Duration]station.RoundChoice{70 * time.Second: approve(1), 30 * time.Second: approve(2), time.Second: approve(4)}},
	} {
		p := newParley(t, start(t, "small", 3, 8), 2, 4)
		g := game{p: p, parties: 2, x: station.RoundProposal{Mode: "list", Packages: p.packages}, choose: func(int) station.RoundChoice { return approve() }}
		g.propose(100 * time.Second)
		g.answer(0)
		for left := 90 * time.Second; left > 0; left -= time.Second {
			p.s.Run(g.inputs.Add(-left).Sub(p.s.Net.Now()))
			if choice, ok := c.choices[left]; ok {
				_, err := p.desk(1).ChooseRound(context.Background(), title, g.id, choice)
				p.must(err)
			}
		}
		got := p.arrivals(nil, g.inputs)
		if len(got) != 2 {
			t.Errorf("%s: %d messages came before answers leave, not commitment and key alone", c.name, len(got))
		}
		g.open(func() { got = p.arrivals(got, g.inputs) })
		if len(got) != 9 || want != nil && !slices.Equal(got, want) {
			t.Errorf("%s: member 1 is heard as\n%s\nnot\n%s", c.name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		want = got
	}
}

// arrivals adds what member 0 has heard of member 1 in its blind round since it was
// asked before: kind, size, and when, counted from the moment at which answers left.
func (p *parley) arrivals(before []string, inputs time.Time) []string {
	p.t.Helper()
	v := p.view(0)
	n := 0
	for _, s := range v.Timeline {
		if s.From == v.Self || !strings.HasPrefix(string(s.Kind), negotiation.PrefixRound) {
			continue
		}
		if n++; n > len(before) {
			before = append(before, fmt.Sprintf("%s of %d bytes, %v", s.Kind, len(s.Raw), s.At.Sub(inputs)))
		}
	}
	return before
}
