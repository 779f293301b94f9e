package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// serverKey is a server's secret key file: TOML, mode 0600.
type serverKey struct {
	Secret  string `toml:"secret"`  // "relay" or "entry"
	Signing string `toml:"signing"` // relay: seed of the signing key, base64
	TLS     string `toml:"tls"`     // seed of the TLS key, base64

	sign suite.SigningKey
	tls  [suite.SeedSize]byte
}

const relayKeyName, entryKeyName = "relay.key", "entry.key"

// encode makes the file of a new key.
func encodeServerKey(kind string, signing, tls *[suite.SeedSize]byte) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Secret key of a Backchannel %s: who has it can pose as this %s. Keep one copy\n# of it offline; never send it to anyone.\nsecret = %q\n", kind, kind, kind)
	if signing != nil {
		fmt.Fprintf(&b, "signing = %q\n", base64.StdEncoding.EncodeToString(signing[:]))
	}
	fmt.Fprintf(&b, "tls = %q\n", base64.StdEncoding.EncodeToString(tls[:]))
	return []byte(b.String())
}

// loadServerKey reads a key file. It refuses a file that others may read: a
// secret that leaked once is not one.
func loadServerKey(path, kind string) (k serverKey, err error) {
	fail := func(format string, a ...any) (serverKey, error) {
		return serverKey{}, fmt.Errorf("key file %s: %w", path, fmt.Errorf(format, a...))
	}
	b, mode, err := readFile(path)
	if err != nil {
		return fail("%w", err)
	}
	defer clear(b)
	if mode.Perm()&0o077 != 0 {
		return fail("others may read it (mode %04o): run chmod 600 on it, and think about who did", mode.Perm())
	}
	if err := wire.DecodeTOML(b, &k); err != nil {
		return fail("%w", err)
	}
	if k.Secret != kind {
		return fail("this is not the key of %s: make one with \"backchannel %s keygen\"", withArticle(kind), kind)
	}
	seed := func(s string) (out [suite.SeedSize]byte, ok bool) {
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		return out, err == nil && copy(out[:], b) == len(out) && len(b) == len(out)
	}
	var ok bool
	if k.tls, ok = seed(k.TLS); !ok {
		return fail("tls is not 32 bytes in base64: restore the file from its copy")
	}
	switch signing, ok := seed(k.Signing); {
	case kind == "relay" && !ok:
		return fail("signing is not 32 bytes in base64: restore the file from its copy")
	case kind == "relay":
		k.sign = suite.NewSigningKey(signing)
	case k.Signing != "":
		return fail("unknown key signing")
	}
	k.Signing, k.TLS = "", ""
	return k, nil
}

func withArticle(noun string) string {
	if noun == "entry" {
		return "an entry"
	}
	return "a " + noun
}

// readFile reads a file of at most wire.MaxTextFile bytes and says what is wrong
// with its name in words.
func readFile(path string) ([]byte, os.FileMode, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, errors.New("there is no such file: check the name")
	}
	if err != nil {
		return nil, 0, plainPathError(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, 0, plainPathError(err)
	}
	if fi.IsDir() {
		return nil, 0, errors.New("this is a folder: name the file in it")
	}
	b, err := io.ReadAll(io.LimitReader(f, wire.MaxTextFile+1))
	if err != nil {
		return nil, 0, plainPathError(err)
	}
	return b, fi.Mode(), nil
}

// plainPathError drops the path that the caller has already named.
func plainPathError(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// writeNew writes a file that must not exist yet and syncs it.
func writeNew(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("writing %s: it exists already and is not overwritten: choose another place or move it away", path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, plainPathError(err))
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", path, plainPathError(err)), os.Remove(path))
	}
	return nil
}

// replaceFile replaces a file as a whole or leaves it as it was.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, plainPathError(err))
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", path, plainPathError(err)), os.Remove(f.Name()))
	}
	return nil
}

// keygenResult is what keygen and record print.
type keygenResult struct {
	Secret string `json:"secret,omitempty"` // path
	Public string `json:"public"`           // path
}

// writeServerKey writes the secret and the public file of a new server into dir.
func writeServerKey(cmd *cobra.Command, dir, kind string, secret, public []byte) error {
	r := keygenResult{filepath.Join(dir, kind+".key"), filepath.Join(dir, kind+".pub.toml")}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making %s: %w", dir, plainPathError(err))
	}
	if _, err := os.Lstat(r.Public); err == nil { // before a key exists without its record
		return fmt.Errorf("writing %s: it exists already and is not overwritten: choose another place or move it away", r.Public)
	}
	if err := writeNew(r.Secret, secret, 0o600); err != nil {
		return err
	}
	if err := writeNew(r.Public, public, 0o644); err != nil {
		return err
	}
	return emit(cmd, r, func(w io.Writer) {
		fmt.Fprintf(w, "Secret key:    %s (keep one copy of it offline)\nPublic record: %s (for whoever makes the network file)\n", r.Secret, r.Public)
	})
}

// identity are the flags that describe a relay to people.
type identity struct{ name, operator, address string }

