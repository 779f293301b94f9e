package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// demoNetwork is a network of processes on the loopback interface. Each is this
// very program, started with the commands that an operator would type.
type demoNetwork struct {
	exe      string
	dir      string
	stations []*demoStation
	failed   chan error // the first child that ended by itself

	mu       sync.Mutex
	children []*demoChild
	stopping bool
}

type demoStation struct {
	name, dir string
	api       *web.Client
}

type demoChild struct {
	name string
	cmd  *exec.Cmd
	in   *os.File // closing it asks the child to stop
	log  string
	done chan struct{}

	halted bool // asked to end; under demoNetwork.mu
}

var errEnded = errors.New("it should have gone on")

// demoPassphrase opens the three vaults of the demo, which is no secret.
const demoPassphrase = "demo passphrase"

// demoPrincipals are fictional states.
var demoPrincipals = []string{"Aldmark", "Borvia", "Cenia"}

// startDemoNetwork makes keys, network file and folders and starts everything.
func startDemoNetwork(ctx context.Context, dir string, r *reporter) (_ *demoNetwork, err error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("starting the demo: %w", err)
	}
	n := &demoNetwork{exe: exe, dir: dir, failed: make(chan error, 16)}
	defer func() {
		if err != nil {
			n.stop()
		}
	}()
	r.step("keys", map[string]any{"dir": dir}, "Making fresh keys for three relays, an entry and three stations.")
	ports, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	sub := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	if err := os.Mkdir(sub("logs"), 0o700); err != nil {
		return nil, fmt.Errorf("starting the demo: %w", err)
	}
	// A relay per principal: no side needs to trust the others'.
	initArgs := []string{"network", "init", "--preset", "demo", "--name", "demo", "-o", sub("network.toml")}
	for i, who := range demoPrincipals {
		d := sub(fmt.Sprintf("relay-%d", i+1))
		if err := n.command(ctx, "relay", "keygen", "--dir", d, "--name", fmt.Sprintf("relay-%d", i+1), "--operator", who, "--address", ports[i]); err != nil {
			return nil, err
		}
		initArgs = append(initArgs, "--relay", filepath.Join(d, "relay.pub.toml"))
	}
	if err := n.command(ctx, "entry", "keygen", "--dir", sub("entry"), "--address", ports[3]); err != nil {
		return nil, err
	}
	initArgs = append(initArgs, "--entry", sub("entry", "entry.pub.toml"), "--t0", time.Now().Add(2*time.Second).UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano))
	if err := n.command(ctx, initArgs...); err != nil {
		return nil, err
	}
	for i := range demoPrincipals {
		if err := n.command(ctx, "network", "sign", "--key", sub(fmt.Sprintf("relay-%d", i+1), "relay.key"), sub("network.toml")); err != nil {
			return nil, err
		}
	}
	if err := n.command(ctx, "network", "verify", sub("network.toml")); err != nil {
		return nil, err
	}
	for i := range demoPrincipals {
		d := sub(fmt.Sprintf("relay-%d", i+1))
		cfg := fmt.Sprintf("network = %q\nkey = \"relay.key\"\nmark = \"mark\"\nlisten = %q\n", sub("network.toml"), ports[i])
		if err := os.WriteFile(filepath.Join(d, "relay.toml"), []byte(cfg), 0o600); err != nil {
			return nil, fmt.Errorf("starting the demo: %w", err)
		}
		if err := n.start(fmt.Sprintf("relay-%d", i+1), nil, "relay", "--config", filepath.Join(d, "relay.toml"), "--while-stdin"); err != nil {
			return nil, err
		}
	}
	cfg := fmt.Sprintf("network = %q\nkey = \"entry.key\"\nlisten = %q\n", sub("network.toml"), ports[3])
	if err := os.WriteFile(sub("entry", "entry.toml"), []byte(cfg), 0o600); err != nil {
		return nil, fmt.Errorf("starting the demo: %w", err)
	}
	if err := n.start("entry", nil, "entry", "--config", sub("entry", "entry.toml"), "--while-stdin"); err != nil {
		return nil, err
	}
	for _, who := range demoPrincipals {
		d := sub(lower(who))
		if err := n.commandWith(ctx, demoPassphrase+"\n", "station", "init", "--network", sub("network.toml"), "--dir", d, "--passphrase-fd", "3"); err != nil {
			return nil, err
		}
		s, err := n.startStation(who, d)
		if err != nil {
			return nil, err
		}
		n.stations = append(n.stations, s)
	}
	r.step("network", map[string]any{"relays": 3, "stations": len(demoPrincipals), "dir": dir},
		"Three relays, an entry and the stations of Aldmark, Borvia and Cenia are running; their files are in %s.", dir)
	return n, nil
}

// startStation runs the station in a folder.
func (n *demoNetwork) startStation(who, dir string) (*demoStation, error) {
	s := &demoStation{who, dir, web.NewClient(filepath.Join(dir, "station.sock"))}
	return s, n.start(filepath.Base(dir), []byte(demoPassphrase+"\n"), "station", "--config", filepath.Join(dir, station.ConfigName), "--passphrase-fd", "3", "--while-stdin", "--page", "127.0.0.1:0")
}

