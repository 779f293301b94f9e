package seal

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
)

// Format is the first field of a communiqué.
const Format = "backchannel communique 1"

// MaxFile bounds a communiqué: a text of which every byte is escaped, and the rest.
const MaxFile = 6*MaxText + 16<<10

// Party is a name, which the signature does not cover, and its key in hexadecimal.
type Party struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

// Communique is the released file. All of it but the names is signed.
type Communique struct {
	Format    string  `json:"format"`
	Agreement string  `json:"agreement"` // core, hexadecimal
	Level     Level   `json:"level"`     // sealed or public
	Text      string  `json:"text"`
	Parties   []Party `json:"parties"` // sorted by key
	Signature string  `json:"signature"`
}

// Report is what a valid communiqué shows.
type Report struct {
	Communique
	SumKey  PublicKey `json:"-"` // A
	Message []byte    `json:"-"` // M
	Sig     []byte    `json:"-"`
	AskFor  []Party   `json:"ask_for"` // whose keys must be asked for elsewhere: all of them
}

// Encode is the one spelling of the file.
func (c Communique) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(c); err != nil {
		return nil, fmt.Errorf("writing a communiqué: %w", err)
	}
	return b.Bytes(), nil
}

// Verify parses a file strictly, recomputes L, A and M and checks the signature. It
// cannot know whose keys they are; Report.AskFor says what to ask.
func Verify(file []byte) (rep Report, err error) {
	fail := func(format string, a ...any) (Report, error) {
		return Report{}, fmt.Errorf("checking a communiqué: "+format, a...)
	}
	if len(file) > MaxFile {
		return fail("the file is larger than one can be")
	}
	d := json.NewDecoder(bytes.NewReader(file))
	d.DisallowUnknownFields()
	var c Communique
	if err := d.Decode(&c); err != nil {
		return fail("this is no file of \"backchannel communique file\": %w", err)
	}
	if again, err := c.Encode(); err != nil || !bytes.Equal(again, file) {
		return fail("the file is not spelt as the program spells it; get the original")
	}
	if c.Format != Format {
		return fail("the format is not %q", Format)
	}
	if c.Level != Sealed && c.Level != Public {
		return fail("the level is neither sealed nor public")
	}
	if err := CheckText(c.Text); err != nil {
		return fail("%w", err)
	}
	core, err := fixed(c.Agreement, CoreSize)
	if err != nil {
		return fail("agreement: %w", err)
	}
	sig, err := fixed(c.Signature, SignatureSize)
	if err != nil {
		return fail("signature: %w", err)
	}
	var keys []PublicKey
	for i, p := range c.Parties {
		if CheckText(p.Name) != nil || len(p.Name) > 200 || bytes.ContainsAny([]byte(p.Name), "\n\t") {
			return fail("party %d has an empty, long or unprintable name", i+1)
		}
		b, err := fixed(p.Key, PointSize)
		if err != nil {
			return fail("key %d: %w", i+1, err)
		}
		k, err := ParsePublicKey(b)
		if err != nil {
			return fail("key %d: %w", i+1, err)
		}
		if i > 0 && bytes.Compare(keys[i-1][:], k[:]) >= 0 {
			return fail("the keys are not sorted or two are equal")
		}
		keys = append(keys, k)
	}
	g, err := NewGroup(keys)
	if err != nil {
		return fail("%w", err)
	}
	rep = Report{Communique: c, SumKey: g.Key(), Message: Message(Core(core), c.Level, g, c.Text), Sig: sig, AskFor: c.Parties}
	if _, err := parsePoint(sig[:PointSize]); err != nil {
		return fail("the signature begins with %w", err)
	}
	if !ed25519.Verify(rep.SumKey[:], rep.Message, sig) {
		return fail("the signature does not hold: text, keys or signature were changed")
	}
	return rep, nil
}

func fixed(s string, n int) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != n || hex.EncodeToString(b) != s {
		return nil, fmt.Errorf("not %d bytes in lower-case hexadecimal", n)
	}
	return b, nil
}

// PEM is A as a SubjectPublicKeyInfo (RFC 8410), for OpenSSL.
func (r Report) PEM() []byte {
	der := append([]byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}, r.SumKey[:]...)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// Communique makes the file of a finished session; names are by member id.
func (s *Session) Communique(names map[ID]string) (Communique, error) {
	if s.sig == nil {
		return Communique{}, errors.New("writing a communiqué: the agreement is not signed yet")
	}
	p := s.k.Params
	c := Communique{Format: Format, Agreement: hex.EncodeToString(p.Core[:]), Level: p.Level, Text: p.Text, Signature: hex.EncodeToString(s.sig)}
	for _, k := range s.group.keys {
		for i, id := range p.Parties {
			if s.wire(i, StepHello).Key == k {
				c.Parties = append(c.Parties, Party{names[id], hex.EncodeToString(k[:])})
			}
		}
	}
	b, err := c.Encode()
	if err != nil {
		return c, err
	}
	_, err = Verify(b)
	return c, err
}
