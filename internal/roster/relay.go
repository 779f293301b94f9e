package roster

import (
	"bytes"
	"errors"
	"fmt"

	"backchannel/internal/suite"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// RelayConfig is what one relay needs for one attempt.
type RelayConfig struct {
	Params  wire.Params
	Net     wire.Hash
	Index   int               // own position in the chain from 0
	Sign    suite.SigningKey  // own long-term key
	Verify  []suite.VerifyKey // of all relays in chain order
	Attempt wire.Attempt      // above the caller's high-water mark
	// Fresh random seeds of the two key pairs; they must differ, and the caller
	// keeps no copy.
	OuterSeed, InnerSeed [suite.SeedSize]byte
}

// relayPhase is where a relay stands within an attempt.
type relayPhase uint8

const (
	relayKeys    relayPhase = iota // collecting KEYS
	relayRoster                    // all KEYS held; no header signed
	relayBatch                     // header signed; nothing mixed
	relayMixed                     // batch mixed; nothing decided
	relaySeeds                     // decided to reveal; collecting seeds
	relayReveals                   // own REVEAL signed; collecting the others
	relayDone                      // all n REVEALs held
	relayOver                      // ended without
	relayPhases                    // their number
)

var relayPhaseNames = [relayPhases]string{
	"collecting KEYS", "waiting for the record list", "waiting for a batch", "waiting for acknowledgements",
	"collecting seeds", "collecting REVEALs", "complete", "over",
}

// relayEvent is something that can happen to a relay's attempt.
type relayEvent uint8

const (
	eventKeys relayEvent = iota
	eventRecords
	eventMixed
	eventAcks
	eventSeed
	eventReveal
	relayEvents // their number
)

var relayEventNames = [relayEvents]string{"KEYS", "a record list", "a mixed batch", "acknowledgements", "a seed", "a REVEAL"}

// relayAllows is the transition table: in which phases an event may happen.
// Acknowledgements that come before a batch was mixed can only decide to abort.
var relayAllows = [relayEvents][relayPhases]bool{
	eventKeys:    {relayKeys: true},
	eventRecords: {relayRoster: true},
	eventMixed:   {relayBatch: true},
	eventAcks:    {relayKeys: true, relayRoster: true, relayBatch: true, relayMixed: true},
	eventSeed:    {relaySeeds: true},
	eventReveal:  {relayReveals: true},
}

// Relay is one relay's side of one attempt.
type Relay struct {
	cfg    RelayConfig
	phase  relayPhase
	keys   keySet
	aid    wire.Hash
	list   []byte // sorted records, until the decision
	header wire.Hash

	outer, inner suite.PrivateKey
	seeds        []suite.PrivateKey // revealed inner keys in chain order
	seedsHeld    int
	reveals      []bool
	revealsHeld  int
}

// NewRelay begins an attempt: it grows the outer and inner key pair and signs
// their public halves.
func NewRelay(cfg RelayConfig) (*Relay, error) {
	switch {
	case cfg.Params.Relays < 1 || len(cfg.Verify) != cfg.Params.Relays:
		return nil, fmt.Errorf("beginning an attempt: %d verification keys for a chain of %d relays", len(cfg.Verify), cfg.Params.Relays)
	case cfg.Index < 0 || cfg.Index >= cfg.Params.Relays:
		return nil, fmt.Errorf("beginning an attempt: no relay %d in a chain of %d", cfg.Index+1, cfg.Params.Relays)
	case !bytes.Equal(cfg.Sign.Public().Bytes(), cfg.Verify[cfg.Index].Bytes()):
		return nil, fmt.Errorf("beginning an attempt: the network file names another key for relay %d; use the network file that this relay signed", cfg.Index+1)
	case cfg.Attempt.Epoch == 0:
		return nil, errors.New("beginning an attempt: the first epoch with circuits is 1")
	case cfg.OuterSeed == cfg.InnerSeed:
		return nil, errors.New("beginning an attempt: outer and inner key need seeds of their own")
	}
	n := cfg.Params.Relays
	r := &Relay{
		cfg: cfg, keys: newKeySet(cfg.Net, cfg.Attempt, cfg.Verify),
		seeds: make([]suite.PrivateKey, n), reveals: make([]bool, n),
	}
	var err error
	if r.outer, err = suite.NewPrivateKey(cfg.OuterSeed); err != nil {
		return nil, fmt.Errorf("beginning an attempt: %w", err)
	}
	if r.inner, err = suite.NewPrivateKey(cfg.InnerSeed); err != nil {
		return nil, fmt.Errorf("beginning an attempt: %w", err)
	}
	clear(r.cfg.OuterSeed[:])
	clear(r.cfg.InnerSeed[:])
	own := wire.Keys{Attempt: cfg.Attempt, Relay: cfg.Index, Outer: r.outer.Public().Bytes(), Inner: r.inner.Public().Bytes()}
	own.Sign(cfg.Net, cfg.Sign)
	r.keys.put(own)
	return r, nil
}

func (r *Relay) allow(ev relayEvent) error {
	if relayAllows[ev][r.phase] {
		return nil
	}
	if weakened.SecondBatch && ev == eventMixed && r.phase == relayMixed {
		return nil
	}
	return fmt.Errorf("taking %s: this attempt is %s", relayEventNames[ev], relayPhaseNames[r.phase])
}

// OwnKeys returns this relay's KEYS, signed once.
func (r *Relay) OwnKeys() wire.Keys { return r.keys.all[r.cfg.Index] }

// Keys takes one relay's KEYS. complete is true once: with the KEYS after which
// all n are held, own ones counting from the start (a chain of one
// relay completes with its own coming back). Own KEYS that come back
// changed, KEYS with a wrong signature or an impossible key, and second KEYS of
// one relay are refused.
func (r *Relay) Keys(k wire.Keys) (complete bool, err error) {
	if r.phase == relayOver {
		return false, r.allow(eventKeys)
	}
	if _, err := r.keys.add(k); err != nil {
		return false, err
	}
	if r.phase != relayKeys || !r.keys.complete() {
		return false, nil
	}
	r.aid = r.keys.aid()
	r.phase = relayRoster
	return true, nil
}

// AID returns the attempt's hash over all KEYS, zero before they are complete.
func (r *Relay) AID() wire.Hash { return r.aid }

// Records takes the sorted record list, copies it and signs the header over it:
// exactly one per attempt, whatever is asked later.
func (r *Relay) Records(sorted []byte) (wire.SignedHeader, error) {
	if err := r.allow(eventRecords); err != nil {
		return wire.SignedHeader{}, err
	}
	if err := checkList(r.cfg.Params, sorted); err != nil {
		return wire.SignedHeader{}, err
	}
	r.list = bytes.Clone(sorted)
	h := headerOf(r.cfg.Params, r.cfg.Attempt, r.aid, r.list)
	r.header = h.Hash()
	r.phase = relayBatch
	return wire.SignHeader(h, r.cfg.Index, r.cfg.Sign), nil
}

// HeaderHash returns H(header) of the one header that this relay signed, zero
// before.
func (r *Relay) HeaderHash() wire.Hash { return r.header }

// Outer returns the private key that opens this attempt's onions. It is not
// Valid before the header is signed and after Mixed.
func (r *Relay) Outer() suite.PrivateKey {
	if r.phase != relayBatch && !(weakened.SecondBatch && r.phase == relayMixed) {
		return suite.PrivateKey{}
	}
	return r.outer
}

// Mixed records that this relay opened and permuted a batch under this very
// header, and erases the outer key: there is no second batch. Output leaves only
// after Mixed returned nil.
func (r *Relay) Mixed() error {
	if err := r.allow(eventMixed); err != nil {
		return err
	}
	r.phase = relayMixed
	if !weakened.SecondBatch {
		r.outer = suite.PrivateKey{}
	}
	return nil
}

// Acks decides between REVEAL and ABORT, once. acks holds 32 bytes for every tag
// of the list, in the list's order; nil means that the entry gave up. Only if each
// single one is the preimage of its tag, and this relay mixed a batch under this
// header, reveal is true and seed may be published. Otherwise the inner key is
// destroyed and the attempt is over. After a decision, Acks is an error and
// changes nothing.
func (r *Relay) Acks(acks []byte) (seed wire.Seed, reveal bool, err error) {
	if err := r.allow(eventAcks); err != nil {
		return seed, false, err
	}
	all := acknowledged(r.list, r.aid, acks)
	if weakened.RevealWithoutAck && acks != nil {
		all = true
	}
	if r.phase != relayMixed || !all {
		r.end()
		return seed, false, nil
	}
	r.phase = relaySeeds
	r.list = nil
	r.hold(r.cfg.Index, r.inner)
	return wire.Seed{Attempt: r.cfg.Attempt, Relay: r.cfg.Index, Seed: r.inner.Seed()}, true, nil
}

// Abort ends the attempt if nothing was decided yet: nothing will be revealed.
// After the decision it does nothing, for that is made once.
func (r *Relay) Abort() {
	if relayAllows[eventAcks][r.phase] {
		r.end()
	}
}

func (r *Relay) hold(relay int, sk suite.PrivateKey) {
	r.seeds[relay] = sk
	r.seedsHeld++
}

// Seed takes one relay's inner seed and checks that it regenerates the public key
// that the relay signed; a mismatch ends the attempt. signed is true once: with
// the seed after which all n are held, own one counting from the decision; rev is
// then this relay's one REVEAL. In a chain of one relay it takes its own seed.
func (r *Relay) Seed(s wire.Seed) (rev wire.Reveal, signed bool, err error) {
	if s.Attempt != r.cfg.Attempt || s.Relay < 0 || s.Relay >= len(r.seeds) {
		return rev, false, errors.New("checking a seed: it is of another attempt or relay")
	}
	if held := r.seeds[s.Relay]; held.Valid() {
		if held.Seed() != s.Seed {
			return rev, false, fmt.Errorf("checking a seed: relay %d sent two; the first stays", s.Relay+1)
		}
	} else {
		if err := r.allow(eventSeed); err != nil {
			return rev, false, err
		}
		sk, err := suite.NewPrivateKey(s.Seed)
		if err != nil || !bytes.Equal(sk.Public().Bytes(), r.keys.all[s.Relay].Inner) {
			r.end()
			return rev, false, fmt.Errorf("checking a seed: that of relay %d does not regenerate its signed key; the attempt is over", s.Relay+1)
		}
		r.hold(s.Relay, sk)
	}
	if r.phase != relaySeeds || r.seedsHeld < len(r.seeds) {
		return rev, false, nil
	}
	r.phase = relayReveals
	r.reveals[r.cfg.Index], r.revealsHeld = true, 1
	return wire.SignReveal(r.cfg.Attempt, r.cfg.Index, r.header, r.cfg.Sign), true, nil
}

// InnerKeys returns the inner keys of all n relays in chain order once all seeds
// were checked, else nil. The last relay pairs circuits with them.
func (r *Relay) InnerKeys() []suite.PrivateKey {
	if r.phase != relayReveals && r.phase != relayDone || !r.seeds[0].Valid() {
		return nil
	}
	return append([]suite.PrivateKey(nil), r.seeds...)
}

// Reveal takes one relay's REVEAL. complete is true once: when all n over this
// header are held, own one included; the old set may then be erased.
func (r *Relay) Reveal(v wire.Reveal) (complete bool, err error) {
	if r.phase != relayDone {
		if err := r.allow(eventReveal); err != nil {
			return false, err
		}
	}
	if err := checkReveal(v, r.cfg.Attempt, r.header, r.cfg.Verify); err != nil {
		return false, err
	}
	first := r.phase == relayReveals
	if !r.reveals[v.Relay] {
		r.reveals[v.Relay] = true
		r.revealsHeld++
	}
	if !first || r.revealsHeld < len(r.reveals) {
		return false, nil
	}
	r.phase = relayDone
	return true, nil
}

// Over reports whether the attempt ended without a REVEAL of this relay.
func (r *Relay) Over() bool { return r.phase == relayOver }

// Complete reports whether all n REVEALs are held.
func (r *Relay) Complete() bool { return r.phase == relayDone }

// Erase destroys every private key of the attempt. The last relay calls it when
// it paired, the others when they signed REVEAL; what is held of REVEALs stays.
func (r *Relay) Erase() {
	r.outer, r.inner = suite.PrivateKey{}, suite.PrivateKey{}
	clear(r.seeds)
	r.list = nil
	if r.phase != relayReveals && r.phase != relayDone {
		r.phase = relayOver
	}
}

func (r *Relay) end() {
	r.phase = relayOver
	r.Erase()
}

func checkReveal(v wire.Reveal, a wire.Attempt, header wire.Hash, verify []suite.VerifyKey) error {
	switch {
	case v.Attempt != a:
		return errors.New("checking a REVEAL: it is of another attempt")
	case v.Relay < 0 || v.Relay >= len(verify):
		return fmt.Errorf("checking a REVEAL: no relay %d in a chain of %d", v.Relay+1, len(verify))
	case v.Header != header:
		return fmt.Errorf("checking a REVEAL: relay %d signed it over another header", v.Relay+1)
	case !v.Verify(verify[v.Relay]):
		return fmt.Errorf("checking a REVEAL: the signature of relay %d does not fit", v.Relay+1)
	}
	return nil
}
