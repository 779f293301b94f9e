//go:build linux

package web

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// socketTable is as a machine of little-endian words has it; so is the order of the
// addresses in it, which is the machine's own.
const socketTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1E25 00000000:0000 0A 00000000:00000000 00:00000000 00000000   104        0 31337 1 0000000000000000 100 0 0 10 0
   1: 0100007F:A1B2 0100007F:1E25 01 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:1E25 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000   104        0 4712 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:A1B3 0100007F:1E25 04 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1
   4: 0100007F:A1B4 0100007F:1E25 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1
   5: 0000000000000000FFFF00000100007F:A1B5 0000000000000000FFFF00000100007F:1E25 01 00000000:00000000 00:00000000 00000000  1001        0 4713 1 0
   6: 00000000000000000000000001000000:A1B6 00000000000000000000000001000000:1E25 01 00000000:00000000 00:00000000 00000000  1002        0 4714 1 0
`

func TestFindOwner(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the table is of another kind of machine")
	}
	for _, c := range []struct{ from, to, want string }{
		{"127.0.0.1:41394", "127.0.0.1:7717", "1000"},
		{"127.0.0.1:7717", "127.0.0.1:41394", "104"},
		{"127.0.0.1:41395", "127.0.0.1:7717", ""}, // closed by its program
		{"127.0.0.1:41396", "127.0.0.1:7717", ""}, // nobody's any more
		{"127.0.0.1:41397", "127.0.0.1:7717", "1001"},
		{"[::ffff:127.0.0.1]:41394", "127.0.0.1:7717", "1000"},
		{"[::1]:41398", "[::1]:7717", "1002"},
		{"127.0.0.2:41394", "127.0.0.1:7717", ""},
		{"127.0.0.1:41394", "127.0.0.1:7718", ""},
	} {
		if got := findOwner(strings.NewReader(socketTable), netip.MustParseAddrPort(c.from), netip.MustParseAddrPort(c.to)); got != c.want {
			t.Errorf("%s to %s is %q's, want %q", c.from, c.to, got, c.want)
		}
	}
}

// FuzzFindOwner: whatever the table says, an owner is a number that stands in it.
func FuzzFindOwner(f *testing.F) {
	f.Add(socketTable)
	f.Add("")
	f.Add("x: 0100007F:A1B2 0100007F:1E25 01 - - - -1 - 4711")
	f.Fuzz(func(t *testing.T, table string) {
		owner := findOwner(strings.NewReader(table), netip.MustParseAddrPort("127.0.0.1:41394"), netip.MustParseAddrPort("127.0.0.1:7717"))
		if _, err := strconv.ParseUint(owner, 10, 32); owner != "" && (err != nil || !strings.Contains(table, owner)) {
			t.Errorf("the owner is %q", owner)
		}
	})
}

// TestOwnerOf asks the machine about a connection of this process.
func TestOwnerOf(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		ln, err := net.Listen("tcp", address)
		if err != nil {
			if address == "[::1]:0" {
				continue // a machine without it
			}
			t.Fatal(err)
		}
		defer ln.Close()
		out, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		in, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		if got, want := ownerOf(in), strconv.Itoa(os.Getuid()); got != want {
			t.Errorf("%s: the other end is %q's, want %s", address, got, want)
		}
	}
}

// TestSessionsOfOwners: a session's cookie is worth nothing to another user.
func TestSessionsOfOwners(t *testing.T) {
	var s sessions
	s.init(time.Now)
	bound, free := s.begin("", "1000", 1), s.begin("", "", 1)
	for _, c := range []struct {
		id, owner string
		want      bool
	}{
		{bound, "1001", false}, {bound, "", false}, {bound, "1000", true},
		{free, "1001", true}, {free, "", true}, // where nobody can tell who signed in
	} {
		if got := s.find(c.id, "", c.owner, 1, true, 0) != nil; got != c.want {
			t.Errorf("a session of %v found by %q: %v", c.id == bound, c.owner, got)
		}
	}
}
