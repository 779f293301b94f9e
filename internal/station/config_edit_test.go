package station

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
)

func TestSetConnection(t *testing.T) {
	cfg, err := InitFolder(filepath.Join(t.TempDir(), "s"), signedNetwork(t, "one"), "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cfg.Folder(), ConfigName)
	read := func() string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	before := read()
	if err := cfg.SetConnection(cfg.Connection()); err != nil || read() != before {
		t.Errorf("the same again: %v, or the file was touched", err)
	}
	for name, n := range map[string]Connection{
		"a proxy without a port":      {SOCKS5: "127.0.0.1", Page: DefaultPage},
		"pages for everybody":         {Page: "0.0.0.0:7717"},
		"a page port that is none":    {Page: "127.0.0.1:99999"},
		"all addresses for devices":   {Page: DefaultPage, Remote: "0.0.0.0:7718"},
		"devices without a port":      {Page: DefaultPage, Remote: "192.168.1.5"},
		"devices at a port taken":     {Page: DefaultPage, Remote: "192.168.1.5:0"},
		"a command without its path":  {Page: DefaultPage, Notify: []string{"true"}},
		"a command that is not there": {Page: DefaultPage, Notify: []string{filepath.Join(cfg.Folder(), "none")}},
		"a command that is no text":   {Page: DefaultPage, Notify: []string{program, "\xff"}},
		"a folder as a command":       {Page: DefaultPage, Notify: []string{cfg.Folder()}},
	} {
		if err := cfg.SetConnection(n); codeOf(err) != CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if read() != before {
		t.Error("what was refused changed the file")
	}

	// As somebody wrote it by hand.
	byHand := strings.Replace(before, "socks5  = \"\"", "  'socks5'=\"127.0.0.1:9050#x\"", 1) + "# my own words\nhosts = [\n  \"socks5 = 1\", # not that one\n]\nnotify = [\"" + filepath.ToSlash(program) + "\",\n  \"-x\"] # rings"
	if err := os.WriteFile(path, []byte(byHand), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	want := Connection{SOCKS5: "127.0.0.1:9150", Page: "127.0.0.1:0", Remote: "192.168.1.5:7718", Notify: []string{program, "a \"b\" \\ #c\t\x01", "é"}}
	if err := cfg.SetConnection(want); err != nil {
		t.Fatal(err)
	}
	got, err := cfg.Kept()
	if err != nil || !reflect.DeepEqual(got.Connection(), want) || !reflect.DeepEqual(got.Hosts, []string{"socks5 = 1"}) || got.Pin != cfg.Pin {
		t.Fatalf("the file says %+v, %v", got, err)
	}
	for _, kept := range []string{"# A station of Backchannel.", "# my own words", "# not that one", "# rings", "# host:port of a proxy", "# where the pages are", "# the hash of the network file"} {
		if !strings.Contains(read(), kept) {
			t.Errorf("%q is gone", kept)
		}
	}
	if strings.Index(read(), "page") < strings.Index(read(), "socks5") || strings.Count(read(), "\n") < strings.Count(before, "\n") {
		t.Error("the order is another")
	}
	if fi, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && fi.Mode().Perm() != 0o640 {
		t.Errorf("permissions: %v, %v", fi.Mode(), err)
	}
	if err := cfg.SetConnection(Connection{}); err != nil {
		t.Fatal(err)
	}
	if got, err := cfg.Kept(); err != nil || !reflect.DeepEqual(got.Connection(), Connection{Notify: []string{}}) {
		t.Errorf("nothing of all: %+v, %v", got.Connection(), err)
	}

	if err := os.WriteFile(path, []byte(before+"colour = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cfg.SetConnection(want); codeOf(err) != CodeConflict || !strings.HasSuffix(read(), "colour = 1\n") {
		t.Errorf("a file that the station would refuse: %v", err)
	}
	left, err := os.ReadDir(cfg.Folder())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		if strings.HasPrefix(f.Name(), ".station-") {
			t.Errorf("%s was left", f.Name())
		}
	}
}

// FuzzSetKey: whatever the text, what comes out is refused or says the new value
// and, of all other keys, the same as before.
func FuzzSetKey(f *testing.F) {
	for _, s := range []string{
		"", "page = \"a\" # b\nsocks5 = 'c'", "# only words", "notify = [\n \"a\", # b\n]\npage = \"\"\"\npage = 1\n\"\"\"\n", "page = \"a\"\r\nremote = \"b\"\r\n",
		"\"page\" = \"#\"#\n", "page", "[t]\npage = \"a\"", "a.b = 1\npage = 2", "page = [\"#\", '\"']#",
	} {
		f.Add(s, "127.0.0.1:0")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		var before, after map[string]any
		if _, err := toml.Decode(text, &before); err != nil || !isText(value) {
			return
		}
		out, err := setKey([]byte(text), "page", value)
		if err != nil {
			return
		}
		if _, err := toml.Decode(string(out), &after); err != nil {
			return // of a text with tables; it is read again before it is kept
		}
		if after["page"] != value {
			if _, nested := before["page"]; !nested && bytes.Contains([]byte(text), []byte("[")) {
				return // the added line belongs to a table
			}
			t.Fatalf("%q became %q", text, out)
		}
		delete(before, "page")
		delete(after, "page")
		if len(before) != len(after) {
			t.Fatalf("%q became %q", text, out)
		}
	})
}

func isText(s string) bool { return strings.ToValidUTF8(s, "") == s }

func TestNewContactExpires(t *testing.T) {
	cfg, err := InitFolder(filepath.Join(t.TempDir(), "s"), signedNetwork(t, "one"), "")
	if err == nil {
		err = CreateVault(cfg, []byte("paper"))
	}
	if err != nil {
		t.Fatal(err)
	}
	s, ctx := running(t, cfg, "paper"), t.Context()
	o := DefaultPageOptions
	for _, bad := range []int64{-1, 1, 1 << 40, -1 << 62, 1 << 62} {
		if o.Expiry = bad; codeOf(s.SetPageOptions(ctx, o)) != CodeInvalid {
			t.Errorf("an expiry of %d s was taken", bad)
		}
	}
	first, err := s.Invite(ctx, "Borvia", time.Hour)
	if err != nil || first.Expiry != 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	o.Expiry = 3600
	if err := s.SetPageOptions(ctx, o); err != nil {
		t.Fatal(err)
	}
	second, err := s.Invite(ctx, "Cenia", time.Hour)
	if err != nil || second.Expiry != 3600 {
		t.Errorf("%+v, %v", second, err)
	}
	if first, err = s.Contact(ctx, first.ID); err != nil || first.Expiry != 0 {
		t.Errorf("a contact that was there: %+v, %v", first, err)
	}
}
