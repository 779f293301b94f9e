package blind

import (
	"bytes"
	"errors"
	"time"

	"github.com/fxamacker/cbor/v2"

	"backchannel/internal/suite"
)

// stateVersion is the first field of the state bytes; any other is refused.
const stateVersion = 1

// ErrState is every state that Load refuses.
var ErrState = errors.New("loading a blind round: its state is damaged or of another version; the round cannot go on")

// stored is the state as deterministic CBOR: one array, in this order.
type stored struct {
	_                           struct{} `cbor:",toarray"`
	Version                     uint8
	Object                      [suite.HashSize]byte
	Parties                     []MemberID
	Opener, Mode, Items         uint8
	Cap, Green                  uint8
	Directions                  []byte
	InputsAt, Deadline          int64 // milliseconds since 1970
	Self, At, Who               uint8
	Known, Over, InputSent, Hit bool
	Step, Pos                   uint8
	Order, Bits                 []byte
	Secret, Coin                [32]byte
	Key, Share                  []byte
	View                        [32]byte
	Views, Seen                 [][32]byte
	Early                       [][]byte
	Commits, CoinHash           [][32]byte
	Keys, Coins                 [][]byte
	Sums, Blinded, Shares       []byte
	Outbox                      [][]byte
}

var (
	stateEnc = must(cbor.CoreDetEncOptions().EncMode())
	stateDec = must(cbor.DecOptions{
		IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, MaxNestedLevels: 4, MaxArrayElements: 16 * 256,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("blind: " + err.Error())
	}
	return v
}

func (r *Round) encode() []byte {
	p := &r.params
	s := stored{
		Version: stateVersion, Object: p.Object, Parties: p.Parties, Opener: uint8(p.Opener), Mode: uint8(p.Mode),
		Items: uint8(p.Items), Cap: uint8(p.Cap), Green: uint8(p.Green),
		InputsAt: p.InputsAt.UnixMilli(), Deadline: p.Deadline.UnixMilli(),
		Self: uint8(r.self), At: uint8(r.at), Who: uint8(r.who), Known: r.known, Over: r.over, InputSent: r.inputSent, Hit: r.hit,
		Step: uint8(r.step), Pos: uint8(r.pos), Order: r.order, Bits: r.bits, Secret: r.secret, Coin: r.coin,
		Key: r.key, Share: r.share, View: r.view, Views: r.views, Seen: r.seen, Early: r.early,
		Commits: r.commits, CoinHash: r.coinHash, Keys: r.keys, Coins: r.coins,
		Sums: r.sums, Blinded: r.blinded, Shares: r.shares, Outbox: r.outbox,
	}
	for _, d := range p.Directions {
		s.Directions = append(s.Directions, byte(d))
	}
	b, err := stateEnc.Marshal(s)
	if err != nil {
		panic("blind: a state does not encode: " + err.Error()) // nothing in it can fail
	}
	return b
}

// Load goes on with a round from its state bytes. It checks everything that later
// events rely on, so bytes that it accepts never make an event panic.
func Load(state []byte) (*Round, error) {
	var s stored
	if err := stateDec.Unmarshal(state, &s); err != nil || s.Version != stateVersion {
		return nil, ErrState
	}
	p := Params{
		Object: s.Object, Parties: s.Parties, Opener: int(s.Opener), Mode: Mode(s.Mode), Items: int(s.Items),
		Cap: int(s.Cap), Green: int(s.Green), InputsAt: time.UnixMilli(s.InputsAt).UTC(), Deadline: time.UnixMilli(s.Deadline).UTC(),
	}
	for _, d := range s.Directions {
		p.Directions = append(p.Directions, Direction(d))
	}
	if p.check() != nil {
		return nil, ErrState
	}
	r := &Round{params: p, plan: p.layout(), ctx: p.Context(), saved: saved{
		self: int(s.Self), at: State(s.At), who: int(s.Who), known: s.Known, over: s.Over, inputSent: s.InputSent, hit: s.Hit,
		step: Step(s.Step), pos: int(s.Pos), order: s.Order, bits: s.Bits, secret: s.Secret, coin: s.Coin,
		key: s.Key, share: s.Share, view: s.View, views: s.Views, seen: s.Seen, early: s.Early,
		commits: s.Commits, coinHash: s.CoinHash, keys: s.Keys, coins: s.Coins,
		sums: s.Sums, blinded: s.Blinded, shares: s.Shares, outbox: s.Outbox,
	}}
	if !r.sound() || !bytes.Equal(r.encode(), state) {
		return nil, ErrState
	}
	r.last = bytes.Clone(state)
	return r, nil
}

// sound is every invariant between the fields.
func (r *Round) sound() bool {
	n, cells := len(r.params.Parties), r.plan.opened()
	ok := r.self < n && r.who < n && r.at < states && r.step >= StepCommit && r.step <= StepEcho &&
		len(r.views) == r.slots() && len(r.seen) == r.slots()*n && len(r.early) == n &&
		len(r.commits) == n && len(r.coinHash) == n && len(r.keys) == n && len(r.coins) == n &&
		(r.step != StepEcho || n > 2) && len(r.outbox) <= 2
	if !ok {
		return false
	}
	// The order is there from StepBlind on and is a permutation of all cells.
	if r.step < StepBlind {
		ok = len(r.order) == 0 && r.pos == 0
	} else {
		have := make([]bool, cells)
		for _, c := range r.order {
			if int(c) >= cells || have[c] {
				return false
			}
			have[c] = true
		}
		ok = len(r.order) == cells && r.pos < cells && (r.step >= StepOpen || r.pos == 0)
	}
	// The state and the step belong together as long as the round goes on.
	switch r.at {
	case Proposed:
		ok = ok && r.step == StepCommit
	case Joined:
		ok = ok && (r.step == StepCommit || r.step == StepKey)
	case Keyed:
		ok = ok && r.step == StepInput
	case InputsIn:
		ok = ok && (r.step == StepCoin || r.step == StepBlind)
	case Opening:
		ok = ok && r.step >= StepOpen
	case Shown:
		ok = ok && (r.over || r.step == StepOpen)
	case Lapsed:
		ok = ok && (r.over || r.step >= StepBlind || r.owes())
	default:
		ok = ok && r.over
	}
	ok = ok && (!r.over || r.at >= Match)
	// A joined party has sent its commitment, and its key as soon as it could.
	if (r.at == Joined || r.owes()) && !r.has(r.slot(), r.self) {
		return false
	}
	if r.at == Keyed && r.inputSent != r.has(r.slot(), r.self) {
		return false
	}
	return ok && r.soundParts(n, cells)
}

// soundParts checks sizes and encodings of what the current step reads.
func (r *Round) soundParts(n, cells int) bool {
	sized := func(b []byte, sizes ...int) bool {
		for _, s := range sizes {
			if len(b) == s {
				return true
			}
		}
		return false
	}
	if !sized(r.bits, 0, r.plan.cells) || !sized(r.key, 0, KeySize) || !sized(r.share, 0, OpenSize) ||
		!sized(r.sums, 0, cells*cellSize) || !sized(r.blinded, 0, cells*cellSize) || !sized(r.shares, 0, PointSize) {
		return false
	}
	for _, b := range r.bits {
		if b > 1 {
			return false
		}
	}
	if len(r.bits) > 0 {
		for _, f := range r.plan.bits {
			if v := f.eval(r.bits); v != 0 && v != 1 {
				return false
			}
		}
	}
	for _, m := range r.early {
		if m == nil {
			continue
		}
		if _, _, err := r.params.peek(m); err != nil {
			return false
		}
	}
	s := ristretto.NewScalar()
	if s.UnmarshalBinary(r.secret[:]) != nil {
		return false
	}
	wipe(s)
	encodings := func(b []byte) bool {
		for ; len(b) > 0; b = b[PointSize:] {
			if _, err := parseAny(b[:PointSize]); err != nil {
				return false
			}
		}
		return true
	}
	if !encodings(r.sums) || !encodings(r.blinded) || !encodings(r.shares) {
		return false
	}
	for p := range n {
		if !sized(r.keys[p], 0, PointSize) || !encodings(r.keys[p]) || !sized(r.coins[p], 0, CoinSize) {
			return false
		}
		if r.step > StepKey && len(r.keys[p]) == 0 || r.step > StepCoin && len(r.coins[p]) == 0 {
			return false
		}
	}
	if r.over {
		return true
	}
	if _, err := r.params.decodeBody(StepOpen, r.share); len(r.share) > 0 && err != nil {
		return false
	}
	_, err := r.params.decodeBody(StepKey, r.key)
	switch {
	case (r.at == Joined || r.at == Lapsed) && r.step == StepCommit && (len(r.key) == 0 || err != nil):
		return false // the key that the commitment is to
	case r.step == StepBlind && len(r.sums) == 0,
		r.step >= StepOpen && len(r.blinded) == 0:
		return false
	}
	// What was counted as taken has left its mark in the sums.
	for p := range n {
		switch taken := r.has(r.slot(), p); {
		case taken && r.step == StepKey && len(r.keys[p]) == 0, taken && r.step == StepCoin && len(r.coins[p]) == 0,
			taken && r.step == StepInput && len(r.sums) == 0, taken && r.step == StepBlind && len(r.blinded) == 0,
			taken && r.step == StepOpen && len(r.shares) == 0:
			return false
		}
	}
	return r.step != StepCoin || len(r.sums) > 0
}
