package pairwise

import "backchannel/internal/suite"

// stage is what an introduction waits for.
type stage byte

// The stages of I and of R; the first time these are the inviter and the invitee.
// stageDone is both's last.
const (
	stageDone      stage = 0
	stageCommitted stage = 1 // inviter: said the commitment, waits for pk_R
	stageOpened    stage = 2 // inviter: opened it, waits for E, enc→I and the confirmation
	stageInvited   stage = 3 // invitee: waits for the commitment
	stageKeyed     stage = 4 // invitee: said pk_R, waits for pk_I, r, enc→R
	stageAccepted  stage = 5 // invitee: said E, enc→I, confirmation; waits for the inviter's
)

// introduction is the run of one invitation. Which fields count depends on the
// stage; everything is erased at its end.
type introduction struct {
	stage      stage
	sigma      Key    // until root^1 is derived
	seed       Key    // of the own key pair
	nonce      Key    // inviter: r
	commitment Key    // invitee: what the inviter committed to
	pkR        []byte // inviter, opened: the invitee's key
	encR       []byte // inviter, opened: the encapsulation to it
	ssR        Key    // inviter, opened: its secret
	confirm    Key    // invitee, accepted: what the inviter must say
}

func (in *introduction) erase() { *in = introduction{} }

// beginIntroduction takes the part of I or of R. In the first introduction that is
// the role; when one side was restored, it is the restored one that is I.
func (s *Session) beginIntroduction(sigma Key, part Role) {
	s.intro = introduction{stage: stageInvited, sigma: sigma}
	if part == Inviter {
		s.intro.stage = stageCommitted
		s.intro.seed, s.intro.nonce = suite.RandomKey(), suite.RandomKey()
		pk := privateKey(s.intro.seed).Public().Bytes()
		s.say(message{kind: kindCommit, hash: Commit(pk, &s.intro.nonce)})
	}
}

// refuse ends the introduction for good. The network sees nothing of it: cells
// are exchanged as before and carry acknowledgements only.
func (s *Session) refuse() {
	s.phase, s.calling, s.withheld = Refused, false, false
	s.intro.erase()
	clear(s.restore[:])
	for len(s.versions) > 1 {
		s.newest().erase()
		s.versions = s.versions[:len(s.versions)-1]
	}
	for _, m := range s.sending.control {
		clear(m)
	}
	s.sending.control = nil
	s.touch()
}

// onCommit (invitee): the inviter is bound; answer with pk_R.
func (s *Session) onCommit(m message) bool {
	if s.restored && s.intro.stage == stageCommitted { // both were restored and began as I
		if s.role == Inviter {
			return true // the peer's is without consequence
		}
		s.intro = introduction{stage: stageInvited, sigma: s.intro.sigma}
	}
	if s.intro.stage != stageInvited {
		return false
	}
	s.intro.stage, s.intro.commitment, s.intro.seed = stageKeyed, m.hash, suite.RandomKey()
	s.say(message{kind: kindKey, pk: privateKey(s.intro.seed).Public().Bytes()})
	return true
}

// onKey (inviter): open the commitment and encapsulate to pk_R.
func (s *Session) onKey(m message) bool {
	if s.intro.stage != stageCommitted {
		return false
	}
	pkR, err := suite.ParsePublicKey(m.pk)
	if err != nil {
		s.refuse()
		return true
	}
	t := Transcript{PKR: m.pk, PKI: privateKey(s.intro.seed).Public().Bytes(), R: s.intro.nonce}
	t.Commitment = Commit(t.PKI, &t.R)
	encR, ssR, err := pkR.Encapsulate(suite.LabelIntroKEM, t.forR()...)
	if err != nil {
		s.refuse()
		return true
	}
	s.intro.stage, s.intro.ssR, s.intro.encR = stageOpened, ssR, encR
	s.intro.pkR = append([]byte(nil), m.pk...)
	s.say(message{kind: kindOpen, pk: t.PKI, hash: t.R, enc: encR})
	return true
}

// onOpen (invitee): refuse what does not match the commitment; derive version 1,
// name its activation epoch and confirm. As its encapsulator the invitee lists
// version 1 only after the inviter's confirmation.
func (s *Session) onOpen(m message) bool {
	if s.intro.stage != stageKeyed {
		return false
	}
	if s.restored {
		s.metAgain() // I says this only after our answer to its commitment
	}
	in := &s.intro
	want := Commit(m.pk, &m.hash)
	pkI, err := suite.ParsePublicKey(m.pk)
	if err != nil || !suite.Equal(want[:], in.commitment[:]) {
		s.refuse()
		return true
	}
	sk := privateKey(in.seed)
	t := Transcript{Commitment: in.commitment, PKR: sk.Public().Bytes(), PKI: m.pk, R: m.hash, EncR: m.enc, Activation: s.epoch + ActivationDelay}
	ssR, err := t.SecretR(sk)
	if err != nil {
		s.refuse()
		return true
	}
	var ssI Key
	if t.EncI, ssI, err = pkI.Encapsulate(suite.LabelIntroKEM, t.forI()...); err != nil {
		s.refuse()
		return true
	}
	secrets, restore, confirmI, confirmR := t.Introduce(&in.sigma, &ssR, &ssI)
	s.derive(&t, &restore)
	s.add(1, t.Activation, secrets, false)
	in.erase()
	in.stage, in.confirm = stageAccepted, confirmI
	s.say(message{kind: kindAccept, epoch: t.Activation, enc: t.EncI, hash: confirmR})
	return true
}

// derive keeps what an introduction gives besides a version. K_re stays that of
// the first, so that a backup is of use until the contact is burned.
func (s *Session) derive(t *Transcript, restore *Key) {
	s.words = t.Words()
	if !s.restored {
		s.restore = *restore
	}
	clear(restore[:])
}

// onAccept (inviter): derive version 1, check the invitee's confirmation, list
// version 1 from E and confirm.
func (s *Session) onAccept(m message) bool {
	if s.intro.stage != stageOpened {
		return false
	}
	in := &s.intro
	sk := privateKey(in.seed)
	t := Transcript{PKR: in.pkR, PKI: sk.Public().Bytes(), R: in.nonce, EncR: in.encR, EncI: m.enc, Activation: m.epoch}
	t.Commitment = Commit(t.PKI, &t.R)
	ssI, err := t.SecretI(sk)
	if err != nil {
		s.refuse()
		return true
	}
	secrets, restore, confirmI, confirmR := t.Introduce(&in.sigma, &in.ssR, &ssI)
	if !suite.Equal(confirmR[:], m.hash[:]) || !s.plausible(t.Activation) {
		s.refuse()
		return true
	}
	s.derive(&t, &restore)
	s.add(1, t.Activation, secrets, true)
	in.erase()
	s.phase = Introduced
	s.say(message{kind: kindConfirm, hash: confirmI})
	return true
}

// onConfirm (invitee): version 1 may be listed from E.
func (s *Session) onConfirm(m message) bool {
	if s.intro.stage != stageAccepted {
		return false
	}
	if !suite.Equal(m.hash[:], s.intro.confirm[:]) {
		s.refuse()
		return true
	}
	s.intro.erase()
	s.phase = Introduced
	s.newest().listable = true
	return true
}
