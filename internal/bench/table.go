package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Print writes the report for a person. Every figure is a median; the spread beside
// a ratio goes from the fastest to the slowest quarter of the repeats.
func (r *Report) Print(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "%s, %s, %s, %s; pass: %s; %s\n", m.Processor, m.System, plural(m.Cores, "core"), m.Go, m.Kernel, r.Clock)
	fmt.Fprintf(w, "mode %s, %.0f s; medians, in brackets the fastest and the slowest quarter of the repeats\n", r.Mode, r.Seconds)

	section(w, "Relay pass: ns of CPU per cell; ÷ its limits", "cell\tcircuits\tcores\tpass\tcopy\tCTR\t÷ permuting copy\t÷ sequential copy\t÷ CTR, one key\twall\t", func(row rowFunc) {
		for _, p := range r.Pass {
			row("%d\t%s\t%d\t%.1f\t%.1f\t%.1f\t%s\t%s\t%s\t%.1f ns\t", p.Cell, number(p.Circuits), p.Cores, p.Pass.Median, p.Copy.Median,
				p.CTR.Median, p.OverCopy, p.OverSequential, p.OverCTR, p.Wall.Median)
		}
	})
	section(w, "Its implementations: 256-byte cells, 1 core", "path\tns per cell\t÷ CTR, one key\t", func(row rowFunc) {
		for _, p := range r.Paths {
			row("%s\t%.1f\t%s\t", p.Name, p.Pass.Median, p.OverCTR)
		}
	})
	section(w, "Round, both directions, 3 relays; limit: as many permuting copies, or the same bytes over the same sockets",
		"link\tin flight\tcell\tcircuits\twall\tCPU\tper cell and relay\tlimit wall\t÷ limit, wall\t÷ limit, CPU\tallocations\trepeats\t", func(row rowFunc) {
			for _, x := range r.Chain {
				row("%s\t%d\t%d\t%s\t%s\t%s\t%.0f ns\t%s\t%s\t%s\t%.0f\t%d\t", x.Link, x.InFlight, x.Cell, number(x.Circuits), seconds(x.Wall.Median), seconds(x.CPU.Median),
					x.PerHop.Median, seconds(x.LimitWall.Median), x.OverWall, x.OverCPU, x.Mallocs, x.Wall.Repeats)
			}
		})
	section(w, "Round in memory by length of the chain", "relays\tcell\tcircuits\tCPU\t", func(row rowFunc) {
		for _, x := range r.Relays {
			row("%d\t%d\t%s\t%s\t", x.Relays, x.Cell, number(x.Circuits), seconds(x.CPU.Median))
		}
	})
	r.printSetup(w)
	r.printStation(w)
	section(w, "An entry's connections at preset small, without the node; limit: the same bytes over bare TCP",
		"stations\tµs of CPU per station and round\tlimit µs\t÷ limit\tround of all, wall\tbytes per station\tof a bare connection\tallocations\trepeats\t\t", func(row rowFunc) {
			for _, x := range r.Connections {
				apart := ""
				if x.Apart {
					apart = "not in turns"
				}
				row("%s\t%.1f\t%.1f\t%s\t%s\t%s\t%s\t%.1f\t%d\t%s\t", number(x.Stations), x.CPU.Median/1e3, x.LimitCPU.Median/1e3, x.OverCPU, seconds(x.Wall.Median),
					number(int(x.Memory)), number(int(x.LimitMemory)), x.Mallocs, x.CPU.Repeats, apart)
			}
		})
	section(w, "From sending to delivery in a network of processes, preset demo, in rounds; least: a round per cell, and one for the acknowledgement",
		"bytes\tcells\tuntil it arrived\t÷ least\tuntil the sender knows\t÷ least\trepeats\t", func(row rowFunc) {
			for _, x := range r.Latency {
				row("%s\t%d\t%s\t%s\t%s\t%s\t%d\t", number(x.Bytes), x.Cells, x.Arrived, x.ArrivedOverLeast, x.Known, x.KnownOverLeast, x.Known.Repeats)
			}
		})
	section(w, "Memory of a relay per circuit, both directions; a pass cannot do with less than "+strconv.Itoa(2*stateLimit)+" bytes", "relay\tbytes\t", func(row rowFunc) {
		row("any but the last\t%.1f\t", r.Memory.Middle)
		row("last\t%.1f\t", r.Memory.Last)
		row("during a pass, on top\tone cell\t")
	})
	section(w, "Aims", "what\tvalue\taim\t\t", func(row rowFunc) {
		for _, t := range r.Targets {
			met := "met"
			if !t.Met {
				met = "MISSED"
			}
			bound := "≤"
			if t.AtLeast {
				bound = "≥"
			}
			row("%s\t%.4g%s\t%s %.4g%s\t%s\t", t.What, t.Value, unit(t.Unit), bound, t.Aim, unit(t.Unit), met)
		}
	})
	if len(r.Left) > 0 {
		fmt.Fprintf(w, "\nLeft out\n  %s\n", strings.Join(r.Left, "\n  "))
	}
}