// Systems give a program that connects, or listens anywhere, ports from 32768 or 49152
// upwards. Those below stay free until a server starts on them.
const firstPort, portsBeyond = 20_000, 32_768

var givenPorts sync.Map // addresses that freePorts returned before

// freePorts returns loopback addresses that were free a moment ago, never one twice.
func freePorts(count int) ([]string, error) {
	var out []string
	for tries := 0; len(out) < count; tries++ {
		n, err := rand.Int(rand.Reader, big.NewInt(portsBeyond-firstPort))
		if err != nil {
			return nil, fmt.Errorf("looking for free ports: %w", err)
		}
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+n.Int64())
		if _, given := givenPorts.LoadOrStore(address, true); given && tries < 1000 {
			continue
		}
		ln, err := net.Listen("tcp", address)
		switch {
		case err == nil:
			ln.Close()
			out = append(out, address)
		case tries >= 1000:
			return nil, fmt.Errorf("looking for free ports: %w", err)
		}
	}
	return out, nil
}

// command runs this program to its end.
func (n *demoNetwork) command(ctx context.Context, args ...string) error {
	return n.commandWith(ctx, "", args...)
}

// commandWith also gives it a passphrase on file descriptor 3.
func (n *demoNetwork) commandWith(ctx context.Context, secret string, args ...string) error {
	c := exec.CommandContext(ctx, n.exe, args...)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if secret != "" {
		r, err := secretPipe([]byte(secret))
		if err != nil {
			return err
		}
		defer r.Close()
		c.ExtraFiles = []*os.File{r}
	}
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", args[0], args[1], err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}

// secretPipe returns the reading end of a pipe that holds b.
func secretPipe(b []byte) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("passing a passphrase: %w", err)
	}
	_, err = w.Write(b) // far below what a pipe holds
	if err := errors.Join(err, w.Close()); err != nil {
		r.Close()
		return nil, fmt.Errorf("passing a passphrase: %w", err)
	}
	return r, nil
}

// start runs a child until its standard input is closed.
func (n *demoNetwork) start(name string, secret []byte, args ...string) error {
	doing := func(err error) error { return fmt.Errorf("starting %s: %w", name, err) }
	log := filepath.Join(n.dir, "logs", name+".log")
	f, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600) // one that starts again goes on in it
	if err != nil {
		return doing(err)
	}
	defer f.Close()
	in, keep, err := os.Pipe()
	if err != nil {
		return doing(err)
	}
	defer in.Close()
	c := exec.Command(n.exe, args...)
	c.Stdin, c.Stdout, c.Stderr = in, f, f
	if secret != nil {
		r, err := secretPipe(secret)
		if err != nil {
			return err
		}
		defer r.Close()
		c.ExtraFiles = []*os.File{r}
	}
	if err := c.Start(); err != nil {
		keep.Close()
		return doing(err)
	}
	ch := &demoChild{name: name, cmd: c, in: keep, log: log, done: make(chan struct{})}
	n.mu.Lock()
	n.children = append(n.children, ch)
	n.mu.Unlock()
	go func() {
		err := c.Wait()
		close(ch.done)
		n.mu.Lock()
		defer n.mu.Unlock()
		if !n.stopping && !ch.halted {
			n.failed <- fmt.Errorf("%s ended by itself: %s: %w", name, lastLine(log), cmp.Or(err, errEnded))
		}
	}()
	return nil
}

func lastLine(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	b = bytes.TrimSpace(b)
	return string(b[bytes.LastIndexByte(b, '\n')+1:])
}

// halt ends one child, as somebody at its machine would, and waits for it.
func (n *demoNetwork) halt(name string) error {
	n.mu.Lock()
	i := slices.IndexFunc(n.children, func(c *demoChild) bool { return c.name == name })
	if i < 0 {
		n.mu.Unlock()
		return fmt.Errorf("stopping %s: it does not run", name)
	}
	c := n.children[i]
	c.halted = true
	n.mu.Unlock()
	c.in.Close()
	select {
	case <-c.done:
	case <-time.After(demoTimeout):
		return fmt.Errorf("stopping %s: it goes on: %s", name, lastLine(c.log)) // it is killed with all others
	}
	n.mu.Lock()
	n.children = slices.DeleteFunc(n.children, func(o *demoChild) bool { return o == c })
	n.mu.Unlock()
	return nil
}

// stop ends all children, stations first.
func (n *demoNetwork) stop() {
	n.mu.Lock()
	n.stopping = true
	children := n.children
	n.mu.Unlock()
	for _, s := range n.stations {
		s.api.Close()
	}
	for i := len(children) - 1; i >= 0; i-- {
		children[i].in.Close()
	}
	deadline := time.After(10 * time.Second)
	for _, c := range children {
		select {
		case <-c.done:
		case <-deadline:
			_ = c.cmd.Process.Signal(syscall.SIGKILL) // it had ten seconds
			<-c.done
		}
	}
}
