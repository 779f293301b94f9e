package pairwise

import (
	"backchannel/internal/suite"
	"backchannel/internal/weakened"
)

// Healing replaces every secret of a version by one that a KEM exchange went
// into. Version v+1 is made from heal^v, which is never stepped and is erased as
// soon as v+1 is derived; version v itself goes when a cell was opened under
// v+1. Who holds both lists the higher one if it may, or what Saw says.

// startHealing sends a public key when it is this side's turn and the version
// has served long enough. One exchange at a time: version v is established, so
// both list it and everything below is gone.
func (s *Session) startHealing() {
	v := s.newest()
	if s.met < HealEvery || s.healing.active || Encapsulator(v.number) == s.role || !v.hasHeal || len(s.versions) != 1 || v.number >= RestoreVersion-1 {
		return
	}
	s.healing.active, s.healing.seed = true, suite.RandomKey()
	s.say(message{kind: kindHealKey, version: v.number + 1, pk: privateKey(s.healing.seed).Public().Bytes()})
}

// onHealKey: encapsulate, name E, derive v+1. It is listed only once the peer
// has acknowledged every byte of the answer, which it does only after its own
// copy of v+1 is durable.
func (s *Session) onHealKey(m message) bool {
	v := s.newest()
	if len(s.versions) != 1 || v.number != s.established || v.number == 0 || m.version != v.number+1 || Encapsulator(v.number) != s.role || !v.hasHeal {
		return false
	}
	pk, err := suite.ParsePublicKey(m.pk)
	if err != nil {
		return false
	}
	activation := s.epoch + ActivationDelay
	enc, ss, err := pk.Encapsulate(suite.LabelHealKEM, healContext(m.version, activation, m.pk)...)
	if err != nil {
		return false
	}
	secrets := Heal(&v.Heal, &ss, m.version, activation, m.pk, enc)
	clear(ss[:])
	v.dropHeal()
	s.add(m.version, activation, secrets, weakened.DanglingVersion)
	s.say(message{kind: kindHealEnc, version: m.version, epoch: activation, enc: enc})
	return true
}

// onHealEnc: derive v+1 and list it from E on; if E has passed, Join steps
// forward to its epoch.
func (s *Session) onHealEnc(m message) bool {
	v := s.newest()
	if !s.healing.active || m.version != v.number+1 || !s.plausible(m.epoch) {
		return false
	}
	sk := privateKey(s.healing.seed)
	pk := sk.Public().Bytes()
	ss, err := HealSecret(sk, m.version, m.epoch, m.enc)
	if err != nil {
		return false
	}
	secrets := Heal(&v.Heal, &ss, m.version, m.epoch, pk, m.enc)
	clear(ss[:])
	v.dropHeal()
	s.healing.active = false
	clear(s.healing.seed[:])
	s.add(m.version, m.epoch, secrets, true)
	return true
}

// controlAcknowledged is told when the peer has acknowledged the last frame of a
// control message.
func (s *Session) controlAcknowledged(k kind, number uint32) {
	if v := s.held(number); k == kindHealEnc && v != nil && !v.listable {
		v.listable = true
		s.touch()
	}
}
