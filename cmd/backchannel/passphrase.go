package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/zalando/go-keyring"
	"golang.org/x/term"

	"backchannel/internal/web"
)

// credentialName is the systemd credential that may hold the passphrase.
const credentialName = "backchannel-passphrase"

// keyringService names the keyring entries of this program; the user of an entry
// is the path of the vault.
const keyringService = "backchannel"

type passphraseFlags struct {
	fd      int
	keyring bool
	locked  bool
}

func (p *passphraseFlags) register(c *cobra.Command) {
	c.Flags().IntVar(&p.fd, "passphrase-fd", -1, "read the passphrase, one line, from this file descriptor")
	c.Flags().BoolVar(&p.keyring, "keyring", false, "keep the passphrase in the desktop's keyring")
	if c.Name() == "station" {
		c.Flags().BoolVar(&p.locked, "locked", false, "start locked, without asking")
	}
}

// read finds the passphrase of an existing vault, or nil to run locked.
func (p *passphraseFlags) read(cmd *cobra.Command, vault string) ([]byte, error) {
	if p.locked {
		return nil, nil
	}
	if b, found, err := p.given(); found || err != nil {
		return b, err
	}
	if p.keyring {
		s, err := keyring.Get(keyringService, vault)
		if err != nil {
			return nil, fmt.Errorf("reading the passphrase from the keyring: %w: store it with \"backchannel station init --keyring\" or give it otherwise", err)
		}
		return []byte(s), nil
	}
	if terminal(cmd.InOrStdin()) {
		return prompt(cmd, "Passphrase: ")
	}
	return nil, nil
}

// choose finds a passphrase for something new, such as a vault. One that would be
// guessed is warned about, where the pages refuse it: scripts may have their reasons.
func (p *passphraseFlags) choose(cmd *cobra.Command, what string) ([]byte, error) {
	b, found, err := p.given()
	switch {
	case err != nil:
		return nil, err
	case !found && !terminal(cmd.InOrStdin()):
		return nil, usage("%s needs a passphrase: give it with --passphrase-fd, as the systemd credential %s, or on a terminal", what, credentialName)
	case !found:
		if b, err = promptTwice(cmd); err != nil {
			return nil, err
		}
	case len(b) == 0:
		return nil, errEmptyPassphrase
	}
	if web.Guessable(string(b)) {
		cmd.PostRun = func(cmd *cobra.Command, _ []string) { // once it was done
			fmt.Fprintln(cmd.ErrOrStderr(), "Warning: whoever gets hold of the file would guess this passphrase. Seven random words are strong.")
		}
	}
	return b, nil
}

var errEmptyPassphrase = errors.New("an empty passphrase protects nothing: choose one")

// promptTwice asks for a new passphrase on the terminal.
func promptTwice(cmd *cobra.Command) ([]byte, error) {
	b, err := prompt(cmd, "New passphrase: ")
	if err != nil {
		return nil, err
	}
	again, err := prompt(cmd, "Once more: ")
	if err != nil {
		return nil, err
	}
	if string(again) != string(b) {
		return nil, errors.New("the two passphrases differ: start again")
	}
	if len(b) == 0 {
		return nil, errEmptyPassphrase
	}
	return b, nil
}

func (p *passphraseFlags) given() (b []byte, found bool, err error) {
	if p.fd >= 0 {
		b, err := readLine(os.NewFile(uintptr(p.fd), "passphrase"))
		return b, true, err
	}
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		f, err := os.Open(filepath.Join(dir, credentialName))
		if err == nil {
			b, err := readLine(f)
			return b, true, err
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, false, fmt.Errorf("reading the passphrase credential: %w", err)
		}
	}
	return nil, false, nil
}

func readLine(f *os.File) ([]byte, error) {
	if f == nil {
		return nil, errors.New("reading the passphrase: no such file descriptor")
	}
	defer f.Close()
	s, err := bufio.NewReader(io.LimitReader(f, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	return []byte(strings.TrimRight(s, "\r\n")), nil
}

func storeKeyring(vault string, passphrase []byte) error {
	if err := keyring.Set(keyringService, vault, string(passphrase)); err != nil {
		return fmt.Errorf("storing the passphrase in the keyring: %w", err)
	}
	return nil
}

func terminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func prompt(cmd *cobra.Command, text string) ([]byte, error) {
	f, ok := cmd.InOrStdin().(*os.File)
	if !ok {
		return nil, errors.New("reading the passphrase: no terminal")
	}
	fmt.Fprint(cmd.ErrOrStderr(), text)
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	}
	return b, nil
}

func unlockCommand() *cobra.Command {
	var pass passphraseFlags
	var fresh bool
	c := clientCommand(&cobra.Command{
		Use: "unlock", Short: "Unlock a running station's vault",
		Long: `Open the vault of a station that runs locked. Contacts are met again from the next
set-up on; until then, and before, the traffic is the same.

With --new a station that has no vault, because everything was erased, gets an
empty one under a passphrase of your choice.`,
		Example: "  backchannel unlock\n  backchannel unlock --new",
		Args:    cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			if fresh {
				b, err := pass.choose(cmd, "a new vault")
				if err != nil {
					return err
				}
				if err := c.NewVault(cmd.Context(), string(b)); err != nil {
					return err
				}
				return emit(cmd, map[string]bool{"unlocked": true}, func(w io.Writer) {
					fmt.Fprintln(w, "A new, empty vault is open.")
				})
			}
			b, err := pass.read(cmd, "")
			if err != nil {
				return err
			}
			if b == nil {
				return usage("which passphrase? give it on a terminal or with --passphrase-fd")
			}
			if err := c.Unlock(cmd.Context(), string(b)); err != nil {
				return err
			}
			return emit(cmd, map[string]bool{"unlocked": true}, func(w io.Writer) {
				fmt.Fprintln(w, "Unlocked. Contacts are met again from the next epoch on.")
			})
		}),
	})
	c.Flags().IntVar(&pass.fd, "passphrase-fd", -1, "read the passphrase, one line, from this file descriptor")
	c.Flags().BoolVar(&fresh, "new", false, "make an empty vault for a station that has none")
	return c
}

func lockCommand() *cobra.Command {
	return clientCommand(&cobra.Command{
		Use: "lock", Short: "Lock a running station's vault; its traffic goes on",
		Long: `Close the vault of a running station. It goes on with idle lanes, which nobody can
tell from talking ones, until "backchannel unlock".`,
		Example: "  backchannel lock",
		Args:    cobra.NoArgs,
		RunE: withClient(func(cmd *cobra.Command, c *web.Client, _ []string) error {
			if err := c.Lock(cmd.Context()); err != nil {
				return err
			}
			return emit(cmd, map[string]bool{"unlocked": false}, func(w io.Writer) {
				fmt.Fprintln(w, "Locked. The station goes on with idle lanes.")
			})
		}),
	})
}
