package negotiation

import (
	"bytes"
	"cmp"
	"slices"
)

// inOrder lists the statements as they followed each other, the same for whoever holds
// the same ones: what one member said in its own order, nothing before what its author
// had heard when saying it (the vector), and otherwise by the clocks of the authors. A
// statement's time has whole seconds and may be wrong, so that it alone does not say
// which of two came first.
//
// What was said to one member alone never moves what was said to the room: it stands
// between the statements of its author to the room between which it came.
func (r *Room) inOrder() []*Statement {
	spoken := make([]*head, len(r.members)) // what each said to the room
	var private []*head
	for i, m := range r.members {
		spoken[i] = &head{list: r.told[m].list}
		private = append(private, &head{r.heard[m].list, 0, spoken[i]})
	}
	for _, m := range r.members {
		private = append(private, &head{r.said[m].list, 0, spoken[r.index(r.self)]})
	}
	heads := slices.DeleteFunc(append(slices.Clone(spoken), private...), (*head).done)
	// What a vector claims to have heard and nobody holds is not waited for.
	waitsFor := func(s *Statement) *head {
		for i, n := range s.Vector {
			if h := spoken[i]; r.members[i] != s.From && uint64(h.next) < min(n, uint64(len(h.list))) {
				return h
			}
		}
		return nil
	}
	order := make([]*Statement, 0, len(r.statements))
	take := func(h *head) {
		order = append(order, h.first())
		h.next++
	}
	for len(heads) > 0 {
		first := soonest(heads)
		// The earliest by the clocks, or what it waits for. Liars can each claim to have
		// heard the other: then the earliest of them goes first.
		var way []*head
		for h := first; h != nil; h = waitsFor(first.first()) {
			if i := slices.Index(way, h); i >= 0 {
				first = soonest(way[i:])
				break
			}
			way, first = append(way, h), h
		}
		// Before a statement to the room goes what its author said to one before it.
		for {
			var before *head
			for _, h := range private {
				if h.author == first && !h.done() && h.first().place < first.first().place && (before == nil || h.first().place < before.first().place) {
					before = h
				}
			}
			if before == nil {
				break
			}
			take(before)
		}
		take(first)
		heads = slices.DeleteFunc(heads, (*head).done)
	}
	return order
}

// head is how far a chain has its place in the order.
type head struct {
	list   []*Statement
	next   int
	author *head // of a chain to one member: what its author said to the room
}

func (h *head) done() bool        { return h.next == len(h.list) }
func (h *head) first() *Statement { return h.list[h.next] }

// waits reports that what was said to one member comes after something that its author
// said to the room and that has no place yet.
func (h *head) waits() bool {
	return h.author != nil && !h.author.done() && h.author.first().place < h.first().place
}

// soonest is the earliest of those that do not wait. There is one: what was said to the
// room does not.
func soonest(heads []*head) (best *head) {
	for _, h := range heads {
		if !h.waits() && (best == nil || earlier(h.first(), best.first()) < 0) {
			best = h
		}
	}
	return best
}

// earlier compares statements of different chains by their authors' clocks.
func earlier(a, b *Statement) int {
	return cmp.Or(a.Time.Compare(b.Time), bytes.Compare(a.From[:], b.From[:]), cmp.Compare(a.place, b.place))
}
