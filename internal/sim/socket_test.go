package sim_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"backchannel/internal/contact"
	"backchannel/internal/entry"
	"backchannel/internal/link"
	"backchannel/internal/mark"
	"backchannel/internal/pairwise"
	"backchannel/internal/relay"
	"backchannel/internal/station"
	"backchannel/internal/suite"
	"backchannel/internal/vault"
	"backchannel/internal/wire"
)

// tap is an observer on the line between a station and its entry: it forwards
// bytes and records the TLS records in them.
type tap struct {
	ln net.Listener

	mu      sync.Mutex
	records [2][]record // out of the station, into the station
}

type record struct {
	at   time.Time
	kind byte // TLS content type as the line shows it
	size int
}

func newTap(t *testing.T, entry string) *tap {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{ln: ln}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			station, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", entry)
			if err != nil {
				station.Close()
				continue
			}
			wg.Go(func() { p.pass(0, server, station) })
			wg.Go(func() { p.pass(1, station, server) })
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return p
}

func (p *tap) pass(direction int, to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	head := make([]byte, 5)
	body := make([]byte, 1<<15)
	for {
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		n := int(head[3])<<8 | int(head[4])
		if _, err := io.ReadFull(from, body[:n]); err != nil {
			return
		}
		p.mu.Lock()
		p.records[direction] = append(p.records[direction], record{time.Now(), head[0], n})
		p.mu.Unlock()
		if _, err := to.Write(append(bytes.Clone(head), body[:n]...)); err != nil {
			return
		}
	}
}

func (p *tap) seen(direction int) []record {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]record(nil), p.records[direction]...)
}

