package web

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"backchannel/internal/station"
)

// PagesConfig is what the pages need beside the station.
type PagesConfig struct {
	Version string
	API     http.Handler // what NewHandler returned
	Log     *slog.Logger
	Now     func() time.Time // nil means time.Now
	Rooms   RoomDesk         // nil means the station's own
	Seats   SeatDesk         // nil means the station's own
	Books   BookDesk         // nil means the station's own
}

// Pages are a station's web pages: what a principal who is no engineer uses.
// Sessions are in memory only; whoever restarts the station signs in again.
type Pages struct {
	*screens
	s     *station.Station
	desk  RoomDesk
	seats SeatDesk
	cfg   PagesConfig
	mux   *http.ServeMux

	sessions sessions
	doors    [2]door // tries of passphrases from this machine, and from paired devices
	live     hub
	welcome  welcome
	openOnce sync.Once
	ending   atomic.Bool // the station stops
	doc      *apiDocument
}

// NewPages makes the pages of a station. Run drives their time-outs.
func NewPages(s *station.Station, cfg PagesConfig) (*Pages, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Books == nil {
		cfg.Books = s
	}
	screens, err := newScreens(cfg.Log, cfg.Now)
	if err != nil {
		return nil, err
	}
	p := &Pages{screens: screens, s: s, desk: cfg.Rooms, seats: cfg.Seats, cfg: cfg, mux: http.NewServeMux()}
	if p.desk == nil {
		p.desk = s
	}
	if p.seats == nil {
		p.seats = stationSeats{s}
	}
	p.sessions.init(cfg.Now)
	p.routes()
	return p, nil
}

