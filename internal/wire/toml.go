package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// MaxTextFile bounds a text file that this program reads: a network file of
// MaxRelays relays has about 120 kB.
const MaxTextFile = 1 << 20

// textError is a decoding error of a file that people read and write: its text
// stands alone, without the word "malformed".
type textError string

func (e textError) Error() string        { return string(e) }
func (e textError) Is(target error) bool { return target == ErrMalformed }

func textErrorf(format string, a ...any) error { return textError(fmt.Sprintf(format, a...)) }

// DecodeTOML decodes a text file into the struct that v points to. It refuses a
// key that the struct does not name exactly, because a misspelt key would mean a
// silent default. The TOML library alone compares names without regard to case
// and so lets two spellings of one key compete; the names are therefore compared
// here, against the struct's toml tags. Errors have one line and name the key or
// the line of the file; they never quote a value.
func DecodeTOML(data []byte, v any) error {
	if len(data) > MaxTextFile {
		return textErrorf("the file is larger than %d bytes", MaxTextFile)
	}
	var raw map[string]any
	if _, err := toml.Decode(string(data), &raw); err != nil {
		var p toml.ParseError
		if errors.As(err, &p) {
			return textErrorf("line %d is not valid TOML", p.Position.Line)
		}
		return textErrorf("not valid TOML")
	}
	if err := checkKeys(raw, reflect.TypeOf(v).Elem(), ""); err != nil {
		return err
	}
	if _, err := toml.Decode(string(data), v); err != nil {
		return textErrorf("a number is out of range") // all else was compared above
	}
	return nil
}

// checkKeys compares the keys of a decoded table with a struct's tags, in sorted
// order so that the same file always gives the same error.
func checkKeys(table map[string]any, t reflect.Type, path string) error {
	keys := make([]string, 0, len(table))
	for k := range table {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		f, ok := fieldOf(t, k)
		if !ok {
			return textErrorf("unknown key %s", printableKey(path+k))
		}
		if err := checkValue(table[k], f, path+k); err != nil {
			return err
		}
	}
	return nil
}

// checkValue compares a decoded value with the type of its field, so that nothing
// is converted: a number in quotes is no number.
func checkValue(v any, t reflect.Type, path string) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	is := func(kinds ...reflect.Kind) bool { return slices.Contains(kinds, t.Kind()) }
	switch v := v.(type) {
	case string:
		if is(reflect.String) {
			return nil
		}
	case int64:
		if is(reflect.Int, reflect.Int64) {
			return nil
		}
	case bool:
		if is(reflect.Bool) {
			return nil
		}
	case map[string]any:
		if is(reflect.Struct) {
			return checkKeys(v, t, path+".")
		}
	case []map[string]any:
		if !is(reflect.Slice) || t.Elem().Kind() != reflect.Struct {
			break
		}
		for _, m := range v {
			if err := checkKeys(m, t.Elem(), path+"."); err != nil {
				return err
			}
		}
		return nil
	case []any:
		if !is(reflect.Slice) {
			break
		}
		for _, e := range v {
			if err := checkValue(e, t.Elem(), path); err != nil {
				return err
			}
		}
		return nil
	}
	return textErrorf("%s has a value of the wrong kind", path)
}

func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("toml") == name && name != "" && name != "-" {
			return f.Type, true
		}
	}
	return nil, false
}

// printableKey keeps an error on one line whatever the file holds.
func printableKey(k string) string {
	if printable(k) && len(k) <= 100 {
		return k
	}
	return fmt.Sprintf("%.100q", k)
}

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// MaxNameLen bounds names in signed documents, in bytes.
const MaxNameLen = 64

// checkName accepts 1 to MaxNameLen bytes of printable text without outer
// spaces. Control and direction characters are refused: what a reviewer sees is
// what is signed.
func checkName(key, s string) error {
	switch {
	case s == "":
		return textErrorf("%s is missing", key)
	case len(s) > MaxNameLen:
		return textErrorf("%s is longer than %d bytes", key, MaxNameLen)
	case !printable(s) || strings.TrimSpace(s) != s:
		return textErrorf("%s has characters that cannot be shown or spaces around it", key)
	}
	return nil
}

