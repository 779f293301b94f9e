package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// urlName is the file, in a station's folder, that says where its pages are.
const urlName = "page.url"

// site serves a station's pages: on this machine, and over TLS to paired devices
// if the configuration says so.
type site struct {
	cfg   station.Config
	s     *station.Station
	pages *web.Pages
	log   *slog.Logger
	gates []gate
	wg    sync.WaitGroup
}

type gate struct {
	ln  net.Listener
	srv *http.Server
}

// openSite listens. What does not come about is logged and no more: a station must
// not be absent because a port is taken.
func openSite(cfg station.Config, s *station.Station, pages *web.Pages, log *slog.Logger) *site {
	out := &site{cfg: cfg, s: s, pages: pages, log: log}
	url := filepath.Join(cfg.Folder(), urlName)
	_ = os.Remove(url) // of a run that ended otherwise
	if cfg.Page != "" {
		if err := out.openLocal(cfg.Page, url); err != nil {
			log.Error("station: the pages are not served", "error", err)
		}
	}
	if cfg.Remote != "" {
		if err := out.openRemote(cfg.Remote); err != nil {
			log.Error("station: the pages are not served to other devices", "error", err)
		}
	}
	return out
}

func (o *site) openLocal(address, url string) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening for browsers: %w: choose another page in %s", err, station.ConfigName)
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	link := "http://" + ln.Addr().String() + "/"
	if err := os.WriteFile(url, []byte(link+"\n"), 0o600); err != nil {
		return errors.Join(fmt.Errorf("noting where the pages are: %w", err), ln.Close())
	}
	hosts := []string{ln.Addr().String(), "localhost:" + port, "127.0.0.1:" + port, "[::1]:" + port}
	o.add(ln, web.Gate{Hosts: append(hosts, lowered(o.cfg.Hosts)...), Port: port})
	o.log.Info("station: pages", "url", link)
	return nil
}

func (o *site) openRemote(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || port == "0" {
		return errors.New("remote is not host:port, such as 192.168.1.5:7718")
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return errors.New("remote must be the very address that other devices use, not all of them")
	}
	cert, fingerprint, err := pageCertificate(o.cfg.Folder(), host)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening for other devices: %w", err)
	}
	hosts := append([]string{strings.ToLower(address)}, lowered(o.cfg.Hosts)...)
	if port == "443" {
		hosts = append(hosts, strings.ToLower(host))
	}
	secure := tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}})
	o.add(secure, web.Gate{Hosts: hosts, Remote: true, Secure: true, Port: port})
	o.s.SetEndpoint(station.Endpoint{URL: "https://" + address, Fingerprint: fingerprint})
	o.log.Info("station: pages for paired devices", "url", "https://"+address, "fingerprint", fingerprint)
	return nil
}

func lowered(all []string) []string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = strings.ToLower(s)
	}
	return out
}

func (o *site) add(ln net.Listener, g web.Gate) {
	o.gates = append(o.gates, gate{ln, &http.Server{
		Handler: o.pages.Handler(g), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 5 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 1 << 14, ErrorLog: slog.NewLogLogger(o.log.Handler(), slog.LevelDebug),
	}})
}

// serve serves until ctx ends.
func (o *site) serve(ctx context.Context) {
	o.wg.Go(func() { o.pages.Run(ctx) })
	if len(o.cfg.Notify) > 0 {
		o.wg.Go(func() { notifyArrivals(ctx, o.s, o.cfg.Notify, o.log) })
	}
	for _, g := range o.gates {
		g.srv.BaseContext = func(net.Listener) context.Context { return ctx }
		o.wg.Go(func() {
			if err := g.srv.Serve(g.ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
				o.log.Error("station: the pages are no longer served", "error", err)
			}
		})
	}
}

// close ends what serve began; its ctx must be over.
func (o *site) close() {
	for _, g := range o.gates {
		_ = g.ln.Close() // also where serve was never reached
		_ = g.srv.Close()
	}
	o.wg.Wait()
	_ = os.Remove(filepath.Join(o.cfg.Folder(), urlName)) // it may not have come to be
}
