package web

import (
	"context"
	"errors"
	"mime/multipart"
	"net/http"
	"strings"

	"backchannel/internal/station"
)

// A visit is one request of somebody who is signed in.
type visit struct {
	w       http.ResponseWriter
	r       *http.Request
	session *session
	told    uint64 // hints that were given before it, so that a page knows what it missed
}

// maxForm bounds a form without files; maxUpload one with.
const (
	maxForm   = 256 << 10
	maxUpload = station.MaxContent + 256<<10
)

// guarded lets only signed-in visits through, and of those that change something
// only such whose form repeats the session's token.
func (p *Pages) guarded(h func(*visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		session := p.find(r)
		if session == nil {
			if r.Header.Get("HX-Request") != "" || r.Header.Get("Accept") == "text/event-stream" {
				w.Header().Set("HX-Redirect", "/unlock") // no error: the page has just been locked
				w.WriteHeader(http.StatusNoContent)
				return
			}
			http.Redirect(w, r, "/unlock", http.StatusSeeOther)
			return
		}
		v := &visit{w, r, session, p.live.count()}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			limit := int64(maxForm)
			if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
				limit = maxUpload
			}
			r.Body = http.MaxBytesReader(w, r.Body, limit)
			if err := v.parse(); err != nil {
				code, text := http.StatusBadRequest, p.text.say("refused.form")
				if errors.As(err, new(*http.MaxBytesError)) {
					code, text = http.StatusRequestEntityTooLarge, p.text.say("refused.large")
				}
				p.refuse(w, code, text)
				return
			}
			if r.MultipartForm != nil {
				defer func() { _ = r.MultipartForm.RemoveAll() }() // all parts are in memory
			}
			if !sameToken(r.PostFormValue("token"), session.form) {
				p.refuse(w, http.StatusForbidden, p.text.say("refused.token"))
				return
			}
		}
		h(v)
	}
}

// parse reads a form wholly into memory: what is attached to a letter must not
// appear in a temporary file.
func (v *visit) parse() error {
	if strings.HasPrefix(v.r.Header.Get("Content-Type"), "multipart/form-data") {
		return v.r.ParseMultipartForm(2 * maxUpload)
	}
	return v.r.ParseForm()
}

// field is a value of the form.
func (v *visit) field(name string) string { return v.r.PostFormValue(name) }

// files are the files chosen in a field of the form; a browser sends an empty
// one for none.
func (v *visit) files(name string) (out []*multipart.FileHeader) {
	if v.r.MultipartForm == nil {
		return nil
	}
	for _, f := range v.r.MultipartForm.File[name] {
		if f.Filename != "" || f.Size > 0 {
			out = append(out, f)
		}
	}
	return out
}

// part reports whether htmx asks for a part of a page.
func (v *visit) part() bool { return v.r.Header.Get("HX-Request") != "" }

func (v *visit) redirect(to string) {
	if v.part() {
		v.w.Header().Set("HX-Redirect", to)
		v.w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
}

// done leads to a page that says what was done.
func (p *Pages) done(v *visit, to, key string, args ...any) {
	p.sessions.say(v.session, p.text.say(key, args...))
	v.redirect(to)
}

// guardedAPI serves the API to signed-in pages and to whoever has a token.
func (p *Pages) guardedAPI() http.Handler {
	program := RequireToken(p.s, p.cfg.API)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if detail := elsewhere(r); detail != "" {
			writeProblem(w, problemOf(http.StatusForbidden, station.CodeDenied, detail))
			return
		}
		if _, given := bearer(r); given {
			program.ServeHTTP(w, r)
			return
		}
		session := p.find(r)
		if session == nil || r.Method != http.MethodGet && !sameToken(r.Header.Get("X-Form-Token"), session.form) {
			writeProblem(w, problemOf(http.StatusUnauthorized, station.CodeDenied, "using the station: sign in on its page"))
			return
		}
		ctx, cancel := context.WithCancel(r.Context()) // what it listens to ends with the session
		defer cancel()
		defer context.AfterFunc(session.ctx, cancel)()
		p.cfg.API.ServeHTTP(w, r.WithContext(ctx))
	})
}

// elsewhere says where to do what the interface does not do for browsers: what asks
// for a passphrase, so that passphrases are tried at the door only, and what a
// paired device is not even shown.
func elsewhere(r *http.Request) string {
	switch r.URL.Path {
	case "/v1/unlock", "/v1/vault":
		return "unlock on the page or with \"backchannel unlock\""
	case passphrasePath:
		return "change the passphrase on the settings page or with \"backchannel settings passphrase\""
	case connectionPath:
		if r.Method != http.MethodGet || gateOf(r).Remote {
			return "do so on the settings page, on the station's own machine, or with \"backchannel settings\""
		}
	}
	return ""
}

// statusOf maps an error to HTTP.
func statusOf(err error) int {
	var e *station.Error
	if errors.As(err, &e) {
		return status[e.Code]
	}
	return http.StatusInternalServerError
}

// fail shows an error as a page, or beside what was asked for.
func (p *Pages) fail(v *visit, err error) {
	var e *station.Error
	if errors.As(err, &e) && e.Code == station.CodeLocked {
		v.redirect("/unlock")
		return
	}
	p.show(v, statusOf(err), "trouble", troublePage{p.text.sentence(err)})
}

type troublePage struct{ Text string }

func (p *Pages) notFound(v *visit) {
	p.show(v, http.StatusNotFound, "trouble", troublePage{p.text.say("trouble.notfound")})
}

// refuse answers a request that is not let in. It shows nothing of the station.
func (s *screens) refuse(w http.ResponseWriter, code int, text string) {
	s.render(w, code, "refused", troublePage{text})
}
