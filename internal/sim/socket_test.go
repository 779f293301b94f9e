package sim_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"backchannel/internal/sim/localnet"
	"backchannel/internal/station"
	"backchannel/internal/wire"
)

// TestWireEqualityAtTheSocket runs real relays, a real entry and real stations
// with real vaults on loopback and compares the TLS records on the lines of a
// station that talks and of one of two that idle: size for size in both directions,
// and tick for tick as they leave (localnet.Repeated says why it may differ once).
func TestWireEqualityAtTheSocket(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute of real time")
	}
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	if err := localnet.Repeated(func() (differ error) {
		t.Run("trial", func(t *testing.T) { differ = talkAtTheSocket(t, p) })
		return differ
	}); err != nil {
		t.Error(err)
	}
}

// talkAtTheSocket is one trial. It returns how the line of the station that talks
// differs from the idle ones; what else goes wrong fails the test.
func talkAtTheSocket(t *testing.T, p wire.Params) error {
	n, err := localnet.Start(p)
	if err != nil {
		t.Fatal(err)
	}
	p = n.File.Params
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var taps []*localnet.Tap
	var stations []*station.Station
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		for _, s := range stations {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		for _, tap := range taps {
			tap.Close()
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	const talks, partner, idles = 0, 1, 2 // and the one after
	for range 4 {
		tap, err := localnet.NewTap()
		if err != nil {
			t.Fatal(err)
		}
		taps = append(taps, tap)
		s, _, err := n.NewStation(t.TempDir(), tap.Addr(), []byte("socket"))
		if err != nil {
			t.Fatal(err)
		}
		stations = append(stations, s)
	}
	<-time.After(time.Until(n.Calm())) // when a station comes is visible
	for _, s := range stations {
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	k, err := stations[talks].Invite(ctx, "the other", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stations[partner].Accept(ctx, "the other", k.Invitation.Text); err != nil {
		t.Fatal(err)
	}
	for k := range 4 {
		for i, size := range map[int]int{talks: 6000, partner: 3000} {
			if _, err := stations[i].Send(ctx, "the other", station.Draft{Kind: "letter", Content: bytes.Repeat([]byte{byte(k)}, size)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	delivered := func() (count int) {
		for _, s := range stations[:2] {
			items, err := s.Items(ctx, station.ItemFilter{Inbox: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range items {
				if it.State == station.ItemArrived {
					count++
				}
			}
		}
		return count
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(4 * time.Minute)
	for delivered() < 8 {
		if time.Now().After(deadline) {
			t.Fatalf("only %d of 8 letters were delivered", delivered())
		}
		<-tick.C
	}
	if err := localnet.Against(taps[talks], taps[idles:], p, time.Now().Add(-p.Round)); err != nil {
		t.Logf("the talking line %v", err)
		return fmt.Errorf("the talking line %w", err)
	}
	return nil
}
