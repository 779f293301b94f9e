package station

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"backchannel/internal/wire"
)

// Connection is what of the configuration can be changed while a station runs. It
// holds when the station starts again.
type Connection struct {
	SOCKS5 string   `json:"socks5" doc:"host:port of the proxy, empty for none"`
	Page   string   `json:"page" doc:"loopback host:port of the pages, empty for none"`
	Remote string   `json:"remote" doc:"host:port for paired devices, empty for none"`
	Notify []string `json:"notify" doc:"the command that runs when something has arrived, and its arguments; empty for none"`
}

// Same tells whether two say the same.
func (n Connection) Same(other Connection) bool {
	return n.SOCKS5 == other.SOCKS5 && n.Page == other.Page && n.Remote == other.Remote && slices.Equal(n.Notify, other.Notify)
}

// Connection returns that part of a configuration.
func (c Config) Connection() Connection { return Connection{c.SOCKS5, c.Page, c.Remote, c.Notify} }

// Kept reads the file of the configuration again: what holds from the next start.
func (c Config) Kept() (Config, error) { return LoadConfig(c.path) }

// check refuses what a station could not start with.
func (n Connection) check() error {
	if n.SOCKS5 != "" {
		if err := wire.CheckAddress(n.SOCKS5); err != nil {
			return fmt.Errorf("socks5: %w", err)
		}
	}
	if err := checkPage(n.Page); err != nil {
		return err
	}
	if n.Page != "" && !strings.HasSuffix(n.Page, ":0") {
		if err := wire.CheckAddress(n.Page); err != nil {
			return fmt.Errorf("page: %w", err)
		}
	}
	if err := checkRemote(n.Remote); err != nil {
		return err
	}
	if len(n.Notify) == 0 {
		return nil
	}
	if !filepath.IsAbs(n.Notify[0]) {
		return errors.New("notify: name the command with its whole path, so that it is the one that you mean")
	}
	fi, err := os.Stat(n.Notify[0])
	if err != nil || fi.IsDir() || fi.Mode()&0o111 == 0 && runtime.GOOS != "windows" {
		return errors.New("notify: there is no such command that can be run")
	}
	if slices.ContainsFunc(n.Notify, func(s string) bool { return strings.ContainsRune(s, 0) || !utf8.ValidString(s) }) {
		return errors.New("notify: an argument is not text")
	}
	return nil
}

// checkRemote wants an address that other devices can use as it stands.
func checkRemote(address string) error {
	if address == "" {
		return nil
	}
	if wire.CheckAddress(address) != nil {
		return errors.New("remote is not host:port, such as 192.168.1.5:7718")
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("remote is not host:port, such as 192.168.1.5:7718")
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		return errors.New("remote must be the very address that other devices use, not all of them")
	}
	return nil
}

// editing lets one change of a configuration file come after the other.
var editing sync.Mutex

// SetConnection writes the file of the configuration with another connection. All
// else in the file stays as it is, comments too. The file is replaced in one step,
// and only by one that says what was asked for.
func (c Config) SetConnection(n Connection) error {
	const doing = "changing the configuration"
	if err := n.check(); err != nil {
		return &Error{CodeInvalid, doing, err}
	}
	editing.Lock()
	defer editing.Unlock()
	path, err := filepath.EvalSymlinks(c.path)
	if err != nil {
		return &Error{CodeInternal, doing, err}
	}
	have, err := LoadConfig(c.path)
	if err != nil {
		return &Error{CodeConflict, doing, err}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return &Error{CodeInternal, doing, err}
	}
	want := have
	want.SOCKS5, want.Page, want.Remote, want.Notify = n.SOCKS5, n.Page, n.Remote, n.Notify
	if sameConfig(have, want) {
		return nil
	}
	for _, k := range []struct {
		key      string
		old, new any
	}{
		{"socks5", have.SOCKS5, n.SOCKS5}, {"page", have.Page, n.Page}, {"remote", have.Remote, n.Remote},
		{"notify", append([]string{}, have.Notify...), append([]string{}, n.Notify...)},
	} {
		if reflect.DeepEqual(k.old, k.new) {
			continue
		}
		if text, err = setKey(text, k.key, k.new); err != nil {
			return &Error{CodeConflict, doing, err}
		}
	}
	if err := replaceConfig(path, text, func(draft string) error {
		got, err := LoadConfig(draft)
		if err == nil && !sameConfig(got, want) {
			err = errors.New("the file would say something else: change it by hand")
		}
		return err
	}); err != nil {
		return &Error{CodeInternal, doing, err}
	}
	return nil
}

