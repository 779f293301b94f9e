package contact

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"backchannel/internal/wire"
)

func id(n int) ID { return ID{byte(n), 1} }

func TestLanesTable(t *testing.T) {
	p := params(t, "demo") // Release means the next epoch
	assign := func(n int) func(Lanes) (Lanes, error) {
		return func(l Lanes) (Lanes, error) { return l.Assign(id(n), 10) }
	}
	release := func(n int) func(Lanes) (Lanes, error) {
		return func(l Lanes) (Lanes, error) { return l.Release(id(n), 10, p) }
	}
	remove := func(n int) func(Lanes) (Lanes, error) {
		return func(l Lanes) (Lanes, error) { return l.Remove(id(n), 10), nil }
	}
	type step = func(Lanes) (Lanes, error)
	for name, c := range map[string]struct {
		steps     []step
		want      error // of the last
		now, then []int // contacts by lane at epochs 10 and 11
	}{
		"idle":                     {nil, nil, []int{0, 0}, []int{0, 0}},
		"one":                      {[]step{assign(1)}, nil, []int{1, 0}, []int{1, 0}},
		"one twice":                {[]step{assign(1), assign(1)}, ErrHasLane, []int{1, 0}, []int{1, 0}},
		"two":                      {[]step{assign(1), assign(2)}, nil, []int{1, 2}, []int{1, 2}},
		"three":                    {[]step{assign(1), assign(2), assign(3)}, ErrNoIdleLane, []int{1, 2}, []int{1, 2}},
		"freed":                    {[]step{assign(1), release(1)}, nil, []int{1, 0}, []int{0, 0}},
		"freed twice":              {[]step{assign(1), release(1), release(1)}, nil, []int{1, 0}, []int{0, 0}},
		"freed, not free yet":      {[]step{assign(1), assign(2), release(1), assign(3)}, ErrNoIdleLane, []int{1, 2}, []int{0, 2}},
		"freed and wanted again":   {[]step{assign(1), release(1), assign(1)}, nil, []int{1, 0}, []int{1, 0}},
		"never had one":            {[]step{assign(1), release(2)}, ErrNoLane, []int{1, 0}, []int{1, 0}},
		"removed":                  {[]step{assign(1), assign(2), remove(1)}, nil, []int{0, 2}, []int{0, 2}},
		"removed, another's":       {[]step{assign(1), remove(1), assign(2)}, nil, []int{2, 0}, []int{2, 0}},
		"removed while on its way": {[]step{assign(1), release(1), remove(1)}, nil, []int{0, 0}, []int{0, 0}},
		"removed without a lane":   {[]step{assign(1), remove(2)}, nil, []int{1, 0}, []int{1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewLanes(2)
			for i, s := range c.steps {
				before := l
				next, err := s(l)
				if l != before {
					t.Fatal("a value was changed through its copy")
				}
				last := i == len(c.steps)-1
				if last && !errors.Is(err, c.want) || !last && err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				if err == nil {
					l = next
				}
			}
			for epoch, want := range map[uint64][]int{10: c.now, 11: c.then} {
				var ids []ID
				idle := 0
				for lane, n := range want {
					if n == 0 {
						ids, idle = append(ids, ID{}), idle+1
						continue
					}
					ids = append(ids, id(n))
					if a, ok := l.Of(id(n), epoch); !ok || a.Lane != lane {
						t.Errorf("epoch %d: %+v, %v", epoch, a, ok)
					}
				}
				if got := l.Assigned(epoch); !slices.Equal(got, ids) {
					t.Errorf("epoch %d: %v", epoch, got)
				}
				if l.Idle(epoch) != idle {
					t.Errorf("epoch %d: %d idle", epoch, l.Idle(epoch))
				}
			}
		})
	}
	if (Lanes{}).Count() != 0 || len((Lanes{}).Assigned(0)) != 0 {
		t.Error("the zero value has lanes")
	}
	if _, err := (Lanes{}).Assign(id(1), 0); err != ErrNoIdleLane {
		t.Errorf("without lanes: %v", err)
	}
}

// A lane that a contact has left is another's from that epoch on.
func TestLaneIsReused(t *testing.T) {
	l, err := NewLanes(1).Assign(id(1), 5)
	if err != nil {
		t.Fatal(err)
	}
	if l, err = l.ReleaseAt(id(1), 5, 8); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Assign(id(2), 7); err != ErrNoIdleLane {
		t.Errorf("before it leaves: %v", err)
	}
	l2, err := l.Assign(id(2), 8)
	if err != nil || l2.Assigned(8)[0] != id(2) {
		t.Errorf("after it left: %v", err)
	}
	if _, err := l.ReleaseAt(id(1), 5, 5); err == nil {
		t.Error("leaving in the past is accepted")
	}
	if _, err := l.Release(id(1), 8, params(t, "small")); err != ErrNoLane {
		t.Errorf("freeing what is gone: %v", err)
	}
}

