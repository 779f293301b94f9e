package negotiation_test

// A second implementation of what travels in a room, in a straight line from
// docs/negotiation.md: its own reader of deterministic CBOR, the tables of the kinds
// as data, ids and tags from the standard library. It shares nothing with the first
// and must agree with it on every vector (second_vectors_test.go).

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

func secondLabel(name string) []byte {
	l := "backchannel/v1/negotiation/" + name
	return append([]byte{byte(len(l))}, l...)
}

func secondHash(name string, parts ...[]byte) string {
	h := sha256.New()
	h.Write(secondLabel(name))
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func secondTag(key []byte, seq uint64, id []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write(secondLabel("vouch"))
	h.Write(binary.BigEndian.AppendUint64(nil, seq))
	h.Write(id)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// A datum is one CBOR item with the bytes that it came in. In maps list has key and
// value in turn.
type datum struct {
	major byte
	n     uint64 // value of an integer, length of the rest
	str   []byte
	list  []datum
	raw   []byte
}

// secondRead reads one item in the core deterministic encoding and gives what
// follows it.
func secondRead(b []byte, depth int) (d datum, rest []byte, ok bool) {
	if len(b) == 0 || depth > 8 {
		return d, nil, false
	}
	start := b
	d.major = b[0] >> 5
	switch short := b[0] & 31; {
	case short < 24:
		d.n, b = uint64(short), b[1:]
	case short < 28:
		size := 1 << (short - 24)
		if len(b) < 1+size {
			return d, nil, false
		}
		for _, x := range b[1 : 1+size] {
			d.n = d.n<<8 | uint64(x)
		}
		if size == 1 && d.n < 24 || size > 1 && d.n>>(4*size) == 0 {
			return d, nil, false // a shorter form exists
		}
		b = b[1+size:]
	default:
		return d, nil, false // indefinite, or nothing that is defined
	}
	switch d.major {
	case 0, 1:
	case 2, 3:
		if d.n > uint64(len(b)) {
			return d, nil, false
		}
		d.str, b = b[:d.n], b[d.n:]
		if d.major == 3 && !utf8.Valid(d.str) {
			return d, nil, false
		}
	case 4, 5:
		count := d.n
		if count > uint64(len(b)) {
			return d, nil, false
		}
		if d.major == 5 {
			count *= 2
		}
		for range count {
			var x datum
			if x, b, ok = secondRead(b, depth+1); !ok {
				return d, nil, false
			}
			if i := len(d.list); d.major == 5 && i%2 == 0 && i > 0 && bytes.Compare(d.list[i-2].raw, x.raw) >= 0 {
				return d, nil, false // keys ascend
			}
			d.list = append(d.list, x)
		}
	default:
		return d, nil, false // tags, floats, simple values
	}
	d.raw = start[:len(start)-len(b)]
	return d, b, true
}

func secondAll(b []byte) (datum, bool) {
	d, rest, ok := secondRead(b, 1)
	return d, ok && len(rest) == 0
}

// A shape turns an item into what JSON has in its place, or refuses it.
type shape func(d datum) (any, bool)

type field struct {
	name     string
	shape    shape
	optional bool // absent instead of empty
}

func secondWords(least, limit int, lines bool) shape {
	return func(d datum) (any, bool) {
		s := string(d.str)
		hidden := func(r rune) bool {
			if r == '\n' || r == '\t' {
				return !lines
			}
			return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
		}
		full := s
		if !lines {
			full = strings.TrimSpace(s)
		}
		return s, d.major == 3 && len(full) >= least && len(s) <= limit && !strings.ContainsFunc(s, hidden)
	}
}

func secondBytes(size int, show func([]byte) string) shape {
	return func(d datum) (any, bool) { return show(d.str), d.major == 2 && (size < 0 || len(d.str) == size) }
}

func secondUint(d datum) (any, bool) { return float64(d.n), d.major == 0 }

func secondNames(names ...string) shape {
	return func(d datum) (any, bool) {
		if d.major != 0 || d.n == 0 || d.n > uint64(len(names)) {
			return nil, false
		}
		return names[d.n-1], true
	}
}

func secondList(of shape, ascending bool) shape {
	return func(d datum) (any, bool) {
		out := []any{}
		for i, x := range d.list {
			v, ok := of(x)
			if !ok || ascending && i > 0 && bytes.Compare(d.list[i-1].str, x.str) >= 0 {
				return nil, false
			}
			out = append(out, v)
		}
		return out, d.major == 4
	}
}

func secondMap(fields map[uint64]field) shape {
	return func(d datum) (any, bool) {
		out, seen := map[string]any{}, map[uint64]bool{}
		for i := 0; i < len(d.list); i += 2 {
			key, val := d.list[i], d.list[i+1]
			f, known := fields[key.n]
			if !known || key.major != 0 {
				return nil, false
			}
			v, ok := f.shape(val)
			if empty := val.n == 0 && val.major != 1; !ok || f.optional && empty {
				return nil, false
			}
			out[f.name], seen[key.n] = v, true
		}
		for k, f := range fields {
			if !f.optional && !seen[k] {
				return nil, false
			}
		}
		return out, d.major == 5
	}
}

func secondDecimal(d datum) (any, bool) {
	if d.major != 4 || len(d.list) != 2 || d.list[0].major > 1 || d.list[1].major > 1 {
		return nil, false
	}
	number := func(x datum) *big.Int {
		n := new(big.Int).SetUint64(x.n)
		if x.major == 1 {
			n.Not(n)
		}
		return n
	}
	m, e := number(d.list[0]), number(d.list[1])
	if !m.IsInt64() || !e.IsInt64() || e.Int64() < -18 || e.Int64() > 18 {
		return nil, false
	}
	ten := big.NewInt(10)
	switch exp := e.Int64(); {
	case m.Sign() == 0:
		return "0", exp == 0
	case new(big.Int).Rem(m, ten).Sign() == 0:
		return nil, false
	case exp >= 0:
		return m.Mul(m, ten.Exp(ten, e, nil)).String(), true
	default:
		r := new(big.Rat).SetFrac(m, ten.Exp(ten, e.Neg(e), nil))
		return r.FloatString(int(e.Int64())), true
	}
}

func secondValue(d datum) (any, bool) {
	pick := func(name string, s shape) (any, bool) {
		v, ok := s(d)
		return map[string]any{name: v}, ok
	}
	switch d.major {
	case 0:
		return pick("option", secondUint)
	case 3:
		return pick("text", secondWords(0, 4000, true))
	default:
		return pick("number", secondDecimal)
	}
}

// secondDirections are one byte for each party.
func secondDirections(d datum) (any, bool) {
	out := []any{}
	for _, b := range d.str {
		name, known := map[byte]string{1: "seller", 2: "buyer"}[b]
		if !known {
			return nil, false
		}
		out = append(out, name)
	}
	return out, d.major == 2
}

func secondValues(d datum) (any, bool) {
	out := map[string]any{}
	for i := 0; i < len(d.list); i += 2 {
		v, ok := secondValue(d.list[i+1])
		if !ok || d.list[i].major != 0 {
			return nil, false
		}
		out[new(big.Int).SetUint64(d.list[i].n).String()] = v
	}
	return out, d.major == 5 && len(out) > 0
}

var (
	asID     = secondBytes(32, hex.EncodeToString)
	asMember = secondBytes(16, hex.EncodeToString)
	asData   = secondBytes(-1, base64.StdEncoding.EncodeToString)
	asLine   = secondWords(1, 200, false)
	asNote   = secondWords(0, 4000, true)
	asText   = secondWords(0, 256<<10, true)
	asIDs    = secondList(asID, false)
	asPeople = secondList(asMember, true)
	asOf     = secondMap(map[uint64]field{1: {"of", asID, false}})

	asTerms = secondList(secondMap(map[uint64]field{1: {"by", asMember, false}, 2: {"issue", secondUint, false}, 3: {"value", secondValue, false}}), false)
	asRange = secondMap(map[uint64]field{1: {"min", secondDecimal, false}, 2: {"max", secondDecimal, false}, 3: {"step", secondDecimal, false},
		4: {"unit", secondWords(0, 200, false), true}})
	asIssue = secondMap(map[uint64]field{1: {"id", secondUint, false}, 2: {"title", asLine, false}, 3: {"type", secondNames("choice", "range", "text"), false},
		4: {"options", secondList(asLine, false), true}, 5: {"range", asRange, true}, 6: {"affects", asPeople, true}, 7: {"outsiders", secondList(asLine, true), true}})

	// secondKinds is the table of kinds of the documentation.
	secondKinds = map[string]shape{
		"signal": secondMap(map[uint64]field{1: {"text", secondWords(1, 4000, true), false}}),
		"letter": secondMap(map[uint64]field{1: {"subject", secondWords(0, 200, false), true}, 2: {"text", asText, false},
			3: {"attachments", secondList(secondMap(map[uint64]field{1: {"name", asLine, false}, 2: {"type", secondWords(0, 127, false), true}, 3: {"data", asData, false}}), false), true}}),
		"agenda":  secondMap(map[uint64]field{1: {"rev", secondUint, false}, 2: {"base", asID, true}, 3: {"issues", secondList(asIssue, false), false}}),
		"confirm": asOf,
		"package": secondMap(map[uint64]field{1: {"agenda", asID, false}, 2: {"values", secondValues, false}, 3: {"note", asNote, true}}),
		"offer": secondMap(map[uint64]field{1: {"to", asPeople, true}, 2: {"agenda", asID, false}, 3: {"gives", asTerms, true}, 4: {"gets", asTerms, true},
			5: {"only_if", asIDs, true}, 6: {"expires", secondUint, true}, 7: {"replaces", asID, true}, 8: {"answers", asID, true}, 9: {"note", asNote, true}}),
		"take": asOf, "withdraw": asOf, "join": asOf, "approve": asOf, "release": asOf,
		"taken":   secondMap(map[uint64]field{1: {"of", asID, false}, 2: {"by", asID, false}}),
		"comment": secondMap(map[uint64]field{1: {"on", asID, false}, 2: {"text", secondWords(1, 4000, true), false}}),
		"draft":   secondMap(map[uint64]field{1: {"rev", secondUint, false}, 2: {"base", asID, true}, 3: {"text", asText, false}, 4: {"title", asLine, true}}),
		"round": secondMap(map[uint64]field{1: {"mode", secondNames("single", "ladder", "list"), false}, 2: {"agenda", asID, false}, 3: {"packages", asIDs, true},
			4: {"issue", secondUint, true}, 5: {"figures", secondList(secondDecimal, false), true}, 6: {"parties", asPeople, false}, 7: {"cap", secondUint, true},
			8: {"tiers", secondList(secondUint, false), true}, 9: {"directions", secondDirections, true},
			10: {"opener", asMember, false}, 11: {"inputs_at", secondUint, false}, 12: {"deadline", secondUint, false}}),
		"agreement": secondMap(map[uint64]field{1: {"text", asText, true}, 2: {"parties", asPeople, false}, 3: {"level", secondNames("handshake", "sealed", "public"), false},
			4: {"lapses", secondUint, false}, 5: {"side_letter_of", asID, true}, 6: {"agenda", asID, true}, 7: {"packages", asIDs, true}, 8: {"replaces", asID, true}}),
		"consent": secondMap(map[uint64]field{1: {"core", asID, false}}),
		"communique": secondMap(map[uint64]field{1: {"agreement", asID, false}, 2: {"text", secondWords(1, 256<<10, true), false},
			3: {"keys", secondList(secondBytes(32, base64.StdEncoding.EncodeToString), false), true}, 4: {"signature", secondBytes(64, base64.StdEncoding.EncodeToString), true}}),
	}

	secondEnvelope = secondMap(map[uint64]field{1: {"version", secondUint, false}, 2: {"room", asID, false}, 3: {"from", asMember, false},
		4: {"seq", secondUint, false}, 5: {"prev", asID, false}, 6: {"vector", secondList(secondUint, false), true}, 7: {"heads", asID, true},
		8: {"time", secondUint, false}, 9: {"class", secondNames("private"), true}, 10: {"kind", secondKind, false}, 11: {"body", asData, false}, 12: {"vouch", asData, true}})
)

func secondKind(d datum) (any, bool) {
	s := string(d.str)
	return s, d.major == 3 && s != "" && len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-/") == ""
}

// secondStatement reads a statement as it travels, with the tags for a room of its
// size, or as it is kept, without.
func secondStatement(b []byte, travels bool) (e map[string]any, body []byte, ok bool) {
	d, ok := secondAll(b)
	if !ok {
		return nil, nil, false
	}
	v, ok := secondEnvelope(d)
	if !ok {
		return nil, nil, false
	}
	e = v.(map[string]any)
	first, zero := e["seq"].(float64) == 1, e["prev"] == strings.Repeat("0", 64)
	at := e["time"].(float64)
	if e["version"].(float64) < 1 || e["seq"].(float64) < 1 || first != zero || at < 1 || at > 253402300799 {
		return nil, nil, false
	}
	vector, told := e["vector"].([]any)
	_, heads := e["heads"]
	_, private := e["class"]
	tags, err := base64.StdEncoding.DecodeString(text(e["vouch"]))
	if err != nil || private == told || told != heads || told && (len(vector) < 2 || len(vector) > 16) {
		return nil, nil, false
	}
	if travels && len(tags) != 16*max(0, len(vector)-2) || !travels && len(tags) != 0 {
		return nil, nil, false
	}
	body, err = base64.StdEncoding.DecodeString(text(e["body"]))
	return e, body, err == nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func secondBody(kind string, b []byte) (any, bool) {
	s, known := secondKinds[kind]
	d, ok := secondAll(b)
	if !known || !ok {
		return nil, false
	}
	return s(d)
}

// secondCore is what a consent is to: the body of an agreement without what it
// replaces.
func secondCore(b []byte) string {
	d, ok := secondAll(b)
	if !ok || d.major != 5 || d.n > 23 {
		return ""
	}
	out, n := []byte(nil), byte(0)
	for i := 0; i < len(d.list); i += 2 {
		if d.list[i].n != 8 {
			out, n = append(append(out, d.list[i].raw...), d.list[i+1].raw...), n+1
		}
	}
	return secondHash("core", slices.Concat([]byte{5<<5 | n}, out))
}
