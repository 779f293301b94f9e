package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

func stationCommand() *cobra.Command {
	var config, page string
	var pass passphraseFlags
	var whileStdin bool
	c := &cobra.Command{
		Use:   "station",
		Short: "Run a principal's station",
		Long: `Run a station: always on, sending the same cells at the same times whether anybody
talks or not. It stops on SIGTERM or interrupt.

The passphrase of the vault comes from the first of these that is there: the file
descriptor of --passphrase-fd, the systemd credential "` + credentialName + `", the
keyring with --keyring, a prompt on a terminal. Without one the station runs
locked: it joins every epoch with idle lanes, so that a reboot is no absence, until
"backchannel unlock".

Its pages are at the address in the file page.url of its folder, on this machine
only ("backchannel open"). With --page and without a station in the folder of
--config, a guided set-up is served there first.`,
		Example: "  backchannel station --config ~/.backchannel/station.toml\n  backchannel station --config ~/.backchannel/station.toml --page 127.0.0.1:7717",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if whileStdin {
				ctx = untilEOF(ctx, cmd.InOrStdin())
			}
			if page != "" && missing(config) {
				first, err := beginFirstStart(ctx, cmd, config, page)
				if err != nil {
					return err
				}
				return runStation(ctx, cmd, first.made.Config, first.made.Passphrase, first)
			}
			cfg, err := station.LoadConfig(config)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("page") {
				if err := cfg.SetPage(page); err != nil {
					return usage("%v", err)
				}
			}
			p, err := pass.read(cmd, cfg.Vault)
			if err != nil {
				return err
			}
			return runStation(ctx, cmd, cfg, p, nil)
		},
	}
	c.Flags().StringVar(&config, "config", station.ConfigName, "the station's configuration file")
	c.Flags().StringVar(&page, "page", "", "loopback host:port of the pages, instead of what the configuration says; port 0 takes a free one")
	c.Flags().BoolVar(&whileStdin, "while-stdin", false, "also stop when standard input ends (for supervisors)")
	pass.register(c)
	c.AddCommand(stationInitCommand(), stationCheckCommand())
	return c
}

func stationInitCommand() *cobra.Command {
	var dir, network, socks5 string
	var pass passphraseFlags
	c := &cobra.Command{
		Use:   "init",
		Short: "Make a station's folder: account, vault, configuration",
		Long: `Make a folder with an account key, an encrypted vault and a configuration that pins
the hash of the network file. Compare that hash with the relays' operators.`,
		Example: "  backchannel station init --network network.toml --dir ~/.backchannel",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := os.ReadFile(network)
			if err != nil {
				return fmt.Errorf("reading the network file: %w", err)
			}
			p, err := pass.choose(cmd, "a new vault")
			if err != nil {
				return err
			}
			cfg, err := station.InitFolder(dir, b, socks5)
			if err != nil {
				return err
			}
			if err := station.CreateVault(cfg, p); err != nil {
				return err
			}
			if pass.keyring {
				if err := storeKeyring(cfg.Vault, p); err != nil {
					return err
				}
			}
			nw, err := cfg.LoadNetwork()
			if err != nil {
				return err
			}
			hash := nw.Net()
			path := filepath.Join(dir, station.ConfigName)
			return emit(cmd, map[string]string{"config": path, "net": hex.EncodeToString(hash[:])}, func(w io.Writer) {
				fmt.Fprintf(w, "The station is ready. Its network is\n  %s\n  %s\nAsk the relays' operators whether that is the right hash. Then start it:\n  backchannel station --config %s\n", nw.Name, hex.EncodeToString(hash[:]), path)
			})
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "the folder to make")
	c.Flags().StringVar(&network, "network", "", "the network file, signed by every relay")
	c.Flags().StringVar(&socks5, "socks5", "", "host:port of a SOCKS5 proxy to reach the entry through (Tor: 127.0.0.1:9050)")
	_ = c.MarkFlagRequired("dir")     // both exist
	_ = c.MarkFlagRequired("network") //
	pass.register(c)
	return c
}

func stationCheckCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use: "check", Short: "Check a station's configuration and network file",
		Long: `Check what a station would start with: its configuration, account key and the
pinned network file with every signature. Nothing is started or changed.`,
		Example: "  backchannel station check --config ~/.backchannel/station.toml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := station.LoadConfig(config)
			if err != nil {
				return err
			}
			nw, err := cfg.LoadNetwork()
			if err != nil {
				return err
			}
			if _, err := cfg.LoadAccount(); err != nil {
				return err
			}
			return emit(cmd, map[string]string{"network": nw.Name}, func(w io.Writer) {
				fmt.Fprintf(w, "The configuration is in order: network %q, %s, every relay has signed.\n", nw.Name, plural(int64(len(nw.Relays)), "relay"))
			})
		},
	}
	c.Flags().StringVar(&config, "config", station.ConfigName, "the station's configuration file")
	return c
}

// runStation runs a station and its socket until ctx ends.
func runStation(ctx context.Context, cmd *cobra.Command, cfg station.Config, passphrase []byte, first *firstStart) (err error) {
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	s, err := station.Open(cfg, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if passphrase != nil {
		if err := s.OpenVault(passphrase); err != nil {
			return err
		}
	}
	ln, err := listenPrivate(cfg.Socket)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	api := web.NewHandler(s, version())
	pages, err := web.NewPages(s, web.PagesConfig{Version: version(), API: api, Log: log})
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	site := openSite(cfg, s, pages, first, log)
	defer site.close()
	srv := &http.Server{
		Handler: pages.Active(api), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 1 << 14,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), BaseContext: func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	site.serve(ctx)
	log.Info("station: running", "unlocked", passphrase != nil)
	select {
	case err = <-ran:
		cancel()
	case err = <-served:
		cancel()
		err = errors.Join(err, <-ran) // the vault is closed only after its last commit
	}
	shut, stop := context.WithTimeout(context.Background(), 3*time.Second)
	defer stop()
	if srv.Shutdown(shut) != nil {
		_ = srv.Close() // what did not end in time ends now
	}
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, context.Canceled) {
		err = nil
	}
	log.Info("station: stopped")
	return err
}

// listenPrivate listens on a unix socket that only its owner may open. A socket
// that nobody serves any more is replaced; one that is served is an error.
func listenPrivate(path string) (net.Listener, error) {
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("listening on the control socket: another station serves %s", path)
	}
	if fi, err := os.Lstat(path); err == nil {
		if fi.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("listening on the control socket: %s exists and is no socket: choose another path", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("listening on the control socket: %w", err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("listening on the control socket: %w", err)
	}
	ln, err := listenMasked(path)
	if err != nil {
		return nil, fmt.Errorf("listening on the control socket: %w (a socket's path may have about 100 bytes)", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, fmt.Errorf("listening on the control socket: %w", err)
	}
	return ln, nil
}

// untilEOF returns a context that also ends when r does.
func untilEOF(ctx context.Context, r io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, r) // any end will do
	}()
	return ctx
}
