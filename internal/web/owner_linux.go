package web

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// ownerOf names the user of this machine whose program is at the other end of a
// connection over loopback, "" if it cannot be told.
func ownerOf(conn net.Conn) string {
	here, ok1 := conn.LocalAddr().(*net.TCPAddr)
	there, ok2 := conn.RemoteAddr().(*net.TCPAddr)
	if !ok1 || !ok2 || !there.IP.IsLoopback() {
		return ""
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		owner := findOwner(f, there.AddrPort(), here.AddrPort())
		_ = f.Close() // only read
		if owner != "" {
			return owner
		}
	}
	return ""
}

// findOwner looks in a table of sockets (proc_net_tcp in the kernel's documentation)
// for the user of the established one from the first address to the second. A socket
// that its program has closed already has no user any more and is not taken.
func findOwner(table io.Reader, from, to netip.AddrPort) string {
	const own, other, state, uid, inode = 1, 2, 3, 7, 9
	from, to = unmapped(from), unmapped(to)
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) <= inode || f[state] != "01" || f[inode] == "0" {
			continue
		}
		a, okA := socketAddress(f[own])
		b, okB := socketAddress(f[other])
		if !okA || !okB || a != from || b != to {
			continue
		}
		if _, err := strconv.ParseUint(f[uid], 10, 32); err != nil {
			return ""
		}
		return f[uid]
	}
	return ""
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// socketAddress reads an address of the table: words of four bytes in the machine's
// order, hexadecimal, a colon, and the port.
func socketAddress(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	p, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(port) != 4 || len(b) != net.IPv4len && len(b) != net.IPv6len {
		return netip.AddrPort{}, false
	}
	var address bytes.Buffer
	for ; len(b) > 0; b = b[4:] {
		address.Write(binary.BigEndian.AppendUint32(nil, binary.NativeEndian.Uint32(b)))
	}
	ip, ok := netip.AddrFromSlice(address.Bytes())
	return unmapped(netip.AddrPortFrom(ip, uint16(p))), ok
}
