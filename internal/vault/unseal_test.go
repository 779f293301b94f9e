package vault

import (
	"encoding/binary"
	"os"
	"testing"

	"lukechampine.com/adiantum"

	"backchannel/internal/suite"
)

// unseal decrypts a file of the vault block by block, knowing nothing of SQLite:
// Adiantum with the block's offset, little-endian, as tweak.
func unseal(t *testing.T, v *Vault, suffix string, raw []byte) []byte {
	t.Helper()
	if len(raw)%4096 != 0 {
		t.Fatalf("%q has %d bytes, not a multiple of 4096", suffix, len(raw))
	}
	file, err := os.ReadFile(v.path + keySuffix)
	if err != nil {
		t.Fatal(err)
	}
	master, _, err := openMaster(file, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	key := suite.KDF(suite.LabelVault, [][]byte{master[:]})
	cipher := adiantum.New(key[:])
	for at := 0; at < len(raw); at += 4096 {
		var tweak [8]byte
		binary.LittleEndian.PutUint64(tweak[:], uint64(at))
		cipher.Decrypt(raw[at:at+4096], tweak[:])
	}
	return raw
}
