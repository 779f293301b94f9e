package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"

	"backchannel/internal/suite"
	"backchannel/internal/wire"
)

// relayConfig is a relay's configuration file (TOML, unknown keys refused). Paths
// are relative to the file.
type relayConfig struct {
	// Network is the network file, signed by every relay. Required.
	Network string `toml:"network"`
	// Key is the secret key file that "relay keygen" made; nobody else may be able
	// to read it. Its place in the chain follows from the network file. Default
	// "relay.key".
	Key string `toml:"key"`
	// Mark is the file of the high-water mark. It is written at every set-up and
	// must survive restarts: without it the relay could sign twice for one attempt.
	// Two relays must never share one. Default "relay.mark".
	Mark string `toml:"mark"`
	// Listen is the address to listen on, host:port or :port. Default: the port of
	// this relay's address in the network file, on every interface.
	Listen string `toml:"listen"`
	// Workers is how many cores set-up may use. Too few and set-ups come too late
	// for their windows; all of them and rounds are late while a set-up runs.
	// Default 0: all but one.
	Workers int `toml:"workers"`
	// Health is where /healthz and /metrics are served: host:port on a loopback
	// address, or unix:PATH. Metrics are totals per epoch. Default "": nowhere.
	Health string `toml:"health"`
	// Log is the least level that is logged: debug, info, warn or error. No level
	// logs anything about single stations or circuits. Default "info".
	Log string `toml:"log"`
}

// entryConfig is an entry's configuration file (TOML, unknown keys refused).
// Paths are relative to the file.
type entryConfig struct {
	// Network is the network file, signed by every relay. Required.
	Network string `toml:"network"`
	// Key is the secret key file that "entry keygen" made; nobody else may be able
	// to read it. Default "entry.key".
	Key string `toml:"key"`
	// Listen is the address to listen on, host:port or :port. Default: the port of
	// the entry's first address in the network file, on every interface.
	Listen string `toml:"listen"`
	// Stations is the most stations that may be connected at once; more are turned
	// away. Default 16384.
	Stations int `toml:"stations"`
	// Newcomers is the most accounts without a successful set-up that enter one
	// roster; the others wait for the next. It bounds how often strangers can
	// make a set-up fail by leaving. Default 256.
	Newcomers int `toml:"newcomers"`
	// Health is where /healthz and /metrics are served: host:port on a loopback
	// address, or unix:PATH. Metrics are totals per epoch. Default "": nowhere.
	Health string `toml:"health"`
	// Log is the least level that is logged: debug, info, warn or error. No level
	// logs accounts or addresses. Default "info".
	Log string `toml:"log"`
}

// Defaults of numbers, and their limits.
const (
	defaultStations  = 1 << 14
	defaultNewcomers = 256
	maxWorkers       = 1024
)

// relaySetup is what a checked configuration amounts to.
type relaySetup struct {
	cfg     relayConfig
	network *wire.Network
	index   int
	key     serverKey
	level   slog.Level
}

// entrySetup is what a checked configuration amounts to.
type entrySetup struct {
	cfg     entryConfig
	network *wire.Network
	key     serverKey
	level   slog.Level
}

// decodeConfig reads a configuration file into c, which holds the defaults.
func decodeConfig(path string, c any) error {
	b, _, err := readFile(path)
	if err == nil {
		err = wire.DecodeTOML(b, c)
	}
	if err != nil {
		return fmt.Errorf("configuration %s: %w", path, err)
	}
	return nil
}

// beside makes paths relative to the configuration file absolute.
func beside(config string, paths ...*string) error {
	base, err := filepath.Abs(filepath.Dir(config))
	if err != nil {
		return fmt.Errorf("configuration %s: %w", config, err)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(base, *p)
		}
	}
	return nil
}

// loadSigned reads a network file that every relay must have signed.
func loadSigned(path string) (*wire.Network, error) {
	n, err := loadNetwork(path)
	if err != nil {
		return nil, err
	}
	if err := n.Verify(); err != nil {
		return nil, fmt.Errorf("%s: %w: a server runs only with a file that every relay has signed", path, err)
	}
	return n, nil
}

