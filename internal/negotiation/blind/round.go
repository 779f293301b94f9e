package blind

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/cloudflare/circl/group"

	"backchannel/internal/suite"
)

// A Round is one party's side of one blind round. Its methods are the events;
// each returns a Change. It is not safe for concurrent use.
type Round struct {
	params Params
	plan   *layout
	ctx    [32]byte
	saved
	out  [][]byte // of the event that is being handled
	last []byte   // the state bytes after the last event
}

// saved is what the state bytes hold.
type saved struct {
	self      int
	at        State
	who       int  // in Invalid
	known     bool // in Lapsed
	over      bool // nothing changes any more
	step      Step
	pos       int    // in order, from StepOpen on
	order     []byte // derived cells in the order of opening, once the coins are in
	bits      []byte // own answer, until the end
	inputSent bool
	secret    [32]byte // x, until the last share is made
	coin      [32]byte
	key       []byte   // own body of StepKey, from Join until it is sent
	share     []byte   // own message of the current StepOpen, made and not yet sent
	view      [32]byte // T of the current step
	views     [][32]byte
	seen      [][32]byte // by slot and party: hash of the body, zero if none
	early     [][]byte   // by party: a message of the next step
	commits   [][32]byte
	keys      [][]byte // X
	coinHash  [][32]byte
	coins     [][]byte
	sums      []byte // C of every derived cell
	blinded   []byte // C'
	shares    []byte // ΣD of the current cell
	hit       bool
	outbox    [][]byte // own last two messages: a peer can lack no earlier one
}

// Change is what an event did.
type Change struct {
	// State must be durable before anything of Send leaves. It is nil if nothing
	// changed, and then there is nothing to send.
	State []byte
	// Send goes to every other party, in this order and byte for byte alike.
	Send [][]byte
}

// Errors of events. None changes the round.
var (
	ErrTooLate = errors.New("changing a blind round: the time when answers leave is past; propose a new round")
	ErrNotNow  = errors.New("changing a blind round: not possible in the state that it is in")
	ErrNoParty = errors.New("reading a message of a blind round: its sender is no other party of it")
)

// New is a round that was proposed, by self or to self.
func New(p Params, self MemberID) (*Round, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	i := p.index(self)
	if i < 0 {
		return nil, errors.New("beginning a blind round: this station is no party of it")
	}
	r := newRound(p, i)
	r.last = r.encode()
	return r, nil
}

// Params are the round's.
func (r *Round) Params() Params { return r.params }

// State is what to make durable; Load is the inverse.
func (r *Round) State() []byte { return bytes.Clone(r.last) }

// Resend is every own message that a peer may lack, byte for byte: what to send
// again after a crash between making State durable and sending.
func (r *Round) Resend() [][]byte {
	var out [][]byte
	for _, m := range r.outbox {
		out = append(out, bytes.Clone(m))
	}
	return out
}

// Wake is when Tick is due, though nothing has come in; zero if never. It does not
// depend on whether an answer was chosen.
func (r *Round) Wake(now time.Time) time.Time {
	switch {
	case r.over:
		return time.Time{}
	case r.at >= Match && !r.owes():
		return r.params.Deadline.Add(Lateness)
	case now.Before(r.params.InputsAt):
		return r.params.InputsAt
	}
	return r.params.Deadline
}

// apply runs one event; an error leaves the round as it was.
func (r *Round) apply(event func() error) (Change, error) {
	r.out = nil
	if err := event(); err != nil {
		old, loadErr := Load(r.last)
		if loadErr != nil {
			panic("blind: own state does not load: " + loadErr.Error()) // encode made it
		}
		*r = *old
		return Change{}, err
	}
	state := r.encode()
	if bytes.Equal(state, r.last) {
		clear(state)
		return Change{}, nil
	}
	clear(r.last)
	r.last = state
	return Change{State: bytes.Clone(state), Send: r.out}, nil
}

