package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// checkHealth accepts "", unix:PATH and host:port on a loopback address: what a
// server does is nobody else's affair.
func checkHealth(where string) error {
	if where == "" {
		return nil
	}
	if path, ok := strings.CutPrefix(where, "unix:"); ok {
		if path == "" || len(path) > 100 {
			return fmt.Errorf("health = %q: the path of a socket has 1 to 100 bytes", where)
		}
		return nil
	}
	host, _, err := net.SplitHostPort(where)
	if err != nil {
		return fmt.Errorf("health = %q is neither host:port nor unix:PATH", where)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return fmt.Errorf("health = %q is not a loopback address: metrics must not be seen by others; use 127.0.0.1 or a unix socket", where)
	}
	return nil
}

// figure is one number for /metrics.
type figure struct {
	name, kind, help string // kind is gauge or counter
	value            float64
}

// health is the answer of a node that answers.
type health struct {
	healthy bool
	figures []figure
}

// serveHealth serves /healthz and /metrics until ctx ends; wait then returns once
// nothing of it is left. ask asks the node.
func serveHealth(ctx context.Context, where string, ask func(context.Context) (health, error)) (wait func() error, err error) {
	if where == "" {
		return func() error { return nil }, nil
	}
	var ln net.Listener
	if path, ok := strings.CutPrefix(where, "unix:"); ok {
		ln, err = listenPrivate(path)
	} else {
		ln, err = net.Listen("tcp", where)
	}
	if err != nil {
		return nil, fmt.Errorf("listening for health checks: %w", err)
	}
	srv := &http.Server{Handler: healthHandler(ask), ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, IdleTimeout: 30 * time.Second, MaxHeaderBytes: 1 << 13}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	end := func() { _ = srv.Close() } // an answer that is under way may be cut
	stop := context.AfterFunc(ctx, end)
	return func() error {
		stop()
		end()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving health checks: %w", err)
		}
		return nil
	}, nil
}

func healthHandler(ask func(context.Context) (health, error)) http.Handler {
	answer := func(f func(w http.ResponseWriter, h health)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
			defer cancel()
			h, err := ask(ctx)
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			if err != nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprintln(w, "the node does not answer")
				return
			}
			f(w, h)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", answer(func(w http.ResponseWriter, h health) {
		if !h.healthy {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, "a neighbour is not connected")
			return
		}
		fmt.Fprintln(w, "ok")
	}))
	mux.HandleFunc("GET /metrics", answer(func(w http.ResponseWriter, h health) {
		for _, f := range h.figures {
			fmt.Fprintf(w, "# HELP backchannel_%s %s\n# TYPE backchannel_%s %s\nbackchannel_%s %v\n", f.name, f.help, f.name, f.kind, f.name, f.value)
		}
	}))
	return mux
}
