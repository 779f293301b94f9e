package sim_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/pairwise"
	"backchannel/internal/sim"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

func acquainted(t *testing.T, seed uint64) (*sim.Sim, *rand.Rand) {
	s := start(t, "demo", 3, seed)
	s.Run(time.Second)
	introduce(t, s, 0, 1)
	if !s.RunUntil(s.Epochs(8), func() bool {
		return s.Phase(0, 1) == pairwise.Introduced && s.Phase(1, 0) == pairwise.Introduced
	}) {
		t.Fatal("the stations did not meet")
	}
	return s, rand.New(rand.NewPCG(seed, 4))
}

func item(t *testing.T, s *sim.Sim, i int, id wire.ItemID) vault.Item {
	t.Helper()
	it, err := s.Item(i, id)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

// TestAcknowledge: only a person's act tells the sender, once, also through
// crashes.
func TestAcknowledge(t *testing.T) {
	s, rng := acquainted(t, 61)
	for range 3 {
		send(t, s, 0, 1, contact.Signal, 100, rng)
	}
	settle(t, s, s.Epochs(10))
	s.Run(s.Epochs(2))
	ids := s.Sent(0, 1)
	for _, m := range ids {
		if it := item(t, s, 0, m.ID); it.State() != vault.StateDelivered {
			t.Errorf("before anybody acknowledged: %v", it.State())
		}
		if err := s.Read(1, m.ID); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.Acknowledge(1, ids[1].ID); err != nil {
			t.Fatal(err)
		}
	}
	s.CrashStation(1)
	if err := s.StartStation(1); err != nil {
		t.Fatal(err)
	}
	if !s.RunUntil(s.Epochs(12), func() bool { return item(t, s, 0, ids[1].ID).State() == vault.StateAcknowledged }) {
		t.Error("the acknowledgement did not arrive")
	}
	s.Run(s.Epochs(2))
	for _, k := range []int{0, 2} {
		if it := item(t, s, 0, ids[k].ID); it.State() != vault.StateDelivered {
			t.Errorf("what was only read is %v", it.State())
		}
	}
	for i := range 2 {
		if n, err := s.Items(i); n != 3 || err != nil {
			t.Errorf("station %d shows %d items, %v", i, n, err)
		}
	}
	settle(t, s, s.Epochs(2))
}

// TestWithdraw withdraws a letter in its middle: its rest never comes, the other
// side is told, and what follows arrives exactly once; so it is when the sender
// crashes right after.
func TestWithdraw(t *testing.T) {
	for _, crash := range []bool{false, true} {
		s, rng := acquainted(t, 62)
		send(t, s, 0, 1, contact.Letter, 60_000, rng)
		id := s.Sent(0, 1)[0].ID
		if !s.RunUntil(s.Epochs(10), func() bool { it, err := s.Item(1, id); return err == nil && it.Done > 5000 }) {
			t.Fatal("the letter does not move")
		}
		send(t, s, 0, 1, contact.Letter, 3000, rng)
		send(t, s, 0, 1, contact.Signal, 100, rng)
		if ok, err := s.Withdraw(0, 1, id); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if crash {
			s.CrashStation(0)
			if err := s.StartStation(0); err != nil {
				t.Fatal(err)
			}
		}
		settle(t, s, s.Epochs(15))
		if !s.RunUntil(s.Epochs(5), func() bool { return item(t, s, 1, id).Cancelled }) {
			t.Error("the other side is not told")
		}
		if a, b := item(t, s, 0, id), item(t, s, 1, id); a.State() != vault.StateCancelled || b.State() != vault.StateCancelled || b.Done != 0 {
			t.Errorf("%+v, %+v", a, b)
		}
		// What has gone as a whole cannot be withdrawn.
		if ok, err := s.Withdraw(0, 1, s.Sent(0, 1)[0].ID); ok || err != nil {
			t.Errorf("a delivered letter is withdrawn: %v", err)
		}
		if err := s.Check(false); err != nil {
			t.Error(err)
		}
	}
}

// TestExpiry lets time pass: own copies go when their time is over, at the sender
// from delivery, at the receiver from reading, and what is neither stays; also when
// the station was off meanwhile.
func TestExpiry(t *testing.T) {
	s, rng := acquainted(t, 63)
	if err := errors.Join(s.SetExpiry(0, 1, 4*time.Minute), s.SetExpiry(1, 0, 6*time.Minute)); err != nil {
		t.Fatal(err)
	}
	send(t, s, 0, 1, contact.Signal, 100, rng)
	send(t, s, 0, 1, contact.Letter, 5000, rng)
	settle(t, s, s.Epochs(10))
	s.Run(s.Epochs(1))
	ids := s.Sent(0, 1)
	if err := s.Read(1, ids[0].ID); err != nil {
		t.Fatal(err)
	}
	gone := func(i, k int) bool { _, err := s.Item(i, ids[k].ID); return errors.Is(err, vault.ErrNotFound) }
	s.Run(2 * time.Minute)
	if gone(0, 0) || gone(0, 1) || gone(1, 0) || gone(1, 1) {
		t.Error("a copy went too early")
	}
	s.Run(200 * time.Second)
	if !gone(0, 0) || !gone(0, 1) || gone(1, 0) || gone(1, 1) {
		t.Error("after the sender's time")
	}
	s.CrashStation(1)
	s.Run(3 * time.Minute)
	if err := s.StartStation(1); err != nil {
		t.Fatal(err)
	}
	s.Run(62 * time.Second)
	if !gone(1, 0) || gone(1, 1) {
		t.Error("after the reader's time")
	}
	if err := s.Checks.Err(); err != nil {
		t.Error(err)
	}
}
