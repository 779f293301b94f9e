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
	Version uint32
	S       [32]byte  // preimage of Tag, revealed at ACK
	Tag     wire.Tag  // own tag, for the record
	PeerTag wire.Tag  // the peer's, if it lists the same version
	Held    []HeldTag // the peer's tag for every version held for this epoch

	id1, id2 wire.TwinID
	epochKey Key
	unused   bool // epochKey was not given to a Talk yet
}

// HeldTag is the peer's tag for one held version.
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
// the highest that may be and is durable, or the one that Saw demands. The
// errors are ErrNotYet, ErrPast and ErrTooFar; none of them changes anything.
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
	if list == nil {
		return nil, ErrNotYet
	}
	if epoch > s.epoch {
		s.epoch, s.joined = epoch, nil
		s.touch()
	}
	s.joined = append(s.joined, aid)
	m := &Meeting{Version: list.number, unused: true}
	for i := range s.versions {
		v := &s.versions[i]
		if v.epoch > epoch {
			continue
		}
		v.step(epoch)
		m.Held = append(m.Held, HeldTag{v.number, wire.TagOf(aid, Preimage(&v.RV, s.role.other(), aid))})
	}
	m.S = Preimage(&list.RV, s.role, aid)
	m.Tag = wire.TagOf(aid, m.S)
	m.PeerTag = wire.TagOf(aid, Preimage(&list.RV, s.role.other(), aid))
	m.id1, m.id2 = TwinIDs(&list.RV, aid)
	m.epochKey = EpochKey(&list.Root, aid)
	s.last = m
	return m, nil
}

// Saw tells which held versions' PeerTag stood in the signed list of m. If the
// peer lists another version than m does, the lower of the two is listed in the
// next records, until circuits were made. Both sides that see the list decide
// alike, and a side that has erased the lower version never gets there: it
// erased it after circuits that both had listed the higher one for, and from
// then on both may list the higher one.
func (s *Session) Saw(m *Meeting, peerVersions []uint32) {
	if m != s.last || len(peerVersions) == 0 || slices.Contains(peerVersions, m.Version) || weakened.DanglingVersion {
		return
	}
	s.lowered = loweredTo{true, min(m.Version, slices.Min(peerVersions))}
}
