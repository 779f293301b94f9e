package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// CheckPassphrase tells whether a passphrase opens the vault at path, without
// opening it; the vault may be open meanwhile, and no commit waits. It costs what
// opening costs and returns ErrWrongPassphrase, or nil.
func CheckPassphrase(path string, passphrase []byte) error {
	const doing = "checking the passphrase"
	file, err := keyFile(path)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	master, _, err := openMaster(file, passphrase)
	clear(master[:])
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// ReadKDF returns the parameters of Argon2id that the vault at path asks for.
// They are no secret.
func ReadKDF(path string) (KDF, error) {
	const doing = "reading the key file"
	file, err := keyFile(path)
	if err != nil {
		return KDF{}, fmt.Errorf("%s: %w", doing, err)
	}
	k, _, err := parseKeyFile(file)
	if err != nil {
		return KDF{}, err
	}
	return k, nil
}

func keyFile(path string) ([]byte, error) {
	file, err := os.ReadFile(path + keySuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoVault
	}
	return file, err
}
