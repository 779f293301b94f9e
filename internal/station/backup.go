package station

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// Backup writes an encrypted backup of an unlocked station under a passphrase of
// its own: contacts, letters and signals, rooms, the published seal key, and per
// contact the one key with which it can be met again. It has neither account nor
// mark, nor any key with which something was or will be encrypted. The station goes
// on meanwhile.
func (s *Station) Backup(ctx context.Context, passphrase []byte, w io.Writer) error {
	v, err := s.open()
	if err != nil {
		return err
	}
	if len(passphrase) == 0 {
		return fault(CodeInvalid, "making the backup: an empty passphrase protects nothing: choose one")
	}
	return s.trouble("making the backup", v.Backup(&cancellable{ctx, w}, passphrase, s.net))
}

// cancellable stops writing when its context has ended.
type cancellable struct {
	ctx context.Context
	w   io.Writer
}

// Write implements io.Writer.
func (c *cancellable) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// RestoreReport tells what a restored station has.
type RestoreReport struct {
	Config   string    `json:"config" doc:"path of the new station's configuration"`
	Net      string    `json:"net" doc:"hash of the network file, 64 hexadecimal digits"`
	Backup   time.Time `json:"backup" doc:"when the backup was made; what came in or was written later is lost, unless the others still had it"`
	Contacts int       `json:"contacts"`
	Lost     int       `json:"lost" doc:"contacts that were not introduced when the backup was made: they must be invited anew"`
	Items    int       `json:"items" doc:"letters, signals and messages"`
	Unsent   int       `json:"unsent" doc:"of these to be offered to the others, perhaps again"`
	Moved    bool      `json:"moved" doc:"the backup was made in another network, or before this one's file changed"`
}

// RestoreFolder makes a new station's folder from a backup: a new account, the
// pinned network file, and a vault under a new passphrase, in which the contacts
// wait to be met again. dir must not exist, or be empty. If anything fails,
// nothing is left.
func RestoreFolder(dir string, network []byte, backup io.Reader, backupPass, newPass []byte, socks5 string) (report RestoreReport, err error) {
	const doing = "restoring the backup"
	dir, err = filepath.Abs(dir)
	if err != nil {
		return report, fmt.Errorf("%s: %w", doing, err)
	}
	nw, err := wire.ParseNetwork(network)
	if err == nil {
		err = nw.Verify()
	}
	if err != nil {
		return report, fmt.Errorf("%s: checking the network file: %w", doing, err)
	}
	if err := vacant(dir); err != nil {
		return report, fmt.Errorf("%s: %w", doing, err)
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return report, fmt.Errorf("%s: %w", doing, err)
	}
	draft, err := os.MkdirTemp(parent, ".restoring-") // for its owner only
	if err != nil {
		return report, fmt.Errorf("%s: %w", doing, err)
	}
	defer func() {
		if err != nil {
			report, err = RestoreReport{}, errors.Join(err, os.RemoveAll(draft))
		}
	}()
	cfg, err := InitFolder(draft, network, socks5)
	if err != nil {
		return report, fmt.Errorf("%s: %w", doing, err)
	}
	got, err := vault.RestoreWith(cfg.Vault, newPass, backup, backupPass, vault.Options{})
	if err != nil {
		return report, err
	}
	if err := vacant(dir); err != nil { // it was some time
		return report, fmt.Errorf("%s: %w", doing, err)
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return report, fmt.Errorf("%s: %w", doing, err)
	}
	for _, step := range []func() error{
		func() error { return syncFolder(draft) },
		func() error { return os.Rename(draft, dir) },
		func() error { return syncFolder(parent) },
	} {
		if err := step(); err != nil {
			return report, fmt.Errorf("%s: %w", doing, err)
		}
	}
	net := nw.Net()
	return RestoreReport{
		Config: filepath.Join(dir, ConfigName), Net: hex.EncodeToString(net[:]), Backup: got.Time,
		Contacts: got.Contacts, Lost: got.Lost, Items: got.Items, Unsent: got.Unsent, Moved: got.Net != net,
	}, nil
}

// vacant is nil if nothing is in the place of a new folder.
func vacant(dir string) error {
	switch entries, err := os.ReadDir(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s exists and is not empty: name a new folder", dir)
	}
	return nil
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // there folders cannot be synced
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
