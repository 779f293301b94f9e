package link

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"time"

	"backchannel/internal/suite"
)

// streamConn carries frames between two servers: those of cells as cells.go says,
// every other in TLS as
//
//	length(4) ‖ cells(8) ‖ frame
//
// where cells counts the records of cells that the same end sent before. A length
// of zero ends the stream: whoever sees less of it was cut off.
type streamConn struct {
	c     *tls.Conn
	raw   net.Conn // below TLS
	wire  *records
	peer  Peer
	r     *bufio.Reader // above TLS
	buf   []byte        // one TLS record: the head and the frame's beginning
	out   cellsOut
	in    cellsIn
	spare *buffers
}

// Sizes of a streamConn.
const (
	headSize   = 4 + 8    // length ‖ cells
	recordSize = 16 << 10 // what TLS puts into one record
	readBuffer = 32 << 10 // no less than a record, so that reading TLS never leaves a part of one behind
	spareBytes = 64 << 20 // buffers kept by a connection that belongs to no Loop
)

// newStreamConn makes a connection of a TLS connection over w whose handshake is
// done. own says which end this is.
func newStreamConn(c *tls.Conn, w *records, p Peer, m mode, own byte) (*streamConn, error) {
	state := c.ConnectionState()
	key := func(from byte) (*suite.LinkCipher, error) {
		k, err := state.ExportKeyingMaterial(string(suite.LabelLink), []byte{byte(m), from}, suite.KeySize)
		if err != nil {
			return nil, err
		}
		return suite.NewLinkCipher([suite.KeySize]byte(k)), nil
	}
	out, err := key(own)
	if err != nil {
		return nil, err
	}
	in, err := key(fromDialler + fromListener - own)
	if err != nil {
		return nil, err
	}
	return &streamConn{
		c: c, raw: w.Conn, wire: w, peer: p, r: bufio.NewReaderSize(c, readBuffer), buf: make([]byte, 0, recordSize),
		out: cellsOut{mode: m, cipher: out}, in: cellsIn{mode: m, cipher: in}, spare: newBuffers(spareBytes),
	}, nil
}

// Peer implements Conn.
func (s *streamConn) Peer() Peer { return s.peer }

// ReadFrame implements Conn. It waits for ever for a frame to begin, and a bounded
// time for it to end.
func (s *streamConn) ReadFrame() ([]byte, error) {
	first := byte(recordApplication)
	if s.r.Buffered() == 0 {
		if err := s.raw.SetReadDeadline(time.Time{}); err != nil {
			return nil, err
		}
		b, err := s.wire.r.Peek(1)
		if err != nil {
			return nil, unexpected(err)
		}
		first = b[0]
	}
	if err := s.raw.SetReadDeadline(time.Now().Add(frameTime)); err != nil {
		return nil, err
	}
	if first == cellsMark {
		return s.in.read(s.wire.r, s.spare)
	}
	frame, err := readFrame(s.r, s.in.number)
	if err == nil {
		s.in.beside++
	}
	return frame, err
}

// recordApplication is the type of a TLS record that carries frames.
const recordApplication = 23

// readFrame reads length(4) ‖ cells(8) ‖ frame, where so many cells must have come;
// io.EOF tells that the stream ended as it should.
func readFrame(r io.Reader, cells uint64) ([]byte, error) {
	var head [headSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, unexpected(err)
	}
	n := binary.BigEndian.Uint32(head[:])
	switch {
	case n > MaxFrame:
		return nil, errFrame
	case binary.BigEndian.Uint64(head[4:]) != cells:
		return nil, errAltered
	case n == 0:
		return nil, io.EOF
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, unexpected(err)
	}
	if areCells(frame) {
		return nil, errFrame
	}
	return frame, nil
}

// WriteFrame implements Conn. Every frame begins a record, so that the sizes on
// the wire do not tell which frames were waiting at the same time.
func (s *streamConn) WriteFrame(frame []byte) error {
	if len(frame) == 0 || len(frame) > MaxFrame {
		return errFrame
	}
	if err := s.raw.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	if areCells(frame) {
		return s.out.write(s.raw, frame)
	}
	first := min(len(frame), recordSize-headSize)
	s.buf = append(s.head(len(frame)), frame[:first]...)
	s.out.beside++
	if _, err := s.c.Write(s.buf); err != nil {
		return err
	}
	if first == len(frame) {
		return nil
	}
	_, err := s.c.Write(frame[first:])
	return err
}

// head is what precedes a frame of n bytes in TLS.
func (s *streamConn) head(n int) []byte {
	b := binary.BigEndian.AppendUint32(s.buf[:0], uint32(n))
	return binary.BigEndian.AppendUint64(b, s.out.number)
}

// CloseWrite implements Conn.
func (s *streamConn) CloseWrite() error {
	if err := s.raw.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	if _, err := s.c.Write(s.head(0)); err != nil {
		return err
	}
	return s.c.CloseWrite()
}

// Close implements Conn: below TLS, which would say goodbye first.
func (s *streamConn) Close() error { return s.raw.Close() }

// Recycle gives the memory of a frame of cells back, whoever made it, for the
// frames to come. Nobody may use it afterwards.
func (s *streamConn) Recycle(frame []byte) { s.spare.put(frame) }