// TestWireEqualityAtTheSocket runs real relays, a real entry and real stations
// with real vaults on loopback and compares the TLS records on the lines of a
// station that talks and of one that idles: size for size in both directions, and
// tick for tick as they leave.
func TestWireEqualityAtTheSocket(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute of real time")
	}
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	p.T0 = time.Now().Add(time.Second).UTC().Truncate(time.Millisecond)
	network := suite.Hash(suite.LabelNetwork, []byte(t.Name()))

	var sign []suite.SigningKey
	var verify []suite.VerifyKey
	var tlsKeys []ed25519.PrivateKey
	for range p.Relays {
		k := suite.NewSigningKey(suite.RandomKey())
		sign, verify, tlsKeys = append(sign, k), append(verify, k.Public()), append(tlsKeys, suite.TLSKey(suite.RandomKey()))
	}
	entryKey := suite.TLSKey(suite.RandomKey())
	pin := func(k ed25519.PrivateKey) link.PinnedKey { return link.PinnedKey(k.Public().(ed25519.PublicKey)) }

	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	run := func(cfg link.LoopConfig) *link.Loop {
		l := link.NewLoop(cfg)
		wg.Go(func() {
			if err := l.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		return l
	}

	addresses := make([]string, p.Relays)
	listeners := make([]*link.TLSListener, p.Relays)
	for i := range p.Relays {
		peers := map[link.PinnedKey]link.Peer{pin(entryKey): {Role: link.RoleEntry}}
		if i > 0 {
			peers[pin(tlsKeys[i-1])] = link.Peer{Role: link.RoleRelay, Index: i - 1}
		}
		if listeners[i], err = link.ListenTLS("127.0.0.1:0", tlsKeys[i], peers, 16); err != nil {
			t.Fatal(err)
		}
		addresses[i] = listeners[i].Addr().String()
	}
	dialer := func(key ed25519.PrivateKey, own link.Role) link.Dialer {
		return func(ctx context.Context, to link.Target) (link.Conn, error) {
			if to.Role != link.RoleRelay {
				return nil, errors.New("only relays are dialled here")
			}
			return link.DialTLS(ctx, addresses[to.Index], key, pin(tlsKeys[to.Index]), own, link.Peer{Role: to.Role, Index: to.Index})
		}
	}
	for i := range p.Relays {
		run(link.LoopConfig{
			Node: relay.New(relay.Config{Params: p, Net: network, Index: i, Sign: sign[i], Verify: verify, Mark: &mark.Memory{}}),
			Dial: dialer(tlsKeys[i], link.RoleRelay), Listeners: []link.Listener{listeners[i]},
		})
	}
	stations, err := link.ListenStations("127.0.0.1:0", entryKey, network, link.MaxFrame, 64, nil)
	if err != nil {
		t.Fatal(err)
	}
	run(link.LoopConfig{
		Node: entry.New(entry.Config{Params: p, Net: network, Verify: verify}), Dial: dialer(entryKey, link.RoleEntry), Listeners: []link.Listener{stations},
	})

	const talks, partner, idles = 0, 1, 2
	var taps []*tap
	var nodes []*station.Node
	var loops []*link.Loop
	sigma := suite.RandomKey()
	id, item := contact.ID{1}, byte(0)
	var vaults []*vault.Vault
	for i := range 3 {
		account := suite.NewAccountKey(suite.RandomKey())
		node := station.NewNode(station.NodeConfig{Params: p, Net: network, Verify: verify, Mark: &mark.Memory{}, Account: account.Public()})
		v, err := vault.CreateWith(filepath.Join(t.TempDir(), "vault.db"), []byte("socket"), vault.Options{KDF: vault.KDF{Time: 1, Memory: 8, Threads: 1}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cancel(); wg.Wait(); v.Close() })
		lanes := contact.NewLanes(p.Lanes)
		var known []station.Loaded
		if i != idles {
			c := contact.Contact{ID: id, Name: "the other", Role: pairwise.Role(1 + i), Created: time.Now()}
			session := pairwise.NewSession(c.Role, sigma, 0)
			if lanes, err = lanes.Assign(id, 0); err != nil {
				t.Fatal(err)
			}
			delta, token := session.Take()
			if err := v.Update(func(tx *vault.Tx) error {
				return errors.Join(tx.PutContact(c), tx.PutLanes(lanes), tx.SaveSession(id, delta))
			}); err != nil {
				t.Fatal(err)
			}
			session.Saved(token)
			known = []station.Loaded{{Contact: c, Session: session}}
		}
		node.Unlock(v, lanes, known)
		line := newTap(t, stations.Addr().String())
		d := link.StationDialer{Addresses: []string{line.ln.Addr().String()}, Entry: pin(entryKey), Net: network, Account: account}
		loops = append(loops, run(link.LoopConfig{Node: node, Dial: func(ctx context.Context, _ link.Target) (link.Conn, error) { return d.Dial(ctx) }}))
		taps, nodes, vaults = append(taps, line), append(nodes, node), append(vaults, v)
	}
	say := func(i int, data []byte) {
		item++
		h, err := contact.NewHeader(contact.Letter, "", "", "", time.Time{}, data)
		if err != nil {
			t.Fatal(err)
		}
		var it vault.Item
		if err := vaults[i].Update(func(tx *vault.Tx) (err error) {
			it, err = tx.AddOutgoing(id, wire.ItemID{item, 7}, h, bytes.NewReader(data))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := loops[i].Do(ctx, func(time.Time) {
			nodes[i].Queue(id, station.Outgoing{ID: it.ID, Class: it.Class, Size: it.Size})
		}); err != nil {
			t.Fatal(err)
		}
	}
	delivered := func() (n int) {
		for _, v := range vaults[:2] {
			if err := v.View(func(tx *vault.Tx) error {
				items, err := tx.Items(vault.Filter{Incoming: true})
				for _, it := range items {
					if it.State() == vault.StateArrived {
						n++
					}
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	for k := range 4 {
		say(talks, bytes.Repeat([]byte{byte(k)}, 6000))
		say(partner, bytes.Repeat([]byte{byte(k)}, 3000))
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(90 * time.Second)
	for delivered() < 8 {
		if time.Now().After(deadline) {
			t.Fatalf("only %d of 8 letters were delivered", delivered())
		}
		<-tick.C
	}
	cut := time.Now().Add(-p.Round)
	cancel()
	wg.Wait()

	// A round's cells leave at its start; the observer's own clock and scheduling
	// may make it a little later, never earlier.
	round := func(r record) int64 { return int64(r.at.Sub(p.T0.Add(-p.Round/10)) / p.Round) }
	for direction, name := range []string{"leaving", "arriving"} {
		// The entry acknowledges each message as it arrives, beside the answers that
		// it sends to all: which comes first is the network's jitter, in the entry's
		// hand and no station's. They are counted apart.
		a, acksA := apart(taps[talks].seen(direction), direction == 1)
		b, acksB := apart(taps[idles].seen(direction), direction == 1)
		if d := acksA - acksB; d < -1 || d > 1 {
			t.Errorf("%d acknowledgements arrived at the talking station, %d at the idle one", acksA, acksB)
		}
		late := 0
		for i := range min(len(a), len(b)) {
			if a[i].at.After(cut) || b[i].at.After(cut) {
				break // the stop is not part of the comparison
			}
			if a[i].kind != b[i].kind || a[i].size != b[i].size {
				t.Fatalf("record %d %s: the talking station's has %d bytes, the idle one's %d", i, name, a[i].size, b[i].size)
			}
			if direction == 0 && round(a[i]) != round(b[i]) {
				late++
			}
		}
		// Two processes' worth of goroutines on a busy machine now and then miss a
		// tick; a difference that follows the content would be in every round.
		if late > len(a)/8 {
			t.Errorf("%d of %d records left in another round at the talking station than at the idle one", late, len(a))
		}
		if len(a) < 100 {
			t.Errorf("only %d records were seen %s", len(a), name)
		}
	}
}

// apart takes the entry's acknowledgements out: attempt ‖ type ‖ number in a
// WebSocket frame in a TLS record.
func apart(all []record, take bool) (rest []record, taken int) {
	const size = 1 + wire.AttemptSize + 2 + 2 + 1 + 16
	for _, r := range all {
		if take && r.size == size {
			taken++
			continue
		}
		rest = append(rest, r)
	}
	return rest, taken
}
