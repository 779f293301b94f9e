package web

import (
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"backchannel/internal/station"
)

// Setup is the guided first start: a passphrase, the network, the account. Nothing
// is written before the last of these; until then every step can be taken back.
// The fourth step, the first contact, is a page of the station itself.
//
// Only a browser that followed the link with the key may use it, for whoever sets
// a station up knows its passphrase.
type Setup struct {
	*screens
	dir string
	key string
	mux *http.ServeMux

	mu      sync.Mutex
	owner   string // the user of this machine who followed the link, "" if not known
	pass    []byte
	network []byte
	info    station.NetworkInfo
	socks5  string
	ready   bool

	made chan Made
}

// Made is what a first start has led to.
type Made struct {
	Config     station.Config
	Passphrase []byte
	Restored   []string // what the principal should know after a restore
}

// maxBackup bounds a backup that is restored in the browser.
const maxBackup = 4 << 30

// NewSetup prepares the first start of a station in a folder.
func NewSetup(dir string, log *slog.Logger) (*Setup, error) {
	screens, err := newScreens(log, time.Now)
	if err != nil {
		return nil, err
	}
	s := &Setup{screens: screens, dir: dir, key: rand.Text(), mux: http.NewServeMux(), made: make(chan Made, 1)}
	s.mux.HandleFunc("GET /assets/{file}", serveAsset)
	s.mux.HandleFunc("GET /first-start", s.enter)
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /{$}": s.begin, "GET /step/{step}": s.step, "POST /step/passphrase": s.takePassphrase, "POST /step/network": s.takeNetwork,
		"POST /step/account": s.takeAccount, "POST /step/over": s.over, "POST /strength": s.strength, "GET /welcome": s.wait,
	} {
		s.mux.HandleFunc(pattern, s.keyed(h))
	}
	return s, nil
}

// Path is the address, on the listener, that lets a browser in.
func (s *Setup) Path() string { return "/first-start?key=" + s.key }

// Key is what the browser that set the station up has in its cookie; see
// Pages.Welcome.
func (s *Setup) Key() string { return s.key }

// Made yields the station's configuration and passphrase once it was made.
func (s *Setup) Made() <-chan Made { return s.made }

// Handler serves the first start through a gate.
func (s *Setup) Handler(g Gate) http.Handler {
	return shield(g, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, withGate(r, g)) }))
}

func (s *Setup) enter(w http.ResponseWriter, r *http.Request) {
	if !sameToken(r.URL.Query().Get("key"), s.key) {
		s.refuse(w, http.StatusForbidden, s.text.say("setup.link"))
		return
	}
	s.mu.Lock()
	if s.owner == "" {
		s.owner = ownerFor(r.Context())
	}
	s.mu.Unlock()
	gateOf(r).set(w, "setup", s.key, 0)
	http.Redirect(w, r, "/step/passphrase", http.StatusSeeOther)
}

// keyed lets through whoever followed the link, and forms that repeat the key.
func (s *Setup) keyed(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		limit := int64(1 << 20)
		if r.URL.Path == "/step/account" {
			limit = maxBackup
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		if r.Method == http.MethodPost {
			if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
				// A backup that does not fit the memory waits in a temporary file: it is
				// encrypted, as where it came from.
				if r.ParseMultipartForm(2<<20) != nil {
					s.refuse(w, http.StatusBadRequest, s.text.say("refused.form"))
					return
				}
				defer func() { _ = r.MultipartForm.RemoveAll() }() // the system clears what stays
			} else if r.ParseForm() != nil {
				s.refuse(w, http.StatusBadRequest, s.text.say("refused.form"))
				return
			}
		}
		s.mu.Lock()
		theirs := s.owner != "" && s.owner != ownerFor(r.Context()) // who has but the cookie
		s.mu.Unlock()
		known := sameToken(gateOf(r).get(r, "setup"), s.key) && !theirs
		if !known || r.Method == http.MethodPost && !sameToken(r.PostFormValue("token"), s.key) {
			s.refuse(w, http.StatusForbidden, s.text.say("setup.link"))
			return
		}
		h(w, r)
	}
}

type setupPage struct {
	Step       string
	Steps      []stepView
	Token      string
	Problem    string
	Suggestion string
	Chosen     bool // a passphrase
	Network    *station.NetworkInfo
	SOCKS5     string
	Dir        string
	Refresh    bool
}

// page shows a step; earlier steps are done, later ones cannot be entered yet.
func (s *Setup) page(w http.ResponseWriter, code int, step, problem string) {
	s.mu.Lock()
	page := setupPage{Step: step, Token: s.key, Problem: problem, Chosen: s.pass != nil, SOCKS5: s.socks5, Dir: s.dir}
	if s.network != nil {
		info := s.info
		page.Network = &info
	}
	s.mu.Unlock()
	at := map[string]int{"passphrase": 0, "network": 1, "account": 2, "wait": 3}[step]
	for i, text := range []string{s.text.say("setup.step.passphrase"), s.text.say("setup.step.network"), s.text.say("setup.step.account"), s.text.say("setup.step.contact")} {
		v := stepView{Text: text, State: "later"}
		if i < at {
			v.State = "done"
		} else if i == at {
			v.State = "now"
		}
		page.Steps = append(page.Steps, v)
	}
	if step == "passphrase" {
		page.Suggestion = strings.Join(station.SuggestPassphrase(), " ")
	}
	s.render(w, code, "setup", page)
}

func (s *Setup) begin(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/step/passphrase", http.StatusSeeOther)
}

// reached tells how far the choices allow to go.
func (s *Setup) reached(step string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch step {
	case "passphrase":
		return true
	case "network":
		return s.pass != nil
	case "account":
		return s.pass != nil && s.network != nil
	}
	return false
}

