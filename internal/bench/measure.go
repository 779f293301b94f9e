package bench

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"
)

// A Stat is what several repeats of one measurement gave. The spread is shown as
// the borders of the fastest and the slowest quarter of them.
type Stat struct {
	Median  float64 `json:"median"`
	Fast    float64 `json:"fast"` // a quarter of the repeats was at or below it
	Slow    float64 `json:"slow"` // a quarter of the repeats was at or above it
	Repeats int     `json:"repeats"`
}

func statOf(values []float64) Stat {
	n := len(values)
	if n == 0 {
		return Stat{}
	}
	v := slices.Sorted(slices.Values(values))
	mid := v[n/2]
	if n%2 == 0 {
		mid = (v[n/2-1] + v[n/2]) / 2
	}
	return Stat{mid, v[(n-1)/4], v[n-1-(n-1)/4], n}
}

// times scales a Stat, to change its unit or to add up equal parts.
func (s Stat) times(f float64) Stat { return Stat{s.Median * f, s.Fast * f, s.Slow * f, s.Repeats} }

// contender is one thing to be measured in turn with others.
type contender struct {
	run       func() error
	units     float64              // cells, onions, … that one run handles
	whole     bool                 // count the CPU time of the whole process, not of the calling thread
	crew      *crew                // threads that do the work, if it is not the caller
	cpu, wall []float64            // nanoseconds per unit, by repeat
	mallocs   []float64            // heap allocations per run, by repeat
	clock     func() time.Duration // set by interleave
}

// add appends a contender to a group.
func add(group *[]*contender, units int, run func() error) *contender {
	c := &contender{run: run, units: float64(units)}
	*group = append(*group, c)
	return c
}

// CPU and Wall are per unit.
func (c *contender) CPU() Stat  { return statOf(c.cpu) }
func (c *contender) Wall() Stat { return statOf(c.wall) }

// ratio compares two sets of values repeat by repeat: what disturbed one repeat
// disturbed both.
func ratio(a, b []float64) Stat {
	var v []float64
	for i := range min(len(a), len(b)) {
		if b[i] > 0 {
			v = append(v, a[i]/b[i])
		}
	}
	return statOf(v)
}

// over is the ratio of CPU times.
func (c *contender) over(limit *contender) Stat {
	if limit == nil {
		return Stat{}
	}
	return ratio(c.cpu, limit.cpu)
}

// interleave runs every contender once to warm up and then, repeat by repeat, each
// in turn, on one operating system thread. It stops after the given repeats, or
// after three when the report's time is over.
func (r *Report) interleave(ctx context.Context, group []*contender) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, c := range group {
		switch {
		case c.crew != nil:
			c.clock = c.crew.time
		case c.whole:
			c.clock = processTime
		default:
			c.clock = threadTime
		}
		if err := c.run(); err != nil {
			return err
		}
	}
	runtime.GC()
	for i := range r.plan.repeats {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i >= 3 && time.Now().After(r.deadline) {
			break
		}
		for _, c := range group {
			var before, after runtime.MemStats
			if c.whole {
				runtime.ReadMemStats(&before)
			}
			cpu, wall := c.clock(), time.Now()
			if err := c.run(); err != nil {
				return err
			}
			took, used := time.Since(wall), c.clock()-cpu
			if c.whole {
				runtime.ReadMemStats(&after)
				c.mallocs = append(c.mallocs, float64(after.Mallocs-before.Mallocs))
			}
			c.cpu = append(c.cpu, float64(used)/c.units)
			c.wall = append(c.wall, float64(took)/c.units)
		}
	}
	return nil
}

// crew is a fixed number of operating system threads that do equal parts of one
// task side by side.
type crew struct {
	tasks []chan func(worker int)
	wg    sync.WaitGroup
	used  []time.Duration // CPU time of each worker's tasks so far
}

func newCrew(size int) *crew {
	c := &crew{used: make([]time.Duration, size)}
	for w := range size {
		tasks := make(chan func(int))
		c.tasks = append(c.tasks, tasks)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for task := range tasks {
				start := threadTime()
				task(w)
				c.used[w] += threadTime() - start
				c.wg.Done()
			}
		}()
	}
	return c
}

// each runs task on every worker and returns when all are done.
func (c *crew) each(task func(worker int)) {
	c.wg.Add(len(c.tasks))
	for _, t := range c.tasks {
		t <- task
	}
	c.wg.Wait()
}

// time is the CPU time of all tasks so far.
func (c *crew) time() (sum time.Duration) {
	for _, d := range c.used {
		sum += d
	}
	return sum
}

func (c *crew) dismiss() {
	for _, t := range c.tasks {
		close(t)
	}
}
