//go:build linux

package web

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// crowdServer serves a crowd on a real socket. A request with the header Guest is
// that guest's; the answer says how many connections are held.
func crowdServer(t *testing.T, b Bounds) (*Crowd, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := NewCrowd(ln, b)
	srv := &http.Server{ReadHeaderTimeout: time.Minute, ConnContext: c.Context, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g := r.Header.Get("Guest"); g != "" {
			recognise(r.Context(), g)
		}
		strangers, guests := c.Held()
		fmt.Fprintf(w, "%d strangers, %d guests", strangers, guests)
	})}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(c) })
	t.Cleanup(func() { _ = srv.Close(); wg.Wait() })
	return c, ln.Addr().String()
}

// from dials from one of this machine's own addresses.
func from(t *testing.T, source, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: 2 * time.Minute}
	conn, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// ask sends a request on a connection that is kept, and tells whether an answer came.
func ask(conn net.Conn, guest string) bool {
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nGuest: %s\r\n\r\n", guest); err != nil {
		return false
	}
	if conn.SetReadDeadline(time.Now().Add(2*time.Minute)) != nil {
		return false
	}
	n, err := conn.Read(make([]byte, 4096))
	return err == nil && n > 0
}

// closed waits until the other side closed a connection.
func closed(conn net.Conn) bool {
	if conn.SetReadDeadline(time.Now().Add(2*time.Minute)) != nil {
		return false
	}
	_, err := conn.Read(make([]byte, 1))
	timeout, _ := err.(net.Error)
	return err != nil && (timeout == nil || !timeout.Timeout())
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Minute); !cond(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

// TestCrowd: whoever opens more connections than it may displaces its own oldest,
// and never a guest's.
func TestCrowd(t *testing.T) {
	c, at := crowdServer(t, Bounds{Strangers: 6, Address: 4, Guest: 2})
	held := func(strangers, guests int) func() bool {
		return func() bool { s, g := c.Held(); return s == strangers && g == guests }
	}
	phone := from(t, "127.0.0.7", at)
	if !ask(phone, "phone") {
		t.Fatal("no answer")
	}
	eventually(t, "the phone to be a guest", held(0, 1))

	var flood []net.Conn
	for i := range 5 { // one more than an address may
		flood = append(flood, from(t, "127.0.0.1", at))
		eventually(t, "a stranger", held(min(i+1, 4), 1))
	}
	if !closed(flood[0]) {
		t.Error("the oldest of an address did not give way")
	}
	for i := range 4 { // from elsewhere, until all strangers are too many
		flood = append(flood, from(t, fmt.Sprintf("127.0.0.%d", 20+i), at))
		eventually(t, "a stranger", held(min(5+i, 6), 1))
	}
	if !closed(flood[1]) || !closed(flood[2]) {
		t.Error("the oldest of all did not give way")
	}
	if !ask(flood[4], "") || !ask(flood[8], "") {
		t.Error("a newer stranger was displaced")
	}
	if !ask(phone, "phone") {
		t.Fatal("strangers displaced a guest")
	}

	// The same device by a second connection, and a third, which displaces its first.
	second := from(t, "127.0.0.7", at)
	if !ask(second, "phone") {
		t.Fatal("no answer")
	}
	third := from(t, "127.0.0.7", at)
	if !ask(third, "phone") || !closed(phone) || !ask(second, "phone") {
		t.Error("a guest's third connection did not displace its first, and that alone")
	}
	if other := from(t, "127.0.0.8", at); !ask(other, "tablet") || !ask(third, "phone") {
		t.Error("another guest was not let in beside it")
	}
	for _, conn := range append(flood, second, third) {
		conn.Close()
	}
	eventually(t, "what was closed to be forgotten", held(0, 1))
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.places) != 0 || len(c.guests) != 1 {
		t.Errorf("%d addresses and %d guests are remembered", len(c.places), len(c.guests))
	}
}

// TestCrowdFlooded opens connections from everywhere, as fast as they are taken,
// while a guest whom nobody knows yet comes and says who it is.
func TestCrowdFlooded(t *testing.T) {
	c, at := crowdServer(t, RemoteBounds)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	opened := make(chan struct{}, 1<<16)
	for i := range 8 {
		wg.Go(func() {
			var mine []net.Conn
			defer func() {
				for _, conn := range mine {
					conn.Close()
				}
			}()
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i))}}
			for range 60 {
				conn, err := d.DialContext(ctx, "tcp", at)
				if err != nil {
					return
				}
				mine = append(mine, conn)
				opened <- struct{}{}
			}
			<-ctx.Done()
		})
	}
	for range 200 {
		<-opened
	}
	came := false
	for range 20 { // a browser tries again as well
		conn := from(t, "127.0.0.9", at)
		if came = ask(conn, "phone"); came {
			break
		}
	}
	if !came {
		t.Error("a guest did not get in during a flood")
	}
	if strangers, guests := c.Held(); strangers > RemoteBounds.Strangers || guests > 1 {
		t.Errorf("%d strangers and %d guests are held", strangers, guests)
	}
	stop()
	wg.Wait()
	eventually(t, "the flood to be over", func() bool { s, _ := c.Held(); return s == 0 })
}

// TestCrowdPlaces: one network of IPv6 is one place.
func TestCrowdPlaces(t *testing.T) {
	at := func(s string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(s), Port: 1} }
	for _, x := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true}, {"192.0.2.1", "192.0.2.2", false}, {"::ffff:192.0.2.1", "192.0.2.1", true},
		{"2001:db8::1", "2001:db8::ffff:1", true}, {"2001:db8::1", "2001:db8:0:1::1", false},
	} {
		if got := placeOf(at(x.a)) == placeOf(at(x.b)); got != x.same {
			t.Errorf("%s and %s: %v", x.a, x.b, got)
		}
	}
	if placeOf(&net.UnixAddr{}).IsValid() {
		t.Error("a socket has an address")
	}
}
