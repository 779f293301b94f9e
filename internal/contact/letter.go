package contact

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"unicode/utf8"

	"backchannel/internal/suite"
)

// Limits of letters with attachments and of what is read out of items.
const (
	MaxParts = 100       // attachments of a letter
	MaxText  = 256 << 10 // bytes of text that are indexed and shown

	multipartMixed = "multipart/mixed"
	plainText      = "text/plain"
	markdownText   = "text/markdown"
	textCharset    = "; charset=utf-8"
	unknownType    = "application/octet-stream"
)

// ErrParts is what ParseLetter says of content that is no letter with attachments.
var ErrParts = errors.New("the parts of the letter are malformed")

// ErrFile is what EditText says of an item without a text of its own.
var ErrFile = errors.New("the letter is a file: its text cannot be changed")

// Part is one attachment of a letter, or a file to attach.
type Part struct {
	Number  int    // from 1
	Name    string // as its sender saw it; SafeName before it touches a disk
	Type    string // media type, a hint to a person
	Content []byte
}

// Text is what of an item is text for a person.
type Text struct {
	Body string
	Type string // text/plain or text/markdown
}

// ComposeLetter makes the content and media type of a letter with attachments:
// MIME multipart/mixed (RFC 2046), the text first, every part as it is (binary).
// The text is text/markdown unless textType says text/plain.
func ComposeLetter(text, textType string, parts []Part) (mediaType string, content []byte, err error) {
	switch {
	case len(parts) == 0 || len(parts) > MaxParts:
		return "", nil, fmt.Errorf("a letter has 1 to %d attachments", MaxParts)
	case !utf8.ValidString(text):
		return "", nil, errors.New("the text of the letter is not UTF-8: attach it as a file")
	}
	if readableType(textType) == "" {
		textType = markdownText
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	write := func(h map[string][]string, content []byte) error {
		h["Content-Transfer-Encoding"] = []string{"binary"}
		p, err := w.CreatePart(h)
		if err == nil {
			_, err = p.Write(content)
		}
		if err == nil && b.Len() > MaxContent {
			err = ErrTooLarge
		}
		return err
	}
	if err := write(map[string][]string{"Content-Type": {readableType(textType) + textCharset}}, []byte(text)); err != nil {
		return "", nil, err
	}
	for _, p := range parts {
		t := p.Type
		if t == "" || !validType(t) {
			t = unknownType
		}
		h := map[string][]string{"Content-Type": {t}, "Content-Disposition": {"attachment"}}
		if name := fit(p.Name, MaxName); name != "" {
			if d := mime.FormatMediaType("attachment", map[string]string{"filename": name}); d != "" {
				h["Content-Disposition"] = []string{d}
			}
		}
		if err := write(h, p.Content); err != nil {
			return "", nil, err
		}
	}
	if err := w.Close(); err != nil {
		return "", nil, err
	}
	if b.Len() > MaxContent {
		return "", nil, ErrTooLarge
	}
	return mime.FormatMediaType(multipartMixed, map[string]string{"boundary": w.Boundary()}), b.Bytes(), nil
}

// HasParts tells whether the media type is that of a letter with attachments.
func HasParts(mediaType string) bool {
	t, params, err := mime.ParseMediaType(mediaType)
	return err == nil && t == multipartMixed && params["boundary"] != ""
}

// ParseLetter takes a letter with attachments apart. The first part is its text if
// it is one that a person can read; anything else is an attachment. Content that
// does not end as it should, or has more than MaxParts, is ErrParts: such a letter
// can be kept as one file all the same.
func ParseLetter(mediaType string, content []byte) (Text, []Part, error) {
	t, params, err := mime.ParseMediaType(mediaType)
	if err != nil || t != multipartMixed || params["boundary"] == "" {
		return Text{}, nil, ErrParts
	}
	var text Text
	var parts []Part
	r := multipart.NewReader(bytes.NewReader(content), params["boundary"])
	for first := true; ; first = false {
		p, err := r.NextRawPart()
		if err == io.EOF { //nolint:errorlint // a body without any part wraps io.EOF, and is malformed
			break
		}
		if err != nil || len(parts) == MaxParts {
			return Text{}, nil, ErrParts
		}
		b, err := io.ReadAll(p)
		if err != nil {
			return Text{}, nil, ErrParts
		}
		if e := p.Header.Get("Content-Transfer-Encoding"); e != "" && !plainEncoding[strings.ToLower(e)] {
			return Text{}, nil, fmt.Errorf("%w: an encoding that no station writes", ErrParts)
		}
		kind := p.Header.Get("Content-Type")
		if first && readableType(kind) != "" && p.FileName() == "" && utf8.Valid(b) {
			text = Text{string(b), readableType(kind)}
			continue
		}
		if !validType(kind) || kind == "" {
			kind = unknownType
		}
		parts = append(parts, Part{len(parts) + 1, fit(partName(p.Header.Get("Content-Disposition")), MaxName), kind, b})
	}
	return text, parts, nil
}

var plainEncoding = map[string]bool{"binary": true, "8bit": true, "7bit": true}

// partName is the name as it was written; multipart's own cuts at slashes, which
// SafeName does where it matters.
func partName(disposition string) string {
	_, params, err := mime.ParseMediaType(disposition)
	if err != nil {
		return ""
	}
	return params["filename"]
}

// readableType reduces a media type to text/plain or text/markdown; empty for
// every other, and for one in another charset.
func readableType(s string) string {
	t, params, err := mime.ParseMediaType(s)
	if err != nil || t != plainText && t != markdownText {
		return ""
	}
	if c := strings.ToLower(params["charset"]); c != "" && c != "utf-8" && c != "us-ascii" {
		return ""
	}
	return t
}

// Readable tells whether ReadItem needs the content of an item with header h: a
// signal, a text, or a letter with attachments.
func (h Header) Readable() bool {
	switch h.Kind {
	case Signal:
		return true
	case Letter:
		return HasParts(h.Type) || readableType(h.Type) != "" && h.Size <= MaxText
	}
	return false
}

// ReadItem returns what of an item is text for a person, and its attachments. An
// item that cannot be read like that has neither; that is no error.
func ReadItem(h Header, content []byte) (text Text, parts []Part) {
	switch {
	case !h.Readable():
		return Text{}, nil
	case h.Kind == Letter && HasParts(h.Type):
		text, parts, err := ParseLetter(h.Type, content)
		if err != nil {
			return Text{}, nil
		}
		if len(text.Body) > MaxText {
			text = Text{}
		}
		return text, parts
	case !utf8.Valid(content):
		return Text{}, nil
	}
	text = Text{string(content), readableType(h.Type)}
	if text.Type == "" {
		text.Type = plainText
	}
	return text, nil
}

// EditText returns the content and media type of an item of which the text is
// replaced and every attachment kept.
func EditText(h Header, content []byte, text string) (mediaType string, edited []byte, err error) {
	if h.Kind == Signal || !HasParts(h.Type) {
		if h.Kind == Letter && readableType(h.Type) == "" {
			return "", nil, ErrFile
		}
		return h.Type, []byte(text), nil
	}
	old, parts, err := ParseLetter(h.Type, content)
	if err != nil {
		return "", nil, err
	}
	return ComposeLetter(text, old.Type, parts)
}

// Digest is the SHA-256 of the attachment.
func (p Part) Digest() [32]byte { return suite.Digest(p.Content) }
