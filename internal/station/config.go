package station

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// Config is a station's configuration file (TOML, unknown keys refused). Paths
// are relative to the file.
type Config struct {
	// Network is the network file that every relay signed. Required.
	Network string `toml:"network"`
	// Pin is net, the hash of that network file, in hexadecimal. A file with
	// another hash is refused: whoever changes the network must tell its
	// stations by some other way. Required.
	Pin string `toml:"pin"`
	// Account is the file of the account key, by which the entry admits this
	// station. It lies outside of the vault, so that a locked station still
	// joins. Default "account.key".
	Account string `toml:"account"`
	// Mark is the file of the high-water mark. Default "mark".
	Mark string `toml:"mark"`
	// Vault is the encrypted database. Default "vault.db".
	Vault string `toml:"vault"`
	// Socket is the unix socket for the commands; only its owner may use it.
	// Default "station.sock".
	Socket string `toml:"socket"`
	// SOCKS5 is host:port of a SOCKS5 proxy to reach the entry through, for
	// instance Tor's 127.0.0.1:9050. Without it the entry sees this machine's
	// address. Default none.
	SOCKS5 string `toml:"socks5"`
	// Page is the loopback address of the pages, host:port; port 0 takes a free
	// one. The address in use is written to the file page.url in the folder. An
	// empty one serves no pages. Default "127.0.0.1:7717".
	Page string `toml:"page"`
	// Clock is the clock that the station acts by, for tests of a wrong one; nil is the
	// machine's. It stands in no file.
	Clock func() time.Time `toml:"-"`
	// Hosts are further names, host or host:port, by which a browser may address the
	// pages, for instance behind a tunnel. Requests to any other name are refused.
	// Default none.
	Hosts []string `toml:"hosts"`
	// Remote is host:port of this machine at which paired devices reach the pages
	// over TLS. Default none: only this machine reaches them.
	Remote string `toml:"remote"`
	// Notify is a command and its arguments, run without a shell when something has
	// arrived of a contact that is not muted. It is told nothing. Default none.
	Notify []string `toml:"notify"`

	path string // of the file itself
}

// DefaultPage is where the pages are unless the configuration says otherwise.
const DefaultPage = "127.0.0.1:7717"

// Folder is the folder of the configuration.
func (c Config) Folder() string { return filepath.Dir(c.path) }

// ConfigName is the name of the configuration in a station's folder.
const ConfigName = "station.toml"

// LoadConfig reads a configuration and makes its paths absolute.
func LoadConfig(path string) (Config, error) {
	c := Config{Account: "account.key", Mark: "mark", Vault: "vault.db", Socket: "station.sock", Page: DefaultPage}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return c, fmt.Errorf("reading the station's configuration: there is no file %s: check the name, or make a station with \"backchannel station init\"", path)
	case err != nil:
		return c, fmt.Errorf("reading the station's configuration: %w", err)
	}
	if err := wire.DecodeTOML(text, &c); err != nil {
		return c, fmt.Errorf("reading the station's configuration: %w", err)
	}
	if c.Network == "" || c.Pin == "" {
		return c, errors.New("reading the station's configuration: network and pin are required: \"backchannel station init\" writes both")
	}
	if err := checkPage(c.Page); err != nil {
		return c, fmt.Errorf("reading the station's configuration: %w", err)
	}
	base, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return c, fmt.Errorf("reading the station's configuration: %w", err)
	}
	c.path = filepath.Join(base, filepath.Base(path))
	for _, p := range []*string{&c.Network, &c.Account, &c.Mark, &c.Vault, &c.Socket} {
		if !filepath.IsAbs(*p) {
			*p = filepath.Join(base, *p)
		}
	}
	return c, nil
}

// SetPage replaces the address of the pages.
func (c *Config) SetPage(address string) error {
	if err := checkPage(address); err != nil {
		return err
	}
	c.Page = address
	return nil
}

