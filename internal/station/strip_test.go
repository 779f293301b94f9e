package station

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"testing"
)

func pictures(t testing.TB) (jpg, pic []byte) {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 20, 10))
	var a, b bytes.Buffer
	if err := jpeg.Encode(&a, m, nil); err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return a.Bytes(), b.Bytes()
}

func segment(marker byte, body string) []byte {
	out := []byte{0xff, marker}
	out = binary.BigEndian.AppendUint16(out, uint16(len(body)+2))
	return append(out, body...)
}

func chunk(kind, body string) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	out = append(out, kind+body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE([]byte(kind+body)))
}

func TestStrip(t *testing.T) {
	jpg, pic := pictures(t)
	told := bytes.Join([][]byte{jpg[:2], segment(jpegAPP0, "JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x01\x01SECRETthumb"), segment(0xe1, "Exif\x00\x00SECRET"),
		segment(0xed, "SECRET"), segment(jpegCOM, "SECRET"), jpg[2:], []byte("SECRET")}, nil)
	ihdr := len(pngSignature) + 25
	toldPNG := bytes.Join([][]byte{pic[:ihdr], chunk("tEXt", "Author\x00SECRET"), chunk("eXIf", "SECRET"), chunk("tIME", "SECRET!"), chunk("prVt", "SECRET"), pic[ihdr:], []byte("SECRET")}, nil)
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{"SECRET.JPG": {told, "picture.jpg"}, "SECRET.png": {toldPNG, "picture.png"}, "SECRET.md": {[]byte("text"), "file.md"}, "SECRET.exe": {[]byte("text"), "file.txt"}} {
		got, out, err := Strip(name, c.in)
		if err != nil || got != c.want || bytes.Contains(out, []byte("SECRET")) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if len(out) > 100 {
			if m, _, err := image.Decode(bytes.NewReader(out)); err != nil || m.Bounds().Dx() != 20 {
				t.Errorf("%s: the picture is broken: %v", name, err)
			}
		}
	}
	for name, in := range map[string][]byte{
		"pdf": []byte("%PDF-1.7 ..."), "zip": []byte("PK\x03\x04\x00\x01"), "html": []byte(" <html>"), "rtf": []byte("{\\rtf1"),
		"cut jpeg": told[:len(told)-30], "cut png": toldPNG[:len(toldPNG)-30], "jpeg of nothing": {0xff, 0xd8}, "png of nothing": []byte(pngSignature),
	} {
		if _, out, err := Strip(name, in); err == nil || out != nil {
			t.Errorf("%s is not refused", name)
		}
	}
}

// What can be stripped strips to itself, and never grows beyond its input and a name.
func FuzzStrip(f *testing.F) {
	jpg, pic := pictures(f)
	for _, b := range [][]byte{jpg, pic, []byte("text"), []byte("%PDF-"), {0xff, 0xd8, 0xff, 0xff, 0xd9}, append(jpg[:20:20], segment(0xe1, "Exif")...)} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		name, out, err := Strip("x", b)
		if err != nil {
			return
		}
		if len(out) > len(b) {
			t.Fatal("it grew")
		}
		again, same, err := Strip(name, out)
		if err != nil || again != name || !bytes.Equal(same, out) {
			t.Fatalf("stripping twice: %v", err)
		}
	})
}
