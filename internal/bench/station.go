package bench

import (
	"context"
	"time"

	"backchannel/internal/pairwise"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// Station is what one station pays at preset "small" with every lane talking: the
// measured cryptography of rounds and attempts, and the exact bytes of this
// protocol's frames. TLS, WebSocket, TCP, the vault and a user's letters come on
// top.
type Station struct {
	Round    Stat `json:"round"`    // nanoseconds of CPU time for all its cells, sent and received
	CTR      Stat `json:"ctr"`      // limit: the same layers by the standard library with one key in cache
	OverCTR  Stat `json:"over_ctr"` //
	Attempt  Stat `json:"attempt"`  // nanoseconds for one set-up: keys, signatures, onions
	CPUHour  Stat `json:"cpu_hour"` // seconds per hour: rounds and one attempt per epoch
	Circuits int  `json:"circuits"` //
	PerHour  int  `json:"rounds"`   // rounds per hour
	Epochs   int  `json:"epochs"`   // epochs per hour
	Frame    int  `json:"frame"`    // bytes of one round's frame, each way
	Onion    int  `json:"onion"`    // bytes of one onion

	Traffic []Traffic `json:"traffic"`
}

// Traffic is what one station moves per hour in a network of that many.
type Traffic struct {
	Stations int     `json:"stations"`
	Up       float64 `json:"up"`    // bytes per hour
	Down     float64 `json:"down"`  // bytes per hour
	Cells    float64 `json:"cells"` // of which cells, each way
}

// signatures is how many hybrid signatures of each relay a station checks per
// attempt: of KEYS, of the header and of REVEAL.
const signatures = 3

func (r *Report) measureStation(ctx context.Context) error {
	w, err := newWorkshop(chainRelays)
	if err != nil {
		return err
	}
	p := w.p
	_, rings, err := w.build(p.Circuits())
	if err != nil {
		return err
	}
	var group []*contender
	const times = 50
	send, receive := make([]pairwise.Key, len(rings)), make([]pairwise.Key, len(rings))
	plain, opened := make([]byte, p.Cell-suite.AEADOverhead), make([]byte, 0, p.Cell)
	cell, answer := make([]byte, p.Cell), make([]byte, p.Cell)
	round := uint64(0)
	rounds := add(&group, times, func() error {
		for range times {
			round++
			for i, c := range rings {
				key := pairwise.CellKey(&send[i], round)
				send[i] = pairwise.StepCell(&send[i])
				wire.CellFrame{}.Encode(plain)
				suite.SealOnce(&key, cell[:0], plain)
				copy(answer, cell) // so that what comes back opens
				c.Seal(round, cell)

				c.Open(round, cell)
				key = pairwise.CellKey(&receive[i], round)
				receive[i] = pairwise.StepCell(&receive[i])
				if _, err := suite.OpenOnce(&key, opened, answer); err != nil {
					return err
				}
			}
		}
		return nil
	})
	// Per circuit and round: a layer per relay each way.
	layers := addCTR(&group, 2*chainRelays*len(rings)*p.Cell)
	if err := r.interleave(ctx, group); err != nil {
		return err
	}
	s := r.Setup
	attempt := float64(p.Circuits())*s.Build.Median + signatures*chainRelays*s.Verify.Median + s.Path.Median
	slow := float64(p.Circuits())*s.Build.Slow + signatures*chainRelays*s.Verify.Slow + s.Path.Slow
	fast := float64(p.Circuits())*s.Build.Fast + signatures*chainRelays*s.Verify.Fast + s.Path.Fast
	perHour, epochs := int(time.Hour/p.Round), int(time.Hour/p.Epoch)
	hour := func(round, attempt float64) float64 {
		return (float64(perHour)*round + float64(epochs)*attempt) / 1e9
	}
	cost := rounds.CPU()
	r.Station = Station{
		Round: cost, CTR: layers.CPU(), OverCTR: rounds.over(layers),
		Attempt:  Stat{attempt, fast, slow, s.Build.Repeats},
		CPUHour:  Stat{hour(cost.Median, attempt), hour(cost.Fast, fast), hour(cost.Slow, slow), cost.Repeats},
		Circuits: p.Circuits(), PerHour: perHour, Epochs: epochs, Frame: p.CellsFrameSize(), Onion: p.OnionSize(0),
	}
	for _, n := range []int{3, 100, 1000} {
		t := p.Traffic(n)
		cells := t.Cells * time.Hour.Seconds()
		r.Station.Traffic = append(r.Station.Traffic, Traffic{
			Stations: n, Cells: cells,
			Up: cells + float64(epochs)*t.SetupUp, Down: cells + float64(epochs)*t.SetupDown,
		})
	}
	return nil
}
