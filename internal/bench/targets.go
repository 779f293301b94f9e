package bench

import "fmt"

// A Target is one of the project's aims and what came out. All but the time of a
// round and the size of the state are ratios within this run.
type Target struct {
	What    string  `json:"what"`
	Value   float64 `json:"value"`
	Aim     float64 `json:"aim"`
	AtLeast bool    `json:"at_least"` // the value is to reach the aim; otherwise to stay below it
	Unit    string  `json:"unit,omitempty"`
	Met     bool    `json:"met"`
}

// targets compares what was measured with the aims. What was not measured, because
// the mode or the machine left it out, is not listed.
func (r *Report) targets() (out []Target) {
	atMost := func(what string, value, target float64, unit string) {
		out = append(out, Target{What: what, Value: value, Aim: target, Unit: unit, Met: value <= target})
	}
	atLeast := func(what string, value, target float64) {
		out = append(out, Target{What: what, Value: value, Aim: target, AtLeast: true, Met: value >= target})
	}
	for _, cell := range cells {
		for _, cores := range []int{1, 2} {
			if p, ok := r.passOf(cell, cores); ok {
				atMost(fmt.Sprintf("relay pass ÷ permuting copy: %s circuits, %d bytes, %s", number(p.Circuits), cell, plural(cores, "core")),
					p.OverCopy.Median, 2, "")
			}
		}
	}
	for _, p := range r.Paths {
		switch p.Name {
		case "aesni":
			atMost("path aesni ÷ standard library's CTR, one key in cache", p.OverCTR.Median, 2, "")
		case "generic":
			atMost("path generic ÷ standard library's CTR, one key in cache", p.OverCTR.Median, 20, "")
		}
	}
	for _, link := range []string{"unix", "tcp", "chain"} {
		if x, ok := r.roundOf(link); ok {
			if x.Circuits >= most {
				atMost("round there and back over "+link+": 1M circuits, 256 bytes, 3 relays", x.Wall.Median, 1, "s")
			}
			atMost(fmt.Sprintf("its CPU ÷ moving the same bytes over %s, %s circuits", link, number(x.Circuits)), x.OverCPU.Median, 2, "")
		}
	}
	atMost("bytes per circuit and direction", r.Memory.PerDirection, 40, "B")
	if x, ok := r.roundOf("memory"); ok {
		atMost("heap allocations per round in memory, whole chain", x.Mallocs, 0, "")
	}
	if len(r.Setup.Relays) > 0 {
		atMost("opening one layer of an onion ÷ hpke.Open", r.Setup.Relays[0].OverOpen.Median, 1, "")
	}
	if s := r.Setup; s.OverPass > 0 {
		atLeast("one X25519 ÷ relay pass of a 256-byte cell", s.OverPass, 1000)
		atLeast("one X25519 ÷ a cell with its part of the set-up, middle relay", s.AmortisedMiddle, 80)
	}
	return out
}
