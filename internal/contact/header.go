package contact

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// Kind tells a signal from a letter, and both from a note about one of them.
type Kind uint8

// The kinds. A signal is a short text, a letter anything. A note is no item of a
// conversation: its content is the identifier of the item that it is about, and
// all notes of a kind have the same size.
const (
	Signal          Kind = 1
	Letter          Kind = 2
	Acknowledgement Kind = 3 // a person says: I have it; of an item of the other side
	Cancellation    Kind = 4 // of an own item that was not delivered as a whole
)

// NoteSize is the size in bytes of a note's content: an item's identifier.
const NoteSize = len(wire.ItemID{})

// Note tells whether the kind is that of a note.
func (k Kind) Note() bool { return k == Acknowledgement || k == Cancellation }

// Class is the class in which items of the kind travel.
func (k Kind) Class() wire.Class {
	if k == Letter {
		return wire.ClassLetter
	}
	return wire.ClassSignal
}

// String names the kind.
func (k Kind) String() string {
	switch k {
	case Signal:
		return "signal"
	case Letter:
		return "letter"
	case Acknowledgement:
		return "acknowledgement"
	case Cancellation:
		return "cancellation"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Limits in bytes.
const (
	MaxContent = 10 << 20 // 10 MB, of 2²⁰ bytes each, so that both meanings fit
	MaxSignal  = 4000     // fits one record together with its header
	MaxSubject = 1000
	MaxName    = 1000
	MaxType    = 127

	headerLength  = 2                            // of the CBOR that follows
	maxHeaderCBOR = 2200                         // all fields at their longest come to 2,192
	MaxHeader     = headerLength + maxHeaderCBOR // 2,202
	MaxItem       = MaxHeader + MaxContent       // 10,487,962
)

// Header precedes the content of a signal, a letter or a note. It is encoded as
// length(2) ‖ CBOR (RFC 8949, core deterministic), a map with the keys 1 kind,
// 2 subject, 3 name, 4 type, 5 time, 6 size and 7 SHA-256; a text that is empty
// and a time that is zero are left out.
//
// Nothing in it proves who wrote it; either side can make any header.
type Header struct {
	Kind    Kind
	Subject string    // one line or more of text, may be empty
	Name    string    // of a file, as its sender saw it; SafeName before it touches a disk
	Type    string    // media type, may be empty; a hint to a person, nothing acts on it
	Time    time.Time // when it was written by the sender's clock, in whole seconds; zero if not told
	Size    uint32    // of the content, MaxContent at most
	SHA256  [32]byte  // of the content
}

type headerMap struct {
	Kind    uint8  `cbor:"1,keyasint"`
	Subject string `cbor:"2,keyasint,omitempty"`
	Name    string `cbor:"3,keyasint,omitempty"`
	Type    string `cbor:"4,keyasint,omitempty"`
	Time    uint64 `cbor:"5,keyasint,omitempty"`
	Size    uint32 `cbor:"6,keyasint"`
	SHA256  []byte `cbor:"7,keyasint"`
}

// maxTime is the last second of the year 9999.
const maxTime = 253402300799

var (
	headerEnc = must(cbor.CoreDetEncOptions().EncMode())
	headerDec = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, UTF8: cbor.UTF8RejectInvalid,
		MaxNestedLevels: 4, MaxArrayElements: 16, MaxMapPairs: 16,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("contact: " + err.Error())
	}
	return v
}

// The errors of headers.
var (
	ErrHeader   = errors.New("the header of an item is malformed")
	ErrTooLarge = errors.New("more than an item can hold: a letter has 10 MB at most, a signal 4,000 bytes")
)

// NewHeader describes content. Texts are made to fit: bytes that are no UTF-8 are
// replaced, what is longer than its limit is cut, a media type that is none is
// left out. at is the time to tell, zero for none.
func NewHeader(kind Kind, subject, name, mediaType string, at time.Time, content []byte) (Header, error) {
	if len(content) > MaxContent || kind == Signal && len(content) > MaxSignal {
		return Header{}, ErrTooLarge
	}
	h := Header{Kind: kind, Subject: fit(subject, MaxSubject), Name: fit(name, MaxName), Size: uint32(len(content)), SHA256: suite.Digest(content)}
	if validType(mediaType) {
		h.Type = mediaType
	}
	if !at.IsZero() {
		h.Time = at.UTC().Truncate(time.Second)
	}
	return h, h.check()
}

// NewNote describes a note about an item, which is its content.
func NewNote(kind Kind, about wire.ItemID) Header {
	return Header{Kind: kind, Size: uint32(NoteSize), SHA256: suite.Digest(about[:])}
}

func fit(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	for len(s) > limit {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

func validType(s string) bool {
	return len(s) <= MaxType && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func (h Header) check() error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrHeader, what) }
	switch {
	case h.Kind != Signal && h.Kind != Letter && !h.Kind.Note():
		return bad("unknown kind")
	case h.Kind.Note() && (h.Subject != "" || h.Name != "" || h.Type != "" || !h.Time.IsZero() || h.Size != uint32(NoteSize)):
		return bad("a note tells an identifier and nothing else")
	case len(h.Subject) > MaxSubject || !utf8.ValidString(h.Subject):
		return bad("subject")
	case len(h.Name) > MaxName || !utf8.ValidString(h.Name):
		return bad("name")
	case !validType(h.Type):
		return bad("type")
	case !h.Time.IsZero() && (h.Time.Unix() <= 0 || h.Time.Unix() > maxTime || h.Time.Nanosecond() != 0):
		return bad("time")
	case h.Size > MaxContent || h.Kind == Signal && h.Size > MaxSignal:
		return bad("size")
	}
	return nil
}

// Encode encodes the header. It fails if a field breaks its limit.
func (h Header) Encode() ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	m := headerMap{Kind: uint8(h.Kind), Subject: h.Subject, Name: h.Name, Type: h.Type, Size: h.Size, SHA256: h.SHA256[:]}
	if !h.Time.IsZero() {
		m.Time = uint64(h.Time.Unix())
	}
	body, err := headerEnc.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encoding the header of an item: %w", err)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(body))), body...), nil
}

// ParseHeader decodes the header at the beginning of an item. It returns its
// encoded size; size 0 without error means that more bytes are needed. Every
// error is ErrHeader.
func ParseHeader(b []byte) (h Header, size int, err error) {
	if len(b) < headerLength {
		return h, 0, nil
	}
	n := int(binary.BigEndian.Uint16(b))
	if n == 0 || n > maxHeaderCBOR {
		return h, 0, fmt.Errorf("%w: length", ErrHeader)
	}
	if len(b) < headerLength+n {
		return h, 0, nil
	}
	b = b[:headerLength+n]
	var m headerMap
	if err := headerDec.Unmarshal(b[headerLength:], &m); err != nil || len(m.SHA256) != len(h.SHA256) {
		return Header{}, 0, fmt.Errorf("%w: encoding", ErrHeader)
	}
	if m.Time > maxTime {
		return Header{}, 0, fmt.Errorf("%w: time", ErrHeader)
	}
	h = Header{Kind: Kind(m.Kind), Subject: m.Subject, Name: m.Name, Type: m.Type, Size: m.Size, SHA256: [32]byte(m.SHA256)}
	if m.Time > 0 {
		h.Time = time.Unix(int64(m.Time), 0).UTC()
	}
	again, err := h.Encode()
	if err != nil {
		return Header{}, 0, err
	}
	if !bytes.Equal(again, b) {
		return Header{}, 0, fmt.Errorf("%w: not the deterministic encoding", ErrHeader)
	}
	return h, len(b), nil
}
