package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

const stationPass = "correct horse battery staple"

// runningStation runs the command "station" until stop, and answers when its
// socket does.
func runningStation(t *testing.T, cfg station.Config) (c *web.Client, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	log, code := &syncBuffer{}, make(chan int, 1)
	secrets := t.TempDir()
	if err := os.WriteFile(filepath.Join(secrets, credentialName), []byte(stationPass), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", secrets)
	args := []string{"station", "--config", filepath.Join(cfg.Folder(), station.ConfigName)}
	go func() { code <- run(ctx, args, strings.NewReader(""), io.Discard, log) }()
	c = web.NewClient(cfg.Socket)
	stop = sync.OnceFunc(func() {
		c.Close()
		cancel()
		if got := <-code; got != exitOK {
			t.Errorf("the station's exit code is %d: %s", got, log.String())
		}
	})
	t.Cleanup(stop)
	eventually(t, 2*time.Minute, "the station to answer", func() bool { _, err := c.Status(t.Context()); return err == nil })
	return c, stop
}

func eventually(t *testing.T, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !cond(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s in vain", limit, what)
		}
	}
}

// device is a browser that knows nothing but the fingerprint it was told.
func device(t *testing.T, pin string) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, // the fingerprint below is what is verified
		VerifyConnection: func(s tls.ConnectionState) error {
			if fingerprint(tls.Certificate{Certificate: [][]byte{s.PeerCertificates[0].Raw}}) != pin {
				return errors.New("another certificate")
			}
			return nil
		},
	}}
	return &http.Client{Jar: jar, Transport: tr, Timeout: 2 * time.Minute}
}

// TestRemotePages reaches a station's pages as a phone does: over TLS with a
// certificate that it knows by its fingerprint, after a link that works once.
func TestRemotePages(t *testing.T) {
	files := newServers(t)
	network, err := os.ReadFile(files.path("net.toml"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := station.InitFolder(files.path("s"), network, "")
	if err == nil {
		err = station.CreateVault(cfg, []byte(stationPass))
	}
	if err != nil {
		t.Fatal(err)
	}
	free, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	address := free[0]
	if err := cfg.SetConnection(station.Connection{Page: "127.0.0.1:0", Remote: address}); err != nil {
		t.Fatal(err)
	}
	c, stop := runningStation(t, cfg)
	pairing, err := c.Pair(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	base := "https://" + address
	if !strings.HasPrefix(pairing.Link, base+"/pair/") {
		t.Fatalf("the link is at another place: %s", pairing.Link)
	}

	// The line: TLS 1.3 with that certificate or nothing.
	if _, err := http.Get(base); err == nil {
		t.Error("a client without the fingerprint takes the certificate")
	}
	if _, err := device(t, strings.Repeat("00:", 31)+"00").Get(base); err == nil {
		t.Error("a client with another fingerprint takes the certificate")
	}
	if conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err == nil {
		conn.Close()
		t.Error("the listener speaks TLS 1.2")
	}
	if r, err := http.Get("http://" + address); err == nil {
		if r.Body.Close(); r.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS: %d", r.StatusCode)
		}
	}

	phone := device(t, pairing.Fingerprint)
	ask := func(b *http.Client, method, to, host string, form url.Values) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequest(method, to, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		res, err := b.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(text)
	}
	if res, text := ask(phone, http.MethodGet, base+"/unlock", "", nil); res.StatusCode != http.StatusForbidden || strings.Contains(text, "assphrase") {
		t.Errorf("before it is paired: %d", res.StatusCode)
	}
	if res, _ := ask(phone, http.MethodGet, base+"/", "station.example", nil); res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("another name: %d", res.StatusCode)
	}
	if res, _ := ask(phone, http.MethodGet, pairing.Link, "", nil); res.StatusCode != http.StatusOK {
		t.Errorf("looking at the link: %d", res.StatusCode)
	}
	safe := func(res *http.Response, prefix string) {
		t.Helper()
		all := res.Cookies()
		if len(all) != 1 || !strings.HasPrefix(all[0].Name, prefix) || !all[0].Secure || !all[0].HttpOnly || all[0].SameSite != http.SameSiteStrictMode || all[0].Path != "/" || all[0].Domain != "" {
			t.Errorf("cookies: %+v", all)
		}
	}
	res, _ := ask(phone, http.MethodPost, pairing.Link, "", url.Values{"name": {"phone"}})
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("pairing: %d", res.StatusCode)
	}
	safe(res, "__Host-device-")
	if res, _ := ask(device(t, pairing.Fingerprint), http.MethodPost, pairing.Link, "", url.Values{"name": {"second"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("the link a second time: %d", res.StatusCode)
	}
	signIn := func() {
		t.Helper()
		res, _ := ask(phone, http.MethodPost, base+"/unlock", "", url.Values{"passphrase": {stationPass}})
		if res.StatusCode != http.StatusSeeOther {
			t.Fatalf("signing in: %d", res.StatusCode)
		}
		safe(res, "__Host-session-")
		if res, text := ask(phone, http.MethodGet, base+"/", "", nil); res.StatusCode != http.StatusOK || !strings.Contains(text, "Conversations") {
			t.Errorf("the first page: %d", res.StatusCode)
		}
	}
	signIn()

	// Somebody in that network opens connections and leaves them open: they give way
	// to each other, and neither the phone nor the station's own socket is kept out.
	const many = 200
	flood := make([]net.Conn, many)
	for i := range flood {
		if flood[i], err = net.Dial("tcp", address); err != nil {
			t.Fatal(err)
		}
		defer flood[i].Close()
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("the socket during a flood: %v", err)
	}
	if res, _ := ask(phone, http.MethodGet, base+"/help", "", nil); res.StatusCode != http.StatusOK {
		t.Errorf("a paired device during a flood: %d", res.StatusCode)
	}
	for _, conn := range flood[:many-web.RemoteBounds.Strangers] {
		if err := conn.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("a connection too many is held: %v", err)
		}
	}
	stop()

	// The same certificate and the same devices after a restart; sessions are over.
	_, _ = runningStation(t, cfg)
	if res, _ := ask(phone, http.MethodGet, base+"/", "", nil); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/unlock" {
		t.Errorf("after the restart: %d", res.StatusCode)
	}
	signIn()
}
