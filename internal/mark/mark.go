// Package mark keeps a durable high-water mark of set-up attempts: the newest
// attempt for which a relay signed KEYS or a station built its one record. A
// program raises the mark before it acts and never acts for an attempt at or
// below it, so a crash or restart cannot make it act twice for one attempt.
//
// Specification: docs/protocol.md, section 3, steps 0 and 1.
//
// It trusts the file system to keep what was synced. The file holds an attempt
// and nothing else: it reveals only that the program was running then.
package mark

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"backchannel/internal/wire"
)

// Store is a high-water mark. Its methods may be called from any goroutine.
type Store interface {
	// At returns the mark; false if it was never raised.
	At() (wire.Attempt, bool)
	// Raise moves the mark up to a and returns nil once that is durable. It refuses
	// an a at or below the mark. After any error the mark counts as raised in this
	// process, so an attempt that may have reached the disk is never used.
	Raise(a wire.Attempt) error
}

// ErrNotAbove is wrapped by the refusal of an attempt at or below the mark.
var ErrNotAbove = errors.New("not above the high-water mark")

func refusal(a wire.Attempt) error {
	return fmt.Errorf("raising the mark to attempt %d of epoch %d: %w", a.Number, a.Epoch, ErrNotAbove)
}

// level is the part that both stores share.
type level struct {
	mu  sync.Mutex
	at  wire.Attempt
	any bool
}

// At implements Store.
func (l *level) At() (wire.Attempt, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at, l.any
}

// raise takes a, with the lock held.
func (l *level) raise(a wire.Attempt) error {
	if l.any && !l.at.Before(a) {
		return refusal(a)
	}
	l.at, l.any = a, true
	return nil
}

// Memory is a Store that lasts as long as the process, for networks inside one
// process. The zero value was never raised.
type Memory struct{ level }

// Raise implements Store.
func (m *Memory) Raise(a wire.Attempt) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.raise(a)
}

// Mark is a Store in a small file of two blocks. They are written in turns, in place,
// so that the newer one stands whatever becomes of the write, and so that a write waits
// for the disk alone: a new file would wait for the file system's journal, and with it
// for whatever else was written there (docs/decisions/0074).
type Mark struct {
	level
	path string
	disk string // what the file holds; "" if there is none
}

// blockSize is what disks write at once, at most.
const blockSize = 4096

// Open reads the mark at path. A file that does not exist is a mark that was
// never raised; a file that is damaged is an error, for its loss could make the
// program act twice for one attempt. A block whose write broke off is no damage: the
// other one is what was durable.
func Open(path string) (*Mark, error) {
	m := &Mark{path: path}
	var err error
	if m.disk, err = read(path); err != nil {
		return nil, err
	}
	if m.disk == "" {
		return m, nil
	}
	if m.at, _, err = newest(m.disk); err != nil {
		return nil, fmt.Errorf("reading the mark %s: %w; remove the file once the attempt in which it was last written is over (one epoch later)", path, err)
	}
	m.any = true
	return m, nil
}

// newest is the mark that a file holds, and the block in which it stands; -1 in a file
// of an earlier version, which is one line.
func newest(file string) (a wire.Attempt, at int, err error) {
	if len(file) != 2*blockSize {
		a, err = parse(file)
		return a, -1, err
	}
	err = errDamaged
	for i := range 2 {
		text := strings.TrimRight(file[i*blockSize:(i+1)*blockSize], "\x00")
		if b, bad := parse(text); bad == nil && (err != nil || a.Before(b)) {
			a, at, err = b, i, nil
		}
	}
	return a, at, err
}

// Raise implements Store. It refuses to go on when another process changed the
// file, for two programs on one mark could act for the same attempt.
func (m *Mark) Raise(a wire.Attempt) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.raise(a); err != nil {
		return err
	}
	found, err := read(m.path)
	if err != nil {
		return err
	}
	if found != m.disk {
		return fmt.Errorf("raising the mark %s: another program changed it; run only one with this file", m.path)
	}
	if m.disk, err = m.write(block(a)); err != nil {
		return fmt.Errorf("raising the mark: %w", err)
	}
	return nil
}

// write puts a block where the newest does not stand and returns what the file holds
// then, also after an error.
func (m *Mark) write(b string) (disk string, err error) {
	_, at, err := newest(m.disk)
	if err != nil || at < 0 { // there is none, or one of an earlier version
		fresh := b + strings.Repeat("\x00", blockSize)
		if err := replace(m.path, fresh); err != nil {
			return m.found(), err
		}
		return fresh, nil
	}
	at = 1 - at
	f, err := os.OpenFile(m.path, os.O_WRONLY, 0)
	if err != nil {
		return m.disk, err
	}
	_, err = f.WriteAt([]byte(b), int64(at*blockSize))
	if err == nil {
		err = syncData(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return m.found(), err
	}
	return m.disk[:at*blockSize] + b + m.disk[(at+1)*blockSize:], nil
}

// found is what the file holds after a write that failed, as far as it can be read.
func (m *Mark) found() string {
	if file, err := read(m.path); err == nil {
		return file
	}
	return m.disk
}

func block(a wire.Attempt) string {
	text := encode(a)
	return text + strings.Repeat("\x00", blockSize-len(text))
}

const maxLine = 128 // bytes of an earlier version's file; more is no mark

func read(path string) (string, error) {
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("reading the mark: %w", err)
	case len(b) != 2*blockSize && (len(b) == 0 || len(b) > maxLine): // "" stands for no file
		return "", fmt.Errorf("reading the mark %s: its size is not that of a mark; remove the file once the attempt in which it was last written is over (one epoch later)", path)
	}
	return string(b), nil
}

// replace makes path hold text, durably and at once.
func replace(path, text string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the error that matters is being returned
		}
	}()
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil || runtime.GOOS == "windows" {
		return err // Windows cannot sync a folder; its rename is journalled
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

var errDamaged = errors.New("it is damaged")

// encode writes an attempt as one line of text with a checksum.
func encode(a wire.Attempt) string {
	body := fmt.Sprintf("backchannel mark 1: epoch %d attempt %d", a.Epoch, a.Number)
	return fmt.Sprintf("%s sum %08x\n", body, crc32.ChecksumIEEE([]byte(body)))
}

// parse accepts exactly what encode makes.
func parse(text string) (a wire.Attempt, err error) {
	var sum uint32
	r := strings.NewReader(text)
	if _, err := fmt.Fscanf(r, "backchannel mark 1: epoch %d attempt %d sum %x\n", &a.Epoch, &a.Number, &sum); err != nil || encode(a) != text {
		return wire.Attempt{}, errDamaged
	}
	return a, nil
}
