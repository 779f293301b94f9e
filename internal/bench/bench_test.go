package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backchannel/internal/mix"
	"backchannel/internal/wire"
)

// tiny is a plan that touches everything in a moment.
var tiny = plan{time.Minute, 3, []int{200}, []int{100}, 60, 100, 50, 4, 1 << 14, []int{3}, 100, 100}

func tinyReport(t *testing.T, deadline time.Time) *Report {
	t.Helper()
	r := &Report{Machine: machine(), plan: tiny, deadline: deadline}
	for _, f := range []func(context.Context) error{
		r.measureMemory, func(ctx context.Context) error { return r.measureSetup(ctx) }, r.measureStation,
		r.measurePaths, r.measurePasses, r.measureLengths,
		func(ctx context.Context) error { return r.measureRounds(ctx, nil) },
	} {
		if err := f(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.compareWithPass()
	r.Targets = r.targets()
	return r
}

// A report has every part, as a table, as JSON and as plots, and every figure of
// it is a number above zero.
func TestReport(t *testing.T) {
	r := tinyReport(t, time.Now().Add(time.Hour))
	if len(r.Pass) == 0 || len(r.Chain) < 2 || len(r.Paths) == 0 || len(r.Relays) != 5 || len(r.Setup.Relays) != chainRelays || len(r.Left) != 0 {
		t.Fatalf("parts are missing: %+v", r)
	}
	for _, s := range []Stat{r.Pass[0].Pass, r.Pass[0].OverCopy, r.Chain[0].PerHop, r.Chain[1].OverCPU, r.Setup.Build, r.Setup.Relays[1].OverOpen, r.Setup.Pair, r.Station.CPUHour} {
		if !(s.Fast > 0 && s.Fast <= s.Median && s.Median <= s.Slow) || s.Repeats != tiny.repeats {
			t.Errorf("odd figures: %+v", s)
		}
	}
	if r.Memory.PerDirection < stateLimit-3 || r.Memory.PerDirection > stateLimit+3 {
		t.Errorf("%v bytes per circuit and direction", r.Memory.PerDirection)
	}
	if first, last := r.Setup.Relays[0], r.Setup.Relays[2]; last.CoreSeconds <= first.CoreSeconds {
		t.Errorf("the last relay, which opens the inner envelopes too, needs %v core-seconds, the first %v", last.CoreSeconds, first.CoreSeconds)
	}

	var table bytes.Buffer
	r.Print(&table)
	for _, want := range []string{r.Machine.Go, "Relay pass", "memory", "tcp", "hpke.Open", "CPU per hour", "Aims"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q", want)
		}
	}
	if strings.Contains(table.String(), "%!") {
		t.Errorf("a verb without its value:\n%s", table.String())
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil || len(back.Chain) != len(r.Chain) {
		t.Errorf("JSON does not come back: %v", err)
	}

	dir := filepath.Join(t.TempDir(), "plots")
	if err := r.Plot(dir); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.svg"))
	if err != nil || len(files) != 6 {
		t.Fatalf("plots: %v, %v", files, err)
	}
	for _, f := range files {
		svg, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
		}
		if s := string(svg); strings.Contains(s, "NaN") || strings.Contains(s, "ZgotmplZ") || !strings.Contains(s, "<polyline") {
			t.Errorf("%s: %s", f, s)
		}
	}
}

// No two costs in one plot look alike.
func TestColours(t *testing.T) {
	for _, c := range []chart{(&Report{}).plotRounds(), (&Report{}).plotCells()} {
		n := 0
		for _, s := range c.series {
			if !s.Dashed {
				n++
			}
		}
		if n > len(colours) {
			t.Errorf("%s: %d lines and %d colours", c.Title, n, len(colours))
		}
	}
}

// Without time or memory a report says what it left out.
func TestLeftOut(t *testing.T) {
	r := tinyReport(t, time.Now().Add(-time.Hour))
	if len(r.Pass) != 0 || len(r.Chain) != 0 || len(r.Left) == 0 || !strings.Contains(r.Left[0], "no time") {
		t.Errorf("left out: %q", r.Left)
	}
	r = &Report{deadline: time.Now().Add(time.Hour)}
	if memoryFree() > 0 && (r.room("much", math.MaxInt) || !strings.Contains(r.Left[0], "memory")) {
		t.Errorf("left out: %q", r.Left)
	}
}

func TestStat(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want Stat
	}{
		{nil, Stat{}},
		{[]float64{3}, Stat{3, 3, 3, 1}},
		{[]float64{9, 1, 5, 3, 7, 2, 8, 4, 6}, Stat{5, 3, 7, 9}},
		{[]float64{4, 1, 3, 2}, Stat{2.5, 1, 4, 4}},
	} {
		if got := statOf(c.in); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.in, got, c.want)
		}
	}
	if got := ratio([]float64{4, 9, 1}, []float64{2, 3, 0}); got != (Stat{2.5, 2, 3, 2}) {
		t.Errorf("ratio: %+v", got)
	}
}

