package blind

import (
	"time"

	"github.com/cloudflare/circl/group"

	"backchannel/internal/suite"
)

// advance sends what is due in the current step and goes on as long as steps
// complete.
func (r *Round) advance(now time.Time, fresh [32]byte) error {
	for !r.over && r.at != Proposed {
		r.emit(now, fresh)
		if r.at == Lapsed && r.step == StepKey { // declined: the key was all that was owed
			r.erase()
			return nil
		}
		if !r.complete() {
			return nil
		}
		if err := r.finish(fresh); err != nil {
			return err
		}
		if err := r.takeEarly(); err != nil {
			return err
		}
	}
	return nil
}

// emit sends the own message of the current step, if it is due and not sent. Only
// the clock, and what others sent, decide when.
func (r *Round) emit(now time.Time, fresh [32]byte) {
	if r.self == outside || r.has(r.slot(), r.self) {
		return
	}
	switch r.step {
	case StepKey:
		r.keys[r.self], r.coinHash[r.self] = r.key[:PointSize], [32]byte(r.key[KeySize-32:])
		r.send(StepKey, 0, raw(r.key))
		r.key = nil
	case StepInput:
		if len(r.bits) == 0 || now.Before(r.params.InputsAt) || now.After(r.params.lastOpening()) {
			return
		}
		rnd := r.secrets(fresh, StepInput, 0)
		defer rnd.forget()
		in := makeInput(r.scope(r.self, StepInput, 0), r.plan, r.key0(), r.bits, &rnd)
		r.inputSent = true
		r.addInput(r.self, in)
		r.send(StepInput, 0, in)
	case StepCoin:
		r.coins[r.self] = append([]byte{}, r.coin[:]...)
		r.send(StepCoin, 0, Coin{r.coin})
	case StepBlind:
		rnd := r.secrets(fresh, StepBlind, 0)
		defer rnd.forget()
		b := makeBlind(r.scope(r.self, StepBlind, 0), pairs(r.sums), &rnd)
		r.addBlind(b)
		r.send(StepBlind, 0, b)
	case StepOpen:
		if r.mayOpen(now) && len(r.share) > 0 {
			body, err := r.params.decodeBody(StepOpen, r.share)
			if err != nil {
				panic("blind: own share does not decode: " + err.Error()) // Load checks it
			}
			r.addShare(body.(Open))
			r.share = nil
			r.send(StepOpen, r.cell(), body)
		}
	case StepEcho:
		r.send(StepEcho, r.cell(), Echo{r.hit})
	}
}

// mayOpen: the opener opens first, unless too little time is left for the others;
// whoever holds a valid opening of somebody else sends its own, whatever the clock
// says and before the result is shown.
func (r *Round) mayOpen(now time.Time) bool {
	for p := range r.params.Parties {
		if p != r.self && r.has(r.slot(), p) {
			return true
		}
	}
	return r.self == r.params.Opener && r.at == Opening && !now.After(r.params.lastOpening())
}

// key0 is Y, the sum of all keys.
func (r *Round) key0() group.Element {
	y := ristretto.Identity()
	for _, b := range r.keys {
		y = add(y, r.point(b))
	}
	return y
}

// point decodes a point of our own state, which Load has checked.
func (r *Round) point(b []byte) group.Element {
	e, err := parseAny(b)
	if err != nil {
		panic("blind: own state holds no point: " + err.Error())
	}
	return e
}

// finish ends a step that everybody took and begins the next: T grows by it.
func (r *Round) finish(fresh [32]byte) error {
	n := len(r.params.Parties)
	slot, step := r.slot(), r.step
	parts := [][]byte{r.view[:], {byte(step), byte(r.cell())}}
	for p := range n {
		parts = append(parts, r.seen[slot*n+p][:])
	}
	r.view = suite.Hash(suite.LabelRoundView, parts...)
	switch step {
	case StepCommit:
		r.begin(StepKey)
	case StepKey:
		if r.key0().IsIdentity() {
			return r.end(Lapsed) // keys that cancel: only by chance, after commitments
		}
		r.begin(StepInput)
		return r.move(Keyed)
	case StepInput:
		if degenerate(pairs(r.sums)) {
			return r.end(Lapsed)
		}
		r.begin(StepCoin)
		return r.move(InputsIn)
	case StepCoin:
		r.order = order(r.ctx, r.coins, &r.params)
		clear(r.coin[:])
		r.begin(StepBlind)
	case StepBlind:
		if degenerate(pairs(r.blinded)) {
			if r.at == Lapsed {
				r.erase()
				return nil
			}
			return r.end(Lapsed)
		}
		r.sums = nil
		return r.openCell(0, fresh)
	case StepOpen:
		return r.opened(fresh)
	case StepEcho:
		return r.end(Match)
	}
	return nil
}

