package wire

import (
	"bytes"
	"errors"
	"testing"

	"backchannel/internal/suite"
)

// Each target holds a decoder to two promises: what it accepts encodes to the
// input, and what it refuses is ErrMalformed. All but the records of a stream,
// which may be followed by more.

func refused(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrMalformed) {
		t.Fatalf("error %v", err)
	}
}

func FuzzDocuments(f *testing.F) {
	sk := suite.NewSigningKey(seedOf(1))
	a := Attempt{3, 1}
	k := Keys{Attempt: a, Relay: 1, Outer: noise(1, suite.KEMPublicKeySize), Inner: noise(2, suite.KEMPublicKeySize)}
	k.Sign(seedOf(9), sk)
	h := Header{a, seedOf(3), 2, seedOf(4)}
	f.Add(k.Append(nil))
	f.Add(SignHeader(h, 0, sk).Append(nil))
	f.Add(Seed{a, 2, seedOf(5)}.Append(nil))
	f.Add(SignReveal(a, 2, h.Hash(), sk).Append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, d := range documents {
			v, err := d.parse(b)
			if err != nil {
				refused(t, err)
				continue
			}
			if !bytes.Equal(v.Append(nil), b) {
				t.Fatalf("%s: parse then append changed it", d.name)
			}
		}
	})
}

// fuzzParams are a small shape, so that the fuzzer reaches right sizes.
func fuzzParams(t testing.TB) Params {
	p := params(t, "demo")
	p.Relays, p.Lanes, p.Cell = 1, 1, 256
	return p
}

func FuzzAttemptFrames(f *testing.F) {
	p := fuzzParams(f)
	a := Attempt{3, 1}
	f.Add(FrameAttempt(TypeJoin, a, noise(1, p.RecordSize())))
	f.Add(FrameAttempt(TypeAck, a, noise(1, p.AckSize())))
	f.Add(FrameAttempt(TypeAbort, a))
	f.Add(FrameOnion(a, 1, noise(2, p.OnionSize(0))))
	f.Add(FrameAccepted(a, TypeOnion, 1))
	cells, _ := p.NewCells(TypeCells, a, 77)
	f.Add(cells)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, size := range []int{0, p.RecordSize(), p.AckSize(), p.Circuits() * p.ReceiptSize(0)} {
			if a, body, err := ParseAttemptFrame(b, size); err != nil {
				refused(t, err)
			} else if !bytes.Equal(FrameAttempt(TypeOf(b), a, body), b) {
				t.Fatal("attempt frame")
			}
		}
		if a, i, onion, err := p.ParseOnion(b); err != nil {
			refused(t, err)
		} else if got := FrameOnion(a, i, onion); !bytes.Equal(got[1:], b[1:]) {
			t.Fatal("onion")
		}
		if a, ty, i, err := ParseAccepted(b); err != nil {
			refused(t, err)
		} else if got := FrameAccepted(a, ty, i); !bytes.Equal(got[1:], b[1:]) {
			t.Fatal("accepted")
		}
		if a, round, cells, err := p.ParseCells(b); err != nil {
			refused(t, err)
		} else {
			got, area := p.NewCells(TypeOf(b), a, round)
			copy(area, cells)
			if !bytes.Equal(got, b) {
				t.Fatal("cells")
			}
		}
	})
}

func FuzzChunk(f *testing.F) {
	for _, frame := range Chunks(TypeForward, Attempt{3, 1}, 9, noise(1, 1000), 100) {
		f.Add(frame)
	}
	for _, frame := range Chunks(TypeAcks, Attempt{3, 1}, 0, nil, 32) {
		f.Add(frame)
	}
	f.Add(noise(1, ChunkHeaderSize-1))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseChunk(b)
		if err != nil {
			refused(t, err)
			return
		}
		if c.Offset+uint64(len(c.Data)) > c.Total || c.Offset+uint64(len(c.Data)) < c.Offset {
			t.Fatal("data outside of the array")
		}
		got, data := NewChunk(c.Type, c.Attempt, c.Round, c.Total, c.Offset, len(c.Data))
		copy(data, c.Data)
		if !bytes.Equal(got, b) {
			t.Fatal("parse then encode changed the chunk")
		}
	})
}

func FuzzCellFrame(f *testing.F) {
	size := fuzzParams(f).Cell - suite.AEADOverhead
	for _, c := range []CellFrame{
		{FrameData, 1, 2, 3, []byte("payload")}, {FrameData, 1, 2, 3, noise(1, size-CellFrameHeader)}, {FramePadding, 0, 2, 3, nil},
	} {
		b := make([]byte, size)
		c.Encode(b)
		f.Add(b)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCellFrame(b)
		if err != nil {
			refused(t, err)
			return
		}
		got := noise(1, len(b))
		c.Encode(got)
		if !bytes.Equal(got, b) {
			t.Fatal("parse then encode changed the frame")
		}
	})
}

func FuzzRecord(f *testing.F) {
	id := ItemID(noise(1, 16))
	f.Add(Record{ClassLetter, false, id, 100, noise(2, 50)}.Append(nil))
	f.Add(Record{ClassSignal, true, id, 0, nil}.Append(nil))
	f.Add(Record{ClassControl, true, id, 0, noise(2, MaxRecordData)}.Append(nil))
	f.Add(Record{ClassControl, true, id, 0, noise(2, 5)}.Append(nil)[:25])
	f.Fuzz(func(t *testing.T, b []byte) {
		r, size, err := ParseRecord(b)
		if err != nil {
			refused(t, err)
			return
		}
		if size == 0 {
			if len(b) >= MaxRecord {
				t.Fatal("more bytes wanted than a record can have")
			}
			return
		}
		if size > len(b) || !bytes.Equal(r.Append(nil), b[:size]) {
			t.Fatal("parse then encode changed the record")
		}
	})
}
