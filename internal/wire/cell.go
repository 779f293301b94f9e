package wire

import (
	"encoding/binary"

	"backchannel/internal/suite"
)

// FrameKind tells data from padding inside a cell.
type FrameKind byte

// The frame types of the reliable stream. Only data frames have sequence numbers.
const (
	FramePadding FrameKind = 0
	FrameData    FrameKind = 1
)

// CellFrame is the plaintext of one cell: a unit of the reliable stream.
type CellFrame struct {
	Kind    FrameKind
	Seq     uint32 // data frames count from 0 and never wrap; 0 in padding
	Ack     uint32 // every data frame below it was committed by the sender of this frame
	Bitmap  uint32 // bit i: data frame Ack+1+i was committed too
	Payload []byte // at most MaxPayload; empty in padding
}

// Sizes of the frame inside a cell.
const (
	CellFrameHeader = 1 + 4 + 4 + 4 + 2                    // type ‖ sequence ‖ acknowledgement ‖ bitmap ‖ length
	CellOverhead    = CellFrameHeader + suite.AEADOverhead // 31
)

// MaxPayload is the stream bytes that fit one cell: 481 of 512.
func (p Params) MaxPayload() int { return p.Cell - CellOverhead }

// Encode writes the frame into dst, which has the size of a cell without its
// authentication tag, and pads with zeros.
func (f CellFrame) Encode(dst []byte) {
	if len(f.Payload) > len(dst)-CellFrameHeader {
		panic("wire: payload larger than a cell")
	}
	dst[0] = byte(f.Kind)
	binary.BigEndian.PutUint32(dst[1:], f.Seq)
	binary.BigEndian.PutUint32(dst[5:], f.Ack)
	binary.BigEndian.PutUint32(dst[9:], f.Bitmap)
	binary.BigEndian.PutUint16(dst[13:], uint16(len(f.Payload)))
	n := copy(dst[CellFrameHeader:], f.Payload)
	clear(dst[CellFrameHeader+n:])
}

// ParseCellFrame decodes a decrypted cell. It refuses unknown kinds, padding
// with content and non-zero padding bytes.
func ParseCellFrame(b []byte) (f CellFrame, err error) {
	if len(b) < CellFrameHeader {
		return f, malformed("frame", "wrong size")
	}
	f.Kind = FrameKind(b[0])
	f.Seq = binary.BigEndian.Uint32(b[1:])
	f.Ack = binary.BigEndian.Uint32(b[5:])
	f.Bitmap = binary.BigEndian.Uint32(b[9:])
	n := int(binary.BigEndian.Uint16(b[13:]))
	body := b[CellFrameHeader:]
	if n > len(body) {
		return f, malformed("frame", "length beyond the cell")
	}
	for _, x := range body[n:] {
		if x != 0 {
			return f, malformed("frame", "padding is not zero")
		}
	}
	f.Payload = body[:n]
	switch {
	case f.Kind == FrameData && n > 0:
	case f.Kind == FramePadding && n == 0 && f.Seq == 0:
	default:
		return f, malformed("frame", "kind and content do not fit")
	}
	return f, nil
}

// Class orders what a stream carries; lower goes first.
type Class byte

// The classes, in order of priority.
const (
	ClassControl     Class = 0
	ClassSignal      Class = 1
	ClassNegotiation Class = 2
	ClassLetter      Class = 3
	Classes                = 4
)

// ItemID names one item (a control message, a signal, a letter). Random; equal
// on both sides.
type ItemID = [16]byte

// Record is a piece of an item inside the reliable stream.
type Record struct {
	Class  Class
	Last   bool // this piece ends the item
	Item   ItemID
	Offset uint32 // of Data within the item
	Data   []byte // at most MaxRecordData
}

// Sizes of records.
const (
	RecordHeader  = 1 + 1 + 16 + 4 + 2 // class ‖ flags ‖ item ‖ offset ‖ length
	MaxRecord     = 4096
	MaxRecordData = MaxRecord - RecordHeader // 4072
)

// Append encodes r.
func (r Record) Append(b []byte) []byte {
	flags := byte(0)
	if r.Last {
		flags = 1
	}
	b = append(b, byte(r.Class), flags)
	b = append(b, r.Item[:]...)
	b = binary.BigEndian.AppendUint32(b, r.Offset)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.Data)))
	return append(b, r.Data...)
}

// ParseRecord decodes the first record of a stream. It returns the record and
// its encoded size; size 0 without error means that more bytes are needed.
func ParseRecord(b []byte) (r Record, size int, err error) {
	if len(b) < RecordHeader {
		return r, 0, nil
	}
	n := int(binary.BigEndian.Uint16(b[22:]))
	r.Class, r.Last = Class(b[0]), b[1] == 1
	copy(r.Item[:], b[2:18])
	r.Offset = binary.BigEndian.Uint32(b[18:])
	switch {
	case r.Class >= Classes:
		return r, 0, malformed("record", "unknown class")
	case b[1] > 1:
		return r, 0, malformed("record", "unknown flags")
	case n > MaxRecordData:
		return r, 0, malformed("record", "too long")
	case n == 0 && !r.Last:
		return r, 0, malformed("record", "empty without being the last")
	case uint64(r.Offset)+uint64(n) > 1<<32-1:
		return r, 0, malformed("record", "offset beyond 4 GiB")
	}
	if len(b) < RecordHeader+n {
		return r, 0, nil
	}
	r.Data = b[RecordHeader : RecordHeader+n]
	return r, RecordHeader + n, nil
}
