package web_test

import (
	"os"
	"testing"

	"backchannel/internal/vault"
)

// fullKDF is what a vault costs outside of tests.
var fullKDF = vault.DefaultKDF

// TestMain makes passphrases cheap: what Argon2id costs, and that its memory is
// given back, is tested where the vault is.
func TestMain(m *testing.M) {
	vault.DefaultKDF = vault.KDF{Time: 1, Memory: 8, Threads: 1}
	os.Exit(m.Run())
}
