package station

import (
	"math"
	"testing"
)

// FuzzCursor: a cursor has one form only.
func FuzzCursor(f *testing.F) {
	for _, s := range []string{cursorAt(1), cursorAt(math.MaxInt64), cursorAt(1772373900000 << 20), "", "p", "p0", "p01", "p-1", "p+1", "p1_0", "pF", "p8000000000000000", "1", "pp1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := parseCursor(s)
		if ok && (n <= 0 || cursorAt(n) != s) {
			t.Errorf("%q is read as %d", s, n)
		}
		if n > 0 && !ok && cursorAt(n) == s {
			t.Errorf("%q is refused", s)
		}
	})
}

func TestCursor(t *testing.T) {
	for _, n := range []int64{1, 255, 1772373900000 << 20, math.MaxInt64} {
		if got, ok := parseCursor(cursorAt(n)); !ok || got != n {
			t.Errorf("%d comes back as %d, %v", n, got, ok)
		}
	}
	for _, s := range []string{"", "p", "p0", "p01", "p-1", "p+1", "p1_0", "pF", "p8000000000000000", "1", "pp1", "p 1"} {
		if n, ok := parseCursor(s); ok {
			t.Errorf("%q is read as %d", s, n)
		}
	}
}
