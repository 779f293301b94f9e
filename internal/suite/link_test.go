package suite

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"testing"
)

// TestLinkCipherIsGCM writes the record protection a second time, straight from
// docs/protocol.md.
func TestLinkCipherIsGCM(t *testing.T) {
	key := RandomKey()
	b, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	g, err := cipher.NewGCM(b)
	if err != nil {
		t.Fatal(err)
	}
	frame := []byte("a frame of cells")
	c := NewLinkCipher(key)
	for _, n := range []struct {
		number, beside uint64
		nonce          []byte
	}{
		{0, 0, make([]byte, 12)},
		{1, 0x0203, []byte{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 3}},
		{LinkUses - 1, 1 << 40, []byte{0, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0}},
	} {
		tag := bytes.Clone(c.Tag(n.number, n.beside, frame))
		if !bytes.Equal(tag, g.Seal(nil, n.nonce, nil, frame)) || !c.Check(n.number, n.beside, frame, tag) {
			t.Errorf("%v: the tag is not the MAC", n)
		}
		if c.Check(n.number+1, n.beside, frame, tag) || c.Check(n.number, n.beside+1, frame, tag) || c.Check(n.number, n.beside, frame[1:], tag) || c.Check(n.number, n.beside, frame, tag[1:]) {
			t.Errorf("%v: something else has the same tag", n)
		}
		sealed := c.Seal(n.number, n.beside, nil, frame)
		if !bytes.Equal(sealed, g.Seal(nil, n.nonce, frame, nil)) {
			t.Errorf("%v: not GCM", n)
		}
		if _, err := c.Open(n.number, n.beside+1, bytes.Clone(sealed)); err != ErrOpen {
			t.Errorf("%v: opened elsewhere: %v", n, err)
		}
		if got, err := c.Open(n.number, n.beside, bytes.Clone(sealed)); err != nil || !bytes.Equal(got, frame) {
			t.Errorf("%v: %q, %v", n, got, err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { c.Check(1, 2, frame, c.Tag(1, 2, frame)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
