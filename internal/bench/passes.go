package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"backchannel/internal/suite"
	"backchannel/internal/suite/pass"
)

// A Pass is one size of the relay's pass and its limits, all in nanoseconds of CPU
// time per cell, summed over the cores.
type Pass struct {
	Circuits int `json:"circuits"`
	Cell     int `json:"cell"`
	Cores    int `json:"cores"`

	Pass       Stat `json:"pass"`
	Wall       Stat `json:"wall"`       // by the clock on the wall, for all cores together
	Copy       Stat `json:"copy"`       // permuting copy with the same non-temporal stores
	Sequential Stat `json:"sequential"` // copy from front to back
	CTR        Stat `json:"ctr"`        // the standard library's AES-256-CTR, one key, in cache

	OverCopy       Stat `json:"over_copy"`
	OverSequential Stat `json:"over_sequential"`
	OverCTR        Stat `json:"over_ctr"`
}

// A Path is one implementation of the pass, on one core and 256-byte cells.
type Path struct {
	Name    string `json:"name"`
	Pass    Stat   `json:"pass"`     // nanoseconds per cell
	OverCTR Stat   `json:"over_ctr"` // against the standard library's one key in cache
}

// arrays are the buffers of a pass, outside the heap and touched, so that no
// repeat pays for a page that was never used.
type arrays struct {
	in, out, keys []byte
	perm          []uint32
}

func newArrays(n, cell int) *arrays {
	a := &arrays{pass.Arena(n * cell), pass.Arena(n * cell), pass.Arena(n * pass.KeySize), make([]uint32, n)}
	random := rand.NewChaCha8([32]byte{1})
	random.Read(a.keys)
	spread(a.in, random)
	copy(a.out, a.in)
	for i := range a.perm {
		a.perm[i] = uint32(i)
	}
	rand.New(random).Shuffle(n, func(i, j int) { a.perm[i], a.perm[j] = a.perm[j], a.perm[i] })
	return a
}

// spread fills b with a random block over and over: what is in a cell does not
// matter to a pass.
func spread(b []byte, random *rand.ChaCha8) {
	done := min(len(b), 1<<20)
	random.Read(b[:done])
	for done < len(b) {
		done += copy(b[done:], b[:done])
	}
}

func (a *arrays) free() {
	pass.Free(a.in)
	pass.Free(a.out)
	pass.Free(a.keys)
}

// inCache is the buffer of the standard library's limit: small enough for a core's
// own cache, large enough for its key expansion not to count.
const inCache = 64 << 10

// addCTR adds the standard library's AES-256-CTR with one key in cache, per cell
// bytes.
func addCTR(group *[]*contender, cell int) *contender {
	const times = 32
	buf, key := make([]byte, inCache), suite.RandomKey()
	c := add(group, 1, func() error {
		var iv [suite.BlockSize]byte
		for i := range times {
			iv[0] = byte(i)
			suite.XORLayer(&key, &iv, buf, buf)
		}
		return nil
	})
	c.units = float64(times*inCache) / float64(cell)
	return c
}

// measuringRound is any round: what is encrypted here leaves nowhere.
const measuringRound = 5

// longEnough is how many cells one timing handles at least, so that the clock and
// the handing out of work do not count.
const longEnough = 200_000

func (r *Report) measurePasses(ctx context.Context) error {
	for _, n := range r.plan.circuits {
		for _, cell := range cells {
			if !r.room(fmt.Sprintf("passes over %s cells of %d bytes", number(n), cell), n*(2*cell+pass.CircuitState)) {
				continue
			}
			if err := r.measurePass(ctx, n, cell); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Report) measurePass(ctx context.Context, n, cell int) error {
	a := newArrays(n, cell)
	defer a.free()
	again := max(1, longEnough/n)
	type row struct{ pass, copy, sequential *contender }
	var group []*contender
	var rows []row
	counts := []int{1}
	if r.Machine.Cores > 1 {
		counts = append(counts, 2)
	}
	ctr := addCTR(&group, cell)
	for _, cores := range counts {
		team := newCrew(cores)
		defer team.dismiss()
		// A part is a run of cells that one worker handles.
		work := func(part func(from, to int)) *contender {
			c := add(&group, again*n, func() error {
				team.each(func(w int) {
					for range again {
						part(w*n/cores, (w+1)*n/cores)
					}
				})
				return nil
			})
			c.crew = team
			return c
		}
		rows = append(rows, row{
			work(func(from, to int) {
				pass.Scatter(a.out, a.in[from*cell:to*cell], from, cell, a.keys, a.perm, measuringRound)
			}),
			work(func(from, to int) { pass.CopyScatter(a.out, a.in[from*cell:to*cell], from, cell, a.perm) }),
			work(func(from, to int) { copy(a.out[from*cell:to*cell], a.in[from*cell:to*cell]) }),
		})
	}
	if err := r.interleave(ctx, group); err != nil {
		return err
	}
	for i, x := range rows {
		r.Pass = append(r.Pass, Pass{
			Circuits: n, Cell: cell, Cores: counts[i],
			Pass: x.pass.CPU(), Wall: x.pass.Wall(), Copy: x.copy.CPU(), Sequential: x.sequential.CPU(), CTR: ctr.CPU(),
			OverCopy: x.pass.over(x.copy), OverSequential: x.pass.over(x.sequential), OverCTR: x.pass.over(ctr),
		})
	}
	return nil
}

// measurePaths compares the implementations that this machine can run. The slow
// ones handle fewer cells, for they would take all the time.
func (r *Report) measurePaths(ctx context.Context) error {
	const cell = 256
	n := r.plan.paths
	a := newArrays(n, cell)
	defer a.free()
	var group, each []*contender
	ctr := addCTR(&group, cell)
	for _, name := range pass.Paths() {
		part := a.in
		if slices.Contains([]string{"std", "generic"}, name) {
			part = a.in[:n/5*cell]
		}
		each = append(each, add(&group, len(part)/cell, func() error {
			if err := pass.Use(name); err != nil {
				return err
			}
			pass.Scatter(a.out, part, 0, cell, a.keys, a.perm, measuringRound)
			return nil
		}))
	}
	if err := r.interleave(ctx, group); err != nil {
		return err
	}
	for i, name := range pass.Paths() {
		r.Paths = append(r.Paths, Path{name, each[i].CPU(), each[i].over(ctr)})
	}
	return pass.Use(pass.Paths()[0])
}

// most bounds the circuits that the aims are about; beyond it the limits themselves
// change, as docs/performance.md tells.
const most = 1_000_000

// passOf returns the measured pass over most circuits, up to a million, with this
// cell and number of cores.
func (r *Report) passOf(cell, cores int) (best Pass, ok bool) {
	for _, p := range r.Pass {
		if p.Cell == cell && p.Cores == cores && p.Circuits >= best.Circuits && p.Circuits <= most {
			best, ok = p, true
		}
	}
	return best, ok
}
