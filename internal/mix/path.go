package mix

import (
	"errors"
	"fmt"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// Path is the chain of one attempt as a station sees it: the parsed public keys
// of all relays. It does not change; Build may be called from several
// goroutines.
type Path struct {
	params       wire.Params
	outer, inner []suite.PublicKey
}

// NewPath parses KEYS in chain order. Their signatures were checked by the
// caller. It refuses a wrong number, a wrong order, KEYS of different attempts
// and public keys that the KEM refuses.
func NewPath(p wire.Params, keys []wire.Keys) (*Path, error) {
	if len(keys) != p.Relays || len(keys) == 0 {
		return nil, fmt.Errorf("making a path: %d KEYS for a chain of %d relays", len(keys), p.Relays)
	}
	path := &Path{params: p}
	for i, k := range keys {
		if k.Relay != i || k.Attempt != keys[0].Attempt {
			return nil, fmt.Errorf("making a path: KEYS number %d are of another relay or attempt; give them in chain order", i+1)
		}
		o, err := suite.ParsePublicKey(k.Outer)
		if err != nil {
			return nil, fmt.Errorf("making a path: outer key of relay %d: %w", i+1, err)
		}
		in, err := suite.ParsePublicKey(k.Inner)
		if err != nil {
			return nil, fmt.Errorf("making a path: inner key of relay %d: %w", i+1, err)
		}
		path.outer, path.inner = append(path.outer, o), append(path.inner, in)
	}
	return path, nil
}

// Build makes the onion of one circuit under a header that all relays signed:
// OnionSize(0) bytes, all fresh randomness, and the station's end of the
// circuit. Two onions with the same id have nothing else in common.
func (p *Path) Build(header wire.Hash, id wire.TwinID) (onion []byte, c *Circuit, err error) {
	onion, err = sealEnvelope(p.inner, &header, id)
	if err != nil {
		return nil, nil, err
	}
	n := len(p.outer)
	c = &Circuit{
		forward:  make([]byte, n*suite.KeySize),
		backward: make([]byte, n*suite.KeySize),
	}
	// The last layer is sealed first, and the last receipt is made first: one loop
	// from the end of the chain serves both.
	for hop := n - 1; hop >= 0; hop-- {
		var e suite.Exporter
		onion, e, err = p.outer[hop].Seal(suite.LabelOuter, onion, header[:], hopByte(hop))
		if err != nil {
			return nil, nil, fmt.Errorf("building an onion: %w", err)
		}
		k := export(e)
		*keyAt(c.forward, hop), *keyAt(c.backward, hop) = k.forward, k.backward
		blob := make([]byte, p.params.ReceiptSize(hop))
		putReceipt(blob, &k.receiptMAC, &k.receiptStream, &header, c.receipt)
		c.receipt = blob
	}
	if len(onion) != p.params.OnionSize(0) {
		return nil, nil, errors.New("building an onion: its size is not the network's")
	}
	return onion, c, nil
}

// Circuit is the station's end of one circuit: a forward and a backward key per
// hop, in memory only. It is not safe for concurrent use.
type Circuit struct {
	forward, backward []byte // n keys each
	receipt           []byte // blob_1
}

// Receipt returns the n·32 bytes that must come back. They are equal to what
// arrives exactly if all n MACs are right.
func (c *Circuit) Receipt() []byte { return append([]byte(nil), c.receipt...) }

// Seal adds all n forward layers to an innermost cell, in place. The caller
// seals one cell per round, ever. With an erased circuit the cell becomes random
// bytes: it never leaves with a layer missing.
func (c *Circuit) Seal(round uint64, cell []byte) { layers(c.forward, round, cell) }

// Open strips all n backward layers from an answer, in place. With an erased
// circuit the answer becomes random bytes.
func (c *Circuit) Open(round uint64, cell []byte) { layers(c.backward, round, cell) }

func layers(keys []byte, round uint64, cell []byte) {
	if len(keys) == 0 {
		suite.Random(cell)
		return
	}
	iv := cellIV(round)
	for hop := range len(keys) / suite.KeySize {
		suite.XORLayer(keyAt(keys, hop), &iv, cell, cell)
	}
}

// Erase destroys the keys.
func (c *Circuit) Erase() {
	clear(c.forward)
	clear(c.backward)
	clear(c.receipt)
	c.forward, c.backward, c.receipt = nil, nil, nil
}
