package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"backchannel/internal/negotiation/seal"
)

func verifyCommand() *cobra.Command {
	var known []string
	var export string
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check a communiqué, on any machine",
		Long: `Check that the text of a communiqué was signed with all the keys in it together. No
station and no network is needed. The file cannot prove whose keys they are: give the
keys that you got from their holders with --key, or ask for them.

With --export the signed bytes, the signature and the key are written for OpenSSL:
  openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in message.bin -sigfile signature.bin`,
		Example: "  backchannel verify communique.json --key Aldmark=9f86…0a08",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := readCommunique(args[0])
			if err != nil {
				return err
			}
			r, err := seal.Verify(b)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			r, err = matchKeys(r, known)
			if err != nil {
				return err
			}
			if export != "" {
				if err := exportSignature(export, r); err != nil {
					return err
				}
			}
			view := map[string]any{"communique": r.Communique, "key": hex.EncodeToString(r.SumKey[:]), "ask_for": r.AskFor}
			return emit(cmd, view, func(w io.Writer) { printReport(w, r) })
		},
	}
	c.Flags().StringArrayVar(&known, "key", nil, "NAME=HEX: a key that you have from its holder; repeat it")
	c.Flags().StringVar(&export, "export", "", "write message.bin, signature.bin and key.pem into this new folder")
	return c
}

func readCommunique(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the communiqué: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, seal.MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the communiqué: %w", err)
	}
	return b, nil
}

// matchKeys takes the parties whose key the user knows off the list to ask for.
func matchKeys(r seal.Report, known []string) (seal.Report, error) {
	have := map[string]string{}
	for _, k := range known {
		name, key, ok := strings.Cut(k, "=")
		b, err := hex.DecodeString(key)
		if !ok || name == "" || err != nil || len(b) != seal.PointSize {
			return r, usage("--key %q is not NAME= and 64 hexadecimal digits", k)
		}
		if _, twice := have[name]; twice {
			return r, usage("--key names %q twice", name)
		}
		have[name] = hex.EncodeToString(b)
	}
	r.AskFor = []seal.Party{}
	used := map[string]bool{}
	for _, p := range r.Parties {
		switch key, ok := have[p.Name]; {
		case !ok:
			r.AskFor = append(r.AskFor, p)
		case key != p.Key:
			return r, errors.New("the file gives a party another key than you have; whoever signed, it was not the holder of your key")
		default:
			if used[p.Name] {
				return r, errors.New("two parties of the file have one name; it cannot be matched to a key")
			}
			used[p.Name] = true
		}
	}
	if len(used) != len(have) {
		return r, errors.New("a name given with --key is not a party of the file; check its spelling")
	}
	return r, nil
}

func exportSignature(dir string, r seal.Report) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder for --export: %w", err)
	}
	for name, b := range map[string][]byte{"message.bin": r.Message, "signature.bin": r.Sig, "key.pem": r.PEM()} {
		if err := writeNew(filepath.Join(dir, name), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func printReport(w io.Writer, r seal.Report) {
	fmt.Fprintf(w, "The signature holds: all %d keys signed this text together.\n\n%s\n\n%s\n", len(r.Parties), r.Text, seal.Words[r.Level])
	for _, p := range r.Parties {
		fmt.Fprintf(w, "  %s  %s\n", p.Key, p.Name)
	}
	if len(r.AskFor) == 0 {
		fmt.Fprintln(w, "\nEvery key is one that you gave.")
		return
	}
	fmt.Fprintln(w, "\nNames are not signed. Ask these parties, not through whoever gave you the file, whether the key is theirs:")
	for _, p := range r.AskFor {
		fmt.Fprintf(w, "  %s\n", p.Name)
	}
}
