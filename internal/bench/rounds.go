package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"backchannel/internal/suite/pass"
)

// A Round is one round, both directions, through three relays. Wall is in seconds,
// CPU in seconds of all relays and the entry together; only in memory one thread
// does everything.
type Round struct {
	Link     string `json:"link"` // memory, unix, tcp, tls (everything in TLS) or chain (as between relays)
	Circuits int    `json:"circuits"`
	Cell     int    `json:"cell"`
	Relays   int    `json:"relays"`
	InFlight int    `json:"in_flight"` // rounds under way at a time; times are per round

	Wall      Stat    `json:"wall"`
	CPU       Stat    `json:"cpu"`
	PerHop    Stat    `json:"per_hop"`    // nanoseconds of CPU time per cell and relay, both directions
	LimitWall Stat    `json:"limit_wall"` // the limit: in memory as many permuting copies, else the same bytes over the same sockets
	LimitCPU  Stat    `json:"limit_cpu"`
	OverWall  Stat    `json:"over_wall"`
	OverCPU   Stat    `json:"over_cpu"`
	Mallocs   float64 `json:"mallocs"` // median of heap allocations per round in the whole process
}

// A Length is one round in memory through a chain of that many relays.
type Length struct {
	Relays   int  `json:"relays"`
	Circuits int  `json:"circuits"`
	Cell     int  `json:"cell"`
	CPU      Stat `json:"cpu"` // seconds
}

// inFlight is how many rounds are under way at a time where it is more than one.
const inFlight = 4

// chainRelays is the length of the chain in both presets.
const chainRelays = 3

func (r *Report) measureRounds(ctx context.Context, secure Secure) error {
	type size struct{ n, cell int }
	var sizes []size
	for _, n := range r.plan.rounds {
		sizes = append(sizes, size{n, cells[0]})
	}
	for _, cell := range cells[1:] {
		if r.plan.other > 0 {
			sizes = append(sizes, size{r.plan.other, cell})
		}
	}
	// Small ones first: should the time not suffice, it is the largest that is cut.
	slices.SortFunc(sizes, func(a, b size) int { return cmp.Compare(a.n*a.cell, b.n*b.cell) })
	for _, s := range sizes {
		// One array each for the entry, three relays and the copies' two.
		if !r.room(fmt.Sprintf("rounds of %s cells of %d bytes", number(s.n), s.cell), 6*s.n*s.cell) {
			continue
		}
		if err := r.measureRound(ctx, s.n, s.cell, secure); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) measureRound(ctx context.Context, n, cell int, secure Secure) (err error) {
	c, err := newChain(chainRelays, n, cell)
	if err != nil {
		return err
	}
	defer c.erase()
	a := newArrays(n, cell)
	defer a.free()

	type row struct {
		link        string
		inFlight    int
		ours, limit *contender
	}
	var group []*contender
	rows := []row{{
		"memory", 1,
		add(&group, 1, func() error { return c.inMemory(a.in, func([]byte) {}) }),
		add(&group, 1, func() error {
			for range 2*chainRelays - 1 {
				pass.CopyScatter(a.out, a.in, 0, cell, a.perm)
			}
			return nil
		}),
	}}
	plain := func(network string) func(int) (Conn, Conn, error) {
		return func(int) (Conn, Conn, error) { return plainPair(network) }
	}
	type link struct {
		name  string
		cargo cargo
		pair  func(hop int) (Conn, Conn, error)
	}
	links := []link{{"tcp", asCells, plain("tcp")}}
	if unixSockets() {
		links = []link{{"unix", asCells, plain("unix")}, links[0]}
	}
	if secure != nil {
		pair := func(hop int) (Conn, Conn, error) { return secure(ctx, hop == 0) }
		if n <= r.plan.tls {
			links = append(links, link{"tls", asControl, pair})
		}
		links = append(links, link{"chain", asCells, pair})
	}
	for _, k := range links {
		l, err := newLine(c, k.cargo, k.pair)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, l.close()) }()
		ignore := func([]byte) {}
		rows = append(rows, row{
			k.name, 1,
			add(&group, 1, func() error { return l.carry(k.cargo.round, a.in, ignore) }),
			add(&group, 1, func() error { return l.carry(k.cargo.bytes, a.in, ignore) }),
		})
		if k.name == "chain" && n <= r.plan.flight {
			rows = append(rows, row{
				k.name, inFlight,
				add(&group, inFlight, func() error { return l.carryAtOnce(inFlight, k.cargo.round, a.in, ignore) }),
				add(&group, inFlight, func() error { return l.carryAtOnce(inFlight, k.cargo.bytes, a.in, ignore) }),
			})
		}
	}
	for _, x := range rows {
		x.ours.whole, x.limit.whole = true, true
	}
	if err := r.interleave(ctx, group); err != nil {
		return err
	}
	const second = 1e-9
	for _, x := range rows {
		r.Chain = append(r.Chain, Round{
			Link: x.link, Circuits: n, Cell: cell, Relays: chainRelays, InFlight: x.inFlight,
			Wall: x.ours.Wall().times(second), CPU: x.ours.CPU().times(second), PerHop: x.ours.CPU().times(1 / float64(n*chainRelays)),
			LimitWall: x.limit.Wall().times(second), LimitCPU: x.limit.CPU().times(second),
			OverWall: ratio(x.ours.wall, x.limit.wall), OverCPU: x.ours.over(x.limit),
			Mallocs: statOf(x.ours.mallocs).Median / float64(x.inFlight),
		})
	}
	return nil
}

// measureLengths shows how a round grows with the chain.
func (r *Report) measureLengths(ctx context.Context) error {
	const cell = 512
	n := r.plan.lengths
	a := newArrays(n, cell)
	defer a.free()
	var group []*contender
	lengths := []int{2, 3, 4, 5, 6}
	for _, relays := range lengths {
		c, err := newChain(relays, n, cell)
		if err != nil {
			return err
		}
		defer c.erase()
		add(&group, 1, func() error { return c.inMemory(a.in, func([]byte) {}) })
	}
	if err := r.interleave(ctx, group); err != nil {
		return err
	}
	for i, c := range group {
		r.Relays = append(r.Relays, Length{lengths[i], n, cell, c.CPU().times(1e-9)})
	}
	return nil
}

// roundOf returns the measured round of most circuits over a link.
func (r *Report) roundOf(link string) (best Round, ok bool) {
	for _, x := range r.Chain {
		if x.Link == link && x.InFlight == 1 && x.Cell == cells[0] && x.Circuits >= best.Circuits {
			best, ok = x, true
		}
	}
	return best, ok
}