func (i *identity) register(c *cobra.Command) {
	c.Flags().StringVar(&i.name, "name", "", "the relay's name, unique in its network")
	c.Flags().StringVar(&i.operator, "operator", "", "the party that runs it")
	c.Flags().StringVar(&i.address, "address", "", "host:port that the entry and the other relays dial")
	require(c, "name", "operator", "address")
}

// require marks flags as required; they exist, so it cannot fail.
func require(c *cobra.Command, names ...string) {
	for _, n := range names {
		if err := c.MarkFlagRequired(n); err != nil {
			panic(err)
		}
	}
}

func (i identity) record(sign suite.SigningKey, tls [suite.SeedSize]byte) ([]byte, error) {
	r := wire.RelayRecord{Name: i.name, Operator: i.operator, Address: i.address, TLS: suite.NewAccountKey(tls).Public()}
	b, err := wire.EncodeRelayRecord(r, sign)
	if err != nil {
		return nil, usage("describing the relay: %v", err)
	}
	return b, nil
}

func relayKeygenCommand() *cobra.Command {
	var dir string
	var who identity
	c := &cobra.Command{
		Use:   "keygen",
		Short: "Make a relay's keys and its public record",
		Long: `Make a relay's secret key file (relay.key, for its owner's eyes only) and its public
record (relay.pub.toml), which whoever makes the network file needs. Nothing is
overwritten.`,
		Example: "  backchannel relay keygen --dir /etc/backchannel --name north --operator \"Party A\" --address north.example:7000",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signing, tls := suite.RandomKey(), suite.RandomKey()
			public, err := who.record(suite.NewSigningKey(signing), tls)
			if err != nil {
				return err
			}
			return writeServerKey(cmd, dir, "relay", encodeServerKey("relay", &signing, &tls), public)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "the folder for both files; made if missing")
	require(c, "dir")
	who.register(c)
	return c
}

func relayRecordCommand() *cobra.Command {
	var key, out string
	var who identity
	c := &cobra.Command{
		Use:     "record",
		Short:   "Make the public record of an existing relay key again",
		Long:    "Make the public record of an existing relay key again, for instance with another address.",
		Example: "  backchannel relay record --key relay.key --name north --operator \"Party A\" --address north.example:7001 -o relay.pub.toml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, err := loadServerKey(key, "relay")
			if err != nil {
				return err
			}
			b, err := who.record(k.sign, k.tls)
			if err != nil {
				return err
			}
			return writeRecord(cmd, out, b)
		},
	}
	c.Flags().StringVar(&key, "key", relayKeyName, "the relay's secret key file")
	c.Flags().StringVarP(&out, "output", "o", "", "the record to write")
	require(c, "output")
	who.register(c)
	return c
}

func writeRecord(cmd *cobra.Command, path string, b []byte) error {
	if err := writeNew(path, b, 0o644); err != nil {
		return err
	}
	return emit(cmd, keygenResult{Public: path}, func(w io.Writer) {
		fmt.Fprintf(w, "Public record: %s (for whoever makes the network file)\n", path)
	})
}

func entryRecord(addresses []string, tls [suite.SeedSize]byte) ([]byte, error) {
	b, err := wire.EncodeEntryRecord(addresses, tls)
	if err != nil {
		return nil, usage("describing the entry: %v", err)
	}
	return b, nil
}

func addressFlag(c *cobra.Command, addresses *[]string) {
	c.Flags().StringArrayVar(addresses, "address", nil, "host:port that stations and relays dial; may be repeated, tried in order")
	require(c, "address")
}

func entryKeygenCommand() *cobra.Command {
	var dir string
	var addresses []string
	c := &cobra.Command{
		Use:   "keygen",
		Short: "Make an entry's key and its public record",
		Long: `Make an entry's secret key file (entry.key) and its public record (entry.pub.toml),
which whoever makes the network file needs. Nothing is overwritten.`,
		Example: "  backchannel entry keygen --dir /etc/backchannel --address entry.example:443",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tls := suite.RandomKey()
			public, err := entryRecord(addresses, tls)
			if err != nil {
				return err
			}
			return writeServerKey(cmd, dir, "entry", encodeServerKey("entry", nil, &tls), public)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "the folder for both files; made if missing")
	require(c, "dir")
	addressFlag(c, &addresses)
	return c
}

func entryRecordCommand() *cobra.Command {
	var key, out string
	var addresses []string
	c := &cobra.Command{
		Use:     "record",
		Short:   "Make the public record of an existing entry key again",
		Long:    "Make the public record of an existing entry key again, for instance with another address.",
		Example: "  backchannel entry record --key entry.key --address entry.example:443 --address abcdef.onion:443 -o entry.pub.toml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k, err := loadServerKey(key, "entry")
			if err != nil {
				return err
			}
			b, err := entryRecord(addresses, k.tls)
			if err != nil {
				return err
			}
			return writeRecord(cmd, out, b)
		},
	}
	c.Flags().StringVar(&key, "key", entryKeyName, "the entry's secret key file")
	c.Flags().StringVarP(&out, "output", "o", "", "the record to write")
	require(c, "output")
	addressFlag(c, &addresses)
	return c
}