// Join takes part. fresh are 32 random bytes, used for nothing else; so they are
// in every event.
func (r *Round) Join(now time.Time, fresh [32]byte) (Change, error) {
	return r.apply(func() error {
		if r.at != Proposed {
			return ErrNotNow
		}
		if !now.Before(r.params.InputsAt) {
			return ErrTooLate
		}
		rnd := r.secrets(fresh, StepCommit, 0)
		defer rnd.forget()
		x := rnd.scalar()
		r.secret, r.coin = [32]byte(encodeScalar(x)), rnd.bytes()
		s := r.scope(r.self, StepKey, 0)
		s.view = r.views[0]
		v, resp := proveKey(s, x, &rnd)
		wipe(x)
		key := Key{X: Point{mulGen(r.x())}, V: v, R: resp, CoinHash: r.hashCoin(r.self, r.coin)}
		r.key = key.appendTo(nil)
		if err := r.move(Joined); err != nil {
			return err
		}
		r.send(StepCommit, 0, Commit{r.hashKey(r.self, r.key)})
		r.commits[r.self] = r.hashKey(r.self, r.key)
		return r.advance(now, fresh)
	})
}

// Answer chooses, or chooses again, until answers leave.
func (r *Round) Answer(now time.Time, a Answer) (Change, error) {
	return r.apply(func() error {
		if r.at != Joined && r.at != Keyed || r.inputSent {
			return ErrNotNow
		}
		if !now.Before(r.params.InputsAt) {
			return ErrTooLate
		}
		b, err := r.params.bits(a)
		if err != nil {
			return err
		}
		clear(r.bits)
		r.bits = b
		return nil
	})
}

// Chosen is the own answer as it was chosen last, for nobody but whoever may choose
// again; false if there is none.
func (r *Round) Chosen() (Answer, bool) {
	if len(r.bits) == 0 {
		return Answer{}, false
	}
	return r.params.answer(r.bits), true
}

// Decline ends the round before the own answer has left. To the others it looks like
// a round in which nothing was chosen: nothing is sent because of it, and a key that
// is owed once all commitments are in still follows.
func (r *Round) Decline() (Change, error) {
	return r.apply(func() error {
		if r.at > Keyed || r.inputSent {
			return ErrNotNow
		}
		if r.at == Joined && r.step == StepCommit {
			clear(r.bits)
			r.bits = nil
			return r.move(Lapsed)
		}
		return r.end(Lapsed)
	})
}

// owes tells whether the round was declined and the own key is still to come.
func (r *Round) owes() bool { return r.at == Lapsed && !r.over && r.step == StepCommit }

// Restored ends the round because the state came back from a backup: what was
// sent since is unknown, and nothing may be sent twice. It sends nothing and
// forgets what could be sent again.
func (r *Round) Restored() (Change, error) {
	return r.apply(func() error {
		if r.over {
			return nil
		}
		if r.at == Lapsed {
			r.erase()
		} else if err := r.end(Lapsed); err != nil {
			return err
		}
		r.outbox = nil
		return nil
	})
}

// Tick does what is due by the clock.
func (r *Round) Tick(now time.Time, fresh [32]byte) (Change, error) {
	return r.apply(func() error {
		if err := r.lapse(now); err != nil {
			return err
		}
		return r.advance(now, fresh)
	})
}

// lapse ends what the deadline ends.
func (r *Round) lapse(now time.Time) error {
	switch {
	case r.over || now.Before(r.params.Deadline):
		return nil
	case r.at >= Match:
		if r.owes() || !now.Before(r.params.Deadline.Add(Lateness)) {
			r.erase()
		}
		return nil
	case r.step == StepBlind:
		// All that was needed from here to open a cell is out, so others may have
		// opened it in time while this station heard nothing. They get an answer.
		key := r.secret
		r.eraseSecrets()
		r.secret = key
		return r.move(Lapsed)
	case r.at != Opening:
		return r.end(Lapsed)
	}
	to := Lapsed
	if r.step == StepOpen && r.has(r.slot(), r.self) && r.yes() {
		to = Shown
	}
	r.known = r.step == StepEcho
	r.eraseSecrets() // the share of this cell stays, for an opening that comes late
	return r.move(to)
}

