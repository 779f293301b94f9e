package wire

import (
	"encoding/binary"

	"backchannel/internal/suite"
)

// Type is the first byte of every frame on a link.
type Type byte

// The frame types. S is a station, E the entry, R a relay. Values from 0xF0 are
// the link layer's own.
const (
	TypeKeys         Type = 0x01 // R→E→all: Keys
	TypeJoin         Type = 0x02 // S→E: attempt ‖ record
	TypeRecords      Type = 0x03 // E→R, E→S: Chunk of the sorted record list
	TypeSignedHeader Type = 0x04 // R→E→S: SignedHeader
	TypeOnion        Type = 0x05 // S→E: attempt ‖ number(1) ‖ onion
	TypeBatch        Type = 0x06 // E→R_1→…→R_n: Chunk of onions
	TypeReceipts     Type = 0x07 // R_n→…→R_1→E: Chunk of receipts
	TypeStationRcpt  Type = 0x08 // E→S: attempt ‖ 2·lanes receipts of n·32 bytes
	TypeAck          Type = 0x09 // S→E: attempt ‖ lanes preimages
	TypeAcks         Type = 0x0A // E→R: Chunk of acknowledgements in roster order
	TypeAbort        Type = 0x0B // E→R, R→E: attempt: it will not be revealed
	TypeSeed         Type = 0x0C // R→E→R: Seed
	TypeReveal       Type = 0x0D // R→E→all: Reveal
	TypeCells        Type = 0x0E // S→E: attempt ‖ round ‖ 2·lanes cells
	TypeAnswers      Type = 0x0F // E→S: attempt ‖ round ‖ 2·lanes cells
	TypeForward      Type = 0x10 // E→R_1→…→R_n: Chunk of cells
	TypeBackward     Type = 0x11 // R_n→…→R_1→E: Chunk of cells
	TypeAccepted     Type = 0x12 // E→S: attempt ‖ type(1) ‖ number(1): a phase message arrived
)

// TypeOf returns the type of a non-empty frame.
func TypeOf(frame []byte) Type { return Type(frame[0]) }

// Frame prefixes an encoded document with its type.
func Frame(t Type, doc interface{ Append([]byte) []byte }) []byte {
	return doc.Append([]byte{byte(t)})
}

// FrameAttempt makes the frames that are an attempt followed by fixed bytes:
// TypeJoin, TypeStationRcpt, TypeAck, TypeAbort.
func FrameAttempt(t Type, a Attempt, body ...[]byte) []byte {
	n := 1 + AttemptSize
	for _, p := range body {
		n += len(p)
	}
	b := a.Append(append(make([]byte, 0, n), byte(t)))
	for _, p := range body {
		b = append(b, p...)
	}
	return b
}

// ParseAttemptFrame splits such a frame whose body must have size bytes.
func ParseAttemptFrame(frame []byte, size int) (Attempt, []byte, error) {
	if len(frame) != 1+AttemptSize+size {
		return Attempt{}, nil, malformed("frame", "wrong size")
	}
	return parseAttempt(frame[1:]), frame[1+AttemptSize:], nil
}

// FrameOnion makes a TypeOnion frame for circuit number i of a station.
func FrameOnion(a Attempt, i int, onion []byte) []byte {
	return FrameAttempt(TypeOnion, a, []byte{byte(i)}, onion)
}

// ParseOnion splits a TypeOnion frame.
func (p Params) ParseOnion(frame []byte) (a Attempt, i int, onion []byte, err error) {
	a, body, err := ParseAttemptFrame(frame, 1+p.OnionSize(0))
	if err != nil || int(body[0]) >= p.Circuits() {
		return a, 0, nil, malformed("onion", "wrong size or number")
	}
	return a, int(body[0]), body[1:], nil
}

// FrameAccepted tells a station that its message of type t (for onions: number
// i, else 0) arrived and need not be sent again.
func FrameAccepted(a Attempt, t Type, i int) []byte {
	return FrameAttempt(TypeAccepted, a, []byte{byte(t), byte(i)})
}

// ParseAccepted splits a TypeAccepted frame.
func ParseAccepted(frame []byte) (a Attempt, t Type, i int, err error) {
	a, body, err := ParseAttemptFrame(frame, 2)
	if err != nil {
		return a, 0, 0, err
	}
	return a, Type(body[0]), int(body[1]), nil
}

// CellsHeaderSize is what precedes the cells in TypeCells and TypeAnswers:
// type ‖ attempt ‖ round.
const CellsHeaderSize = 1 + AttemptSize + 8

