package sim_test

import (
	"math/rand/v2"
	"testing"

	"backchannel/internal/contact"
)

// BenchmarkSendToDelivered reports how many rounds pass from the moment at which a
// station accepts a message until the sender knows that it was delivered, between
// stations that are together, on a quiet network. The time is virtual; ns/op is
// what simulating it costs.
func BenchmarkSendToDelivered(b *testing.B) {
	for _, m := range []struct {
		name string
		kind contact.Kind
		size int
	}{{"signal of 100 bytes", contact.Signal, 100}, {"letter of 2 kB", contact.Letter, 2000}, {"letter of 100 kB", contact.Letter, 100_000}} {
		b.Run(m.name, func(b *testing.B) {
			s := start(b, "demo", 3, 11)
			introduce(b, s, 0, 1)
			s.Run(s.Epochs(6))
			rng := rand.New(rand.NewPCG(11, 1))
			rounds := 0
			for b.Loop() {
				send(b, s, 0, 1, m.kind, m.size, rng)
				for n := -1; n != 0; {
					s.Run(s.Rounds(1))
					rounds++
					var err error
					if n, err = s.Unacknowledged(0); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(rounds)/float64(b.N), "rounds/op")
		})
	}
}
