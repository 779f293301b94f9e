package contact

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSafeName leaves room for what a program appends within the 255 bytes of
// most file systems.
const maxSafeName = 200

// SafeName turns a file name that somebody else chose into one that can be
// written into a folder on any system: no path, no hidden file, no option, no
// device, nothing invisible. What it need not change it keeps; an empty result
// becomes "letter". SafeName of a safe name is that name.
func SafeName(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	name = strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(`/\:*?"<>|`, r):
			return '_'
		case r == '\t' || unicode.Is(unicode.Z, r):
			return ' '
		case invisible(r):
			return -1
		}
		return r
	}, name)
	name = cutName(strings.TrimLeft(name, " .-~"))
	if device(name) {
		name = cutName("_" + name)
	}
	if name == "" {
		return "letter"
	}
	return name
}

// cutName shortens a name before its extension, and takes off what no name ends
// with.
func cutName(name string) string {
	name = strings.TrimRight(name, " .")
	stem, ext := name, ""
	if i := strings.LastIndexByte(name, '.'); i > 0 && len(name)-i <= 20 {
		stem, ext = name[:i], name[i:]
	}
	for len(stem)+len(ext) > maxSafeName {
		_, size := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-size]
	}
	return strings.TrimRight(stem+ext, " .")
}

// invisible tells control characters, marks of writing direction and everything
// else that shows nothing or makes a text show as another.
func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r) || unicode.Is(unicode.Cs, r)
}

// device tells the names that Windows keeps for devices, whatever extension
// follows.
func device(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	base = strings.ToUpper(strings.TrimRight(base, " "))
	switch base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	for _, p := range []string{"COM", "LPT"} {
		if rest, ok := strings.CutPrefix(base, p); ok && utf8.RuneCountInString(rest) == 1 && strings.ContainsAny(rest, "123456789¹²³") {
			return true
		}
	}
	return false
}

// Printable turns a text that somebody else wrote into one line that can be
// printed on a terminal: escape sequences and marks of writing direction become
// replacement characters.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\u2028' || r == '\u2029':
			return ' '
		case invisible(r):
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
