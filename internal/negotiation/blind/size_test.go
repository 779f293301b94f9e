package blind

import (
	"testing"
	"time"
)

// The formulas of docs/negotiation.md, "Bytes", against what a round sends.
func TestBytesPerParty(t *testing.T) {
	digits := func(limit int) (n int) {
		for ; limit > 0; limit /= 2 {
			n++
		}
		return n
	}
	for _, c := range []struct {
		name  string
		p     Params
		want  int
		limit int // the bar, or 0
	}{
		{"single", params(2, nil), 256 + 352, 650},
		{"single of five", params(5, nil), 256 + 352 + 1, 650},
		{"ladder of 1", params(2, ladder(1)), 448 + 352*1, 0},
		{"ladder of 20", params(2, ladder(20)), 448 + 352*20, 0},
		{"ladder of 32", params(2, ladder(32)), 448 + 352*32, 0},
		{"list of 16", params(2, list(16, 4, 0)), 288 + 352*16 + 160*digits(4), 6500},
		{"list of 16, cap 1", params(2, list(16, 1, 0)), 288 + 352*16 + 160*digits(1), 6500},
		{"list of 64", params(2, list(64, 16, 0)), 288 + 352*64 + 160*digits(16), 25000},
		{"list of 16 with tiers", params(2, list(16, 4, 2)), 320 + 800*16 + 160*(digits(4)+digits(2)), 0},
		{"list of 64 with tiers", params(2, list(64, 16, 8)), 320 + 800*64 + 160*(digits(16)+digits(8)), 0},
	} {
		if got := c.p.PartyBytes(); got != c.want {
			t.Errorf("%s: %d bytes per party, the formula says %d", c.name, got, c.want)
		}
		if c.limit > 0 && c.p.PartyBytes() > c.limit {
			t.Errorf("%s: %d bytes per party, the bar is %d", c.name, c.p.PartyBytes(), c.limit)
		}
	}
	// And what is really sent, when every cell is opened.
	for name, p := range map[string]Params{
		"single": params(2, nil), "three": params(3, nil), "ladder": params(2, ladder(3)), "list": params(2, list(8, 2, 0)), "tiers": params(2, list(4, 1, 1)),
	} {
		w := newTable(t, p)
		got := make([]int, len(p.Parties))
		w.mangle = func(m sent) []sent {
			if m.to == (m.from+1)%len(p.Parties) {
				got[m.from] += len(m.raw) - HeaderSize
			}
			return []sent{m}
		}
		answers := []Answer{Yes(), No(), Yes()}[:len(p.Parties)]
		switch p.Mode {
		case Ladder:
			answers = []Answer{NoFigure(), NoFigure()}
		case List:
			none := Approve(make([]Level, p.Items)...)
			answers = []Answer{none, none}
		}
		w.play(answers...)
		w.all(NoMatch, -1)
		for i := range got {
			if got[i] != p.PartyBytes() {
				t.Errorf("%s: party %d sent %d bytes, want %d", name, i, got[i], p.PartyBytes())
			}
		}
	}
}

// Weights of slack: every number up to the cap is a sum of some, none above is.
func TestSlack(t *testing.T) {
	for limit := 1; limit <= MaxList/4; limit++ {
		ws := slack(limit)
		if len(ws) != slackCells(limit) {
			t.Errorf("cap %d: %d weights", limit, len(ws))
		}
		reach := map[int64]bool{}
		for set := range 1 << len(ws) {
			var sum int64
			for i, w := range ws {
				sum += w * int64(set>>i&1)
			}
			reach[sum] = true
		}
		if len(reach) != limit+1 || !reach[0] || !reach[int64(limit)] {
			t.Errorf("cap %d: %v reach %v", limit, ws, reach)
		}
		for n := range limit + 1 {
			var sum int64
			for i, used := range subset(ws, int64(n)) {
				if used {
					sum += ws[i]
				}
			}
			if sum != int64(n) {
				t.Errorf("cap %d: %d is written as %d", limit, n, sum)
			}
		}
	}
}

// whole plays a round in which every cell is opened, both sides' computing.
func whole(t testing.TB, p Params) {
	w := newTable(t, p)
	w.reload = false
	switch p.Mode {
	case Single:
		w.play(Yes(), No())
	default:
		none := Approve(make([]Level, p.Items)...)
		w.play(none, none)
	}
	if w.rounds[0].at != NoMatch {
		t.Fatal(w.rounds[0].at)
	}
}

// The bars for both sides together, single under 20 ms and a list of 64 under
// 0.6 s, as multiples of one scalar multiplication, which takes about 75 µs on the
// machine that the bars are for. Multiplications are measured before and after,
// for about as long as the round takes, so that whatever else the machine does
// slows down both; a machine that is too uneven gets some tries.
func TestComputing(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	point, factor := mulGen(scalar(3)), hashToScalar("backchannel/v1/test", []byte("x"))
	const reference = 75 * time.Microsecond
	for _, c := range []struct {
		name   string
		p      Params
		rounds int // measured together
		bar    time.Duration
	}{
		{"single", params(2, nil), 20, 20 * time.Millisecond},
		{"list of 64", params(2, list(64, 16, 0)), 1, 600 * time.Millisecond},
	} {
		units := int(c.bar / reference)
		unit := func() time.Duration { // of half as many multiplications as the rounds may take
			begun := time.Now()
			for range units * c.rounds / 2 {
				mul(factor, point)
			}
			return time.Since(begun)
		}
		least := 1 << 30
		for try := 0; try < 4 && least > units; try++ {
			before, begun := unit(), time.Now()
			for range c.rounds {
				whole(t, c.p)
			}
			took := time.Since(begun)
			one := (before + unit()) / time.Duration(units*c.rounds)
			ratio := int(took / one / time.Duration(c.rounds))
			t.Logf("%s: %v for both sides, %d scalar multiplications of %v; the bar is %d", c.name, took/time.Duration(c.rounds), ratio, one, units)
			least = min(least, ratio)
		}
		if least > units {
			t.Errorf("%s takes %d scalar multiplications for both sides, the bar is %d", c.name, least, units)
		}
	}
}

func BenchmarkSingle(b *testing.B) {
	for b.Loop() {
		whole(b, params(2, nil))
	}
}

func BenchmarkLadder32(b *testing.B) {
	for b.Loop() {
		w := newTable(b, params(2, ladder(32)))
		w.reload = false
		w.play(NoFigure(), NoFigure())
	}
}

func BenchmarkList16(b *testing.B) {
	for b.Loop() {
		whole(b, params(2, list(16, 4, 0)))
	}
}

func BenchmarkList64(b *testing.B) {
	for b.Loop() {
		whole(b, params(2, list(64, 16, 0)))
	}
}