// CellsFrameSize is the size of a TypeCells or TypeAnswers frame.
func (p Params) CellsFrameSize() int { return CellsHeaderSize + p.Circuits()*p.Cell }

// NewCells makes a TypeCells or TypeAnswers frame with room for all cells of one
// station and returns the frame and its cell area.
func (p Params) NewCells(t Type, a Attempt, round uint64) (frame, cells []byte) {
	frame = make([]byte, p.CellsFrameSize())
	frame[0] = byte(t)
	a.Append(frame[1:1])
	binary.BigEndian.PutUint64(frame[1+AttemptSize:], round)
	return frame, frame[CellsHeaderSize:]
}

// ParseCells splits a TypeCells or TypeAnswers frame.
func (p Params) ParseCells(frame []byte) (a Attempt, round uint64, cells []byte, err error) {
	if len(frame) != p.CellsFrameSize() {
		return a, 0, nil, malformed("cells", "wrong size")
	}
	return parseAttempt(frame[1:]), binary.BigEndian.Uint64(frame[1+AttemptSize:]), frame[CellsHeaderSize:], nil
}

// Chunk is a part of an array on its way: TypeRecords, TypeBatch, TypeReceipts,
// TypeAcks, TypeForward, TypeBackward. Chunks of one array follow each other in
// order on one connection.
type Chunk struct {
	Type Type
	Attempt
	Round  uint64 // cells: the round; otherwise 0
	Total  uint64 // bytes of the whole array
	Offset uint64 // of Data within it
	Data   []byte // at most ChunkSize
}

// ChunkHeaderSize is type ‖ attempt ‖ round ‖ total ‖ offset.
const ChunkHeaderSize = 1 + AttemptSize + 8 + 8 + 8

// ChunkSize is the most array bytes in one frame. It is a multiple of every cell
// size, so that cells are never split.
const ChunkSize = 256 << 10

// NewChunk makes a chunk frame with room for n bytes and returns the frame and
// its data area.
func NewChunk(t Type, a Attempt, round, total, offset uint64, n int) (frame, data []byte) {
	frame = make([]byte, ChunkHeaderSize+n)
	PutChunkHeader(frame, t, a, round, total, offset)
	return frame, frame[ChunkHeaderSize:]
}

// PutChunkHeader writes a chunk header into the first ChunkHeaderSize bytes.
func PutChunkHeader(frame []byte, t Type, a Attempt, round, total, offset uint64) {
	frame[0] = byte(t)
	binary.BigEndian.PutUint64(frame[1:], a.Epoch)
	binary.BigEndian.PutUint32(frame[9:], a.Number)
	binary.BigEndian.PutUint64(frame[13:], round)
	binary.BigEndian.PutUint64(frame[21:], total)
	binary.BigEndian.PutUint64(frame[29:], offset)
}

// ParseChunk decodes a chunk frame and checks that its data lie within the
// array. The caller checks type, attempt, round, total and order.
func ParseChunk(frame []byte) (c Chunk, err error) {
	if len(frame) < ChunkHeaderSize || len(frame) > ChunkHeaderSize+ChunkSize {
		return c, malformed("chunk", "wrong size")
	}
	c.Type, c.Attempt = Type(frame[0]), parseAttempt(frame[1:])
	c.Round = binary.BigEndian.Uint64(frame[13:])
	c.Total = binary.BigEndian.Uint64(frame[21:])
	c.Offset = binary.BigEndian.Uint64(frame[29:])
	c.Data = frame[ChunkHeaderSize:]
	if c.Offset > c.Total || uint64(len(c.Data)) > c.Total-c.Offset || len(c.Data) == 0 && c.Total != 0 {
		return c, malformed("chunk", "data outside of the array")
	}
	return c, nil
}

// Chunks cuts a whole array into chunk frames of at most ChunkSize bytes, each a
// multiple of unit bytes. An empty array is one empty chunk.
func Chunks(t Type, a Attempt, round uint64, array []byte, unit int) [][]byte {
	step := ChunkSize / unit * unit
	var out [][]byte
	for off := 0; off == 0 || off < len(array); off += step {
		part := array[off:min(off+step, len(array))]
		f, d := NewChunk(t, a, round, uint64(len(array)), uint64(off), len(part))
		copy(d, part)
		out = append(out, f)
	}
	return out
}

// ChallengeSize and AuthSize are the two link frames by which a station proves
// its account: random ‖ server time in unix milliseconds; account ‖ signature
// over net ‖ challenge.
const (
	ChallengeSize = 32 + 8
	AuthSize      = suite.Ed25519PublicKeySize + suite.Ed25519SignatureSize
)
