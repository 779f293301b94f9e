package mark

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"backchannel/internal/wire"
)

func at(e uint64, n uint32) wire.Attempt { return wire.Attempt{Epoch: e, Number: n} }

func TestOnlyUp(t *testing.T) {
	file, err := Open(filepath.Join(t.TempDir(), "mark"))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Store{"memory": new(Memory), "file": file} {
		t.Run(name, func(t *testing.T) {
			if _, any := s.At(); any {
				t.Fatal("a new mark was raised before")
			}
			for _, c := range []struct {
				a  wire.Attempt
				ok bool
			}{
				{at(4, 1), true}, {at(4, 1), false}, {at(4, 0), false}, {at(3, 9), false},
				{at(4, 2), true}, {at(5, 0), true}, {at(4, 3), false},
			} {
				err := s.Raise(c.a)
				if (err == nil) != c.ok || !c.ok && !errors.Is(err, ErrNotAbove) {
					t.Errorf("raising to %v: %v", c.a, err)
				}
			}
			if a, any := s.At(); !any || a != at(5, 0) {
				t.Errorf("the mark is at %v", a)
			}
		})
	}
}

func TestSurvivesRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mark")
	for e := range uint64(3) {
		m, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if a, any := m.At(); any != (e > 0) || any && a != at(e, 7) {
			t.Fatalf("reopened at %v", a)
		}
		if err := m.Raise(at(e+1, 7)); err != nil {
			t.Fatal(err)
		}
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Fatalf("the folder holds %d files instead of the mark: %v", len(left), err)
	}
}

func TestDamage(t *testing.T) {
	good := encode(at(12, 1))
	for _, text := range []string{
		"", " ", "backchannel mark 1:", good[:len(good)-1], good + "\n", good + good,
		strings.Replace(good, "epoch 12", "epoch 11", 1), strings.Replace(good, "epoch 12", "epoch 012", 1),
		strings.Replace(good, "mark 1", "mark 2", 1), strings.Repeat("x", 4096),
		strings.Repeat("\x00", 2*blockSize), strings.Repeat("x", 2*blockSize), block(at(12, 1)), block(at(12, 1))[1:] + "\x00" + strings.Repeat("\x00", blockSize),
	} {
		path := filepath.Join(t.TempDir(), "mark")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path)
		if err == nil || !strings.Contains(err.Error(), "remove the file") {
			t.Errorf("opening %q: %v", text, err)
		}
	}
}

// A write can break off anywhere, and what it leaves behind can be anything: the mark
// is the one before or the new one, and goes on from there.
func TestWriteBreaksOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mark")
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint32(3) { // both blocks in use
		if err := m.Raise(at(8, n)); err != nil {
			t.Fatal(err)
		}
	}
	before := m.disk
	if err := m.Raise(at(8, 3)); err != nil {
		t.Fatal(err)
	}
	after := m.disk
	if before[:blockSize] != after[:blockSize] {
		t.Fatal("the newest block was written over")
	}
	line := len(encode(at(8, 3)))
	for cut := range line + 2 {
		for _, rest := range []string{before[blockSize+cut:], strings.Repeat("\x00", blockSize-cut), strings.Repeat("\xff", blockSize-cut)} {
			torn := after[:blockSize+cut] + rest
			if err := os.WriteFile(path, []byte(torn), 0o600); err != nil {
				t.Fatal(err)
			}
			again, err := Open(path)
			if err != nil {
				t.Fatalf("broken off after %d bytes: %v", cut, err)
			}
			whole := torn[blockSize:] == after[blockSize:]
			if a, any := again.At(); !any || a != at(8, 2) && a != at(8, 3) || whole && a != at(8, 3) {
				t.Fatalf("broken off after %d bytes it is at %v", cut, a)
			}
			for e := uint64(9); e < 11; e++ {
				if err := again.Raise(at(e, 0)); err != nil {
					t.Fatal(err)
				}
			}
			if third, err := Open(path); err != nil || third.at != at(10, 0) {
				t.Fatalf("afterwards it is at %v, %v", third.at, err)
			}
		}
	}
}

// The file of an earlier version is taken over.
func TestOneLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mark")
	if err := os.WriteFile(path, []byte(encode(at(12, 1))), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if a, any := m.At(); !any || a != at(12, 1) {
		t.Fatalf("it is at %v", a)
	}
	if err := m.Raise(at(12, 1)); !errors.Is(err, ErrNotAbove) {
		t.Fatal(err)
	}
	if err := m.Raise(at(12, 2)); err != nil {
		t.Fatal(err)
	}
	if m, err = Open(path); err != nil || m.at != at(12, 2) {
		t.Fatalf("it is at %v, %v", m.at, err)
	}
}

func TestSecondProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mark")
	one, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Raise(at(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := two.Raise(at(1, 0)); err == nil {
		t.Fatal("two programs raised one mark to the same attempt")
	}
	if err := one.Raise(at(1, 1)); err != nil {
		t.Fatal(err)
	}
}

// What could not be made durable is not used, and not used later either.
func TestFailedWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	m, err := Open(filepath.Join(dir, "mark"))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Raise(at(2, 0)); err == nil {
		t.Fatal("a mark without a folder is durable")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := m.Raise(at(2, 0)); !errors.Is(err, ErrNotAbove) {
		t.Fatalf("the attempt of a failed write was offered again: %v", err)
	}
	if err := m.Raise(at(2, 1)); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkRaise(b *testing.B) {
	m, err := Open(filepath.Join(b.TempDir(), "mark"))
	if err != nil {
		b.Fatal(err)
	}
	var n uint64
	for b.Loop() {
		n++
		if err := m.Raise(at(n, 0)); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(at(0, 0)))
	f.Add(encode(at(1<<63, 1<<31)))
	f.Add("backchannel mark 1: epoch +1 attempt 0 sum 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		if a, err := parse(text); err == nil && encode(a) != text {
			t.Fatalf("%q parses as %v, which is %q", text, a, encode(a))
		}
	})
}
