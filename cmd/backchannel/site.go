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
	at    station.Endpoint
	wg    sync.WaitGroup
}

type gate struct {
	ln  net.Listener
	srv *http.Server
	ran bool // served already, by a first start
}

// openSite listens. What does not come about is logged and no more: a station must
// not be absent because a port is taken.
func openSite(cfg station.Config, s *station.Station, pages *web.Pages, first *firstStart, log *slog.Logger) *site {
	out := &site{cfg: cfg, s: s, pages: pages, log: log}
	url := filepath.Join(cfg.Folder(), urlName)
	_ = os.Remove(url) // of a run that ended otherwise
	if cfg.Page != "" {
		if err := out.openLocal(cfg.Page, url, first); err != nil {
			log.Error("station: the pages are not served", "error", err)
		}
	}
	if cfg.Remote != "" {
		if err := out.openRemote(cfg.Remote); err != nil {
			log.Error("station: the pages are not served to other devices", "error", err)
		}
	}
	s.SetEndpoint(out.at)
	return out
}

func (o *site) openLocal(address, url string, first *firstStart) (err error) {
	var ln *web.Crowd
	if first != nil {
		ln = first.ln
	} else {
		tcp, err := net.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("listening for browsers: %w: choose another page in %s", err, station.ConfigName)
		}
		ln = web.NewCrowd(tcp, web.LocalBounds)
	}
	g, link, err := localGate(ln, o.cfg.Hosts)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	if err := os.WriteFile(url, []byte(link+"\n"), 0o600); err != nil {
		return errors.Join(fmt.Errorf("noting where the pages are: %w", err), ln.Close())
	}
	if first != nil {
		o.pages.Welcome(first.key, first.made.Restored...)
		first.set(o.pages.Handler(g))
		o.gates = append(o.gates, gate{ln, first.srv, true})
	} else {
		o.add(ln, ln, g)
	}
	o.at.Local = link
	o.log.Info("station: pages", "url", link)
	return nil
}

// localGate is the gate of a listener on this machine, and its address.
func localGate(ln net.Listener, more []string) (web.Gate, string, error) {
	address := ln.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return web.Gate{}, "", fmt.Errorf("listening for browsers: %w", err)
	}
	hosts := []string{address, "localhost:" + port, "127.0.0.1:" + port, "[::1]:" + port}
	return web.Gate{Hosts: append(hosts, lowered(more)...), Port: port}, "http://" + address + "/", nil
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
	tcp, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening for other devices: %w", err)
	}
	ln := web.NewCrowd(tcp, web.RemoteBounds)
	hosts := append([]string{strings.ToLower(address)}, lowered(o.cfg.Hosts)...)
	if port == "443" {
		hosts = append(hosts, strings.ToLower(host))
	}
	secure := tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}})
	o.add(secure, ln, web.Gate{Hosts: hosts, Remote: true, Secure: true, Port: port})
	o.at.Remote, o.at.Fingerprint = "https://"+address, fingerprint
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

// add serves a gate on ln, which is crowd or speaks TLS on it.
func (o *site) add(ln net.Listener, crowd *web.Crowd, g web.Gate) {
	o.gates = append(o.gates, gate{ln, pageServer(o.pages.Handler(g), crowd, o.log), false})
}

// serve serves until ctx ends.
func (o *site) serve(ctx context.Context) {
	o.wg.Go(func() { o.pages.Run(ctx) })
	if len(o.cfg.Notify) > 0 {
		o.wg.Go(func() { notifyArrivals(ctx, o.s, o.cfg.Notify, o.log) })
	}
	for _, g := range o.gates {
		if g.ran {
			continue
		}
		g.srv.BaseContext = func(net.Listener) context.Context { return ctx }
		o.wg.Go(func() {
			if err := g.srv.Serve(g.ln); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				o.log.Error("station: the pages are no longer served", "error", err)
			}
		})
	}
}

// close ends what serve began; its ctx must be over.
func (o *site) close() {
	for _, g := range o.gates {
		_ = g.srv.Close()
		_ = g.ln.Close() // also where serve was never reached
	}
	o.wg.Wait()
	_ = os.Remove(filepath.Join(o.cfg.Folder(), urlName)) // it may not have come to be
}
