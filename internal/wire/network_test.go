package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backchannel/internal/suite"
)

func seedOf(b byte) (s [32]byte) {
	for i := range s {
		s[i] = b
	}
	return s
}

// testNetwork is a fixed network of three relays, unsigned, with its keys.
func testNetwork(t testing.TB) (*Network, []suite.SigningKey) {
	t.Helper()
	p, err := Preset("small")
	if err != nil {
		t.Fatal(err)
	}
	p.T0 = time.Date(2026, 1, 1, 0, 0, 0, 250e6, time.UTC)
	n := &Network{Name: `Test "net" \ ünï`, Params: p, Signatures: make([][]byte, 3)}
	n.Entry = Entry{Addresses: []string{"entry.example:443", "[2001:db8::1]:8443"}, TLS: suite.NewAccountKey(seedOf(9)).Public()}
	var keys []suite.SigningKey
	for i := range 3 {
		sk := suite.NewSigningKey(seedOf(byte(i + 1)))
		keys = append(keys, sk)
		n.Relays = append(n.Relays, RelayRecord{
			Name: fmt.Sprintf("relay-%d", i+1), Operator: fmt.Sprintf("Party %c", 'A'+i),
			Address: fmt.Sprintf("relay%d.example:7000", i+1), Verify: sk.Public(), TLS: suite.NewAccountKey(seedOf(byte(i + 21))).Public(),
		})
	}
	return n, keys
}

