package pairwise

import (
	"encoding/binary"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// kind tells the control messages apart. They travel as items of class control,
// one record each, and never reach the user.
type kind byte

const (
	kindCommit  kind = 1 // I→R: H(pk_I ‖ r)
	kindKey     kind = 2 // R→I: pk_R
	kindOpen    kind = 3 // I→R: pk_I ‖ r ‖ enc→R
	kindAccept  kind = 4 // R→I: E ‖ enc→I ‖ confirmation of R
	kindConfirm kind = 5 // I→R: confirmation of I
	kindHealKey kind = 6 // version ‖ pk
	kindHealEnc kind = 7 // version ‖ E ‖ enc
)

// Sizes of encoded control messages.
const (
	commitSize  = 1 + suite.HashSize                                                      // kind ‖ commitment
	keySize     = 1 + suite.KEMPublicKeySize                                              // kind ‖ pk
	openSize    = 1 + suite.KEMPublicKeySize + suite.KeySize + suite.KEMEncapsulationSize // kind ‖ pk ‖ r ‖ enc = 2369
	acceptSize  = 1 + 8 + suite.KEMEncapsulationSize + suite.HashSize                     // kind ‖ E ‖ enc ‖ confirmation
	confirmSize = 1 + suite.HashSize                                                      // kind ‖ confirmation
	healKeySize = 1 + 4 + suite.KEMPublicKeySize                                          // kind ‖ version ‖ pk
	healEncSize = 1 + 4 + 8 + suite.KEMEncapsulationSize                                  // kind ‖ version ‖ E ‖ enc
	maxControl  = openSize                                                                // less than wire.MaxRecordData
)

// message is a decoded control message; which fields count depends on kind.
type message struct {
	kind    kind
	version uint32 // the version that a healing message makes
	epoch   uint64 // E
	hash    Key    // commitment, r or confirmation
	pk, enc []byte
}

// append encodes m.
func (m message) append(b []byte) []byte {
	b = append(b, byte(m.kind))
	switch m.kind {
	case kindCommit, kindConfirm:
		b = append(b, m.hash[:]...)
	case kindKey:
		b = append(b, m.pk...)
	case kindOpen:
		b = append(b, m.pk...)
		b = append(b, m.hash[:]...)
		b = append(b, m.enc...)
	case kindAccept:
		b = binary.BigEndian.AppendUint64(b, m.epoch)
		b = append(b, m.enc...)
		b = append(b, m.hash[:]...)
	case kindHealKey:
		b = binary.BigEndian.AppendUint32(b, m.version)
		b = append(b, m.pk...)
	case kindHealEnc:
		b = binary.BigEndian.AppendUint32(b, m.version)
		b = binary.BigEndian.AppendUint64(b, m.epoch)
		b = append(b, m.enc...)
	}
	return b
}

// parseMessage decodes exactly what append makes. Keys and encapsulations share
// memory with b.
func parseMessage(b []byte) (m message, ok bool) {
	if len(b) == 0 {
		return m, false
	}
	m.kind = kind(b[0])
	want := map[kind]int{kindCommit: commitSize, kindKey: keySize, kindOpen: openSize, kindAccept: acceptSize,
		kindConfirm: confirmSize, kindHealKey: healKeySize, kindHealEnc: healEncSize}[m.kind]
	if want == 0 || len(b) != want {
		return message{}, false
	}
	b = b[1:]
	take := func(n int) []byte {
		part := b[:n:n]
		b = b[n:]
		return part
	}
	switch m.kind {
	case kindCommit, kindConfirm:
		copy(m.hash[:], take(suite.HashSize))
	case kindKey:
		m.pk = take(suite.KEMPublicKeySize)
	case kindOpen:
		m.pk = take(suite.KEMPublicKeySize)
		copy(m.hash[:], take(suite.KeySize))
		m.enc = take(suite.KEMEncapsulationSize)
	case kindAccept:
		m.epoch = binary.BigEndian.Uint64(take(8))
		m.enc = take(suite.KEMEncapsulationSize)
		copy(m.hash[:], take(suite.HashSize))
	case kindHealKey:
		m.version = binary.BigEndian.Uint32(take(4))
		m.pk = take(suite.KEMPublicKeySize)
	case kindHealEnc:
		m.version = binary.BigEndian.Uint32(take(4))
		m.epoch = binary.BigEndian.Uint64(take(8))
		m.enc = take(suite.KEMEncapsulationSize)
	}
	return m, true
}

// item names the message inside the stream: kind ‖ version ‖ zeros. Both sides
// know it, so a record that is named otherwise is no control message.
func (m message) item() (id wire.ItemID) {
	id[0] = byte(m.kind)
	binary.BigEndian.PutUint32(id[1:], m.version)
	return id
}