// begin makes a step the current one.
func (r *Round) begin(s Step) {
	r.step = s
	r.views[r.slot()] = r.view
}

// degenerate cells have an identity where everything that follows would be one
// and every answer would look like yes. Nobody can bring it about alone: each
// message proves that its sender knows what it is made of.
func degenerate(cells []pair) bool {
	for _, c := range cells {
		if c.u.IsIdentity() || c.v.IsIdentity() {
			return true
		}
	}
	return false
}

// openCell begins to open the cell at a place of the order. The own share is made
// and kept now, so that the key can go even if the share has to wait.
func (r *Round) openCell(pos int, fresh [32]byte) error {
	r.pos, r.shares = pos, nil
	r.begin(StepOpen)
	late := r.at == Lapsed // an opening may still come, and is answered
	if !late {
		if err := r.move(Opening); err != nil {
			return err
		}
	}
	if r.self == outside {
		return nil
	}
	c := pairAt(r.blinded, r.cell())
	rnd := r.secrets(fresh, StepOpen, r.cell())
	defer rnd.forget()
	x := r.x()
	r.share = makeOpen(r.scope(r.self, StepOpen, r.cell()), x, c.u, &rnd).appendTo(nil)
	wipe(x)
	if late || pos == len(r.order)-1 {
		clear(r.secret[:])
	}
	return nil
}

// opened draws the conclusion from a cell that everybody opened.
func (r *Round) opened(fresh [32]byte) error {
	v := pairAt(r.blinded, r.cell()).v
	r.hit = sub(v, r.point(r.shares)).IsIdentity()
	last := r.pos == len(r.order)-1
	many := len(r.params.Parties) > 2
	if many && (r.hit || last) {
		r.begin(StepEcho)
		if r.self != outside {
			r.send(StepEcho, r.cell(), Echo{r.hit})
		}
	}
	switch {
	case r.hit && many:
		r.known = r.at == Lapsed || r.at == Shown
		if r.at == Shown {
			return r.move(Lapsed)
		}
		return nil // a match only when all have echoed it
	case r.hit:
		return r.end(Match)
	case last:
		return r.end(NoMatch)
	case r.at == Opening:
		return r.openCell(r.pos+1, fresh)
	case r.at == Shown:
		return r.end(Lapsed)
	}
	r.erase() // lapsed, and this cell was a no
	return nil
}

func (r *Round) addInput(party int, in Input) {
	cells := make([]pair, len(in.Cells))
	for i, c := range in.Cells {
		cells[i] = c.pair()
	}
	var sums []pair
	for _, f := range r.plan.derived[party] {
		sums = append(sums, f.apply(cells))
	}
	r.sums = addPairs(r.sums, sums)
}

func (r *Round) addBlind(b Blind) {
	var cells []pair
	for _, c := range b.Cells {
		cells = append(cells, c.pair())
	}
	r.blinded = addPairs(r.blinded, cells)
}

func (r *Round) addShare(o Open) {
	sum := o.D.e
	if len(r.shares) > 0 {
		sum = add(sum, r.point(r.shares))
	}
	r.shares = encode(sum)
}

// addPairs adds cells to encoded sums, which are empty at first.
func addPairs(sums []byte, cells []pair) []byte {
	have := pairs(sums)
	var out []byte
	for i, c := range cells {
		if len(have) > 0 {
			c = have[i].plus(c)
		}
		out = append(append(out, encode(c.u)...), encode(c.v)...)
	}
	return out
}

// pairs decodes sums of our own state, which Load has checked.
func pairs(b []byte) (out []pair) {
	for i := range len(b) / cellSize {
		out = append(out, pairAt(b, i))
	}
	return out
}

// pairAt decodes one of them.
func pairAt(b []byte, i int) pair {
	b = b[i*cellSize : (i+1)*cellSize]
	u, err := parseAny(b[:PointSize])
	v, err2 := parseAny(b[PointSize:])
	if err != nil || err2 != nil {
		panic("blind: own state holds no ciphertext")
	}
	return pair{u, v}
}
