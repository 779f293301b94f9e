package mix

import (
	"fmt"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// An inner envelope is enc_1 ‖ … ‖ enc_n ‖ AEAD_K(id). K comes from all n inner
// secrets and the transcript H(header) ‖ enc_1 ‖ … ‖ enc_n, so one unrevealed
// inner key keeps the id sealed.

func envelopeKey(secrets [][]byte, header *wire.Hash, encs []byte) [suite.KeySize]byte {
	k := suite.KDF(suite.LabelEnvelope, secrets, header[:], encs)
	for _, s := range secrets {
		clear(s)
	}
	return k
}

// sealEnvelope returns an envelope for id: p.EnvelopeSize() bytes for n keys.
func sealEnvelope(inner []suite.PublicKey, header *wire.Hash, id wire.TwinID) ([]byte, error) {
	out := make([]byte, 0, len(inner)*suite.KEMEncapsulationSize+suite.TwinID+suite.AEADOverhead)
	secrets := make([][]byte, len(inner))
	for hop, pk := range inner {
		enc, ss, err := pk.Encapsulate(suite.LabelInner, header[:], hopByte(hop))
		if err != nil {
			return nil, fmt.Errorf("sealing an id: %w", err)
		}
		out, secrets[hop] = append(out, enc...), ss[:]
	}
	k := envelopeKey(secrets, header, out)
	out = suite.SealOnce(&k, out, id[:])
	clear(k[:])
	return out, nil
}

// openEnvelope is the inverse; false for anything that sealEnvelope did not make
// for exactly these keys and this header.
func openEnvelope(inner []suite.PrivateKey, header *wire.Hash, envelope []byte) (id wire.TwinID, ok bool) {
	if len(envelope) != len(inner)*suite.KEMEncapsulationSize+suite.TwinID+suite.AEADOverhead {
		return id, false
	}
	encs := envelope[:len(inner)*suite.KEMEncapsulationSize]
	secrets := make([][]byte, len(inner))
	for hop, sk := range inner {
		enc := encs[hop*suite.KEMEncapsulationSize : (hop+1)*suite.KEMEncapsulationSize]
		ss, err := sk.Decapsulate(suite.LabelInner, enc, header[:], hopByte(hop))
		if err != nil {
			return id, false
		}
		secrets[hop] = ss[:]
	}
	k := envelopeKey(secrets, header, encs)
	defer clear(k[:])
	if _, err := suite.OpenOnce(&k, id[:0], envelope[len(encs):]); err != nil {
		return wire.TwinID{}, false
	}
	return id, true
}