func signedNetwork(t testing.TB) *Network {
	n, keys := testNetwork(t)
	for i, k := range keys {
		if err := n.Sign(i, k); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func TestNetworkRoundTrip(t *testing.T) {
	n := signedNetwork(t)
	if err := n.Verify(); err != nil {
		t.Fatal(err)
	}
	text := n.Encode()
	m, err := ParseNetwork(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.Encode(), text) || m.Net() != n.Net() {
		t.Fatal("parse then encode changed the file")
	}
	if d := cmp.Diff(n.Params, m.Params); d != "" {
		t.Fatal(d)
	}
}

// What people may change without changing the meaning must not change the hash.
func TestNetworkTextIsFree(t *testing.T) {
	n := signedNetwork(t)
	s := string(n.Encode())
	for _, r := range [][2]string{
		{"\n", "\r\n"},
		{`epoch = "2m0s"`, `epoch = "120s"`},
		{"[entry]", "# a remark\n[entry]"},
		{"= \"\"\"\n", "= \"\"\""},
	} {
		changed := strings.ReplaceAll(s, r[0], r[1])
		if changed == s {
			t.Fatalf("%q does not occur", r[0])
		}
		m, err := ParseNetwork([]byte(changed))
		if err != nil {
			t.Fatalf("%q: %v", r[1], err)
		}
		if err := m.Verify(); err != nil {
			t.Fatalf("%q: %v", r[1], err)
		}
	}
}

func TestNetworkRefusals(t *testing.T) {
	s := string(signedNetwork(t).Encode())
	verify := strings.Index(s, "verify = \"\"\"\n") + len("verify = \"\"\"\n")
	for _, c := range []struct {
		name, from, to, want string
	}{
		{"unknown key", "lanes = 4", "lanes = 4\nlanse = 5", "unknown key parameters.lanse"},
		{"unknown top key", "[entry]", "[mode]\nfast = true\n[entry]", "unknown key mode"},
		{"unknown relay key", "operator = \"Party B\"", "operator = \"Party B\"\nweight = 2", "unknown key relay.weight"},
		{"key in another case", "lanes = 4", "lanes = 4\nLanes = 5", "unknown key parameters.Lanes"},
		{"newline in a key", "lanes = 4", "\"la\\nnes\" = 4", `unknown key "parameters.la\nnes"`},
		{"key twice", "lanes = 4", "lanes = 4\nlanes = 4", "line 10 is not valid TOML"},
		{"wrong suite", "suite = 1", "suite = 2", "suite 2 is unknown"},
		{"suite missing", "suite = 1\n", "", "parameters.suite is missing"},
		{"lanes missing", "lanes = 4", "", "parameters.lanes is missing"},
		{"lanes out of range", "lanes = 4", "lanes = 17", "lanes = 17"},
		{"lanes huge", "lanes = 4", "lanes = 9223372036854775807", "out of range"},
		{"lanes text", "lanes = 4", "lanes = \"4\"", "wrong kind"},
		{"lanes a float", "lanes = 4", "lanes = 4.0", "wrong kind"},
		{"round without unit", `round = "1s"`, `round = "1"`, "parameters.round is not a duration"},
		{"round a number", `round = "1s"`, `round = 1000000000`, "wrong kind"},
		{"window missing", "join = \"5s\"\n", "", "windows.join is missing"},
		{"window negative", `join = "5s"`, `join = "-5s"`, "windows.join"},
		{"window too long", `join = "5s"`, `join = "1000h"`, "windows.join"},
		{"windows beyond the epoch", `join = "5s"`, `join = "500s"`, "more than an epoch"},
		{"local time", `t0 = "2026-01-01T00:00:00.25Z"`, `t0 = 2026-01-01T00:00:00`, "wrong kind"},
		{"offset time", `t0 = "2026-01-01T00:00:00.25Z"`, `t0 = "2026-01-01T02:00:00.25+02:00"`, "t0 is not a UTC time"},
		{"time with comma", `t0 = "2026-01-01T00:00:00.25Z"`, `t0 = "2026-01-01T00:00:00,25Z"`, "t0 is not a UTC time"},
		{"relay count", "relays = 3", "relays = 2", "parameters.relays is 2 but 3"},
		{"no address", `address = "relay2.example:7000"`, "", "relay 2: address"},
		{"address without port", `"relay2.example:7000"`, `"relay2.example"`, "has no port"},
		{"address with space", `"relay2.example:7000"`, `"relay2 .example:7000"`, "bad host"},
		{"port too large", `"relay2.example:7000"`, `"relay2.example:70000"`, "bad port"},
		{"address twice", `"relay2.example:7000"`, `"relay1.example:7000"`, "relay 2: its address is also relay 1's"},
		{"name twice", `"relay-2"`, `"relay-1"`, "relay 2: its name is also relay 1's"},
		{"name with direction mark", `"relay-2"`, `"relay-2\u202e"`, "cannot be shown"},
		{"name empty", `"relay-2"`, `""`, "relay 2: name is missing"},
		{"name too long", `"relay-2"`, `"` + strings.Repeat("x", 65) + `"`, "longer than 64"},
		{"key cut", s[verify : verify+77], "", "relay 1: verify has 1927 bytes instead of 1984"},
		{"key not base64", s[verify : verify+2], "!!", "relay 1: verify is not base64"},
		{"signature cut", "signature = \"\"\"\n", "signature = \"\"\"\nAAAA", "bytes instead of 3373"},
		{"entry gone", `addresses = ["entry.example:443", "[2001:db8::1]:8443"]`, "", "entry: addresses is missing"},
		{"entry address twice", `"[2001:db8::1]:8443"`, `"entry.example:443"`, "entry: an address stands there twice"},
		{"value for a table", "[entry]", "[[entry]]", "wrong kind"},
		{"not TOML", "[entry]", "[entry", "not valid TOML"},
		{"control character", "Party B", "Party\x00B", "not valid TOML"},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := strings.Replace(s, c.from, c.to, 1)
			if changed == s {
				t.Fatalf("%q does not occur", c.from)
			}
			_, err := ParseNetwork([]byte(changed))
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), "network file: ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want it to contain %q", err, c.want)
			}
			if !errors.Is(err, ErrMalformed) {
				t.Error("not an ErrMalformed")
			}
		})
	}
	if _, err := ParseNetwork(bytes.Repeat([]byte("#"), MaxTextFile+1)); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a huge file: %v", err)
	}
}

func TestNetworkKeysTwice(t *testing.T) {
	n, _ := testNetwork(t)
	n.Relays[2].Verify = n.Relays[0].Verify
	if err := n.Check(); err == nil || !strings.Contains(err.Error(), "verification key") {
		t.Errorf("one verification key for two relays: %v", err)
	}
	n, _ = testNetwork(t)
	n.Relays[2].TLS = n.Entry.TLS
	if err := n.Check(); err == nil || !strings.Contains(err.Error(), "the entry's TLS key") {
		t.Errorf("one TLS key for relay and entry: %v", err)
	}
}

func TestNetworkDurationsCannotOverflow(t *testing.T) {
	n, _ := testNetwork(t)
	for i := range n.Params.Windows {
		n.Params.Windows[i] = 1 << 62
	}
	if err := n.Check(); err == nil {
		t.Error("windows whose sum overflows were accepted")
	}
}

