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

// Mark is a Store in a small file.
type Mark struct {
	level
	path string
	disk string // what the file holds; "" if there is none
}

// Open reads the mark at path. A file that does not exist is a mark that was
// never raised; a file that is damaged is an error, for its loss could make the
// program act twice for one attempt.
func Open(path string) (*Mark, error) {
	m := &Mark{path: path}
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	if m.disk = text; text == "" {
		return m, nil
	}
	if m.at, err = parse(text); err != nil {
		return nil, fmt.Errorf("reading the mark %s: %w; remove the file once the attempt in which it was last written is over (one epoch later)", path, err)
	}
	m.any = true
	return m, nil
}

// Raise implements Store: it writes a new file, syncs it, renames it over the old
// one and syncs the folder. It refuses to go on when another process changed the
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
	text := encode(a)
	if err := replace(m.path, text); err != nil {
		return fmt.Errorf("raising the mark: %w", err)
	}
	m.disk = text
	return nil
}

const maxFile = 128 // bytes; more is no mark

func read(path string) (string, error) {
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("reading the mark: %w", err)
	case len(b) == 0 || len(b) > maxFile: // "" stands for no file
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
		return wire.Attempt{}, errors.New("it is damaged")
	}
	return a, nil
}
