package pairwise

import (
	"encoding/binary"

	"backchannel/internal/suite"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// The key schedule as functions of bytes. Sessions, test vectors and forged
// transcripts all use these and nothing else.

// Key is a 32-byte secret of the schedule.
type Key = [suite.KeySize]byte

// InvitationKeys derives version 0 from the invitation's secret σ, both indexed
// from the issue epoch: K_rv^0 = KDF(σ) and root^0 = KDF(σ), the introduction
// key, with a label each.
func InvitationKeys(sigma *Key) (rv, root Key) {
	return suite.KDF(suite.LabelInviteKeyV, [][]byte{sigma[:]}), suite.KDF(suite.LabelInviteKeyM, [][]byte{sigma[:]})
}

// StepRendezvous is K_rv of the next epoch: H(label ‖ K_rv).
func StepRendezvous(rv *Key) Key { return suite.Hash(suite.LabelRendezvousStep, rv[:]) }

// StepRoot is the message root of the next epoch: H(label ‖ root).
func StepRoot(root *Key) Key { return suite.Hash(suite.LabelRootStep, root[:]) }

// Preimage is s = PRF(K_rv, role ‖ aid), to which the tag of that role commits.
func Preimage(rv *Key, role Role, aid wire.Hash) [suite.HashSize]byte {
	return suite.PRF(*rv, suite.LabelRendezvous, []byte{byte(role)}, aid[:])
}

// TwinIDs are the sealed identifiers of the first and the second twins of one
// attempt: PRF(K_rv, aid) with a label each, truncated.
func TwinIDs(rv *Key, aid wire.Hash) (id1, id2 wire.TwinID) {
	a, b := suite.PRF(*rv, suite.LabelTwin1, aid[:]), suite.PRF(*rv, suite.LabelTwin2, aid[:])
	copy(id1[:], a[:])
	copy(id2[:], b[:])
	if weakened.SharedContact {
		id2 = id1
	}
	return id1, id2
}

// EpochKey is KDF(root, aid): the secret of one attempt's cells.
func EpochKey(root *Key, aid wire.Hash) Key {
	return suite.KDF(suite.LabelEpochKey, [][]byte{root[:]}, aid[:])
}

// CellChain is the first value of the chain of one direction on one twin:
// KDF(epoch key, twin ‖ role). twin is 0 or 1 and enters as 1 or 2; role is the
// sender's. The value belongs to the first round of the circuits.
func CellChain(epochKey *Key, twin int, role Role) Key {
	number := byte(1 + twin)
	if weakened.KeystreamOverlap {
		number = 1
	}
	return suite.KDF(suite.LabelCellChain, [][]byte{epochKey[:]}, []byte{number, byte(role)})
}

// StepCell is the chain value of the next round: H(label ‖ chain).
func StepCell(chain *Key) Key { return suite.Hash(suite.LabelCellStep, chain[:]) }

// CellKey is the key of the one cell of (twin, role, round):
// PRF(chain, round).
func CellKey(chain *Key, round uint64) Key {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], round)
	return suite.PRF(*chain, suite.LabelCellKey, b[:])
}

// Commit is H(pk_I ‖ r), the first message of an introduction.
func Commit(pkI []byte, r *Key) Key { return suite.Hash(suite.LabelCommitment, pkI, r[:]) }

// Transcript is everything that both sides of an introduction said, without the
// confirmations.
type Transcript struct {
	Commitment Key    // I→R, message 1
	PKR        []byte // R→I, message 2
	PKI        []byte // I→R, message 3
	R          Key    // opens the commitment
	EncR       []byte // encapsulated to R
	EncI       []byte // R→I, message 4: encapsulated to I
	Activation uint64 // E: the epoch from which version 1 is indexed and listed
}

// forR is the context of the encapsulation to R: what was said before it.
func (t *Transcript) forR() [][]byte {
	return [][]byte{{byte(Invitee)}, t.Commitment[:], t.PKR, t.PKI, t.R[:]}
}