// What is timed is the real thing: circuits that were set up with onions carry each
// cell to the partner's end, in memory and over sockets.
func TestChainCarries(t *testing.T) {
	const n = 8
	for _, link := range []string{"memory", "tcp", "unix"} {
		if link == "unix" && !unixSockets() {
			continue
		}
		t.Run(link, func(t *testing.T) {
			w, err := newWorkshop(chainRelays)
			if err != nil {
				t.Fatal(err)
			}
			batch, rings, err := w.build(n)
			if err != nil {
				t.Fatal(err)
			}
			c := &chain{params: w.p}
			defer c.erase()
			for hop := range chainRelays {
				var s *mix.Set
				if batch, s, err = mix.OpenBatch(w.p, hop, w.outer[hop], w.header, batch, 1); err != nil {
					t.Fatal(err)
				}
				c.sets = append(c.sets, s)
			}
			if err := c.sets[chainRelays-1].Pair(w.header, w.inner, 1); err != nil {
				t.Fatal(err)
			}
			var l *line
			if link != "memory" {
				if l, err = newLine(c, asCells, func(int) (Conn, Conn, error) { return plainPair(link) }); err != nil {
					t.Fatal(err)
				}
				defer l.close()
			}
			cell := w.p.Cell
			for round := uint64(1); round <= 3; round++ {
				if l != nil && round == 2 { // bytes that are only moved use a number and no key
					got := 0
					if err := l.carry(asCells.bytes, make([]byte, n*cell), func(b []byte) { got += len(b) }); err != nil || got != n*cell {
						t.Fatalf("moved %d bytes: %v", got, err)
					}
					continue
				}
				number := c.round + 1
				in := make([]byte, n*cell)
				for i, ring := range rings {
					in[i*cell] = byte(i)
					ring.Seal(number, in[i*cell:(i+1)*cell])
				}
				var answers []byte
				take := func(b []byte) { answers = append(answers, b...) }
				if l == nil {
					err = c.inMemory(in, take)
				} else {
					err = l.carry(asCells.round, in, take)
				}
				if err != nil {
					t.Fatal(err)
				}
				for i, ring := range rings {
					a := answers[i*cell : (i+1)*cell]
					ring.Open(number, a)
					if want := append([]byte{byte(i ^ 1)}, make([]byte, cell-1)...); !bytes.Equal(a, want) {
						t.Fatalf("round %d: circuit %d got %x…, want %x…", number, i, a[:4], want[:4])
					}
				}
			}
			if l == nil {
				return
			}
			// Several at once: the same bytes are other cells in each round.
			in := make([]byte, n*cell)
			var answers []byte
			first := c.round + 1
			if err := l.carryAtOnce(inFlight, asCells.round, in, func(b []byte) { answers = append(answers, b...) }); err != nil {
				t.Fatal(err)
			}
			if len(answers) != inFlight*len(in) {
				t.Fatalf("%d bytes came back", len(answers))
			}
			for k := range inFlight {
				for i, ring := range rings {
					got, want := answers[(k*n+i)*cell:(k*n+i+1)*cell], make([]byte, cell)
					ring.Open(first+uint64(k), got)
					rings[i^1].Seal(first+uint64(k), want) // adds what the relays strip
					if !bytes.Equal(got, want) {
						t.Fatalf("round %d of %d at once: circuit %d got %x…, want %x…", k+1, inFlight, i, got[:4], want[:4])
					}
				}
			}
		})
	}
}

// A relay that refuses ends the line with its reason, and nobody waits for it.
func TestLineFails(t *testing.T) {
	c, err := newChain(chainRelays, 4, 256)
	if err != nil {
		t.Fatal(err)
	}
	c.sets[1].Erase()
	l, err := newLine(c, asCells, func(int) (Conn, Conn, error) { return plainPair("tcp") })
	if err != nil {
		t.Fatal(err)
	}
	if err := l.carry(asCells.round, make([]byte, 4*256), func([]byte) {}); err == nil || !strings.Contains(err.Error(), "relay 2") {
		t.Errorf("error: %v", err)
	}
	if err := l.carryAtOnce(inFlight, asCells.round, make([]byte, 4*256), func([]byte) {}); err == nil || !strings.Contains(err.Error(), "relay 2") {
		t.Errorf("several at once: %v", err)
	}
	if err := l.close(); err == nil {
		t.Error("the failure is forgotten")
	}
	c.erase()
}

// A frame that claims to be longer than any chunk is refused before it is read.
func TestPlainConnRefuses(t *testing.T) {
	a, b, err := plainPair("tcp")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	if err := a.WriteFrame(make([]byte, wire.ChunkHeaderSize+wire.ChunkSize+1)); err == nil {
		if _, err := b.ReadFrame(); err == nil {
			t.Error("a frame that is too long was read")
		}
	}
}

// echo is a crowd that lives here, for the report alone.
type echo struct{ a, b Conn }

func (e echo) Round() error {
	f := make([]byte, wire.CellsHeaderSize)
	if err := e.a.WriteFrame(f); err != nil {
		return err
	}
	_, err := e.b.ReadFrame()
	return err
}

func (e echo) Close() error { return errors.Join(e.a.Close(), e.b.Close()) }

type echoes struct{ room int }

func (e echoes) Room() int { return e.room }

func (echoes) Make(context.Context, int, int, bool) (Crowd, error) {
	a, b, err := plainPair("tcp")
	return echo{a, b}, err
}

// An entry's connections are as many as the limit of open files allows, in both
// kinds at the same time or else one after the other; what does not fit is listed.
func TestConnections(t *testing.T) {
	for _, c := range []struct {
		room, want, left int
		apart            bool
	}{{20_000, 3000, 0, false}, {5000, 3000, 0, true}, {2500, 2400, 1, true}, {150, 0, 1, false}} {
		r := &Report{plan: tiny, deadline: time.Now().Add(time.Hour)}
		r.plan.stations = []int{3000}
		if err := r.measureConnections(t.Context(), echoes{c.room}); err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, x := range r.Connections {
			got = x.Stations
			if x.CPU.Repeats != tiny.repeats || x.LimitCPU.Repeats != tiny.repeats || x.Apart != c.apart || x.OverCPU.Median <= 0 {
				t.Errorf("odd figures: %+v", x)
			}
		}
		if got != c.want || len(r.Left) != c.left {
			t.Errorf("room for %d: %d stations, left out %q", c.room, got, r.Left)
		}
	}
}
