package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"backchannel/internal/wire"
)

// A Crowd is stations that are connected to this process over real sockets and live
// in another, so that what they cost does not count here.
type Crowd interface {
	// Round has every station send one frame and get one of the same size back.
	Round() error
	// Close ends all connections and the other process.
	Close() error
}

// Crowds makes a Crowd of n stations with frames of so many bytes: as an entry has
// them, or, plain, on bare TCP connections with nothing in between. Room says how
// many connections this process may have in all.
type Crowds interface {
	Make(ctx context.Context, n, frame int, plain bool) (Crowd, error)
	Room() int
}

// Connections is what an entry's connections cost it at preset "small": the link
// from the socket to the node and back, without the node.
type Connections struct {
	Stations int `json:"stations"`
	Frame    int `json:"frame"` // bytes each way per station and round

	CPU      Stat `json:"cpu"`       // nanoseconds per station and round
	LimitCPU Stat `json:"limit_cpu"` // the same bytes over bare TCP connections
	OverCPU  Stat `json:"over_cpu"`
	Wall     Stat `json:"wall"` // seconds for one round of all, the stations' process included

	Memory      float64 `json:"memory"`       // heap and stacks per station, idle between rounds
	LimitMemory float64 `json:"limit_memory"` // the same of a bare connection
	Mallocs     float64 `json:"mallocs"`      // per station and round
}

func (r *Report) measureConnections(ctx context.Context, crowds Crowds) error {
	if crowds == nil {
		return nil
	}
	p, err := wire.Preset("small")
	if err != nil {
		return err
	}
	for _, n := range r.plan.stations {
		if most := crowds.Room()/2 - 100; n > most { // both crowds are there at the same time
			r.Left = append(r.Left, fmt.Sprintf("%s connections to an entry: the limit of open files allows %s (ulimit -n)", number(n), number(max(0, most))))
			if n = most / 100 * 100; n < 100 {
				continue
			}
		}
		if !r.room(number(n)+" connections to an entry", 200_000*n) {
			continue
		}
		if err := r.measureCrowd(ctx, crowds, n, p.CellsFrameSize()); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) measureCrowd(ctx context.Context, crowds Crowds, n, frame int) (err error) {
	bytes := func() float64 {
		var m runtime.MemStats
		for range 3 {
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc + m.StackInuse)
	}
	var memory [2]float64
	var group []*contender
	for i, plain := range []bool{false, true} {
		before := bytes()
		c, err := crowds.Make(ctx, n, frame, plain)
		if err != nil {
			return fmt.Errorf("connecting %d stations: %w", n, err)
		}
		defer func() { err = errors.Join(err, c.Close()) }()
		if err := c.Round(); err != nil { // buffers have their size afterwards
			return err
		}
		memory[i] = (bytes() - before) / float64(n)
		add(&group, n, c.Round).whole = true
	}
	if err := r.interleave(ctx, group); err != nil {
		return err
	}
	ours, limit := group[0], group[1]
	r.Connections = append(r.Connections, Connections{
		Stations: n, Frame: frame,
		CPU: ours.CPU(), LimitCPU: limit.CPU(), OverCPU: ours.over(limit), Wall: ours.Wall().times(float64(n) * 1e-9),
		Memory: memory[0], LimitMemory: memory[1], Mallocs: statOf(ours.mallocs).Median / float64(n),
	})
	return nil
}
