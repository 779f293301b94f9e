package negotiation

import (
	"strings"
	"unicode"
)

// Edit is a stretch of text that stayed, came or went.
type Edit struct {
	Op   EditOp `json:"op"`
	Text string `json:"text"`
}

// EditOp says what became of a stretch.
type EditOp string

// The kinds of edits.
const (
	Same    EditOp = "same"
	Added   EditOp = "added"
	Removed EditOp = "removed"
)

// maxDistance bounds the work of Diff: texts that differ in more words than this
// are shown as replaced where they differ.
const maxDistance = 1500

// Diff compares two texts word by word: joined, what stayed and what went is the old
// text, what stayed and what came is the new one. It finds the fewest words changed
// (Myers, "An O(ND) Difference Algorithm", 1986).
func Diff(before, after string) []Edit {
	a, b := words(before), words(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var e edits
	e.add(Same, a[:head])
	e.middle(a[head:len(a)-tail], b[head:len(b)-tail])
	e.add(Same, a[len(a)-tail:])
	return e.list
}

// words cuts a text into words, runs of spaces, and single other characters.
func words(s string) (list []string) {
	class := func(r rune) int {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r), r == '\'', r == '’':
			return 1
		case r == ' ':
			return 2
		}
		return 0
	}
	start, last := 0, -1
	for i, r := range s {
		if c := class(r); i > 0 && (c != last || c == 0) {
			list = append(list, s[start:i])
			start = i
		}
		last = class(r)
	}
	if start < len(s) {
		list = append(list, s[start:])
	}
	return list
}

type edits struct{ list []Edit }

func (e *edits) add(op EditOp, w []string) {
	if len(w) == 0 {
		return
	}
	text := strings.Join(w, "")
	if n := len(e.list); n > 0 && e.list[n-1].Op == op {
		e.list[n-1].Text += text
		return
	}
	e.list = append(e.list, Edit{op, text})
}

// middle finds the furthest-reaching path of each diagonal, keeps what each round
// knew, and walks back.
func (e *edits) middle(a, b []string) {
	if len(a) == 0 || len(b) == 0 {
		e.add(Removed, a)
		e.add(Added, b)
		return
	}
	limit := min(len(a)+len(b), maxDistance)
	var trace [][]int
	v := make([]int, 2*limit+2) // v[limit+k] is x on diagonal k = x − y
	for d := 0; d <= limit; d++ {
		trace = append(trace, append([]int(nil), v[limit-d:limit+d+2]...))
		for k := -d; k <= d; k += 2 {
			x := 0
			if d > 0 {
				if k == -d || k != d && v[limit+k-1] < v[limit+k+1] {
					x = v[limit+k+1]
				} else {
					x = v[limit+k-1] + 1
				}
			}
			y := x - k
			for x < len(a) && y < len(b) && a[x] == b[y] {
				x, y = x+1, y+1
			}
			v[limit+k] = x
			if x >= len(a) && y >= len(b) {
				e.walk(a, b, trace, d)
				return
			}
		}
	}
	e.add(Removed, a)
	e.add(Added, b)
}

// walk follows the path backwards from the end and adds its steps forwards.
func (e *edits) walk(a, b []string, trace [][]int, d int) {
	type step struct {
		op EditOp
		w  string
	}
	var back []step
	x, y := len(a), len(b)
	for ; d > 0; d-- {
		v := trace[d] // what round d−1 knew, from diagonal −d on
		k := x - y
		down := k == -d || k != d && v[d+k-1] < v[d+k+1]
		prev := k - 1
		if down {
			prev = k + 1
		}
		px := v[d+prev]
		start := px // where the run of equal words after the step began
		if !down {
			start++
		}
		for x > start {
			x, y = x-1, y-1
			back = append(back, step{Same, a[x]})
		}
		if down {
			y--
			back = append(back, step{Added, b[y]})
		} else {
			x--
			back = append(back, step{Removed, a[x]})
		}
	}
	for x > 0 {
		x--
		back = append(back, step{Same, a[x]})
	}
	// Within a change, what went is shown before what came.
	var gone, came []string
	flush := func() {
		e.add(Removed, gone)
		e.add(Added, came)
		gone, came = nil, nil
	}
	for i := len(back) - 1; i >= 0; i-- {
		switch s := back[i]; s.op {
		case Removed:
			gone = append(gone, s.w)
		case Added:
			came = append(came, s.w)
		default:
			flush()
			e.add(Same, []string{s.w})
		}
	}
	flush()
}
