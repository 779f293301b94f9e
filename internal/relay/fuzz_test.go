package relay

import (
	"testing"
	"time"

	"backchannel/internal/link"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// script is a fuzzer's choice of what happens to a node.
type script []byte

func (s *script) next() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

// FuzzHostilePeers brings a relay into any state and then lets its neighbours do
// whatever they like: chunks of any array with fields that nearly fit, documents
// of the right size, rubbish, reconnects, in any order and at any time. It must
// not panic, keep more than its roster allows, send an array twice, or reveal.
func FuzzHostilePeers(f *testing.F) {
	for state := range stStates {
		f.Add([]byte{byte(state), 1, 0, 3, 0, 0, 1, 1, 7, 2, 0, 1, 0, 0, 4, 0x40})
		f.Add([]byte{byte(state), 2, 1, 0x10, 0, 0, 0, 0, 9, 1, 0x11, 0, 0, 0, 0, 9, 3, 4, 5})
		f.Add([]byte{byte(state), 0, 2, 6, 0, 0, 0, 0, 1, 0, 0, 10, 2, 0, 12, 200, 4, 1, 2, 3, 0x20})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := script(data)
		state := int(s.next()) % stStates
		r := newRig(t, 3, int(s.next())%3)
		r.bring(state)
		revealed := state >= stSeeds
		r.sent = nil
		received := 0
		leaving := map[[3]uint64]int{}
		for steps := 0; len(s) > 0 && steps < 200; steps++ {
			who := []*link.Peer{&r.entry, &r.prev, &r.next}[s.next()%3]
			if who.Role == 0 {
				continue // an end of the chain
			}
			switch op := s.next(); op % 5 {
			case 0, 1:
				frame := r.nearly(&s)
				received += len(frame)
				r.give(*who, frame)
			case 2:
				frame := append([]byte(nil), s[:min(len(s), int(op))]...)
				if len(frame) > 0 {
					r.give(*who, frame)
				}
			case 3:
				r.node.Disconnected(r.now, *who)
				r.connectAgain(map[*link.Peer]string{&r.entry: "entry", &r.prev: "prev", &r.next: "next"}[who])
			case 4:
				r.wake(r.now.Add(time.Duration(s.next()) * r.p.Round / 16))
			}
			for _, out := range r.sent {
				switch typ := wire.TypeOf(out.frame); typ {
				case wire.TypeSeed:
					if !revealed {
						t.Fatal("revealed without acknowledgements")
					}
				case wire.TypeBatch, wire.TypeReceipts, wire.TypeForward, wire.TypeBackward:
					c, err := wire.ParseChunk(out.frame)
					if err != nil {
						t.Fatal(err)
					}
					key := [3]uint64{uint64(typ), c.Epoch<<8 | uint64(c.Number), c.Round}
					if c.Offset == 0 {
						if leaving[key]++; leaving[key] > 1 {
							t.Fatalf("an array of type %d left twice", typ)
						}
					}
				}
			}
			r.sent = nil
			circuits := r.count * r.p.Circuits()
			bound := firstRecords + 2*received + circuits*(r.p.OnionSize(0)+r.p.ReceiptSize(0)) + r.count*r.p.AckSize() + 4*(wire.ChunkSize+circuits*r.p.Cell)
			if held := r.node.held(); held > bound {
				t.Fatalf("%d bytes are kept after %d were received", held, received)
			}
		}
	})
}

// nearly is a frame whose fields fit what the relay waits for, or nearly so.
func (r *rig) nearly(s *script) []byte {
	typ := wire.Type(s.next() % 0x14)
	id := r.id
	odd := s.next()
	if odd&1 != 0 {
		id.Number++
	}
	if odd&2 != 0 {
		id.Epoch++
	}
	circuits := r.count * r.p.Circuits()
	var total int
	switch typ {
	case wire.TypeRecords:
		total = r.count * r.p.RecordSize()
	case wire.TypeBatch:
		total = circuits * r.p.OnionSize(r.config.Index)
	case wire.TypeReceipts:
		total = circuits * r.p.ReceiptSize(r.config.Index+1)
	case wire.TypeAcks:
		total = r.count * r.p.AckSize()
	case wire.TypeForward, wire.TypeBackward:
		total = circuits * r.p.Cell
	case wire.TypeKeys, wire.TypeSignedHeader, wire.TypeSeed, wire.TypeReveal, wire.TypeAbort:
		body := make([]byte, map[wire.Type]int{wire.TypeKeys: wire.KeysSize, wire.TypeSignedHeader: wire.SignedHeaderSize,
			wire.TypeSeed: wire.SeedBodySize, wire.TypeReveal: wire.RevealSize, wire.TypeAbort: wire.AttemptSize}[typ])
		copy(body, id.Bytes())
		if len(body) > wire.AttemptSize {
			body[wire.AttemptSize] = s.next() % 4
		}
		return append([]byte{byte(typ)}, body...)
	}
	if odd&4 != 0 {
		total += int(s.next()) - 128
	}
	if odd&8 != 0 {
		total *= int(s.next())
	}
	total = max(0, total)
	round := uint64(0)
	if typ == wire.TypeForward || typ == wire.TypeBackward {
		round = r.p.FirstRound(id.Epoch) + uint64(s.next()%8)
	}
	off, n := 0, total
	if odd&16 != 0 {
		off = total * int(s.next()) / 256
		n = (total - off) * int(s.next()) / 256
	}
	n = min(n, total-off, wire.ChunkSize)
	frame, d := wire.NewChunk(typ, id, round, uint64(total), uint64(off), n)
	if odd&32 != 0 {
		suite.Random(d)
	}
	return frame
}

// held is what the node keeps of what it received.
func (n *Node) held() (bytes int) {
	for _, s := range []*neighbour{&n.entry, &n.prev, &n.next} {
		for i := range s.in {
			bytes += cap(s.in[i].whole)
		}
	}
	for _, f := range n.spare.frames {
		bytes += cap(f)
	}
	return bytes
}
