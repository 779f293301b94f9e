package negotiation

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"backchannel/internal/suite"
)

// Sizes and limits in bytes unless said otherwise. Every one of them is checked
// before anything is kept.
const (
	MaxStatement   = 1 << 20   // one encoded statement; about 17 minutes at 1 KB/s
	MaxText        = 256 << 10 // letter, draft, agreement, communiqué
	MaxSignal      = 4000
	MaxNote        = 4000 // note of a package or offer, comment
	MaxTitle       = 200  // title, subject, option, unit, name of an outsider
	MaxKind        = 32   // name of a kind
	MaxAttachments = 16   // files of one letter
	MaxIssues      = 64   // of an agenda
	MaxOptions     = 64   // of one issue
	MaxTerms       = 64   // of one side of an offer
	MaxConditions  = 16   // of an offer
	MaxPackages    = 64   // of a round or agreement
	MaxMembers     = 16   // of a room; the lanes of a station allow fewer
	MaxOutsiders   = 16   // of an issue
	MaxGossip      = 64   // entries of one gossip statement

	IDSize       = suite.HashSize // 32
	MemberIDSize = 16
	TagSize      = suite.HashSize / 2 // 16
)

// ErrRefused is the error of every statement or message that was not taken. The
// text says why, for the user whose station refused it.
var ErrRefused = errors.New("refused")

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// ID names a statement, and with it the object that the statement carries, a room
// or the core of an agreement. It is a hash of what it names.
type ID [IDSize]byte

// MemberID names a member of one room. It is random, made for that room alone, and
// says nothing about the contact behind it.
type MemberID [MemberIDSize]byte

// Contact is a station's own reference to a contact. It is never encoded.
type Contact [16]byte

// String is lower-case hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// String is lower-case hexadecimal.
func (id MemberID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText is the form in JSON.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// MarshalText is the form in JSON.
func (id MemberID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (id *ID) UnmarshalText(b []byte) error { return unhex(id[:], b) }

// UnmarshalText is the inverse of MarshalText.
func (id *MemberID) UnmarshalText(b []byte) error { return unhex(id[:], b) }

// IsZero reports whether the id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// IsZero reports whether the id names nobody.
func (id MemberID) IsZero() bool { return id == MemberID{} }

func unhex(dst, src []byte) error {
	if len(src) != 2*len(dst) || !bytes.Equal(src, bytes.ToLower(src)) {
		return fmt.Errorf("an id has %d lower-case hexadecimal digits", 2*len(dst))
	}
	_, err := hex.Decode(dst, src)
	return err
}

var (
	enc = must(cbor.EncOptions{
		Sort: cbor.SortCoreDeterministic, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		NilContainers: cbor.NilContainerAsEmpty,
	}.EncMode())
	dec = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, UTF8: cbor.UTF8RejectInvalid, IntDec: cbor.IntDecConvertNone,
		MaxNestedLevels: 8, MaxArrayElements: 4096, MaxMapPairs: 256,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("negotiation: " + err.Error())
	}
	return v
}

// encode is for structures of this package, whose encoding cannot fail.
func encode(v any) []byte { return must(enc.Marshal(v)) }

// decode takes the one deterministic encoding of a value and refuses any other,
// so that one object has one id.
func decode[T any](b []byte, v *T) error {
	if err := dec.Unmarshal(b, v); err != nil {
		return refused("the encoding of %s is malformed", nameOf(v))
	}
	again, err := enc.Marshal(*v)
	if err != nil || !bytes.Equal(again, b) {
		return refused("%s is not in its deterministic encoding", nameOf(v))
	}
	return nil
}

func nameOf(v any) string {
	if k, ok := v.(interface{ kind() Kind }); ok {
		return "the kind " + string(k.kind())
	}
	return "a statement"
}
