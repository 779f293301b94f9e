package bench

import (
	"fmt"
	"os"
	"path/filepath"
)

// Plot draws how cost grows, as SVG files in a folder that is made if need be:
//
//	pass.svg      the relay's pass by circuits
//	cells.svg     the relay's pass by cell size
//	rounds.svg    a round by circuits, per link
//	relays.svg    a round in memory by length of the chain
//	onions.svg    building an onion by length of the chain
//	stations.svg  a relay's set-up by stations
//	entry.svg     an entry's connections by stations
//	latency.svg   from sending to delivery by cells of a message
//
// A file that exists is replaced. What was not measured is not drawn.
func (r *Report) Plot(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder for the plots: %w", err)
	}
	for name, c := range map[string]chart{
		"pass.svg": r.plotPass(), "cells.svg": r.plotCells(), "rounds.svg": r.plotRounds(),
		"relays.svg": r.plotRelays(), "onions.svg": r.plotOnions(), "stations.svg": r.plotStations(),
		"entry.svg": r.plotEntry(), "latency.svg": r.plotLatency(),
	} {
		if c.empty() {
			continue
		}
		svg, err := c.svg()
		if err != nil {
			return fmt.Errorf("drawing %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), svg, 0o644); err != nil {
			return fmt.Errorf("writing a plot: %w", err)
		}
	}
	return nil
}

func at(x int, s Stat) point { return point{float64(x), s.Median, s.Fast, s.Slow} }

func (r *Report) plotPass() chart {
	c := chart{Title: "Relay pass on one core", X: "circuits", Y: "ns of CPU per cell", logX: true}
	for _, cell := range cells {
		ours, limit := series{Name: fmt.Sprintf("pass, %d bytes", cell)}, series{Name: "permuting copy", Dashed: true}
		for _, p := range r.Pass {
			if p.Cell == cell && p.Cores == 1 {
				ours.points = append(ours.points, at(p.Circuits, p.Pass))
				limit.points = append(limit.points, at(p.Circuits, p.Copy))
			}
		}
		c.series = append(c.series, ours, limit)
	}
	return c
}

func (r *Report) plotCells() chart {
	c := chart{Title: "Relay pass by cell size, up to a million circuits", X: "bytes per cell", Y: "ns of CPU per cell"}
	for _, cores := range []int{1, 2} {
		ours := series{Name: "pass, " + plural(cores, "core")}
		limit := series{Name: "permuting copy", Dashed: true}
		for _, cell := range cells {
			if p, ok := r.passOf(cell, cores); ok {
				ours.points = append(ours.points, at(cell, p.Pass))
				limit.points = append(limit.points, at(cell, p.Copy))
			}
		}
		c.series = append(c.series, ours, limit)
	}
	return c
}

func (r *Report) plotRounds() chart {
	c := chart{Title: "Round there and back, 3 relays, 256-byte cells", X: "circuits", Y: "seconds by the clock on the wall", logX: true, logY: true}
	for _, link := range []string{"memory", "unix", "tcp", "tls", "chain"} {
		ours, limit := series{Name: link}, series{Name: "its limit", Dashed: true}
		for _, x := range r.Chain {
			if x.Link == link && x.InFlight == 1 && x.Cell == cells[0] {
				ours.points = append(ours.points, at(x.Circuits, x.Wall))
				limit.points = append(limit.points, at(x.Circuits, x.LimitWall))
			}
		}
		c.series = append(c.series, ours, limit)
	}
	return c
}

func (r *Report) plotRelays() chart {
	c := chart{Title: "Round in memory by length of the chain, 512-byte cells", X: "relays", Y: "ms of CPU"}
	var s series
	for _, x := range r.Relays {
		s.Name = plural(x.Circuits, "circuit")
		s.points = append(s.points, at(x.Relays, x.CPU.times(1e3)))
	}
	c.series = []series{s}
	return c
}

func (r *Report) plotOnions() chart {
	c := chart{Title: "Building an onion by length of the chain", X: "relays", Y: "µs of CPU"}
	s := series{Name: "one onion"}
	for _, x := range r.Setup.Lengths {
		s.points = append(s.points, at(x.Relays, x.Build.times(1e-3)))
	}
	c.series = []series{s}
	return c
}

// plotStations extends the measured cost per circuit: it is the same for every
// circuit.
func (r *Report) plotStations() chart {
	c := chart{Title: "Set-up at a relay, preset small (from the cost of one circuit)", X: "stations", Y: "core-seconds per epoch"}
	for i, h := range r.Setup.Relays {
		s := series{Name: fmt.Sprintf("relay %d", i+1)}
		for _, n := range []int{0, 2500, 5000, 7500, 10_000} {
			v := h.CoreSeconds * float64(n) / 1000
			s.points = append(s.points, point{float64(n), v, v, v})
		}
		c.series = append(c.series, s)
	}
	return c
}

func (r *Report) plotEntry() chart {
	c := chart{Title: "An entry's connections, a frame each way", X: "stations", Y: "µs of CPU per station and round", logX: true}
	ours, limit := series{Name: "entry"}, series{Name: "bare TCP", Dashed: true}
	for _, x := range r.Connections {
		ours.points = append(ours.points, at(x.Stations, x.CPU.times(1e-3)))
		limit.points = append(limit.points, at(x.Stations, x.LimitCPU.times(1e-3)))
	}
	c.series = []series{ours, limit}
	return c
}

func (r *Report) plotLatency() chart {
	c := chart{Title: "From sending to delivery, preset demo", X: "cells of the message", Y: "rounds"}
	arrived, known, least := series{Name: "until it arrived"}, series{Name: "until the sender knows"}, series{Name: "least", Dashed: true}
	for _, x := range r.Latency {
		arrived.points = append(arrived.points, at(x.Cells, x.Arrived))
		known.points = append(known.points, at(x.Cells, x.Known))
		n := float64(x.Cells + 1)
		least.points = append(least.points, point{float64(x.Cells), n, n, n})
	}
	c.series = []series{arrived, known, least}
	return c
}
