package linktest_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/link/linktest"
)

var start = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// at is d after the start of a test's clock.
func at(d time.Duration) time.Time { return start.Add(d) }

const ms = time.Millisecond

// probe is a node that writes down what happens to it, and does what its
// functions say.
type probe struct {
	env    link.Env
	log    []string
	peers  []link.Peer // connected now
	starts func(now time.Time)
	meets  func(now time.Time, p link.Peer)
	hears  func(now time.Time, p link.Peer, frame []byte)
	wakes  func(now time.Time)
}

func (n *probe) note(now time.Time, format string, args ...any) {
	n.log = append(n.log, fmt.Sprintf("%v ", now.Sub(start))+fmt.Sprintf(format, args...))
}

func (n *probe) Start(now time.Time, env link.Env) {
	n.env = env
	if n.starts != nil {
		n.starts(now)
	}
}

func (n *probe) Connected(now time.Time, p link.Peer) {
	n.note(now, "up %v", p)
	n.peers = append(n.peers, p)
	if n.meets != nil {
		n.meets(now, p)
	}
}

func (n *probe) Disconnected(now time.Time, p link.Peer) {
	what := "down"
	if p.Conn == 0 {
		what = "failed"
	}
	n.note(now, "%s %v", what, p)
	n.peers = slices.DeleteFunc(n.peers, func(o link.Peer) bool { return o == p })
}

func (n *probe) Received(now time.Time, p link.Peer, frame []byte) {
	n.note(now, "got %s", frame)
	if n.hears != nil {
		n.hears(now, p, frame)
	}
}

func (n *probe) Woken(now time.Time) {
	n.note(now, "woken")
	if n.wakes != nil {
		n.wakes(now)
	}
}

func (n *probe) expect(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(n.log, want) {
		t.Errorf("happened\n\t%q\nwant\n\t%q", n.log, want)
	}
	n.log = nil
}

// exact removes all jitter: one millisecond for everything.
func exact(n *linktest.Net) *linktest.Net {
	n.Latency = func(string, string, *rand.Rand) time.Duration { return ms }
	n.Work = func(string, link.Lane, *rand.Rand) time.Duration { return ms }
	return n
}

// couple is a network of a relay and an entry that dials it.
func couple() (n *linktest.Net, relay, entry *probe) {
	n, relay, entry = exact(linktest.New(1, start)), &probe{}, &probe{}
	entry.starts = func(time.Time) { entry.env.Dial(link.Target{Role: link.RoleRelay}) }
	n.Add("relay", relay, linktest.Options{Identity: link.Peer{Role: link.RoleRelay}})
	n.Add("entry", entry, linktest.Options{Identity: link.Peer{Role: link.RoleEntry}})
	return n, relay, entry
}

func TestConnectAndTalk(t *testing.T) {
	n, relay, entry := couple()
	relay.hears = func(_ time.Time, p link.Peer, f []byte) {
		relay.env.Send(p, append([]byte("re "), f...))
		f[0] = 'X' // its own to change
	}
	shared := []byte("a")
	entry.meets = func(now time.Time, p link.Peer) {
		entry.env.SendAt(now.Add(5*ms), p, []byte("timed"))
		entry.env.Send(p, shared)
	}
	n.Run(at(10 * ms))
	relay.expect(t, "1.001ms up entry", "2.001ms got a", "7.001ms got timed")
	entry.expect(t, "1.001ms up relay 1", "3.001ms got re a", "8.001ms got re timed")
	if string(shared) != "a" {
		t.Error("the receiver changed the sender's frame")
	}
	if n.Now() != at(10*ms) {
		t.Errorf("the clock stands at %v", n.Now().Sub(start))
	}
}