// parseRelayConfig decodes and checks what can be checked without other files.
func parseRelayConfig(path string) (c relayConfig, level slog.Level, err error) {
	c = relayConfig{Key: relayKeyName, Mark: "relay.mark", Log: "info"}
	if err := decodeConfig(path, &c); err != nil {
		return c, 0, err
	}
	if c.Workers < 0 || c.Workers > maxWorkers {
		return c, 0, fmt.Errorf("configuration %s: workers is not within 0 and %d", path, maxWorkers)
	}
	if level, err = checkServer(c.Network, c.Listen, c.Health, c.Log); err != nil {
		return c, 0, fmt.Errorf("configuration %s: %w", path, err)
	}
	if socket, ok := strings.CutPrefix(c.Health, "unix:"); ok {
		defer func() { c.Health = "unix:" + socket }()
		err = beside(path, &socket)
	}
	return c, level, errors.Join(err, beside(path, &c.Network, &c.Key, &c.Mark))
}

func loadRelay(path string) (s relaySetup, err error) {
	if s.cfg, s.level, err = parseRelayConfig(path); err != nil {
		return s, err
	}
	if s.network, err = loadSigned(s.cfg.Network); err != nil {
		return s, err
	}
	if s.key, err = loadServerKey(s.cfg.Key, "relay"); err != nil {
		return s, err
	}
	var ok bool
	if s.index, ok = s.network.Index(s.key.sign.Public()); !ok {
		return s, fmt.Errorf("configuration %s: the network file does not name the signing key in %s: one of the two is another relay's", path, s.cfg.Key)
	}
	own := s.network.Relays[s.index]
	if own.TLS != suite.NewAccountKey(s.key.tls).Public() {
		return s, fmt.Errorf("configuration %s: the network file names another TLS key than %s has", path, s.cfg.Key)
	}
	s.cfg.Listen = listenAddress(s.cfg.Listen, own.Address)
	return s, nil
}

// parseEntryConfig decodes and checks what can be checked without other files.
func parseEntryConfig(path string) (c entryConfig, level slog.Level, err error) {
	c = entryConfig{Key: entryKeyName, Stations: defaultStations, Newcomers: defaultNewcomers, Log: "info"}
	if err := decodeConfig(path, &c); err != nil {
		return c, 0, err
	}
	if c.Stations < 1 || c.Stations > wire.MaxStations {
		return c, 0, fmt.Errorf("configuration %s: stations is not within 1 and %d", path, wire.MaxStations)
	}
	if c.Newcomers < 1 || c.Newcomers > wire.MaxStations {
		return c, 0, fmt.Errorf("configuration %s: newcomers is not within 1 and %d", path, wire.MaxStations)
	}
	if level, err = checkServer(c.Network, c.Listen, c.Health, c.Log); err != nil {
		return c, 0, fmt.Errorf("configuration %s: %w", path, err)
	}
	if socket, ok := strings.CutPrefix(c.Health, "unix:"); ok {
		defer func() { c.Health = "unix:" + socket }()
		err = beside(path, &socket)
	}
	return c, level, errors.Join(err, beside(path, &c.Network, &c.Key))
}

func loadEntry(path string) (s entrySetup, err error) {
	if s.cfg, s.level, err = parseEntryConfig(path); err != nil {
		return s, err
	}
	if s.network, err = loadSigned(s.cfg.Network); err != nil {
		return s, err
	}
	if s.key, err = loadServerKey(s.cfg.Key, "entry"); err != nil {
		return s, err
	}
	if s.network.Entry.TLS != suite.NewAccountKey(s.key.tls).Public() {
		return s, fmt.Errorf("configuration %s: the network file names another TLS key than %s has", path, s.cfg.Key)
	}
	s.cfg.Listen = listenAddress(s.cfg.Listen, s.network.Entry.Addresses[0])
	return s, nil
}

// checkServer checks what relay and entry have in common.
func checkServer(network, listen, health, log string) (level slog.Level, err error) {
	if network == "" {
		return 0, errors.New("network is missing: name the network file")
	}
	if listen != "" {
		host, port, err := net.SplitHostPort(listen)
		if err == nil && host == "" {
			host = "any"
		}
		if err != nil || wire.CheckAddress(net.JoinHostPort(host, port)) != nil {
			return 0, fmt.Errorf("listen = %q is not host:port or :port", listen)
		}
	}
	if err := checkHealth(health); err != nil {
		return 0, err
	}
	if err := level.UnmarshalText([]byte(log)); err != nil || strings.ContainsAny(log, "+-") {
		return 0, fmt.Errorf("log = %q is not debug, info, warn or error", log)
	}
	return level, nil
}

// listenAddress is what to listen on if the configuration does not say.
func listenAddress(configured, public string) string {
	if configured != "" {
		return configured
	}
	return public[strings.LastIndexByte(public, ':'):]
}
