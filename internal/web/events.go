package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"backchannel/internal/station"
)

// keepAlive is how often a quiet event stream sends a comment, so that either
// side notices when the other is gone.
const keepAlive = 15 * time.Second

// patience gives a stream the time in which whoever listens must take what is
// written next; a device that went away without a word holds its place no longer.
func patience(rc *http.ResponseController) {
	_ = rc.SetWriteDeadline(time.Now().Add(4 * keepAlive)) // a test's writer has none
}

// registerEvents serves GET /v1/events as server-sent events, one JSON notice
// each. A stream that is not read loses events, never the station's time.
func registerEvents(mux *http.ServeMux, api huma.API, s *station.Station) {
	const path = "/v1/events"
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		notices, stop, err := s.Follow(r.Context())
		if err != nil {
			refuse(w, err)
			return
		}
		defer stop()
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
		rc := http.NewResponseController(w)
		defer func() { _ = rc.SetWriteDeadline(time.Time{}) }() // the connection serves others after it
		tick := time.NewTicker(keepAlive)
		defer tick.Stop()
		var check <-chan time.Time // a program's stream ends with its token, also if nothing happens
		if limited(r.Context()) {
			again := time.NewTicker(time.Second)
			defer again.Stop()
			check = again.C
		}
		for {
			if rc.Flush() != nil {
				return
			}
			patience(rc)
			select {
			case <-r.Context().Done():
				return
			case <-check:
				if !stillAllowed(r.Context(), s) {
					return
				}
			case <-tick.C:
				if _, err := fmt.Fprint(w, ": still here\n\n"); err != nil {
					return
				}
			case n, ok := <-notices:
				if !ok || !stillAllowed(r.Context(), s) {
					return
				}
				b, err := json.Marshal(n)
				if err != nil {
					return
				}
				if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", n.Kind, b); err != nil {
					return
				}
			}
		}
	})
	op := &huma.Operation{
		OperationID: "events", Method: http.MethodGet, Path: path,
		Summary: "What happens, as server-sent events",
		Responses: map[string]*huma.Response{"200": {
			Description: "a stream of notices that does not end by itself",
			Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{
				Type: huma.TypeString, Description: "server-sent events; the data of each is a Notice (components/schemas/Notice) as JSON on one line",
				Examples: []any{"event: delivered\ndata: {\"time\":\"2026-03-01T14:05:00Z\",\"kind\":\"delivered\",\"contact\":\"0d5f…\",\"item\":\"3f2a…\"}\n\n"},
			}}},
		}},
	}
	api.OpenAPI().Components.Schemas.Schema(noticeType, true, "Notice") // described, though no answer is one alone
	api.OpenAPI().AddOperation(op)
}
