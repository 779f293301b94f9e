package vault

import (
	"runtime"
	"sync/atomic"
	"testing"
)

// TestStretchGivesMemoryBack on a machine that is busy with other things.
func TestStretchGivesMemoryBack(t *testing.T) {
	if testing.Short() {
		t.Skip("keeps the machine busy")
	}
	var over atomic.Bool
	for range 4 * runtime.GOMAXPROCS(0) {
		go func() {
			for !over.Load() {
			}
		}()
	}
	defer over.Store(true)
	k := KDF{Time: 1, Memory: 64 << 10, Threads: 4}
	for i := range 6 {
		before := heap()
		stretch([]byte("paper"), make([]byte, saltSize), k)
		if after := heap(); after > before+32<<20 {
			t.Errorf("after %d tries %d MiB are held, %d before", i+1, after>>20, before>>20)
		}
	}
}
