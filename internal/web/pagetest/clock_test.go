package pagetest_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestAWrongClock starts a station whose clock is ahead of the network's: its pages say
// so, and no longer once the clock is set, without a restart or a reload.
func TestAWrongClock(t *testing.T) {
	slow(t)
	n := startNetwork(t)
	cfg, err := initStation(n, "Aldmark")
	if err != nil {
		t.Fatal(err)
	}
	var ahead atomic.Int64
	ahead.Store(int64(700 * time.Millisecond)) // of a tolerance of 50
	cfg.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	p := newSeat(t, "Aldmark")
	p.cfg = cfg
	p.start()
	b := open(t, p.url)
	b.signIn()
	b.visit("/others")
	b.sees(soon, "This clock is 700ms ahead of the network's: set it, or nobody will be met")
	b.sees(soon, "This clock and the network's differ")
	b.accessible("a wrong clock")
	if strings.Contains(b.text(), "Same traffic as always") {
		t.Error("the traffic is said to be as always")
	}
	b.shot("clock")
	ahead.Store(0)
	b.within(soon, "the warning to go", func() bool { return !strings.Contains(b.text(), "ahead of the network") })
	b.within(soon, "the line above to change", func() bool { return !strings.Contains(b.textOf("#facts"), "clock") })
}