// Every value that is written into the file, changed by one, changes the hash and
// so every signature.
func TestNetworkSignatureCoversEverything(t *testing.T) {
	ref := signedNetwork(t)
	for name, change := range map[string]func(n *Network){
		"name":       func(n *Network) { n.Name += "x" },
		"lanes":      func(n *Network) { n.Params.Lanes++ },
		"cell":       func(n *Network) { n.Params.Cell = 256 },
		"round":      func(n *Network) { n.Params.Round = 2 * time.Second },
		"epoch":      func(n *Network) { n.Params.Epoch += time.Second },
		"t0":         func(n *Network) { n.Params.T0 = n.Params.T0.Add(time.Millisecond) },
		"tolerance":  func(n *Network) { n.Params.ClockTolerance += time.Millisecond },
		"cap":        func(n *Network) { n.Params.EpochCap += time.Second },
		"keys":       func(n *Network) { n.Params.Windows[PhaseKeys] += time.Millisecond },
		"reveal":     func(n *Network) { n.Params.Windows[PhaseReveal] += time.Millisecond },
		"entry":      func(n *Network) { n.Entry.Addresses = n.Entry.Addresses[:1] },
		"entry key":  func(n *Network) { n.Entry.TLS[31] ^= 1 },
		"relay name": func(n *Network) { n.Relays[1].Name = "other" },
		"operator":   func(n *Network) { n.Relays[1].Operator = "other" },
		"address":    func(n *Network) { n.Relays[1].Address = "other.example:1" },
		"relay tls":  func(n *Network) { n.Relays[1].TLS[0] ^= 1 },
		"order":      func(n *Network) { n.Relays[0], n.Relays[1] = n.Relays[1], n.Relays[0] },
		"relay key":  func(n *Network) { n.Relays[2].Verify = suite.NewSigningKey(seedOf(77)).Public() },
	} {
		n, err := ParseNetwork(ref.Encode())
		if err != nil {
			t.Fatal(err)
		}
		change(n)
		if n.Net() == ref.Net() {
			t.Errorf("%s does not enter the hash", name)
		}
		err = n.Verify()
		var u *UnsignedError
		if !errors.As(err, &u) || len(u.Wrong) != 3 {
			t.Errorf("%s changed: %v", name, err)
		}
	}
}

func TestNetworkSignatures(t *testing.T) {
	n, keys := testNetwork(t)
	if err := n.Sign(1, keys[0]); !errors.Is(err, ErrForeignKey) {
		t.Errorf("signing with another relay's key: %v", err)
	}
	if err := n.Sign(3, keys[0]); err == nil {
		t.Error("a fourth relay of three signed")
	}
	if err := n.Sign(1, keys[1]); err != nil {
		t.Fatal(err)
	}
	err := n.Verify()
	if want := "network file: relay 1 (relay-1) has not signed; relay 3 (relay-3) has not signed"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	n = signedNetwork(t)
	n.Signatures[0], n.Signatures[1] = n.Signatures[1], nil
	var u *UnsignedError
	if err := n.Verify(); !errors.As(err, &u) || cmp.Diff(u.Missing, []int{1}) != "" || cmp.Diff(u.Wrong, []int{0}) != "" {
		t.Errorf("one missing and one foreign signature: %v", err)
	}
	// Either half alone is as bad as none.
	for _, at := range []int{0, suite.Ed25519SignatureSize + 5} {
		n = signedNetwork(t)
		n.Signatures[2][at] ^= 1
		if err := n.Verify(); !errors.As(err, &u) || cmp.Diff(u.Wrong, []int{2}) != "" {
			t.Errorf("bit flipped at %d: %v", at, err)
		}
	}
	if i, ok := n.Index(keys[2].Public()); i != 2 || !ok {
		t.Errorf("Index = %d, %v", i, ok)
	}
	if _, ok := n.Index(suite.NewSigningKey(seedOf(50)).Public()); ok {
		t.Error("a foreign key has an index")
	}
}

