package pairwise

import (
	"backchannel/internal/suite"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// RestoreVersion stands in Meeting and HeldTag for tags that were made from K_re.
// It counts as lower than every version: K_re is the one secret that both sides
// hold until the contact is burned.
const RestoreVersion uint32 = 1<<32 - 1

// A generation is one introduction and everything that follows from it: versions,
// healing and the stream. The first begins with the invitation, each later one
// with a meeting by K_re:
//
//   - A restored side is *calling*: it lists the tag of K_re in every record. With
//     every such meeting it begins a new generation, as I, with σ from K_re and the
//     meeting's aid, and sends the commitment. It stops calling when the peer
//     acknowledges the first frame, that is when the peer's generation is durable.
//   - Every other side keeps what it has until a data frame is opened in a meeting
//     by K_re, and then begins the generation of that meeting, as R. Who does not
//     call sends no data there, so a meeting by K_re that comes when both have
//     begun already (its record was decided before) carries padding only.
//
// So whatever is lost and whoever crashes, either both hold the generation, or one
// still calls and the other answers. Under keys that K_re alone could give only
// messages of the introduction travel; whoever learns K_re later reads nothing else
// with them.

// noGeneration is that of a talk that serves no stream.
const noGeneration uint64 = 1<<64 - 1

// NewRestored returns the session of a contact as a backup has it: a role and
// K_re. It calls the peer until the two have met.
func NewRestored(role Role, restore Key) *Session {
	if role != Inviter && role != Invitee {
		panic("pairwise: a session is the inviter's or the invitee's")
	}
	s := &Session{role: role, phase: Restoring, generation: 1, restored: true, calling: true, withheld: true, restore: restore}
	s.touch()
	return s
}

// NewLost returns the session of a contact of which a backup has no K_re, since
// the two had not been introduced when it was made: it meets nobody.
func NewLost(role Role) *Session {
	if role != Inviter && role != Invitee {
		panic("pairwise: a session is the inviter's or the invitee's")
	}
	s := &Session{role: role, phase: Lost, generation: 1, restored: true}
	s.touch()
	return s
}

// Restored tells whether one of the two came from a backup since the first
// introduction, so that words which were compared before say nothing any more.
func (s *Session) Restored() bool { return s.restored }

// Withheld tells whether items wait although the two may have met: K_re is in a backup,
// and whoever has one and its passphrase can begin a generation in the peer's place.
// It is part of the commit that begins a generation, so that no crash forgets it. On
// the line nothing shows it; a contact with nothing to say looks the same.
func (s *Session) Withheld() bool { return s.withheld }

// Vouch lets items go out in this generation: its words were compared, or the person
// decided without. A later generation begins withheld again.
func (s *Session) Vouch() {
	if s.withheld {
		s.withheld = false
		s.touch()
	}
}

// Generation counts the introductions that this process has seen begin. Words
// belong to one: who lets a person compare them checks that it is the same.
func (s *Session) Generation() uint64 { return s.generation }

// over tells whether nothing will ever be carried.
func (s *Session) over() bool { return s.phase == Refused || s.phase == Lost }

// keyed tells whether K_re is known: from the end of the first introduction on.
func (s *Session) keyed() bool { return !s.over() && (s.restored || s.derived()) }

// restart begins a generation at a meeting by K_re. Everything that belongs to the
// one before is erased; the caller offers every item that was not delivered anew.
func (s *Session) restart(sigma *Key, epoch uint64, part Role) {
	s.eraseGeneration()
	if s.phase == Introduced {
		s.phase = Introducing
	}
	s.generation++
	s.restored, s.withheld = true, true
	s.established, s.met = 0, 0
	s.misbehaved, s.deaf = false, false
	s.words = [4]uint16{}
	s.lowered, s.last = loweredTo{}, nil
	s.sending, s.incoming = sender{}, receiver{}
	s.book.restart()
	v := version{epoch: epoch, listable: true}
	v.RV, v.Root = InvitationKeys(sigma)
	s.versions = []version{v}
	s.beginIntroduction(*sigma, part)
	s.touch()
}

// eraseGeneration overwrites the secrets and contents of the running one.
func (s *Session) eraseGeneration() {
	for i := range s.versions {
		s.versions[i].erase()
	}
	s.versions = nil
	s.intro.erase()
	s.healing.active = false
	clear(s.healing.seed[:])
	clear(s.sending.open)
	for _, f := range s.sending.frames {
		clear(f.payload)
	}
	for _, m := range s.sending.control {
		clear(m)
	}
	clear(s.incoming.buf)
	for _, f := range s.incoming.ahead {
		clear(f.payload)
	}
}

// metAgain is told when the peer is known to hold this generation. What was seen
// in attempts that were joined before then is of no consequence: their records
// were decided by who did not know.
func (s *Session) metAgain() {
	s.lowered, s.last = loweredTo{}, nil
}

// Requeue replaces the queues after a Delta with Restart was saved: by all items
// of the vault that were not delivered, in the order in which they were accepted,
// followed by those that were queued since.
func (s *Session) Requeue(items []Item) {
	known := map[wire.ItemID]bool{}
	queues := [wire.Classes][]queued{}
	for _, it := range items {
		if !known[it.ID] {
			queues[it.Class] = append(queues[it.Class], queued{Item: it})
			known[it.ID] = true
		}
	}
	for c, q := range s.sending.queues {
		for _, it := range q {
			if !known[it.ID] {
				queues[c] = append(queues[c], it)
			}
		}
	}
	s.sending.queues = queues
}

// RestorePreimage is s of a tag that is made from the static K_re:
// PRF(K_re, role ‖ aid). Since K_re never steps, nothing but aid keeps what a
// relay sees of one attempt from being seen again in another.
func RestorePreimage(restore *Key, role Role, aid wire.Hash) [suite.HashSize]byte {
	if weakened.StaticRestore {
		return suite.PRF(*restore, suite.LabelRestoreTag, []byte{byte(role)})
	}
	return suite.PRF(*restore, suite.LabelRestoreTag, []byte{byte(role)}, aid[:])
}

// RestoreSigma is σ of the introduction that a meeting by K_re begins:
// KDF(K_re; aid). The meeting's own ids and cells are those of version 0 made from
// it, so they belong to this one attempt, too.
func RestoreSigma(restore *Key, aid wire.Hash) Key {
	return suite.KDF(suite.LabelRestoreS, [][]byte{restore[:]}, aid[:])
}