// The draw is uniform over the next hour, both ends included.
func TestReleaseIsUniform(t *testing.T) {
	p := params(t, "small")
	if w := ReleaseWindow(p); w != 30 {
		t.Fatalf("an hour has %d epochs", w)
	}
	if w := ReleaseWindow(params(t, "demo")); w != 1 {
		t.Errorf("demo: %d epochs", w)
	}
	long := p
	long.Epoch, long.EpochCap = 7*24*time.Hour, 8*24*time.Hour
	if w := ReleaseWindow(long); w != 1 {
		t.Errorf("epochs of a week: %d", w)
	}
	l, err := NewLanes(4).Assign(id(1), 100)
	if err != nil {
		t.Fatal(err)
	}
	const draws = 6000
	seen := map[uint64]int{}
	for range draws {
		next, err := l.Release(id(1), 100, p)
		if err != nil {
			t.Fatal(err)
		}
		a, ok := next.Of(id(1), 100)
		if !ok {
			t.Fatal("the lane is gone at once")
		}
		seen[a.Leaves]++
		if again, err := next.Release(id(1), 100, p); err != nil || again != next {
			t.Fatal("asking again draws again")
		}
	}
	chi := 0.0
	for e := uint64(101); e <= 130; e++ {
		d := float64(seen[e]) - draws/30
		chi += d * d / (draws / 30)
		delete(seen, e)
	}
	if len(seen) > 0 {
		t.Errorf("outside of the hour: %v", seen)
	}
	if chi > 80 { // 29 degrees of freedom: 1 in a million
		t.Errorf("not uniform: chi² = %.0f", chi)
	}
}

func TestRestoreLanes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLanes(t)
		got, err := RestoreLanes(l.Count(), l.All())
		if err != nil || got != l {
			t.Fatalf("%+v, %v", got, err)
		}
	})
	for name, bad := range map[string][]Assignment{
		"a lane twice":       {{0, id(1), 0}, {0, id(2), 0}},
		"a contact twice":    {{0, id(1), 0}, {1, id(1), 0}},
		"a negative lane":    {{-1, id(1), 0}},
		"nobody":             {{0, ID{}, 0}},
		"a parked one twice": {{7, id(1), 0}, {0, id(1), 0}},
	} {
		if _, err := RestoreLanes(4, bad); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	l, err := RestoreLanes(2, []Assignment{{1, id(1), 0}, {3, id(2), 9}})
	if err != nil || len(l.All()) != 1 {
		t.Errorf("a lane that the network no longer has: %+v, %v", l, err)
	}
}

func drawLanes(t *rapid.T) Lanes {
	l := NewLanes(rapid.IntRange(0, wire.MaxLanes).Draw(t, "lanes"))
	for i := range rapid.IntRange(0, 20).Draw(t, "changes") {
		epoch := uint64(10 + i)
		who := id(rapid.IntRange(1, 6).Draw(t, "who"))
		var next Lanes
		var err error
		switch rapid.IntRange(0, 3).Draw(t, "what") {
		case 0, 1:
			next, err = l.Assign(who, epoch)
		case 2:
			next, err = l.ReleaseAt(who, epoch, epoch+uint64(rapid.IntRange(1, 5).Draw(t, "delay")))
		case 3:
			next = l.Remove(who, epoch)
		}
		if err == nil {
			l = next
		}
	}
	return l
}

// Whatever a user does: a contact has one lane at most; nobody but the contact
// asked about gains or loses a lane; and a lane that is taken away stays until an
// epoch after the present one, unless the contact itself is removed.
func TestLanesInvariants(t *testing.T) {
	p := params(t, "small")
	rapid.Check(t, func(t *rapid.T) {
		l := NewLanes(rapid.IntRange(1, 4).Draw(t, "lanes"))
		epoch := uint64(100)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			before := l
			who := id(rapid.IntRange(1, 6).Draw(t, "who"))
			what := rapid.SampledFrom([]string{"assign", "release", "remove", "time", "advance"}).Draw(t, "what")
			var next Lanes
			var err error
			switch what {
			case "assign":
				next, err = l.Assign(who, epoch)
			case "release":
				next, err = l.Release(who, epoch, p)
			case "remove":
				next = l.Remove(who, epoch)
			case "time":
				epoch += uint64(rapid.IntRange(0, 40).Draw(t, "epochs"))
				continue
			case "advance":
				next = l
				next.Advance(epoch)
			}
			if err == nil {
				l = next
			}
			had, has := before.Assigned(epoch), l.Assigned(epoch)
			seen := map[ID]bool{}
			for i := range has {
				if has[i] != (ID{}) && seen[has[i]] {
					t.Fatalf("%s: a contact has two lanes: %v", what, has)
				}
				seen[has[i]] = true
				if has[i] != had[i] && (has[i] != who && had[i] != who || what == "release" || what == "advance") {
					t.Fatalf("%s of %v changed lane %d from %v to %v at once", what, who, i, had[i], has[i])
				}
			}
			later := l.Assigned(epoch + ReleaseWindow(p))
			if what == "release" && err == nil && slices.Contains(later, who) {
				t.Fatal("an hour after it was freed the lane is still there")
			}
			if what == "assign" && err == nil && !slices.Contains(later, who) {
				t.Fatal("a lane that was given goes by itself")
			}
		}
	})
}
