package negotiation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Decimal is mantissa · 10^exponent, in the form without trailing zeros of the
// mantissa, so that equal numbers are equal values. There are no floats anywhere.
type Decimal struct {
	_        struct{} `cbor:",toarray"`
	Mantissa int64
	Exponent int8
}

// maxExponent bounds exponents on both sides: more digits than money, quantities
// or dates need.
const maxExponent = 18

// NewDecimal brings mantissa · 10^exponent into its one form.
func NewDecimal(mantissa int64, exponent int) (Decimal, error) {
	if mantissa == 0 {
		return Decimal{}, nil
	}
	for mantissa%10 == 0 {
		mantissa, exponent = mantissa/10, exponent+1
	}
	if exponent < -maxExponent || exponent > maxExponent {
		return Decimal{}, refused("a number has more than %d digits before or behind the point", maxExponent)
	}
	return Decimal{Mantissa: mantissa, Exponent: int8(exponent)}, nil
}

func (d Decimal) check() error {
	if c, err := NewDecimal(d.Mantissa, int(d.Exponent)); err != nil || c != d {
		return refused("a number is not in its shortest form")
	}
	return nil
}

// scaled is d · 10^maxExponent, which is whole.
func (d Decimal) scaled() *big.Int {
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(d.Exponent)+maxExponent), nil)
	return p.Mul(p, big.NewInt(d.Mantissa))
}

// Cmp compares as numbers: −1, 0 or 1.
func (d Decimal) Cmp(e Decimal) int { return d.scaled().Cmp(e.scaled()) }

// String is the usual decimal notation, "-1.25".
func (d Decimal) String() string {
	s, e := strconv.FormatInt(d.Mantissa, 10), int(d.Exponent)
	if e >= 0 {
		return s + strings.Repeat("0", e)
	}
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	if pad := 1 - e - len(s); pad > 0 {
		s = strings.Repeat("0", pad) + s
	}
	return sign + s[:len(s)+e] + "." + s[len(s)+e:]
}

// ParseDecimal reads decimal notation with an optional sign and point.
func ParseDecimal(s string) (Decimal, error) {
	whole, fraction, point := strings.Cut(s, ".")
	if point && fraction == "" || strings.HasPrefix(whole, "+") || strings.Trim(whole, "-") == "" || strings.ContainsAny(fraction, "+-") {
		return Decimal{}, fmt.Errorf("%q is not a number such as 12.5", s)
	}
	if len(s) > 2*maxExponent+2 {
		return Decimal{}, fmt.Errorf("a number has too many digits")
	}
	// Zeros at the ends carry nothing and may exceed 64 bits together.
	digits, exponent := whole+fraction, -len(fraction)
	for strings.HasSuffix(digits, "0") && len(digits) > 1 && digits != "-0" {
		digits, exponent = digits[:len(digits)-1], exponent+1
	}
	m, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return Decimal{}, fmt.Errorf("%q is not a number such as 12.5, with 18 digits at most", s)
	}
	return NewDecimal(m, exponent)
}

// MarshalText is the form in JSON.
func (d Decimal) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (d *Decimal) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDecimal(string(b))
	return err
}

// IssueType says what values an issue takes.
type IssueType uint8

// The types of issues.
const (
	Choice IssueType = 1 // one of the options
	Range  IssueType = 2 // a number between bounds, in steps
	Text   IssueType = 3 // words
)

var issueTypes = map[IssueType]string{Choice: "choice", Range: "range", Text: "text"}

func (t IssueType) String() string { return issueTypes[t] }

// MarshalText is the form in JSON.
func (t IssueType) MarshalText() ([]byte, error) { return named(issueTypes, t) }

// UnmarshalText is the inverse of MarshalText.
func (t *IssueType) UnmarshalText(b []byte) error { return byName(issueTypes, t, b) }

func named[T comparable](names map[T]string, v T) ([]byte, error) {
	if n, ok := names[v]; ok {
		return []byte(n), nil
	}
	return nil, fmt.Errorf("%v has no name", v)
}

func byName[T comparable](names map[T]string, v *T, b []byte) error {
	for k, n := range names {
		if n == string(b) {
			*v = k
			return nil
		}
	}
	return fmt.Errorf("%q is unknown", b)
}