// yes is the own answer to the current cell.
func (r *Round) yes() bool { return r.plan.derived[r.self][r.cell()].eval(r.bits) == 0 }

// end moves to a state that nothing follows and erases all secrets.
func (r *Round) end(to State) error {
	if err := r.move(to); err != nil {
		return err
	}
	r.erase()
	return nil
}

func (r *Round) erase() {
	r.over = true
	r.eraseSecrets()
	clear(r.share)
	r.share = nil
	for _, m := range r.early {
		clear(m)
	}
	r.early = make([][]byte, len(r.params.Parties))
}

func (r *Round) eraseSecrets() {
	clear(r.secret[:])
	clear(r.coin[:])
	clear(r.key)
	clear(r.bits)
	r.key, r.bits = nil, nil
}

// x is the own secret key.
func (r *Round) x() group.Scalar {
	s := ristretto.NewScalar()
	if err := s.UnmarshalBinary(r.secret[:]); err != nil {
		panic("blind: own key is no scalar: " + err.Error()) // Load checks it
	}
	return s
}

// secrets hedges fresh randomness with the own key and the place it is used at.
func (r *Round) secrets(fresh [32]byte, s Step, cell int) secrets {
	defer clear(fresh[:])
	return secrets{key: suite.PRF(fresh, suite.LabelRoundSeed, r.secret[:], r.ctx[:], r.view[:],
		[]byte{byte(r.self), byte(s), byte(cell)}, r.bits)}
}

func (r *Round) scope(party int, s Step, cell int) scope {
	return scope{ctx: r.ctx, sender: r.params.Parties[party], step: s, cell: uint8(cell), view: r.view}
}

func (r *Round) hashCoin(party int, coin [32]byte) [32]byte {
	return suite.Hash(suite.LabelRoundCoin, r.ctx[:], r.params.Parties[party][:], coin[:])
}

// hashKey is the commitment to a body of StepKey.
func (r *Round) hashKey(party int, body []byte) [32]byte {
	return suite.Hash(suite.LabelRoundCommit, r.ctx[:], r.params.Parties[party][:], body)
}

// Slots number the steps in the order in which they come.

func (r *Round) slots() int { return int(StepOpen) - 1 + r.plan.opened() + 1 }

func (r *Round) slotOf(s Step, cell uint8) int {
	switch s {
	case StepOpen:
		if i := slices.Index(r.order, cell); i >= 0 {
			return int(StepOpen) - 1 + i
		}
		return -1
	case StepEcho:
		return r.slots() - 1
	}
	return int(s) - 1
}

// slot is the current one.
func (r *Round) slot() int { return r.slotOf(r.step, uint8(r.cell())) }

// cell is the derived cell of the current step; 0 before StepOpen.
func (r *Round) cell() int {
	if r.step < StepOpen {
		return 0
	}
	return int(r.order[r.pos])
}

func (r *Round) has(slot, party int) bool {
	return r.seen[slot*len(r.params.Parties)+party] != [32]byte{}
}

func (r *Round) record(slot, party int, body []byte) {
	r.seen[slot*len(r.params.Parties)+party] = suite.Hash(suite.LabelRoundBody, body)
}

// complete reports whether everybody's message of the current step is in.
func (r *Round) complete() bool {
	for p := range r.params.Parties {
		if !r.has(r.slot(), p) {
			return false
		}
	}
	return true
}

// send makes a message of the current step durable and then sends it.
func (r *Round) send(s Step, cell int, body Body) {
	m := Message{Step: s, Cell: uint8(cell), View: r.view, Body: body}
	raw := m.Encode()
	r.record(r.slotOf(s, m.Cell), r.self, raw[HeaderSize:])
	r.outbox = append(r.outbox, raw)
	if n := len(r.outbox); n > 2 {
		r.outbox = r.outbox[n-2:]
	}
	r.out = append(r.out, bytes.Clone(raw))
}

// raw is a body that was encoded before.
type raw []byte

func (b raw) appendTo(to []byte) []byte { return append(to, b...) }