func (s *Setup) step(w http.ResponseWriter, r *http.Request) {
	step := r.PathValue("step")
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	switch {
	case ready:
		http.Redirect(w, r, "/welcome", http.StatusSeeOther)
	case !s.reached(step):
		http.Redirect(w, r, "/step/passphrase", http.StatusSeeOther)
	default:
		s.page(w, http.StatusOK, step, "")
	}
}

func (s *Setup) takePassphrase(w http.ResponseWriter, r *http.Request) {
	pass := r.PostFormValue("passphrase")
	switch {
	case pass != r.PostFormValue("again"):
		s.page(w, http.StatusUnprocessableEntity, "passphrase", s.text.say("settings.passphrase.differ"))
		return
	case Guessable(pass):
		s.page(w, http.StatusUnprocessableEntity, "passphrase", s.text.say("settings.passphrase.weak"))
		return
	}
	s.mu.Lock()
	clear(s.pass)
	s.pass = []byte(pass)
	s.mu.Unlock()
	http.Redirect(w, r, "/step/network", http.StatusSeeOther)
}

func (s *Setup) takeNetwork(w http.ResponseWriter, r *http.Request) {
	file, _, err := r.FormFile("file")
	if err != nil {
		s.page(w, http.StatusUnprocessableEntity, "network", s.text.say("setup.nofile"))
		return
	}
	b, err := io.ReadAll(file)
	if err == nil {
		var info station.NetworkInfo
		if info, err = station.ReadNetwork(b); err == nil {
			s.mu.Lock()
			s.network, s.info = b, info
			s.mu.Unlock()
			http.Redirect(w, r, "/step/network", http.StatusSeeOther)
			return
		}
	}
	s.page(w, http.StatusUnprocessableEntity, "network", s.text.sentence(err))
}

// takeAccount makes the station: folder, account key, vault.
func (s *Setup) takeAccount(w http.ResponseWriter, r *http.Request) {
	if !s.reached("account") {
		http.Redirect(w, r, "/step/passphrase", http.StatusSeeOther)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready {
		http.Redirect(w, r, "/welcome", http.StatusSeeOther)
		return
	}
	s.socks5 = strings.TrimSpace(r.PostFormValue("socks5"))
	made, err := s.makeStation(r)
	if err != nil {
		text := s.text.sentence(err)
		s.mu.Unlock()
		s.page(w, http.StatusUnprocessableEntity, "account", text)
		s.mu.Lock()
		return
	}
	s.ready = true
	s.made <- made
	http.Redirect(w, r, "/welcome", http.StatusSeeOther)
}

// makeStation makes a new station, or one from the backup that came with the form.
// The lock is held.
func (s *Setup) makeStation(r *http.Request) (Made, error) {
	made := Made{Passphrase: s.pass}
	backup, _, err := r.FormFile("backup")
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		if made.Config, err = station.InitFolder(s.dir, s.network, s.socks5); err == nil {
			err = station.CreateVault(made.Config, s.pass)
		}
		return made, err
	}
	if err != nil {
		return made, err
	}
	report, err := station.RestoreFolder(s.dir, s.network, backup, []byte(r.PostFormValue("backup-passphrase")), s.pass, s.socks5)
	if err != nil {
		return made, err
	}
	made.Restored = s.restored(report)
	made.Config, err = station.LoadConfig(report.Config)
	return made, err
}

// over forgets everything that was chosen.
func (s *Setup) over(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if !s.ready {
		clear(s.pass)
		s.pass, s.network, s.socks5 = nil, nil, ""
	}
	s.mu.Unlock()
	http.Redirect(w, r, "/step/passphrase", http.StatusSeeOther)
}

// wait is shown until the station's own pages take over this address.
func (s *Setup) wait(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Refresh", "1; url=/welcome")
	s.page(w, http.StatusOK, "wait", "")
}

func (s *Setup) strength(w http.ResponseWriter, r *http.Request) {
	s.answerStrength(w, r.PostFormValue("passphrase"))
}

// welcome lets the browser that set a station up in, once.
type welcome struct {
	mu   sync.Mutex
	key  string
	till time.Time
	said []string
}

// welcomeTime is how long the browser that set a station up has to come: the key
// stands in its history and perhaps in a log.
const welcomeTime = 10 * time.Minute

// Welcome lets whoever has a setup's key in its cookie sign in once without the
// passphrase, which that browser has just chosen.
// said is what its first page then says.
func (p *Pages) Welcome(key string, said ...string) {
	p.welcome.mu.Lock()
	defer p.welcome.mu.Unlock()
	p.welcome.key, p.welcome.till, p.welcome.said = key, p.cfg.Now().Add(welcomeTime), said
}

func (p *Pages) greet(w http.ResponseWriter, r *http.Request) {
	g := gateOf(r)
	p.welcome.mu.Lock()
	ok := p.welcome.key != "" && p.cfg.Now().Before(p.welcome.till) && !g.Remote && sameToken(g.get(r, "setup"), p.welcome.key)
	if ok {
		p.welcome.key = ""
	}
	p.welcome.mu.Unlock()
	g.set(w, "setup", "", -1)
	if !ok || !p.s.Unlocked() {
		http.Redirect(w, r, "/unlock", http.StatusSeeOther)
		return
	}
	owner := ownerFor(r.Context())
	id := p.sessions.begin("", owner, p.s.Opening())
	g.set(w, "session", id, 0)
	if len(p.welcome.said) > 0 {
		if session := p.sessions.find(id, "", owner, p.s.Opening(), true, 0); session != nil {
			p.sessions.say(session, strings.Join(p.welcome.said, " "))
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, "/meet?first=yes", http.StatusSeeOther)
}
