package roster

import (
	"bytes"
	"fmt"

	"backchannel/internal/suite"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// keySet collects the KEYS of all n relays for one attempt.
type keySet struct {
	net     wire.Hash
	attempt wire.Attempt
	verify  []suite.VerifyKey
	all     []wire.Keys // in chain order; a Signature of nil is a gap
	held    int
}

func newKeySet(net wire.Hash, a wire.Attempt, verify []suite.VerifyKey) keySet {
	return keySet{net: net, attempt: a, verify: verify, all: make([]wire.Keys, len(verify))}
}

func (s *keySet) complete() bool { return s.held == len(s.all) }

// add checks and stores one relay's KEYS. It reports false for KEYS that are
// already held. The first KEYS of a relay are final: other ones, rightly signed,
// are that relay's fault and refused.
func (s *keySet) add(k wire.Keys) (added bool, err error) {
	if k.Attempt != s.attempt {
		return false, fmt.Errorf("checking KEYS: they are of another attempt")
	}
	if k.Relay < 0 || k.Relay >= len(s.all) {
		return false, fmt.Errorf("checking KEYS: no relay %d in a chain of %d", k.Relay+1, len(s.all))
	}
	if !k.Verify(s.net, s.verify[k.Relay]) {
		return false, fmt.Errorf("checking KEYS: the signature of relay %d does not fit", k.Relay+1)
	}
	if old := s.all[k.Relay]; old.Signature != nil {
		if !bytes.Equal(old.Unsigned(), k.Unsigned()) {
			return false, fmt.Errorf("checking KEYS: relay %d signed two for one attempt; the first stay", k.Relay+1)
		}
		return false, nil
	}
	for _, b := range [][]byte{k.Outer, k.Inner} {
		if _, err := suite.ParsePublicKey(b); err != nil {
			return false, fmt.Errorf("checking KEYS: of relay %d: %w", k.Relay+1, err)
		}
	}
	s.put(k)
	return true, nil
}

func (s *keySet) put(k wire.Keys) {
	k.Outer, k.Inner, k.Signature = bytes.Clone(k.Outer), bytes.Clone(k.Inner), bytes.Clone(k.Signature)
	s.all[k.Relay] = k
	s.held++
}

// aid binds everything that follows to all KEYS: tags and header directly, every
// HPKE info through H(header).
func (s *keySet) aid() wire.Hash {
	if weakened.UnboundKeys {
		return wire.AID(s.net, s.attempt, nil)
	}
	return wire.AID(s.net, s.attempt, s.all)
}
