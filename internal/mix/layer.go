package mix

import (
	"encoding/binary"

	"backchannel/internal/suite"
	"backchannel/internal/suite/pass"
	"backchannel/internal/weakened"
	"backchannel/internal/wire"
)

// What station and relays must compute alike, in one place.

// hopByte is how a hop enters every info string: one byte, from 0.
func hopByte(hop int) []byte { return []byte{byte(hop)} }

// hopKeys are the four exports of one outer layer. Each serves one purpose, so
// that no keystream can meet another.
type hopKeys struct {
	forward, backward         [suite.KeySize]byte
	receiptMAC, receiptStream [suite.KeySize]byte
}

func export(e suite.Exporter) hopKeys {
	if weakened.KeystreamOverlap {
		k := e.Export(suite.LabelForward)
		return hopKeys{k, k, k, k}
	}
	return hopKeys{
		forward:       e.Export(suite.LabelForward),
		backward:      e.Export(suite.LabelBackward),
		receiptMAC:    e.Export(suite.LabelReceiptMAC),
		receiptStream: e.Export(suite.LabelReceiptStream),
	}
}

// randomKeys stand in for an entry that did not open or came twice.
func randomKeys() hopKeys {
	return hopKeys{suite.RandomKey(), suite.RandomKey(), suite.RandomKey(), suite.RandomKey()}
}

// putReceipt writes blob_i, len(next)+32 bytes, into dst:
//
//	AES-256-CTR(receiptStream, IV 0) ⊕ (next ‖ HMAC(receiptMAC, H(header) ‖ next))
//
// The MAC covers everything that the later hops said, so a blob that was garbled
// on its way cannot be repaired below an honest relay.
func putReceipt(dst []byte, mac, stream *[suite.KeySize]byte, header *wire.Hash, next []byte) {
	n := copy(dst, next)
	if weakened.RepairedReceipts {
		suite.MAC(mac, dst[n:n], header[:])
	} else {
		suite.MAC(mac, dst[n:n], header[:], next)
	}
	var iv [suite.BlockSize]byte
	suite.XORLayer(stream, &iv, dst, dst)
}

// cellIV is round(8) ‖ 0(8): a cell has at most 64 blocks, so the counters of
// two rounds never meet.
func cellIV(round uint64) (iv [suite.BlockSize]byte) {
	if weakened.KeystreamOverlap {
		binary.BigEndian.PutUint64(iv[8:], round)
		return iv
	}
	binary.BigEndian.PutUint64(iv[:], round)
	return iv
}

// scatter is the cell work of every pass: dst[perm[i]] = in[i-first] ⊕ layer i.
func scatter(dst, in []byte, first, cell int, keys []byte, perm []uint32, round uint64) {
	if weakened.KeystreamOverlap {
		scatterOverlapping(dst, in, first, cell, keys, perm, round)
		return
	}
	pass.Scatter(dst, in, first, cell, keys, perm, round)
}

// scatterOverlapping is pass.Scatter with the IV of cellIV, which the kernel
// cannot be told to break.
func scatterOverlapping(dst, in []byte, first, cell int, keys []byte, perm []uint32, round uint64) {
	iv := cellIV(round)
	for i := first; len(in) > 0; i, in = i+1, in[cell:] {
		to := i
		if perm != nil {
			to = int(perm[i])
		}
		suite.XORLayer(keyAt(keys, i), &iv, dst[to*cell:(to+1)*cell], in[:cell])
	}
}

// keyAt is the i-th key of a flat array of keys.
func keyAt(keys []byte, i int) *[suite.KeySize]byte {
	return (*[suite.KeySize]byte)(keys[i*suite.KeySize:])
}