func TestLostConnectionTakesWhatIsUnderWay(t *testing.T) {
	n, relay, entry := couple()
	n.Run(at(2 * ms))
	relay.log, entry.log = nil, nil
	old := entry.peers[0]
	n.Do("entry", func(now time.Time) {
		entry.env.Send(old, []byte("in flight"))
		entry.env.SendAt(now.Add(5*ms), old, []byte("planned"))
	})
	n.Break("entry", "relay")
	n.Do("entry", func(time.Time) { entry.env.Send(old, []byte("late")) })
	n.Run(at(20 * ms))
	relay.expect(t, "3ms down entry")
	entry.expect(t, "3ms down relay 1")
	// A new connection is another one.
	n.Do("entry", func(time.Time) { entry.env.Dial(link.Target{Role: link.RoleRelay}) })
	n.Run(at(30 * ms))
	n.Do("entry", func(time.Time) {
		entry.env.Send(old, []byte("to the old one"))
		entry.env.Drop(entry.peers[0])
		entry.env.Send(entry.peers[0], []byte("after the drop"))
	})
	n.Run(at(40 * ms))
	relay.expect(t, "21.001ms up entry", "31ms down entry")
	entry.expect(t, "21.001ms up relay 1", "31ms down relay 1")
}

func TestCutAndPartition(t *testing.T) {
	n, relay, entry := couple()
	n.Cut("entry", "relay")
	n.Run(at(5 * ms))
	entry.expect(t, "1.001ms failed relay 1")
	n.Heal("entry", "relay")
	dial := func(time.Time) { entry.env.Dial(link.Target{Role: link.RoleRelay}) }
	n.Do("entry", dial)
	n.Run(at(10 * ms))
	n.Partition("relay")
	n.Do("entry", dial)
	n.Run(at(20 * ms))
	n.HealAll()
	n.Do("entry", dial)
	n.Run(at(30 * ms))
	relay.expect(t, "6.001ms up entry", "11ms down entry", "21.001ms up entry")
	entry.expect(t, "6.001ms up relay 1", "11ms down relay 1", "11.001ms failed relay 1", "21.001ms up relay 1")
	// Broken while it is being made: a failed dial for one, nothing for the other.
	n.Do("entry", dial)
	n.Run(at(30*ms + 500*time.Microsecond))
	n.Break("entry", "relay")
	n.Run(at(40 * ms))
	relay.expect(t, "31.5ms down entry")
	entry.expect(t, "31.5ms down relay 1", "31.5ms failed relay 1")
	if n.Do("entry", func(time.Time) { entry.env.Dial(link.Target{Role: link.RoleRelay, Index: 3}) }); true {
		n.Run(at(50 * ms))
	}
	entry.expect(t, "41.001ms failed relay 4")
}

func TestNewerConnectionOfAStationReplacesTheOlder(t *testing.T) {
	n, entry, station := exact(linktest.New(1, start)), &probe{}, &probe{}
	n.Add("entry", entry, linktest.Options{Identity: link.Peer{Role: link.RoleEntry}})
	n.Add("s", station, linktest.Options{Identity: link.Peer{Role: link.RoleStation, Account: [32]byte{9}}})
	dial := func(time.Time) { station.env.Dial(link.Target{Role: link.RoleEntry}) }
	n.Do("s", dial)
	n.Run(at(5 * ms))
	n.Do("s", dial)
	n.Run(at(10 * ms))
	entry.expect(t, "1.001ms up station", "6.001ms down station", "6.001ms up station")
	if len(entry.peers) != 1 || entry.peers[0].Account != [32]byte{9} || entry.peers[0].Conn != 2 {
		t.Errorf("the entry is left with %v", entry.peers)
	}
}

