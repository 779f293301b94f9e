package pairwise

import (
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// Session is one pair of stations, seen from one of them. The zero value is not
// usable: see NewSession and Load.
type Session struct {
	role  Role
	phase Phase

	generation uint64 // counts introductions in this process; memory only
	restored   bool   // one of the two came from a backup
	calling    bool   // this one did, and the peer did not acknowledge this generation yet
	withheld   bool   // items wait until somebody vouches for the peer of this generation

	misbehaved bool // the peer sent what the protocol does not allow
	deaf       bool // the peer's stream can no longer be followed: acknowledged, not read

	epoch       uint64    // latest epoch joined
	joined      []joined  // attempts joined for it; memory only
	last        *Meeting  // latest meeting; memory only
	lowered     loweredTo // memory only
	versions    []version // held versions, ascending: one or two
	established uint32    // highest version under which a cell was opened
	met         uint32    // talks in which the newest version's cells were opened

	intro   introduction
	words   [4]uint16
	restore Key // K_re of the first introduction, from version 1 on
	healing struct {
		active bool
		seed   Key // of the key pair whose public half was sent
	}

	cell     int // bytes per cell, once circuits are known; memory only
	sending  sender
	incoming receiver
	book     book
}

type joined = wire.Hash

// loweredTo is the version that is listed instead of the highest one, because
// the peer was seen to list it, until circuits are made with some version.
type loweredTo struct {
	set     bool
	version uint32
}

// version is one generation of chains. Its values belong to epoch; nobody holds
// earlier ones.
type version struct {
	number   uint32
	epoch    uint64
	listable bool // for the encapsulator: acknowledged by the peer
	hasHeal  bool
	Secrets
}

// step moves the chains to epoch, erasing the older values. The caller has
// checked the distance.
func (v *version) step(epoch uint64) {
	for ; v.epoch < epoch; v.epoch++ {
		v.RV, v.Root = StepRendezvous(&v.RV), StepRoot(&v.Root)
	}
}

func (v *version) dropHeal() { v.Heal, v.hasHeal = Key{}, false }

func (v *version) erase() {
	v.Secrets.erase()
	v.hasHeal = false
}

// NewSession begins a session from an invitation: its secret σ and its issue
// epoch. Nothing may be listed for it before its first Delta is saved.
func NewSession(role Role, sigma [32]byte, issueEpoch uint64) *Session {
	if role != Inviter && role != Invitee {
		panic("pairwise: a session is the inviter's or the invitee's")
	}
	s := &Session{role: role, generation: 1}
	v := version{epoch: issueEpoch, listable: true}
	v.RV, v.Root = InvitationKeys(&sigma)
	s.versions = []version{v}
	s.beginIntroduction(sigma, role)
	s.touch()
	return s
}

// Role returns which end of the invitation the session is.
func (s *Session) Role() Role { return s.role }

// Phase returns how far the introduction is.
func (s *Session) Phase() Phase { return s.phase }

// Words returns the four 11-bit indices of the words to compare by voice, once
// introduced.
func (s *Session) Words() ([4]uint16, bool) {
	if s.phase != Introduced {
		return [4]uint16{}, false
	}
	return s.words, true
}

// RestoreKey returns K_re, the one secret of a contact that goes into a backup,
// once introduced for the first time.
func (s *Session) RestoreKey() (Key, bool) {
	if s.over() || !s.restored && s.phase != Introduced {
		return Key{}, false
	}
	return s.restore, true
}

// Version returns the highest version under which a cell of the peer was opened.
func (s *Session) Version() uint32 { return s.established }

// Trouble returns ErrMisbehaving or ErrExhausted when the person should know,
// else nil. The network never sees a difference.
func (s *Session) Trouble() error {
	switch {
	case s.misbehaved:
		return ErrMisbehaving
	case s.sending.next == lastSeq:
		return ErrExhausted
	}
	return nil
}

// Erase forgets every secret and everything that waits. The session and its
// talks are of no use afterwards.
func (s *Session) Erase() {
	s.eraseGeneration()
	if s.last != nil {
		s.last.Erase()
	}
	clear(s.restore[:])
	*s = Session{role: s.role, phase: Refused, deaf: true}
}

// touch notes that the state differs from what was last taken.
func (s *Session) touch() { s.book.dirty = true }

// newest is the highest version held.
func (s *Session) newest() *version { return &s.versions[len(s.versions)-1] }

func (s *Session) held(number uint32) *version {
	for i := range s.versions {
		if s.versions[i].number == number {
			return &s.versions[i]
		}
	}
	return nil
}

// add takes up a version that was just derived.
func (s *Session) add(number uint32, activation uint64, secrets Secrets, listable bool) {
	s.versions = append(s.versions, version{number: number, epoch: activation, listable: listable, hasHeal: true, Secrets: secrets})
	s.met = 0
	s.touch()
}

// heard notes that a cell of the peer was opened under version number: the peer
// lists it too, so the versions below can go. first is set for the first cell of
// a talk.
func (s *Session) heard(number uint32, first bool) {
	if s.phase == Waiting || s.phase == Restoring {
		s.phase = Introducing
		s.touch()
	}
	if number > s.established && s.held(number) != nil {
		s.established = number
		kept := s.versions[:0]
		for i := range s.versions {
			if v := &s.versions[i]; v.number < number {
				v.erase()
			} else {
				kept = append(kept, *v)
			}
		}
		clear(s.versions[len(kept):])
		s.versions = kept
		s.touch()
	}
	if first && len(s.versions) > 0 && number == s.newest().number && number == s.established && s.phase == Introduced {
		s.met++
		s.touch()
		s.startHealing()
	}
}

// plausible tells whether a peer's activation epoch can be right. It may have
// passed long ago; it cannot be far ahead, since whoever named it had a clock.
func (s *Session) plausible(activation uint64) bool {
	const ahead, past = 1 << 16, 1 << 18 // a year of 120 seconds in the past
	return activation <= s.epoch+ahead && activation+past >= s.epoch
}

// say queues a control message.
func (s *Session) say(m message) {
	s.sending.control = append(s.sending.control, m.append(make([]byte, 0, maxControl)))
	s.touch()
}

// control acts on a record of class control. What the protocol does not allow is
// noted and otherwise ignored.
func (s *Session) control(r wire.Record) {
	m, ok := parseMessage(r.Data)
	if !ok || r.Offset != 0 || !r.Last || r.Item != m.item() {
		s.misbehave()
		return
	}
	if s.over() {
		return
	}
	switch m.kind {
	case kindCommit:
		ok = s.onCommit(m)
	case kindKey:
		ok = s.onKey(m)
	case kindOpen:
		ok = s.onOpen(m)
	case kindAccept:
		ok = s.onAccept(m)
	case kindConfirm:
		ok = s.onConfirm(m)
	case kindHealKey:
		ok = s.onHealKey(m)
	case kindHealEnc:
		ok = s.onHealEnc(m)
	}
	if !ok {
		s.misbehave()
	}
	s.touch()
}

func (s *Session) misbehave() {
	if !s.misbehaved {
		s.misbehaved = true
		s.touch()
	}
}

// privateKey regrows a key pair; seeds of 32 bytes always do.
func privateKey(seed Key) suite.PrivateKey {
	sk, err := suite.NewPrivateKey(seed)
	if err != nil {
		panic("pairwise: " + err.Error())
	}
	return sk
}
