package web

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"backchannel/internal/station"
)

// A Gate is one listener's way to the pages.
type Gate struct {
	// Hosts are the values of the Host header that are answered, host:port or host.
	// Any other is refused: a name that somebody else controls may have been made to
	// point here (DNS rebinding).
	Hosts []string
	// Remote gates serve paired devices only.
	Remote bool
	// Secure says that the listener speaks TLS.
	Secure bool
	// Port tells the cookies of stations on one machine apart.
	Port string
}

// policy allows what the pages consist of and nothing else; no inline script or
// style, no other origin, no frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"

// headers are sent with every answer of the pages.
var headers = map[string]string{
	"Content-Security-Policy":      policy,
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cache-Control":                "no-store",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
	"X-Robots-Tag":                 "noindex",
}

// gateKey is how handlers find the gate of a request.
type gateKey struct{}

// Handler serves the pages through a gate.
func (p *Pages) Handler(g Gate) http.Handler {
	return shield(g, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.Remote {
			if device := p.device(r, g); device != "" {
				recognise(r.Context(), device)
			} else if p.stranger(w, r) {
				return
			}
		}
		p.mux.ServeHTTP(w, withGate(r, g))
	}))
}

// strangerTime is how long a request of a device that is not paired may take.
const strangerTime = 15 * time.Second

// stranger answers a device that is not paired, unless it asks for what pairs it.
// It may not dawdle, and its connection ends with the answer.
func (p *Pages) stranger(w http.ResponseWriter, r *http.Request) (answered bool) {
	rc, end := http.NewResponseController(w), time.Now().Add(strangerTime)
	_ = errors.Join(rc.SetReadDeadline(end), rc.SetWriteDeadline(end)) // a test's writer has none
	w.Header().Set("Connection", "close")
	if strings.HasPrefix(r.URL.Path, "/pair/") || strings.HasPrefix(r.URL.Path, "/assets/") {
		return false
	}
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		writeProblem(w, problemOf(http.StatusForbidden, station.CodeDenied, p.text.say("refused.device")))
	} else {
		p.refuse(w, http.StatusForbidden, p.text.say("refused.device"))
	}
	return true
}

// shield is what stands before every page, signed in or not: headers, the list of
// names, and the refusal of requests that another site caused.
func shield(g Gate, next http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(refuseElsewhere))
	checked := origins.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for k, v := range headers {
			w.Header().Set(k, v)
		}
		if !slices.Contains(g.Hosts, strings.ToLower(r.Host)) {
			// Who led a name of its own here can read this: it does not say what runs here.
			http.Error(w, "this name is not served here", http.StatusMisdirectedRequest)
			return
		}
		// A request that another site's page caused, though it carries no form: an
		// image, a frame, a script. Typing an address and following a link are "none".
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
			if r.Method != http.MethodGet || r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document" {
				refuseElsewhere(w, r)
				return
			}
		}
		checked.ServeHTTP(w, r)
	})
}

// refuseElsewhere answers what another site caused, in the form of the interface if it
// was meant for that.
func refuseElsewhere(w http.ResponseWriter, r *http.Request) {
	const detail = "another site caused this request: open the page of the station itself"
	if strings.HasPrefix(r.URL.Path, "/v1/") {
		writeProblem(w, problemOf(http.StatusForbidden, station.CodeDenied, detail))
		return
	}
	http.Error(w, detail, http.StatusForbidden)
}

// sameToken compares a form's token in constant time.
func sameToken(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