func TestCrashAndRestart(t *testing.T) {
	n, relay, entry := couple()
	n.Run(at(2 * ms))
	relay.log, entry.log = nil, nil
	n.Do("relay", func(now time.Time) {
		relay.env.WakeAt(now.Add(ms))
		relay.env.SendAt(now.Add(ms), relay.peers[0], []byte("never"))
		relay.env.Go(link.LaneDisk, func() {}, func(now time.Time) { relay.note(now, "done") })
	})
	n.Crash("relay")
	if n.Alive("relay") {
		t.Error("alive after a crash")
	}
	n.Run(at(10 * ms))
	relay.expect(t)
	entry.expect(t, "3ms down relay 1")
	n.Do("entry", func(time.Time) { entry.env.Dial(link.Target{Role: link.RoleRelay}) })
	n.Run(at(20 * ms))
	entry.expect(t, "11.001ms failed relay 1")
	again := &probe{}
	n.Add("relay", again, linktest.Options{Identity: link.Peer{Role: link.RoleRelay}})
	n.Do("entry", func(time.Time) { entry.env.Dial(link.Target{Role: link.RoleRelay}) })
	n.Run(at(30 * ms))
	again.expect(t, "21.001ms up entry")
	relay.expect(t)
}

func TestSkewedClocks(t *testing.T) {
	n, relay, entry := exact(linktest.New(1, start)), &probe{}, &probe{}
	n.Add("relay", relay, linktest.Options{Identity: link.Peer{Role: link.RoleRelay}, Skew: time.Hour})
	entry.starts = func(time.Time) { entry.env.Dial(link.Target{Role: link.RoleRelay}) }
	n.Add("entry", entry, linktest.Options{Identity: link.Peer{Role: link.RoleEntry}, Skew: -time.Second})
	n.Run(at(2 * ms))
	n.Do("relay", func(now time.Time) {
		relay.env.WakeAt(now.Add(4 * ms))
		relay.env.SendAt(now.Add(6*ms), relay.peers[0], []byte("a"))
		relay.env.WakeAt(now.Add(time.Second))
	})
	n.Run(at(10 * ms))
	relay.expect(t, "1h0m0.001001s up entry", "1h0m0.006s woken")
	entry.expect(t, "-998.999ms up relay 1", "-991ms got a")
	// A clock that is set takes along what was asked for by it.
	n.SetSkew("relay", time.Hour+990*ms)
	n.Run(at(20 * ms))
	relay.expect(t, "1h0m1.002s woken")
	n.Do("relay", func(now time.Time) { relay.env.WakeAt(now.Add(ms)) })
	n.SetSkew("relay", 0)
	n.Run(at(time.Hour + 2*time.Second))
	relay.expect(t, "1h0m1.011s woken")
}

func TestStallDelaysTheNodeAndNothingElse(t *testing.T) {
	n, relay, entry := couple()
	n.Run(at(2 * ms))
	relay.log, entry.log = nil, nil
	worked := time.Time{}
	n.Do("relay", func(now time.Time) {
		relay.env.SendAt(now.Add(3*ms), relay.peers[0], []byte("on time"))
		relay.env.WakeAt(now.Add(2 * ms))
		relay.env.Go(link.LaneCompute, func() { worked = n.Now() }, func(now time.Time) { relay.note(now, "done") })
	})
	n.Do("entry", func(now time.Time) {
		for i := range 3 {
			entry.env.SendAt(now.Add(time.Duration(8+i)*ms), entry.peers[0], fmt.Appendf(nil, "%d", i))
		}
	})
	n.Stall("relay", 10*ms)
	n.Run(at(20 * ms))
	relay.expect(t, "12ms done", "12ms woken", "12ms got 0", "12ms got 1", "13ms got 2")
	entry.expect(t, "6ms got on time")
	if worked != at(2*ms) {
		t.Errorf("work aside ran at %v", worked.Sub(start))
	}
	n.Do("relay", func(now time.Time) { relay.env.WakeAt(now.Add(2 * ms)) })
	n.Run(at(30 * ms))
	relay.expect(t, "22ms woken")
}

