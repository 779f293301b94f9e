package mix_test

import (
	"testing"

	"backchannel/internal/suite/pass"
)

// kernelAllocs is what the cell kernel of this machine allocates for n cells of
// which each took one layer: nothing, unless only the standard library's loop is
// there.
func kernelAllocs(n int) float64 {
	dst, in, keys := make([]byte, 512), make([]byte, 512), make([]byte, 32)
	return float64(n) * testing.AllocsPerRun(10, func() { pass.Scatter(dst, in, 0, 512, keys, nil, 1) })
}
