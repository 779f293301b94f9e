package contact

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tyler-smith/go-bip39/wordlists"
)

// An invitation is written in two ways with the same 341 bits. As words it has
// 31 of the 2,048 words of the English BIP-39 list, 11 bits each. As text it has
// a prefix and 69 letters of five bits (the last four bits are zero), in groups
// of five with hyphens between:
//
//	backchannel:cfzqs-o5tlm-…-4eqd
//
// The letters are those of RFC 4648 base32. Upper and lower case mean the same,
// and QR writes all of it in upper case, which a QR code stores in 5.5 bits a
// letter.
const (
	wordBits    = 11
	WordCount   = invitationBits / wordBits // 31
	TextPrefix  = "backchannel:"
	letterBits  = 5
	textLetters = (invitationBits + letterBits - 1) / letterBits // 69
	textGroup   = 5
	alphabet    = "abcdefghijklmnopqrstuvwxyz234567"
)

// SpellingError tells a person what is mistyped and where.
type SpellingError struct {
	Position int    // of the word or letter, from 1; 0 if it is the whole
	Got      string // the mistyped word or letter
	Nearest  string // what may have been meant
	text     string
}

func (e *SpellingError) Error() string { return e.text }

// Unwrap returns ErrMistyped.
func (e *SpellingError) Unwrap() error { return ErrMistyped }

// Word returns word i, below 2,048, of the list.
func Word(i uint16) string { return wordlists.English[i] }

// Words writes the invitation in words.
func (inv Invitation) Words() []string {
	b := inv.bits()
	words := make([]string, WordCount)
	for i := range words {
		words[i] = Word(uint16(field(b[:], i*wordBits, wordBits)))
	}
	return words
}

// Text writes the invitation in letters.
func (inv Invitation) Text() string {
	b := inv.bits()
	var s strings.Builder
	s.WriteString(TextPrefix)
	for i := range textLetters {
		if i > 0 && i%textGroup == 0 {
			s.WriteByte('-')
		}
		s.WriteByte(alphabet[field(b[:], i*letterBits, letterBits)])
	}
	return s.String()
}

// QR is Text in the upper case that makes the smallest QR code.
func (inv Invitation) QR() string { return strings.ToUpper(inv.Text()) }

// field reads width bits from bit at of b, as if zero bits followed b.
func field(b []byte, at, width int) (v int) {
	for i := at; i < at+width; i++ {
		v <<= 1
		if i/8 < len(b) {
			v |= int(b[i/8] >> (7 - i%8) & 1)
		}
	}
	return v
}

// setField is the inverse of field for a zeroed b. It reports whether bits
// beyond b are zero.
func setField(b []byte, at, width, v int) bool {
	for i := range width {
		if v>>(width-1-i)&1 == 1 {
			if at+i >= 8*len(b) {
				return false
			}
			b[(at+i)/8] |= 1 << (7 - (at+i)%8)
		}
	}
	return true
}

// FindInvitation takes the invitation out of what the program that made it printed
// around it: the line that begins as an invitation does, if others stand before it.
// Anything else it returns as it is.
func FindInvitation(s string) string {
	for i, line := range strings.Split(s, "\n") {
		if line = strings.TrimSpace(line); i > 0 && strings.HasPrefix(strings.ToLower(line), TextPrefix) {
			return line
		}
		if i == 0 && strings.HasPrefix(strings.ToLower(line), TextPrefix) {
			break // it may go on in the next lines
		}
	}
	return s
}

// ParseInvitation reads an invitation as words or as text. It takes any case,
// any white space between words, and white space and hyphens anywhere within the
// text; nothing else may differ from what Words and Text write.
func ParseInvitation(s string) (Invitation, error) {
	if !utf8.ValidString(s) || len(s) > 4096 {
		return Invitation{}, fmt.Errorf("%w: it is no text, or far too long", ErrMalformed)
	}
	compact := strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, s))
	if rest, ok := strings.CutPrefix(compact, TextPrefix); ok {
		return parseText(strings.ReplaceAll(rest, "-", ""))
	}
	words := strings.Fields(strings.ToLower(s))
	if len(words) <= 1 {
		return Invitation{}, fmt.Errorf("%w: one begins with %q or has %d words", ErrMalformed, TextPrefix, WordCount)
	}
	return parseWords(words)
}

