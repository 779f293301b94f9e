package relay

import (
	"context"
	"crypto/ed25519"
	"errors"
	"sync"
	"testing"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/mark"
	"backchannel/internal/mix"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// TestWholeArraysOverTheLink: a relay on real connections that has all but the last
// chunk of a round's cells has sent nothing of them, in either direction. What it
// was told to send meanwhile arrives first.
func TestWholeArraysOverTheLink(t *testing.T) {
	p, err := wire.Preset("small")
	if err != nil {
		t.Fatal(err)
	}
	p.T0 = time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	const circuitCount = 2000
	set, err := mix.NewSynthetic(p, 1, circuitCount)
	if err != nil {
		t.Fatal(err)
	}
	keys := make([]ed25519.PrivateKey, p.Relays)
	pins := make([]link.PinnedKey, p.Relays)
	for i := range keys {
		keys[i] = suite.TLSKey(suite.RandomKey())
		pins[i] = link.PinnedKey(keys[i].Public().(ed25519.PublicKey))
	}
	listen := func(own, from int) *link.TLSListener {
		ln, err := link.ListenTLS("127.0.0.1:0", keys[own], map[link.PinnedKey]link.Peer{pins[from]: {Role: link.RoleRelay, Index: from}}, 8)
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	ours, last := listen(1, 0), listen(2, 1)
	defer last.Close()

	node := New(Config{Params: p, Index: 1, Sign: suite.NewSigningKey(suite.RandomKey()), Mark: &mark.Memory{}})
	now, ok := p.RoundAt(time.Now())
	if !ok {
		t.Fatal("no round yet")
	}
	id := wire.Attempt{Epoch: 7}
	node.running = &circuits{id: id, set: set, first: now, last: now + 1000, until: time.Now().Add(time.Hour)}
	loop := link.NewLoop(link.LoopConfig{
		Node: node, Listeners: []link.Listener{ours},
		Dial: func(ctx context.Context, to link.Target) (link.Conn, error) {
			if to.Index != 2 {
				return nil, errors.New("only the next relay is dialled")
			}
			return link.DialTLS(ctx, last.Addr().String(), keys[1], pins[2], link.RoleRelay, link.Peer{Role: link.RoleRelay, Index: 2})
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := loop.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer cancel()
	next, err := last.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	prev, err := link.DialTLS(ctx, ours.Addr().String(), keys[0], pins[1], link.RoleRelay, link.Peer{Role: link.RoleRelay, Index: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer prev.Close()

	do := func(f func()) {
		if err := loop.Do(ctx, func(time.Time) { f() }); err != nil {
			t.Fatal(err)
		}
	}
	until := func(what string, f func() bool) {
		for deadline := time.Now().Add(time.Minute); ; {
			var yes bool
			if do(func() { yes = f() }); yes {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within a minute", what)
			}
		}
	}
	until("both neighbours", func() bool { return node.prev.up && node.next.up })
	for _, way := range []struct {
		kind     wire.Type
		from, to link.Conn
		source   *neighbour
		dest     *neighbour
	}{
		{wire.TypeForward, prev, next, &node.prev, &node.next},
		{wire.TypeBackward, next, prev, &node.next, &node.prev},
	} {
		chunks := wire.Chunks(way.kind, id, now+1, make([]byte, circuitCount*p.Cell), p.Cell)
		if len(chunks) < 3 {
			t.Fatalf("%d chunks show nothing", len(chunks))
		}
		most := 0
		for _, c := range chunks[:len(chunks)-1] {
			if err := way.from.WriteFrame(c); err != nil {
				t.Fatal(err)
			}
			most += len(c) - wire.ChunkHeaderSize
		}
		until("all but the last chunk", func() bool { return way.source.in[inboundOf(way.kind)].at == uint64(most) })
		do(func() { node.env.Send(way.dest.peer, wire.FrameAttempt(wire.TypeAbort, id)) })
		if f, err := way.to.ReadFrame(); err != nil || wire.TypeOf(f) != wire.TypeAbort {
			t.Fatalf("type %d came before the array was whole: %v", way.kind, err)
		}
		if err := way.from.WriteFrame(chunks[len(chunks)-1]); err != nil {
			t.Fatal(err)
		}
		for range chunks {
			if f, err := way.to.ReadFrame(); err != nil || wire.TypeOf(f) != way.kind {
				t.Fatalf("the array did not follow: %v", err)
			}
		}
	}
}
