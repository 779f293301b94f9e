package bench

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// ideal is a network that needs twice the least, until it fails.
type ideal struct {
	left   int
	closed bool
}

var errBroken = errors.New("a relay ended")

func (m *ideal) Carry(_ context.Context, size int) (Carried, error) {
	if m.left--; m.left < 0 {
		return Carried{}, errBroken
	}
	cells := 1 + size/500
	const round = 100 * time.Millisecond
	return Carried{Cells: cells, Arrived: time.Duration(2*cells) * round, Known: time.Duration(2*(cells+1)) * round}, nil
}

func (m *ideal) Close() error { m.closed = true; return nil }

func TestLatency(t *testing.T) {
	r := &Report{plan: tiny}
	m := &ideal{left: 100}
	if err := r.measureLatency(t.Context(), func(context.Context) (Mail, error) { return m, nil }); err != nil {
		t.Fatal(err)
	}
	if !m.closed || len(r.Latency) != len(messages) {
		t.Fatalf("closed: %v, %d sizes", m.closed, len(r.Latency))
	}
	for _, x := range r.Latency {
		if x.ArrivedOverLeast.Median != 2 || x.KnownOverLeast.Median != 2 || x.Arrived.Median != float64(2*x.Cells) || x.Known.Repeats != tiny.repeats {
			t.Errorf("%+v", x)
		}
	}
	if c := r.plotLatency(); c.empty() {
		t.Error("nothing is drawn")
	}
	var table strings.Builder
	r.Print(&table)
	if !strings.Contains(table.String(), "until the sender knows") {
		t.Error("nothing is printed")
	}
}

// A network that breaks is an error, and is closed all the same.
func TestLatencyOfBrokenNetwork(t *testing.T) {
	r := &Report{plan: tiny}
	m := &ideal{left: 4}
	err := r.measureLatency(t.Context(), func(context.Context) (Mail, error) { return m, nil })
	if !errors.Is(err, errBroken) || !m.closed || len(r.Latency) != 0 {
		t.Errorf("%v, closed: %v, %d sizes", err, m.closed, len(r.Latency))
	}
	err = r.measureLatency(t.Context(), func(context.Context) (Mail, error) { return nil, errBroken })
	if !errors.Is(err, errBroken) {
		t.Errorf("a network that does not start: %v", err)
	}
}
