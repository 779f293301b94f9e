// Package bench measures what the engine costs against the limits of the machine
// that it runs on: the relay's pass, a round through a chain of relays in memory
// and over sockets, the set-up of circuits, and what a station pays.
//
// A time by itself says more about the machine than about the program. So every
// cost is measured beside its limit in the same run: the two take turns, repeat by
// repeat, and what is reported first is the ratio. measure.go has the method.
//
// Specification: docs/protocol.md, section 3, steps 3 to 5, 7 and 8; what the
// figures mean and where they do not hold is in docs/performance.md.
//
// The package trusts nobody with anything: every key in it is random, serves no
// network and is forgotten. It names no algorithm; limits of the standard library
// are taken through package suite, which is a thin layer over it, and the tests of
// this package measure how thin.
package bench

import (
	"context"
	"fmt"
	"time"
)

// Mode is how much is measured.
type Mode int

// The modes.
const (
	Default Mode = iota // everything up to a million circuits, in under two minutes
	Quick               // a taste of everything, in about ten seconds
	Full                // four million circuits and more repeats, in several minutes
)

// String names the mode.
func (m Mode) String() string { return [...]string{"default", "quick", "full"}[m] }

// Secure connects two servers: both relays, or the entry and a relay.
type Secure func(ctx context.Context, entry bool) (dialled, accepted Conn, err error)

// Options say what Run does.
type Options struct {
	Mode Mode

	// Secure makes one connection as between two servers of a network, of which the
	// first may be the entry, and returns its two ends. If nil, rounds over authenticated links are not measured.
	Secure Secure

	// Crowds holds stations; if nil, an entry's connections are not measured.
	Crowds Crowds

	// Mail starts a network of processes; if nil, the time from sending to delivery
	// is not measured.
	Mail func(ctx context.Context) (Mail, error)

	// Progress is told what is measured next; it may be nil.
	Progress func(what string)
}

// A Report is what Run found. Times are in nanoseconds unless a name says
// otherwise.
type Report struct {
	Machine Machine   `json:"machine"`
	Mode    string    `json:"mode"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	Clock   string    `json:"clock"` // what "CPU time" is on this system
	Pass    []Pass    `json:"pass"`
	Paths   []Path    `json:"paths"`
	Chain   []Round   `json:"chain"`
	Relays  []Length  `json:"relays"`
	Setup   Setup     `json:"setup"`
	Memory  Memory    `json:"memory"`
	Station Station   `json:"station"`

	Connections []Connections `json:"connections"`
	Latency     []Latency     `json:"latency,omitempty"`

	Targets  []Target `json:"targets"`
	Left     []string `json:"left,omitempty"` // what was left out, and why
	progress func(string)
	plan     plan
	deadline time.Time
}

// plan is the extent of a mode.
type plan struct {
	budget   time.Duration // after it nothing new begins, and three repeats must do
	repeats  int
	circuits []int // of passes
	rounds   []int // circuits of rounds with the smallest cell
	other    int   // circuits of rounds with the other cells
	lengths  int   // circuits of rounds through chains of several lengths
	paths    int   // circuits for the comparison of implementations
	onions   int   // onions per repeat; even
	memory   int   // circuits whose memory is measured
	stations []int // connections to an entry
	tls      int   // most circuits of a round with everything in TLS, which no network does
	flight   int   // most circuits of rounds of which several are under way
}

// cells are the sizes that a network may choose.
var cells = []int{256, 512, 1024}

func planOf(m Mode) plan {
	switch m {
	case Quick:
		return plan{3 * time.Minute, 9, []int{10_000, 100_000}, []int{20_000}, 0, 10_000, 20_000, 32, 1 << 16, []int{200}, 20_000, 20_000}
	case Full:
		return plan{20 * time.Minute, 15, []int{10_000, 100_000, 1_000_000, 4_000_000}, []int{10_000, 100_000, 1_000_000}, 200_000, 100_000, 100_000, 256, 1 << 20, []int{500, 2000, 9000, 25_000}, 1_000_000, 1_000_000}
	default:
		return plan{105 * time.Second, 9, []int{10_000, 100_000, 1_000_000}, []int{10_000, 100_000, 1_000_000}, 20_000, 50_000, 100_000, 64, 1 << 18, []int{2000}, 100_000, 100_000}
	}
}

// Run measures. It ends early, with an error, only when ctx does or when a socket
// fails; what does not fit the machine's memory or the mode's time is left out and
// listed in Report.Left.
func Run(ctx context.Context, o Options) (*Report, error) {
	began := time.Now()
	r := &Report{
		Machine: machine(), Mode: o.Mode.String(), Began: began.UTC().Truncate(time.Second), Clock: clockName,
		progress: o.Progress, plan: planOf(o.Mode),
	}
	r.deadline = began.Add(r.plan.budget)
	for _, part := range []struct {
		what string
		run  func(context.Context) error
	}{
		{"what a circuit keeps in memory", r.measureMemory},
		{"setting circuits up", func(ctx context.Context) error { return r.measureSetup(ctx) }},
		{"a station", r.measureStation},
		{"an entry's connections", func(ctx context.Context) error { return r.measureConnections(ctx, o.Crowds) }},
		{"implementations of the relay's pass", r.measurePaths},
		{"the relay's pass", r.measurePasses},
		{"chains of several lengths", r.measureLengths},
		{"rounds through three relays", func(ctx context.Context) error { return r.measureRounds(ctx, o.Secure) }},
	} {
		if r.progress != nil {
			r.progress(part.what)
		}
		if err := part.run(ctx); err != nil {
			return nil, fmt.Errorf("measuring %s: %w", part.what, err)
		}
	}
	if o.Mail != nil { // it has time of its own
		if r.progress != nil {
			r.progress("from sending to delivery, in a network of processes")
		}
		if err := r.measureLatency(ctx, o.Mail); err != nil {
			return nil, fmt.Errorf("measuring from sending to delivery: %w", err)
		}
	}
	r.compareWithPass()
	r.Targets = r.targets()
	r.Seconds = time.Since(began).Seconds()
	return r, nil
}

// room reports whether there is time left and memory for so many bytes. If not, it
// notes what is left out.
func (r *Report) room(what string, bytes int) bool {
	switch free := memoryFree(); {
	case time.Now().After(r.deadline):
		r.Left = append(r.Left, fmt.Sprintf("%s: no time was left", what))
	case free > 0 && uint64(bytes) > free/10*9:
		r.Left = append(r.Left, fmt.Sprintf("%s: needs %d MB of memory", what, bytes>>20))
	default:
		return true
	}
	return false
}
