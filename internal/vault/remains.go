package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"
)

// What is deleted is overwritten where it stands. A row that the database once
// moved may have left a copy in the room between the rows of another page, where no
// deletion finds it. So the file is written anew some time after something was
// erased: when the vault is closed, and once a day while it is open.

// remains is the setting that says since when the file may hold such copies, in
// milliseconds since 1970.
const remains = "remains"

// SweepEvery is how long copies of what was erased may stay in an open vault.
const SweepEvery = 24 * time.Hour

// noteRemains notes, in the transaction that erases content, that copies of it may
// remain.
func (tx *Tx) noteRemains() error {
	if _, err := tx.Setting(remains); !errors.Is(err, ErrNotFound) {
		return err
	}
	return tx.PutSetting(remains, binary.BigEndian.AppendUint64(nil, uint64(millis(tx.now()))))
}

// SweepDue tells whether something was erased a day ago or longer, and the file
// was not written anew since.
func (v *Vault) SweepDue() (due bool, err error) {
	err = v.View(func(tx *Tx) error {
		since, found, err := tx.remainsSince()
		due = found && tx.now().Sub(since) >= SweepEvery
		return err
	})
	return due, err
}

func (tx *Tx) remainsSince() (since time.Time, found bool, err error) {
	b, err := tx.Setting(remains)
	switch {
	case errors.Is(err, ErrNotFound):
		return since, false, nil
	case err != nil:
		return since, false, err
	case len(b) != 8:
		return since, true, nil // whatever it says, it is long ago
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b))), true, nil
}

// Sweep writes every page anew if something was erased since that was last done.
// It takes the time of copying the whole file, in which nobody reads or writes, and
// needs room for it twice. A Sweep that fails changes nothing and is still due.
func (v *Vault) Sweep() error {
	const doing = "writing the vault anew"
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.writer == nil:
		return fmt.Errorf("%s: %w", doing, ErrClosed)
	case v.failed != nil:
		return v.failed
	}
	return explain(doing, v.sweepRemains())
}

// sweepRemains is Sweep. The lock is held.
func (v *Vault) sweepRemains() error {
	tx := &Tx{conn: v.writer, now: v.opt.Now}
	if _, found, err := tx.remainsSince(); err != nil || !found {
		return err
	}
	if err := v.checkpoint(sqlite3.CHECKPOINT_TRUNCATE); err != nil {
		return err
	}
	if err := v.sweep(); err != nil {
		return err
	}
	if err := v.writer.transaction("BEGIN IMMEDIATE", func() error { return tx.DeleteSetting(remains) }); err != nil {
		return err
	}
	return v.checkpoint(sqlite3.CHECKPOINT_TRUNCATE)
}
