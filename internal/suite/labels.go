package suite

// A Label separates one use of a primitive from every other. Labels are ASCII,
// begin with "backchannel/v1/" and have exactly one purpose each.
type Label string

// The labels of suite 1, in the order in which an epoch uses them.
const (
	LabelNetwork     Label = "backchannel/v1/network"      // hash of the network file: net
	LabelNetworkSign Label = "backchannel/v1/network-sign" // relay signature over net
	LabelPossession  Label = "backchannel/v1/possession"   // relay's self-signature over its public record
	LabelKeysSign    Label = "backchannel/v1/keys-sign"    // relay signature over KEYS
	LabelAttempt     Label = "backchannel/v1/attempt"      // aid
	LabelTag         Label = "backchannel/v1/tag"          // tag = commitment to s
	LabelRoster      Label = "backchannel/v1/roster"       // hash of the sorted record list
	LabelHeader      Label = "backchannel/v1/header"       // H(header)
	LabelHeaderSign  Label = "backchannel/v1/header-sign"  // relay signature over H(header)
	LabelRevealSign  Label = "backchannel/v1/reveal-sign"  // relay signature over H(header) at REVEAL
	LabelAccount     Label = "backchannel/v1/account"      // station's answer to the entry's challenge

	LabelOuter         Label = "backchannel/v1/onion/outer"          // HPKE info of an outer layer
	LabelForward       Label = "backchannel/v1/onion/forward"        // export: forward cell key
	LabelBackward      Label = "backchannel/v1/onion/backward"       // export: backward cell key
	LabelReceiptMAC    Label = "backchannel/v1/onion/receipt-mac"    // export: receipt MAC key
	LabelReceiptStream Label = "backchannel/v1/onion/receipt-stream" // export: receipt stream key
	LabelInner         Label = "backchannel/v1/onion/inner"          // HPKE info and export of an inner secret
	LabelEnvelope      Label = "backchannel/v1/onion/envelope"       // K of the inner envelope

	LabelRendezvousStep Label = "backchannel/v1/rendezvous/step"  // K_rv of the next epoch
	LabelRendezvous     Label = "backchannel/v1/rendezvous"       // s, the preimage of a tag
	LabelTwin1          Label = "backchannel/v1/rendezvous/twin1" // id of the first twins
	LabelTwin2          Label = "backchannel/v1/rendezvous/twin2" // id of the second twins

	LabelRootStep   Label = "backchannel/v1/message/root-step"  // message root of the next epoch
	LabelEpochKey   Label = "backchannel/v1/message/epoch-key"  // epoch key of one attempt
	LabelCellChain  Label = "backchannel/v1/message/cell-chain" // first chain key of (twin, role)
	LabelCellStep   Label = "backchannel/v1/message/cell-step"  // next chain key
	LabelCellKey    Label = "backchannel/v1/message/cell-key"   // key of (twin, role, round)
	LabelInvitation Label = "backchannel/v1/invitation"         // checksum of the words
	LabelInviteKeyV Label = "backchannel/v1/introduction/rendezvous"
	LabelInviteKeyM Label = "backchannel/v1/introduction/message"
	LabelCommitment Label = "backchannel/v1/introduction/commitment" // H(pk_I ‖ r)
	LabelIntroKEM   Label = "backchannel/v1/introduction/kem"        // HPKE info and export
	LabelIntroRoot  Label = "backchannel/v1/introduction/root"       // root^1
	LabelIntroRV    Label = "backchannel/v1/introduction/rv"         // K_rv^1
	LabelIntroHeal  Label = "backchannel/v1/introduction/heal"       // heal^1
	LabelConfirm    Label = "backchannel/v1/introduction/confirm"    // key confirmation MAC
	LabelWords      Label = "backchannel/v1/introduction/words"      // words to compare
	LabelHealKEM    Label = "backchannel/v1/healing/kem"             // HPKE info and export
	LabelHealRoot   Label = "backchannel/v1/healing/root"            // root^{v+1}
	LabelHealRV     Label = "backchannel/v1/healing/rv"              // K_rv^{v+1}
	LabelHealHeal   Label = "backchannel/v1/healing/heal"            // heal^{v+1}
	LabelRestore    Label = "backchannel/v1/restore"                 // K_re
	LabelRestoreTag Label = "backchannel/v1/restore/rendezvous"      // s from K_re
	LabelRestoreS   Label = "backchannel/v1/restore/sigma"           // σ of the introduction inside a restore

	LabelVault       Label = "backchannel/v1/vault"        // page key of the vault from its master key
	LabelBackup      Label = "backchannel/v1/backup"       // key of a backup from its passphrase
	LabelBackupPiece Label = "backchannel/v1/backup/piece" // key of one piece of it

	LabelStatement Label = "backchannel/v1/negotiation/statement" // id of a statement, over its envelope without vouch tags
	LabelRoom      Label = "backchannel/v1/negotiation/room"      // id of a room, over what its members confirmed
	LabelHeads     Label = "backchannel/v1/negotiation/heads"     // what a member holds, up to a vector
	LabelVouch     Label = "backchannel/v1/negotiation/vouch"     // vouch tag of a statement
	LabelCore      Label = "backchannel/v1/negotiation/core"      // what the parties to an agreement consent to
	LabelLink      Label = "backchannel/v1/link/cells"            // TLS exporter label of the keys for cells between servers

	LabelSeedEd25519 Label = "backchannel/v1/relay/ed25519" // a relay's Ed25519 seed from its one seed
	LabelSeedMLDSA   Label = "backchannel/v1/relay/mldsa65" // a relay's ML-DSA-65 seed from its one seed

	LabelSealHandshake   Label = "backchannel/v1/seal/handshake"   // MACed confirmation of an agreement's core
	LabelSealKeys        Label = "backchannel/v1/seal/keys"        // H(L) in the first line of M
	LabelSealCoefficient Label = "backchannel/v1/seal/coefficient" // a_i
	LabelSealSession     Label = "backchannel/v1/seal/session"     // sid
	LabelSealCommitment  Label = "backchannel/v1/seal/commitment"  // commitment to R_i
	LabelSealEcho        Label = "backchannel/v1/seal/echo"        // hash of all commitments
)