func TestLanes(t *testing.T) {
	n, relay, _ := couple()
	n.Run(at(2 * ms))
	relay.log = nil
	var order []string
	n.Work = func(name string, lane link.Lane, _ *rand.Rand) time.Duration {
		if name != "relay" {
			t.Errorf("work of %s", name)
		}
		return map[link.Lane]time.Duration{link.LaneCompute: ms, link.LaneDisk: 5 * ms, link.LaneMark: 2 * ms}[lane]
	}
	n.Do("relay", func(time.Time) {
		for i := range 3 {
			for lane, name := range []string{"compute", "disk", "mark"} {
				relay.env.Go(link.Lane(lane), func() { order = append(order, fmt.Sprint(name, i)) },
					func(now time.Time) { relay.note(now, "%s %d", name, i) })
			}
		}
	})
	n.Run(at(30 * ms))
	relay.expect(t, "3ms compute 0", "3ms compute 1", "3ms compute 2", "4ms mark 0", "6ms mark 1", "7ms disk 0", "8ms mark 2", "12ms disk 1", "17ms disk 2")
	disk := slices.DeleteFunc(order, func(s string) bool { return s[0] != 'd' })
	if !slices.Equal(disk, []string{"disk0", "disk1", "disk2"}) {
		t.Errorf("the disk worked in the order %v", disk)
	}
}

func TestFilterAndTrace(t *testing.T) {
	n, relay, entry := couple()
	n.Run(at(2 * ms))
	relay.log = nil
	n.Filter = func(_ time.Time, from, to string, f []byte) []linktest.Delivery {
		if from != "entry" || to != "relay" {
			t.Errorf("a frame from %s to %s", from, to)
		}
		switch f[0] {
		case 'd':
			return nil
		case '2':
			return []linktest.Delivery{{Frame: f}, {Frame: []byte("forged")}}
		case 's':
			return []linktest.Delivery{{Frame: f, Delay: 5 * ms}}
		case 'b':
			n.Break("entry", "relay")
		}
		return []linktest.Delivery{{Frame: f}}
	}
	var seen string
	n.Trace = func(now time.Time, _, _ string, f []byte) { seen += fmt.Sprint(now.Sub(start), " ", len(f), " ") }
	n.Do("entry", func(time.Time) {
		for _, f := range []string{"drop", "2", "slow", "after it"} {
			entry.env.Send(entry.peers[0], []byte(f))
		}
	})
	n.Run(at(10 * ms))
	relay.expect(t, "3ms got 2", "3ms got forged", "8ms got slow", "8ms got after it")
	n.Do("entry", func(time.Time) {
		entry.env.Send(entry.peers[0], []byte("break"))
		entry.env.Send(entry.peers[0], []byte("unsent"))
	})
	n.Run(at(20 * ms))
	relay.expect(t, "11ms down entry")
	if want := "2ms 4 2ms 1 2ms 4 2ms 8 10ms 5 "; seen != want {
		t.Errorf("traced %q, want %q", seen, want)
	}
}

func TestBandwidth(t *testing.T) {
	n, relay, entry := couple()
	n.Run(at(2 * ms))
	relay.log = nil
	n.Bandwidth = func(from, _ string) int64 {
		if from == "entry" {
			return 1000
		}
		return 0
	}
	n.Do("entry", func(time.Time) {
		entry.env.Send(entry.peers[0], []byte("12345"))
		entry.env.Send(entry.peers[0], []byte("12"))
	})
	n.Do("relay", func(time.Time) { relay.env.Send(relay.peers[0], []byte("fast")) })
	n.Run(at(20 * ms))
	relay.expect(t, "8ms got 12345", "10ms got 12")
	if got := entry.log[len(entry.log)-1]; got != "3ms got fast" {
		t.Errorf("the other direction: %s", got)
	}
}