// checkPage keeps the pages on this machine: other devices use remote, which has
// TLS and asks for pairing.
func checkPage(address string) error {
	if address == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("page is not host:port: %w", err)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("the port of page is a number from 0 to 65535: 0 takes a free one")
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return errors.New("page must be an address of this machine only, such as 127.0.0.1:7717: use remote for other devices")
	}
	return nil
}

// LoadNetwork reads the pinned network file and checks every signature.
func (c Config) LoadNetwork() (*wire.Network, error) {
	b, err := os.ReadFile(c.Network)
	if err != nil {
		return nil, fmt.Errorf("reading the network file: %w", err)
	}
	nw, err := wire.ParseNetwork(b)
	if err != nil {
		return nil, fmt.Errorf("reading the network file: %w", err)
	}
	if err := nw.Verify(); err != nil {
		return nil, fmt.Errorf("checking the network file: %w", err)
	}
	pin, err := hex.DecodeString(strings.TrimSpace(c.Pin))
	if err != nil || len(pin) != suite.HashSize {
		return nil, errors.New("reading the station's configuration: pin is not 64 hexadecimal digits: \"backchannel network verify\" prints it")
	}
	if hash := nw.Net(); !suite.Equal(hash[:], pin) {
		return nil, errors.New("checking the network file: its hash is not the one pinned in the configuration: somebody changed the file, or it is another network's; compare with the relays' operators before you change the pin")
	}
	return nw, nil
}

// LoadAccount reads the account key.
func (c Config) LoadAccount() (suite.AccountKey, error) {
	b, err := os.ReadFile(c.Account)
	if err != nil {
		return suite.AccountKey{}, fmt.Errorf("reading the account key: %w", err)
	}
	seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(seed) != suite.SeedSize {
		return suite.AccountKey{}, errors.New("reading the account key: the file is damaged: restore it from a backup, or make another account with \"backchannel station init\" in a new folder")
	}
	return suite.NewAccountKey([suite.SeedSize]byte(seed)), nil
}

// InitFolder makes a station's folder: account key and configuration, with the
// network file copied into it. The vault is made apart, for it needs a
// passphrase. It refuses a folder that holds a station already.
func InitFolder(dir string, network []byte, socks5 string) (Config, error) {
	doing := func(err error) (Config, error) { return Config{}, fmt.Errorf("making the station's folder: %w", err) }
	nw, err := wire.ParseNetwork(network)
	if err != nil {
		return doing(err)
	}
	if err := nw.Verify(); err != nil {
		return doing(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return doing(err)
	}
	path := filepath.Join(dir, ConfigName)
	if _, err := os.Stat(path); err == nil {
		return doing(fmt.Errorf("%s exists: this folder holds a station already; choose another", path))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return doing(err)
	}
	seed := suite.RandomKey()
	hash := nw.Net()
	text := fmt.Sprintf(`# A station of Backchannel. "backchannel station --config" reads this file.
# Paths are relative to it.
network = "network.toml"
pin     = "%s" # the hash of the network file: any other is refused
account = "account.key"
mark    = "mark"
vault   = "vault.db"
socket  = "station.sock"
socks5  = %q # host:port of a proxy to reach the entry through, such as Tor's 127.0.0.1:9050
page    = %q # where the pages are, on this machine only; "" for none
`, hex.EncodeToString(hash[:]), socks5, DefaultPage)
	for _, f := range []struct {
		name string
		data []byte
	}{
		{"network.toml", network},
		{"account.key", []byte(base64.StdEncoding.EncodeToString(seed[:]) + "\n")},
		{ConfigName, []byte(text)}, // last: it makes the folder a station
	} {
		if err := writeNew(filepath.Join(dir, f.name), f.data); err != nil {
			return doing(err)
		}
	}
	return LoadConfig(path)
}

// writeNew writes a file that only its owner may read and syncs it; it never
// overwrites one.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
