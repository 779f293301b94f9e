package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"backchannel/internal/bench"
	"backchannel/internal/station"
)

// benchMail carries messages through the demo's network: relays, an entry and
// stations that are processes of this program and share nothing but sockets.
type benchMail struct {
	net     *demoNetwork
	cleanup func() error
}

// startMail starts the network and lets its stations meet, which takes some epochs.
func startMail(ctx context.Context) (_ bench.Mail, err error) {
	dir, cleanup, err := demoFolder("")
	if err != nil {
		return nil, err
	}
	r := &reporter{out: io.Discard, start: time.Now()}
	n, err := startDemoNetwork(ctx, dir, r)
	if err != nil {
		return nil, errors.Join(err, cleanup())
	}
	m := &benchMail{n, cleanup}
	if err := m.watched(ctx, func(ctx context.Context) error { return meetDemo(ctx, n, r) }); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// watched runs f, and ends it with the last words of a process that ends early.
func (m *benchMail) watched(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		return err
	case err := <-m.net.failed:
		cancel()
		if late := <-done; late != nil && !errors.Is(late, context.Canceled) {
			err = errors.Join(err, late)
		}
		return err
	}
}

// looking is how often a station is asked; a tenth of a round of preset demo, so
// that a time is at most so much too long.
const looking = 10 * time.Millisecond

// Carry implements bench.Mail.
func (m *benchMail) Carry(ctx context.Context, size int) (c bench.Carried, err error) {
	from, to := m.net.stations[0], m.net.stations[1]
	content := bytes.Repeat([]byte("measured "), size/9+1)[:size]
	d := station.Draft{Kind: "letter", Subject: "Measured", FileName: "measured.txt", MediaType: "text/plain", Content: content}
	if size < 1000 {
		d = station.Draft{Kind: "signal", Content: content}
	}
	err = m.watched(ctx, func(ctx context.Context) error {
		left, err := from.api.Estimate(ctx, to.name, int64(size))
		if err != nil {
			return err
		}
		c.Cells = int(left.Rounds)
		began := time.Now()
		sent, err := from.api.Send(ctx, to.name, d)
		if err != nil {
			return err
		}
		if sent.Left != nil { // it counts the header as well
			c.Cells = int(sent.Left.Rounds)
		}
		var wg sync.WaitGroup
		var errs [2]error
		reach := func(i int, s *demoStation, state station.ItemState, took *time.Duration) {
			wg.Go(func() {
				errs[i] = s.reaches(ctx, sent.ID, state)
				*took = time.Since(began)
			})
		}
		reach(0, to, station.ItemArrived, &c.Arrived)
		reach(1, from, station.ItemDelivered, &c.Known)
		wg.Wait()
		return errors.Join(errs[0], errs[1])
	})
	return c, err
}

// reaches waits for an item to be in a state.
func (s *demoStation) reaches(ctx context.Context, id string, state station.ItemState) error {
	tick := time.NewTicker(looking)
	defer tick.Stop()
	for {
		it, err := s.api.Item(ctx, id)
		var refused *station.Error
		switch {
		case err == nil && it.State == state:
			return nil
		case err != nil && !(errors.As(err, &refused) && refused.Code == station.CodeNotFound): // a receiver knows nothing of it at first
			return fmt.Errorf("asking %s for the message: %w", s.name, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s to have the message: %w", s.name, ctx.Err())
		case <-tick.C:
		}
	}
}

// Close implements bench.Mail.
func (m *benchMail) Close() error {
	m.net.stop()
	return m.cleanup()
}
