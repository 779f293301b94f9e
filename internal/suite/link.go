package suite

import (
	"crypto/cipher"
	"encoding/binary"
)

// A LinkCipher protects what one end of a connection between two servers sends
// beside its TLS records, under a key that both took from the TLS handshake. Its
// user numbers the uses; no number may come twice under one key. It is not safe
// for concurrent use and allocates nothing once it is made.
//
// Seal and Open are AES-256-GCM. Tag and Check are the same with nothing encrypted
// and all of it as associated data (AES-256-GMAC): for what is ciphertext already.
// One key must serve one of the two only, for the number is the whole nonce.
type LinkCipher struct {
	a     cipher.AEAD
	nonce [12]byte
	tag   [AEADOverhead]byte
}

// LinkUses is how often a LinkCipher may be used: far below where the bounds of
// GCM begin to matter, and decades of a busy connection.
const LinkUses = 1 << 40

// NewLinkCipher returns a LinkCipher under key.
func NewLinkCipher(key [KeySize]byte) *LinkCipher { return &LinkCipher{a: gcm(&key)} }

// at makes the nonce: number(6) ‖ beside(6), both below 2^48.
func (c *LinkCipher) at(number, beside uint64) []byte {
	var n, b [8]byte
	binary.BigEndian.PutUint64(n[:], number)
	binary.BigEndian.PutUint64(b[:], beside)
	copy(c.nonce[:6], n[2:])
	copy(c.nonce[6:], b[2:])
	return c.nonce[:]
}

// Tag returns the tag of b, valid until the next call. number is how often the
// cipher was used before, beside how much the same end sent on another way before;
// both are authenticated.
func (c *LinkCipher) Tag(number, beside uint64, b []byte) []byte {
	return c.a.Seal(c.tag[:0], c.at(number, beside), nil, b)
}

// Check tells whether tag is the tag of b.
func (c *LinkCipher) Check(number, beside uint64, b, tag []byte) bool {
	_, err := c.a.Open(c.tag[:0], c.at(number, beside), tag, b)
	return err == nil
}

// Seal appends the encryption of b and its tag to dst.
func (c *LinkCipher) Seal(number, beside uint64, dst, b []byte) []byte {
	return c.a.Seal(dst, c.at(number, beside), b, nil)
}

// Open decrypts in place what Seal made. Any failure is ErrOpen.
func (c *LinkCipher) Open(number, beside uint64, sealed []byte) ([]byte, error) {
	b, err := c.a.Open(sealed[:0], c.at(number, beside), sealed, nil)
	if err != nil {
		return nil, ErrOpen
	}
	return b, nil
}
