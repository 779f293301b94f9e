package vault_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/crypto/argon2"
)

// secondBackup reads a backup file as docs/protocol.md describes it, with the
// standard library and Argon2id alone. It returns the records.
func secondBackup(t *testing.T, file, passphrase []byte) (records []map[int]any) {
	t.Helper()
	const magic, header, piece = "backchannel backup 1\n", 62, 65536 + 16
	if len(file) < header+piece || (len(file)-header)%piece != 0 || string(file[:len(magic)]) != magic {
		t.Fatalf("%d bytes are no backup", len(file))
	}
	at := file[len(magic):header]
	stretched := argon2.IDKey(passphrase, at[9:], binary.BigEndian.Uint32(at), binary.BigEndian.Uint32(at[4:]), at[8], 32)
	label := func(l string) []byte { return append([]byte{byte(len(l))}, l...) }
	k, err := hkdf.Key(sha256.New, stretched, nil, string(append(label("backchannel/v1/backup"), file[:header]...)), 32)
	if err != nil {
		t.Fatal(err)
	}
	var plain []byte
	for i := 0; header+i*piece < len(file); i++ {
		m := hmac.New(sha256.New, k)
		m.Write(label("backchannel/v1/backup/piece"))
		m.Write(binary.BigEndian.AppendUint64(nil, uint64(i)))
		last := byte(0)
		if header+(i+1)*piece == len(file) {
			last = 1
		}
		m.Write([]byte{last})
		block, err := aes.NewCipher(m.Sum(nil))
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err = gcm.Open(plain, make([]byte, 12), file[header+i*piece:header+(i+1)*piece], nil); err != nil {
			t.Fatalf("piece %d does not open", i)
		}
	}
	for {
		n := int(binary.BigEndian.Uint32(plain))
		r := map[int]any{}
		if err := cbor.Unmarshal(plain[4:4+n], &r); err != nil {
			t.Fatal(err)
		}
		records, plain = append(records, r), plain[4+n:]
		if r[1] == uint64(5) {
			break
		}
	}
	if len(bytes.Trim(plain, "\x00")) > 0 {
		t.Error("something follows the end")
	}
	return records
}