func TestRelayRecord(t *testing.T) {
	n, keys := testNetwork(t)
	text, err := EncodeRelayRecord(n.Relays[0], keys[0])
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRelayRecord(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := EncodeRelayRecord(r, keys[0])
	if err != nil || !bytes.Equal(again, text) {
		t.Fatalf("parse then encode changed the record: %v", err)
	}
	s := string(text)
	other := base64.StdEncoding.EncodeToString(n.Relays[1].TLS[:])
	own := base64.StdEncoding.EncodeToString(n.Relays[0].TLS[:])
	for _, c := range [][3]string{
		{"Party A", "Party B", "the signature does not fit"},
		{"relay1.example", "relay9.example", "the signature does not fit"},
		{own, other, "the signature does not fit"},
		{`record = "relay"`, `record = "entry"`, "not the record of a relay"},
		{`record = "relay"`, "", "not the record of a relay"},
		{`record = "relay"`, "record = \"relay\"\naddresses = []", "unknown key addresses"},
		{"operator", "oprator", "unknown key oprator"},
		{"tls = ", "# ", "tls is missing"},
	} {
		changed := strings.Replace(s, c[0], c[1], 1)
		if changed == s {
			t.Fatalf("%q does not occur", c[0])
		}
		if _, err := ParseRelayRecord([]byte(changed)); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%q: %v, want %q", c[1], err, c[2])
		}
	}
	bad := n.Relays[0]
	bad.Name = "a\nb"
	if _, err := EncodeRelayRecord(bad, keys[0]); err == nil {
		t.Error("a record with a line break in a name was made")
	}
}

func TestEntryRecord(t *testing.T) {
	text, err := EncodeEntryRecord([]string{"a.example:443", "b.onion:80"}, seedOf(9))
	if err != nil {
		t.Fatal(err)
	}
	e, err := ParseEntryRecord(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := EncodeEntryRecord(e.Addresses, seedOf(9))
	if err != nil || !bytes.Equal(again, text) {
		t.Fatalf("parse then encode changed the record: %v", err)
	}
	for _, c := range [][3]string{
		{"a.example", "c.example", "the signature does not fit"},
		{`record = "entry"`, `record = "relay"`, "not the record of an entry"},
		{`record = "entry"`, "record = \"entry\"\nname = \"x\"", "unknown key name"},
		{"a.example:443", "a.example", "has no port"},
	} {
		if _, err := ParseEntryRecord([]byte(strings.Replace(string(text), c[0], c[1], 1))); err == nil || !strings.Contains(err.Error(), c[2]) {
			t.Errorf("%q: %v, want %q", c[1], err, c[2])
		}
	}
	if _, err := EncodeEntryRecord(nil, seedOf(9)); err == nil {
		t.Error("an entry without address was recorded")
	}
}

func TestAddresses(t *testing.T) {
	for _, a := range []string{"a:1", "127.0.0.1:65535", "[::1]:443", "x-y.example.org:8080", "abc.onion:80"} {
		if err := CheckAddress(a); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range []string{"", ":", "a", "a:", ":1", "a:0", "a:01", "a:65536", "a:99999999999999999999", "a:-1", "a:x", "::1:443", "[::1:443", "[]:1", "a b:1", "a\n:1", "ä:1", "[a.example]:1", "a/b:1", "http://a:1", strings.Repeat("a", 260) + ":1"} {
		if err := CheckAddress(a); err == nil {
			t.Errorf("%q accepted", a)
		}
	}
}

// FuzzNetwork: whatever is accepted is encoded to a file that means the same and
// encodes to itself.
func FuzzNetwork(f *testing.F) {
	n := signedNetwork(f)
	f.Add(n.Encode())
	n.Signatures[1] = nil
	f.Add(n.Encode())
	f.Add([]byte("name = \"x\"\n[parameters]\nsuite = 1\n"))
	f.Add([]byte("relay = [{name = \"x\"}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := ParseNetwork(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %q", err)
			}
			return
		}
		text := n.Encode()
		m, err := ParseNetwork(text)
		if err != nil {
			t.Fatalf("own encoding refused: %v", err)
		}
		if !bytes.Equal(m.Encode(), text) || m.Net() != n.Net() {
			t.Fatal("the encoding is not stable")
		}
	})
}

// FuzzRecords: whatever is accepted as a public record carries its signature, so
// only the seeds are; everything else is refused on one line.
func FuzzRecords(f *testing.F) {
	n, keys := testNetwork(f)
	relay, err := EncodeRelayRecord(n.Relays[0], keys[0])
	if err != nil {
		f.Fatal(err)
	}
	entry, err := EncodeEntryRecord([]string{"a.example:443"}, seedOf(9))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(relay)
	f.Add(entry)
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := ParseRelayRecord(data); err == nil {
			if !bytes.Equal(r.Append(nil), n.Relays[0].Append(nil)) {
				t.Fatal("a record that nobody signed was accepted")
			}
		} else if strings.Contains(err.Error(), "\n") {
			t.Fatalf("error %q", err)
		}
		if e, err := ParseEntryRecord(data); err == nil && (len(e.Addresses) != 1 || e.Addresses[0] != "a.example:443") {
			t.Fatal("a record that nobody signed was accepted")
		}
	})
}
