package entry

import (
	"encoding/binary"
	"testing"
)

func acc(i int) (a account) { binary.BigEndian.PutUint32(a[:], uint32(i+1)); return a }

func accs(from, to int) (all []account) {
	for i := from; i < to; i++ {
		all = append(all, acc(i))
	}
	return all
}

func TestBackOffDoubles(t *testing.T) {
	h := newHistory(Limits{}.defaults())
	h.begin()
	h.succeeded(accs(0, 2))
	for _, want := range []int{1, 2, 4, 8, 16, 32, 64, 64, 64} {
		h.begin()
		if !h.admit(acc(1)) {
			t.Fatal("left out too long")
		}
		h.failed(accs(1, 2))
		for out := range want {
			if h.begin(); h.admit(acc(1)) {
				t.Fatalf("left out of %d attempts instead of %d", out, want)
			}
			if !h.admit(acc(0)) {
				t.Fatal("another account is left out")
			}
		}
	}
	h.begin()
	h.succeeded(accs(1, 2))
	h.begin()
	h.failed(accs(1, 2))
	if h.begin(); h.admit(acc(1)) {
		t.Fatal("not left out")
	}
	if h.begin(); !h.admit(acc(1)) {
		t.Fatal("a success was not the end of the back-off")
	}
}

// New accounts are limited once somebody is known, and kept out after one of them
// failed an attempt, so that they spoil every other attempt at most.
func TestNewAccounts(t *testing.T) {
	h := newHistory(Limits{FirstTime: 3}.defaults())
	admitted := func(from, to int) (n int) {
		for _, a := range accs(from, to) {
			if h.admit(a) {
				n++
			}
		}
		return n
	}
	h.begin()
	if got := admitted(0, 100); got != 100 {
		t.Fatalf("%d of 100 were admitted to an entry that knows nobody", got)
	}
	h.succeeded(accs(0, 100))
	h.begin()
	if got := admitted(0, 110); got != 103 {
		t.Fatalf("%d were admitted instead of 100 known and 3 new", got)
	}
	h.failed(accs(100, 101))
	h.begin()
	if got := admitted(0, 110); got != 100 {
		t.Fatalf("%d were admitted after a new account failed", got)
	}
	h.succeeded(accs(0, 100))
	h.begin()
	if got := admitted(0, 110); got != 103 {
		t.Fatalf("%d were admitted after a success", got)
	}
}

func TestForgetting(t *testing.T) {
	h := newHistory(Limits{Accounts: 50}.defaults())
	h.begin()
	h.succeeded(accs(0, 40))
	for i := range 20 {
		h.begin()
		h.failed(accs(100+20*i, 120+20*i))
	}
	if len(h.accounts) > 50 {
		t.Fatalf("%d accounts are remembered", len(h.accounts))
	}
	known := 0
	for i := range 40 {
		if c := h.accounts[acc(i)]; c != nil && c.proven {
			known++
		}
	}
	if known != 40 || h.proven != 40 {
		t.Fatalf("%d known accounts are left, %d counted", known, h.proven)
	}
	h.begin()
	h.succeeded(accs(1000, 1100))
	if len(h.accounts) > 50 || h.proven != len(h.accounts) {
		t.Fatalf("%d accounts, %d counted as known", len(h.accounts), h.proven)
	}
}
