package web

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"backchannel/internal/station"
)

// freeTries wrong passphrases cost nothing but Argon2id; each further one doubles
// the wait before the next, up to longestWait. A right one forgives.
const (
	freeTries   = 3
	longestWait = 5 * time.Minute
	maxQueue    = 4 // tries that may wait for their Argon2id at once
)

// A door counts wrong passphrases of one gate. Guesses from elsewhere must not
// keep the principal out at the machine itself, so each gate has its own.
type door struct {
	mu     sync.Mutex
	wrong  int
	until  time.Time
	queued int

	trying sync.Mutex // one Argon2id at a time: each takes 64 MiB
}

// enter reserves a try, or says how long to wait.
func (d *door) enter(now time.Time) (wait time.Duration, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Before(d.until) {
		return d.until.Sub(now), false
	}
	if d.queued >= maxQueue {
		return time.Second, false
	}
	d.queued++
	return 0, true
}

// leave settles a try.
func (d *door) leave(now time.Time, right, wrong bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.queued--
	switch {
	case right:
		d.wrong, d.until = 0, time.Time{}
	case wrong:
		d.wrong++
		if over := d.wrong - freeTries; over >= 0 {
			wait := longestWait
			if over < 9 {
				wait = min(time.Second<<over, longestWait)
			}
			d.until = now.Add(wait)
		}
	}
}

func (p *Pages) door(g Gate) *door {
	if g.Remote {
		return &p.doors[1]
	}
	return &p.doors[0]
}

// device returns the identifier of the paired device that asks, or "".
func (p *Pages) device(r *http.Request, g Gate) string {
	if !g.Remote {
		return ""
	}
	return p.s.KnownDevice(g.get(r, "device"))
}

// lockedPage is all that a locked page may say.
type lockedPage struct {
	Problem string
	Fresh   bool // there is no vault: everything was erased
}

func (p *Pages) showUnlock(w http.ResponseWriter, r *http.Request) {
	if p.find(r) != nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	p.renderLocked(w, http.StatusOK, lockedPage{})
}

func (p *Pages) renderLocked(w http.ResponseWriter, status int, l lockedPage) {
	l.Fresh = !p.s.HasVault()
	p.render(w, status, "locked", l)
}

// unlock checks the passphrase, opens the vault if it is closed, and begins a
// session.
func (p *Pages) unlock(w http.ResponseWriter, r *http.Request) {
	g := gateOf(r)
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	pass := r.PostFormValue("passphrase")
	if pass == "" {
		p.renderLocked(w, http.StatusUnprocessableEntity, lockedPage{Problem: p.text.say("locked.empty")})
		return
	}
	switch err := p.try(r, g, []byte(pass)); {
	case err == nil:
	case errors.As(err, new(waitError)):
		p.renderLocked(w, http.StatusTooManyRequests, lockedPage{Problem: err.Error()})
		return
	default:
		problem, status := p.text.say("locked.trouble", err.Error()), http.StatusInternalServerError
		if denied(err) {
			problem, status = p.text.say("locked.wrong"), http.StatusForbidden
		}
		p.renderLocked(w, status, lockedPage{Problem: problem})
		return
	}
	g.set(w, "session", p.sessions.begin(p.device(r, g), ownerFor(r.Context()), p.s.Opening()), 0)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func denied(err error) bool {
	var e *station.Error
	return errors.As(err, &e) && e.Code == station.CodeDenied
}

// waitError says that too many wrong passphrases came before.
type waitError string

func (e waitError) Error() string { return string(e) }

// try checks a passphrase at the gate's door; a right one opens the vault.
func (p *Pages) try(r *http.Request, g Gate, pass []byte) error {
	d := p.door(g)
	wait, ok := d.enter(p.cfg.Now())
	if !ok {
		return waitError(p.text.say("locked.wait", p.text.duration(wait)))
	}
	d.trying.Lock()
	var err error
	if p.s.Unlocked() {
		err = p.s.CheckPassphrase(r.Context(), pass)
	} else if err = p.s.Unlock(r.Context(), pass); isConflict(err) {
		err = p.s.CheckPassphrase(r.Context(), pass) // somebody else opened it meanwhile
	}
	d.trying.Unlock()
	d.leave(p.cfg.Now(), err == nil, denied(err))
	return err
}

func isConflict(err error) bool {
	var e *station.Error
	return errors.As(err, &e) && e.Code == station.CodeConflict
}

// find returns the session of a request, or nil.
func (p *Pages) find(r *http.Request) *session {
	g := gateOf(r)
	id := g.get(r, "session")
	if id == "" || !p.s.Unlocked() {
		return nil
	}
	act := r.Header.Get("X-Refresh") == "" && r.URL.Path != "/live"
	limit := time.Duration(p.s.PageOptions().LockMinutes) * time.Minute
	found := p.sessions.find(id, p.device(r, g), ownerFor(r.Context()), p.s.Opening(), act, limit)
	if found != nil && !g.Remote {
		recognise(r.Context(), "here")
	}
	return found
}

// lock ends every session; the vault stays open and the station goes on
// receiving.
func (p *Pages) lock(v *visit) {
	p.sessions.endAll()
	p.leave(v)
}

// closeVault also takes the keys out of memory.
func (p *Pages) closeVault(v *visit) {
	if err := p.s.Lock(v.r.Context()); err != nil && !isConflict(err) {
		p.fail(v, err)
		return
	}
	p.sessions.endAll()
	p.leave(v)
}

func (p *Pages) leave(v *visit) {
	v.w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	gateOf(v.r).set(v.w, "session", "", -1)
	v.redirect("/unlock")
}

// showPair asks before it uses a link up, since something else than the person
// may have fetched it.
func (p *Pages) showPair(w http.ResponseWriter, r *http.Request) {
	p.render(w, http.StatusOK, "pair", pairPage{Token: r.PathValue("token")})
}

type pairPage struct{ Token, Problem string }

const deviceAge = 400 * 24 * 3600 // seconds; as long as browsers keep a cookie

func (p *Pages) pair(w http.ResponseWriter, r *http.Request) {
	g := gateOf(r)
	r.Body = http.MaxBytesReader(w, r.Body, 8<<10)
	// A link has 256 bits: to count guesses would help nobody but who wants to keep
	// the paired devices out.
	value, err := p.s.Pair(r.Context(), r.PathValue("token"), strings.TrimSpace(r.PostFormValue("name")))
	if err != nil {
		p.render(w, http.StatusForbidden, "pair", pairPage{Problem: p.text.say("pair.failed")})
		return
	}
	g.set(w, "device", value, deviceAge)
	http.Redirect(w, r, "/unlock", http.StatusSeeOther)
}
