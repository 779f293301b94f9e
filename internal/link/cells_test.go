package link_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"backchannel/internal/link"
	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// meddler is a wire with somebody in it: he sees record by record what goes to the
// listener, and sends on what he likes.
type meddler struct {
	addr string
	mu   sync.Mutex
	do   func(record []byte) [][]byte // nil: nothing yet
	seen [][]byte                     // since do was set
	back chan []byte                  // records to the dialler, if anybody wants them
}

func meddle(t *testing.T, target string) *meddler {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &meddler{addr: ln.Addr().String(), back: make(chan []byte, 100)}
	var wg sync.WaitGroup
	wg.Go(func() {
		in, err := ln.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", target)
		if err != nil {
			t.Error(err)
			in.Close()
			return
		}
		wg.Go(func() { // back, as it is, and a copy
			defer in.Close()
			for {
				r, err := record(out)
				if err != nil {
					return
				}
				m.back <- r
				if _, err := in.Write(r); err != nil {
					return
				}
			}
		})
		defer out.Close()
		for {
			r, err := record(in)
			if err != nil {
				return
			}
			m.mu.Lock()
			send := [][]byte{r}
			if m.do != nil {
				m.seen = append(m.seen, slices.Clone(r))
				send = m.do(r)
			}
			m.mu.Unlock()
			for _, r := range send {
				if r == nil { // he cuts the line
					return
				}
				if _, err := out.Write(r); err != nil {
					return
				}
			}
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return m
}

// record reads one record of either kind.
func record(r io.Reader) ([]byte, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(head[3:]))
	if isCells(head) {
		n = int(binary.BigEndian.Uint32(head[1:])) + 16
	}
	body := make([]byte, n)
	_, err := io.ReadFull(r, body)
	return append(head, body...), err
}

func isCells(record []byte) bool { return record[0] == 0xF0 }

// servers connects two servers of which the one that dials has the role own.
func servers(t *testing.T, own link.Role) (dialled, accepted link.Conn, m *meddler) {
	t.Helper()
	listener, dialler := suite.TLSKey(suite.RandomKey()), suite.TLSKey(suite.RandomKey())
	ln, err := link.ListenTLS("127.0.0.1:0", listener, map[link.PinnedKey]link.Peer{pinOf(dialler): {Role: own}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	m = meddle(t, ln.Addr().String())
	d, err := link.DialTLS(context.Background(), m.addr, dialler, pinOf(listener), own, link.Peer{Role: link.RoleRelay})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	a, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return d, a, m
}

// cellsFrame is the i-th frame of cells.
func cellsFrame(i, n int) []byte {
	f, data := wire.NewChunk(wire.TypeForward, wire.Attempt{Epoch: 1}, uint64(i), uint64(n), 0, n)
	for j := range data {
		data[j] = byte(i)
	}
	return f
}

func eachMode(t *testing.T, f func(t *testing.T, own link.Role)) {
	t.Run("open", func(t *testing.T) { f(t, link.RoleRelay) })
	t.Run("sealed", func(t *testing.T) { f(t, link.RoleEntry) })
}

// TestCellsTravelBesideTLS: frames of both kinds keep their order, both ways; what
// is on the wire is as long as the frame says and in the clear between relays only.
func TestCellsTravelBesideTLS(t *testing.T) {
	eachMode(t, func(t *testing.T, own link.Role) {
		d, a, m := servers(t, own)
		m.mu.Lock()
		m.do = func(r []byte) [][]byte { return [][]byte{r} }
		m.mu.Unlock()
		sent := [][]byte{{7}, cellsFrame(1, 0), cellsFrame(2, 1<<10), bytes.Repeat([]byte{3}, 100_000), {9}, cellsFrame(3, wire.ChunkSize), cellsFrame(4, 512), {1, 2, 3}}
		for _, pair := range [][2]link.Conn{{d, a}, {a, d}} {
			errs := make(chan error, 1)
			go func() {
				for _, f := range sent {
					if err := pair[0].WriteFrame(bytes.Clone(f)); err != nil {
						errs <- err
						return
					}
				}
				errs <- nil
			}()
			for i, f := range sent {
				got, err := pair[1].ReadFrame()
				if err != nil || !bytes.Equal(got, f) {
					t.Fatalf("frame %d: %d bytes for %d, %v", i, len(got), len(f), err)
				}
			}
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		if err := d.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := a.ReadFrame(); err != io.EOF {
			t.Errorf("the end: %v", err)
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		var cells [][]byte
		for _, r := range m.seen {
			if isCells(r) {
				cells = append(cells, r)
			} else if r[0] != 23 {
				t.Errorf("a record of type %d", r[0])
			}
		}
		i := 0
		for _, f := range sent {
			if f[0] != byte(wire.TypeForward) {
				continue
			}
			r := cells[i]
			if len(r) != 5+len(f)+16 {
				t.Errorf("a frame of %d bytes became %d", len(f), len(r))
			}
			if clear := bytes.Equal(r[5:5+len(f)], f); clear != (own == link.RoleRelay) {
				t.Errorf("in the clear: %v", clear)
			}
			i++
		}
		if i != len(cells) {
			t.Errorf("%d records of cells for %d frames", len(cells), i)
		}
	})
}

// TestMeddlingWithCells: whoever has the line can end a connection and nothing
// else. What was read before his deed is what was sent, and nothing comes after.
func TestMeddlingWithCells(t *testing.T) {
	flip := func(at func(r []byte) int) func([][]byte) [][]byte {
		return func(rs [][]byte) [][]byte { rs[1][at(rs[1])] ^= 1; return rs }
	}
	// The records: TLS, cells, cells, TLS, cells, and the end. He gets all at once.
	deeds := map[string]func(rs [][]byte) [][]byte{
		"a flipped type":       flip(func([]byte) int { return 5 }),
		"a flipped cell":       flip(func(r []byte) int { return len(r) / 2 }),
		"a flipped tag":        flip(func(r []byte) int { return len(r) - 1 }),
		"a shorter length":     func(rs [][]byte) [][]byte { rs[1][4]--; return rs },
		"a longer length":      func(rs [][]byte) [][]byte { rs[1][4]++; return rs },
		"a length of nothing":  func(rs [][]byte) [][]byte { clear(rs[1][1:5]); return rs },
		"a length of all":      func(rs [][]byte) [][]byte { copy(rs[1][1:5], "\xff\xff\xff\xff"); return rs },
		"another mark":         func(rs [][]byte) [][]byte { rs[1][0] ^= 1; return rs },
		"a mark of TLS":        func(rs [][]byte) [][]byte { rs[1][0] = 23; return rs },
		"a record lost":        func(rs [][]byte) [][]byte { return slices.Delete(rs, 1, 2) },
		"the last lost":        func(rs [][]byte) [][]byte { return slices.Delete(rs, 4, 5) },
		"TLS lost":             func(rs [][]byte) [][]byte { return slices.Delete(rs, 3, 4) },
		"a record twice":       func(rs [][]byte) [][]byte { return slices.Insert(rs, 2, rs[1]) },
		"an old record":        func(rs [][]byte) [][]byte { rs[4] = rs[1]; return rs },
		"two swapped":          func(rs [][]byte) [][]byte { rs[1], rs[2] = rs[2], rs[1]; return rs },
		"moved before TLS":     func(rs [][]byte) [][]byte { rs[0], rs[1] = rs[1], rs[0]; return rs },
		"moved behind TLS":     func(rs [][]byte) [][]byte { rs[2], rs[3] = rs[3], rs[2]; return rs },
		"moved behind the end": func(rs [][]byte) [][]byte { rs[4], rs[5] = rs[5], rs[4]; return rs },
		"cut between records":  func(rs [][]byte) [][]byte { return append(rs[:2], nil) },
		"cut before the end":   func(rs [][]byte) [][]byte { return append(rs[:5], nil) },
		"cut within a record":  func(rs [][]byte) [][]byte { rs[1] = rs[1][:100]; return append(rs[:2], nil) },
	}
	eachMode(t, func(t *testing.T, own link.Role) {
		for what, deed := range deeds {
			t.Run(what, func(t *testing.T) {
				d, a, m := servers(t, own)
				var held [][]byte
				m.mu.Lock()
				m.do = func(r []byte) [][]byte {
					if held = append(held, r); len(held) < 7 { // with TLS's own goodbye
						return nil
					}
					return append(deed(held), nil)
				}
				m.mu.Unlock()
				sent := [][]byte{{7}, cellsFrame(1, 512), cellsFrame(2, 512), {8}, cellsFrame(3, 512)}
				for _, f := range sent {
					if err := d.WriteFrame(bytes.Clone(f)); err != nil {
						t.Fatal(err)
					}
				}
				if err := d.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				for i := 0; ; i++ {
					f, err := a.ReadFrame()
					if err == nil && i < len(sent) && bytes.Equal(f, sent[i]) {
						continue
					}
					if err == nil || errors.Is(err, io.EOF) {
						t.Errorf("frame %d: %d bytes, %v", i, len(f), err)
					}
					break
				}
			})
		}
	})
}

// TestCellsOfAnotherConnection: neither what went the other way nor what an earlier
// connection of the same two carried is taken.
func TestCellsOfAnotherConnection(t *testing.T) {
	eachMode(t, func(t *testing.T, own link.Role) {
		d, a, m := servers(t, own)
		for len(m.back) > 0 {
			<-m.back
		}
		if err := a.WriteFrame(cellsFrame(1, 512)); err != nil {
			t.Fatal(err)
		}
		if _, err := d.ReadFrame(); err != nil {
			t.Fatal(err)
		}
		reflected := <-m.back
		for !isCells(reflected) {
			reflected = <-m.back
		}
		for _, c := range []struct {
			what string
			to   link.Conn
			m    *meddler
			from link.Conn
		}{{"reflected", a, m, d}, {what: "replayed"}} {
			if c.to == nil {
				c.from, c.to, c.m = servers(t, own)
			}
			c.m.mu.Lock()
			c.m.do = func([]byte) [][]byte { return [][]byte{reflected} }
			c.m.mu.Unlock()
			if err := c.from.WriteFrame(cellsFrame(1, 512)); err != nil {
				t.Fatal(err)
			}
			if _, err := c.to.ReadFrame(); err == nil {
				t.Errorf("%s: taken", c.what)
			}
		}
	})
}

// TestModesDoNotMix: a listener that takes a peer for the entry and a dialler that
// thinks itself a relay cannot exchange cells, and no cell goes in the clear to an
// end that expects them sealed.
func TestModesDoNotMix(t *testing.T) {
	listener, dialler := suite.TLSKey(suite.RandomKey()), suite.TLSKey(suite.RandomKey())
	ln, err := link.ListenTLS("127.0.0.1:0", listener, map[link.PinnedKey]link.Peer{pinOf(dialler): {Role: link.RoleEntry}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	d, err := link.DialTLS(context.Background(), ln.Addr().String(), dialler, pinOf(listener), link.RoleRelay, link.Peer{Role: link.RoleRelay})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	a, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := d.WriteFrame(cellsFrame(1, 512)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.ReadFrame(); err == nil {
		t.Error("cells under another mode were taken")
	}
}

// TestNothingButThisProtocol: an end that speaks the protocol before, in which all
// travelled in TLS, is refused in the handshake: there is nothing to fall back to.
func TestNothingButThisProtocol(t *testing.T) {
	key := suite.TLSKey(suite.RandomKey())
	ln, err := link.ListenTLS("127.0.0.1:0", key, map[link.PinnedKey]link.Peer{pinOf(key): {Role: link.RoleRelay}}, 8)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	cfg := good(t, ed25519.PrivateKey(key))
	cfg.NextProtos = []string{"backchannel/1"}
	if c, err := tls.Dial("tcp", ln.Addr().String(), cfg); err == nil {
		if _, err = c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Error("the protocol before was accepted")
		}
		c.Close()
	}
}

// TestReadingCellsAllocatesNothing: a server in its stride reads into the memory of
// what it wrote before. Its writing allocates nothing either: both ends are here.
func TestReadingCellsAllocatesNothing(t *testing.T) {
	eachMode(t, func(t *testing.T, own link.Role) {
		key := suite.TLSKey(suite.RandomKey())
		ln, err := link.ListenTLS("127.0.0.1:0", key, map[link.PinnedKey]link.Peer{pinOf(key): {Role: own}}, 8)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		d, err := link.DialTLS(context.Background(), ln.Addr().String(), key, pinOf(key), own, link.Peer{Role: link.RoleRelay})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		a, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		var writer sync.WaitGroup
		writer.Go(func() {
			for f := cellsFrame(1, 64<<10); d.WriteFrame(f) == nil; {
			}
		})
		spare := a.(interface{ Recycle([]byte) })
		one := func() {
			f, err := a.ReadFrame()
			if err != nil {
				t.Error(err)
			}
			spare.Recycle(f)
		}
		one()
		if n := testing.AllocsPerRun(200, one); n != 0 {
			t.Errorf("%v allocations per frame", n)
		}
		a.Close()
		writer.Wait()
	})
}
