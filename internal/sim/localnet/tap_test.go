package localnet

import (
	"errors"
	"testing"
	"time"

	"backchannel/internal/wire"
)

// Compare must see one record more, one that has another size, and ticks that
// differ, and must not mind two that change places.
func TestCompare(t *testing.T) {
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	p.T0 = time.Unix(1_700_000_000, 0)
	line := func(change func(round int, r []Record) []Record) *Tap {
		tap := &Tap{}
		for direction := range tap.records {
			for round := range 200 {
				at := p.T0.Add(time.Duration(round) * p.Round)
				r := []Record{{at, 23, 4113}, {at.Add(time.Millisecond), 23, 46}}
				if round%20 == 0 {
					r = append(r, Record{at.Add(2 * time.Millisecond), 23, 100})
				}
				if direction == 0 && change != nil {
					r = change(round, r)
				}
				tap.records[direction] = append(tap.records[direction], r...)
			}
		}
		return tap
	}
	cut := p.T0.Add(200 * p.Round)
	for _, c := range []struct {
		name   string
		equal  bool
		change func(round int, r []Record) []Record
	}{
		{"the same", true, nil},
		{"two change places", true, func(round int, r []Record) []Record {
			if round == 40 {
				r[0], r[2] = r[2], r[0]
			}
			return r
		}},
		{"some leave late", true, func(round int, r []Record) []Record {
			if round%20 == 7 {
				r[0].At = r[0].At.Add(p.Round)
			}
			return r
		}},
		{"one more", false, func(round int, r []Record) []Record {
			if round == 100 {
				r = append(r, r[0])
			}
			return r
		}},
		{"one less", false, func(round int, r []Record) []Record {
			if round == 100 {
				r = r[1:]
			}
			return r
		}},
		{"another size", false, func(round int, r []Record) []Record {
			if round == 100 {
				r[1].Size++
			}
			return r
		}},
		{"another tick", false, func(_ int, r []Record) []Record {
			for i := range r {
				r[i].At = r[i].At.Add(p.Round)
			}
			return r
		}},
	} {
		err := Compare(line(nil), line(c.change), p, cut)
		if (err == nil) != c.equal {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// Of acknowledgements one may be missing, and those that are under way at the cut.
	const ack = 1 + wire.AttemptSize + 2 + 2 + 1 + 16
	acks := func(count int, at time.Time) *Tap {
		tap := line(nil)
		for range count {
			tap.records[1] = append(tap.records[1], Record{at, 23, ack})
		}
		return tap
	}
	for _, c := range []struct {
		count int
		at    time.Time
		equal bool
	}{{1, p.T0, true}, {2, p.T0, false}, {5, cut.Add(-p.Round), true}, {5, cut.Add(-20 * p.Round), false}, {5, cut, true}} {
		if err := Compare(line(nil), acks(c.count, c.at), p, cut); (err == nil) != c.equal {
			t.Errorf("%d acknowledgements more at %v: %v", c.count, c.at.Sub(p.T0), err)
		}
	}
	// A busy machine delays a third of what leaves, of either.
	busy := func(rest int) func(int, []Record) []Record {
		return func(round int, r []Record) []Record {
			if round%3 == rest {
				for i := range r {
					r[i].At = r[i].At.Add(p.Round)
				}
			}
			return r
		}
	}
	if err := Compare(line(busy(0)), line(busy(1)), p, cut); err != nil {
		t.Errorf("a busy machine: %v", err)
	}
	// One that is so busy may also leave a round out, and what follows is as it was.
	leaves := func(busy func(int, []Record) []Record) *Tap {
		return line(func(round int, r []Record) []Record {
			if r = busy(round, r); round == 50 {
				r = r[1:]
			}
			return r
		})
	}
	for _, c := range [][2]*Tap{{leaves(busy(0)), line(busy(1))}, {line(busy(0)), leaves(busy(1))}} {
		if err := Compare(c[0], c[1], p, cut); err != nil {
			t.Errorf("a busy machine that left a round out: %v", err)
		}
	}
	if Compare(line(busy(0)), line(nil), p, cut) == nil {
		t.Error("a station that is late in every third round was taken for an idle one")
	}
	more := func(round int, r []Record) []Record {
		if round == 100 {
			r = append(r, r[0])
		}
		return r
	}
	if err := Against(line(nil), []*Tap{line(more), line(nil)}, p, cut); err != nil {
		t.Errorf("like one of two idle lines: %v", err)
	}
	if Against(line(more), []*Tap{line(nil), line(nil)}, p, cut) == nil {
		t.Error("a line that is like none of the idle ones was taken for one of them")
	}
	if Compare(&Tap{}, &Tap{}, p, cut) == nil {
		t.Error("lines without a record were taken for equal ones")
	}
}

// One trial of three may fail by chance, two may not.
func TestRepeated(t *testing.T) {
	for _, c := range []struct {
		trials string // what each would find: = equal, x not
		ran    int
		equal  bool
	}{{"=xx", 1, true}, {"x==", 3, true}, {"xx=", 2, false}, {"x=x", 3, false}} {
		ran := 0
		err := Repeated(func() error {
			ran++
			if c.trials[ran-1] == 'x' {
				return errors.New("they differ")
			}
			return nil
		})
		if (err == nil) != c.equal || ran != c.ran {
			t.Errorf("%s: %v after %d trials", c.trials, err, ran)
		}
	}
}
