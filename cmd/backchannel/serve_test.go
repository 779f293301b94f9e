package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// servers are the files of a network of two relays and an entry.
type servers struct {
	dir   string
	ports []string
}

func command(t *testing.T, args ...string) {
	t.Helper()
	var out, errs strings.Builder
	if code := run(t.Context(), args, strings.NewReader(""), &out, &errs); code != exitOK {
		t.Fatalf("%v: exit code %d: %s", args, code, errs.String())
	}
}

func newServers(t *testing.T) servers {
	t.Helper()
	ports, err := freePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "bc") // short: the path of a socket has about 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s := servers{dir, ports}
	initial := []string{"network", "init", "--preset", "demo", "-o", s.path("net.toml"), "--entry", s.path("e/entry.pub.toml")}
	for i := range 2 {
		d := s.path(fmt.Sprintf("r%d", i+1))
		command(t, "relay", "keygen", "--dir", d, "--name", fmt.Sprint("relay ", i+1), "--operator", "us", "--address", ports[i])
		initial = append(initial, "--relay", filepath.Join(d, "relay.pub.toml"))
		s.write(t, filepath.Join(d, "relay.toml"), fmt.Sprintf("network = \"../net.toml\"\nlisten = %q\nhealth = \"unix:health\"\nlog = \"debug\"\n", ports[i]))
	}
	command(t, "entry", "keygen", "--dir", s.path("e"), "--address", ports[2])
	s.write(t, s.path("e/entry.toml"), fmt.Sprintf("network = \"../net.toml\"\nlisten = %q\nhealth = \"unix:health\"\n", ports[2]))
	command(t, initial...)
	for i := range 2 {
		command(t, "network", "sign", "--key", s.path(fmt.Sprintf("r%d/relay.key", i+1)), s.path("net.toml"))
	}
	return s
}

func (s servers) path(name string) string { return filepath.Join(s.dir, name) }

func (s servers) write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs a server until stop, which returns its exit code and log.
func (s servers) start(t *testing.T, role, dir string) (stop func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	log, code := &syncBuffer{}, make(chan int, 1)
	go func() {
		code <- run(ctx, []string{role, "--config", s.path(dir + "/" + role + ".toml")}, strings.NewReader(""), io.Discard, log)
	}()
	return sync.OnceValues(func() (int, string) {
		cancel()
		return <-code, log.String()
	})
}

// ask returns the answer of a server's health socket; an error is one that does
// not listen yet.
func (s servers) ask(ctx context.Context, dir, path string) (int, string, error) {
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.path(dir+"/health"))
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server"+path, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// until asks again and again until a server answers with code.
func (s servers) until(t *testing.T, dir string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got, text, err := s.ask(ctx, dir, "/healthz")
		if err == nil && got == code {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s does not get healthy: %d %q %v", dir, got, text, err)
		}
	}
}

// Servers find each other whatever the order, notice when one is gone and when it
// is back, and end with everything of theirs when they are told to.
func TestServersOfANetwork(t *testing.T) {
	before := goleak.IgnoreCurrent()
	defer func() {
		var err error
		for range 30 { // each waits for a second or so
			if err = goleak.Find(before); err == nil {
				return
			}
		}
		t.Error(err)
	}()
	s := newServers(t)
	stopR1 := s.start(t, "relay", "r1")
	s.until(t, "r1", http.StatusServiceUnavailable) // alone
	stopE := s.start(t, "entry", "e")
	stopR2 := s.start(t, "relay", "r2")
	for _, dir := range []string{"r1", "r2", "e"} {
		s.until(t, dir, http.StatusOK)
	}
	if code, log := stopR2(); code != exitOK || !strings.Contains(log, "relay: stopped") {
		t.Errorf("exit code %d: %s", code, log)
	}
	s.until(t, "r1", http.StatusServiceUnavailable)
	s.until(t, "e", http.StatusServiceUnavailable)
	stopR2 = s.start(t, "relay", "r2")
	for _, dir := range []string{"r1", "r2", "e"} {
		s.until(t, dir, http.StatusOK)
		_, text, err := s.ask(t.Context(), dir, "/metrics")
		if err != nil || !strings.Contains(text, "# TYPE backchannel_serving gauge\nbackchannel_serving ") {
			t.Errorf("metrics of %s: %q, %v", dir, text, err)
		}
		if code, _, err := s.ask(t.Context(), dir, "/debug/pprof/"); err != nil || code != http.StatusNotFound {
			t.Errorf("%s serves more than health and metrics: %d, %v", dir, code, err)
		}
	}
	for _, stop := range []func() (int, string){stopE, stopR1, stopR2} {
		if code, log := stop(); code != exitOK {
			t.Errorf("exit code %d: %s", code, log)
		} else if strings.Contains(log, "level=ERROR") {
			t.Error(log)
		}
	}
	if _, err := os.Stat(s.path("r1/health")); !os.IsNotExist(err) {
		t.Errorf("the health socket stays behind: %v", err)
	}
}

// Free ports lie where no other program is given one by chance, and differ.
func TestFreePorts(t *testing.T) {
	seen := map[string]bool{}
	for range 10 {
		ports, err := freePorts(20)
		if err != nil || len(ports) != 20 {
			t.Fatalf("%d ports, %v", len(ports), err)
		}
		for _, p := range ports {
			a, err := net.ResolveTCPAddr("tcp", p)
			if err != nil || !a.IP.IsLoopback() || a.Port < 20_000 || a.Port > 32_767 || seen[p] {
				t.Errorf("%s, %v", p, err)
			}
			seen[p] = true
		}
	}
}

func TestPortTaken(t *testing.T) {
	s := newServers(t)
	for i, c := range [][2]string{{"relay", "r1"}, {"entry", "e"}} {
		ln, err := net.Listen("tcp", s.ports[2*i])
		if err != nil {
			t.Fatal(err)
		}
		var errs strings.Builder
		code := run(t.Context(), []string{c[0], "--config", s.path(c[1] + "/" + c[0] + ".toml")}, strings.NewReader(""), io.Discard, &errs)
		if code != exitFailure || !strings.HasPrefix(errs.String(), "backchannel: listening on ") || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%s: exit code %d, %q", c[0], code, errs.String())
		}
		ln.Close()
	}
}
