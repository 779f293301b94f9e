package web

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"backchannel/internal/station"
)

type settingsPage struct {
	Token    string
	Options  station.PageOptions
	Stretch  station.Stretching
	People   []personView
	Lanes    int
	Free     int
	Expiry   string // name of the self-expiry of new contacts
	Here     bool   // asked for on this machine
	Line     connectionView
	Devices  []station.Device
	Endpoint station.Endpoint
	Pairing  *station.Pairing
	Problem  string
	About    string // which part the problem is about
}

func (p *Pages) showSettings(v *visit) { p.settingsPage(v, http.StatusOK, settingsPage{}) }

func (p *Pages) settingsPage(v *visit, code int, s settingsPage) {
	ctx := v.r.Context()
	st, err := p.s.Status(ctx)
	if err != nil {
		p.fail(v, err)
		return
	}
	if s.People, _, err = p.people(ctx, ""); err != nil {
		p.fail(v, err)
		return
	}
	if s.Stretch, err = p.s.Stretching(); err != nil {
		p.fail(v, err)
		return
	}
	if s.Devices, err = p.s.Devices(ctx); err != nil {
		p.fail(v, err)
		return
	}
	if s.About != "connection" {
		s.Line = p.connection()
	}
	s.Token, s.Options, s.Lanes, s.Free = v.session.form, p.s.PageOptions(), st.Lanes, st.LanesFree
	s.Expiry, s.Here, s.Endpoint = keepName(s.Options.Expiry), !gateOf(v.r).Remote, p.s.Endpoint()
	p.show(v, code, "settings", s)
}

func (p *Pages) saveOptions(v *visit) {
	lock, err1 := strconv.Atoi(v.field("lock"))
	closing, err2 := strconv.Atoi(v.field("close"))
	if err1 != nil || err2 != nil {
		p.settingsPage(v, http.StatusUnprocessableEntity, settingsPage{Problem: p.text.say("settings.minutes"), About: "options"})
		return
	}
	o := station.PageOptions{Name: v.field("name"), LockMinutes: lock, CloseMinutes: closing, Notify: v.field("notify") == "yes", Expiry: p.s.PageOptions().Expiry}
	for _, k := range keepTimes {
		if k.Name == v.field("expiry") {
			o.Expiry = int64(k.For / time.Second)
		}
	}
	if err := p.s.SetPageOptions(v.r.Context(), o); err != nil {
		p.settingsPage(v, statusOf(err), settingsPage{Problem: p.text.sentence(err), About: "options"})
		return
	}
	p.done(v, "/settings", "settings.kept")
}

func (p *Pages) changePassphrase(v *visit) {
	refuse := func(code int, text string) {
		p.settingsPage(v, code, settingsPage{Problem: text, About: "passphrase"})
	}
	fresh := v.field("new")
	if fresh != v.field("again") {
		refuse(http.StatusUnprocessableEntity, p.text.say("settings.passphrase.differ"))
		return
	}
	if Guessable(fresh) {
		refuse(http.StatusUnprocessableEntity, p.text.say("settings.passphrase.weak"))
		return
	}
	if code, problem := p.atDoor(v, func() error {
		return p.s.ChangePassphrase(v.r.Context(), []byte(v.field("old")), []byte(fresh))
	}); problem != "" {
		refuse(code, problem)
		return
	}
	p.done(v, "/settings", "settings.passphrase.changed")
}

// atDoor does what asks for the passphrase again, and counts wrong ones. It
// returns what to tell the principal, "" if all went well.
func (p *Pages) atDoor(v *visit, do func() error) (code int, problem string) {
	d := p.door(gateOf(v.r))
	wait, ok := d.enter(p.cfg.Now())
	if !ok {
		return http.StatusTooManyRequests, p.text.say("locked.wait", p.text.duration(wait))
	}
	d.trying.Lock()
	err := do()
	d.trying.Unlock()
	d.leave(p.cfg.Now(), err == nil, denied(err))
	switch {
	case denied(err):
		return http.StatusForbidden, p.text.say("locked.wrong")
	case err != nil:
		return statusOf(err), p.text.sentence(err)
	default:
		return 0, ""
	}
}

func (p *Pages) newPairing(v *visit) {
	pairing, err := p.s.NewPairing(v.r.Context())
	if err != nil {
		p.settingsPage(v, statusOf(err), settingsPage{Problem: p.text.sentence(err), About: "devices"})
		return
	}
	p.settingsPage(v, http.StatusOK, settingsPage{Pairing: &pairing})
}

func (p *Pages) revokeDevice(v *visit) {
	id := v.r.PathValue("device")
	if err := p.s.RevokeDevice(v.r.Context(), id); err != nil {
		p.fail(v, err)
		return
	}
	p.sessions.endOthers(p.s.Opening(), p.s.Paired)
	p.done(v, "/settings", "settings.device.revoked")
}

// strength answers the meter beside a new passphrase.
func (p *Pages) strength(v *visit) { p.answerStrength(v.w, v.field("passphrase")) }

func (s *screens) answerStrength(w http.ResponseWriter, passphrase string) {
	a := assess(passphrase)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"score": a.Score, "text": s.strengthText(a)}) // the browser is gone, or it is not
}

func (s *screens) strengthText(a assessment) string {
	switch a.Score {
	case 0:
		return s.text.say("strength.weak")
	case 1:
		return s.text.say("strength.fair")
	case 2:
		return s.text.say("strength.good")
	default:
		return s.text.say("strength.strong")
	}
}
