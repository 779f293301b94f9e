package contact

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{
		"note.pdf":                        "note.pdf",
		"Bericht über X (2).tar.gz":       "Bericht über X (2).tar.gz",
		"письмо.txt":                      "письмо.txt",
		"":                                "letter",
		".":                               "letter",
		"..":                              "letter",
		"...":                             "letter",
		" ":                               "letter",
		"../../etc/passwd":                "_.._etc_passwd",
		"/etc/passwd":                     "_etc_passwd",
		`C:\Windows\win.ini`:              "C__Windows_win.ini",
		".bashrc":                         "bashrc",
		"-rf":                             "rf",
		"~root":                           "root",
		"a\x00b":                          "ab",
		"a\nb\tc":                         "ab c",
		"note.pdf ":                       "note.pdf",
		"note.pdf...":                     "note.pdf",
		"\u202egnp.exe":                   "gnp.exe",
		"a\u200bb":                        "ab",
		"con":                             "_con",
		"CON.txt":                         "_CON.txt",
		"com1":                            "_com1",
		"LPT².doc":                        "_LPT².doc",
		"console":                         "console",
		"com10":                           "com10",
		".con":                            "_con",
		"nul .txt":                        "_nul .txt",
		"what?*<>|\".txt":                 "what______.txt",
		"a\xffb":                          "a\uFFFDb",
		strings.Repeat("x", 300):          strings.Repeat("x", 200),
		strings.Repeat("ä", 300):          strings.Repeat("ä", 100),
		strings.Repeat("x", 300) + ".pdf": strings.Repeat("x", 196) + ".pdf",
		strings.Repeat("x", 300) + "." + strings.Repeat("y", 50): strings.Repeat("x", 200),
		"CON." + strings.Repeat("x", 300):                        "_CON." + strings.Repeat("x", 195),
	} {
		if got := SafeName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// FuzzSafeName: a safe name is a file in its folder on any system, and safe.
func FuzzSafeName(f *testing.F) {
	for _, s := range []string{"note.pdf", "../x", "con.", ".-.-con", "\u2028 .x", "a\\b:c", strings.Repeat("ä.", 150), "NUL" + strings.Repeat(" ", 300) + ".x"} {
		f.Add(s)
	}
	f.Fuzz(checkSafeName)
}

func checkSafeName(t *testing.T, in string) {
	got := SafeName(in)
	switch {
	case got == "" || len(got) > 200 || !utf8.ValidString(got):
		t.Errorf("%q: %q", in, got)
	case filepath.Base(got) != got || !filepath.IsLocal(got) || strings.ContainsAny(got, `/\:*?"<>|`):
		t.Errorf("%q: %q leaves its folder", in, got)
	case strings.ContainsAny(got[:1], ".-~ ") || strings.ContainsAny(got[len(got)-1:], ". "):
		t.Errorf("%q: %q begins or ends badly", in, got)
	case strings.ContainsFunc(got, invisible):
		t.Errorf("%q: %q has something invisible", in, got)
	case device(got):
		t.Errorf("%q: %q is a device", in, got)
	case SafeName(got) != got:
		t.Errorf("%q: %q becomes %q", in, got, SafeName(got))
	}
}

func TestSafeNames(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		checkSafeName(t, rapid.OneOf(rapid.String(), rapid.StringMatching(`[.\- ~a-cCONcon/\\]{0,12}(\.[a-z ]{0,25})?`)).Draw(r, "name"))
	})
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain — text":    "plain — text",
		"a\x1b[31mred":    "a\uFFFD[31mred",
		"two\nlines\tand": "two lines and",
		"\u202eevil":      "\uFFFDevil",
		"\x00\x7f\u0085":  "\uFFFD\uFFFD\uFFFD",
		"\xff":            "\uFFFD",
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