// forI is the context of the encapsulation to I: what was said before it, and E.
func (t *Transcript) forI() [][]byte {
	return [][]byte{{byte(Inviter)}, t.Commitment[:], t.PKR, t.PKI, t.R[:], t.EncR, binary.BigEndian.AppendUint64(nil, t.Activation)}
}

// SecretR is ss_R, from EncR and the invitee's private key.
func (t *Transcript) SecretR(skR suite.PrivateKey) (Key, error) {
	return skR.Decapsulate(suite.LabelIntroKEM, t.EncR, t.forR()...)
}

// SecretI is ss_I, from EncI and the inviter's private key.
func (t *Transcript) SecretI(skI suite.PrivateKey) (Key, error) {
	return skI.Decapsulate(suite.LabelIntroKEM, t.EncI, t.forI()...)
}

// Words are the four 11-bit numbers of H(pk_I ‖ r ‖ pk_R) that people compare,
// first bits first.
func (t *Transcript) Words() (w [4]uint16) {
	h := suite.Hash(suite.LabelWords, t.PKI, t.R[:], t.PKR)
	n := binary.BigEndian.Uint64(h[:]) >> (64 - 44)
	for i := range w {
		w[i] = uint16(n>>(33-11*i)) & 0x7FF
	}
	return w
}

// Secrets are what a version begins with.
type Secrets struct {
	RV, Root, Heal Key
}

// erase forgets the secrets.
func (s *Secrets) erase() { *s = Secrets{} }

// Introduce derives version 1: root^1 = KDF(σ, ss_R, ss_I; 1 ‖ E ‖ transcript)
// and from it K_rv^1, heal^1, the static K_re and both sides' confirmations.
func (t *Transcript) Introduce(sigma, ssR, ssI *Key) (s Secrets, restore Key, confirmI, confirmR Key) {
	s.Root = suite.KDF(suite.LabelIntroRoot, [][]byte{sigma[:], ssR[:], ssI[:]},
		versionAndEpoch(1, t.Activation), t.Commitment[:], t.PKR, t.PKI, t.R[:], t.EncR, t.EncI)
	root := [][]byte{s.Root[:]}
	s.RV = suite.KDF(suite.LabelIntroRV, root)
	s.Heal = suite.KDF(suite.LabelIntroHeal, root)
	restore = suite.KDF(suite.LabelRestore, root)
	confirmI = suite.KDF(suite.LabelConfirm, root, []byte{byte(Inviter)})
	confirmR = suite.KDF(suite.LabelConfirm, root, []byte{byte(Invitee)})
	return s, restore, confirmI, confirmR
}

// Heal derives version v (v ≥ 2) from heal^{v−1} and one encapsulation:
// KDF(heal^{v−1}, ss; v ‖ E ‖ pk ‖ enc) with a label each.
func Heal(heal, ss *Key, v uint32, activation uint64, pk, enc []byte) (s Secrets) {
	secrets := [][]byte{heal[:], ss[:]}
	at := versionAndEpoch(v, activation)
	s.Root = suite.KDF(suite.LabelHealRoot, secrets, at, pk, enc)
	s.RV = suite.KDF(suite.LabelHealRV, secrets, at, pk, enc)
	s.Heal = suite.KDF(suite.LabelHealHeal, secrets, at, pk, enc)
	return s
}

// HealSecret is ss of a healing exchange that makes version v, from enc and the
// private key of whoever sent the public one.
func HealSecret(sk suite.PrivateKey, v uint32, activation uint64, enc []byte) (Key, error) {
	return sk.Decapsulate(suite.LabelHealKEM, enc, healContext(v, activation, sk.Public().Bytes())...)
}

// healContext is the context of an encapsulation that makes version v.
func healContext(v uint32, activation uint64, pk []byte) [][]byte {
	return [][]byte{versionAndEpoch(v, activation), pk}
}

func versionAndEpoch(v uint32, e uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(make([]byte, 0, 12), v), e)
}

// Encapsulator is who answers with an encapsulation when version v is healed to
// v+1. For even v the inviter sends the public key, else the invitee.
func Encapsulator(v uint32) Role {
	if v%2 == 0 {
		return Invitee
	}
	return Inviter
}
