package web

import (
	"context"
	"crypto/rand"
	"net/http"
	"sync"
	"time"
)

// A session begins with the passphrase and ends by the lock button, by its
// time-out or with the station. It is in memory only.
type session struct {
	form    string // token that every form repeats
	device  string // identifier of the paired device, "" on this machine
	owner   string // the user of this machine whose browser signed in, "" if not known
	opening uint64 // of the vault: a session does not outlive it, however soon the next comes
	touched time.Time
	ctx     context.Context // ends with the session, and the live streams with it
	end     context.CancelFunc
	asked   []asked // searches, oldest first
	said    string  // what the next page says about what was just done
}

// maxSessions bounds how many browsers are signed in at once; the one idle
// longest gives way.
const maxSessions = 32

type sessions struct {
	now func() time.Time

	mu   sync.Mutex
	all  map[string]*session // by the cookie's value, 130 random bits
	last time.Time           // of the principal's last act, by page or command
}

func (s *sessions) init(now func() time.Time) {
	s.now, s.all, s.last = now, map[string]*session{}, now()
}

// begin makes a session and returns its cookie's value.
func (s *sessions) begin(device, owner string, opening uint64) string {
	id := rand.Text()
	ctx, end := context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.all) >= maxSessions {
		var oldest string
		for k, v := range s.all {
			if oldest == "" || v.touched.Before(s.all[oldest].touched) {
				oldest = k
			}
		}
		s.drop(oldest)
	}
	s.last = s.now()
	s.all[id] = &session{form: rand.Text(), device: device, owner: owner, opening: opening, touched: s.last, ctx: ctx, end: end}
	return id
}

// find returns a session that has not ended. An act of the principal, other than
// a page that refreshes itself, keeps it alive. Its cookie is worth something in the
// hands of the device, or the user of this machine, that signed in: browsers send it
// to every port of this machine, so a program of somebody else may have it.
// One that was idle for longer than limit has ended, whether Run noticed or not.
func (s *sessions) find(id, device, owner string, opening uint64, act bool, limit time.Duration) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.all[id]
	if found == nil || found.device != device || found.owner != "" && found.owner != owner {
		return nil
	}
	if found.opening != opening || limit > 0 && s.since(found.touched) >= limit {
		s.drop(id)
		return nil
	}
	if act {
		s.last = s.now()
		found.touched = s.last
	}
	return found
}

func (s *sessions) drop(id string) {
	s.all[id].end()
	delete(s.all, id)
}

// endAll locks every page.
func (s *sessions) endAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.all {
		s.drop(id)
	}
}

// endIdle locks pages on which nothing was done for d.
func (s *sessions) endIdle(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, v := range s.all {
		if s.since(v.touched) >= d {
			s.drop(id)
		}
	}
}

// endOthers ends the sessions of former openings of the vault and of devices that
// are not paired any more, and with them what they still listen to.
func (s *sessions) endOthers(opening uint64, paired func(device string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, v := range s.all {
		if v.opening != opening || v.device != "" && !paired(v.device) {
			s.drop(id)
		}
	}
}

// idle is how long the principal has done nothing, by page or command.
func (s *sessions) idle() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since(s.last)
}

// since is how long ago t was, by whichever clock says more: the monotonic one
// stands still while a machine sleeps, and the other may be set back.
func (s *sessions) since(t time.Time) time.Duration {
	now := s.now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

func (s *sessions) touch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = s.now()
}

// say keeps a sentence for the session's next page; said takes it.
func (s *sessions) say(v *session, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.said = text
}

func (s *sessions) said(v *session) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := v.said
	v.said = ""
	return text
}

// Cookies carry the port in their name, since browsers share them among all
// ports of a host and one machine may have several stations.
func (g Gate) cookie(name string) string {
	if g.Secure {
		return "__Host-" + name + "-" + g.Port
	}
	return name + "-" + g.Port
}

func (g Gate) set(w http.ResponseWriter, name, value string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: g.cookie(name), Value: value, Path: "/", MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: g.Secure,
	})
}

func (g Gate) get(r *http.Request, name string) string {
	c, err := r.Cookie(g.cookie(name))
	if err != nil {
		return ""
	}
	return c.Value
}

func withGate(r *http.Request, g Gate) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), gateKey{}, g))
}

func gateOf(r *http.Request) Gate {
	g, _ := r.Context().Value(gateKey{}).(Gate)
	return g
}
