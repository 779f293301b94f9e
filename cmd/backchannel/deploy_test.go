package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"backchannel/internal/station"
	"backchannel/internal/wire"
)

const deploy = "../../deploy"

// sampleKeys are the keys of a sample configuration.
func sampleKeys(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(deploy, name))
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, m := range regexp.MustCompile(`(?m)^(\w+) = `).FindAllStringSubmatch(string(b), -1) {
		keys = append(keys, m[1])
	}
	slices.Sort(keys)
	return keys
}

// The samples parse, and each shows every key that there is.
func TestSampleConfigs(t *testing.T) {
	relay, _, err := parseRelayConfig(filepath.Join(deploy, "relay.toml"))
	if err != nil {
		t.Error(err)
	}
	entry, _, err := parseEntryConfig(filepath.Join(deploy, "entry.toml"))
	if err != nil {
		t.Error(err)
	}
	st, err := station.LoadConfig(filepath.Join(deploy, "station.toml"))
	if err != nil {
		t.Error(err)
	}
	for name, v := range map[string]any{"relay.toml": relay, "entry.toml": entry, "station.toml": st} {
		var want []string
		for i := range reflect.TypeOf(v).NumField() {
			if f := reflect.TypeOf(v).Field(i); f.IsExported() && f.Tag.Get("toml") != "-" {
				want = append(want, f.Tag.Get("toml"))
			}
		}
		slices.Sort(want)
		if got := sampleKeys(t, name); !slices.Equal(got, want) {
			t.Errorf("%s has the keys %v, the program knows %v", name, got, want)
		}
		b, err := os.ReadFile(filepath.Join(deploy, name))
		if err != nil {
			t.Fatal(err)
		}
		bad := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(bad, append(b, "\nwrokers = 3\n"...), 0o600); err != nil {
			t.Fatal(err)
		}
		switch v.(type) {
		case relayConfig:
			_, _, err = parseRelayConfig(bad)
		case entryConfig:
			_, _, err = parseEntryConfig(bad)
		default:
			_, err = station.LoadConfig(bad)
		}
		if err == nil || !strings.Contains(err.Error(), "wrokers") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s with an unknown key: %v", name, err)
		}
	}
}

func TestConfigRefusals(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"":                                        "network is missing",
		"network = 1":                             "network has a value of the wrong kind",
		"Network = \"n\"":                         "unknown key Network",
		"network = \"n\"\nlisten = \"7000\"":      "is not host:port",
		"network = \"n\"\nlisten = \":70000\"":    "is not host:port",
		"network = \"n\"\nlog = \"loud\"":         "is not debug, info, warn or error",
		"network = \"n\"\nlog = \"info+2\"":       "is not debug, info, warn or error",
		"network = \"n\"\nhealth = \":9100\"":     "not a loopback address",
		"network = \"n\"\nhealth = \"0.0.0.0:1\"": "not a loopback address",
		"network = \"n\"\nhealth = \"unix:\"":     "1 to 100 bytes",
		"network = \"n\"\nhealth = \"9100\"":      "neither host:port nor unix:PATH",
		"network = \"n\"\nworkers = -1":           "workers is not within",
		"network = \"n\"\nnetwork = \"n\"":        "line 2 is not valid TOML",
		"network = ":                              "line 1 is not valid TOML",
	} {
		path := filepath.Join(dir, "c.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := parseRelayConfig(path); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	path := filepath.Join(dir, "c.toml")
	for text, want := range map[string]string{"stations = 0": "stations is not within", "newcomers = -1": "newcomers is not within", "workers = 1": "unknown key workers"} {
		if err := os.WriteFile(path, []byte("network = \"n\"\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := parseEntryConfig(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for _, ok := range []string{"127.0.0.1:1", "[::1]:1", "localhost:1", "unix:/run/x", ""} {
		if err := checkHealth(ok); err != nil {
			t.Error(err)
		}
	}
}

// What units and containers start exists, with these flags.
func TestUnitsStartWhatExists(t *testing.T) {
	files, err := filepath.Glob(deploy + "/*.service")
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	starts := regexp.MustCompile(`(?m)^Exec\w+=/usr/local/bin/backchannel (.+)$`)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		found := starts.FindAllStringSubmatch(string(b), -1)
		if len(found) == 0 {
			t.Errorf("%s starts nothing", f)
		}
		for _, m := range found {
			parsesAsCommand(t, f, strings.Fields(m[1]))
		}
		for _, want := range []string{"NoNewPrivileges=yes", "UMask=0077", "LimitCORE=0", "Restart=always", "SystemCallFilter="} {
			if !strings.Contains(string(b), "\n"+want) {
				t.Errorf("%s lacks %s", f, want)
			}
		}
	}
	b, err := os.ReadFile(deploy + "/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`command: \[(.+)\]`).FindAllStringSubmatch(string(b), -1) {
		parsesAsCommand(t, "compose.yaml", strings.Split(m[1], ", "))
	}
}

func parsesAsCommand(t *testing.T, where string, args []string) {
	t.Helper()
	c, rest, err := newRoot().Find(args)
	if err != nil || !c.HasParent() {
		t.Errorf("%s: %v: %v", where, args, err)
		return
	}
	if err := c.ParseFlags(rest); err != nil {
		t.Errorf("%s: %v: %v", where, args, err)
	}
}

// Sample ports are those that the example network file of a small network has.
func TestListenDefault(t *testing.T) {
	for public, want := range map[string]string{"a.example:7000": ":7000", "[::1]:443": ":443"} {
		if got := listenAddress("", public); got != want {
			t.Errorf("%s: %s", public, got)
		}
	}
	if listenAddress("127.0.0.1:1", "a:2") != "127.0.0.1:1" {
		t.Error("the configured address is not used")
	}
}

func TestNetWords(t *testing.T) {
	var zero, ones wire.Hash
	for i := range ones {
		ones[i] = 0xff
	}
	if w := station.NetworkWords(zero); len(w) != 12 || w[0] != "abandon" || w[11] != "abandon" {
		t.Errorf("%v", w)
	}
	if w := station.NetworkWords(ones); w[0] != "zoo" || w[11] != "zoo" {
		t.Errorf("%v", w)
	}
	ones[0] = 0xfe // the eighth of eleven bits
	if w := station.NetworkWords(ones); w[0] == "zoo" || w[1] != "zoo" {
		t.Errorf("%v", w)
	}
}
