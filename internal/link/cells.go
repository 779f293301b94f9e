package link

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// Between servers the frames of cells travel beside TLS, on the same connection:
// TLS costs most of a round, and cells are ciphertext already. Everything else
// stays in TLS. On the wire a TLS record begins with a byte from 20 to 23, a record
// of cells with cellsMark:
//
//	cellsMark(1) ‖ length(4) ‖ frame ‖ tag(16)
//
// Its key comes from the TLS handshake that pinned both ends, one for each
// direction. The tag covers the frame, how many records of cells and how many
// frames in TLS the same end sent before; and every frame in TLS says how many
// records of cells went before it. So neither stream can be cut, repeated or
// reordered by itself, nor moved against the other.
//
// Between relays the frame is open and its tag a MAC. Between the entry and a relay
// it is encrypted as well, since there the places are those of the roster and a
// station that is away is a run of zeros. docs/decisions/0043 has the argument.
const (
	cellsMark  = 0xF0
	cellsHead  = 1 + 4                                 // mark ‖ length
	maxCells   = wire.ChunkHeaderSize + wire.ChunkSize // of a frame of cells
	tlsHead    = 5                                     // of a TLS record: type, version, length
	tlsRecords = 64 << 10                              // buffer below TLS
	framePlus  = suite.AEADOverhead                    // room behind a frame of cells, for its tag
)

// mode says how cells travel on a connection. It is bound into the keys, so two
// ends that disagree about it fail at the first record.
type mode byte

const (
	modeOpen   mode = 1 + iota // authenticated: between relays
	modeSealed                 // encrypted, too: wherever the entry is an end
)

func modeOf(a, b Role) mode {
	if a == RoleRelay && b == RoleRelay {
		return modeOpen
	}
	return modeSealed
}

// The two ends, as the keys know them.
const (
	fromDialler  byte = 1
	fromListener byte = 2
)

// areCells tells whether a frame travels beside TLS.
func areCells(frame []byte) bool {
	t := wire.TypeOf(frame)
	return t == wire.TypeForward || t == wire.TypeBackward
}

// reused tells whether the memory of a frame is used again when it has left.
func reused(frame []byte) bool { return areCells(frame) || wire.TypeOf(frame) == wire.TypeAnswers }

// records lies below TLS and gives it its own records, never a byte further, so
// that what stands between them can be read from r.
type records struct {
	net.Conn
	r    *bufio.Reader
	left int // bytes of the TLS record under way that TLS has not taken
}

func newRecords(c net.Conn) *records {
	return &records{Conn: c, r: bufio.NewReaderSize(c, tlsRecords)}
}

// Read implements net.Conn for TLS.
func (w *records) Read(p []byte) (int, error) {
	if w.left == 0 {
		head, err := w.r.Peek(tlsHead)
		if err != nil {
			if len(head) > 0 {
				err = unexpected(err)
			}
			return 0, err
		}
		if !isTLS(head[0]) {
			return 0, errFrame
		}
		w.left = tlsHead + int(binary.BigEndian.Uint16(head[3:]))
	}
	n, err := w.r.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, err
}

func isTLS(first byte) bool { return first >= 20 && first <= 23 }

// cellsOut is what an end needs to send cells.
type cellsOut struct {
	mode     mode
	cipher   *suite.LinkCipher
	number   uint64 // records of cells so far
	beside   uint64 // frames in TLS so far
	head     [cellsHead]byte
	sealed   []byte
	parts    [3][]byte
	writable net.Buffers
}

// write sends a frame of cells as one record.
func (o *cellsOut) write(w io.Writer, frame []byte) error {
	if len(frame) < wire.ChunkHeaderSize || len(frame) > maxCells || o.number >= suite.LinkUses {
		return errFrame
	}
	o.head[0] = cellsMark
	binary.BigEndian.PutUint32(o.head[1:], uint32(len(frame)))
	if o.mode == modeOpen {
		o.parts = [3][]byte{o.head[:], frame, o.cipher.Tag(o.number, o.beside, frame)}
		o.writable = o.parts[:]
	} else {
		o.sealed = o.cipher.Seal(o.number, o.beside, o.sealed[:0], frame)
		o.parts = [3][]byte{o.head[:], o.sealed}
		o.writable = o.parts[:2]
	}
	o.number++
	_, err := o.writable.WriteTo(w)
	o.parts[1] = nil
	return err
}

// cellsIn is what an end needs to take cells.
type cellsIn struct {
	mode   mode
	cipher *suite.LinkCipher
	number uint64
	beside uint64
	head   [cellsHead]byte
}

// read takes one record of cells into a buffer of spare. What the record says is
// used only when it is proved.
func (i *cellsIn) read(r io.Reader, spare *buffers) ([]byte, error) {
	if _, err := io.ReadFull(r, i.head[:]); err != nil {
		return nil, unexpected(err)
	}
	n := int(binary.BigEndian.Uint32(i.head[1:]))
	if i.head[0] != cellsMark || n < wire.ChunkHeaderSize || n > maxCells || i.number >= suite.LinkUses {
		return nil, errFrame
	}
	b := spare.take(n + framePlus)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, unexpected(err)
	}
	var good bool
	if i.mode == modeOpen {
		good = i.cipher.Check(i.number, i.beside, b[:n], b[n:])
	} else {
		_, err := i.cipher.Open(i.number, i.beside, b)
		good = err == nil
	}
	switch {
	case !good:
		return nil, errAltered
	case !areCells(b):
		return nil, errFrame
	}
	i.number++
	return b[:n], nil
}

// unexpected is the error of a stream that ends within a record.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
