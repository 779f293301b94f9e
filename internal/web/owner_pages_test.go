//go:build linux

package web_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"backchannel/internal/web"
)

// TestAnotherUserWithTheCookie gives the cookie of a session to a program of another
// user of the machine, as a browser does that is led to a port of his.
func TestAnotherUserWithTheCookie(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be somebody else")
	}
	d := newDesk(t)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	crowd := web.NewCrowd(tcp, web.LocalBounds)
	at := tcp.Addr().String()
	srv := &http.Server{Handler: d.pages.Handler(web.Gate{Hosts: []string{at}, Port: at[strings.LastIndexByte(at, ':')+1:]}), ReadHeaderTimeout: time.Minute, ConnContext: crowd.Context}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(crowd) })
	defer wg.Wait()
	defer srv.Close()
	d.local.URL, d.browser.Transport = "http://"+at, &http.Transport{}
	if p := d.signIn(); p.path != "/" {
		t.Fatalf("signing in leads to %s", p.path)
	}
	token := d.token()

	own := d.browser
	thief := &http.Client{Jar: own.Jar, Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: dialAsNobody}}
	d.browser = thief
	if p := d.get("/help"); p.path != "/unlock" {
		t.Errorf("another user with the cookie is shown %s", p.path)
	}
	if p := d.post("/lock", url.Values{"token": {token}}); p.path != "/unlock" {
		t.Errorf("another user with the cookie and the form's token acts: %d at %s", p.code, p.path)
	}
	if p := d.get("/v1/status"); p.code != http.StatusUnauthorized {
		t.Errorf("another user with the cookie uses the interface: %d", p.code)
	}
	d.browser = own
	if p := d.get("/help"); p.path != "/help" {
		t.Error("the other user's try ended the session")
	}
	own.CloseIdleConnections()
	thief.CloseIdleConnections()
}

// dialAsNobody opens a connection whose socket belongs to the user 65534.
func dialAsNobody(ctx context.Context, network, address string) (net.Conn, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Of this thread alone, and never an error: what counts is whose the socket is.
	_, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0)
	defer func() { _, _, _ = syscall.RawSyscall(syscall.SYS_SETFSUID, 0, 0, 0) }()
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}