// routes names every page and action. What open lists works without a session.
func (p *Pages) routes() {
	open := map[string]http.HandlerFunc{
		"GET /welcome":          p.greet,
		"POST /new-vault":       p.newVault,
		"GET /unlock":           p.showUnlock,
		"POST /unlock":          p.unlock,
		"GET /pair/{token}":     p.showPair,
		"POST /pair/{token}":    p.pair,
		"GET /assets/{file}":    serveAsset,
		"GET /favicon.ico":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"GET /site.webmanifest": serveManifest,
	}
	for pattern, h := range open {
		p.mux.HandleFunc(pattern, h)
	}
	signedIn := map[string]func(*visit){
		"GET /search":                     p.search,
		"POST /search":                    p.startSearch,
		"POST /items/{item}/acknowledge":  p.acknowledge,
		"POST /items/{item}/cancel":       p.cancelItem,
		"POST /items/{item}/erase":        p.eraseItem,
		"POST /items/{item}/edit":         p.editItem,
		"POST /c/{contact}/insert":        p.insertItem,
		"POST /c/{contact}/mute":          p.mute,
		"POST /c/{contact}/expiry":        p.expire,
		"POST /c/{contact}/key":           p.noteKey,
		"GET /c/{contact}/burn":           p.showBurn,
		"POST /c/{contact}/burn":          p.burn,
		"POST /c/{contact}/export":        p.export,
		"GET /forge":                      p.showForge,
		"POST /forge":                     p.forge,
		"GET /panic":                      p.showPanic,
		"POST /panic":                     p.panicNow,
		"POST /settings/backup":           p.backup,
		"GET /{$}":                        p.showDesk,
		"GET /part/people":                p.partPeople,
		"GET /part/facts":                 p.partFacts,
		"GET /c/{contact}":                p.showConversation,
		"GET /c/{contact}/part":           p.partConversation,
		"POST /c/{contact}/signal":        p.sendSignal,
		"POST /c/{contact}/letter":        p.sendLetter,
		"POST /c/{contact}/draft":         p.keepDraft,
		"GET /c/{contact}/estimate":       p.estimate,
		"GET /c/{contact}/about":          p.showAbout,
		"POST /c/{contact}/rename":        p.rename,
		"POST /c/{contact}/lane":          p.assignLane,
		"POST /c/{contact}/park":          p.parkLane,
		"POST /c/{contact}/deliver":       p.deliver,
		"POST /c/{contact}/cancel":        p.cancelInvitation,
		"GET /items/{item}":               p.showItem,
		"GET /items/{item}/file":          p.download,
		"GET /meet":                       p.showMeet,
		"POST /meet/invite":               p.invite,
		"POST /meet/accept":               p.accept,
		"GET /meet/{contact}":             p.showMeeting,
		"GET /meet/{contact}/part":        p.partMeeting,
		"GET /meet/{contact}/qr.png":      p.invitationQR,
		"GET /meet/{contact}/file":        p.invitationFile,
		"POST /meet/{contact}/same":       p.sameWords,
		"GET /meet/{contact}/different":   p.showDifferent,
		"GET /others":                     p.showOthers,
		"GET /others/part":                p.partOthers,
		"GET /network":                    p.showNetwork,
		"GET /settings":                   p.showSettings,
		"POST /settings/options":          p.saveOptions,
		"POST /settings/passphrase":       p.changePassphrase,
		"POST /settings/pair":             p.newPairing,
		"POST /settings/devices/{device}": p.revokeDevice,
		"POST /settings/connection":       p.saveConnection,
		"GET /settings/key":               p.showSealKey,
		"GET /settings/tokens":            p.showTokens,
		"POST /settings/tokens":           p.newToken,
		"POST /settings/tokens/{token}":   p.revokeToken,
		"POST /lock":                      p.lock,
		"POST /close":                     p.closeVault,
		"GET /help":                       p.showHelp,
		"GET /api":                        p.showAPI,
		"GET /live":                       p.serveLive,
		"POST /strength":                  p.strength,
	}
	for pattern, h := range signedIn {
		p.mux.HandleFunc(pattern, p.guarded(h))
	}
	for pattern, h := range p.roomRoutes() {
		p.mux.HandleFunc(pattern, p.guarded(h))
	}
	api, described := p.guardedAPI(), p.guarded(p.serveOpenAPI)
	p.mux.Handle("/v1/", api)
	p.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, r *http.Request) {
		if _, given := bearer(r); given { // a program, which has no session
			api.ServeHTTP(w, r)
			return
		}
		described(w, r)
	})
	p.mux.HandleFunc("/", p.guarded(p.notFound))
}

// Run ends sessions whose time is over, closes the vault after its own time-out
// and tells open pages what changed, until ctx ends.
func (p *Pages) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { p.live.follow(ctx, p.s, p.cfg.Log) })
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer wg.Wait()
	for {
		select {
		case <-ctx.Done():
			p.ending.Store(true)
			p.sessions.endAll()
			return
		case <-tick.C:
			p.timeOut(ctx)
		}
	}
}

// timeOut applies both time-outs.
func (p *Pages) timeOut(ctx context.Context) {
	o := p.s.PageOptions()
	unlocked := p.s.Unlocked()
	if !unlocked {
		p.sessions.endAll()
		return
	}
	p.sessions.endOthers(p.s.Opening(), p.s.Paired)
	idle := p.sessions.idle()
	if o.LockMinutes > 0 {
		p.sessions.endIdle(time.Duration(o.LockMinutes) * time.Minute)
	}
	if o.CloseMinutes > 0 && idle >= time.Duration(o.CloseMinutes)*time.Minute {
		p.sessions.endAll()
		if err := p.s.Lock(ctx); err != nil {
			p.cfg.Log.Warn("pages: closing the vault after its time-out failed", "error", err)
		}
	}
}

// Active marks every request to h as an act of the principal, so that the vault's
// time-out counts from it. One with a token is a program's, which asks all day.
func (p *Pages) Active(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given := bearer(r); !given {
			p.sessions.touch()
		}
		h.ServeHTTP(w, r)
	})
}