func TestWakesAreOncePerTimeAndNeverStopTheClock(t *testing.T) {
	n, relay, _ := couple()
	n.Run(at(2 * ms))
	relay.log = nil
	n.Do("relay", func(now time.Time) {
		for range 3 {
			relay.env.WakeAt(now.Add(5 * ms))
			relay.env.WakeAt(now.Add(2 * ms))
		}
	})
	n.Run(at(10 * ms))
	relay.expect(t, "4ms woken", "7ms woken")
	count := 0
	relay.wakes = func(now time.Time) { count++; relay.env.WakeAt(now) } // for ever, as soon as can be
	n.Do("relay", func(now time.Time) { relay.env.WakeAt(now.Add(-time.Hour)) })
	n.Run(at(11 * ms))
	if count != 1000 {
		t.Errorf("woken %d times in a millisecond", count)
	}
}

// gossip is a node that lives on its seeded source: it dials, sends, works,
// sleeps, drops.
type gossip struct {
	probe
	rng   *rand.Rand
	relay int
}

func newGossip(i int) *gossip {
	g := &gossip{rng: rand.New(rand.NewPCG(uint64(i), 77)), relay: i}
	g.starts = func(now time.Time) { g.env.WakeAt(now.Add(ms)) }
	g.hears = func(now time.Time, p link.Peer, f []byte) {
		if g.rng.IntN(3) == 0 {
			g.env.Send(p, append(f, 'x')[:min(len(f)+1, 40)])
		}
	}
	g.wakes = func(now time.Time) {
		g.env.WakeAt(now.Add(5 * ms))
		if len(g.peers) < 3 {
			g.env.Dial(link.Target{Role: link.RoleRelay, Index: g.rng.IntN(12)})
			return
		}
		p := g.peers[g.rng.IntN(len(g.peers))]
		switch g.rng.IntN(8) {
		case 0:
			g.env.Drop(p)
		case 1:
			sum := 0
			g.env.Go(link.Lane(g.rng.IntN(3)), func() { sum = 41 }, func(now time.Time) { g.note(now, "worked %d", sum) })
		default:
			g.env.SendAt(now.Add(time.Duration(g.rng.IntN(8))*ms), p, []byte("hello"))
		}
	}
	return g
}

// live runs twelve of them through faults and returns a digest of all that
// happened.
func live(seed uint64, workers int) (string, int) {
	n := linktest.New(seed, start)
	n.Workers = workers
	frames := 0
	trace := sha256.New()
	n.Trace = func(now time.Time, from, to string, f []byte) {
		frames++
		fmt.Fprintln(trace, now.Sub(start), from, to, len(f))
	}
	var nodes []*gossip
	add := func(i int) {
		g := newGossip(i)
		nodes = append(nodes, g)
		n.Add(fmt.Sprint(i), g, linktest.Options{Identity: link.Peer{Role: link.RoleRelay, Index: i}, Skew: time.Duration(i) * ms})
	}
	for i := range 12 {
		add(i)
	}
	for k := range 40 {
		n.Run(at(time.Duration(k) * 50 * ms))
		switch i := n.Rand().IntN(12); k % 4 {
		case 0:
			n.Crash(fmt.Sprint(i))
			add(i)
		case 1:
			n.Partition(fmt.Sprint(i))
		case 2:
			n.HealAll()
		case 3:
			n.Stall(fmt.Sprint(i), 20*ms)
		}
	}
	for _, g := range nodes {
		for _, l := range g.log {
			fmt.Fprintln(trace, l)
		}
	}
	return fmt.Sprintf("%x", trace.Sum(nil)), frames
}

func TestSameSeedSameSchedule(t *testing.T) {
	first, frames := live(7, 1)
	if frames < 1000 {
		t.Fatalf("only %d frames: nothing is tested", frames)
	}
	for _, workers := range []int{1, 2, 4} {
		if again, _ := live(7, workers); again != first {
			t.Errorf("seed 7 with %d workers went otherwise", workers)
		}
	}
	if other, _ := live(8, 2); other == first {
		t.Error("another seed went the same way")
	}
}