// Value is what an issue is settled at: an option by its place, a number or a
// text. In CBOR an unsigned integer, an array of two integers or a text.
type Value struct {
	Type   IssueType
	Option uint64
	Number Decimal
	Text   string
}

// OptionValue is the option at place i, counted from 0.
func OptionValue(i uint64) Value { return Value{Type: Choice, Option: i} }

// NumberValue is a number of a range.
func NumberValue(d Decimal) Value { return Value{Type: Range, Number: d} }

// TextValue is a value in words.
func TextValue(s string) Value { return Value{Type: Text, Text: s} }

// MarshalCBOR is for the encoder.
func (v Value) MarshalCBOR() ([]byte, error) {
	switch v.Type {
	case Choice:
		return enc.Marshal(v.Option)
	case Range:
		return enc.Marshal(v.Number)
	case Text:
		return enc.Marshal(v.Text)
	}
	return nil, fmt.Errorf("a value without type")
}

// UnmarshalCBOR is for the decoder.
func (v *Value) UnmarshalCBOR(b []byte) error {
	if len(b) == 0 {
		return fmt.Errorf("no value")
	}
	switch b[0] >> 5 { // the major type
	case 0:
		v.Type = Choice
		return dec.Unmarshal(b, &v.Option)
	case 3:
		v.Type = Text
		return dec.Unmarshal(b, &v.Text)
	case 4:
		v.Type = Range
		return dec.Unmarshal(b, &v.Number)
	}
	return fmt.Errorf("a value of an unknown type")
}

type valueJSON struct {
	Option *uint64  `json:"option,omitempty"`
	Number *Decimal `json:"number,omitempty"`
	Text   *string  `json:"text,omitempty"`
}

// MarshalJSON is one of {"option": 0}, {"number": "1.5"}, {"text": "…"}.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.Type {
	case Choice:
		return json.Marshal(valueJSON{Option: &v.Option})
	case Range:
		return json.Marshal(valueJSON{Number: &v.Number})
	case Text:
		return json.Marshal(valueJSON{Text: &v.Text})
	}
	return nil, fmt.Errorf("a value without type")
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (v *Value) UnmarshalJSON(b []byte) error {
	var j valueJSON
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&j); err != nil {
		return err
	}
	switch {
	case j.Option != nil && j.Number == nil && j.Text == nil:
		*v = OptionValue(*j.Option)
	case j.Number != nil && j.Option == nil && j.Text == nil:
		*v = NumberValue(*j.Number)
	case j.Text != nil && j.Option == nil && j.Number == nil:
		*v = TextValue(*j.Text)
	default:
		return fmt.Errorf("a value has one of option, number and text")
	}
	return nil
}

func (v Value) check() error {
	switch v.Type {
	case Range:
		return v.Number.check()
	case Text:
		return CheckText("a value", v.Text, MaxNote)
	}
	return nil
}

// fits says why the value is none of the issue, or nil.
func (v Value) fits(i Issue) error {
	if v.Type != i.Type {
		return refused("the issue %q takes a %v", i.Title, i.Type)
	}
	switch v.Type {
	case Choice:
		if v.Option >= uint64(len(i.Options)) {
			return refused("the issue %q has %d options", i.Title, len(i.Options))
		}
	case Range:
		return i.Range.contains(i.Title, v.Number)
	}
	return nil
}

// Show is the value as a person reads it in an issue.
func (v Value) Show(i Issue) string {
	switch {
	case v.Type == Choice && v.Option < uint64(len(i.Options)):
		return i.Options[v.Option]
	case v.Type == Range && i.Range != nil && i.Range.Unit != "":
		return v.Number.String() + " " + i.Range.Unit
	case v.Type == Range:
		return v.Number.String()
	case v.Type == Text:
		return v.Text
	}
	return "?"
}

func (r *Bounds) contains(title string, d Decimal) error {
	if d.Cmp(r.Min) < 0 || d.Cmp(r.Max) > 0 {
		return refused("the issue %q goes from %v to %v", title, r.Min, r.Max)
	}
	off := new(big.Int).Sub(d.scaled(), r.Min.scaled())
	if off.Rem(off, r.Step.scaled()).Sign() != 0 {
		return refused("the issue %q goes in steps of %v from %v", title, r.Step, r.Min)
	}
	return nil
}
