package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"backchannel/internal/station"
	"backchannel/internal/web"
)

// firstStart is a guided set-up in a browser whose address the station's own pages
// take over.
type firstStart struct {
	ln      *web.Crowd
	srv     *http.Server
	handler atomic.Pointer[http.Handler]
	key     string
	made    web.Made
}

// missing tells whether a folder has no station yet.
func missing(config string) bool {
	_, err := os.Lstat(config)
	return errors.Is(err, fs.ErrNotExist)
}

// beginFirstStart serves the guided set-up until a station was made.
func beginFirstStart(ctx context.Context, cmd *cobra.Command, config, page string) (_ *firstStart, err error) {
	if filepath.Base(config) != station.ConfigName {
		return nil, usage("a first start makes a file named %s: give its path with --config", station.ConfigName)
	}
	var cfg station.Config
	if err := cfg.SetPage(page); err != nil {
		return nil, usage("%v", err)
	}
	dir, err := filepath.Abs(filepath.Dir(config))
	if err != nil {
		return nil, fmt.Errorf("starting the set-up: %w", err)
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	setup, err := web.NewSetup(dir, log)
	if err != nil {
		return nil, err
	}
	f := &firstStart{key: setup.Key()}
	tcp, err := net.Listen("tcp", page)
	if err != nil {
		return nil, fmt.Errorf("starting the set-up: %w: choose another --page", err)
	}
	f.ln = web.NewCrowd(tcp, web.LocalBounds)
	gate, link, err := localGate(f.ln, nil)
	if err != nil {
		return nil, errors.Join(err, f.ln.Close())
	}
	f.set(setup.Handler(gate))
	f.srv = pageServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*f.handler.Load()).ServeHTTP(w, r) }), f.ln, log)
	f.srv.BaseContext = func(net.Listener) context.Context { return ctx }
	failed := make(chan error, 1)
	go func() { failed <- f.srv.Serve(f.ln) }()
	fmt.Fprintf(cmd.OutOrStdout(), "There is no station in %s yet. Set one up in a browser on this machine:\n  %s%s\n", dir, link[:len(link)-1], setup.Path())
	select {
	case f.made = <-setup.Made():
		return f, f.made.Config.SetPage(page)
	case err = <-failed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = f.srv.Close()
	return nil, err
}

func (f *firstStart) set(h http.Handler) { f.handler.Store(&h) }

// pageServer has the limits of every listener for browsers. What does not say within
// ReadHeaderTimeout what it wants, TLS included, is closed.
func pageServer(h http.Handler, crowd *web.Crowd, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 5 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 1 << 14, ConnContext: crowd.Context, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 32}, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
