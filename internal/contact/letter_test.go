package contact

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLetterParts(t *testing.T) {
	files := []Part{{Name: "Übersicht \"1\".pdf", Type: "application/pdf", Content: []byte("%PDF\r\n--\x00")}, {Name: "../../etc/x", Content: nil}}
	typ, content, err := ComposeLetter("# Hello\r\nthere", "", files)
	if err != nil {
		t.Fatal(err)
	}
	text, parts, err := ParseLetter(typ, content)
	if err != nil || text != (Text{"# Hello\r\nthere", "text/markdown"}) || len(parts) != 2 {
		t.Fatalf("%+v, %d, %v", text, len(parts), err)
	}
	for i, p := range parts {
		if p.Number != i+1 || p.Name != files[i].Name || !bytes.Equal(p.Content, files[i].Content) {
			t.Errorf("%+v", p)
		}
	}
	h, err := NewHeader(Letter, "s", "", typ, time.Time{}, content)
	if err != nil || h.Type != typ {
		t.Fatalf("the type does not fit a header: %q, %v", h.Type, err)
	}
	typ2, edited, err := EditText(h, content, "other")
	if err != nil {
		t.Fatal(err)
	}
	if text, parts, err = ParseLetter(typ2, edited); text.Body != "other" || len(parts) != 2 || err != nil {
		t.Errorf("edited: %+v, %v", text, err)
	}
	if _, _, err := ComposeLetter("", "", []Part{{Content: make([]byte, MaxContent)}}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	for name, b := range map[string][]byte{"nothing": nil, "cut": content[:len(content)-20], "no parts": []byte("x")} {
		if _, _, err := ParseLetter(typ, b); !errors.Is(err, ErrParts) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := ParseLetter(typ, []byte(strings.Repeat("--"+strings.TrimPrefix(typ, "multipart/mixed; boundary=")+"\r\n\r\n\r\n", MaxParts+2))); !errors.Is(err, ErrParts) {
		t.Errorf("too many: %v", err)
	}
}

// What parses can be made again and parses to the same.
func FuzzParseLetter(f *testing.F) {
	typ, content, err := ComposeLetter("text", "text/plain", []Part{{Name: "a", Type: "a/b", Content: []byte("c")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(typ, content)
	f.Add("multipart/mixed; boundary=b", []byte("--b\r\n\r\n\r\n--b--"))
	f.Add("multipart/mixed; boundary=b", []byte("--b\nContent-Disposition: attachment; filename*=utf-8''%ff\n\nx\n--b--"))
	f.Add("text/plain", []byte("x"))
	f.Fuzz(func(t *testing.T, typ string, content []byte) {
		text, parts, err := ParseLetter(typ, content)
		if err != nil || len(parts) == 0 || len(content) > 1<<16 {
			return
		}
		again, made, err := ComposeLetter(text.Body, text.Type, parts)
		if err != nil {
			t.Fatal(err)
		}
		_, same, err := ParseLetter(again, made)
		if err != nil || len(same) != len(parts) {
			t.Fatalf("%d parts, then %d, %v", len(parts), len(same), err)
		}
		for i := range same {
			if !bytes.Equal(same[i].Content, parts[i].Content) {
				t.Fatal("other content")
			}
		}
	})
}
