package vault

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"backchannel/internal/suite"
)

// A backup file:
//
//	header = magic(21) ‖ time(4) ‖ memory(4) ‖ threads(1) ‖ salt(32)
//	K      = KDF(backup; Argon2id(passphrase, salt); header)
//	file   = header ‖ piece 0 ‖ piece 1 ‖ …
//	piece i = Once(PRF(K, backup/piece; i(8) ‖ last(1)); 65536 bytes)
//
// last is 1 for the last piece and 0 for every other, so pieces can be neither
// left out, moved, repeated nor taken from another file, and a file that was cut
// does not open to its end. The content is filled up with zeros to whole pieces:
// the size of a file tells how much is in it in steps of 64 KiB.
const (
	backupMagic  = "backchannel backup 1\n"
	backupHeader = len(backupMagic) + 4 + 4 + 1 + saltSize // 62
	pieceSize    = 64 << 10
	sealedPiece  = pieceSize + suite.AEADOverhead
)

// sealer encrypts what is written to it. Close writes the last piece.
type sealer struct {
	w      io.Writer
	key    [suite.KeySize]byte
	number uint64
	buf    []byte // less than or exactly a piece
	out    []byte
}

func newSealer(w io.Writer, passphrase []byte, k KDF) (*sealer, error) {
	if len(passphrase) == 0 {
		return nil, errors.New("the passphrase is empty: choose one")
	}
	if err := k.check(); err != nil {
		return nil, err
	}
	header := append(make([]byte, 0, backupHeader), backupMagic...)
	header = binary.BigEndian.AppendUint32(header, k.Time)
	header = binary.BigEndian.AppendUint32(header, k.Memory)
	header = append(header, k.Threads)
	salt := make([]byte, saltSize)
	suite.Random(salt)
	header = append(header, salt...)
	if _, err := w.Write(header); err != nil {
		return nil, err
	}
	s := &sealer{w: w, buf: make([]byte, 0, pieceSize), out: make([]byte, 0, sealedPiece)}
	s.key = backupKey(passphrase, header, k)
	return s, nil
}

// backupKey is K.
func backupKey(passphrase, header []byte, k KDF) [suite.KeySize]byte {
	stretched := stretch(passphrase, header[backupHeader-saltSize:], k)
	defer clear(stretched[:])
	return suite.KDF(suite.LabelBackup, [][]byte{stretched[:]}, header)
}

func pieceKey(key *[suite.KeySize]byte, number uint64, last bool) [suite.KeySize]byte {
	context := binary.BigEndian.AppendUint64(make([]byte, 0, 9), number)
	if last {
		context = append(context, 1)
	} else {
		context = append(context, 0)
	}
	return suite.PRF(*key, suite.LabelBackupPiece, context)
}

// Write implements io.Writer.
func (s *sealer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if len(s.buf) == pieceSize { // there is more, so it is not the last
			if err := s.piece(false); err != nil {
				return n, err
			}
		}
		k := min(len(p), pieceSize-len(s.buf))
		s.buf = append(s.buf, p[:k]...)
		p, n = p[k:], n+k
	}
	return n, nil
}

// Close writes the last piece. It does not close what lies below.
func (s *sealer) Close() error {
	s.buf = append(s.buf, make([]byte, pieceSize-len(s.buf))...)
	err := s.piece(true)
	clear(s.key[:])
	return err
}

func (s *sealer) piece(last bool) error {
	key := pieceKey(&s.key, s.number, last)
	s.out = suite.SealOnce(&key, s.out[:0], s.buf)
	clear(key[:])
	clear(s.buf)
	s.buf = s.buf[:0]
	s.number++
	_, err := s.w.Write(s.out)
	return err
}

// opener decrypts a backup file. What it returns before its end is authentic, and
// it ends with io.EOF only if nothing is missing.
type opener struct {
	r      *bufio.Reader
	key    [suite.KeySize]byte
	number uint64
	buf    []byte // rest of the present piece
	plain  []byte
	sealed []byte
	last   bool
}

func newOpener(r io.Reader, passphrase []byte) (*opener, error) {
	header := make([]byte, backupHeader)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, short(err)
	}
	rest, ok := bytes.CutPrefix(header, []byte(backupMagic))
	if !ok {
		if bytes.HasPrefix(header, []byte("backchannel backup ")) {
			return nil, ErrBackupNewer
		}
		return nil, fmt.Errorf("%w: it is no backup of this program", ErrBackup)
	}
	k := KDF{binary.BigEndian.Uint32(rest), binary.BigEndian.Uint32(rest[4:]), rest[8]}
	if err := k.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	o := &opener{r: bufio.NewReaderSize(r, sealedPiece+1), sealed: make([]byte, sealedPiece), plain: make([]byte, 0, pieceSize)}
	o.key = backupKey(passphrase, header, k)
	return o, nil
}

// short says of a file that ends too early that it is damaged.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends too early", ErrBackup)
	}
	return err
}

// Read implements io.Reader.
func (o *opener) Read(p []byte) (int, error) {
	if len(o.buf) == 0 {
		if o.last {
			return 0, io.EOF
		}
		if err := o.piece(); err != nil {
			return 0, err
		}
	}
	n := copy(p, o.buf)
	o.buf = o.buf[n:]
	return n, nil
}

func (o *opener) piece() error {
	if _, err := io.ReadFull(o.r, o.sealed); err != nil {
		return short(err)
	}
	switch _, err := o.r.Peek(1); {
	case errors.Is(err, io.EOF):
		o.last = true
	case err != nil:
		return err
	}
	key := pieceKey(&o.key, o.number, o.last)
	plain, err := suite.OpenOnce(&key, o.plain[:0], o.sealed)
	clear(key[:])
	switch {
	case err != nil && o.number == 0:
		return fmt.Errorf("%w, or the backup was changed", ErrWrongPassphrase)
	case err != nil:
		return ErrBackup
	}
	o.buf = plain
	o.number++
	return nil
}