// The labels of blind rounds (docs/negotiation.md).
const (
	LabelRoundContext   Label = "backchannel/v1/negotiation/round/context"    // ctx
	LabelRoundSeed      Label = "backchannel/v1/negotiation/round/seed"       // key of one step's secrets
	LabelRoundSecret    Label = "backchannel/v1/negotiation/round/secret"     // one of a step's secrets
	LabelRoundNonce     Label = "backchannel/v1/negotiation/round/scalar"     // scalar from a secret
	LabelRoundCoin      Label = "backchannel/v1/negotiation/round/coin"       // H(coin)
	LabelRoundCommit    Label = "backchannel/v1/negotiation/round/commit"     // commitment to key, proof and coin
	LabelRoundBody      Label = "backchannel/v1/negotiation/round/body"       // hash of one message in T
	LabelRoundView      Label = "backchannel/v1/negotiation/round/transcript" // T
	LabelRoundProof     Label = "backchannel/v1/negotiation/round/proof"      // scope of a proof
	LabelRoundChallenge Label = "backchannel/v1/negotiation/round/challenge"  // challenge of a proof
	LabelRoundOpen      Label = "backchannel/v1/negotiation/round/open"       // domain of an opening's proof
	LabelRoundOrder     Label = "backchannel/v1/negotiation/round/order"      // order of opening
)

// Labels lists every label once, for the vectors and for the test that each is
// unique, well formed and prefix-free together with its length byte.
var Labels = []Label{
	LabelNetwork, LabelNetworkSign, LabelPossession, LabelKeysSign, LabelAttempt, LabelTag,
	LabelRoster, LabelHeader, LabelHeaderSign, LabelRevealSign, LabelAccount,
	LabelOuter, LabelForward, LabelBackward, LabelReceiptMAC, LabelReceiptStream, LabelInner, LabelEnvelope,
	LabelRendezvousStep, LabelRendezvous, LabelTwin1, LabelTwin2,
	LabelRootStep, LabelEpochKey, LabelCellChain, LabelCellStep, LabelCellKey,
	LabelInvitation, LabelInviteKeyV, LabelInviteKeyM, LabelCommitment, LabelIntroKEM, LabelIntroRoot,
	LabelIntroRV, LabelIntroHeal, LabelConfirm, LabelWords,
	LabelHealKEM, LabelHealRoot, LabelHealRV, LabelHealHeal, LabelRestore, LabelRestoreTag, LabelRestoreS,
	LabelStatement, LabelRoom, LabelHeads, LabelVouch, LabelCore,
	LabelSealHandshake, LabelSealKeys, LabelSealCoefficient, LabelSealSession, LabelSealCommitment, LabelSealEcho,
	LabelRoundContext, LabelRoundSeed, LabelRoundSecret, LabelRoundNonce, LabelRoundCoin, LabelRoundCommit,
	LabelRoundBody, LabelRoundView, LabelRoundProof, LabelRoundChallenge, LabelRoundOpen, LabelRoundOrder,
	LabelLink,
	LabelVault, LabelBackup, LabelBackupPiece, LabelSeedEd25519, LabelSeedMLDSA,
}