// sameConfig compares what two files say.
func sameConfig(a, b Config) bool {
	a.path, b.path = "", ""
	if len(a.Notify) == 0 && len(b.Notify) == 0 {
		a.Notify, b.Notify = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

// replaceConfig writes a file beside path, lets check read it, and puts it in the
// place of path, with its permissions.
func replaceConfig(path string, text []byte, check func(draft string) error) (err error) {
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".station-*.toml") // for its owner only
	if err != nil {
		return err
	}
	draft := f.Name()
	defer func() {
		if e := os.Remove(draft); e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Chmod(draft, fi.Mode().Perm()); err != nil {
		return err
	}
	if err := check(draft); err != nil {
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// setKey gives a key of a flat TOML text another value and leaves all else, the
// comment behind it too. A key that is not there is added at the end. The TOML
// library decides where a statement ends; a text that it does not follow is an
// error.
func setKey(text []byte, key string, value any) ([]byte, error) {
	statement := key + " = " + tomlValue(value)
	lines := bytes.SplitAfter(text, []byte("\n"))
	for i := 0; i < len(lines); {
		if s := bytes.TrimSpace(lines[i]); len(s) == 0 || s[0] == '#' {
			i++
			continue
		}
		found, n := "", 0
		for n = 1; i+n <= len(lines); n++ {
			if found = onlyKey(bytes.Join(lines[i:i+n], nil)); found != "" {
				break
			}
		}
		if found == "" {
			return nil, fmt.Errorf("line %d of the file is not understood: change it by hand", i+1)
		}
		if found != key {
			i += n
			continue
		}
		old := bytes.Join(lines[i:i+n], nil)
		end := ""
		if t := bytes.TrimRight(old, "\r\n"); len(t) < len(old) {
			end = string(old[len(t):])
		}
		out := append(bytes.Join(lines[:i], nil), statement+commentOf(old)+end...)
		return append(out, bytes.Join(lines[i+n:], nil)...), nil
	}
	out := bytes.Clone(text)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	return append(out, statement+"\n"...), nil
}

// onlyKey names the one key that a text sets, "" if it is no whole statement.
func onlyKey(text []byte) string {
	var m map[string]any
	if _, err := toml.Decode(string(text), &m); err != nil || len(m) != 1 {
		return ""
	}
	for k := range m {
		return k
	}
	return ""
}

// commentOf returns the comment at the end of a statement, with the space before
// it. A sign that begins none stands inside of the value, which ends later.
func commentOf(statement []byte) string {
	statement = bytes.TrimRight(statement, "\r\n")
	last := bytes.LastIndexByte(statement, '\n') + 1
	for i := last; i < len(statement); i++ {
		if statement[i] == '#' && onlyKey(statement[:i]) != "" {
			before := bytes.TrimRight(statement[:i], " \t")
			return string(statement[len(before):])
		}
	}
	return ""
}

// tomlValue writes a text or a list of texts.
func tomlValue(v any) string {
	list, ok := v.([]string)
	if !ok {
		return tomlString(fmt.Sprint(v))
	}
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = tomlString(s)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// tomlString writes a basic string of TOML.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString("\\" + string(r))
		case r < ' ' || r == 0x7f:
			b.WriteString(`\u00` + fmt.Sprintf("%02X", r))
		default:
			b.WriteString(string(r))
		}
	}
	b.WriteByte('"')
	return b.String()
}
