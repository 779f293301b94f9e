package station

import (
	"bytes"
	"encoding/binary"
	"errors"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// errStrip is what Strip cannot do, and what to do instead.
var (
	errStripPDF     = errors.New("what a PDF says of its author and origin cannot be taken out reliably here: print it to a new PDF with a tool you trust, or send it without stripping")
	errStripUnknown = errors.New("only JPEG, PNG and text files can be stripped: convert the file to one of these, or send it without stripping")
	errStripBroken  = errors.New("the file is damaged, so what it says besides its picture cannot be taken out: save it anew, or send it without stripping")
)

// Strip returns a file without its name and without what it says besides its
// content: from a JPEG the EXIF and all other application segments but the colour
// ones, and comments; from a PNG text, EXIF and time; plain text has nothing. What
// else a picture shows stays. Any other file is refused with what to do.
func Strip(name string, content []byte) (string, []byte, error) {
	switch {
	case bytes.HasPrefix(content, []byte("\xff\xd8")):
		out, err := stripJPEG(content)
		return "picture.jpg", out, err
	case bytes.HasPrefix(content, []byte(pngSignature)):
		out, err := stripPNG(content)
		return "picture.png", out, err
	case bytes.HasPrefix(content, []byte("%PDF-")):
		return "", nil, errStripPDF
	case isPlain(content):
		ext := strings.ToLower(filepath.Ext(name))
		if ext != ".md" && ext != ".csv" {
			ext = ".txt"
		}
		return "file" + ext, content, nil
	}
	return "", nil, errStripUnknown
}

// isPlain tells whether content is text without structure of its own. Mark-up of
// other programs can say who wrote it.
func isPlain(content []byte) bool {
	head := bytes.TrimLeft(content, " \t\r\n\ufeff")
	return !bytes.HasPrefix(head, []byte("<")) && !bytes.HasPrefix(head, []byte("{\\rtf")) && !bytes.HasPrefix(head, []byte("%!")) && isUTF8Text(content)
}

func isUTF8Text(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' {
			return false
		}
	}
	return true
}

// Markers of JPEG (ITU T.81, B.1).
const (
	jpegSOI   = 0xd8
	jpegEOI   = 0xd9
	jpegSOS   = 0xda
	jpegAPP0  = 0xe0
	jpegAPP14 = 0xee
	jpegAPP15 = 0xef
	jpegCOM   = 0xfe
	jpegRST0  = 0xd0
	jpegTEM   = 0x01
)

// stripJPEG copies the segments that a decoder needs. APP0 (JFIF) is cut to its
// density, without its thumbnail; of APP14 only Adobe's colour transform stays; an
// ICC profile goes: it can name a device. What follows the end goes.
func stripJPEG(in []byte) ([]byte, error) {
	out := append(make([]byte, 0, len(in)), 0xff, jpegSOI)
	for pos := 2; ; {
		for pos < len(in) && in[pos] == 0xff && pos+1 < len(in) && in[pos+1] == 0xff {
			pos++ // fill bytes
		}
		if pos+2 > len(in) || in[pos] != 0xff {
			return nil, errStripBroken
		}
		marker := in[pos+1]
		if marker == jpegEOI {
			return append(out, 0xff, jpegEOI), nil
		}
		if marker == jpegTEM || marker >= jpegRST0 && marker <= jpegSOI || marker == 0 {
			return nil, errStripBroken // has no place between segments
		}
		if pos+4 > len(in) {
			return nil, errStripBroken
		}
		n := int(binary.BigEndian.Uint16(in[pos+2:]))
		end := pos + 2 + n
		if n < 2 || end > len(in) {
			return nil, errStripBroken
		}
		segment := in[pos:end]
		pos = end
		switch {
		case marker == jpegAPP0 && n >= 16 && bytes.HasPrefix(segment[4:], []byte("JFIF\x00")):
			out = append(out, 0xff, jpegAPP0, 0, 16)
			out = append(out, segment[4:16]...)
			out = append(out, 0, 0) // no thumbnail
		case marker == jpegAPP14 && n >= 14 && bytes.HasPrefix(segment[4:], []byte("Adobe")):
			out = append(out, 0xff, jpegAPP14, 0, 14)
			out = append(out, segment[4:11]...)
			out = append(out, 0, 0, 0, 0, segment[15])
		case marker >= jpegAPP0 && marker <= jpegAPP15, marker == jpegCOM:
		case marker == jpegSOS:
			out = append(out, segment...)
			start := pos
			for pos+1 < len(in) && (in[pos] != 0xff || in[pos+1] == 0 || in[pos+1] >= jpegRST0 && in[pos+1] < jpegSOI) {
				pos++
			}
			if pos+1 >= len(in) {
				return nil, errStripBroken
			}
			out = append(out, in[start:pos]...)
		default:
			out = append(out, segment...)
		}
	}
}

const pngSignature = "\x89PNG\r\n\x1a\n"

// pngKept are the chunks (PNG, third edition, section 11) that make the picture.
// Whatever is not among them goes, unknown chunks with it.
var pngKept = map[string]bool{
	"IHDR": true, "PLTE": true, "IDAT": true, "IEND": true, "tRNS": true, "gAMA": true, "cHRM": true, "sRGB": true, "sBIT": true,
	"bKGD": true, "cICP": true, "acTL": true, "fcTL": true, "fdAT": true,
}

func stripPNG(in []byte) ([]byte, error) {
	out := append(make([]byte, 0, len(in)), pngSignature...)
	for pos := len(pngSignature); ; {
		if pos+12 > len(in) {
			return nil, errStripBroken
		}
		n := binary.BigEndian.Uint32(in[pos:])
		if uint64(n) > uint64(len(in)-pos-12) {
			return nil, errStripBroken
		}
		end := pos + 12 + int(n)
		kind := string(in[pos+4 : pos+8])
		if kind == "IEND" && n > 0 {
			return nil, errStripBroken
		}
		if pngKept[kind] {
			out = append(out, in[pos:end]...)
		}
		if kind == "IEND" {
			return out, nil
		}
		pos = end
	}
}