// TestJitterNeverReorders sends a long sequence over a link of wild latency.
func TestJitterNeverReorders(t *testing.T) {
	n, relay, entry := couple()
	n.Latency = func(_, _ string, r *rand.Rand) time.Duration { return time.Duration(r.Int64N(int64(50 * ms))) }
	next := uint32(0)
	relay.hears = func(_ time.Time, _ link.Peer, f []byte) {
		if got := binary.BigEndian.Uint32(f); got != next {
			t.Fatalf("frame %d came in place of %d", got, next)
		}
		next++
	}
	entry.meets = func(now time.Time, p link.Peer) {
		for i := range 500 {
			entry.env.SendAt(now.Add(time.Duration(i)*ms), p, binary.BigEndian.AppendUint32(nil, uint32(i)))
		}
	}
	n.Run(at(time.Second))
	if next != 500 {
		t.Errorf("%d of 500 came", next)
	}
}

func TestMisuseIsReported(t *testing.T) {
	n, _, entry := couple()
	n.Run(at(2 * ms))
	n.Crash("relay")
	for what, f := range map[string]func(){
		"an empty frame": func() { n.Do("entry", func(time.Time) { entry.env.Send(link.Peer{}, nil) }) },
		"a giant":        func() { n.Do("entry", func(time.Time) { entry.env.Send(link.Peer{}, make([]byte, link.MaxFrame+1)) }) },
		"a second node":  func() { n.Add("entry", &probe{}, linktest.Options{}) },
		"a dead node":    func() { n.Do("relay", func(time.Time) {}) },
		"an unknown one": func() { n.Crash("nobody") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s passes", what)
				}
			}()
			f()
		}()
	}
}

// quiet is a station's rhythm without its work: every round a cell frame at its
// time, a commit on the disk, an answer from the entry.
type quiet struct {
	env   link.Env
	entry link.Peer
	cells []byte
	next  time.Time
}

func (q *quiet) Start(now time.Time, env link.Env) {
	q.env, q.next = env, now.Add(time.Second)
	env.Dial(link.Target{Role: link.RoleEntry})
	env.WakeAt(q.next)
}
func (q *quiet) Connected(_ time.Time, p link.Peer)          { q.entry = p }
func (q *quiet) Disconnected(time.Time, link.Peer)           {}
func (q *quiet) Received(_ time.Time, _ link.Peer, _ []byte) {}
func (q *quiet) Woken(time.Time) {
	q.env.SendAt(q.next.Add(500*ms), q.entry, q.cells)
	q.env.Go(link.LaneDisk, func() {}, func(time.Time) {})
	q.next = q.next.Add(time.Second)
	q.env.WakeAt(q.next)
}

// mirror is an entry that answers every frame.
type mirror struct{ env link.Env }

func (m *mirror) Start(_ time.Time, env link.Env)             { m.env = env }
func (m *mirror) Connected(time.Time, link.Peer)              {}
func (m *mirror) Disconnected(time.Time, link.Peer)           {}
func (m *mirror) Received(_ time.Time, p link.Peer, f []byte) { m.env.Send(p, f) }
func (m *mirror) Woken(time.Time)                             {}

// BenchmarkStationRound is the fake's own cost per station and round: six events.
// A hundred stations for two hours of rounds of a second are 720,000 of them.
func BenchmarkStationRound(b *testing.B) {
	n := linktest.New(1, start)
	n.Add("entry", &mirror{}, linktest.Options{Identity: link.Peer{Role: link.RoleEntry}})
	for i := range 100 {
		n.Add(fmt.Sprint(i), &quiet{cells: make([]byte, 4125)}, linktest.Options{Identity: link.Peer{Role: link.RoleStation, Account: [32]byte{byte(i)}}})
	}
	b.ReportAllocs()
	b.ResetTimer()
	n.Run(at(time.Duration(b.N/100+1) * time.Second))
}
