package negotiation

import (
	"bytes"
	"cmp"
	"slices"
)

// inOrder lists the statements as they followed each other, the same for whoever
// holds the same ones: a chain in its own order, nothing before what its author had
// heard when saying it (the vector), and otherwise by the clocks of the authors. A
// statement's time has whole seconds and may be wrong, so that it alone does not say
// which of two came first.
func (r *Room) inOrder() []*Statement {
	type head struct {
		list []*Statement
		next int
	}
	var heads []*head
	spoken := make([]*head, len(r.members)) // what each said to the room
	for i, m := range r.members {
		spoken[i] = &head{list: r.told[m].list}
		heads = append(heads, spoken[i], &head{list: r.heard[m].list}, &head{list: r.said[m].list})
	}
	// What a vector claims to have heard and nobody holds is not waited for.
	waitsFor := func(s *Statement) *head {
		for i, n := range s.Vector {
			if h := spoken[i]; r.members[i] != s.From && uint64(h.next) < min(n, uint64(len(h.list))) {
				return h
			}
		}
		return nil
	}
	sooner := func(a, b *head) int { return earlier(a.list[a.next], b.list[b.next]) }
	order := make([]*Statement, 0, len(r.statements))
	for {
		heads = slices.DeleteFunc(heads, func(h *head) bool { return h.next == len(h.list) })
		if len(heads) == 0 {
			return order
		}
		first := slices.MinFunc(heads, sooner)
		// The earliest by the clocks, or what it waits for. Liars can each claim to have
		// heard the other: then the earliest of them goes first.
		var way []*head
		for h := first; h != nil; h = waitsFor(first.list[first.next]) {
			if i := slices.Index(way, h); i >= 0 {
				first = slices.MinFunc(way[i:], sooner)
				break
			}
			way, first = append(way, h), h
		}
		order = append(order, first.list[first.next])
		first.next++
	}
}

// earlier compares statements of different chains by their authors' clocks.
func earlier(a, b *Statement) int {
	return cmp.Or(a.Time.Compare(b.Time), bytes.Compare(a.From[:], b.From[:]), bytes.Compare(a.To[:], b.To[:]))
}
