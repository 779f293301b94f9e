package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"backchannel/internal/wire"
)

// Mail is a network of processes on this machine at preset "demo", and two stations
// of it that know each other.
type Mail interface {
	// Carry sends a message of so many bytes and waits until its sender knows that
	// it was delivered.
	Carry(ctx context.Context, size int) (Carried, error)
	// Close ends every process.
	Close() error
}

// Carried is what became of one message. Times count from the call of its sender.
type Carried struct {
	Cells   int           // that carry it, by the sender's own estimate; one leaves per round
	Arrived time.Duration // the receiver's station has all of it
	Known   time.Duration // the sender's station knows
}

// Latency is the time from sending a message until it is there, in rounds. The
// protocol's own minimum is a round for each of its cells, and one more for the cell
// that brings the acknowledgement back.
type Latency struct {
	Bytes   int     `json:"bytes"`
	Cells   int     `json:"cells"`
	Round   float64 `json:"round"`   // seconds
	Arrived Stat    `json:"arrived"` // rounds until the receiver has it
	Known   Stat    `json:"known"`   // rounds until the sender knows

	ArrivedOverLeast Stat `json:"arrived_over_least"`
	KnownOverLeast   Stat `json:"known_over_least"`
}

// messages are the sizes of what is sent: a signal and letters, in bytes.
var messages = []int{100, 2_000, 20_000}

// latencyTime bounds the measurement, the start of the network included.
const latencyTime = 4 * time.Minute

func (r *Report) measureLatency(ctx context.Context, start func(context.Context) (Mail, error)) (err error) {
	p, err := wire.Preset("demo")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, latencyTime)
	defer cancel()
	m, err := start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	all := make([][]Carried, len(messages))
	for range r.plan.repeats {
		for i, size := range messages {
			c, err := m.Carry(ctx, size)
			if err != nil {
				return fmt.Errorf("carrying a message of %d bytes: %w", size, err)
			}
			if c.Cells < 1 {
				return fmt.Errorf("carrying a message of %d bytes: the station says that it takes %d cells", size, c.Cells)
			}
			all[i] = append(all[i], c)
		}
	}
	for i, size := range messages {
		r.Latency = append(r.Latency, latencyOf(size, p.Round, all[i]))
	}
	return nil
}

// latencyOf sums up messages of one size.
func latencyOf(size int, round time.Duration, carried []Carried) Latency {
	var arrived, known, overArrived, overKnown []float64
	for _, c := range carried {
		a, k := float64(c.Arrived)/float64(round), float64(c.Known)/float64(round)
		arrived, known = append(arrived, a), append(known, k)
		overArrived = append(overArrived, a/float64(c.Cells))
		overKnown = append(overKnown, k/float64(c.Cells+1))
	}
	return Latency{
		Bytes: size, Cells: carried[0].Cells, Round: round.Seconds(), Arrived: statOf(arrived), Known: statOf(known),
		ArrivedOverLeast: statOf(overArrived), KnownOverLeast: statOf(overKnown),
	}
}
