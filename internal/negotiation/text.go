package negotiation

import (
	"strings"
	"unicode/utf8"
)

// invisible are the characters that no text of a negotiation may have: controls
// but line feed and tab, and everything that is drawn as nothing or that turns the
// direction of what stands beside it. Two texts that look the same must be the same,
// or two principals could consent to different ones. The list is fixed rather than
// taken from the Unicode tables of a Go version: both sides must refuse alike.
var invisible = [][2]rune{
	{0x0000, 0x0008}, {0x000B, 0x001F}, {0x007F, 0x009F}, // controls
	{0x00AD, 0x00AD}, {0x034F, 0x034F}, // soft hyphen, grapheme joiner
	{0x061C, 0x061C}, {0x200E, 0x200F}, {0x202A, 0x202E}, {0x2066, 0x2069}, // bidirectional
	{0x115F, 0x1160}, {0x17B4, 0x17B5}, {0x180B, 0x180F}, {0x3164, 0x3164}, {0xFFA0, 0xFFA0}, // fillers, selectors
	{0x200B, 0x200D}, {0x2060, 0x2065}, {0x206A, 0x206F}, {0xFEFF, 0xFEFF}, // zero width
	{0x2028, 0x2029},                   // line and paragraph separators
	{0xD800, 0xDFFF}, {0xE000, 0xF8FF}, // surrogates, private use
	{0xFE00, 0xFE0F}, {0xFFF0, 0xFFFB}, {0xFFFE, 0xFFFF}, // variation selectors, annotations, no characters
	{0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, // shorthand and music format controls
	{0xE0000, 0xE0FFF}, {0xF0000, 0x10FFFF}, // tags, private use
}

func hidden(r rune) bool {
	for _, p := range invisible {
		if p[0] <= r && r <= p[1] {
			return true
		}
	}
	return false
}

// CheckText says what is wrong with a text of several lines: its size in bytes
// against limit, its encoding, or a character that cannot be seen.
func CheckText(what, s string, limit int) error {
	if len(s) > limit {
		return refused("%s has %d bytes, at most %d may stand there: shorten it", what, len(s), limit)
	}
	if !utf8.ValidString(s) {
		return refused("%s is not valid UTF-8", what)
	}
	if i := strings.IndexFunc(s, hidden); i >= 0 {
		r, _ := utf8.DecodeRuneInString(s[i:])
		return refused("%s has the character U+%04X at byte %d, which cannot be seen or changes the direction of text: remove it", what, r, i)
	}
	return nil
}

// CheckLine is CheckText for one line.
func CheckLine(what, s string, limit int) error {
	if strings.ContainsAny(s, "\n\t") {
		return refused("%s has a line break or tab: it must be one line", what)
	}
	return CheckText(what, s, limit)
}

// need is CheckLine for a line that must not be empty.
func need(what, s string) error {
	if strings.TrimSpace(s) == "" {
		return refused("%s is empty", what)
	}
	return CheckLine(what, s, MaxTitle)
}

// CleanText removes what CheckText refuses, for text that was pasted from
// elsewhere, and gives line ends their one form. It is for a page to offer; nothing
// calls it on the way to a statement.
func CleanText(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		if hidden(r) {
			return -1
		}
		return r
	}, s)
}
