package wire

import (
	"math"
	"testing"
	"time"
)

func scaled(t *testing.T, preset string, stations int) Params {
	t.Helper()
	p, err := Preset(preset)
	if err != nil {
		t.Fatal(err)
	}
	p.T0 = time.Unix(1767225600, 0)
	q, err := p.Scale(stations, PaceOf(preset))
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Check(); err != nil {
		t.Fatalf("%s for %d stations: %v", preset, stations, err)
	}
	return q
}

// A few hundred stations fit the preset as it is; ten thousand do not.
func TestScaleKeepsThePreset(t *testing.T) {
	for preset, n := range map[string]int{"small": 600, "demo": 10} {
		p, _ := Preset(preset)
		q := scaled(t, preset, n)
		if q.Windows != p.Windows || q.Epoch != p.Epoch {
			t.Errorf("%s does not carry %d stations: %v, epoch %v", preset, n, q.Windows, q.Epoch)
		}
	}
	p, _ := Preset("small")
	if q := scaled(t, "small", 10000); q.Windows[PhaseRoster] <= p.Windows[PhaseRoster] || q.Windows[PhaseOnions] <= p.Windows[PhaseOnions] {
		t.Errorf("10000 stations in the windows of a small network: %v", q.Windows)
	}
}

func TestScaleIsMonotonic(t *testing.T) {
	for _, preset := range []string{"small", "demo"} {
		last := scaled(t, preset, 1)
		for n := 2; n <= 20000; n = n*5/4 + 1 {
			q := scaled(t, preset, n)
			for i := range q.Windows {
				if q.Windows[i] < last.Windows[i] {
					t.Fatalf("%s, %d stations: window %v shrank", preset, n, Phase(i))
				}
			}
			if q.Attempts() < 2 || q.EpochCap < 2*q.Epoch {
				t.Fatalf("%s, %d stations: %d attempts in an epoch of %v, cap %v", preset, n, q.Attempts(), q.Epoch, q.EpochCap)
			}
			last = q
		}
	}
}

// By hand, for 2,000 stations with 4 lanes and 3 relays: 16,000 circuits.
func TestScaleByHand(t *testing.T) {
	q := scaled(t, "small", 2000)
	// list 2000·64 = 128,000; three signed headers of 76+1+3373 = 3,450; over 8,000 B/s, and one second.
	roster := (128000.0+3*3450)/8000 + 1
	// mixing: 3·16,000·120 µs = 5.76 s; onions of 6,800, 5,664 and 4,528 bytes over 62.5 MB/s = 4.35 s; in 3/8 of the window.
	onions := (5.76+16000*16992/62.5e6)*8/3 + 1
	// reveal: 5.76 s and one.
	for ph, want := range map[Phase]float64{PhaseRoster: roster, PhaseOnions: onions, PhaseReveal: 6.76, PhaseJoin: 5, PhaseAck: 5} {
		if got := q.Windows[ph].Seconds(); got < want-1e-9 || got > want+0.1 {
			t.Errorf("window %v = %v s, want %.2f s", ph, got, want)
		}
	}
}

func TestScaleRefuses(t *testing.T) {
	p, _ := Preset("small")
	for _, n := range []int{-1, 0, MaxStations + 1} {
		if _, err := p.Scale(n, PaceOf("small")); err == nil {
			t.Errorf("%d stations accepted", n)
		}
	}
}

// The figures of the protocol page, section 5.
func TestTrafficOfSmall(t *testing.T) {
	p, _ := Preset("small")
	tr := p.Traffic(1000)
	if want := 8*512 + 21.0; tr.Cells != want {
		t.Errorf("cells %v B/s, want %v", tr.Cells, want)
	}
	if s := p.Traffic(1000).Success; math.Abs(s-0.94) > 0.005 {
		t.Errorf("success at 1,000 stations %.3f, want 0.94", s)
	}
	if s := p.Traffic(10000).Success; math.Abs(s-0.53) > 0.005 {
		t.Errorf("success at 10,000 stations %.3f, want 0.53", s)
	}
	if want := 1 + 12 + 64 + 8*(1+12+1+6800) + 1 + 12 + 128.0; tr.SetupUp != want {
		t.Errorf("set-up %v bytes up, want %v", tr.SetupUp, want)
	}
}
