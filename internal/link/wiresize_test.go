package link_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// tap is a wire with an observer: a TCP proxy that writes down the sizes of the
// TLS records that pass, in each direction.
type tap struct {
	addr string
	mu   sync.Mutex
	seen [2][]int // to the server, to the client
}

func newTap(t *testing.T, target string) *tap {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &tap{addr: ln.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				in.Close()
				continue
			}
			wg.Go(func() { w.pass(0, out, in) })
			wg.Go(func() { w.pass(1, in, out) })
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return w
}

func (w *tap) pass(dir int, to, from net.Conn) {
	defer to.Close()
	for {
		r, err := record(from)
		if err != nil {
			return
		}
		w.mu.Lock()
		w.seen[dir] = append(w.seen[dir], len(r))
		w.mu.Unlock()
		if _, err := to.Write(r); err != nil {
			return
		}
	}
}

// take returns what was seen in a direction since the last time.
func (w *tap) take(dir int) []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.seen[dir]
	w.seen[dir] = nil
	return s
}

// sender is a node that sends frames of given sizes to its peer in one of several
// manners.
func sendFrames(env link.Env, now time.Time, p link.Peer, sizes []int, manner int) {
	for i, n := range sizes {
		f := make([]byte, n)
		switch manner {
		case 0: // all at once, all zero
			f[0] = kinds[i%2]
			env.Send(p, f)
		case 1: // all at once, random
			suite.Random(f)
			f[0] = kinds[i%2]
			env.Send(p, f)
		case 2: // one by one
			suite.Random(f)
			f[0] = kinds[i%2]
			env.SendAt(now.Add(time.Duration(i)*4*time.Millisecond), p, f)
		}
	}
}

// kinds are the types of every other frame: one in TLS, one beside it.
var kinds = [2]byte{1, byte(wire.TypeForward)}

// TestWireSizesFollowFromFrameSizes sends the same sizes at once, spread out, and
// with other content. An observer sees the same records.
func TestWireSizesFollowFromFrameSizes(t *testing.T) {
	sizes := []int{1, 37, 100, 4000, 4096, 4125, 16371, 16372, 16373, 100, 65536, 262_181, 300_000, 37, 3}
	relayKey, entryKey := suite.TLSKey(suite.RandomKey()), suite.TLSKey(suite.RandomKey())
	account := suite.NewAccountKey(suite.RandomKey())
	run := func(t *testing.T, stations bool, manner int) (out, in []int) {
		var ln interface {
			link.Listener
			Addr() net.Addr
		}
		var err error
		if stations {
			ln, err = link.ListenStations("127.0.0.1:0", entryKey, [32]byte{}, link.MaxFrame, 8, nil)
		} else {
			ln, err = link.ListenTLS("127.0.0.1:0", relayKey, map[link.PinnedKey]link.Peer{pinOf(entryKey): {Role: link.RoleEntry}}, 8)
		}
		if err != nil {
			t.Fatal(err)
		}
		w := newTap(t, ln.Addr().String())
		got := make(chan int, 2*len(sizes))
		count := func(_ time.Time, _ link.Peer, f []byte) { got <- len(f) }
		server, client := &scripted{received: count}, &scripted{received: count}
		var ready sync.WaitGroup
		ready.Add(2)
		var toClient, toServer link.Peer
		server.connected = func(_ time.Time, p link.Peer) { toClient = p; ready.Done() }
		client.connected = func(_ time.Time, p link.Peer) { toServer = p; ready.Done() }
		client.start = func(time.Time) { client.env.Dial(link.Target{Role: link.RoleRelay}) }
		dial := func(ctx context.Context, _ link.Target) (link.Conn, error) {
			return link.DialTLS(ctx, w.addr, entryKey, pinOf(relayKey), link.RoleEntry, link.Peer{Role: link.RoleRelay})
		}
		if stations {
			dial = func(ctx context.Context, _ link.Target) (link.Conn, error) {
				return link.StationDialer{Addresses: []string{w.addr}, Entry: pinOf(entryKey), Account: account}.Dial(ctx)
			}
		}
		a := link.NewLoop(link.LoopConfig{Node: server, Listeners: []link.Listener{ln}})
		b := link.NewLoop(link.LoopConfig{Node: client, Dial: dial})
		drive(t, a, b)
		ready.Wait()
		w.take(0)
		w.take(1)
		for _, side := range []struct {
			loop *link.Loop
			node *scripted
			to   *link.Peer
		}{{a, server, &toClient}, {b, client, &toServer}} {
			if err := side.loop.Do(context.Background(), func(now time.Time) { sendFrames(side.node.env, now, *side.to, sizes, manner) }); err != nil {
				t.Fatal(err)
			}
			for i, n := range sizes {
				if g := waitFor(t, got, "a frame"); g != n {
					t.Fatalf("frame %d has %d bytes", i, g)
				}
			}
		}
		return w.take(0), w.take(1)
	}
	for _, stations := range []bool{false, true} {
		t.Run(fmt.Sprintf("stations=%v", stations), func(t *testing.T) {
			out, in := run(t, stations, 0)
			total := 0
			for _, n := range sizes {
				total += n
			}
			for _, seen := range [][]int{out, in} {
				sum := 0
				for _, n := range seen {
					sum += n
				}
				if sum < total { // zeros shrink only under compression
					t.Errorf("%d bytes of frames became %d on the wire", total, sum)
				}
			}
			for manner := 1; manner <= 2; manner++ {
				out2, in2 := run(t, stations, manner)
				if !slices.Equal(out, out2) || !slices.Equal(in, in2) {
					t.Errorf("manner %d shows:\n%v\n%v\nnot\n%v\n%v", manner, out2, in2, out, in)
				}
			}
		})
	}
}

// TestRecordsBetweenServers pins the sizes to the byte: length(4), count(8) and frame
// in records of at most 16 KiB, each with a head of 5 and 17 for its type and tag.
func TestRecordsBetweenServers(t *testing.T) {
	relayKey, entryKey := suite.TLSKey(suite.RandomKey()), suite.TLSKey(suite.RandomKey())
	ln, err := link.ListenTLS("127.0.0.1:0", relayKey, map[link.PinnedKey]link.Peer{pinOf(entryKey): {Role: link.RoleEntry}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	w := newTap(t, ln.Addr().String())
	c, err := link.DialTLS(context.Background(), w.addr, entryKey, pinOf(relayKey), link.RoleEntry, link.Peer{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w.take(0)
	for _, size := range []int{1, 4125, 16372, 16373, 50_000} {
		if err := c.WriteFrame(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ReadFrame(); err != nil {
			t.Fatal(err)
		}
		var want []int
		for left := 12 + size; left > 0; left -= 16384 {
			want = append(want, 5+min(left, 16384)+17)
		}
		if got := w.take(0); !slices.Equal(got, want) {
			t.Errorf("a frame of %d bytes became records of %v, want %v", size, got, want)
		}
	}
}
