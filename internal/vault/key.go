package vault

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/crypto/argon2"

	"backchannel/internal/suite"
)

// KDF are the parameters of Argon2id (RFC 9106). They are stored in the key file.
type KDF struct {
	Time    uint32 // passes
	Memory  uint32 // KiB
	Threads uint8
}

// DefaultKDF is the second recommendation of RFC 9106, section 4: about a tenth
// of a second to half a second, and 64 MiB that are given back afterwards.
var DefaultKDF = KDF{Time: 3, Memory: 64 << 10, Threads: 4}

// Limits of what a key file may ask for, so that a changed one cannot exhaust the
// machine.
const (
	maxTime   = 1000
	maxMemory = 4 << 20 // KiB: 4 GiB
)

func (k KDF) check() error {
	if k.Time < 1 || k.Time > maxTime || k.Memory < 8*uint32(k.Threads) || k.Memory > maxMemory || k.Threads < 1 {
		return errors.New("its Argon2id parameters are out of range")
	}
	return nil
}

// The key file:
//
//	magic(20) ‖ time(4) ‖ memory(4) ‖ threads(1) ‖ salt(32) ‖ AES-256-GCM(master key)(48)
//
// The sealing key is Argon2id(passphrase, salt). The salt is new whenever the
// file is written, so each sealing key seals once. Whoever changes parameters or
// salt changes the key and makes the seal fail.
const (
	keyMagic    = "backchannel vault 1\n"
	saltSize    = 32
	keyFileSize = len(keyMagic) + 4 + 4 + 1 + saltSize + suite.KeySize + suite.AEADOverhead // 109
)

// sealMaster encodes a key file.
func sealMaster(master *[suite.KeySize]byte, passphrase []byte, k KDF) ([]byte, error) {
	if len(passphrase) == 0 {
		return nil, errors.New("the passphrase is empty: choose one")
	}
	if err := k.check(); err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, keyFileSize), keyMagic...)
	b = binary.BigEndian.AppendUint32(b, k.Time)
	b = binary.BigEndian.AppendUint32(b, k.Memory)
	b = append(b, k.Threads)
	salt := make([]byte, saltSize)
	suite.Random(salt)
	b = append(b, salt...)
	key := stretch(passphrase, salt, k)
	defer clear(key[:])
	return suite.SealOnce(&key, b, master[:]), nil
}

// parseKeyFile returns the parameters of a key file and what follows them.
func parseKeyFile(file []byte) (k KDF, rest []byte, err error) {
	rest, ok := bytes.CutPrefix(file, []byte(keyMagic))
	if !ok || len(file) != keyFileSize {
		return k, nil, fmt.Errorf("reading the key file: %w", ErrDamaged)
	}
	k = KDF{binary.BigEndian.Uint32(rest), binary.BigEndian.Uint32(rest[4:]), rest[8]}
	if err := k.check(); err != nil {
		return k, nil, fmt.Errorf("reading the key file: %w: %w", err, ErrDamaged)
	}
	return k, rest[9:], nil
}

// openMaster is the inverse of sealMaster.
func openMaster(file, passphrase []byte) (master [suite.KeySize]byte, k KDF, err error) {
	k, rest, err := parseKeyFile(file)
	if err != nil {
		return master, k, err
	}
	salt, sealed := rest[:saltSize], rest[saltSize:]
	key := stretch(passphrase, salt, k)
	defer clear(key[:])
	b, err := suite.OpenOnce(&key, nil, sealed)
	if err != nil {
		return master, k, ErrWrongPassphrase
	}
	copy(master[:], b)
	clear(b)
	return master, k, nil
}

// stretch runs Argon2id and gives its memory back to the system, since a station
// runs for months on what it holds a second after its start.
func stretch(passphrase, salt []byte, k KDF) (key [suite.KeySize]byte) {
	before := heap()
	b := argon2.IDKey(passphrase, salt, k.Time, k.Memory, k.Threads, suite.KeySize)
	copy(key[:], b)
	clear(b)
	if k.Memory <= 16<<10 {
		return key
	}
	// On a busy machine the library's goroutines have done their part and yet not
	// ended when it returns, and hold its blocks through the collection. They end once
	// a processor is free for them; one that never is costs four seconds here.
	for pause := time.Millisecond; ; pause *= 2 {
		debug.FreeOSMemory()
		if pause > 2*time.Second || heap() < before+uint64(k.Memory)<<10/2 {
			break
		}
		time.Sleep(pause)
	}
	return key
}

// heap is the size of what the program has allocated, in bytes.
func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// ChangePassphrase seals the master key under another passphrase, with the KDF
// parameters of the options. The database is not touched: who has an old copy of the key
// file and the old passphrase can still open it.
func (v *Vault) ChangePassphrase(old, fresh []byte) error {
	const doing = "changing the passphrase"
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.writer == nil {
		return fmt.Errorf("%s: %w", doing, ErrClosed)
	}
	file, err := os.ReadFile(v.path + keySuffix)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	master, _, err := openMaster(file, old)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer clear(master[:])
	sealed, err := sealMaster(&master, fresh, v.opt.KDF)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return explain(doing, replaceFile(v.path+keySuffix, sealed))
}

// replaceFile writes a file that only its owner may read such that after a crash
// there is the old one or the new one, whole.
func replaceFile(path string, data []byte) error {
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}