// MaxAddressLen bounds an address in bytes: a DNS name, a colon and a port.
const MaxAddressLen = 253 + 1 + 5

// CheckAddress accepts host:port with a DNS name, an onion name, an IPv4 address
// or an IPv6 address in brackets, and a port from 1 to 65535.
func CheckAddress(s string) error {
	bad := func(why string) error { return fmt.Errorf("address %q %s; it is written host:port", s, why) }
	i := strings.LastIndexByte(s, ':')
	if s == "" || i < 0 {
		return bad("has no port")
	}
	host, port := s[:i], s[i+1:]
	n := 0
	for _, c := range []byte(port) {
		if c < '0' || c > '9' || n > 65535 {
			return bad("has a bad port")
		}
		n = 10*n + int(c-'0')
	}
	if n < 1 || n > 65535 || port[0] == '0' {
		return bad("has a bad port")
	}
	allowed := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		host, allowed = host[1:len(host)-1], "0123456789abcdefABCDEF:."
	}
	if host == "" || len(s) > MaxAddressLen || strings.Trim(host, allowed) != "" {
		return bad("has a bad host")
	}
	for _, c := range host {
		if !strings.ContainsRune(allowed, c) {
			return bad("has a bad host")
		}
	}
	return nil
}

// MaxDuration bounds every duration in a network file, so that sums and
// multiples of them cannot overflow.
const MaxDuration = 30 * 24 * time.Hour

func parseDuration(key, s string) (time.Duration, error) {
	if s == "" {
		return 0, textErrorf("%s is missing", key)
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, textErrorf("%s is not a duration such as \"500ms\", \"8s\" or \"2m\"", key)
	}
	if d <= 0 || d > MaxDuration || d%time.Millisecond != 0 {
		return 0, textErrorf("%s must be whole milliseconds, more than none and at most 30 days", key)
	}
	return d, nil
}

const timeLayout = "2006-01-02T15:04:05.999Z07:00"

// parseTime accepts exactly what formatTime makes: UTC, to the millisecond. TOML's
// own dates are not used, for a local one would mean another moment on every
// machine.
func parseTime(key, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, textErrorf("%s is missing", key)
	}
	t, err := time.Parse(timeLayout, s)
	if err != nil || formatTime(t) != s || t.Year() < 2000 || t.Year() > 2200 {
		return time.Time{}, textErrorf("%s is not a UTC time such as \"2026-01-31T00:00:00Z\"", key)
	}
	return t.UTC(), nil
}

func formatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// decodeBase64 accepts standard base64 with padding, broken into lines anywhere.
func decodeBase64(key, s string, size int) ([]byte, error) {
	if s == "" {
		return nil, textErrorf("%s is missing", key)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, textErrorf("%s is not base64", key)
	}
	if len(b) != size {
		return nil, textErrorf("%s has %d bytes instead of %d", key, len(b), size)
	}
	return b, nil
}

const base64Columns = 76

// putBase64 writes key = value; long values as a block of lines.
func putBase64(b *strings.Builder, key string, value []byte) {
	s := base64.StdEncoding.EncodeToString(value)
	if len(s) <= base64Columns {
		fmt.Fprintf(b, "%s = \"%s\"\n", key, s)
		return
	}
	fmt.Fprintf(b, "%s = \"\"\"\n", key)
	for len(s) > 0 {
		n := min(base64Columns, len(s))
		b.WriteString(s[:n])
		b.WriteByte('\n')
		s = s[n:]
	}
	b.WriteString("\"\"\"\n")
}

// putString writes key = "value" for text that checkName or CheckAddress passed:
// quotation marks and backslashes are all there is to escape.
func putString(b *strings.Builder, key, value string) {
	fmt.Fprintf(b, "%s = %s\n", key, quoteTOML(value))
}

func quoteTOML(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
