//go:build linux

package main_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"backchannel/internal/sim/localnet"
	"backchannel/internal/wire"
)

// TestMemoryOfAStation builds the program, runs it as a station of a real network
// and looks, a minute after it was unlocked, at what it holds of the machine's
// memory: everything that is resident, the program's own pages included.
func TestMemoryOfAStation(t *testing.T) {
	memoryOfAStation(t, func(string) {})
}

// TestMemoryWithItsPages is the same with a browser that signed in, looked at the
// main pages and keeps one open.
func TestMemoryWithItsPages(t *testing.T) {
	memoryOfAStation(t, func(dir string) { lookAround(t, dir) })
}

// lookAround is that browser. Its stream stays open until the test ends.
func lookAround(t *testing.T, dir string) {
	t.Helper()
	var base string
	eventually(t, 2*time.Minute, "the pages", func() bool {
		b, err := os.ReadFile(filepath.Join(dir, "page.url"))
		base = strings.TrimSuffix(strings.TrimSpace(string(b)), "/")
		return err == nil && base != ""
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	var res *http.Response
	eventually(t, 2*time.Minute, "the vault to open", func() bool { // a start reads its passphrase first
		if res, err = browser.PostForm(base+"/unlock", url.Values{"passphrase": {"correct horse battery staple"}}); err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK && res.Request.URL.Path == "/"
	})
	for _, path := range []string{"/", "/meet", "/others", "/forge", "/network", "/settings", "/help", "/api", "/search?q=x", "/assets/htmx.min.js", "/assets/style.css"} {
		if res, err = browser.Get(base + path); err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, res.Body)
		if res.Body.Close(); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d, %v", path, res.StatusCode, err)
		}
	}
	if res, err = browser.Get(base + "/live"); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the stream: %v", err)
	}
	stream := res.Body
	ended := make(chan struct{})
	go func() { defer close(ended); _, _ = io.Copy(io.Discard, stream) }() // until it is closed
	t.Cleanup(func() { stream.Close(); <-ended })
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

func memoryOfAStation(t *testing.T, use func(dir string)) {
	if testing.Short() {
		t.Skip("a minute of real time")
	}
	t.Parallel()
	p, err := wire.Preset("demo")
	if err != nil {
		t.Fatal(err)
	}
	n, err := localnet.Start(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	dir, err := os.MkdirTemp("", "memory") // short: a socket's path may have about 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	program := filepath.Join(dir, "backchannel")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	network := filepath.Join(dir, "network.toml")
	if err := os.WriteFile(network, n.File.Encode(), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (*exec.Cmd, *bytes.Buffer) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := w.WriteString("correct horse battery staple\n"); err != nil {
			t.Fatal(err)
		}
		w.Close()
		c := exec.Command(program, append(args, "--passphrase-fd", "3")...)
		var out bytes.Buffer
		c.Stdout, c.Stderr, c.ExtraFiles = &out, &out, []*os.File{r}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c, &out
	}
	if c, out := run("station", "init", "--network", network, "--dir", filepath.Join(dir, "s")); c.Wait() != nil {
		t.Fatal(out.String())
	}
	c, out := run("station", "--config", filepath.Join(dir, "s", "station.toml"), "--page", "127.0.0.1:0")
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		if err := c.Process.Signal(os.Interrupt); err != nil {
			return // it has ended
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	use(filepath.Join(dir, "s"))
	select {
	case err := <-ended:
		t.Fatalf("the station ended: %v: %s", err, out.String())
	case <-time.After(63 * time.Second): // Argon2id takes its part of the first three
	}
	kib, err := resident(c.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.1f MB", float64(kib)/1000)
	const bar = 60_000 // kB
	if kib*1024/1000 > bar {
		t.Errorf("an idle station holds %d kB a minute after it was unlocked; the bar is %d", kib*1024/1000, bar)
	}
}

// resident returns what a process holds of the machine's memory, in KiB.
func resident(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strconv.Atoi(strings.Fields(rest)[0])
		}
	}
	return 0, fmt.Errorf("no VmRSS for process %d", pid)
}