func parseText(s string) (Invitation, error) {
	letters := []rune(s)
	var b [invitationSize]byte
	whole := true
	for i, r := range letters {
		v := strings.IndexRune(alphabet, r)
		if v < 0 {
			e := &SpellingError{Position: i + 1, Got: string(r), Nearest: map[rune]string{'0': "o", '1': "l", '8': "b", '9': "g"}[r]}
			e.text = fmt.Sprintf("letter %d after %q is %q, which no invitation has", e.Position, TextPrefix, e.Got)
			if e.Nearest != "" {
				e.text += fmt.Sprintf(": it may be %q", e.Nearest)
			}
			return Invitation{}, e
		}
		if i < textLetters {
			whole = setField(b[:], i*letterBits, letterBits, v) && whole
		}
	}
	if len(letters) != textLetters {
		return Invitation{}, &SpellingError{text: fmt.Sprintf("the invitation has %d letters after %q instead of %d: copy all of it", len(letters), TextPrefix, textLetters)}
	}
	wrong := &SpellingError{text: "a letter of the invitation is wrong, or some are in the wrong order: copy it again"}
	if !whole {
		return Invitation{}, wrong
	}
	return fromBits(b, wrong)
}

func parseWords(words []string) (Invitation, error) {
	var b [invitationSize]byte
	for i, w := range words {
		v, ok := slices.BinarySearch(wordlists.English, w)
		if !ok {
			e := &SpellingError{Position: i + 1, Got: w, Nearest: nearest(w)}
			e.text = fmt.Sprintf("word %d, %q, is not in the list: it may be %q", e.Position, shorten(w), e.Nearest)
			return Invitation{}, e
		}
		if i < WordCount {
			setField(b[:], i*wordBits, wordBits, v)
		}
	}
	if len(words) != WordCount {
		what := "one is missing"
		switch d := WordCount - len(words); {
		case d > 1:
			what = fmt.Sprintf("%d are missing", d)
		case d == -1:
			what = "one is too many"
		case d < -1:
			what = fmt.Sprintf("%d are too many", -d)
		}
		return Invitation{}, &SpellingError{text: fmt.Sprintf("the invitation has %d words instead of %d: %s", len(words), WordCount, what)}
	}
	return fromBits(b, &SpellingError{text: "one of the words is wrong or in the wrong order: compare them with the original"})
}

func shorten(w string) string {
	if r := []rune(w); len(r) > 24 {
		return string(r[:24]) + "…"
	}
	return w
}

// nearest returns the word of the list with the fewest insertions, deletions,
// replacements and swaps of neighbours; of several the one with the longest
// common beginning, then the first.
func nearest(w string) string {
	typed := []rune(w)
	if len(typed) > 24 {
		typed = typed[:24]
	}
	best, distance, common := "", 1<<30, 0
	for _, candidate := range wordlists.English {
		if len(typed)-len(candidate) > distance || len(candidate)-len(typed) > distance {
			continue
		}
		d := edits(typed, candidate)
		c := 0
		for c < len(typed) && c < len(candidate) && typed[c] == rune(candidate[c]) {
			c++
		}
		if d < distance || d == distance && c > common {
			best, distance, common = candidate, d, c
		}
	}
	return best
}

// edits is the optimal string alignment distance.
func edits(a []rune, b string) int {
	var rows [3][32]int // a word of the list has 8 letters at most
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		this, last, before := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		this[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == rune(b[j-1]) {
				cost = 0
			}
			this[j] = min(last[j]+1, this[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == rune(b[j-2]) && a[i-2] == rune(b[j-1]) {
				this[j] = min(this[j], before[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
