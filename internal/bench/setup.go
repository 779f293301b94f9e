package bench

import (
	"context"

	"backchannel/internal/mix"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// Setup is what making circuits costs at preset "small", per circuit, in
// nanoseconds of CPU time on one core.
type Setup struct {
	Onions int   `json:"onions"` // per repeat
	Rounds int   `json:"rounds"` // of an epoch
	Build  Stat  `json:"build"`  // at the station: one onion for three relays, with its receipts
	Relays []Hop `json:"relays"`

	Pair Stat `json:"pair"` // the last relay opens and pairs the inner envelopes
	Seal Stat `json:"seal"` // limit of Build: one HPKE seal by the standard library
	Open Stat `json:"open"` // limit of Hop.Open: one HPKE open of the first layer by the standard library

	BuildOverSeal Stat `json:"build_over_seal"` // an onion holds three seals and three encapsulations
	PairOverOpen  Stat `json:"pair_over_open"`  // an envelope holds three encapsulations

	AllCores Stat `json:"all_cores"` // by the clock on the wall: the first layer of one onion with all cores

	X25519 Stat `json:"x25519"` // one agreement by the standard library
	Verify Stat `json:"verify"` // one hybrid signature of a relay
	Path   Stat `json:"path"`   // parsing the keys of a chain

	Lengths []OnionLength `json:"lengths"`

	// What circuits save: one X25519 agreement per cell, the least that a network
	// without circuits would need, against the relay's pass over a 256-byte cell; and
	// against the pass with the cell's part of the set-up, over an epoch's rounds and
	// both directions.
	OverPass        float64 `json:"over_pass"`
	AmortisedMiddle float64 `json:"amortised_middle"`
	AmortisedLast   float64 `json:"amortised_last"` // with the inner envelopes
}

// Hop is one relay's part.
type Hop struct {
	Open     Stat `json:"open"` // its layer of one onion, whole batch steps included
	OverOpen Stat `json:"over_open"`
	Receipts Stat `json:"receipts"` // its receipt of one circuit

	// Core-seconds per epoch of this relay for 1,000 stations: opening, receipts,
	// and pairing at the last.
	CoreSeconds float64 `json:"core_seconds"`
	Share       float64 `json:"share"` // of one core, with one attempt per epoch
}

// An OnionLength is an onion for a chain of that many relays.
type OnionLength struct {
	Relays int  `json:"relays"`
	Bytes  int  `json:"bytes"`
	Build  Stat `json:"build"`
}

// workshop has everything that an attempt of a few circuits needs.
type workshop struct {
	p            wire.Params
	outer, inner []suite.PrivateKey
	keys         []wire.Keys
	path         *mix.Path
	header       wire.Hash
}

func newWorkshop(relays int) (*workshop, error) {
	p, err := wire.Preset("small")
	if err != nil {
		return nil, err
	}
	p.Relays = relays
	w := &workshop{p: p, header: suite.RandomKey()}
	for i := range relays {
		o, err := suite.GenerateKey()
		if err != nil {
			return nil, err
		}
		in, err := suite.GenerateKey()
		if err != nil {
			return nil, err
		}
		w.outer, w.inner = append(w.outer, o), append(w.inner, in)
		w.keys = append(w.keys, wire.Keys{Relay: i, Outer: o.Public().Bytes(), Inner: in.Public().Bytes()})
	}
	w.path, err = mix.NewPath(p, w.keys)
	return w, err
}

// build makes the onions of n circuits, neighbours with equal ids, as one batch.
func (w *workshop) build(n int) (batch []byte, circuits []*mix.Circuit, err error) {
	for i := range n {
		onion, c, err := w.path.Build(w.header, wire.TwinID{byte(i / 2), byte(i / 512)})
		if err != nil {
			return nil, nil, err
		}
		batch, circuits = append(batch, onion...), append(circuits, c)
	}
	return batch, circuits, nil
}

// measureSetup measures the set-up, and beside it whatever more is given: the tests
// may name algorithms and add what those cost.
func (r *Report) measureSetup(ctx context.Context, more ...*contender) error {
	w, err := newWorkshop(chainRelays)
	if err != nil {
		return err
	}
	n, last := r.plan.onions, chainRelays-1
	first, _, err := w.build(n)
	if err != nil {
		return err
	}

	// In every repeat each relay opens the batch that the one before left in the same
	// repeat, then the last relay pairs, then receipts go back.
	var group []*contender
	build := add(&group, n, func() error { _, _, err := w.build(n); return err })
	size := w.p.OnionSize(0)
	plain := make([]byte, size-suite.HPKEOverhead)
	seal := add(&group, n, func() error {
		for range n {
			if _, _, err := w.outer[0].Public().Seal(suite.LabelOuter, plain, w.header[:], []byte{0}); err != nil {
				return err
			}
		}
		return nil
	})
	standard, err := w.outer[0].Standard()
	if err != nil {
		return err
	}
	agree, err := suite.NewAgreement()
	if err != nil {
		return err
	}
	agreement := add(&group, n, func() error {
		for range n {
			if err := agree(); err != nil {
				return err
			}
		}
		return nil
	})
	limit := add(&group, n, func() error {
		for i := range n {
			if _, _, err := standard.Open(suite.LabelOuter, first[i*size:(i+1)*size], w.header[:], []byte{0}); err != nil {
				return err
			}
		}
		return nil
	})
	group = append(group, more...)
	sets, batch := make([]*mix.Set, chainRelays), first
	var open []*contender
	for hop := range chainRelays {
		open = append(open, add(&group, n, func() (err error) {
			if hop == 0 {
				batch = first
			}
			batch, sets[hop], err = mix.OpenBatch(w.p, hop, w.outer[hop], w.header, batch, 1)
			return err
		}))
	}
	pair := add(&group, n, func() error { return sets[last].Pair(w.header, w.inner, 1) })
	receipts := make([]*contender, chainRelays)
	var blobs []byte
	for i := range chainRelays {
		hop := last - i
		receipts[hop] = add(&group, n, func() (err error) {
			if hop == last {
				blobs = nil
			}
			blobs, err = sets[hop].Receipts(blobs)
			return err
		})
	}
	allCores := add(&group, n, func() error {
		_, _, err := mix.OpenBatch(w.p, 0, w.outer[0], w.header, first, r.Machine.Cores)
		return err
	})

	const times = 8
	sk := suite.NewSigningKey(suite.RandomKey())
	sig, vk := sk.Sign(suite.LabelHeaderSign, w.header[:]), sk.Public()
	verify := add(&group, times, func() error {
		for range times {
			vk.Verify(sig[:], suite.LabelHeaderSign, w.header[:])
		}
		return nil
	})
	path := add(&group, times, func() error {
		for range times {
			if _, err := mix.NewPath(w.p, w.keys); err != nil {
				return err
			}
		}
		return nil
	})
	if err := r.interleave(ctx, group); err != nil {
		return err
	}

	s := Setup{
		Onions: n, Rounds: int(w.p.RoundsPerEpoch()), Build: build.CPU(), Pair: pair.CPU(), Seal: seal.CPU(), Open: limit.CPU(), X25519: agreement.CPU(),
		BuildOverSeal: build.over(seal), PairOverOpen: pair.over(limit),
		AllCores: allCores.Wall(), Verify: verify.CPU(), Path: path.CPU(),
	}
	for hop := range chainRelays {
		h := Hop{Open: open[hop].CPU(), OverOpen: open[hop].over(limit), Receipts: receipts[hop].CPU()}
		h.CoreSeconds = h.seconds(1000*w.p.Circuits(), 0)
		if hop == last {
			h.CoreSeconds = h.seconds(1000*w.p.Circuits(), s.Pair.Median)
		}
		h.Share = h.CoreSeconds / w.p.Epoch.Seconds()
		s.Relays = append(s.Relays, h)
	}
	r.Setup = s
	return r.measureOnions(ctx)
}

// seconds is a relay's CPU time for so many circuits; pair is what pairing costs it
// per circuit, in nanoseconds.
func (h Hop) seconds(circuits int, pair float64) float64 {
	return float64(circuits) * (h.Open.Median + h.Receipts.Median + pair) / 1e9
}

// compareWithPass fills in what needs the pass as well.
func (r *Report) compareWithPass() {
	s := &r.Setup
	p, ok := r.passOf(cells[0], 1)
	if !ok {
		return
	}
	cellsPerCircuit := 2 * float64(s.Rounds)
	amortised := func(h Hop, pair float64) float64 {
		return s.X25519.Median / (p.Pass.Median + (h.Open.Median+h.Receipts.Median+pair)/cellsPerCircuit)
	}
	s.OverPass = s.X25519.Median / p.Pass.Median
	s.AmortisedMiddle = amortised(s.Relays[1], 0)
	s.AmortisedLast = amortised(s.Relays[chainRelays-1], s.Pair.Median)
}

// measureOnions shows how building an onion grows with the chain.
func (r *Report) measureOnions(ctx context.Context) error {
	var group []*contender
	var shops []*workshop
	n := max(2, r.plan.onions/8)
	for _, relays := range []int{1, 2, 3, 4, 5, 6} {
		w, err := newWorkshop(relays)
		if err != nil {
			return err
		}
		shops = append(shops, w)
		add(&group, n, func() error { _, _, err := w.build(n); return err })
	}
	if err := r.interleave(ctx, group); err != nil {
		return err
	}
	for i, w := range shops {
		r.Setup.Lengths = append(r.Setup.Lengths, OnionLength{w.p.Relays, w.p.OnionSize(0), group[i].CPU()})
	}
	return nil
}
