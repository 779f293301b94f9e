package entry

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

// FuzzHostilePeers brings an entry into any state and then lets relays and
// stations do whatever they like, in any order and at any time. It must not
// panic, keep more than its limits, send a frame that a link refuses, or ask the
// relays to reveal while an acknowledgement is missing.
func FuzzHostilePeers(f *testing.F) {
	for state := range stStates {
		f.Add([]byte{byte(state), 0, 0, 7, 0, 3, 0, 1, 0x11, 0, 4, 0x40})
		f.Add([]byte{byte(state), 2, 0, 0x0e, 0, 0, 3, 1, 0x0e, 0, 1, 4, 12, 0, 0, 0x11, 16, 0, 4, 4, 9})
		f.Add([]byte{byte(state), 4, 1, 2, 0, 3, 3, 1, 5, 0, 2, 2, 9, 0, 2, 12, 200, 4, 1, 2, 3, 0x20})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := script(data)
		state := int(s.next()) % stStates
		r := newRig(t, Limits{Stations: rigStations, Accounts: 8})
		r.bring(state)
		r.sent = nil
		received := 0
		for steps := 0; len(s) > 0 && steps < 200; steps++ {
			k := int(s.next()) % (len(r.relays) + len(r.stations))
			who := &r.relays[min(k, len(r.relays)-1)]
			if k >= len(r.relays) {
				who = &r.stations[k-len(r.relays)]
			}
			a := r.node.attempt
			missing := a != nil && a.silent > 0
			switch op := s.next(); op % 5 {
			case 0, 1:
				frame := r.nearly(&s)
				received += len(frame)
				if a != nil && wire.TypeOf(frame) == wire.TypeAck {
					missing = false // it may have been the last
				}
				r.give(*who, frame)
			case 2:
				if frame := append([]byte(nil), s[:min(len(s), int(op))]...); len(frame) > 0 {
					r.give(*who, frame)
				}
			case 3:
				r.node.Disconnected(r.now, *who)
				*who = r.connect(*who)
			case 4:
				r.wake(r.now.Add(time.Duration(s.next()) * r.p.Round / 16))
			}
			for _, out := range r.sent {
				if len(out.frame) == 0 || len(out.frame) > link.MaxFrame {
					t.Fatalf("a frame of %d bytes", len(out.frame))
				}
				if wire.TypeOf(out.frame) == wire.TypeAcks && missing {
					t.Fatal("acknowledgements that are not there were handed over")
				}
			}
			r.sent = nil
			circuits := rigStations * r.p.Circuits()
			round := 2 * (wire.ChunkHeaderSize + circuits*r.p.Cell)
			bound := 2*received + circuits*(r.p.OnionSize(0)+r.p.ReceiptSize(0)) + 3*roundsKept*(round+wire.ChunkSize)
			if held := r.node.held(); held > bound {
				t.Fatalf("%d bytes are kept after %d were received", held, received)
			}
			if len(r.node.stations) > rigStations || len(r.node.history.accounts) > 8 {
				t.Fatal("more stations or accounts than the limits")
			}
		}
	})
}

// nearly is a frame whose fields fit what the entry waits for, or nearly so.
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
	circuits := rigStations * r.p.Circuits()
	total, round := 0, uint64(0)
	switch typ {
	case wire.TypeReceipts:
		total = circuits * r.p.ReceiptSize(0)
	case wire.TypeBackward:
		total = circuits * r.p.Cell
		round = r.p.FirstRound(id.Epoch) + uint64(s.next()%8)
	case wire.TypeCells:
		f, cells := r.p.NewCells(typ, id, r.p.FirstRound(id.Epoch)+uint64(s.next()%16))
		cells[0] = s.next()
		return f
	default:
		body := make([]byte, map[wire.Type]int{
			wire.TypeKeys: wire.KeysSize, wire.TypeSignedHeader: wire.SignedHeaderSize, wire.TypeSeed: wire.SeedBodySize,
			wire.TypeReveal: wire.RevealSize, wire.TypeAbort: wire.AttemptSize, wire.TypeJoin: wire.AttemptSize + r.p.RecordSize(),
			wire.TypeOnion: wire.AttemptSize + 1 + r.p.OnionSize(0), wire.TypeAck: wire.AttemptSize + r.p.AckSize(),
		}[typ])
		copy(body, id.Bytes())
		if len(body) > wire.AttemptSize {
			body[wire.AttemptSize] = s.next() % 4
		}
		if typ == wire.TypeAck && len(r.pre) > 0 {
			copy(body[wire.AttemptSize:], r.pre[int(s.next())%len(r.pre)])
		}
		return append([]byte{byte(typ)}, body...)
	}
	if odd&4 != 0 {
		total = max(0, total+int(s.next())-128)
	}
	off, n := 0, total
	if odd&16 != 0 {
		off = total * int(s.next()) / 256
		n = (total - off) * int(s.next()) / 256
	}
	frame, d := wire.NewChunk(typ, id, round, uint64(total), uint64(off), min(n, total-off, wire.ChunkSize))
	if odd&32 != 0 {
		suite.Random(d)
	}
	return frame
}

// held is what the node keeps of arrays.
func (n *Node) held() (bytes int) {
	count := func(frames [][]byte) {
		for _, f := range frames {
			bytes += cap(f)
		}
	}
	if a := n.attempt; a != nil {
		count(a.onions.frames)
		bytes += len(a.receipts)
	}
	bytes += cap(n.relays[0].receipts.whole)
	count(n.spare)
	for i := range n.rounds {
		count(n.rounds[i].cells.frames)
		count(n.rounds[i].frames)
	}
	return bytes
}
