package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

func backupCommand() *cobra.Command {
	var pass passphraseFlags
	c := clientCommand(&cobra.Command{
		Use:   "backup FILE",
		Short: "Write an encrypted backup of contacts and letters",
		Long: `Write a new file with the station's contacts, letters and signals, its rooms and its
published seal key, encrypted under a passphrase of its own. Keep it where the station
is not.

It holds no key with which anything was encrypted: for each contact one secret by
which a restored station is found again ("backchannel restore"). Whoever has the
file and its passphrase can read what is in it, can sign with your published seal key,
and can come in your place; your contacts then see an unverified contact that was
restored.`,
		Example: "  backchannel backup /media/stick/backchannel.backup",
		Args:    cobra.ExactArgs(1),
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, args []string) error {
			path := args[0]
			if _, err := os.Lstat(path); err == nil {
				return fmt.Errorf("making the backup: %s exists: choose another name", path)
			}
			p, err := pass.choose(cmd, "a backup")
			if err != nil {
				return err
			}
			size, err := writeWhole(path, func(w io.Writer) error { return c.Backup(cmd.Context(), string(p), w) })
			if err != nil {
				return err
			}
			return emit(cmd, map[string]any{"file": path, "bytes": size}, func(w io.Writer) {
				fmt.Fprintf(w, "The backup is %s, %s. Without its passphrase nobody can read it, you included.\n", path, bytesInWords(size))
			})
		}),
	})
	c.Flags().IntVar(&pass.fd, "passphrase-fd", -1, "read the backup's passphrase, one line, from this file descriptor")
	return c
}

// writeWhole makes a new file that is there whole, synced and for its owner only,
// or not at all.
func writeWhole(path string, write func(io.Writer) error) (size int64, err error) {
	const doing = "making the backup"
	f, err := os.CreateTemp(filepath.Dir(path), ".backup-") // mode 0600
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	err = write(f)
	if err == nil {
		size, err = f.Seek(0, io.SeekCurrent)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	// A link does not replace a file that came meanwhile; a file system without
	// links gets a renaming.
	if err = os.Link(f.Name(), path); err == nil {
		return size, os.Remove(f.Name())
	}
	if errors.Is(err, fs.ErrExist) {
		return 0, fmt.Errorf("%s: %s exists: choose another name", doing, path)
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	return size, nil
}

func restoreCommand() *cobra.Command {
	var dir, network, backup, socks5 string
	var backupFD int
	var pass passphraseFlags
	c := &cobra.Command{
		Use:   "restore",
		Short: "Make a new station's folder from a backup",
		Long: `Make a station's folder from a backup: a new account, the network file pinned, and
a vault with a passphrase of its own. Once it runs, every contact to which it gives
a lane is met again by itself; what was not delivered is offered again, by both
sides, and nothing is shown twice. Compare the words with each contact anew.

What came in or was written after the backup was made is lost, unless the others
still had it. Never run the old station beside the restored one.`,
		Example: "  backchannel restore --backup backchannel.backup --network network.toml --dir ~/.backchannel",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			nw, err := os.ReadFile(network)
			if err != nil {
				return fmt.Errorf("reading the network file: %w", err)
			}
			f, err := os.Open(backup)
			if err != nil {
				return fmt.Errorf("reading the backup: %w", err)
			}
			defer f.Close()
			old, err := backupPassphrase(cmd, backupFD)
			if err != nil {
				return err
			}
			fresh, err := pass.choose(cmd, "a new vault")
			if err != nil {
				return err
			}
			r, err := station.RestoreFolder(dir, nw, f, old, fresh, socks5)
			if err != nil {
				return err
			}
			if pass.keyring {
				cfg, err := station.LoadConfig(r.Config)
				if err != nil {
					return err
				}
				if err := storeKeyring(cfg.Vault, fresh); err != nil {
					return err
				}
			}
			return emit(cmd, r, func(w io.Writer) { printRestored(w, r) })
		},
	}
	c.Flags().StringVar(&backup, "backup", "", "the backup file")
	c.Flags().StringVar(&dir, "dir", "", "the folder to make")
	c.Flags().StringVar(&network, "network", "", "the network file, signed by every relay")
	c.Flags().StringVar(&socks5, "socks5", "", "host:port of a SOCKS5 proxy to reach the entry through (Tor: 127.0.0.1:9050)")
	c.Flags().IntVar(&backupFD, "backup-passphrase-fd", -1, "read the backup's passphrase, one line, from this file descriptor")
	for _, name := range []string{"backup", "dir", "network"} {
		_ = c.MarkFlagRequired(name) // all exist
	}
	pass.register(c)
	return c
}

// backupPassphrase finds the passphrase of an existing backup.
func backupPassphrase(cmd *cobra.Command, fd int) ([]byte, error) {
	switch {
	case fd >= 0:
		return readLine(os.NewFile(uintptr(fd), "passphrase"))
	case terminal(cmd.InOrStdin()):
		return prompt(cmd, "Passphrase of the backup: ")
	}
	return nil, usage("the backup's passphrase? give it with --backup-passphrase-fd or on a terminal")
}

func printRestored(w io.Writer, r station.RestoreReport) {
	fmt.Fprintf(w, "Restored %s and %s from the backup of %s.\n", plural(int64(r.Contacts), "contact"), plural(int64(r.Items), "item"), r.Backup.Local().Format("Mon 2 Jan 2006 15:04"))
	fmt.Fprintln(w, "What came in or was written after that is lost, unless the others still had it.")
	if r.Unsent > 0 {
		fmt.Fprintf(w, "%s will be offered to the others; what they have already is not shown twice.\n", plural(int64(r.Unsent), "item"))
	}
	if r.Lost > 0 {
		fmt.Fprintf(w, "%s had not been introduced when the backup was made: invite anew.\n", plural(int64(r.Lost), "contact"))
	}
	if r.Moved {
		fmt.Fprintln(w, "The network file is another than at the backup: the contacts must use this one, too.")
	}
	fmt.Fprintf(w, "The network's hash is\n  %s\nStart the station, and compare the words with every contact anew:\n  backchannel station --config %s\n", r.Net, r.Config)
}
