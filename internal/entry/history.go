package entry

import (
	"bytes"
	"cmp"
	"slices"
)

// history remembers how accounts behaved in set-ups, so that one account cannot
// fail them for everybody for ever. It lives as long as the process.
//
// Who does not acknowledge is left out of the next 1, 2, 4, … 64 attempts; a
// success forgives all. Accounts that never acknowledged are admitted in limited
// numbers, and not at all in the attempt after one that such an account failed:
// new accounts cost nothing, so they may spoil every other attempt and no more.
// While no account ever acknowledged, there are no such limits.
type history struct {
	limits   Limits
	attempts uint64 // begun so far
	accounts map[account]*conduct
	proven   int
	wary     bool // the last attempt was failed by an account that never acknowledged
	admitted int  // such accounts in this attempt
}

// conduct is what is remembered of one account.
type conduct struct {
	proven bool   // it acknowledged at least once
	fails  int    // in a row
	until  uint64 // left out of attempts before this one
	seen   uint64 // attempt in which it was last rostered
}

// longestWait is the most attempts that an account is left out of.
const longestWait = 64

func newHistory(l Limits) history { return history{limits: l, accounts: map[account]*conduct{}} }

func (h *history) begin() {
	h.attempts++
	h.admitted = 0
}

// admit decides whether an account may be in the roster of this attempt.
func (h *history) admit(who account) bool {
	c := h.accounts[who]
	if c != nil && h.attempts < c.until {
		return false
	}
	if c != nil && c.proven {
		return true
	}
	if h.proven > 0 && (h.wary || h.admitted >= h.limits.FirstTime) {
		return false
	}
	h.admitted++
	return true
}

func (h *history) of(who account) *conduct {
	c := h.accounts[who]
	if c == nil {
		c = &conduct{}
		h.accounts[who] = c
	}
	c.seen = h.attempts
	return c
}

// succeeded notes that all of these acknowledged and the circuits were revealed.
func (h *history) succeeded(who []account) {
	h.wary = false
	for _, w := range who {
		c := h.of(w)
		if !c.proven {
			h.proven++
		}
		c.proven, c.fails, c.until = true, 0, 0
	}
	h.trim()
}

// failed notes that these were silent in an attempt that others acknowledged.
func (h *history) failed(who []account) {
	h.wary = false
	for _, w := range who {
		c := h.of(w)
		c.until = h.attempts + 1 + uint64(min(longestWait, 1<<min(c.fails, 30)))
		c.fails++
		h.wary = h.wary || !c.proven
	}
	h.trim()
}

// trim forgets the accounts that were not seen for longest, those that never
// acknowledged first.
func (h *history) trim() {
	over := len(h.accounts) - h.limits.Accounts
	if over <= 0 {
		return
	}
	type remembered struct {
		who account
		*conduct
	}
	var all []remembered
	for who, c := range h.accounts {
		all = append(all, remembered{who, c})
	}
	rank := func(r remembered) int {
		if r.proven {
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(a, b remembered) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.seen, b.seen), bytes.Compare(a.who[:], b.who[:]))
	})
	for _, r := range all[:min(len(all), over+h.limits.Accounts/8)] { // some more, so that this is rare
		if r.proven {
			h.proven--
		}
		delete(h.accounts, r.who)
	}
}
