package sim_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/sim"
)

// passed is one frame as an observer of a station's line records it.
type passed struct {
	at   time.Duration
	out  bool
	size int
}

// lines is what passes between each station and the entry.
type lines map[string][]passed

// watchLines begins to record every line. The lines are equally long, which a fair
// observer would subtract anyway, and a commit of a vault takes disk.
func watchLines(s *sim.Sim, disk time.Duration) lines {
	s.Net.Latency = func(string, string, *rand.Rand) time.Duration { return 700 * time.Microsecond }
	s.Net.Work = func(_ string, lane link.Lane, _ *rand.Rand) time.Duration {
		if lane == link.LaneDisk {
			return disk
		}
		return time.Millisecond
	}
	l, trace := lines{}, s.Net.Trace
	s.Net.Trace = func(at time.Time, from, to string, frame []byte) {
		trace(at, from, to, frame)
		d := at.Sub(s.Params.T0)
		if to == sim.Entry {
			l[from] = append(l[from], passed{d, true, len(frame)})
		} else if from == sim.Entry {
			l[to] = append(l[to], passed{d, false, len(frame)})
		}
	}
	return l
}

// differ says how the lines of two stations differ, size for size and tick for tick.
func (l lines) differ(one, other string) error {
	a, b := l[one], l[other]
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Errorf("frame %d of %d: the line of %s shows %+v, that of %s %+v", i, len(a), one, a[i], other, b[i])
		}
	}
	if len(a) != len(b) || len(a) < 1000 {
		return fmt.Errorf("%d frames pass at %s, %d at %s", len(a), one, len(b), other)
	}
	return nil
}

// differ must see whatever an observer could.
func TestLinesDiffer(t *testing.T) {
	line := func(n int) (out []passed) {
		for i := range n {
			out = append(out, passed{time.Duration(i) * time.Second, i%2 == 0, 100 + i%7})
		}
		return out
	}
	for name, change := range map[string]func(l []passed) []passed{
		"one more":          func(l []passed) []passed { return append(l, l[0]) },
		"one less":          func(l []passed) []passed { return l[1:] },
		"another size":      func(l []passed) []passed { l[500].size++; return l },
		"another tick":      func(l []passed) []passed { l[500].at++; return l },
		"another direction": func(l []passed) []passed { l[500].out = !l[500].out; return l },
	} {
		if err := (lines{"a": line(2000), "b": change(line(2000))}).differ("a", "b"); err == nil {
			t.Errorf("%s: not seen", name)
		}
	}
	if err := (lines{"a": line(2000), "b": line(2000)}).differ("a", "b"); err != nil {
		t.Error(err)
	}
	if err := (lines{}).differ("a", "b"); err == nil {
		t.Error("lines without a frame were taken for equal ones")
	}
}
