package bench

import (
	"context"
	"runtime"

	"backchannel/internal/mix"
	"backchannel/internal/suite/pass"
	"backchannel/internal/wire"
)

// Memory is what a relay keeps per circuit, in bytes, measured on the heap.
type Memory struct {
	Circuits     int     `json:"circuits"`      // measured with so many
	Middle       float64 `json:"middle"`        // any relay but the last, both directions
	Last         float64 `json:"last"`          // the last relay, both directions
	PerDirection float64 `json:"per_direction"` // of a middle relay
	Round        int     `json:"round"`         // on top while a pass is under way: one cell of 256 bytes
}

func (r *Report) measureMemory(context.Context) error {
	p, err := wire.Preset("small")
	if err != nil {
		return err
	}
	heap := func() uint64 {
		var m runtime.MemStats
		for range 3 { // what pools and finalizers hold goes one collection later
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	n := r.plan.memory
	per := func(hop int) (float64, error) {
		before := heap()
		s, err := mix.NewSynthetic(p, hop, n)
		if err != nil {
			return 0, err
		}
		after := heap()
		s.Erase()
		return float64(after-before) / float64(n), nil
	}
	middle, err := per(1)
	if err != nil {
		return err
	}
	last, err := per(p.Relays - 1)
	if err != nil {
		return err
	}
	r.Memory = Memory{n, middle, last, middle / 2, cells[0]}
	return nil
}

// stateLimit is what a pass cannot do without per circuit and direction: a key and
// a place.
const stateLimit = pass.CircuitState