func (r *Report) printSetup(w io.Writer) {
	s := r.Setup
	section(w, "Set-up at preset small: µs of CPU per circuit; ÷ hpke.Open or hpke.Seal of the standard library", "what\tµs\tlimit µs\t÷ limit\t", func(row rowFunc) {
		row("station builds an onion\t%.1f\t%.1f\t%s\t", s.Build.Median/1e3, s.Seal.Median/1e3, s.BuildOverSeal)
		for i, h := range s.Relays {
			row("relay %d opens its layer\t%.1f\t%.1f\t%s\t", i+1, h.Open.Median/1e3, s.Open.Median/1e3, h.OverOpen)
		}
		row("last relay pairs\t%.1f\t%.1f\t%s\t", s.Pair.Median/1e3, s.Open.Median/1e3, s.PairOverOpen)
		for i, h := range s.Relays {
			row("relay %d makes its receipt\t%.2f\t\t\t", i+1, h.Receipts.Median/1e3)
		}
		row("relay 1, all cores, wall\t%.1f\t\t\t", s.AllCores.Median/1e3)
	})
	section(w, "Set-up of 1,000 stations", "relay\tcore-seconds per epoch\tof one core\t", func(row rowFunc) {
		for i, h := range s.Relays {
			row("%d\t%.2f\t%.1f %%\t", i+1, h.CoreSeconds, 100*h.Share)
		}
	})
	section(w, "Onion by length of the chain", "relays\tbytes\tµs to build\t", func(row rowFunc) {
		for _, x := range s.Lengths {
			row("%d\t%d\t%.1f\t", x.Relays, x.Bytes, x.Build.Median/1e3)
		}
	})
	if s.OverPass > 0 {
		fmt.Fprintf(w, "\nOne X25519 agreement costs %.0f passes over a 256-byte cell. With the set-up spread over %d rounds both ways a\ncell costs a middle relay 1/%.0f of an agreement, the last relay 1/%.0f.\n", s.OverPass, s.Rounds, s.AmortisedMiddle, s.AmortisedLast)
	}
}

func (r *Report) printStation(w io.Writer) {
	s := r.Station
	section(w, "A station at preset small, every lane talking: cryptography and this protocol's frames", "what\tvalue\t", func(row rowFunc) {
		row("CPU per round\t%.1f µs (%s × the same layers with one key in cache)\t", s.Round.Median/1e3, s.OverCTR)
		row("CPU per set-up\t%.1f ms\t", s.Attempt.Median/1e6)
		row("CPU per hour\t%.2f s\t", s.CPUHour.Median)
		for _, t := range s.Traffic {
			row("traffic per hour, %s\t%.2f MB up, %.2f MB down (cells: %.2f MB each way)\t", plural(t.Stations, "station"), t.Up/1e6, t.Down/1e6, t.Cells/1e6)
		}
	})
}

type rowFunc func(format string, a ...any)

// section writes a heading and a table; nothing at all if there are no rows.
func section(w io.Writer, title, head string, rows func(rowFunc)) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	n := 0
	rows(func(format string, a ...any) {
		if n++; n == 1 {
			fmt.Fprintf(w, "\n%s\n", title)
			fmt.Fprintf(t, "  %s\n", head)
		}
		fmt.Fprintf(t, "  "+format+"\n", a...)
	})
	t.Flush()
}

// String shows a ratio with its spread.
func (s Stat) String() string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Fast, s.Slow)
}

// number writes n with commas.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return number(n) + " " + what + "s"
}

func unit(u string) string { return strings.TrimSuffix(" "+u, " ") }

func seconds(s float64) string {
	if s < 0.1 {
		return fmt.Sprintf("%.2f ms", 1e3*s)
	}
	return fmt.Sprintf("%.3f s", s)
}
