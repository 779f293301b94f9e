package pairwise

import (
	"slices"

	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// Meeting is what a contact's lane carries in one attempt, derived at once and
// kept in memory until the attempt and its circuits end, whatever happens to the
// contact meanwhile.
type Meeting struct {
	Version uint32    // that is listed, or RestoreVersion
	S       [32]byte  // preimage of Tag, revealed at ACK
	Tag     wire.Tag  // own tag, for the record
	PeerTag wire.Tag  // the peer's, if it lists the same version
	Held    []HeldTag // the peer's tag for every version held for this epoch, and for K_re

	id1, id2 wire.TwinID
	epochKey Key
	unused   bool // epochKey was not given to a Talk yet

	generation uint64
	sigma      Key // by K_re: of the introduction that it may begin,
	epoch      uint64
}

// HeldTag is the peer's tag for one held version, or for K_re.
type HeldTag struct {
	Version uint32
	PeerTag wire.Tag
}

// Twins returns the identifiers of the first and the second twins.
func (m *Meeting) Twins() (id1, id2 wire.TwinID) { return m.id1, m.id2 }

// Erase forgets the meeting's secrets; call it when the attempt ended without
// circuits.
func (m *Meeting) Erase() { *m = Meeting{Version: m.Version} }

// Join derives the meeting of one attempt. It steps every version that is valid
// at epoch to it, erasing older values, so it must be called only after all n
// KEYS of the attempt were verified and with epoch at most one after the
// caller's own: a lying clock could destroy the contact. The version listed is
// the highest that may be and is durable, or the one that Saw demands; a restored
// side that has not met its peer lists K_re, which needs no commit. The errors are ErrNotYet, ErrPast and ErrTooFar; none of them changes anything.
func (s *Session) Join(epoch uint64, aid wire.Hash) (*Meeting, error) {
	if epoch < s.epoch || epoch == s.epoch && slices.Contains(s.joined, aid) {
		return nil, ErrPast
	}
	var list *version
	for i := range s.versions {
		v := &s.versions[i]
		if v.epoch > epoch {
			continue
		}
		if epoch-v.epoch > MaxEpochJump {
			return nil, ErrTooFar
		}
		if v.listable && s.book.durable.saved && v.number <= s.book.durable.version && (list == nil || !s.lowered.set || v.number <= s.lowered.version) {
			list = v
		}
	}
	again := s.keyed() && (s.calling || s.lowered.set && s.lowered.version == RestoreVersion)
	if list == nil && !again {
		return nil, ErrNotYet
	}
	if epoch > s.epoch {
		s.epoch, s.joined = epoch, nil
		s.touch()
	}
	s.joined = append(s.joined, aid)
	m := &Meeting{unused: true, generation: s.generation, epoch: epoch}
	for i := range s.versions {
		v := &s.versions[i]
		if v.epoch > epoch {
			continue
		}
		v.step(epoch)
		m.Held = append(m.Held, HeldTag{v.number, wire.TagOf(aid, Preimage(&v.RV, s.role.other(), aid))})
	}
	if s.keyed() {
		m.Held = append(m.Held, HeldTag{RestoreVersion, wire.TagOf(aid, RestorePreimage(&s.restore, s.role.other(), aid))})
	}
	var rv, root Key
	if again {
		m.Version, m.sigma = RestoreVersion, RestoreSigma(&s.restore, aid)
		rv, root = InvitationKeys(&m.sigma)
		m.S = RestorePreimage(&s.restore, s.role, aid)
		m.PeerTag = m.Held[len(m.Held)-1].PeerTag
	} else {
		m.Version, rv, root = list.number, list.RV, list.Root
		m.S = Preimage(&rv, s.role, aid)
		m.PeerTag = wire.TagOf(aid, Preimage(&rv, s.role.other(), aid))
	}
	m.Tag = wire.TagOf(aid, m.S)
	m.id1, m.id2 = TwinIDs(&rv, aid)
	m.epochKey = EpochKey(&root, aid)
	s.last = m
	return m, nil
}

// Saw tells which held versions' PeerTag stood in the signed list of m. If the
// peer lists another version than m does, the lower of the two is listed in the
// next records, until circuits were made. Both sides that see the list decide
// alike, and a side that has erased the lower version never gets there: it
// erased it after circuits that both had listed the higher one for, and from
// then on both may list the higher one. K_re is the lowest of all, and nobody
// erases it: so a restored peer is answered in the next record.
func (s *Session) Saw(m *Meeting, peerVersions []uint32) {
	if m != s.last || len(peerVersions) == 0 || slices.Contains(peerVersions, m.Version) || weakened.DanglingVersion {
		return
	}
	low := min(m.Version, slices.Min(peerVersions))
	if m.Version == RestoreVersion || slices.Contains(peerVersions, RestoreVersion) {
		low = RestoreVersion
	}
	s.lowered = loweredTo{true, low}
}
