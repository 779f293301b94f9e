package link_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"backchannel/internal/link"
	"backchannel/internal/suite"
)

// TestMain wants every goroutine to end, on a busy machine within half a minute.
func TestMain(m *testing.M) {
	code := m.Run()
	for tries := 0; code == 0; tries++ {
		err := goleak.Find() // waits for a second or so
		if err == nil {
			break
		}
		if tries == 30 {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// scripted is a node made of functions.
type scripted struct {
	env          link.Env
	start        func(now time.Time)
	connected    func(now time.Time, p link.Peer)
	disconnected func(now time.Time, p link.Peer)
	received     func(now time.Time, p link.Peer, frame []byte)
	woken        func(now time.Time)
}

func (s *scripted) Start(now time.Time, env link.Env) {
	s.env = env
	if s.start != nil {
		s.start(now)
	}
}
func (s *scripted) Connected(now time.Time, p link.Peer) {
	if s.connected != nil {
		s.connected(now, p)
	}
}
func (s *scripted) Disconnected(now time.Time, p link.Peer) {
	if s.disconnected != nil {
		s.disconnected(now, p)
	}
}
func (s *scripted) Received(now time.Time, p link.Peer, frame []byte) {
	if s.received != nil {
		s.received(now, p, frame)
	}
}
func (s *scripted) Woken(now time.Time) {
	if s.woken != nil {
		s.woken(now)
	}
}

func pinOf(k ed25519.PrivateKey) link.PinnedKey {
	return link.PinnedKey(k.Public().(ed25519.PublicKey))
}

// drive runs loops until the test ends and waits for all their goroutines.
func drive(t *testing.T, loops ...*link.Loop) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, l := range loops {
		wg.Go(func() {
			if err := l.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// waitFor fails the test when nothing comes for a long time.
func waitFor[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(time.Minute):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

func TestServersTalkOverPinnedTLS(t *testing.T) {
	relayKey, entryKey := suite.TLSKey(suite.RandomKey()), suite.TLSKey(suite.RandomKey())
	ln, err := link.ListenTLS("127.0.0.1:0", relayKey, map[link.PinnedKey]link.Peer{pinOf(entryKey): {Role: link.RoleEntry}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	big := bytes.Repeat([]byte{7}, link.MaxFrame)
	relay := &scripted{}
	relay.received = func(_ time.Time, p link.Peer, frame []byte) {
		if p.Role != link.RoleEntry {
			t.Errorf("the dialler was taken for %v", p)
		}
		relay.env.Send(p, frame)
	}
	got := make(chan []byte, 4)
	entry := &scripted{received: func(_ time.Time, _ link.Peer, f []byte) { got <- f }}
	entry.start = func(time.Time) { entry.env.Dial(link.Target{Role: link.RoleRelay}) }
	entry.connected = func(_ time.Time, p link.Peer) {
		entry.env.Send(p, []byte("first"))
		entry.env.Send(p, big)
	}
	drive(t, link.NewLoop(link.LoopConfig{Node: relay, Listeners: []link.Listener{ln}}),
		link.NewLoop(link.LoopConfig{Node: entry, Dial: func(ctx context.Context, tg link.Target) (link.Conn, error) {
			return link.DialTLS(ctx, ln.Addr().String(), entryKey, pinOf(relayKey), link.RoleEntry, link.Peer{Role: tg.Role})
		}}))
	if f := waitFor(t, got, "the first frame"); string(f) != "first" {
		t.Errorf("the first frame came back as %q", f)
	}
	if f := waitFor(t, got, "the large frame"); !bytes.Equal(f, big) {
		t.Error("the large frame came back changed")
	}
}

func TestWrongPinIsRefused(t *testing.T) {
	relayKey, entryKey, other := suite.TLSKey(suite.RandomKey()), suite.TLSKey(suite.RandomKey()), suite.TLSKey(suite.RandomKey())
	ln, err := link.ListenTLS("127.0.0.1:0", relayKey, map[link.PinnedKey]link.Peer{pinOf(entryKey): {Role: link.RoleEntry}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx := context.Background()
	if _, err := link.DialTLS(ctx, ln.Addr().String(), entryKey, pinOf(other), link.RoleEntry, link.Peer{}); err == nil {
		t.Error("a server with another key was accepted")
	}
	c, err := link.DialTLS(ctx, ln.Addr().String(), other, pinOf(relayKey), link.RoleEntry, link.Peer{})
	if err == nil { // TLS 1.3: the client learns of the refusal when it reads
		if _, err = c.ReadFrame(); err == nil {
			t.Error("a client with another key was accepted")
		}
		c.Close()
	}
}

func TestStationProvesItsAccount(t *testing.T) {
	entryKey := suite.TLSKey(suite.RandomKey())
	net := suite.Hash(suite.LabelNetwork, []byte("test"))
	ln, err := link.ListenStations("127.0.0.1:0", entryKey, net, 1<<16, 8, nil)
	if err != nil {
		t.Fatal(err)
	}
	account := suite.NewAccountKey(suite.RandomKey())
	peers, gone := make(chan link.Peer, 4), make(chan link.Peer, 4)
	entry := &scripted{
		connected:    func(_ time.Time, p link.Peer) { peers <- p },
		disconnected: func(_ time.Time, p link.Peer) { gone <- p },
	}
	entry.received = func(_ time.Time, p link.Peer, frame []byte) { entry.env.Send(p, frame) }
	drive(t, link.NewLoop(link.LoopConfig{Node: entry, Listeners: []link.Listener{ln}}))
	dial := func() link.Conn {
		t.Helper()
		times := make(chan time.Time, 1)
		c, err := link.StationDialer{
			Addresses: []string{"127.0.0.1:1", ln.Addr().String()}, Entry: pinOf(entryKey), Net: net, Account: account,
			OnServerTime: func(server, local time.Time) { times <- server },
		}.Dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(<-times); d < -time.Second || d > 20*time.Second {
			t.Errorf("the entry's clock came as %v ago", d)
		}
		return c
	}
	c := dial()
	first := waitFor(t, peers, "the station")
	if first.Account != account.Public() || first.Role != link.RoleStation {
		t.Errorf("the station was taken for %v", first)
	}
	if err := c.WriteFrame([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if f, err := c.ReadFrame(); err != nil || string(f) != "hello" {
		t.Errorf("echo: %q, %v", f, err)
	}
	// A newer connection of the account replaces the older one.
	c2 := dial()
	defer c2.Close()
	if p := waitFor(t, gone, "the old connection to go"); p != first {
		t.Error("another connection went")
	}
	waitFor(t, peers, "the new connection")
	if _, err := c.ReadFrame(); err == nil {
		t.Error("the replaced connection still reads")
	}
	c.Close()
	// Another network's station does not prove anything here.
	bad := link.StationDialer{Addresses: []string{ln.Addr().String()}, Entry: pinOf(entryKey), Account: account}
	if c, err := bad.Dial(context.Background()); err == nil {
		if _, err := c.ReadFrame(); err == nil {
			t.Error("an account was accepted with a signature for another network")
		}
		c.Close()
	}
}

// TestTimedFramesLeaveWhateverTheNodeDoes blocks the node while frames are due.
func TestTimedFramesLeaveWhateverTheNodeDoes(t *testing.T) {
	relayKey, entryKey := suite.TLSKey(suite.RandomKey()), suite.TLSKey(suite.RandomKey())
	ln, err := link.ListenTLS("127.0.0.1:0", relayKey, map[link.PinnedKey]link.Peer{pinOf(entryKey): {Role: link.RoleEntry}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	type arrival struct {
		at time.Time
		n  byte
	}
	const frames = 20
	arrivals := make(chan arrival, frames)
	relay := &scripted{received: func(now time.Time, _ link.Peer, f []byte) { arrivals <- arrival{now, f[1]} }}
	unblock, planned := make(chan struct{}), make(chan []time.Time, 1)
	entry := &scripted{}
	entry.start = func(time.Time) { entry.env.Dial(link.Target{Role: link.RoleRelay}) }
	entry.connected = func(now time.Time, p link.Peer) {
		var times []time.Time
		for i := range frames {
			at := now.Add(time.Duration(i+1) * 50 * time.Millisecond)
			times = append(times, at)
			entry.env.SendAt(at, p, []byte{0, byte(i)})
		}
		planned <- times
		<-unblock // the node is stuck from here on
	}
	drive(t, link.NewLoop(link.LoopConfig{Node: relay, Listeners: []link.Listener{ln}}),
		link.NewLoop(link.LoopConfig{Node: entry, Dial: func(ctx context.Context, tg link.Target) (link.Conn, error) {
			return link.DialTLS(ctx, ln.Addr().String(), entryKey, pinOf(relayKey), link.RoleEntry, link.Peer{Role: tg.Role})
		}}))
	defer close(unblock)
	times := waitFor(t, planned, "the plan")
	var late []time.Duration
	for i, at := range times {
		a := waitFor(t, arrivals, "a timed frame")
		if int(a.n) != i {
			t.Fatalf("frame %d came in place of %d", a.n, i)
		}
		if a.at.Before(at) {
			t.Errorf("frame %d came %v early", i, at.Sub(a.at))
		}
		late = append(late, a.at.Sub(at))
	}
	slices.Sort(late)
	// A quarter, for the machine may stop for a moment: nothing comes as long as
	// something waits for the node.
	if late[len(late)/4] > 500*time.Millisecond {
		t.Errorf("timed frames come late while the node is stuck: %v", late)
	}
}

func TestDiskWorkKeepsItsOrder(t *testing.T) {
	var order []int
	done := make(chan []int, 1)
	n := &scripted{}
	n.start = func(time.Time) {
		for i := range 50 {
			n.env.Go(link.LaneDisk, func() { order = append(order, i) }, func(time.Time) {
				if i == 49 {
					done <- order
				}
			})
		}
	}
	drive(t, link.NewLoop(link.LoopConfig{Node: n}))
	if got := waitFor(t, done, "the work"); !slices.IsSorted(got) || len(got) != 50 {
		t.Errorf("work ran in the order %v", got)
	}
}
