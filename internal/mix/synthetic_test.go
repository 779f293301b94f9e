package mix

import (
	"bytes"
	"testing"

	"backchannel/internal/wire"
)

// A synthetic set carries rounds as a real one does: forward and backward at a
// middle relay, turned at the last, where neighbours are partners.
func TestSynthetic(t *testing.T) {
	p, err := wire.Preset("small")
	if err != nil {
		t.Fatal(err)
	}
	const n = 100
	in := make([]byte, n*p.Cell)
	for hop := range p.Relays {
		s, err := NewSynthetic(p, hop, n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Receipts(nil); err == nil {
			t.Errorf("hop %d: a synthetic set makes receipts", hop)
		}
		begin := []func(uint64) (*Pass, error){s.Forward, s.Backward}
		if s.last() {
			begin = []func(uint64) (*Pass, error){s.Turn}
		}
		for _, f := range begin {
			ps, err := f(1)
			if err != nil {
				t.Fatal(err)
			}
			if err := ps.Write(in); err != nil {
				t.Fatal(err)
			}
			out, whole := ps.Output()
			if !whole || len(out) != len(in) || bytes.Equal(out, in) {
				t.Errorf("hop %d: the pass left %d bytes, whole: %v", hop, len(out), whole)
			}
			ps.Release()
		}
		s.Erase()
	}
	for _, c := range []struct{ hop, n int }{{-1, 2}, {p.Relays, 2}, {0, 3}, {0, -2}} {
		if _, err := NewSynthetic(p, c.hop, c.n); err == nil {
			t.Errorf("hop %d with %d circuits was not refused", c.hop, c.n)
		}
	}
}
