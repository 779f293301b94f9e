package negotiation

import "backchannel/internal/suite"

// Level says what an agreement leaves behind.
type Level uint8

// The levels. No message carries a signature below Sealed.
const (
	Handshake Level = 1 // everyone confirmed; deniable
	Sealed    Level = 2 // signed with fresh keys, known only over the deniable channels
	Public    Level = 3 // signed with published keys
)

var levels = map[Level]string{Handshake: "handshake", Sealed: "sealed", Public: "public"}

func (l Level) String() string { return levels[l] }

// MarshalText is the form in JSON.
func (l Level) MarshalText() ([]byte, error) { return named(levels, l) }

// UnmarshalText is the inverse of MarshalText.
func (l *Level) UnmarshalText(b []byte) error { return byName(levels, l, b) }

// Agreement is a proposed agreement. What is consented to is its core: everything
// but Replaces. Another word in it is another core, for which nobody has consented.
type Agreement struct {
	Text         string     `cbor:"1,keyasint,omitempty" json:"text,omitempty"`
	Parties      []MemberID `cbor:"2,keyasint" json:"parties"`
	Level        Level      `cbor:"3,keyasint" json:"level"`
	Lapses       uint64     `cbor:"4,keyasint" json:"lapses"` // seconds since 1970
	SideLetterOf *ID        `cbor:"5,keyasint,omitempty" json:"side_letter_of,omitempty"`
	Agenda       *ID        `cbor:"6,keyasint,omitempty" json:"agenda,omitempty"`
	Packages     []ID       `cbor:"7,keyasint,omitempty" json:"packages,omitempty"`
	Replaces     *ID        `cbor:"8,keyasint,omitempty" json:"replaces,omitempty"`
}

func (*Agreement) kind() Kind { return KindAgreement }
func (b *Agreement) check() error {
	if err := ascending(b.Parties); err != nil {
		return err
	}
	switch {
	case len(b.Parties) < 2:
		return refused("an agreement has two parties or more")
	case levels[b.Level] == "":
		return refused("the level of an agreement is handshake, sealed or public")
	case b.Lapses == 0 || b.Lapses > maxTime:
		return refused("an agreement says when it lapses, before the year 9999")
	case b.Text == "" && len(b.Packages) == 0:
		return refused("an agreement has a text or packages")
	case len(b.Packages) > MaxPackages:
		return refused("an agreement has at most %d packages", MaxPackages)
	case len(b.Packages) > 0 && b.Agenda == nil:
		return refused("an agreement with packages names its agenda")
	}
	for n, p := range b.Packages {
		for _, q := range b.Packages[:n] {
			if p == q {
				return refused("an agreement has the same package twice")
			}
		}
	}
	return CheckText("the text of an agreement", b.Text, MaxText)
}

// Core is what a consent, a handshake and a signature are about.
func (b *Agreement) Core() ID {
	c := *b
	c.Replaces = nil
	return suite.Hash(suite.LabelCore, encode(&c))
}

// Consent is one party's consent to an exact core.
type Consent struct {
	Core ID `cbor:"1,keyasint" json:"core"`
}

func (*Consent) kind() Kind   { return KindConsent }
func (*Consent) check() error { return nil }

// Communique is what will be said in public about an agreement.
type Communique struct {
	Agreement ID       `cbor:"1,keyasint" json:"agreement"`
	Text      string   `cbor:"2,keyasint" json:"text"`
	Keys      [][]byte `cbor:"3,keyasint,omitempty" json:"keys,omitempty"`      // 32 bytes each, sorted
	Signature []byte   `cbor:"4,keyasint,omitempty" json:"signature,omitempty"` // 64 bytes, once there is one
}

func (*Communique) kind() Kind { return KindCommunique }
func (b *Communique) check() error {
	if b.Text == "" {
		return refused("a communiqué is empty")
	}
	if len(b.Keys) > MaxMembers || len(b.Signature) != 0 && len(b.Signature) != 64 || len(b.Signature) != 0 && len(b.Keys) == 0 {
		return refused("the signature of a communiqué has 64 bytes and keys")
	}
	for _, k := range b.Keys {
		if len(k) != 32 {
			return refused("a key of a communiqué has 32 bytes")
		}
	}
	return CheckText("a communiqué", b.Text, MaxText)
}

// Approve says that a party agrees to the release of a communiqué.
type Approve struct {
	Of ID `cbor:"1,keyasint" json:"of"`
}

// Release says that a communiqué was given to the public.
type Release struct {
	Of ID `cbor:"1,keyasint" json:"of"`
}

func (*Approve) kind() Kind   { return KindApprove }
func (*Approve) check() error { return nil }
func (*Release) kind() Kind   { return KindRelease }
func (*Release) check() error { return nil }
